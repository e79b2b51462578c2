import { setTimeout as pause } from 'node:timers/promises'
import type { Knex } from 'knex'
import { recordOperatorChange } from '../audit/audit.ts'
import { type Job, openJob, type Report } from '../background.ts'
import { inTurn } from '../db/turn.ts'
import { inForce } from '../tokens/scope.ts'
import { lockDealer, readClock, setCredentialScopes } from '../tokens/store.ts'
import { caughtUp } from './granted.ts'
import * as store from './store.ts'

const name = 'giving keys the scopes that have come'
const everyMs = 60_000
// Whoever pushes leads to this dealer waits meanwhile.
const keysAtOnceMax = 10

/** When a version of the contract brings scopes, the keys that have all of their kind get them; people are told. */
export function openComingScopes(db: Knex, report: Report): Job {
  const job = openJob(name, everyMs, report, (signal) => catchUp(db, signal))
  job.hurry()
  return job
}

async function catchUp(db: Knex, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const startedAt = performance.now()
    const isDone = (await inTurn(db, name, catchUpDealer)) ?? true
    if (isDone) return
    await pause(performance.now() - startedAt)
  }
}

/**
 * Some keys of one dealer; says whether there was none. Whoever chooses scopes at the same time holds the same clock.
 */
async function catchUpDealer(trx: Knex.Transaction): Promise<boolean> {
  const dealerId = await store.findDealerBehind(trx)
  if (dealerId === undefined) return true
  await lockDealer(trx, dealerId)
  const now = await readClock(trx)
  for (const key of await store.findKeysBehind(trx, dealerId, keysAtOnceMax)) {
    const { after, came } = caughtUp(key)
    await store.saveGranted(trx, dealerId, key.id, after)
    if (after.scopes.length > key.scopes.length) await setCredentialScopes(trx, dealerId, key.id, after.scopes)
    if (came.length === 0) continue
    // What brings scopes is a new version, which the operator has started.
    const scopes = inForce(after.scopes)
    const change = {
      action: 'api_key.scopes_added',
      subject: { type: 'api_key', id: key.id, name: key.name },
      before: { scopes: scopes.filter((scope) => !came.includes(scope)) },
      after: { scopes },
    } as const
    await recordOperatorChange(trx, dealerId, change, now)
  }
  return false
}
