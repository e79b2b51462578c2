import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import pg from 'pg'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it, vi } from 'vitest'
import { openService, type Service } from '../../src/service.ts'
import { freshDatabase, lead, masters, send } from '../service.ts'
import { openDealer } from './processes.ts'
import { openProxy, type Proxy } from './proxy.ts'
import { nothingWrong, startLoad, tally } from './sender.ts'

// The database away, in the forms that need nothing but a database. The others are in test/machines.

const senders = 8
const goalMs = 5_000
const patience = { timeout: 60_000 }

let proxy: Proxy
let service: Service
let url: string
let close: () => Promise<void>
let dealer: Awaited<ReturnType<typeof openDealer>>
const lines: { level: number; msg: string; err?: { message: string } }[] = []

// Compiling the contract takes its time on a busy machine.
beforeAll(async () => {
  const connection = await freshDatabase()
  proxy = await openProxy(connection)
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  service = await openService({
    connection: proxy.connection,
    masters,
    issuer: url,
    trustProxy: false,
    documentation: (_req, _res, next) => next(),
    log: pino({ level: 'info' }, { write: (line) => void lines.push(JSON.parse(line)) }),
    strictResponses: true,
  })
  server.on('request', service.app)
  dealer = await openDealer(service.database.db, url, 'away')
  close = async () => {
    server.closeAllConnections()
    server.close()
    await service.close()
    await proxy.close()
  }
})
afterAll(() => close())

/** Past the service and the proxy. */
async function direct(): Promise<pg.Client> {
  const client = new pg.Client({ ...inject('server'), database: 'postgres' })
  await client.connect()
  return client
}

const ready = async () => (await send(`${url}/readyz`, 'GET')).status
// Jobs say for themselves when they begin to fail.
const others = ['request', 'what is done beside the requests fails']
const said = (level: number) => lines.filter((line) => line.level === level && !others.includes(line.msg))
const well = () => vi.waitUntil(() => said(30).some(({ msg }) => msg === 'The database can be used again'), patience)

beforeEach(() => void (lines.length = 0))
// What a test broke is mended before the next one.
afterEach(async () => {
  if (said(50).length > 0) await well()
})

describe('connections whose other end is gone without a word', () => {
  it('are given up within seconds: the leads under way are stored once, over new ones', async () => {
    const { ledger, acknowledgedAt, stop } = startLoad(url, dealer.secret, senders)
    await vi.waitUntil(() => acknowledgedAt.length > 100, patience)
    expect(await ready()).toBe(200)
    lines.length = 0
    const goneAt = performance.now()
    expect(proxy.blackHole()).toBeGreaterThan(0)
    await vi.waitUntil(async () => (await ready()) === 503, patience)
    const backAt = await vi.waitUntil(() => acknowledgedAt.find((at) => at > goneAt + 250), patience)
    await well()
    expect(await ready()).toBe(200)
    await stop()
    console.log(`black hole: nothing stored for ${Math.round(backAt - goneAt)} ms`)

    expect(backAt - goneAt).toBeLessThan(goalMs)
    expect(await tally(service.database.db, [dealer.dealerId], ledger, true)).toEqual(nothingWrong)
    expect([ledger.unexpected, ledger.unknown]).toEqual([[], 0])
    expect(said(50).map(({ msg }) => msg)).toEqual(['The database cannot be reached'])
    expect(said(40).map(({ msg }) => msg)).toContain('Connections to the database were dead and have been cut')
  })
})

describe('a database that takes no writes', () => {
  const readOnly = async (isOn: boolean) => {
    const name = (await service.database.db.raw('select current_database() as name')).rows[0].name
    const client = await direct()
    await client.query(`alter database ${name} set default_transaction_read_only = ${isOn}`)
    // As at a failover: the sessions that are open lead to a server that has become another one.
    if (isOn) await client.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [name])
    await client.end()
  }
  const push = () =>
    send(`${url}/v1/leads`, 'POST', {
      token: dealer.token,
      body: lead(),
      headers: { 'idempotency-key': '"read only"' },
    })

  it('is said to whoever calls, to the load balancer and once to the log; later the same request is stored', async () => {
    expect(await ready()).toBe(200)
    await readOnly(true)
    try {
      await vi.waitUntil(async () => (await ready()) === 503, patience)
      const replies = [await push(), await push(), await send(`${url}/readyz`, 'GET')]
      for (const { status, headers, body } of replies) {
        expect([status, body.code, headers.get('retry-after')]).toEqual([503, 'unavailable', '5'])
        expect(body.detail).toContain('The database takes no writes (it is read-only)')
      }
      expect((await send(`${url}/healthz`, 'GET')).status).toBe(200)
      expect((await send(`${url}/v1/leads`, 'GET', { token: dealer.admin })).status).toBe(200)
    } finally {
      await readOnly(false)
    }
    // Sessions that are open stay as they are: only new connections find a server that takes writes.
    const stored = await vi.waitUntil(async () => {
      const reply = await push()
      return reply.status === 201 && reply
    }, patience)
    expect(stored.headers.get('idempotency-replayed')).toBe(null)
    await vi.waitUntil(async () => (await ready()) === 200, patience)
    await well()
    expect(said(50)).toHaveLength(1)
  })
})

describe('readiness', () => {
  it('is asked of the database once a second, however often it is asked for', async () => {
    const written = async () => (await service.database.db('readiness').select('at')).map(({ at }) => at.getTime())
    expect(await ready()).toBe(200)
    const started = performance.now()
    let changes = 0
    let before = await written()
    while (performance.now() - started < 3_000) {
      expect(new Set(await Promise.all(Array.from({ length: 20 }, ready)))).toEqual(new Set([200]))
      const now = await written()
      if (`${now}` !== `${before}`) changes++
      before = now
    }
    expect(before).toHaveLength(1)
    expect(changes).toBeGreaterThan(0)
    expect(changes).toBeLessThanOrEqual((performance.now() - started) / 1_000 + 1)
  })
})
