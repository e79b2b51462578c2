import { setTimeout as pause } from 'node:timers/promises'
import type { Knex } from 'knex'
import { sweepRefusals } from './audit/store.ts'
import { type Job, openJob, type Report } from './background.ts'
import { inTurn } from './db/turn.ts'
import { type FairQueue, openFairQueue } from './fair-queue.ts'
import { sayOfWhichLeads } from './feed/store.ts'
import { sweepIdempotencyKeys } from './leads/store.ts'
import { mailKeptDays } from './outbox/mail.ts'
import { sweepMails } from './outbox/store.ts'
import { answeredKeptSeconds } from './passkeys/challenge.ts'
import { sweepChallenges } from './passkeys/store.ts'
import { sweepAddresses, sweepRequests, sweepUsage } from './requests/store.ts'
import { sessionSeconds } from './sessions/session.ts'
import { sweepSessions } from './sessions/store.ts'
import { sweepAttempts, sweepPasswordLinks } from './users/store.ts'

export interface Sweep {
  name: string
  everyMs: number
  /** Does so many rows at most, by the database's clock, waits for nobody, and says how many it did. */
  batch(trx: Knex.Transaction, atMost: number): Promise<number>
}

const usageDays = 400
const refusalDays = 90
// Longer than a session lives; no token outlives its session.
const sessionKeptSeconds = sessionSeconds + 86_400

export const rowsAtOnceMax = 2_000
// A sweep that has much to do takes a quarter of the time of one connection.
const restsForEachBatch = 3
const minuteMs = 60_000
// Else a batch is joined with its whole table, as long as that seems cheaper than so many look-ups.
const byKeysAlone = 'set local enable_hashjoin = off; set local enable_mergejoin = off'

/**
 * What is forgotten in time, for everything that grows by itself has a line here. The secrets of API keys stay, so that
 * whoever tries an old one can be told apart, and so do their credentials, which people and machines make one by one.
 */
export const sweeps: readonly Sweep[] = [
  { name: 'sweeping Idempotency-Keys', everyMs: minuteMs, batch: sweepIdempotencyKeys },
  { name: 'sweeping the log of requests', everyMs: minuteMs, batch: sweepRequests },
  {
    name: 'sweeping hourly usage',
    everyMs: 10 * minuteMs,
    batch: (trx, atMost) => sweepUsage(trx, usageDays, atMost),
  },
  { name: 'sweeping addresses of keys', everyMs: 10 * minuteMs, batch: sweepAddresses },
  {
    name: 'sweeping refusals',
    everyMs: 10 * minuteMs,
    batch: (trx, atMost) => sweepRefusals(trx, refusalDays, atMost),
  },
  { name: 'sweeping mails', everyMs: 10 * minuteMs, batch: (trx, atMost) => sweepMails(trx, mailKeptDays, atMost) },
  { name: 'sweeping password links', everyMs: 10 * minuteMs, batch: sweepPasswordLinks },
  { name: 'sweeping failed attempts', everyMs: 10 * minuteMs, batch: sweepAttempts },
  {
    name: 'sweeping sessions',
    everyMs: minuteMs,
    batch: (trx, atMost) => sweepSessions(trx, sessionKeptSeconds, atMost),
  },
  {
    name: 'sweeping answered challenges',
    everyMs: 10 * minuteMs,
    batch: (trx, atMost) => sweepChallenges(trx, answeredKeptSeconds, atMost),
  },
  // Those of the version before do not say it.
  { name: 'telling events of test leads apart', everyMs: minuteMs / 6, batch: sayOfWhichLeads },
]

export function openSweeps(db: Knex, report: Report): Job[] {
  // One batch at a time, of each sweep in turn: all of them have one connection.
  const queue = openFairQueue({ atOnceMax: 1, atOnceOfGroupMax: 1 })
  return sweeps.map((sweep) => openJob(sweep.name, sweep.everyMs, report, (signal) => swept(db, sweep, signal, queue)))
}

/** Goes on, batch by batch, until nothing is left, unless another process is at it. */
export async function swept(
  db: Knex,
  { name, batch }: Omit<Sweep, 'everyMs'>,
  signal: AbortSignal,
  queue: FairQueue = openFairQueue({ atOnceMax: 1, atOnceOfGroupMax: 1 }),
): Promise<void> {
  while (!signal.aborted) {
    let startedAt = 0
    const done = await queue.run({ group: name, member: name }, () => {
      startedAt = performance.now()
      return inTurn(db, name, async (trx) => {
        await trx.raw(byKeysAlone)
        return batch(trx, rowsAtOnceMax)
      })
    })
    if (done === undefined || done < rowsAtOnceMax) return
    await pause((performance.now() - startedAt) * restsForEachBatch)
  }
}
