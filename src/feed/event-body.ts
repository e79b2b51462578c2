import type { Event, Lead } from '../../generated/server/types.gen.ts'
import { cursorAt, positionOf } from '../events/cursor.ts'
import type { EventRow } from '../events/event.ts'
import { outer } from '../ids.ts'
import { statusAfter } from '../leads/status.ts'

/** An event with what is known of it now. */
export interface FeedRow extends EventRow {
  actor_name: string
  test: boolean
}

/** `lead`: as it is now, for whoever may read leads. */
export function eventBody(row: FeedRow, lead: Lead | undefined): Event {
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
    ...(lead && { lead }),
  }
}
