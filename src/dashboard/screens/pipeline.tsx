import { Button, Group, NativeSelect, Text, TextInput, VisuallyHidden } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useRouterState, useSearch } from '@tanstack/react-router'
import { type FormEvent, useCallback, useEffect, useEffectEvent, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type Followed, type Lead, limits } from '../client.ts'
import { leadCountsOf, leadsKey, sources } from '../queries.ts'
import { isAmong, type LeadQuery, type LeadSearch, nameOf, statuses, types, vehicleName } from '../lead.ts'
import { forgetKept, showLead } from '../lead-cache.ts'
import { listen } from '../event-stream.ts'
import { usePerson } from '../session.ts'
import { Board } from './board.tsx'
import { LeadTable } from './lead-table.tsx'
import { MovingNotice, type PipelineView, useMoving } from './moving.tsx'
import { Chip, Page } from './components.tsx'
import { QuietSources } from './sources.tsx'

// The lists are read when the feed is open, so that nothing happens unseen in between; without a feed they are read
// nevertheless.
const openMsMax = 1_500
// One lead counts at once; of many nobody reads each count.
const countsMs = 1_000
const countsAgainMs = 15_000
// When more comes than can be shown one by one, everybody who looks would ask for everything at once.
const calmMs = 2_000
const floodMs = 60_000
const announceMs = 1_500

export function Pipeline() {
  const { t } = useTranslation()
  const search = useSearch({ from: '/leads' })
  const text = useRouterState({ select: ({ location }) => location.state.typed })
  const query = { ...search, ...(text !== undefined && { text }) }
  const { line, waiting, unseen, hold, said } = useLive(query)
  const counts = useQuery({ ...leadCountsOf(query), enabled: line !== 'opening' })
  const moving = useMoving()
  const view: PipelineView = {
    search: query,
    enabled: line !== 'opening',
    targetMinutes: counts.data?.responseTargetMinutes ?? 30,
    moving,
    hold,
  }
  const overdue = counts.data?.overdue ?? 0

  return (
    <Page title={t('pipeline.title')} mark={unseen}>
      <Group justify="space-between" gap="sm">
        <Group gap="xs">
          {overdue > 0 && (
            <Link
              className="chip-link"
              to="/leads"
              search={{ ...search, status: 'new', order: 'oldest' }}
              state={{ typed: text }}
            >
              <Chip tone="bad">{t('pipeline.overdue', { count: overdue })}</Chip>
            </Link>
          )}
          {line === 'broken' && <Chip tone="notice">{t('pipeline.paused')}</Chip>}
          {waiting > 0 && <Text size="sm">{t('pipeline.waiting', { count: waiting })}</Text>}
        </Group>
        <Views search={search} text={text} />
      </Group>
      <QuietSources />
      <Filters search={search} text={text} />
      <VisuallyHidden role="log" aria-live="polite" aria-label={t('pipeline.arrivals')}>
        {said}
      </VisuallyHidden>
      {search.view === 'table' ? <LeadTable {...view} /> : <Board {...view} counts={counts.data} />}
      <MovingNotice moving={moving} />
    </Page>
  )
}

interface Shown {
  search: LeadSearch
  text: string | undefined
}

function Views({ search, text }: Shown) {
  const { t } = useTranslation()
  return (
    <nav aria-label={t('pipeline.views')}>
      <ul className="menu">
        <li>
          <Link
            to="/leads"
            search={{ ...search, view: undefined }}
            state={{ typed: text }}
            activeOptions={{ exact: true }}
            resetScroll={false}
          >
            {t('pipeline.board')}
          </Link>
        </li>
        <li>
          <Link
            to="/leads"
            search={{ ...search, view: 'table' }}
            state={{ typed: text }}
            activeOptions={{ exact: true }}
            resetScroll={false}
          >
            {t('pipeline.table')}
          </Link>
        </li>
      </ul>
    </nav>
  )
}

