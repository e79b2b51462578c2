import { Alert, Button, Checkbox, Group, Loader, NativeSelect, Stack, Text } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useBlocker } from '@tanstack/react-router'
import { useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type CreatedApiKey, connect, createLead } from '../client.ts'
import { answered } from '../answer.ts'
import { firstLeadOf, firstUseOf, keysKey } from '../queries.ts'
import { snippet, type SnippetLanguage, snippetLanguages } from '../snippets.ts'
import { Dialog, Failed, useDeed, When } from './components.tsx'

const shownMs = 5 * 60_000

/**
 * Hands a new secret over: shows it once, then how to use it, and that it works. The secret is in this component's
 * props alone and goes with it. `isNew`: the key has not been used before, so its first lead can be waited for.
 */
export function HandOver({
  created,
  isNew = false,
  close,
}: {
  created: CreatedApiKey
  isNew?: boolean
  close: () => void
}) {
  const [step, setStep] = useState<'reveal' | 'connect' | 'hidden'>('reveal')
  const { t } = useTranslation()
  useEffect(() => {
    const timer = setTimeout(() => setStep((now) => (now === 'reveal' ? 'hidden' : now)), shownMs)
    return () => clearTimeout(timer)
  }, [])
  // Whoever leaves by accident has lost the key.
  useBlocker({ shouldBlockFn: () => step === 'reveal', enableBeforeUnload: () => step === 'reveal' })

  if (step === 'reveal')
    return (
      <Dialog title={t('reveal.title')} locked close={close}>
        <Reveal secret={created.secret} next={() => setStep('connect')} />
      </Dialog>
    )
  if (step === 'hidden')
    return (
      <Dialog title={t('reveal.title')} close={close}>
        <Text>{t('reveal.hidden')}</Text>
      </Dialog>
    )
  return (
    <Dialog title={t('connect.title')} size="lg" close={close}>
      <Connect created={created} isNew={isNew} close={close} />
    </Dialog>
  )
}

function Reveal({ secret, next }: { secret: string; next: () => void }) {
  const { t } = useTranslation()
  const [saved, setSaved] = useState(false)
  const [checked, setChecked] = useState(false)
  const field = useRef<HTMLTextAreaElement>(null)
  return (
    <Stack>
      <Text>{t('reveal.text')}</Text>
      <textarea
        ref={field}
        className="secret"
        readOnly
        rows={2}
        aria-label={t('reveal.label')}
        value={secret}
        onFocus={(event) => event.currentTarget.select()}
        spellCheck={false}
      />
      <CopyButton text={secret} label={t('reveal.copy')} select={() => field.current?.select()} autoFocus />
      <Checkbox
        label={t('reveal.saved')}
        checked={saved}
        error={checked && !saved && t('reveal.savedMissing')}
        onChange={(event) => setSaved(event.currentTarget.checked)}
      />
      <Group justify="flex-end">
        <Button onClick={() => (saved ? next() : setChecked(true))}>{t('reveal.next')}</Button>
      </Group>
    </Stack>
  )
}

/**
 * Says that it has copied; where the clipboard is not allowed, as on plain http, the text is selected to be copied by
 * hand.
 */
export function CopyButton({
  text,
  label,
  select,
  autoFocus = false,
}: {
  text: string
  label: string
  select: () => void
  autoFocus?: boolean
}) {
  const { t } = useTranslation()
  const [said, setSaid] = useState<'copied' | 'copyByHand'>()
  async function copy() {
    try {
      await navigator.clipboard.writeText(text)
      setSaid('copied')
    } catch {
      select()
      setSaid('copyByHand')
    }
  }
  return (
    <Group gap="sm">
      <Button variant="default" onClick={() => void copy()} data-autofocus={autoFocus || undefined}>
        {label}
      </Button>
      <Text size="sm" role="status">
        {said && `${said === 'copied' ? '✓ ' : ''}${t(`reveal.${said}`)}`}
      </Text>
    </Group>
  )
}

