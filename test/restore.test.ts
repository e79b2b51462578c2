import type { Knex } from 'knex'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { connect, type Followed, followEvents } from '../src/client/client.ts'
import { recordEvents } from '../src/events/store.ts'
import { inner } from '../src/ids.ts'
import { keepState } from './restore.ts'
import { lead, startService, type TestService } from './service.ts'
import { listen } from './stream.ts'

const eventsKept = 3
const eventsLost = 3

let service: TestService
beforeAll(async () => {
  service = await startService()
})
afterAll(() => service.close())

type Dealer = Awaited<ReturnType<TestService['dealer']>>
const push = async ({ website }: Dealer) => {
  const { status, body } = await service.call('POST', '/v1/leads', { token: website.token, body: lead() })
  expect(status).toBe(201)
  return body.id as string
}
const pushSeveral = async (dealer: Dealer, count: number) => {
  for (let done = 0; done < count; done++) await push(dealer)
}
const feed = (token: string, query = '') => service.call('GET', `/v1/events${query}`, { token })
const cursorsIn = (events: { cursor: string }[]) => events.map(({ cursor }) => cursor)
/** All events there are, by their cursors. */
const cursorsOf = async ({ dms }: Dealer): Promise<string[]> => cursorsIn((await feed(dms.token)).body.items)
/** Something else than what readers were told before, in the database of the state that is brought back. */
const happenOtherwise = (dealer: Dealer, leadId: string, count: number) => (db: Knex) =>
  db.transaction(async (trx) => {
    const principal = { dealerId: dealer.dealerId, subject: { type: 'user', id: inner(dealer.sales.userId) } } as const
    const event = {
      type: 'lead.updated',
      subject: { type: 'lead', id: inner(leadId) },
      test: false,
      changed: ['status'],
      status: 'won',
    } as const
    for (let done = 0; done < count; done++)
      await recordEvents(trx, principal.dealerId, principal.subject, [event], new Date())
  })

/**
 * Follows by the published client until it ends by itself, or the test. Lines that break and are opened again are left
 * out.
 */
function follow({ dms }: Dealer, after: string) {
  const stop = new AbortController()
  const heard: Followed[] = []
  const client = connect({ baseUrl: service.url, apiKey: dms.secret })
  const followed = {
    heard,
    isOver: false,
    cursors: () => [...new Set(heard.flatMap((one) => ('cursor' in one ? [one.cursor] : [])))],
  }
  const done = (async () => {
    for await (const message of followEvents({ client, signal: stop.signal, after }))
      if (message.type !== 'closed') heard.push(message)
    followed.isOver = true
  })()
  onTestFinished(async () => {
    stop.abort()
    await done
  })
  return followed
}

