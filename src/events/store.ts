import type { Knex } from 'knex'
import type pg from 'pg'
import type { LeadStatus } from '../../generated/server/types.gen.ts'
import { newId } from '../ids.ts'
import type { Principal } from '../operation.ts'
import { beginning, type Position, type View, viewFrom } from './cursor.ts'
import type { EventType } from './event.ts'

/**
 * Records a fact about a lead, numbered by the dealer's clock, which the caller holds: dense, and in the order of
 * commits.
 */
export async function recordEvent(
  trx: Knex.Transaction,
  { dealerId, subject }: Pick<Principal, 'dealerId' | 'subject'>,
  event: { type: EventType; leadId: string; test: boolean; changed: readonly string[]; status: LeadStatus },
  now: Date,
): Promise<void> {
  const { type, leadId, test, changed, status } = event
  await trx.raw(
    `with ticked as (update dealer_clocks set seq = seq + 1 where dealer_id = :dealerId returning seq)
     insert into events (
       dealer_id, seq, id, type, at, subject_type, subject_id, actor_type, actor_id, changed, status, test
     )
     select :dealerId, seq, :id, :type, :now, 'lead', :leadId, :actorType, :actorId, :changed, :status, :test
     from ticked`,
    {
      dealerId,
      id: newId(),
      type,
      now,
      leadId,
      test,
      actorType: subject.type,
      actorId: subject.id,
      changed: [...changed],
      status,
    },
  )
}

/** How the ledgers of dealers look, each from one position, by one query for all of them. */
export async function findViews(hot: pg.Pool, asked: ReadonlyMap<string, Position>): Promise<Map<string, View>> {
  const { rows } = await hot.query<{ dealer_id: string; here: string | null; seq: string | null; id: string | null }>({
    name: 'find-views',
    text: `
      select asked.dealer_id, here.id as here, last.seq, last.id
      from unnest($1::uuid[], $2::bigint[]) as asked (dealer_id, seq)
      left join lateral (
        select e.id from events e where e.dealer_id = asked.dealer_id and e.seq = asked.seq limit 1
      ) as here on true
      left join lateral (
        select e.seq, e.id from events e where e.dealer_id = asked.dealer_id order by e.seq desc limit 1
      ) as last on true`,
    values: [[...asked.keys()], [...asked.values()].map(({ seq }) => seq.toString())],
  })
  return new Map(
    rows.map(({ dealer_id, here, seq, id }) => [
      dealer_id,
      viewFrom(asked.get(dealer_id) ?? beginning, here, { seq, id }),
    ]),
  )
}
