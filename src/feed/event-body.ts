import type { Event } from '../../generated/server/types.gen.ts'
import { cursorAt, positionOf } from '../events/cursor.ts'
import { actorBody, type EventRow } from '../events/event.ts'
import { type CustomerRow, customerBody } from '../customers/customer.ts'
import { outer } from '../ids.ts'
import { leadBody, type LeadRow, seesPeople } from '../leads/lead.ts'
import { statusAfter } from '../leads/status.ts'

/** An event with what is known of it now. */
export interface FeedRow extends EventRow {
  actor_name: string
  test: boolean
}

/** What events are about, as it is now, by its id. */
export interface Subjects {
  readonly leads: ReadonlyMap<string, LeadRow>
  readonly customers: ReadonlyMap<string, CustomerRow>
}

/** An event as it is shown to whoever has these scopes. */
export function eventBody(row: FeedRow, { leads, customers }: Subjects, scopes: ReadonlySet<string>): Event {
  const lead = leads.get(row.subject_id)
  const customer = customers.get(row.subject_id)
  const status = statusAfter(row)
  return {
    id: outer('evt', row.id),
    cursor: cursorAt(positionOf(row)),
    type: row.type,
    at: row.at.toISOString(),
    subject: { type: row.subject_type, id: outer(row.subject_type === 'lead' ? 'lead' : 'cust', row.subject_id) },
    actor: actorBody(row),
    changed: row.changed,
    ...(status && { status }),
    ...(lead && readsLeads(scopes) && { lead: leadBody(lead, scopes) }),
    ...(customer && seesPeople(scopes) && { customer: customerBody(customer) }),
  }
}

export const readsLeads = (scopes: ReadonlySet<string>): boolean => scopes.has('leads:read')
