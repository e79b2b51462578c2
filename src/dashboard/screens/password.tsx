import { Button, PasswordInput, Stack, Text } from '@mantine/core'
import { type FormEvent, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { limits } from '../client.ts'
import { Failure } from '../answer.ts'
import { choosePassword } from '../session.ts'
import { Failed, useDeed } from './components.tsx'

const { minLength: lengthMin, maxLength: lengthMax } = limits.NewPassword

/** Where a link leads. One that does not work says what to do. */
export function ChoosePassword({ token }: { token: string }) {
  const { t } = useTranslation()
  const chosen = useNewPassword()
  const { busy, failure, run } = useDeed()
  const isDead = token === '' || (failure instanceof Failure && failure.code === 'password-link-invalid')

  function submit(event: FormEvent) {
    event.preventDefault()
    if (chosen.check()) void run(() => choosePassword(token, chosen.password))
  }
  if (isDead) return <Text role="alert">{t('problem.password-link-invalid')}</Text>
  return (
    <form onSubmit={submit} noValidate>
      <Stack>
        {failure !== undefined && <Failed failure={failure} />}
        <Text>{t('password.text')}</Text>
        <NewPasswordFields chosen={chosen} />
        <Button type="submit" loading={busy}>
          {t('password.submit')}
        </Button>
      </Stack>
    </form>
  )
}

/** A new password, typed twice. */
export function useNewPassword() {
  const [password, setPassword] = useState('')
  const [again, setAgain] = useState('')
  const [checked, setChecked] = useState(false)
  const length = [...password].length
  const isLong = length >= lengthMin && length <= lengthMax
  const check = () => {
    setChecked(true)
    return isLong && password === again
  }
  const clear = () => {
    setPassword('')
    setAgain('')
    setChecked(false)
  }
  return {
    password,
    setPassword,
    again,
    setAgain,
    isShort: checked && !isLong,
    isOther: checked && isLong && password !== again,
    check,
    clear,
  }
}

export function NewPasswordFields({ chosen }: { chosen: ReturnType<typeof useNewPassword> }) {
  const { t } = useTranslation()
  const howLong = t('password.length', { min: lengthMin, max: lengthMax })
  const shared = {
    autoComplete: 'new-password',
    visibilityToggleFocusable: true,
    visibilityToggleButtonProps: { 'aria-label': t('signIn.show') },
  }
  return (
    <>
      <PasswordInput
        {...shared}
        name="newPassword"
        label={t('password.new')}
        description={howLong}
        value={chosen.password}
        error={chosen.isShort && howLong}
        onChange={(event) => chosen.setPassword(event.currentTarget.value)}
      />
      <PasswordInput
        {...shared}
        name="again"
        label={t('password.again')}
        value={chosen.again}
        error={chosen.isOther && t('password.different')}
        onChange={(event) => chosen.setAgain(event.currentTarget.value)}
      />
    </>
  )
}
