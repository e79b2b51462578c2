import { performance } from 'node:perf_hooks'
import pg from 'pg'
import { keysOf } from '../../src/customers/keys.ts'
import type { Shown } from '../../src/customers/record.ts'
import { leadsQueryOf, othersOf } from '../../src/customers/searching.ts'
import * as customers from '../../src/customers/store.ts'
import { markedFor, soundsIn, termsOfCustomer, termsOfLead } from '../../src/customers/terms.ts'
import { queryOf, typedIn } from '../../src/customers/typed.ts'
import { firstIdAt, newId, outer } from '../../src/ids.ts'
import { findLeads } from '../../src/leads/store.ts'
import { population } from '../danish-people.ts'
import { atMost, median, percentile, report } from './harness.ts'
import { makeDealers, openPlace, type Place, type Service, startOurs, tokenOfNewKey } from './world.ts'

/**
 * What it takes to find customers and leads, at the database and through the service, with 10,000 and with a million
 * customers of one dealer, each in a PostgreSQL of its own, a tenth as many of another dealer beside them. Names are
 * those of the generator: the commonest is that of every twentieth. `SIZES=10000,100000` for others.
 */
const sizes = (process.env['SIZES'] ?? '10000,1000000').split(',').map(Number)
const rounds = Number(process.env['ROUNDS'] ?? 60)
const chunk = 5_000
/** So many customers have a lead. */
const withLead = 5
const startAt = Date.now() - 3 * 365 * 86_400_000

interface Filled {
  size: number
  place: Place
  ours: Service
  dealerId: string
  token: string
  /** Some of them, all over. */
  known: { id: string; n: number; shown: Shown }[]
}

const numberOf = (n: number) => `+4520${String((n * 7919) % 1_000_000).padStart(6, '0')}`

async function fill(client: pg.Client, dealerId: string, sourceId: string, size: number): Promise<Filled['known']> {
  const mark = markedFor(dealerId, false)
  const stepMs = (Date.now() - 60_000 - startAt) / size
  const known: Filled['known'] = []
  const words = new Set<string>()
  let people = population(1, 1).enquiries
  for (let from = 0; from < size; from += chunk) {
    if (from % 10_000 === 0) people = population(1_000 + from, Math.min(size, 10_000)).enquiries
    const rows = Array.from({ length: Math.min(chunk, size - from) }, (_, at) => {
      const n = from + at
      const { name, emails = [] } = people[n % people.length]?.lead.customer ?? {}
      const id = firstIdAt(new Date(startAt + n * stepMs)).slice(0, 14) + newId().slice(14)
      const [address = 'nobody@example.com'] = emails?.flatMap((email) => email?.address ?? []) ?? []
      const shown = {
        kind: 'person',
        ...(name && { name: Object.fromEntries(Object.entries(name).filter(([, part]) => part !== null)) }),
        emails: [{ address: address.trim().replace('@', `.${n}@`), verdict: 'plausible' }],
        phones: [{ number: numberOf(n), e164: numberOf(n), type: 'mobile', verdict: 'valid' }],
        externalReferences: [{ source: 'dms', id: `C-${n}` }],
      } as Shown
      const vehicles = n % 3 === 0 ? [{ registration: { number: `AB${String(n % 100_000).padStart(5, '0')}` } }] : []
      for (const word of [name?.given, name?.family, name?.full].flatMap((part) => soundsIn(part ?? '')))
        words.add(word)
      if (n % Math.ceil(size / 200) === 0) known.push({ id, n, shown })
      const at_ = new Date(startAt + n * stepMs)
      return {
        n,
        id,
        source: newId(),
        lead: n % withLead === 0 ? firstIdAt(new Date(at_.getTime() + 1_000)).slice(0, 14) + newId().slice(14) : null,
        at: at_,
        shown,
        keys: keysOf(shown, vehicles),
        terms: termsOfCustomer(shown, vehicles).map((term) => mark + term),
        own: termsOfLead({ externalId: null, vehicles: [{ stockNumber: `S-${n}` }] }).map((term) => mark + term),
      }
    })
    await client.query(
      `with n as materialized (
         select * from jsonb_to_recordset($2::jsonb) as n (
           n int, id uuid, source uuid, lead uuid, at timestamptz, shown jsonb, keys jsonb, terms jsonb, own jsonb
         )
       ), made as (
         insert into customers (dealer_id, id, test, state, shown, version, rev_seq, rev_event, created_at, updated_at)
         select $1, id, false, 'active', shown, 1, 1, id, at, at from n order by id
       ), said as (
         insert into customer_sources (
           dealer_id, id, customer_id, test, kind, source, external_id, data, created_at, updated_at
         )
         select $1, source, id, false, 'system', 'dms', 'C-' || n.n, shown - 'externalReferences', at, at from n
       ), keyed as (
         insert into customer_keys (dealer_id, test, kind, value, customer_id)
         select $1, false, k ->> 'kind', k ->> 'value', id from n, jsonb_array_elements(keys) k
       ), found as (
         insert into customer_texts (dealer_id, id, customer_id, test, rev_event, terms)
         select $1, id, id, false, id, array_to_tsvector(array(select jsonb_array_elements_text(terms))) from n
       ), came as (
         insert into leads (
           dealer_id, id, type, status, source_type, source_id, test, received_at, updated_at, version, data, warnings,
           rev_seq, rev_event
         )
         select $1, lead, 'test_drive', (array['new','acknowledged','in_progress','won','lost','lost'])[1 + n.n / 5 % 6],
           'api_key', $3, false, at, at, 1,
           jsonb_build_object('customer', shown - 'externalReferences' - 'kind', 'vehiclesOfInterest', '[]'::jsonb,
             'tradeIns', '[]'::jsonb, 'consents', '[]'::jsonb, 'message', repeat(md5(n.n::text), 8)), '[]', 1, lead
         from n where lead is not null
       ), linked as (
         insert into lead_links (dealer_id, lead_id, customer_id, test, rev_seq, rev_event, has_terms)
         select $1, lead, id, false, 1, lead, true from n where lead is not null
       )
       insert into lead_texts (dealer_id, lead_id, test, terms)
       select $1, lead, false, array_to_tsvector(array(select jsonb_array_elements_text(own))) from n where lead is not null`,
      [dealerId, JSON.stringify(rows), sourceId],
    )
  }
  await client.query('insert into customer_words select $1, false, word from unnest($2::text[]) word', [
    dealerId,
    [...words],
  ])
  await client.query("insert into customer_systems values ($1, false, 'dms', 1) on conflict do nothing", [dealerId])
  return known
}

