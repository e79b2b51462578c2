import { Button, Group, PasswordInput, Stack, Text, VisuallyHidden } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { changeOwnPassword, endOwnSession, type OwnSession } from '../client.ts'
import { answered } from '../answer.ts'
import { browserOf } from '../browser.ts'
import { ownSessions } from '../queries.ts'
import { useFormats } from '../formats.ts'
import { enterWith, leave, service, usePerson } from '../session.ts'
import { Asked, Chip, Failed, Heads, Page, Panel, useDeed, When } from './components.tsx'
import { OwnPasskeysPanel } from './passkeys.tsx'
import { NewPasswordFields, useNewPassword } from './password.tsx'
import { SettingsMenu } from './shell.tsx'

export function Account() {
  const { t } = useTranslation()
  const { user } = usePerson()
  const query = useQuery(ownSessions)
  return (
    <Page title={t('settings.account')} before={<SettingsMenu />}>
      <Panel title={t('account.facts')}>
        <dl className="facts">
          <dt>{t('form.name')}</dt>
          <dd>
            <bdi>{user.name}</bdi>
          </dd>
          <dt>{t('signIn.email')}</dt>
          <dd>{user.email}</dd>
          <dt>{t('column.role')}</dt>
          <dd>{t(`users.role.${user.role}`)}</dd>
        </dl>
      </Panel>
      <Panel title={t('account.password')}>
        <OwnPassword email={user.email} />
      </Panel>
      <OwnPasskeysPanel />
      <Panel title={t('account.sessions')}>
        <Text>{t('account.sessionsText')}</Text>
        <Asked query={query}>{({ items }) => <Sessions sessions={items} />}</Asked>
      </Panel>
    </Page>
  )
}

export function OwnPassword({ email }: { email: string }) {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const [current, setCurrent] = useState('')
  const [checked, setChecked] = useState(false)
  const chosen = useNewPassword()
  const { busy, failure, succeeded, run } = useDeed()

  async function submit(event: FormEvent) {
    event.preventDefault()
    setChecked(true)
    if (!chosen.check() || current === '') return
    const changed = await run(async () => {
      await answered(
        changeOwnPassword({ client: service, body: { currentPassword: current, newPassword: chosen.password } }),
      )
      // The password is changed, whatever becomes of this: then the next request asks for it.
      await enterWith(email, chosen.password).then(
        ({ go }) => go(),
        () => undefined,
      )
      return true
    })
    if (!changed) return
    setCurrent('')
    chosen.clear()
    setChecked(false)
    await queries.invalidateQueries({ queryKey: ownSessions.queryKey })
  }
  return (
    <form onSubmit={(event) => void submit(event)} noValidate>
      <Stack maw={520}>
        {failure !== undefined && <Failed failure={failure} />}
        <Text>{t('account.passwordText')}</Text>
        <PasswordInput
          name="currentPassword"
          autoComplete="current-password"
          label={t('account.current')}
          value={current}
          error={checked && current === '' && t('signIn.missing')}
          onChange={(event) => setCurrent(event.currentTarget.value)}
          visibilityToggleFocusable
          visibilityToggleButtonProps={{ 'aria-label': t('signIn.show') }}
        />
        <NewPasswordFields chosen={chosen} />
        <Group>
          <Button type="submit" loading={busy}>
            {t('account.change')}
          </Button>
          <Text role="status" size="sm">
            {succeeded && `✓ ${t('account.changed')}`}
          </Text>
        </Group>
      </Stack>
    </form>
  )
}

function Sessions({ sessions }: { sessions: readonly OwnSession[] }) {
  const { t } = useTranslation()
  const { short } = useFormats()
  const queries = useQueryClient()
  const { busy, failure, run } = useDeed()
  const heads = ['signedIn', 'browser', 'address', 'ends', 'deeds'] as const
  const end = ({ id: sessionId, current }: OwnSession) =>
    run(async () => {
      if (current) return leave()
      await answered(endOwnSession({ client: service, path: { sessionId } }))
      await queries.invalidateQueries({ queryKey: ownSessions.queryKey })
    })
  return (
    <>
      {failure !== undefined && <Failed failure={failure} />}
      <table className="rows">
        <VisuallyHidden component="caption">{t('account.sessions')}</VisuallyHidden>
        <thead>
          <tr>
            <Heads of={heads} />
          </tr>
        </thead>
        <tbody>
          {sessions.map((session) => (
            <tr key={session.id}>
              <td data-label={t('column.signedIn')}>
                <When at={session.signedInAt} />
                {session.current && (
                  <>
                    {' '}
                    <Chip tone="good">{t('account.this')}</Chip>
                  </>
                )}
              </td>
              <td data-label={t('column.browser')}>
                <span title={session.userAgent}>
                  {session.userAgent === undefined ? t('account.unknown') : browserOf(session.userAgent)}
                </span>
              </td>
              <td data-label={t('column.address')}>{session.address ?? t('account.unknown')}</td>
              <td data-label={t('column.ends')}>{short(session.expiresAt)}</td>
              <td>
                <Button
                  variant="default"
                  size="compact-sm"
                  disabled={busy}
                  aria-label={t(session.current ? 'account.endThis' : 'account.endNamed', {
                    when: short(session.signedInAt),
                  })}
                  onClick={() => void end(session)}
                >
                  {t('menu.signOut')}
                </Button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  )
}
