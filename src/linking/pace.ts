import { performance } from 'node:perf_hooks'

/**
 * How much of a process work in the background takes: nearly all that nobody else wants, and one part of twenty where
 * others keep it busy. How busy that is, is seen while the work rests, which it does after each piece.
 */
export interface Pace {
  /** Milliseconds until it is its turn again. */
  restMs(): number
  work<T>(work: () => Promise<T>): Promise<T>
}

export type Loop = Pick<typeof performance, 'now' | 'eventLoopUtilization'>

// Shares of the time in which the event loop has something to do.
const quietUpTo = 0.1
const busyFrom = 0.5
// So many times as long as it has worked; not as often as that where it has only waited long for the database.
const restsLeast = 0.1
const restsMost = 19
const restMsMax = 5_000
/** After so much rest what was seen before counts for half. */
const halfLifeMs = 500

export function openPace(loop: Loop = performance): Pace {
  let restsFrom = loop.eventLoopUtilization()
  let restsUntil = 0
  let activeMs = 0
  let seenMs = 0

  const timesToRest = (): number => {
    const { active, idle } = loop.eventLoopUtilization(restsFrom)
    const kept = 0.5 ** ((active + idle) / halfLifeMs)
    activeMs = activeMs * kept + active
    seenMs = seenMs * kept + active + idle
    const busy = seenMs === 0 ? 0 : activeMs / seenMs
    return Math.max(restsLeast, restsMost * Math.min(1, (busy - quietUpTo) / (busyFrom - quietUpTo)))
  }

  return {
    restMs: () => Math.max(0, restsUntil - loop.now()),
    work: async (work) => {
      const times = timesToRest()
      const begun = loop.now()
      try {
        return await work()
      } finally {
        const over = loop.now()
        restsUntil = over + Math.min(restMsMax, (over - begun) * times)
        restsFrom = loop.eventLoopUtilization()
      }
    },
  }
}
