import type { Knex } from 'knex'
import type { TradeIn } from '../../generated/server/types.gen.ts'
import type { Actor, EventType } from '../events/event.ts'
import { type NewEvent, recordEvents } from '../events/store.ts'
import type { CustomerRow } from './customer.ts'
import { keysOf } from './keys.ts'
import { differences, type CustomerRecord, recordOf, type Shown, type Source } from './record.ts'
import * as store from './store.ts'
import { termsOfCustomer } from './terms.ts'

/**
 * What is said of customers, each with those that were merged into it, by the id of the living one.
 */
export interface Heard {
  /** All that are one customer, by their ids. */
  ids: string[]
  sources: Source[]
  vehicles: TradeIn[]
}

/** `except`: leads that are not listened to. */
export async function hear(
  db: Knex,
  dealerId: string,
  ids: readonly string[],
  except: readonly string[] = [],
): Promise<Map<string, Heard>> {
  const trees = await store.findTrees(db, dealerId, ids)
  const rootOf = new Map(trees.map(({ root, id }) => [id, root]))
  const heard = new Map<string, Heard>()
  for (const { root, id } of trees) {
    const of = heard.get(root) ?? { ids: [], sources: [], vehicles: [] }
    of.ids.push(id)
    heard.set(root, of)
  }
  const members = [...rootOf.keys()]
  const add = (member: string, source: Source, vehicles: readonly TradeIn[] = []) => {
    const of = heard.get(rootOf.get(member) ?? '')
    of?.sources.push(source)
    of?.vehicles.push(...vehicles)
  }
  for (const row of await store.findSources(db, dealerId, members)) add(row.customer_id, store.sourceOf(row))
  for (const lead of await store.findHeardLeads(db, dealerId, trees, except))
    add(
      lead.customer_id,
      { kind: 'lead', leadId: lead.id, receivedAt: lead.received_at.toISOString(), data: lead.customer },
      lead.trade_ins,
    )
  return heard
}

/** What is shown of customers, by the id of the living one; undefined of one that is gone. */
export async function recordsOf(
  db: Knex,
  dealerId: string,
  test: boolean,
  heard: ReadonlyMap<string, Heard>,
): Promise<Map<string, CustomerRecord | undefined>> {
  const systems = await store.findSystems(db, dealerId, test)
  return new Map([...heard].map(([id, { sources }]) => [id, recordOf(sources, systems)]))
}

/** What happened to a customer, beside what that changes of it: it is told even if nothing that is shown changed. */
export type Deed = Extract<EventType, 'customer.merged' | 'customer.unmerged'>

/**
 * Finds out what is shown of customers after something was said of them, taken back, linked or merged, and records what
 * that has changed: a version more and one event for each that reads otherwise now, and nothing for all others. The
 * caller holds the dealer's clock. All of them are test customers, or none.
 *
 * @param touched the customers of whom something was written, merged ones too, and what was done to them.
 */
export async function refresh(
  trx: Knex.Transaction,
  dealerId: string,
  actor: Actor,
  touched: ReadonlyMap<string, Deed | undefined>,
  now: Date,
): Promise<void> {
  const heard = await hear(trx, dealerId, [...touched.keys()])
  const before = await store.findCustomers(trx, dealerId, [...new Set([...touched.keys(), ...heard.keys()])])
  const records = await recordsOf(
    trx,
    dealerId,
    before.some(({ test }) => test),
    heard,
  )
  const changes = before.flatMap((row) => changeOf(row, records, touched.get(row.id)) ?? [])

  const recorded = await recordEvents(
    trx,
    dealerId,
    actor,
    changes.map(({ event }) => event),
    now,
  )
  const after = changes.map(({ after: row }, at): CustomerRow => {
    const { seq, id } = recorded[at] ?? { seq: row.rev_seq, id: row.rev_event }
    return { ...row, version: row.version + 1, rev_seq: seq, rev_event: id, updated_at: now }
  })
  await store.saveCustomers(trx, dealerId, after)
  await store.saveKeys(
    trx,
    dealerId,
    before.map(({ id, test }) => {
      const shown = records.get(id)?.shown
      return { id, test, keys: shown ? keysOf(shown, heard.get(id)?.vehicles ?? []) : [] }
    }),
  )
  const rows = new Map([...before, ...after].map((row) => [row.id, row]))
  await store.saveTexts(
    trx,
    dealerId,
    [...heard].flatMap(([id, { ids, vehicles }]) => {
      const row = rows.get(id)
      return row ? textsOf(row, records.get(id)?.shown, ids, vehicles) : []
    }),
  )
}

/** By what a customer is found, under each of its ids. */
export function textsOf(
  { id: customerId, test, rev_event: revEvent }: Pick<CustomerRow, 'id' | 'test' | 'rev_event'>,
  shown: Shown | undefined,
  ids: readonly string[],
  vehicles: readonly TradeIn[],
): store.CustomerText[] {
  const terms = shown && termsOfCustomer(shown, vehicles)
  return ids.map((id) => ({ id, customerId, test, revEvent, terms }))
}

/** Undefined when a customer reads as before. */
function changeOf(
  row: CustomerRow,
  records: ReadonlyMap<string, CustomerRecord | undefined>,
  deed: Deed | undefined,
): { after: CustomerRow; event: NewEvent } | undefined {
  // One that has a pointer is in the records of the one to which it points.
  const shown = row.merged_into === null ? (records.get(row.id)?.shown ?? null) : null
  const state = row.merged_into === null ? (shown ? 'active' : 'gone') : 'merged'
  const isNew = row.version === 0
  const changed = differences(row.shown ?? undefined, shown ?? undefined)
  if (changed.length === 0 && state === row.state && !isNew && !deed) return undefined
  const type = deed ?? (isNew ? 'customer.created' : 'customer.updated')
  return {
    after: { ...row, state, shown },
    event: { type, subject: { type: 'customer', id: row.id }, test: row.test, changed: isNew ? [] : changed },
  }
}
