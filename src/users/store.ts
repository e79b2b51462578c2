import type { Knex } from 'knex'
import type { UserRow } from './user.ts'

export async function findUsers(
  db: Knex,
  dealerId: string,
  filter: { past?: string; limit: number },
): Promise<UserRow[]> {
  let query = db('users').where({ dealer_id: dealerId }).orderBy('id', 'desc').limit(filter.limit)
  if (filter.past) query = query.where('id', '<', filter.past)
  return query
}

export async function findUser(db: Knex, dealerId: string, id: string): Promise<UserRow | undefined> {
  return db('users').where({ dealer_id: dealerId, id }).first()
}

/** The one look-up that knows no dealer: an e-mail address belongs to one user of one dealer. */
export async function findUserByEmail(db: Knex, email: string): Promise<UserRow | undefined> {
  return db('users').whereRaw('lower(email) = lower(?)', [email]).first()
}

export async function countOtherActiveAdmins(trx: Knex.Transaction, dealerId: string, but: string): Promise<number> {
  const row = await trx('users')
    .where({ dealer_id: dealerId, role: 'admin' })
    .whereNull('deactivated_at')
    .whereNotNull('password_hash')
    .whereNot({ id: but })
    .count({ others: '*' })
    .first()
  return Number(row?.['others'] ?? 0)
}

export async function addUser(
  trx: Knex.Transaction,
  dealerId: string,
  user: Omit<UserRow, 'dealer_id' | 'deactivated_at'>,
): Promise<void> {
  await trx('users').insert({ ...user, dealer_id: dealerId })
}

export async function saveUser(
  trx: Knex.Transaction,
  dealerId: string,
  id: string,
  change: Partial<Pick<UserRow, 'name' | 'role' | 'deactivated_at' | 'password_hash'>>,
): Promise<void> {
  await trx('users').where({ dealer_id: dealerId, id }).update(change)
}

export interface NewPasswordLink {
  user_id: string
  hash: Buffer
  secret_version: string
  created_at: Date
  expires_at: Date
}

/** A person has one link at the most: the newest. */
export async function savePasswordLink(trx: Knex.Transaction, dealerId: string, link: NewPasswordLink): Promise<void> {
  await trx('password_links')
    .insert({ ...link, dealer_id: dealerId })
    .onConflict(['dealer_id', 'user_id'])
    .merge()
}

export async function findPasswordLink(
  db: Knex,
  dealerId: string,
  userId: string,
): Promise<{ hash: Buffer; secret_version: string; lives: boolean } | undefined> {
  return db('password_links')
    .where({ dealer_id: dealerId, user_id: userId })
    .first('hash', 'secret_version', db.raw('expires_at > clock_timestamp() as lives'))
}

export async function endPasswordLink(trx: Knex.Transaction, dealerId: string, userId: string): Promise<void> {
  await trx('password_links').where({ dealer_id: dealerId, user_id: userId }).delete()
}

/** Which master secrets the links that work were hashed with. */
export async function findSecretVersionsInUse(db: Knex): Promise<string[]> {
  return db('password_links')
    .distinct('secret_version')
    .whereRaw('expires_at > clock_timestamp()')
    .pluck('secret_version')
}

/** Forgets links that have expired; says how many. */
export async function sweepPasswordLinks(db: Knex, atMost: number): Promise<number> {
  const { rowCount } = await db.raw<{ rowCount: number }>(
    `with old as materialized (
       select dealer_id, user_id
       from password_links
       where expires_at <= clock_timestamp()
       limit ?
       for update skip locked
     )
     delete from password_links l
     using old
     where l.dealer_id = old.dealer_id and l.user_id = old.user_id`,
    [atMost],
  )
  return rowCount
}
