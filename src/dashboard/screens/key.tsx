import { Button, Group, Stack, Text, TextInput, VisuallyHidden } from '@mantine/core'
import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { type FormEvent, type ReactNode, useState } from 'react'
import { useTranslation } from 'react-i18next'
import {
  type ApiKey,
  type ApiKeyScope,
  type ApiKeyUpdate,
  type ApiKeyUse,
  cancelApiKeyReplacement,
  expireOldApiKeySecret,
  limits,
  updateApiKey,
} from '../client.ts'
import { answered } from '../answer.ts'
import { foreignUse, lockedOut, networksIn, systemsIn } from '../key.ts'
import { historyOf, keyOf, keysKey, requestsOf, trafficOf } from '../queries.ts'
import { useFormats } from '../formats.ts'
import { service, usePerson } from '../session.ts'
import {
  CanSentence,
  ExpiryFields,
  isName,
  ScopeBoxes,
  SystemsField,
  useExpiry,
  writesCustomers,
} from './create-key.tsx'
import { DeleteKey, Deletion } from './delete-key.tsx'
import { Forbidden } from './home.tsx'
import { Entries } from './history.tsx'
import { Asked, Chip, Dialog, Failed, Heads, More, Page, Panel, StatusChip, useDeed, When } from './components.tsx'
import { Limits } from './limits.tsx'
import { NetworksField } from './networks.tsx'
import { ReplaceKey } from './replace-key.tsx'
import { BackLink } from './shell.tsx'
import { QuietChip } from './sources.tsx'
import { Usage } from './usage.tsx'

export function KeyPage() {
  const { apiKeyId } = useParams({ from: '/settings/integrations/$apiKeyId' })
  return usePerson().can('api-keys:manage') ? <AskedKey key={apiKeyId} apiKeyId={apiKeyId} /> : <Forbidden />
}

function AskedKey({ apiKeyId }: { apiKeyId: string }) {
  const { t } = useTranslation()
  const query = useQuery(keyOf(apiKeyId))
  if (query.data && !query.error) return <OneKey apiKey={query.data} />
  return (
    <Page title={t('settings.integrations')} before={<BackLink />}>
      <Asked query={{ ...query, data: undefined }}>{() => null}</Asked>
    </Page>
  )
}

