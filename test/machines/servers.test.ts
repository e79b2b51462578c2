import { execFileSync, spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { describe, expect, inject, it } from 'vitest'
import { requireServer } from '../../src/db/requirements.ts'
import { freePort } from '../faults/processes.ts'
import { freshDatabase } from '../service.ts'
import { needs } from './needs.ts'
import { endAfterTest, folderOfPostgres } from './postgres.ts'

const refusal = (connection: Parameters<typeof requireServer>[0]) =>
  requireServer(connection, 1, () => undefined).then(
    () => 'served',
    (error: Error) => error.message,
  )

describe('a start', () => {
  it('is refused on PostgreSQL 15', needs('root', 'PostgreSQL 15'), async () => {
    const { folder, uid, gid } = folderOfPostgres()
    const bin = '/usr/lib/postgresql/15/bin'
    const data = join(folder, 'data')
    execFileSync(`${bin}/initdb`, ['-D', data, '-A', 'trust', '-U', 'postgres'], {
      uid,
      gid,
      cwd: '/',
      stdio: 'ignore',
    })
    const port = await freePort()
    const options = { uid, gid, cwd: '/', stdio: 'ignore' as const }
    endAfterTest(spawn(`${bin}/postgres`, ['-D', data, '-k', folder, '-p', `${port}`, '-h', '127.0.0.1'], options))
    const connection = { host: '127.0.0.1', port, user: 'postgres', database: 'postgres' }
    expect(await refusal(connection)).toBe('The database is PostgreSQL 15, and at least 17 is needed')
  })

  it.each([
    ['as it comes', ''],
    ['told to leave out what it does not know', 'ignore_startup_parameters = options'],
  ])('is refused behind a PgBouncer of transactions, %s', needs('root', 'pgbouncer'), async (_how, more) => {
    const words = await behindPgBouncer(more)
    expect(words).toContain('leads to a pooler such as PgBouncer')
  })

  it('is refused there, too, when the role has the settings by itself', needs('root', 'pgbouncer'), async () => {
    const words = await behindPgBouncer('ignore_startup_parameters = options', [
      "idle_in_transaction_session_timeout = '5s'",
      "statement_timeout = '20s'",
      "lock_timeout = '2s'",
      "timezone = 'UTC'",
    ])
    expect(words).toContain('leads to a pooler such as PgBouncer')
  })
})

async function behindPgBouncer(more: string, settings: readonly string[] = []): Promise<string> {
  const { folder, uid, gid } = folderOfPostgres()
  const server = inject('server')
  const { database } = await freshDatabase()
  const client = new pg.Client({ ...server, database })
  await client.connect()
  for (const setting of settings) await client.query(`alter database ${database} set ${setting}`)
  await client.end()
  const port = await freePort()
  const config = join(folder, 'pgbouncer.ini')
  writeFileSync(
    config,
    `[databases]
${database} = host=${server.host} port=${server.port} user=${server.user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
${more}
`,
  )
  endAfterTest(spawn('pgbouncer', [config], { uid, gid, cwd: '/', stdio: 'ignore' }))
  return refusal({ ...server, host: '127.0.0.1', port, database })
}
