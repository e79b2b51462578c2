import { setImmediate as nextTurn } from 'node:timers/promises'

/** A turn of the event loop is to be over in five times this. */
const sliceMs = 10

/** Gives way to everybody who waits, when that has not been done for 10 ms. */
export function givingWay(): () => Promise<void> | undefined {
  let began = performance.now()
  return () => {
    if (performance.now() - began < sliceMs) return undefined
    return nextTurn().then(() => {
      began = performance.now()
    })
  }
}

/** What comes of each item, in slices of time, so that others get their turn. */
export async function settledInSlices<Item, Result>(
  items: readonly Item[],
  work: (item: Item, at: number) => Result,
): Promise<PromiseSettledResult<Result>[]> {
  const giveWay = givingWay()
  const settled: PromiseSettledResult<Result>[] = []
  for (const [at, item] of items.entries()) {
    try {
      settled.push({ status: 'fulfilled', value: work(item, at) })
    } catch (reason) {
      settled.push({ status: 'rejected', reason })
    }
    await giveWay()
  }
  return settled
}
