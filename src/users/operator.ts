import type { Knex } from 'knex'
import type { Role } from '../../generated/server/types.gen.ts'
import { type Change, recordOperatorChange } from '../audit/audit.ts'
import { addDealer, findDealers, type NewDealer } from '../dealers/store.ts'
import { newId, outer } from '../ids.ts'
import { endCredentials, lockDealer, readClock } from '../tokens/store.ts'
import type { Secrets } from '../secrets.ts'
import { hashPassword } from './argon2.ts'
import { release } from './attempts.ts'
import * as store from './store.ts'
import { isTaken, newPassword } from './user.ts'

// What the operator of the service does from the command line or at the first start; no client can.

const foreignKeyViolation = '23503'

export interface Person {
  email: string
  name: string
  /** Without it one is made. */
  password?: string
  /** Whether they have to choose another; unless it is said, when one is made. */
  passwordIsTemporary?: boolean
}

/** A dealer with its first admin. @throws {Error} when the e-mail address is taken. */
export async function createDealer(
  db: Knex,
  dealer: Omit<NewDealer, 'id'>,
  admin: Person,
): Promise<{ dealerId: string; password: string }> {
  const password = admin.password ?? newPassword()
  const passwordHash = await hashPassword(password)
  return db.transaction(async (trx) => {
    const dealerId = newId()
    const now = await readClock(trx)
    await addDealer(trx, { id: dealerId, ...dealer }, now)
    const user = {
      id: newId(),
      email: admin.email,
      name: admin.name,
      role: 'admin' as const,
      password_hash: passwordHash,
      password_temporary: admin.passwordIsTemporary ?? admin.password === undefined,
      created_at: now,
    }
    await store.addUser(trx, dealerId, user).catch((error: unknown) => refuseTakenEmail(error, user.email))
    await recordOperatorChange(
      trx,
      dealerId,
      { action: 'dealer.created', subject: { type: 'dealer', id: dealerId, name: dealer.name } },
      now,
    )
    await recordOperatorChange(trx, dealerId, userCreated(user), now)
    return { dealerId, password }
  })
}

/** A person of a dealer. @throws {Error} when there is no such dealer or the e-mail address is taken. */
export async function createUser(
  db: Knex,
  dealerId: string,
  role: Role,
  person: Person,
): Promise<{ password: string }> {
  const password = person.password ?? newPassword()
  const passwordHash = await hashPassword(password)
  return db.transaction(async (trx) => {
    await lockDealer(trx, dealerId)
    const now = await readClock(trx)
    const user = {
      id: newId(),
      email: person.email,
      name: person.name,
      role,
      password_hash: passwordHash,
      password_temporary: person.password === undefined,
      created_at: now,
    }
    await store.addUser(trx, dealerId, user).catch((error: unknown) => refuseUnknownDealer(error, dealerId, user.email))
    await recordOperatorChange(trx, dealerId, userCreated(user), now)
    return { password }
  })
}

/**
 * A new password; whoever was signed in with the old one is signed out.
 *
 * @throws {Error} when nobody has the e-mail address.
 */
export async function resetPassword(db: Knex, email: string, wanted?: string): Promise<{ password: string }> {
  const { user } = await store.findByEmail(db, email)
  if (!user) throw new Error(`Nobody has the e-mail address ${email}`)
  const password = wanted ?? newPassword()
  const passwordHash = await hashPassword(password)
  await db.transaction(async (trx) => {
    await lockDealer(trx, user.dealer_id)
    const change = { password_hash: passwordHash, password_temporary: true }
    await store.saveUser(trx, user.dealer_id, user.id, change).catch((error: unknown) => refuseTakenEmail(error, email))
    await store.endPasswordLink(trx, user.dealer_id, user.id)
    await endCredentials(trx, user.dealer_id, user.id)
    await recordOperatorChange(
      trx,
      user.dealer_id,
      { action: 'user.password_reset', subject: { type: 'user', id: user.id, name: user.name } },
      await readClock(trx),
    )
  })
  return { password }
}

/**
 * Lets somebody sign in again who has failed too often, or who is kept out by others who fail.
 *
 * @throws {Error} when nobody has the e-mail address.
 */
export async function releaseUser(db: Knex, secrets: Secrets, email: string): Promise<void> {
  const { account, user } = await store.findByEmail(db, email)
  if (!user) throw new Error(`Nobody has the e-mail address ${email}`)
  await db.transaction(async (trx) => {
    await lockDealer(trx, user.dealer_id)
    await release(trx, secrets, account)
    await recordOperatorChange(
      trx,
      user.dealer_id,
      { action: 'user.released', subject: { type: 'user', id: user.id, name: user.name } },
      await readClock(trx),
    )
  })
}

/** Of the keys that sign the access tokens of every dealer. */
export async function recordRotation(
  trx: Knex.Transaction,
  action: 'signing_key.rotated' | 'signing_key.replaced',
  now: Date,
): Promise<void> {
  for (const { id, name } of await findDealers(trx))
    await recordOperatorChange(trx, id, { action, subject: { type: 'dealer', id, name } }, now)
}

function userCreated({ id, email, name, role }: { id: string; email: string; name: string; role: Role }): Change {
  return { action: 'user.created', subject: { type: 'user', id, name }, after: { email, role } }
}

function refuseTakenEmail(error: unknown, email: string): never {
  if (isTaken(error)) throw new Error(`The e-mail address ${email} is taken`)
  throw error
}

/** The dealer is the only row that a new user points to. */
function refuseUnknownDealer(error: unknown, dealerId: string, email: string): never {
  if (error instanceof Error && 'code' in error && error.code === foreignKeyViolation)
    throw new Error(`There is no ${outer('dealer', dealerId)}`)
  refuseTakenEmail(error, email)
}
