import { infiniteQueryOptions, type QueryClient, queryOptions } from '@tanstack/react-query'
import { answered, Failure } from './answer.ts'
import {
  type Customer,
  type CustomerWritten,
  getCustomer,
  getCustomerSources,
  listCustomerLeads,
  listCustomers,
  listSuggestions,
  mergeCustomers,
  searchCustomers,
} from './client.ts'
import { searchFor } from './customer.ts'
import { from, pages, refreshMs } from './queries.ts'
import { service as client } from './session.ts'

const rowsOfCustomers = 50
const rowsOfLeads = 20
const rowsOfSuggestions = 20

export const customersKey = ['customers'] as const

/** A customer as it was read, and what it is changed with. */
export interface Known {
  customer: Customer
  etag: string
}

export const customerOf = (customerId: string) =>
  queryOptions({
    queryKey: [...customersKey, 'one', customerId] as const,
    queryFn: () => known(getCustomer({ client, path: { customerId } })),
  })

/** @throws {Failure} */
async function known(reply: ReturnType<typeof getCustomer>): Promise<Known> {
  const customer = await answered(reply)
  return { customer, etag: (await reply).response?.headers.get('etag') ?? '' }
}

export const sourcesOf = (customerId: string) =>
  queryOptions({
    queryKey: [...customersKey, 'sources', customerId],
    queryFn: () => answered(getCustomerSources({ client, path: { customerId } })),
  })

export const leadsOfCustomer = (customerId: string) =>
  infiniteQueryOptions({
    ...pages,
    queryKey: [...customersKey, 'leads', customerId],
    queryFn: ({ pageParam }) =>
      answered(listCustomerLeads({ client, path: { customerId }, query: { limit: rowsOfLeads, ...from(pageParam) } })),
  })

/** Real customers, or those of tests. */
export const newestCustomers = (test: boolean) =>
  infiniteQueryOptions({
    ...pages,
    queryKey: [...customersKey, 'list', test],
    queryFn: ({ pageParam }) =>
      answered(listCustomers({ client, query: { test, limit: rowsOfCustomers, ...from(pageParam) } })),
  })

/** `typed` is what somebody typed into the one field that there is. */
export const foundBy = (typed: string, test: boolean) => {
  const body = searchFor(typed)
  return queryOptions({
    queryKey: [...customersKey, 'found', body, test],
    enabled: body !== undefined,
    queryFn: () =>
      body
        ? answered(searchCustomers({ client, query: { test }, body }))
        : Promise.reject(new Failure(undefined, undefined)),
  })
}

/** All of them, or those about one customer. That there is a new one no event says. */
export const suggestionsOf = (customerId: string | undefined, test: boolean) =>
  infiniteQueryOptions({
    ...pages,
    queryKey: [...customersKey, 'suggestions', customerId, test],
    queryFn: ({ pageParam }) =>
      answered(
        listSuggestions({
          client,
          query: { ...(customerId && { customerId }), test, limit: rowsOfSuggestions, ...from(pageParam) },
        }),
      ),
    refetchInterval: refreshMs,
  })

/**
 * What would be shown if one were merged into the other. Outside of what is read anew with each event: only their own
 * changes change it.
 */
export const mergeOf = (one: Customer, into: Customer) =>
  queryOptions({
    queryKey: ['merge', one.id, one.version, into.id, into.version],
    queryFn: () =>
      answered(
        mergeCustomers({ client, path: { customerId: one.id }, query: { dryRun: true }, body: { into: into.id } }),
      ),
  })

/** What came of a change, which is on the screen at once. @throws {Failure} */
export async function shown(
  queries: QueryClient,
  reply: Promise<{ data?: CustomerWritten; error?: unknown; response?: Response }>,
): Promise<CustomerWritten> {
  const written = await answered(reply)
  const etag = (await reply).response?.headers.get('etag') ?? ''
  const { queryKey } = customerOf(written.id)
  // What was asked for before the change is older.
  await queries.cancelQueries({ queryKey })
  if (written.customer) queries.setQueryData(queryKey, { customer: written.customer, etag })
  void queries.invalidateQueries({ queryKey: customersKey })
  return written
}
