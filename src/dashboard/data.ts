import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query'
import { type ApiKeyKind, type AuditAction, getApiKey, getApiKeyUsage, getDealer, listApiKeyRequests, listApiKeys, listAuditEntries, listLeads, listUsers } from '../client/client.ts'
import { answered } from './answer.ts'
import { nextDay, startOfDay } from './key.ts'
import { service as client } from './session.ts'

const rowsOfKeys = 100
const rowsOfHistory = 20
const rowsOfTraffic = 200
const rowsOfAudit = 50
const rowsOfUsers = 200
const refreshMs = 10_000
const proofMs = 1_500
const hourMs = 3_600_000

const pages = { initialPageParam: undefined as string | undefined, getNextPageParam: (page: { nextCursor?: string }) => page.nextCursor }
const from = (cursor: string | undefined) => cursor !== undefined && { cursor }

export const keysKey = ['api-keys'] as const

export const keysOf = (kind: ApiKeyKind) =>
  infiniteQueryOptions({
    ...pages,
    queryKey: [...keysKey, 'list', kind],
    queryFn: ({ pageParam }) => answered(listApiKeys({ client, query: { kind, limit: rowsOfKeys, ...from(pageParam) } })),
    refetchInterval: refreshMs,
  })

export const deletedKeys = infiniteQueryOptions({
  ...pages,
  queryKey: [...keysKey, 'deleted'],
  queryFn: ({ pageParam }) => answered(listApiKeys({ client, query: { deleted: true, limit: rowsOfKeys, ...from(pageParam) } })),
  refetchInterval: refreshMs,
})

export const keyOf = (apiKeyId: string) =>
  queryOptions({ queryKey: [...keysKey, apiKeyId], queryFn: () => answered(getApiKey({ client, path: { apiKeyId } })), refetchInterval: refreshMs / 2 })

export const usageOf = (apiKeyId: string, hours: number) =>
  queryOptions({ queryKey: [...keysKey, apiKeyId, 'usage'], queryFn: () => answered(getApiKeyUsage({ client, path: { apiKeyId }, query: { hours } })), refetchInterval: refreshMs })

export const requestsOf = (apiKeyId: string) =>
  infiniteQueryOptions({
    ...pages,
    queryKey: [...keysKey, apiKeyId, 'requests'],
    queryFn: ({ pageParam }) => answered(listApiKeyRequests({ client, path: { apiKeyId }, query: { limit: rowsOfHistory, ...from(pageParam) } })),
    refetchInterval: refreshMs,
  })

/** The latest requests with each of the two secrets of a key that is being replaced; `isAll`: there were no more in the last hour. */
export const trafficOf = (apiKeyId: string, oldMask: string, newMask: string) =>
  queryOptions({
    queryKey: [...keysKey, apiKeyId, 'traffic', oldMask, newMask],
    queryFn: async () => {
      const { items } = await answered(listApiKeyRequests({ client, path: { apiKeyId }, query: { limit: rowsOfTraffic } }))
      const latest = items.filter(({ at }) => Date.now() - Date.parse(at) < hourMs)
      const count = (mask: string) => latest.filter((request) => request.mask === mask).length
      return { old: count(oldMask), new: count(newMask), isAll: latest.length < rowsOfTraffic }
    },
    refetchInterval: refreshMs / 2,
  })

export const historyOf = (subjectId: string) =>
  infiniteQueryOptions({
    ...pages,
    queryKey: [...keysKey, subjectId, 'history'],
    queryFn: ({ pageParam }) => answered(listAuditEntries({ client, query: { subjectId, limit: rowsOfHistory, ...from(pageParam) } })),
  })

/** What of the audit log is to be seen: `by` a user's id, `from` and `to` days, both included. */
export interface AuditSearch {
  action?: AuditAction | undefined
  by?: string | undefined
  from?: string | undefined
  to?: string | undefined
}

export const auditOf = ({ action, by, from: first, to }: AuditSearch) =>
  infiniteQueryOptions({
    ...pages,
    queryKey: ['audit', action, by, first, to],
    queryFn: ({ pageParam }) => {
      const filter = { ...(action && { action }), ...(by && { actorId: by }), ...(first && { since: startOfDay(first).toISOString() }), ...(to && { until: nextDay(to).toISOString() }) }
      return answered(listAuditEntries({ client, query: { ...filter, limit: rowsOfAudit, ...from(pageParam) } }))
    },
    refetchInterval: refreshMs,
  })

export const dealerSettings = queryOptions({ queryKey: ['dealer'], queryFn: () => answered(getDealer({ client })) })

export const users = queryOptions({ queryKey: ['users'], queryFn: () => answered(listUsers({ client, query: { limit: rowsOfUsers } })) })

/** The first lead that came by a key, test leads too; asked for until there is one. */
export const firstLeadOf = (sourceKeyId: string, enabled: boolean) =>
  queryOptions({
    queryKey: ['first-lead', sourceKeyId],
    enabled,
    queryFn: async () => {
      const [real, tests] = await Promise.all([false, true].map((test) => answered(listLeads({ client, query: { sourceKeyId, test, limit: 1 } }))))
      return real?.items[0] ?? tests?.items[0] ?? null
    },
    refetchInterval: ({ state }) => (state.data ? false : proofMs),
  })

/** The key until it was used, or used with the secret that `mask` shows. */
export const firstUseOf = (apiKeyId: string, mask: string, enabled: boolean) =>
  queryOptions({
    queryKey: ['first-use', apiKeyId, mask],
    enabled,
    queryFn: async () => {
      const { lastUsed } = await answered(getApiKey({ client, path: { apiKeyId } }))
      return lastUsed?.mask === mask ? lastUsed : null
    },
    refetchInterval: ({ state }) => (state.data ? false : proofMs),
  })
