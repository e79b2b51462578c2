import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query'
import {
  type ApiKey,
  type ApiKeyKind,
  type AuditAction,
  countLeads,
  getApiKey,
  getApiKeyLimits,
  getApiKeyUsage,
  getDealer,
  getLead,
  getLeadCounts,
  getLeadOriginal,
  getNotifications,
  type Lead,
  listApiKeyAddresses,
  listApiKeyRequests,
  listApiKeys,
  listAuditEntries,
  listEvents,
  listLeads,
  listMails,
  listOwnPasskeys,
  listOwnSessions,
  listSources,
  listUsers,
  searchLeads,
} from './client.ts'
import { answered, Failure } from './answer.ts'
import { nextDay, startOfDay } from './key.ts'
import type { LeadQuery, LeadSearch } from './lead.ts'
import { service as client } from './session.ts'

const rowsOfKeys = 100
const rowsOfHistory = 20
const rowsOfTraffic = 200
const rowsOfProof = 20
const rowsOfAudit = 50
const rowsOfUsers = 200
const rowsOfLeads = 50
const rowsOfEvents = 200
const rowsOfPeople = 50
const rowsOfSources = 200
export const refreshMs = 10_000
const proofMs = 1_500
const hourMs = 3_600_000
const refreshOfCountsMs = 60_000

export const pages = {
  initialPageParam: undefined as string | undefined,
  getNextPageParam: (page: { nextCursor?: string }) => page.nextCursor,
}
export const from = (cursor: string | undefined) => cursor !== undefined && { cursor }

export const keysKey = ['api-keys'] as const

export const keysOf = (kind: ApiKeyKind) =>
  infiniteQueryOptions({
    ...pages,
    queryKey: [...keysKey, 'list', kind],
    queryFn: ({ pageParam }) =>
      answered(listApiKeys({ client, query: { kind, limit: rowsOfKeys, ...from(pageParam) } })),
    refetchInterval: refreshMs,
  })

export const deletedKeys = infiniteQueryOptions({
  ...pages,
  queryKey: [...keysKey, 'deleted'],
  queryFn: ({ pageParam }) =>
    answered(listApiKeys({ client, query: { deleted: true, limit: rowsOfKeys, ...from(pageParam) } })),
  refetchInterval: refreshMs,
})

export const keyOf = (apiKeyId: string) =>
  queryOptions({
    queryKey: [...keysKey, apiKeyId],
    queryFn: () => answered(getApiKey({ client, path: { apiKeyId } })),
    refetchInterval: refreshMs / 2,
  })

export const usageOf = (apiKeyId: string, hours: number) =>
  queryOptions({
    queryKey: [...keysKey, apiKeyId, 'usage'],
    queryFn: () => answered(getApiKeyUsage({ client, path: { apiKeyId }, query: { hours } })),
    refetchInterval: refreshMs,
  })

export const addressesOf = (apiKeyId: string) =>
  queryOptions({
    queryKey: [...keysKey, apiKeyId, 'addresses'],
    queryFn: () => answered(listApiKeyAddresses({ client, path: { apiKeyId } })),
  })

export const limitsOf = (apiKeyId: string) =>
  queryOptions({
    queryKey: [...keysKey, apiKeyId, 'limits'],
    queryFn: () => answered(getApiKeyLimits({ client, path: { apiKeyId } })),
    refetchInterval: refreshMs,
  })

export const requestsOf = (apiKeyId: string) =>
  infiniteQueryOptions({
    ...pages,
    queryKey: [...keysKey, apiKeyId, 'requests'],
    queryFn: ({ pageParam }) =>
      answered(listApiKeyRequests({ client, path: { apiKeyId }, query: { limit: rowsOfHistory, ...from(pageParam) } })),
    refetchInterval: refreshMs,
  })

/**
 * The latest requests with each of the two secrets of a key that is being replaced: those of the last hour, where
 * `isAll` says that there were no more, and the last one with each among all `seen`.
 */
export const trafficOf = (apiKeyId: string, oldMask: string, newMask: string) =>
  queryOptions({
    queryKey: [...keysKey, apiKeyId, 'traffic', oldMask, newMask],
    queryFn: async () => {
      const { items } = await answered(
        listApiKeyRequests({ client, path: { apiKeyId }, query: { limit: rowsOfTraffic } }),
      )
      const latest = items.filter(({ at }) => Date.now() - Date.parse(at) < hourMs)
      const count = (mask: string) => latest.filter((request) => request.mask === mask).length
      const last = (mask: string) => items.find((request) => request.mask === mask)
      return {
        old: count(oldMask),
        new: count(newMask),
        isAll: latest.length < rowsOfTraffic,
        seen: items.length,
        lastOld: last(oldMask),
        lastNew: last(newMask),
      }
    },
    refetchInterval: refreshMs / 2,
  })

export const historyOf = (subjectId: string) =>
  infiniteQueryOptions({
    ...pages,
    queryKey: [...keysKey, subjectId, 'history'],
    queryFn: ({ pageParam }) =>
      answered(listAuditEntries({ client, query: { subjectId, limit: rowsOfHistory, ...from(pageParam) } })),
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
      const filter = {
        ...(action && { action }),
        ...(by && { actorId: by }),
        ...(first && { since: startOfDay(first).toISOString() }),
        ...(to && { until: nextDay(to).toISOString() }),
      }
      return answered(listAuditEntries({ client, query: { ...filter, limit: rowsOfAudit, ...from(pageParam) } }))
    },
    refetchInterval: refreshMs,
  })

export const dealerSettings = queryOptions({ queryKey: ['dealer'], queryFn: () => answered(getDealer({ client })) })

export const usersKey = ['users'] as const

