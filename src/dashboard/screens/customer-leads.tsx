import { Text } from '@mantine/core'
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import type { CustomerSources, Lead } from '../client.ts'
import { customerOf, leadsOfCustomer, sourcesOf } from '../customer-queries.ts'
import { customerName } from '../customer.ts'
import { isolated, useFormats } from '../formats.ts'
import { vehicleName } from '../lead.ts'
import { en } from '../words/en.ts'
import { Asked, More, Panel, When } from './components.tsx'
import { useLiveCustomers } from '../live-customers.ts'

/** Words for why a lead is somebody's, or two may be the same. One that is not known here is left out. */
export function useReasons() {
  const { t } = useTranslation()
  return (reasons: readonly string[]): { reason: string; text: string }[] =>
    reasons.flatMap((reason) =>
      Object.hasOwn(en.whySame, reason) ? [{ reason, text: t(`whySame.${reason}` as 'whySame.same-email') }] : [],
    )
}

/** All leads of a customer, the newest first; the one that is open is named as that. */
export function Leads({ customerId, open }: { customerId: string; open?: string }) {
  const { t } = useTranslation()
  const query = useInfiniteQuery(leadsOfCustomer(customerId))
  const sources = useQuery(sourcesOf(customerId)).data
  return (
    <>
      <Asked query={query}>
        {({ pages }) => {
          const leads = pages.flatMap(({ items }) => items)
          const isAlone = leads.length === 1 && leads[0]?.id === open
          return leads.length === 0 || isAlone ? (
            <Text size="sm" c="dimmed">
              {t(isAlone ? 'lead.only' : 'customer.leadsNone')}
            </Text>
          ) : (
            <ol className="plain">
              {leads.map((lead) => (
                <li key={lead.id} aria-current={lead.id === open || undefined}>
                  <LeadLine lead={lead} isOpen={lead.id === open} sources={sources} />
                </li>
              ))}
            </ol>
          )
        }}
      </Asked>
      <More query={query} />
    </>
  )
}

function LeadLine({ lead, isOpen, sources }: { lead: Lead; isOpen: boolean; sources: CustomerSources | undefined }) {
  const { t } = useTranslation()
  const [vehicle] = lead.vehiclesOfInterest
  const what = [t(`leadType.${lead.type}`), vehicle && vehicleName(vehicle)].filter(Boolean).join(', ')
  return (
    <>
      <Text size="sm" className="wrap">
        {isOpen ? (
          <strong>
            <bdi>{what}</bdi> ({t('lead.this')})
          </strong>
        ) : (
          <Link className="link" to="/leads/$leadId" params={{ leadId: lead.id }}>
            <bdi>{what}</bdi>
          </Link>
        )}{' '}
        · {t(`leadStatus.${lead.status}`)} · <When at={lead.receivedAt} />
      </Text>
      {!isOpen && <Why leadId={lead.id} sources={sources} />}
    </>
  )
}

/** Why a lead was found to be the customer's. */
function Why({ leadId, sources }: { leadId: string; sources: CustomerSources | undefined }) {
  const { t } = useTranslation()
  const { list } = useFormats()
  const said = useReasons()
  const reasons = sources?.leads.find((lead) => lead.leadId === leadId)?.reasons ?? []
  const texts = said(reasons).map(({ text }) => text.charAt(0).toLocaleLowerCase() + text.slice(1))
  if (texts.length === 0) return null
  return (
    <Text size="sm" c="dimmed" className="wrap">
      {reasons.includes('nobody-known') ? t('lead.madeNew') : t('lead.why', { reasons: list(texts) })}
    </Text>
  )
}

/** On the page of a lead: whose it is and why, and what else they asked for, before and since. */
export function LeadsOfCustomer({ lead, customerId }: { lead: Lead; customerId: string }) {
  const { t } = useTranslation()
  const known = useQuery(customerOf(customerId)).data
  const sources = useQuery(sourcesOf(customerId)).data
  useLiveCustomers(
    ({ subject, lead: other }) =>
      subject.id === customerId ||
      subject.id === known?.customer.id ||
      (other?.customerId !== undefined && [customerId, known?.customer.id].includes(other.customerId)),
  )
  return (
    <Panel title={t('lead.others')}>
      {known && (
        <Text size="sm" className="wrap">
          <Link className="link" to="/customers/$customerId" params={{ customerId: known.customer.id }}>
            {t('lead.toCustomer', { name: isolated(customerName(known.customer) || t('customer.nameless')) })}
          </Link>
        </Text>
      )}
      <Why leadId={lead.id} sources={sources} />
      <Leads customerId={customerId} open={lead.id} />
    </Panel>
  )
}
