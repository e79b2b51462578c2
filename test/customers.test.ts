import { randomUUID } from 'node:crypto'
import type { Knex } from 'knex'
import { afterAll, beforeAll, describe, expect, it, type MockInstance, onTestFinished, vi } from 'vitest'
import { inner, newId, outer } from '../src/ids.ts'
import { recordEvents } from '../src/events/store.ts'
import { system } from '../src/events/event.ts'
import { refresh } from '../src/customers/refresh.ts'
import { addCustomers, addLinks, leadsHeardMax } from '../src/customers/store.ts'
import { listen } from './stream.ts'
import { lead, startService, type TestService } from './service.ts'

let service: TestService
let dealer: Awaited<ReturnType<TestService['dealer']>>
let other: Awaited<ReturnType<TestService['dealer']>>
beforeAll(async () => {
  service = await startService()
  dealer = await service.dealer('ours')
  other = await service.dealer('theirs')
})
afterAll(() => service.close())

const anna = { name: { given: 'Anna', family: 'Jensen' }, emails: [{ address: 'anna@customer.example' }] }
const unique = () => randomUUID().replaceAll('-', '')
const asked = (
  method: string,
  path: string,
  body?: object,
  headers?: Record<string, string>,
  token = dealer.dms.token,
) => service.call(method, path, { token, ...(body && { body }), ...(headers && { headers }) })
const put = (source: string, id: string, body: object, query = '', token = dealer.dms.token) =>
  asked(
    'PUT',
    `/v1/customers/by-reference/${encodeURIComponent(source)}/${encodeURIComponent(id)}${query}`,
    body,
    {},
    token,
  )
const get = async (id: string) => (await asked('GET', `/v1/customers/${id}`)).body
const patch = (id: string, body: object, match = '*') =>
  asked('PATCH', `/v1/customers/${id}`, body, { 'if-match': match })
const merge = (id: string, into: string, query = '') => asked('PUT', `/v1/customers/${id}/merge${query}`, { into })
const unmerge = (id: string) => asked('DELETE', `/v1/customers/${id}/merge`)
/** A customer that the DMS knows. */
async function known(said: object = anna, warned: string[] = []) {
  const id = unique()
  const { status, body } = await put('dms', id, said)
  expect([status, body.warnings.map(({ code }: { code: string }) => code)]).toEqual([201, warned])
  return { reference: id, id: body.id as string }
}
const tag = (id: string, version: number) => `"${id.slice(-12)}.${version}"`
const latest = async () => (await asked('GET', '/v1/events?cursor=latest')).body.nextCursor as string
/** What has happened to customers behind a place in the feed. */
async function eventsBehind(cursor: string) {
  const { items } = (await asked('GET', `/v1/events?cursor=${cursor}&limit=200`)).body
  return items as {
    type: string
    subject: { id: string }
    changed: string[]
    cursor: string
    customer: any
    actor: any
  }[]
}
const told = async (cursor: string) => (await eventsBehind(cursor)).map(({ type, subject }) => `${type} ${subject.id}`)

/** As the linker does it: a lead, and whose it is. */
async function linked(customerId: string | undefined, customer: object) {
  return link(await pushed(customer), customerId)
}
const pushed = async (customer: object) =>
  (await service.call('POST', '/v1/leads', { token: dealer.website.token, body: lead({ customer }) })).body.id as string
async function link(id: string, customerId?: string) {
  const leadId = inner(id)
  const now = new Date()
  return service.db.transaction(async (trx) => {
    await trx('dealer_clocks').where({ dealer_id: dealer.dealerId }).forUpdate()
    const id = customerId === undefined ? newId() : inner(customerId)
    if (customerId === undefined) await addCustomers(trx, dealer.dealerId, [{ id, test: false }], now)
    const event = {
      type: 'lead.linked',
      subject: { type: 'lead', id: leadId },
      test: false,
      changed: ['customerId'],
    } as const
    const [recorded] = await recordEvents(trx, dealer.dealerId, system, [event], now)
    const rev = { revSeq: recorded?.seq ?? '', revEvent: recorded?.id ?? '' }
    await addLinks(trx, dealer.dealerId, [{ leadId, customerId: id, test: false, ...rev, reasons: ['email-same'] }])
    await refresh(trx, dealer.dealerId, system, new Map([[id, undefined]]), now)
    return { id: outer('cust', id), leadId: outer('lead', leadId) }
  })
}

