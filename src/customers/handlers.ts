import { setTimeout as pauseFor } from 'node:timers/promises'
import type { Knex } from 'knex'
import type { Handlers } from '../../generated/server/express.gen.ts'
import * as limits from '../../generated/server/limits.gen.ts'
import type {
  CustomerBatchItem,
  CustomerBatchMisfit,
  CustomerOrigin,
  CustomerReference,
  CustomerResult,
  CustomerSource,
  CustomerWritten,
  Suggestion,
  Warning,
} from '../../generated/server/types.gen.ts'
import { findDealer } from '../dealers/store.ts'
import { isMatchedBy } from '../entity-tag.ts'
import { revOf } from '../events/cursor.ts'
import { actorBody } from '../events/event.ts'
import { inner, newId, outer } from '../ids.ts'
import { type JsonFaults, pointerTo } from '../json.ts'
import { tellingReference, type TellingReference } from '../leads/external-reference.ts'
import { leadBody, type LeadContext, seesPeople } from '../leads/lead.ts'
import type { Intake } from '../leads/intake.ts'
import { findLeads } from '../leads/store.ts'
import { isLonger } from '../leads/text.ts'
import type { Meter } from '../limits/meter.ts'
import { momentOf } from '../moment.ts'
import type { Principal, Standing } from '../operation.ts'
import { fitting, pageOf } from '../page.ts'
import { badRequest, Problem, problemBody, type Violation } from '../problem.ts'
import { settledInSlices } from '../slices.ts'
import { type CustomerRow, customerBody, etagOf } from './customer.ts'
import { fields, type Opinion, type Origin, type Origins, type Source, timesOf } from './record.ts'
import { recordsOf, refresh } from './refresh.ts'
import { edited, isReachable, type Read, saidIn } from './said.ts'
import { othersOf } from './searching.ts'
import * as store from './store.ts'
import { markedFor } from './terms.ts'
import { knownPieces, type Piece, queryOf, type Typed, typedIn } from './typed.ts'

/** What writing costs is counted like the changes of leads. */
export interface Customers {
  meter: Meter
  intake: Pick<Intake, 'judge'>
  db: Knex
  customerViolations: (customer: unknown) => Violation[]
  /** What a failure is to whoever sent a batch; what is a fault of ours is logged. */
  itemProblem: (reason: unknown, requestId: string) => Problem
}

const foundMax = limits.CustomerSearchResult.items.maxItems
/** So many customers can be one: what is shown is computed of all of them, with the dealer's clock in one's hands. */
const treeMax = 100
/** So long the dealer's clock is to be held for a part of a batch, the commit included. */
const heldMsAimed = 12
// Of the first part of a batch; how many the next ones have is seen from how long it took. Fewer are hardly quicker:
// what a part costs by itself would be most of it.
const itemsMin = 10

export const listCustomers: Handlers['listCustomers'] = async ({ query, principal, standing }, { db }) => {
  const { test = false, updatedSince } = query
  const filter = {
    test: test || standing.environment === 'test',
    ...(updatedSince && { updatedSince: momentOf(updatedSince) }),
  }
  const body = await pageOf(
    query,
    (asked) => store.listCustomers(db, principal.dealerId, { ...filter, ...asked }),
    (rows) => rows.map(customerBody),
  )
  return { status: 200, body }
}

export const getCustomer: Handlers['getCustomer'] = async ({ path, principal, standing }, { db }) => {
  const customer = await living(db, principal.dealerId, inner(path.customerId), standing)
  return { status: 200, headers: { ETag: etagOf(customer) }, body: customerBody(customer) }
}

