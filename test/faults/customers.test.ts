import type { Knex } from 'knex'
import { afterAll, expect, it } from 'vitest'
import { refresh } from '../../src/customers/refresh.ts'
import { openDatabase } from '../../src/db/pool.ts'
import { system } from '../../src/events/event.ts'
import { inner } from '../../src/ids.ts'
import { lockDealer } from '../../src/tokens/store.ts'
import { amount } from '../long.ts'
import { until } from '../patience.ts'
import { randomFrom, seed } from '../seed.ts'
import { freshDatabase, lead, type Reply, send } from '../service.ts'
import { endServers, freePort, onDatabase, openDealer, pause, type Server, startServer } from './processes.ts'

const kills = amount(3, 40)
const killedWithinMs = 400
const lanesOfDealer = 3
const customersOfLane = 4
/** So many writes are answered after the last kill, too. */
const stepsMin = 20

afterAll(endServers)

type Counts = Record<string, number>

/** What an integrator knows who writes to customers of its own, one thing after the other. */
interface Lane {
  run(isOver: () => boolean): Promise<void>
  /** By reference: whose it is, and what was said last; undefined where it was taken back. */
  readonly said: Map<string, { id: string; family: string | undefined }>
  readonly into: Map<string, string>
  /** Of each customer, how often each event must have been told that the key is the actor of. */
  readonly told: Map<string, Counts>
  /** Of every answer: the last event about the customer that it names. */
  readonly revs: { id: string; rev: string }[]
  readonly leads: Set<string>
  unknown: number
}

