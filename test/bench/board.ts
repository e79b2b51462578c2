import { setTimeout as sleep } from 'node:timers/promises'
import { connectWith, followEvents, getLeadCounts, listLeads, type LeadStatus } from '../../src/client/client.ts'

const statuses: readonly LeadStatus[] = ['new', 'acknowledged', 'in_progress', 'appointment_set', 'won', 'lost', 'invalid']
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

/** What an open board asks of the service, as the dashboard asks it, until `signal` aborts: the feed, its columns, and the counts. */
export async function watch(url: string, token: string, signal: AbortSignal, watched: Watched): Promise<void> {
  const { client } = connectWith({ baseUrl: url, buy: async () => ({ access_token: token, expires_in: 1800 }) })
  let readAt = 0
  let calm: NodeJS.Timeout | undefined
  const readAnew = async () => {
    readAt = Date.now()
    const started = performance.now()
    await Promise.all([...statuses.map((status) => listLeads({ client, query: { status: [status], limit: 50 } })), getLeadCounts({ client })])
    watched.readings.push(performance.now() - started)
  }
  let countsDue = false
  let countedAt = 0
  const counts = async () => {
    if (countsDue) return
    countsDue = true
    await sleep(Math.max(countsMs, countedAt + countsAgainMs - Date.now()), undefined, { signal }).catch(() => undefined)
    countsDue = false
    countedAt = Date.now()
    if (!signal.aborted) await getLeadCounts({ client })
  }
  for await (const message of followEvents({ client, signal, skip: true })) {
    if (message.type === 'open') void readAnew()
    if (message.type === 'event') watched.events++
    if (message.type === 'event') void counts()
    if (message.type !== 'skipped') continue
    watched.skipped++
    clearTimeout(calm)
    if (Date.now() - readAt > floodMs) void readAnew()
    else calm = setTimeout(() => void readAnew(), calmMs * (1 + Math.random()))
  }
  clearTimeout(calm)
}
