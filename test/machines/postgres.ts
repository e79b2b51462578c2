import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { onTestFinished } from 'vitest'
import { serverAccount } from '../../src/db/embedded/account.ts'
import { findBinaries } from '../../src/db/embedded/binaries.ts'
import { createCluster } from '../../src/db/embedded/cluster.ts'
import { shortHash, user } from '../../src/db/embedded/site.ts'
import { until } from '../patience.ts'

/** A folder that the user postgres can work in, removed after the test. */
export function folderOfPostgres(): { folder: string; uid: number; gid: number } {
  const [uid = 0, gid = 0] = ['-u', '-g'].map((which) => Number(execFileSync('id', [which, 'postgres'])))
  const folder = mkdtempSync(join(tmpdir(), 'cb-machines-'))
  chmodSync(folder, 0o777)
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return { folder, uid, gid }
}

export function endAfterTest(child: ChildProcess): void {
  onTestFinished(async () => {
    if (child.exitCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGINT')
    await ended
  })
}

/**
 * The PostgreSQL of the npm package with settings of the test's own, on a port of loopback, and on a socket file for
 * the test itself. `within` is a command that runs another in some place. It needs root, and does not run as root.
 */
export async function startPostgres(
  port: number,
  settings: Record<string, string | number>,
  within: readonly string[] = [],
): Promise<{ host: string; port: number; user: string; database: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'cb-machines-'))
  const account = serverAccount(shortHash(folder))
  chmodSync(folder, 0o711)
  chownSync(folder, account.uid, account.gid)
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const cluster = join(folder, 'cluster')
  const bin = await findBinaries(folder, account)
  await createCluster(cluster, bin, account, [], () => undefined)
  const all = { listen_addresses: '127.0.0.1', port, unix_socket_directories: folder, ...settings }
  const [command = '', ...rest] = [
    ...within,
    'setpriv',
    ...[`--reuid=${account.uid}`, `--regid=${account.gid}`, '--clear-groups', '--pdeathsig=INT'],
    join(bin, 'postgres'),
    ...['-D', cluster],
    ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ]
  const server = spawn(command, rest, { cwd: '/', stdio: 'ignore' })
  endAfterTest(server)
  const connection = { host: folder, port, user, database: 'postgres' }
  await until(async () => {
    if (server.exitCode !== null) throw new Error('PostgreSQL did not start')
    const client = new pg.Client(connection)
    return client
      .connect()
      .then(() => client.end())
      .then(
        () => true,
        () => false,
      )
  })
  return connection
}
