import type { Handlers } from '../../generated/server/express.gen.ts'
import type { AuditEntry } from '../../generated/server/types.gen.ts'
import { type IdPrefix, inner, outer } from '../ids.ts'
import { momentOf } from '../moment.ts'
import { pageOf } from '../page.ts'
import * as store from './store.ts'

const prefixes: Record<store.AuditRow['subject_type'], IdPrefix> = { user: 'user', api_key: 'key', dealer: 'dealer' }

export const listAuditEntries: Handlers['listAuditEntries'] = async ({ query, principal }, { db }) => {
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
    (asked) => store.findAuditEntries(db, principal.dealerId, { ...filter, ...asked }),
    (rows) => rows.map(entryBody),
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
        row.actor_type !== 'operator' && { id: outer(prefixes[row.actor_type], row.actor_id) }),
      name: row.actor_name,
    },
    ...(row.address !== null && { address: row.address }),
    subject: { type: row.subject_type, id: outer(prefixes[row.subject_type], row.subject_id), name: row.subject_name },
    before: row.before,
    after: row.after,
    ...(row.reason !== null && { reason: row.reason }),
  }
}
