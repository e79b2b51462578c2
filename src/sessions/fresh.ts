import type { Knex } from 'knex'
import type { Principal } from '../operation.ts'
import { requireFresh } from './session.ts'
import { findSignedInAt } from './store.ts'

/** A screen that was left alone, or a token that was stolen, must not be enough for what gives access to others. A key has nobody to ask. */
export async function requireFreshSignIn(
  trx: Knex.Transaction,
  { dealerId, subject, credentialId }: Principal,
  now: Date,
): Promise<void> {
  if (subject.type === 'user') requireFresh(await findSignedInAt(trx, dealerId, credentialId), now)
}
