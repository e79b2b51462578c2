import type { Knex } from 'knex'
import { newId } from '../ids.ts'
import type { Secrets } from '../secrets.ts'
import { addCredential, endCredential, setCredentialEnd } from '../tokens/store.ts'
import type { ApiKeyRow } from './api-key.ts'
import { type KeyText, maskOf, newKeyText } from './key-text.ts'
import { endOf, type Secret } from './replacement.ts'
import { addSecret, saveSecret } from './store.ts'

// A role is given up before another secret takes it.
const order: Secret['role'][] = ['ended', 'previous', 'current', 'next']

/**
 * Saves what a rule made of the secrets, and lets their credentials end accordingly. The caller holds the dealer's
 * clock.
 */
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

/**
 * Makes a secret with a credential of its own. What is kept of it is its HMAC: its text is in the answer of this, and
 * nowhere else.
 */
export async function issueSecret(
  trx: Knex.Transaction,
  secrets: Secrets,
  dealerId: string,
  key: Pick<ApiKeyRow, 'id' | 'kind' | 'environment' | 'scopes' | 'disabled' | 'expires_at'>,
  { role, graceSeconds: grace }: Pick<Secret, 'role' | 'graceSeconds'>,
  now: Date,
): Promise<KeyText> {
  const text = newKeyText(key.kind, key.environment)
  const credentialId = newId()
  const version = secrets.currentVersion
  await addCredential(
    trx,
    dealerId,
    {
      id: credentialId,
      subject: { type: 'api_key', id: key.id },
      scopes: key.scopes,
      environment: key.environment,
      disabled: key.disabled,
      ...(key.expires_at && { endsAt: key.expires_at }),
    },
    now,
  )
  const hash = secrets.hash('api-key', version, text.proof)
  await addSecret(
    trx,
    dealerId,
    {
      lookup: text.lookup,
      api_key_id: key.id,
      credential_id: credentialId,
      hash,
      secret_version: version,
      mask: maskOf(text),
      role,
      grace_seconds: grace,
    },
    now,
  )
  return text
}
