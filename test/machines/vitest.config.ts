import { defineConfig } from 'vitest/config'
import { suite } from '../vitest.config.ts'
import { LeftOut } from './left-out.ts'

export default defineConfig({
  test: {
    ...suite,
    include: ['test/machines/**/*.test.ts'],
    exclude: [],
    // What is slowed down, cut off or filled up belongs to one test at a time.
    maxWorkers: 1,
    reporters: ['default', new LeftOut()],
  },
})