function openLane(name: string, url: () => string, dms: string, website: string, random: () => number): Lane {
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item
  const references = Array.from({ length: customersOfLane }, (_, at) => `${name}-${at}`)
  const said: Lane['said'] = new Map()
  const into: Lane['into'] = new Map()
  const told: Lane['told'] = new Map()
  const revs: Lane['revs'] = []
  const leads: Lane['leads'] = new Set()
  let step = 0
  let unknown = 0

  const living = (id: string): string => {
    const next = into.get(id)
    return next === undefined ? id : living(next)
  }
  const tell = (id: string, type: string) => {
    const counts = told.get(id) ?? {}
    counts[type] = (counts[type] ?? 0) + 1
    told.set(id, counts)
  }
  /** Sends it again, the same, until it is answered. */
  const answered = async (method: string, path: string, options: Parameters<typeof send>[2]) => {
    for (let isAgain = false; ; isAgain = true) {
      const reply: Reply | undefined = await send(url() + path, method, options).catch(() => undefined)
      if (reply && reply.status < 500) {
        if (reply.body.rev) revs.push(reply.body)
        return { reply, isAgain }
      }
      unknown++
      await pause(20 + random() * 50)
    }
  }
  const write = async (method: string, path: string, body?: object, headers?: Record<string, string>) =>
    answered(method, path, { token: dms, ...(body && { body }), ...(headers && { headers }) })
  const byReference = (reference: string) => `/v1/customers/by-reference/dms/${reference}`
  const newWords = (reference: string) => {
    const family = `Holm ${name} ${step}`
    const emails = [{ address: `${reference}@customer.example` }]
    return { family, body: { name: { given: 'Anna', family }, emails } }
  }
  const isSaid = (reference: string, id: string, family: string) => {
    tell(living(id), said.has(reference) ? 'customer.updated' : 'customer.created')
    said.set(reference, { id, family })
  }
  const idOf = (reference: string) => said.get(reference)?.id ?? ''

  const upsert = async (reference: string) => {
    const { family, body } = newWords(reference)
    const { reply, isAgain } = await write('PUT', `${byReference(reference)}?sourceVersion=${step}`, body)
    const isNew = !said.has(reference)
    expect([200, ...(isNew ? [201] : [])]).toContain(reply.status)
    if (!isAgain) expect(reply.status).toBe(isNew ? 201 : 200)
    const { id } = reply.body
    if (!isNew) expect(id).toBe(living(idOf(reference)))
    isSaid(reference, isNew ? id : idOf(reference), family)
  }
  const edit = async (reference: string) => {
    const id = idOf(reference)
    const body = { address: { city: `By ${name} ${step}` } }
    const { reply } = await write('PATCH', `/v1/customers/${id}`, body, { 'if-match': '*' })
    expect(reply.status).toBe(200)
    tell(living(id), 'customer.updated')
  }

  const steps = {
    upsert: () => upsert(pick(references)),
    edit: () => edit(pick(references)),
    upsertSome: async () => {
      // What is said of one customer twice in a batch makes one event or two.
      const some = [...new Map(references.map((each) => [living(idOf(each)), each])).values()]
      const words = new Map(some.map((reference) => [reference, newWords(reference)]))
      const customers = some.map((id) => ({
        source: 'dms',
        id,
        sourceVersion: step,
        customer: words.get(id)?.body,
      }))
      const left = new Set(some)
      while (left.size > 0) {
        const { reply } = await write('POST', '/v1/customers/batch', {
          customers: customers.filter(({ id }) => left.has(id)),
        })
        expect(reply.status).toBe(207)
        for (const [at, reference] of [...left].entries()) {
          const { status, written } = reply.body.results[at]
          // The database was busy, or away, when it came to this one.
          if (status === 503) continue
          expect(status).toBe(200)
          revs.push(written)
          isSaid(reference, idOf(reference), words.get(reference)?.family ?? '')
          left.delete(reference)
        }
      }
    },
    merge: async () => {
      const [id, other] = [idOf(pick(references)), idOf(pick(references))]
      if (into.has(id) || living(other) === id) return
      const { reply } = await write('PUT', `/v1/customers/${id}/merge`, { into: other })
      expect(reply.status).toBe(200)
      tell(living(other), 'customer.merged')
      tell(id, 'customer.merged')
      into.set(id, other)
    },
    unmerge: async () => {
      if (into.size === 0) return
      const id = pick([...into.keys()])
      const { reply } = await write('DELETE', `/v1/customers/${id}/merge`)
      expect(reply.status).toBe(200)
      tell(living(id), 'customer.unmerged')
      tell(id, 'customer.unmerged')
      into.delete(id)
    },
    withdraw: async () => {
      const reference = pick(references)
      const known = said.get(reference)
      if (!known || known.family === undefined) return
      const { reply, isAgain } = await write('DELETE', `${byReference(reference)}?sourceVersion=${step}`)
      expect([200, ...(isAgain ? [404] : [])]).toContain(reply.status)
      tell(living(known.id), 'customer.updated')
      known.family = undefined
    },
    push: async () => {
      const message = `${name} ${step}`
      const { reply } = await answered('POST', '/v1/leads', {
        token: website,
        headers: { 'idempotency-key': `"${message}"` },
        body: lead({ message, customer: { emails: [{ address: `${pick(references)}@customer.example` }] } }),
      })
      expect([200, 201]).toContain(reply.status)
      leads.add(inner(reply.body.id))
    },
  }

  return {
    said,
    into,
    told,
    revs,
    leads,
    get unknown() {
      return unknown
    },
    run: async (isOver) => {
      for (const reference of references) {
        step++
        await upsert(reference)
        // So that nobody is gone when the system takes back what it says.
        await edit(reference)
      }
      let stepsAfter = 0
      while (stepsAfter < stepsMin) {
        step++
        await pick(Object.values(steps))()
        if (isOver()) stepsAfter++
      }
    },
  }
}

