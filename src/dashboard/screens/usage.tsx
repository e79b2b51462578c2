import { Text, VisuallyHidden } from '@mantine/core'
import { useInViewport } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import type { ApiKeyUsageHour } from '../client.ts'
import { usageOf } from '../queries.ts'
import { useFormats } from '../formats.ts'
import { Asked } from './components.tsx'

const days = 14
const dayMs = 86_400_000
const rowRefreshMs = 60_000

export function Usage({ apiKeyId }: { apiKeyId: string }) {
  const { t } = useTranslation()
  const text = useText()
  return (
    <Asked query={useQuery(usageOf(apiKeyId, days * 24))} rows={2}>
      {({ items }) => {
        const usage = perDay(items, new Date())
        if (usage.all === 0) return <Text c="dimmed">{t('key.usageNone')}</Text>
        return (
          <>
            <Bars {...usage} />
            <Text size="sm">{text(usage)}</Text>
          </>
        )
      }}
    </Asked>
  )
}

/** The same in a row of a list: asked for when the row is seen, and as large before as after. */
export function Sparkline({ apiKeyId }: { apiKeyId: string }) {
  const { t } = useTranslation()
  const text = useText()
  const { ref, inViewport } = useInViewport()
  const { data, error } = useQuery({
    ...usageOf(apiKeyId, days * 24),
    enabled: inViewport,
    staleTime: rowRefreshMs,
    refetchInterval: rowRefreshMs,
  })
  const usage = perDay(data?.items ?? [], new Date())
  return (
    <div ref={ref} className="spark">
      <Bars {...usage} />
      <Text size="xs">
        {data ? text(usage) : error ? t('state.failed') : <VisuallyHidden>{t('state.loading')}</VisuallyHidden>}
      </Text>
    </div>
  )
}

function useText() {
  const { t } = useTranslation()
  const { number } = useFormats()
  return ({ all, failed }: Usage) =>
    t('key.usageText', { count: all, all: number(all) }) +
    (failed > 0 ? `, ${t('key.usageFailed', { failed: number(failed) })}` : '')
}

type Usage = ReturnType<typeof perDay>

function perDay(hours: readonly ApiKeyUsageHour[], now: Date) {
  const columns = Array.from({ length: days }, () => ({ good: 0, failed: 0 }))
  for (const { hour, statusClass, requests } of hours) {
    const column = columns[days - 1 - Math.floor((now.getTime() - Date.parse(hour)) / dayMs)]
    if (column) column[statusClass === 2 ? 'good' : 'failed'] += requests
  }
  const failed = columns.reduce((sum, column) => sum + column.failed, 0)
  return { columns, failed, all: columns.reduce((sum, { good }) => sum + good, failed) }
}

/** A bar a day; whoever shows it says the same in words beside it. */
function Bars({ columns }: Usage) {
  const most = Math.max(1, ...columns.map(({ good, failed }) => good + failed))
  return (
    <svg className="bars" viewBox={`0 0 ${days * 10} 40`} preserveAspectRatio="none" aria-hidden>
      {columns.map((column, at) => {
        const good = (column.good / most) * 38
        const failed = (column.failed / most) * 38
        return (
          <g key={at}>
            <rect className="base" x={at * 10 + 1} y={38} width={8} height={2} />
            <rect x={at * 10 + 1} y={40 - good} width={8} height={good} />
            <rect className="failed" x={at * 10 + 1} y={40 - good - failed} width={8} height={failed} />
          </g>
        )
      })}
    </svg>
  )
}
