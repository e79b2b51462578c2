import type { InfiniteData, QueryClient } from '@tanstack/react-query'
import type { Lead, LeadPage } from './client.ts'
import { leadOf, leadsKey, listsKey } from './queries.ts'
import { isAmong, type LeadQuery } from './lead.ts'

type Pages = InfiniteData<LeadPage>

/**
 * Puts a lead, as it is now, into all lists on the screen that it belongs to, and out of the others; an older word on
 * it changes nothing.
 */
export function showLead(queries: QueryClient, lead: Lead): void {
  for (const [key, pages] of queries.getQueriesData<Pages>({ queryKey: listsKey })) {
    // The cast: the part of the key that says which leads are listed.
    if (pages) queries.setQueryData(key, withLead(pages, lead, key[listsKey.length] as LeadQuery))
  }
  queries.setQueryData(leadOf(lead.id).queryKey, (known: Lead | undefined) =>
    known && isNewer(lead, known) ? lead : known,
  )
}

/** The newest word on a lead: what was on a screen may be old by now, and so may a list that is kept. */
export function newestOf(queries: QueryClient, lead: Lead): Lead {
  const listed = queries
    .getQueriesData<Pages>({ queryKey: listsKey })
    .flatMap(([, data]) => data?.pages.flatMap(({ items }) => items.filter(({ id }) => id === lead.id)) ?? [])
  return listed.reduce((newest, one) => (isNewer(one, newest) ? one : newest), lead)
}

/**
 * When the service was put back to an earlier state: what is kept is perhaps of a future that is gone, and would count
 * as the newest word.
 */
export function forgetKept(queries: QueryClient): void {
  queries.removeQueries({ queryKey: leadsKey, type: 'inactive' })
}

/** By the last event about them: a link changes whose a lead is, and not its version. */
const isNewer = (one: Lead, other: Lead): boolean => seqOf(one) > seqOf(other)
const seqOf = ({ rev }: Lead): bigint => BigInt(rev.split('.', 1)[0] ?? 0)

function withLead(data: Pages, lead: Lead, search: LeadQuery): Pages {
  const known = data.pages.flatMap(({ items }) => items).find(({ id }) => id === lead.id)
  if (known && isNewer(known, lead)) return data
  const without = known
    ? data.pages.map((page) => ({ ...page, items: page.items.filter(({ id }) => id !== lead.id) }))
    : data.pages
  // Who is looked for, only the service can compare.
  const fits = isAmong(lead, search) && (search.text === undefined || known !== undefined)
  return fits
    ? { ...data, pages: inserted(without, lead, search.order === 'oldest') }
    : known
      ? { ...data, pages: without }
      : data
}

/** Where its age puts it: ids rise with time. What lies behind the last page is left to that page. */
function inserted(pages: LeadPage[], lead: Lead, isOldestFirst: boolean): LeadPage[] {
  const comesBefore = ({ id }: Lead) => (isOldestFirst ? lead.id < id : lead.id > id)
  const at = pages.findIndex(({ items }) => items.some(comesBefore))
  const last = pages.length - 1
  if (at === -1 && pages[last]?.nextCursor !== undefined) return pages
  return pages.map((page, index) => {
    if (index !== (at === -1 ? last : at)) return page
    const place = page.items.findIndex(comesBefore)
    return { ...page, items: page.items.toSpliced(place === -1 ? page.items.length : place, 0, lead) }
  })
}
