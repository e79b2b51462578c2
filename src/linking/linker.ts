import { setTimeout as pauseFor } from 'node:timers/promises'
import type { Knex } from 'knex'
import { LRUCache } from 'lru-cache'
import { openJob, type Report } from '../background.ts'
import type { CustomerRow } from '../customers/customer.ts'
import { keysOf } from '../customers/keys.ts'
import { differences, recordOf, type Source } from '../customers/record.ts'
import { type Heard, hear, refresh, textsOf } from '../customers/refresh.ts'
import * as customers from '../customers/store.ts'
import { termsOfLead } from '../customers/terms.ts'
import { causeOf } from '../db/away.ts'
import { inTurn } from '../db/turn.ts'
import { system } from '../events/event.ts'
import { type NewEvent, recordEvents } from '../events/store.ts'
import { newId } from '../ids.ts'
import { lockDealer } from '../tokens/store.ts'
import { type Asked, decisionsOn, type Link, nameIn, newCustomer } from './batch.ts'
import { type Lag, lagOf, noLag } from './lag.ts'
import {
  compared,
  emailKey,
  holdersMax,
  matchKeysOf,
  nameOf,
  type NewSuggestion,
  type Person,
  personOf,
  type Reason,
  sharedMax,
  suggestedFrom,
  type TestKey,
} from './matching.ts'
import { openPace } from './pace.ts'
import * as store from './store.ts'

/*
 * Finds out whose the leads are, after they were acknowledged: a cursor over the events of each dealer, which moves in
 * the transaction of the links that it leads to. So nothing is linked twice, and nothing is left out, wherever the
 * process is killed. Whatever can be read and decided is, before the dealer's clock is taken; with it in hand, what it
 * was decided on is compared, and written. If something has changed meanwhile, nothing is, and the batch is made anew.
 */
export interface Linker {
  /** How far it is behind, over all dealers, as it was seen last. */
  lag(): Lag
  /** Links what there is to link, unless another process is at it. */
  link(): Promise<void>
  stop(): Promise<void>
}

const name = 'linking leads'
const lookMs = 2_000
const dealersMax = 1_000
/** What is passed over, such as the links themselves, is read with the rest. */
const eventsMax = 1_000
// Of one batch.
// Fewer are hardly quicker: what a batch costs by itself would be most of it.
const rowsMin = 25
const rowsFirst = 50
const rowsMax = 250
// Of a stop value that is settled: each row is a customer made, or a suggestion, with the clock in hand.
const settledMin = 1
const settledFirst = 10
// Each is found out anew with the clock in hand.
const termedMin = 1
const termedFirst = 10
const leastOf = { linked: rowsMin, settled: settledMin, termed: termedMin }
/** Under the clock of the dealer, the commit included; what is aimed at is less. */
const heldMsAimed = 12
/** Whoever pushes leads to this dealer waits meanwhile: they have nineteen parts of twenty while they come. */
const restsWhileLeadsCome = 19
const restsElse = 1
const late = { seconds: 60 }
/** So long after a failure it is told and tried again, however much there is to do for other dealers. */
const failingMsMax = 30_000
const restingPageMax = 500
const placesMax = 10_000
const beforeAll = '00000000-0000-0000-0000-000000000000'

/** One for each dealer over all processes, whatever it does. */
const turnOf = (dealerId: string) => `background writer of ${dealerId}`

/** `rest`: for so many milliseconds it is somebody else's turn. */
type Step = { state: 'done' | 'elsewhere' } | { state: 'goes on'; restMs: number }

