import { fork } from 'node:child_process'
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { atMost, percentile, report, stopwatch } from './harness.ts'
import { fillLeads, leadInput, makeDealers, openPlace, startOurs } from './world.ts'

/**
 * What a lead waits for while others read: 100 leads a second at fixed times, whatever happens to the ones before, each timed from when it
 * was to be sent. Meanwhile, from a process of their own, a DMS reads that dealer's 10,000 leads as fast as it can, page by page of 200
 * and every 20th lead by itself, and 50 readers list the newest 50 leads once a second. Those stand for the boards, which do not exist yet.
 */
const leadsPerSecond = 100
const seconds = Number(process.env['SECONDS'] ?? 20)
const warmSeconds = 3
const leadsStored = 10_000
const pageLeads = 200
const readersCount = 50
const connectionsMax = 256

const agent = new Agent({ keepAlive: true, maxSockets: connectionsMax })

/** Sends one request and reads its answer to the end. A request that gets no answer has status 0. */
function send(url: string, token: string, body?: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve) => {
    const headers = { authorization: `Bearer ${token}`, ...(body !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }) }
    const sent = request(url, { method: body === undefined ? 'GET' : 'POST', agent, headers }, (answer) => {
      let text = ''
      answer.setEncoding('utf8').on('data', (part: string) => (text += part))
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text })).on('error', () => resolve({ status: 0, text }))
    })
    sent.on('error', () => resolve({ status: 0, text: '' })).end(body)
  })
}

interface Readings {
  dmsPages: number
  dmsLeads: number
  lists: number[]
  refused: number
}

/** Reads until it is told to stop, and then tells what it did. */
async function read(url: string, token: string): Promise<void> {
  const done: Readings = { dmsPages: 0, dmsLeads: 0, lists: [], refused: 0 }
  let stopped = false
  const get = async (path: string) => {
    const { status, text } = await send(url + path, token)
    if (status !== 200) done.refused++
    return status === 200 ? JSON.parse(text) : {}
  }
  const dms = async () => {
    for (let cursor = ''; !stopped; ) {
      const { items = [], nextCursor = '' } = await get(`/v1/leads?limit=${pageLeads}${cursor && `&cursor=${cursor}`}`)
      done.dmsPages++
      for (let at = 0; at < items.length && !stopped; at += 20, done.dmsLeads++) await get(`/v1/leads/${items[at].id}`)
      cursor = nextCursor
    }
  }
  const board = async (at: number) => {
    for (let due = performance.now() + (at * 1000) / readersCount; !stopped; due += 1000) {
      await sleep(Math.max(0, due - performance.now()))
      const started = performance.now()
      await get('/v1/leads')
      done.lists.push(performance.now() - started)
    }
  }
  process.on('message', () => (stopped = true))
  await Promise.all([dms(), ...Array.from({ length: readersCount }, (_, at) => board(at))])
  process.send?.(done)
  process.disconnect()
}

async function main(): Promise<void> {
  const place = await openPlace()
  const ours = await startOurs(place)
  const [dealer] = await makeDealers(place, ours, 1)
  if (!dealer) throw new Error('There is no dealer')
  await fillLeads(place, dealer.dealerId, leadsStored)

  const readers = fork(import.meta.filename, ['read', ours.url, dealer.dms])
  const latenciesMs: number[] = []
  let refused = 0
  let spent = () => ({ server: 0, database: 0, foreign: 0 })
  const push = async (at: number, due: number) => {
    await sleep(due - performance.now())
    const { status } = await send(`${ours.url}/v1/leads`, dealer.website, JSON.stringify(leadInput(at)))
    if (at < warmSeconds * leadsPerSecond) return
    if (status !== 201) refused++
    latenciesMs.push(performance.now() - due)
  }
  const start = performance.now() + 500
  setTimeout(() => (spent = stopwatch({ pid: ours.pid, databasePid: place.databasePid }, readers.pid)), 500 + warmSeconds * 1000)
  await Promise.all(Array.from({ length: (warmSeconds + seconds) * leadsPerSecond }, (_, at) => push(at, start + (at * 1000) / leadsPerSecond)))
  const cores = Object.fromEntries(Object.entries(spent()).map(([whose, us]) => [`${whose}Cores`, us / seconds / 1e6]))

  readers.send('stop')
  const [{ dmsPages, dmsLeads, lists, refused: readsRefused }] = (await once(readers, 'message')) as [Readings]
  agent.destroy()
  await ours.stop()
  await place.close()

  const figures = (values: readonly number[]) => ({ p50Ms: percentile(values, 0.5), p99Ms: percentile(values, 0.99), maxMs: Math.max(...values) })
  const read = warmSeconds + seconds
  report(
    'open-loop',
    `${leadsPerSecond} leads a second at fixed times, by Node`,
    [
      { kind: 'leads pushed', perSecond: latenciesMs.length / seconds, ...figures(latenciesMs), refused, ...cores },
      { kind: 'lists for 50 boards', perSecond: lists.length / read, ...figures(lists), refused: readsRefused },
      { kind: 'DMS, pages of 200', perSecond: dmsPages / read },
      { kind: 'DMS, single leads', perSecond: dmsLeads / read },
    ],
    [atMost('intake p99, ms', percentile(latenciesMs, 0.99), 50), atMost('refused', refused + readsRefused, 0)],
  )
}

const [, , part, url = '', token = ''] = process.argv
await (part === 'read' ? read(url, token) : main())
