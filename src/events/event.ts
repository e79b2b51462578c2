import type { Event, LeadStatus, Subject } from '../../generated/server/types.gen.ts'
import { outer } from '../ids.ts'

export type EventType = Event['type']

/** Who did it: a key, a person, or the service by itself. */
export interface Actor {
  readonly type: 'api_key' | 'user' | 'system'
  readonly id: string
}

/** The service, where nobody asked it. It has one id everywhere, which nobody else can have. */
export const system: Actor = { type: 'system', id: '00000000-0000-0000-0000-000000000000' }

/** Who did it, as they are called now. */
export interface Doer {
  actor_type: Actor['type']
  actor_id: string
  actor_name: string
}

export function actorBody({ actor_type: type, actor_id, actor_name: name }: Doer): Subject {
  if (type === 'system') return { type, id: 'system', name: 'CarBuddii' }
  return { type, id: outer(type === 'user' ? 'user' : 'key', actor_id), name }
}

/** One fact, as it was recorded. */
export interface EventRow {
  seq: string
  id: string
  type: EventType
  at: Date
  subject_type: 'lead' | 'customer'
  subject_id: string
  actor_type: Actor['type']
  actor_id: string
  changed: string[]
  /** Of the subject after the event; null where it was not told. */
  status: LeadStatus | null
}
