import type { Knex } from 'knex'
import { type AuditedOften, countAudited } from '../audit/store.ts'
import type { DoneInDay, Limit } from '../limit.ts'
import type { Http } from '../operation.ts'
import { limitReached, policyOf, stateOf } from './policy.ts'

const dayMs = 86_400_000

export const dayBefore = (now: Date) => new Date(now.getTime() - dayMs)

/**
 * Counts, of what the audit log has of the last 24 hours, one more. The caller holds the dealer's clock, so nobody else
 * counts at the same time.
 *
 * @throws {Problem} 429 `limit-reached`
 */
export async function requireWithinDay(
  trx: Knex.Transaction,
  limit: Limit,
  dealerId: string,
  http: Http,
  name: DoneInDay,
  done: AuditedOften,
  now: Date,
): Promise<void> {
  const { count, oldest } = await countAudited(trx, dealerId, done, dayBefore(now))
  const secondsOfDay = Math.ceil(((oldest ?? now).getTime() + dayMs - now.getTime()) / 1000)
  const known = { name, limit, left: limit.most - count, secondsOfDay }
  if (known.left < 1) throw limitReached(known, 1)
  http.announce('RateLimit-Policy', policyOf(name, limit))
  http.announce('RateLimit', stateOf({ ...known, left: known.left - 1 }))
}
