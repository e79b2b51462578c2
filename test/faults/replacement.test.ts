import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Knex } from 'knex'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { runningEmbedded } from '../../src/db/embedded.ts'
import { type Database, openDatabase } from '../../src/db/pool.ts'
import { inner } from '../../src/ids.ts'
import { amount } from '../long.ts'
import { patienceMs, until } from '../patience.ts'
import { randomFrom, seed } from '../seed.ts'
import { send } from '../service.ts'
import { endServers, freePort, openDealer, pause, type Server, startServer, workersOf } from './processes.ts'

const kills = amount(6, 1_000)
const restarts = amount(1, 50)
const keysCount = 6
const killedWithinMs = 150
const unreadShare = 0.15
const connectionsCount = 8
const takenWithinMs = 200

let dataDir: string
let env: Record<string, string>
let server: Server
let database: Database
let dealer: Awaited<ReturnType<typeof openDealer>>

beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'cb-'))
  // Started by root, the server of the database runs as somebody else, who must get through.
  chmodSync(dataDir, 0o711)
  mkdirSync(join(dataDir, 't'), { mode: 0o755 })
  const port = await freePort()
  env = {
    DATA_DIR: dataDir,
    TMPDIR: join(dataDir, 't'),
    PORT: String(port),
    PUBLIC_URL: `http://127.0.0.1:${port}`,
    WORKERS: '2',
  }
  server = await startServer(env)
  const connection = await runningEmbedded(dataDir)
  if (!connection) throw new Error('There is no database')
  database = openDatabase(connection, () => undefined)
  dealer = await openDealer(database.db, server.url, 'replaced')
})
afterAll(async () => {
  await endServers()
  await database.close()
  rmSync(dataDir, { recursive: true, force: true })
})

const counts = {
  kills: 0,
  silences: 0,
  replaced: 0,
  byItself: 0,
  unanswered: 0,
  firstUses: 0,
  ended: 0,
  cancelled: 0,
  lockouts: 0,
}
const nobody = { status: 0, body: {} as any }
/** Whether a request was answered, and how; 503 says as little as nothing. */
const answer = async (method: string, path: string, options: Parameters<typeof send>[2]) =>
  send(server.url + path, method, options)
    .catch(() => nobody)
    .then((reply) => (reply.status === 503 ? nobody : reply))
async function ask(...request: Parameters<typeof answer>) {
  const reply = await Promise.race([answer(...request), pause(patienceMs)])
  if (!reply) counts.silences++
  return reply ?? nobody
}
const asAdmin = (method: string, path: string, body: object) => ask(method, path, { token: dealer.admin, body })
/** Asks until there is an answer. */
async function answered(request: () => ReturnType<typeof ask>) {
  return until(async () => {
    const reply = await request()
    return reply.status !== 0 && reply
  })
}
/** The token that a secret buys, if it works. */
async function exchanged(secret: string): Promise<string | undefined> {
  const { status, body } = await answered(() => ask('POST', '/v1/auth/token', { headers: { 'x-api-key': secret } }))
  // Whoever tries ended ones too often is told to wait; a right one never is.
  expect([200, 401, 429]).toContain(status)
  return body.access_token
}

/**
 * An admin, or the partner itself, who replaces one key again and again, and a partner who has the secrets that were
 * answered, the newest last. Neither does what would lock the partner out without any fault: an old secret is ended
 * only when the partner has the new one.
 */
async function rotate(at: number, isOver: () => boolean): Promise<void> {
  const random = randomFrom(seed + at)
  const { apiKey, secret } = (
    await answered(() =>
      asAdmin('POST', '/v1/api-keys', { name: `Rotated ${at} ${random()}`, kind: 'digital_requests' }),
    )
  ).body
  const path = `/v1/api-keys/${apiKey.id}/replacement`
  const held = new Set<string>([secret])
  let token = await exchanged(secret)
  while (!isOver()) {
    const newCounts = random() < 0.3 ? 'at_once' : 'on_first_use'
    // Both at once is the one choice that ends the old secret before anybody has the new one.
    const oldEnds = (['after_1_hour', 'after_7_days', 'at_once'] as const)[
      Math.floor(random() * (newCounts === 'at_once' ? 2 : 3))
    ]
    const byItself = random() < 0.3
    const reply =
      byItself && token
        ? await ask('POST', '/v1/api-key/replacement', { token, body: { oldEnds } })
        : await asAdmin('POST', path, { newCounts, oldEnds })
    // A kill seldom falls between the commit and the answer; that is when it counts, so some answers are not read.
    if (reply.status === 0 || random() < unreadShare) {
      counts.unanswered++
      // Whether or not it was done, one of those that the partner has works; and the admin asks again.
      token = await tokenOfAny(held, random)
      if (!token) counts.lockouts++
      continue
    }
    if (reply.status === 201) {
      counts.replaced++
      if (byItself) counts.byItself++
      held.add(reply.body.secret)
      if (random() < 0.5 && (await exchanged(reply.body.secret))) counts.firstUses++
      const choice = random()
      if (choice < 0.3 && (await asAdmin('PATCH', path, { oldEnds: 'at_once' })).status === 200) counts.ended++
      else if (choice < 0.6 && (await asAdmin('DELETE', path, {})).status === 200) counts.cancelled++
    } else {
      // Two secrets are in use: the old one is ended, so that there is room.
      expect([reply.status, reply.body.code]).toEqual([409, 'replacement-under-way'])
      await answered(() => asAdmin('PATCH', path, { oldEnds: 'at_once' }))
    }
    token = await tokenOfAny(held, random)
    if (!token) counts.lockouts++
  }
}

