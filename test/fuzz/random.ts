/** What a generator chooses with: see `randomFrom` in `test/seed.ts`. */
export type Random = () => number

export const below = (random: Random, end: number): number => Math.floor(random() * end)
export const between = (random: Random, from: number, to: number): number => from + below(random, to - from + 1)
export const isLucky = (random: Random, share: number): boolean => random() < share

export function pick<Item>(random: Random, items: readonly [Item, ...Item[]] | readonly Item[]): Item {
  const item = items[below(random, items.length)]
  if (item === undefined) throw new Error('Nothing to pick from')
  return item
}

export function shuffled<Item>(random: Random, items: readonly Item[]): Item[] {
  return items
    .map((item) => ({ item, place: random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item)
}

export const times = <Item>(count: number, make: (at: number) => Item): Item[] =>
  Array.from({ length: count }, (_, at) => make(at))
