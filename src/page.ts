import * as limits from '../generated/server/limits.gen.ts'
import { cursorOf, inner } from './ids.ts'

/** How many bytes of JSON a page may have; it has one item at least. */
export const pageBytesMax = 1024 * 1024

/**
 * A page of a list by keyset: its cursor is the id of the last item. `find` is asked for the rows behind `past`, one
 * more than fit, which tells whether there is a next page. Items for which there is no room are left to that one. Where
 * rows can be so large that they are not even to be read, the store says of the first for which there is no room that
 * it does not fit, and leaves out those behind it.
 */
export async function pageOf<Row extends { id: string; fits?: boolean }, Item>(
  { limit = limits.parameters.Limit.default, cursor }: { limit?: number; cursor?: string },
  find: (asked: { past?: string; limit: number }) => Promise<readonly Row[]>,
  itemsOf: (rows: readonly Row[]) => Item[] | Promise<Item[]>,
): Promise<{ items: Item[]; nextCursor?: string }> {
  const found = await find({ limit: limit + 1, ...(cursor && { past: inner(cursor) }) })
  const rows = found.slice(0, limit).filter(({ fits = true }) => fits)
  const all = await itemsOf(rows)
  const items = found[0]?.fits === undefined ? fitting(all) : all
  const last = rows[items.length - 1]
  return found.length > items.length && last ? { items, nextCursor: cursorOf(last.id) } : { items }
}

/** As many of the items as a page has room for; one in any case. */
export function fitting<Item>(items: Item[]): Item[] {
  let bytes = 0
  const beyond = items.findIndex(
    (item, at) => (bytes += Buffer.byteLength(JSON.stringify(item))) > pageBytesMax && at > 0,
  )
  return beyond === -1 ? items : items.slice(0, beyond)
}
