import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inner } from '../src/ids.ts'
import { type Linker, openLinker } from '../src/linking/linker.ts'
import { until } from './patience.ts'
import { lead, startService, type TestService } from './service.ts'

let service: TestService
let linker: Linker
type Dealer = Awaited<ReturnType<TestService['dealer']>>
let dealer: Dealer

beforeAll(async () => {
  service = await startService()
  linker = openLinker(service.service.database.beside, (error) => expect.unreachable(String(error)))
  dealer = await service.dealer('ours')
})
afterAll(async () => {
  await linker.stop()
  await service.close()
})

async function caughtUp({ dealerId }: Dealer): Promise<void> {
  await until(async () => {
    await linker.link()
    const { seq } = await service.db('dealer_clocks').where({ dealer_id: dealerId }).first('seq')
    const cursor = await service.db('linker_cursors').where({ dealer_id: dealerId }).first('seq', 'terms_seq')
    return cursor?.seq === seq && cursor?.terms_seq === seq
  })
}

const push = async (more: object, of = dealer): Promise<string> => {
  const { status, body } = await service.call('POST', '/v1/leads', { token: of.website.token, body: lead(more) })
  expect(status).toBe(201)
  return body.id
}
const put = async (said: object, id: string = randomUUID(), of = dealer): Promise<string> => {
  const path = `/v1/customers/by-reference/dms/${encodeURIComponent(id)}`
  const { status, body } = await service.call('PUT', path, { token: of.dms.token, body: said })
  expect(status).toBeLessThan(300)
  return body.id
}
const ask = async (path: string, body: object, of = dealer) => service.call('POST', path, { token: of.dms.token, body })
const found = async (path: string, body: object, of = dealer): Promise<string[]> => {
  const reply = await ask(path, body, of)
  expect([body, reply.status, reply.text]).toEqual([body, 200, reply.text])
  return reply.body.items.map(({ id }: { id: string }) => id)
}
const customers = (text: string, of = dealer) => found('/v1/customers/search', { text }, of)
const leads = (text: string, more: object = {}, of = dealer) => found('/v1/leads/search', { text, ...more }, of)

describe('what is typed into one box', () => {
  const soren = {
    name: { given: 'Søren Aage', family: 'Kjærgaard' },
    emails: [{ address: 'Skovhuset.5@customer.example' }],
    phones: [{ number: '+45 32 98 76 54' }],
  }
  let id: string
  let leadId: string
  beforeAll(async () => {
    id = await put(soren, 'C-77/410')
    await put({ name: { given: 'Niels', family: 'Thomsen' }, phones: [{ number: '32 11 22 33' }] })
    leadId = await push({
      customer: soren,
      tradeIns: [{ registration: { number: 'XJ 12 345' }, vin: 'WVWZZZ1JZXW000417' }],
      vehiclesOfInterest: [{ make: 'Volvo', stockNumber: 'A-10 42', listingId: 'bil/998877' }],
      externalReference: { source: 'website', id: 'form-2026-000123' },
    })
    await caughtUp(dealer)
  })

  it.each([
    'Søren Kjærgaard',
    'kjaergaard aage',
    'SOEREN KJÆRG',
    'Soren Kjargard',
    'gaard',
    'søren gård',
    'kjærgrad',
    'Kjrgaard søren',
    '32987654',
    '0045 3298 7654',
    '+45 32 98',
    '9876',
    '98-76',
    '7654 søren',
    'skovhuset.5@CUSTOMER.example',
    'skovhuset.5@cust',
    'skovh',
    'xj12345',
    'XJ 12 345',
    'wvwzzz1jzxw000417',
    '000417',
    'a1042',
    'A-1042',
    'a-1042 søren',
    'bil/998877',
    'form-2026-000123',
    'FORM 2026',
    'c-77/410',
    'C77410',
    'søren 000417 skovhuset.5@customer.example',
  ])('finds by %s the customer, and the lead', async (text) => {
    expect([await customers(text), await leads(text)]).toEqual([[id], [leadId]])
  })

  it.each([
    'Søren Thomsen',
    'kjærgaard 1122',
    'customer.example',
    '9875',
    '98 77',
    'xj12346',
    '00041',
    'ki',
    "søren' | 'u",
    'søren & !9876',
    String.raw`\'`,
    'ååå ßß',
    '👍👍',
    '--',
    'x, y',
  ])('finds nobody by %s', async (text) => {
    const [one, other] = [await ask('/v1/customers/search', { text }), await ask('/v1/leads/search', { text })]
    expect([one.status, other.status]).toEqual([200, 200])
    expect([one.body.items ?? [], other.body.items ?? []]).toEqual([[], []])
  })

  it.each(['a', ' ', 'x y z', '+ ('])('is too short with %j, and is told so', async (text) => {
    for (const path of ['/v1/customers/search', '/v1/leads/search', '/v1/leads/counts']) {
      const { status, body } = await ask(path, { text })
      expect([status, body.violations[0].pointer]).toEqual([400, '/text'])
    }
  })

  it('has to fit together with whatever else is known', async () => {
    expect(await found('/v1/customers/search', { text: 'søren', phone: '7654' })).toEqual([id])
    expect(await found('/v1/customers/search', { text: 'søren', name: 'Thomsen' })).toEqual([])
    expect(await found('/v1/customers/search', { text: 'xj 12 345', phone: '2233' })).toEqual([])
  })

  it('is what the customer is called now, and no more what it was called before', async () => {
    const named = await put({ name: { full: 'Ylva Quist' } }, 'renamed')
    expect(await customers('quist')).toEqual([named])
    await put({ name: { full: 'Ylva Zander' } }, 'renamed')
    expect([await customers('quist'), await customers('zander ylva')]).toEqual([[], [named]])
  })
})

