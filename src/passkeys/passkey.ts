import * as limits from '../../generated/server/limits.gen.ts'
import type { Passkey } from '../../generated/server/types.gen.ts'
import { outer } from '../ids.ts'

/** How many passkeys a person may have. */
export const passkeysMax = limits.OwnPasskeys.items.maxItems

export interface PasskeyRow {
  dealer_id: string
  id: string
  user_id: string
  /** What the authenticator calls it. */
  credential_id: Buffer
  /** A COSE key (RFC 9052). */
  public_key: Buffer
  /** How often it was used, as the authenticator says; always 0 where it does not count. A bigint. */
  sign_count: string
  name: string
  synced: boolean
  created_at: Date
  last_used_at: Date | null
}

export function passkeyBody(row: PasskeyRow): Passkey {
  return {
    id: outer('passkey', row.id),
    name: row.name,
    createdAt: row.created_at.toISOString(),
    ...(row.last_used_at && { lastUsedAt: row.last_used_at.toISOString() }),
    synced: row.synced,
  }
}

/**
 * Whether there may be a copy of the passkey: the authenticator says that it was used no more often than it had said
 * before (WebAuthn, section 6.1.1). Those that do not count always say 0.
 */
export function isSuspect(known: number, said: number): boolean {
  return (known > 0 || said > 0) && said <= known
}

const uuid = (bytes: Buffer): string =>
  bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')

/** What an authenticator gives back with its answer, so that it says whose passkey it is without an e-mail address. */
export const userHandleOf = (dealerId: string, userId: string): string =>
  Buffer.from((dealerId + userId).replaceAll('-', ''), 'hex').toString('base64url')

export function personIn(userHandle: string): { dealerId: string; userId: string } | undefined {
  const bytes = Buffer.from(userHandle, 'base64url')
  return bytes.length === 32 ? { dealerId: uuid(bytes.subarray(0, 16)), userId: uuid(bytes.subarray(16)) } : undefined
}
