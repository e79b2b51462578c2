import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { type OperationId, operations } from '../generated/server/express.gen.ts'
import { momentIn } from '../src/moment.ts'
import { amount } from './long.ts'
import { seed } from './seed.ts'
import { lead, startService, type TestService } from './service.ts'

let service: TestService
let dealer: Awaited<ReturnType<TestService['dealer']>>
beforeAll(async () => {
  service = await startService()
  dealer = await service.dealer('times')
})
afterAll(() => service.close())

describe('a time of the contract', () => {
  it.each([
    ['2026-11-29T10:00:00Z', '2026-11-29T10:00:00.000Z'],
    ['2026-11-29t10:00:00z', '2026-11-29T10:00:00.000Z'],
    ['2026-11-29 10:00:00+01:00', '2026-11-29T09:00:00.000Z'],
    ['2026-11-29T10:00:00 01:00', '2026-11-29T09:00:00.000Z'],
    ['2026-11-29T10:00:00-0330', '2026-11-29T13:30:00.000Z'],
    ['2026-11-29T10:00:00+01', '2026-11-29T09:00:00.000Z'],
    ['2026-11-29T10:00:00.12345678901234567890Z', '2026-11-29T10:00:00.123Z'],
    ['2026-12-31T23:59:60Z', '2027-01-01T00:00:00.000Z'],
    ['2027-01-01T00:59:60.5+01:00', '2027-01-01T00:00:00.000Z'],
    ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00.000Z'],
    ['0000-01-01T00:00:00Z', '0000-01-01T00:00:00.000Z'],
    ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00.000Z'],
    ['9999-12-31T23:59:59.9999999Z', '9999-12-31T23:59:59.999Z'],
  ])('is understood: %s', (text, utc) => expect(momentIn(text)?.toISOString()).toBe(utc))

  it.each([
    '',
    '2026-11-29',
    // Read in the zone of whichever machine it came to.
    '2026-11-29T10:00:00',
    '2026-11-29T10:00Z',
    '2026-11-29T24:00:00Z',
    '2026-11-29T12:30:60Z',
    '2026-12-31T23:59:60+01:00',
    '2026-11-29T10:00:00+24:00',
    '2026-11-29T10:00:00+01:60',
    '2026-02-29T00:00:00Z',
    '2026-11-29T10:00:00ZZ',
    '0000-01-01T00:00:00+00:01',
    '9999-12-31T23:59:59-00:01',
    '+12026-11-29T10:00:00Z',
    ' 2026-11-29T10:00:00Z',
  ])('is none: %j', (text) => expect(momentIn(text)).toBeUndefined())
})

const token = () => dealer.admin.token

it('with a leap second asks like the moment after it', async () => {
  for (const [query, status] of [
    ['updatedSince=2026-12-31T23%3A59%3A60Z', 200],
    ['updatedSince=2026-12-31T23:59:60Z', 200],
    ['updatedSince=2026-12-31T23%3A59%3A60%2B01%3A00', 400],
  ] as const)
    expect([query, (await service.call('GET', `/v1/leads?${query}`, { token: token() })).status]).toEqual([
      query,
      status,
    ])
})

it('in an address may have lost its plus, and be written with or without escapes', async () => {
  const { body } = await service.call('POST', '/v1/leads', { token: dealer.website.token, body: lead() })
  const at = Date.parse(body.receivedAt)
  /** As a clock an hour ahead of UTC shows it. */
  const shown = (ms: number) => new Date(ms + 3_600_000).toISOString().slice(0, -1)
  const found = async (time: string) =>
    (await service.call('GET', `/v1/leads?updatedSince=${time}`, { token: token() })).body.items.length
  for (const plus of ['+', '%20', '%2B'])
    for (const write of [(text: string) => text, (text: string) => text.replaceAll(':', '%3A')])
      expect([
        plus,
        await found(write(`${shown(at)}${plus}01:00`)),
        await found(write(`${shown(at + 1)}${plus}01:00`)),
      ]).toEqual([plus, 1, 0])
})

it('from before there were leads asks for all of them', async () => {
  const all = (await service.call('GET', '/v1/leads', { token: token() })).body.items.length
  expect(all).toBeGreaterThan(0)
  for (const time of ['0000-01-01T00:00:00Z', '0001-01-01T00:00:00Z', '1969-12-31T23:59:59Z'])
    expect((await service.call('GET', `/v1/leads?updatedSince=${time}`, { token: token() })).body.items).toHaveLength(
      all,
    )
  const audited = (query: string) => service.call('GET', `/v1/audit-entries?${query}`, { token: token() })
  const entries = (await audited('limit=200')).body.items.length
  expect((await audited('limit=200&since=0001-01-01T00:00:00Z')).body.items).toHaveLength(entries)
  expect((await audited('limit=200&until=9999-12-31T23:59:59.9999999Z')).body.items).toHaveLength(entries)
  expect((await audited('limit=200&until=0001-01-01T00:00:00Z')).body.items).toEqual([])
})

