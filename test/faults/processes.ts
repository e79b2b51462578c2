import { type ChildProcess, spawn } from 'node:child_process'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Knex } from 'knex'
import { onTestFinished } from 'vitest'
import { lockDealer } from '../../src/tokens/store.ts'
import { createDealer } from '../../src/users/operator.ts'
import { bareEnvironment, onLeash } from '../leash.ts'
import { until } from '../patience.ts'
import { password, secretKeys, send } from '../service.ts'

/** Of the log. */
export interface LogLine {
  level: number
  /** Milliseconds. */
  time: number
  pid: number
  msg: string
  job?: string
  err?: { message: string; code?: string }
}

/** The service as main.ts starts it. */
export interface Server {
  readonly url: string
  readonly pid: number
  signal(signal: NodeJS.Signals): void
  /** Ends it, also when it is stopped, and resolves when it is gone. */
  end(signal: NodeJS.Signals): Promise<void>
}

export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const address = probe.address()
  probe.close()
  return typeof address === 'object' && address ? address.port : 0
}

const started: Server[] = []

/** For afterAll: whatever was started and runs still. */
export async function endServers(): Promise<void> {
  await Promise.all(started.map((server) => server.end('SIGTERM')))
}

/**
 * Resolves when it is ready to serve. What it logs (level error and above, unless `env` says otherwise), be it a
 * worker, goes to `lines`. `within` is a command that runs another in some place.
 */
export async function startServer(
  env: Record<string, string>,
  lines: LogLine[] = [],
  within: readonly string[] = [],
): Promise<Server> {
  const port = env['PORT'] ?? String(await freePort())
  const url = `http://127.0.0.1:${port}`
  const [program, args] = onLeash('src/main.ts')
  const [command = '', ...rest] = [...within, program, ...args]
  const child = spawn(command, rest, {
    env: { ...bareEnvironment, LOG_LEVEL: 'error', DRAIN_SECONDS: '0', LIMITS: 'off', ...env, PORT: port },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  createInterface({ input: child.stdout }).on('line', (line) => line.startsWith('{') && lines.push(JSON.parse(line)))
  const server: Server = {
    url,
    pid: child.pid ?? 0,
    signal: (signal) => void child.kill(signal),
    end: async (signal) => {
      if (hasEnded(child)) return
      const ended = once(child, 'exit')
      child.kill(signal)
      child.kill('SIGCONT')
      await ended
    },
  }
  started.push(server)
  await until(async () => hasEnded(child) || (await isReady(url)))
  if (hasEnded(child)) throw new Error(`The service ended before it was ready: ${JSON.stringify(lines)}`)
  return server
}

/** Whether it takes requests, and its database does. */
export const isReady = (url: string): Promise<boolean> =>
  fetch(`${url}/readyz`).then(
    ({ ok }) => ok,
    () => false,
  )

const hasEnded = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null

/** What main.ts needs to serve a database that it does not own. */
export function onDatabase(
  connection: { host: string; port: number; user: string; database: string },
  publicUrl: string,
): Record<string, string> {
  const DATABASE_URL = `postgres:///${connection.database}?host=${encodeURIComponent(connection.host)}&user=${connection.user}&port=${connection.port}`
  return { DATABASE_URL, SECRET_KEYS: secretKeys, PUBLIC_URL: publicUrl }
}

/** The workers of a server that was started with `WORKERS`. */
export function workersOf({ pid }: Server): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number)
  return children.filter((child) => {
    try {
      return readFileSync(`/proc/${child}/cmdline`, 'utf8').includes('src/main.ts')
    } catch {
      return false // it has just ended
    }
  })
}

/** A dealer in the time zone of Copenhagen with an API key that may push leads. */
export async function openDealer(db: Knex, url: string, name: string) {
  const email = `admin@${name}.example`
  const { dealerId } = await createDealer(
    db,
    { name, country: 'DK', time_zone: 'Europe/Copenhagen', language: 'da' },
    { email, name: 'Admin', password },
  )
  const admin: string = (await send(`${url}/v1/session`, 'POST', { body: { email, password } })).body.access_token
  const { apiKey, secret } = (
    await send(`${url}/v1/api-keys`, 'POST', { token: admin, body: { name: 'Website', kind: 'digital_requests' } })
  ).body
  const token: string = (await send(`${url}/v1/auth/token`, 'POST', { headers: { 'x-api-key': secret } })).body
    .access_token
  return { dealerId, admin, keyId: apiKey.id as string, secret: secret as string, token }
}

export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

/**
 * Sends requests to the service in this process, and resolves when all of them have come as far as its queue. Their
 * answers are promises: whatever holds them up is still to end.
 */
export async function allArrive<Answer>(requests: readonly (() => Promise<Answer>)[]): Promise<Promise<Answer>[]> {
  let arrived = 0
  const count = () => void arrived++
  subscribe('http.server.request.start', count)
  const answers = requests.map((request) => request())
  await until(() => arrived === requests.length)
  unsubscribe('http.server.request.start', count)
  // From the socket to the queue.
  for (let turn = 0; turn < 200; turn++) await nextTurn()
  return answers
}

/** The dealer's clock, held until the transaction that it returns ends, or the test. */
export async function holdClock(db: Knex, dealerId: string): Promise<Knex.Transaction> {
  const trx = await db.transaction()
  onTestFinished(async () => void (trx.isCompleted() || (await trx.rollback())))
  await trx.raw('set local idle_in_transaction_session_timeout = 0')
  await lockDealer(trx, dealerId)
  return trx
}

/** How many sessions of this database wait for a lock. */
export async function waitingForLocks(db: Knex): Promise<number> {
  const { rows } = await db.raw(
    "select count(*)::int as waiting from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
  )
  return rows[0].waiting
}

/** The middle and the largest of some numbers, for people. */
export function spread(values: readonly number[], unit = 'ms'): string {
  const sorted = values.toSorted((one, other) => one - other)
  return `p50 ${Math.round(sorted[sorted.length >> 1] ?? 0)} ${unit}, max ${Math.round(sorted.at(-1) ?? 0)} ${unit}`
}
