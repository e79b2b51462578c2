import { setTimeout as pause } from 'node:timers/promises'

/** A net for what hangs, many times what anything takes on a machine six times slower; never what a test looks at. */
export const patienceMs = 300_000
// Often at first, since most comes soon; what takes long is itself slowed down by whoever asks often.
const intervalMsMin = 5
const intervalMsMax = 50

/** What the condition says, once that is true. */
export async function until<Value>(
  condition: () => Value | Promise<Value>,
): Promise<Exclude<Value, false | undefined | null | 0 | ''>> {
  const late = new Error(`Still not so: ${condition.toString()}`)
  const deadline = Date.now() + patienceMs
  for (let ms = intervalMsMin; Date.now() < deadline; ms = Math.min(ms * 1.5, intervalMsMax)) {
    const value = await condition()
    // The compiler does not narrow a type that it does not know.
    if (value) return value as Exclude<Value, false | undefined | null | 0 | ''>
    await pause(ms)
  }
  throw late
}
