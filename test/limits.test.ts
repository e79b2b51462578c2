import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pino } from 'pino'
import { parseList } from 'structured-headers'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { connect, createLead, type LeadInput } from '../src/client/client.ts'
import { readConfig } from '../src/config.ts'
import { defaultLimits, type Limits } from '../src/limit.ts'
import { inner } from '../src/ids.ts'
import { openService } from '../src/service.ts'
import { patienceMs } from './patience.ts'
import { lead, masters, type Reply, send, startService, type TestService } from './service.ts'

// What is used hardly comes back, so that nothing depends on how fast this machine is.
const never = 0.000_1
const limits: Limits = {
  leads: { most: 20, perSecond: never },
  reads: { most: 5, perSecond: never },
  writes: { most: 3, perSecond: never },
  bytes: { most: 100_000 },
  replacements: { most: 2 },
  invitations: { most: 3 },
}
let service: TestService
let dealer: Awaited<ReturnType<TestService['dealer']>>
const others: (() => Promise<void>)[] = []

beforeAll(async () => {
  service = await startService(undefined, undefined, { limits })
  dealer = await service.dealer('limited')
})
afterAll(async () => {
  for (const close of others) await close()
  await service.close()
})

/** A key that nobody has used yet. */
async function newKey(kind: 'digital_requests' | 'extensive_integrations' = 'digital_requests') {
  const key = await service.createKey(dealer.admin.token, { kind })
  return { ...key, token: await service.exchange(key.secret) }
}
const push = (token: string, url = service.url) => send(`${url}/v1/leads`, 'POST', { token, body: lead() })
const pushBatch = (token: string, count: number) =>
  service.call('POST', '/v1/leads/batch', {
    token,
    body: { leads: Array.from({ length: count }, () => ({ lead: lead() })) },
  })
const leadsOf = async (keyId: string) =>
  Number(
    (
      await service
        .db('leads')
        .where({ source_id: inner(keyId) })
        .count()
    )[0]?.['count'],
  )