describe('a system that says what it knows', () => {
  it('makes a customer, and says it of the same one when it says it again', async () => {
    const before = await latest()
    const id = unique()
    const first = await put('dms', id, anna)
    expect([first.status, first.headers.get('location')]).toEqual([201, `/v1/customers/${first.body.id}`])
    expect(first.body.customer).toMatchObject({
      state: 'active',
      kind: 'person',
      name: anna.name,
      externalReferences: [{ source: 'dms', id }],
      version: 1,
    })
    const again = await put('dms', id, anna)
    expect([again.status, again.body]).toEqual([200, first.body])
    const changed = await put('dms', id, { ...anna, name: { given: 'Anna', family: 'Hansen' } })
    expect([changed.status, changed.body.version, changed.body.customer.name.family]).toEqual([200, 2, 'Hansen'])
    expect(await told(before)).toEqual([`customer.created ${first.body.id}`, `customer.updated ${first.body.id}`])
    const [created, updated] = await eventsBehind(before)
    expect([created?.changed, updated?.changed]).toEqual([[], ['name']])
    expect([changed.body.rev, changed.headers.get('etag')]).toEqual([updated?.cursor, tag(first.body.id, 2)])
  })

  it('says nothing any more of what it leaves out', async () => {
    const { id, reference } = await known({ ...anna, phones: [{ number: '32 12 34 56' }] })
    expect((await get(id)).phones).toMatchObject([{ e164: '+4532123456' }])
    await put('dms', reference, anna)
    expect((await get(id)).phones).toEqual([])
  })

  it('is known by any id, with slashes, percent signs and 128 emoji in it', async () => {
    for (const id of ['a/b', '100%', 'a b', '%2F', `9${'🚗'.repeat(127)}`, `æ?#&${unique()}`]) {
      const first = await put('dms', id, anna)
      expect([id, first.status]).toEqual([id, 201])
      expect((await put('dms', id, anna)).body.id).toBe(first.body.id)
      expect((await get(first.body.id)).externalReferences).toEqual([{ source: 'dms', id }])
    }
    expect((await put('dms', '🚗'.repeat(129), anna)).status).toBe(400)
    expect((await put('dms', 'a\u0000b', anna)).status).toBe(400)
  })

  it('is refused where the reference tells nothing apart, or is another system', async () => {
    for (const id of ['null', 'undefined', '{{id}}', '00000000-0000-0000-0000-000000000000', ' '])
      expect([id, (await put('dms', id, anna)).body.code]).toEqual([id, 'reference-unusable'])
    // Nothing can have been said under it.
    expect((await asked('DELETE', '/v1/customers/by-reference/dms/null')).status).toBe(404)
    for (const source of ['erp', 'DMS', 'dms2'])
      expect((await put(source, unique(), anna)).body.code).toBe('source-not-allowed')
    const person = await put('dms', unique(), anna, '', dealer.admin.token)
    expect([person.status, person.body.code]).toEqual([403, 'source-not-allowed'])
  })

  it('keeps the reference under another key, and another dealer has a customer of its own', async () => {
    const { id, reference } = await known()
    const key = await service.createKey(dealer.admin.token, { kind: 'extensive_integrations', sources: ['dms'] })
    expect((await put('dms', reference, anna, '', await service.exchange(key.secret))).body.id).toBe(id)
    const foreign = await put('dms', reference, anna, '', other.dms.token)
    expect([foreign.status, foreign.body.id === id]).toEqual([201, false])
    expect((await asked('GET', `/v1/customers/${id}`, undefined, {}, other.dms.token)).status).toBe(404)
  })

  it('refuses what comes late, and takes what has no version', async () => {
    const id = unique()
    const named = (given: string) => ({ ...anna, name: { given } })
    expect((await put('dms', id, named('Third'), '?sourceVersion=3')).status).toBe(201)
    const late = await put('dms', id, named('Second'), '?sourceVersion=2')
    expect([late.status, late.body.code]).toEqual([409, 'source-version-older'])
    expect((await put('dms', id, named('Third again'), '?sourceVersion=3')).body.customer.name.given).toBe(
      'Third again',
    )
    expect((await put('dms', id, named('Any'))).status).toBe(200)
    expect((await put('dms', id, named('Second'), '?sourceVersion=2')).status).toBe(409)
  })

  it('is told what it sent that could not be understood, and it is kept', async () => {
    const { body } = await put('dms', unique(), { ...anna, phones: [{ number: 'nobody knows' }], shoeSize: 38 })
    expect(body.warnings.map(({ code }: { code: string }) => code).toSorted()).toEqual([
      'member-unknown',
      'phone-not-understood',
    ])
    const { sources } = (await asked('GET', `/v1/customers/${body.id}/sources`)).body
    expect(sources[0].extra).toEqual({ '/shoeSize': 38 })
  })

  it('is told of no original, which customers do not have', async () => {
    const emails = Array.from({ length: 11 }, (_, at) => ({ address: `anna${at}@customer.example` }))
    const name = { given: '<b>Anna</b>', family: 'x'.repeat(300) }
    const text = JSON.stringify({ name, emails, notes: 'y'.repeat(9_000) }).replace('{', '{"name":{},')
    const path = `/v1/customers/by-reference/dms/${unique()}`
    const json = { 'content-type': 'application/json' }
    const { body } = await service.call('PUT', path, { token: dealer.dms.token, raw: text, headers: json })
    const warnings: { code: string; message: string }[] = body.warnings
    expect([...new Set(warnings.map(({ code }) => code))].toSorted()).toEqual([
      'extra-too-large',
      'markup-removed',
      'member-repeated',
      'text-cut',
      'too-many',
    ])
    expect(warnings.map(({ message }) => message).join(' ')).not.toMatch(/lead|original/i)
  })

  it('sees nobody without customers:read, while it writes', async () => {
    const sources = ['dms']
    const scopes = ['customers:write']
    const key = await service.createKey(dealer.admin.token, { kind: 'extensive_integrations', scopes, sources })
    const token = await service.exchange(key.secret)
    const { body, text, status } = await put('dms', unique(), anna, '', token)
    expect([status, text.includes('Anna')]).toEqual([201, false])
    expect(Object.keys(body).toSorted()).toEqual(['id', 'rev', 'version', 'warnings'])
    const corrected = await asked(
      'PATCH',
      `/v1/customers/${body.id}`,
      { name: { family: 'Hansen' } },
      { 'if-match': '*' },
      token,
    )
    expect([corrected.status, /Anna|Hansen/.test(corrected.text)]).toEqual([200, false])
    expect((await asked('GET', `/v1/customers/${body.id}`, undefined, {}, token)).status).toBe(403)
  })
})

it('writes up to 200 customers at once, each as if it had come alone, in their order', async () => {
  const [one, two] = [unique(), unique()]
  const before = await latest()
  const item = (id: string, customer: object, more: object = {}) => ({ source: 'dms', id, customer, ...more })
  const { status, body } = await asked('POST', '/v1/customers/batch', {
    customers: [
      item(one, anna, { sourceVersion: 2 }),
      item(two, { ...anna, phones: [{ number: 'nobody knows' }] }),
      item(one, { ...anna, name: { given: 'Anne' } }, { sourceVersion: 3 }),
      item(one, anna, { sourceVersion: 1 }),
      item('null', anna),
      { ...item(unique(), anna), source: 'erp' },
      item(unique(), { emails: 'anna@customer.example' }),
      item(unique(), anna, { sourceVersion: -1 }),
      { source: 'dms', id: '', customer: {}, more: 1 },
      7,
    ],
  })
  expect(status).toBe(207)
  const { results } = body
  expect(results.map((each: { status: number }) => each.status)).toEqual([
    201, 201, 200, 409, 422, 403, 400, 400, 400, 400,
  ])
  expect(results[0].written.id).toBe(results[2].written.id)
  expect(results[1].written.warnings).toMatchObject([{ code: 'phone-not-understood', pointer: '/phones/0/number' }])
  expect(results[3].problem.code).toBe('source-version-older')
  expect(results[6].problem.violations[0].pointer).toBe('/customer/emails')
  expect(results[8].problem.violations.map(({ pointer }: { pointer: string }) => pointer).toSorted()).toEqual([
    '/id',
    '/more',
  ])
  expect((await get(results[0].written.id)).name.given).toBe('Anne')
  // Written together, the customer is heard of once.
  expect([...new Set(await told(before))].filter((each) => each.startsWith('customer.created'))).toHaveLength(2)

  const many = Array.from({ length: 200 }, (_, at) => item(`${one}-${at}`, anna))
  const all = (await asked('POST', '/v1/customers/batch', { customers: many })).body.results
  expect(all.map((each: { status: number }) => each.status)).toEqual(Array(200).fill(201))
  const again = (await asked('POST', '/v1/customers/batch', { customers: many })).body.results
  expect(again.map((each: { written: object }) => each.written)).toEqual(
    all.map((each: { written: object }) => each.written),
  )
  expect((await asked('POST', '/v1/customers/batch', { customers: [...many, item('201', anna)] })).status).toBe(400)
})

