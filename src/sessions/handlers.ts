import { timingSafeEqual } from 'node:crypto'
import type { Knex } from 'knex'
import { RateLimiterMemory, type RateLimiterRes } from 'rate-limiter-flexible'
import type { Handlers } from '../../generated/server/express.gen.ts'
import type { SessionTokenResponse } from '../../generated/server/types.gen.ts'
import { networkOf } from '../address.ts'
import { newId } from '../ids.ts'
import type { Http } from '../operation.ts'
import { Problem } from '../problem.ts'
import type { Secrets } from '../secrets.ts'
import type { Keyring } from '../tokens/keyring.ts'
import { addCredential, endCredential, lockDealer, readClock } from '../tokens/store.ts'
import { accessToken, type Grant, lifetimeSeconds } from '../tokens/token.ts'
import { findUser, findUserByEmail } from '../users/store.ts'
import { isPassword, scopesOfRole, type UserRow, userBody } from '../users/user.ts'
import { type Cookie, newCookie, parseCookie, sessionSeconds, setCookie } from './session.ts'
import * as store from './store.ts'

export interface Sessions {
  db: Knex
  secrets: Secrets
  keyring: Keyring
  issuer: string
}

const windowSeconds = 15 * 60
// Counted by address and e-mail, and by address alone: nobody's failures elsewhere lock a right password out.
const failuresByEmailMax = 10
const failuresByAddressMax = 100
const verificationsMax = 32

/** Signs a person in: a session of 12 hours and a first access token. */
export const signIn = ({ db, secrets, keyring, issuer }: Sessions): Handlers['signIn'] => {
  const byEmail = new RateLimiterMemory({ points: failuresByEmailMax, duration: windowSeconds })
  const byAddress = new RateLimiterMemory({ points: failuresByAddressMax, duration: windowSeconds })
  let verifications = 0

  const verified = async (passwordHash: string | undefined, password: string) => {
    if (verifications >= verificationsMax) throw new Problem('unavailable', 'Too many people sign in at this moment. Try again in a moment.', { headers: { 'Retry-After': '2' } })
    verifications++
    try {
      return await isPassword(passwordHash, password)
    } finally {
      verifications--
    }
  }

  return async ({ body, http }) => {
    requireSameOrigin(http, issuer)
    const network = networkOf(http.address())
    const person = `${network} ${body.email.toLowerCase()}`
    // Counted before the password is looked at and given back when it was right: attempts sent side by side cannot slip through.
    await Promise.all([byEmail.consume(person), byAddress.consume(network)]).catch(tooMany)

    const user = await findUserByEmail(db, body.email)
    if (!(await verified(user?.password_hash, body.password)) || !user) throw new Problem('sign-in-refused')
    await Promise.all([byEmail.delete(person), byAddress.reward(network)])

    const { cookie, grant, current } = await startSession(db, secrets, user)
    // A key that was withdrawn a moment ago must not sign.
    await keyring.reload(db)
    return {
      status: 200,
      headers: { 'Set-Cookie': setCookie(cookie.text, issuer.startsWith('https:')), 'Cache-Control': 'no-store' },
      body: tokenBody(grant, current, keyring, issuer, sessionSeconds),
    }
  }
}

/** Adds the credential under the dealer's lock, after reading the user again: whoever was deactivated meanwhile gets none. */
async function startSession(db: Knex, secrets: Secrets, user: UserRow): Promise<{ cookie: Cookie; grant: Grant; current: UserRow }> {
  return db.transaction(async (trx) => {
    await lockDealer(trx, user.dealer_id)
    const current = await findUser(trx, user.dealer_id, user.id)
    if (!current || current.deactivated_at !== null || current.password_hash !== user.password_hash) throw new Problem('sign-in-refused')

    const now = await readClock(trx)
    const cookie = newCookie(user.dealer_id, newId())
    const subject = { type: 'user', id: user.id } as const
    const scopes = scopesOfRole[current.role]
    await addCredential(trx, user.dealer_id, { id: cookie.credentialId, subject, scopes, environment: 'live', endsAt: new Date(now.getTime() + sessionSeconds * 1000) }, now)
    const version = secrets.currentVersion
    await store.addSession(trx, user.dealer_id, { credential_id: cookie.credentialId, user_id: user.id, hash: secrets.hash('session', version, cookie.text), secret_version: version, signed_in_at: now })
    return { cookie, current, grant: { dealerId: user.dealer_id, subject, credentialId: cookie.credentialId, epoch: 1, scopes, authTime: now } }
  })
}