it('shows those first who have it as it was typed, and of these the latest changed', async () => {
  const of = await service.dealer('order')
  const whole = await put({ name: { full: 'Han Berg' } }, undefined, of)
  const later = await put({ name: { full: 'Han Berg' } }, undefined, of)
  const begun = await put({ name: { full: 'Hansine Berggren' } }, undefined, of)
  expect(await customers('han berg', of)).toEqual([later, whole, begun])
  const many = Array.from({ length: 51 }, (_, at) => ({
    source: 'dms',
    id: `many-${at}`,
    customer: { name: { full: `Hanne ${at}` } },
  }))
  await service.call('POST', '/v1/customers/batch', { token: of.dms.token, body: { customers: many } })
  const { body } = await ask('/v1/customers/search', { text: 'hanne' }, of)
  expect([body.items.length, body.more]).toEqual([50, true])
})

describe('leads that are looked for', () => {
  it('are found by a whole number or address before anybody knows whose they are', async () => {
    const of = await service.dealer('fresh')
    const customer = { name: { full: 'Ida Holm' }, phones: [{ number: '32 12 00 77' }] }
    const id = await push({ customer, emails: [] }, of)
    expect([await leads('+45 32120077', {}, of), await leads('ida', {}, of)]).toEqual([[id], []])
    await caughtUp(of)
    expect(await leads('ida', {}, of)).toEqual([id])
  })

  it('come in the order of the list, page by page, narrowed by what else is wanted, and are counted alike', async () => {
    const of = await service.dealer('pages')
    const ids: string[] = []
    for (let at = 0; at < 5; at++) {
      const customer = { name: { full: at === 2 ? 'Bo Lind' : 'Eva Lind' }, emails: [{ address: `e${at}@x.example` }] }
      ids.push(await push({ customer, type: at === 4 ? 'service' : 'enquiry' }, of))
    }
    await caughtUp(of)
    const won = { token: of.dms.token, body: { status: 'won' }, headers: { 'if-match': '*' } }
    await service.call('PATCH', `/v1/leads/${ids[0]}`, won)
    const page = async (query: string, body: object) =>
      (await service.call('POST', `/v1/leads/search?${query}`, { token: of.dms.token, body })).body
    const first = await page('limit=2', { text: 'eva lind' })
    const second = await page(`limit=2&cursor=${first.nextCursor}`, { text: 'eva lind' })
    const all = [...first.items, ...second.items].map(({ id }: { id: string }) => id)
    expect([all, second.nextCursor]).toEqual([[ids[4], ids[3], ids[1], ids[0]], undefined])
    expect(await leads('eva', { order: 'oldest' }, of)).toEqual([ids[0], ids[1], ids[3], ids[4]])
    expect(await leads('eva', { status: ['new'], type: ['enquiry'] }, of)).toEqual([ids[3], ids[1]])
    expect(await leads('eva', { contact: 'e1@x.example' }, of)).toEqual([ids[1]])
    expect(await leads('eva', { contact: 'nobody@x.example' }, of)).toEqual([])
    expect(await leads('eva', { sourceKeyId: of.dms.id }, of)).toEqual([])
    expect(await leads('eva', { sourceKeyId: of.website.id }, of)).toHaveLength(4)
    const counted = await ask('/v1/leads/counts', { text: 'eva' }, of)
    expect(counted.body).toEqual({
      statuses: expect.arrayContaining([
        { status: 'new', count: 3 },
        { status: 'won', count: 1 },
      ]),
      overdue: 0,
      responseTargetMinutes: 30,
    })
    expect((await ask('/v1/leads/counts', { contact: 'e1@x.example', type: ['enquiry'] }, of)).body.statuses).toEqual([
      { status: 'new', count: 1 },
    ])
  })

  it('are those of all that are one customer', async () => {
    const of = await service.dealer('merged')
    const one = await push({ customer: { name: { full: 'Rie Krogh' }, emails: [{ address: 'rie@x.example' }] } }, of)
    const other = await push({ customer: { name: { full: 'Per Dahl' }, emails: [{ address: 'per@x.example' }] } }, of)
    await caughtUp(of)
    const [[rie], [per]] = [await customers('rie krogh', of), await customers('per dahl', of)]
    const merge = (method: string, body?: object) =>
      service.call(method, `/v1/customers/${per}/merge`, { token: of.dms.token, ...(body && { body }) })
    expect((await merge('PUT', { into: rie })).status).toBe(200)
    const [shown, hidden] =
      (await leads('rie krogh', {}, of)).length === 2 ? ['rie krogh', 'per dahl'] : ['per dahl', 'rie krogh']
    expect([await leads(shown, {}, of), await leads(hidden, {}, of)]).toEqual([[other, one], []])
    expect([await customers(shown, of), await customers(hidden, of)]).toEqual([[rie], []])
    await merge('DELETE')
    expect([await leads('rie krogh', {}, of), await leads('per dahl', {}, of)]).toEqual([[one], [other]])
  })

  it('are the newest of very many, also of those whose customers are too many to be gone through', async () => {
    const of = await service.dealer('many')
    const first = await push({ customer: { name: { full: 'Kim Jensen' }, emails: [{ address: 'kim@x.example' }] } }, of)
    await caughtUp(of)
    // 3,200 more like it, straight into the tables; the last one is called otherwise.
    await service.db.raw(
      `with n as materialized (
         select uuidv7(interval '-1 hour' + at * interval '1 s') as lead_id, gen_random_uuid() as customer_id, at
         from generate_series(1, 3200) as at
       ), c as (
         insert into customers (dealer_id, id, test, state, shown, version, rev_seq, rev_event, created_at, updated_at)
         select dealer_id, n.customer_id, test, state, shown, version, rev_seq, rev_event, created_at, updated_at
         from customers, n where dealer_id = :dealerId
       ), t as (
         insert into customer_texts
         select dealer_id, n.customer_id, n.customer_id, test, rev_event, terms from customer_texts, n where dealer_id = :dealerId
       ), l as (
         insert into leads (
           dealer_id, id, type, status, source_type, source_id, test, received_at, updated_at, version, data, warnings,
           rev_seq, rev_event
         )
         select dealer_id, n.lead_id, type, case when at = 3100 then 'won' else status end, source_type, source_id, test,
           received_at, updated_at, version, data, warnings, rev_seq, rev_event
         from leads, n where dealer_id = :dealerId
       )
       insert into lead_links (dealer_id, lead_id, customer_id, test, rev_seq, rev_event, has_terms)
       select dealer_id, n.lead_id, n.customer_id, test, rev_seq, rev_event, true
       from lead_links, n where dealer_id = :dealerId`,
      { dealerId: of.dealerId },
    )
    const newest = await service.db('leads').where({ dealer_id: of.dealerId }).orderBy('id', 'desc').pluck('id')
    const pages: string[] = []
    for (let cursor = ''; pages.length < 400;) {
      const path = `/v1/leads/search?limit=200${cursor}`
      const { body } = await service.call('POST', path, { token: of.dms.token, body: { text: 'jensen kim' } })
      pages.push(...body.items.map(({ id }: { id: string }) => inner(id)))
      cursor = `&cursor=${body.nextCursor}`
    }
    expect(pages).toEqual(newest.slice(0, 400))
    expect(await leads('jens', { order: 'oldest' }, of)).toContain(`lead_${newest.at(-1).replaceAll('-', '')}`)
    expect(await leads('kim', { status: ['won'] }, of)).toHaveLength(1)
    expect(await leads('kim', { type: ['service'] }, of)).toEqual([])
    expect(await leads('kim@x.example', {}, of)).toHaveLength(50)
    const { body } = await ask('/v1/leads/counts', { text: 'kim' }, of)
    expect(body).toMatchObject({ latestOnly: true, statuses: expect.arrayContaining([{ status: 'won', count: 1 }]) })
    expect(await customers('kim jensen', of)).toHaveLength(50)
    expect(await leads('jensen kim 32', { sourceKeyId: of.dms.id }, of)).toEqual([])
    expect(inner(first)).toBe(newest[0])
  })
})