export const getCustomerSources: Handlers['getCustomerSources'] = async ({ path, principal, standing }, { db }) => {
  const { dealerId } = principal
  const { id, test } = await living(db, dealerId, inner(path.customerId), standing)
  const members = await store.findMembers(db, dealerId, id)
  const [rows, leads] = await Promise.all([
    store.findSources(db, dealerId, members),
    store.findHeardLeads(
      db,
      dealerId,
      members.map((member) => ({ root: id, id: member })),
    ),
  ])
  const said = leads.map((lead): Source => ({
    kind: 'lead',
    leadId: lead.id,
    receivedAt: lead.received_at.toISOString(),
    data: lead.customer,
  }))
  const heard = new Map([[id, { ids: members, sources: [...rows.map(store.sourceOf), ...said], vehicles: [] }]])
  const [records, merges] = await Promise.all([
    recordsOf(db, dealerId, test, heard),
    store.findMerges(db, dealerId, members),
  ])
  const origins = originsIn(records.get(id)?.origins)
  const byHand = origins.filter(({ type, since }) => type === 'people' && since !== undefined)
  const changes = await store.findChangesAt(
    db,
    dealerId,
    members,
    byHand.map(({ since = '' }) => since),
  )
  return {
    status: 200,
    body: {
      id: outer('cust', id),
      origins: origins.map((origin) => withDoer(origin, changes)),
      sources: fitting(rows.slice(0, limits.CustomerSources.sources.maxItems).map(sourceBody)),
      leads: fitting(
        leads
          .toSorted((one, other) => other.received_at.getTime() - one.received_at.getTime())
          .slice(0, limits.CustomerSources.leads.maxItems)
          .map((lead) => ({
            leadId: outer('lead', lead.id),
            customerId: outer('cust', lead.customer_id),
            receivedAt: lead.received_at.toISOString(),
            reasons: lead.reasons,
            customer: lead.customer,
          })),
      ),
      merged: merges.map(({ id: merged, merged_into, at, ...doer }) => ({
        customerId: outer('cust', merged),
        into: outer('cust', merged_into),
        at: at.toISOString(),
        by: actorBody(doer),
      })),
    },
  }
}

export const listCustomerLeads: Handlers['listCustomerLeads'] = async (
  { path, query, principal, standing },
  { db },
) => {
  const { dealerId } = principal
  const { id, test } = await living(db, dealerId, inner(path.customerId), standing)
  const customerIds = await store.findMembers(db, dealerId, id)
  const body = await pageOf(
    query,
    (asked) => findLeads(db, dealerId, { test, customerIds }, { order: 'newest', ...asked }),
    (rows) => rows.map((row) => leadBody(row, standing.scopes)),
  )
  return { status: 200, body }
}

/** Judged like a read, although what is looked for comes in a body. */
export const searchCustomers =
  ({ meter, intake, db }: Customers): Handlers['searchCustomers'] =>
  async ({ body, query, principal, http }) => {
    const { dealerId } = principal
    const { environment } = await intake.judge(principal)
    await meter.use(principal, http, { reads: 1 })
    const test = query.test === true || environment === 'test'
    const { text, ...named } = body
    const typed = text === undefined ? undefined : typedIn(text)
    const known = knownPieces(named, (await contextOf(db, dealerId)).country)
    const isSaid = known && (typed || text === undefined)
    const rows = isSaid ? await found(db, dealerId, test, typed, known) : []
    const items = fitting(rows.slice(0, foundMax).map(customerBody))
    return { status: 200, body: { items, more: rows.length > items.length } }
  }

async function found(
  db: Knex,
  dealerId: string,
  test: boolean,
  typed: Typed | undefined,
  known: readonly Piece[],
): Promise<CustomerRow[]> {
  const others = typed && (await othersOf(db, dealerId, test, typed))
  const query = queryOf(typed, known, markedFor(dealerId, test), others)
  return store.searchCustomers(db, dealerId, test, query, foundMax + 1)
}

export const createCustomer =
  ({ meter }: Customers): Handlers['createCustomer'] =>
  ({ body, principal, http }, { write }) =>
    meter.used(principal, http, { writes: 1 }, () =>
      write(principal, async (trx, now, standing) => {
        const { dealerId, subject } = principal
        const { said, extra, warnings } = saidIn(body, await contextOf(trx, dealerId), http.jsonFaults)
        if (!isReachable(said)) throw new Problem('customer-unreachable')

        const customer = { id: newId(), test: standing.environment === 'test' }
        await store.addCustomers(trx, dealerId, [customer], now)
        await saySomething(trx, dealerId, { customer_id: customer.id, test: customer.test }, said, extra, now)
        await refresh(trx, dealerId, subject, new Map([[customer.id, undefined]]), now)
        const { headers, body: answer } = await written(trx, dealerId, customer.id, standing, warnings)
        return { status: 201, headers: { ...headers, Location: `/v1/customers/${answer.id}` }, body: answer }
      }),
    )

