import { setTimeout as pause } from 'node:timers/promises'

/** A net for what hangs, many times what anything takes on a machine six times slower; never what a test looks at. */
export const patienceMs = 300_000
const intervalMs = 10

/** What the condition says, once that is true. */
export async function until<Value>(
  condition: () => Value | Promise<Value>,
): Promise<Exclude<Value, false | undefined | null | 0 | ''>> {
  const late = new Error(`Still not so: ${condition.toString()}`)
  for (const deadline = Date.now() + patienceMs; Date.now() < deadline; await pause(intervalMs)) {
    const value = await condition()
    // The compiler does not narrow a type that it does not know.
    if (value) return value as Exclude<Value, false | undefined | null | 0 | ''>
  }
  throw late
}
