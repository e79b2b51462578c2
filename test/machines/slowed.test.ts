import { expect, it } from 'vitest'
import { needs } from './needs.ts'
import { slowedSuite } from './slowed.ts'

const hours = 3_600_000

it(
  'passes as a whole on a machine six times slower',
  { ...needs('LONG=1', 'root', 'cpu cgroup'), timeout: 3 * hours },
  async () => {
    const { LONG: _, ...env } = process.env
    expect(await slowedSuite([], env)).toBe(0)
  },
)
