import { timingSafeEqual } from 'node:crypto'
import type { Knex } from 'knex'
import type { Handlers } from '../../generated/server/express.gen.ts'
import * as limits from '../../generated/server/limits.gen.ts'
import type { OwnSession, SessionTokenResponse } from '../../generated/server/types.gen.ts'
import { inner, newId, outer } from '../ids.ts'
import { type Cookies, cookieIn } from '../cookies.ts'
import type { Http, Principal } from '../operation.ts'
import { Problem } from '../problem.ts'
import { requireSameOrigin } from '../same-origin.ts'
import type { Secrets } from '../secrets.ts'
import type { Clocks } from '../tokens/clocks.ts'
import type { Keyring } from '../tokens/keyring.ts'
import { inForce } from '../tokens/scope.ts'
import { addCredential, endCredential, readClock } from '../tokens/store.ts'
import { accessToken, type Grant, secondsOfToken } from '../tokens/token.ts'
import { userAgentOf } from '../user-agent.ts'
import type { Attempts } from '../users/attempts.ts'
import type { Devices } from '../users/device.ts'
import type { Passwords } from '../users/passwords.ts'
import { findByEmail, findUser } from '../users/store.ts'
import { isPassword, personId, scopesOfRole, type UserRow, userBody } from '../users/user.ts'
import { type Cookie, newCookie, parseCookie, sessionSeconds } from './session.ts'
import * as store from './store.ts'

export interface Sessions {
  db: Knex
  clocks: Clocks
  secrets: Secrets
  keyring: Keyring
  issuer: string
  cookies: Cookies
  /** How long a session lives in which no page asks for a token. */
  idleSeconds: number
  attempts: Attempts
  passwords: Passwords
  devices: Devices
}

const sessionsListedMax = limits.OwnSessions.items.maxItems
const addressLengthMax = limits.OwnSession.address.maxLength

/**
 * Signs a person in: a session of 12 hours and a first access token. The session that the browser had ends, since
 * nobody would have its cookie any more.
 */
export const signIn = (sessions: Sessions): Handlers['signIn'] => {
  const { db, keyring, issuer, cookies, idleSeconds, attempts, passwords, devices } = sessions
  return async ({ body, http }) => {
    requireSameOrigin(http, issuer)
    const person = await passwords.inTurn(http, body.email, async () => {
      const { account, user } = await findByEmail(db, body.email)
      const right = await attempts.count(http, account, devices.known(http, user))
      if (!(await isPassword(user?.password_hash, body.password)) || !user) throw new Problem('sign-in-refused')
      await right()
      return user
    })

    const { cookie, grant, current } = await startSession(sessions, person, http)
    // A key that was withdrawn a moment ago must not sign.
    await keyring.reload(db)
    return {
      status: 200,
      headers: {
        'Set-Cookie': [cookies.set(cookies.session, cookie.text, sessionSeconds), devices.cookieFor(http, person)],
        'Cache-Control': 'no-store',
      },
      body: tokenBody(grant, current, keyring, issuer, Math.min(sessionSeconds, idleSeconds)),
    }
  }
}

/**
 * Adds the credential under the dealer's lock, after reading the user again: whoever was deactivated meanwhile gets
 * none.
 */
async function startSession(
  { db, clocks, secrets, cookies, idleSeconds }: Sessions,
  user: UserRow,
  http: Http,
): Promise<{ cookie: Cookie; grant: Grant; current: UserRow }> {
  const replaced = await living(db, cookieIn(http.header('cookie'), cookies.session) ?? '', secrets).catch(isNone)
  const isOfOther = replaced !== undefined && replaced.cookie.dealerId !== user.dealer_id
  // Whoever comes from another dealer holds one clock after the other: no two wait for each other.
  if (isOfOther) await endSession(clocks, replaced, http)
  const start = async (trx: Knex.Transaction) => {
    const current = await findUser(trx, user.dealer_id, user.id)
    if (!current || current.deactivated_at !== null || current.password_hash !== user.password_hash)
      throw new Problem('sign-in-refused')

    if (replaced && !isOfOther) await endCredential(trx, user.dealer_id, replaced.cookie.credentialId)
    const now = await readClock(trx)
    const cookie = newCookie(user.dealer_id, newId())
    const subject = { type: 'user', id: user.id } as const
    const scopes = scopesOfRole[current.role]
    await addCredential(
      trx,
      user.dealer_id,
      {
        id: cookie.credentialId,
        subject,
        scopes,
        environment: 'live',
        endsAt: new Date(now.getTime() + Math.min(sessionSeconds, idleSeconds) * 1000),
      },
      now,
    )
    const version = secrets.currentVersion
    await store.addSession(trx, user.dealer_id, {
      credential_id: cookie.credentialId,
      user_id: user.id,
      hash: secrets.hash('session', version, cookie.text),
      secret_version: version,
      signed_in_at: now,
      address: http.address().slice(0, addressLengthMax),
      user_agent: userAgentOf(http.header('user-agent')),
    })
    return {
      cookie,
      current,
      grant: { dealerId: user.dealer_id, subject, credentialId: cookie.credentialId, epoch: 1, scopes, authTime: now },
    }
  }
  return clocks.hold({ dealerId: user.dealer_id, subject: user }, start, http)
}

