import type pg from 'pg'
import { openJob, type Report } from '../background.ts'
import { newId, timeOf } from '../ids.ts'
import { addRequests, type RequestRow } from './store.ts'

/** Remembers what was asked with API keys, off the way of the request. */
export interface Recorder {
  note(request: Noted): void
  /** Writes what is waiting. */
  stop(): Promise<void>
}

export type Noted = Omit<RequestRow, 'id' | 'at' | 'logged'>

const name = 'writing the log of requests'
// What is lost at kill -9 is at most what came in this time, and in that of one write.
const flushMs = 1_000
const flushedEarlyAt = 10_000
const waitingMax = 20_000
const writtenAtOnceMax = 2_000
// Of what a key is refused for one reason in an hour, what one process writes into the log. All of it is counted.
const refusedAlikeMax = 500
const hourMs = 3_600_000

/**
 * While the database is away, the newest 20,000 requests wait; `onLoss` is told how many were left out when it is there
 * again.
 */
export function openRecorder(hot: pg.Pool, report: Report, onLoss: (leftOut: number) => void): Recorder {
  let waiting: RequestRow[] = []
  let leftOut = 0
  let hour = 0
  let refused = new Map<string, number>()

  /** A flood of what is refused, also with a key that was deleted long ago, must not fill the database. */
  const isLogged = ({ api_key_id, status, problem }: Noted, at: Date): boolean => {
    if (status < 400 || status > 499) return true
    const now = Math.floor(at.getTime() / hourMs)
    if (now !== hour) refused = new Map()
    hour = now
    const alike = `${api_key_id} ${problem ?? status}`
    const count = (refused.get(alike) ?? 0) + 1
    refused.set(alike, count)
    return count <= refusedAlikeMax
  }

  const write = async () => {
    const all = waiting
    waiting = []
    for (let at = 0; at < all.length; at += writtenAtOnceMax) {
      try {
        await addRequests(hot, all.slice(at, at + writtenAtOnceMax))
      } catch (error) {
        // Those that wait since then are newer.
        const kept = [...all.slice(at), ...waiting]
        leftOut += Math.max(0, kept.length - waitingMax)
        waiting = kept.slice(-waitingMax)
        throw error
      }
    }
    if (leftOut > 0) onLoss(leftOut)
    leftOut = 0
  }
  const writing = openJob(name, flushMs, report, write)

  return {
    note: (request) => {
      if (waiting.length < waitingMax) {
        // The log of an hour is found by its ids, so that both must tell the same time.
        const id = newId()
        const at = timeOf(id)
        waiting.push({ ...request, id, at, logged: isLogged(request, at) })
      } else leftOut++
      if (waiting.length === flushedEarlyAt) writing.hurry()
    },
    stop: async () => {
      await writing.stop()
      if (waiting.length === 0) return
      await write().catch((error: unknown) => {
        report(error, name)
        onLoss(leftOut + waiting.length)
      })
    },
  }
}
