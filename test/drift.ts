import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Fails when generated/ is not what the contract generates: somebody edited it, or forgot `npm run generate`. */
const fingerprints = () =>
  new Map(
    readdirSync('generated', { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => [path, createHash('sha256').update(readFileSync(path)).digest('hex')]),
  )

const before = fingerprints()
execFileSync('npm', ['run', '--silent', 'generate'], { stdio: ['ignore', 'ignore', 'inherit'] })
const after = fingerprints()
const differing = [...new Set([...before.keys(), ...after.keys()])].filter(
  (path) => before.get(path) !== after.get(path),
)
if (differing.length > 0) {
  console.error(
    `generated/ is not what openapi/ generates: ${differing.join(', ')}. It has been generated anew: commit it.`,
  )
  process.exit(1)
}
