import { Button, Checkbox, Group, NativeSelect, Radio, Stack, Text, TextInput } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { useTranslation } from 'react-i18next'
import {
  type ApiKeyEnvironment,
  type ApiKeyKind,
  type ApiKeyScope,
  createApiKey,
  type CreatedApiKey,
  limits,
} from '../client.ts'
import { answered } from '../answer.ts'
import { keysKey } from '../queries.ts'
import { useFormats } from '../formats.ts'
import { dayOf, endOfDay, inDays, networksIn, possibleScopes, systemsIn, usualScopes } from '../key.ts'
import { service } from '../session.ts'
import { Dialog, Failed, useDeed } from './components.tsx'
import { NetworksField } from './networks.tsx'
import { HandOver } from './secret.tsx'

export function CreateKey({ kind, close }: { kind: ApiKeyKind; close: () => void }) {
  const [created, setCreated] = useState<CreatedApiKey>()
  return created ? (
    <HandOver created={created} isNew close={close} />
  ) : (
    <KeyForm kind={kind} done={setCreated} close={close} />
  )
}

function KeyForm({
  kind,
  done,
  close,
}: {
  kind: ApiKeyKind
  done: (created: CreatedApiKey) => void
  close: () => void
}) {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const [name, setName] = useState('')
  const [environment, setEnvironment] = useState<ApiKeyEnvironment>('live')
  const [scopes, setScopes] = useState<readonly ApiKeyScope[]>(usualScopes(kind))
  const [systems, setSystems] = useState('')
  const [networks, setNetworks] = useState('')
  const expiry = useExpiry()
  const [checked, setChecked] = useState(false)
  const { busy, failure, run } = useDeed()
  const nameError = isName(name) ? undefined : t('form.nameLength')
  const scopesError = scopes.length === 0 ? t('form.scopesMissing') : undefined

  async function submit(event: FormEvent) {
    event.preventDefault()
    setChecked(true)
    if (nameError !== undefined || scopesError !== undefined || !expiry.isRight) return
    const chosen = expiry.at()
    const body = {
      name: name.trim(),
      kind,
      environment,
      ...(kind === 'extensive_integrations' && { scopes: [...scopes] }),
      ...(writesCustomers(scopes) && systemsIn(systems).length > 0 && { sources: systemsIn(systems) }),
      ...(networksIn(networks).length > 0 && { allowedNetworks: networksIn(networks) }),
      ...(chosen && { expiresAt: chosen.toISOString() }),
    }
    const created = await run(() => answered(createApiKey({ client: service, body })))
    if (!created) return
    done(created)
    await queries.invalidateQueries({ queryKey: keysKey })
  }
  return (
    <Dialog title={t(`kind.${kind}.create`)} close={close}>
      <form onSubmit={(event) => void submit(event)} noValidate>
        <Stack>
          {failure !== undefined && <Failed failure={failure} />}
          <TextInput
            label={t('form.name')}
            description={t('form.nameText', { example: t(`kind.${kind}.suggestion`) })}
            value={name}
            error={checked && nameError}
            maxLength={limits.ApiKeyName.maxLength}
            autoComplete="off"
            data-autofocus
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <Radio.Group
            name="environment"
            label={t('form.environment')}
            value={environment}
            onChange={(value) => setEnvironment(value as ApiKeyEnvironment)}
          >
            <Stack gap="xs" mt={6}>
              <Radio value="live" label={t('environment.live')} description={t('form.liveText')} />
              <Radio value="test" label={t('environment.test')} description={t('form.testText')} />
            </Stack>
          </Radio.Group>
          {kind === 'extensive_integrations' && (
            <ScopeBoxes kind={kind} scopes={scopes} choose={setScopes} error={scopesError} />
          )}
          {writesCustomers(scopes) && <SystemsField text={systems} change={setSystems} />}
          <ExpiryFields expiry={expiry} checked={checked} />
          <NetworksField text={networks} change={setNetworks} />
          <Stack gap={4} role="status" aria-label={t('form.summary')}>
            <CanSentence kind={kind} scopes={scopes} />
          </Stack>
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              {t('state.cancel')}
            </Button>
            <Button type="submit" loading={busy}>
              {t('form.submit')}
            </Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  )
}

