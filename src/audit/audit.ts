import type { Knex } from 'knex'
import { newId } from '../ids.ts'
import type { Http, Principal } from '../operation.ts'
import { addAuditEntry, type AuditRow } from './store.ts'

/** What was done, and to what. `before` and `after` hold the members that changed; never a secret. */
export interface Change {
  action: AuditRow['action']
  subject: { type: AuditRow['subject_type']; id: string; name: string }
  before?: Record<string, unknown>
  after?: Record<string, unknown>
  reason?: string | undefined
}

/** Writes down a change that a request makes, in its transaction. */
export type RecordChange = (
  trx: Knex.Transaction,
  principal: Pick<Principal, 'dealerId' | 'subject'>,
  http: Http,
  change: Change,
  now: Date,
) => Promise<void>

/** What a room needs whose changes are written down. */
export interface Audited {
  recordChange: RecordChange
}

/** `findName` says what somebody is called: who there is, the rooms above know. */
export function changeRecorder(
  findName: (trx: Knex.Transaction, dealerId: string, subject: Principal['subject']) => Promise<string>,
): RecordChange {
  return async (trx, { dealerId, subject }, http, change, now) =>
    addAuditEntry(trx, dealerId, {
      ...rowOf(change, now),
      actor_type: subject.type,
      actor_id: subject.id,
      actor_name: await findName(trx, dealerId, subject),
      address: http.address(),
    })
}

/** Writes down what somebody asks for who has not said who they are. */
export async function recordOfUnknown(
  trx: Knex.Transaction,
  dealerId: string,
  address: string,
  change: Change,
  now: Date,
): Promise<void> {
  await addAuditEntry(trx, dealerId, {
    ...rowOf(change, now),
    actor_type: 'unknown',
    actor_id: null,
    actor_name: 'Unknown',
    address,
  })
}

/** Writes down a change that the operator makes from the command line. */
export async function recordOperatorChange(
  trx: Knex.Transaction,
  dealerId: string,
  change: Change,
  now: Date,
): Promise<void> {
  await addAuditEntry(trx, dealerId, {
    ...rowOf(change, now),
    actor_type: 'operator',
    actor_id: null,
    actor_name: 'Operator',
    address: null,
  })
}

function rowOf({ action, subject, before = {}, after = {}, reason }: Change, now: Date) {
  return {
    id: newId(),
    at: now,
    action,
    subject_type: subject.type,
    subject_id: subject.id,
    subject_name: subject.name,
    before,
    after,
    reason: reason ?? null,
  }
}

/** The members of `after` that differ from `before`, as both had them. */
export function difference<Part extends object>(
  before: Part,
  after: Part,
): { before: Partial<Part>; after: Partial<Part> } {
  // The cast: these are the names of exactly these members.
  const names = (Object.keys(after) as (keyof Part)[]).filter(
    (name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]),
  )
  // The cast: some members of a Part.
  const only = (part: Part) => Object.fromEntries(names.map((name) => [name, part[name]])) as Partial<Part>
  return { before: only(before), after: only(after) }
}
