import { Problem } from '../problem.ts'
import { openThread } from '../thread.ts'
import type { Guessed } from './guessing-worker.ts'

// 10^8 guesses: years, at as many as are let through.
const guessesLog10Min = 8
const idleMs = 10_000

/** Tells passwords that are easily guessed: common ones, words, repetitions, sequences, dates, the own names. */
export interface Guessing {
  /** @throws {Problem} `password-guessable` */
  requireHardToGuess(password: string, known: readonly string[]): Promise<void>
  stop(): Promise<void>
}

/** In a thread, since one password takes up to a second. Passwords are seldom chosen, and the lists take 30 MB. */
export function openGuessing(): Guessing {
  const thread = openThread<Guessed, number>(new URL('./guessing-worker.ts', import.meta.url), idleMs)
  return {
    requireHardToGuess: async (password, known) => {
      if ((await thread.ask({ password, known: known.flatMap(partsOf) })) < guessesLog10Min)
        throw new Problem('password-guessable')
    },
    stop: () => thread.stop(new Problem('unavailable', 'The service is being stopped.')),
  }
}

/** A name or an address, and its words. */
function partsOf(text: string): string[] {
  const lower = text.toLowerCase()
  const words = lower.split(/[^\p{L}\p{N}]+/u)
  return [lower, words.join(''), ...words].filter((part) => part.length > 2)
}