/** `tell` is told when linking falls behind, and when it has caught up. */
export function openLinker(
  db: Knex,
  report: Report,
  tell: (isLate: boolean, lag: Lag) => void = () => undefined,
): Linker {
  const sizesOf = {
    linked: new LRUCache<string, number>({ max: placesMax }),
    settled: new LRUCache<string, number>({ max: placesMax }),
    termed: new LRUCache<string, number>({ max: placesMax }),
  }
  let lag = noLag
  const pace = openPace()
  let isLate = false
  let commitMs = 2

  const look = async (): Promise<string[]> => {
    const behind = await store.findBehind(db, dealersMax)
    lag = lagOf(behind)
    if (isLate !== lag.seconds >= late.seconds) {
      isLate = !isLate
      tell(isLate, lag)
    }
    return behind.map(({ dealer_id }) => dealer_id)
  }

  const step = async (dealerId: string): Promise<Step> => {
    const most = {
      linked: sizesOf.linked.get(dealerId) ?? rowsFirst,
      settled: sizesOf.settled.get(dealerId) ?? settledFirst,
      termed: sizesOf.termed.get(dealerId) ?? termedFirst,
    }
    const made = await inTurn(db, turnOf(dealerId), (trx) => linkSome(trx, dealerId, most, commitMs))
    if (!made) return { state: 'elsewhere' }
    if (made.state === 'changed') sizesOf[made.work].set(dealerId, Math.max(1, most[made.work] >> 1))
    if (made.state !== 'written') return made.state === 'done' ? made : { state: 'goes on', restMs: made.restMs }
    const over = performance.now()
    const heldMs = over - made.lockedAt
    commitMs = (commitMs * 3 + over - made.writtenAt) / 4
    const factor = Math.min(2, Math.max(0.5, heldMsAimed / heldMs))
    const least = leastOf[made.work]
    if (made.rows >= most[made.work] || factor < 1)
      sizesOf[made.work].set(dealerId, Math.min(rowsMax, Math.max(least, Math.round(most[made.work] * factor))))
    return { state: 'goes on', restMs: heldMs * made.rests }
  }

  /** Dealers have their turns one after the other. One whose turn fails keeps nobody else from theirs. */
  const round = async (signal: AbortSignal) => {
    const until = async (moment: number) => {
      const ms = moment - performance.now()
      if (ms > 0) await pauseFor(ms, undefined, { ref: false, signal }).catch(() => undefined)
    }
    const failures = new Map<string, Error>()
    let failedAt = Infinity
    const behind = async () => new Set((await look()).filter((dealerId) => !failures.has(dealerId)))
    for (let left = await behind(); left.size > 0; left = await behind()) {
      if (performance.now() - failedAt > failingMsMax) break
      const lookAgainAt = performance.now() + lookMs
      const restsUntil = new Map<string, number>()
      let hasWorked = false
      while (left.size > 0 && performance.now() < lookAgainAt) {
        for (const dealerId of left) {
          await until(performance.now() + pace.restMs())
          if (signal.aborted) return
          if ((restsUntil.get(dealerId) ?? 0) > performance.now()) continue
          const made = await pace
            .work(() => step(dealerId))
            .catch((error: unknown): Step => {
              failures.set(dealerId, error instanceof Error ? error : new Error(String(error)))
              failedAt = Math.min(failedAt, performance.now())
              return { state: 'done' }
            })
          if (made.state !== 'elsewhere') hasWorked = true
          if (made.state === 'goes on') restsUntil.set(dealerId, performance.now() + made.restMs)
          else left.delete(dealerId)
        }
        if (left.size === 0) break
        await until(Math.min(...[...left].map((dealerId) => restsUntil.get(dealerId) ?? 0), lookAgainAt))
      }
      if (!hasWorked) break
    }
    const [first, ...others] = failures.values()
    // That the database is away or busy reads as that.
    if (first && [first, ...others].every(causeOf)) throw first
    if (first) throw new AggregateError([first, ...others], `Failed for ${[...failures.keys()].join(', ')}`)
  }

  const job = openJob(name, lookMs, report, round)
  job.hurry()
  return { lag: () => lag, link: job.run, stop: job.stop }
}

type Work = keyof typeof leastOf

type Made =
  | { state: 'done' }
  | { state: 'changed'; work: Work; restMs: 0 }
  | { state: 'goes on'; restMs: number }
  | { state: 'written'; work: Work; rows: number; lockedAt: number; writtenAt: number; rests: number }

