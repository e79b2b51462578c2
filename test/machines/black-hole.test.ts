import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { expect, it, onTestFinished } from 'vitest'
import { openDatabase } from '../../src/db/pool.ts'
import { freePort, type LogLine, openDealer, startServer } from '../faults/processes.ts'
import { nothingWrong, startLoad, tally } from '../faults/sender.ts'
import { onLeash } from '../leash.ts'
import { amount } from '../long.ts'
import { until } from '../patience.ts'
import { secretKeys } from '../service.ts'
import { needs } from './needs.ts'
import { endAfterTest, startPostgres } from './postgres.ts'
import { relay } from './relay.ts'
import { account, longestGapMs, said, watchReadiness } from './watch.ts'

const senders = 8
const holes = amount(1, 10)
const steadyLeads = 200
const goalMs = 5_000

/** A network of the test's own, where nothing is but loopback. Returns the command that runs another in it. */
function openNamespace(): string[] {
  const name = `cb-${process.pid}`
  execFileSync('ip', ['netns', 'add', name])
  onTestFinished(() => void execFileSync('ip', ['netns', 'delete', name]))
  execFileSync('ip', ['-n', name, 'link', 'set', 'lo', 'up'])
  return ['ip', 'netns', 'exec', name]
}

/** From now on nothing arrives any more, either way, over the connections with these ports; all at once. */
function blackHole([command = '', ...within]: readonly string[], ports: readonly number[], port: number): void {
  const rules = ports.flatMap((own) => [
    `-A INPUT -p tcp --sport ${own} --dport ${port} -j DROP`,
    `-A INPUT -p tcp --sport ${port} --dport ${own} -j DROP`,
  ])
  execFileSync(command, [...within, 'iptables-restore', '--wait', '--noflush'], {
    input: `*filter\n${rules.join('\n')}\nCOMMIT\n`,
  })
}

it.each([1, 2])(
  'stores again within seconds when its connections to PostgreSQL are gone without a word (WORKERS=%i)',
  needs('root', 'ip netns', 'iptables', 'setpriv'),
  async (workers) => {
    const within = openNamespace()
    const [port, databasePort] = [await freePort(), await freePort()]
    const connection = await startPostgres(databasePort, { max_connections: 60 }, within)
    const url = `http://127.0.0.1:${port}`
    const door = join(mkdtempSync(join(tmpdir(), 'cb-')), 'door')
    const outside = relay(port, door)
    onTestFinished(() => void outside.close())
    const [command = '', ...args] = [...within, ...onLeash('test/machines/relay.ts', door, String(port)).flat()]
    endAfterTest(spawn(command, args, { stdio: 'ignore' }))
    const lines: LogLine[] = []
    const server = await startServer(
      {
        DATABASE_URL: `postgres://${connection.user}@127.0.0.1:${databasePort}/postgres`,
        SECRET_KEYS: secretKeys,
        PUBLIC_URL: url,
        PORT: String(port),
        LOG_LEVEL: 'info',
        WORKERS: String(workers),
      },
      lines,
      within,
    )
    onTestFinished(() => server.end('SIGTERM'))
    const database = openDatabase(connection, () => undefined)
    onTestFinished(() => database.close())
    const dealer = await openDealer(database.db, url, 'hole')
    const client = new pg.Client(connection)
    await client.connect()
    onTestFinished(() => client.end())
    const portsOfSessions = async (): Promise<number[]> =>
      (await client.query('select client_port from pg_stat_activity where client_port > 0')).rows.map(
        (row) => row.client_port,
      )

    const load = startLoad(url, dealer.secret, senders)
    const stored = async (more: number) => {
      const wanted = load.acknowledgedAt.length + more
      await until(() => load.acknowledgedAt.length >= wanted)
    }
    await stored(steadyLeads)
    for (let hole = 0; hole < holes; hole++) {
      const readiness = watchReadiness(url)
      await until(() => readiness.spells.at(-1)?.status === 200)
      lines.length = 0
      const ports = await portsOfSessions()
      const goneAt = performance.now()
      blackHole(within, ports, databasePort)
      await until(() => readiness.spells.at(-1)?.status === 503)
      await until(() => readiness.spells.at(-1)?.status === 200)
      // Each process says so for itself.
      await until(() => said(lines, 30).length === said(lines, 50).filter(isOfDatabase).length)
      await stored(steadyLeads)
      await readiness.stop()
      console.log(account(`Black hole, ${ports.length} connections`, load, readiness, lines, goneAt))

      expect(ports.length).toBeGreaterThan(workers)
      expect(longestGapMs(load, goneAt)).toBeLessThan(goalMs)
      expect(new Set(readiness.spells.map(({ status }) => status))).toEqual(new Set([200, 503]))
      const troubled = said(lines, 50).filter(isOfDatabase)
      expect(troubled.length).toBeGreaterThan(0)
      expect(new Set(troubled.map(({ pid }) => pid)).size).toBe(troubled.length)
      const others = said(lines, 50).filter((line) => !isOfDatabase(line))
      expect(others.map(({ msg }) => msg)).toEqual(others.map(() => 'what is done beside the requests fails'))
      expect(new Set(others.map(({ pid, job }) => `${pid} ${job}`)).size).toBe(others.length)
      expect(said(lines, 30).map(({ msg }) => msg)).toEqual(troubled.map(() => 'The database can be used again'))
    }
    await load.stop()
    expect(await tally(database.db, [dealer.dealerId], load.ledger, true)).toEqual(nothingWrong)
    expect([load.ledger.unexpected, load.ledger.unknown]).toEqual([[], 0])
    expect([...load.ledger.refused.keys()].filter((answer) => !answer.startsWith('503 '))).toEqual([])
  },
)

const isOfDatabase = ({ msg }: LogLine) => msg === 'The database cannot be reached'