it('says of each of a batch what became of it, when the database is busy half-way', async () => {
  const { context } = service.service.database.changes as unknown as { context: Pick<Knex, 'transaction'> }
  const begin = context.transaction.bind(context) as (...args: unknown[]) => Promise<unknown>
  const begun = vi.spyOn(context, 'transaction') as unknown as MockInstance<typeof begin>
  const holding = Promise.withResolvers<Knex.Transaction>()
  onTestFinished(() => begun.mockRestore())
  begun.mockImplementationOnce(begin).mockImplementationOnce(async (...args) => {
    const trx = await service.db.transaction()
    holding.resolve(trx)
    await trx('dealer_clocks').where({ dealer_id: dealer.dealerId }).forUpdate()
    return begin(...args)
  })
  const id = unique()
  const customers = Array.from({ length: 200 }, (_, at) => ({ source: 'dms', id: `${id}-${at}`, customer: anna }))
  const { status, body } = await asked('POST', '/v1/customers/batch', { customers })
  await (await holding.promise).rollback()
  expect([status, body.results.length]).toEqual([207, 200])
  const rest = body.results.findIndex((each: { status: number }) => each.status !== 201)
  expect(rest).toBeGreaterThan(0)
  expect(new Set(body.results.slice(rest).map((each: any) => `${each.status} ${each.problem.code}`))).toEqual(
    new Set(['503 unavailable']),
  )
  const written = await service.db('customer_sources').where('external_id', 'like', `${id}-%`)
  expect(written).toHaveLength(rest)
})

describe('two systems', () => {
  it('write one person at the same time, and make one customer of each reference', async () => {
    const id = unique()
    const replies = await Promise.all(Array.from({ length: 8 }, () => put('dms', id, anna)))
    expect(replies.map(({ status }) => status).toSorted((one, other) => one - other)).toEqual([
      ...Array<number>(7).fill(200),
      201,
    ])
    expect(new Set(replies.map(({ body }) => body.id)).size).toBe(1)
  })

  it('write of one customer at the same time, and each keeps the last that it said', async () => {
    const [dms, crm] = [await known(), unique()]
    await merge((await put('crm', crm, anna)).body.id, dms.id)
    const before = await latest()
    const versions = Array.from({ length: 8 }, (_, at) => at + 1)
    const say = (source: string, id: string, version: number) =>
      put(source, id, { ...anna, name: { given: `${source} ${version}` } }, `?sourceVersion=${version}`)
    // What one of them says comes in the order in which it was said, that of the other the wrong way round.
    const replies = await Promise.all(
      versions.flatMap((version) => [say('dms', dms.reference, version), say('crm', crm, 9 - version)]),
    )
    expect(replies.filter(({ status }) => status !== 200 && status !== 409)).toEqual([])
    const { sources } = (await asked('GET', `/v1/customers/${dms.id}/sources`)).body
    const last = sources.map(({ reference, name, sourceVersion }: any) => [reference.source, name.given, sourceVersion])
    expect(last.toSorted()).toEqual([
      ['crm', 'crm 8', 8],
      ['dms', 'dms 8', 8],
    ])
    const customer = await get(dms.id)
    expect(customer.name).toEqual({ given: 'dms 8' })
    // Nothing that the second system says is shown, so that none of it is told.
    const taken = replies.filter(({ status }, at) => status === 200 && at % 2 === 0).length
    expect((await told(before)).filter((each) => each === `customer.updated ${dms.id}`)).toHaveLength(taken)
  })

  it('with spellings of their own settle: after each has written, nothing that is shown changes', async () => {
    const dms = await known({ name: { full: 'JENSEN ANNA' }, phones: [{ number: '32123456' }] })
    const crm = unique()
    const made = await put('crm', crm, { name: anna.name, phones: [{ number: '+45 32 12 34 56' }] })
    await merge(made.body.id, dms.id)
    const before = await latest()
    const { version } = await get(dms.id)
    for (let round = 0; round < 20; round++) {
      const seen = await get(dms.id)
      // Each keeps what it reads in its own way, and sends it back.
      await put('dms', dms.reference, {
        name: { full: 'JENSEN ANNA' },
        phones: seen.phones.map(() => ({ number: '32123456' })),
      })
      await put('crm', crm, { name: anna.name, phones: seen.phones.map(() => ({ number: '+45 32 12 34 56' })) })
    }
    expect([(await get(dms.id)).version, await told(before)]).toEqual([version, []])
  })
})

