import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it, onTestFinished } from 'vitest'
import { runningEmbedded } from '../../src/db/embedded.ts'
import { type Database, openDatabase } from '../../src/db/pool.ts'
import { amount, isLong } from '../long.ts'
import { until } from '../patience.ts'
import { randomFrom, seed } from '../seed.ts'
import { startService } from '../service.ts'
import {
  endServers,
  freePort,
  holdClock,
  type LogLine,
  openDealer,
  pause,
  type Server,
  spread,
  startServer,
  waitingForLocks,
  workersOf,
} from './processes.ts'
import { bodyOf, type Ledger, newLedger, nothingWrong, openSender, tally } from './sender.ts'

const cycles = amount(0, 50)
const leadsMin = amount(400, 20_000)

const dealers = 3
const lanesPerDealer = 4
const batchShare = 0.25
const batchMax = 20
const impatience = 0.03
const killedWithinMs = 400
/** So many leads show that all is well again. */
const steadyLeads = 20

type Victim = 'server' | 'worker' | 'backend' | 'postmaster'
const shortRun: readonly Victim[] = ['server', 'backend', 'worker', 'postmaster', 'server']
const victims: readonly Victim[] = ['server', 'worker', 'backend', 'postmaster']

interface Site {
  dataDir: string
  env: Record<string, string>
  server: Server
  /** Of every server that there was. */
  errors: LogLine[]
  database: Database
  dealerIds: string[]
  /** API keys, one of each dealer. */
  secrets: string[]
}

const sites: Site[] = []
afterAll(async () => {
  await endServers()
  for (const { dataDir, database } of sites) {
    await database.close()
    rmSync(dataDir, { recursive: true, force: true })
  }
})

/** The service with its embedded database in a folder of its own, and some dealers. */
async function openSite(): Promise<Site> {
  const dataDir = mkdtempSync(join(tmpdir(), 'cb-'))
  // Started by root, the server of the database runs as somebody else, who must get through.
  chmodSync(dataDir, 0o711)
  mkdirSync(join(dataDir, 't'), { mode: 0o755 })
  const port = await freePort()
  const env = {
    DATA_DIR: dataDir,
    TMPDIR: join(dataDir, 't'),
    PORT: String(port),
    PUBLIC_URL: `http://127.0.0.1:${port}`,
  }
  const errors: LogLine[] = []
  const server = await startServer(env, errors)
  const connection = await runningEmbedded(dataDir)
  if (!connection) throw new Error('There is no database')
  const database = openDatabase(connection, () => undefined)
  const site: Site = { dataDir, env, server, errors, database, dealerIds: [], secrets: [] }
  sites.push(site)
  for (let at = 0; at < dealers; at++) {
    const { dealerId, secret } = await openDealer(database.db, server.url, `dealer${at}`)
    site.dealerIds.push(dealerId)
    site.secrets.push(secret)
  }
  return site
}

/** Kills again and again under load; says what the senders know when every one of their leads was acknowledged. */
async function crash(
  site: Site,
  plan: readonly (readonly [Victim, workers: number])[],
  keyed: boolean,
  random: () => number,
) {
  const ledger = newLedger()
  const recoveries: number[] = []
  let isOver = false
  const lanes = site.secrets.flatMap((secret, dealer) =>
    Array.from({ length: lanesPerDealer }, async (_lane, lane) => {
      const random = randomFrom(seed + 1 + dealer * lanesPerDealer + lane)
      const sender = openSender({ url: site.server.url, secret, ledger, random, keyed, impatience })
      for (let count = 0; !isOver; count++) {
        const name = `${dealer}-${lane}-${count}`
        if (random() < batchShare)
          await sender.deliverBatch(
            Array.from({ length: 1 + Math.floor(random() * batchMax) }, (_item, at) => `${name}-${at}`),
          )
        else await sender.deliver(name)
      }
    }),
  )
  const acknowledged = async (more: number) => {
    const wanted = ledger.acknowledged.size + more
    await until(() => ledger.acknowledged.size >= wanted)
  }

  try {
    await acknowledged(steadyLeads)
    for (const [at, [victim, workers]] of plan.entries()) {
      await pause(random() * killedWithinMs)
      const killed = performance.now()
      await kill(site, victim, workers, random)
      await acknowledged(1)
      recoveries.push(performance.now() - killed)
      await acknowledged(Math.max(steadyLeads, (leadsMin * (at + 1)) / plan.length - ledger.acknowledged.size))
    }
  } finally {
    isOver = true
  }
  await Promise.all(lanes)
  return { ledger, recoveries }
}

