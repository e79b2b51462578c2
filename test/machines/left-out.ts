import type { Reporter, TestModule } from 'vitest/node'

/** Closes a run with the name of each test that was left out, and with what was missing for it. */
export class LeftOut implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests('skipped')])
    if (tests.length === 0) return console.log('Nothing was left out.')
    console.log(`Left out: ${tests.length}`)
    for (const test of tests)
      console.log(
        `  ${test.module.relativeModuleId}: ${test.fullName} (${test.meta().missing === undefined ? 'not asked for' : `needs ${test.meta().missing}`})`,
      )
  }
}
