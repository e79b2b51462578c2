import { defineConfig } from 'vitest/config'
import { suite } from '../../vitest.config.ts'

export default defineConfig({ test: { ...suite, include: ['test/machines/endless/endless.ts'], exclude: [] } })