async function kill(site: Site, victim: Victim, workers: number, random: () => number): Promise<void> {
  const pick = (pids: readonly number[]) => pids[Math.floor(random() * pids.length)]
  switch (victim) {
    case 'server': {
      await site.server.end('SIGKILL')
      site.server = await startServer({ ...site.env, WORKERS: String(workers) }, site.errors)
      return
    }
    case 'worker':
      return killAll(pick(workersOf(site.server)))
    case 'backend': {
      // One that is at work, if there is one.
      const { rows } = await site.database.db.raw(
        "select pid from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid() order by state = 'active' desc limit 3",
      )
      return killAll(pick(rows.map(({ pid }: { pid: number }) => pid)))
    }
    case 'postmaster':
      return killAll(Number.parseInt(readFileSync(join(site.dataDir, 'postgres', 'postmaster.pid'), 'utf8'), 10))
  }
}

function killAll(...pids: (number | undefined)[]): void {
  for (const pid of pids) if (pid) process.kill(pid, 'SIGKILL')
}

/**
 * Which victims, and with how many workers the server goes on when it was one. A worker is killed only where there are
 * some.
 */
function planned(random: () => number): (readonly [Victim, number])[] {
  if (!isLong) return shortRun.map((victim, at) => [victim, at === 0 ? 2 : 1] as const)
  let workers = 1
  return Array.from({ length: cycles }, () => {
    const victim = victims[Math.floor(random() * victims.length)] ?? 'server'
    if (victim === 'server' || (victim === 'worker' && workers === 1)) {
      workers = 1 + Math.floor(random() * 2)
      return ['server', workers] as const
    }
    return [victim, workers] as const
  })
}

const summary = (ledger: Ledger, recoveries: number[]) =>
  `SEED=${seed} ${recoveries.length} kills, ${ledger.acknowledged.size} leads acknowledged, ${ledger.attempts} attempts, ${ledger.unknown} of unknown outcome; back after ${spread(recoveries)}`

/** What is wrong in the log: leads and requests that failed for good. */
const failures = ({ errors }: Site) =>
  errors.filter(({ msg }) => msg === 'failed' || msg === 'a lead could not be stored')

it('loses no lead and doubles none when its processes and its database are killed at random', async () => {
  const random = randomFrom(seed)
  const site = await openSite()
  const { ledger, recoveries } = await crash(site, planned(random), true, random)
  console.log(summary(ledger, recoveries))
  expect(ledger.acknowledged.size).toBe(ledger.begun.size)
  expect(ledger.acknowledged.size).toBeGreaterThanOrEqual(leadsMin)
  expect(ledger.unknown).toBeGreaterThan(0)
  expect(await tally(site.database.db, site.dealerIds, ledger, true)).toEqual(nothingWrong)
  expect([ledger.unexpected, failures(site)]).toEqual([[], []])
})

it.runIf(isLong)('sees doubles when the same senders leave their keys out', async () => {
  const random = randomFrom(seed)
  const site = await openSite()
  const { ledger, recoveries } = await crash(site, planned(random), false, random)
  const { doubled, ...others } = await tally(site.database.db, site.dealerIds, ledger, false)
  console.log(`without keys: ${doubled.length} doubled; ${summary(ledger, recoveries)}`)
  expect(doubled.length).toBeGreaterThan(0)
  // The one that was acknowledged is among those that are there.
  expect(others).toEqual({ ...nothingWrong, doubled: undefined })
})

describe('the count', () => {
  it('sees the lead of a sender without a key who hung up before the answer, and one that was acknowledged and is not there', async () => {
    const service = await startService()
    onTestFinished(service.close)
    const { dealerId, website } = await service.dealer('count')
    const ledger = newLedger()
    for (const keyed of [true, false]) {
      const message = keyed ? 'with a key' : 'without a key'
      const clock = await holdClock(service.db, dealerId)
      // Waits for the clock while its sender hangs up.
      const hangUp = new AbortController()
      const first = fetch(`${service.url}/v1/leads`, {
        method: 'POST',
        signal: hangUp.signal,
        headers: {
          authorization: `Bearer ${website.token}`,
          'content-type': 'application/json',
          ...(keyed && { 'idempotency-key': `"${message}"` }),
        },
        body: bodyOf(message),
      }).catch(() => undefined)
      await until(async () => (await waitingForLocks(service.db)) === 1)
      hangUp.abort()
      await first
      await clock.commit()
      await until(
        async () =>
          (await service.db('leads').where({ dealer_id: dealerId }).whereRaw("data->>'message' = ?", [message]))
            .length === 1,
      )
      await openSender({
        url: service.url,
        secret: website.secret,
        ledger,
        random: () => 0.5,
        keyed,
        impatience: 0,
      }).deliver(message)
    }
    ledger.begun.add('lost')
    ledger.acknowledged.set('lost', `lead_${'0'.repeat(32)}`)
    expect(await tally(service.db, [dealerId], ledger, false)).toEqual({
      ...nothingWrong,
      doubled: ['without a key'],
      lost: ['lost'],
    })
  })
})
