import { expect, it } from 'vitest'
import { type Loop, openPace } from '../src/linking/pace.ts'

/** An event loop whose time goes on when it is told to, with something to do for a share of it. */
function newLoop() {
  let [active, idle] = [0, 0]
  const loop: Loop = {
    now: () => active + idle,
    eventLoopUtilization: (since) => {
      const [wasActive, wasIdle] = [since?.active ?? 0, since?.idle ?? 0]
      const [a, i] = [active - wasActive, idle - wasIdle]
      return { active: a, idle: i, utilization: a + i === 0 ? 0 : a / (a + i) }
    },
  }
  const pass = (ms: number, busy: number) => {
    active += ms * busy
    idle += ms * (1 - busy)
  }
  return { loop, pass }
}

/** The share of the time that work gets which takes `workMs` a piece, while others have something to do for `busy`. */
async function shareOf(busy: number, workMs: number): Promise<number> {
  const { loop, pass } = newLoop()
  const pace = openPace(loop)
  const pieces = 100
  const passed = async () => {
    const from = loop.now()
    for (let piece = 0; piece < pieces; piece++) {
      pass(pace.restMs(), busy)
      // What the event loop does between two pieces is never idle.
      pass(0.02, 1)
      await pace.work(async () => pass(workMs, 1))
    }
    return loop.now() - from
  }
  await passed()
  return (pieces * workMs) / (await passed())
}

it.each([5, 60])('leaves a busy process nineteen parts of twenty, in pieces of %d ms', async (workMs) => {
  expect(await shareOf(0.5, workMs)).toBeCloseTo(0.05, 2)
  expect(await shareOf(0.9, workMs)).toBeCloseTo(0.05, 2)
})

it.each([5, 60])('takes nearly all of a quiet one, in pieces of %d ms', async (workMs) => {
  expect(await shareOf(0.02, workMs)).toBeGreaterThan(0.85)
})

it('sees soon that others come, and that they are gone', async () => {
  const { loop, pass } = newLoop()
  const pace = openPace(loop)
  const rested = async (busy: number) => {
    let rest = 0
    for (const until = loop.now() + 2_000; loop.now() < until;) {
      await pace.work(async () => pass(20, 1))
      rest = pace.restMs()
      pass(rest, busy)
    }
    return rest
  }
  expect(await rested(0)).toBeLessThan(5)
  expect(await rested(0.8)).toBeGreaterThan(20 * 15)
  expect(await rested(0)).toBeLessThan(5)
})

it('rests after what failed, too, and no longer than seconds after what took long', async () => {
  const { loop, pass } = newLoop()
  const pace = openPace(loop)
  pass(1_000, 0.9)
  const failed = pace.work(async () => {
    pass(100, 1)
    throw new Error('failed')
  })
  await expect(failed).rejects.toThrow('failed')
  expect(pace.restMs()).toBeGreaterThan(100 * 15)
  await pace.work(async () => pass(20_000, 0))
  expect(pace.restMs()).toBeLessThanOrEqual(5_000)
})
