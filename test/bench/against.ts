import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { inner } from '../../src/ids.ts'
import { checkOut } from '../checked-out.ts'
import { atLeast, generator, httpTarget, measure, median, percentile, ratios, report, type Target } from './harness.ts'
import { openScene, run as runOpenLoop } from './open-loop.ts'
import {
  batchesOf,
  batchLeads,
  type Dealer,
  fillLeads,
  leadsOf,
  onDatabase,
  openDealer,
  openServer,
  type Place,
  type Service,
  startOurs,
} from './world.ts'

/**
 * An older commit and the working tree under the same load, in turn and there and back again, in one run: so the ratio
 * of each round has both of them under the same conditions. Each has a database of its own on one PostgreSQL: the older
 * version made it and all that is in it, the newer one got a copy and brought it up.
 */
const goal = 0.97
const dealersCount = 16
const dealersAtOnce = 4
const connections = 64
const batchConnections = 4
const listConnections = 4
const seconds = 4
// A stretch of 4 s swings by 15 %, by which checkpoint and vacuum it has to bear: a round has several of each version.
const turns = 5
const openLoopSeconds = 15
const leadsOfGrowth = 1_000_000
// Tokens of the copy hold at both.
const PUBLIC_URL = 'http://localhost:3000'
const kinds = ['old', 'new'] as const

type Kind = (typeof kinds)[number]
/** Round by round, new beside old; more is better. */
type Ratios = { kind: string; values: number[]; isGoal: boolean }
interface Versions {
  place: Record<Kind, Pick<Place, 'folder' | 'connection' | 'databasePid'>>
  service: Record<Kind, Service>
  dealers: Dealer[]
  close(): Promise<void>
}

/** A dealer as the operator of that version makes it. */
async function makeDealer(root: string, env: Record<string, string>, url: string, at: number): Promise<Dealer> {
  const email = `admin@dealer-${at}.example`
  const args = ['src/cli/admin.ts', 'create-dealer', '--name', `Dealer ${at}`, '--email', email]
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root, env })
  const [, dealerId = '', password = ''] = /(dealer_\w+)[^]*Password +(\S+)/.exec(stdout) ?? []
  return openDealer(url, { dealerId: inner(dealerId), email, password })
}

async function openVersions(commit: string, leadsCount: number): Promise<Versions> {
  const server = await openServer()
  const administer = async (sql: string) => {
    const client = new pg.Client(server.connection)
    await client.connect()
    await client.query(sql).finally(() => client.end())
  }
  const placeOf = (database: Kind) => ({ ...server, connection: { ...server.connection, database } })
  const place = { old: placeOf('old'), new: placeOf('new') }
  const root = join(server.folder, 'old')
  checkOut(commit, root)
  const more = { PUBLIC_URL }

  await administer('create database old')
  const first = await startOurs(place.old, { root, more })
  const dealers: Dealer[] = []
  const env = { ...onDatabase(place.old), ...more }
  while (dealers.length < dealersCount)
    dealers.push(
      ...(await Promise.all(
        Array.from({ length: dealersAtOnce }, (_, at) => makeDealer(root, env, first.url, dealers.length + at)),
      )),
    )
  if (leadsCount > 0) await fillLeads(place.old, dealers[0]?.dealerId ?? '', leadsCount)
  await first.stop()
  await administer('create database new template old')

  const service = {
    old: await startOurs(place.old, { root, more }),
    new: await startOurs(place.new, { more }),
  }
  const close = async () => {
    await Promise.all(kinds.map((kind) => service[kind].stop()))
    await server.close()
  }
  return { place, service, dealers, close }
}

const targetOf = (
  { service, place }: Versions,
  kind: Kind,
  requests: Parameters<typeof httpTarget>[2],
  connections: number,
): Target =>
  httpTarget(
    { kind, pid: service[kind].pid, databasePid: place[kind].databasePid },
    service[kind].url,
    requests,
    connections,
  )

