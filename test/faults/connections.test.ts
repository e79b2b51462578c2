import { randomUUID } from 'node:crypto'
import type { Knex } from 'knex'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { causeOf } from '../../src/db/away.ts'
import { type Database, openDatabase } from '../../src/db/pool.ts'
import { lockDealer } from '../../src/tokens/store.ts'
import { createDealer } from '../../src/users/operator.ts'
import { freshDatabase, password } from '../service.ts'
import { openProxy, type Proxy } from './proxy.ts'

// The connections of one process, and what becomes of calls when their other end is gone.

const goalMs = 5_000
const patience = { timeout: 60_000 }

let proxy: Proxy
let database: Database
let dealerId: string
const lines: { level: string; message: string }[] = []

beforeAll(async () => {
  proxy = await openProxy(await freshDatabase())
  database = openDatabase(proxy.connection, (level, message) => void lines.push({ level, message }))
  ;({ dealerId } = await createDealer(
    database.db,
    { name: 'Away', country: 'DK', time_zone: 'Europe/Copenhagen', language: 'da' },
    { email: 'admin@away.example', name: 'Admin', password },
  ))
})
afterAll(async () => {
  await database.close()
  await proxy.close()
})
beforeEach(() => void (lines.length = 0))
// What a test broke is mended before the next one.
afterEach(async () => {
  if (errors().length > 0)
    await vi.waitUntil(() => lines.some(({ message }) => message === 'The database can be used again'), patience)
})

const errors = () => lines.filter(({ level }) => level === 'error').map(({ message }) => message)

/** How long it takes to fail, and why it does. */
async function failing(call: PromiseLike<unknown>): Promise<{ ms: number; cause: unknown }> {
  const started = performance.now()
  const error: unknown = await Promise.resolve(call).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return { ms: performance.now() - started, cause: causeOf(error) }
}

describe('connections whose other end is gone without a word', () => {
  it.each([
    ['a statement', ({ db }) => db.raw('select 1')],
    ['a statement that is hot', ({ hot }) => hot.query('select 1')],
    ['the beginning of a transaction', ({ db }) => db.transaction(async () => undefined)],
  ] as [string, (database: Database) => PromiseLike<unknown>][])('do not keep %s', async (_what, call) => {
    // Each leaves a connection behind.
    await Promise.all([database.db.raw('select 1'), database.hot.query('select 1')])
    proxy.blackHole()
    const { ms, cause } = await failing(call(database))
    expect([cause, ms < goalMs]).toEqual(['unreachable', true])
    await Promise.all([database.db.raw('select 1'), database.hot.query('select 1')])
  })

  it.each([
    [
      'a statement, and the rollback that follows it,',
      (trx) => trx.raw('select 1').catch((error) => trx.rollback(error)),
    ],
    ['the commit', (trx) => trx.commit()],
    ['the rollback', (trx) => trx.rollback(new Error('changed its mind'))],
  ] as [string, (trx: Knex.Transaction) => PromiseLike<unknown>][])(
    'do not keep %s of a transaction, nor the lock that it has',
    async (_what, call) => {
      const { db } = database
      const trx = await db.transaction()
      await lockDealer(trx, dealerId)
      proxy.blackHole()
      const { ms, cause } = await failing(Promise.all([call(trx), trx.executionPromise]))
      expect([cause, ms < goalMs]).toEqual(['unreachable', true])
      // Left to itself the session would have kept it for 5 s.
      const waited = performance.now()
      await db.transaction(async (next) => lockDealer(next, dealerId))
      expect(performance.now() - waited).toBeLessThan(2_000)
    },
  )

  it('are not waited for one after the other', async () => {
    const { db, hot } = database
    await Promise.all(
      Array.from({ length: 30 }, (_none, at) =>
        at % 2 ? hot.query('select pg_sleep(0.1)') : db.raw('select pg_sleep(0.1)'),
      ),
    )
    proxy.blackHole()
    await failing(hot.query('select 1'))
    const started = performance.now()
    for (let count = 0; count < 14; count++) await (count % 2 ? hot.query('select 1') : db.raw('select 1'))
    expect(performance.now() - started).toBeLessThan(goalMs)
  })
})

describe('a call that takes its time', () => {
  it('is waited for as long as the server is at work on it', async () => {
    const { db, hot } = database
    await Promise.all([hot.query('select pg_sleep(3.5)'), db.raw('select pg_sleep(5)')])
    expect(lines).toEqual([])
  })

  it('ends by our own clock when the server cannot be asked', async () => {
    const { hot } = database
    await hot.query('select 1')
    proxy.blackHole()
    proxy.refuse(true)
    const { ms, cause } = await failing(hot.query('select 1'))
    proxy.refuse(false)
    expect([cause, ms > 5_000, ms < 10_000]).toEqual(['unreachable', true, true])
  })
})

describe('a server that takes no more connections', () => {
  it('does not leave the one pool with nothing, while another keeps what it does not use', async () => {
    const role = `crowd_${randomUUID().slice(0, 8)}`
    await database.db.raw(`create role ${role} login connection limit 3`)
    const crowded = openDatabase({ ...(await freshDatabase()), user: role }, () => undefined)
    try {
      await Promise.all(Array.from({ length: 3 }, () => crowded.db.raw('select pg_sleep(0.3)')))
      const refused: unknown[] = []
      const isServed = () =>
        crowded.hot.query('select 1').then(
          () => true,
          (error: unknown) => {
            refused.push(causeOf(error))
            return false
          },
        )
      await vi.waitUntil(isServed, { timeout: 20_000 })
      expect(new Set(refused)).toEqual(new Set(['crowded']))
      await crowded.db.raw('select 1')
    } finally {
      await crowded.close()
      await database.db.raw(`drop role ${role}`)
    }
  })
})