export const upsertCustomerByReference =
  ({ meter }: Customers): Handlers['upsertCustomerByReference'] =>
  ({ path, query, body, principal, http }, { write }) =>
    meter.used(principal, http, { writes: 1 }, () =>
      write(principal, async (trx, now, standing) => {
        const { dealerId, subject } = principal
        const sayings = await sayingsOf(trx, principal, standing, [path], now)
        const read = saidIn(body, await contextOf(trx, dealerId), http.jsonFaults)
        const { id, isNew } = sayings.say(path, read, query.sourceVersion)
        await sayings.save()
        await refresh(trx, dealerId, subject, new Map([[id, undefined]]), now)
        const { headers, body: answer } = await written(trx, dealerId, id, standing, read.warnings)
        return isNew
          ? { status: 201, headers: { ...headers, Location: `/v1/customers/${answer.id}` }, body: answer }
          : { status: 200, headers, body: answer }
      }),
    )

/**
 * Each is written as if it had come alone, and answered at its place. Some at a time, so that nobody waits long for the
 * dealer's clock: they are read before it is held.
 */
export const upsertCustomers =
  ({ meter, intake, db, customerViolations, itemProblem }: Customers): Handlers['upsertCustomers'] =>
  async ({ body, principal, http }, { write }) => {
    if (!http.isJudged) await intake.judge(principal)
    await meter.use(principal, http, { writes: body.customers.length })
    const { dealerId, subject } = principal
    const context = await contextOf(db, dealerId)
    const items = await settledInSlices(body.customers, (sent, at) => {
      const item = batchItem(sent, customerViolations)
      const faults = faultsUnder(http.jsonFaults, `/customers/${at}/customer`)
      return { item, read: saidIn(item.customer, context, faults) }
    })

    const results: CustomerResult[] = []
    const refused = (reason: unknown): CustomerResult => {
      const problem = reason instanceof Problem ? reason : itemProblem(reason, http.requestId)
      return { status: problem.status, problem: problemBody(problem, http.requestId) }
    }
    let itemsAtMost = itemsMin
    while (results.length < items.length) {
      let heldFrom = 0
      const some = await write(principal, async (trx, now, standing) => {
        heldFrom = performance.now()
        const next = items.slice(results.length, results.length + itemsAtMost)
        const sent = next.flatMap((each) => (each.status === 'fulfilled' ? [each.value.item] : []))
        const sayings = await sayingsOf(trx, principal, standing, sent, now)
        const said = next.map((each): { id: string; isNew: boolean; warnings: Warning[] } | { reason: unknown } => {
          if (each.status === 'rejected') return each
          const { item, read } = each.value
          try {
            return { ...sayings.say(item, read, item.sourceVersion ?? undefined), warnings: read.warnings }
          } catch (reason) {
            if (!(reason instanceof Problem)) throw reason
            return { reason }
          }
        })
        await sayings.save()
        const touched = said.flatMap((each) => ('id' in each ? [[each.id, undefined] as const] : []))
        await refresh(trx, dealerId, subject, new Map(touched), now)
        const rows = await store.findAllLiving(
          trx,
          dealerId,
          touched.map(([id]) => id),
        )
        return said.map((each): CustomerResult =>
          'reason' in each
            ? refused(each.reason)
            : { status: each.isNew ? 201 : 200, written: writtenBody(rows.get(each.id), standing, each.warnings).body },
        )
      }).catch((reason: unknown) => {
        // What was written before stays written, and is answered so.
        if (results.length === 0) throw reason
        const result = refused(reason)
        return items.slice(results.length).map(() => result)
      })
      results.push(...some)
      if (results.length === items.length) break
      const heldMs = performance.now() - heldFrom
      // What was refused took no time.
      const written = some.filter((each) => 'written' in each).length
      const factor = Math.min(2, Math.max(0.5, heldMsAimed / heldMs))
      if (written > 0) itemsAtMost = Math.max(itemsMin, Math.round(written * factor))
      // It is somebody else's turn for as long.
      await pauseFor(heldMs)
    }
    return { status: 207, body: { results } }
  }