function OneKey({ apiKey }: { apiKey: ApiKey }) {
  const { t } = useTranslation()
  const { short, list } = useFormats()
  const navigate = useNavigate()
  const { dialog } = useSearch({ from: '/settings/integrations/$apiKeyId' })
  const open = (name?: 'replace' | 'delete') =>
    void navigate({
      to: '/settings/integrations/$apiKeyId',
      params: { apiKeyId: apiKey.id },
      search: name ? { dialog: name } : {},
      resetScroll: false,
    })
  const { lastAccepted, lastRefused, expiresAt, allowedNetworks: networks = [] } = apiKey
  const isDeleted = apiKey.status === 'deleted'
  return (
    <Page title={apiKey.name} before={<BackLink />}>
      {isDeleted && (
        <Panel title={t('deleted.one')}>
          <Stack gap={6} className="wrap" align="flex-start">
            <Deletion apiKey={apiKey} />
          </Stack>
        </Panel>
      )}
      {apiKey.replacement && !isDeleted && <Replacement apiKey={apiKey} again={() => open('replace')} />}
      <Panel
        title={t('key.facts')}
        aside={
          <Group gap="xs">
            {apiKey.environment === 'test' && <Chip tone="quiet">{t('environment.test')}</Chip>}
            <StatusChip apiKey={apiKey} />
          </Group>
        }
      >
        {apiKey.quiet && (
          <Group>
            <QuietChip quiet={apiKey.quiet} />
          </Group>
        )}
        <LockedOutChip apiKey={apiKey} />
        <ForeignChip apiKey={apiKey} />
        <dl className="facts">
          <dt>{t('key.kind')}</dt>
          <dd>{t(`kind.${apiKey.kind}.title`)}</dd>
          <dt>{t('column.key')}</dt>
          <dd className="mono">{apiKey.mask}</dd>
          <dt>{t('key.id')}</dt>
          <dd className="mono">{apiKey.id}</dd>
          <dt>{t('column.created')}</dt>
          <dd>
            <When at={apiKey.createdAt} /> {apiKey.createdBy && t('createdBy', { name: apiKey.createdBy.name })}
          </dd>
          <dt>{t('key.expires')}</dt>
          <dd>{expiresAt === undefined ? t('form.never') : short(expiresAt)}</dd>
          <dt>{t('networks.from')}</dt>
          <dd>{list(networks) || t('networks.everywhere')}</dd>
          <dt>{t('key.lastAccepted')}</dt>
          <dd>{lastAccepted ? <Use use={lastAccepted} /> : t('key.never')}</dd>
          <dt>{t('key.lastRefused')}</dt>
          <dd>{lastRefused ? <Use use={lastRefused} /> : t('key.never')}</dd>
        </dl>
        <div>
          <CanSentence kind={apiKey.kind} scopes={apiKey.scopes} />
        </div>
      </Panel>
      <Panel title={t('key.usage')}>
        <Usage apiKeyId={apiKey.id} />
      </Panel>
      <Panel title={t('limits.title')}>
        <Limits apiKeyId={apiKey.id} isDeleted={isDeleted} />
      </Panel>
      {!isDeleted && (
        <>
          <Panel title={t('key.settings')}>
            <Settings apiKey={apiKey} />
          </Panel>
          <Panel title={t('key.danger')}>
            <Text>{t('key.replaceText')}</Text>
            <Group>
              <Button variant="default" onClick={() => open('replace')}>
                {t('replace.open')}
              </Button>
            </Group>
            <Text>{t('key.deleteText')}</Text>
            <Group>
              <Button color="red" variant="filled" onClick={() => open('delete')}>
                {t('delete.open')}
              </Button>
            </Group>
          </Panel>
        </>
      )}
      <Panel title={t('key.requests')}>
        <Requests apiKeyId={apiKey.id} />
      </Panel>
      <Panel title={t('key.audit')}>
        <History apiKeyId={apiKey.id} />
      </Panel>
      {dialog === 'replace' && !isDeleted && <ReplaceKey apiKey={apiKey} close={() => open()} />}
      {dialog === 'delete' && !isDeleted && <DeleteKey apiKey={apiKey} close={() => open()} />}
    </Page>
  )
}

/** Somebody still has what does not work any more. */
function LockedOutChip({ apiKey }: { apiKey: ApiKey }) {
  const { t } = useTranslation()
  const { ago } = useFormats()
  const why = lockedOut(apiKey, new Date())
  if (!why || !apiKey.lastLockedOut) return null
  const { at, address, mask } = apiKey.lastLockedOut
  return (
    <Group>
      <Chip tone="bad">{t(`lockedOut.${why}`, { when: ago(at), address, mask })}</Chip>
    </Group>
  )
}

/** Somebody comes from where the key may not be used: a list that is too narrow, or a key that was stolen. */
function ForeignChip({ apiKey }: { apiKey: ApiKey }) {
  const { t } = useTranslation()
  const { ago } = useFormats()
  const use = foreignUse(apiKey, new Date())
  if (!use) return null
  return (
    <Group>
      <Chip tone="bad">{t('networks.foreign', { when: ago(use.at), address: use.address })}</Chip>
    </Group>
  )
}

function Use({ use }: { use: ApiKeyUse }) {
  const { t } = useTranslation()
  const { operation, status = '', problem = '', address, mask } = use
  return (
    <>
      <When at={use.at} />
      {`: ${t('key.usedWith', { operation, answer: `${status} ${problem}`.trim(), address, mask })}`}
    </>
  )
}

