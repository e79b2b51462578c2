import { Button, Group, NativeSelect, Stack, Text, TextInput } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type DealerSettings, type DealerUpdate, limits, updateDealer } from '../client.ts'
import { answered } from '../answer.ts'
import { dealerSettings } from '../queries.ts'
import { useFormats } from '../formats.ts'
import { service, usePerson } from '../session.ts'
import { type Language, languages } from '../words/words.ts'
import { Forbidden } from './home.tsx'
import { Asked, Failed, Page, useDeed } from './components.tsx'
import { SecondFactorPanel } from './passkeys.tsx'
import { SettingsMenu } from './shell.tsx'

const countries =
  'AT BE BG CH CY CZ DE DK EE ES FI FO FR GB GL GR HR HU IE IS IT LI LT LU LV MT NL NO PL PT RO SE SI SK'.split(' ')
const logDays = [1, 7, 14, 30, 60, 90]
const targetMinutes = [5, 10, 15, 30, 60, 120, 240, 480, 1440]

export function Dealer() {
  return usePerson().can('dealer:manage') ? <AskedDealer /> : <Forbidden />
}

function AskedDealer() {
  const { t } = useTranslation()
  return (
    <Page title={t('settings.dealer')} before={<SettingsMenu />}>
      <Asked query={useQuery(dealerSettings)}>
        {(dealer) => (
          <>
            <div className="panel">
              <DealerForm dealer={dealer} />
            </div>
            <SecondFactorPanel dealer={dealer} />
          </>
        )}
      </Asked>
    </Page>
  )
}

/** Sends only what was changed here, so that what somebody else changed meanwhile stays. */
function DealerForm({ dealer }: { dealer: DealerSettings }) {
  const { t } = useTranslation()
  const formats = useFormats()
  const queries = useQueryClient()
  const [changed, setChanged] = useState<DealerUpdate>({})
  const [checked, setChecked] = useState(false)
  const { busy, failure, succeeded, run } = useDeed()
  const { name, country, timeZone, language, requestLogDays, responseTargetMinutes } = { ...dealer, ...changed }
  const nameError = name.trim() === '' ? t('signIn.missing') : undefined
  const change = (part: DealerUpdate) => setChanged({ ...changed, ...part })
  // What the dealer has is offered, too, be it unusual.
  const offered = <Value extends string | number>(values: readonly Value[], present: Value) =>
    values.includes(present) ? values : [present, ...values]
  const labelled = (values: readonly string[], label: (value: string) => string) =>
    values
      .map((value) => ({ value, label: label(value) }))
      .toSorted((one, other) => one.label.localeCompare(other.label))

  async function submit(event: FormEvent) {
    event.preventDefault()
    setChecked(true)
    if (nameError !== undefined) return
    const saved = await run(() =>
      Object.keys(changed).length === 0
        ? Promise.resolve(dealer)
        : answered(updateDealer({ client: service, body: changed })),
    )
    if (!saved) return
    queries.setQueryData(dealerSettings.queryKey, saved)
    setChanged({})
  }
  return (
    <form onSubmit={(event) => void submit(event)} noValidate>
      <Stack maw={520}>
        {failure !== undefined && <Failed failure={failure} />}
        <TextInput
          label={t('dealer.name')}
          value={name}
          error={checked && nameError}
          maxLength={limits.DealerUpdate.name.maxLength}
          autoComplete="organization"
          onChange={(event) => change({ name: event.currentTarget.value })}
        />
        <NativeSelect
          label={t('dealer.country')}
          description={t('dealer.countryText')}
          value={country}
          data={labelled(offered(countries, country), formats.country)}
          onChange={(event) => change({ country: event.currentTarget.value })}
        />
        <NativeSelect
          label={t('dealer.timeZone')}
          description={t('dealer.timeZoneText')}
          value={timeZone}
          data={[...offered(Intl.supportedValuesOf('timeZone'), timeZone)]}
          onChange={(event) => change({ timeZone: event.currentTarget.value })}
        />
        <NativeSelect
          label={t('dealer.language')}
          description={t('dealer.languageText')}
          value={language}
          data={offered(Object.keys(languages), language).map((value) => ({
            value,
            label: Object.hasOwn(languages, value) ? languages[value as Language] : value,
          }))}
          onChange={(event) => change({ language: event.currentTarget.value })}
        />
        <NativeSelect
          label={t('dealer.requestLog')}
          description={t('dealer.requestLogText')}
          value={String(requestLogDays)}
          data={offered(logDays, requestLogDays)
            .toSorted((one, other) => one - other)
            .map((count) => ({ value: String(count), label: t('dealer.days', { count }) }))}
          onChange={(event) => change({ requestLogDays: Number(event.currentTarget.value) })}
        />
        <NativeSelect
          label={t('dealer.responseTarget')}
          description={t('dealer.responseTargetText')}
          value={String(responseTargetMinutes)}
          data={offered(targetMinutes, responseTargetMinutes)
            .toSorted((one, other) => one - other)
            .map((count) => ({
              value: String(count),
              label: count % 60 === 0 ? t('dealer.hours', { count: count / 60 }) : t('dealer.minutes', { count }),
            }))}
          onChange={(event) => change({ responseTargetMinutes: Number(event.currentTarget.value) })}
        />
        {requestLogDays < dealer.requestLogDays && (
          <Text role="status" size="sm" fw={600}>
            {t('dealer.requestLogShorter')}
          </Text>
        )}
        <Group>
          <Button type="submit" loading={busy}>
            {t('state.save')}
          </Button>
          <Text role="status" size="sm">
            {succeeded && Object.keys(changed).length === 0 && `✓ ${t('state.saved')}`}
          </Text>
        </Group>
      </Stack>
    </form>
  )
}
