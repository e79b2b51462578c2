import { Anchor, Button, Container, PasswordInput, Stack, Text, TextInput, Title } from '@mantine/core'
import { type FormEvent, type ReactNode, useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Failure } from '../answer.ts'
import type { SecondFactorAsked } from '../client.ts'
import { canHavePasskeys, offersPasskeys, passkeyFor, stopAsking } from '../passkeys.ts'
import {
  askForPasskey,
  askForPasswordLink,
  enterWith,
  enterWithPasskey,
  leave,
  start,
  stayAsIs,
  useSession,
} from '../session.ts'
import { OwnPassword } from './account.tsx'
import { Dialog, Failed, Loading, useDeed } from './components.tsx'
import { ChoosePassword } from './password.tsx'
import { FirstPasskey, SecondFactor } from './second-factor.tsx'

/** What a right password may be answered with: it is not enough. */
const steps = new Set(['second-factor-needed', 'passkey-to-be-added'])
// A challenge is over after 5 minutes.
const offeredMs = 4 * 60_000

/** Shows its children to those who are signed in. When a session ends they stay as they are, under a dialog. */
export function SessionGate({ onSignedOut, children }: { onSignedOut: () => void; children: ReactNode }) {
  const session = useSession()
  const { t } = useTranslation()
  const [isForgotten, setIsForgotten] = useState(false)
  const isOut = session.state === 'signed-out'
  useEffect(() => {
    if (isOut) onSignedOut()
  }, [isOut, onSignedOut])

  if (session.state === 'starting')
    return (
      <Container size="xs" component="main" py="xl">
        <Loading />
      </Container>
    )
  if (session.state === 'unknown')
    return (
      <Container size="xs" component="main" py="xl">
        <Failed failure={session.failure} retry={() => void start()} />
      </Container>
    )
  if (session.state === 'choosing-password')
    return (
      <Outside title={t('password.title')}>
        <ChoosePassword key={session.token} token={session.token} />
      </Outside>
    )
  if (session.state === 'signed-out' && isForgotten)
    return (
      <Outside title={t('signIn.forgotTitle')}>
        <Forgotten back={() => setIsForgotten(false)} />
      </Outside>
    )
  if (session.state === 'signed-out') {
    return (
      <Outside title={t('signIn.title')}>
        {session.passwordIsSet && <Text role="status">{`✓ ${t('password.set')}`}</Text>}
        <SignInForm />
        <Anchor component="button" type="button" size="sm" ta="start" onClick={() => setIsForgotten(true)}>
          {t('signIn.forgot')}
        </Anchor>
      </Outside>
    )
  }
  if (session.state === 'signed-in' && session.user.passwordTemporary)
    return (
      <Outside title={t('password.own')}>
        <Text>{t('password.temporary')}</Text>
        <OwnPassword email={session.user.email} />
        <Anchor component="button" type="button" size="sm" ta="start" onClick={() => void leave()}>
          {t('menu.signOut')}
        </Anchor>
      </Outside>
    )
  return (
    <>
      {children}
      {session.state === 'ended' && (
        <Dialog title={t('signIn.again')} locked close={() => undefined}>
          <Stack>
            <Text>{t('signIn.againText')}</Text>
            <SignInForm email={session.user.email} />
          </Stack>
        </Dialog>
      )}
      {session.state === 'stale' && (
        <Dialog title={t('signIn.fresh')} close={stayAsIs}>
          <Stack>
            <Text>{t('signIn.freshText')}</Text>
            <SignInForm email={session.user.email} />
          </Stack>
        </Dialog>
      )}
    </>
  )
}

/** Asks for a link to choose a new password. Whether somebody has the address, the service does not tell. */
function Forgotten({ back }: { back: () => void }) {
  const { t } = useTranslation()
  const [email, setEmail] = useState('')
  const [checked, setChecked] = useState(false)
  const { busy, failure, succeeded, run } = useDeed()
  const isRight = /^[^\s@]+@[^\s@]+$/.test(email.trim())

  function submit(event: FormEvent) {
    event.preventDefault()
    setChecked(true)
    if (isRight) void run(() => askForPasswordLink(email.trim()))
  }
  return (
    <form onSubmit={submit} noValidate>
      <Stack>
        {failure !== undefined && <Failed failure={failure} />}
        <Text>{t('signIn.forgotText')}</Text>
        <TextInput
          type="email"
          name="email"
          autoComplete="username"
          label={t('signIn.email')}
          value={email}
          error={checked && !isRight && t('users.emailWrong')}
          onChange={(event) => setEmail(event.currentTarget.value)}
          data-autofocus
        />
        <Button type="submit" loading={busy}>
          {t('signIn.forgotSubmit')}
        </Button>
        <Text role="status">{succeeded && `✓ ${t('signIn.forgotSent')}`}</Text>
        <Anchor component="button" type="button" size="sm" ta="start" onClick={back}>
          {t('signIn.forgotBack')}
        </Anchor>
      </Stack>
    </form>
  )
}

