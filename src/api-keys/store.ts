import type { Knex } from 'knex'
import type pg from 'pg'
import type { ApiKeyEnvironment, ApiKeyKind } from '../../generated/server/types.gen.ts'
import { scopes } from '../../generated/server/express.gen.ts'
import { scopesOfKind } from '../../generated/server/scopes.gen.ts'
import type { ApiKeyRow } from './api-key.ts'
import type { Granted, GrantedRow } from './granted.ts'
import type { Secret } from './replacement.ts'

/** A secret with what the exchange of its key needs to know, all read at one moment. */
export interface SecretRow {
  dealer_id: string
  api_key_id: string
  credential_id: string
  hash: Buffer
  secret_version: string
  epoch: number
  scopes: string[]
  disabled: boolean
  ended: boolean
  /** Of an ended secret: one that was made later has not. */
  has_newer: boolean | null
  role: Secret['role']
  first_used_at: Date | null
  deleted: boolean
  expired: boolean
  /** Whether the key may be used from where the request came from. */
  allowed: boolean
  /** Until the secret ends, by itself or with its key; null for never. */
  seconds_left: number | null
  generation: string
}

export async function findSecret(hot: pg.Pool, lookup: string, address: string | null): Promise<SecretRow | undefined> {
  const text = `select s.dealer_id, s.api_key_id, s.credential_id, s.hash, s.secret_version, c.epoch, c.scopes, c.disabled,
      c.ends_at <= clock_timestamp() as ended,
      case when c.ends_at <= clock_timestamp() then exists (
        select from api_key_secrets n
        where n.dealer_id = s.dealer_id and n.api_key_id = s.api_key_id and n.role <> 'ended' and n.created_at > s.created_at
      ) end as has_newer, s.role, s.first_used_at, k.deleted_at is not null as deleted,
      coalesce(k.expires_at <= clock_timestamp(), false) as expired,
      is_address_allowed(c.allowed_networks, $2) as allowed,
      case when c.ends_at < 'infinity' then extract(epoch from c.ends_at - clock_timestamp())::float8 end as seconds_left,
      g.generation::text as generation
    from api_key_secrets s
    join credentials c on c.dealer_id = s.dealer_id and c.id = s.credential_id
    join api_keys k on k.dealer_id = s.dealer_id and k.id = s.api_key_id, signing_key_generation g
    where s.lookup = $1`
  return (await hot.query<SecretRow>({ name: 'find-secret', text, values: [lookup, address] })).rows[0]
}

const columns = {
  id: 'k.id',
  name: 'k.name',
  kind: 'k.kind',
  environment: 'k.environment',
  scopes: 'k.scopes',
  disabled: 'k.disabled',
  allowed_networks: 'k.allowed_networks',
  sources: 'k.sources',
  expires_at: 'k.expires_at',
  deleted_at: 'k.deleted_at',
  delete_reason: 'k.delete_reason',
  mask: 'c.mask',
  next_mask: 'n.mask',
  next_grace_seconds: 'n.grace_seconds',
  previous_mask: 'p.mask',
  previous_ends_at: 'p.ends_at',
  created_by: 'k.created_by',
  created_by_name: 'u.name',
  created_at: 'k.created_at',
  updated_at: 'k.updated_at',
}

/** The use of a key that stands there, with what may be shown of its secret. */
const useIn = (table: string, which = '') => `(
  select to_jsonb(l) || jsonb_build_object('mask', (
    select s.mask
    from api_key_secrets s
    where s.dealer_id = l.dealer_id and s.credential_id = l.credential_id
  ))
  from ${table} l
  where l.dealer_id = k.dealer_id and l.api_key_id = k.id ${which}
)`

function keys(db: Knex, dealerId: string) {
  const secret = (alias: string, role: Secret['role']) => (on: Knex.JoinClause) =>
    on.on(`${alias}.dealer_id`, 'k.dealer_id').on(`${alias}.api_key_id`, 'k.id').onVal(`${alias}.role`, role)
  return db('api_keys as k')
    .join('users as u', (on) => on.on('u.dealer_id', 'k.dealer_id').on('u.id', 'k.created_by'))
    .join('api_key_secrets as c', secret('c', 'current'))
    .leftJoin('api_key_secrets as n', secret('n', 'next'))
    .leftJoin('api_key_secrets as p', secret('p', 'previous'))
    .where({ 'k.dealer_id': dealerId })
    .select(columns)
    .select({
      used: db.raw(useIn('api_key_last_used')),
      accepted: db.raw(useIn('api_key_last_outcomes', "and outcome = 'accepted'")),
      refused: db.raw(useIn('api_key_last_outcomes', "and outcome = 'refused'")),
      locked_out: db.raw(useIn('api_key_last_outcomes', "and outcome = 'locked_out'")),
      foreign: db.raw(useIn('api_key_last_outcomes', "and outcome = 'foreign'")),
    })
}

/** The dealer's keys, newest first: the living ones, or the deleted ones. */
export async function findApiKeys(
  db: Knex,
  dealerId: string,
  filter: { kind?: ApiKeyKind; deleted: boolean; past?: string; limit: number },
): Promise<ApiKeyRow[]> {
  let query = keys(db, dealerId).orderBy('k.id', 'desc').limit(filter.limit)
  query = filter.deleted ? query.whereNotNull('k.deleted_at') : query.whereNull('k.deleted_at')
  if (filter.kind) query = query.where({ 'k.kind': filter.kind })
  if (filter.past) query = query.where('k.id', '<', filter.past)
  return query
}

