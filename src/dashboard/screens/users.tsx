import { Button, Group, Radio, Stack, Text, TextInput, VisuallyHidden } from '@mantine/core'
import { useInfiniteQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { type FormEvent, type ReactNode, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import {
  createPasswordLink,
  createUser,
  limits,
  type PasswordLink,
  releaseUser,
  type Role,
  updateUser,
  type User,
  type UserUpdate,
} from '../client.ts'
import { answered } from '../answer.ts'
import { people, usersKey } from '../queries.ts'
import { isolated, useFormats } from '../formats.ts'
import { service, usePerson } from '../session.ts'
import { Forbidden } from './home.tsx'
import { Asked, Chip, Dialog, Failed, More, Page, Panel, useDeed } from './components.tsx'
import { ResetPasskeys } from './passkeys.tsx'
import { CopyButton } from './secret.tsx'
import { SettingsMenu } from './shell.tsx'

const roles = ['sales', 'admin'] as const
const tones = { invited: 'notice', active: 'good', deactivated: 'quiet' } as const

type Deed = 'link' | 'change' | 'passkeys' | 'release' | 'deactivate' | 'reactivate'

export function Users() {
  return usePerson().can('users:manage') ? <AllUsers /> : <Forbidden />
}

function AllUsers() {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const { invite } = useSearch({ from: '/settings/users' })
  const [open, setOpen] = useState<{ deed: Deed; user: User }>()
  const query = useInfiniteQuery(people)
  const show = (next: { invite?: true }) => void navigate({ to: '/settings/users', search: next, resetScroll: false })
  const close = () => setOpen(undefined)
  return (
    <Page title={t('settings.users')} before={<SettingsMenu />}>
      <Panel
        title={t('users.title')}
        aside={<Button onClick={() => show({ invite: true })}>{t('users.invite')}</Button>}
      >
        <Asked query={query}>
          {({ pages }) => (
            <Rows users={pages.flatMap(({ items }) => items)} open={(deed, user) => setOpen({ deed, user })} />
          )}
        </Asked>
        <More query={query} />
      </Panel>
      {invite && <Invite close={() => show({})} />}
      {open?.deed === 'link' && <NewLink user={open.user} close={close} />}
      {open?.deed === 'change' && <Change user={open.user} close={close} />}
      {open?.deed === 'passkeys' && <ResetPasskeys user={open.user} close={close} />}
      {open?.deed === 'release' && <Release user={open.user} close={close} />}
      {open?.deed === 'deactivate' && <Confirm user={open.user} deed="deactivate" close={close} />}
      {open?.deed === 'reactivate' && <Confirm user={open.user} deed="reactivate" close={close} />}
    </Page>
  )
}

function Rows({ users, open }: { users: readonly User[]; open: (deed: Deed, user: User) => void }) {
  const { t } = useTranslation()
  const { short } = useFormats()
  const { user: self } = usePerson()
  const heads = ['name', 'email', 'role', 'state', 'deeds'] as const
  const deedsOf = ({ state, signInLockedUntil, passkeys = 0 }: User): readonly Deed[] => [
    ...(signInLockedUntil === undefined ? [] : ['release' as const]),
    ...(state === 'deactivated' ? (['change', 'reactivate'] as const) : (['change', 'link', 'deactivate'] as const)),
    ...(passkeys > 0 ? ['passkeys' as const] : []),
  ]
  return (
    <table className="rows">
      <VisuallyHidden component="caption">{t('users.title')}</VisuallyHidden>
      <thead>
        <tr>
          {heads.map((head) => (
            <th key={head} className={head} scope="col">
              {head === 'email' ? t('signIn.email') : t(`column.${head}`)}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {users.map((user) => (
          <tr key={user.id}>
            <td className="wrap">
              <Text component="span" fw={600} size="sm">
                <bdi>{user.name}</bdi>
              </Text>
              {user.id === self.id && <Text component="span" size="sm" c="dimmed">{` ${t('users.you')}`}</Text>}
            </td>
            <td className="wrap" data-label={t('signIn.email')}>
              {user.email}
            </td>
            <td data-label={t('column.role')}>{t(`users.role.${user.role}`)}</td>
            <td>
              <Group gap={6}>
                <Chip tone={tones[user.state]}>{t(`users.state.${user.state}`)}</Chip>
                {user.state !== 'invited' && (
                  <Chip tone={user.passkeys ? 'good' : 'quiet'}>
                    {t('passkeys.count', { count: user.passkeys ?? 0 })}
                  </Chip>
                )}
              </Group>
              {user.signInLockedUntil !== undefined && (
                <Text size="sm">{t('users.locked', { when: short(user.signInLockedUntil) })}</Text>
              )}
            </td>
            <td>
              <Group gap={6}>
                {deedsOf(user).map((deed) => (
                  <Button
                    key={deed}
                    variant="default"
                    size="compact-sm"
                    aria-label={t(`users.deedNamed.${deed}`, { name: user.name })}
                    onClick={() => open(deed, user)}
                  >
                    {t(`users.deed.${deed}`)}
                  </Button>
                ))}
              </Group>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function Invite({ close }: { close: () => void }) {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const [name, setName] = useState('')
  const [email, setEmail] = useState('')
  const [role, setRole] = useState<Role>('sales')
  const [checked, setChecked] = useState(false)
  const [link, setLink] = useState<PasswordLink>()
  const { busy, failure, run } = useDeed()
  const nameError = name.trim() === '' ? t('signIn.missing') : undefined
  const emailError = /^[^\s@]+@[^\s@]+$/.test(email.trim()) ? undefined : t('users.emailWrong')

  async function submit(event: FormEvent) {
    event.preventDefault()
    setChecked(true)
    if (nameError !== undefined || emailError !== undefined) return
    const created = await run(() =>
      answered(createUser({ client: service, body: { name: name.trim(), email: email.trim(), role } })),
    )
    if (!created) return
    setLink(created.passwordLink)
    await queries.invalidateQueries({ queryKey: usersKey })
  }
  if (link) return <TheLink name={name.trim()} link={link} close={close} />
  return (
    <Dialog title={t('users.invite')} close={close}>
      <form onSubmit={(event) => void submit(event)} noValidate>
        <Stack>
          {failure !== undefined && <Failed failure={failure} />}
          <TextInput
            label={t('form.name')}
            value={name}
            error={checked && nameError}
            maxLength={limits.UserName.maxLength}
            autoComplete="off"
            onChange={(event) => setName(event.currentTarget.value)}
            data-autofocus
          />
          <TextInput
            type="email"
            label={t('signIn.email')}
            description={t('users.emailText')}
            value={email}
            error={checked && emailError}
            maxLength={limits.UserInput.email.maxLength}
            autoComplete="off"
            onChange={(event) => setEmail(event.currentTarget.value)}
          />
          <RoleChoice role={role} choose={setRole} />
          <Buttons close={close}>
            <Button type="submit" loading={busy}>
              {t('users.inviteSubmit')}
            </Button>
          </Buttons>
        </Stack>
      </form>
    </Dialog>
  )
}

function NewLink({ user, close }: { user: User; close: () => void }) {
  const { t } = useTranslation()
  const [link, setLink] = useState<PasswordLink>()
  const { busy, failure, run } = useDeed()
  const make = () =>
    run(async () => setLink(await answered(createPasswordLink({ client: service, path: { userId: user.id } }))))
  if (link) return <TheLink name={user.name} link={link} close={close} />
  return (
    <Dialog title={t('users.linkTitle', { name: isolated(user.name) })} close={close}>
      <Stack>
        {failure !== undefined && <Failed failure={failure} />}
        <Text>{t(user.state === 'invited' ? 'users.linkInvited' : 'users.linkActive')}</Text>
        <Buttons close={close}>
          <Button loading={busy} onClick={() => void make()} data-autofocus>
            {t('users.linkSubmit')}
          </Button>
        </Buttons>
      </Stack>
    </Dialog>
  )
}

/** The link is in this component's props alone, and goes with it. */
function TheLink({ name, link, close }: { name: string; link: PasswordLink; close: () => void }) {
  const { t } = useTranslation()
  const { short } = useFormats()
  const field = useRef<HTMLTextAreaElement>(null)
  return (
    <Dialog title={t('users.linkTitle', { name: isolated(name) })} close={close}>
      <Stack>
        {link.url === undefined ? (
          <Text>{t('users.linkMailed', { name: isolated(name) })}</Text>
        ) : (
          <>
            <Text>{t('users.linkText')}</Text>
            <textarea
              ref={field}
              className="secret"
              readOnly
              rows={4}
              aria-label={t('users.link')}
              value={link.url}
              onFocus={(event) => event.currentTarget.select()}
              spellCheck={false}
            />
            <CopyButton text={link.url} label={t('reveal.copy')} select={() => field.current?.select()} autoFocus />
          </>
        )}
        <Text size="sm">{t('users.linkEnds', { when: short(link.expiresAt) })}</Text>
        <Group justify="flex-end">
          <Button onClick={close}>{t('connect.done')}</Button>
        </Group>
      </Stack>
    </Dialog>
  )
}

/** Sends only what was changed here, so that what somebody else changed meanwhile stays. */
function Change({ user, close }: { user: User; close: () => void }) {
  const { t } = useTranslation()
  const [name, setName] = useState(user.name)
  const [role, setRole] = useState<Role>(user.role)
  const [checked, setChecked] = useState(false)
  const { busy, failure, save } = useUpdate(user, close)
  const nameError = name.trim() === '' ? t('signIn.missing') : undefined

  function submit(event: FormEvent) {
    event.preventDefault()
    setChecked(true)
    if (nameError === undefined)
      void save({ ...(name.trim() !== user.name && { name: name.trim() }), ...(role !== user.role && { role }) })
  }
  return (
    <Dialog title={t('users.changeTitle', { name: isolated(user.name) })} close={close}>
      <form onSubmit={submit} noValidate>
        <Stack>
          {failure !== undefined && <Failed failure={failure} />}
          <TextInput
            label={t('form.name')}
            value={name}
            error={checked && nameError}
            maxLength={limits.UserName.maxLength}
            autoComplete="off"
            onChange={(event) => setName(event.currentTarget.value)}
            data-autofocus
          />
          <RoleChoice role={role} choose={setRole} />
          <Text role="status" size="sm" fw={600}>
            {role !== user.role && t('users.roleEnds')}
          </Text>
          <Buttons close={close}>
            <Button type="submit" loading={busy}>
              {t('state.save')}
            </Button>
          </Buttons>
        </Stack>
      </form>
    </Dialog>
  )
}

function Confirm({ user, deed, close }: { user: User; deed: 'deactivate' | 'reactivate'; close: () => void }) {
  const { t } = useTranslation()
  const { busy, failure, save } = useUpdate(user, close)
  const isEnd = deed === 'deactivate'
  return (
    <Dialog title={t(`users.${deed}Title`, { name: isolated(user.name) })} close={close}>
      <Stack>
        {failure !== undefined && <Failed failure={failure} />}
        <Text>{t(`users.${deed}Text`)}</Text>
        <Buttons close={close}>
          <Button {...(isEnd && { color: 'red' })} loading={busy} onClick={() => void save({ deactivated: isEnd })}>
            {t(`users.deed.${deed}`)}
          </Button>
        </Buttons>
      </Stack>
    </Dialog>
  )
}

function Release({ user, close }: { user: User; close: () => void }) {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const { busy, failure, run } = useDeed()
  const release = async () => {
    if (!(await run(() => answered(releaseUser({ client: service, path: { userId: user.id } }))))) return
    close()
    await queries.invalidateQueries({ queryKey: usersKey })
  }
  return (
    <Dialog title={t('users.releaseTitle', { name: isolated(user.name) })} close={close}>
      <Stack>
        {failure !== undefined && <Failed failure={failure} />}
        <Text>{t('users.releaseText')}</Text>
        <Buttons close={close}>
          <Button loading={busy} onClick={() => void release()}>
            {t('users.deed.release')}
          </Button>
        </Buttons>
      </Stack>
    </Dialog>
  )
}

function useUpdate({ id: userId }: User, done: () => void) {
  const queries = useQueryClient()
  const { busy, failure, run } = useDeed()
  const save = async (body: UserUpdate) => {
    const saved = await run(
      async () => Object.keys(body).length === 0 || answered(updateUser({ client: service, path: { userId }, body })),
    )
    if (!saved) return
    done()
    await queries.invalidateQueries({ queryKey: usersKey })
  }
  return { busy, failure, save }
}

function RoleChoice({ role, choose }: { role: Role; choose: (role: Role) => void }) {
  const { t } = useTranslation()
  return (
    <Radio.Group name="role" label={t('column.role')} value={role} onChange={(value) => choose(value as Role)}>
      <Stack gap="xs" mt={6}>
        {roles.map((word) => (
          <Radio key={word} value={word} label={t(`users.role.${word}`)} description={t(`users.roleText.${word}`)} />
        ))}
      </Stack>
    </Radio.Group>
  )
}

function Buttons({ close, children }: { close: () => void; children: ReactNode }) {
  const { t } = useTranslation()
  return (
    <Group justify="flex-end">
      <Button variant="default" onClick={close}>
        {t('state.cancel')}
      </Button>
      {children}
    </Group>
  )
}