function Replacement({ apiKey, again }: { apiKey: ApiKey; again: () => void }) {
  const { t } = useTranslation()
  const { short, ago } = useFormats()
  const queries = useQueryClient()
  const [asked, setAsked] = useState<'expire' | 'cancel'>()
  const { replacement, lastUsed, id: apiKeyId } = apiKey
  if (!replacement) return null
  const { state, newMask, oldMask, oldEndsAfter, oldEndsAt } = replacement
  const stop = async () => {
    const path = { apiKeyId }
    const changed =
      asked === 'cancel'
        ? await answered(cancelApiKeyReplacement({ client: service, path }))
        : await answered(expireOldApiKeySecret({ client: service, path, body: { oldEnds: 'at_once' } }))
    await queries.invalidateQueries({ queryKey: keysKey })
    return changed
  }
  return (
    <Panel title={t('replace.panel')} aside={<Chip tone="notice">{t('status.replacing')}</Chip>}>
      <Text className="wrap">
        {state === 'pending'
          ? t('replace.pending', { newMask, oldMask })
          : t('replace.inUse', { newMask, oldMask, end: oldEndsAt === undefined ? '' : short(oldEndsAt) })}
      </Text>
      {state === 'pending' && oldEndsAfter && (
        <Text>{t('replace.pendingEnds', { ends: t(`replace.ends.${oldEndsAfter}`) })}</Text>
      )}
      {lastUsed && (
        <Text className="wrap">{t('replace.lastWith', { mask: lastUsed.mask, when: ago(lastUsed.at) })}</Text>
      )}
      <Traffic apiKeyId={apiKeyId} oldMask={oldMask} newMask={newMask} isPending={state === 'pending'} />
      <Group>
        {state === 'pending' && (
          <Button variant="default" onClick={again}>
            {t('replace.again')}
          </Button>
        )}
        <Button variant="default" onClick={() => setAsked('cancel')}>
          {t('replace.cancel')}
        </Button>
        <Button color="red" onClick={() => setAsked('expire')}>
          {t('replace.expire')}
        </Button>
      </Group>
      {asked && (
        <Stopping
          what={asked}
          mask={asked === 'cancel' ? newMask : oldMask}
          used={<LastWith apiKey={apiKey} oldMask={oldMask} newMask={newMask} isNew={asked === 'cancel'} />}
          stop={stop}
          close={() => setAsked(undefined)}
        />
      )}
    </Panel>
  )
}

/** Asks once before something stops working for somebody, and says when and from where that was last used. */
function Stopping({
  what,
  mask,
  used,
  stop,
  close,
}: {
  what: 'expire' | 'cancel' | 'disable'
  mask: string
  used: ReactNode
  stop: () => Promise<ApiKey>
  close: () => void
}) {
  const { t } = useTranslation()
  const { busy, failure, run } = useDeed()
  return (
    <Dialog title={t(`stop.${what}.title`)} close={close}>
      <Stack>
        {failure !== undefined && <Failed failure={failure} />}
        <Text className="wrap">{t(`stop.${what}.text`, { mask })}</Text>
        <Text fw={600} className="wrap">
          {used}
        </Text>
        <Group justify="flex-end">
          <Button variant="default" onClick={close} data-autofocus>
            {t('stop.keep')}
          </Button>
          <Button
            color="red"
            loading={busy}
            onClick={() => void run(stop).then((stopped) => stopped !== undefined && close())}
          >
            {t(`stop.${what}.submit`)}
          </Button>
        </Group>
      </Stack>
    </Dialog>
  )
}

/** When and from where the last request came with one of the two secrets, as far as the latest requests tell. */
function LastWith({
  apiKey,
  oldMask,
  newMask,
  isNew,
}: {
  apiKey: ApiKey
  oldMask: string
  newMask: string
  isNew: boolean
}) {
  const { t } = useTranslation()
  const { ago, number } = useFormats()
  const { data } = useQuery(trafficOf(apiKey.id, oldMask, newMask))
  if (!data) return t('state.loading')
  const last = isNew ? data.lastNew : data.lastOld
  if (last) return t('delete.used', { when: ago(last.at), address: last.address })
  return data.seen === 0 ? t('delete.unused') : t('stop.notLately', { all: number(data.seen) })
}