/** What of a dealer's customers does not go together, in one snapshot. */
async function faultsOf(db: Knex, dealerId: string): Promise<object> {
  return db.transaction(
    async (trx) => {
      const faults = async (sql: string) => (await trx.raw<{ rows: object[] }>(sql, { dealerId })).rows
      return {
        numbers: await faults(`
          select k.seq, count(e)::int, min(e.seq), max(e.seq)
          from dealer_clocks k left join events e using (dealer_id)
          where k.dealer_id = :dealerId
          group by k.seq
          having k.seq > 0 and (count(e), min(e.seq), max(e.seq)) <> (k.seq, 1, k.seq)`),
        versions: await faults(`
          select c.id, c.version, c.rev_seq, told.times, told.seq
          from customers c
          left join (
            select subject_id, count(*)::int as times, max(seq) as seq from events where dealer_id = :dealerId group by 1
          ) told on told.subject_id = c.id
          left join events e on e.dealer_id = :dealerId and e.seq = told.seq
          where c.dealer_id = :dealerId
            and (c.version, c.rev_seq, c.rev_event) is distinct from (told.times, told.seq, e.id)`),
        references: await faults(`
          with recursive tree as (
            select id as root, id from customers where dealer_id = :dealerId and merged_into is null
            union all
            select t.root, c.id from tree t join customers c on c.dealer_id = :dealerId and c.merged_into = t.id
          ), said as (
            select t.root, array_agg(s.external_id order by s.external_id) as ids
            from tree t
            join customer_sources s on s.dealer_id = :dealerId and s.customer_id = t.id
            where s.kind = 'system' and s.data is not null
            group by t.root
          )
          select c.id, c.state, said.ids, c.shown -> 'externalReferences' as shown
          from customers c
          left join said on said.root = c.id
          where c.dealer_id = :dealerId and coalesce(said.ids, '{}') is distinct from array(
            select r ->> 'id' from jsonb_array_elements(coalesce(c.shown -> 'externalReferences', '[]')) r order by 1
          )`),
        links: await faults(`
          select l.lead_id, e.type
          from lead_links l
          left join events e on e.dealer_id = l.dealer_id and e.seq = l.rev_seq and e.id = l.rev_event
          where l.dealer_id = :dealerId and (e.type, e.subject_id) is distinct from ('lead.linked', l.lead_id)`),
      }
    },
    { isolationLevel: 'repeatable read', readOnly: true },
  )
}
const noFaults = { numbers: [], versions: [], references: [], links: [] }

/** The rows that would be others if everything that is shown were computed anew, and those in their stead. */
async function stale(db: Knex, dealerId: string): Promise<{ kept: object[]; anew: object[] }> {
  const rows = async (trx: Knex) => [
    ...(await trx('customers').where({ dealer_id: dealerId }).orderBy('id')),
    ...(await trx('customer_keys').where({ dealer_id: dealerId }).orderBy(['customer_id', 'kind', 'value'])),
  ]
  const trx = await db.transaction()
  await lockDealer(trx, dealerId)
  const before = await rows(trx)
  const ids = await trx('customers').where({ dealer_id: dealerId }).pluck('id')
  await refresh(trx, dealerId, system, new Map(ids.map((id) => [id, undefined])), new Date())
  const after = await rows(trx)
  await trx.rollback()
  const beyond = (some: object[], others: object[]) => {
    const known = new Set(others.map((row) => JSON.stringify(row)))
    return some.filter((row) => !known.has(JSON.stringify(row)))
  }
  return { kept: beyond(before, after), anew: beyond(after, before) }
}
const nothingStale = { kept: [], anew: [] }

const byText = (one: string, other: string) => one.localeCompare(other)

