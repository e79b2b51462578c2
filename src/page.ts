import * as limits from '../generated/server/limits.gen.ts'
import { cursorOf, inner } from './ids.ts'

/** How many bytes of what is large a page may have; it has one item at least. */
export const pageBytesMax = 1024 * 1024

/**
 * A page of a list by keyset: its cursor is the id of the last item. `find` is asked for the rows behind `past`, one
 * more than fit, which tells whether there is a next page. Where rows can be large, the first for which there is no
 * room says that it does not fit, and those behind it are left out.
 */
export async function pageOf<Row extends { id: string; fits?: boolean }, Item>(
  { limit = limits.parameters.Limit.default, cursor }: { limit?: number; cursor?: string },
  find: (asked: { past?: string; limit: number }) => Promise<readonly Row[]>,
  itemsOf: (rows: readonly Row[]) => Item[] | Promise<Item[]>,
): Promise<{ items: Item[]; nextCursor?: string }> {
  const found = await find({ limit: limit + 1, ...(cursor && { past: inner(cursor) }) })
  const rows = found.slice(0, limit).filter(({ fits = true }) => fits)
  const items = await itemsOf(rows)
  const last = rows.at(-1)
  return found.length > rows.length && last ? { items, nextCursor: cursorOf(last.id) } : { items }
}
