import { randomFillSync } from 'node:crypto'
import { v7 } from 'uuid'

/** Inside, ids are UUIDs; outside they carry the word for what they name: `lead_` and 32 hexadecimal digits. */
export type IdPrefix =
  'dealer' | 'user' | 'key' | 'lead' | 'evt' | 'audit' | 'mail' | 'session' | 'passkey' | 'cust' | 'sugg'

// Asking the system for 16 random bytes at a time costs more than the rest of a lead's row.
const pool = Buffer.alloc(16 * 1024)
let used = pool.length
let msecs = 0
let seq = 0

/** A UUID of version 7 (RFC 9562, section 5.7). Those that one process makes rise, also within a millisecond. */
export function newId(): string {
  if (used === pool.length) {
    randomFillSync(pool)
    used = 0
  }
  const random = pool.subarray(used, (used += 16))
  const now = Date.now()
  if (now > msecs) {
    msecs = now
    seq = random.readUInt32BE(6) >>> 1
  } else if (++seq > 0xffffffff) {
    msecs++
    seq = 0
  }
  return v7({ random, msecs, seq })
}

/**
 * How far the time in a lead's id may be from the one at which it was received: it is made before, and by another
 * clock.
 */
export const idTimeSlackMs = 600_000

/** The least id that can have been made at a time; before 1970 none was. */
export const firstIdAt = (at: Date): string =>
  v7({ msecs: Math.max(0, at.getTime()), seq: 0, random: new Uint8Array(16) })

/** When an id was made. */
export const timeOf = (id: string): Date => new Date(Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16))

export const outer = (prefix: IdPrefix, id: string): string => `${prefix}_${id.replaceAll('-', '')}`

/** The UUID of an outer id. The contract has checked its pattern; PostgreSQL takes a UUID without hyphens. */
export const inner = (id: string): string => {
  const hex = id.slice(id.indexOf('_') + 1)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** A keyset cursor is the id of the last item, so that it can only be well or ill formed, never stale. */
export const cursorOf = (id: string): string => id.replaceAll('-', '')