describe('what people correct', () => {
  it('goes before what systems say, until it is withdrawn', async () => {
    const { id, reference } = await known()
    const corrected = await patch(id, { name: { family: 'Hansen' } }, tag(id, 1))
    expect([corrected.status, corrected.body.customer.name]).toEqual([200, { given: 'Anna', family: 'Hansen' }])
    await put('dms', reference, { ...anna, name: { given: 'Ann', family: 'Jensen' } })
    expect((await get(id)).name).toEqual({ given: 'Anna', family: 'Hansen' })
    const withdrawn = await asked('DELETE', `/v1/customers/${id}/edits?field=name`)
    expect(withdrawn.body.customer.name).toEqual({ given: 'Ann', family: 'Jensen' })
  })

  it('shows a member empty that a system still says, and the system writes on in vain', async () => {
    const { id, reference } = await known()
    await patch(id, { emails: null })
    const before = await latest()
    await put('dms', reference, { ...anna, emails: [{ address: 'new@customer.example' }] })
    expect([(await get(id)).emails, await told(before)]).toEqual([[], []])
    const { sources } = (await asked('GET', `/v1/customers/${id}/sources`)).body
    expect(sources.find(({ type }: { type: string }) => type === 'people').hidden).toEqual(['emails'])
    await asked('DELETE', `/v1/customers/${id}/edits`)
    expect((await get(id)).emails).toMatchObject([{ address: 'new@customer.example' }])
  })

  it('takes nothing away that was not asked for: what cannot be understood is kept, and said', async () => {
    const phones = [{ number: '32 12 34 56' }]
    const { id } = await known({ ...anna, phones, address: { city: 'Rungsted', countryCode: 'DK' } })
    const before = await get(id)
    for (const [said, pointers] of [
      [{ address: { countryCode: 'Danmrk' } }, ['/address/countryCode']],
      [{ address: { city: ' ' } }, ['/address/city']],
      [{ phones: [{ number: ' ' }] }, ['/phones/0/number']],
      [{ emails: [{ address: 'n/a' }] }, ['/emails']],
      [{ emails: [{ address: ' ' }] }, ['/emails/0/address']],
      [{ organization: { name: 'n/a' } }, ['/organization']],
    ] as const) {
      const { status, body } = await patch(id, said)
      expect([said, status, body.warnings.map(({ pointer }: { pointer: string }) => pointer)]).toEqual([
        said,
        200,
        pointers,
      ])
      const { emails, phones, address, kind, organization } = await get(id)
      expect({ ...before, emails, phones, address, kind, organization }).toEqual({ organization: undefined, ...before })
    }
    const people = async () =>
      (await asked('GET', `/v1/customers/${id}/sources`)).body.sources.find(({ type }: any) => type === 'people')
    expect((await people()).extra).toEqual({
      '/emails/0/address': 'n/a',
      '/organization/name': 'n/a',
    })
    const moved = await patch(id, { address: { city: 'Hørsholm', countryCode: 'Danmrk' } })
    expect(moved.body.customer.address).toEqual({ city: 'Hørsholm', countryCode: 'DK' })
    expect((await people()).hidden).toEqual([])
    expect((await people()).extra).toMatchObject({ '/emails/0/address': 'n/a', '/address/countryCode': 'Danmrk' })
    expect((await patch(id, { phones: [], address: { city: null, countryCode: null } })).body.customer).toMatchObject({
      phones: [],
    })
    expect((await people()).hidden).toEqual(['phones', 'address'])
    expect(Object.keys((await people()).extra)).not.toContain('/address/countryCode')
  })

  it('is told with who did it and since when, also where it empties a list', async () => {
    const { id } = await known()
    await asked('PATCH', `/v1/customers/${id}`, { emails: null }, { 'if-match': '*' }, dealer.sales.token)
    const { updatedAt } = await get(id)
    await patch(id, { name: { family: 'Hansen' } })
    // What it is already changes nothing that is shown: nobody is named for it.
    await patch(id, { kind: 'person' })
    const { origins } = (await asked('GET', `/v1/customers/${id}/sources`)).body
    const since = expect.stringMatching(/^\d{4}-.*Z$/)
    expect(origins).toEqual([
      { field: 'kind', type: 'people', since },
      {
        field: 'name',
        type: 'people',
        since,
        by: { type: 'api_key', id: dealer.dms.id, name: 'DMS Sync' },
      },
      {
        field: 'emails',
        type: 'people',
        since: updatedAt,
        by: { type: 'user', id: dealer.sales.userId, name: 'Sales' },
      },
    ])
  })

  it('is told with who did it, too, where it was done while the customer was part of others', async () => {
    const [a, b, c] = [await known(), await known(), await known()]
    await merge(c.id, b.id)
    await merge(b.id, a.id)
    await asked(
      'PATCH',
      `/v1/customers/${c.id}`,
      { name: { family: 'Hansen' } },
      { 'if-match': '*' },
      dealer.sales.token,
    )
    await unmerge(b.id)
    await unmerge(c.id)
    const { origins } = (await asked('GET', `/v1/customers/${c.id}/sources`)).body
    const by = { type: 'user', id: dealer.sales.userId, name: 'Sales' }
    expect(origins[0]).toEqual({ field: 'name', type: 'people', since: expect.any(String), by })
  })

  it('needs the version that was seen', async () => {
    const { id } = await known()
    const body = { name: { family: 'Hansen' } }
    expect((await asked('PATCH', `/v1/customers/${id}`, body)).body.code).toBe('if-match-missing')
    const stale = await patch(id, body, tag(id, 7))
    expect([stale.status, stale.body.code, stale.headers.get('etag')]).toEqual([412, 'customer-changed', tag(id, 1)])
    expect((await patch(id, body, '1')).status).toBe(400)
    expect((await asked('GET', `/v1/customers/${id}`, undefined, { 'if-none-match': tag(id, 1) })).status).toBe(304)
  })

  it('that is what is shown already makes no event, and holds when the system changes its mind', async () => {
    const { id, reference } = await known()
    const before = await latest()
    expect((await patch(id, { name: { given: 'Anna' } })).body.version).toBe(1)
    expect(await told(before)).toEqual([])
    await put('dms', reference, { ...anna, name: { given: 'Anne' } })
    expect((await get(id)).name).toEqual(anna.name)
  })

  it('is a customer of its own when it is typed, if it can be reached', async () => {
    const { status, body } = await asked('POST', '/v1/customers', anna, {}, dealer.sales.token)
    expect([status, body.customer.externalReferences]).toEqual([201, []])
    const { origins } = (await asked('GET', `/v1/customers/${body.id}/sources`)).body
    const by = { type: 'user', id: dealer.sales.userId, name: 'Sales' }
    expect(origins).toEqual([
      { field: 'name', type: 'people', since: body.customer.createdAt, by },
      { field: 'emails', type: 'people', since: body.customer.createdAt, by },
    ])
    expect((await asked('POST', '/v1/customers', { name: anna.name })).body.code).toBe('customer-unreachable')
  })
})