/** Every place of the contract where a request has a time. */
const document = parse(readFileSync('generated/openapi.yaml', 'utf8'))
const resolved = (node: any): any =>
  node.$ref
    ? node.$ref
        .slice(2)
        .split('/')
        .reduce((at: any, name: string) => at[name], document)
    : node
const isTime = (schema: any) => resolved(schema).format === 'date-time'
const places = (Object.keys(operations) as OperationId[]).flatMap((id) => {
  const { method, path } = operations[id]
  const item = document.paths[path]
  const operation = item[method.toLowerCase()]
  const parameters = [...(item.parameters ?? []), ...(operation.parameters ?? [])].map(resolved)
  const queried = parameters
    .filter(({ schema, in: part }: any) => part === 'query' && isTime(schema))
    .map(({ name }: any) => ({ id, in: 'query' as const, name }))
  const schema = resolved(Object.values<any>(operation.requestBody?.content ?? { none: { schema: {} } })[0].schema)
  const sent = Object.entries<any>(schema.properties ?? {})
    .filter(([, property]) => isTime(property))
    .map(([name]) => ({ id, in: 'body' as const, name }))
  return [...queried, ...sent]
})

/** What such a request has beside the time. */
const bodies: Partial<Record<OperationId, () => object>> = {
  createApiKey: () => ({ name: `Key ${Math.random()}`, kind: 'digital_requests' }),
  updateApiKey: () => ({}),
}

const digits = (length: number) => fc.stringMatching(new RegExp(`^\\d{${length}}$`))
/** Mostly what is usual, so that what is odd stands in a time that is one but for it. */
const oddly = (usual: string, ...odd: string[]) =>
  fc.oneof({ arbitrary: fc.constant(usual), weight: odd.length * 2 }, fc.constantFrom(...odd))
const odd = fc
  .tuple(
    fc.oneof(oddly('2026', '0000', '0001', '1969', '9999'), digits(4)),
    oddly('-12-31', '-01-01', '-02-29', '-02-30', '-06-30', '-13-01', '-00-00', '12-31'),
    oddly('T', 't', ' ', '', '_'),
    oddly('23:59:60', '00:00:00', '23:59:59', '24:00:00', '12:30:60', '10:00', '99:99:99'),
    fc.oneof(
      fc.constant(''),
      fc
        .integer({ min: 1, max: 20 })
        .chain(digits)
        .map((fraction) => `.${fraction}`),
    ),
    oddly('Z', 'z', '+01:00', ' 01:00', '+24:00', '-23:59', '+23:59', '+0100', '-01', '+99:99', '', '[UTC]'),
  )
  .map((parts) => parts.join(''))

it('is understood or refused wherever there is one, and never a fault of ours', async () => {
  expect(places.map(({ id, name }) => `${id} ${name}`).sort()).toEqual([
    'createApiKey expiresAt',
    'listAuditEntries since',
    'listAuditEntries until',
    'listCustomers updatedSince',
    'listLeads updatedSince',
    'updateApiKey expiresAt',
  ])
  const statuses = new Set<number>()
  await fc.assert(
    fc.asyncProperty(odd, fc.constantFrom(...places), async (time, { id, in: part, name }) => {
      const { method, path } = operations[id]
      const address = path.replace('{apiKeyId}', dealer.website.id)
      const reply = await service.call(
        method,
        part === 'query' ? `${address}?${name}=${encodeURIComponent(time)}` : address,
        { token: token(), ...(part === 'body' && { body: { ...bodies[id]?.(), [name]: time } }) },
      )
      statuses.add(reply.status)
      expect([id, name, time, reply.status < 500]).toEqual([id, name, time, true])
      if (reply.status === 400)
        expect(reply.body.violations[0]).toMatchObject({ in: part, pointer: `/${name}`, message: expect.any(String) })
    }),
    { numRuns: amount(300, 5_000), seed },
  )
  expect([...statuses]).toEqual(expect.arrayContaining([200, 400, 422]))
})

it('in a lead is kept however odd it is', async () => {
  await fc.assert(
    fc.asyncProperty(odd, async (time) => {
      const reply = await service.call('POST', '/v1/leads', {
        token: dealer.website.token,
        body: lead({
          submittedAt: time,
          consents: [{ purpose: 'marketing', channel: 'email', state: 'granted', capturedAt: time }],
          appointment: { requestedSlots: [{ start: time, end: time }] },
        }),
      })
      expect([time, reply.status]).toEqual([time, 201])
    }),
    { numRuns: amount(50, 1_000), seed },
  )
})
