import { Group } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import type { Lead } from '../client.ts'
import { useFormats } from '../formats.ts'
import { marketingConsent, urgencyOf } from '../lead.ts'
import { useNow } from '../now.ts'
import { Chip } from './components.tsx'

/** What should be seen of a lead before it is opened. */
export function LeadChips({ lead, targetMinutes }: { lead: Lead; targetMinutes: number }) {
  const { t } = useTranslation()
  const { duration } = useFormats()
  const at = useNow()
  const urgency = urgencyOf(lead, targetMinutes, at)
  const waited = duration(at.getTime() - Date.parse(lead.receivedAt))
  const consent = marketingConsent(lead.consents)
  const { warnings = [] } = lead
  return (
    <Group gap={6}>
      {urgency?.word === 'resting' && <Chip tone={urgency.tone}>{t('urgency.resting', { count: urgency.days })}</Chip>}
      {urgency && urgency.word !== 'resting' && (
        <Chip tone={urgency.tone}>{t(`urgency.${urgency.word}`, { waited })}</Chip>
      )}
      {lead.duplicateOf && <Chip tone="notice">{t('lead.duplicate')}</Chip>}
      {warnings.length > 0 && <Chip tone="notice">{t('lead.warnings', { count: warnings.length })}</Chip>}
      {consent !== 'unknown' && <Chip tone={consent === 'granted' ? 'good' : 'quiet'}>{t(`consent.${consent}`)}</Chip>}
      {lead.test && <Chip tone="quiet">{t('environment.test')}</Chip>}
    </Group>
  )
}