/** One batch; the caller has the turn of the dealer. What lacks its terms comes when there is nothing to link. */
async function linkSome(
  trx: Knex.Transaction,
  dealerId: string,
  most: { readonly [kind in Work]: number },
  commitMs: number,
): Promise<Made> {
  const place = await store.findPlace(trx, dealerId)
  const made = await linkNext(trx, dealerId, place, most, commitMs)
  return made.state === 'done' ? writeTerms(trx, dealerId, place, most.termed, commitMs) : made
}

async function linkNext(
  trx: Knex.Transaction,
  dealerId: string,
  place: store.Place,
  most: { readonly [kind in Work]: number },
  commitMs: number,
): Promise<Made> {
  const page = await store.findEvents(trx, dealerId, place.seq, eventsMax)
  const all = page.filter(isAsking)
  const events = all.slice(0, most.linked)
  const next = all[most.linked]
  // Up to what is next to be asked about, everything has been passed over.
  const seq = next ? String(BigInt(next.seq) - 1n) : (page.at(-1)?.seq ?? place.seq)
  const unsettled = await store.findUnsettled(trx, dealerId)
  // To pass over what is nothing to it, it needs no clock.
  if (place.rest_ms > 0 && (events.length > 0 || unsettled)) return { state: 'goes on', restMs: place.rest_ms }
  if (unsettled) return settle(trx, dealerId, place, unsettled, most.settled, commitMs)
  const batch = events.length > 0 ? await prepared(trx, dealerId, events) : undefined
  if (!batch || isEmpty(batch)) {
    // Nothing of the dealer changes, but how far it was read.
    if (seq !== place.seq) await store.passOver(trx, dealerId, seq)
    return page.length < eventsMax && !next ? { state: 'done' } : { state: 'goes on', restMs: 0 }
  }

  await lockDealer(trx, dealerId)
  const lockedAt = performance.now()
  const now = await store.findChanges(trx, dealerId, batch)
  if (!now.isAsPrepared) return { state: 'changed', work: 'linked', restMs: 0 }
  await write(trx, dealerId, batch, now.now, customers.addLinks)
  const leadsCame = BigInt(now.seq) > BigInt(place.seen)
  return rested(trx, dealerId, { work: 'linked', seq, leadsCame, rows: events.length, lockedAt, commitMs })
}

/** What reads otherwise by what was linked is only looked at for what was suggested of it. */
const isAsking = ({ type, actor_type }: store.LinkerEvent) =>
  type === 'lead.created' || type === 'customer.updated' || (type.startsWith('customer.') && actor_type !== 'system')

/**
 * Writes the terms of what happened before there were any, or was written by a process of a version that knows none.
 * The place moves on only where nothing lacks them.
 */
async function writeTerms(
  trx: Knex.Transaction,
  dealerId: string,
  place: store.Place,
  rowsAtMost: number,
  commitMs: number,
): Promise<Made> {
  const page = await store.findEvents(trx, dealerId, place.terms_seq, eventsMax)
  const last = page.at(-1)
  if (!last) return { state: 'done' }
  const idsOf = (isTold: (event: store.LinkerEvent) => boolean) => [
    ...new Set(page.filter(isTold).map(({ subject_id }) => subject_id)),
  ]
  const leads = await store.findTermless(
    trx,
    dealerId,
    idsOf(({ type }) => type === 'lead.linked'),
    rowsAtMost,
  )
  const told = idsOf(({ type }) => type.startsWith('customer.'))
  const stale = await store.findOutOfTerms(trx, dealerId, told, rowsAtMost)
  const ids = [...new Set([...leads.map(({ customer_id }) => customer_id), ...stale])].slice(0, rowsAtMost)
  if (ids.length === 0) {
    await store.passTerms(trx, dealerId, last.seq)
    return page.length < eventsMax ? { state: 'done' } : { state: 'goes on', restMs: 0 }
  }
  if (place.rest_ms > 0) return { state: 'goes on', restMs: place.rest_ms }

  await lockDealer(trx, dealerId)
  const lockedAt = performance.now()
  const { now, seq } = await store.findChanges(trx, dealerId, { customers: [], leadIds: [], stateOfSources: null })
  const rows = await customers.findCustomers(trx, dealerId, ids)
  for (const some of Map.groupBy(rows, ({ test }) => test).values())
    await refresh(trx, dealerId, system, new Map(some.map(({ id }) => [id, undefined])), now)
  await customers.saveLeadTexts(trx, dealerId, leads.map(leadText))
  await store.saveHaveTerms(
    trx,
    dealerId,
    leads.map(({ id }) => id),
  )
  const leadsCame = BigInt(seq) > BigInt(place.seen)
  return rested(trx, dealerId, { work: 'termed', seq: place.seq, leadsCame, rows: ids.length, lockedAt, commitMs })
}