it('shows nothing of another dealer, and no test beside what is real', async () => {
  const [one, other] = [await service.dealer('one'), await service.dealer('another')]
  const customer = { name: { full: 'Alma Vinter' }, emails: [{ address: 'alma@x.example' }] }
  const more = { customer, vehiclesOfInterest: [{ stockNumber: 'S-900' }] }
  const real = await push(more, one)
  const test = await push({ ...more, test: true }, one)
  await push(more, other)
  await caughtUp(one)
  await caughtUp(other)
  for (const text of ['alma', 'vinter alma', 'alma@x', 's900', 'inter']) {
    expect([text, await leads(text, {}, one)]).toEqual([text, [real]])
    const tested = await service.call('POST', '/v1/leads/search?test=true', { token: one.dms.token, body: { text } })
    expect(tested.body.items.map(({ id }: { id: string }) => id)).toEqual([test])
    expect(await customers(text, one)).toHaveLength(1)
    expect(await customers(text, other)).toHaveLength(1)
    expect((await customers(text, one))[0]).not.toBe((await customers(text, other))[0])
  }
})

it('lets nobody look for a person who may not see people', async () => {
  const narrow = await service.createKey(dealer.admin.token, {
    name: 'Leads alone',
    kind: 'extensive_integrations',
    scopes: ['leads:read'],
  })
  const token = await service.exchange(narrow.secret)
  for (const path of ['/v1/leads/search', '/v1/leads/counts', '/v1/customers/search'])
    expect((await service.call('POST', path, { token, body: { text: 'anna' } })).status).toBe(403)
})