/** The item, if it is one. @throws {Problem} `bad-request` */
function batchItem(
  sent: CustomerBatchItem | CustomerBatchMisfit,
  customerViolations: Customers['customerViolations'],
): CustomerBatchItem {
  const violation = (pointer: string, message: string): Violation => ({ in: 'body', pointer, message })
  if (typeof sent !== 'object' || sent === null || Array.isArray(sent))
    throw badRequest([violation('', 'must be object')])
  const { source, id, sourceVersion, customer, ...unknown } = sent as Record<string, unknown>
  const { maximum } = limits.CustomerBatchItem.sourceVersion
  const isVersion = (version: unknown) =>
    Number.isInteger(version) && Number(version) >= 0 && Number(version) <= maximum
  const violations = [
    ...Object.entries({ source, id }).flatMap(([name, part]) => {
      const { maxLength } = limits.CustomerBatchItem[name as 'source' | 'id']
      const isText = typeof part === 'string' && part !== '' && !isLonger(part, maxLength)
      return isText ? [] : [violation(`/${name}`, `must be a string of 1 to ${maxLength} characters`)]
    }),
    ...(sourceVersion === undefined || sourceVersion === null || isVersion(sourceVersion)
      ? []
      : [violation('/sourceVersion', `must be an integer from 0 to ${maximum}`)]),
    ...Object.keys(unknown).map((name) => violation(pointerTo('', name), 'is not a member of an item')),
    ...customerViolations(customer).map((each) => ({ ...each, pointer: `/customer${each.pointer}` })),
  ]
  if (violations.length > 0) throw badRequest(violations)
  // The cast: that is what has just been checked.
  return sent as unknown as CustomerBatchItem
}

/** What of one part of a body is not in its values. */
function faultsUnder(faults: JsonFaults | undefined, pointer: string): JsonFaults | undefined {
  if (!faults) return undefined
  const repeated = faults.repeated
    .filter((each) => each.startsWith(`${pointer}/`))
    .map((each) => each.slice(pointer.length))
  return { ...faults, repeated }
}

/** What a system says under some references. */
interface Sayings {
  /** Puts it in the place of what was said before. @throws {Problem} */
  say(sent: CustomerReference, read: Read, sourceVersion: number | undefined): { id: string; isNew: boolean }
  /** Writes down what was said. */
  save(): Promise<void>
}

async function sayingsOf(
  trx: Knex.Transaction,
  principal: Principal,
  { environment }: Standing,
  sent: readonly CustomerReference[],
  now: Date,
): Promise<Sayings> {
  const { dealerId } = principal
  const test = environment === 'test'
  const allowed = await sourcesOf(trx, principal)
  const references = sent.flatMap((each) => tellingReference(each) ?? [])
  const nameOf = (source: string | null, id: string | null) => JSON.stringify([source, id])
  const known = new Map(
    (await store.findReferences(trx, dealerId, test, references)).map((row) => [
      nameOf(row.source, row.external_id),
      row,
    ]),
  )
  const added = new Map<string, store.SourceRow>()
  const changed = new Map<string, store.SourceRow>()

  return {
    say: (reference, { said, extra }, sourceVersion) => {
      const { source, id } = writable(reference, allowed, principal)
      const name = nameOf(source, id)
      const before = added.get(name) ?? changed.get(name) ?? known.get(name)
      requireNewer(before, sourceVersion)

      const row = before ?? newReference(test, source, id, now)
      const rows = known.has(name) ? changed : added
      rows.set(name, {
        ...row,
        data: { ...said, ...(extra && { extra }) },
        changed_at: timesOf(row.data ?? {}, row.changed_at, said, stampOf(now)),
        source_version: sourceVersion === undefined ? row.source_version : String(sourceVersion),
      })
      return { id: row.customer_id, isNew: before === undefined }
    },
    save: async () => {
      const fresh = [...added.values()]
      await store.addCustomers(
        trx,
        dealerId,
        fresh.map(({ customer_id: id }) => ({ id, test })),
        now,
      )
      for (const source of new Set(fresh.map((row) => row.source ?? '')))
        await store.addSystem(trx, dealerId, test, source)
      await store.addSources(trx, dealerId, fresh, now)
      await store.saveSources(trx, dealerId, [...changed.values()], now)
    },
  }
}

