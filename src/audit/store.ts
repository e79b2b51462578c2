import type { Knex } from 'knex'
import type { AuditAction } from '../../generated/server/types.gen.ts'
import { firstIdAt, idTimeSlackMs } from '../ids.ts'

export interface AuditRow {
  id: string
  at: Date
  action: AuditAction
  actor_type: 'user' | 'api_key' | 'operator'
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

export interface AuditFilter {
  action?: AuditAction
  actorId?: string
  subjectId?: string
  since?: Date
  until?: Date
  past?: string
  limit: number
}

/** Newest first: ids are UUIDs of version 7, which rise with time. */
export async function findAuditEntries(db: Knex, dealerId: string, filter: AuditFilter): Promise<AuditRow[]> {
  let query = db('audit_entries').where({ dealer_id: dealerId }).orderBy('id', 'desc').limit(filter.limit)
  if (filter.action) query = query.where({ action: filter.action })
  if (filter.actorId) query = query.where({ actor_id: filter.actorId })
  if (filter.subjectId) query = query.where({ subject_id: filter.subjectId })
  // By the id, too, for which there is an index: else all that is younger or older would be looked at.
  const near = (at: Date, ms: number) => firstIdAt(new Date(at.getTime() + ms))
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