/** Who has the new key already, and whether the old one can go. */
function Traffic({
  apiKeyId,
  oldMask,
  newMask,
  isPending,
}: {
  apiKeyId: string
  oldMask: string
  newMask: string
  isPending: boolean
}) {
  const { t } = useTranslation()
  const { number } = useFormats()
  const { data } = useQuery(trafficOf(apiKeyId, oldMask, newMask))
  if (!data) return <Text>{t('state.loading')}</Text>
  const counts = { old: number(data.old), new: number(data.new) }
  // With the new key there were but tests.
  if (isPending) return <Text>{t(data.isAll ? 'replace.trafficPending' : 'replace.trafficPendingLatest', counts)}</Text>
  return (
    <Text>
      {t(data.isAll ? 'replace.traffic' : 'replace.trafficLatest', counts)}{' '}
      {data.isAll && data.old === 0 && data.new > 0 && t('replace.quiet')}
    </Text>
  )
}

/** Sends only what was changed here, so that what somebody else changed meanwhile stays. */
function Settings({ apiKey }: { apiKey: ApiKey }) {
  const { t } = useTranslation()
  const { ago } = useFormats()
  const queries = useQueryClient()
  const [opened, setOpened] = useState(apiKey)
  const [name, setName] = useState(opened.name)
  const [scopes, setScopes] = useState<readonly ApiKeyScope[]>(opened.scopes as ApiKeyScope[])
  const [systems, setSystems] = useState((opened.sources ?? []).join(', '))
  const [networks, setNetworks] = useState((opened.allowedNetworks ?? []).join('\n'))
  const expiry = useExpiry(opened.expiresAt)
  const [checked, setChecked] = useState(false)
  const saving = useDeed()
  const switching = useDeed()
  const [isDisabling, setIsDisabling] = useState(false)
  const nameError = isName(name) ? undefined : t('form.nameLength')
  const scopesError = scopes.length === 0 ? t('form.scopesMissing') : undefined
  const expiresAt = expiry.isRight ? expiry.at()?.toISOString() : undefined
  const isChangedElsewhere =
    apiKey.name !== opened.name ||
    apiKey.expiresAt !== opened.expiresAt ||
    apiKey.allowedNetworks?.join() !== opened.allowedNetworks?.join() ||
    apiKey.sources?.join() !== opened.sources?.join() ||
    apiKey.scopes.join() !== opened.scopes.join()

  async function update(body: ApiKeyUpdate): Promise<ApiKey> {
    const updated = await answered(updateApiKey({ client: service, path: { apiKeyId: apiKey.id }, body }))
    queries.setQueryData(keyOf(apiKey.id).queryKey, updated)
    await queries.invalidateQueries({ queryKey: keysKey })
    return updated
  }
  async function submit(event: FormEvent) {
    event.preventDefault()
    setChecked(true)
    if (nameError !== undefined || scopesError !== undefined || !expiry.isRight) return
    const body: ApiKeyUpdate = {
      ...(name.trim() !== opened.name && { name: name.trim() }),
      ...(scopes.join() !== opened.scopes.join() && { scopes: [...scopes] }),
      ...(expiresAt !== opened.expiresAt && { expiresAt: expiresAt ?? null }),
      ...(systemsIn(systems).join() !== (opened.sources ?? []).join() && { sources: systemsIn(systems) }),
      ...(networksIn(networks).join() !== opened.allowedNetworks?.join() && { allowedNetworks: networksIn(networks) }),
    }
    const updated = await saving.run(() => (Object.keys(body).length === 0 ? Promise.resolve(apiKey) : update(body)))
    if (!updated) return
    setOpened(updated)
    setSystems((updated.sources ?? []).join(', '))
    setNetworks((updated.allowedNetworks ?? []).join('\n'))
  }
  return (
    <Stack gap="lg">
      <form onSubmit={(event) => void submit(event)} noValidate>
        <Stack maw={520}>
          {isChangedElsewhere && (
            <Text role="status" fw={600}>
              {t('key.changed')}
            </Text>
          )}
          {saving.failure !== undefined && <Failed failure={saving.failure} />}
          <TextInput
            label={t('form.name')}
            value={name}
            error={checked && nameError}
            maxLength={limits.ApiKeyName.maxLength}
            autoComplete="off"
            onChange={(event) => setName(event.currentTarget.value)}
          />
          {apiKey.kind === 'extensive_integrations' && (
            <ScopeBoxes kind={apiKey.kind} scopes={scopes} choose={setScopes} error={scopesError} />
          )}
          {writesCustomers(scopes) && <SystemsField text={systems} change={setSystems} />}
          <ExpiryFields expiry={expiry} checked={checked} />
          <NetworksField text={networks} change={setNetworks} apiKeyId={apiKey.id} />
          <Group>
            <Button type="submit" loading={saving.busy}>
              {t('state.save')}
            </Button>
            <Text role="status" size="sm">
              {saving.succeeded && `✓ ${t('state.saved')}`}
            </Text>
          </Group>
        </Stack>
      </form>
      <Stack gap="xs">
        <Text>{t(apiKey.disabled ? 'key.enableText' : 'key.disableText')}</Text>
        <Group>
          <Button
            variant="default"
            loading={switching.busy}
            onClick={() =>
              apiKey.disabled ? void switching.run(() => update({ disabled: false })) : setIsDisabling(true)
            }
          >
            {t(apiKey.disabled ? 'key.enable' : 'key.disable')}
          </Button>
        </Group>
        {switching.failure !== undefined && <Failed failure={switching.failure} />}
        {isDisabling && (
          <Stopping
            what="disable"
            mask={apiKey.mask}
            used={
              apiKey.lastUsed
                ? t('delete.used', { when: ago(apiKey.lastUsed.at), address: apiKey.lastUsed.address })
                : t('delete.unused')
            }
            stop={() => update({ disabled: true })}
            close={() => setIsDisabling(false)}
          />
        )}
      </Stack>
    </Stack>
  )
}

