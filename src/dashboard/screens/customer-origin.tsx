import { Text } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import type { CustomerOrigin } from '../client.ts'
import { isolated, useFormats } from '../formats.ts'

export type Origin = Omit<CustomerOrigin, 'field'>

/** Whose word something is and since when, in words. */
export function useOrigins() {
  const { t } = useTranslation()
  const { day } = useFormats()
  return ({ type, reference, since, by }: Origin): string => {
    if (type === 'lead') return t('origin.lead', { date: since === undefined ? '' : day(since) })
    const isSystem = type === 'system' && reference !== undefined
    const who = isSystem
      ? t('origin.system', { source: isolated(reference.source) })
      : by
        ? t(by.type === 'user' ? 'origin.user' : 'origin.key', { name: isolated(by.name) })
        : t('origin.byHand')
    return since === undefined ? who : `${who}, ${t(isSystem ? 'origin.since' : 'origin.on', { date: day(since) })}`
  }
}

/** Who says something, at the beginning of a sentence. */
export function useSpeakers() {
  const { t } = useTranslation()
  const { day } = useFormats()
  return ({ type, reference, since }: Origin): string => {
    if (type === 'system') return isolated(reference?.source ?? '')
    return type === 'lead' && since !== undefined ? t('origin.aLead', { date: day(since) }) : t('origin.hand')
  }
}

export function OriginText({ origin }: { origin: Origin }) {
  const said = useOrigins()
  return (
    <Text component="div" size="sm" c="dimmed" className="wrap">
      {origin.leadId === undefined ? (
        said(origin)
      ) : (
        <Link className="link" to="/leads/$leadId" params={{ leadId: origin.leadId }}>
          {said(origin)}
        </Link>
      )}
    </Text>
  )
}