const leadText = ({ id, test, external_id, wanted, trade_ins }: store.UnlinkedLead): customers.LeadText => ({
  leadId: id,
  test,
  terms: termsOfLead({ externalId: external_id, vehicles: [...wanted, ...trade_ins] }),
})

/** Says in the place of the dealer how long the clock is left alone, for whichever process comes next. */
async function rested(
  trx: Knex.Transaction,
  dealerId: string,
  written: { work: Work; seq: string; leadsCame: boolean; rows: number; lockedAt: number; commitMs: number },
): Promise<Made> {
  const { work, seq, leadsCame, rows, lockedAt, commitMs } = written
  const rests = leadsCame ? restsWhileLeadsCome : restsElse
  await store.savePlace(trx, dealerId, seq, (performance.now() - lockedAt + commitMs) * rests)
  return { state: 'written', work, rows, lockedAt, writtenAt: performance.now(), rests }
}

/** Everything that is to be written, but for the numbers of the events. */
interface Batch {
  /** Those who get a lead, as they are. */
  customers: CustomerRow[]
  stateOfSources: string | null
  leadIds: string[]
  links: readonly Link[]
  /** Of each customer that is new or reads otherwise now. */
  records: { row: CustomerRow; event: NewEvent }[]
  keys: Parameters<typeof customers.saveKeys>[2]
  texts: readonly Omit<customers.CustomerText, 'revEvent'>[]
  leadTexts: readonly customers.LeadText[]
  suggestions: readonly NewSuggestion[]
  changedSuggestions: readonly store.ChangedSuggestion[]
  learned: readonly store.Learned[]
}

const isEmpty = ({ links, suggestions, changedSuggestions, learned }: Batch) =>
  [links, suggestions, changedSuggestions, learned].every(({ length }) => length === 0)

