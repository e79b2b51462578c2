import type { Knex } from 'knex'
import type pg from 'pg'
import type { LeadStatus } from '../../generated/server/types.gen.ts'
import { newId } from '../ids.ts'
import { beginning, type Position, type View, viewFrom } from './cursor.ts'
import type { Actor, EventType } from './event.ts'

/** A fact that is to be recorded. */
export interface NewEvent {
  type: EventType
  subject: { type: 'lead' | 'customer'; id: string }
  test: boolean
  changed: readonly string[]
  /** Of a lead, after the event. */
  status?: LeadStatus
}

/**
 * Records facts, numbered in their order by the dealer's clock, which the caller holds: dense, and in the order of
 * commits. Answers where each of them stands in the ledger.
 */
export async function recordEvents(
  trx: Knex.Transaction,
  dealerId: string,
  actor: Actor,
  events: readonly NewEvent[],
  now: Date,
): Promise<{ seq: string; id: string }[]> {
  if (events.length === 0) return []
  const recorded = events.map((event) => ({
    id: newId(),
    type: event.type,
    subject_type: event.subject.type,
    subject_id: event.subject.id,
    changed: event.changed,
    status: event.status ?? null,
    test: event.test,
  }))
  const { rows } = await trx.raw<{ rows: { seq: string; id: string }[] }>(
    `with ticked as (
       update dealer_clocks set seq = seq + :count where dealer_id = :dealerId returning seq - :count as seq
     )
     insert into events (
       dealer_id, seq, id, type, at, subject_type, subject_id, actor_type, actor_id, changed, status, test
     )
     select :dealerId, ticked.seq + e.place, e.id, e.type, :now, e.subject_type, e.subject_id, :actorType, :actorId,
       array(select jsonb_array_elements_text(e.changed)), e.status, e.test
     from ticked, rows from (
       jsonb_to_recordset(:events::jsonb) as (
         id uuid, type text, subject_type text, subject_id uuid, changed jsonb, status text, test boolean
       )
     ) with ordinality as e (id, type, subject_type, subject_id, changed, status, test, place)
     order by e.place
     returning seq, id`,
    {
      dealerId,
      count: events.length,
      now,
      actorType: actor.type,
      actorId: actor.id,
      events: JSON.stringify(recorded),
    },
  )
  const seqs = new Map(rows.map(({ id, seq }) => [id, seq]))
  return recorded.map(({ id }) => ({ id, seq: seqs.get(id) ?? '' }))
}

/** The same for one. */
export async function recordEvent(
  trx: Knex.Transaction,
  dealerId: string,
  actor: Actor,
  event: NewEvent,
  now: Date,
): Promise<{ seq: string; id: string }> {
  const [recorded] = await recordEvents(trx, dealerId, actor, [event], now)
  if (!recorded) throw new Error('The event was not recorded')
  return recorded
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