it('keeps all that was answered, once and whole, while its processes are killed as they write and merge', async () => {
  const random = randomFrom(seed)
  const connection = await freshDatabase()
  const database = openDatabase(connection, () => undefined)
  const { db } = database
  const env = onDatabase(connection, `http://127.0.0.1:${await freePort()}`)
  const servers: Server[] = [await startServer(env), await startServer(env)]
  const alive = () => servers[Math.floor(random() * servers.length)]?.url ?? ''
  const url = alive()
  const dealers = await Promise.all(
    ['first', 'second'].map(async (name) => {
      const { dealerId, admin, token } = await openDealer(db, url, name)
      const key = { name: 'DMS', kind: 'extensive_integrations', sources: ['dms'] }
      const { apiKey, secret } = (await send(`${url}/v1/api-keys`, 'POST', { token: admin, body: key })).body
      const dms = (await send(`${url}/v1/auth/token`, 'POST', { headers: { 'x-api-key': secret } })).body.access_token
      const lanes = Array.from({ length: lanesOfDealer }, (_, at) =>
        openLane(`${name}-${at}`, alive, dms, token, randomFrom(Math.floor(random() * 2 ** 31))),
      )
      return { dealerId, keyId: inner(apiKey.id), lanes }
    }),
  )
  const lanes = dealers.flatMap((dealer) => dealer.lanes)

  let isOver = false
  const writing = Promise.all(lanes.map((lane) => lane.run(() => isOver)))
  const watching = (async () => {
    for (; !isOver; await pause(50))
      for (const { dealerId } of dealers) expect(await faultsOf(db, dealerId)).toEqual(noFaults)
  })()
  const killing = (async () => {
    for (let kill = 0; kill < kills; kill++) {
      await pause(random() * killedWithinMs)
      const at = kill % servers.length
      await servers[at]?.end('SIGKILL')
      servers[at] = await startServer(env)
    }
    isOver = true
  })()
  await Promise.all([writing, watching, killing])
  await until(async () => {
    const { rows } = await db.raw(
      'select from dealer_clocks k left join linker_cursors c using (dealer_id) where k.seq > coalesce(c.seq, 0)',
    )
    return rows.length === 0
  })
  const answers = lanes.reduce((sum, { revs, leads }) => sum + revs.length + leads.size, 0)
  const unknown = lanes.reduce((sum, lane) => sum + lane.unknown, 0)
  console.log(`${kills} kills, ${answers} writes answered, ${unknown} sent again`)

  for (const { dealerId, keyId, lanes } of dealers) {
    expect(await faultsOf(db, dealerId)).toEqual(noFaults)
    expect(await stale(db, dealerId)).toEqual(nothingStale)

    const events = await db('events').where({ dealer_id: dealerId }).orderBy('seq')
    const bySeq = new Map(events.map((event) => [event.seq, event]))
    const pointers = new Map<string, string | null>(
      (await db('customers').where({ dealer_id: dealerId })).map(({ id, merged_into }) => [id, merged_into]),
    )
    for (const { said, into, told, revs } of lanes) {
      for (const [reference, { id, family }] of said) {
        const row = await db('customer_sources').where({ dealer_id: dealerId, external_id: reference }).first()
        expect([row.customer_id, row.data?.name.family]).toEqual([inner(id), family])
        const other = into.get(id)
        expect([id, pointers.get(inner(id))]).toEqual([id, other === undefined ? null : inner(other)])
      }
      for (const [id, counts] of told) {
        const own = events.filter(({ subject_id, actor_id }) => subject_id === inner(id) && actor_id === keyId)
        const seen = Object.fromEntries(
          [...Map.groupBy(own, ({ type }) => type)].map(([type, all]) => [type, all.length]),
        )
        expect([id, seen]).toEqual([id, counts])
      }
      for (const { id, rev } of revs) {
        const [seq = '', tag = ''] = rev.split('.')
        const event = bySeq.get(seq)
        expect([rev, event?.subject_id, event?.id.slice(-tag.length)]).toEqual([rev, inner(id), tag])
      }
    }
    const leads = lanes.flatMap(({ leads: own }) => [...own]).toSorted(byText)
    const linked: string[] = await db('lead_links').where({ dealer_id: dealerId }).pluck('lead_id')
    const linkedTold = events.filter(({ type }) => type === 'lead.linked').map(({ subject_id }) => subject_id)
    expect((await db('leads').where({ dealer_id: dealerId }).pluck('id')).toSorted(byText)).toEqual(leads)
    expect(linked.toSorted(byText)).toEqual(leads)
    expect(linkedTold.toSorted(byText)).toEqual(leads)
  }
  await database.close()
})