/** A page of somebody who is not signed in. */
function Outside({ title, children }: { title: string; children: ReactNode }) {
  return (
    <Container size={420} component="main" py="12vh">
      <title>{`${title} · CarBuddii`}</title>
      <div className="panel">
        <Stack>
          <span className="brand">
            <img src="/favicon.svg" alt="" width={24} height={24} />
            CarBuddii
          </span>
          <Title order={1} size="h3">
            {title}
          </Title>
          {children}
        </Stack>
      </div>
    </Container>
  )
}

/** With a password and what has to come beside it, or with a passkey alone. */
function SignInForm({ email: known = '' }: { email?: string }) {
  const { t } = useTranslation()
  const [email, setEmail] = useState(known)
  const [password, setPassword] = useState('')
  const [checked, setChecked] = useState(false)
  const [asked, setAsked] = useState<SecondFactorAsked>()
  const { busy, failure, run } = useDeed()
  const missing = (text: string) => (checked && text.trim() === '' ? t('signIn.missing') : undefined)

  function submit(event: FormEvent) {
    event.preventDefault()
    setChecked(true)
    if (email.trim() !== '' && password !== '') void run(enter)
  }
  async function enter() {
    try {
      await (await enterWith(email.trim(), password)).go()
    } catch (error) {
      if (!(error instanceof Failure && steps.has(error.code ?? ''))) throw error
      setAsked(error.asked)
    }
  }
  const next = { email: email.trim(), password, back: () => setAsked(undefined) }
  if (asked?.passkeyCreation) return <FirstPasskey {...next} creation={asked.passkeyCreation} />
  if (asked) return <SecondFactor {...next} request={asked.passkeyRequest} />
  return (
    <Stack>
      <form onSubmit={submit} noValidate>
        <Stack>
          {failure !== undefined && <Failed failure={failure} />}
          <TextInput
            type="email"
            name="email"
            autoComplete="username webauthn"
            label={t('signIn.email')}
            value={email}
            error={missing(email)}
            onChange={(event) => setEmail(event.currentTarget.value)}
            data-autofocus={known === '' || undefined}
          />
          <PasswordInput
            name="password"
            autoComplete="current-password"
            label={t('signIn.password')}
            value={password}
            error={missing(password)}
            onChange={(event) => setPassword(event.currentTarget.value)}
            visibilityToggleFocusable
            visibilityToggleButtonProps={{ 'aria-label': t('signIn.show') }}
            data-autofocus={known !== '' || undefined}
          />
          <Button type="submit" loading={busy}>
            {t('signIn.submit')}
          </Button>
        </Stack>
      </form>
      {canHavePasskeys() && <ByPasskey />}
    </Stack>
  )
}

/**
 * Signs in with a passkey alone: by a button, or where the browser offers one beside the e-mail address, for as long as
 * the form is there.
 */
function ByPasskey() {
  const { t } = useTranslation()
  const { busy, failure, run } = useDeed()
  const [refused, setRefused] = useState<unknown>()
  const [round, setRound] = useState(0)
  useEffect(() => {
    let isOver = false
    const renewal = setTimeout(() => setRound(round + 1), offeredMs)
    async function offer() {
      if (!(await offersPasskeys())) return
      const request = await askForPasskey()
      if (isOver) return
      const passkey = await passkeyFor(request, { isAlone: true, quietly: true })
      // What was chosen is refused aloud; that nothing was chosen is no failure.
      await enterWithPasskey(passkey).catch(setRefused)
    }
    void offer().catch(() => undefined)
    return () => {
      isOver = true
      clearTimeout(renewal)
      stopAsking()
    }
  }, [round])

  async function ask() {
    const request = await askForPasskey()
    // The device is asked once at a time, so this ends what was offered; it is offered anew when nothing comes of it.
    const passkey = await passkeyFor(request, { isAlone: true }).catch((error: unknown) => {
      setRound(round + 1)
      throw error
    })
    await enterWithPasskey(passkey)
  }
  const failed = failure ?? refused
  return (
    <Stack>
      {failed !== undefined && <Failed failure={failed} />}
      <Button type="button" variant="default" loading={busy} onClick={() => void run(ask)}>
        {t('signIn.passkey')}
      </Button>
    </Stack>
  )
}
