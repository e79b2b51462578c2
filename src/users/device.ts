import { randomBytes, timingSafeEqual } from 'node:crypto'
import { type Cookies, cookieIn } from '../cookies.ts'
import type { Http } from '../operation.ts'
import type { Secrets } from '../secrets.ts'
import type { UserRow } from './user.ts'

// The cookie of a device says who has signed in with it, so that others who fail cannot lock them out of it (OWASP,
// Slow Down Online Guessing Attacks with Device Cookies). Nobody can sign in with it.

const keptDays = 180
// Colleagues share the computer at the counter.
const peopleMax = 5
const dayMs = 86_400_000
const pattern = /^([A-Za-z0-9_-]{22})((?:\.[0-9a-z]{3,6}~[A-Za-z0-9_-]{43}){1,5})$/

type Person = Pick<UserRow, 'id' | 'dealer_id'>

export interface Devices {
  /** The id of the device, when the person has signed in with it. */
  known(http: Http, person: Person | undefined): string | undefined
  /** The Set-Cookie header by which the device is known for the person from now on. */
  cookieFor(http: Http, person: Person): string
}

export function devices(secrets: Secrets, cookies: Cookies): Devices {
  const proof = (version: string, id: string, day: string, person: Person): Buffer =>
    secrets.hash('device', version, `${id} ${day} ${person.dealer_id} ${person.id}`)
  const isFor = (person: Person, id: string, entry: string): boolean => {
    const [day = '', mac = ''] = entry.split('~')
    const said = Buffer.from(mac, 'base64url')
    return (
      today() - parseInt(day, 36) <= keptDays &&
      secrets.versions.some((version) => timingSafeEqual(proof(version, id, day, person), said))
    )
  }
  const read = (http: Http): { id: string; entries: string[] } | undefined => {
    const [, id, entries] = pattern.exec(cookieIn(http.header('cookie'), cookies.device) ?? '') ?? []
    return id && entries ? { id, entries: entries.slice(1).split('.') } : undefined
  }
  return {
    known: (http, person) => {
      const device = read(http)
      // The same work for an e-mail that nobody has.
      const asked = person ?? { id: '', dealer_id: '' }
      return device?.entries.filter((entry) => isFor(asked, device.id, entry)).length ? device.id : undefined
    },
    cookieFor: (http, person) => {
      const { id, entries } = read(http) ?? { id: randomBytes(16).toString('base64url'), entries: [] }
      const day = today().toString(36)
      const mac = proof(secrets.currentVersion, id, day, person).toString('base64url')
      const others = entries.filter((entry) => !isFor(person, id, entry))
      const value = [id, `${day}~${mac}`, ...others.slice(0, peopleMax - 1)].join('.')
      return cookies.set(cookies.device, value, keptDays * 86_400)
    },
  }
}

const today = (): number => Math.floor(Date.now() / dayMs)
