import type { Knex } from 'knex'
import type { Principal } from '../operation.ts'
import { Problem } from '../problem.ts'
import { findCreatedAt } from './store.ts'

/** How long after signing in a person may do what asks for a fresh sign-in, in seconds (RFC 9470). */
export const freshSeconds = 15 * 60

/**
 * A screen that was left alone, or a token that was stolen, must not be enough for what gives access to others. The
 * credential of a person was made when they signed in with their password. A key has nobody to ask.
 *
 * @throws {Problem} `sign-in-too-old`
 */
export async function requireFreshSignIn(
  trx: Knex.Transaction,
  { dealerId, subject, credentialId }: Principal,
  now: Date,
): Promise<void> {
  if (subject.type !== 'user') return
  const signedInAt = await findCreatedAt(trx, dealerId, credentialId)
  if (!signedInAt || now.getTime() - signedInAt.getTime() > freshSeconds * 1000) throw new Problem('sign-in-too-old')
}
