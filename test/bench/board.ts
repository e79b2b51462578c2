import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { LeadStatus } from '../../src/client/client.ts'

const statuses: readonly LeadStatus[] = [
  'new',
  'acknowledged',
  'in_progress',
  'appointment_set',
  'won',
  'lost',
  'invalid',
]
// As the dashboard does.
const countsMs = 1_000
const countsAgainMs = 15_000
const calmMs = 2_000
const floodMs = 60_000

export interface Watched {
  events: number
  skipped: number
  /** How long each reading of all columns took. */
  readings: number[]
}

const agent = new Agent({ keepAlive: true })

/**
 * What an open board asks of the service, as the dashboard asks it, until `signal` aborts: the feed, its columns, and
 * the counts. What comes is taken and hardly looked at: a browser does its work elsewhere.
 */
export async function watch(url: string, token: string, signal: AbortSignal, watched: Watched): Promise<void> {
  const headers = { authorization: `Bearer ${token}` }
  const asked = async (path: string): Promise<IncomingMessage> => {
    const [answer] = (await once(request(url + path, { agent, headers, signal }).end(), 'response')) as [
      IncomingMessage,
    ]
    if (answer.statusCode !== 200) throw new Error(`${path} was answered ${answer.statusCode}`)
    return answer
  }
  const read = async (path: string) => once((await asked(path)).resume(), 'end')

  let readAt = 0
  let calm: NodeJS.Timeout | undefined
  const readAnew = async () => {
    readAt = Date.now()
    const started = performance.now()
    await Promise.all([
      ...statuses.map((status) => read(`/v1/leads?status=${status}&limit=50`)),
      read('/v1/leads/counts'),
    ])
    watched.readings.push(performance.now() - started)
  }
  let countsDue = false
  let countedAt = 0
  const counts = async () => {
    if (countsDue) return
    countsDue = true
    await sleep(Math.max(countsMs, countedAt + countsAgainMs - Date.now()), undefined, { signal })
    countsDue = false
    countedAt = Date.now()
    await read('/v1/leads/counts')
  }
  const whenOver = (error: unknown) => {
    if (!signal.aborted) throw error
  }
  try {
    const stream = await asked('/v1/events/stream?skip=true')
    void readAnew().catch(whenOver)
    for await (const part of stream) {
      const text = String(part)
      const events = text.split('\ndata: {"id"').length - 1
      watched.events += events
      if (events > 0) void counts().catch(whenOver)
      if (!text.includes('event: skipped')) continue
      watched.skipped++
      clearTimeout(calm)
      if (Date.now() - readAt > floodMs) void readAnew().catch(whenOver)
      else calm = setTimeout(() => void readAnew().catch(whenOver), calmMs * (1 + Math.random()))
    }
  } catch (error) {
    whenOver(error)
  } finally {
    clearTimeout(calm)
  }
}