describe('what was there before anything could be found', () => {
  it('is found once the linker has gone through it again, wherever that was cut short', async () => {
    const of = await service.dealer('before')
    const ids = []
    for (let at = 0; at < 30; at++) {
      const customer = { name: { full: `Nina Bech ${at}` }, emails: [{ address: `n${at}@x.example` }] }
      ids.push(await push({ customer, vehiclesOfInterest: [{ stockNumber: `B-${at}` }] }, of))
    }
    const quiet = await put({ address: { city: 'Aarhus' } }, 'silent', of)
    await caughtUp(of)
    const where = { dealer_id: of.dealerId }
    // As the version before left it, which knew other kinds of keys.
    await service.db.raw(
      `insert into customer_keys (dealer_id, test, kind, value, customer_id)
       select dealer_id, test, 'name', 'nina', id from customers where dealer_id = ? and shown ? 'name'`.replace(
        "? '",
        "\\? '",
      ),
      [of.dealerId],
    )
    await service.db('customer_texts').where(where).delete()
    await service.db('customer_words').where(where).delete()
    await service.db('lead_texts').where(where).delete()
    await service.db('lead_links').where(where).update({ has_terms: false })
    await service.db('linker_cursors').where(where).update({ terms_seq: 0 })
    const before = await service.db('customers').where(where).orderBy('id').select('id', 'version', 'rev_event')
    expect(await leads('nina', {}, of)).toEqual([])

    const cut = openLinker(service.service.database.beside, () => undefined)
    await until(async () => {
      void cut.link()
      return (await service.db('customer_texts').where(where)).length > 0
    })
    await cut.stop()
    await caughtUp(of)
    expect((await leads('nina', {}, of)).toSorted()).toEqual(ids.toSorted())
    expect([await leads('b-7', {}, of), await leads('bech nina 7', {}, of)]).toEqual([[ids[7]], [ids[7]]])
    expect(await service.db('customer_keys').where({ ...where, kind: 'name' })).toEqual([])
    expect(await service.db('customers').where(where).orderBy('id').select('id', 'version', 'rev_event')).toEqual(
      before,
    )
    expect(await service.db('customer_texts').where({ ...where, id: inner(quiet) })).toHaveLength(1)
  })

  it('is so of what a process of the version before writes meanwhile, too', async () => {
    const of = await service.dealer('meanwhile')
    const id = await put({ name: { full: 'Karl Hald' } }, 'old', of)
    await caughtUp(of)
    // It knows nothing of terms when it writes.
    await service.db.raw(`create rule unknown as on insert to customer_texts do instead nothing`)
    await put({ name: { full: 'Karl Ravn' } }, 'old', of)
    const later = await put({ name: { full: 'Tove Ravn' } }, 'new', of)
    await service.db.raw('drop rule unknown on customer_texts')
    expect(await customers('ravn', of)).toEqual([])
    await caughtUp(of)
    expect([await customers('ravn', of), await customers('hald', of)]).toEqual([[later, id], []])
  })
})
