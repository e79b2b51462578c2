import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto'

/** A master secret and the word that rows remember it by. */
export interface MasterSecret {
  readonly version: string
  readonly bytes: Buffer
}

const hashing = ['api-key', 'session', 'password-link', 'device', 'attempts', 'passkey', 'recovery-code'] as const
export const purposes = [...hashing, 'signing-key', 'fingerprint'] as const
type Purpose = (typeof purposes)[number]

/**
 * What everything secret in the database is hashed or wrapped with. The master secrets themselves never touch the
 * database.
 */
export interface Secrets {
  readonly currentVersion: string
  readonly versions: readonly string[]
  /** HMAC-SHA-256 with the pepper of `purpose`. */
  hash(purpose: (typeof hashing)[number], version: string, value: string): Buffer
  /** AES-256-GCM; `label` must be the same to unwrap. */
  wrap(version: string, label: string, clear: Buffer): Buffer
  /** @throws when the version, the label or a byte is not the one it was wrapped with. */
  unwrap(version: string, label: string, wrapped: Buffer): Buffer
  /** Tells two master secrets apart without telling either. */
  fingerprint(version: string): Buffer
}

const ivBytes = 12
const tagBytes = 16

/** What SECRET_KEYS or its file looks like: names with 32 bytes as base64url, the current one first. */
export const secretKeysPattern = /^[a-z0-9]{1,16}:[A-Za-z0-9_-]{43}(,[a-z0-9]{1,16}:[A-Za-z0-9_-]{43})*$/

/** Reads what SECRET_KEYS or its file holds. @throws {Error} that quotes nothing. */
export function secretKeysIn(text: string): readonly [MasterSecret, ...MasterSecret[]] {
  const [first, ...others] = text.split(',').map((entry) => {
    const [version = '', encoded = ''] = entry.split(':')
    return { version, bytes: Buffer.from(encoded, 'base64url') }
  })
  if (!first || !secretKeysPattern.test(text))
    throw new Error('The secret keys are damaged: each must be a name, a colon and 32 bytes as base64url')
  return [first, ...others]
}

/** Derives every key of the service from the master secrets (HKDF-SHA-256, RFC 5869). The first one is current. */
export function secretsFrom(masters: readonly [MasterSecret, ...MasterSecret[]]): Secrets {
  const derived = new Map<string, Buffer>()
  for (const { version, bytes } of masters)
    for (const purpose of purposes)
      derived.set(`${purpose}:${version}`, Buffer.from(hkdfSync('sha256', bytes, '', `carbuddii/${purpose}`, 32)))

  const key = (purpose: Purpose, version: string): Buffer => {
    const found = derived.get(`${purpose}:${version}`)
    if (!found) throw new Error(`SECRET_KEYS has no version ${version}, which rows in the database still need`)
    return found
  }

  return {
    currentVersion: masters[0].version,
    versions: masters.map(({ version }) => version),
    hash: (purpose, version, value) => createHmac('sha256', key(purpose, version)).update(value).digest(),
    wrap: (version, label, clear) => {
      const iv = randomBytes(ivBytes)
      const cipher = createCipheriv('aes-256-gcm', key('signing-key', version), iv).setAAD(Buffer.from(label))
      return Buffer.concat([iv, cipher.update(clear), cipher.final(), cipher.getAuthTag()])
    },
    unwrap: (version, label, wrapped) => {
      const decipher = createDecipheriv('aes-256-gcm', key('signing-key', version), wrapped.subarray(0, ivBytes))
      decipher.setAAD(Buffer.from(label)).setAuthTag(wrapped.subarray(-tagBytes))
      return Buffer.concat([decipher.update(wrapped.subarray(ivBytes, -tagBytes)), decipher.final()])
    },
    fingerprint: (version) => key('fingerprint', version),
  }
}
