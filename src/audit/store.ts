import type { Knex } from 'knex'
import type { AuditAction } from '../../generated/server/types.gen.ts'
import { firstIdAt, idTimeSlackMs } from '../ids.ts'

export interface AuditRow {
  id: string
  at: Date
  action: AuditAction
  actor_type: 'user' | 'api_key' | 'operator' | 'unknown'
  actor_id: string | null
  actor_name: string
  address: string | null
  subject_type: 'user' | 'api_key' | 'dealer'
  subject_id: string
  subject_name: string
  before: Record<string, unknown>
  after: Record<string, unknown>
  reason: string | null
}

/** The caller holds the dealer's clock, in the transaction of the change. */
export async function addAuditEntry(trx: Knex.Transaction, dealerId: string, row: AuditRow): Promise<void> {
  await trx('audit_entries').insert({
    ...row,
    dealer_id: dealerId,
    before: JSON.stringify(row.before),
    after: JSON.stringify(row.after),
  })
}

/** What was refused alike since it was last written. */
export interface Refused {
  id: string
  dealerId: string
  subject: { type: 'user' | 'api_key'; id: string }
  code: string
  /** Empty for those of several. */
  address: string
  requests: number
}

/**
 * Adds to the rows of this hour, by the database's clock. A subject has at most `addressesMax` of them for one code:
 * those of further addresses go into the one without.
 */
export async function addRefusals(db: Knex, refused: readonly Refused[], addressesMax: number): Promise<void> {
  await db.raw(
    `with noted as materialized (
       select r.*, date_trunc('hour', clock_timestamp()) as hour, clock_timestamp() as at
       from unnest(:dealerIds::uuid[], :ids::uuid[], :types::text[], :subjectIds::uuid[], :codes::text[],
         :addresses::text[], :requests::bigint[])
         as r(dealer_id, id, subject_type, subject_id, code, address, requests)
     ), placed as (
       select n.*, case
         when known.id is not null then n.address
         when (
           select count(*)
           from refusals r
           where r.dealer_id = n.dealer_id and r.subject_id = n.subject_id and r.code = n.code and r.hour = n.hour
             and r.address <> ''
         ) + row_number() over (
           partition by n.dealer_id, n.subject_id, n.code, known.id is null order by n.id
         ) < :addressesMax then n.address
         else ''
       end as place
       from noted n
       left join refusals known on known.dealer_id = n.dealer_id and known.subject_id = n.subject_id
         and known.code = n.code and known.hour = n.hour and known.address = n.address
     )
     insert into refusals (dealer_id, id, subject_type, subject_id, code, address, hour, first_at, last_at, requests)
     select dealer_id, (array_agg(id order by id))[1], subject_type, subject_id, code, place, hour, min(at), max(at), sum(requests)
     from placed
     group by dealer_id, subject_type, subject_id, code, place, hour
     order by dealer_id, subject_id, code, hour, place
     on conflict (dealer_id, subject_id, code, hour, address) do update
       set requests = refusals.requests + excluded.requests, last_at = excluded.last_at`,
    {
      dealerIds: refused.map(({ dealerId }) => dealerId),
      ids: refused.map(({ id }) => id),
      types: refused.map(({ subject }) => subject.type),
      subjectIds: refused.map(({ subject }) => subject.id),
      codes: refused.map(({ code }) => code),
      addresses: refused.map(({ address }) => address),
      requests: refused.map(({ requests }) => requests),
      addressesMax,
    },
  )
}

/** Forgets what was refused more than so many days ago; says how many rows. */
export async function sweepRefusals(db: Knex, days: number, atMost: number): Promise<number> {
  const { rowCount } = await db.raw<{ rowCount: number }>(
    `with old as materialized (
       select r.*
       from dealer_clocks c,
       lateral (
         select dealer_id, id
         from refusals
         where dealer_id = c.dealer_id and id < first_id_at(clock_timestamp() - :days * interval '1 day')
         order by id
         limit :atMost
         for update skip locked
       ) as r
       limit :atMost
     )
     delete from refusals r
     using old
     where r.dealer_id = old.dealer_id and r.id = old.id`,
    { days, atMost },
  )
  return rowCount
}

export interface RefusalRow {
  id: string
  subject_type: 'user' | 'api_key'
  subject_id: string
  code: string
  address: string
  first_at: Date
  last_at: Date
  requests: string
}

/** What `AuditAction` a refusal is. */
export const refusalActions = { api_key: 'api_key.refused', user: 'user.refused' } as const satisfies Record<
  RefusalRow['subject_type'],
  AuditAction
>

/** Newest first. To an actor belongs what was refused to a key; who failed to sign in as somebody is not known. */
export async function findRefusals(db: Knex, dealerId: string, filter: AuditFilter): Promise<RefusalRow[]> {
  const { action, actorId, subjectId, since, until, past, limit } = filter
  if (action && action !== refusalActions.user && action !== refusalActions.api_key) return []
  let query = db('refusals').where({ dealer_id: dealerId }).orderBy('id', 'desc').limit(limit)
  if (action) query = query.where({ subject_type: action === refusalActions.user ? 'user' : 'api_key' })
  if (actorId) query = query.where({ subject_id: actorId, subject_type: 'api_key' })
  if (subjectId) query = query.where({ subject_id: subjectId })
  if (since) query = query.where('first_at', '>=', since).where('id', '>', near(since, -idTimeSlackMs))
  if (until) query = query.where('first_at', '<', until).where('id', '<', near(until, idTimeSlackMs))
  if (past) query = query.where('id', '<', past)
  return query
}

export interface AuditFilter {
  action?: AuditAction
  actorId?: string
  subjectId?: string
  since?: Date
  until?: Date
  past?: string
  limit: number
}

// By the id, too, for which there is an index: else all that is younger or older would be looked at.
const near = (at: Date, ms: number) => firstIdAt(new Date(at.getTime() + ms))

/** Newest first: ids are UUIDs of version 7, which rise with time. */
export async function findAuditEntries(db: Knex, dealerId: string, filter: AuditFilter): Promise<AuditRow[]> {
  let query = db('audit_entries').where({ dealer_id: dealerId }).orderBy('id', 'desc').limit(filter.limit)
  if (filter.action) query = query.where({ action: filter.action })
  if (filter.actorId) query = query.where({ actor_id: filter.actorId })
  if (filter.subjectId) query = query.where({ subject_id: filter.subjectId })
  if (filter.since) query = query.where('at', '>=', filter.since).where('id', '>', near(filter.since, -idTimeSlackMs))
  if (filter.until) query = query.where('at', '<', filter.until).where('id', '<', near(filter.until, idTimeSlackMs))
  if (filter.past) query = query.where('id', '<', filter.past)
  return query
}

/** What is counted of the audit log. */
export interface AuditedOften {
  actions: readonly AuditAction[]
  actorType: AuditRow['actor_type']
  subjectId?: string
}

/** How often something was done since then, and when first. */
export async function countAudited(
  db: Knex,
  dealerId: string,
  { actions, actorType, subjectId }: AuditedOften,
  since: Date,
): Promise<{ count: number; oldest: Date | null }> {
  const [row] = await db('audit_entries')
    .where({ dealer_id: dealerId, actor_type: actorType, ...(subjectId && { subject_id: subjectId }) })
    .whereIn('action', actions)
    .where('at', '>', since)
    // By the id, too, for which there is an index.
    .where('id', '>', firstIdAt(new Date(since.getTime() - idTimeSlackMs)))
    .select(db.raw('count(*)::int as count'), db.raw('min(at) as oldest'))
  return row
}
