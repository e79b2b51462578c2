import { Alert, Checkbox, NativeSelect, Stack, Text, VisuallyHidden } from '@mantine/core'
import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { type Mail, type Notifications as Settings, type NotificationsUpdate, updateNotifications } from '../client.ts'
import { answered } from '../answer.ts'
import { mails, notifications } from '../queries.ts'
import { service, usePerson } from '../session.ts'
import { languages } from '../words/words.ts'
import { Asked, Chip, Failed, More, Page, Panel, useDeed, When } from './components.tsx'
import { SettingsMenu } from './shell.tsx'

const tones = { due: 'quiet', handing_over: 'quiet', sent: 'good', given_up: 'bad', unknown: 'notice' } as const

export function Notifications() {
  const { t } = useTranslation()
  const { can } = usePerson()
  const query = useQuery(notifications)
  return (
    <Page title={t('settings.notifications')} before={<SettingsMenu />}>
      <div className="panel">
        <Asked query={query}>{(settings) => <Choices settings={settings} />}</Asked>
      </div>
      {can('users:manage') && (
        <Panel title={t('notifications.mails')}>
          <Mails />
        </Panel>
      )}
    </Page>
  )
}

/** Each choice counts at once. */
function Choices({ settings }: { settings: Settings }) {
  const { t } = useTranslation()
  const { can } = usePerson()
  const queries = useQueryClient()
  const { busy, failure, succeeded, run } = useDeed()
  const choose = (body: NotificationsUpdate) =>
    void run(async () => {
      queries.setQueryData(notifications.queryKey, { ...settings, ...body })
      try {
        queries.setQueryData(notifications.queryKey, await answered(updateNotifications({ client: service, body })))
      } catch (error) {
        queries.setQueryData(notifications.queryKey, settings)
        throw error
      }
    })
  return (
    <Stack maw={560}>
      {settings.mail === 'not_set_up' && (
        <Alert color="yellow" variant="outline" p="xs" role="note">
          <Text size="sm" c="var(--mantine-color-text)">
            <span aria-hidden>▲ </span>
            {t('notifications.notSetUp')}
          </Text>
        </Alert>
      )}
      <Text className="wrap">{t('notifications.text', { email: settings.email })}</Text>
      {failure !== undefined && <Failed failure={failure} />}
      <Checkbox
        label={t('notifications.newLead')}
        description={t('notifications.newLeadText')}
        checked={settings.newLead}
        onChange={(event) => choose({ newLead: event.currentTarget.checked })}
      />
      <Checkbox
        label={t('notifications.unansweredLead')}
        checked={settings.unansweredLead}
        onChange={(event) => choose({ unansweredLead: event.currentTarget.checked })}
      />
      {can('api-keys:manage') && (
        <Checkbox
          label={t('notifications.keys')}
          description={t('notifications.keysText')}
          checked={settings.keys}
          onChange={(event) => choose({ keys: event.currentTarget.checked })}
        />
      )}
      {can('users:manage') && (
        <Checkbox
          label={t('notifications.security')}
          description={t('notifications.securityText')}
          checked={settings.security}
          onChange={(event) => choose({ security: event.currentTarget.checked })}
        />
      )}
      <NativeSelect
        label={t('notifications.language')}
        value={settings.language}
        data={Object.entries(languages).map(([value, label]) => ({ value, label }))}
        onChange={(event) => choose({ language: event.currentTarget.value === 'da' ? 'da' : 'en' })}
      />
      <Text role="status" size="sm">
        {succeeded && !busy && `✓ ${t('state.saved')}`}
      </Text>
    </Stack>
  )
}

function Mails() {
  const { t } = useTranslation()
  const query = useInfiniteQuery(mails)
  const heads = ['at', 'what', 'to', 'state'] as const
  return (
    <Asked query={query}>
      {({ pages }) => {
        const sent = pages.flatMap(({ items }) => items)
        if (sent.length === 0) return <Text c="dimmed">{t('notifications.none')}</Text>
        return (
          <>
            <table className="rows mails">
              <VisuallyHidden component="caption">{t('notifications.mails')}</VisuallyHidden>
              <thead>
                <tr>
                  {heads.map((head) => (
                    <th key={head} className={head} scope="col">
                      {head === 'to' ? t('notifications.to') : t(`column.${head}`)}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {sent.map((mail) => (
                  <Row key={mail.id} mail={mail} />
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

function Row({ mail: { createdAt, kind, to, state, failure } }: { mail: Mail }) {
  const { t } = useTranslation()
  return (
    <tr>
      <td>
        <When at={createdAt} />
      </td>
      <td>{t(`notifications.kind.${kind}`)}</td>
      <td className="wrap" data-label={t('notifications.to')}>
        {to}
      </td>
      <td className="wrap">
        <Chip tone={tones[state]}>{t(`notifications.state.${state}`)}</Chip>
        {state === 'unknown' ? (
          <Text size="sm" c="dimmed">
            {t('notifications.unknownText')}
          </Text>
        ) : (
          failure !== undefined && (
            <Text size="sm" c="dimmed">
              <bdi>{failure}</bdi>
            </Text>
          )
        )}
      </td>
    </tr>
  )
}