const levelsOf = async (keyId: string) => {
  const reply = await service.call('GET', `/v1/api-keys/${keyId}/limits`, { token: dealer.admin.token })
  expect([reply.status, reply.text]).toEqual([200, expect.any(String)])
  return reply.body.items as {
    name: string
    used: number
    most: number
    isOwn: boolean
  }[]
}
const levelOf = async (keyId: string, name: string) => (await levelsOf(keyId)).find((each) => each.name === name)
/** What the headers say of one limit. */
function said({ headers }: Reply, name: string) {
  const of = (field: string) =>
    parseList(headers.get(field) ?? '').find(([value]) => value === name)?.[1] as Map<string, number> | undefined
  const policy = of('RateLimit-Policy')
  const state = of('RateLimit')
  return { quota: policy?.get('q'), window: policy?.get('w'), remaining: state?.get('r'), seconds: state?.get('t') }
}
const expectRefused = (reply: Reply) => {
  expect([reply.status, reply.body.code]).toEqual([429, 'limit-reached'])
  expect(Number(reply.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
}

/** Another process of the service: all that it knows of the first is in the database. */
async function anotherProcess() {
  const server = createServer({ keepAliveTimeout: 65_000 }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const opened = await openService({
    connection: service.connection,
    masters,
    issuer: service.url,
    trustProxy: false,
    limits,
    documentation: (_req, _res, next) => next(),
    log: pino({ level: 'silent' }),
    strictResponses: true,
  })
  server.on('request', opened.app)
  const close = async () => {
    server.closeAllConnections()
    server.close()
    await opened.close()
  }
  others.push(close)
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close }
}

it('lets a key push as many leads as its limit, and says with each answer how many are left', async () => {
  const { id, token } = await newKey()
  const first = await push(token)
  expect(first.status).toBe(201)
  expect(said(first, 'leads')).toMatchObject({ quota: 20, window: 200_000, remaining: 19 })
  expect(said(first, 'bytes')).toMatchObject({ quota: 100_000, window: 86_400 })
  const replies = [first]
  while (replies.length < 25) replies.push(await push(token))
  expect(replies.map(({ status }) => status)).toEqual([...Array(20).fill(201), ...Array(5).fill(429)])
  const last = replies.at(-1) as Reply
  expectRefused(last)
  expect(said(last, 'leads')).toMatchObject({ quota: 20, remaining: 0 })
  expect(await leadsOf(id)).toBe(20)
})

it('refuses a batch whole, and takes a smaller one', async () => {
  const { id, token } = await newKey()
  expect((await pushBatch(token, 15)).status).toBe(207)
  expectRefused(await pushBatch(token, 6))
  expect(await leadsOf(id)).toBe(15)
  expect((await pushBatch(token, 5)).status).toBe(207)
  expectRefused(await pushBatch(token, 1))
  const more = await pushBatch((await newKey()).token, 21)
  expectRefused(more)
  expect(more.body.detail).toContain('send fewer at a time')
})

it('counts each customer of a batch, and writes none of one that is too much', async () => {
  const { secret } = await service.createKey(dealer.admin.token, { kind: 'extensive_integrations', sources: ['dms'] })
  const token = await service.exchange(secret)
  const write = (ids: string[]) =>
    service.call('POST', '/v1/customers/batch', {
      token,
      body: { customers: ids.map((id) => ({ source: 'dms', id, customer: {} })) },
    })
  expect((await write(['A1', 'A2'])).status).toBe(207)
  expectRefused(await write(['A1', 'A3']))
  const rows = service.db('customer_sources').where({ dealer_id: dealer.dealerId }).orderBy('external_id')
  expect(await rows.pluck('external_id')).toEqual(['A1', 'A2'])
  expect((await write(['A3'])).status).toBe(207)
})

it('counts each prospect of an ADF document', async () => {
  const { id, token } = await newKey()
  const prospect = '<prospect><customer><contact><phone>32 12 34 56</phone></contact></customer></prospect>'
  const pushAdf = (count: number) =>
    service.call('POST', '/v1/leads/adf', {
      token,
      raw: `<adf>${prospect.repeat(count)}</adf>`,
      headers: { 'content-type': 'application/xml' },
    })
  expect((await pushAdf(18)).status).toBe(207)
  expectRefused(await pushAdf(3))
  expect(await leadsOf(id)).toBe(18)
})

it('counts bytes by the day', async () => {
  const { token } = await newKey()
  const long = () =>
    send(`${service.url}/v1/leads`, 'POST', { token, body: lead({ extra: { note: 'x'.repeat(40_000) } }) })
  expect((await long()).status).toBe(201)
  expect((await long()).status).toBe(201)
  const third = await long()
  expectRefused(third)
  expect(said(third, 'bytes')).toMatchObject({ quota: 100_000 })
  // What was refused for one limit has used nothing of the other.
  expect(said(await push(token), 'leads').remaining).toBe(17)
})

it('keeps a lane for leads that no reader uses up, and leaves other keys and people alone', async () => {
  const { token } = await newKey('extensive_integrations')
  const other = await newKey('extensive_integrations')
  const list = (as: string) => service.call('GET', '/v1/leads', { token: as })
  const replies = await Promise.all(Array.from({ length: 12 }, () => list(token)))
  expect(replies.filter(({ status }) => status === 200)).toHaveLength(5)
  const refused = replies.filter(({ status }) => status !== 200)
  refused.forEach(expectRefused)
  expect((await push(token)).status).toBe(201)
  expect((await list(other.token)).status).toBe(200)
  for (let count = 0; count < 12; count++) {
    const { status, headers } = await list(dealer.admin.token)
    expect([status, headers.get('ratelimit')]).toEqual([200, null])
  }
})

it('counts changes of leads', async () => {
  const { token } = await newKey('extensive_integrations')
  const { id } = (await push(token)).body
  const statuses = []
  for (const status of ['acknowledged', 'in_progress', 'acknowledged', 'in_progress'])
    statuses.push(
      (await service.call('PATCH', `/v1/leads/${id}`, { token, body: { status }, headers: { 'if-match': '*' } }))
        .status,
    )
  expect(statuses).toEqual([200, 200, expect.any(Number), 429])
})

it('tells a dead token so before a limit, and lets it use up nothing of the living one', async () => {
  const { id, secret, token } = await newKey()
  const replaced = await service.call('POST', `/v1/api-keys/${id}/replacement`, {
    token: dealer.admin.token,
    body: { oldEnds: 'at_once', newCounts: 'at_once' },
  })
  expect((await service.call('POST', '/v1/auth/token', { headers: { 'x-api-key': secret } })).status).toBe(401)
  const living = await service.exchange(replaced.body.secret)
  const dead = await Promise.all(Array.from({ length: 60 }, () => push(token)))
  expect(new Set(dead.map(({ status, body }) => `${status} ${body.code}`))).toEqual(new Set(['401 token-invalid']))
  const statuses = []
  for (let count = 0; count < 21; count++) statuses.push((await push(living)).status)
  expect(statuses).toEqual([...Array(20).fill(201), 429])
  const after = await push(token)
  expect([after.status, after.body.code]).toEqual([401, 'token-invalid'])
})

it('counts right over several processes, whichever of them is asked', async () => {
  const other = await anotherProcess()
  const { id, token } = await newKey()
  const replies = await Promise.all(
    Array.from({ length: 80 }, (_, at) => push(token, at % 2 === 0 ? service.url : other.url)),
  )
  replies.filter(({ status }) => status !== 201).forEach(expectRefused)
  // What lies with a process that has no use for it is given back within seconds.
  const accepted = async () => {
    await Promise.all([push(token), push(token, other.url)])
    return (await leadsOf(id)) === 20
  }
  await vi.waitUntil(accepted, { timeout: patienceMs, interval: 500 })
  expectRefused(await push(token))
  expectRefused(await push(token, other.url))
  expect(await leadsOf(id)).toBe(20)
})

it('goes on from what was used when a process ends and another begins', async () => {
  const { id, token } = await newKey()
  const first = await anotherProcess()
  for (let count = 0; count < 12; count++) expect((await push(token, first.url)).status).toBe(201)
  await first.close()
  expect(await levelOf(id, 'leads')).toMatchObject({ used: 12, most: 20 })
  const second = await anotherProcess()
  const statuses = []
  for (let count = 0; count < 10; count++) statuses.push((await push(token, second.url)).status)
  expect(statuses).toEqual([...Array(8).fill(201), 429, 429])
})

it('lets what was used come back by the clock of the database', async () => {
  const { id, token } = await newKey()
  expect((await pushBatch(token, 20)).status).toBe(207)
  expectRefused(await push(token))
  await service
    .db('limit_levels')
    .where({ holder_id: inner(id), name: 'leads' })
    .update({ at: new Date(0) })
  await vi.waitUntil(async () => (await push(token)).status === 201, { timeout: patienceMs, interval: 100 })
})

it('takes the limits that an Admin chooses for a key, shows what is used, and writes it down', async () => {
  const { id, token } = await newKey()
  const change = (body: object) => service.call('PATCH', `/v1/api-keys/${id}`, { token: dealer.admin.token, body })
  expect((await pushBatch(token, 20)).status).toBe(207)
  expectRefused(await push(token))
  expect((await change({ limits: { leads: { perSecond: 1, most: 1_000 }, bytes: { most: 5_000_000 } } })).status).toBe(
    200,
  )
  await vi.waitUntil(async () => (await push(token)).status === 201, { timeout: patienceMs, interval: 100 })
  expect(said(await push(token), 'leads')).toMatchObject({ quota: 1_000, window: 1_000 })
  const own = await levelOf(id, 'leads')
  expect(own).toMatchObject({ most: 1_000, perSecond: 1, isOwn: true })
  expect(own?.used).toBeGreaterThan(0)
  expect(await levelOf(id, 'reads')).toMatchObject({ most: 5, used: 0, isOwn: false })

  expect((await change({ limits: {} })).status).toBe(200)
  expect(await levelOf(id, 'leads')).toMatchObject({ most: 20, isOwn: false })
  const entries = await service.call('GET', `/v1/audit-entries?subjectId=${id}`, { token: dealer.admin.token })
  expect(entries.body.items[0]).toMatchObject({
    action: 'api_key.updated',
    before: { limits: { bytes: { most: 5_000_000 }, leads: { most: 1_000, perSecond: 1 } } },
    after: { limits: {} },
  })
  for (const wrong of [{ leads: { most: 1 } }, { leads: { perSecond: 0, most: 1 } }, { invitations: { most: 1 } }])
    expect((await change({ limits: wrong })).status).toBe(400)
})

it('lets a key replace itself a few times a day, and its people all the same', async () => {
  const { id, secret, token } = await newKey()
  const itself = () => service.call('POST', '/v1/api-key/replacement', { token, body: {} })
  const byPeople = () => service.call('POST', `/v1/api-keys/${id}/replacement`, { token: dealer.admin.token, body: {} })
  const first = await itself()
  expect([first.status, said(first, 'replacements').remaining]).toEqual([201, 1])
  expect((await itself()).status).toBe(201)
  expectRefused(await itself())
  expect(await levelOf(id, 'replacements')).toMatchObject({ used: 2, most: 2 })
  expect((await byPeople()).status).toBe(201)
  expect((await byPeople()).status).toBe(201)
  expectRefused(await byPeople())
  // It can always be ended.
  expect((await service.call('DELETE', '/v1/api-key', { token: await service.exchange(secret) })).status).toBe(204)
})

it('lets the people of a dealer invite so many a day', async () => {
  const { admin } = await service.dealer('inviting')
  const invite = () =>
    service.call('POST', '/v1/users', {
      token: admin.token,
      body: { email: `${randomUUID()}@inviting.example`, name: 'Somebody', role: 'sales' },
    })
  const made = await invite()
  expect([made.status, said(made, 'invitations').remaining]).toEqual([201, 2])
  const link = () => service.call('POST', `/v1/users/${made.body.user.id}/password-link`, { token: admin.token })
  expect((await link()).status).toBe(200)
  expect((await invite()).status).toBe(201)
  expectRefused(await invite())
  expectRefused(await link())
  // Nobody but time can make them older.
  const yesterday = new Date(Date.now() - 86_500_000)
  await service.db.raw('alter table audit_entries disable trigger user')
  await service.db('audit_entries').where({ actor_type: 'user' }).update({ at: yesterday })
  await service.db.raw('alter table audit_entries enable trigger user')
  expect((await invite()).status).toBe(201)
})

it('reads the limits of the service from the environment', () => {
  const read = (LIMITS: string) => readConfig({ LIMITS }).limits
  expect(readConfig({}).limits).toEqual(defaultLimits)
  expect(read('off')).toBeUndefined()
  expect(read('leads=5/100,invitations=3')).toEqual({
    ...defaultLimits,
    leads: { perSecond: 5, most: 100 },
    invitations: { most: 3 },
  })
  for (const wrong of ['on', 'leads=5', 'bytes=1/2', 'leads=5/100,', 'offleads=5/100', 'nothing=1'])
    expect(() => read(wrong)).toThrow('LIMITS must be off')
})

it('is obeyed by the published client', async () => {
  const { id, secret } = await newKey()
  const limits = { leads: { perSecond: 1, most: 1 } }
  expect(
    (await service.call('PATCH', `/v1/api-keys/${id}`, { token: dealer.admin.token, body: { limits } })).status,
  ).toBe(200)
  const waited: string[] = []
  const client = connect({
    baseUrl: service.url,
    apiKey: secret,
    fetch: async (request) => {
      const response = await fetch(request)
      if (response.status === 429) waited.push(response.headers.get('retry-after') ?? '')
      return response
    },
  })
  const statuses = []
  for (let count = 0; count < 3; count++)
    statuses.push((await createLead({ client, body: lead() as LeadInput })).response?.status)
  expect(statuses).toEqual([201, 201, 201])
  expect(waited.length).toBeGreaterThan(0)
})
