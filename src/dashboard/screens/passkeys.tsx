import { Button, Group, Stack, Text, TextInput, VisuallyHidden } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, type ReactNode, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import {
  addPasskey,
  createPasskeyOptions,
  createRecoveryCodes,
  type DealerSettings,
  deletePasskey,
  limits,
  type OwnPasskeys,
  type Passkey,
  resetPasskeys,
  setSecondFactor,
  updatePasskey,
  type User,
} from '../client.ts'
import { answered } from '../answer.ts'
import { browserOf } from '../browser.ts'
import { isolated } from '../formats.ts'
import { canHavePasskeys, isAtHome, newPasskeyFor } from '../passkeys.ts'
import { dealerSettings, ownPasskeys, usersKey } from '../queries.ts'
import { service, usePerson } from '../session.ts'
import { Asked, Chip, Dialog, Failed, Heads, Panel, useDeed, When } from './components.tsx'
import { CopyButton } from './secret.tsx'

/** Below so many it is time to make new codes. */
const fewCodes = 3

export function OwnPasskeysPanel() {
  const { t } = useTranslation()
  return (
    <Panel title={t('passkeys.title')}>
      <Text>{t('passkeys.text')}</Text>
      <Asked query={useQuery(ownPasskeys)}>{(own) => <Own own={own} />}</Asked>
    </Panel>
  )
}

type Open = { deed: 'add' | 'codes' } | { deed: 'rename' | 'remove'; passkey: Passkey }

function Own({ own: { items, recoveryCodesLeft, required, rpId } }: { own: OwnPasskeys }) {
  const { t } = useTranslation()
  const [open, setOpen] = useState<Open>()
  const close = () => setOpen(undefined)
  const isHere = rpId !== undefined && isAtHome(rpId) && canHavePasskeys()
  return (
    <>
      {!isHere && (
        <Text role="status" fw={600} size="sm">
          {rpId === undefined
            ? t('passkeys.nowhere')
            : isAtHome(rpId)
              ? t('passkeys.noBrowser')
              : t('passkeys.elsewhere', { name: rpId })}
        </Text>
      )}
      {required && <Text size="sm">{t('passkeys.required')}</Text>}
      {items.length > 0 && <Rows passkeys={items} open={(deed, passkey) => setOpen({ deed, passkey })} />}
      <Group>
        {isHere && <Button onClick={() => setOpen({ deed: 'add' })}>{t('passkeys.add')}</Button>}
        {items.length > 0 && (
          <Button variant="default" onClick={() => setOpen({ deed: 'codes' })}>
            {t('passkeys.codesNew')}
          </Button>
        )}
      </Group>
      {items.length > 0 && (
        <Text size="sm" {...(recoveryCodesLeft < fewCodes && { fw: 600 })}>
          {t('passkeys.codesLeft', { count: recoveryCodesLeft })}
        </Text>
      )}
      {open?.deed === 'add' && <Add close={close} />}
      {open?.deed === 'codes' && <NewCodes close={close} />}
      {open?.deed === 'rename' && <Rename passkey={open.passkey} close={close} />}
      {open?.deed === 'remove' && <Remove passkey={open.passkey} isLast={items.length === 1} close={close} />}
    </>
  )
}

