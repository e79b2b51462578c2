import { defineConfig } from 'vitest/config'
import { LeftOut } from '../machines/left-out.ts'
import { suite } from '../vitest.config.ts'

// Fetching and compiling a hundred crates on a slow machine.
const buildMsMax = 3_600_000

export default defineConfig({
  test: {
    ...suite,
    include: ['test/languages/**/*.test.ts'],
    exclude: [],
    hookTimeout: buildMsMax,
    // Compilers take all of a machine.
    maxWorkers: 1,
    reporters: ['default', new LeftOut()],
  },
})
