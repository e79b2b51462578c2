import type { Event, LeadStatus } from '../../generated/server/types.gen.ts'

export type EventType = Event['type']

/** One fact, as it was recorded. */
export interface EventRow {
  seq: string
  id: string
  type: EventType
  at: Date
  subject_type: 'lead'
  subject_id: string
  actor_type: 'api_key' | 'user'
  actor_id: string
  changed: string[]
  /** Of the subject after the event; null where it was not told. */
  status: LeadStatus | null
}