export const writesCustomers = (scopes: readonly ApiKeyScope[]) => scopes.includes('customers:write')

/** As which systems a key may write what they know of customers. */
export function SystemsField({ text, change }: { text: string; change: (text: string) => void }) {
  const { t } = useTranslation()
  return (
    <TextInput
      label={t('form.systems')}
      description={t('form.systemsText')}
      value={text}
      autoComplete="off"
      spellCheck={false}
      onChange={(event) => change(event.currentTarget.value)}
    />
  )
}

/** As the contract has it. */
export const isName = (name: string) => [...name.trim()].length >= 3 && [...name.trim()].length <= 60

/** What a key can and cannot do, before it exists. */
export function CanSentence({ kind, scopes }: { kind: ApiKeyKind; scopes: readonly string[] }) {
  const { t } = useTranslation()
  const { list } = useFormats()
  const named = (words: readonly ApiKeyScope[]) => list(words.map((scope) => t(`scope.${scope}`)))
  const can = possibleScopes(kind).filter((scope) => scopes.includes(scope))
  const cannot = possibleScopes(kind).filter((scope) => !scopes.includes(scope))
  const isWriteOnly = kind === 'digital_requests'
  return (
    <>
      {can.length > 0 && <Text size="sm">{t('can', { list: isWriteOnly ? t('writeOnly.can') : named(can) })}</Text>}
      {(isWriteOnly || cannot.length > 0) && (
        <Text size="sm">{t('cannot', { list: isWriteOnly ? t('writeOnly.cannot') : named(cannot) })}</Text>
      )}
    </>
  )
}

export function ScopeBoxes({
  kind,
  scopes,
  choose,
  error,
}: {
  kind: ApiKeyKind
  scopes: readonly ApiKeyScope[]
  choose: (scopes: readonly ApiKeyScope[]) => void
  error: string | undefined
}) {
  const { t } = useTranslation()
  return (
    <Checkbox.Group
      label={t('form.scopes')}
      description={t('form.scopesText')}
      value={[...scopes]}
      error={error}
      onChange={(values) => choose(possibleScopes(kind).filter((scope) => values.includes(scope)))}
    >
      <Stack gap={8} mt={6}>
        {possibleScopes(kind).map((scope) => (
          <Checkbox key={scope} value={scope} label={t(`scope.${scope}`)} />
        ))}
      </Stack>
    </Checkbox.Group>
  )
}

const choices = ['never', 'days90', 'year', 'date'] as const
export type Expiry = ReturnType<typeof useExpiry>

export function useExpiry(known?: string) {
  const [choice, setChoice] = useState<(typeof choices)[number]>(known === undefined ? 'never' : 'date')
  const [day, setDay] = useState(known === undefined ? '' : dayOf(new Date(known)))
  const at = () => {
    const now = new Date()
    if (choice === 'never') return undefined
    if (choice === 'date')
      return known !== undefined && day === dayOf(new Date(known)) ? new Date(known) : endOfDay(day)
    return inDays(choice === 'year' ? 365 : 90, now)
  }
  const isRight = choice !== 'date' || endOfDay(day) > new Date()
  return { choice, setChoice, day, setDay, at, isRight }
}

export function ExpiryFields({ expiry, checked }: { expiry: Expiry; checked: boolean }) {
  const { t } = useTranslation()
  const data = choices.map((value) => ({ value, label: t(`form.${value}`) }))
  return (
    <Stack gap="xs">
      <NativeSelect
        label={t('form.expiry')}
        data={data}
        value={expiry.choice}
        onChange={(event) => expiry.setChoice(event.currentTarget.value as (typeof choices)[number])}
      />
      {expiry.choice === 'date' && (
        <TextInput
          type="date"
          label={t('form.dateLabel')}
          value={expiry.day}
          min={dayOf(new Date())}
          error={checked && !expiry.isRight && t('form.dateMissing')}
          onChange={(event) => expiry.setDay(event.currentTarget.value)}
        />
      )}
    </Stack>
  )
}
