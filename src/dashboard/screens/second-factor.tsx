import { Anchor, Button, Stack, Text, TextInput } from '@mantine/core'
import { type FormEvent, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { limits, type PasskeyCreation, type PasskeyRequest } from '../client.ts'
import { browserOf } from '../browser.ts'
import { canHavePasskeys, isAtHome, newPasskeyFor, passkeyFor } from '../passkeys.ts'
import { type Beside, enterWith } from '../session.ts'
import { Failed, useDeed } from './components.tsx'
import { Codes, PasskeyName } from './passkeys.tsx'

interface Known {
  email: string
  password: string
  /** Back to the password: what was asked with is over. */
  back: () => void
}

/** Asks whoever has typed a right password for a passkey, or for a recovery code. */
export function SecondFactor({ email, password, back, request }: Known & { request: PasskeyRequest | undefined }) {
  const { t } = useTranslation()
  const isHere = request !== undefined && isAtHome(request.rpId) && canHavePasskeys()
  const [byCode, setByCode] = useState(!isHere)
  const [code, setCode] = useState('')
  const [checked, setChecked] = useState(false)
  const { busy, failure, run } = useDeed()
  const enter = (beside: () => Promise<Beside> | Beside) =>
    void run(async () => (await enterWith(email, password, await beside())).go())

  function submit(event: FormEvent) {
    event.preventDefault()
    setChecked(true)
    if (code.trim() !== '') enter(() => ({ recoveryCode: code.trim() }))
  }
  return (
    <Stack>
      {failure !== undefined && <Failed failure={failure} />}
      <Text>{t(byCode ? 'secondFactor.codeText' : 'secondFactor.text')}</Text>
      {byCode ? (
        <form onSubmit={submit} noValidate>
          <Stack>
            <TextInput
              label={t('secondFactor.code')}
              value={code}
              error={checked && code.trim() === '' && t('signIn.missing')}
              autoComplete="off"
              autoCapitalize="none"
              spellCheck={false}
              maxLength={limits.SignIn.recoveryCode.maxLength}
              onChange={(event) => setCode(event.currentTarget.value)}
              data-autofocus
            />
            <Button type="submit" loading={busy}>
              {t('signIn.submit')}
            </Button>
          </Stack>
        </form>
      ) : (
        <Button
          loading={busy}
          onClick={() => request && enter(async () => ({ passkey: await passkeyFor(request, { isAlone: false }) }))}
          data-autofocus
        >
          {t('secondFactor.submit')}
        </Button>
      )}
      {isHere && (
        <Anchor component="button" type="button" size="sm" ta="start" onClick={() => setByCode(!byCode)}>
          {t(byCode ? 'secondFactor.byPasskey' : 'secondFactor.byCode')}
        </Anchor>
      )}
      {!isHere && <Text size="sm">{t('secondFactor.notHere')}</Text>}
      <Text size="sm" c="dimmed">
        {t('secondFactor.lost')}
      </Text>
      <Anchor component="button" type="button" size="sm" ta="start" onClick={back}>
        {t('signIn.forgotBack')}
      </Anchor>
    </Stack>
  )
}

/** Has whoever has typed a right password add a passkey, before anything else, because the dealership requires it. */
export function FirstPasskey({ email, password, back, creation }: Known & { creation: PasskeyCreation }) {
  const { t } = useTranslation()
  const [name, setName] = useState(browserOf(navigator.userAgent))
  const [checked, setChecked] = useState(false)
  const [entered, setEntered] = useState<Awaited<ReturnType<typeof enterWith>>>()
  const { busy, failure, run } = useDeed()
  const isHere = isAtHome(creation.rpId) && canHavePasskeys()

  async function submit(event: FormEvent) {
    event.preventDefault()
    setChecked(true)
    if (name.trim() === '') return
    const done = await run(async () => {
      const newPasskey = await newPasskeyFor(creation, { email, name: email }, name.trim())
      return enterWith(email, password, { newPasskey })
    })
    setEntered(done)
  }
  if (entered?.recoveryCodes) return <Codes codes={entered.recoveryCodes} done={() => void entered.go()} />
  return (
    <form onSubmit={(event) => void submit(event)} noValidate>
      <Stack>
        {failure !== undefined && <Failed failure={failure} />}
        <Text>{t('secondFactor.firstText')}</Text>
        {isHere ? (
          <>
            <PasskeyName name={name} setName={setName} checked={checked} />
            <Button type="submit" loading={busy}>
              {t('passkeys.addSubmit')}
            </Button>
          </>
        ) : (
          <Text fw={600} role="status">
            {t('passkeys.elsewhere', { name: creation.rpId })}
          </Text>
        )}
        <Anchor component="button" type="button" size="sm" ta="start" onClick={back}>
          {t('signIn.forgotBack')}
        </Anchor>
      </Stack>
    </form>
  )
}
