import { defineConfig } from 'vitest/config'
import { LeftOut } from '../machines/left-out.ts'
import { suite } from '../vitest.config.ts'

export default defineConfig({
  test: {
    ...suite,
    include: ['test/languages/**/*.test.ts'],
    exclude: [],
    // Compilers take all of a machine.
    maxWorkers: 1,
    reporters: ['default', new LeftOut()],
  },
})
