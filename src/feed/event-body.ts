import type { Event } from '../../generated/server/types.gen.ts'
import { cursorAt, positionOf } from '../events/cursor.ts'
import type { EventRow } from '../events/event.ts'
import { outer } from '../ids.ts'
import { leadBody, type LeadRow } from '../leads/lead.ts'
import { statusAfter } from '../leads/status.ts'

/** An event with what is known of it now. */
export interface FeedRow extends EventRow {
  actor_name: string
  test: boolean
}

/** An event as it is shown to whoever has these scopes. `lead`: as it is now. */
export function eventBody(row: FeedRow, lead: LeadRow | undefined, scopes: ReadonlySet<string>): Event {
  const status = statusAfter(row)
  return {
    id: outer('evt', row.id),
    cursor: cursorAt(positionOf(row)),
    type: row.type,
    at: row.at.toISOString(),
    subject: { type: row.subject_type, id: outer('lead', row.subject_id) },
    actor: {
      type: row.actor_type,
      id: outer(row.actor_type === 'user' ? 'user' : 'key', row.actor_id),
      name: row.actor_name,
    },
    changed: row.changed,
    ...(status && { status }),
    ...(lead && readsLeads(scopes) && { lead: leadBody(lead, scopes) }),
  }
}

export const readsLeads = (scopes: ReadonlySet<string>): boolean => scopes.has('leads:read')