it.each([
  ['ends before where readers are', 0],
  ['ends before where readers are, with another event at a number they know', 1],
  ['ends at the number where readers are', eventsLost],
  ['has grown past the number where readers are', eventsLost + 2],
])(
  'tells everybody who is ahead of an earlier state that is brought back, and nobody else, when it %s',
  async (_, othersCount) => {
    const dealer = await service.dealer(`ahead-${othersCount}`)
    const calm = await service.dealer(`calm-${othersCount}`)
    const first = await push(dealer)
    await pushSeveral(dealer, eventsKept - 1)
    await push(calm)
    const state = await keepState(service.connection)
    await expect.poll(() => push(dealer).catch(() => undefined)).toBeDefined()
    await pushSeveral(dealer, eventsLost - 1)

    const known = await cursorsOf(dealer)
    const place = (seq: number) => known[seq - 1] ?? ''
    const ahead = [place(eventsKept + 1), place(eventsKept + eventsLost)]
    const open = await listen(service.url, dealer.dms.token)
    const board = await listen(service.url, dealer.sales.token, { query: '?skip=true' })
    const resumed = await listen(service.url, dealer.admin.token, { after: place(eventsKept) })
    await resumed.until(new RegExp(`^id: ${ahead[1]}$`, 'm'))
    const untouched = await listen(service.url, calm.dms.token, { after: '0.0' })
    await untouched.until(/^id: 1\./m)
    const clients = [follow(dealer, place(1)), follow(calm, '0.0')] as const
    await expect.poll(() => clients[0].cursors()).toContain(ahead[1])

    await state.bringBack(happenOtherwise(dealer, first, othersCount))

    // Open streams, and the client.
    for (const stream of [open, board, resumed]) {
      await stream.over()
      const [, last = '{}'] = /\n\nevent: restarted\ndata: (.*)\n\n$/.exec(stream.text) ?? []
      expect(JSON.parse(last)).toMatchObject({
        code: 'feed-restarted',
        detail: expect.stringContaining('cursor=latest'),
      })
    }
    expect([open, board, resumed].map((stream) => stream.data().length)).toEqual([0, 0, eventsLost])
    await expect.poll(() => clients[0].isOver).toBe(true)
    expect(clients[0].heard.map(({ type }) => type).filter((type) => type !== 'position')).toEqual([
      ...known.slice(1).map(() => 'event'),
      'restarted',
    ])

    // Whoever comes with a cursor.
    await expect.poll(async () => (await feed(dealer.dms.token)).status).toBe(200)
    for (const cursor of ahead) {
      const headers = { 'last-event-id': cursor }
      const page = await feed(dealer.dms.token, `?cursor=${cursor}`)
      const stream = await service.call('GET', '/v1/events/stream', { token: dealer.dms.token, headers })
      expect([page.status, page.body.code, stream.status, stream.body.code]).toEqual([
        ...[410, 'feed-restarted'],
        ...[410, 'feed-restarted'],
      ])
      const late = follow(dealer, cursor)
      await expect.poll(() => late.isOver).toBe(true)
      expect(late.heard).toEqual([{ type: 'restarted' }])
    }

    // Whoever was not ahead, and goes on.
    await push(dealer)
    const now = await cursorsOf(dealer)
    expect([now.length, now.slice(0, eventsKept)]).toEqual([eventsKept + othersCount + 1, known.slice(0, eventsKept)])
    const others = now.slice(eventsKept)
    expect(others.filter((cursor) => known.includes(cursor))).toEqual([])
    const behind = await feed(dealer.dms.token, `?cursor=${place(eventsKept)}`)
    expect([cursorsIn(behind.body.items), behind.body.nextCursor]).toEqual([others, others.at(-1)])
    const again = await listen(service.url, dealer.dms.token, { after: place(eventsKept) })
    await again.until(new RegExp(`^id: ${others.at(-1)}$`, 'm'))
    expect(cursorsIn(again.data())).toEqual(others)
    await push(calm)
    await untouched.until(/^id: 2\./m)
    const all = await cursorsOf(calm)
    expect([untouched.isOver, cursorsIn(untouched.data())]).toEqual([false, all])
    await expect.poll(() => clients[1].heard.filter(({ type }) => type === 'event').length).toBe(2)
    expect([clients[1].isOver, clients[1].cursors()]).toEqual([false, ['0.0', ...all]])
  },
)

it('does not keep a client that is told of a restart going round: it ends, and begins anew where the feed ends', async () => {
  const dealer = await service.dealer('anew')
  await pushSeveral(dealer, 2)
  const late = follow(dealer, '2.0123456789ab')
  await expect.poll(() => late.isOver).toBe(true)
  expect(late.heard).toEqual([{ type: 'restarted' }])
  const { nextCursor } = (await feed(dealer.dms.token, '?cursor=latest')).body
  const anew = follow(dealer, nextCursor)
  await expect.poll(() => anew.cursors()).toEqual([nextCursor])
  await push(dealer)
  await expect.poll(() => anew.cursors().length).toBe(2)
  expect(anew.cursors()[1]).toBe((await cursorsOf(dealer)).at(-1))
})
