import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync, readFileSync, rmSync } from 'node:fs'
import { chmod, mkdtemp } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Knex } from 'knex'
import pg from 'pg'
import { startEmbedded } from '../../src/db/embedded.ts'
import { migrate } from '../../src/db/migrate.ts'
import { type Connection, openDatabase } from '../../src/db/pool.ts'
import { newLead } from '../../src/leads/input.ts'
import { createDealer } from '../../src/users/operator.ts'
import { onLeash } from '../leash.ts'
import type { Sent } from './harness.ts'

// However the bench ends, but for kill -9, it leaves nothing behind: the database ends with its parent, the rest is
// seen to here.
const leftovers: (() => void)[] = []
process.on('exit', () => leftovers.forEach((clear) => clear()))
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))

const workingTree = join(import.meta.dirname, '../..')
// The newer of two versions migrates what the older one left, a million leads, before it is ready.
const readySecondsMax = 300
const password = 'a-password-for-the-bench'
const differentLeads = 1_024
const differentBatches = 8
export const batchLeads = 200

/** A dealer with a token of each kind of key. */
export interface Dealer {
  dealerId: string
  admin: string
  website: string
  dms: string
}

export interface Service {
  url: string
  pid: number
  stop(): Promise<void>
}

/** An embedded PostgreSQL for one part of the bench. */
export interface Place {
  folder: string
  connection: Exclude<Connection, { connectionString: string }>
  /** The process that all others of PostgreSQL are children of. */
  databasePid: number
  db: Knex
  close(): Promise<void>
}

export type DatabaseServer = Pick<Place, 'folder' | 'connection' | 'databasePid' | 'close'>

/** The server alone: its database is empty. */
export async function openServer(): Promise<DatabaseServer> {
  const folder = await mkdtemp(join(tmpdir(), 'carbuddii-bench-'))
  // Started by root, the server runs as somebody else, who must get through.
  await chmod(folder, 0o711)
  const server = await startEmbedded(folder, () => undefined)
  leftovers.push(() =>
    [folder, server.connection.host].forEach((path) => rmSync(path, { recursive: true, force: true })),
  )
  return {
    folder,
    connection: server.connection,
    databasePid: Number(readFileSync(join(folder, 'postgres', 'postmaster.pid'), 'utf8').split('\n')[0]),
    close: () => server.stop(),
  }
}

export async function openPlace(): Promise<Place> {
  const server = await openServer()
  await migrate(server.connection, () => undefined)
  const { db, close } = openDatabase(server.connection, () => undefined)
  return { ...server, db, close: () => close().then(server.close) }
}

/** What our server, or its command line, is told of a database. */
export function onDatabase({ folder, connection }: Pick<Place, 'folder' | 'connection'>): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '',
    DATABASE_URL: `postgres:///${connection.database}?host=${encodeURIComponent(connection.host)}&user=${connection.user}&port=${connection.port}`,
    SECRET_KEYS: `v1:${Buffer.alloc(32, 7).toString('base64url')}`,
    DATA_DIR: join(folder, 'ours'),
    DRAIN_SECONDS: '0',
    LIMITS: 'off',
  }
}

/**
 * Our server as it ships, `node src/main.ts` with its log written to a file; `OURS_FLAGS` are for profilers, like
 * --cpu-prof. The code is that of the working tree, or of `root`.
 */