export const exchangeSession = ({ db, secrets, keyring, issuer }: Sessions): Handlers['exchangeSession'] => {
  return async ({ session, http }) => {
    requireSameOrigin(http, issuer)
    const { cookie, row } = await living(db, session, secrets)
    const user = await findUser(db, cookie.dealerId, row.user_id)
    if (!user) throw new Problem('session-ended')
    await keyring.reload(db)
    const grant: Grant = { dealerId: user.dealer_id, subject: { type: 'user', id: user.id }, credentialId: cookie.credentialId, epoch: row.epoch, scopes: row.scopes, authTime: row.signed_in_at }
    const secondsLeft = Math.max(1, Math.floor((row.ends_at.getTime() - Date.now()) / 1000))
    return { status: 200, headers: { 'Cache-Control': 'no-store' }, body: tokenBody(grant, user, keyring, issuer, secondsLeft) }
  }
}

export const signOut = ({ db, secrets, issuer }: Sessions): Handlers['signOut'] => {
  return async ({ session, http }) => {
    requireSameOrigin(http, issuer)
    const { cookie } = await living(db, session, secrets)
    await db.transaction(async (trx) => {
      await lockDealer(trx, cookie.dealerId)
      await endCredential(trx, cookie.dealerId, cookie.credentialId)
    })
    return { status: 204, headers: { 'Set-Cookie': setCookie('', issuer.startsWith('https:')) } }
  }
}

async function living(db: Knex, text: string, secrets: Secrets): Promise<{ cookie: Cookie; row: store.SessionRow }> {
  const cookie = parseCookie(text)
  const row = cookie && (await store.findSession(db, cookie.dealerId, cookie.credentialId))
  if (!cookie || !row?.lives || !timingSafeEqual(secrets.hash('session', row.secret_version, text), row.hash)) throw new Problem('session-ended')
  return { cookie, row }
}

/**
 * Refuses the pages of other origins. A browser says where a request comes from; a client that says nothing is none, and has no cookie
 * that somebody else could use. `Host` stands for an address of this service that PUBLIC_URL does not name.
 */
function requireSameOrigin(http: Http, issuer: string): void {
  const site = http.header('sec-fetch-site')
  const origin = http.header('origin')
  if (site !== undefined && site !== 'same-origin' && site !== 'none') throw new Problem('foreign-origin')
  if (origin === undefined || origin === new URL(issuer).origin) return
  if (origin.replace(/^https?:\/\//, '') !== http.header('host')) throw new Problem('foreign-origin')
}

function tokenBody(grant: Grant, user: UserRow, keyring: Keyring, issuer: string, secondsLeft: number): SessionTokenResponse {
  const now = new Date()
  return {
    access_token: accessToken(grant, keyring.signing(now), issuer, now),
    token_type: 'Bearer',
    // The token says 1800 s; the credential that it is judged against may end before.
    expires_in: Math.min(lifetimeSeconds, secondsLeft),
    scope: grant.scopes.join(' '),
    user: userBody(user),
  }
}

function tooMany(limit: RateLimiterRes | Error): never {
  if (limit instanceof Error) throw limit
  throw new Problem('too-many-attempts', 'Too many failed attempts from this address. Wait, then try again.', { headers: { 'Retry-After': String(Math.ceil(limit.msBeforeNext / 1000) || 1) } })
}
