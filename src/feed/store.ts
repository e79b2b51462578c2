import type { Knex } from 'knex'
import type { FeedRow } from './event.ts'

export interface EventFilter {
  after: bigint
  leadId?: string
  /** Left out: those of real leads and of test leads. */
  test?: boolean
  limit: number
}

/** Oldest first. */
export async function findEvents(db: Knex, dealerId: string, filter: EventFilter): Promise<FeedRow[]> {
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