async function prepared(trx: Knex.Transaction, dealerId: string, events: readonly store.LinkerEvent[]): Promise<Batch> {
  const idsOf = (isLead: boolean) =>
    events.filter(({ type }) => (type === 'lead.created') === isLead).map(({ subject_id }) => subject_id)
  const leads = new Map((await store.findUnlinked(trx, dealerId, idsOf(true))).map((lead) => [lead.id, lead]))
  const subjects = await livingOf(trx, dealerId, idsOf(false))
  const isOfOthers = ({ actor_type }: store.LinkerEvent) => actor_type !== 'system'
  const told = new Set(events.filter(isOfOthers).map(({ subject_id }) => subject_id))
  const subjectPersons = await personsOf(
    trx,
    dealerId,
    [...subjects].flatMap(([id, row]) => (told.has(id) ? [row] : [])),
  )
  const asked = askedOf(events.filter(isOfOthers), leads, subjects, subjectPersons)
  const keys = [
    ...new Map(
      asked.flatMap(({ test, person }) => matchKeysOf(person).map((key) => [nameIn(test, key), { test, ...key }])),
    ).values(),
  ]
  const found = await store.findHolders(trx, dealerId, keys, sharedMax + 1)
  const holders = new Map(
    keys.map((key, at) => [nameIn(key.test, key), { ids: found[at]?.ids ?? [], isStop: found[at]?.is_stop ?? false }]),
  )
  const ownAddresses = await store.findOwnAddresses(trx, dealerId)
  const own = ownAddresses.map(emailKey)
  const ownKeys = own.flatMap((key) => [false, true].map((test) => ({ test, ...key })))
  const ownHolders = await store.findHolders(trx, dealerId, ownKeys, 1)
  const candidateIds = keys.flatMap((key) => {
    const { ids, isStop } = holders.get(nameIn(key.test, key)) ?? { ids: [], isStop: true }
    return isStop || ids.length > holdersMax(key) ? [] : ids
  })
  const candidates = await findActive(trx, dealerId, candidateIds)
  const persons = new Map([...(await personsOf(trx, dealerId, candidates)), ...subjectPersons])
  const { links, created, suggestions, learned } = decisionsOn(asked, {
    persons,
    holders,
    own: new Set(own.map(nameOf)),
  })
  const linked = new Set(links.map(({ customerId }) => customerId))
  const rows = candidates.filter(({ id }) => linked.has(id))
  // Read before what is said of them: what is written between the two is seen to have changed.
  const stateOfSources = await store.findStateOfSources(
    trx,
    dealerId,
    rows.map(({ id }) => id),
  )
  return {
    customers: rows,
    stateOfSources,
    leadIds: links.map(({ leadId }) => leadId),
    links,
    ...(await recordsAfter(trx, dealerId, rows, links, created, leads)),
    leadTexts: links.flatMap(({ leadId }) => leads.get(leadId) ?? []).map(leadText),
    suggestions,
    changedSuggestions: await changedFor(
      trx,
      dealerId,
      [...subjects.values()].map(({ id }) => id),
    ),
    learned: [...learned, ...ownKeys.map((key, at) => ({ ...key, isSettled: ownHolders[at]?.ids.length === 0 }))],
  }
}

/** In the order of the events, each customer once. */
function askedOf(
  events: readonly store.LinkerEvent[],
  leads: ReadonlyMap<string, store.UnlinkedLead>,
  subjects: ReadonlyMap<string, CustomerRow>,
  persons: ReadonlyMap<string, Person>,
): Asked[] {
  const asked = new Map<string, Asked>()
  for (const { type, subject_id } of events) {
    const lead = leads.get(subject_id)
    const customer = subjects.get(subject_id)
    const person = customer && persons.get(customer.id)
    if (type === 'lead.created' && lead)
      asked.set(lead.id, {
        kind: 'lead',
        id: lead.id,
        test: lead.test,
        person: personOf(lead.customer, lead.trade_ins),
      })
    else if (customer && person)
      asked.set(customer.id, { kind: 'customer', id: customer.id, test: customer.test, person })
  }
  return [...asked.values()]
}

async function findActive(db: Knex, dealerId: string, ids: readonly string[]): Promise<CustomerRow[]> {
  if (ids.length === 0) return []
  const found = await customers.findCustomers(db, dealerId, [...new Set(ids)])
  return found.filter(({ state }) => state === 'active')
}

/** Those for whom ids stand, by these ids. */
async function livingOf(db: Knex, dealerId: string, ids: readonly string[]): Promise<Map<string, CustomerRow>> {
  if (ids.length === 0) return new Map()
  const trees = await customers.findTrees(db, dealerId, [...new Set(ids)])
  const rows = await findActive(
    db,
    dealerId,
    trees.map(({ root }) => root),
  )
  const byId = new Map(rows.map((row) => [row.id, row]))
  return new Map(
    trees.flatMap(({ root, id }) => {
      const row = byId.get(root)
      return row ? [[id, row] as const] : []
    }),
  )
}

