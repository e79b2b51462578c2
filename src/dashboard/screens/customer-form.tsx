import { Button, Group, NativeSelect, Stack, Text, Textarea, TextInput } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { type FormEvent, type ReactNode, useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import {
  createCustomer,
  type CustomerSources,
  type CustomerWritten,
  limits,
  updateCustomer,
  type Warning,
} from '../client.ts'
import { answered, Failure } from '../answer.ts'
import { customerOf, customersKey, type Known, shown } from '../customer-queries.ts'
import {
  type CustomerDraft,
  type CustomerForm,
  differing,
  type Field,
  formOf,
  inputOf,
  isTouched,
  kinds,
  linesOf,
  patchOf,
} from '../customer.ts'
import { isolated } from '../formats.ts'
import { service } from '../session.ts'
import { Dialog, Failed, useDeed } from './components.tsx'
import { useOrigins } from './customer-origin.tsx'

const { PersonNameUpdate, OrganizationUpdate, EmailUpdate, PhoneUpdate, PostalAddressUpdate } = limits

/**
 * Corrects a customer. What others change meanwhile is told, and shown where nothing was typed; what was typed stays
 * until it is saved or called off.
 */
export function EditCustomer({
  known,
  sources,
  close,
  done,
}: {
  known: Known
  sources: CustomerSources | undefined
  close: () => void
  done: (warnings: readonly Warning[]) => void
}) {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const [first] = useState(known.customer)
  const [draft, setDraft] = useState<CustomerDraft>({})
  const [isRefused, setIsRefused] = useState(false)
  const { busy, failure, run } = useDeed()
  const { customer, etag } = known
  const changed = differing(first, customer)

  async function save(event: FormEvent) {
    event.preventDefault()
    setIsRefused(false)
    const body = patchOf(customer, draft)
    if (Object.keys(body).length === 0) return done([])
    const written = await run(async () => {
      try {
        const reply = updateCustomer({
          client: service,
          path: { customerId: customer.id },
          headers: { 'If-Match': etag },
          body,
        })
        return await shown(queries, reply)
      } catch (error) {
        if (!(error instanceof Failure && error.code === 'customer-changed')) throw error
        await queries.refetchQueries({ queryKey: customerOf(customer.id).queryKey })
        void queries.invalidateQueries({ queryKey: customersKey })
        return undefined
      }
    })
    if (written) done(written.warnings)
    else setIsRefused(true)
  }
  return (
    <form aria-label={t('customer.edit')} onSubmit={(event) => void save(event)} noValidate>
      <Stack>
        {failure !== undefined && <Failed failure={failure} />}
        <div>
          <Text size="sm" c="dimmed">
            {t('customerForm.text')}
          </Text>
          <div role="status">
            {(changed.length > 0 || (isRefused && failure === undefined)) && (
              <Meanwhile
                changed={changed}
                isRefused={isRefused}
                draft={draft}
                before={first}
                after={customer}
                sources={sources}
              />
            )}
          </div>
        </div>
        <FormFields
          form={{ ...formOf(customer), ...draft }}
          change={(part) => setDraft({ ...draft, ...part })}
          isFirst
        />
        <Group>
          <Button type="submit" loading={busy}>
            {t('state.save')}
          </Button>
          <Button variant="default" onClick={close}>
            {t('state.cancel')}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}

/** What somebody else changed since the form was opened. */
function Meanwhile({
  changed,
  isRefused,
  draft,
  before,
  after,
  sources,
}: {
  changed: readonly Field[]
  isRefused: boolean
  draft: CustomerDraft
  before: Known['customer']
  after: Known['customer']
  sources: CustomerSources | undefined
}) {
  const { t } = useTranslation()
  const said = useOrigins()
  const text = (field: Field, of: Known['customer']) =>
    field === 'kind'
      ? t(`customerKind.${of.kind}` as 'customerKind.person')
      : linesOf(field, of).join(', ') || t('customerForm.empty')
  const by = (field: Field): string => {
    const origin = sources?.origins.find((each) => each.field === field)
    return origin ? ` (${said(origin)})` : ''
  }
  return (
    <section className="told" aria-label={t('customerForm.changed')}>
      <Stack gap="xs">
        <Text size="sm" fw={600}>
          ▲ {t(isRefused ? 'customerForm.notSaved' : 'customerForm.changedText')}
        </Text>
        <ul className="plain">
          {changed.map((field) => (
            <li key={field}>
              <Text size="sm" className="wrap">
                {`${t(`customerField.${field}`)}: ${isolated(text(field, before))} → ${isolated(text(field, after))}`}
                {by(field)}
                {isTouched(field, draft) && <strong> {t('customerForm.yours')}</strong>}
              </Text>
            </li>
          ))}
        </ul>
      </Stack>
    </section>
  )
}

export function NewCustomer({ close, done }: { close: () => void; done: (written: CustomerWritten) => void }) {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const [draft, setDraft] = useState<CustomerDraft>({})
  const { busy, failure, run } = useDeed()
  async function add(event: FormEvent) {
    event.preventDefault()
    const written = await run(() => answered(createCustomer({ client: service, body: inputOf(draft) })))
    if (!written) return
    void queries.invalidateQueries({ queryKey: customersKey })
    done(written)
  }
  return (
    <Dialog title={t('customers.addTitle')} close={close}>
      <form onSubmit={(event) => void add(event)} noValidate>
        <Stack>
          {failure !== undefined && <Failed failure={failure} />}
          <FormFields form={{ ...formOf({}), ...draft }} change={(part) => setDraft({ ...draft, ...part })} />
          <Group>
            <Button type="submit" loading={busy}>
              {t('customers.add')}
            </Button>
            <Button variant="default" onClick={close}>
              {t('state.cancel')}
            </Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  )
}

function FormFields({
  form,
  change,
  isFirst = false,
}: {
  form: CustomerForm
  change: (part: CustomerDraft) => void
  isFirst?: boolean
}) {
  const { t } = useTranslation()
  // A field that is being emptied stays.
  const [first] = useState(form)
  const text = (
    member: 'given' | 'family' | 'full' | 'company' | 'registrationNumber' | 'postalCode' | 'city' | 'country',
    maxLength: number,
  ) => ({
    label: t(`customerForm.${member}`),
    value: form[member],
    maxLength,
    autoComplete: 'off',
    onChange: (event: { currentTarget: { value: string } }) => change({ [member]: event.currentTarget.value }),
  })
  return (
    <>
      <NativeSelect
        // Whoever opened the form by keyboard goes on in it.
        autoFocus={isFirst}
        data-autofocus
        label={t('customerField.kind')}
        value={form.kind}
        data={kinds.map((value) => ({ value, label: t(`customerKind.${value}`) }))}
        onChange={(event) => change({ kind: kinds.find((kind) => kind === event.currentTarget.value) ?? 'person' })}
      />
      {(first.full !== '' || form.full !== '') && <TextInput {...text('full', PersonNameUpdate.full.maxLength)} />}
      {(first.full === '' || form.full === '' || form.given !== '' || form.family !== '') && (
        <div className="pair">
          <TextInput {...text('given', PersonNameUpdate.given.maxLength)} />
          <TextInput {...text('family', PersonNameUpdate.family.maxLength)} />
        </div>
      )}
      <div className="pair">
        <TextInput {...text('company', OrganizationUpdate.name.maxLength)} />
        <TextInput {...text('registrationNumber', OrganizationUpdate.registrationNumber.maxLength)} />
      </div>
      <ListOf
        entries={form.phones}
        label={(number) => t('customerForm.phone', { number })}
        add={t('customerForm.addPhone')}
        type="tel"
        maxLength={PhoneUpdate.number.maxLength}
        change={(phones) => change({ phones })}
      />
      <ListOf
        entries={form.emails}
        label={(number) => t('customerForm.email', { number })}
        add={t('customerForm.addEmail')}
        type="email"
        maxLength={EmailUpdate.address.maxLength}
        change={(emails) => change({ emails })}
      />
      <Textarea
        label={t('customerForm.lines')}
        value={form.lines}
        rows={Math.min(5, Math.max(1, form.lines.split('\n').length))}
        autoComplete="off"
        onChange={(event) => change({ lines: event.currentTarget.value })}
      />
      <div className="pair">
        <TextInput {...text('postalCode', PostalAddressUpdate.postalCode.maxLength)} />
        <TextInput {...text('city', PostalAddressUpdate.city.maxLength)} />
      </div>
      <TextInput {...text('country', PostalAddressUpdate.countryCode.maxLength)} />
    </>
  )
}

/** One field for each entry, the preferred one first. */
function ListOf({
  entries,
  label,
  add,
  type,
  maxLength,
  change,
}: {
  entries: readonly string[]
  label: (number: number) => string
  add: string
  type: 'tel' | 'email'
  maxLength: number
  change: (entries: readonly string[]) => void
}): ReactNode {
  const { t } = useTranslation()
  const fields = entries.length === 0 ? [''] : entries
  const list = useRef<HTMLDivElement>(null)
  const next = useRef<number>(undefined)
  // The button that was pressed may be gone with what it did: whoever works by keyboard goes on here.
  useEffect(() => {
    if (next.current === undefined) return
    const inputs = list.current?.querySelectorAll('input') ?? []
    inputs[Math.min(next.current, inputs.length - 1)]?.focus()
    next.current = undefined
  })
  const changeAndGoTo = (at: number, changed: readonly string[]) => {
    next.current = at
    change(changed)
  }
  return (
    <Stack gap="xs" ref={list}>
      {fields.map((entry, at) => (
        <Group key={at} gap="xs" align="flex-end" wrap="nowrap">
          <TextInput
            className="grow"
            // Not by the browser's own rules: a number may be typed in any way.
            inputMode={type}
            label={label(at + 1)}
            value={entry}
            maxLength={maxLength}
            autoComplete="off"
            onChange={(event) => change(fields.with(at, event.currentTarget.value))}
          />
          {entry !== '' && (
            <Button
              variant="default"
              aria-label={t('customerForm.remove', { what: label(at + 1) })}
              onClick={() => changeAndGoTo(at, fields.toSpliced(at, 1))}
            >
              <span aria-hidden>✕</span>
            </Button>
          )}
        </Group>
      ))}
      {fields.at(-1) !== '' && fields.length < limits.CustomerUpdate.emails.maxItems && (
        <Group>
          <Button size="compact-md" variant="default" onClick={() => changeAndGoTo(fields.length, [...fields, ''])}>
            {add}
          </Button>
        </Group>
      )}
    </Stack>
  )
}
