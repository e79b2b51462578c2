import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startEmbedded } from '../../src/db/embedded.ts'
import { migrate } from '../../src/db/migrate.ts'
import { type Database, openDatabase } from '../../src/db/pool.ts'
import { inner } from '../../src/ids.ts'
import { amount } from '../long.ts'
import { until } from '../patience.ts'
import { randomFrom, seed } from '../seed.ts'
import { lead, password, type Reply, send } from '../service.ts'
import { endServers, onDatabase, openDealer, pause, type Server, startServer } from './processes.ts'

const rounds = amount(4, 110)
const faults = amount(1, 10)
const processesCount = 4
// To each process.
const lanes = { create: 5, update: 1, read: 2 }
const warmMsMax = 60
const stoppedMs = 400
const requestsAfter = 2

type Doomed = { token: string; actorId: string; end: (url: string) => Promise<Reply> }
type Fault = (url: string) => Promise<() => Promise<unknown>>

let folder: string
let embedded: Awaited<ReturnType<typeof startEmbedded>>
let database: Database
let servers: Server[]
let dealer: Awaited<ReturnType<typeof openDealer>>
let knownLead: string
const random = randomFrom(seed)
const some = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'revocation-'))
  // Started by root, PostgreSQL runs as somebody else, who must get through.
  chmodSync(folder, 0o711)
  embedded = await startEmbedded(folder, () => undefined)
  await migrate(embedded.connection, () => undefined)
  database = openDatabase(embedded.connection, () => undefined)
  const env = onDatabase(embedded.connection as never, 'http://localhost:3000')
  // The first makes the first admin.
  const first = await startServer(env)
  servers = [first, ...(await Promise.all(Array.from({ length: processesCount - 1 }, () => startServer(env))))]
  dealer = await openDealer(database.db, first.url, 'fire')
  knownLead = (await send(`${first.url}/v1/leads`, 'POST', { token: dealer.token, body: lead() })).body.id
})
afterAll(async () => {
  await endServers()
  await database.close()
  await embedded.stop()
  rmSync(folder, { recursive: true, force: true })
})

const as = (token: string, method: string, path: string, body?: object) => (url: string) =>
  send(url + path, method, { token, ...(body && { body }), headers: { 'if-match': '*' } })
const done = async (reply: Promise<Reply>) => {
  const { status, body } = await reply
  if (status >= 300) throw new Error(`${status} ${JSON.stringify(body)}`)
  return body
}
const exchange = async (secret: string): Promise<string> =>
  (await done(send(`${some(servers).url}/v1/auth/token`, 'POST', { headers: { 'x-api-key': secret } }))).access_token
async function newKey() {
  const { apiKey, secret } = await done(
    as(dealer.admin, 'POST', '/v1/api-keys', { name: `Key ${Math.random()}`, kind: 'extensive_integrations' })(
      some(servers).url,
    ),
  )
  return { path: `/v1/api-keys/${apiKey.id}`, actorId: inner(apiKey.id), token: await exchange(secret) }
}

/** What lives, and how it is ended. */
const endings: Record<string, () => Promise<Doomed>> = {
  'a deletion': async () => {
    const { path, actorId, token } = await newKey()
    return { actorId, token, end: as(dealer.admin, 'DELETE', path) }
  },
  'a disabling': async () => {
    const { path, actorId, token } = await newKey()
    return { actorId, token, end: as(dealer.admin, 'PATCH', path, { disabled: true }) }
  },
  'the end of an old secret': async () => {
    const { path, actorId, token } = await newKey()
    await done(
      as(dealer.admin, 'POST', `${path}/replacement`, { newCounts: 'at_once', oldEnds: 'after_7_days' })(
        some(servers).url,
      ),
    )
    return { actorId, token, end: as(dealer.admin, 'PATCH', `${path}/replacement`, { oldEnds: 'at_once' }) }
  },
  'a signing out': async () => {
    const { headers, body } = await send(`${some(servers).url}/v1/session`, 'POST', {
      body: { email: 'admin@fire.example', password },
    })
    const cookie = headers.get('set-cookie')?.split(';')[0] ?? ''
    return {
      actorId: inner(body.user.id),
      token: body.access_token,
      end: (url) => send(`${url}/v1/session`, 'DELETE', { headers: { cookie } }),
    }
  },
}

/** What one has written, as far as it is committed. */
async function written(actorId: string): Promise<number> {
  const [row] = await database
    .db('events')
    .where({ dealer_id: dealer.dealerId, actor_id: actorId })
    .count({ count: '*' })
  return Number(row?.['count'])
}