function Filters({ search, text }: Shown) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const [typed, setTyped] = useState(text ?? '')
  const [shown, setShown] = useState(text)
  // Going back brings back what was looked for then.
  if (shown !== text) {
    setShown(text)
    setTyped(text ?? '')
  }
  const keys = useQuery(sources).data?.items ?? []
  // One that was deleted, or is not among those listed, may be looked for nevertheless.
  const sourceIds = [
    ...keys.map(({ id }) => id),
    ...(search.source && !keys.some(({ id }) => id === search.source) ? [search.source] : []),
  ]
  const nameOfSource = (id: string) => keys.find((key) => key.id === id)?.name ?? t('pipeline.thisSource')
  const show = (next: LeadSearch, nextText: string | undefined) =>
    void navigate({ to: '/leads', search: next, state: { typed: nextText }, resetScroll: false })
  const isNarrow =
    text !== undefined || Object.entries(search).some(([name, value]) => name !== 'view' && value !== undefined)
  const choice = <Value extends string>(values: readonly Value[], label: (value: Value) => string, all: string) => [
    { value: '', label: all },
    ...values.map((value) => ({ value, label: label(value) })),
  ]

  function look(event: FormEvent) {
    event.preventDefault()
    const wanted = typed.trim()
    show(search, /\S\S/.test(wanted) ? wanted : undefined)
  }
  return (
    <form role="search" aria-label={t('pipeline.filter')} onSubmit={look}>
      <Group className="filters" align="flex-end" gap="sm">
        <NativeSelect
          label={t('lead.status')}
          value={search.status ?? ''}
          data={choice(statuses, (value) => t(`leadStatus.${value}`), t('pipeline.allStatuses'))}
          onChange={(event) =>
            show({ ...search, status: statuses.find((one) => one === event.currentTarget.value) }, text)
          }
        />
        <NativeSelect
          label={t('lead.type')}
          value={search.type ?? ''}
          data={choice(types, (value) => t(`leadType.${value}`), t('pipeline.allTypes'))}
          onChange={(event) => show({ ...search, type: types.find((one) => one === event.currentTarget.value) }, text)}
        />
        <NativeSelect
          label={t('lead.source')}
          value={search.source ?? ''}
          data={choice(sourceIds, (value) => nameOfSource(value), t('pipeline.allSources'))}
          onChange={(event) => show({ ...search, source: event.currentTarget.value || undefined }, text)}
        />
        <NativeSelect
          label={t('pipeline.order')}
          value={search.order ?? 'newest'}
          data={[
            { value: 'newest', label: t('pipeline.newest') },
            { value: 'oldest', label: t('pipeline.oldest') },
          ]}
          onChange={(event) =>
            show({ ...search, order: event.currentTarget.value === 'oldest' ? 'oldest' : undefined }, text)
          }
        />
        <NativeSelect
          label={t('pipeline.kind')}
          value={search.test ? 'test' : 'real'}
          data={[
            { value: 'real', label: t('pipeline.real') },
            { value: 'test', label: t('pipeline.test') },
          ]}
          onChange={(event) => show({ ...search, test: event.currentTarget.value === 'test' ? true : undefined }, text)}
        />
        <TextInput
          label={t('pipeline.text')}
          placeholder={t('pipeline.textExample')}
          value={typed}
          maxLength={limits.SearchText.maxLength}
          autoComplete="off"
          onChange={(event) => setTyped(event.currentTarget.value)}
        />
        <Button type="submit" variant="default">
          {t('pipeline.look')}
        </Button>
        {isNarrow && (
          <Button
            variant="default"
            onClick={() => {
              setTyped('')
              show(search.view ? { view: search.view } : {}, undefined)
            }}
          >
            {t('pipeline.clear')}
          </Button>
        )}
      </Group>
    </form>
  )
}