/** The ratios of requests in a second, and of what a request costs the process and the database. */
async function compared(
  versions: Versions,
  kind: string,
  requests: Parameters<typeof httpTarget>[2],
  connections: number,
  rounds: number,
): Promise<Ratios[]> {
  const measured = await measure(
    kinds.map((version) => targetOf(versions, version, requests, connections)),
    { rounds: rounds * turns, seconds },
  )
  const inRounds = (name: Parameters<typeof ratios>[1], one: Kind, other: Kind) => {
    const all = ratios(measured, name, one, other)
    return Array.from({ length: rounds }, (_, round) => median(all.slice(round * turns, (round + 1) * turns)))
  }
  return [
    { kind, values: inRounds('perSecond', 'new', 'old'), isGoal: true },
    { kind: `${kind}, CPU of the process`, values: inRounds('cpuUs', 'old', 'new'), isGoal: false },
    { kind: `${kind}, CPU of the database`, values: inRounds('databaseCpuUs', 'old', 'new'), isGoal: false },
  ]
}

const parts: Record<string, (commit: string, rounds: number) => Promise<Ratios[]>> = {
  leads: async (commit, rounds) => {
    const versions = await openVersions(commit, 0)
    const singles = await compared(versions, 'single leads', leadsOf(versions.dealers), connections, rounds)
    const batches = await compared(
      versions,
      `batches of ${batchLeads}`,
      batchesOf(versions.dealers),
      batchConnections,
      rounds,
    )
    await versions.close()
    return [...singles, ...batches]
  },
  growth: async (commit, rounds) => {
    const versions = await openVersions(commit, leadsOfGrowth)
    const { dealers } = versions
    const creating = await compared(versions, 'createLead, 10^6 stored', leadsOf(dealers), connections, rounds)
    const list = [{ method: 'GET', path: '/v1/leads', token: dealers[0]?.dms ?? '' }] as const
    const listing = await compared(versions, 'listLeads, 10^6 stored', list, listConnections, rounds)
    await versions.close()
    return [...creating, ...listing]
  },
  'open-loop': async (commit, rounds) => {
    const versions = await openVersions(commit, 0)
    const [dealer] = versions.dealers
    if (!dealer) throw new Error('There is no dealer')
    const scenes = {
      old: await openScene(versions.place.old, versions.service.old, dealer),
      new: await openScene(versions.place.new, versions.service.new, dealer),
    }
    const p50: number[] = []
    const p99: number[] = []
    const pages: number[] = []
    for (let round = 0; round < rounds; round++) {
      const of: Partial<Record<Kind, Awaited<ReturnType<typeof runOpenLoop>>>> = {}
      for (const kind of round % 2 === 0 ? kinds : kinds.toReversed())
        of[kind] = await runOpenLoop(scenes[kind], openLoopSeconds)
      if (!of.old || !of.new) throw new Error('A version was not measured')
      if (of.old.refused + of.new.refused > 0) throw new Error('Leads were refused')
      // Of latencies less is better: old beside new.
      p50.push(percentile(of.old.latenciesMs, 0.5) / percentile(of.new.latenciesMs, 0.5))
      p99.push(percentile(of.old.latenciesMs, 0.99) / percentile(of.new.latenciesMs, 0.99))
      pages.push(of.new.readings.dmsPages / of.old.readings.dmsPages)
    }
    await versions.close()
    return [
      { kind: 'intake p50', values: p50, isGoal: true },
      { kind: 'intake p99', values: p99, isGoal: false },
      { kind: 'pages that a DMS reads meanwhile', values: pages, isGoal: true },
    ]
  },
}

const [, , part = '', commit = '', rounds = ''] = process.argv
const measured = await parts[part]?.(commit, Number(rounds))
if (!measured) throw new Error(`${part} cannot be compared with a commit; ${Object.keys(parts).join(', ')} can`)
report(
  `${part}-against-${commit}`,
  `the working tree beside ${commit}, in turn, by ${generator}: more than 1 is better than it was`,
  measured.map(({ kind, values }) => ({
    kind,
    ...Object.fromEntries(values.map((value, at) => [`round ${at + 1}`, value])),
    median: median(values),
    least: Math.min(...values),
    most: Math.max(...values),
  })),
  measured.filter(({ isGoal }) => isGoal).map(({ kind, values }) => atLeast(kind, median(values), goal)),
)
process.exit()