describe('what is taken back', () => {
  it('is gone with its customer, when nobody else says anything, and comes back under the same id', async () => {
    const { id, reference } = await known()
    const before = await latest()
    const path = `/v1/customers/by-reference/dms/${reference}`
    const { status, body } = await asked('DELETE', path)
    expect([status, body.id, body.customer]).toEqual([200, id, undefined])
    const gone = await asked('GET', `/v1/customers/${id}`)
    expect([gone.status, gone.body.code]).toEqual([410, 'customer-gone'])
    expect((await asked('DELETE', path)).status).toBe(404)
    expect((await asked('GET', '/v1/customers?limit=200')).text).not.toContain(id)
    const [event] = await eventsBehind(before)
    expect(event).toMatchObject({ type: 'customer.updated', customer: { id, state: 'gone', emails: [] } })
    expect(JSON.stringify(event)).not.toContain('Anna')
    expect((await service.db('customer_sources').where({ external_id: reference }).first()).data).toBeNull()

    expect((await put('dms', reference, anna)).body).toMatchObject({ id, customer: { state: 'active' } })
  })

  it('leaves the customer, while people or a lead say something of it', async () => {
    const { id, reference } = await known()
    await linked(id, { emails: [{ address: 'anna@lead.example' }] })
    await asked('DELETE', `/v1/customers/by-reference/dms/${reference}`)
    expect(await get(id)).toMatchObject({ emails: [{ address: 'anna@lead.example' }], externalReferences: [] })
  })

  it('is not brought back by a write that comes late', async () => {
    const id = unique()
    await put('dms', id, anna, '?sourceVersion=2')
    expect((await asked('DELETE', `/v1/customers/by-reference/dms/${id}?sourceVersion=1`)).status).toBe(409)
    expect((await asked('DELETE', `/v1/customers/by-reference/dms/${id}?sourceVersion=3`)).status).toBe(200)
    expect((await put('dms', id, anna, '?sourceVersion=2')).body.code).toBe('source-version-older')
  })
})

describe('a merge', () => {
  it('shows both as one, answers by either id, and is undone as if it had not been', async () => {
    const one = await known()
    const two = await known({ name: { given: 'A' }, phones: [{ number: '32 12 34 56' }] })
    const [oneBefore, twoBefore] = [await get(one.id), await get(two.id)]
    const before = await latest()
    const { body } = await merge(two.id, one.id)
    expect(body.id).toBe(one.id)
    const shown = await get(two.id)
    expect(shown).toMatchObject({
      id: one.id,
      emails: [{ address: 'anna@customer.example' }],
      phones: [{ e164: '+4532123456' }],
    })
    expect(shown.externalReferences).toHaveLength(2)
    expect((await asked('GET', '/v1/customers?limit=200')).text).not.toContain(two.id)
    expect((await told(before)).toSorted()).toEqual(
      [`customer.merged ${one.id}`, `customer.merged ${two.id}`].toSorted(),
    )
    const tombstone = (await eventsBehind(before)).find(({ subject }) => subject.id === two.id)?.customer
    expect(tombstone).toMatchObject({ state: 'merged', mergedInto: one.id, emails: [], phones: [] })

    await unmerge(two.id)
    const same = (now: any, then: any) =>
      expect({ ...now, version: 0, rev: '', updatedAt: '' }).toEqual({ ...then, version: 0, rev: '', updatedAt: '' })
    same(await get(one.id), oneBefore)
    same(await get(two.id), twoBefore)
    expect((await told(before)).slice(2).toSorted()).toEqual(
      [`customer.unmerged ${one.id}`, `customer.unmerged ${two.id}`].toSorted(),
    )
  })

  it('is another customer to whoever has one of the two, at the same version too', async () => {
    const read = (id: string, have: string) => asked('GET', `/v1/customers/${id}`, undefined, { 'if-none-match': have })
    const etag = async (id: string) => (await asked('GET', `/v1/customers/${id}`)).headers.get('etag') ?? ''
    const [into, from] = [await known(), await known({ name: { given: 'B' }, emails: anna.emails })]
    await patch(from.id, { name: { given: 'Bo' } })
    const own = await etag(from.id)
    expect((await merge(from.id, into.id)).body.version).toBe(2)
    expect((await read(from.id, own)).body).toMatchObject({ id: into.id, version: 2 })
    const { status, body } = await patch(from.id, { name: { given: 'Bodil' } }, own)
    expect([status, body.code]).toEqual([412, 'customer-changed'])

    const merged = await etag(from.id)
    expect((await read(into.id, merged)).status).toBe(304)
    const { version } = (await unmerge(from.id)).body
    for (let more = (await get(into.id)).version; more < version; more++)
      await patch(into.id, { name: { given: `Anna ${more}` } })
    expect((await get(into.id)).version).toBe(version)
    expect((await read(from.id, await etag(into.id))).body.id).toBe(from.id)
    expect((await patch(from.id, { name: { given: 'Bodil' } }, await etag(into.id))).status).toBe(412)
    expect((await patch(from.id, { name: { given: 'Bodil' } }, await etag(from.id))).status).toBe(200)
  })

  it('leaves what is written since with the id that it was written to', async () => {
    const one = await known()
    const two = await known({ name: { given: 'A' }, emails: [{ address: 'a@customer.example' }] })
    await merge(two.id, one.id)
    await put('dms', two.reference, { name: { given: 'A' }, emails: [{ address: 'b@customer.example' }] })
    await patch(two.id, { address: { city: 'Rungsted' } })
    expect((await get(one.id)).address).toEqual({ city: 'Rungsted' })
    await unmerge(two.id)
    expect((await get(one.id)).address).toBeUndefined()
    expect(await get(two.id)).toMatchObject({
      address: { city: 'Rungsted' },
      emails: [{ address: 'b@customer.example' }],
    })
  })

  it('is undone in any order', async () => {
    const [a, b, c] = [await known(), await known(), await known()]
    await merge(c.id, b.id)
    await merge(b.id, a.id)
    expect((await get(c.id)).id).toBe(a.id)
    const by = { type: 'api_key', id: dealer.dms.id, name: 'DMS Sync' }
    expect((await asked('GET', `/v1/customers/${a.id}/sources`)).body.merged).toEqual([
      { customerId: b.id, into: a.id, at: expect.any(String), by },
      { customerId: c.id, into: b.id, at: expect.any(String), by },
    ])
    await unmerge(b.id)
    expect([(await get(c.id)).id, (await get(a.id)).externalReferences.length]).toEqual([b.id, 1])
    await merge(b.id, a.id)
    await unmerge(c.id)
    expect([(await get(c.id)).id, (await get(b.id)).id]).toEqual([c.id, a.id])
  })

  it('makes no circle, and crosses nothing', async () => {
    const [a, b, c] = [await known(), await known(), await known()]
    await merge(b.id, a.id)
    await merge(c.id, b.id)
    const itself = 'A customer cannot be part of itself.'
    const circle = 'The other customer is part of this one already.'
    const elsewhere = 'This customer is part of another one already. Undo that first.'
    for (const [from, into, detail] of [
      [a, a, itself],
      [a, b, circle],
      [a, c, circle],
      [b, c, elsewhere],
    ] as const)
      expect((await merge(from.id, into.id)).body).toMatchObject({ code: 'merge-impossible', detail })
    // Sent again it is what it was.
    const before = await latest()
    expect([(await merge(b.id, a.id)).status, (await unmerge(a.id)).status, await told(before)]).toEqual([200, 200, []])
    const foreign = await asked('POST', '/v1/customers', anna, {}, other.dms.token)
    expect((await merge(a.id, foreign.body.id)).status).toBe(404)
    const key = await service.createKey(dealer.admin.token, {
      kind: 'extensive_integrations',
      environment: 'test',
      sources: ['dms'],
    })
    const tested = await put('dms', unique(), anna, '', await service.exchange(key.secret))
    const crossed = { code: 'merge-impossible', detail: 'A test customer and a real one cannot be merged.' }
    expect((await merge(a.id, tested.body.id)).body).toMatchObject(crossed)
  })

  it('is of a hundred at the most', async () => {
    const [one, last] = [await known(), await known()]
    const customers = Array.from({ length: 99 }, () => ({ source: 'dms', id: unique(), customer: anna }))
    const { results } = (await asked('POST', '/v1/customers/batch', { customers })).body
    const others = results.map(({ written }: { written: { id: string } }) => inner(written.id))
    await service
      .db('customers')
      .whereIn('id', others)
      .update({ merged_into: inner(one.id), state: 'merged', shown: null })
    const detail = 'A customer can be put together of 100 at the most.'
    expect((await merge(last.id, one.id)).body).toMatchObject({ code: 'merge-impossible', detail })
    await unmerge(outer('cust', others[0]))
    expect((await merge(last.id, one.id)).status).toBe(200)
  })

  it('of two into each other at the same time is one', async () => {
    const [a, b] = [await known(), await known()]
    const replies = await Promise.all([merge(a.id, b.id), merge(b.id, a.id)])
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([200, 409]))
  })

  it('is shown before it is done, and leaves nothing behind', async () => {
    const one = await known()
    const two = await known({ phones: [{ number: '32 12 34 56' }] })
    const rows = () =>
      Promise.all(
        ['customers', 'customer_keys', 'customer_sources', 'events', 'dealer_clocks'].map((table) =>
          service.db(table).select().orderByRaw('1, 2'),
        ),
      )
    const before = await rows()
    const tried = await merge(two.id, one.id, '?dryRun=true')
    expect(await rows()).toEqual(before)
    const done = await merge(two.id, one.id)
    const { emails, phones, externalReferences } = done.body.customer
    expect(tried.body.customer).toMatchObject({ emails, phones, externalReferences, version: 1 })
  })
})

