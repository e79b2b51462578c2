import type { Knex } from 'knex'
import type pg from 'pg'

/** A credential as the database has it, with the moment and the generation of signing keys that it was read at. */
export interface CredentialRow {
  dealer_id: string
  id: string
  epoch: number
  scopes: string[]
  environment: 'live' | 'test'
  lives: boolean
  /** Whether it may be used from where the request came from. */
  allowed: boolean
  generation: string
  now: Date
}

// clock_timestamp(), not now(): inside a transaction now() is its start, and the lock may have been waited for since.
const columnsFrom = (
  address: string,
) => `c.dealer_id, c.id, c.epoch, c.scopes, c.environment, not c.disabled and c.ends_at > clock_timestamp() as lives,
  is_address_allowed(c.allowed_networks, ${address}) as allowed, g.generation::text as generation, clock_timestamp() as now`

/**
 * One query for everybody who asks at once, each at a `place` that counts from 1. Credentials that do not exist are
 * missing from the answer.
 */
export async function findCredentials(
  hot: pg.Pool,
  dealerIds: string[],
  ids: string[],
  addresses: (string | null)[],
): Promise<(CredentialRow & { place: number })[]> {
  const text = `select ${columnsFrom('asked.address')}, asked.place::int as place
    from unnest($1::uuid[], $2::uuid[], $3::inet[]) with ordinality as asked(dealer_id, id, address, place)
    join credentials c on c.dealer_id = asked.dealer_id and c.id = asked.id, signing_key_generation g`
  return (
    await hot.query<CredentialRow & { place: number }>({
      name: 'find-credentials',
      text,
      values: [dealerIds, ids, addresses],
    })
  ).rows
}

export async function findCredential(
  trx: Knex.Transaction,
  dealerId: string,
  id: string,
  address: string | null,
): Promise<CredentialRow | undefined> {
  const { rows } = await trx.raw<{ rows: CredentialRow[] }>(
    `select ${columnsFrom('?::inet')} from credentials c, signing_key_generation g where c.dealer_id = ? and c.id = ?`,
    [address, dealerId, id],
  )
  return rows[0]
}

/**
 * Waits for the dealer's clock and holds it until the transaction ends. What is decided on must be read by a later
 * statement.
 */
export async function lockDealer(trx: Knex.Transaction, dealerId: string): Promise<void> {
  await trx('dealer_clocks').select('dealer_id').where({ dealer_id: dealerId }).forUpdate()
}

/** The time on the database's clock. The caller holds the dealer's clock, so times rise with commits. */
export async function readClock(trx: Knex.Transaction): Promise<Date> {
  const { rows } = await trx.raw<{ rows: { now: Date }[] }>('select clock_timestamp() as now')
  const [row] = rows
  if (!row) throw new Error('The database did not tell the time')
  return row.now
}

export interface NewCredential {
  id: string
  subject: { type: 'api_key' | 'user'; id: string }
  scopes: readonly string[]
  environment: 'live' | 'test'
  disabled?: boolean
  endsAt?: Date
}

export async function addCredential(
  trx: Knex.Transaction,
  dealerId: string,
  credential: NewCredential,
  now: Date,
): Promise<void> {
  await trx('credentials').insert({
    dealer_id: dealerId,
    id: credential.id,
    subject_type: credential.subject.type,
    subject_id: credential.subject.id,
    scopes: [...credential.scopes],
    environment: credential.environment,
    disabled: credential.disabled ?? false,
    created_at: now,
    ...(credential.endsAt && { ends_at: credential.endsAt }),
  })
}

export async function findCreatedAt(trx: Knex.Transaction, dealerId: string, id: string): Promise<Date | undefined> {
  const row: { created_at: Date } | undefined = await trx('credentials')
    .where({ dealer_id: dealerId, id })
    .first('created_at')
  return row?.created_at
}

/**
 * Ends every credential of a subject, and with each the tokens that it bought. What has been over for an hour is left
 * alone, for it may be forgotten at this moment; what ends by itself just now is not, for it may be prolonged.
 */
export async function endCredentials(trx: Knex.Transaction, dealerId: string, subjectId: string): Promise<void> {
  await trx('credentials')
    .where({ dealer_id: dealerId, subject_id: subjectId })
    .whereRaw("ends_at > clock_timestamp() - interval '1 hour'")
    .update({ ends_at: '-infinity', epoch: trx.raw('epoch + 1') })
}

/** Ends one credential, and the tokens that it bought. */
export async function endCredential(trx: Knex.Transaction, dealerId: string, id: string): Promise<void> {
  await trx('credentials')
    .where({ dealer_id: dealerId, id })
    .update({ ends_at: '-infinity', epoch: trx.raw('epoch + 1') })
}

/** When a credential is to end, if it is. */
export async function findCredentialEnd(db: Knex, dealerId: string, id: string): Promise<Date | undefined> {
  const row = await db('credentials')
    .where({ dealer_id: dealerId, id })
    .whereRaw("ends_at < 'infinity'")
    .first('ends_at')
  return row?.ends_at
}

