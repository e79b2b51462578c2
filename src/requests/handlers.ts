import type { Knex } from 'knex'
import type { Handlers } from '../../generated/server/express.gen.ts'
import * as limits from '../../generated/server/limits.gen.ts'
import type { ApiKeyRequest } from '../../generated/server/types.gen.ts'
import { findApiKey } from '../api-keys/store.ts'
import { inner, outer } from '../ids.ts'
import { pageOf } from '../page.ts'
import { Problem } from '../problem.ts'
import * as store from './store.ts'

const addressesMax = limits.ApiKeyAddresses.items.maxItems
const usageRowsMax = limits.ApiKeyUsage.items.maxItems

export const listApiKeyRequests: Handlers['listApiKeyRequests'] = async ({ path, query, principal }, { db }) => {
  const { operation, statusClass, leadId } = query
  const { id } = await knownKey(db, principal.dealerId, inner(path.apiKeyId))
  const filter = {
    ...(operation && { operation }),
    ...(statusClass !== undefined && { statusClass }),
    ...(leadId && { leadId: inner(leadId) }),
  }
  const body = await pageOf(
    query,
    (asked) => store.findRequests(db, principal.dealerId, id, { ...filter, ...asked }),
    (rows) => rows.map(requestBody),
  )
  return { status: 200, body }
}

export const getApiKeyUsage: Handlers['getApiKeyUsage'] = async ({ path, query, principal }, { db }) => {
  const { id } = await knownKey(db, principal.dealerId, inner(path.apiKeyId))
  const since = new Date(Date.now() - (query.hours ?? 24) * 3_600_000)
  const rows = await store.findUsage(db, principal.dealerId, id, since, usageRowsMax)
  return {
    status: 200,
    body: {
      items: rows.map((row) => ({
        hour: row.hour.toISOString(),
        operation: row.operation,
        statusClass: row.status_class,
        requests: Number(row.requests),
      })),
    },
  }
}

export const listApiKeyAddresses: Handlers['listApiKeyAddresses'] = async ({ path, principal }, { db }) => {
  const { id } = await knownKey(db, principal.dealerId, inner(path.apiKeyId))
  const rows = await store.findAddresses(db, principal.dealerId, id, addressesMax)
  const items = rows.map(({ address, last_at }) => ({ address, lastAt: last_at.toISOString() }))
  return { status: 200, body: { items } }
}

/** Deleted ones, too: what still uses them is of interest. @throws {Problem} `not-found` */
async function knownKey(db: Knex, dealerId: string, id: string): Promise<{ id: string }> {
  const key = await findApiKey(db, dealerId, id)
  if (!key) throw new Problem('not-found')
  return key
}

function requestBody(row: Awaited<ReturnType<typeof store.findRequests>>[number]): ApiKeyRequest {
  return {
    requestId: row.request_id,
    at: row.at.toISOString(),
    operation: row.operation,
    ...(row.status !== 0 && { status: row.status }),
    aborted: row.status === 0,
    durationMs: Math.round(row.duration_ms * 100) / 100,
    address: row.address,
    ...(row.user_agent !== null && { userAgent: row.user_agent }),
    mask: row.mask ?? '',
    ...(row.lead_id !== null && { leadId: outer('lead', row.lead_id) }),
    ...(row.problem !== null && { problem: row.problem }),
    ...(row.violation && { violation: row.violation }),
  }
}
