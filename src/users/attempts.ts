import { RateLimiterMemory, type RateLimiterRes } from 'rate-limiter-flexible'
import { networkOf } from '../address.ts'
import type { Http } from '../operation.ts'
import { Problem } from '../problem.ts'
import { hashPassword, isPassword } from './user.ts'

const windowSeconds = 15 * 60
// Counted by address and e-mail, and by address alone: nobody's failures elsewhere lock a right password out.
const failuresByEmailMax = 10
const failuresByAddressMax = 100
const failedLinksByAddressMax = 100
const mailsByEmailMax = 3
const mailsByAddressMax = 30
// Argon2 at one time, be it to check a password or to set one: each takes 19 MiB.
const hashesMax = 32

/** Bounds how often somebody may fail, and how much work with passwords this process does at one time. */
export interface Attempts {
  /**
   * Counts a failure before the password is looked at, so that attempts sent side by side cannot slip through. Call the
   * answer when it was right.
   */
  count(http: Http, email: string): Promise<() => Promise<void>>
  /** The same for a link to choose a password. */
  countLink(http: Http): Promise<() => Promise<void>>
  /** Counts a mail that somebody asks for without being signed in. */
  countMail(http: Http, email: string): Promise<void>
  isPassword(passwordHash: string | null | undefined, password: string): Promise<boolean>
  hashPassword(password: string): Promise<string>
}

export function openAttempts(): Attempts {
  const byEmail = new RateLimiterMemory({ points: failuresByEmailMax, duration: windowSeconds })
  const byAddress = new RateLimiterMemory({ points: failuresByAddressMax, duration: windowSeconds })
  const linksByAddress = new RateLimiterMemory({ points: failedLinksByAddressMax, duration: windowSeconds })
  const mailsByEmail = new RateLimiterMemory({ points: mailsByEmailMax, duration: windowSeconds })
  const mailsByAddress = new RateLimiterMemory({ points: mailsByAddressMax, duration: windowSeconds })
  let hashes = 0

  const bounded = async <T>(work: () => Promise<T>): Promise<T> => {
    if (hashes >= hashesMax)
      throw new Problem('unavailable', 'Too many people sign in at this moment. Try again in a moment.', {
        headers: { 'Retry-After': '2' },
      })
    hashes++
    try {
      return await work()
    } finally {
      hashes--
    }
  }

  return {
    count: async (http, email) => {
      const network = networkOf(http.address())
      const person = `${network} ${email.toLowerCase()}`
      await Promise.all([byEmail.consume(person), byAddress.consume(network)]).catch(refuseTooMany)
      return async () => void (await Promise.all([byEmail.delete(person), byAddress.reward(network)]))
    },
    countLink: async (http) => {
      const network = networkOf(http.address())
      await linksByAddress.consume(network).catch(refuseTooMany)
      return async () => void (await linksByAddress.reward(network))
    },
    countMail: async (http, email) => {
      await Promise.all([
        mailsByEmail.consume(email.toLowerCase()),
        mailsByAddress.consume(networkOf(http.address())),
      ]).catch(refuseTooMany)
    },
    isPassword: (passwordHash, password) => bounded(() => isPassword(passwordHash, password)),
    hashPassword: (password) => bounded(() => hashPassword(password)),
  }
}

function refuseTooMany(limit: RateLimiterRes | Error): never {
  if (limit instanceof Error) throw limit
  throw new Problem('too-many-attempts', 'Too many failed attempts from this address. Wait, then try again.', {
    headers: { 'Retry-After': String(Math.ceil(limit.msBeforeNext / 1000) || 1) },
  })
}