/** What was taken back stays known as taken back, so that a write that comes late does not bring it back. */
export const withdrawReference =
  ({ meter }: Customers): Handlers['withdrawReference'] =>
  ({ path, query, principal, http }, { write }) =>
    meter.used(principal, http, { writes: 1 }, () =>
      write(principal, async (trx, now, standing) => {
        const { dealerId, subject } = principal
        const reference = writable(path, await sourcesOf(trx, principal), principal, 'not-found')
        const row = await store.findReference(trx, dealerId, standing.environment === 'test', reference)
        if (!row?.data) throw new Problem('not-found')
        requireNewer(row, query.sourceVersion)

        const version = query.sourceVersion === undefined ? row.source_version : String(query.sourceVersion)
        await store.saveSource(trx, dealerId, { id: row.id, data: null, changed_at: {}, source_version: version }, now)
        await refresh(trx, dealerId, subject, new Map([[row.customer_id, undefined]]), now)
        return { status: 200, ...(await written(trx, dealerId, row.customer_id, standing, [])) }
      }),
    )

export const updateCustomer =
  ({ meter }: Customers): Handlers['updateCustomer'] =>
  ({ path, headers, body, principal, http }, { write }) =>
    meter.used(principal, http, { writes: 1 }, () =>
      write(principal, async (trx, now, standing) => {
        const { dealerId, subject } = principal
        const id = inner(path.customerId)
        const customer = await living(trx, dealerId, id, standing)
        requireMatch(headers['if-match'], customer)

        const { opinion, extra, warnings } = edited(customer.shown, body, await contextOf(trx, dealerId))
        await saySomething(trx, dealerId, { customer_id: id, test: customer.test }, opinion, extra, now)
        await refresh(trx, dealerId, subject, new Map([[id, undefined]]), now)
        return { status: 200, ...(await written(trx, dealerId, id, standing, warnings)) }
      }),
    )

export const withdrawEdit =
  ({ meter }: Customers): Handlers['withdrawEdit'] =>
  ({ path, query, principal, http }, { write }) =>
    meter.used(principal, http, { writes: 1 }, () =>
      write(principal, async (trx, now, standing) => {
        const { dealerId, subject } = principal
        const id = inner(path.customerId)
        await living(trx, dealerId, id, standing)
        const edits = await store.findEdits(trx, dealerId, id)
        const withdrawn = query.field === undefined ? fields : [query.field]
        const left = Object.fromEntries(
          Object.entries(edits?.data ?? {}).filter(([name]) => !(withdrawn as readonly string[]).includes(name)),
        ) as Opinion
        if (edits) {
          if (fields.some((field) => left[field] !== undefined)) {
            const changed_at = timesOf(edits.data ?? {}, edits.changed_at, left, stampOf(now))
            await store.saveSource(trx, dealerId, { ...edits, data: left, changed_at }, now)
          } else await store.deleteSource(trx, dealerId, edits.id)
          await refresh(trx, dealerId, subject, new Map([[id, undefined]]), now)
        }
        return { status: 200, ...(await written(trx, dealerId, id, standing, [])) }
      }),
    )

export const mergeCustomers =
  ({ meter }: Customers): Handlers['mergeCustomers'] =>
  ({ path, query, body, principal, http }, { write }) =>
    meter.used(principal, http, { writes: 1 }, () =>
      write(principal, async (trx, now, standing) => {
        const { dealerId, subject } = principal
        const [id, into] = [inner(path.customerId), inner(body.into)]
        const merged = await visible(trx, dealerId, id, standing)
        const target = await visible(trx, dealerId, into, standing)
        if (merged.merged_into === into) return { status: 200, ...(await written(trx, dealerId, id, standing, [])) }
        const root = await living(trx, dealerId, into, standing)
        requireMergeable(merged, target, root)
        if (merged.state === 'gone') throw new Problem('customer-gone')
        const members = await store.findTrees(trx, dealerId, [id, into])
        if (members.length > treeMax)
          throw new Problem('merge-impossible', `A customer can be put together of ${treeMax} at the most.`)

        if (query.dryRun === true) await store.beginDryRun(trx)
        await store.pointCustomer(trx, dealerId, id, into)
        const deeds = new Map([
          [id, 'customer.merged'],
          [root.id, 'customer.merged'],
        ] as const)
        await refresh(trx, dealerId, subject, deeds, now)
        await store.dropRejected(trx, dealerId, root.id)
        const answer = await written(trx, dealerId, id, standing, [])
        if (query.dryRun !== true) return { status: 200, ...answer }
        await store.undoDryRun(trx)
        return { status: 200, headers: { ETag: etagOf(root) }, body: asIf(root, answer.body) }
      }),
    )

