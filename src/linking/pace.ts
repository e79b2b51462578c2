import { performance } from 'node:perf_hooks'

/**
 * How much of a process work in the background takes: all that nobody else wants, and one part of twenty where others
 * keep it busy. How busy that is, is seen while the work rests.
 */
export interface Pace {
  /** Milliseconds until it is its turn again. */
  restMs(): number
  work<T>(work: () => Promise<T>): Promise<T>
}

// Shares of the time in which the event loop has something to do.
const quietUpTo = 0.1
const busyFrom = 0.5
/** So many times as long as it has worked. */
const restsMost = 19
/** What was seen before counts for so much of what is seen now. */
const remembered = 0.5

export function openPace(): Pace {
  let restsFrom = performance.eventLoopUtilization()
  let restsUntil = 0
  let activeMs = 0
  let allMs = 0

  const timesToRest = (): number => {
    const { active, idle } = performance.eventLoopUtilization(restsFrom)
    activeMs = activeMs * remembered + active
    allMs = allMs * remembered + active + idle
    const busy = allMs === 0 ? 0 : activeMs / allMs
    return restsMost * Math.min(1, Math.max(0, (busy - quietUpTo) / (busyFrom - quietUpTo)))
  }

  return {
    restMs: () => Math.max(0, restsUntil - performance.now()),
    work: async (work) => {
      const times = timesToRest()
      const begun = performance.now()
      try {
        return await work()
      } finally {
        const over = performance.now()
        restsUntil = over + (over - begun) * times
        restsFrom = performance.eventLoopUtilization()
      }
    },
  }
}
