import { defineConfig, type ViteUserConfig } from 'vitest/config'
import { amount } from './long.ts'
import { patienceMs } from './patience.ts'

// A net for what hangs: on a quiet machine no test takes a tenth of it.
const testMsMax = amount(600_000, 3 * 3_600_000)

export const suite: ViteUserConfig['test'] = {
  include: ['test/**/*.test.ts'],
  exclude: ['test/machines/**'],
  globalSetup: ['test/global-setup.ts'],
  testTimeout: testMsMax,
  hookTimeout: testMsMax,
  expect: { poll: { timeout: patienceMs, interval: 20 } },
  maxWorkers: 2,
}

export default defineConfig({ test: suite })