function Connect({
  created: { apiKey, secret },
  isNew,
  close,
}: {
  created: CreatedApiKey
  isNew: boolean
  close: () => void
}) {
  const { t } = useTranslation()
  const [language, setLanguage] = useState<SnippetLanguage>('curl')
  const code = useRef<HTMLPreElement>(null)
  const sends = apiKey.scopes.includes('leads:create')
  const text = snippet(language, location.origin, secret, sends)
  return (
    <Stack>
      <Text>{t('connect.text')}</Text>
      <NativeSelect
        label={t('connect.language')}
        data={[...snippetLanguages]}
        value={language}
        onChange={(event) => setLanguage(event.currentTarget.value as SnippetLanguage)}
        data-autofocus
      />
      <pre ref={code} className="code" tabIndex={0} aria-label={t('connect.code')} role="region">
        {text}
      </pre>
      <CopyButton
        text={text}
        label={t('connect.copy')}
        select={() => code.current && getSelection()?.selectAllChildren(code.current)}
      />
      <ProofOfLife apiKey={apiKey} secret={secret} isNew={isNew} sends={sends} />
      <Group justify="flex-end">
        <Button onClick={close}>{t('connect.done')}</Button>
      </Group>
    </Stack>
  )
}

/** Waits for the first lead, or the first request of a key that sends none. A test from here is neither. */
function ProofOfLife({
  apiKey,
  secret,
  isNew,
  sends,
}: {
  apiKey: CreatedApiKey['apiKey']
  secret: string
  isNew: boolean
  sends: boolean
}) {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const mask = apiKey.replacement?.newMask ?? apiKey.mask
  const [own, setOwn] = useState<readonly string[]>([])
  const lead = useQuery(firstLeadOf(apiKey, isNew ? undefined : mask, own, sends)).data
  const use = useQuery(firstUseOf(apiKey.id, mask, !sends)).data
  const test = useDeed()
  const isAlive = Boolean(lead ?? use)

  // The way of any partner: this key's own token, not the session's.
  const sendTest = () =>
    test.run(async () => {
      const client = connect({ baseUrl: location.origin, apiKey: secret })
      const customer = { name: { given: 'Test', family: 'Lead' }, emails: [{ address: 'test@example.com' }] }
      const { id } = await answered(
        createLead({ client, body: { type: 'enquiry', message: 'CarBuddii test lead', customer, test: true } }),
      )
      setOwn((before) => [...before, id])
      await queries.invalidateQueries({ queryKey: keysKey })
    })
  return (
    <Stack gap="xs">
      <Alert
        role="status"
        color={isAlive ? 'green' : 'gray'}
        variant="outline"
        styles={{ root: isAlive ? { background: 'light-dark(#e3f4e8, #16351f)' } : {} }}
      >
        <Group gap="sm" wrap="nowrap" align="flex-start" c="var(--mantine-color-text)">
          {isAlive ? (
            <Text component="span" fw={700} aria-hidden>
              ✓
            </Text>
          ) : (
            <Loader size="xs" mt={4} aria-hidden />
          )}
          <div className="wrap">
            <Text fw={600}>
              {t(
                sends
                  ? isAlive
                    ? 'connect.lead'
                    : 'connect.waitingLead'
                  : isAlive
                    ? 'connect.use'
                    : 'connect.waitingUse',
              )}
            </Text>
            {lead && (
              <Text size="sm">
                {t('connect.leadText')} <When at={lead.receivedAt} />. {lead.test && t('connect.leadTest')}
              </Text>
            )}
            {use && (
              <Text size="sm">
                {use.operation} {use.status}, <When at={use.at} />, {use.address}
              </Text>
            )}
          </div>
        </Group>
      </Alert>
      {sends && (
        <Group gap="sm">
          <Button variant="default" loading={test.busy} onClick={() => void sendTest()}>
            {t('connect.sendTest')}
          </Button>
          <Text size="sm" role="status">
            {test.succeeded &&
              `✓ ${t(apiKey.replacement?.state === 'pending' ? 'connect.sentTestNew' : 'connect.sentTest')}`}
          </Text>
        </Group>
      )}
      {test.failure !== undefined && <Failed failure={test.failure} />}
    </Stack>
  )
}
