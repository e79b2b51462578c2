import pg from 'pg'
import { expect, it, onTestFinished } from 'vitest'
import { openDatabase } from '../../src/db/pool.ts'
import { freePort, type LogLine, openDealer, startServer } from '../faults/processes.ts'
import { nothingWrong, startLoad, tally } from '../faults/sender.ts'
import { amount } from '../long.ts'
import { until } from '../patience.ts'
import { secretKeys, send } from '../service.ts'
import { needs } from './needs.ts'
import { startPostgres } from './postgres.ts'
import { account, longestGapMs, said, watchReadiness } from './watch.ts'

const senders = 8
const readers = 16
const leads = amount(400, 20_000)
/** For the service; one more is left to the test. */
const places = 6
const reason = 'The database takes no more connections'

it(
  'stores leads over the connections that it gets from a server that has too few, and says so at its start',
  needs('root', 'setpriv'),
  async () => {
    const databasePort = await freePort()
    const own = await startPostgres(databasePort, { max_connections: places + 1, superuser_reserved_connections: 1 })
    const client = new pg.Client(own)
    await client.connect()
    // An ordinary role: it has no part in what is reserved.
    await client.query('create role service login')
    await client.query('create database service owner service')
    await client.end()

    const port = await freePort()
    const url = `http://127.0.0.1:${port}`
    const lines: LogLine[] = []
    const server = await startServer(
      {
        DATABASE_URL: `postgres://service@127.0.0.1:${databasePort}/service`,
        SECRET_KEYS: secretKeys,
        PUBLIC_URL: url,
        PORT: String(port),
        LOG_LEVEL: 'info',
      },
      lines,
    )
    onTestFinished(() => server.end('SIGTERM'))
    const warned = said(lines, 40).find(({ msg }) => msg.includes('raise max_connections'))
    expect(warned).toMatchObject({ places, needed: 21 })

    const database = openDatabase({ ...own, database: 'service' }, () => undefined)
    onTestFinished(() => database.close())
    const dealer = await openDealer(database.db, url, 'crowd')
    lines.length = 0

    const from = performance.now()
    const readiness = watchReadiness(url)
    const load = startLoad(url, dealer.secret, senders)
    const read = new Map<string, number>()
    let isOver = false
    const reading = Promise.all(
      Array.from({ length: readers }, async () => {
        while (!isOver) {
          const { status, body } = await send(`${url}/v1/leads`, 'GET', { token: dealer.admin })
          const answer = status === 200 ? '200' : `${status} ${body.detail}`
          read.set(answer, (read.get(answer) ?? 0) + 1)
        }
      }),
    )
    await until(() => load.acknowledgedAt.length >= leads)
    isOver = true
    await reading
    await load.stop()
    await readiness.stop()
    console.log(account('Too few connections', load, readiness, lines, from), read)

    const refused = [...load.ledger.refused.keys(), ...read.keys()].filter((answer) => answer !== '200')
    expect(new Set(refused.map((answer) => answer.split('.')[0]))).toEqual(new Set([`503 ${reason}`]))
    // The pools do not wait for one another to let go of what is idle, which takes a minute.
    expect(longestGapMs(load, from)).toBeLessThan(10_000)
    expect(read.get('200')).toBeGreaterThan(0)
    expect(load.ledger.attempts).toBeLessThan(2 * load.ledger.acknowledged.size)
    expect(new Set(readiness.spells.map(({ status }) => status))).toContain(200)
    expect(said(lines, 50).map(({ msg }) => msg)).toContain(reason)
    expect(await tally(database.db, [dealer.dealerId], load.ledger, true)).toEqual(nothingWrong)
    expect([load.ledger.unexpected, load.ledger.unknown]).toEqual([[], 0])
  },
)
