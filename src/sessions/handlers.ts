import { timingSafeEqual } from 'node:crypto'
import type { Knex } from 'knex'
import type { Handlers } from '../../generated/server/express.gen.ts'
import * as limits from '../../generated/server/limits.gen.ts'
import type { OwnSession, SessionTokenResponse } from '../../generated/server/types.gen.ts'
import type { Audited } from '../audit/audit.ts'
import type { Refusals } from '../audit/refusals.ts'
import { inner, newId, outer } from '../ids.ts'
import { networkOf } from '../address.ts'
import { type Cookies, cookieIn } from '../cookies.ts'
import type { Http, Principal } from '../operation.ts'
import { accepted, type Evidence, evidenceBeside, type Passkeys, personProven } from '../passkeys/second-factor.ts'
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
import { personId, scopesOfRole, type UserRow, userBody } from '../users/user.ts'
import { type Cookie, newCookie, parseCookie, sessionSeconds } from './session.ts'
import * as store from './store.ts'

export interface Sessions extends Audited, Passkeys {
  clocks: Clocks
  keyring: Keyring
  cookies: Cookies
  /** How long a session lives in which no page asks for a token. */
  idleSeconds: number
  attempts: Attempts
  passwords: Passwords
  devices: Devices
  refusals: Pick<Refusals, 'note'>
  /** Told of a failure to sign in with an e-mail that nobody has. */
  unknownTried: (email: string, address: string) => void
  /** Told why it is not known of a right password that nothing may follow. */
  notRemembered: (error: unknown) => void
}

const sessionsListedMax = limits.OwnSessions.items.maxItems
const addressLengthMax = limits.OwnSession.address.maxLength

/**
 * Signs a person in: a session of 12 hours and a first access token. The session that the browser had ends, since
 * nobody would have its cookie any more.
 */
export const signIn = (sessions: Sessions): Handlers['signIn'] => {
  const { db, issuer, attempts, passwords, devices } = sessions
  return async ({ body, http }) => {
    requireSameOrigin(http, issuer)
    let known: UserRow | undefined
    const enter = async () => {
      const { person, right, isNewDevice } = await passwords.inTurn(http, body.email, async () => {
        const { account, user } = await findByEmail(db, body.email)
        known = user
        const device = devices.known(http, user)
        const right = await attempts.count(http, account, device)
        if (!(await passwords.isRight(user?.password_hash, body.password)) || !user)
          throw new Problem('sign-in-refused')
        return { person: user, right, isNewDevice: device === undefined }
      })
      // A wrong passkey or recovery code counts as a wrong password does, so nobody tries them at leisure. So does a
      // right password as long as nothing has followed: nobody learns at leisure that it is right.
      return counted(right, async () => {
        try {
          const evidence = await evidenceBeside(sessions, person, body)
          const { begunAt, ...answer } = await signedIn(sessions, person, evidence, http, isNewDevice)
          // The first step was counted as well, where this one is.
          if (begunAt !== undefined && (!isNewDevice || networkOf(begunAt) === networkOf(http.address()))) await right()
          return answer
        } catch (refusal) {
          if (refusal instanceof Problem && (isOneStep(refusal) || wrong.has(refusal.code)))
            await remember(sessions, person, refusal, http, isNewDevice).catch(sessions.notRemembered)
          throw refusal
        }
      })
    }
    return enter().catch((refusal: unknown) => {
      if (refusal instanceof Problem && refusal.status < 500 && !isOneStep(refusal))
        tell(sessions, known, body.email, refusal, http)
      throw refusal
    })
  }
}

const wrong: ReadonlySet<string> = new Set(['passkey-refused', 'recovery-code-refused'])

/** An attempt has failed where what was sent is wrong, or not enough, and not where nobody could look at it. */
async function counted<T>(right: () => Promise<void>, work: () => Promise<T>): Promise<T> {
  const answer = await work().catch(async (failure: unknown) => {
    if (!(failure instanceof Problem && (wrong.has(failure.code) || isOneStep(failure)))) await right()
    throw failure
  })
  await right()
  return answer
}

/** The password was right, and is to be sent again with what it is asked for. */
const isOneStep = (refusal: unknown): boolean => refusal instanceof Problem && refusal.more.members !== undefined

