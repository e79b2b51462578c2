import type { Knex } from 'knex'
import type pg from 'pg'
import { newId } from '../ids.ts'
import { addRequests, type RequestRow, sweepRequests } from './store.ts'

/** Remembers what was asked with API keys, off the way of the request. */
export interface Recorder {
  note(request: Omit<RequestRow, 'id'>): void
  /** Writes what is waiting. */
  stop(): Promise<void>
}

// What is lost at kill -9 is at most what came in this time, and in that of one write.
const flushMs = 1_000
const flushedEarlyAt = 10_000
const waitingMax = 20_000
const writtenAtOnceMax = 2_000
const sweepMs = 10 * 60_000
const sweptAtOnceMax = 10_000
const usageMs = 400 * 86_400_000

/** While the database is away, the newest 20,000 requests wait; `report` is told how many were left out. */
export function openRecorder(db: Knex, hot: pg.Pool, report: (leftOut: number, error: unknown) => void): Recorder {
  let waiting: RequestRow[] = []
  let leftOut = 0
  let writing: Promise<void> | undefined

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
        if (leftOut > 0) report(leftOut, error)
        return
      }
    }
    leftOut = 0
  }
  const flush = () => (writing ??= write().finally(() => (writing = undefined)))

  const flusher = setInterval(() => void (waiting.length > 0 && flush()), flushMs).unref()
  const sweeper = setInterval(() => {
    void sweepRequests(db, new Date(), new Date(Date.now() - usageMs), sweptAtOnceMax).catch(() => undefined)
  }, sweepMs).unref()

  return {
    note: (request) => {
      if (waiting.length < waitingMax) waiting.push({ ...request, id: newId() })
      else leftOut++
      if (waiting.length === flushedEarlyAt) void flush()
    },
    stop: async () => {
      clearInterval(flusher)
      clearInterval(sweeper)
      await writing
      if (waiting.length > 0) await flush()
    },
  }
}
