import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import type { Knex } from 'knex'
import { openJob, type Report } from '../background.ts'
import { newId } from '../ids.ts'
import { Problem } from '../problem.ts'
import type { Secrets } from '../secrets.ts'
import * as store from './store.ts'
import { lifetimeSeconds, type SigningKey } from './token.ts'

// A new key is published this long before it signs, and every process looks again in a third of it: nobody meets a
// token of a key it has not seen. Withdrawing does not wait for that: the generation that every judgement returns makes
// the process look before it answers.
const publishedAheadMs = 90_000
const refreshMs = publishedAheadMs / 3
// Whoever signs has looked at the generation a moment before, so that the last token of a retired key is no younger
// than its retirement, but for the time of one request and for what the clocks of processes differ.
const withdrawnAfterSeconds = lifetimeSeconds + 60

export interface PublicJwk {
  kty: 'EC'
  crv: 'P-256'
  x: string
  y: string
  kid: string
  use: 'sig'
  alg: 'ES256'
}

/** The keys that sign tokens, as this process last saw them; those that it could open. */
export interface Keyring {
  generation(): string
  has(kid: string): boolean
  publicKey(kid: string): KeyObject | undefined
  /**
   * The newest key whose time to sign has come, never one that was retired.
   *
   * @throws {Problem} `unavailable` when no key could be opened.
   */
  signing(now: Date): SigningKey
  jwks(): PublicJwk[]
  /** Reads the keys again; `db` may be the caller's own transaction. */
  reload(db: Knex): Promise<void>
  /** Reads them again, retires those that another one has come for, and withdraws those whose last token has ended. */
  refresh(): Promise<void>
  stop(): Promise<void>
}

/** Writes down what the operator did, in its transaction. */
type Record = (trx: Knex.Transaction, now: Date) => Promise<void>

type Held = SigningKey & { signsFrom: Date; isRetired: boolean; jwk: PublicJwk }

/**
 * Opens the signing keys, making one where none can be opened, and keeps them fresh. `onChange` runs when they changed.
 * A key that cannot be opened is left out and told to `report`: the tokens that it signed are invalid, everybody else's
 * are judged as ever.
 *
 * @throws {Error} when a key has to be made and the current master secret is not one that the database knows.
 */
export async function openKeyring(
  db: Knex,
  secrets: Secrets,
  onChange: () => void,
  report: (kid: string, error: unknown) => void = () => undefined,
  reportJob: Report = () => undefined,
): Promise<Keyring> {
  let generation = ''
  let held: Held[] = []
  let known = 0

  const reload = async (from: Knex) => {
    const found = await store.findSigningKeys(from)
    if (found.generation === generation) return
    held = found.keys.flatMap((row) => {
      try {
        return [opened(row, secrets)]
      } catch (error) {
        report(row.kid, error)
        return []
      }
    })
    generation = found.generation
    known = found.keys.length
    onChange()
  }

  await db.transaction(async (trx) => {
    await store.lockSigningKeys(trx)
    await reload(trx)
    const now = await store.readClock(trx)
    if (held.length === 0) await addSigningKey(trx, secrets, now, now)
  })
  await reload(db)

  // A failure to look leaves the keys as they are: judging a token fails by itself when the database is away.
  const refresh = openJob('reading the signing keys', refreshMs, reportJob, async () => {
    await reload(db)
    if (known < 2) return
    await db.transaction(async (trx) => {
      await store.lockSigningKeys(trx)
      // One that this process cannot open takes nobody's place.
      const opened = held.map(({ kid }) => kid)
      await store.retireSigningKeys(trx, opened)
      await store.withdrawRetiredKeys(trx, withdrawnAfterSeconds)
    })
    await reload(db)
  })

  return {
    generation: () => generation,
    has: (kid) => held.some((key) => key.kid === kid),
    publicKey: (kid) => held.find((key) => key.kid === kid)?.publicKey,
    signing: (now) => {
      const ready = held.filter(({ isRetired }) => !isRetired)
      const key = ready.findLast(({ signsFrom }) => signsFrom <= now) ?? ready[0] ?? held[0]
      if (!key)
        throw new Problem('unavailable', 'There is no key to sign access tokens with just now. Try again in a moment.')
      return key
    },
    jwks: () => held.map(({ jwk }) => jwk),
    reload,
    refresh: refresh.run,
    stop: refresh.stop,
  }
}

/**
 * Adds a key that signs after a pause long enough for every process to have seen it. Those from before sign no more
 * then, and are withdrawn by whichever process comes first when their last tokens have ended.
 *
 * @throws {Error} when the current master secret is not one that the database knows.
 */
export async function rotateSigningKey(db: Knex, secrets: Secrets, record: Record = async () => {}): Promise<string> {
  return db.transaction(async (trx) => {
    await store.lockSigningKeys(trx)
    const now = await store.readClock(trx)
    await record(trx, now)
    return addSigningKey(trx, secrets, new Date(now.getTime() + publishedAheadMs), now)
  })
}

/**
 * Replaces every key now, for when one has leaked: all access tokens of everybody are dead when it returns.
 *
 * @throws {Error} when the current master secret is not one that the database knows.
 */
export async function replaceSigningKeys(db: Knex, secrets: Secrets, record: Record = async () => {}): Promise<string> {
  return db.transaction(async (trx) => {
    await store.lockSigningKeys(trx)
    const now = await store.readClock(trx)
    const kid = await addSigningKey(trx, secrets, now, now)
    await store.withdrawSigningKeys(trx, kid, now)
    await record(trx, now)
    return kid
  })
}

async function addSigningKey(trx: Knex.Transaction, secrets: Secrets, signsFrom: Date, now: Date): Promise<string> {
  await requireKnown(secrets, trx)
  const kid = newId().replaceAll('-', '')
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const clear = privateKey.export({ type: 'pkcs8', format: 'der' })
  await store.addSigningKey(
    trx,
    {
      kid,
      public_jwk: publicKey.export({ format: 'jwk' }),
      wrapped_private_key: secrets.wrap(secrets.currentVersion, kid, clear),
      secret_version: secrets.currentVersion,
      signs_from: signsFrom,
    },
    now,
  )
  return kid
}

/** A key wrapped with a foreign secret could be opened by no process of the service. @throws {Error} */
async function requireKnown(secrets: Secrets, trx: Knex.Transaction): Promise<void> {
  const version = secrets.currentVersion
  const recorded = (await store.findFingerprints(trx)).find((each) => each.version === version)
  if (!recorded?.fingerprint.equals(secrets.fingerprint(version)))
    throw new Error(
      `SECRET_KEYS ${version} is not one that the service has run with on this database. Use the service's own, and start the service with a new one first`,
    )
}

function opened(row: store.SigningKeyRow, secrets: Secrets): Held {
  const clear = secrets.unwrap(row.secret_version, row.kid, row.wrapped_private_key)
  const privateKey = createPrivateKey({ key: clear, type: 'pkcs8', format: 'der' })
  const publicKey = createPublicKey(privateKey)
  const { x = '', y = '' } = publicKey.export({ format: 'jwk' })
  return {
    kid: row.kid,
    privateKey,
    publicKey,
    signsFrom: row.signs_from,
    isRetired: row.retired_at !== null,
    jwk: { kty: 'EC', crv: 'P-256', x, y, kid: row.kid, use: 'sig', alg: 'ES256' },
  }
}