/**
 * What was ended stays so, and is thrown away; all others are kept, since a cancelled replacement brings the old one
 * back.
 */
async function tokenOfAny(held: Set<string>, random: () => number): Promise<string | undefined> {
  for (const secret of random() < 0.5 ? [...held] : [...held].toReversed()) {
    const token = await exchanged(secret)
    if (token) return token
    held.delete(secret)
  }
  return undefined
}

/**
 * What must never be: two secrets of a key that count for ever, none at all, or a credential that outlives its secret.
 */
async function unsound(db: Knex = database.db) {
  const { rows } = await db.raw(`
    select k.id, count(*) filter (where s.role = 'current') as current, count(*) filter (where s.role in ('current', 'previous') and s.ends_at is null) as permanent,
      count(*) filter (where s.role = 'ended' and c.ends_at > clock_timestamp() or s.role = 'previous' and c.ends_at = 'infinity') as outliving
    from api_keys k join api_key_secrets s on s.dealer_id = k.dealer_id and s.api_key_id = k.id
      join credentials c on c.dealer_id = s.dealer_id and c.id = s.credential_id
    group by k.id
    having count(*) filter (where s.role = 'current') <> 1 or count(*) filter (where s.role in ('current', 'previous') and s.ends_at is null) <> 1
      or count(*) filter (where s.role = 'ended' and c.ends_at > clock_timestamp() or s.role = 'previous' and c.ends_at = 'infinity') > 0`)
  return rows
}

it('leaves nobody in silence who connects to a worker that is about to be killed', async () => {
  for (const pid of workersOf(server)) {
    process.kill(pid, 'SIGSTOP')
    let open = connectionsCount
    for (let count = 0; count < connectionsCount; count++)
      get(`${server.url}/healthz`, { agent: false }, (response) => response.resume())
        .on('error', () => undefined)
        .on('close', () => open--)
    // For the first process to take them, if it does.
    await pause(takenWithinMs)
    process.kill(pid, 'SIGKILL')
    await until(() => open === 0)
  }
})

it('locks nobody out, and leaves no key with two permanent secrets, when workers and the whole service are killed while keys are replaced', async () => {
  let isOver = false
  const random = randomFrom(seed - 1)
  const rotating = Promise.all(Array.from({ length: keysCount }, (_, at) => rotate(at, () => isOver)))
  let rotatingFailed = false
  rotating.catch(() => (rotatingFailed = true))
  // Something was done since the last kill: else a service that never comes back would be killed again and again.
  const progress = async () => {
    const before = counts.replaced
    await until(() => counts.replaced > before || rotatingFailed)
  }
  const plan = [...Array<'worker'>(kills).fill('worker'), ...Array<'service'>(restarts).fill('service')]
    .map((victim) => ({ victim, order: random() }))
    .toSorted((one, other) => one.order - other.order)
  try {
    for (const { victim } of plan) {
      await progress()
      await pause(random() * killedWithinMs)
      if (victim === 'service') {
        await server.end('SIGKILL')
        server = await startServer(env)
      } else {
        const pid = await until(() => {
          const workers = workersOf(server)
          return workers[Math.floor(random() * workers.length)]
        })
        process.kill(pid, 'SIGKILL')
      }
      counts.kills++
      expect(await unsound()).toEqual([])
    }
    await progress()
  } finally {
    isOver = true
  }
  await rotating
  console.log(`SEED=${seed} ${kills} kills of a worker, ${restarts} of the service: ${JSON.stringify(counts)}`)
  expect([await unsound(), counts.lockouts, counts.silences, counts.kills]).toEqual([[], 0, 0, kills + restarts])
  expect(counts.unanswered).toBeGreaterThan(0)
})

it('would see a second secret that counts for ever, and a credential that outlives its secret', async () => {
  const { apiKey } = (
    await answered(() => asAdmin('POST', '/v1/api-keys', { name: `Seen ${seed}`, kind: 'digital_requests' }))
  ).body
  const both = { newCounts: 'at_once', oldEnds: 'at_once' }
  await answered(() => asAdmin('POST', `/v1/api-keys/${apiKey.id}/replacement`, both))
  const api_key_id = inner(apiKey.id)
  let seen: unknown
  await database.db.transaction(async (trx) => {
    await trx('api_key_secrets').where({ api_key_id }).whereNot({ role: 'current' }).update({ role: 'ended' })
    const ended = await trx('api_key_secrets').where({ api_key_id, role: 'ended' })
    await trx('credentials')
      .whereIn(
        'id',
        ended.map(({ credential_id }) => credential_id),
      )
      .update({ ends_at: '-infinity' })
    const before = await unsound(trx)
    await trx('api_key_secrets').where({ lookup: ended[0].lookup }).update({ role: 'previous', ends_at: null })
    await trx('credentials').where({ id: ended[0].credential_id }).update({ ends_at: 'infinity' })
    const after = await unsound(trx)
    seen = [before, after.map(({ permanent, outliving }: any) => [Number(permanent), Number(outliving)])]
    await trx.rollback()
  })
  expect(seen).toEqual([[], [[2, 1]]])
})
