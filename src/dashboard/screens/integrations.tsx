import { Alert, Button, Group, Stack, Text, VisuallyHidden } from '@mantine/core'
import { useInfiniteQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import type { ApiKey, ApiKeyKind } from '../client.ts'
import { deletedKeys, keysOf } from '../queries.ts'
import { isolated, useFormats } from '../formats.ts'
import { chipOf, foreignUse, isGhost, lockedOut } from '../key.ts'
import { usePerson } from '../session.ts'
import { CreateKey } from './create-key.tsx'
import { Deletion } from './delete-key.tsx'
import { Forbidden } from './home.tsx'
import { Asked, Chip, Heads, More, Page, type Paged, Panel, StatusChip, When } from './components.tsx'
import { SettingsMenu } from './shell.tsx'
import { QuietChip } from './sources.tsx'
import { Sparkline } from './usage.tsx'

export function Integrations() {
  return usePerson().can('api-keys:manage') ? <AllKeys /> : <Forbidden />
}

function AllKeys() {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const { create, deleted } = useSearch({ from: '/settings/integrations' })
  const digital = useInfiniteQuery(keysOf('digital_requests'))
  const extensive = useInfiniteQuery(keysOf('extensive_integrations'))
  const gone = useInfiniteQuery(deletedKeys)
  const open = (kind?: ApiKeyKind) =>
    void navigate({
      to: '/settings/integrations',
      search: { ...(kind && { create: kind }), ...(deleted && { deleted }) },
      resetScroll: false,
    })
  const listed = [digital, extensive].flatMap(({ data }) => data?.pages.flatMap(({ items }) => items) ?? [])

  return (
    <Page title={t('settings.integrations')} before={<SettingsMenu />}>
      {listed.length > 0 && <Health keys={listed} deleted={gone.data?.pages.flatMap(({ items }) => items) ?? []} />}
      <Section kind="digital_requests" query={digital} create={() => open('digital_requests')} />
      <Section kind="extensive_integrations" query={extensive} create={() => open('extensive_integrations')} />
      <Stack gap="sm" align="flex-start">
        <Button
          variant="default"
          aria-expanded={deleted === true}
          onClick={() =>
            void navigate({
              to: '/settings/integrations',
              search: deleted ? {} : { deleted: true },
              resetScroll: false,
            })
          }
        >
          {t(deleted ? 'deleted.hide' : 'deleted.show')}
        </Button>
      </Stack>
      {deleted && (
        <Panel title={t('deleted.title')}>
          <Asked query={gone}>
            {({ pages }) => {
              const keys = pages.flatMap(({ items }) => items)
              return keys.length === 0 ? (
                <Text>{t('deleted.none')}</Text>
              ) : (
                <Stack gap="lg">
                  {keys.map((key) => (
                    <Stack key={key.id} gap={6} className="wrap" align="flex-start">
                      <Group gap="xs">
                        <KeyLink apiKey={key} />
                        <span className="mono">{key.mask}</span>
                      </Group>
                      <Deletion apiKey={key} />
                    </Stack>
                  ))}
                </Stack>
              )
            }}
          </Asked>
          <More query={gone} />
        </Panel>
      )}
      {create && <CreateKey key={create} kind={create} close={() => open()} />}
    </Page>
  )
}

/** What deserves a look, in words. */
function Health({ keys, deleted }: { keys: readonly ApiKey[]; deleted: readonly ApiKey[] }) {
  const { t } = useTranslation()
  const { ago } = useFormats()
  const count = (word: 'unused' | 'idle' | 'expires') =>
    keys.filter((key) => chipOf(key, new Date()).word === word).length
  const ghosts = deleted.filter(isGhost)
  const shut = keys.flatMap((key) => {
    const why = lockedOut(key, new Date())
    return why && key.lastLockedOut ? [{ id: key.id, name: key.name, why, use: key.lastLockedOut }] : []
  })
  const foreign = keys.flatMap((key) => {
    const use = foreignUse(key, new Date())
    return use ? [{ id: key.id, name: key.name, use }] : []
  })
  const silent = keys.flatMap(({ id, name, quiet }) => (quiet ? [{ id, name, quiet }] : []))
  const [unused, idle, expiring] = [count('unused'), count('idle'), count('expires')]
  const isGood = unused + idle + expiring + ghosts.length + shut.length + foreign.length + silent.length === 0
  return (
    <Stack gap={6} role="group" aria-label={t('health.title')}>
      <Group gap="xs">
        {unused > 0 && <Chip tone="quiet">{t('health.unused', { count: unused })}</Chip>}
        {idle > 0 && <Chip tone="quiet">{t('health.idle', { count: idle })}</Chip>}
        {expiring > 0 && <Chip tone="notice">{t('health.expiring', { count: expiring })}</Chip>}
        {isGood && <Chip tone="good">{t('health.good')}</Chip>}
      </Group>
      {silent.map(({ id, name, quiet }) => (
        <QuietChip key={id} quiet={quiet} name={name} />
      ))}
      {shut.map(({ id, name, why, use: { at, address } }) => (
        <Chip key={id} tone="bad">
          {t(`health.lockedOut.${why}`, { name: isolated(name), when: ago(at), address })}
        </Chip>
      ))}
      {foreign.map(({ id, name, use: { at, address } }) => (
        <Chip key={id} tone="bad">
          {t('networks.foreignNamed', { name: isolated(name), when: ago(at), address })}
        </Chip>
      ))}
      {ghosts.map((key) => (
        <Chip key={key.id} tone="bad">
          {t('health.ghost', {
            name: isolated(key.name),
            when: ago(key.lastUsed?.at ?? ''),
            address: key.lastUsed?.address ?? '',
          })}
        </Chip>
      ))}
    </Stack>
  )
}

function Section({ kind, query, create }: { kind: ApiKeyKind; query: Paged<ApiKey>; create: () => void }) {
  const { t } = useTranslation()
  return (
    <Panel title={t(`kind.${kind}.title`)} aside={<Button onClick={create}>{t(`kind.${kind}.create`)}</Button>}>
      <Text>{t(`kind.${kind}.text`)}</Text>
      {kind === 'extensive_integrations' && (
        <Alert color="yellow" variant="outline" p="xs" role="note">
          <Text size="sm" c="var(--mantine-color-text)">
            <span aria-hidden>▲ </span>
            {t('kind.extensive_integrations.caution')}
          </Text>
        </Alert>
      )}
      <Asked query={query}>
        {({ pages }) => {
          const keys = pages.flatMap(({ items }) => items)
          return keys.length === 0 ? (
            <Text c="dimmed">{t(`kind.${kind}.empty`)}</Text>
          ) : (
            <Rows keys={keys} caption={t(`kind.${kind}.title`)} />
          )
        }}
      </Asked>
      <More query={query} />
    </Panel>
  )
}

function Rows({ keys, caption }: { keys: readonly ApiKey[]; caption: string }) {
  const { t } = useTranslation()
  const { ago } = useFormats()
  const heads = ['name', 'key', 'status', 'usage', 'lastUsed', 'created'] as const
  return (
    <table className="rows">
      <VisuallyHidden component="caption">{caption}</VisuallyHidden>
      <thead>
        <tr>
          <Heads of={heads} />
        </tr>
      </thead>
      <tbody>
        {keys.map((key) => (
          <tr key={key.id}>
            <td>
              <KeyLink apiKey={key} />
              {key.environment === 'test' && (
                <>
                  {' '}
                  <Chip tone="quiet">{t('environment.test')}</Chip>
                </>
              )}
            </td>
            <td data-label={t('column.key')}>
              <span className="mono">{key.mask}</span>
            </td>
            <td>
              <Group gap={6}>
                <StatusChip apiKey={key} />
                {lockedOut(key, new Date()) && <Chip tone="bad">{t('lockedOut.chip')}</Chip>}
                {key.quiet && <Chip tone="notice">{t('quiet.last', { when: ago(key.quiet.since) })}</Chip>}
              </Group>
            </td>
            <td data-label={t('column.usage')}>
              <Sparkline apiKeyId={key.id} />
            </td>
            <td data-label={t('column.lastUsed')}>{key.lastUsed ? <When at={key.lastUsed.at} /> : t('neverUsed')}</td>
            <td data-label={t('column.created')}>
              <When at={key.createdAt} /> {key.createdBy && t('createdBy', { name: key.createdBy.name })}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function KeyLink({ apiKey: { id, name } }: { apiKey: ApiKey }) {
  return (
    <Link className="link" to="/settings/integrations/$apiKeyId" params={{ apiKeyId: id }}>
      <bdi>{name}</bdi>
    </Link>
  )
}