function Requests({ apiKeyId }: { apiKeyId: string }) {
  const { t } = useTranslation()
  const { number } = useFormats()
  const query = useInfiniteQuery(requestsOf(apiKeyId))
  const heads = ['at', 'operation', 'answer', 'duration', 'address', 'key'] as const
  return (
    <Asked query={query}>
      {({ pages }) => {
        const requests = pages.flatMap(({ items }) => items)
        if (requests.length === 0) return <Text c="dimmed">{t('key.requestsNone')}</Text>
        return (
          <>
            <table className="rows">
              <VisuallyHidden component="caption">{t('key.requests')}</VisuallyHidden>
              <thead>
                <tr>
                  <Heads of={heads} />
                </tr>
              </thead>
              <tbody>
                {requests.map((request) => (
                  <tr key={request.requestId + request.at}>
                    <td>
                      <When at={request.at} />
                    </td>
                    <td>
                      {request.operation}{' '}
                      {request.leadId !== undefined && (
                        <Link className="link" to="/leads/$leadId" params={{ leadId: request.leadId }}>
                          {t('key.toLead')}
                        </Link>
                      )}
                    </td>
                    <td data-label={t('column.answer')}>
                      {request.aborted ? t('key.aborted') : request.status}{' '}
                      {request.problem !== undefined && <span className="mono">{request.problem}</span>}
                      {request.violation && (
                        <Text size="xs" className="wrap">
                          {request.violation.in}
                          {request.violation.pointer}: {request.violation.message}
                        </Text>
                      )}
                    </td>
                    <td data-label={t('column.duration')}>{number(Math.round(request.durationMs * 10) / 10)} ms</td>
                    <td data-label={t('column.address')}>
                      {request.address}
                      {request.userAgent !== undefined && (
                        <Text size="xs" className="wrap">
                          {request.userAgent}
                        </Text>
                      )}
                    </td>
                    <td data-label={t('column.key')}>
                      <span className="mono">{request.mask}</span>
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
            <More query={query} />
          </>
        )
      }}
    </Asked>
  )
}

function History({ apiKeyId }: { apiKeyId: string }) {
  const { t } = useTranslation()
  return <Entries query={useInfiniteQuery(historyOf(apiKeyId))} caption={t('key.audit')} none={t('key.auditNone')} />
}