async function filled(size: number): Promise<Filled> {
  const place = await openPlace()
  const ours = await startOurs(place)
  const [dealer, other] = await makeDealers(place, ours, 2)
  if (!dealer || !other) throw new Error('There are no dealers')
  const client = new pg.Client(place.connection)
  await client.connect()
  // The tables are filled without what guards them, in seconds instead of minutes.
  await client.query("set synchronous_commit = off; set session_replication_role = 'replica'; set work_mem = '64MB'")
  const startedAt = performance.now()
  const sourceOf = async (id: string) => (await place.db('api_keys').where({ dealer_id: id }).first('id')).id
  await fill(client, other.dealerId, await sourceOf(other.dealerId), size / 10)
  const known = await fill(client, dealer.dealerId, await sourceOf(dealer.dealerId), size)
  await client.query('vacuum analyze')
  await client.query('checkpoint')
  await client.end()
  console.log(`${size} customers filled in ${Math.round((performance.now() - startedAt) / 1000)} s`)
  const token = await tokenOfNewKey(ours.url, dealer.admin, 'DMS', 'extensive_integrations', ['dms'])
  return { size, place, ours, dealerId: dealer.dealerId, token, known }
}

interface Work {
  kind: string
  isKeyed?: boolean
  atDatabase?: (of: Filled, n: number) => Promise<unknown>
  request: (of: Filled, n: number) => { method: string; path: string; body?: object }
}

const oneOf = ({ known }: Filled, n: number) => {
  const one = known[(n * 17) % known.length]
  if (!one) throw new Error('There is nobody')
  return one
}
const wordsOf = ({ shown: { name = {} } }: Filled['known'][number]) =>
  [name.given, name.family, name.full].filter(Boolean).join(' ') || 'Jensen'
const longWordOf = (one: Filled['known'][number]) =>
  wordsOf(one)
    .split(' ')
    .findLast(({ length }) => length > 5) ?? 'Nielsen'
const mistyped = (word: string) => word.slice(0, 3) + (word[4] ?? '') + (word[3] ?? '') + word.slice(5)

const listed = (text: (of: Filled, n: number) => string, kind: string): Work => ({
  kind: `searchCustomers, ${kind}`,
  atDatabase: async (of, n) => {
    const { place, dealerId } = of
    const typed = typedIn(text(of, n))
    if (!typed) throw new Error(`Nothing in ${text(of, n)}`)
    const others = await othersOf(place.db, dealerId, false, typed)
    return customers.searchCustomers(
      place.db,
      dealerId,
      false,
      queryOf(typed, [], markedFor(dealerId, false), others),
      51,
    )
  },
  request: (of, n) => ({ method: 'POST', path: '/v1/customers/search', body: { text: text(of, n) } }),
})
const ledTo = (text: (of: Filled, n: number) => string, kind: string): Work => ({
  kind: `searchLeads, ${kind}`,
  atDatabase: async (of, n) => {
    const { place, dealerId } = of
    const query = await leadsQueryOf(place.db, dealerId, false, text(of, n), 'DK')
    return findLeads(place.db, dealerId, { test: false, ...(query && { text: query }) }, { order: 'newest', limit: 51 })
  },
  request: (of, n) => ({ method: 'POST', path: '/v1/leads/search', body: { text: text(of, n) } }),
})
const whole = (of: Filled, n: number) => `${wordsOf(oneOf(of, n))} ${numberOf(oneOf(of, n).n).slice(-4)}`
const common = (_of: Filled, n: number) => ['Jensen', 'Nielsen', 'Peter', 'Hansen', 'Anne Jensen'][n % 5] ?? ''
const uncommon = (_of: Filled, n: number) => ['Ravn', 'Krøyer', 'Hald', 'Østerholm', 'Skovgaard'][n % 5] ?? ''

