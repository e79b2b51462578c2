import { connect } from 'node:net'
import pg from 'pg'
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from 'vitest'
import { sayOfWhichLeads } from '../src/feed/store.ts'
import { patienceMs } from './patience.ts'
import { lead, startService, type TestService } from './service.ts'
import { listen as listenTo } from './stream.ts'

let service: TestService
let reader: { token: string }
beforeAll(async () => {
  service = await startService()
  const dealer = await service.dealer('reader')
  reader = dealer.dms
  await push(dealer)
})
afterAll(() => service.close())

type Dealer = Awaited<ReturnType<TestService['dealer']>>
const push = async ({ website }: Dealer, more: object = {}) => {
  const { status, body } = await service.call('POST', '/v1/leads', { token: website.token, body: lead(more) })
  expect(status).toBe(201)
  return body.id as string
}
const feed = async (token: string, query = '') => (await service.call('GET', `/v1/events${query}`, { token })).body
const move = (token: string, id: string, status: string) =>
  service.call('PATCH', `/v1/leads/${id}`, { token, body: { status }, headers: { 'if-match': '*' } })

const numberIn = (cursor: string) => Number(cursor.split('.')[0])

const listen = (token: string, options?: Parameters<typeof listenTo>[2]) => listenTo(service.url, token, options)

const numberOf = (cursor: string) => cursor.split('.')[0]

it('tells events of test leads apart, also those that processes of the version before have written', async () => {
  const dealer = await service.dealer('both')
  const real = await push(dealer)
  const tests = [await push(dealer, { test: true }), await push(dealer, { test: true })]
  await move(dealer.sales.token, real, 'acknowledged')
  await move(dealer.sales.token, tests[0] ?? '', 'acknowledged')
  const read = async (query: string) =>
    (await feed(dealer.dms.token, query)).items.map(({ cursor, subject }: any) => [numberOf(cursor), subject.id])
  const [first] = (await feed(dealer.dms.token, '?limit=1')).items
  const [second] = (await feed(dealer.dms.token, '?test=true&limit=1')).items
  const pages = async () => [
    await read('?test=false'),
    await read('?test=true'),
    await read('?test=true&limit=1'),
    await read(`?test=true&limit=2&cursor=${second.cursor}`),
    await read(`?test=true&leadId=${tests[0]}`),
    await read(`?test=true&leadId=${real}`),
  ]
  const expected = [
    [
      ['1', real],
      ['4', real],
    ],
    [
      ['2', tests[0]],
      ['3', tests[1]],
      ['5', tests[0]],
    ],
    [['2', tests[0]]],
    [
      ['3', tests[1]],
      ['5', tests[0]],
    ],
    [
      ['2', tests[0]],
      ['5', tests[0]],
    ],
    [],
  ]
  const events = service.db('events').where({ dealer_id: dealer.dealerId })
  expect(await events.clone().orderBy('seq').pluck('test')).toEqual([false, true, true, false, true])
  expect(await pages()).toEqual(expected)

  // The service's own hand is kept away.
  const other = new pg.Client(service.connection)
  await other.connect()
  await other.query('select pg_advisory_lock(hashtextextended($1, 0))', ['telling events of test leads apart'])
  await events.clone().whereIn('seq', [1, 2, 5]).update({ test: null })
  expect(await pages()).toEqual(expected)
  const resumed = await listen(dealer.dms.token, { query: '?test=true', after: first.cursor })
  await resumed.until(/^id: 5\./m)
  expect(resumed.data().map(({ cursor }) => numberOf(cursor))).toEqual(['2', '3', '5'])

  expect(await sayOfWhichLeads(service.db, 2)).toBe(2)
  expect(await pages()).toEqual(expected)
  expect([await sayOfWhichLeads(service.db, 2), await sayOfWhichLeads(service.db, 2)]).toEqual([1, 0])
  expect(await events.clone().orderBy('seq').pluck('test')).toEqual([false, true, true, false, true])
  expect(await pages()).toEqual(expected)
  await other.end()
})

