import * as fs from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

const patienceSecondsMax = 15

/**
 * An initdb whose owner was killed takes a moment to end. What it adds meanwhile makes rmSync fail, and what it removes
 * itself lets rmSync return without an error before all is gone.
 */
export async function remove(path: string): Promise<void> {
  for (const deadline = Date.now() + patienceSecondsMax * 1000; fs.existsSync(path); await sleep(50)) {
    try {
      fs.rmSync(path, { recursive: true, force: true })
    } catch (error) {
      if (Date.now() > deadline) throw error
    }
    if (Date.now() > deadline) throw new Error(`${path} cannot be removed: something still writes to it`)
  }
}
