import type { Knex } from 'knex'
import type pg from 'pg'
import type { LeadStatus } from '../../generated/server/types.gen.ts'
import { newId } from '../ids.ts'
import type { Principal } from '../operation.ts'
import type { EventType } from './event.ts'

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