/** The key, be it deleted. */
export async function findApiKey(db: Knex, dealerId: string, id: string): Promise<ApiKeyRow | undefined> {
  return keys(db, dealerId).where({ 'k.id': id }).first()
}

export async function isNameTaken(
  trx: Knex.Transaction,
  dealerId: string,
  name: string,
  but: string,
): Promise<boolean> {
  const taken = await trx('api_keys')
    .where({ dealer_id: dealerId })
    .whereNull('deleted_at')
    .whereNot({ id: but })
    .whereRaw('lower(name) = lower(?)', [name])
    .first('id')
  return taken !== undefined
}

export interface NewApiKey extends Granted {
  id: string
  name: string
  kind: ApiKeyKind
  environment: ApiKeyEnvironment
  allowed_networks: string[]
  sources: string[]
  expires_at: Date | null
  created_by: string
}

export async function addApiKey(trx: Knex.Transaction, dealerId: string, key: NewApiKey, now: Date): Promise<void> {
  await trx('api_keys').insert({ ...key, dealer_id: dealerId, created_at: now, updated_at: now })
}

export interface NewSecret {
  lookup: string
  api_key_id: string
  credential_id: string
  hash: Buffer
  secret_version: string
  mask: string
  role: Secret['role']
  grace_seconds: number | null
}

export async function addSecret(trx: Knex.Transaction, dealerId: string, secret: NewSecret, now: Date): Promise<void> {
  await trx('api_key_secrets').insert({ ...secret, dealer_id: dealerId, created_at: now })
}

/** The secrets of a key that work, or did until their time was over. */
export async function findSecrets(trx: Knex.Transaction, dealerId: string, apiKeyId: string): Promise<Secret[]> {
  return trx('api_key_secrets')
    .where({ dealer_id: dealerId, api_key_id: apiKeyId })
    .whereNot({ role: 'ended' })
    .select({
      lookup: 'lookup',
      credentialId: 'credential_id',
      role: 'role',
      endsAt: 'ends_at',
      graceSeconds: 'grace_seconds',
      firstUsedAt: 'first_used_at',
    })
}

export async function saveSecret(
  trx: Knex.Transaction,
  { lookup, role, endsAt, graceSeconds, firstUsedAt }: Secret,
): Promise<void> {
  await trx('api_key_secrets')
    .where({ lookup })
    .update({ role, ends_at: endsAt, grace_seconds: graceSeconds, first_used_at: firstUsedAt })
}

export interface ApiKeyChange extends Partial<Granted> {
  name?: string
  disabled?: boolean
  allowed_networks?: string[]
  sources?: string[]
  expires_at?: Date | null
  deleted_at?: Date | null
  delete_reason?: string | null
}

export async function saveApiKey(
  trx: Knex.Transaction,
  dealerId: string,
  id: string,
  change: ApiKeyChange,
  now: Date,
): Promise<void> {
  await trx('api_keys')
    .where({ dealer_id: dealerId, id })
    .update({ ...change, updated_at: now })
}

// Of keys that the version before has written, or that this version of the contract gives more than was told.
const isBehind = `deleted_at is null and (
  scopes_seen is distinct from scopes
  or (all_of_kind and not to_jsonb(scopes) @> (:usual::jsonb -> kind))
  or exists (
    select unnest(scopes)
    intersect
    select unnest(:scopes::text[])
    except
    select unnest(scopes_in_force)
  )
)`
const ofContract = {
  scopes: [...scopes],
  usual: JSON.stringify(Object.fromEntries(Object.entries(scopesOfKind).map(([kind, { usual }]) => [kind, usual]))),
}

/** One of the dealers with a key whose scopes are behind the contract. */
export async function findDealerBehind(trx: Knex.Transaction): Promise<string | undefined> {
  const row = await trx('api_keys').whereRaw(isBehind, ofContract).first('dealer_id')
  return row?.dealer_id
}

export async function findKeysBehind(
  trx: Knex.Transaction,
  dealerId: string,
  atMost: number,
): Promise<({ id: string; name: string } & GrantedRow)[]> {
  return trx('api_keys')
    .where({ dealer_id: dealerId })
    .whereRaw(isBehind, ofContract)
    .orderBy('id')
    .limit(atMost)
    .select('id', 'name', 'kind', 'scopes', 'scopes_seen', 'all_of_kind', 'scopes_in_force')
}

/** No change that somebody made: `updated_at` stays. */
export async function saveGranted(trx: Knex.Transaction, dealerId: string, id: string, after: Granted): Promise<void> {
  await trx('api_keys')
    .where({ dealer_id: dealerId, id })
    .update({ ...after })
}

/** Which master secrets the living secrets of keys were hashed with. */
export async function findSecretVersionsInUse(db: Knex): Promise<string[]> {
  return db('api_key_secrets as s')
    .join('credentials as c', (on) => on.on('c.dealer_id', 's.dealer_id').on('c.id', 's.credential_id'))
    .whereRaw('c.ends_at > clock_timestamp()')
    .distinct('s.secret_version')
    .pluck('s.secret_version')
}
