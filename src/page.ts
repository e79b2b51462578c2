import * as limits from '../generated/server/limits.gen.ts'
import { cursorOf, inner } from './ids.ts'

/**
 * A page of a list by keyset: its cursor is the id of the last item. `find` is asked for the rows behind `past`, one
 * more than fit, which tells whether there is a next page.
 */
export async function pageOf<Row extends { id: string }, Item>(
  { limit = limits.parameters.Limit.default, cursor }: { limit?: number; cursor?: string },
  find: (asked: { past?: string; limit: number }) => Promise<readonly Row[]>,
  itemsOf: (rows: readonly Row[]) => Item[] | Promise<Item[]>,
): Promise<{ items: Item[]; nextCursor?: string }> {
  const found = await find({ limit: limit + 1, ...(cursor && { past: inner(cursor) }) })
  const rows = found.slice(0, limit)
  const items = await itemsOf(rows)
  const last = rows.at(-1)
  return found.length > limit && last ? { items, nextCursor: cursorOf(last.id) } : { items }
}