async function personsOf(db: Knex, dealerId: string, rows: readonly CustomerRow[]): Promise<Map<string, Person>> {
  if (rows.length === 0) return new Map()
  const marks = Map.groupBy(
    await store.findMarks(
      db,
      dealerId,
      rows.map(({ id }) => id),
    ),
    ({ customer_id }) => customer_id,
  )
  return new Map(
    rows.flatMap(({ id, shown }) => {
      if (!shown) return []
      const theirs = (marks.get(id) ?? []).map(({ kind, value }) =>
        kind === 'vin' ? { vin: value } : { registration: { number: value } },
      )
      return [[id, personOf(shown, theirs)] as const]
    }),
  )
}

/** What is shown of the customers once the leads are theirs, whoever had them before. */
async function recordsAfter(
  db: Knex,
  dealerId: string,
  rows: readonly CustomerRow[],
  links: readonly Link[],
  created: ReadonlySet<string>,
  leads: ReadonlyMap<string, store.UnlinkedLead>,
): Promise<Pick<Batch, 'records' | 'keys' | 'texts'>> {
  const heard =
    rows.length === 0
      ? new Map<string, Heard>()
      : await hear(
          db,
          dealerId,
          rows.map(({ id }) => id),
          links.map(({ leadId }) => leadId),
        )
  const systems = new Map<boolean, string[]>()
  for (const test of new Set(rows.map((row) => row.test)))
    systems.set(test, await customers.findSystems(db, dealerId, test))
  const theirs = Map.groupBy(links, ({ customerId }) => customerId)
  // Its times are those of the write.
  const before = [
    ...rows,
    ...[...created].map((id) => newCustomer(id, theirs.get(id)?.[0]?.test ?? false, new Date(0))),
  ]

  const records: Batch['records'] = []
  const keys: Batch['keys'][number][] = []
  const texts: Batch['texts'][number][] = []
  for (const row of before) {
    const { id, test } = row
    const own = (theirs.get(id) ?? []).flatMap(({ leadId }) => leads.get(leadId) ?? [])
    const { ids, sources, vehicles } = heard.get(id) ?? { ids: [id], sources: [], vehicles: [] }
    const record = recordOf(heardNow(sources, own), systems.get(test) ?? [])
    const shown = record?.shown
    const isNew = created.has(id)
    const changed = isNew ? [] : differences(row.shown ?? undefined, shown)
    const allVehicles = [...vehicles, ...own.flatMap(({ trade_ins }) => trade_ins)]
    keys.push({ id, test, keys: shown ? keysOf(shown, allVehicles) : [] })
    texts.push(...textsOf(row, shown, ids, allVehicles))
    if (changed.length === 0 && !isNew) continue
    const type = isNew ? 'customer.created' : 'customer.updated'
    records.push({
      row: { ...row, state: shown ? 'active' : 'gone', shown: shown ?? null },
      event: { type, subject: { type: 'customer', id }, test, changed },
    })
  }
  return { records, keys, texts }
}

/** As many leads have a say as when they are read again. */
function heardNow(sources: readonly Source[], leads: readonly store.UnlinkedLead[]): Source[] {
  const said = leads.map(({ id, received_at, customer }): Source & { kind: 'lead' } => ({
    kind: 'lead',
    leadId: id,
    receivedAt: received_at.toISOString(),
    data: customer,
  }))
  const isLead = (source: Source): source is Source & { kind: 'lead' } => source.kind === 'lead'
  const latest = [...sources.filter(isLead), ...said]
    .toSorted((one, other) => (one.leadId < other.leadId ? 1 : -1))
    .slice(0, customers.leadsHeardMax)
  return [...sources.filter((source) => !isLead(source)), ...latest]
}

