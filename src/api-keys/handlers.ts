import type { ApiKey } from '../../generated/server/types.gen.ts'
import type { Handlers } from '../../generated/server/express.gen.ts'
import { difference, recordChange } from '../audit/audit.ts'
import { cursorOf, inner, newId, outer } from '../ids.ts'
import { Problem } from '../problem.ts'
import type { Secrets } from '../secrets.ts'
import { addCredential, disableCredentials, endCredentials } from '../tokens/store.ts'
import { grantedScopes, maskOf, newKeyText } from './api-key.ts'
import * as store from './store.ts'

export const listApiKeys: Handlers['listApiKeys'] = async ({ query, principal }, { db }) => {
  const { limit = 50, cursor, kind } = query
  const found = await store.findApiKeys(db, principal.dealerId, { limit: limit + 1, ...(kind && { kind }), ...(cursor && { before: inner(cursor) }) })
  const page = found.slice(0, limit)
  const last = page.at(-1)
  return { status: 200, body: { items: page.map(apiKeyBody), ...(found.length > limit && last && { nextCursor: cursorOf(last.id) }) } }
}

/** The secret is in this one answer and nowhere else: what is kept is its HMAC. */
export const createApiKey =
  (secrets: Secrets): Handlers['createApiKey'] =>
  ({ body, principal, http }, { write }) =>
    write(principal, async (trx, now) => {
      const { dealerId } = principal
      const { name, kind, environment = 'live' } = body
      const scopes = grantedScopes(kind, body.scopes)
      const id = newId()
      if (await store.isNameTaken(trx, dealerId, name, id)) throw new Problem('api-key-name-taken')

      const key = newKeyText(kind, environment)
      const credentialId = newId()
      await store.addApiKey(trx, dealerId, { id, name, kind, environment, scopes: [...scopes], mask: maskOf(key), created_by: principal.subject.id, created_at: now })
      await addCredential(trx, dealerId, { id: credentialId, subject: { type: 'api_key', id }, scopes, environment }, now)
      const version = secrets.currentVersion
      const hash = secrets.hash('api-key', version, key.proof)
      await store.addSecret(trx, dealerId, { lookup: key.lookup, api_key_id: id, credential_id: credentialId, hash, secret_version: version }, now)

      const after = { name, kind, environment, scopes }
      await recordChange(trx, principal, http, { action: 'api_key.created', subject: { type: 'api_key', id, name }, after }, now)

      const apiKey = apiKeyBody(await living(trx, dealerId, id))
      return {
        status: 201,
        headers: { Location: `/v1/api-keys/${apiKey.id}`, 'Cache-Control': 'no-store' },
        body: { apiKey, secret: key.text },
      }
    })

export const getApiKey: Handlers['getApiKey'] = async ({ path, principal }, { db }) => {
  return { status: 200, body: apiKeyBody(await living(db, principal.dealerId, inner(path.apiKeyId))) }
}

export const updateApiKey: Handlers['updateApiKey'] = ({ path, body, principal, http }, { write }) =>
  write(principal, async (trx, now) => {
    const { dealerId } = principal
    const id = inner(path.apiKeyId)
    const before = await living(trx, dealerId, id)
    if (body.name !== undefined && (await store.isNameTaken(trx, dealerId, body.name, id))) throw new Problem('api-key-name-taken')

    await store.saveApiKey(trx, dealerId, id, body, now)
    if (body.disabled !== undefined && body.disabled !== before.disabled) await disableCredentials(trx, dealerId, id, body.disabled)
    const after = await living(trx, dealerId, id)
    const changed = difference({ name: before.name, disabled: before.disabled }, { name: after.name, disabled: after.disabled })
    if (Object.keys(changed.after).length > 0) await recordChange(trx, principal, http, { action: 'api_key.updated', subject: { type: 'api_key', id, name: after.name }, ...changed }, now)
    return { status: 200, body: apiKeyBody(after) }
  })

export const deleteApiKey: Handlers['deleteApiKey'] = ({ path, principal, http }, { write }) =>
  write(principal, async (trx, now) => {
    const { dealerId } = principal
    const id = inner(path.apiKeyId)
    const { name } = await living(trx, dealerId, id)

    await store.saveApiKey(trx, dealerId, id, { deleted_at: now }, now)
    await endCredentials(trx, dealerId, id)
    await recordChange(trx, principal, http, { action: 'api_key.deleted', subject: { type: 'api_key', id, name } }, now)
    return { status: 204 }
  })

async function living(db: Parameters<typeof store.findApiKey>[0], dealerId: string, id: string): Promise<store.ApiKeyRow> {
  const found = await store.findApiKey(db, dealerId, id)
  if (!found) throw new Problem('not-found')
  return found
}

function apiKeyBody(row: store.ApiKeyRow): ApiKey {
  return {
    id: outer('key', row.id),
    name: row.name,
    kind: row.kind,
    environment: row.environment,
    scopes: row.scopes,
    disabled: row.disabled,
    mask: row.mask,
    createdBy: { type: 'user', id: outer('user', row.created_by), name: row.created_by_name },
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  }
}