/** What would be shown, of a customer that is as it was. */
function asIf(before: CustomerRow, { customer, ...body }: CustomerWritten): CustomerWritten {
  const { version } = before
  const unchanged = { version, rev: revOf(before) }
  const updatedAt = before.updated_at.toISOString()
  return { ...body, ...unchanged, ...(customer && { customer: { ...customer, ...unchanged, updatedAt } }) }
}

export const unmergeCustomer =
  ({ meter }: Customers): Handlers['unmergeCustomer'] =>
  ({ path, principal, http }, { write }) =>
    meter.used(principal, http, { writes: 1 }, () =>
      write(principal, async (trx, now, standing) => {
        const { dealerId, subject } = principal
        const id = inner(path.customerId)
        const customer = await visible(trx, dealerId, id, standing)
        if (customer.merged_into !== null) {
          const root = await store.findLiving(trx, dealerId, id)
          await store.pointCustomer(trx, dealerId, id, null)
          const deeds = new Map([
            [id, 'customer.unmerged'],
            [root?.id ?? id, 'customer.unmerged'],
          ] as const)
          await refresh(trx, dealerId, subject, deeds, now)
        } else if (customer.state === 'gone') throw new Problem('customer-gone')
        return { status: 200, ...(await written(trx, dealerId, id, standing, [])) }
      }),
    )

export const listSuggestions: Handlers['listSuggestions'] = async ({ query, principal, standing }, { db }) => {
  const { dealerId } = principal
  const { test = false, customerId } = query
  const ids = customerId && (await store.findMembers(db, dealerId, inner(customerId)))
  const filter = { test: test || standing.environment === 'test', ...(ids && { customerIds: ids }) }
  const body = await pageOf(
    query,
    (asked) => store.listSuggestions(db, dealerId, { ...filter, ...asked }),
    (rows) => suggestionBodies(db, dealerId, rows),
  )
  return { status: 200, body }
}

export const rejectSuggestion =
  ({ meter }: Customers): Handlers['rejectSuggestion'] =>
  ({ path, principal, http }, { write }) =>
    meter.used(principal, http, { writes: 1 }, () =>
      write(principal, async (trx, now, standing) => {
        const { dealerId } = principal
        const found = await store.findSuggestion(trx, dealerId, inner(path.suggestionId))
        if (!found || (standing.environment === 'test' && !found.test)) throw new Problem('not-found')
        const rejected = { ...found, rejected_at: found.rejected_at ?? now }
        if (found.rejected_at === null) {
          await store.saveRejection(trx, dealerId, found.id, now)
          const root = await store.findLiving(trx, dealerId, found.one_id)
          if (root) await store.dropRejected(trx, dealerId, root.id)
        }
        const [suggestion] = await suggestionBodies(trx, dealerId, [rejected])
        if (!suggestion) throw new Problem('not-found')
        return { status: 200, body: seesPeople(standing.scopes) ? suggestion : withoutPeople(suggestion) }
      }),
    )

const withoutPeople = ({ customers: _people, ...rest }: Suggestion): Suggestion => rest

/** Those whose two customers are still two. */
async function suggestionBodies(
  db: Knex,
  dealerId: string,
  rows: readonly store.SuggestionRow[],
): Promise<Suggestion[]> {
  const ids = rows.flatMap(({ one_id, other_id }) => [one_id, other_id])
  const customers = new Map((await store.findCustomers(db, dealerId, ids)).map((row) => [row.id, row]))
  return rows.flatMap(({ id, one_id, other_id, score, reasons, created_at, rejected_at }) => {
    const pair = [customers.get(one_id), customers.get(other_id)].flatMap((row) =>
      row?.shown ? [customerBody(row)] : [],
    )
    if (pair.length < 2 && rejected_at === null) return []
    return [
      {
        id: outer('sugg', id),
        customers: pair,
        score,
        reasons,
        ...(rejected_at && { rejectedAt: rejected_at.toISOString() }),
        createdAt: created_at.toISOString(),
      },
    ]
  })
}