async function write(
  trx: Knex.Transaction,
  dealerId: string,
  batch: Batch,
  now: Date,
  saveLinks: typeof customers.addLinks,
): Promise<void> {
  const { links, records } = batch
  const linked = links.map(({ leadId, test }): NewEvent => ({
    type: 'lead.linked',
    subject: { type: 'lead', id: leadId },
    test,
    changed: ['customerId'],
  }))
  const places = await recordEvents(trx, dealerId, system, [...records.map(({ event }) => event), ...linked], now)
  const placed = records.map(({ row }, at): CustomerRow => {
    const { seq = '0', id = '' } = places[at] ?? {}
    const isNew = row.version === 0
    return {
      ...row,
      version: row.version + 1,
      rev_seq: seq,
      rev_event: id,
      updated_at: now,
      ...(isNew && { created_at: now }),
    }
  })
  await customers.insertCustomers(
    trx,
    dealerId,
    placed.filter(({ version }) => version === 1),
  )
  await customers.saveCustomers(
    trx,
    dealerId,
    placed.filter(({ version }) => version > 1),
  )
  await saveLinks(
    trx,
    dealerId,
    links.map(({ leadId, customerId, test, reasons }, at) => {
      const { seq: revSeq = '0', id: revEvent = '' } = places[records.length + at] ?? {}
      return { leadId, customerId, test, revSeq, revEvent, reasons, hasTerms: true }
    }),
  )
  await customers.saveKeys(trx, dealerId, batch.keys)
  await store.changeSuggestions(trx, dealerId, batch.changedSuggestions, suggestedFrom)
  const revs = new Map([...batch.customers, ...placed].map(({ id, rev_event }) => [id, rev_event]))
  await customers.saveTexts(
    trx,
    dealerId,
    batch.texts.map((text) => ({ ...text, revEvent: revs.get(text.customerId) ?? '' })),
  )
  await customers.saveLeadTexts(trx, dealerId, batch.leadTexts)
  await store.saveSuggestions(
    trx,
    dealerId,
    batch.suggestions.map((suggestion) => ({ ...suggestion, id: newId() })),
    now,
  )
  await store.addStopValues(trx, dealerId, batch.learned, now)
}

const reasonOfKind: { readonly [kind: string]: Reason } = {
  email: 'same-email',
  phone: 'same-phone',
  plate: 'same-plate',
  vin: 'same-vin',
}

/**
 * What was done by a value before it was known that many share it: whoever was linked by it and half a name gets a
 * customer of their own, and suggestions by it become weaker, or go. Who has the same whole name stays.
 */
async function settle(
  trx: Knex.Transaction,
  dealerId: string,
  place: store.Place,
  stop: TestKey,
  rowsAtMost: number,
  commitMs: number,
): Promise<Made> {
  const resting = await restingOn(trx, dealerId, stop, rowsAtMost)
  const weakened = resting.length > 0 ? [] : await weakenedBy(trx, dealerId, stop, rowsAtMost)
  const batch = await takenBack(trx, dealerId, resting)

  await lockDealer(trx, dealerId)
  const lockedAt = performance.now()
  const { now, seq, isAsPrepared } = await store.findChanges(trx, dealerId, { ...batch, leadIds: [] })
  if (!isAsPrepared) return { state: 'changed', work: 'settled', restMs: 0 }
  if (resting.length > 0) await write(trx, dealerId, batch, now, store.relink)
  await store.changeSuggestions(trx, dealerId, weakened, suggestedFrom)
  const rows = resting.length + weakened.length
  if (resting.length === 0 && rows < rowsAtMost) await store.settleStopValue(trx, dealerId, stop)
  const leadsCame = BigInt(seq) > BigInt(place.seen)
  return rested(trx, dealerId, { work: 'settled', seq: place.seq, leadsCame, rows, lockedAt, commitMs })
}

async function restingOn(db: Knex, dealerId: string, stop: TestKey, atMost: number): Promise<store.RestingLink[]> {
  const reason = reasonOfKind[stop.kind]
  if (reason !== 'same-email' && reason !== 'same-phone') return []
  const resting: store.RestingLink[] = []
  for (let after = beforeAll; resting.length < atMost;) {
    const page = await store.findResting(db, dealerId, stop, reason, after, restingPageMax)
    resting.push(
      ...page.filter(({ customer, trade_ins }) =>
        matchKeysOf(personOf(customer, trade_ins)).some((key) => nameOf(key) === nameOf(stop)),
      ),
    )
    after = page.at(-1)?.id ?? ''
    if (page.length < restingPageMax) break
  }
  return resting.slice(0, atMost)
}

