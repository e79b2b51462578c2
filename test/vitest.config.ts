import { defineConfig, type ViteUserConfig } from 'vitest/config'

export const suite: ViteUserConfig['test'] = {
  include: ['test/**/*.test.ts'],
  exclude: ['test/machines/**'],
  globalSetup: ['test/global-setup.ts'],
  testTimeout: 60_000,
  hookTimeout: 60_000,
  maxWorkers: 2,
}

export default defineConfig({ test: suite })