/** A customer by an id that was given once, be it merged, and be it gone. @throws {Problem} `not-found` */
async function visible(db: Knex, dealerId: string, id: string, { environment }: Standing): Promise<CustomerRow> {
  const [row] = await store.findCustomers(db, dealerId, [id])
  if (!row || (environment === 'test' && !row.test)) throw new Problem('not-found')
  return row
}

/** The customer for whom an id stands, with what is shown of it. @throws {Problem} `not-found`, `customer-gone` */
async function living(
  db: Knex,
  dealerId: string,
  id: string,
  { environment }: Standing,
): Promise<CustomerRow & { shown: NonNullable<CustomerRow['shown']> }> {
  const row = await store.findLiving(db, dealerId, id)
  if (!row || (environment === 'test' && !row.test)) throw new Problem('not-found')
  const { shown } = row
  if (!shown) throw new Problem('customer-gone')
  return { ...row, shown }
}

/** @throws {Problem} `merge-impossible` */
function requireMergeable(merged: CustomerRow, target: CustomerRow, root: CustomerRow): void {
  const impossible = (detail: string) => new Problem('merge-impossible', detail)
  if (merged.id === target.id) throw impossible('A customer cannot be part of itself.')
  if (merged.test !== target.test) throw impossible('A test customer and a real one cannot be merged.')
  if (merged.merged_into !== null) throw impossible('This customer is part of another one already. Undo that first.')
  if (root.id === merged.id) throw impossible('The other customer is part of this one already.')
}

/** @throws {Problem} `if-match-missing`, `bad-request`, `customer-changed` */
function requireMatch(ifMatch: string | undefined, customer: CustomerRow): void {
  if (ifMatch === undefined)
    throw new Problem(
      'if-match-missing',
      'Send If-Match with the ETag of the customer that you saw, with its double quotes.',
    )
  if (!isMatchedBy(ifMatch, etagOf(customer), 'customer'))
    throw new Problem('customer-changed', undefined, { headers: { ETag: etagOf(customer) } })
}

/** As which systems somebody may write. */
const sourcesOf = async (trx: Knex.Transaction, { dealerId, subject }: Principal): Promise<string[]> =>
  subject.type === 'api_key' ? store.findSourcesOfKey(trx, dealerId, subject.id) : []

/** The reference as it is stored. @throws {Problem} `source-not-allowed`, or what `unusable` says */
function writable(
  sent: CustomerReference,
  sources: readonly string[],
  { subject }: Principal,
  unusable: 'reference-unusable' | 'not-found' = 'reference-unusable',
): TellingReference {
  const reference = tellingReference(sent)
  // Whether a key may write is told first: what it may not, it need not know better.
  if (!sources.includes(reference?.source ?? sent.source))
    throw new Problem(
      'source-not-allowed',
      subject.type === 'user' ? 'Only an API key writes as a system. People correct customers by hand.' : undefined,
    )
  if (!reference) throw new Problem(unusable)
  return reference
}

/** @throws {Problem} `source-version-older` */
function requireNewer(known: store.SourceRow | undefined, sent: number | undefined): void {
  if (known?.source_version && sent !== undefined && BigInt(sent) < BigInt(known.source_version))
    throw new Problem('source-version-older')
}

const newReference = (test: boolean, source: string, id: string, now: Date): store.SourceRow => ({
  id: newId(),
  customer_id: newId(),
  test,
  kind: 'system',
  source,
  external_id: id,
  source_version: null,
  data: null,
  changed_at: {},
  created_at: now,
  updated_at: now,
})

