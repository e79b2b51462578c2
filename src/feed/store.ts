import type { Knex } from 'knex'
import { type Position, type View, viewFrom } from '../events/cursor.ts'
import type { FeedRow } from './event-body.ts'

export interface EventFilter {
  after: Position
  leadId?: string
  /** Left out: whoever did them. */
  butOf?: string
  /** Left out: those of real leads and of test leads. */
  test?: boolean
  limit: number
}

export interface EventPage extends View {
  /** Oldest first. None counts when the view is of a ledger in which the position is not there. */
  rows: FeedRow[]
}

// Events of the version before do not say it themselves.
const testOfLead = '(select l.test from leads l where l.dealer_id = :dealerId and l.id = e.subject_id)'

/**
 * The page behind a position, and how the ledger looks from there: one statement, so that one snapshot answers for
 * both.
 */
export async function findPage(
  db: Knex,
  dealerId: string,
  { after, leadId, butOf, test, limit }: EventFilter,
): Promise<EventPage> {
  const narrowing = [
    ...(leadId === undefined ? [] : ['and e.subject_id = :leadId']),
    ...(butOf === undefined ? [] : ['and e.actor_id <> :butOf']),
  ].join(' ')
  const events = (that = '') => `
    select *
    from events e
    where e.dealer_id = :dealerId and e.seq > :seq ${narrowing} ${that}
    order by e.seq
    limit :limit`
  // Two that an index has in order: tests are not looked for among all.
  const eventsOfEither = `
    (${events('and e.test = :test')})
    union all
    (${events(`and e.test is null and ${testOfLead} = :test`)})
    order by seq
    limit :limit`
  type Row = FeedRow & { here: string | null; last_seq: string | null; last_id: string | null }
  const { rows } = await db.raw<{ rows: [Row, ...Row[]] }>(
    `select here.id as here, last.seq as last_seq, last.id as last_id, page.*
     from (select) as asked
     left join (select id from events where dealer_id = :dealerId and seq = :seq) as here on true
     left join (select seq, id from events where dealer_id = :dealerId order by seq desc limit 1) as last on true
     left join (
       select e.*, coalesce(k.name, u.name, '') as actor_name, coalesce(e.test, ${testOfLead}, false) as test
       from (${test === undefined ? events() : eventsOfEither}) e
       left join api_keys k on k.dealer_id = :dealerId and k.id = e.actor_id
       left join users u on u.dealer_id = :dealerId and u.id = e.actor_id
     ) as page on true
     order by page.seq`,
    {
      dealerId,
      seq: after.seq.toString(),
      limit,
      ...(leadId !== undefined && { leadId }),
      ...(butOf !== undefined && { butOf }),
      ...(test !== undefined && { test }),
    },
  )
  const [{ here, last_seq, last_id }] = rows
  return {
    ...viewFrom(after, here, { seq: last_seq, id: last_id }),
    // Without an event there is one row nevertheless, for the view.
    rows: rows.filter(({ seq }) => seq !== null),
  }
}

/**
 * Says of events that the version before has written whether they are about test leads, some at a time; says of how
 * many.
 */
export async function sayOfWhichLeads(db: Knex, atMost: number): Promise<number> {
  const { rowCount } = await db.raw<{ rowCount: number }>(
    `with untold as materialized (
       select e.*
       from dealers d,
       lateral (
         select dealer_id, seq
         from events
         where dealer_id = d.id and test is null
         order by seq
         limit :atMost
         for update skip locked
       ) as e
       limit :atMost
     )
     update events e
     set test = coalesce(
       (select l.test from leads l where l.dealer_id = e.dealer_id and l.id = e.subject_id),
       false
     )
     from untold u
     where e.dealer_id = u.dealer_id and e.seq = u.seq`,
    { atMost },
  )
  return rowCount
}
