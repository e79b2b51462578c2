import { timingSafeEqual } from 'node:crypto'
import type { Knex } from 'knex'
import type { Handlers } from '../../generated/server/express.gen.ts'
import type { User } from '../../generated/server/types.gen.ts'
import { type Audited, difference, recordOfUnknown } from '../audit/audit.ts'
import type { Refusals } from '../audit/refusals.ts'
import { findDealer } from '../dealers/store.ts'
import { inner, newId } from '../ids.ts'
import type { Limits } from '../limit.ts'
import { requireWithinDay } from '../limits/day.ts'
import type { Http } from '../operation.ts'
import { pageOf } from '../page.ts'
import { Problem } from '../problem.ts'
import type { Secrets } from '../secrets.ts'
import { requireFreshSignIn } from '../tokens/fresh.ts'
import { requireSameOrigin } from '../same-origin.ts'
import type { Clocks } from '../tokens/clocks.ts'
import { endCredentials, readClock } from '../tokens/store.ts'
import { type Attempts, lockedUntil, release } from './attempts.ts'
import type { Devices } from './device.ts'
import type { Guessing } from './guessing.ts'
import { addLink } from './links.ts'
import { type LinkToken, parseLinkToken } from './password-link.ts'
import type { Passwords } from './passwords.ts'
import * as store from './store.ts'
import { isTaken, personId, requireOtherThanEmail, type UserRow, userBody } from './user.ts'

export interface People extends Audited {
  db: Knex
  clocks: Clocks
  secrets: Secrets
  issuer: string
  attempts: Attempts
  passwords: Passwords
  devices: Devices
  guessing: Guessing
  mailIsReady: boolean
  limits?: Limits | undefined
  refusals: Pick<Refusals, 'note'>
  passwordChanged: (email: string) => void
  /** Told of what could not be done after the answer. */
  report: (error: unknown) => void
}

export const listUsers =
  ({ secrets }: People): Handlers['listUsers'] =>
  async ({ query, principal }, { db }) => ({
    status: 200,
    body: await pageOf(
      query,
      (asked) => store.findUsers(db, principal.dealerId, asked),
      (rows) => bodies(db, secrets, principal.dealerId, rows),
    ),
  })

export const createUser =
  (people: People): Handlers['createUser'] =>
  ({ body, principal, http }, { write }) =>
    write(principal, async (trx, now) => {
      const { dealerId } = principal
      const { email, role } = body
      const user: UserRow = {
        id: newId(),
        dealer_id: dealerId,
        email,
        name: body.name.trim(),
        role,
        password_hash: null,
        password_temporary: false,
        deactivated_at: null,
        passkey_count: 0,
        created_at: now,
      }

      await store.addUser(trx, dealerId, user).catch(refuseTakenEmail)
      const passwordLink = await addLink(trx, people, user, now)
      await requireFewInvitations(trx, people, dealerId, http, now)
      await people.recordChange(
        trx,
        principal,
        http,
        { action: 'user.created', subject: { type: 'user', id: user.id, name: user.name }, after: { email, role } },
        now,
      )
      const answer = userBody(user)
      return {
        status: 201,
        headers: { 'Cache-Control': 'no-store', Location: `/v1/users/${answer.id}` },
        body: { user: answer, passwordLink },
      }
    })

/** Each may send a mail to an address that whoever asks has chosen. @throws {Problem} 429 `limit-reached` */
async function requireFewInvitations(
  trx: Knex.Transaction,
  { limits }: People,
  dealerId: string,
  http: Http,
  now: Date,
): Promise<void> {
  const done = { actions: ['user.created', 'user.password_link_created'], actorType: 'user' } as const
  if (limits) await requireWithinDay(trx, limits.invitations, dealerId, http, 'invitations', done, now)
}

export const getUser =
  ({ secrets }: People): Handlers['getUser'] =>
  async ({ path, principal }, { db }) => {
    const user = await store.findUser(db, principal.dealerId, inner(path.userId))
    const [body] = user ? await bodies(db, secrets, principal.dealerId, [user]) : []
    if (!body) throw new Problem('not-found')
    return { status: 200, body }
  }

/** Lets somebody try again who has failed too often, or who is kept out by others who fail. */
export const releaseUser =
  ({ secrets, recordChange }: People): Handlers['releaseUser'] =>
  ({ path, principal, http }, { write }) =>
    write(principal, async (trx, now) => {
      const user = await store.findUser(trx, principal.dealerId, inner(path.userId))
      if (!user) throw new Problem('not-found')
      // An invitation is of nobody's account: the address may be that of somebody at another dealer.
      if (user.password_hash !== null) await release(trx, secrets, await store.accountOf(trx, user.email))
      await recordChange(
        trx,
        principal,
        http,
        { action: 'user.released', subject: { type: 'user', id: user.id, name: user.name } },
        now,
      )
      return { status: 204 }
    })