/** Adds to what people say of a customer, under this id. */
async function saySomething(
  trx: Knex.Transaction,
  dealerId: string,
  of: Pick<store.SourceRow, 'customer_id' | 'test'>,
  opinion: Opinion,
  extra: Record<string, unknown> | undefined,
  now: Date,
): Promise<void> {
  const known = await store.findEdits(trx, dealerId, of.customer_id)
  const row = known ?? { id: newId(), data: null, changed_at: {}, source_version: null }
  if (!known)
    await store.addSource(trx, dealerId, { ...of, id: row.id, kind: 'people', source: null, external_id: null }, now)
  const before = row.data ?? {}
  // What was kept of a field goes when something else is said of it.
  const kept = Object.entries(before.extra ?? {}).filter(([name]) => !Object.hasOwn(opinion, name.split('/')[1] ?? ''))
  const { extra: _before, ...opinions } = before
  const all = { ...Object.fromEntries(kept), ...extra }
  const data = { ...opinions, ...opinion, ...(Object.keys(all).length > 0 && { extra: all }) }
  const stamp = stampOf(now)
  const said = timesOf(before, row.changed_at, data, stamp)
  // What is said again is meant now.
  const changed_at = { ...said, ...Object.fromEntries(Object.keys(opinion).map((name) => [name, stamp])) }
  await store.saveSource(trx, dealerId, { ...row, data, changed_at }, now)
}

/** The time, by which words are put in order; ids of this process tell apart what was said within a millisecond. */
const stampOf = (now: Date): string => `${now.toISOString()} ${newId()}`

const sinceIn = (stamp: string): { since?: string } => {
  const [since = ''] = stamp.split(' ')
  return since === '' ? {} : { since }
}

async function contextOf(db: Knex, dealerId: string): Promise<LeadContext> {
  const dealer = await findDealer(db, dealerId)
  if (!dealer) throw new Problem('token-invalid')
  return { country: dealer.country, timeZone: dealer.time_zone }
}

/** What came of a change: the customer for whom the id stands, to whoever may see people. */
async function written(
  trx: Knex.Transaction,
  dealerId: string,
  id: string,
  standing: Standing,
  warnings: Warning[],
): Promise<{ headers: { ETag: string }; body: CustomerWritten }> {
  return writtenBody(await store.findLiving(trx, dealerId, id), standing, warnings)
}

function writtenBody(
  row: CustomerRow | undefined,
  { scopes }: Standing,
  warnings: Warning[],
): { headers: { ETag: string }; body: CustomerWritten } {
  if (!row) throw new Error('The customer that was written is not there')
  return {
    headers: { ETag: etagOf(row) },
    body: {
      id: outer('cust', row.id),
      version: row.version,
      rev: revOf(row),
      warnings,
      ...(row.shown && seesPeople(scopes) && { customer: customerBody(row) }),
    },
  }
}

function originsIn(origins: Origins = { emails: [], phones: [] }): CustomerOrigin[] {
  return fields.flatMap((field) => [origins[field] ?? []].flat().map((origin) => ({ field, ...originBody(origin) })))
}

function originBody({ since: said, ...origin }: Origin): Omit<CustomerOrigin, 'field'> {
  const since = sinceIn(said)
  if (origin.type === 'people') return { ...origin, ...since }
  if (origin.type === 'lead') return { type: 'lead', leadId: outer('lead', origin.id), ...since }
  return { type: 'system', reference: { source: origin.source, id: origin.id }, ...since }
}

/** Who said by hand what is shown. Of what people said that changed nothing that is shown, nobody made a note. */
function withDoer(origin: CustomerOrigin, changes: Awaited<ReturnType<typeof store.findChangesAt>>): CustomerOrigin {
  const change = changes.findLast(
    ({ at, changed }) => at.toISOString() === origin.since && (changed.length === 0 || changed.includes(origin.field)),
  )
  return origin.type === 'people' && change ? { ...origin, by: actorBody(change) } : origin
}

function sourceBody({
  kind,
  customer_id,
  source,
  external_id,
  source_version,
  data,
  updated_at,
}: store.SourceRow): CustomerSource {
  const { extra, ...said } = data ?? {}
  const hidden = fields.filter((field) => said[field] === null)
  const told = Object.fromEntries(Object.entries(said).filter(([, value]) => value !== null))
  return {
    ...told,
    type: kind,
    customerId: outer('cust', customer_id),
    ...(source !== null && external_id !== null && { reference: { source, id: external_id } }),
    ...(source_version !== null && { sourceVersion: Number(source_version) }),
    hidden,
    ...(extra && { extra }),
    updatedAt: updated_at.toISOString(),
  }
}