/** Leads with customers of their own, and those whose they were without them. */
async function takenBack(db: Knex, dealerId: string, resting: readonly store.RestingLink[]): Promise<Batch> {
  const links = resting.map(({ id, test }): Link => ({
    leadId: id,
    customerId: newId(),
    test,
    reasons: ['stop-value'],
  }))
  const before = await livingOf(
    db,
    dealerId,
    resting.map(({ customer_id }) => customer_id),
  )
  const rows = [...new Map([...before.values()].map((row) => [row.id, row])).values()]
  // Read before what is said of them: what is written between the two is seen to have changed.
  const stateOfSources = await store.findStateOfSources(
    db,
    dealerId,
    rows.map(({ id }) => id),
  )
  const created = new Set(links.map(({ customerId }) => customerId))
  const leads = new Map(resting.map((lead) => [lead.id, lead]))
  return {
    customers: rows,
    stateOfSources,
    leadIds: [...leads.keys()],
    links,
    ...(await recordsAfter(db, dealerId, rows, links, created, leads)),
    leadTexts: [...leads.values()].map(leadText),
    suggestions: [],
    changedSuggestions: [],
    learned: [],
  }
}

/** Those of the suggestions by a stop value that read otherwise without it, as many as are wanted. */
async function weakenedBy(
  db: Knex,
  dealerId: string,
  stop: TestKey,
  atMost: number,
): Promise<store.ChangedSuggestion[]> {
  const weakened: store.ChangedSuggestion[] = []
  for (let after = beforeAll; weakened.length < atMost;) {
    const page = await store.findSuggestionsBy(db, dealerId, stop, after, restingPageMax)
    weakened.push(...(await comparedAnew(db, dealerId, stop.test, page)))
    after = page.at(-1)?.id ?? ''
    if (page.length < restingPageMax) break
  }
  return weakened.slice(0, atMost)
}

/** What was suggested of customers by what they were, and reads otherwise by what they are. */
async function changedFor(
  db: Knex,
  dealerId: string,
  customerIds: readonly string[],
): Promise<store.ChangedSuggestion[]> {
  const changed: store.ChangedSuggestion[] = []
  const open = await store.findSuggestionsOf(db, dealerId, customerIds)
  for (const [test, theirs] of Map.groupBy(open, (each) => each.test))
    changed.push(...(await comparedAnew(db, dealerId, test, theirs)))
  return changed
}

/** Those of the suggestions that read otherwise now. */
async function comparedAnew(
  db: Knex,
  dealerId: string,
  test: boolean,
  suggestions: readonly store.OpenSuggestion[],
): Promise<store.ChangedSuggestion[]> {
  const ids = suggestions.flatMap(({ one_id, other_id }) => [one_id, other_id])
  const persons = await personsOf(db, dealerId, await findActive(db, dealerId, ids))
  const both = [...persons.values()].flatMap(matchKeysOf)
  const keys = [...new Map(both.map((key) => [nameOf(key), { test, ...key }])).values()]
  const holders = await store.findHolders(db, dealerId, keys, 1)
  const stops = new Set(keys.filter((_, at) => holders[at]?.is_stop).map(nameOf))
  return suggestions.flatMap((suggestion) => {
    const [one, other] = [persons.get(suggestion.one_id), persons.get(suggestion.other_id)]
    if (!one || !other) return []
    const { score, reasons } = compared(one, other, (key) => stops.has(nameOf(key)))
    const isSame = score === suggestion.score && reasons.join() === suggestion.reasons.join()
    return isSame && score >= suggestedFrom ? [] : [{ id: suggestion.id, score, reasons }]
  })
}