/** The credential ends at `endsAt`, or never; when it had ended, the tokens that it bought before stay dead. */
export async function setCredentialEnd(
  trx: Knex.Transaction,
  dealerId: string,
  id: string,
  endsAt: Date | undefined,
): Promise<void> {
  await trx('credentials')
    .where({ dealer_id: dealerId, id })
    .update({ ends_at: endsAt ?? 'infinity', epoch: trx.raw('epoch + (ends_at <= clock_timestamp())::int') })
}

/** What the credentials of a subject may do from now on; tokens that are out keep of theirs what is left. */
export async function setCredentialScopes(
  trx: Knex.Transaction,
  dealerId: string,
  subjectId: string,
  scopes: readonly string[],
): Promise<void> {
  await trx('credentials')
    .where({ dealer_id: dealerId, subject_id: subjectId })
    .update({ scopes: [...scopes] })
}

/**
 * From where the credentials of a subject may be used from now on, and what they bought; without any, from everywhere.
 */
export async function setCredentialNetworks(
  trx: Knex.Transaction,
  dealerId: string,
  subjectId: string,
  networks: readonly string[],
): Promise<void> {
  await trx('credentials')
    .where({ dealer_id: dealerId, subject_id: subjectId })
    .update({ allowed_networks: [...networks] })
}

/** Disabling raises the epoch, so that tokens from before stay dead when the credential is enabled again. */
export async function disableCredentials(
  trx: Knex.Transaction,
  dealerId: string,
  subjectId: string,
  disabled: boolean,
): Promise<void> {
  await trx('credentials')
    .where({ dealer_id: dealerId, subject_id: subjectId })
    .update({ disabled, ...(disabled && { epoch: trx.raw('epoch + 1') }) })
}

export interface SigningKeyRow {
  kid: string
  public_jwk: object
  wrapped_private_key: Buffer
  secret_version: string
  signs_from: Date
  retired_at: Date | null
}

/** The keys that may have signed a living token, oldest first, with the generation they belong to. */
export async function findSigningKeys(db: Knex): Promise<{ generation: string; keys: SigningKeyRow[] }> {
  const { rows } = await db.raw<{ rows: ({ generation: string } & (SigningKeyRow | { kid: null }))[] }>(
    `select g.generation::text as generation, k.kid, k.public_jwk, k.wrapped_private_key, k.secret_version, k.signs_from, k.retired_at
     from signing_key_generation g left join signing_keys k on k.withdrawn_at is null order by k.signs_from, k.kid`,
  )
  const [first] = rows
  if (!first) throw new Error('The table signing_key_generation is empty')
  return { generation: first.generation, keys: rows.filter((row) => row.kid !== null) }
}

export async function addSigningKey(
  trx: Knex.Transaction,
  key: Omit<SigningKeyRow, 'retired_at'>,
  now: Date,
): Promise<void> {
  await trx('signing_keys').insert({ ...key, public_jwk: JSON.stringify(key.public_jwk), created_at: now })
  await trx('signing_key_generation').increment('generation')
}

export async function withdrawSigningKeys(trx: Knex.Transaction, but: string, now: Date): Promise<void> {
  await trx('signing_keys').whereNot({ kid: but }).whereNull('withdrawn_at').update({ withdrawn_at: now })
  await trx('signing_key_generation').increment('generation')
}

/** Keys sign no more once the time of a newer one of `kids` has come. The caller has locked the signing keys. */
export async function retireSigningKeys(trx: Knex.Transaction, kids: readonly string[]): Promise<void> {
  const retired = await trx('signing_keys as k')
    .whereNull('k.withdrawn_at')
    .whereNull('k.retired_at')
    .whereExists(
      trx('signing_keys as n')
        .select(trx.raw('1'))
        .whereNull('n.withdrawn_at')
        .whereIn('n.kid', kids)
        .whereRaw('n.signs_from <= clock_timestamp()')
        .whereRaw('(n.signs_from, n.kid) > (k.signs_from, k.kid)'),
    )
    .update({ retired_at: trx.raw('clock_timestamp()') })
  if (retired > 0) await trx('signing_key_generation').increment('generation')
}

/** Withdraws keys that were retired so many seconds ago. The caller has locked the signing keys. */
export async function withdrawRetiredKeys(trx: Knex.Transaction, seconds: number): Promise<void> {
  const withdrawn = await trx('signing_keys')
    .whereNull('withdrawn_at')
    .whereRaw('retired_at < clock_timestamp() - make_interval(secs => ?)', [seconds])
    .update({ withdrawn_at: trx.raw('clock_timestamp()') })
  if (withdrawn > 0) await trx('signing_key_generation').increment('generation')
}

export async function lockSigningKeys(trx: Knex.Transaction): Promise<void> {
  await trx('signing_key_generation').select('generation').forUpdate()
}

export async function findFingerprints(db: Knex): Promise<{ version: string; fingerprint: Buffer }[]> {
  return db('secret_fingerprints').select('version', 'fingerprint')
}

export async function addFingerprint(db: Knex, version: string, fingerprint: Buffer): Promise<void> {
  await db('secret_fingerprints').insert({ version, fingerprint }).onConflict('version').ignore()
}

/** Which master secrets the signing keys were wrapped with. */
export async function findSecretVersionsInUse(db: Knex): Promise<string[]> {
  return db('signing_keys').distinct('secret_version').whereNull('withdrawn_at').pluck('secret_version')
}
