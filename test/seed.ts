import { randomInt } from 'node:crypto'

/**
 * Where a test's choices start. `SEED=...` repeats those of an earlier run; how they meet the work of several processes
 * stays chance.
 */
export const seed = Number(process.env['SEED'] ?? randomInt(2 ** 31))
console.log(`SEED=${seed}`)

/** Numbers from 0 up to 1 that look random, and are the same for the same seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
