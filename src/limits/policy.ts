import { serializeList } from 'structured-headers'
import { type Limit, type LimitName, thingsCounted } from '../limit.ts'
import { Problem } from '../problem.ts'

/** What is known of a limit at this moment. */
export interface Known {
  name: LimitName
  limit: Limit
  /** What may still be used. */
  left: number
  /** Until the day is over. */
  secondsOfDay: number
}

const secondsOfDay = 86_400
const retrySecondsMax = 86_400

/** `RateLimit-Policy` of one limit: so much in so many seconds (draft-ietf-httpapi-ratelimit-headers-10, section 3). */
export function policyOf(name: string, { most, perSecond }: Limit): string {
  const window = perSecond === undefined ? secondsOfDay : Math.max(1, Math.round(most / perSecond))
  const parameters = new Map<string, string | number>([
    ['q', most],
    ['w', window],
  ])
  if (name === 'bytes') parameters.set('qu', 'content-bytes')
  return serializeList([[name, parameters]])
}

/** `RateLimit` of one limit. Names are plain: what serializeList would look through for each answer is written here. */
export function stateOf({ name, limit: { most, perSecond }, left, secondsOfDay }: Known): string {
  const remaining = Math.max(0, Math.floor(left))
  const seconds = perSecond === undefined ? secondsOfDay : (most - left) / perSecond
  return `"${name}";r=${remaining};t=${Math.max(0, Math.ceil(seconds))}`
}

/** Seconds until `amount` may be used; what is more than there can ever be at once waits until all is there. */
export function waitSeconds({ limit: { most, perSecond }, left, secondsOfDay }: Known, amount: number): number {
  if (perSecond === undefined) return Math.max(1, secondsOfDay)
  return Math.max(0, (Math.min(amount, most) - left) / perSecond)
}

/** Whole or not at all: nothing of a request that asks for more than is left is done. */
export function limitReached(known: Known, amount: number): Problem {
  const { name, limit } = known
  const seconds = Math.min(retrySecondsMax, Math.max(1, Math.ceil(waitSeconds(known, amount))))
  const thing = thingsCounted[name]
  const rule =
    limit.perSecond === undefined
      ? `${limit.most} ${thing} a day`
      : `${limit.perSecond} ${thing} a second, and ${limit.most} at once`
  const tooMany = amount > limit.most ? ` This request alone has ${amount}: send fewer at a time.` : ''
  return new Problem(
    'limit-reached',
    `The limit is ${rule}, and it is reached. Nothing was done.${tooMany} Try again in ${seconds} s.`,
    {
      headers: { 'Retry-After': String(seconds), 'RateLimit-Policy': policyOf(name, limit), RateLimit: stateOf(known) },
    },
  )
}
