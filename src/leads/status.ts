import type { LeadStatus, LeadStatusReason } from '../../generated/server/types.gen.ts'
import type { EventRow } from '../events/event.ts'
import { Problem } from '../problem.ts'

export const legalMoves: Record<LeadStatus, readonly LeadStatus[]> = {
  new: ['acknowledged', 'in_progress', 'appointment_set', 'won', 'lost', 'invalid'],
  acknowledged: ['in_progress', 'appointment_set', 'won', 'lost', 'invalid'],
  in_progress: ['appointment_set', 'won', 'lost', 'invalid'],
  appointment_set: ['in_progress', 'won', 'lost', 'invalid'],
  won: ['in_progress', 'lost'],
  lost: ['in_progress'],
  invalid: ['new'],
}

/** From the first to the last of the pipeline. */
export const leadStatuses = Object.keys(legalMoves) as LeadStatus[]

export interface Movable {
  status: LeadStatus
  statusReason?: LeadStatusReason
}

/** Whether everybody may move a lead so; to stay is legal. */
export const isLegal = (from: LeadStatus, to: LeadStatus): boolean => from === to || legalMoves[from].includes(to)

/** The status of a lead after an event, where that is known; the first one does not say it. */
export const statusAfter = ({ type, status }: Pick<EventRow, 'type' | 'status'>): LeadStatus | undefined =>
  type === 'lead.created' ? 'new' : (status ?? undefined)

/** The last move of a lead, and whoever made it. */
export interface Move {
  from: LeadStatus
  at: Date
  actorId: string
}

const takeBackMs = 600_000

/** The status that somebody may take a lead back to: the one that they moved it away from in the last 10 minutes. */
export function takeableBack(last: Move | undefined, actorId: string, now: Date): LeadStatus | undefined {
  return last && last.actorId === actorId && now.getTime() - last.at.getTime() <= takeBackMs ? last.from : undefined
}

/** When the lead was first taken up. To call it invalid is no answer to anybody; back among the new it waits again. */
export function respondedAt(lead: { responded_at: Date | null }, to: LeadStatus, now: Date): Date | null {
  if (to === 'new') return null
  return lead.responded_at ?? (to === 'invalid' ? null : now)
}

/**
 * The lead in another status. A reason stays with a lost or invalid lead only; a move to the status that the lead has
 * changes nothing but the reason, if one is given.
 *
 * @throws {Problem} `lead-move-illegal` with the legal statuses.
 */
export function moved(
  lead: Movable,
  to: LeadStatus,
  reason: LeadStatusReason | undefined,
  takenBack?: LeadStatus,
): Movable {
  const statusReason = to === 'lost' || to === 'invalid' ? reason : undefined
  if (to === lead.status)
    return statusReason === undefined || statusReason === lead.statusReason ? lead : { ...lead, statusReason }

  const legalStatuses = legalMoves[lead.status]
  if (!isLegal(lead.status, to) && to !== takenBack) {
    const article = /^[aeiou]/.test(lead.status) ? 'An' : 'A'
    throw new Problem(
      'lead-move-illegal',
      `${article} ${lead.status} lead can move to ${either.format(legalStatuses)}.`,
      { legalStatuses },
    )
  }
  return { ...lead, status: to, statusReason }
}

const either = new Intl.ListFormat('en', { type: 'disjunction' })
