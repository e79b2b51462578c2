import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inner } from '../src/ids.ts'
import { ageLeads, lead, startService, type TestService } from './service.ts'

const minuteMs = 60_000
const dayMs = 86_400_000

let service: TestService
beforeAll(async () => {
  service = await startService()
})
afterAll(() => service.close())

type Dealer = Awaited<ReturnType<TestService['dealer']>>
const push = async ({ website }: Dealer, more: object = {}) =>
  (await service.call('POST', '/v1/leads', { token: website.token, body: lead(more) })).body.id as string
const get = async (token: string, path: string) => (await service.call('GET', path, { token })).body
const move = async (token: string, id: string, status: string) =>
  service.call('PATCH', `/v1/leads/${id}`, { token, body: { status }, headers: { 'if-match': '*' } })
const reached = (number: string, address?: string) => ({
  customer: { phones: [{ number }], ...(address && { emails: [{ address }] }) },
})
const since = (id: string, ms: number) =>
  service
    .db('leads')
    .where({ id: inner(id) })
    .update({ received_at: new Date(Date.now() - ms) })

describe('the list', () => {
  it('comes newest or oldest first, page by page', async () => {
    const dealer = await service.dealer('order')
    const ids = [await push(dealer), await push(dealer), await push(dealer)]
    const page = async (query: string) => {
      const { items, nextCursor } = await get(dealer.sales.token, `/v1/leads?limit=2&${query}`)
      return { ids: items.map(({ id }: any) => id), nextCursor }
    }
    const first = await page('order=oldest')
    expect(first.ids).toEqual(ids.slice(0, 2))
    expect((await page(`order=oldest&cursor=${first.nextCursor}`)).ids).toEqual(ids.slice(2))
    expect((await page('order=newest')).ids).toEqual(ids.toReversed().slice(0, 2))
  })

  it('finds a person by a phone number or an e-mail address in any spelling, and nobody by half of one', async () => {
    const dealer = await service.dealer('contact')
    const [anna, bo] = [
      await push(dealer, reached('32 12 34 56', ' Anna@Customer.example ')),
      await push(dealer, reached('+46 8 123 456 78')),
    ]
    const found = async (contact: string) =>
      (await get(dealer.sales.token, `/v1/leads?contact=${encodeURIComponent(contact)}`)).items.map(({ id }: any) => id)
    expect([
      await found('+45 32123456'),
      await found('0045 32 12 34 56'),
      await found('ANNA@customer.EXAMPLE'),
      await found('+46812345678'),
    ]).toEqual([[anna], [anna], [anna], [bo]])
    const asTyped = await get(dealer.sales.token, '/v1/leads?contact=+46812345678')
    expect(asTyped.items.map(({ id }: any) => id)).toEqual([bo])
    const ida = await push(dealer, reached('20 12 34 57', 'ida+cars@customer.example'))
    for (const typed of ['ida+cars@customer.example', 'ida%2Bcars@customer.example'])
      expect((await get(dealer.sales.token, `/v1/leads?contact=${typed}`)).items.map(({ id }: any) => id)).toEqual([
        ida,
      ])
    expect([await found('3212345'), await found('nna@customer.example'), await found('12345678901234567890')]).toEqual([
      [],
      [],
      [],
    ])
  })
})

it('counts leads by status, and those that have waited too long', async () => {
  const dealer = await service.dealer('counts')
  const ids = [
    await push(dealer),
    await push(dealer),
    await push(dealer, { type: 'service' }),
    await push(dealer, { test: true }),
  ]
  await move(dealer.sales.token, ids[0] ?? '', 'won')
  await ageLeads(service.db, [inner(ids[1] ?? '')], 31 * minuteMs)
  expect(await get(dealer.sales.token, '/v1/leads/counts')).toEqual({
    statuses: [
      { status: 'new', count: 2 },
      { status: 'won', count: 1 },
    ],
    overdue: 1,
    responseTargetMinutes: 30,
  })
  await service.call('PATCH', '/v1/dealer', { token: dealer.admin.token, body: { responseTargetMinutes: 60 } })
  expect(await get(dealer.sales.token, '/v1/leads/counts')).toMatchObject({ overdue: 0, responseTargetMinutes: 60 })
  expect((await get(dealer.sales.token, '/v1/leads/counts?type=service')).statuses).toEqual([
    { status: 'new', count: 1 },
  ])
  expect((await get(dealer.sales.token, '/v1/leads/counts?test=true')).statuses).toEqual([{ status: 'new', count: 1 }])
  expect((await get(dealer.sales.token, '/v1/leads/counts?contact=nobody@customer.example')).statuses).toEqual([])
})

