import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { startEmbedded } from '../src/db/embedded.ts'
import { migrate } from '../src/db/migrate.ts'

declare module 'vitest' {
  interface ProvidedContext {
    server: { host: string; port: number; user: string; database: string }
  }
}

/** One PostgreSQL for the whole run; every test file makes a database of its own from the migrated template. */
export default async function setup(project: TestProject) {
  const folder = await mkdtemp(join(tmpdir(), 'carbuddii-test-'))
  // Started by root, the server runs as somebody else, who must get through.
  await chmod(folder, 0o711)
  const server = await startEmbedded(folder, () => undefined)
  await migrate(server.connection, () => undefined)
  project.provide('server', server.connection)
  return async () => {
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  }
}