describe('leads of a customer', () => {
  it('say what people typed, and show whose they are', async () => {
    const before = await latest()
    const { id, leadId } = await linked(undefined, {
      name: { full: 'Anna J' },
      emails: [{ address: 'anna@lead.example' }],
    })
    expect(await get(id)).toMatchObject({ name: { full: 'Anna J' }, externalReferences: [] })
    expect((await asked('GET', `/v1/leads/${leadId}`)).body.customerId).toBe(id)
    expect((await asked('GET', `/v1/customers/${id}/leads`)).body.items.map((each: { id: string }) => each.id)).toEqual(
      [leadId],
    )
    const events = await eventsBehind(before)
    expect(events.slice(1).map(({ type, actor }) => [type, actor])).toEqual([
      ['lead.linked', { type: 'system', id: 'system', name: 'CarBuddii' }],
      ['customer.created', { type: 'system', id: 'system', name: 'CarBuddii' }],
    ])
    const { origins, leads } = (await asked('GET', `/v1/customers/${id}/sources`)).body
    expect(origins).toContainEqual({ field: 'name', type: 'lead', leadId, since: leads[0].receivedAt })
    expect(leads).toMatchObject([{ leadId, customerId: id }])
  })

  it('read otherwise once it is known whose they are, and may still be changed by whoever saw them before', async () => {
    const id = await pushed({ emails: [{ address: 'anna@lead.example' }] })
    const path = `/v1/leads/${id}`
    const read = (have: string, header = 'if-none-match') => asked('GET', path, undefined, { [header]: have })
    expect((await read('"1"')).status).toBe(304)
    const { id: customerId } = await link(id)
    const { status, body, headers } = await read('"1"')
    expect([status, body.customerId, body.version]).toEqual([200, customerId, 1])
    const tag = headers.get('etag') ?? ''
    expect(tag).toMatch(/^"1\.[0-9]+"$/)
    expect((await read(tag)).status).toBe(304)
    for (const [have, answer] of [
      ['"1"', 200],
      [tag, 200],
      ['"1.1"', 200],
      ['"2"', 412],
      [`"2${tag.slice(2)}`, 412],
    ] as const)
      expect([have, (await read(have, 'if-match')).status]).toEqual([have, answer])
    const change = (status: string, match: string) => asked('PATCH', path, { status }, { 'if-match': match })
    expect((await change('acknowledged', '"1"')).headers.get('etag')).toBe(tag.replace('1', '2'))
    expect((await change('in_progress', tag)).status).toBe(412)
    expect((await change('in_progress', tag.replace('1', '2'))).status).toBe(200)
  })

  it('change nothing that a system says, and then make no event of the customer', async () => {
    const { id } = await known()
    const before = await latest()
    await linked(id, { name: { full: 'anna jensen' }, emails: [{ address: 'ANNA@customer.example' }] })
    expect((await eventsBehind(before)).map(({ type }) => type)).toEqual(['lead.created', 'lead.linked'])
    expect((await get(id)).version).toBe(1)
  })

  it('stay with the id that they were linked to, through merges', async () => {
    const [one, two] = [await known(), await known()]
    const { leadId } = await linked(two.id, { emails: [{ address: 'anna@lead.example' }] })
    await merge(two.id, one.id)
    expect((await asked('GET', `/v1/leads/${leadId}`)).body.customerId).toBe(two.id)
    const listed = (await asked('GET', `/v1/customers/${one.id}/leads`)).body.items
    expect(listed.map((each: { id: string }) => each.id)).toEqual([leadId])
    await unmerge(two.id)
    expect((await asked('GET', `/v1/customers/${one.id}/leads`)).body.items).toEqual([])
  })

  it('are told of page by page, however many there are, and the latest of them have a say', async () => {
    const { id } = await known({ emails: anna.emails })
    const many = 1_000
    const made: string[] = []
    while (made.length < many) {
      const leads = Array.from({ length: 200 }, (_, at) => ({
        lead: lead({ customer: { emails: [{ address: `anna.${made.length + at}@lead.example` }] } }),
      }))
      const { body } = await service.call('POST', '/v1/leads/batch', { token: dealer.website.token, body: { leads } })
      made.push(...body.results.map((each: { lead: { id: string } }) => each.lead.id))
    }
    await service.db.transaction(async (trx) => {
      await trx('dealer_clocks').where({ dealer_id: dealer.dealerId }).forUpdate()
      const links = made.map((leadId) => ({
        leadId: inner(leadId),
        customerId: inner(id),
        test: false,
        revSeq: '1',
        revEvent: newId(),
        reasons: [],
      }))
      await addLinks(trx, dealer.dealerId, links)
      await refresh(trx, dealer.dealerId, system, new Map([[inner(id), undefined]]), new Date())
    })
    const listed: string[] = []
    for (let cursor: string | undefined = ''; cursor !== undefined;) {
      const query: string = cursor ? `&cursor=${cursor}` : ''
      const { items, nextCursor } = (await asked('GET', `/v1/customers/${id}/leads?limit=200${query}`)).body
      listed.push(...items.map((each: { id: string }) => each.id))
      cursor = nextCursor
    }
    expect(listed).toEqual(made.toReversed())
    const { leads } = (await asked('GET', `/v1/customers/${id}/sources`)).body
    expect(new Set(leads.map(({ leadId }: { leadId: string }) => leadId))).toEqual(new Set(made.slice(-leadsHeardMax)))
    const address = (at: number) => `anna.${at}@lead.example`
    const emails = (await get(id)).emails.map((each: { address: string }) => each.address)
    expect(emails[0]).toBe('anna@customer.example')
    // What came together is in no order; it is of the last.
    expect(emails).toHaveLength(10)
    for (const each of emails.slice(1))
      expect(Array.from({ length: leadsHeardMax }, (_, at) => address(many - 1 - at))).toContain(each)

    const other = await known()
    expect((await merge(id, other.id, '?dryRun=true')).status).toBe(200)
    expect((await merge(id, other.id)).body.customer.emails).toHaveLength(10)
    expect((await unmerge(id)).body.customer.emails.map((each: { address: string }) => each.address)).toEqual(emails)
  })

  it('show nobody whose they are without customers:read', async () => {
    const { leadId } = await linked(undefined, { emails: [{ address: 'anna@lead.example' }] })
    const key = await service.createKey(dealer.admin.token, {
      kind: 'extensive_integrations',
      scopes: ['leads:read', 'events:read'],
    })
    const token = await service.exchange(key.secret)
    const { body, text } = await asked('GET', `/v1/leads/${leadId}`, undefined, {}, token)
    expect([body.customerId, text.includes('anna@')]).toEqual([undefined, false])
    const feed = await asked('GET', '/v1/events?limit=200', undefined, {}, token)
    expect(feed.text).not.toMatch(/anna|Jensen|Hansen/i)
    expect(feed.body.items.some(({ customer }: { customer?: object }) => customer)).toBe(false)
  })
})

