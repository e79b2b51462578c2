import type { Knex } from 'knex'
import type { Factor } from '../passkeys/factor.ts'

export interface SessionRow {
  user_id: string
  hash: Buffer
  secret_version: string
  signed_in_at: Date
  epoch: number
  scopes: string[]
  lives: boolean
  ends_at: Date
}

export async function findSession(db: Knex, dealerId: string, credentialId: string): Promise<SessionRow | undefined> {
  const { rows } = await db.raw<{ rows: SessionRow[] }>(
    `select s.user_id, s.hash, s.secret_version, s.signed_in_at, c.epoch, c.scopes, c.ends_at, not c.disabled and c.ends_at > clock_timestamp() as lives
     from sessions s join credentials c on c.dealer_id = s.dealer_id and c.id = s.credential_id where s.dealer_id = ? and s.credential_id = ?`,
    [dealerId, credentialId],
  )
  return rows[0]
}

/**
 * The session is used: it ends so many seconds from now at the earliest, but never later than any may last. The answer
 * is when, or undefined when it is over. Without the dealer's clock, since it adds no credential and what has been
 * ended stays ended: whoever waits for the row sees it as it was committed.
 */
export async function prolongSession(
  db: Knex,
  dealerId: string,
  credentialId: string,
  lastsSeconds: number,
  idleSeconds: number,
): Promise<Date | undefined> {
  const { rows } = await db.raw<{ rows: { ends_at: Date }[] }>(
    `update credentials c set
       ends_at = greatest(c.ends_at, least(
         s.signed_in_at + :lastsSeconds * interval '1 second',
         clock_timestamp() + :idleSeconds * interval '1 second'
       ))
     from sessions s
     where s.dealer_id = :dealerId and s.credential_id = :credentialId
       and c.dealer_id = :dealerId and c.id = :credentialId
       and not c.disabled and c.ends_at > clock_timestamp()
     returning c.ends_at`,
    { dealerId, credentialId, lastsSeconds, idleSeconds },
  )
  return rows[0]?.ends_at
}

export interface OwnSessionRow {
  credential_id: string
  signed_in_at: Date
  ends_at: Date
  address: string | null
  user_agent: string | null
}

function livingSessions(db: Knex, dealerId: string, userId: string) {
  return db('sessions as s')
    .join('credentials as c', (on) => on.on('c.dealer_id', 's.dealer_id').on('c.id', 's.credential_id'))
    .where({ 's.dealer_id': dealerId, 's.user_id': userId, 'c.disabled': false })
    .whereRaw('c.ends_at > clock_timestamp()')
}

/** Newest first. */
export async function findLivingSessions(
  db: Knex,
  dealerId: string,
  userId: string,
  limit: number,
): Promise<OwnSessionRow[]> {
  return livingSessions(db, dealerId, userId)
    .select('s.credential_id', 's.signed_in_at', 'c.ends_at', 's.address', 's.user_agent')
    .orderBy([
      { column: 's.signed_in_at', order: 'desc' },
      { column: 's.credential_id', order: 'desc' },
    ])
    .limit(limit)
}

export async function isLivingSession(
  trx: Knex.Transaction,
  dealerId: string,
  userId: string,
  credentialId: string,
): Promise<boolean> {
  return (
    (await livingSessions(trx, dealerId, userId)
      .where({ 's.credential_id': credentialId })
      .first('s.credential_id')) !== undefined
  )
}

export interface NewSession {
  credential_id: string
  user_id: string
  hash: Buffer
  secret_version: string
  signed_in_at: Date
  address: string
  user_agent: string | null
  factor: Factor
  passkey_id: string | null
}

export async function addSession(trx: Knex.Transaction, dealerId: string, session: NewSession): Promise<void> {
  await trx('sessions').insert({ ...session, dealer_id: dealerId })
}

/** Somebody who came with a password alone has shown a passkey since. */
export async function strengthenSession(
  trx: Knex.Transaction,
  dealerId: string,
  credentialId: string,
  passkeyId: string,
): Promise<void> {
  await trx('sessions')
    .where({ dealer_id: dealerId, credential_id: credentialId, factor: 'password' })
    .update({ factor: 'password_and_passkey', passkey_id: passkeyId })
}

/** What it has shown beside the password is there no more. */
export async function weakenSession(
  trx: Knex.Transaction,
  dealerId: string,
  credentialId: string,
  passkeyId: string,
): Promise<void> {
  await trx('sessions')
    .where({ dealer_id: dealerId, credential_id: credentialId, factor: 'password_and_passkey', passkey_id: passkeyId })
    .update({ factor: 'password', passkey_id: null })
}

export async function isSessionOfPassword(
  trx: Knex.Transaction,
  dealerId: string,
  credentialId: string,
): Promise<boolean> {
  return (
    (await trx('sessions')
      .where({ dealer_id: dealerId, credential_id: credentialId, factor: 'password' })
      .first('credential_id')) !== undefined
  )
}

/** Ends the sessions that were begun with a passkey, but one, and the tokens that they bought. */
export async function endSessionsOfPasskey(
  trx: Knex.Transaction,
  dealerId: string,
  passkeyId: string,
  but: string,
): Promise<void> {
  await endSessions(trx, dealerId, 's.passkey_id = :passkeyId and s.credential_id <> :but', { passkeyId, but })
}

