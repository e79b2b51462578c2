import type { Knex } from 'knex'
import type pg from 'pg'
import type { ApiKeyEnvironment, ApiKeyKind } from '../../generated/server/types.gen.ts'

export interface ApiKeyRow {
  id: string
  name: string
  kind: ApiKeyKind
  environment: ApiKeyEnvironment
  scopes: string[]
  mask: string
  disabled: boolean
  created_by: string
  created_by_name: string
  created_at: Date
  updated_at: Date
}

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
  generation: string
}

export async function findSecret(hot: pg.Pool, lookup: string): Promise<SecretRow | undefined> {
  const text = `select s.dealer_id, s.api_key_id, s.credential_id, s.hash, s.secret_version, c.epoch, c.scopes, c.disabled,
      c.ends_at <= clock_timestamp() as ended, g.generation::text as generation
    from api_key_secrets s join credentials c on c.dealer_id = s.dealer_id and c.id = s.credential_id, signing_key_generation g
    where s.lookup = $1`
  return (await hot.query<SecretRow>({ name: 'find-secret', text, values: [lookup] })).rows[0]
}

const columns = { id: 'k.id', name: 'k.name', kind: 'k.kind', environment: 'k.environment', scopes: 'k.scopes', mask: 'k.mask', disabled: 'k.disabled', created_by: 'k.created_by', created_by_name: 'u.name', created_at: 'k.created_at', updated_at: 'k.updated_at' }

function living(db: Knex, dealerId: string) {
  return db('api_keys as k')
    .join('users as u', (on) => on.on('u.dealer_id', 'k.dealer_id').on('u.id', 'k.created_by'))
    .where({ 'k.dealer_id': dealerId })
    .whereNull('k.deleted_at')
}

/** The dealer's keys, newest first. Deleted ones are kept for history and never shown. */
export async function findApiKeys(db: Knex, dealerId: string, filter: { kind?: ApiKeyKind; before?: string; limit: number }): Promise<ApiKeyRow[]> {
  let query = living(db, dealerId).select(columns).orderBy('k.id', 'desc').limit(filter.limit)
  if (filter.kind) query = query.where({ 'k.kind': filter.kind })
  if (filter.before) query = query.where('k.id', '<', filter.before)
  return query
}

export async function findApiKey(db: Knex, dealerId: string, id: string): Promise<ApiKeyRow | undefined> {
  return living(db, dealerId).where({ 'k.id': id }).first(columns)
}

export async function isNameTaken(trx: Knex.Transaction, dealerId: string, name: string, but: string): Promise<boolean> {
  const taken = await trx('api_keys').where({ dealer_id: dealerId }).whereNull('deleted_at').whereNot({ id: but }).whereRaw('lower(name) = lower(?)', [name]).first('id')
  return taken !== undefined
}

export async function addApiKey(trx: Knex.Transaction, dealerId: string, key: Omit<ApiKeyRow, 'created_by_name' | 'disabled' | 'updated_at'>): Promise<void> {
  await trx('api_keys').insert({ ...key, dealer_id: dealerId, updated_at: key.created_at })
}

export interface NewSecret {
  lookup: string
  api_key_id: string
  credential_id: string
  hash: Buffer
  secret_version: string
}

export async function addSecret(trx: Knex.Transaction, dealerId: string, secret: NewSecret, now: Date): Promise<void> {
  await trx('api_key_secrets').insert({ ...secret, dealer_id: dealerId, created_at: now })
}

export async function saveApiKey(trx: Knex.Transaction, dealerId: string, id: string, change: { name?: string; disabled?: boolean; deleted_at?: Date }, now: Date): Promise<void> {
  await trx('api_keys').where({ dealer_id: dealerId, id }).update({ ...change, updated_at: now })
}