it('tells what happened to leads, oldest first, and goes on from a cursor without a gap', async () => {
  const dealer = await service.dealer('history')
  expect(await feed(dealer.dms.token)).toEqual({ items: [], nextCursor: '0.0' })
  const ids = [await push(dealer), await push(dealer), await push(dealer)]
  await move(dealer.sales.token, ids[0] ?? '', 'acknowledged')

  const first = await feed(dealer.dms.token, '?limit=2')
  const second = await feed(dealer.dms.token, `?limit=2&cursor=${first.nextCursor}`)
  const all = [...first.items, ...second.items]
  expect(
    all.map(({ cursor, type, subject, status, changed }: any) => [numberIn(cursor), type, subject.id, status, changed]),
  ).toEqual([
    [1, 'lead.created', ids[0], 'new', []],
    [2, 'lead.created', ids[1], 'new', []],
    [3, 'lead.created', ids[2], 'new', []],
    [4, 'lead.updated', ids[0], 'acknowledged', ['status']],
  ])
  expect(all.map(({ actor }: any) => actor.name)).toEqual([
    'Main Website Lead Form',
    'Main Website Lead Form',
    'Main Website Lead Form',
    'Sales',
  ])
  expect(all[3].lead).toEqual((await service.call('GET', `/v1/leads/${ids[0]}`, { token: dealer.dms.token })).body)
  const end = all[3].cursor
  expect(second.nextCursor).toBe(end)
  expect(await feed(dealer.dms.token, `?cursor=${end}`)).toEqual({ items: [], nextCursor: end })
  expect(await feed(dealer.dms.token, '?cursor=latest')).toEqual({ items: [], nextCursor: end })
  const ofOne = await feed(dealer.dms.token, `?leadId=${ids[0]}`)
  expect([ofOne.items.map(({ cursor }: any) => numberIn(cursor)), ofOne.nextCursor]).toEqual([[1, 4], end])
})

it('shows the lead of an event only to whoever may read leads', async () => {
  const dealer = await service.dealer('narrow')
  await push(dealer)
  const { secret } = await service.createKey(dealer.admin.token, {
    kind: 'extensive_integrations',
    scopes: ['events:read'],
  })
  const token = await service.exchange(secret)
  expect((await feed(token)).items.map((event: any) => [event.type, 'lead' in event])).toEqual([
    ['lead.created', false],
  ])
  const stream = await listen(token, { after: '0.0' })
  await stream.until(/^id: 1\./m)
  expect(stream.data().map((event: any) => 'lead' in event)).toEqual([false])
  expect(stream.text).not.toContain('Anna')
})

it('keeps real leads and test leads apart, and passes over the others without asking for them again', async () => {
  const dealer = await service.dealer('apart')
  const real = await push(dealer)
  const test = await push(dealer, { test: true })
  const subjects = async (token: string, query = '') => {
    const { items, nextCursor } = await feed(token, query)
    return [items.map(({ subject }: any) => subject.id), numberIn(nextCursor)]
  }
  expect(await subjects(dealer.dms.token)).toEqual([[real], 2])
  expect(await subjects(dealer.dms.token, '?test=true')).toEqual([[test], 2])
  const { secret } = await service.createKey(dealer.admin.token, {
    kind: 'extensive_integrations',
    environment: 'test',
  })
  expect(await subjects(await service.exchange(secret))).toEqual([[test], 2])
  const streams = [
    await listen(dealer.dms.token, { after: '0.0' }),
    await listen(dealer.dms.token, { query: '?test=true' }),
  ]
  const more = [await push(dealer, { test: true }), await push(dealer)]
  await streams[0]?.until(/^id: 4\./m)
  await streams[1]?.until(/^id: 3\./m)
  expect(streams.map((stream) => stream.data().map(({ subject }: any) => subject.id))).toEqual([
    [real, more[1]],
    [more[0]],
  ])
})

it('streams what happens as it happens, to everybody who listens, in one order', async () => {
  const dealer = await service.dealer('live')
  await push(dealer)
  const streams = [
    await listen(dealer.sales.token),
    await listen(dealer.admin.token),
    await listen(dealer.dms.token, { after: '0.0' }),
  ]
  const id = await push(dealer)
  await move(dealer.sales.token, id, 'won')
  for (const stream of streams) await stream.until(/^id: 3\./m)
  expect(streams.map((stream) => stream.data().map(({ cursor }: any) => numberIn(cursor)))).toEqual([
    [2, 3],
    [2, 3],
    [1, 2, 3],
  ])
  const { items } = await feed(dealer.dms.token, `?cursor=${streams[2]?.data()[0].cursor}`)
  expect(streams[0]?.data()[1]).toEqual(items[1])
  expect((await service.dealer('silent')).dealerId).not.toBe(dealer.dealerId)
})

it('sends heartbeats, and ends with the credential: nothing is written after it', async () => {
  const dealer = await service.dealer('ending')
  const { id, secret } = await service.createKey(dealer.admin.token, { kind: 'extensive_integrations' })
  const [doomed, other] = [await listen(await service.exchange(secret)), await listen(dealer.dms.token)]
  await doomed.until(/^:$/m)
  await service.call('DELETE', `/v1/api-keys/${id}`, { token: dealer.admin.token })
  await push(dealer)
  await other.until(/^id: 1\./m)
  await doomed.over()
  expect([doomed.data(), other.isOver]).toEqual([[], false])

  const idle = await listen(dealer.sales.token)
  await service.call('DELETE', '/v1/session', { headers: { cookie: dealer.sales.cookie } })
  await idle.over()
})