const endSession = (clocks: Clocks, { cookie: { dealerId, credentialId }, row }: Living, http: Http): Promise<void> =>
  clocks.hold({ dealerId, subject: { id: row.user_id } }, (trx) => endCredential(trx, dealerId, credentialId), http)

export const exchangeSession = ({
  db,
  secrets,
  keyring,
  issuer,
  idleSeconds,
}: Sessions): Handlers['exchangeSession'] => {
  return async ({ session, http }) => {
    requireSameOrigin(http, issuer)
    const { cookie, row } = await living(db, session, secrets)
    const user = await findUser(db, cookie.dealerId, row.user_id)
    const endsAt = await store.prolongSession(db, cookie.dealerId, cookie.credentialId, sessionSeconds, idleSeconds)
    if (!user || !endsAt) throw new Problem('session-ended')
    await keyring.reload(db)
    const grant: Grant = {
      dealerId: user.dealer_id,
      subject: { type: 'user', id: user.id },
      credentialId: cookie.credentialId,
      epoch: row.epoch,
      scopes: inForce(row.scopes),
      authTime: row.signed_in_at,
    }
    const secondsLeft = (endsAt.getTime() - Date.now()) / 1000
    return {
      status: 200,
      headers: { 'Cache-Control': 'no-store' },
      body: tokenBody(grant, user, keyring, issuer, secondsLeft),
    }
  }
}

export const signOut = ({ db, clocks, secrets, issuer, cookies }: Sessions): Handlers['signOut'] => {
  return async ({ session, http }) => {
    requireSameOrigin(http, issuer)
    await endSession(clocks, await living(db, session, secrets), http)
    return { status: 204, headers: { 'Set-Cookie': cookies.set(cookies.session, '', 0) } }
  }
}

export const listOwnSessions: Handlers['listOwnSessions'] = async ({ principal }, { db }) => {
  const found = await store.findLivingSessions(db, principal.dealerId, personId(principal), sessionsListedMax)
  return { status: 200, body: { items: found.map((row) => sessionBody(row, principal)) } }
}

export const endOwnSession: Handlers['endOwnSession'] = ({ path, principal }, { write }) =>
  write(principal, async (trx) => {
    const { dealerId } = principal
    const id = inner(path.sessionId)
    if (!(await store.isLivingSession(trx, dealerId, personId(principal), id))) throw new Problem('not-found')
    await endCredential(trx, dealerId, id)
    return { status: 204 }
  })

interface Living {
  cookie: Cookie
  row: store.SessionRow
}

async function living(db: Knex, text: string, secrets: Secrets): Promise<Living> {
  const cookie = parseCookie(text)
  const row = cookie && (await store.findSession(db, cookie.dealerId, cookie.credentialId))
  if (!cookie || !row?.lives || !timingSafeEqual(secrets.hash('session', row.secret_version, text), row.hash))
    throw new Problem('session-ended')
  return { cookie, row }
}

function isNone(error: unknown): undefined {
  if (!(error instanceof Problem)) throw error
}

function sessionBody(row: store.OwnSessionRow, principal: Principal): OwnSession {
  return {
    id: outer('session', row.credential_id),
    signedInAt: row.signed_in_at.toISOString(),
    expiresAt: row.ends_at.toISOString(),
    ...(row.address !== null && { address: row.address }),
    ...(row.user_agent !== null && { userAgent: row.user_agent }),
    current: row.credential_id === principal.credentialId,
  }
}

function tokenBody(
  grant: Grant,
  user: UserRow,
  keyring: Keyring,
  issuer: string,
  secondsLeft: number,
): SessionTokenResponse {
  const now = new Date()
  return {
    access_token: accessToken(grant, keyring.signing(now), issuer, now),
    token_type: 'Bearer',
    expires_in: secondsOfToken(secondsLeft),
    scope: grant.scopes.join(' '),
    user: userBody(user),
  }
}
