import { Text, VisuallyHidden } from '@mantine/core'
import { useInfiniteQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useWindowVirtualizer } from '@tanstack/react-virtual'
import { useLayoutEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { Lead } from '../client.ts'
import { leadsOf } from '../queries.ts'
import { nameOf, vehicleName } from '../lead.ts'
import { LeadChips } from './lead-chips.tsx'
import { MoveButtons, type PipelineView } from './moving.tsx'
import { Asked, Heads, More, When } from './components.tsx'

const rowHeight = 92
const rowsBeyond = 8
const heads = ['customer', 'leadStatus', 'vehicle', 'source', 'received', 'move'] as const

/** The same leads as rows. Those far from what is seen are not in the page. */
export function LeadTable({ search, enabled, targetMinutes, moving, hold }: PipelineView) {
  const { t } = useTranslation()
  const query = useInfiniteQuery({ ...leadsOf(search), enabled })
  return (
    <div className="panel">
      <Asked query={query} rows={8}>
        {({ pages }) => {
          const leads = pages.flatMap(({ items }) => items)
          return leads.length === 0 ? (
            <Text c="dimmed">{t(Object.keys(search).length > 1 ? 'pipeline.none' : 'pipeline.noneNew')}</Text>
          ) : (
            <Rows
              leads={leads}
              row={(lead) => <Row lead={lead} targetMinutes={targetMinutes} moving={moving} hold={hold} />}
            />
          )
        }}
      </Asked>
      <More query={query} />
    </div>
  )
}

function Rows({ leads, row }: { leads: readonly Lead[]; row: (lead: Lead) => React.ReactNode }) {
  const { t } = useTranslation()
  const table = useRef<HTMLTableElement>(null)
  const [top, setTop] = useState(0)
  useLayoutEffect(() => setTop((table.current?.getBoundingClientRect().top ?? 0) + window.scrollY), [])
  const rows = useWindowVirtualizer({
    count: leads.length,
    estimateSize: () => rowHeight,
    getItemKey: (index) => leads[index]?.id ?? index,
    overscan: rowsBeyond,
    scrollMargin: top,
  })
  const visible = rows.getVirtualItems()
  const before = (visible[0]?.start ?? top) - top
  const behind = rows.getTotalSize() - ((visible.at(-1)?.end ?? top) - top)
  return (
    <table className="rows leads" ref={table} aria-rowcount={leads.length + 1}>
      <VisuallyHidden component="caption">{t('pipeline.title')}</VisuallyHidden>
      <thead>
        <tr aria-rowindex={1}>
          <Heads of={heads} />
        </tr>
      </thead>
      <tbody>
        {before > 0 && <tr aria-hidden style={{ height: before }} />}
        {visible.map(({ index, key }) => {
          const lead = leads[index]
          return (
            lead && (
              <tr key={key} data-index={index} aria-rowindex={index + 2} ref={rows.measureElement}>
                {row(lead)}
              </tr>
            )
          )
        })}
        {behind > 0 && <tr aria-hidden style={{ height: behind }} />}
      </tbody>
    </table>
  )
}

function Row({
  lead,
  targetMinutes,
  moving,
  hold,
}: { lead: Lead } & Pick<PipelineView, 'targetMinutes' | 'moving' | 'hold'>) {
  const { t } = useTranslation()
  const [vehicle] = lead.vehiclesOfInterest
  return (
    <>
      <td>
        <Link className="link" to="/leads/$leadId" params={{ leadId: lead.id }}>
          <bdi>{nameOf(lead) || t('lead.nameless')}</bdi>
        </Link>
        <LeadChips lead={lead} targetMinutes={targetMinutes} />
      </td>
      <td data-label={t('column.leadStatus')}>{t(`leadStatus.${lead.status}`)}</td>
      <td data-label={t('column.vehicle')}>
        {vehicle && <bdi>{vehicleName(vehicle)}</bdi>}{' '}
        <Text component="span" size="sm" c="dimmed">
          {t(`leadType.${lead.type}`)}
        </Text>
      </td>
      <td data-label={t('column.source')}>
        <bdi>{lead.source.name}</bdi>
      </td>
      <td data-label={t('column.received')}>
        <When at={lead.receivedAt} />
      </td>
      <td>
        <MoveButtons lead={lead} moving={moving} onOpen={hold} />
      </td>
    </>
  )
}