it('leaves many events at once out for whoever wants that, and for nobody else', async () => {
  const dealer = await service.dealer('flood')
  const [board, dms] = [await listen(dealer.sales.token, { query: '?skip=true' }), await listen(dealer.dms.token)]
  const leads = Array.from({ length: 200 }, () => ({ lead: lead() }))
  await service.call('POST', '/v1/leads/batch', { token: dealer.website.token, body: { leads } })
  await board.until(/^event: skipped\nid: 200\./m)
  await dms.until(/^id: 200\./m)
  expect(dms.data().map(({ cursor }: any) => numberIn(cursor))).toEqual(leads.map((_, at) => at + 1))
  expect(board.data().length).toBeLessThan(60)
  await push(dealer)
  await board.until(/^id: 201\./m)
})

it('lets a key have 20 streams, also when they are opened side by side', async () => {
  const dealer = await service.dealer('crowd')
  const opened = await Promise.all(
    Array.from({ length: 30 }, () =>
      fetch(`${service.url}/v1/events/stream`, { headers: { authorization: `Bearer ${dealer.dms.token}` } }),
    ),
  )
  onTestFinished(async () => {
    for (const { body } of opened) await body?.cancel()
  })
  const count = (status: number) => opened.filter((response) => response.status === status).length
  expect([count(200), count(429)]).toEqual([20, 10])
})

it('lets go of a listener who takes nothing for 30 seconds', async () => {
  const dealer = await service.dealer('deaf')
  const { hostname, port } = new URL(service.url)
  const deaf = connect(Number(port), hostname)
  onTestFinished(() => void deaf.destroy())
  deaf.write(`GET /v1/events/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${dealer.dms.token}\r\n\r\n`)
  await new Promise((resolve) => deaf.once('data', resolve))
  deaf.pause()
  // More than the buffers of the system hold.
  const leads = Array.from({ length: 200 }, () => ({ lead: lead({ message: 'x'.repeat(4_000) }) }))
  for (let count = 0; count < 20; count++)
    expect(
      (await service.call('POST', '/v1/leads/batch', { token: dealer.website.token, body: { leads } })).status,
    ).toBe(207)
  // Each heartbeat comes after a look at who is stuck. After the first the buffers may still have taken something.
  const other = await listen(dealer.dms.token, { query: '?test=true' })
  const heartbeats = () => other.text.match(/^:$/gm)?.length ?? 0
  vi.useFakeTimers({ toFake: ['Date'] })
  onTestFinished(() => void vi.useRealTimers())
  for (let count = 0; count < 3; count++) {
    const before = heartbeats()
    vi.setSystemTime(Date.now() + 31_000)
    await vi.waitUntil(() => heartbeats() > before, { timeout: patienceMs })
  }
  let text = ''
  const over = new Promise((resolve) => deaf.once('close', resolve))
  deaf
    .setEncoding('utf8')
    .on('data', (part: string) => (text += part))
    .on('error', () => undefined)
    .resume()
  await over
  expect([text.includes('\nid: 3.'), text.includes('\nid: 4000.')]).toEqual([true, false])
})

it.each([
  '0x1',
  '-1',
  '1e3',
  '9'.repeat(19),
  `${'9'.repeat(19)}.0`,
  'Latest',
  '1.',
  '1.0123456789A',
  '1.0123456789ab.0',
])('refuses the cursor %s, which is none', async (cursor) => {
  expect((await service.call('GET', `/v1/events?cursor=${cursor}`, { token: reader.token })).status).toBe(400)
  const headers = { 'last-event-id': cursor }
  expect((await service.call('GET', '/v1/events/stream', { token: reader.token, headers })).status).toBe(400)
})

it.each([
  ['beyond the end', '999999999'],
  ['beyond the end, with a tag', '999999999.0123456789ab'],
  ['of as many digits as there may be', `${'9'.repeat(18)}.0123456789ab`],
  ['of an event, without its tag', '1'],
  ['of an event, with the tag of another', '1.0123456789ab'],
  ['of an event, with the tag of the beginning', '1.0'],
  ['of the beginning, without its tag', '0'],
  ['of the beginning, with a tag', '0.0123456789ab'],
])('answers 410 to a cursor %s, which was never given out', async (_, cursor) => {
  const headers = { 'last-event-id': cursor }
  for (const { status, body } of [
    await service.call('GET', `/v1/events?cursor=${cursor}`, { token: reader.token }),
    await service.call('GET', '/v1/events/stream', { token: reader.token, headers }),
  ])
    expect([status, body.code, body.detail]).toEqual([410, 'feed-restarted', expect.stringContaining('cursor=latest')])
})
