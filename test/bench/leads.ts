import { once } from 'node:events'
import { join } from 'node:path'
import {
  atLeast,
  forked,
  generator,
  httpTarget,
  measure,
  median,
  percentile,
  ratio,
  report,
  type Stretch,
  type Target,
} from './harness.ts'
import type { PeerWorld } from './peers.ts'
import { batchesOf, batchLeads, leadsOf, leadsStored, makeDealers, openPlace, startOurs } from './world.ts'

/**
 * Durable leads, authorised and validated: our server as it ships beside its peers, on one PostgreSQL and the same
 * dealers, with 64 connections that each wait for their answer. Leads have neither an external reference nor an
 * Idempotency-Key, so nobody writes claims.
 */
// So many that calls which insert one lead each hardly wait for the same dealer's clock.
const dealersCount = Number(process.env['DEALERS'] ?? 64)
const connections = 64
const batchConnections = 4
const rounds = 5
const seconds = 4

const place = await openPlace()
const ours = await startOurs(place)
const dealers = await makeDealers(place, ours, dealersCount)
const { generation } = await place.db('signing_key_generation').first('generation')
const world: PeerWorld = {
  connection: place.connection,
  issuer: ours.url,
  log: join(place.folder, 'peers.log'),
  dealers: dealers.map(({ dealerId, website }) => ({ dealerId, website })),
  generation,
}
process.env['BENCH_WORLD'] = JSON.stringify(world)

const one = leadsOf(dealers)
const peers = await Promise.all(
  ['single', 'grouped', 'bare'].map(async (kind) => ({
    kind,
    ...(await forked<{ port: number }>(join(import.meta.dirname, 'peers.ts'), kind)),
  })),
)
const { databasePid } = place
const targets: Target[] = [
  httpTarget({ kind: 'ours', pid: ours.pid, databasePid }, ours.url, one, connections),
  ...peers.map(({ kind, child, pid, told: { port } }): Target => {
    if (kind !== 'bare') return httpTarget({ kind, pid, databasePid }, `http://127.0.0.1:${port}`, one, connections)
    const load = async (seconds: number): Promise<Stretch> => {
      child.send(seconds)
      const [{ tookMs }] = (await once(child, 'message')) as [{ tookMs: number[] }]
      return { done: tookMs.length, seconds, p50Ms: median(tookMs), p99Ms: percentile(tookMs, 0.99) }
    }
    return { kind, pid, databasePid, load }
  }),
]
const batch = httpTarget(
  { kind: 'batches of 200', pid: ours.pid, databasePid },
  ours.url,
  batchesOf(dealers),
  batchConnections,
)

const only = process.env['ONLY']?.split(',')
let answered = 0
const counting = (target: Target, leads: number): Target => ({
  ...target,
  load: async (seconds) => counted(await target.load(seconds), leads),
})
const counted = (stretch: Stretch, leads: number): Stretch => {
  answered += stretch.done * leads
  // A figure of a batch is that of its leads, so that it can be compared.
  return { ...stretch, done: stretch.done * leads }
}
const before = await leadsStored(place)
const measured = await measure(
  [...targets.map((target) => counting(target, 1)), counting(batch, batchLeads)].filter(
    ({ kind }) => !only || only.includes(kind),
  ),
  { rounds, seconds },
)
const stored = (await leadsStored(place)) - before
// What was under way when the load ended was stored and not counted.
if (stored < answered) throw new Error(`${answered} leads were answered, ${stored} are stored`)

await Promise.all(peers.map(({ stop }) => stop()))
await ours.stop()
await place.close()

report('leads', `${connections} connections by ${generator}, batches by ${batchConnections}`, measured, [
  atLeast('ours / single', ratio(measured, 'perSecond', 'ours', 'single'), 1.4),
  atLeast('ours / grouped', ratio(measured, 'perSecond', 'ours', 'grouped'), 0.8),
  atLeast('ours / bare', ratio(measured, 'perSecond', 'ours', 'bare'), 0.4),
  // Beside one lead per call: of the peer that inserts each by itself, and of ours, which already share their commits.
  atLeast('batches / single', ratio(measured, 'perSecond', 'batches of 200', 'single'), 4),
  atLeast('batches / ours', ratio(measured, 'perSecond', 'batches of 200', 'ours'), 4),
])
