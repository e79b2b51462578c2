import { hash, randomBytes } from 'node:crypto'

// Failures, not requests: a client library that probes one way of authentication after the other doubles its requests
// on a bad day.
const perMinuteMax = 300
const minuteMs = 60_000
// A flood from a million networks takes no more room; nobody who does not know the seed knows whose place is whose.
const places = 2 ** 16

/** Counts how often each network has failed to buy a token in the last minute. */
export interface Failures {
  /** Counts one more; the answer is in how many seconds another one is looked at, where there were too many. */
  count(network: string, nowMs: number): number | undefined
}

export function openFailures(): Failures {
  const seed = randomBytes(16).toString('hex')
  const counts = new Uint16Array(places)
  const endsMs = new Float64Array(places)
  return {
    count: (network, nowMs) => {
      const at = Number.parseInt(hash('sha256', seed + network).slice(0, 8), 16) % places
      const isOver = (endsMs[at] ?? 0) <= nowMs
      const end = isOver ? nowMs + minuteMs : (endsMs[at] ?? 0)
      const count = isOver ? 1 : Math.min((counts[at] ?? 0) + 1, perMinuteMax + 1)
      counts[at] = count
      endsMs[at] = end
      return count > perMinuteMax ? Math.max(1, Math.ceil((end - nowMs) / 1000)) : undefined
    },
  }
}
