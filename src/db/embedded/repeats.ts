import { LRUCache } from 'lru-cache'
import type { Log } from './site.ts'

const repeatMs = 60_000
const linesMax = 100

/** Says the same thing once a minute: while the disk is full, the server refuses every call, or ends at each start. */
export function withoutRepeats(log: Log): Log {
  const recent = new LRUCache<string, true>({ max: linesMax, ttl: repeatMs })
  return (level, message, fields) => {
    const line = JSON.stringify([level, message, fields])
    if (recent.has(line)) return
    recent.set(line, true)
    log(level, message, fields)
  }
}
