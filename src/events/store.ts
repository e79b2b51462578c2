import type { Knex } from 'knex'
import { newId } from '../ids.ts'
import type { Principal } from '../operation.ts'

/** Records a fact about a lead, numbered by the dealer's clock, which the caller holds: dense, and in the order of commits. */
export async function recordEvent(trx: Knex.Transaction, principal: Principal, type: string, leadId: string, changed: readonly string[], now: Date): Promise<void> {
  const { dealerId, subject } = principal
  await trx.raw(
    `with ticked as (update dealer_clocks set seq = seq + 1 where dealer_id = :dealerId returning seq)
     insert into events (dealer_id, seq, id, type, at, subject_type, subject_id, actor_type, actor_id, changed)
     select :dealerId, seq, :id, :type, :now, 'lead', :leadId, :actorType, :actorId, :changed from ticked`,
    { dealerId, id: newId(), type, now, leadId, actorType: subject.type, actorId: subject.id, changed: [...changed] },
  )
}
