import type { Handlers } from '../../generated/server/express.gen.ts'
import type { Knex } from 'knex'
import type { AuditEntry } from '../../generated/server/types.gen.ts'
import { type IdPrefix, inner, outer } from '../ids.ts'
import { momentOf } from '../moment.ts'
import type { Principal } from '../operation.ts'
import { pageOf } from '../page.ts'
import * as store from './store.ts'

const prefixes: Record<store.AuditRow['subject_type'], IdPrefix> = { user: 'user', api_key: 'key', dealer: 'dealer' }

export interface Log {
  /** What somebody is called: who there is, the rooms above know. */
  findName: (db: Knex, dealerId: string, subject: Principal['subject']) => Promise<string>
}

/** Changes, and between them what was refused: each row of that since the first of its hour. */
export const listAuditEntries =
  ({ findName }: Log): Handlers['listAuditEntries'] =>
  async ({ query, principal }, { db }) => {
    const { dealerId } = principal
    const { action, actorId, subjectId, since, until } = query
    const filter = {
      ...(action && { action }),
      ...(actorId && { actorId: inner(actorId) }),
      ...(subjectId && { subjectId: inner(subjectId) }),
      ...(since && { since: momentOf(since) }),
      ...(until && { until: momentOf(until) }),
    }
    const body = await pageOf(
      query,
      async (asked) => {
        const [changes, refusals] = await Promise.all([
          store.findAuditEntries(db, dealerId, { ...filter, ...asked }),
          store.findRefusals(db, dealerId, { ...filter, ...asked }),
        ])
        return [...changes, ...refusals].toSorted((one, other) => (one.id < other.id ? 1 : -1)).slice(0, asked.limit)
      },
      async (rows) => {
        const names = new Map<string, string>()
        for (const row of rows)
          if ('code' in row && !names.has(row.subject_id))
            names.set(row.subject_id, await findName(db, dealerId, { type: row.subject_type, id: row.subject_id }))
        return rows.map((row) => ('code' in row ? refusalBody(row, names.get(row.subject_id) ?? '') : entryBody(row)))
      },
    )
    return { status: 200, body }
  }

function entryBody(row: store.AuditRow): AuditEntry {
  return {
    id: outer('audit', row.id),
    at: row.at.toISOString(),
    action: row.action,
    actor: {
      type: row.actor_type,
      ...(row.actor_id !== null &&
        row.actor_type !== 'operator' &&
        row.actor_type !== 'unknown' && { id: outer(prefixes[row.actor_type], row.actor_id) }),
      name: row.actor_name,
    },
    ...(row.address !== null && { address: row.address }),
    subject: { type: row.subject_type, id: outer(prefixes[row.subject_type], row.subject_id), name: row.subject_name },
    before: row.before,
    after: row.after,
    ...(row.reason !== null && { reason: row.reason }),
  }
}

function refusalBody(row: store.RefusalRow, name: string): AuditEntry {
  const subject = { type: row.subject_type, id: outer(prefixes[row.subject_type], row.subject_id), name }
  return {
    id: outer('audit', row.id),
    at: row.first_at.toISOString(),
    action: store.refusalActions[row.subject_type],
    actor: row.subject_type === 'api_key' ? subject : { type: 'unknown', name: 'Unknown' },
    ...(row.address !== '' && { address: row.address }),
    subject,
    before: {},
    after: { requests: Number(row.requests), lastAt: row.last_at.toISOString() },
    reason: row.code,
  }
}
