import { execFileSync } from 'node:child_process'
import { chmodSync, closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { expect, it, onTestFinished } from 'vitest'
import { runningEmbedded } from '../../src/db/embedded.ts'
import { openDatabase } from '../../src/db/pool.ts'
import { freePort, type LogLine, openDealer, pause, startServer } from '../faults/processes.ts'
import { nothingWrong, startLoad, tally } from '../faults/sender.ts'
import { amount } from '../long.ts'
import { until } from '../patience.ts'
import { needs } from './needs.ts'
import { account, said, watchReadiness } from './watch.ts'

const diskMegabytes = 230
const senders = 8
const steadyLeads = 200
const fullMs = amount(6_000, 180_000)
const reason = 'The disk of the database is full'

/** A disk of the test's own. */
function mountDisk(): string {
  const folder = mkdtempSync(join(tmpdir(), 'cb-disk-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${diskMegabytes}m,mode=711`, 'tmpfs', folder])
  onTestFinished(() => {
    execFileSync('umount', ['--lazy', folder])
    rmSync(folder, { recursive: true, force: true })
  })
  return folder
}

/** Takes what there is, to the last page. */
function fill(path: string): void {
  const file = openSync(path, 'a')
  for (let bytes = 1 << 20; bytes >= 4096;) {
    try {
      writeSync(file, Buffer.alloc(bytes, 1))
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error
      bytes /= 2
    }
  }
  closeSync(file)
}

/** Uses up what the server has laid by for its log of changes, until it cannot go on: it panics, and dies. */
async function spendLog(connection: pg.ClientConfig, ballast: string): Promise<void> {
  const client = new pg.Client(connection)
  client.on('error', () => undefined)
  await client.connect()
  for (let isAlive = true; isAlive; fill(ballast))
    isAlive = await client.query("select pg_logical_emit_message(false, 'test', repeat('x', 1000000), true)").then(
      () => true,
      () => false,
    )
}

it.each(['tables cannot grow', 'the server dies of it'] as const)(
  'answers 503 with the reason while the disk of the embedded database is full, and goes on by itself afterwards: %s',
  needs('root', 'tmpfs'),
  async (how) => {
    const dataDir = mountDisk()
    const temporary = mkdtempSync(join(tmpdir(), 'cb-'))
    chmodSync(temporary, 0o755)
    const lines: LogLine[] = []
    const port = await freePort()
    const url = `http://127.0.0.1:${port}`
    const server = await startServer(
      { DATA_DIR: dataDir, TMPDIR: temporary, PORT: String(port), PUBLIC_URL: url, LOG_LEVEL: 'info' },
      lines,
    )
    onTestFinished(() => server.end('SIGTERM'))
    const connection = await runningEmbedded(dataDir)
    if (!connection) throw new Error('There is no database')
    const database = openDatabase(connection, () => undefined)
    onTestFinished(() => database.close())
    const dealer = await openDealer(database.db, url, 'disk')

    const load = startLoad(url, dealer.secret, senders)
    const stored = async (more: number) => {
      const wanted = load.acknowledgedAt.length + more
      await until(() => load.acknowledgedAt.length >= wanted)
    }
    await stored(steadyLeads)
    lines.length = 0
    const readiness = watchReadiness(url)
    await until(() => readiness.spells.at(-1)?.status === 200)
    const ballast = join(dataDir, 'ballast')
    const fullAt = performance.now()
    fill(ballast)
    await until(() => readiness.spells.at(-1)?.status === 503)
    const refusedAt = performance.now()
    if (how === 'the server dies of it') await spendLog(connection, ballast)
    // A row that needs no place of its own can be written still, and means nothing.
    else expect(await database.db('readiness').update({ at: new Date() })).toBeGreaterThan(0)
    for (const end = performance.now() + fullMs; performance.now() < end; await pause(100)) fill(ballast)

    const freedAt = performance.now()
    rmSync(ballast)
    await until(() => readiness.spells.at(-1)?.status === 200)
    await until(() => said(lines, 30).some(({ msg }) => msg === 'The database can be used again'))
    await stored(steadyLeads)
    await load.stop()
    await readiness.stop()
    console.log(account(`Disk full, ${how}, for ${Math.round(freedAt - fullAt)} ms`, load, readiness, lines, fullAt))
    const firstAt = load.acknowledgedAt.find((at) => at > freedAt) ?? 0
    console.log(`  the first lead ${Math.round(firstAt - freedAt)} ms after there was place`)

    const meanwhile = readiness.spells.filter((spell) => spell.until > refusedAt && spell.from < freedAt)
    expect(meanwhile.map(({ status, detail }) => `${status} ${detail}`)).toEqual([`503 ${reason}`])
    expect([...load.ledger.refused.keys()].map((answer) => answer.split('.')[0])).toEqual([`503 ${reason}`])
    expect(await tally(database.db, [dealer.dealerId], load.ledger, true)).toEqual(nothingWrong)
    expect([load.ledger.unexpected, load.ledger.unknown]).toEqual([[], 0])
    expect(said(lines, 50).filter(({ msg }) => msg === reason)).toHaveLength(1)
    expect(said(lines, 30)).toHaveLength(1)
    // However long it takes, nothing is said more than once a minute.
    const words = lines.filter(({ msg }) => msg !== 'request').map(({ time: _time, ...line }) => JSON.stringify(line))
    const times = Map.groupBy(words, (line) => line)
    const most = Math.max(...[...times.values()].map(({ length }) => length))
    expect(most).toBeLessThanOrEqual(1 + Math.ceil((performance.now() - fullAt) / 60_000))
  },
)
