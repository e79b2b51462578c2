import { randomBytes, timingSafeEqual } from 'node:crypto'
import type { Secrets } from '../secrets.ts'

// A challenge says itself until when it may be answered, and that it is ours: nothing is kept of those that nobody
// answers. That one has been answered is kept, for longer than any process takes it for good.

/** How long there is to answer, in seconds. */
export const challengeSeconds = 5 * 60
/** How long it is remembered that a challenge was answered, in seconds. */
export const answeredKeptSeconds = 3_600
// Processes have clocks of their own.
const clockSlackMs = 60_000
const timeBytes = 6
const nonceBytes = 16
const macBytes = 32

/** What a challenge may be answered for, and by whom: an answer to another is none. */
export type Deed = 'sign-in' | `second-factor ${string} ${string}` | `new ${string} ${string}`

export function newChallenge(secrets: Secrets, deed: Deed, now: number): string {
  const said = Buffer.alloc(timeBytes + nonceBytes)
  said.writeUIntBE(now + challengeSeconds * 1000, 0, timeBytes)
  randomBytes(nonceBytes).copy(said, timeBytes)
  return Buffer.concat([said, mac(secrets, secrets.currentVersion, deed, said)]).toString('base64url')
}

/** The bytes of a challenge that may be answered; undefined when it is none of ours, of another deed, or over. */
export function challengeIn(secrets: Secrets, deed: Deed, text: string, now: number): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url')
  if (bytes.length !== timeBytes + nonceBytes + macBytes || bytes.toString('base64url') !== text) return undefined
  const said = bytes.subarray(0, -macBytes)
  const isOurs = secrets.versions.some((version) =>
    timingSafeEqual(mac(secrets, version, deed, said), bytes.subarray(-macBytes)),
  )
  return isOurs && said.readUIntBE(0, timeBytes) + clockSlackMs > now ? said : undefined
}

const mac = (secrets: Secrets, version: string, deed: Deed, said: Buffer): Buffer =>
  secrets.hash('passkey', version, `${deed} ${said.toString('base64url')}`)
