import { afterAll, beforeAll, expect, it } from 'vitest'
import { newId, inner } from '../src/ids.ts'
import { addRequests, sweepRequests } from '../src/requests/store.ts'
import { idAt, lead, startService, type TestService } from './service.ts'

let service: TestService
let dealer: Awaited<ReturnType<TestService['dealer']>>
let other: Awaited<ReturnType<TestService['dealer']>>
beforeAll(async () => {
  service = await startService()
  dealer = await service.dealer('settled')
  other = await service.dealer('unsettled')
})
afterAll(() => service.close())

const change = (body: object) => service.call('PATCH', '/v1/dealer', { token: dealer.admin.token, body })
const read = async (token = dealer.admin.token) => (await service.call('GET', '/v1/dealer', { token })).body

it('changes what is sent and leaves the rest, and another dealer, as they are', async () => {
  const before = await read()
  expect(before).toEqual({
    id: before.id,
    name: 'settled',
    country: 'DK',
    timeZone: 'Europe/Copenhagen',
    language: 'da',
    requestLogDays: 14,
    responseTargetMinutes: 30,
    secondFactorRequired: false,
  })
  const { status, body } = await change({ name: ' Nordhavn Biler ', requestLogDays: 30 })
  expect([status, body]).toEqual([200, { ...before, name: 'Nordhavn Biler', requestLogDays: 30 }])
  expect(await read()).toEqual(body)
  expect(await read(other.admin.token)).toMatchObject({ name: 'unsettled', requestLogDays: 14 })
  expect((await service.call('GET', '/v1/me', { token: dealer.dms.token })).body.dealer.name).toBe('Nordhavn Biler')
})

it('tells in the audit log what was changed, and nothing when nothing was', async () => {
  await change({ language: 'en' })
  await change({ language: 'en' })
  const { items } = (
    await service.call('GET', '/v1/audit-entries?action=dealer.updated', { token: dealer.admin.token })
  ).body
  expect(items.map(({ before, after }: any) => [before, after])).toEqual([
    [{ language: 'da' }, { language: 'en' }],
    [
      { name: 'settled', requestLogDays: 14 },
      { name: 'Nordhavn Biler', requestLogDays: 30 },
    ],
  ])
})

it.each([
  {},
  { name: ' ' },
  { country: 'dk' },
  { country: 'Denmark' },
  { language: 'Danish' },
  { requestLogDays: 0 },
  { requestLogDays: 91 },
  { requestLogDays: 1.5 },
  { responseTargetMinutes: 0 },
  { responseTargetMinutes: 10_081 },
  { id: 'dealer_0' },
])('refuses %j', async (body) => {
  expect((await change(body)).status).toBe(400)
})

it.each(['Mars/Olympus', '+01:00', 'Copenhagen'])('knows no time zone %s', async (timeZone) => {
  const { status, body } = await change({ timeZone, name: 'Half done' })
  expect([status, body.code]).toEqual([422, 'time-zone-unknown'])
  expect((await read()).name).toBe('Nordhavn Biler')
})

it('reads times without an offset in the new time zone', async () => {
  await change({ timeZone: 'America/New_York' })
  const readBy = async () => {
    const { id } = (
      await service.call('POST', '/v1/leads', {
        token: dealer.website.token,
        body: lead({ submittedAt: '2026-11-23T10:00:00' }),
      })
    ).body
    return (await service.call('GET', `/v1/leads/${id}`, { token: dealer.dms.token })).body.submittedAt
  }
  expect(new Date(await readBy()).toISOString()).toBe('2026-11-23T15:00:00.000Z')
})

it('keeps the requests of keys for as many days as each dealer says', async () => {
  await change({ requestLogDays: 30 })
  const request = (who: typeof dealer, daysAgo: number) => {
    const at = new Date(Date.now() - daysAgo * 86_400_000)
    return {
      dealer_id: who.dealerId,
      id: idAt(at),
      at,
      api_key_id: inner(who.dms.id),
      credential_id: newId(),
      request_id: `${daysAgo} days ago`,
      operation: 'listLeads',
      status: 200,
      duration_ms: 1,
      address: '127.0.0.1',
      user_agent: null,
      lead_id: null,
      problem: null,
      violation: null,
      logged: true,
    }
  }
  await addRequests(
    service.service.database.hot,
    [dealer, other].flatMap((who) => [13, 15, 29, 31].map((days) => request(who, days))),
  )
  expect(await sweepRequests(service.db, 100)).toBe(4)
  const kept = async (who: typeof dealer) =>
    (
      await service
        .db('api_key_requests')
        .where({ dealer_id: who.dealerId })
        .whereLike('request_id', '% days ago')
        .orderBy('at', 'desc')
    ).map((row) => row.request_id)
  expect([await kept(dealer), await kept(other)]).toEqual([
    ['13 days ago', '15 days ago', '29 days ago'],
    ['13 days ago'],
  ])
})
