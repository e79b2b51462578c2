import { availableParallelism } from 'node:os'
import { networkOf } from '../address.ts'
import { openFairQueue } from '../fair-queue.ts'
import type { Http } from '../operation.ts'

/** Who may look at passwords, or choose one, at this moment. */
export interface Passwords {
  /** Counts and checks in the turn of an address, and of the e-mail that is tried from there. */
  inTurn<T>(http: Http, email: string, work: () => Promise<T>): Promise<T>
}

// Argon2 takes a core for as long as it lasts, and 19 MiB. One core is left to everybody else.
const atOnceMax = Math.max(1, availableParallelism() - 1)
const waiting = { ofMemberMax: 10, ofGroupMax: 100, inAllMax: 1_000, msMax: 15_000 }

/** However many wrong passwords come from one network, a right one from elsewhere comes next. */
export function openPasswords(): Passwords {
  const queue = openFairQueue(
    { atOnceMax, atOnceOfGroupMax: atOnceMax, waiting },
    'Too many people sign in at this moment. Try again in a moment.',
  )
  return {
    inTurn: (http, email, work) =>
      queue.run({ group: networkOf(http.address()), member: email.toLowerCase() }, work, http),
  }
}
