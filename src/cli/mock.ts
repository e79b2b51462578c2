import { mkdtempSync, readFileSync, rmSync, watchFile, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'

// The mock for developers, npm run mock: Prism with its own options, over the document that integrators are handed,
// arranged for it.

type Responses = Record<string, object>
// The parameters of a path stand beside its operations, and have no responses.
type Document = { paths: Record<string, Record<string, { responses?: Responses }>> }

const contract = new URL('../../generated/integrators.yaml', import.meta.url)
const prism = whereIsPrism()
const folder = mkdtempSync(join(tmpdir(), 'carbuddii-mock-'))
const arranged = join(folder, 'openapi.json')

/**
 * Prism takes the lowest success and, for bad input, 422 before 400; the service answers 201 to what is new, and 400 to
 * what the schema refuses. As a range and as the default these answers come last in Prism's order, and `Prefer:
 * code=200` or `code=422` still finds them.
 */
function arrange(): void {
  const document: Document = parse(readFileSync(contract, 'utf8'))
  for (const { responses } of Object.values(document.paths).flatMap((item) => Object.values(item))) {
    if (responses?.['201']) rename(responses, '200', '2XX')
    if (responses) rename(responses, '422', 'default')
  }
  writeFileSync(arranged, JSON.stringify(document))
}

function rename(responses: Responses, from: string, to: string): void {
  const response = responses[from]
  if (!response) return
  responses[to] = response
  delete responses[from]
}

function whereIsPrism(): string {
  try {
    return fileURLToPath(import.meta.resolve('@stoplight/prism-cli/dist/index.js'))
  } catch {
    console.error('The mock is for development, and so is the package that it needs: npm ci brings it.')
    process.exit(1)
  }
}

process.once('exit', () => rmSync(folder, { recursive: true }))
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit())
arrange()
// Prism watches the document that it serves.
watchFile(contract, { interval: 1000 }, arrange)
process.argv = [process.execPath, prism, 'mock', arranged, ...process.argv.slice(2)]
await import(prism)
