import { Button, Group, Stack, Text } from '@mantine/core'
import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useLocation, useNavigate, useParams } from '@tanstack/react-router'
import { type ReactNode, useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import {
  type CustomerOrigin,
  type CustomerSource,
  type CustomerSources,
  updateCustomer,
  withdrawEdit,
} from '../client.ts'
import { Failure } from '../answer.ts'
import { customerOf, type Known, shown, sourcesOf, suggestionsOf } from '../customer-queries.ts'
import {
  customerName,
  editedUnder,
  type Field,
  fields,
  linesOf,
  patchAgain,
  type Said,
  saidOtherwise,
} from '../customer.ts'
import { isolated, useFormats } from '../formats.ts'
import { useLiveCustomers } from '../live-customers.ts'
import { service } from '../session.ts'
import { Asked, Chip, Failed, Page, Panel, useDeed, When } from './components.tsx'
import { EditCustomer } from './customer-form.tsx'
import { Leads } from './customer-leads.tsx'
import { type Notice, NoticeBar, useNotice } from './customer-notice.tsx'
import { type Origin, OriginText, useSpeakers } from './customer-origin.tsx'
import { Parts, Same } from './customer-same.tsx'
import { entriesOf } from './customer-value.tsx'
import { Facts } from './facts.tsx'

/** The customer of the address; that of one who was merged leads to the one that it is part of. */
export function CustomerPage() {
  const { t } = useTranslation()
  const { customerId } = useParams({ from: '/customers/$customerId' })
  // Another customer is another place in the history; the one that a customer was merged into takes its place.
  const place = useLocation({ select: ({ state }) => state.__TSR_index })
  const navigate = useNavigate()
  const queries = useQueryClient()
  const query = useQuery(customerOf(customerId))
  const known = query.data
  const living = known?.customer.id
  useEffect(() => {
    if (!known || living === undefined || living === customerId) return
    queries.setQueryData(customerOf(living).queryKey, known)
    const params = { customerId: living }
    void navigate({ to: '/customers/$customerId', params, replace: true, state: { mergedFrom: customerId } })
  }, [known, living, customerId, navigate, queries])
  const before = <Link className="link" to="/customers" search={{}}>{`← ${t('customer.back')}`}</Link>
  // What is on the screen stays when it cannot be read anew, but for a customer that is there no more.
  const isGone = query.error instanceof Failure && (query.error.status === 410 || query.error.status === 404)
  const gone = isGone && <Failed failure={query.error} />
  if (known) return <KnownCustomer key={place} known={known} before={before} gone={gone} />
  return (
    <Page title={t('customer.title')} before={before}>
      {gone || <Asked query={query}>{() => null}</Asked>}
    </Page>
  )
}

function KnownCustomer({ known, before, gone }: { known: Known; before: ReactNode; gone: ReactNode }) {
  const { t } = useTranslation()
  const [isEditing, setIsEditing] = useState(false)
  const { customer } = known
  const { mergedFrom } = useLocation({ select: ({ state }) => state })
  const sources = useQuery(sourcesOf(customer.id))
  const suggestions = useInfiniteQuery(suggestionsOf(customer.id, customer.test)).data
  const noticed = useNotice()
  const members = [customer.id, ...(sources.data?.merged ?? []).map(({ customerId }) => customerId)]
  const others = (suggestions?.pages ?? []).flatMap(({ items }) =>
    items.flatMap(({ customers = [] }) => customers.map(({ id }) => id)),
  )
  useLiveCustomers(
    ({ subject, lead }) =>
      members.includes(subject.id) || others.includes(subject.id) || members.includes(lead?.customerId ?? ''),
  )
  if (gone && !isEditing)
    return (
      <Page title={t('customer.title')} before={before}>
        {gone}
      </Page>
    )
  return (
    <Page title={customerName(customer) || t('customer.nameless')} before={before}>
      {(customer.kind === 'organization' || customer.test || mergedFrom !== undefined) && (
        <Group gap="xs">
          {customer.kind === 'organization' && <Chip tone="quiet">{t('customerKind.organization')}</Chip>}
          {customer.test && <Chip tone="quiet">{t('environment.test')}</Chip>}
          {mergedFrom !== undefined && <Chip tone="notice">{t('customer.mergedFrom')}</Chip>}
        </Group>
      )}
      {gone}
      <div className="beside">
        <Stack gap="lg">
          <CustomerRecord
            known={known}
            sources={sources}
            isEditing={isEditing}
            setIsEditing={setIsEditing}
            tell={noticed.tell}
          />
          <Panel title={t('customer.leads')}>
            <Leads customerId={customer.id} />
          </Panel>
        </Stack>
        <Stack gap="lg">
          <Same customer={customer} tell={noticed.tell} />
          <Asked query={sources}>
            {(said) => (
              <>
                <Parts sources={said} tell={noticed.tell} />
                <Systems sources={said.sources.filter(({ type }) => type === 'system')} />
              </>
            )}
          </Asked>
        </Stack>
      </div>
      <NoticeBar {...noticed} />
    </Page>
  )
}

type Tell = (notice: Notice) => void

/** What is shown of a customer; where it comes from is on demand. */
function CustomerRecord({
  known,
  sources: { data: sources, isFetching },
  isEditing,
  setIsEditing,
  tell,
}: {
  known: Known
  sources: { data: CustomerSources | undefined; isFetching: boolean }
  isEditing: boolean
  setIsEditing: (isEditing: boolean) => void
  tell: Tell
}) {
  const { t } = useTranslation()
  const [isOpen, setIsOpen] = useState(false)
  const edit = useRef<HTMLButtonElement>(null)
  const wasEditing = useRef(false)
  useEffect(() => {
    if (wasEditing.current && !isEditing) edit.current?.focus()
    wasEditing.current = isEditing
  }, [isEditing])
  const { customer } = known
  const differing = sources ? fields.filter((field) => saidOtherwise(field, customer, sources).length > 0).length : 0
  if (isEditing)
    return (
      <Panel title={t('customer.record')}>
        <EditCustomer
          known={known}
          // Whose word it is comes a moment after the word.
          sources={isFetching ? undefined : sources}
          close={() => setIsEditing(false)}
          done={(warnings) => {
            setIsEditing(false)
            tell({ text: () => t(warnings.length > 0 ? 'customer.warned' : 'customer.saved'), warnings })
          }}
        />
      </Panel>
    )
  return (
    <Panel
      title={t('customer.record')}
      aside={
        <Button ref={edit} variant="default" size="compact-md" onClick={() => setIsEditing(true)}>
          {t('customer.edit')}
        </Button>
      }
    >
      <Facts
        facts={[
          ...fields.map((field) => {
            const value = sources?.origins.some((origin) => origin.field === field) || hasValue(field, customer)
            return [
              t(`customerField.${field}`),
              value && <Value field={field} known={known} sources={sources} isOpen={isOpen} tell={tell} />,
            ] as const
          }),
          [
            t('customer.references'),
            customer.externalReferences.length > 0 &&
              customer.externalReferences.map(({ source, id }) => (
                <div key={`${source} ${id}`}>
                  {t('customer.reference', { source: isolated(source), id: isolated(id) })}
                </div>
              )),
          ],
          [t('customer.created'), <When key="created" at={customer.createdAt} />],
          [t('customer.updated'), customer.updatedAt !== customer.createdAt && <When at={customer.updatedAt} />],
        ]}
      />
      {sources && (
        <Group>
          <Button size="compact-md" variant="default" aria-expanded={isOpen} onClick={() => setIsOpen(!isOpen)}>
            {differing > 0 ? t('customer.differing', { count: differing }) : t('customer.origins')}
          </Button>
        </Group>
      )}
    </Panel>
  )
}

const hasValue = (field: Field, said: Said) =>
  field === 'kind' ? said.kind === 'organization' : linesOf(field, said).length > 0

/** One member: what is shown of it, whose word that is, and who says otherwise. */
function Value({
  field,
  known: { customer },
  sources,
  isOpen,
  tell,
}: {
  field: Field
  known: Known
  sources: CustomerSources | undefined
  isOpen: boolean
  tell: Tell
}) {
  const origins = sources?.origins.filter((origin) => origin.field === field) ?? []
  const isByHand = origins[0]?.type === 'people'
  const isHidden = isByHand && linesOf(field, customer).length === 0
  const otherwise = isOpen && sources ? saidOtherwise(field, customer, sources) : []
  return (
    <Stack gap={2}>
      {isHidden && <HiddenText origin={origins[0]} />}
      {entriesOf(field, customer).map((entry, at) => (
        <div key={at}>
          {entry}
          {isOpen && origins[at] && <OriginText origin={origins[at]} />}
        </div>
      ))}
      {otherwise.map(({ origin, lines }, at) => (
        <Otherwise key={at} origin={origin} field={field} lines={lines} />
      ))}
      {sources && isByHand && (isOpen || isHidden) && (
        <TakeBack field={field} customer={customer} sources={sources} tell={tell} />
      )}
    </Stack>
  )
}

function HiddenText({ origin: { by, since } = {} }: { origin: Partial<CustomerOrigin> | undefined }) {
  const { t } = useTranslation()
  const { day } = useFormats()
  const hidden = by ? t('customer.hidden', { name: isolated(by.name) }) : t('customer.hiddenByHand')
  return (
    <Text component="span" size="sm" c="dimmed">
      {since === undefined ? hidden : `${hidden}, ${t('origin.on', { date: day(since) })}`}
    </Text>
  )
}

/** Who says something else, and what. */
function Otherwise({ origin, field, lines }: { origin: Origin; field: Field; lines: string[] }) {
  const { t } = useTranslation()
  const who = useSpeakers()
  const what = field === 'kind' ? t(`customerKind.${lines[0] ?? ''}` as 'customerKind.person') : lines.join(', ')
  return (
    <Text component="div" size="sm" className="wrap">
      ▲ {t('customer.says', { who: who(origin), what: isolated(what) })}
    </Text>
  )
}

/** Takes back what people typed of a member, so that what others say is shown again. */
function TakeBack({
  field,
  customer,
  sources,
  tell,
}: {
  field: Field
  customer: Known['customer']
  sources: CustomerSources
  tell: Tell
}) {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const { busy, failure, run } = useDeed()
  const name = () => t(`customerField.${field}`)
  const takeBack = () =>
    run(async (): Promise<Notice> => {
      for (const customerId of editedUnder(field, sources))
        await shown(queries, withdrawEdit({ client: service, path: { customerId }, query: { field } }))
      const typeAgain = async (): Promise<Notice> => {
        const query = customerOf(customer.id)
        // What was asked for before may be older than what others changed since.
        await queries.cancelQueries({ queryKey: query.queryKey })
        const now = await queries.fetchQuery({ ...query, staleTime: 0 })
        const path = { customerId: now.customer.id }
        const headers = { 'If-Match': now.etag }
        const body = patchAgain(field, customer, now.customer)
        await shown(queries, updateCustomer({ client: service, path, headers, body }))
        return { text: () => t('customer.typedAgain', { field: name() }) }
      }
      return { text: () => t('customer.takenBack', { field: name() }), undo: typeAgain }
    })
  return (
    <>
      {failure !== undefined && <Failed failure={failure} />}
      <div>
        <Button
          size="compact-sm"
          variant="default"
          loading={busy}
          aria-label={t('customer.takeBackNamed', { field: name() })}
          onClick={() => void takeBack().then((notice) => notice && tell(notice))}
        >
          {t('customer.takeBack')}
        </Button>
      </div>
    </>
  )
}

/** What each system says, whole: also what is not shown. */
function Systems({ sources }: { sources: readonly CustomerSource[] }) {
  const { t } = useTranslation()
  return (
    <Panel title={t('customer.systems')}>
      {sources.length === 0 && (
        <Text size="sm" c="dimmed">
          {t('customer.systemsNone')}
        </Text>
      )}
      {sources.map((source) => (
        <SystemWord key={JSON.stringify(source.reference)} source={source} />
      ))}
    </Panel>
  )
}

function SystemWord({ source }: { source: CustomerSource }) {
  const { t } = useTranslation()
  const { reference: { source: system, id } = { source: '', id: '' }, extra = {}, updatedAt } = source
  const said = source as Said
  const facts = [
    ...fields.map((field) => {
      const isSaid = said[field] !== undefined
      return [
        t(`customerField.${field}`),
        isSaid && entriesOf(field, said).map((entry, at) => <div key={at}>{entry}</div>),
      ] as const
    }),
    ...Object.entries(extra).map(
      ([name, value]) =>
        [name, <bdi key={name}>{typeof value === 'string' ? value : JSON.stringify(value)}</bdi>] as const,
    ),
  ]
  return (
    <Stack gap={4}>
      <Text size="sm" className="wrap">
        <strong>{t('customer.system', { source: isolated(system), id: isolated(id) })}</strong> ·{' '}
        {t('customer.changedAt')} <When at={updatedAt} />
      </Text>
      {facts.some(([, fact]) => fact !== false) ? (
        <Facts facts={facts} />
      ) : (
        <Text size="sm" c="dimmed">
          {t('customer.saysNothing')}
        </Text>
      )}
    </Stack>
  )
}
