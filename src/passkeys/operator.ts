import type { Knex } from 'knex'
import { recordOperatorChange } from '../audit/audit.ts'
import { endCredentials, lockDealer, readClock } from '../tokens/store.ts'
import { findByEmail } from '../users/store.ts'
import { tell } from './second-factor.ts'
import * as store from './store.ts'

/**
 * Removes the passkeys and recovery codes of somebody who has lost them, and ends their sessions; says how many.
 *
 * @throws {Error} when nobody has the e-mail address.
 */
export async function resetPasskeys(db: Knex, mailIsReady: boolean, email: string): Promise<number> {
  const { user } = await findByEmail(db, email)
  if (!user) throw new Error(`Nobody has the e-mail address ${email}`)
  return db.transaction(async (trx) => {
    await lockDealer(trx, user.dealer_id)
    const now = await readClock(trx)
    const count = await reset(trx, user.dealer_id, user.id)
    const action = 'user.passkeys_reset'
    await recordOperatorChange(
      trx,
      user.dealer_id,
      { action, subject: { type: 'user', id: user.id, name: user.name } },
      now,
    )
    await tell(trx, { mailIsReady }, user, { deed: action, by: 'Operator', at: now.toISOString() })
    return count
  })
}

/** The caller holds the dealer's clock. Whoever has a lost device may be signed in, so every session ends. */
export async function reset(trx: Knex.Transaction, dealerId: string, userId: string): Promise<number> {
  await store.replaceCodes(trx, dealerId, userId, [])
  await endCredentials(trx, dealerId, userId)
  return store.deletePasskeys(trx, dealerId, userId)
}
