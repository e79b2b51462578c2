import { Group } from '@mantine/core'
import { useSyncExternalStore } from 'react'
import { useTranslation } from 'react-i18next'
import type { Lead } from '../../client/client.ts'
import { useFormats } from '../formats.ts'
import { marketingConsent, urgencyOf } from '../lead.ts'
import { Chip } from './parts.tsx'

const tickMs = 20_000
const tickers = new Set<() => void>()
let now = new Date()
let ticking: number | undefined

/** The time, for everything that shows how long something took so far. */
export function useNow(): Date {
  return useSyncExternalStore(tick, () => now)
}

function tick(ticker: () => void): () => void {
  if (tickers.size === 0) now = new Date()
  tickers.add(ticker)
  ticking ??= window.setInterval(() => {
    now = new Date()
    for (const tell of tickers) tell()
  }, tickMs)
  return () => {
    tickers.delete(ticker)
    if (tickers.size > 0) return
    window.clearInterval(ticking)
    ticking = undefined
  }
}

/** What should be seen of a lead before it is opened. */
export function LeadChips({ lead, targetMinutes }: { lead: Lead; targetMinutes: number }) {
  const { t } = useTranslation()
  const { duration } = useFormats()
  const at = useNow()
  const urgency = urgencyOf(lead, targetMinutes, at)
  const waited = duration(at.getTime() - Date.parse(lead.receivedAt))
  const consent = marketingConsent(lead.consents)
  return (
    <Group gap={6}>
      {urgency?.word === 'resting' && <Chip tone={urgency.tone}>{t('urgency.resting', { count: urgency.days })}</Chip>}
      {urgency && urgency.word !== 'resting' && (
        <Chip tone={urgency.tone}>{t(`urgency.${urgency.word}`, { waited })}</Chip>
      )}
      {lead.duplicateOf && <Chip tone="notice">{t('lead.duplicate')}</Chip>}
      {lead.warnings.length > 0 && <Chip tone="notice">{t('lead.warnings', { count: lead.warnings.length })}</Chip>}
      {consent !== 'unknown' && <Chip tone={consent === 'granted' ? 'good' : 'quiet'}>{t(`consent.${consent}`)}</Chip>}
      {lead.test && <Chip tone="quiet">{t('environment.test')}</Chip>}
    </Group>
  )
}
