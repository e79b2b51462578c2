import type { Knex } from 'knex'
import type pg from 'pg'
import type { LeadStatus } from '../../generated/server/types.gen.ts'
import { newId } from '../ids.ts'
import type { Move } from '../leads/lead.ts'
import type { Principal } from '../operation.ts'
import { type EventRow, type EventType, statusAfter } from './event.ts'

/** Records a fact about a lead, numbered by the dealer's clock, which the caller holds: dense, and in the order of commits. */
export async function recordEvent(
  trx: Knex.Transaction,
  principal: Principal,
  event: { type: EventType; leadId: string; changed: readonly string[]; status: LeadStatus },
  now: Date,
): Promise<void> {
  const { dealerId, subject } = principal
  const { type, leadId, changed, status } = event
  await trx.raw(
    `with ticked as (update dealer_clocks set seq = seq + 1 where dealer_id = :dealerId returning seq)
     insert into events (dealer_id, seq, id, type, at, subject_type, subject_id, actor_type, actor_id, changed, status)
     select :dealerId, seq, :id, :type, :now, 'lead', :leadId, :actorType, :actorId, :changed, :status from ticked`,
    {
      dealerId,
      id: newId(),
      type,
      now,
      leadId,
      actorType: subject.type,
      actorId: subject.id,
      changed: [...changed],
      status,
    },
  )
}

/** How a lead came to its status; undefined when it never moved. */
export async function findLastMove(trx: Knex.Transaction, dealerId: string, leadId: string): Promise<Move | undefined> {
  const [last, before] = await trx('events')
    .where({ dealer_id: dealerId, subject_id: leadId })
    .whereRaw("(type = 'lead.created' or 'status' = any (changed))")
    .orderBy('seq', 'desc')
    .limit(2)
    .select('type', 'status', 'at', 'actor_id')
  const from: LeadStatus | undefined = before && statusAfter(before)
  return last && from && { from, at: last.at, actorId: last.actor_id }
}

/** The number of the last event of each dealer. */
export async function findPositions(hot: pg.Pool, dealerIds: readonly string[]): Promise<Map<string, bigint>> {
  const { rows } = await hot.query<{ dealer_id: string; seq: string }>({
    name: 'find-positions',
    text: 'select dealer_id, seq from dealer_clocks where dealer_id = any ($1)',
    values: [dealerIds],
  })
  return new Map(rows.map(({ dealer_id, seq }) => [dealer_id, BigInt(seq)]))
}

export async function findPosition(db: Knex, dealerId: string): Promise<bigint> {
  const row = await db('dealer_clocks').where({ dealer_id: dealerId }).first('seq')
  return BigInt(row?.seq ?? 0)
}

export interface EventFilter {
  after: bigint
  leadId?: string
  /** Left out: those of real leads and of test leads. */
  test?: boolean
  limit: number
}

/** Oldest first. */
export async function findEvents(db: Knex, dealerId: string, filter: EventFilter): Promise<EventRow[]> {
  let query = db('events as e')
    .leftJoin('leads as l', (on) => on.on('l.dealer_id', 'e.dealer_id').on('l.id', 'e.subject_id'))
    .leftJoin('api_keys as k', (on) => on.on('k.dealer_id', 'e.dealer_id').on('k.id', 'e.actor_id'))
    .leftJoin('users as u', (on) => on.on('u.dealer_id', 'e.dealer_id').on('u.id', 'e.actor_id'))
    .where({ 'e.dealer_id': dealerId })
    .where('e.seq', '>', filter.after.toString())
    .orderBy('e.seq')
    .limit(filter.limit)
    .select('e.*', db.raw("coalesce(k.name, u.name, '') as actor_name"), db.raw('coalesce(l.test, false) as test'))
  if (filter.leadId) query = query.where({ 'e.subject_id': filter.leadId })
  if (filter.test !== undefined) query = query.whereRaw('coalesce(l.test, false) = ?', [filter.test])
  return query
}
