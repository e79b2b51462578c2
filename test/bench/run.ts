import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

/**
 * `npm run bench` measures what it can in four minutes; `npm run bench -- growth open-loop` measures the parts that are
 * named, and `npm run bench -- leads --against 8492326 [--rounds 5]` a commit and the working tree in turn.
 */
const usual = ['leads', 'open-loop', 'validator', 'liveness']
const parts = [
  ...usual,
  'limits',
  'growth',
  'large',
  'boards',
  'silence',
  'seeing',
  'fairness',
  'longest',
  'refused',
  'linking',
  'customers',
]

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { against: { type: 'string' }, rounds: { type: 'string', default: '5' } },
})
const wanted = positionals.length > 0 ? positionals : usual
const unknown = wanted.filter((part) => !parts.includes(part))
if (unknown.length > 0) {
  console.error(`There is no ${unknown.join(' and no ')}; there are ${parts.join(', ')}`)
  process.exit(1)
}
for (const part of wanted) {
  const args = values.against === undefined ? [`${part}.ts`] : ['against.ts', part, values.against, values.rounds]
  const [file = '', ...more] = args
  const { status } = spawnSync(process.execPath, [join(import.meta.dirname, file), ...more], { stdio: 'inherit' })
  if (status !== 0) process.exitCode = 1
}
