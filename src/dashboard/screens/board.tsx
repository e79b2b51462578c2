import { dropTargetForElements, monitorForElements } from '@atlaskit/pragmatic-drag-and-drop/element/adapter'
import { NativeSelect, Stack, Text, Title } from '@mantine/core'
import { useInfiniteQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useVirtualizer } from '@tanstack/react-virtual'
import { useEffect, useLayoutEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type LeadCounts, type LeadStatus, limits } from '../client.ts'
import { leadsOf } from '../queries.ts'
import { useFormats } from '../formats.ts'
import { statuses } from '../lead.ts'
import { usePerson } from '../session.ts'
import { draggedLead, LeadCard } from './lead-card.tsx'
import type { PipelineView } from './moving.tsx'
import { Asked, Failed } from './components.tsx'

const cardHeight = 148
const cardsBeyond = 2
const countedMax = limits.StatusCount.count.maximum

/** One column for each status. On a small screen there is one at a time. */
export function Board({ counts, ...view }: PipelineView & { counts: LeadCounts | undefined }) {
  const { t } = useTranslation()
  const { number } = useFormats()
  const [shown, setShown] = useState<LeadStatus>('new')
  const shownStatuses = view.search.status ? [view.search.status] : statuses
  const countOf = (status: LeadStatus) => {
    if (counts === undefined) return ''
    const count = counts.statuses.find((one) => one.status === status)?.count ?? 0
    return count >= countedMax || (count > 0 && counts.latestOnly) ? `${number(count)}+` : number(count)
  }
  const { hold } = view
  useEffect(() => monitorForElements({ onDragStart: () => hold(true), onDrop: () => hold(false) }), [hold])
  return (
    <>
      {shownStatuses.length > 1 && (
        <NativeSelect
          className="column-choice"
          label={t('pipeline.column')}
          value={shown}
          data={statuses.map((status) => ({ value: status, label: `${t(`leadStatus.${status}`)} ${countOf(status)}` }))}
          onChange={(event) => setShown(statuses.find((one) => one === event.currentTarget.value) ?? 'new')}
        />
      )}
      <div className="board" role="region" aria-label={t('pipeline.board')} tabIndex={0}>
        {shownStatuses.map((status) => (
          <Column
            key={status}
            status={status}
            count={countOf(status)}
            isShown={shownStatuses.length === 1 || status === shown}
            {...view}
          />
        ))}
      </div>
    </>
  )
}

function Column({
  status,
  count,
  isShown,
  search,
  enabled,
  targetMinutes,
  moving,
  hold,
}: PipelineView & { status: LeadStatus; count: string; isShown: boolean }) {
  const { t } = useTranslation()
  const query = useInfiniteQuery({ ...leadsOf({ ...search, status }), enabled })
  const leads = query.data?.pages.flatMap(({ items }) => items) ?? []
  const element = useRef<HTMLElement>(null)
  const scroller = useRef<HTMLDivElement>(null)
  const [isOver, setIsOver] = useState(false)
  const rows = useVirtualizer({
    count: leads.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => cardHeight,
    getItemKey: (index) => leads[index]?.id ?? index,
    overscan: cardsBeyond,
  })
  const visible = rows.getVirtualItems()
  const title = t(`leadStatus.${status}`)

  // What comes in above does not move what is being read.
  const first = useRef<string>(undefined)
  const firstId = leads[0]?.id
  useLayoutEffect(() => {
    const before = first.current === undefined ? -1 : leads.findIndex(({ id }) => id === first.current)
    if (before > 0 && scroller.current && scroller.current.scrollTop > 0)
      scroller.current.scrollTop += rows.measurementsCache[before]?.start ?? 0
    first.current = firstId
    // Only when another lead is the first one.
  }, [firstId])

  const lastShown = visible.at(-1)?.index ?? 0
  const { hasNextPage, isFetchingNextPage, isFetchNextPageError, fetchNextPage } = query
  useEffect(() => {
    if (hasNextPage && !isFetchingNextPage && !isFetchNextPageError && lastShown >= leads.length - cardsBeyond)
      void fetchNextPage()
  }, [hasNextPage, isFetchingNextPage, isFetchNextPageError, fetchNextPage, lastShown, leads.length])

  useEffect(() => {
    if (!element.current) return undefined
    return dropTargetForElements({
      element: element.current,
      canDrop: ({ source }) => draggedLead(source.data)?.legalStatuses.includes(status) === true,
      onDragEnter: () => setIsOver(true),
      onDragLeave: () => setIsOver(false),
      onDrop: ({ source }) => {
        setIsOver(false)
        const lead = draggedLead(source.data)
        if (lead) moving.start(lead, status)
      },
    })
  }, [status, moving])

  return (
    <section
      ref={element}
      className={isShown ? 'column' : 'column column-away'}
      aria-label={title}
      data-over={isOver || undefined}
    >
      <Title order={2} size="h5">
        {title}{' '}
        <Text component="span" c="dimmed" fw={400}>
          {count}
        </Text>
      </Title>
      <div className="cards" ref={scroller}>
        <Asked query={query}>
          {() =>
            leads.length === 0 ? (
              <Empty status={status} isNarrow={Object.keys(search).length > 0} />
            ) : (
              <ul style={{ height: rows.getTotalSize() }}>
                {visible.map(({ index, key, start }) => {
                  const lead = leads[index]
                  return (
                    lead && (
                      <li
                        key={key}
                        data-index={index}
                        ref={rows.measureElement}
                        aria-setsize={hasNextPage ? -1 : leads.length}
                        aria-posinset={index + 1}
                        style={{ transform: `translateY(${start}px)` }}
                      >
                        <LeadCard lead={lead} targetMinutes={targetMinutes} moving={moving} hold={hold} />
                      </li>
                    )
                  )
                })}
              </ul>
            )
          }
        </Asked>
        {isFetchNextPageError && <Failed failure={query.error} retry={() => void fetchNextPage()} />}
      </div>
    </section>
  )
}

/** Nothing here; where leads come in first, it says how they come. */
function Empty({ status, isNarrow }: { status: LeadStatus; isNarrow: boolean }) {
  const { t } = useTranslation()
  const { can } = usePerson()
  if (isNarrow || status !== 'new')
    return (
      <Text size="sm" c="dimmed">
        {t('pipeline.none')}
      </Text>
    )
  return (
    <Stack gap={6} align="flex-start">
      <Text size="sm" c="dimmed">
        {t('pipeline.noneNew')}
      </Text>
      {can('api-keys:manage') && (
        <Link className="link" to="/settings/integrations" search={{}}>
          {t('pipeline.connect')}
        </Link>
      )}
    </Stack>
  )
}
