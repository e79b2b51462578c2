import { Button, Group, Stack, Text, TextInput, VisuallyHidden } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { answered } from '../answer.ts'
import { type ApiKeyLimit, type ApiKeyLimitsInput, limits, updateApiKey } from '../client.ts'
import { useFormats } from '../formats.ts'
import { keysKey, limitsOf } from '../queries.ts'
import { service } from '../session.ts'
import { Asked, Chip, Failed, Heads, useDeed } from './components.tsx'

const heads = ['limit', 'used', 'allowed'] as const
const bytesOfMegabyte = 1_000_000
const digitsMax = 9

/** How much the key may do, and how much of that is used. */
export function Limits({ apiKeyId, isDeleted }: { apiKeyId: string; isDeleted: boolean }) {
  const { t } = useTranslation()
  const [isChanging, setIsChanging] = useState(false)
  return (
    <Asked query={useQuery(limitsOf(apiKeyId))} rows={5}>
      {({ isOn, items }) => {
        if (!isOn) return <Text c="dimmed">{t('limits.off')}</Text>
        return (
          <>
            <Text>{t('limits.text')}</Text>
            <table className="rows">
              <VisuallyHidden component="caption">{t('limits.title')}</VisuallyHidden>
              <thead>
                <tr>
                  <Heads of={heads} />
                </tr>
              </thead>
              <tbody>
                {items.map((limit) => (
                  <OneLimit key={limit.name} limit={limit} />
                ))}
              </tbody>
            </table>
            {!isDeleted && !isChanging && (
              <Group>
                <Button variant="default" onClick={() => setIsChanging(true)}>
                  {t('limits.change')}
                </Button>
              </Group>
            )}
            {isChanging && <Change apiKeyId={apiKeyId} items={items} close={() => setIsChanging(false)} />}
          </>
        )
      }}
    </Asked>
  )
}

/** What is counted by a limit, and how much of it, in words. */
export function useLimitWords() {
  const { t } = useTranslation()
  const { number } = useFormats()
  const amount = (name: string, value: number) =>
    name === 'bytes' ? t('limits.megabytes', { amount: number(inMegabytes(value)) }) : number(value)
  return {
    amount,
    named: (name: string) => (isKnown(name) ? t(`limits.name.${name}`) : name),
    allowed: (name: string, { most, perSecond }: Pick<ApiKeyLimit, 'most' | 'perSecond'>) =>
      perSecond === undefined
        ? t('limits.aDay', { most: amount(name, most) })
        : t('limits.aSecond', { most: amount(name, most), perSecond: number(perSecond) }),
  }
}

function OneLimit({ limit }: { limit: ApiKeyLimit }) {
  const { t } = useTranslation()
  const { amount, named, allowed } = useLimitWords()
  const { name, used, most, isOwn } = limit
  return (
    <tr>
      <td>{named(name)}</td>
      <td data-label={t('column.used')}>
        {amount(name, used)} {used >= most && <Chip tone="bad">{t('limits.reached')}</Chip>}
      </td>
      <td data-label={t('column.allowed')}>
        {allowed(name, limit)} {isOwn && <Chip tone="quiet">{t('limits.own')}</Chip>}
      </td>
    </tr>
  )
}

const inMegabytes = (bytes: number) => Math.round(bytes / (bytesOfMegabyte / 10)) / 10

const rates = ['leads', 'reads', 'writes'] as const
const quotas = ['bytes', 'replacements'] as const
const known: readonly string[] = [...rates, ...quotas]
const isKnown = (name: string): name is (typeof rates)[number] | (typeof quotas)[number] => known.includes(name)