const works: Work[] = [
  {
    kind: 'listCustomers',
    isKeyed: true,
    atDatabase: ({ place, dealerId }) => customers.listCustomers(place.db, dealerId, { test: false, limit: 51 }),
    request: () => ({ method: 'GET', path: '/v1/customers' }),
  },
  {
    kind: 'getCustomer',
    isKeyed: true,
    atDatabase: (of, n) => customers.findLiving(of.place.db, of.dealerId, oneOf(of, n).id),
    request: (of, n) => ({ method: 'GET', path: `/v1/customers/${outer('cust', oneOf(of, n).id)}` }),
  },
  {
    kind: 'upsertCustomerByReference, nothing new',
    isKeyed: true,
    request: (of, n) => {
      const { externalReferences: _ours, kind: _kind, emails, phones, ...said } = oneOf(of, n).shown
      const addresses = emails.map(({ address }) => ({ address }))
      const body = { ...said, emails: addresses, phones: phones.map(({ number }) => ({ number })) }
      return { method: 'PUT', path: `/v1/customers/by-reference/dms/C-${oneOf(of, n).n}`, body }
    },
  },
  {
    kind: 'searchCustomers, name (whole)',
    request: (of, n) => ({ method: 'POST', path: '/v1/customers/search', body: { name: wordsOf(oneOf(of, n)) } }),
  },
  {
    kind: 'searchCustomers, last 8 digits',
    isKeyed: true,
    request: (of, n) => ({
      method: 'POST',
      path: '/v1/customers/search',
      body: { phone: numberOf(oneOf(of, n).n).slice(-8) },
    }),
  },
  {
    kind: 'searchCustomers, last 4 digits',
    request: (of, n) => ({
      method: 'POST',
      path: '/v1/customers/search',
      body: { phone: numberOf(oneOf(of, n).n).slice(-4) },
    }),
  },
  listed(whole, 'text: name and last digits'),
  listed(common, 'text: common names'),
  listed(uncommon, 'text: less common names'),
  listed((of, n) => mistyped(longWordOf(oneOf(of, n))), 'text: letters swapped'),
  listed((of, n) => numberOf(oneOf(of, n).n).slice(5, 10), 'text: middle of a number'),
  listed((of, n) => oneOf(of, n).shown.emails[0]?.address.slice(0, 8) ?? '', 'text: beginning of an address'),
  listed((of, n) => `S-${oneOf(of, n).n}`, 'text: stock number'),
  ledTo(whole, 'name and last digits'),
  ledTo(common, 'common names'),
  ledTo(uncommon, 'less common names'),
]

async function timed(calls: number, call: (n: number) => Promise<unknown>): Promise<number[]> {
  for (let n = 0; n < 5; n++) await call(n)
  const ms: number[] = []
  for (let n = 0; n < calls; n++) {
    const startedAt = performance.now()
    await call(n)
    ms.push(performance.now() - startedAt)
  }
  return ms
}

async function asked(of: Filled, { method, path, body }: ReturnType<Work['request']>): Promise<void> {
  const reply = await fetch(of.ours.url + path, {
    method,
    headers: { authorization: `Bearer ${of.token}`, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  })
  const text = await reply.text()
  if (!reply.ok) throw new Error(`${path} ${JSON.stringify(body)} was answered ${reply.status} ${text}`)
}

const all: Filled[] = []
for (const size of sizes) all.push(await filled(size))
const rows = []
const goals = []
for (const { kind, isKeyed = false, atDatabase, request } of works) {
  const middles: number[] = []
  for (const of of all) {
    const inDatabase = atDatabase ? await timed(rounds, (n) => atDatabase(of, n)) : []
    const inAll = await timed(rounds, (n) => asked(of, request(of, n)))
    middles.push(median(inDatabase.length > 0 ? inDatabase : inAll))
    const [p50, p99] = [median(inDatabase), percentile(inDatabase, 0.99)]
    rows.push({
      kind,
      customers: of.size,
      ...(inDatabase.length > 0 && { databaseP50Ms: p50, databaseP99Ms: p99 }),
      p50Ms: median(inAll),
      p99Ms: percentile(inAll, 0.99),
    })
    if (kind.startsWith('search') && inDatabase.length > 0 && of === all.at(-1))
      goals.push(atMost(`${kind}: p99 at the database, ms`, p99, 50))
  }
  if (isKeyed)
    goals.push(
      atMost(`${kind}: median, ${sizes.at(-1)} / ${sizes[0]}`, (middles.at(-1) ?? 0) / (middles[0] ?? 1), 1.15),
    )
}
report('customers', `one call after the other, ${rounds} of each kind`, rows, goals)
for (const { ours, place } of all) {
  await ours.stop()
  await place.close()
}