describe('the hint that a lead is there twice', () => {
  it('names the latest lead of the 30 days before with the same phone number or e-mail address', async () => {
    const dealer = await service.dealer('twice')
    const hint = async (id: string) => (await get(dealer.sales.token, `/v1/leads/${id}`)).duplicateOf
    const first = await push(dealer, reached('32 12 34 56', 'anna@customer.example'))
    const phone = await push(dealer, reached('+4532123456', 'other@customer.example'))
    const mail = await push(dealer, reached('32 65 43 21', 'ANNA@customer.example'))
    const nobody = await push(dealer, reached('not a number', 'third@customer.example'))
    expect([await hint(first), await hint(phone), await hint(mail), await hint(nobody)]).toEqual([
      undefined,
      first,
      first,
      undefined,
    ])
    await since(first, 31 * dayMs)
    expect([await hint(phone), await hint(mail)]).toEqual([undefined, undefined])
    const listed = (await get(dealer.sales.token, '/v1/leads')).items.map(({ duplicateOf }: any) => duplicateOf)
    expect(listed).toEqual([undefined, undefined, undefined, undefined])
  })

  it('knows no other dealer, and keeps test leads apart', async () => {
    const [one, other] = [await service.dealer('one'), await service.dealer('other')]
    await push(one, reached('32 12 34 56'))
    await push(other, { ...reached('32 12 34 56'), test: true })
    const id = await push(other, reached('32 12 34 56'))
    expect((await get(other.sales.token, `/v1/leads/${id}`)).duplicateOf).toBeUndefined()
  })
})

describe('a move', () => {
  it('can be taken back for 10 minutes by whoever made it, and by nobody else', async () => {
    const dealer = await service.dealer('back')
    const id = await push(dealer)
    const acknowledged = (await move(dealer.sales.token, id, 'acknowledged')).body
    expect(acknowledged.legalStatuses).toEqual(['in_progress', 'appointment_set', 'won', 'lost', 'invalid'])
    expect(acknowledged.respondedAt).toBe(acknowledged.updatedAt)
    expect((await move(dealer.admin.token, id, 'new')).status).toBe(409)
    const back = await move(dealer.sales.token, id, 'new')
    expect([back.status, back.body.status, back.body.respondedAt]).toEqual([200, 'new', undefined])
    expect((await get(dealer.sales.token, `/v1/events?leadId=${id}`)).items.map(({ status }: any) => status)).toEqual([
      'new',
      'acknowledged',
      'new',
    ])

    await move(dealer.sales.token, id, 'in_progress')
    await service
      .db('events')
      .where({ subject_id: inner(id) })
      .update({ at: new Date(Date.now() - 10 * minuteMs - 1_000) })
    expect((await move(dealer.sales.token, id, 'new')).body.code).toBe('lead-move-illegal')
  })

  it('goes back one step only', async () => {
    const dealer = await service.dealer('step')
    const id = await push(dealer)
    await move(dealer.sales.token, id, 'acknowledged')
    await move(dealer.sales.token, id, 'won')
    expect((await move(dealer.sales.token, id, 'new')).status).toBe(409)
    expect((await move(dealer.sales.token, id, 'acknowledged')).status).toBe(200)
  })

  it('tells when the lead was first taken up; calling it invalid is no answer', async () => {
    const dealer = await service.dealer('responded')
    const id = await push(dealer)
    expect((await move(dealer.sales.token, id, 'invalid')).body.respondedAt).toBeUndefined()
    await move(dealer.sales.token, id, 'new')
    const first = (await move(dealer.sales.token, id, 'in_progress')).body
    expect((await move(dealer.sales.token, id, 'won')).body.respondedAt).toBe(first.respondedAt)
  })
})

it('reads lists by the indexes made for them, however many leads there are', async () => {
  const dealer = await service.dealer('plans')
  const copies = `insert into leads select l.dealer_id, gen_random_uuid(), type, status, status_reason, source_type, source_id, test, external_source, external_id, submitted_at, received_at, updated_at, version,
    jsonb_set(data, '{customer,phones,0,e164}', to_jsonb('+45' || (10000000 + n))), warnings from leads l, generate_series(1, 20000) n where l.dealer_id = ?`
  await push(dealer)
  await service.db.raw(copies, [dealer.dealerId])
  await service.db.raw('analyze leads')
  const plan = async (query: string) => {
    const { rows } = await service.db.raw(`explain ${query}`, [dealer.dealerId])
    return rows.map((row: any) => row['QUERY PLAN']).join('\n')
  }
  const phone = (of: string) => `${of}.data #>> '{customer,phones,0,e164}'`
  const hint = await plan(
    `select (select d.id from leads d where d.dealer_id = l.dealer_id and ${phone('d')} = ${phone('l')} and d.test = l.test and d.id < l.id order by d.id desc limit 1) from leads l where l.dealer_id = ? limit 50`,
  )
  expect(hint).toContain('using leads_phone')
  expect(
    await plan(
      `select 1 from leads l where l.dealer_id = ? and ${phone('l')} = '+4510000007' order by l.id desc limit 50`,
    ),
  ).toContain('leads_phone')
})
