import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { startEmbedded } from '../src/db/embedded.ts'
import { migrate } from '../src/db/migrate.ts'
import { connectionsOfProcessMax } from '../src/db/pool.ts'
import { openRunFolder } from './run-folder.ts'

declare module 'vitest' {
  interface ProvidedContext {
    server: { host: string; port: number; user: string; database: string }
  }
}

/** Some files open several. */
const servicesAtOnce = 12

/**
 * One PostgreSQL for the whole run; every test file makes a database of its own from the migrated template. Whatever
 * ends the run, the kernel ends the server; the folder that is left then goes with the next run's start.
 */
export default async function setup(project: TestProject) {
  const folder = openRunFolder()
  // For the tests, too, which inherit it.
  process.env['TMPDIR'] = folder
  // Whatever is started again and again is compiled once.
  process.env['NODE_COMPILE_CACHE'] = join(folder, 'compiled')
  const server = await startEmbedded(
    join(folder, 'database'),
    () => undefined,
    servicesAtOnce * connectionsOfProcessMax,
  )
  await migrate(server.connection, () => undefined)
  project.provide('server', server.connection)
  return async () => {
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}
