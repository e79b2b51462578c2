import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { join } from 'node:path'
import pg from 'pg'
import { expect, inject, it, onTestFinished } from 'vitest'
import { readConfig } from '../src/config.ts'
import { requireServer } from '../src/db/requirements.ts'
import { Refusal } from '../src/refusal.ts'
import { freePort } from './faults/processes.ts'
import { freshDatabase, secretKeys } from './service.ts'

const lines: string[] = []
const say = (_level: string, message: string) => void lines.push(message)

/** Why it is refused, in one line. */
async function refusal(connection: Parameters<typeof requireServer>[0], withinMs = 0): Promise<string> {
  const error: unknown = await requireServer(connection, 16, say, withinMs).then(
    () => 'served',
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(Refusal)
  return error instanceof Error ? error.message : ''
}

async function asOwner(statement: string): Promise<void> {
  const client = new pg.Client({ ...inject('server'), database: 'postgres' })
  await client.connect()
  await client.query(statement).finally(() => client.end())
}

/** A server that answers whoever connects with one message of the protocol. */
async function saying(message: Buffer): Promise<{ host: string; port: number; user: string; database: string }> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => socket.end(message))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port, user: 'x', database: 'x' }
}

function errorMessage(code: string, text: string): Buffer {
  const fields = Buffer.from(`SFATAL\0C${code}\0M${text}\0\0`)
  const head = Buffer.from([0x45, 0, 0, 0, 0])
  head.writeInt32BE(fields.length + 4, 1)
  return Buffer.concat([head, fields])
}

it('takes a server as it should be, and says when it has too few places', async () => {
  const connection = await freshDatabase()
  lines.length = 0
  await requireServer(connection, 1, say)
  expect(lines).toEqual([])
  await requireServer(connection, 10_000, say)
  expect(lines).toEqual([expect.stringContaining('raise max_connections')])
})

it('refuses an address where nobody listens', async () => {
  const connection = { ...inject('server'), host: '127.0.0.1', port: await freePort() }
  expect(await refusal(connection)).toBe('Nothing listens at the address of DATABASE_URL')
})

it.each([
  ['a host that is not known', { host: 'nobody.invalid' }, 'cannot be resolved'],
  ['a database that is not there', { database: 'nowhere' }, 'There is no database of the name in DATABASE_URL'],
  ['a role that is not there', { user: 'nobody' }, 'does not let the user of DATABASE_URL in'],
])('refuses %s', async (_what, other, sentence) => {
  expect(await refusal({ ...inject('server'), ...other })).toContain(sentence)
})

it.each([
  ['28P01', 'password authentication failed for user "secret"', 'refuses the user or the password'],
  ['57P03', 'the database system is starting up', 'still starting'],
  ['53300', 'sorry, too many clients already', 'takes no more connections'],
  ['08P01', 'unsupported startup parameter: options', 'leads to a pooler such as PgBouncer'],
])('refuses what answers %s %s', async (code, text, sentence) => {
  const words = await refusal(await saying(errorMessage(code, text)))
  expect(words).toContain(sentence)
  expect(words).not.toContain('secret')
})

it('refuses a server without TLS when TLS is asked for', async () => {
  const { port } = await saying(Buffer.from('N'))
  expect(await refusal({ connectionString: `postgres://x@127.0.0.1:${port}/x?sslmode=require` })).toContain('No TLS')
})

it.each([
  ['that takes no writes', 'set default_transaction_read_only = on', 'takes no writes'],
  ['in which its role may create nothing', 'set search_path = nowhere', 'may not create tables'],
])('refuses a database %s', async (_what, change, sentence) => {
  const connection = await freshDatabase()
  await asOwner(`alter database ${connection.database} ${change}`)
  expect(await refusal(connection)).toContain(sentence)
})

it('takes a role that may create what searching needs, or finds it there, and refuses one that may not', async () => {
  const { database } = await freshDatabase()
  const role = `lesser_${process.pid}_${Date.now()}`
  const connection = { ...inject('server'), database, user: role }
  const inside = async (statement: string) => {
    const client = new pg.Client({ ...inject('server'), database })
    await client.connect()
    await client.query(statement).finally(() => client.end())
  }
  await asOwner(`create role ${role} login`)
  onTestFinished(() => inside(`drop owned by ${role}; drop role ${role}`))
  await inside(`grant create on schema public to ${role}`)
  await requireServer(connection, 1, say)
  await inside('drop extension pg_trgm cascade; drop extension btree_gin cascade')
  const words = await refusal(connection)
  expect(words).toContain('The database has no pg_trgm and no btree_gin')
  expect(words).toContain('create extension pg_trgm; create extension btree_gin')
  await asOwner(`grant create on database ${database} to ${role}`)
  await requireServer(connection, 1, say)
})

it('refuses a database of another encoding', async () => {
  const database = `latin_${process.pid}_${Date.now()}`
  await asOwner(
    `create database ${database} encoding latin1 template template0 locale_provider libc lc_collate 'C' lc_ctype 'C'`,
  )
  expect(await refusal({ ...inject('server'), database })).toContain('The encoding of the database is LATIN1')
})

it('waits for a server that is still starting, says so once, and then takes it', async () => {
  const server = inject('server')
  const { database } = await freshDatabase()
  let isThere = false
  const front = createServer((socket) => {
    socket.on('error', () => undefined)
    if (!isThere)
      return void socket.once('data', () => socket.end(errorMessage('57P03', 'the database system is starting up')))
    const back = connect(join(server.host, `.s.PGSQL.${server.port}`)).on('error', () => undefined)
    socket.pipe(back).pipe(socket)
  }).listen(0, '127.0.0.1')
  await once(front, 'listening')
  onTestFinished(() => void front.close())
  lines.length = 0
  const connection = { ...server, database, host: '127.0.0.1', port: (front.address() as AddressInfo).port }
  const taken = requireServer(connection, 1, say, 60_000)
  setTimeout(() => (isThere = true), 1_500)
  await taken
  expect(lines).toEqual(['Waiting for the database'])
})

it.each([
  ['postgres://a,b/db', 'must name one host'],
  ['postgres://user:secret@a:5432,b:5432/db', 'must name one host'],
  ['postgres://user:se cret@[a/db', 'percent-encoded'],
  ['', 'DATABASE_URL is empty'],
])('refuses %s as DATABASE_URL before anything is done', (DATABASE_URL, fault) => {
  const read = () => readConfig({ DATABASE_URL, SECRET_KEYS: secretKeys })
  expect(read).toThrow(fault)
  expect(read).not.toThrow('secret')
})

it('takes a comma in a password', () => {
  const DATABASE_URL = 'postgres://user:a,b@host/db'
  expect(readConfig({ DATABASE_URL, SECRET_KEYS: secretKeys }).databaseUrl).toBe(DATABASE_URL)
})