/** What is left empty is as the service says. */
function Change({ apiKeyId, items, close }: { apiKeyId: string; items: readonly ApiKeyLimit[]; close: () => void }) {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const { busy, failure, run } = useDeed()
  const [texts, setTexts] = useState<Record<string, string>>(() => textsOf(items))
  const [checked, setChecked] = useState(false)
  const wrong = wrongIn(texts)

  async function submit(event: FormEvent) {
    event.preventDefault()
    setChecked(true)
    if (wrong.size > 0) return
    const body = { limits: chosenIn(texts) }
    const saved = await run(async () => {
      const updated = await answered(updateApiKey({ client: service, path: { apiKeyId }, body }))
      await queries.invalidateQueries({ queryKey: keysKey })
      return updated
    })
    if (saved) close()
  }
  const field = (name: string, label: string) => (
    <TextInput
      key={name}
      label={label}
      value={texts[name] ?? ''}
      error={checked && wrong.has(name) && t('limits.wrong')}
      inputMode="numeric"
      autoComplete="off"
      maxLength={digitsMax}
      onChange={(event) => setTexts({ ...texts, [name]: event.currentTarget.value })}
    />
  )
  return (
    <form onSubmit={(event) => void submit(event)} noValidate>
      <Stack maw={520}>
        {failure !== undefined && <Failed failure={failure} />}
        <Text>{t('limits.empty')}</Text>
        {rates.map((name) => (
          <Group key={name} grow align="flex-start">
            {field(`${name}.perSecond`, t('limits.perSecond', { name: t(`limits.name.${name}`) }))}
            {field(`${name}.most`, t('limits.most', { name: t(`limits.name.${name}`) }))}
          </Group>
        ))}
        {field('bytes.most', t('limits.megabytesADay'))}
        {field('replacements.most', t('limits.replacementsADay'))}
        <Group>
          <Button type="submit" loading={busy}>
            {t('state.save')}
          </Button>
          <Button variant="default" onClick={close}>
            {t('state.cancel')}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}

function textsOf(items: readonly ApiKeyLimit[]): Record<string, string> {
  const own = items.filter(({ isOwn }) => isOwn)
  return Object.fromEntries(
    own.flatMap(({ name, most, perSecond }) => [
      [`${name}.most`, String(name === 'bytes' ? inMegabytes(most) : most)],
      ...(perSecond === undefined ? [] : [[`${name}.perSecond`, String(perSecond)]]),
    ]),
  )
}

const numberIn = (text = '') => (/^\d+([.,]\d)?$/.test(text.trim()) ? Number(text.trim().replace(',', '.')) : undefined)

/** The fields that are no number the contract takes; of a rate both numbers are needed, or none. */
function wrongIn(texts: Record<string, string>): ReadonlySet<string> {
  const wrong = new Set<string>()
  const check = (field: string, isNeeded: boolean, { minimum, maximum }: { minimum: number; maximum: number }) => {
    const text = texts[field]?.trim() ?? ''
    const value = numberIn(text)
    const isRight = value !== undefined && value >= minimum && value <= maximum
    const isWhole = field === 'bytes.most' || Number.isInteger(value)
    if (text === '' ? isNeeded : !(isRight && isWhole)) wrong.add(field)
  }
  for (const name of rates) {
    const [perSecond, most] = [`${name}.perSecond`, `${name}.most`]
    check(perSecond, (texts[most]?.trim() ?? '') !== '', limits.ApiKeyRateInput.perSecond)
    check(most, (texts[perSecond]?.trim() ?? '') !== '', limits.ApiKeyRateInput.most)
  }
  const { minimum, maximum } = limits.ApiKeyQuotaInput.most
  check('bytes.most', false, { minimum, maximum: maximum / bytesOfMegabyte })
  check('replacements.most', false, { minimum, maximum })
  return wrong
}

function chosenIn(texts: Record<string, string>): ApiKeyLimitsInput {
  const chosen: ApiKeyLimitsInput = {}
  for (const name of rates) {
    const [perSecond, most] = [numberIn(texts[`${name}.perSecond`]), numberIn(texts[`${name}.most`])]
    if (perSecond !== undefined && most !== undefined) chosen[name] = { perSecond, most }
  }
  const megabytes = numberIn(texts['bytes.most'])
  const replacements = numberIn(texts['replacements.most'])
  if (megabytes !== undefined) chosen.bytes = { most: Math.round(megabytes * bytesOfMegabyte) }
  if (replacements !== undefined) chosen.replacements = { most: replacements }
  return chosen
}
