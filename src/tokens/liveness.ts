import type { Knex } from 'knex'
import type pg from 'pg'
import type { Principal, Standing, Write } from '../operation.ts'
import { Problem } from '../problem.ts'
import type { Clocks } from './clocks.ts'
import type { Keyring } from './keyring.ts'
import { requireFreshSignIn } from './fresh.ts'
import * as store from './store.ts'

/** Judges a credential by the database as it is after this call began. */
export type Judge = (principal: Principal) => Promise<Standing>

/**
 * One query judges everybody who asked in the same tick of the event loop; several queries may be under way. Nothing is
 * remembered between them: a request that starts after a revocation returned sees it, on any number of processes.
 *
 * @throws {Problem} 401 `token-invalid`, 403 `address-not-allowed`, 403 `scope-missing`
 */
export function liveness(hot: pg.Pool, db: Knex, keyring: Keyring): Judge {
  type Asked = { principal: Principal; resolve: (standing: Standing) => void; reject: (reason: unknown) => void }
  let waiting: Asked[] = []

  const answer = async (asked: Asked[]) => {
    try {
      const rows = await store.findCredentials(
        hot,
        asked.map(({ principal }) => principal.dealerId),
        asked.map(({ principal }) => principal.credentialId),
        asked.map(({ principal }) => principal.address),
      )
      if (rows[0] && rows[0].generation !== keyring.generation()) await keyring.reload(db)

      // By place: one credential may be asked for from several addresses at once.
      const found: (store.CredentialRow | undefined)[] = []
      for (const row of rows) found[row.place - 1] = row
      asked.forEach(({ principal, resolve, reject }, at) => {
        try {
          resolve(judged(found[at], principal, keyring))
        } catch (refusal) {
          reject(refusal)
        }
      })
    } catch (failure) {
      for (const { reject } of asked) reject(failure)
    }
  }

  return (principal) =>
    new Promise((resolve, reject) => {
      if (waiting.push({ principal, resolve, reject }) > 1) return
      setImmediate(() => {
        const asked = waiting
        waiting = []
        void answer(asked)
      })
    })
}

/**
 * The way to change something for one request: takes the dealer's clock, and only then, in a later statement with a
 * snapshot of its own, judges the credential. So no change commits after the revocation of its credential has
 * committed. Whoever has to wait for the clock is judged before, too: what is dead takes no place.
 */
export function writer(clocks: Clocks, judge: Judge, keyring: Keyring): (left: () => AbortSignal) => Write {
  return (left) => (principal, work) =>
    clocks.hold(
      principal,
      async (trx) => {
        const row = await store.findCredential(trx, principal.dealerId, principal.credentialId, principal.address)
        if (row && row.generation !== keyring.generation()) await keyring.reload(trx)
        const standing = judged(row, principal, keyring)
        const now = row?.now ?? new Date()
        if (principal.mustBeFresh) await requireFreshSignIn(trx, principal, now)
        return work(trx, now, standing)
      },
      { left, first: () => judge(principal) },
    )
}

/** A token's standing: its own scopes cut with those that its credential has now. */
export function judged(
  row: store.CredentialRow | undefined,
  principal: Principal,
  keyring: Pick<Keyring, 'has'>,
): Standing {
  if (!row?.lives || row.epoch !== principal.epoch || !keyring.has(principal.kid)) throw new Problem('token-invalid')
  if (!row.allowed) throw addressNotAllowed(principal.address)
  const scopes = new Set(row.scopes.filter((scope) => principal.scopes.has(scope)))
  const missing = principal.needed.filter((scope) => !scopes.has(scope))
  if (missing.length > 0) throw scopeMissing(missing)
  return { scopes, environment: row.environment }
}

/** Says where the request came from, as it was seen: behind proxies that is what whoever sent it must know. */
export function addressNotAllowed(address: string | null): Problem {
  return new Problem(
    'address-not-allowed',
    `This API key may not be used from ${address ?? 'an unknown address'}. Ask the dealer to put it on the list of the key.`,
    { headers: { 'WWW-Authenticate': 'Bearer realm="CarBuddii"' } },
  )
}

export function scopeMissing(missing: readonly string[]): Problem {
  return new Problem(
    'scope-missing',
    `This operation needs the scope ${missing.join(' ')}, which the access token does not have.`,
    {
      headers: {
        'WWW-Authenticate': `Bearer realm="CarBuddii", error="insufficient_scope", scope="${missing.join(' ')}"`,
      },
    },
  )
}
