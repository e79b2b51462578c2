import { afterAll, beforeAll, expect, it } from 'vitest'
import { lead, startService, type TestService } from './service.ts'

const path = '/v1/leads/reconciliation'

let service: TestService
let dealer: Awaited<ReturnType<TestService['dealer']>>
beforeAll(async () => {
  service = await startService()
  dealer = await service.dealer('counting')
})
afterAll(() => service.close())

const reference = (id: string, source = 'website') => ({ source, id })
const push = (token: string, externalReference: object) =>
  service.call('POST', '/v1/leads', { token, body: lead({ externalReference }) })
const ask = (token: string, references: object[]) => service.call('POST', path, { token, body: { references } })

it('names what never arrived, in the order asked, doubles once', async () => {
  const { token } = dealer.website
  for (const id of ['b', 'd']) await push(token, reference(id))
  const { status, body } = await ask(
    token,
    ['c', 'b', 'a', 'c', 'b', 'd'].map((id) => reference(id)),
  )
  expect([status, body]).toEqual([200, { received: 2, missing: [reference('c'), reference('a')], unusable: [] }])
})

it('compares both members to the letter but for blanks around them, as the intake does', async () => {
  const { token } = dealer.website
  await push(token, reference('Ærø "1"\\', 'web,site (x)'))
  const asked = [
    reference('Ærø "1"\\', 'web,site (x)'),
    reference('Ærø "1"\\ ', 'web,site (x)'),
    reference('ærø "1"\\', 'web,site (x)'),
    reference('web,site (x)', 'Ærø "1"\\'),
    reference('nulls', 'NULLS'),
  ]
  expect((await ask(token, asked)).body).toEqual({ received: 2, missing: asked.slice(2), unusable: [] })
})

it('counts what a batch and an ADF document brought, and test leads', async () => {
  const { token } = dealer.website
  await service.call('POST', '/v1/leads/batch', {
    token,
    body: {
      leads: [
        { lead: lead({ externalReference: reference('batch') }) },
        { lead: lead({ externalReference: reference('trial'), test: true }) },
      ],
    },
  })
  await service.call('POST', '/v1/leads/adf', {
    token,
    raw: '<adf><prospect><id source="website">adf</id><customer><contact><phone>32 12 34 56</phone></contact></customer></prospect></adf>',
    headers: { 'content-type': 'application/xml' },
  })
  expect(
    (
      await ask(
        token,
        ['batch', 'trial', 'adf'].map((id) => reference(id)),
      )
    ).body,
  ).toEqual({ received: 3, missing: [], unusable: [] })
})

it('tells apart what the intake does not take for a reference', async () => {
  const { token } = dealer.website
  const odd = [
    reference('\u200b'),
    reference(' ', 'website'),
    reference('a\u0000b'),
    reference('a\ud800b'),
    reference('a\ufffdb'),
  ]
  for (const each of odd)
    expect((await push(token, each)).body.warnings.map(({ code }: { code: string }) => code)).toContainEqual(
      expect.stringMatching(/^external-reference-/),
    )
  expect((await ask(token, [...odd, reference('whole')])).body).toEqual({
    received: 0,
    missing: [reference('whole')],
    unusable: odd,
  })
})

it('tells a key nothing about what others sent', async () => {
  const other = await service.dealer('counted')
  await push(dealer.dms.token, reference('of the DMS'))
  const missing = { received: 0, missing: [reference('of the DMS')], unusable: [] }
  for (const token of [dealer.website.token, other.dms.token, dealer.admin.token])
    expect((await ask(token, [reference('of the DMS')])).body).toEqual(missing)
  expect((await ask(dealer.dms.token, [reference('of the DMS')])).body).toEqual({
    received: 1,
    missing: [],
    unusable: [],
  })
})

it('takes 10,000 references at once, by the index', async () => {
  const { token } = dealer.website
  await push(token, reference('last', 's'.repeat(64)))
  const references = Array.from({ length: 10_000 }, (_, at) =>
    reference(at === 9_999 ? 'last' : `${at}`.padStart(128, 'a'), 's'.repeat(64)),
  )
  const { status, body } = await ask(token, references)
  expect([status, body.received, body.missing.length, body.missing[9_998]]).toEqual([200, 1, 9_999, references[9_998]])
  expect((await ask(token, [...references, reference('one more')])).status).toBe(400)
})

it.each([
  {},
  { references: [] },
  { references: [{ id: '1' }] },
  { references: [reference('')] },
  { references: [reference('x'.repeat(129))] },
  { references: [{ ...reference('1'), more: 1 }] },
  { references: [reference('1')], source: 'website' },
])('refuses %j', async (body) => {
  expect((await service.call('POST', path, { token: dealer.website.token, body })).status).toBe(400)
})

it('refuses a key that has been deleted, and one that may not push leads', async () => {
  const reader = await service.createKey(dealer.admin.token, { kind: 'extensive_integrations', scopes: ['leads:read'] })
  expect((await ask(await service.exchange(reader.secret), [reference('1')])).status).toBe(403)
  const gone = await service.createKey(dealer.admin.token, { kind: 'digital_requests' })
  const token = await service.exchange(gone.secret)
  await service.call('DELETE', `/v1/api-keys/${gone.id}`, { token: dealer.admin.token })
  expect((await ask(token, [reference('1')])).status).toBe(401)
})
