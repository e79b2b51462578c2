import { Worker } from 'node:worker_threads'
import { Problem } from '../problem.ts'
import type { Answered, Asked } from './guessing-worker.ts'

// 10^8 guesses: years, at as many as are let through.
const guessesLog10Min = 8
const idleMs = 10_000

/** Tells passwords that are easily guessed: common ones, words, repetitions, sequences, dates, the own names. */
export interface Guessing {
  /** @throws {Problem} `password-guessable` */
  requireHardToGuess(password: string, known: readonly string[]): Promise<void>
  stop(): Promise<void>
}

/**
 * Works in a thread of its own, since one password takes it up to a second. The thread is there while passwords are
 * chosen, which is seldom: its lists take 30 MB, and nothing is loaded before.
 */
export function openGuessing(): Guessing {
  let worker: Worker | undefined
  let asked = 0
  let idle: NodeJS.Timeout | undefined
  const waiting = new Map<number, PromiseWithResolvers<number>>()

  const end = async () => {
    clearTimeout(idle)
    const ended = worker
    worker = undefined
    await ended?.terminate()
  }
  const started = (): Worker => {
    const fresh = new Worker(new URL('./guessing-worker.ts', import.meta.url))
    fresh.unref()
    fresh.on('message', ({ id, guessesLog10 }: Answered) => {
      waiting.get(id)?.resolve(guessesLog10)
      waiting.delete(id)
      if (waiting.size > 0) return
      fresh.unref()
      idle = setTimeout(() => void end(), idleMs).unref()
    })
    const fail = (error: unknown) => {
      if (worker === fresh) worker = undefined
      for (const { reject } of waiting.values()) reject(error)
      waiting.clear()
    }
    fresh.on('error', fail)
    fresh.on('exit', (code) => worker === fresh && fail(new Error(`the guessing of passwords ended with ${code}`)))
    return fresh
  }

  return {
    requireHardToGuess: async (password, known) => {
      clearTimeout(idle)
      worker ??= started()
      // A command waits for its answer; a service that is stopped does not.
      worker.ref()
      const answer = Promise.withResolvers<number>()
      waiting.set(++asked, answer)
      worker.postMessage({ id: asked, password, known: known.flatMap(partsOf) } satisfies Asked)
      if ((await answer.promise) < guessesLog10Min) throw new Problem('password-guessable')
    },
    stop: async () => {
      for (const { reject } of waiting.values()) reject(new Problem('unavailable', 'The service is being stopped.'))
      waiting.clear()
      await end()
    },
  }
}

/** A name or an address, and its words. */
function partsOf(text: string): string[] {
  const lower = text.toLowerCase()
  const words = lower.split(/[^\p{L}\p{N}]+/u)
  return [lower, words.join(''), ...words].filter((part) => part.length > 2)
}
