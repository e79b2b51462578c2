import { fork } from 'node:child_process'
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { watch, type Watched } from './board.ts'
import { atMost, percentile, report, stopwatch } from './harness.ts'
import {
  type Dealer,
  fillLeads,
  leadInput,
  makeDealers,
  openPlace,
  type Place,
  type Service,
  startOurs,
  tokenOfNewKey,
} from './world.ts'

/**
 * What a lead waits for while others read: 100 leads a second at fixed times, whatever happens to the ones before, each
 * timed from when it was to be sent. Meanwhile, from a process of their own, a DMS reads that dealer's 10,000 leads as
 * fast as it can, page by page of 200 and every 20th lead by itself, and 50 boards watch.
 */
const leadsPerSecond = 100
const seconds = Number(process.env['SECONDS'] ?? 20)
const warmSeconds = 3
const leadsStored = 10_000
const pageLeads = 200
const boardsCount = 50
const streamsOfKey = 10
const connectionsMax = 256

const agent = new Agent({ keepAlive: true, maxSockets: connectionsMax })

/** Sends one request and reads its answer to the end. A request that gets no answer has status 0. */
function send(url: string, token: string, body?: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve) => {
    const headers = {
      authorization: `Bearer ${token}`,
      ...(body !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
    }
    const sent = request(url, { method: body === undefined ? 'GET' : 'POST', agent, headers }, (answer) => {
      let text = ''
      answer.setEncoding('utf8').on('data', (part: string) => (text += part))
      answer
        .on('end', () => resolve({ status: answer.statusCode ?? 0, text }))
        .on('error', () => resolve({ status: 0, text }))
    })
    sent.on('error', () => resolve({ status: 0, text: '' })).end(body)
  })
}

interface Readings {
  dmsPages: number
  dmsLeads: number
  refused: number
}

/** Reads until it is told to stop, and then tells what it did. */
async function read(url: string, token: string, boardTokens: readonly string[]): Promise<void> {
  const done: Readings = { dmsPages: 0, dmsLeads: 0, refused: 0 }
  let stopped = false
  const get = async (path: string) => {
    const { status, text } = await send(url + path, token)
    if (status !== 200) done.refused++
    return status === 200 ? JSON.parse(text) : {}
  }
  const dms = async () => {
    for (let cursor = ''; !stopped;) {
      const { items = [], nextCursor = '' } = await get(`/v1/leads?limit=${pageLeads}${cursor && `&cursor=${cursor}`}`)
      done.dmsPages++
      for (let at = 0; at < items.length && !stopped; at += 20, done.dmsLeads++) await get(`/v1/leads/${items[at].id}`)
      cursor = nextCursor
    }
  }
  const stop = new AbortController()
  const watched: Watched = { events: 0, skipped: 0, readings: [] }
  process.on('message', () => {
    stopped = true
    stop.abort()
  })
  await Promise.all([dms(), ...boardTokens.map((boardToken) => watch(url, boardToken, stop.signal, watched))])
  process.send?.({ ...done, watched })
  process.disconnect()
}

/** Our server, a dealer of it with 10,000 leads, and what 50 boards of the dealer are let in with. */
export interface Scene {
  service: Pick<Service, 'url' | 'pid'>
  databasePid: number
  dealer: Dealer
  boardTokens: readonly string[]
}

export async function openScene(
  place: Pick<Place, 'connection' | 'databasePid'>,
  service: Service,
  dealer: Dealer,
): Promise<Scene> {
  // One credential may not have so many streams.
  const keys = await Promise.all(
    Array.from({ length: boardsCount / streamsOfKey }, (_, at) =>
      tokenOfNewKey(service.url, dealer.admin, `Boards ${at}`, 'extensive_integrations'),
    ),
  )
  const boardTokens = keys.flatMap((token) => Array.from({ length: streamsOfKey }, () => token))
  await fillLeads(place, dealer.dealerId, leadsStored)
  return { service, databasePid: place.databasePid, dealer, boardTokens }
}

/** What became of one stretch of it. */
export async function run({ service, databasePid, dealer, boardTokens }: Scene, seconds: number) {
  const readers = fork(import.meta.filename, ['read', service.url, dealer.dms, ...boardTokens])
  const latenciesMs: number[] = []
  let refused = 0
  let spent = () => ({ server: 0, database: 0, foreign: 0 })
  const push = async (at: number, due: number) => {
    await sleep(due - performance.now())
    const { status } = await send(`${service.url}/v1/leads`, dealer.website, JSON.stringify(leadInput(at)))
    if (at < warmSeconds * leadsPerSecond) return
    if (status !== 201) refused++
    latenciesMs.push(performance.now() - due)
  }
  const start = performance.now() + 500
  setTimeout(() => (spent = stopwatch({ pid: service.pid, databasePid }, readers.pid)), 500 + warmSeconds * 1000)
  await Promise.all(
    Array.from({ length: (warmSeconds + seconds) * leadsPerSecond }, (_, at) =>
      push(at, start + (at * 1000) / leadsPerSecond),
    ),
  )
  const cores = Object.fromEntries(Object.entries(spent()).map(([whose, us]) => [`${whose}Cores`, us / seconds / 1e6]))

  readers.send('stop')
  const [{ watched, ...readings }] = (await once(readers, 'message')) as [Readings & { watched: Watched }]
  return { latenciesMs, refused, cores, readings, watched, readSeconds: warmSeconds + seconds }
}

async function main(): Promise<void> {
  const place = await openPlace()
  const ours = await startOurs(place)
  const [dealer] = await makeDealers(place, ours, 1)
  if (!dealer) throw new Error('There is no dealer')
  const { latenciesMs, refused, cores, readings, watched, readSeconds } = await run(
    await openScene(place, ours, dealer),
    seconds,
  )
  agent.destroy()
  await ours.stop()
  await place.close()

  const figures = (values: readonly number[]) => ({
    p50Ms: percentile(values, 0.5),
    p99Ms: percentile(values, 0.99),
    maxMs: Math.max(...values),
  })
  report(
    'open-loop',
    `${leadsPerSecond} leads a second at fixed times, by Node`,
    [
      { kind: 'leads pushed', perSecond: latenciesMs.length / seconds, ...figures(latenciesMs), refused, ...cores },
      {
        kind: `readings of ${boardsCount} boards`,
        perSecond: watched.readings.length / readSeconds,
        ...figures(watched.readings),
        refused: readings.refused,
      },
      { kind: 'events told to them', perSecond: watched.events / readSeconds },
      { kind: 'DMS, pages of 200', perSecond: readings.dmsPages / readSeconds },
      { kind: 'DMS, single leads', perSecond: readings.dmsLeads / readSeconds },
    ],
    [atMost('intake p99, ms', percentile(latenciesMs, 0.99), 50), atMost('refused', refused + readings.refused, 0)],
  )
}

if (import.meta.main) {
  const [, , part, url = '', token = '', ...boardTokens] = process.argv
  await (part === 'read' ? read(url, token, boardTokens) : main())
}
