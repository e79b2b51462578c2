import { availableParallelism } from 'node:os'
import { networkOf } from '../address.ts'
import { openFairQueue } from '../fair-queue.ts'
import type { Http } from '../operation.ts'
import { Problem } from '../problem.ts'
import { openThread, Unanswerable } from '../thread.ts'
import type { Hashed } from './hashing-worker.ts'

/** Who may look at passwords, or choose one, at this moment. */
export interface Passwords {
  /** Counts and checks in the turn of an address, and of the e-mail that is tried from there. */
  inTurn<T>(http: Http, email: string, work: () => Promise<T>): Promise<T>
  hash(password: string): Promise<string>
  /** Takes as long where there is no hash, or one that cannot be read, which is told to `unreadable`. */
  isRight(passwordHash: string | null | undefined, password: string): Promise<boolean>
  stop(): Promise<void>
}

// Argon2 takes a core for as long as it lasts, and 19 MiB. One core is left to everybody else.
const atOnceMax = Math.max(1, availableParallelism() - 1)
const waiting = { ofMemberMax: 10, ofGroupMax: 100, inAllMax: 1_000, msMax: 15_000 }
const idleMs = 60_000

/** However many wrong passwords come from one network, a right one from elsewhere comes next. */
export function openPasswords(unreadable: (error: Unanswerable) => void): Passwords {
  const queue = openFairQueue(
    { atOnceMax, atOnceOfGroupMax: atOnceMax, waiting },
    'Too many people sign in at this moment. Try again in a moment.',
  )
  const threads = Array.from({ length: atOnceMax }, () =>
    openThread<Hashed, string | boolean>(new URL('./hashing-worker.ts', import.meta.url), idleMs),
  )
  let next = 0
  const ask = async <Answer extends string | boolean>(asked: Hashed): Promise<Answer> => {
    next = (next + 1) % threads.length
    return (await threads[next]!.ask(asked)) as Answer
  }
  return {
    inTurn: (http, email, work) =>
      queue.run({ group: networkOf(http.address()), member: email.toLowerCase() }, work, http),
    hash: (password) => ask<string>({ password }),
    isRight: (passwordHash, password) =>
      ask<boolean>({ password, passwordHash: passwordHash ?? null }).catch((error: unknown) => {
        if (!(error instanceof Unanswerable)) throw error
        unreadable(error)
        return ask<boolean>({ password, passwordHash: null })
      }),
    stop: async () => {
      const reason = new Problem('unavailable', 'The service is being stopped.')
      await Promise.all(threads.map((thread) => thread.stop(reason)))
    },
  }
}
