import type { Event, Lead, LeadStatus } from '../../generated/server/types.gen.ts'
import { outer } from '../ids.ts'

export type EventType = Event['type']

export interface EventRow {
  seq: string
  id: string
  type: EventType
  at: Date
  subject_type: 'lead'
  subject_id: string
  actor_type: 'api_key' | 'user'
  actor_id: string
  actor_name: string
  changed: string[]
  status: LeadStatus | null
  test: boolean
}

/** The status of the lead after the event, where that is known. */
export const statusAfter = ({ type, status }: Pick<EventRow, 'type' | 'status'>): LeadStatus | undefined =>
  type === 'lead.created' ? 'new' : (status ?? undefined)

/** `lead`: as it is now, for whoever may read leads. */
export function eventBody(row: EventRow, lead: Lead | undefined): Event {
  const status = statusAfter(row)
  return {
    id: outer('evt', row.id),
    cursor: row.seq,
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
