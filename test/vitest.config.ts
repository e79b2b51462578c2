import { defineConfig, type ViteUserConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'
import { amount } from './long.ts'
import { patienceMs } from './patience.ts'

// A net for what hangs: on a quiet machine no test takes a tenth of it.
const testMsMax = amount(1_200_000, 3 * 3_600_000)

// The longest first, then walks through the browser, what kills and waits, and the larger files: a long one that began
// last would keep one worker while the others have nothing left.
const longOnes = [
  '/browser/screens-settings.',
  '/faults/ending.',
  '/browser/dashboard.',
  '/faults/replacement.',
  '/first-run.',
  '/browser/screens.',
  '/contract/matrix.',
  '/browser/',
  '/faults/',
  '/signing-in.',
  '/contract/',
]

class LongOnesFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rankOf = ({ moduleId }: TestSpecification) => {
      const at = longOnes.findIndex((part) => moduleId.includes(part))
      return at === -1 ? longOnes.length : at
    }
    return (await super.sort(files)).sort((a, b) => rankOf(a) - rankOf(b))
  }
}

export const suite: ViteUserConfig['test'] = {
  include: ['test/**/*.test.ts'],
  exclude: ['test/machines/**', 'test/languages/**'],
  globalSetup: ['test/global-setup.ts'],
  testTimeout: testMsMax,
  hookTimeout: testMsMax,
  expect: { poll: { timeout: patienceMs, interval: 20 } },
  maxWorkers: 3,
  sequence: { sequencer: LongOnesFirst },
}

export default defineConfig({ test: suite })