function Rows({
  passkeys,
  open,
}: {
  passkeys: readonly Passkey[]
  open: (deed: 'rename' | 'remove', passkey: Passkey) => void
}) {
  const { t } = useTranslation()
  return (
    <table className="rows">
      <VisuallyHidden component="caption">{t('passkeys.title')}</VisuallyHidden>
      <thead>
        <tr>
          <Heads of={['name', 'created', 'lastUsed', 'deeds']} />
        </tr>
      </thead>
      <tbody>
        {passkeys.map((passkey) => (
          <tr key={passkey.id}>
            <td className="wrap">
              <Text component="span" fw={600} size="sm">
                <bdi>{passkey.name}</bdi>
              </Text>{' '}
              <Chip tone="quiet">{t(passkey.synced ? 'passkeys.synced' : 'passkeys.oneDevice')}</Chip>
            </td>
            <td data-label={t('column.created')}>
              <When at={passkey.createdAt} />
            </td>
            <td data-label={t('column.lastUsed')}>
              {passkey.lastUsedAt === undefined ? t('neverUsed') : <When at={passkey.lastUsedAt} />}
            </td>
            <td>
              <Group gap={6}>
                {(['rename', 'remove'] as const).map((deed) => (
                  <Button
                    key={deed}
                    variant="default"
                    size="compact-sm"
                    aria-label={t(`passkeys.deedNamed.${deed}`, { name: passkey.name })}
                    onClick={() => open(deed, passkey)}
                  >
                    {t(`passkeys.deed.${deed}`)}
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

/** Reads the passkeys anew after a deed, and the list of people, which says how many each has. */
function useOwnDeed() {
  const queries = useQueryClient()
  const { busy, failure, run } = useDeed()
  const change = async <Result,>(deed: () => Promise<Result>): Promise<Result | undefined> => {
    const result = await run(deed)
    if (result !== undefined) {
      await queries.invalidateQueries({ queryKey: ownPasskeys.queryKey })
      await queries.invalidateQueries({ queryKey: usersKey })
    }
    return result
  }
  return { busy, failure, change }
}

function Add({ close }: { close: () => void }) {
  const { t } = useTranslation()
  const { user } = usePerson()
  const [name, setName] = useState(browserOf(navigator.userAgent).slice(0, limits.PasskeyName.maxLength))
  const [checked, setChecked] = useState(false)
  const [codes, setCodes] = useState<readonly string[]>()
  const { busy, failure, change } = useOwnDeed()

  async function submit(event: FormEvent) {
    event.preventDefault()
    setChecked(true)
    if (name.trim() === '') return
    const added = await change(async () => {
      const creation = await answered(createPasskeyOptions({ client: service }))
      const body = await newPasskeyFor(creation, user, name.trim())
      return answered(addPasskey({ client: service, body }))
    })
    if (added?.recoveryCodes) setCodes(added.recoveryCodes)
    else if (added) close()
  }
  if (codes)
    return (
      <Dialog title={t('passkeys.codes')} locked close={close}>
        <Codes codes={codes} done={close} />
      </Dialog>
    )
  return (
    <Dialog title={t('passkeys.add')} close={close}>
      <form onSubmit={(event) => void submit(event)} noValidate>
        <Stack>
          {failure !== undefined && <Failed failure={failure} />}
          <Text>{t('passkeys.addText')}</Text>
          <PasskeyName name={name} setName={setName} checked={checked} />
          <Buttons close={close}>
            <Button type="submit" loading={busy}>
              {t('passkeys.addSubmit')}
            </Button>
          </Buttons>
        </Stack>
      </form>
    </Dialog>
  )
}

export function PasskeyName({
  name,
  setName,
  checked,
}: {
  name: string
  setName: (name: string) => void
  checked: boolean
}) {
  const { t } = useTranslation()
  return (
    <TextInput
      label={t('passkeys.name')}
      description={t('passkeys.nameText')}
      value={name}
      error={checked && name.trim() === '' && t('signIn.missing')}
      maxLength={limits.PasskeyName.maxLength}
      autoComplete="off"
      onChange={(event) => setName(event.currentTarget.value)}
      data-autofocus
    />
  )
}

/** The codes are in this component's props alone, and go with it. */
export function Codes({ codes, done }: { codes: readonly string[]; done: () => void }) {
  const { t } = useTranslation()
  const field = useRef<HTMLTextAreaElement>(null)
  const text = codes.join('\n')
  return (
    <Stack>
      <Text>{t('passkeys.codesText')}</Text>
      <textarea
        ref={field}
        className="secret"
        readOnly
        rows={codes.length}
        aria-label={t('passkeys.codes')}
        value={text}
        onFocus={(event) => event.currentTarget.select()}
        spellCheck={false}
      />
      <CopyButton text={text} label={t('passkeys.codesCopy')} select={() => field.current?.select()} autoFocus />
      <Group justify="flex-end">
        <Button onClick={done}>{t('passkeys.codesSaved')}</Button>
      </Group>
    </Stack>
  )
}

function NewCodes({ close }: { close: () => void }) {
  const { t } = useTranslation()
  const [codes, setCodes] = useState<readonly string[]>()
  const { busy, failure, change } = useOwnDeed()
  const make = async () => setCodes((await change(() => answered(createRecoveryCodes({ client: service }))))?.codes)
  if (codes)
    return (
      <Dialog title={t('passkeys.codes')} locked close={close}>
        <Codes codes={codes} done={close} />
      </Dialog>
    )
  return (
    <Dialog title={t('passkeys.codesNew')} close={close}>
      <Stack>
        {failure !== undefined && <Failed failure={failure} />}
        <Text>{t('passkeys.codesNewText')}</Text>
        <Buttons close={close}>
          <Button loading={busy} onClick={() => void make()} data-autofocus>
            {t('passkeys.codesNew')}
          </Button>
        </Buttons>
      </Stack>
    </Dialog>
  )
}

function Rename({ passkey, close }: { passkey: Passkey; close: () => void }) {
  const { t } = useTranslation()
  const [name, setName] = useState(passkey.name)
  const [checked, setChecked] = useState(false)
  const { busy, failure, change } = useOwnDeed()
  async function submit(event: FormEvent) {
    event.preventDefault()
    setChecked(true)
    if (name.trim() === '') return
    const path = { passkeyId: passkey.id }
    if (await change(() => answered(updatePasskey({ client: service, path, body: { name: name.trim() } })))) close()
  }
  return (
    <Dialog title={t('passkeys.renameTitle', { name: isolated(passkey.name) })} close={close}>
      <form onSubmit={(event) => void submit(event)} noValidate>
        <Stack>
          {failure !== undefined && <Failed failure={failure} />}
          <PasskeyName name={name} setName={setName} checked={checked} />
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

function Remove({ passkey, isLast, close }: { passkey: Passkey; isLast: boolean; close: () => void }) {
  const { t } = useTranslation()
  const { busy, failure, change } = useOwnDeed()
  const remove = async () => {
    const path = { passkeyId: passkey.id }
    if (await change(() => done(deletePasskey({ client: service, path })))) close()
  }
  return (
    <Dialog title={t('passkeys.removeTitle', { name: isolated(passkey.name) })} close={close}>
      <Stack>
        {failure !== undefined && <Failed failure={failure} />}
        <Text>{t('passkeys.removeText')}</Text>
        {isLast && <Text fw={600}>{t('passkeys.removeLast')}</Text>}
        <Buttons close={close}>
          <Button color="red" loading={busy} onClick={() => void remove()}>
            {t('passkeys.deed.remove')}
          </Button>
        </Buttons>
      </Stack>
    </Dialog>
  )
}

/** Lets a colleague in again who has lost theirs. */
export function ResetPasskeys({ user, close }: { user: User; close: () => void }) {
  const { t } = useTranslation()
  const { busy, failure, change } = useOwnDeed()
  const reset = async () => {
    if (await change(() => done(resetPasskeys({ client: service, path: { userId: user.id } })))) close()
  }
  return (
    <Dialog title={t('passkeys.resetTitle', { name: isolated(user.name) })} close={close}>
      <Stack>
        {failure !== undefined && <Failed failure={failure} />}
        <Text>{t('passkeys.resetText')}</Text>
        <Buttons close={close}>
          <Button color="red" loading={busy} onClick={() => void reset()}>
            {t('passkeys.resetSubmit')}
          </Button>
        </Buttons>
      </Stack>
    </Dialog>
  )
}

/** Whether everybody of the dealership has to have one. */
export function SecondFactorPanel({ dealer: { secondFactorRequired } }: { dealer: DealerSettings }) {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const { busy, failure, run } = useDeed()
  const [isAsked, setIsAsked] = useState(false)
  const set = async (required: boolean) => {
    const saved = await run(() => answered(setSecondFactor({ client: service, body: { required } })))
    if (!saved) return
    setIsAsked(false)
    queries.setQueryData(dealerSettings.queryKey, saved)
    await queries.invalidateQueries({ queryKey: ownPasskeys.queryKey })
  }
  return (
    <Panel title={t('passkeys.everybody')}>
      <Stack maw={520} align="flex-start">
        {failure !== undefined && !isAsked && <Failed failure={failure} />}
        <Text role="status">{t(secondFactorRequired ? 'passkeys.isRequired' : 'passkeys.isNotRequired')}</Text>
        <Button
          variant="default"
          loading={busy}
          onClick={() => (secondFactorRequired ? void set(false) : setIsAsked(true))}
        >
          {t(secondFactorRequired ? 'passkeys.requireNot' : 'passkeys.require')}
        </Button>
      </Stack>
      {isAsked && (
        <Dialog title={t('passkeys.require')} close={() => setIsAsked(false)}>
          <Stack>
            {failure !== undefined && <Failed failure={failure} />}
            <Text>{t('passkeys.requireText')}</Text>
            <Buttons close={() => setIsAsked(false)}>
              <Button loading={busy} onClick={() => void set(true)}>
                {t('passkeys.require')}
              </Button>
            </Buttons>
          </Stack>
        </Dialog>
      )}
    </Panel>
  )
}

/** An operation that answers nothing, and worked. */
async function done(reply: Parameters<typeof answered>[0]): Promise<true> {
  await answered(reply)
  return true
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
