import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { openPace } from '../src/linking/pace.ts'

const workMs = 20
const spin = (ms: number) => {
  for (const until = performance.now() + ms; performance.now() < until;);
}

it('leaves a busy process nineteen parts of twenty, and takes what nobody else wants', async () => {
  const pace = openPace()
  const rested = async () => {
    await pace.work(async () => spin(workMs))
    return pace.restMs()
  }
  for (let round = 0; round < 4; round++) spin(workMs)
  await rested()
  spin(workMs)
  expect(await rested()).toBeGreaterThan(workMs * 15)
  await sleep(workMs * 100)
  expect(await rested()).toBe(0)
})

it('rests after what failed, too', async () => {
  const pace = openPace()
  spin(workMs)
  const failed = pace.work(async () => {
    spin(workMs)
    throw new Error('failed')
  })
  await expect(failed).rejects.toThrow('failed')
  expect(pace.restMs()).toBeGreaterThan(workMs * 15)
})
