import type { Knex } from 'knex'
import { endCredential, setCredentialEnd } from '../tokens/store.ts'
import { endOf, type Secret } from './replacement.ts'
import { saveSecret } from './store.ts'

// A role is given up before another secret takes it.
const order: Secret['role'][] = ['ended', 'previous', 'current', 'next']

/** Saves what a rule made of the secrets, and lets their credentials end accordingly. The caller holds the dealer's clock. */
export async function saveSecrets(
  trx: Knex.Transaction,
  dealerId: string,
  before: readonly Secret[],
  after: readonly Secret[],
  keyExpiresAt: Date | null,
): Promise<void> {
  const changed = after
    .filter((secret, at) => secret !== before[at])
    .sort((one, other) => order.indexOf(one.role) - order.indexOf(other.role))
  for (const secret of changed) {
    await saveSecret(trx, secret)
    if (secret.role === 'ended') await endCredential(trx, dealerId, secret.credentialId)
    else await setCredentialEnd(trx, dealerId, secret.credentialId, endOf(secret, keyExpiresAt))
  }
}