/** Whoever is not heard of again is told of (`unfinished.ts`). */
const remember = (
  { db }: Sessions,
  { dealer_id, id: user_id }: UserRow,
  refusal: Problem,
  http: Http,
  new_device: boolean,
): Promise<void> =>
  store.addUnfinished(
    db,
    {
      dealer_id,
      user_id,
      address: http.address().slice(0, addressLengthMax),
      code: isOneStep(refusal) ? refusal.code : 'second-factor-needed',
      new_device,
    },
    isOneStep(refusal),
  )

/** Who fails as somebody stands in the audit log; who fails as nobody in that of the operator alone. */
function tell(
  { refusals, unknownTried }: Sessions,
  user: UserRow | undefined,
  email: string,
  { code }: Problem,
  http: Http,
): void {
  const address = http.address()
  if (!user) unknownTried(email, address)
  else refusals.note({ dealerId: user.dealer_id, subject: { type: 'user', id: user.id }, code, address })
}

/** Signs in whoever was recognised by a device that holds a passkey of theirs. */
export const signInWithPasskey = (sessions: Sessions): Handlers['signInWithPasskey'] => {
  const { db, issuer, attempts, devices } = sessions
  return async ({ body, http }) => {
    requireSameOrigin(http, issuer)
    const right = await attempts.countPasskey(http)
    return counted(right, async () => {
      const { dealerId, userId, evidence } = await personProven(sessions, body)
      const user = await findUser(db, dealerId, userId)
      if (!user || user.deactivated_at !== null) throw new Problem('passkey-refused')
      const { begunAt: _, ...answer } = await signedIn(
        sessions,
        user,
        evidence,
        http,
        devices.known(http, user) === undefined,
      )
      return answer
    })
  }
}

/** The session and its first token. @throws {Problem} when the evidence is not enough. */
async function signedIn(
  sessions: Sessions,
  user: UserRow,
  evidence: Evidence,
  http: Http,
  isNewDevice: boolean,
): Promise<{
  status: 200
  headers: Record<string, string | string[]>
  body: SessionTokenResponse
  begunAt: string | undefined
}> {
  const { db, keyring, issuer, cookies, devices, idleSeconds } = sessions
  const started = await startSession(sessions, user, evidence, http, isNewDevice)
  if (!started) throw new Problem('passkey-refused')
  const { cookie, grant, current, recoveryCodes, begunAt } = started
  // A key that was withdrawn a moment ago must not sign.
  await keyring.reload(db)
  return {
    status: 200,
    begunAt,
    headers: {
      'Set-Cookie': [cookies.set(cookies.session, cookie.text, sessionSeconds), devices.cookieFor(http, user)],
      'Cache-Control': 'no-store',
    },
    body: {
      ...tokenBody(grant, current, keyring, issuer, Math.min(sessionSeconds, idleSeconds)),
      ...(recoveryCodes && { recoveryCodes }),
    },
  }
}

/**
 * Adds the credential under the dealer's lock, after reading the user again: whoever was deactivated meanwhile gets
 * none, and what a sign-in needs is what it needs now. Undefined: refused, and written down.
 */
async function startSession(
  sessions: Sessions,
  user: UserRow,
  evidence: Evidence,
  http: Http,
  isNewDevice: boolean,
): Promise<
  { cookie: Cookie; grant: Grant; current: UserRow; recoveryCodes?: string[]; begunAt: string | undefined } | undefined