describe('the feed', () => {
  it('leaves out what the same key has done, and nothing else', async () => {
    const key = await service.createKey(dealer.admin.token, { kind: 'extensive_integrations', sources: ['crm'] })
    const token = await service.exchange(key.secret)
    const before = await latest()
    const own = await known()
    const others = await put('crm', unique(), anna, '', token)
    const { items, nextCursor } = (await asked('GET', `/v1/events?cursor=${before}&excludeOwn=true`)).body
    expect(items.map(({ subject }: { subject: { id: string } }) => subject.id)).toEqual([others.body.id])
    expect(nextCursor).toBe(await latest())
    expect(await told(before)).toEqual([`customer.created ${own.id}`, `customer.created ${others.body.id}`])

    const stream = await listen(service.url, dealer.dms.token, { after: before, query: '?excludeOwn=true' })
    await stream.until(new RegExp(`^data: .*${others.body.id}.*$`, 'm'))
    expect(stream.text).not.toContain(own.id)
  })
})

it('lists the leads of a customer and of those that were merged into it, and asks for customers:read', async () => {
  const [one, two] = [await known(), await known()]
  const { leadId } = await linked(two.id, { emails: [{ address: 'anna@lead.example' }] })
  await merge(two.id, one.id)
  for (const id of [one.id, two.id])
    expect((await asked('GET', `/v1/leads?customerId=${id}&status=new`)).body.items).toMatchObject([{ id: leadId }])
  expect((await asked('GET', `/v1/leads?customerId=${one.id}&status=won`)).body.items).toEqual([])
  expect((await asked('GET', `/v1/leads?customerId=cust_${'0'.repeat(32)}`)).body.items).toEqual([])
  const key = await service.createKey(dealer.admin.token, { kind: 'extensive_integrations', scopes: ['leads:read'] })
  const refused = await asked(
    'GET',
    `/v1/leads?customerId=${one.id}`,
    undefined,
    {},
    await service.exchange(key.secret),
  )
  expect([refused.status, refused.body.code]).toEqual([403, 'scope-missing'])
})

