import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterEach, expect, it, vi } from 'vitest'
import { type EmbeddedDatabase, runningEmbedded, startEmbedded } from '../src/db/embedded.ts'

const folders: string[] = []
const running: EmbeddedDatabase[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((database) => database.stop()))
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'carbuddii-embedded-'))
  chmodSync(made, 0o711)
  folders.push(made)
  return made
}

async function start(dataDir: string): Promise<EmbeddedDatabase> {
  const database = await startEmbedded(dataDir, () => undefined)
  running.push(database)
  return database
}

async function query(connection: EmbeddedDatabase['connection'], text: string) {
  const client = new pg.Client(connection)
  client.on('error', () => undefined)
  await client.connect()
  try {
    return (await client.query(text)).rows
  } finally {
    await client.end()
  }
}

it('keeps its data from one start to the next, durably, in UTF-8, reachable only through its socket', async () => {
  const dir = folder()
  const first = await start(dir)
  await query(first.connection, "create table kept (name text); insert into kept values ('Ærø')")
  await first.stop()
  const { connection } = await start(dir)
  expect(await query(connection, 'select lower(name) as name from kept')).toEqual([{ name: 'ærø' }])
  expect(await query(connection, "select name, setting from pg_settings where name in ('fsync', 'listen_addresses', 'synchronous_commit') order by name")).toEqual([
    { name: 'fsync', setting: 'on' },
    { name: 'listen_addresses', setting: '' },
    { name: 'synchronous_commit', setting: 'on' },
  ])
})

it('lets one owner in, tells others who it is, and tells a command where the database is', async () => {
  const dir = folder()
  expect(await runningEmbedded(dir)).toBeUndefined()
  // Two at once, in processes of their own: a lock within one process proves nothing.
  const script = `import { startEmbedded } from ${JSON.stringify(new URL('../src/db/embedded.ts', import.meta.url).href)}
    try { const db = await startEmbedded(${JSON.stringify(dir)}, () => {}); console.log('owner'); process.stdin.resume(); process.stdin.on('end', () => db.stop().then(() => process.exit(0))) }
    catch (error) { console.log(error.message); process.exit(0) }`
  const contenders = [0, 1].map(() => spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['pipe', 'pipe', 'inherit'] }))
  const words = await Promise.all(contenders.map(async ({ stdout }) => String((await once(stdout, 'data'))[0]).trim()))
  expect(words.filter((word) => word === 'owner')).toHaveLength(1)
  const owner = contenders[words.indexOf('owner')]
  expect(words.find((word) => word !== 'owner')).toMatch(/is in use by process/)
  await expect(startEmbedded(dir, () => undefined)).rejects.toThrow(`in use by process ${owner?.pid}`)
  const connection = await runningEmbedded(dir)
  expect(connection && (await query(connection, 'select 1 as one'))).toEqual([{ one: 1 }])

  // Killed without a chance to clean up, it leaves neither a lock nor a server that stands in the way.
  owner?.kill('SIGKILL')
  if (owner) await once(owner, 'exit')
  const next = await start(dir)
  expect(await query(next.connection, 'select 1 as one')).toEqual([{ one: 1 }])
})

it('starts again by itself when its server is killed', async () => {
  const { connection } = await start(folder())
  const [{ pid }] = await query(connection, "select pg_read_file('postmaster.pid', 0, 20) as pid")
  process.kill(Number.parseInt(pid, 10), 'SIGKILL')
  await vi.waitFor(async () => expect((await query(connection, 'select 1 as one'))[0].one).toBe(1), { timeout: 20_000, interval: 100 })
})

it('refuses a configuration that could lose what it acknowledged, and leaves no server behind', async () => {
  const dir = folder()
  await (await start(dir)).stop()
  appendFileSync(join(dir, 'postgres', 'postgresql.conf'), '\nsynchronous_commit = off\n')
  await expect(startEmbedded(dir, () => undefined)).rejects.toThrow('synchronous_commit off')
  expect(existsSync(join(dir, 'postgres', 'postmaster.pid'))).toBe(false)
})

it('clears away a cluster that was half made, and works below a path too long for a socket', async () => {
  const dir = join(folder(), 'x'.repeat(60), 'y'.repeat(60))
  mkdirSync(join(dir, 'postgres.new-half'), { recursive: true })
  const { connection } = await start(dir)
  expect(existsSync(join(dir, 'postgres.new-half'))).toBe(false)
  expect(await query(connection, 'select 1 as one')).toEqual([{ one: 1 }])
})
