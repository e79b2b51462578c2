import type pg from 'pg'
import { openJob, type Report } from '../background.ts'
import { newId, timeOf } from '../ids.ts'
import { addRequests, type RequestRow } from './store.ts'

/** Remembers what was asked with API keys, off the way of the request. */
export interface Recorder {
  note(request: Omit<RequestRow, 'id' | 'at'>): void
  /** Writes what is waiting. */
  stop(): Promise<void>
}

const name = 'writing the log of requests'
// What is lost at kill -9 is at most what came in this time, and in that of one write.
const flushMs = 1_000
const flushedEarlyAt = 10_000
const waitingMax = 20_000
const writtenAtOnceMax = 2_000

/**
 * While the database is away, the newest 20,000 requests wait; `onLoss` is told how many were left out when it is there
 * again.
 */
export function openRecorder(hot: pg.Pool, report: Report, onLoss: (leftOut: number) => void): Recorder {
  let waiting: RequestRow[] = []
  let leftOut = 0

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
        waiting.push({ ...request, id, at: timeOf(id) })
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