> {
  const { db, clocks, secrets, cookies, idleSeconds, recordChange } = sessions
  const replaced = await living(db, cookieIn(http.header('cookie'), cookies.session) ?? '', secrets).catch(isNone)
  const isOfOther = replaced !== undefined && replaced.cookie.dealerId !== user.dealer_id
  const start = async (trx: Knex.Transaction) => {
    const current = await findUser(trx, user.dealer_id, user.id)
    if (!current || current.deactivated_at !== null || current.password_hash !== user.password_hash)
      throw new Problem('sign-in-refused')

    const now = await readClock(trx)
    const proof = await accepted(trx, sessions, current, evidence, http, now)
    if (!proof) return undefined
    const address = http.address().slice(0, addressLengthMax)
    const isSecondStep = evidence.type !== 'passkey' || !evidence.isAlone
    const begunAt =
      evidence.type === 'none'
        ? undefined
        : await store.finishSignIn(trx, user.dealer_id, user.id, address, isSecondStep)
    if (replaced && !isOfOther) await end(trx, sessions, replaced, 'user.session_ended', http, now)
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
    const userAgent = userAgentOf(http.header('user-agent'))
    await recordChange(
      trx,
      { dealerId: user.dealer_id, subject },
      http,
      {
        action: 'user.signed_in',
        subject: { ...subject, name: current.name },
        after: { newDevice: isNewDevice, ...(userAgent !== null && { userAgent }) },
      },
      now,
    )
    await store.addSession(trx, user.dealer_id, {
      credential_id: cookie.credentialId,
      user_id: user.id,
      hash: secrets.hash('session', version, cookie.text),
      secret_version: version,
      signed_in_at: now,
      address,
      user_agent: userAgent,
      factor: proof.factor,
      passkey_id: proof.passkeyId ?? null,
    })
    return {
      cookie,
      begunAt,
      current: proof.recoveryCodes ? { ...current, passkey_count: current.passkey_count + 1 } : current,
      ...(proof.recoveryCodes && { recoveryCodes: proof.recoveryCodes }),
      grant: { dealerId: user.dealer_id, subject, credentialId: cookie.credentialId, epoch: 1, scopes, authTime: now },
    }
  }
  const started = await clocks.hold({ dealerId: user.dealer_id, subject: user }, start, http)
  // Whoever comes from another dealer holds one clock after the other: no two wait for each other.
  if (started && isOfOther) await endSession(sessions, replaced, 'user.session_ended', http)
  return started
}

/** What is needed of a session to end it. */
interface Ending {
  cookie: Pick<Cookie, 'dealerId' | 'credentialId'>
  row: Pick<store.SessionRow, 'user_id'>
}

type Ended = 'user.signed_out' | 'user.session_ended'

const endSession = (sessions: Sessions, session: Living, how: Ended, http: Http): Promise<void> =>
  sessions.clocks.hold(
    { dealerId: session.cookie.dealerId, subject: { id: session.row.user_id } },
    async (trx) => end(trx, sessions, session, how, http, await readClock(trx)),
    http,
  )

/** The caller holds the dealer's clock. */
async function end(
  trx: Knex.Transaction,
  { recordChange }: Sessions,
  { cookie: { dealerId, credentialId }, row }: Ending,
  how: Ended,
  http: Http,
  now: Date,
): Promise<void> {
  await endCredential(trx, dealerId, credentialId)
  const subject = { type: 'user', id: row.user_id } as const
  const name = (await findUser(trx, dealerId, row.user_id))?.name ?? ''
  await recordChange(trx, { dealerId, subject }, http, { action: how, subject: { ...subject, name } }, now)
}

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

export const signOut = (sessions: Sessions): Handlers['signOut'] => {
  const { db, secrets, issuer, cookies } = sessions
  return async ({ session, http }) => {
    requireSameOrigin(http, issuer)
    await endSession(sessions, await living(db, session, secrets), 'user.signed_out', http)
    return { status: 204, headers: { 'Set-Cookie': cookies.set(cookies.session, '', 0) } }
  }
}

export const listOwnSessions: Handlers['listOwnSessions'] = async ({ principal }, { db }) => {
  const found = await store.findLivingSessions(db, principal.dealerId, personId(principal), sessionsListedMax)
  return { status: 200, body: { items: found.map((row) => sessionBody(row, principal)) } }
}

export const endOwnSession =
  (sessions: Sessions): Handlers['endOwnSession'] =>
  ({ path, principal, http }, { write }) =>
    write(principal, async (trx, now) => {
      const { dealerId } = principal
      const credentialId = inner(path.sessionId)
      const userId = personId(principal)
      if (!(await store.isLivingSession(trx, dealerId, userId, credentialId))) throw new Problem('not-found')
      const session = { cookie: { dealerId, credentialId }, row: { user_id: userId } }
      await end(trx, sessions, session, 'user.session_ended', http, now)
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
