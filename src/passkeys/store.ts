import type { Knex } from 'knex'
import type { PasskeyRow } from './passkey.ts'

/** The latest added first. */
export async function findPasskeys(db: Knex, dealerId: string, userId: string): Promise<PasskeyRow[]> {
  return db('passkeys').where({ dealer_id: dealerId, user_id: userId }).orderBy('id', 'desc')
}

export async function findPasskey(
  db: Knex,
  dealerId: string,
  userId: string,
  credentialId: Buffer,
): Promise<PasskeyRow | undefined> {
  return db('passkeys').where({ dealer_id: dealerId, user_id: userId, credential_id: credentialId }).first()
}

export async function addPasskey(trx: Knex.Transaction, dealerId: string, passkey: PasskeyRow): Promise<void> {
  await trx('passkeys').insert({ ...passkey, dealer_id: dealerId })
  await count(trx, dealerId, passkey.user_id)
}

export async function savePasskey(
  trx: Knex.Transaction,
  dealerId: string,
  id: string,
  change: Partial<Pick<PasskeyRow, 'name' | 'sign_count' | 'synced' | 'last_used_at'>>,
): Promise<void> {
  await trx('passkeys').where({ dealer_id: dealerId, id }).update(change)
}

export async function deletePasskey(
  trx: Knex.Transaction,
  dealerId: string,
  { id, user_id }: Pick<PasskeyRow, 'id' | 'user_id'>,
): Promise<void> {
  await trx('passkeys').where({ dealer_id: dealerId, id }).delete()
  await count(trx, dealerId, user_id)
}

/** Says of how many. */
export async function deletePasskeys(trx: Knex.Transaction, dealerId: string, userId: string): Promise<number> {
  const deleted = await trx('passkeys').where({ dealer_id: dealerId, user_id: userId }).delete()
  await count(trx, dealerId, userId)
  return deleted
}

/** The number stands with the person, where signing in and the list of users read it without asking again. */
async function count(trx: Knex.Transaction, dealerId: string, userId: string): Promise<void> {
  await trx('users')
    .where({ dealer_id: dealerId, id: userId })
    .update({
      passkey_count: trx('passkeys').where({ dealer_id: dealerId, user_id: userId }).count(),
    })
}

/** False when the challenge has been answered before. */
export async function useChallenge(
  trx: Knex.Transaction,
  dealerId: string,
  challenge: Buffer,
  now: Date,
): Promise<boolean> {
  const { rowCount } = await trx.raw<{ rowCount: number }>(
    `insert into answered_challenges (dealer_id, challenge, answered_at)
     values (?, ?, ?)
     on conflict do nothing`,
    [dealerId, challenge, now],
  )
  return rowCount === 1
}

/** Forgets challenges that nobody could answer any more; says how many. */
export async function sweepChallenges(db: Knex, seconds: number, atMost: number): Promise<number> {
  const { rowCount } = await db.raw<{ rowCount: number }>(
    `with old as materialized (
       select dealer_id, challenge
       from answered_challenges
       where answered_at < clock_timestamp() - :seconds * interval '1 second'
       limit :atMost
       for update skip locked
     )
     delete from answered_challenges a
     using old
     where a.dealer_id = old.dealer_id and a.challenge = old.challenge`,
    { seconds, atMost },
  )
  return rowCount
}

/** Those from before work no more. */
export async function replaceCodes(
  trx: Knex.Transaction,
  dealerId: string,
  userId: string,
  codes: readonly { hash: Buffer; secret_version: string }[],
): Promise<void> {
  await trx('recovery_codes').where({ dealer_id: dealerId, user_id: userId }).delete()
  if (codes.length > 0)
    await trx('recovery_codes').insert(codes.map((code) => ({ ...code, dealer_id: dealerId, user_id: userId })))
}

/** False when there is no such code, or no more. */
export async function useCode(
  trx: Knex.Transaction,
  dealerId: string,
  userId: string,
  hashes: readonly Buffer[],
): Promise<boolean> {
  return (
    (await trx('recovery_codes').where({ dealer_id: dealerId, user_id: userId }).whereIn('hash', hashes).delete()) > 0
  )
}

export async function countCodes(db: Knex, dealerId: string, userId: string): Promise<number> {
  const row = await db('recovery_codes').where({ dealer_id: dealerId, user_id: userId }).count({ codes: '*' }).first()
  return Number(row?.['codes'] ?? 0)
}

/** Which master secrets the recovery codes that work were hashed with. */
export async function findSecretVersionsInUse(db: Knex): Promise<string[]> {
  return db('recovery_codes').distinct('secret_version').pluck('secret_version')
}
