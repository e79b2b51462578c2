import type { Knex } from 'knex'
import type { Role } from '../../generated/server/types.gen.ts'
import { newId, outer } from '../ids.ts'
import { endCredentials, lockDealer, readClock } from '../tokens/store.ts'
import * as store from './store.ts'
import { hashPassword, newPassword } from './user.ts'

// What the operator of the service does from the command line or at the first start; no client can.

const foreignKeyViolation = '23503'

export interface Person {
  email: string
  name: string
  password?: string
}

/** A dealer with its first admin. @throws {Error} when the e-mail address is taken. */
export async function createDealer(db: Knex, dealer: Omit<store.NewDealer, 'id'>, admin: Person): Promise<{ dealerId: string; password: string }> {
  const password = admin.password ?? newPassword()
  const passwordHash = await hashPassword(password)
  return db.transaction(async (trx) => {
    await refuseTakenEmail(trx, admin.email)
    const dealerId = newId()
    const now = await readClock(trx)
    await store.addDealer(trx, { id: dealerId, ...dealer }, now)
    await store.addUser(trx, dealerId, { id: newId(), email: admin.email, name: admin.name, role: 'admin', password_hash: passwordHash, created_at: now })
    return { dealerId, password }
  })
}

/** A person of a dealer. @throws {Error} when there is no such dealer or the e-mail address is taken. */
export async function createUser(db: Knex, dealerId: string, role: Role, person: Person): Promise<{ password: string }> {
  const password = person.password ?? newPassword()
  const passwordHash = await hashPassword(password)
  return db.transaction(async (trx) => {
    await lockDealer(trx, dealerId)
    await refuseTakenEmail(trx, person.email)
    const user = { id: newId(), email: person.email, name: person.name, role, password_hash: passwordHash, created_at: await readClock(trx) }
    await store.addUser(trx, dealerId, user).catch((error: unknown) => refuseUnknownDealer(error, dealerId))
    return { password }
  })
}

/** A new password; whoever was signed in with the old one is signed out. @throws {Error} when nobody has the e-mail address. */
export async function resetPassword(db: Knex, email: string, wanted?: string): Promise<{ password: string }> {
  const user = await store.findUserByEmail(db, email)
  if (!user) throw new Error(`Nobody has the e-mail address ${email}`)
  const password = wanted ?? newPassword()
  const passwordHash = await hashPassword(password)
  await db.transaction(async (trx) => {
    await lockDealer(trx, user.dealer_id)
    await store.saveUser(trx, user.dealer_id, user.id, { password_hash: passwordHash })
    await endCredentials(trx, user.dealer_id, user.id)
  })
  return { password }
}

async function refuseTakenEmail(trx: Knex.Transaction, email: string): Promise<void> {
  if (await store.findUserByEmail(trx, email)) throw new Error(`The e-mail address ${email} is taken`)
}

/** The dealer is the only row that a new user points to. */
function refuseUnknownDealer(error: unknown, dealerId: string): never {
  if (error instanceof Error && 'code' in error && error.code === foreignKeyViolation) throw new Error(`There is no ${outer('dealer', dealerId)}`)
  throw error
}