/** Keeps the lists on the screen as the feed of events says, and tells what came. */
function useLive(search: LeadQuery) {
  const queries = useQueryClient()
  const { t } = useTranslation()
  const { user } = usePerson()
  const [line, setLine] = useState<'opening' | 'open' | 'broken'>('opening')
  const [waiting, setWaiting] = useState(0)
  const [unseen, setUnseen] = useState(0)
  const [said, setSaid] = useState('')
  const held = useRef<{ isHeld: boolean; leads: Lead[] }>({ isHeld: false, leads: [] })
  const arrived = useRef<Lead[]>([])
  const begun = useRef(false)
  const timers = useRef<{ counts?: number; flood?: number; announce?: number; readAt: number; countedAt: number }>({
    readAt: 0,
    countedAt: 0,
  })

  const readAnew = () => {
    timers.current.readAt = Date.now()
    void queries.invalidateQueries({ queryKey: leadsKey })
  }
  const hold = useCallback(
    (isHeld: boolean) => {
      held.current.isHeld = isHeld
      if (isHeld) return
      for (const lead of held.current.leads.splice(0)) showLead(queries, lead)
      setWaiting(0)
    },
    [queries],
  )

  const announce = () => {
    const leads = arrived.current.splice(0)
    const [only] = leads
    if (!only) return
    if (document.hidden) setUnseen((count) => count + leads.length)
    const what = [nameOf(only), ...only.vehiclesOfInterest.slice(0, 1).map(vehicleName)].filter(Boolean).join(', ')
    setSaid(
      leads.length > 1
        ? t('pipeline.newLeads', { count: leads.length })
        : t('pipeline.newLead', { what, source: only.source.name }),
    )
  }
  const hear = useEffectEvent((message: Followed) => {
    if (message.type === 'position' || message.type === 'closed') {
      // What was read before may be old: the feed begins here, and what happened until now it does not tell. A line
      // that broke goes on.
      if (message.type === 'position' && !begun.current) readAnew()
      begun.current ||= message.type === 'position'
      setLine(message.type === 'position' ? 'open' : 'broken')
      return
    }
    if (message.type === 'restarted') {
      begun.current = false
      arrived.current = []
      held.current.leads = []
      setWaiting(0)
      forgetKept(queries)
      return
    }
    if (message.type === 'skipped') {
      window.clearTimeout(timers.current.flood)
      if (Date.now() - timers.current.readAt > floodMs) readAnew()
      else timers.current.flood = window.setTimeout(readAnew, calmMs + Math.random() * calmMs)
      return
    }
    if (message.type !== 'event') return
    const { lead, type, actor, subject } = message.event
    // Whose a lead is changes nothing that a board shows.
    if (subject.type !== 'lead' || type === 'lead.linked') return
    timers.current.counts ??= window.setTimeout(
      () => {
        delete timers.current.counts
        timers.current.countedAt = Date.now()
        void queries.invalidateQueries({ queryKey: [...leadsKey, 'counts'] })
      },
      Math.max(countsMs, timers.current.countedAt + countsAgainMs - Date.now()),
    )
    if (!lead) return
    // Who is looked for, only the service can compare.
    if (type === 'lead.created' && search.text === undefined && isAmong(lead, { ...search, status: undefined })) {
      arrived.current.push(lead)
      timers.current.announce ??= window.setTimeout(() => {
        delete timers.current.announce
        announce()
      }, announceMs)
    }
    // What the person did here is on the screen already.
    if (held.current.isHeld && actor.id !== user.id) {
      held.current.leads.push(lead)
      setWaiting(held.current.leads.length)
    } else showLead(queries, lead)
  })

  useEffect(() => {
    const late = window.setTimeout(() => setLine((current) => (current === 'opening' ? 'broken' : current)), openMsMax)
    const seen = () => document.hidden || setUnseen(0)
    document.addEventListener('visibilitychange', seen)
    const unlisten = listen((message) => hear(message))
    return () => {
      window.clearTimeout(late)
      document.removeEventListener('visibilitychange', seen)
      unlisten()
    }
  }, [])
  return { line, waiting, unseen, said, hold }
}
