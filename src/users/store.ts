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

/**
 * The one look-up that knows no dealer: an e-mail address belongs to one user of one dealer, who has a password; while
 * nobody has, it leads to the latest invitation. Which spellings are the same the database alone decides; `account` is
 * what all of them become.
 */
export async function findByEmail(db: Knex, email: string): Promise<{ account: string; user: UserRow | undefined }> {
  const { rows } = await db.raw<{ rows: ({ account: string } & UserRow)[] }>(
    `select u.*, asked.account
     from (select lower(?::text) as account) as asked
     left join lateral (
       select *
       from users
       where lower(email) = asked.account
       order by password_hash is null, id desc
       limit 1
     ) as u on true`,
    [email],
  )
  const [row] = rows
  if (!row) throw new Error('The database did not fold the e-mail address')
  const { account, ...user } = row
  return { account, user: user.id === null ? undefined : user }
}

/** What `findByEmail` calls the account of an e-mail address. */
export async function accountOf(db: Knex, email: string): Promise<string> {
  return (await findByEmail(db, email)).account
}

/** The accounts of people by their ids. */
export async function findAccounts(db: Knex, dealerId: string, ids: string[]): Promise<Map<string, string>> {
  const rows: { id: string; account: string }[] = await db('users')
    .where({ dealer_id: dealerId })
    .whereIn('id', ids)
    .select('id', db.raw('lower(email) as account'))
  return new Map(rows.map(({ id, account }) => [id, account]))
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
  user: Omit<UserRow, 'dealer_id' | 'deactivated_at' | 'passkey_count'>,
): Promise<void> {
  await trx('users').insert({ ...user, dealer_id: dealerId })
}

export async function saveUser(
  trx: Knex.Transaction,
  dealerId: string,
  id: string,
  change: Partial<Pick<UserRow, 'name' | 'role' | 'deactivated_at' | 'password_hash' | 'password_temporary'>>,
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

interface Place {
  kind: string
  place: number
}

const arraysOf = (places: readonly Place[]) => [places.map(({ kind }) => kind), places.map(({ place }) => place)]

/**
 * Counts one failure in each place, unless one of them is full: then nothing is counted, and the answer is in how many
 * seconds it is over.
 */
export async function countFailure(
  db: Knex,
  places: readonly (Place & { most: number })[],
): Promise<number | undefined> {
  const { rows } = await db.raw<{ rows: { seconds: number | null }[] }>(
    `with asked as materialized (
       select * from unnest(?::text[], ?::integer[], ?::integer[]) as a(kind, place, most)
     ), before as materialized (
       select a.ends_at
       from asked join attempts a using (kind, place)
       where a.failures >= asked.most and a.ends_at > clock_timestamp()
     ), counted as (
       insert into attempts as a (kind, place, failures, ends_at)
       select kind, place, 1, clock_timestamp() + interval '15 minutes'
       from asked
       where not exists (select from before)
       order by kind, place
       on conflict (kind, place) do update set
         failures = case when a.ends_at > clock_timestamp() then a.failures + 1 else 1 end,
         ends_at = case when a.ends_at > clock_timestamp() then a.ends_at else excluded.ends_at end
       returning a.kind, a.place, a.failures, a.ends_at
     ), refusing as (
       select ends_at from before
       union all
       select c.ends_at from counted c join asked using (kind, place) where c.failures > asked.most
     )
     select extract(epoch from max(ends_at) - clock_timestamp())::float8 as seconds from refusing`,
    [...arraysOf(places), places.map(({ most }) => most)],
  )
  const seconds = rows[0]?.seconds
  return typeof seconds === 'number' ? Math.max(seconds, 1) : undefined
}

/** What was counted was no failure. */
export async function takeFailureBack(db: Knex, places: readonly Place[]): Promise<void> {
  await db.raw(
    `with counted as materialized (
       select kind, place
       from attempts join unnest(?::text[], ?::integer[]) as a(kind, place) using (kind, place)
       order by kind, place
       for update of attempts
     )
     update attempts a set failures = greatest(a.failures - 1, 0)
     from counted
     where a.kind = counted.kind and a.place = counted.place`,
    arraysOf(places),
  )
}

export async function findFullPlaces(
  db: Knex,
  kind: string,
  places: readonly number[],
  most: number,
): Promise<Map<number, Date>> {
  const rows: { place: number; ends_at: Date }[] = await db('attempts')
    .where({ kind })
    .whereIn('place', places)
    .where('failures', '>=', most)
    .whereRaw('ends_at > clock_timestamp()')
    .select('place', 'ends_at')
  return new Map(rows.map(({ place, ends_at }) => [place, ends_at]))
}

export async function forgetFailures(db: Knex, places: readonly Place[]): Promise<void> {
  await db.raw(
    `with counted as materialized (
       select kind, place
       from attempts join unnest(?::text[], ?::integer[]) as a(kind, place) using (kind, place)
       order by kind, place
       for update of attempts
     )
     delete from attempts a
     using counted
     where a.kind = counted.kind and a.place = counted.place`,
    arraysOf(places),
  )
}

/** Forgets failures that count no more; says of how many places. */
export async function sweepAttempts(db: Knex, atMost: number): Promise<number> {
  const { rowCount } = await db.raw<{ rowCount: number }>(
    `with old as materialized (
       select kind, place
       from attempts
       where ends_at <= clock_timestamp()
       limit ?
       for update skip locked
     )
     delete from attempts a
     using old
     where a.kind = old.kind and a.place = old.place`,
    [atMost],
  )
  return rowCount
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