const empty = () => ({ accepted: 0, committedLate: 0, before: 0, racing: 0, refused: 0, waitsMs: [] as number[] })

/**
 * One token in use at every process, as fast as it goes; its end; and what was accepted of what began after the end was
 * answered.
 */
async function fire(open: () => Promise<Doomed>, seen: ReturnType<typeof empty>, fault?: Fault): Promise<void> {
  const { token, actorId, end } = await open()
  let ended = false
  let inFlight = 0
  let answeredBefore = 0
  const lane = async (url: string, request: (url: string) => Promise<Reply>, writes: boolean) => {
    for (let answered = 0; answered < requestsAfter;) {
      const startedAfter = ended
      if (writes) inFlight++
      const { status } = await request(url).catch(() => ({ status: 0 }))
      if (writes) inFlight--
      // One that was cut off from the database, or from us, tells nothing.
      if (status === 0 || status === 503) continue
      if (!startedAfter) {
        answeredBefore++
        seen.before += Number(status < 300)
      } else if (status === 401) seen.refused++
      else seen.accepted++
      if (startedAfter) answered++
    }
  }
  const busy = servers.flatMap(({ url }) => [
    ...Array.from({ length: lanes.create }, () => lane(url, as(token, 'POST', '/v1/leads', lead()), true)),
    ...Array.from({ length: lanes.update }, () =>
      lane(
        url,
        as(token, 'PATCH', `/v1/leads/${knownLead}`, { status: some(['appointment_set', 'in_progress']) }),
        true,
      ),
    ),
    ...Array.from({ length: lanes.read }, (_lane, at) =>
      lane(url, as(token, 'GET', at % 2 === 0 ? '/v1/leads?limit=1' : `/v1/leads/${knownLead}`), false),
    ),
  ])
  await until(() => answeredBefore > 2 * processesCount)
  await pause(random() * warmMsMax)
  const { url } = some(servers)
  const mended = fault && (await fault(url))

  const asked = performance.now()
  seen.racing += inFlight
  for (;;) {
    const status = await end(url).then(
      (reply) => reply.status,
      () => 0,
    )
    // Who was not answered asks again, and finds it done.
    if (status === 200 || status === 204 || (fault && [401, 404, 409].includes(status))) break
    if (!fault || ![0, 503].includes(status)) throw new Error(`The end was answered ${status}`)
    await pause(20)
  }
  ended = true
  seen.waitsMs.push(performance.now() - asked)
  const atTheEnd = await written(actorId)
  await mended?.()
  await Promise.all(busy)
  seen.committedLate += (await written(actorId)) - atTheEnd
}

const shown = ({ waitsMs, ...counts }: ReturnType<typeof empty>) => {
  const sorted = waitsMs.toSorted((one, other) => one - other)
  const at = (share: number) =>
    `${Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0)} ms`
  return `${JSON.stringify(counts)}; waited p50 ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)}`
}

describe.each(Object.entries(endings))('after %s was answered', (what, open) => {
  it(`nothing that begins is accepted by any of ${processesCount} processes, and nothing more is committed`, async () => {
    const seen = empty()
    for (let round = 0; round < rounds; round++) await fire(open, seen)
    console.log(`${what}, ${rounds} rounds: ${shown(seen)}`)
    expect([seen.accepted, seen.committedLate]).toEqual([0, 0])
    // Else nothing was seen.
    expect(Math.min(seen.before, seen.racing, seen.refused)).toBeGreaterThan(rounds * processesCount)
  })

  it.each<[string, Fault]>([
    [
      'while another process is stopped and goes on later',
      async (url) => {
        const stopped = some(servers.filter((server) => server.url !== url))
        stopped.signal('SIGSTOP')
        return async () => {
          await pause(stoppedMs)
          stopped.signal('SIGCONT')
        }
      },
    ],
    [
      'while the database is started anew',
      async () => {
        const restarted = embedded.stop().then(async () => {
          embedded = await startEmbedded(folder, () => undefined)
        })
        return () => restarted
      },
    ],
  ])('the same holds %s', async (how, fault) => {
    const seen = empty()
    for (let round = 0; round < faults; round++) await fire(open, seen, fault)
    console.log(`${what}, ${faults} rounds ${how}: ${shown(seen)}`)
    expect([seen.accepted, seen.committedLate]).toEqual([0, 0])
    expect(Math.min(seen.before, seen.refused)).toBeGreaterThan(0)
  })
})
