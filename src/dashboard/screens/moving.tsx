import { Button, Group, NativeSelect, Stack, Text } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import {
  getLead,
  type Lead,
  type LeadStatus,
  type LeadStatusReason,
  limits,
  listEvents,
  updateLead,
} from '../client.ts'
import { answered, Failure } from '../answer.ts'
import { leadsKey } from '../queries.ts'
import { isolated } from '../formats.ts'
import { type LeadQuery, nameOf, reasons } from '../lead.ts'
import { newestOf, showLead } from '../lead-cache.ts'
import { service } from '../session.ts'
import { Dialog, Failed, When } from './components.tsx'

const changesMax = limits.parameters.Limit.maximum

type Notice =
  | { state: 'moved'; lead: Lead; from: Lead; isTakenBack: boolean }
  /** Somebody else was first. */
  | { state: 'conflict'; lead: Lead; wanted: LeadStatus; by: string }
  | { state: 'failed'; lead: Lead; failure: unknown }

export interface Moving {
  /** Moves it, or asks for a reason first. */
  start: (lead: Lead, to: LeadStatus) => void
  takeBack: () => void
  settle: (reason: LeadStatusReason | undefined) => void
  close: () => void
  asking: { lead: Lead; to: LeadStatus } | undefined
  notice: Notice | undefined
}

/** What both views of the pipeline are given. */
export interface PipelineView {
  search: LeadQuery
  enabled: boolean
  targetMinutes: number
  moving: Moving
  /** While something is held, nothing comes or goes on the screen. */
  hold: (isHeld: boolean) => void
}

/** Moving leads: on the screen at once, told to the service, taken back when it refuses, and explained. */
export function useMoving(): Moving {
  const queries = useQueryClient()
  const [asking, setAsking] = useState<Moving['asking']>()
  const [notice, setNotice] = useState<Notice>()

  async function move(lead: Lead, to: LeadStatus, statusReason: LeadStatusReason | undefined, isTakenBack = false) {
    setNotice(undefined)
    showLead(queries, { ...lead, status: to })
    try {
      const moved = await answered(
        updateLead({
          client: service,
          path: { leadId: lead.id },
          headers: { 'If-Match': `"${lead.version}"` },
          body: { status: to, ...(statusReason && { statusReason }) },
        }),
      )
      showLead(queries, moved)
      setNotice({ state: 'moved', lead: moved, from: lead, isTakenBack })
    } catch (failure) {
      showLead(queries, lead)
      setNotice(
        failure instanceof Failure && (failure.code === 'lead-changed' || failure.code === 'lead-move-illegal')
          ? await conflict(lead, to).catch((other: unknown) => ({ state: 'failed' as const, lead, failure: other }))
          : { state: 'failed', lead, failure },
      )
    }
    void queries.invalidateQueries({ queryKey: [...leadsKey, 'counts'] })
    void queries.invalidateQueries({ queryKey: [...leadsKey, 'events', lead.id] })
  }

  async function conflict(before: Lead, wanted: LeadStatus): Promise<Notice> {
    const [lead, { items }] = await Promise.all([
      answered(getLead({ client: service, path: { leadId: before.id } })),
      answered(listEvents({ client: service, query: { leadId: before.id, test: before.test, limit: changesMax } })),
    ])
    showLead(queries, lead)
    return {
      state: 'conflict',
      lead,
      wanted,
      by: items.findLast(({ type }) => type !== 'lead.linked')?.actor.name ?? '',
    }
  }

  return {
    asking,
    notice,
    start: (lead, to) => {
      const current = newestOf(queries, lead)
      if (to === 'lost' || to === 'invalid') setAsking({ lead: current, to })
      else void move(current, to, undefined)
    },
    settle: (reason) => {
      if (asking) void move(asking.lead, asking.to, reason)
      setAsking(undefined)
    },
    takeBack: () => {
      if (notice?.state === 'moved') void move(notice.lead, notice.from.status, notice.from.statusReason, true)
    },
    close: () => {
      setAsking(undefined)
      setNotice(undefined)
    },
  }
}