export const users = queryOptions({
  queryKey: [...usersKey, 'names'],
  queryFn: () => answered(listUsers({ client, query: { limit: rowsOfUsers } })),
})

export const people = infiniteQueryOptions({
  ...pages,
  queryKey: [...usersKey, 'list'],
  queryFn: ({ pageParam }) => answered(listUsers({ client, query: { limit: rowsOfPeople, ...from(pageParam) } })),
  refetchInterval: refreshMs,
})

export const ownSessions = queryOptions({
  queryKey: ['own-sessions'],
  queryFn: () => answered(listOwnSessions({ client })),
  refetchInterval: refreshMs,
})

export const ownPasskeys = queryOptions({
  queryKey: ['own-passkeys'],
  queryFn: () => answered(listOwnPasskeys({ client })),
})

export const notifications = queryOptions({
  queryKey: ['notifications'],
  queryFn: () => answered(getNotifications({ client })),
})

export const mails = infiniteQueryOptions({
  ...pages,
  queryKey: ['mails'],
  queryFn: ({ pageParam }) => answered(listMails({ client, query: { limit: rowsOfHistory, ...from(pageParam) } })),
  refetchInterval: refreshMs,
})

export const leadsKey = ['leads'] as const
export const listsKey = [...leadsKey, 'list'] as const

const filterOf = ({ type, source }: LeadSearch) => ({
  ...(type && { type: [type] }),
  ...(source && { sourceKeyId: source }),
})
const testOf = ({ test }: LeadSearch) => test && { test }
/** What a list of leads shows, and nothing else: how it is shown is no part of its key. */
const shownBy = ({ status, type, source, order, test, text }: LeadQuery): LeadQuery => ({
  status,
  type,
  source,
  order,
  test,
  text,
})

export const leadsOf = (search: LeadQuery) =>
  infiniteQueryOptions({
    ...pages,
    queryKey: [...listsKey, shownBy(search)] as const,
    queryFn: ({ pageParam }) => {
      const { status, order, text } = search
      const filter = { ...filterOf(search), ...(status && { status: [status] }), ...(order && { order }) }
      const page = { ...testOf(search), limit: rowsOfLeads, ...from(pageParam) }
      return answered(
        text === undefined
          ? listLeads({ client, query: { ...filter, ...page } })
          : searchLeads({ client, query: page, body: { text, ...filter } }),
      )
    },
    // What changes is told by the feed of events.
    staleTime: Number.POSITIVE_INFINITY,
  })

export const leadCountsOf = (search: LeadQuery) =>
  queryOptions({
    queryKey: [...leadsKey, 'counts', shownBy({ ...search, status: undefined, order: undefined })],
    queryFn: () => {
      const { text } = search
      return answered(
        text === undefined
          ? getLeadCounts({ client, query: { ...filterOf(search), ...testOf(search) } })
          : countLeads({ client, query: { ...testOf(search) }, body: { text, ...filterOf(search) } }),
      )
    },
    refetchInterval: refreshOfCountsMs,
  })

export const leadOf = (leadId: string) =>
  queryOptions({
    queryKey: [...leadsKey, 'one', leadId] as const,
    queryFn: (): Promise<Lead> => answered(getLead({ client, path: { leadId } })),
  })

export const eventsOf = ({ id, test }: Pick<Lead, 'id' | 'test'>) =>
  queryOptions({
    queryKey: [...leadsKey, 'events', id],
    queryFn: () => answered(listEvents({ client, query: { leadId: id, test, limit: rowsOfEvents } })),
  })

/** What a lead was read from, or null when all of it is in the lead. */
export const originalOf = (leadId: string, enabled: boolean) =>
  queryOptions({
    queryKey: [...leadsKey, 'original', leadId],
    enabled,
    queryFn: () =>
      answered(getLeadOriginal({ client, path: { leadId } })).catch((error: unknown) => {
        if (error instanceof Failure && error.status === 404) return null
        throw error
      }),
  })

/** The requests with a key that were about a lead. */
export const requestsAbout = (apiKeyId: string, leadId: string, enabled: boolean) =>
  queryOptions({
    queryKey: [...keysKey, apiKeyId, 'about', leadId],
    enabled,
    queryFn: () =>
      answered(listApiKeyRequests({ client, path: { apiKeyId }, query: { leadId, limit: rowsOfHistory } })),
  })

/** Where leads come from; the newest 200 keys. */
export const sources = queryOptions({
  queryKey: ['sources'],
  queryFn: () => answered(listSources({ client, query: { limit: rowsOfSources } })),
  refetchInterval: refreshOfCountsMs,
})

/**
 * The first lead that came by a key, with the secret that `mask` shows if one is said; asked for until there is one. A
 * test is none, but by a key for tests; none of `own` is, which this page has sent.
 */
export const firstLeadOf = (
  { id, environment }: Pick<ApiKey, 'id' | 'environment'>,
  mask: string | undefined,
  own: readonly string[],
  enabled: boolean,
) =>
  queryOptions({
    queryKey: ['first-lead', id, mask, own],
    enabled,
    queryFn: async () => {
      const test = environment === 'test'
      const [leads, requests] = await Promise.all([
        answered(listLeads({ client, query: { sourceKeyId: id, test, limit: rowsOfProof } })),
        mask === undefined
          ? undefined
          : answered(
              listApiKeyRequests({ client, path: { apiKeyId: id }, query: { statusClass: 2, limit: rowsOfTraffic } }),
            ),
      ])
      const cameWith = ({ id: leadId }: Lead) =>
        !requests || requests.items.some((request) => request.mask === mask && request.leadId === leadId)
      return leads.items.find((lead) => !own.includes(lead.id) && cameWith(lead)) ?? null
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