it('tells as much of who says what as fits into a mebibyte', async () => {
  const { id, reference } = await known({ ...anna, shoeSizes: 'x'.repeat(8_000) }, ['member-unknown'])
  const row = await service.db('customer_sources').where({ dealer_id: dealer.dealerId, external_id: reference }).first()
  const data = JSON.stringify(row.data)
  const copies = Array.from({ length: 200 }, (_, at) => {
    return { ...row, id: newId(), external_id: `${reference}-${at}`, data, changed_at: JSON.stringify(row.changed_at) }
  })
  await service.db('customer_sources').insert(copies)
  const { text, body } = await asked('GET', `/v1/customers/${id}/sources`)
  expect(body.sources.length).toBeGreaterThan(100)
  expect(Buffer.byteLength(text)).toBeLessThan(1024 * 1024 + 10_000)
})

describe('a list of customers', () => {
  it('goes page by page, the latest first, and since a time', async () => {
    const own = await service.dealer(`lists${unique()}`)
    const made: string[] = []
    for (let at = 0; at < 5; at++) made.unshift((await put('dms', `row-${at}`, anna, '', own.dms.token)).body.id)
    const ids: string[] = []
    for (let cursor: string | undefined = ''; cursor !== undefined;) {
      const query: string = cursor ? `&cursor=${cursor}` : ''
      const { items, nextCursor } = (await asked('GET', `/v1/customers?limit=2${query}`, undefined, {}, own.dms.token))
        .body
      ids.push(...items.map(({ id }: { id: string }) => id))
      cursor = nextCursor
    }
    expect(ids).toEqual(made)

    const since = (await asked('GET', `/v1/customers/${made[0]}`, undefined, {}, own.dms.token)).body.updatedAt
    await put('dms', 'row-0', { ...anna, name: { given: 'Changed' } }, '', own.dms.token)
    const changed = await asked(
      'GET',
      `/v1/customers?updatedSince=${encodeURIComponent(since)}`,
      undefined,
      {},
      own.dms.token,
    )
    expect(changed.body.items.map(({ id }: { id: string }) => id)).toEqual([made[0], made[4]])
  })

  it('keeps test customers apart', async () => {
    const key = await service.createKey(dealer.admin.token, {
      kind: 'extensive_integrations',
      environment: 'test',
      sources: ['dms'],
    })
    const token = await service.exchange(key.secret)
    const { id, reference } = await known()
    const tested = await put('dms', reference, anna, '', token)
    expect([tested.status, tested.body.customer.test]).toEqual([201, true])
    const ids = async (path: string, by: string) =>
      (await asked('GET', path, undefined, {}, by)).body.items.map((each: { id: string }) => each.id)
    expect(await ids('/v1/customers?limit=200', token)).toContain(tested.body.id)
    expect(await ids('/v1/customers?limit=200', token)).not.toContain(id)
    expect(await ids('/v1/customers?test=true', dealer.dms.token)).toContain(tested.body.id)
    expect(await ids('/v1/customers?limit=200', dealer.dms.token)).not.toContain(tested.body.id)
    expect((await asked('GET', `/v1/customers/${id}`, undefined, {}, token)).status).toBe(404)
    const body = { name: { family: 'Hansen' } }
    expect((await asked('PATCH', `/v1/customers/${id}`, body, { 'if-match': '*' }, token)).status).toBe(404)
  })
})

describe('looking for a customer', () => {
  const search = async (body: object) => {
    const reply = await asked('POST', '/v1/customers/search', body)
    expect([reply.status, reply.text]).toEqual([200, reply.text])
    return reply.body.items.map(({ id }: { id: string }) => id) as string[]
  }
  it('finds it by whatever is known of it, and by all of that together', async () => {
    const { id } = await known({
      name: { given: 'Søren Aage', family: 'Kjærgaard' },
      emails: [{ address: 'Soeren.Kjaergaard@customer.example' }],
      phones: [{ number: '+45 32 98 76 54' }],
    })
    for (const body of [
      { email: 'soeren.kjaergaard@CUSTOMER.example ' },
      { email: 'soeren.kjaergaard\u200b@customer.example' },
      { phone: '32987654' },
      { phone: '0045 3298 7654' },
      { phone: '7654' },
      { name: 'kjærg' },
      { name: 'KJAERGAARD søren' },
      { name: 'Soeren', phone: '987654' },
    ])
      expect([body, await search(body)]).toEqual([body, [id]])
    for (const body of [
      { email: 'kjaergaard@customer.example' },
      { phone: '3298' },
      { phone: '765' + 'x' },
      { name: 'aard' },
      { name: 'Søren Jensen' },
      { name: 'Søren', phone: '1111' },
    ])
      expect([body, await search(body)]).toEqual([body, []])
  })

  it('finds it by what its lead has handed in, and no more when that is taken from it', async () => {
    const { id } = await known()
    const plate = `AB ${Math.floor(10_000 + Math.random() * 89_999)}`
    const pushed = await service.call('POST', '/v1/leads', {
      token: dealer.website.token,
      body: lead({ tradeIns: [{ make: 'Volvo', registration: { number: plate }, vin: 'YV1FARM0000000001' }] }),
    })
    const now = new Date()
    await service.db.transaction(async (trx) => {
      const link = {
        leadId: inner(pushed.body.id),
        customerId: inner(id),
        test: false,
        revSeq: '1',
        revEvent: newId(),
        reasons: [],
      }
      await addLinks(trx, dealer.dealerId, [link])
      await refresh(trx, dealer.dealerId, system, new Map([[inner(id), undefined]]), now)
    })
    expect(await search({ registration: plate.replace(' ', '-').toLowerCase() })).toEqual([id])
    expect(await search({ vin: 'yv1farm0000000001' })).toEqual([id])
  })

  it('finds a merged one as the one that it is now, and a hidden value not at all', async () => {
    const address = `${unique()}@customer.example`
    const [one, two] = [await known(), await known({ emails: [{ address }] })]
    await merge(two.id, one.id)
    expect(await search({ email: address })).toEqual([one.id])
    await unmerge(two.id)
    expect(await search({ email: address })).toEqual([two.id])
    await patch(two.id, { emails: null })
    expect(await search({ email: address })).toEqual([])
  })
})
