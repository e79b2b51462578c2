import type { Knex } from 'knex'
import { type Position, type View, viewFrom } from '../events/cursor.ts'
import type { FeedRow } from './event.ts'

export interface EventFilter {
  after: Position
  leadId?: string
  /** Left out: those of real leads and of test leads. */
  test?: boolean
  limit: number
}

export interface EventPage extends View {
  /** Oldest first. None counts when the view is of a ledger in which the position is not there. */
  rows: FeedRow[]
}

/** The page behind a position, and how the ledger looks from there: one statement, so that one snapshot answers for both. */
export async function findPage(
  db: Knex,
  dealerId: string,
  { after, leadId, test, limit }: EventFilter,
): Promise<EventPage> {
  type Row = FeedRow & { here: string | null; last_seq: string | null; last_id: string | null }
  const { rows } = await db.raw<{ rows: [Row, ...Row[]] }>(
    `select here.id as here, last.seq as last_seq, last.id as last_id, page.*
     from (select) as asked
     left join (select id from events where dealer_id = :dealerId and seq = :seq) as here on true
     left join (select seq, id from events where dealer_id = :dealerId order by seq desc limit 1) as last on true
     left join (
       select e.*, coalesce(k.name, u.name, '') as actor_name, coalesce(l.test, false) as test
       from events e
       left join leads l on l.dealer_id = :dealerId and l.id = e.subject_id
       left join api_keys k on k.dealer_id = :dealerId and k.id = e.actor_id
       left join users u on u.dealer_id = :dealerId and u.id = e.actor_id
       where e.dealer_id = :dealerId
         and e.seq > :seq
         ${leadId === undefined ? '' : 'and e.subject_id = :leadId'}
         ${test === undefined ? '' : 'and coalesce(l.test, false) = :test'}
       order by e.seq
       limit :limit
     ) as page on true
     order by page.seq`,
    {
      dealerId,
      seq: after.seq.toString(),
      limit,
      ...(leadId !== undefined && { leadId }),
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
