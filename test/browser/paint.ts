import type { Page } from 'playwright-core'

/** From now on the page remembers how long each interaction took to the next paint. */
export async function observe(page: Page): Promise<void> {
  await page.evaluate(() => {
    const longest = new Map<number, number>()
    Object.assign(globalThis, { longest })
    const interactions = { type: 'event', durationThreshold: 16 }
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as PerformanceEventTiming[])
        if (entry.interactionId)
          longest.set(entry.interactionId, Math.max(entry.duration, longest.get(entry.interactionId) ?? 0))
    }).observe(interactions)
  })
}

/** The durations of the interactions since the last call; those under 16 ms are not told by the browser. */
export function durations(page: Page): Promise<number[]> {
  return page.evaluate(async () => {
    await new Promise((painted) => requestAnimationFrame(() => requestAnimationFrame(painted)))
    const { longest } = globalThis as unknown as { longest: Map<number, number> }
    const all = [...longest.values()]
    longest.clear()
    return all
  })
}