export const createPasswordLink =
  (people: People): Handlers['createPasswordLink'] =>
  ({ path, principal, http }, { write }) =>
    write(principal, async (trx, now) => {
      const user = await store.findUser(trx, principal.dealerId, inner(path.userId))
      if (!user) throw new Problem('not-found')
      if (user.deactivated_at) throw new Problem('user-deactivated')
      const body = await addLink(trx, people, user, now)
      await requireFewInvitations(trx, people, principal.dealerId, http, now)
      await people.recordChange(
        trx,
        principal,
        http,
        { action: 'user.password_link_created', subject: { type: 'user', id: user.id, name: user.name } },
        now,
      )
      return { status: 200, headers: { 'Cache-Control': 'no-store' }, body }
    })

export const updateUser =
  ({ recordChange }: People): Handlers['updateUser'] =>
  ({ path, body, principal, http }, { write }) =>
    write(principal, async (trx, now) => {
      const { dealerId } = principal
      const id = inner(path.userId)
      const before = await store.findUser(trx, dealerId, id)
      if (!before) throw new Problem('not-found')

      const name = body.name?.trim() ?? before.name
      const role = body.role ?? before.role
      const deactivated = body.deactivated ?? before.deactivated_at !== null
      const becomesAdmin = role === 'admin' && before.role !== 'admin'
      const comesBack = !deactivated && before.deactivated_at !== null
      if (becomesAdmin || comesBack) await requireFreshSignIn(trx, principal, now)
      const isAdminBefore = before.role === 'admin' && before.deactivated_at === null
      const isAdminAfter = role === 'admin' && !deactivated
      if (isAdminBefore && !isAdminAfter && (await store.countOtherActiveAdmins(trx, dealerId, id)) === 0)
        throw new Problem('last-admin')

      const after = { ...before, name, role, deactivated_at: deactivated ? (before.deactivated_at ?? now) : null }
      const changed = difference(
        { name: before.name, role: before.role, deactivated: before.deactivated_at !== null },
        { name, role, deactivated },
      )
      if (Object.keys(changed.after).length > 0) {
        await store.saveUser(trx, dealerId, id, { name, role, deactivated_at: after.deactivated_at })
        if ('role' in changed.after || 'deactivated' in changed.after) await endCredentials(trx, dealerId, id)
        if (deactivated) await store.endPasswordLink(trx, dealerId, id)
        await recordChange(
          trx,
          principal,
          http,
          { action: 'user.updated', subject: { type: 'user', id, name }, ...changed },
          now,
        )
      }
      return { status: 200, body: userBody(after) }
    })

/**
 * Whether somebody has the address nobody is told, not even by how long the answer takes: what there is to do is done
 * after it.
 */
export const requestPasswordLink = (people: People): Handlers['requestPasswordLink'] => {
  const { issuer, attempts, passwords, mailIsReady, report } = people
  return async ({ body, http }) => {
    requireSameOrigin(http, issuer)
    if (!mailIsReady) throw new Problem('mail-not-set-up')
    const user = await passwords.inTurn(http, body.email, async () => {
      const { account, user } = await store.findByEmail(people.db, body.email)
      await attempts.countMail(http, account)
      return user
    })
    const address = http.address()
    if (user) setImmediate(() => void sendLink(people, user, address).catch(report))
    return { status: 204 }
  }
}

export const setPassword =
  ({
    db,
    clocks,
    secrets,
    issuer,
    attempts,
    passwords,
    devices,
    guessing,
    passwordChanged,
    recordChange,
  }: People): Handlers['setPassword'] =>
  async ({ body, http }) => {
    requireSameOrigin(http, issuer)
    const { token, user, passwordHash } = await passwords.inTurn(http, '', async () => {
      const right = await attempts.countLink(http)
      const token = parseLinkToken(body.token)
      const user = token && (await personOf(db, secrets, token))
      if (!user) throw new Problem('password-link-invalid')
      await right()
      await requireGoodPassword(guessing, db, body.password, user)
      return { token, user, passwordHash: await passwords.hash(body.password) }
    })

    const save = async (trx: Knex.Transaction) => {
      // Meanwhile the link may have been used, replaced or ended.
      const current = await personOf(trx, secrets, token)
      if (!current) throw new Problem('password-link-invalid')
      const { dealerId } = token
      const subject = { type: 'user', id: current.id } as const
      await savePassword(trx, secrets, current, passwordHash)
      await recordChange(
        trx,
        { dealerId, subject },
        http,
        { action: 'user.password_set', subject: { ...subject, name: current.name } },
        await readClock(trx),
      )
    }
    await clocks.hold({ dealerId: user.dealer_id, subject: user }, save, http)
    passwordChanged(user.email)
    // Whoever fails meanwhile must not keep the person out who has just proven the address.
    return { status: 204, headers: { 'Set-Cookie': devices.cookieFor(http, user) } }
  }