export async function startOurs(
  place: Pick<Place, 'folder' | 'connection'>,
  { root = workingTree, more = {} }: { root?: string; more?: Record<string, string> } = {},
): Promise<Service> {
  const port = await freePort()
  const env = { ...onDatabase(place), PORT: String(port), ...more }
  const log = openSync(join(place.folder, 'ours.log'), 'a')
  const flags = process.env['OURS_FLAGS']?.split(' ') ?? []
  const child = spawn(...onLeash(...flags, 'src/main.ts'), {
    cwd: root,
    env,
    stdio: ['ignore', log, 'inherit'],
  })
  leftovers.push(() => child.kill())
  const ended = once(child, 'exit')
  const url = `http://localhost:${port}`
  for (
    const deadline = Date.now() + readySecondsMax * 1000;
    !(await fetch(`${url}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    ));
    await sleep(50)
  ) {
    if (Date.now() > deadline || child.exitCode !== null) throw new Error('Our server did not get ready')
  }
  return { url, pid: child.pid ?? 0, stop: async () => (child.kill('SIGTERM'), void (await ended)) }
}

/**
 * Dealers made as the operator makes them; their admins sign in, make a key of each kind, and the keys are exchanged
 * for tokens.
 */
export async function makeDealers(place: Place, ours: Service, count: number): Promise<Dealer[]> {
  const dealers: Dealer[] = []
  // Our server checks no more than 32 passwords at a time.
  while (dealers.length < count) {
    const some = Array.from({ length: Math.min(16, count - dealers.length) }, (_, at) =>
      makeDealer(place, ours, dealers.length + at),
    )
    dealers.push(...(await Promise.all(some)))
  }
  return dealers
}

async function makeDealer({ db }: Place, { url }: Service, at: number): Promise<Dealer> {
  const email = `admin@dealer-${at}.example`
  const { dealerId } = await createDealer(
    db,
    { name: `Dealer ${at}`, country: 'DK', time_zone: 'Europe/Copenhagen', language: 'da' },
    { email, name: 'Admin', password },
  )
  return openDealer(url, { dealerId, email, password })
}

/** Its admin signs in and makes a key of each kind. */
export async function openDealer(
  url: string,
  { dealerId, email, password }: { dealerId: string; email: string; password: string },
): Promise<Dealer> {
  const admin = await answered('access_token', `${url}/v1/session`, { body: { email, password } })
  const token = (kind: string) => tokenOfNewKey(url, admin, kind, kind)
  return { dealerId, admin, website: await token('digital_requests'), dms: await token('extensive_integrations') }
}

export async function tokenOfNewKey(
  url: string,
  admin: string,
  name: string,
  kind: string,
  sources: readonly string[] = [],
): Promise<string> {
  const body = { name, kind, ...(sources.length > 0 && { sources }) }
  const secret = await answered('secret', `${url}/v1/api-keys`, { token: admin, body })
  return answered('access_token', `${url}/v1/auth/token`, { headers: { 'x-api-key': secret } })
}

/** What a POST answers under `name`. */
async function answered(
  name: string,
  url: string,
  { token, body, headers = {} }: { token?: string; body?: object; headers?: Record<string, string> },
): Promise<string> {
  const reply = await fetch(url, {
    method: 'POST',
    headers: {
      ...headers,
      ...(token && { authorization: `Bearer ${token}` }),
      ...(body && { 'content-type': 'application/json' }),
    },
    ...(body && { body: JSON.stringify(body) }),
  })
  const told = await reply.text()
  if (!reply.ok) throw new Error(`${url} answered ${reply.status} ${told}`)
  return JSON.parse(told)[name]
}

/**
 * What a web site sends, of people who do not exist; no two of a hundred thousand are alike, so that nothing is gained
 * by remembering one.
 */
export function leadInput(at: number) {
  const name = { given: given[at % given.length], family: family[at % family.length] }
  return {
    type: 'test_drive',
    message: `Can I try number ${at} on Saturday?`,
    customer: {
      name,
      emails: [{ address: `${name.given}.${at}@customer.example` }],
      phones: [
        {
          number: `20 ${String(at % 100).padStart(2, '0')} ${String(Math.floor(at / 100) % 100).padStart(2, '0')} ${10 + (Math.floor(at / 10_000) % 90)}`,
          type: 'mobile',
        },
      ],
    },
    vehiclesOfInterest: [{ make: 'Volvo', model: 'EX30', stockNumber: `A-${at}` }],
    locale: 'da-DK',
  }
}

const given = ['Anna', 'Peter', 'Mads', 'Ida', 'Sofie', 'Emil', 'Karla']
const family = ['Jensen', 'Holm', 'Madsen', 'Krogh', 'Friis']

/** Single leads and batches of different people, for dealers in turn. */
export const leadsOf = (dealers: readonly Dealer[]): Sent[] =>
  Array.from({ length: differentLeads }, (_, at) => ({
    method: 'POST',
    path: '/v1/leads',
    token: dealers[at % dealers.length]?.website ?? '',
    body: JSON.stringify(leadInput(at)),
  }))
export const batchesOf = (dealers: readonly Dealer[]): Sent[] =>
  Array.from({ length: differentBatches }, (_, at) => ({
    method: 'POST',
    path: '/v1/leads/batch',
    token: dealers[at % dealers.length]?.website ?? '',
    body: JSON.stringify({
      leads: Array.from({ length: batchLeads }, (_, place) => ({ lead: leadInput(at * batchLeads + place) })),
    }),
  }))

/** How many leads were ever stored: each has an event, and a dealer's clock counts those. */
export async function leadsStored({ db }: Place): Promise<number> {
  const [row] = await db('dealer_clocks').sum<{ sum: string }[]>('seq')
  return Number(row?.sum)
}

/** Gives a dealer `count` leads of the past hours with their events, all of one source, straight into the tables. */
export async function fillLeads(
  { connection }: Pick<Place, 'connection'>,
  dealerId: string,
  count: number,
): Promise<void> {
  const { data } = newLead(leadInput(0), { country: 'DK', timeZone: 'Europe/Copenhagen' })
  // Unlike the service's own, its statements may take as long as they like.
  const client = new pg.Client(connection)
  await client.connect()
  // Ids as UUIDs of version 7 are made, one a millisecond, the last of them an hour ago.
  await client.query(
    `create temporary table past as
       select n, at, (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 1, 3) || '8' || substr(md5(n::text), 4, 15))::uuid as id
       from generate_series(1, $1::int) n, lateral (select now() - interval '1 hour' - ($1 - n) * interval '1 ms' as at)`,
    [count],
  )
  await client.query(
    `insert into leads (dealer_id, id, type, status, source_type, source_id, test, received_at, updated_at, version, data, warnings)
       select $1, past.id, 'test_drive', 'new', 'api_key', k.id, false, at, at, 1, $2, '[]'
       from past, (select id from api_keys where dealer_id = $1 and kind = 'digital_requests') k`,
    [dealerId, JSON.stringify(data)],
  )
  await client.query(
    `with ticked as (update dealer_clocks set seq = seq + $2 where dealer_id = $1 returning seq - $2 as before)
     insert into events (dealer_id, seq, id, type, at, subject_type, subject_id, actor_type, actor_id, changed)
       select $1, before + n, gen_random_uuid(), 'lead.created', at, 'lead', past.id, 'api_key', k.id, '{}'
       from past, ticked, (select id from api_keys where dealer_id = $1 and kind = 'digital_requests') k`,
    [dealerId, count],
  )
  // Else autovacuum would do it while we measure.
  await client.query('vacuum analyze leads, events')
  await client.query('checkpoint')
  await client.end()
}

export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const address = probe.address()
  await new Promise((resolve) => probe.close(resolve))
  return typeof address === 'object' && address ? address.port : 0
}
