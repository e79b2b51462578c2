import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

/** `npm run bench` measures what it can in four minutes; `npm run bench -- growth open-loop` measures the parts that are named. */
const usual = ['leads', 'open-loop', 'validator', 'liveness']
const parts = [...usual, 'growth', 'boards', 'silence', 'seeing']

const wanted = process.argv.length > 2 ? process.argv.slice(2) : usual
const unknown = wanted.filter((part) => !parts.includes(part))
if (unknown.length > 0) {
  console.error(`There is no ${unknown.join(' and no ')}; there are ${parts.join(', ')}`)
  process.exit(1)
}
for (const part of wanted) {
  const { status } = spawnSync(process.execPath, [join(import.meta.dirname, `${part}.ts`)], { stdio: 'inherit' })
  if (status !== 0) process.exitCode = 1
}