export const changeOwnPassword =
  ({
    db,
    secrets,
    attempts,
    passwords,
    guessing,
    refusals,
    passwordChanged,
    recordChange,
  }: People): Handlers['changeOwnPassword'] =>
  async ({ body, principal, http }, { write }) => {
    // Argon2 takes its time, so it must not run while the dealer's clock is held: the password is read, checked
    // outside, and read again.
    const before = await write(principal, (trx) => ownUser(trx, principal.dealerId, personId(principal)))
    const passwordHash = await passwords.inTurn(http, before.email, async () => {
      const right = await attempts.countInSession(principal.credentialId)
      if (!(await passwords.isRight(before.password_hash, body.currentPassword))) {
        const { dealerId, subject } = principal
        refusals.note({ dealerId, subject, code: 'password-wrong', address: http.address() })
        throw new Problem('password-wrong')
      }
      await right()
      await requireGoodPassword(guessing, db, body.newPassword, before)
      return passwords.hash(body.newPassword)
    })

    await write(principal, async (trx, now) => {
      const user = await ownUser(trx, principal.dealerId, personId(principal))
      if (user.password_hash !== before.password_hash) throw new Problem('password-wrong')
      await savePassword(trx, secrets, user, passwordHash)
      await recordChange(
        trx,
        principal,
        http,
        { action: 'user.password_changed', subject: { type: 'user', id: user.id, name: user.name } },
        now,
      )
    })
    passwordChanged(before.email)
    return { status: 204 }
  }

/** With until when nobody can sign in as them from a new device. */
async function bodies(db: Knex, secrets: Secrets, dealerId: string, users: readonly UserRow[]): Promise<User[]> {
  const accounts = await store.findAccounts(
    db,
    dealerId,
    users.filter(({ password_hash }) => password_hash !== null).map(({ id }) => id),
  )
  const locks = await lockedUntil(db, secrets, [...accounts.values()])
  return users.map((user) => userBody(user, locks.get(accounts.get(user.id) ?? '')))
}

/** @throws {Problem} `password-is-email`, `password-guessable` */
async function requireGoodPassword(guessing: Guessing, db: Knex, password: string, user: UserRow): Promise<void> {
  requireOtherThanEmail(password, user.email)
  const dealer = await findDealer(db, user.dealer_id)
  await guessing.requireHardToGuess(password, [user.email, user.name, dealer?.name ?? ''])
}

function refuseTakenEmail(error: unknown): never {
  if (isTaken(error)) throw new Problem('email-taken')
  throw error
}

async function sendLink(people: People, { dealer_id: dealerId, id }: UserRow, address: string): Promise<void> {
  await people.clocks.hold({ dealerId, subject: { id } }, async (trx) => {
    const current = await store.findUser(trx, dealerId, id)
    if (current?.deactivated_at !== null) return
    const now = await readClock(trx)
    await addLink(trx, people, current, now)
    const subject = { type: 'user', id, name: current.name } as const
    await recordOfUnknown(trx, dealerId, address, { action: 'user.password_link_requested', subject }, now)
  })
}

/** Whom the token lets choose a password; undefined when it lets nobody. */
async function personOf(
  db: Knex,
  secrets: Secrets,
  { text, dealerId, userId }: LinkToken,
): Promise<UserRow | undefined> {
  const link = await store.findPasswordLink(db, dealerId, userId)
  if (!link?.lives || !timingSafeEqual(secrets.hash('password-link', link.secret_version, text), link.hash))
    return undefined
  const user = await store.findUser(db, dealerId, userId)
  return user?.deactivated_at === null ? user : undefined
}

async function ownUser(trx: Knex.Transaction, dealerId: string, id: string): Promise<UserRow> {
  const user = await store.findUser(trx, dealerId, id)
  if (!user) throw new Problem('token-invalid')
  return user
}

/** Whoever was signed in with the old password, or could choose another by a link, no longer can. */
async function savePassword(
  trx: Knex.Transaction,
  secrets: Secrets,
  { dealer_id: dealerId, id, email }: UserRow,
  passwordHash: string,
): Promise<void> {
  await release(trx, secrets, await store.accountOf(trx, email))
  await store
    .saveUser(trx, dealerId, id, { password_hash: passwordHash, password_temporary: false })
    .catch(refuseTakenEmail)
  await store.endPasswordLink(trx, dealerId, id)
  await endCredentials(trx, dealerId, id)
}