/** Ends the sessions that were begun with a password alone, and the tokens that they bought. */
export async function endSessionsOfPassword(trx: Knex.Transaction, dealerId: string): Promise<void> {
  await endSessions(trx, dealerId, "s.factor = 'password'", {})
}

/** As `endCredentials`: one that ends by itself at this moment may be prolonged at the same. */
async function endSessions(
  trx: Knex.Transaction,
  dealerId: string,
  which: string,
  values: Record<string, string>,
): Promise<void> {
  await trx.raw(
    `update credentials c
     set ends_at = '-infinity', epoch = epoch + 1
     from sessions s
     where s.dealer_id = :dealerId and c.dealer_id = :dealerId and c.id = s.credential_id
       and c.ends_at > clock_timestamp() - interval '1 hour' and ${which}`,
    { dealerId, ...values },
  )
}

interface Unfinished {
  dealer_id: string
  user_id: string
  address: string
  /** Of the problem that says what was asked for. */
  code: string
  new_device: boolean
  /** Sign-ins that were not finished. */
  steps: number
  begun_at: Date
}

/**
 * Somebody typed a right password and has to give more. `isFirstStep`: nothing beside it was sent yet, so another
 * sign-in has begun.
 */
export async function addUnfinished(
  db: Knex,
  { dealer_id, user_id, address, code, new_device }: Omit<Unfinished, 'steps' | 'begun_at'>,
  isFirstStep: boolean,
): Promise<void> {
  await db.raw(
    `insert into unfinished_sign_ins as u (dealer_id, user_id, address, code, new_device, steps, begun_at)
     values (:dealer_id, :user_id, :address, :code, :new_device, 1, clock_timestamp())
     on conflict (dealer_id, user_id, address) do update set
       code = case when :isFirstStep then excluded.code else u.code end,
       new_device = u.new_device or excluded.new_device,
       steps = case when :isFirstStep then u.steps + 1 else greatest(u.steps, 1) end,
       begun_at = case when u.steps = 0 then excluded.begun_at else u.begun_at end`,
    { dealer_id, user_id, address, code, new_device, isFirstStep },
  )
}

/**
 * One of the sign-ins was finished: one from there or, where a first step must have been (`isSecondStep`), the one that
 * was begun last, since a phone may have another address a moment later. The answer is where it was begun; undefined
 * when there was none. Nobody waits here for whoever tells of them.
 */
export async function finishSignIn(
  trx: Knex.Transaction,
  dealerId: string,
  userId: string,
  address: string,
  isSecondStep: boolean,
): Promise<string | undefined> {
  const { rows } = await trx.raw<{ rows: Pick<Unfinished, 'address'>[] }>(
    `with begun as materialized (
       select address
       from unfinished_sign_ins
       where dealer_id = :dealerId and user_id = :userId and steps > 0 and (address = :address or :isSecondStep)
       order by address = :address desc, begun_at desc
       limit 1
       for update skip locked
     )
     update unfinished_sign_ins u
     set steps = steps - 1
     from begun
     where u.dealer_id = :dealerId and u.user_id = :userId and u.address = begun.address
     returning u.address`,
    { dealerId, userId, address, isSecondStep },
  )
  return rows[0]?.address
}

/** Takes out those that were begun more than so many seconds ago. */
export async function takeUnfinished(trx: Knex.Transaction, seconds: number, atMost: number): Promise<Unfinished[]> {
  const { rows } = await trx.raw<{ rows: Unfinished[] }>(
    `with old as materialized (
       select dealer_id, user_id, address
       from unfinished_sign_ins
       where begun_at < clock_timestamp() - :seconds * interval '1 second'
       limit :atMost
       for update skip locked
     )
     delete from unfinished_sign_ins u
     using old
     where u.dealer_id = old.dealer_id and u.user_id = old.user_id and u.address = old.address
     returning u.*`,
    { seconds, atMost },
  )
  return rows
}

/** Which master secrets the cookies of living sessions were hashed with. */
export async function findSecretVersionsInUse(db: Knex): Promise<string[]> {
  return db('sessions as s')
    .join('credentials as c', (on) => on.on('c.dealer_id', 's.dealer_id').on('c.id', 's.credential_id'))
    .whereRaw('c.ends_at > clock_timestamp()')
    .distinct('s.secret_version')
    .pluck('s.secret_version')
}

/**
 * Forgets sessions that were begun more than so many seconds ago, with their credentials; says how many. To whoever
 * still has a token or a cookie of one it makes no difference: without its credential it is as invalid as with one that
 * has ended.
 */
export async function sweepSessions(db: Knex, seconds: number, atMost: number): Promise<number> {
  const { rowCount } = await db.raw<{ rowCount: number }>(
    `with old as materialized (
       select s.*
       from dealers d,
       lateral (
         select s.dealer_id, s.credential_id
         from sessions s
         join credentials c on c.dealer_id = s.dealer_id and c.id = s.credential_id
         where s.dealer_id = d.id and s.credential_id < first_id_at(clock_timestamp() - :seconds * interval '1 second')
         order by s.credential_id
         limit :atMost
         for update skip locked
       ) as s
       limit :atMost
     ), ended as (
       delete from sessions s
       using old
       where s.dealer_id = old.dealer_id and s.credential_id = old.credential_id
     )
     delete from credentials c
     using old
     where c.dealer_id = old.dealer_id and c.id = old.credential_id`,
    { seconds, atMost },
  )
  return rowCount
}
