import { afterAll, beforeAll, expect, it } from 'vitest'
import { connect, followEvents } from '../../src/client/client.ts'
import { type Database, openDatabase } from '../../src/db/pool.ts'
import { amount, isLong } from '../long.ts'
import { patienceMs, until } from '../patience.ts'
import { randomFrom, seed } from '../seed.ts'
import { freshDatabase, lead, send } from '../service.ts'
import { endServers, onDatabase, openDealer, pause, type Server, startServer } from './processes.ts'

const eventsWanted = amount(3_000, 50_000)
const senders = 6
const batchMax = 100
const listeners = 6
const cutMsMax = 1_500
const slowMs = 20

let database: Database
let servers: Server[]
let dealer: Awaited<ReturnType<typeof openDealer>>
let reader: string
const random = randomFrom(seed)
const some = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item

beforeAll(async () => {
  const connection = await freshDatabase()
  database = openDatabase(connection, () => undefined)
  const env = onDatabase(connection, 'http://localhost:3000')
  // The first makes the first admin.
  servers = [await startServer(env), await startServer(env)]
  dealer = await openDealer(database.db, some(servers).url, 'feed')
  reader = (
    await send(`${some(servers).url}/v1/api-keys`, 'POST', {
      token: dealer.admin,
      body: { name: 'Reader', kind: 'extensive_integrations' },
    })
  ).body.secret
})
afterAll(async () => {
  await endServers()
  await database.close()
})

/**
 * A listener whose line is cut at random moments, and whose next one leads to either process. The events that it was
 * told, by their cursors.
 */
function listen(signal: AbortSignal, isSlow: boolean): { cursors: number[]; lines: () => number; done: Promise<void> } {
  const cursors: number[] = []
  let lines = 0
  const fetchThroughBadLine = async (request: Request) => {
    const { pathname, search } = new URL(request.url)
    const line = new AbortController()
    const response = await fetch(new Request(some(servers).url + pathname + search, request), {
      signal: AbortSignal.any([line.signal, request.signal]),
    })
    if (!pathname.endsWith('/stream')) return response
    lines++
    setTimeout(() => line.abort(), random() * cutMsMax)
    const slow = new TransformStream({
      transform: async (part, out) => {
        await pause(slowMs)
        out.enqueue(part)
      },
    })
    return isSlow ? new Response(response.body?.pipeThrough(slow), response) : response
  }
  const client = connect({ baseUrl: servers[0]?.url ?? '', apiKey: reader, fetch: fetchThroughBadLine })
  const done = (async () => {
    for await (const message of followEvents({ client, signal, after: '0.0' }))
      if (message.type === 'event') cursors.push(Number(message.cursor.split('.')[0]))
  })()
  return { cursors, lines: () => lines, done }
}

it('tells every event once and in order to listeners that are cut off and go on, at either process', async () => {
  const stop = new AbortController()
  const heard = Array.from({ length: listeners }, (_, index) => listen(stop.signal, index === 0))
  let stored = 0
  await Promise.all(
    Array.from({ length: senders }, async () => {
      while (stored < eventsWanted) {
        const leads = Array.from({ length: 1 + Math.floor(random() * batchMax) }, () => ({ lead: lead() }))
        const { status, body } = await send(`${some(servers).url}/v1/leads/batch`, 'POST', {
          token: dealer.token,
          body: { leads },
        })
        // Asked to come again, as somebody who sends this much is on a slow machine.
        if (status === 503) continue
        expect(status).toBe(207)
        stored += body.results.filter((result: { status: number }) => result.status === 201).length
        if (isLong) await pause(40)
      }
    }),
  )
  // Whose the leads are is found out behind the way in, and makes events, too.
  const recorded = await until(async () => {
    const { rows } = await database.db.raw(
      'select k.seq from dealer_clocks k join linker_cursors c using (dealer_id, seq) where k.dealer_id = ?',
      [dealer.dealerId],
    )
    return Number(rows[0]?.seq ?? 0)
  })
  const firstWrong = (cursors: readonly number[]) => cursors.findIndex((cursor, at) => cursor !== at + 1)
  for (
    let [deadline, told] = [Date.now() + patienceMs, -1];
    heard.some(({ cursors }) => cursors.length < recorded);
    await pause(50)
  ) {
    const now = heard.reduce((sum, { cursors }) => sum + cursors.length, 0)
    if (now !== told) deadline = Date.now() + patienceMs
    told = now
    if (Date.now() > deadline || heard.some(({ cursors }) => firstWrong(cursors) !== -1)) break
  }
  stop.abort()
  await Promise.all(heard.map(({ done }) => done))

  for (const { cursors } of heard) expect([cursors.length, firstWrong(cursors)]).toEqual([recorded, -1])
  const linked = await database.db('lead_links').where({ dealer_id: dealer.dealerId }).count({ count: '*' })
  expect(Number(linked[0]?.['count'])).toBe(stored)
  const cuts = heard.map(({ lines }) => lines() - 1)
  expect(Math.min(...cuts)).toBeGreaterThan(0)
  console.log(
    `${recorded} events by ${senders} senders on ${servers.length} processes; ${listeners} listeners, cut off ${cuts.join(', ')} times: none missed, none twice, none out of order`,
  )
})

it('ends its streams when it is stopped, and keeps nobody waiting for them', async () => {
  const [, stopped] = servers
  const { access_token } = (await send(`${stopped?.url}/v1/auth/token`, 'POST', { headers: { 'x-api-key': reader } }))
    .body
  const response = await fetch(`${stopped?.url}/v1/events/stream`, {
    headers: { authorization: `Bearer ${access_token}` },
  })
  // Kept open, the connection would be waited for.
  expect(response.headers.get('connection')).toBe('close')
  // Cut off instead of ended, it cannot be read to its end.
  const told = response.text()
  await stopped?.end('SIGTERM')
  expect(await told).toMatch(/^retry: \d+\nevent: position\n/)
})