/** The statuses that a lead can move to, behind a button. */
export function MoveButtons({
  lead,
  moving,
  onOpen,
}: {
  lead: Lead
  moving: Moving
  onOpen?: (isOpen: boolean) => void
}) {
  const { t } = useTranslation()
  const [isOpen, setIsOpen] = useState(false)
  const isHolding = useRef(false)
  const open = (next: boolean) => {
    setIsOpen(next)
    isHolding.current = next
    onOpen?.(next)
  }
  // Gone with its card, it holds nothing any more.
  useEffect(
    () => () => {
      if (isHolding.current) onOpen?.(false)
    },
    [onOpen],
  )
  return (
    <>
      <Button
        size="compact-sm"
        variant="default"
        aria-expanded={isOpen}
        aria-label={t('move.openNamed', { name: nameOf(lead) })}
        onClick={() => open(!isOpen)}
      >
        {t('move.open')}
      </Button>
      {isOpen && (
        <Group
          gap={6}
          role="group"
          aria-label={t('move.openNamed', { name: nameOf(lead) })}
          onKeyDown={(event) => void (event.key === 'Escape' && open(false))}
        >
          {lead.legalStatuses.map((status) => (
            <Button
              key={status}
              size="compact-sm"
              onClick={() => {
                open(false)
                moving.start(lead, status)
              }}
            >
              {t(`leadStatus.${status}`)}
            </Button>
          ))}
        </Group>
      )}
    </>
  )
}

/** What became of the last move, with a way back; and the question for a reason. */
export function MovingNotice({ moving }: { moving: Moving }) {
  const { t } = useTranslation()
  const { notice, asking, takeBack, close, settle } = moving
  const undo = useRef<HTMLButtonElement>(null)
  // The button that moved the card went with it: whoever works by keyboard goes on here.
  useEffect(() => {
    if (notice?.state === 'moved' && document.activeElement === document.body)
      undo.current?.focus({ preventScroll: true })
  }, [notice])
  const name = notice ? isolated(nameOf(notice.lead)) : ''
  return (
    <>
      <div className={notice ? 'notice panel' : undefined} role="status">
        {notice && (
          <Group gap="sm" justify="space-between" align="flex-start">
            <div className="wrap">
              {notice.state === 'moved' && (
                <Text size="sm">
                  {t(notice.isTakenBack ? 'move.takenBack' : 'move.moved', {
                    name,
                    status: t(`leadStatus.${notice.lead.status}`),
                  })}
                </Text>
              )}
              {notice.state === 'conflict' && (
                <Text size="sm">
                  ▲{' '}
                  {t('move.conflict', {
                    name,
                    by: isolated(notice.by),
                    status: t(`leadStatus.${notice.lead.status}`),
                    wanted: t(`leadStatus.${notice.wanted}`),
                  })}{' '}
                  <When at={notice.lead.updatedAt} />
                </Text>
              )}
              {notice.state === 'failed' && <Failed failure={notice.failure} />}
            </div>
            <Group gap="xs">
              {notice.state === 'moved' && !notice.isTakenBack && (
                <Button ref={undo} size="compact-md" variant="default" onClick={takeBack}>
                  {t('move.undo')}
                </Button>
              )}
              <Button size="compact-md" variant="default" onClick={close}>
                {t('state.close')}
              </Button>
            </Group>
          </Group>
        )}
      </div>
      {asking && (
        <Reason
          key={asking.lead.id}
          name={nameOf(asking.lead)}
          status={t(`leadStatus.${asking.to}`)}
          settle={settle}
          close={close}
        />
      )}
    </>
  )
}

function Reason({
  name,
  status,
  settle,
  close,
}: {
  name: string
  status: string
  settle: Moving['settle']
  close: () => void
}) {
  const { t } = useTranslation()
  const [reason, setReason] = useState<LeadStatusReason>()
  const submit = (event: FormEvent) => {
    event.preventDefault()
    settle(reason)
  }
  return (
    <Dialog title={t('move.why', { name: isolated(name), status })} close={close}>
      <form onSubmit={submit}>
        <Stack>
          <NativeSelect
            data-autofocus
            label={t('lead.reason')}
            value={reason ?? ''}
            data={[
              { value: '', label: t('move.noReason') },
              ...reasons.map((value) => ({ value, label: t(`leadReason.${value}`) })),
            ]}
            onChange={(event) => setReason(reasons.find((one) => one === event.currentTarget.value))}
          />
          <Group>
            <Button type="submit">{t('move.do', { status })}</Button>
            <Button variant="default" onClick={close}>
              {t('state.cancel')}
            </Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  )
}
