import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type EmbeddedDatabase, runningEmbedded, startEmbedded } from '../src/db/embedded.ts'
import { onLeash } from './leash.ts'

const isRoot = process.getuid?.() === 0
const isLinux = process.platform === 'linux'
const setpriv = '/usr/bin/setpriv'

type Connection = EmbeddedDatabase['connection']
type Outcome = { connection?: Connection; error?: string }

/** An owner in a process of its own, so that it can be killed; says on its only line how the start went. */
const ownerScript = `
  const { startEmbedded } = await import(${JSON.stringify(new URL('../src/db/embedded.ts', import.meta.url).href)})
  const say = (outcome) => console.log(JSON.stringify(outcome))
  await startEmbedded(process.env.TEST_DATA_DIR, () => undefined).then(({ connection }) => say({ connection }), ({ message }) => say({ error: message }))
`

let root: string
let dataDir: string
let servers: EmbeddedDatabase[]
let owners: ChildProcess[]
let messages: string[]

beforeEach(() => {
  root = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), 'cb-')))
  fs.chmodSync(root, isRoot ? 0o711 : 0o700) // the account that runs the server for root must get through
  dataDir = join(root, 'data')
  fs.mkdirSync(join(root, 't'), { mode: 0o755 })
  vi.stubEnv('TMPDIR', join(root, 't')) // so that the socket folders go with the rest
  servers = []
  owners = []
  messages = []
})

afterEach(async () => {
  await Promise.allSettled(servers.map((server) => server.stop()))
  await Promise.all(owners.map(kill))
  if (isLinux) await stopLeftOver()
  vi.unstubAllEnvs()
  fs.rmSync(root, { recursive: true, force: true, maxRetries: 5 })
})

/** What a killed owner left in our folder. */
async function stopLeftOver(): Promise<void> {
  const leftOver = () => postmasters().filter(({ cluster }) => cluster.startsWith(`${root}/`))
  for (const { pid } of leftOver()) {
    try {
      process.kill(pid, 'SIGQUIT')
    } catch {
      // It was just ending by itself.
    }
  }
  await until(() => leftOver().length === 0, 10)
}

async function start(dir = dataDir, needing?: string): Promise<EmbeddedDatabase> {
  const server = await startEmbedded(dir, (_level, message) => messages.push(message), 0, needing)
  servers.push(server)
  return server
}

function spawnOwner({ env = {}, wrapper = [] }: { env?: Record<string, string>; wrapper?: string[] } = {}) {
  const [node, args] = onLeash('--input-type=module', '-e', ownerScript)
  const [command = '', ...rest] = [...wrapper, node, ...args]
  const { NODE_OPTIONS: _, ...inherited } = process.env
  const owner = spawn(command, rest, {
    env: { ...inherited, TEST_DATA_DIR: dataDir, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  owners.push(owner)
  const outcome = (async (): Promise<Outcome> => {
    for await (const line of createInterface({ input: owner.stdout })) return JSON.parse(line)
    return { error: 'the owner ended without a word' }
  })()
  return { owner, outcome }
}

async function startOwner(options?: Parameters<typeof spawnOwner>[0]) {
  const { owner, outcome } = spawnOwner(options)
  const { connection, error } = await outcome
  if (!connection) throw new Error(error)
  return { owner, connection }
}

async function kill(owner: ChildProcess): Promise<void> {
  if (owner.exitCode !== null || owner.signalCode !== null) return
  const exit = once(owner, 'exit')
  owner.kill('SIGKILL')
  await exit
}

async function query(connection: Connection, sql: string) {
  const client = new pg.Client(connection)
  client.on('error', () => undefined)
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

const saveRow = (connection: Connection) => query(connection, `create table kept as select 'Ærø' as place`)
const savedRows = (connection: Connection) => query(connection, 'select place from kept')

async function until(condition: () => boolean, seconds: number): Promise<void> {
  for (const deadline = Date.now() + seconds * 1000; !condition(); await sleep(20)) {
    if (Date.now() > deadline) throw new Error(`not so after ${seconds} seconds: ${condition.toString()}`)
  }
}

/** Every process of a server works in its data directory; a postmaster is one whose parent does not. */
function postmasters(): { pid: number; cluster: string }[] {
  const processes = fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const parent = /\) \S (\d+)/.exec(fs.readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1]
        return [{ pid, parent, cluster: fs.readlinkSync(`/proc/${pid}/cwd`) }]
      } catch {
        return [] // gone meanwhile, a zombie, or of another user
      }
    })
  const folderOf = new Map(processes.map(({ pid, cluster }) => [pid, cluster]))
  return processes.flatMap(({ pid, parent = '', cluster }) =>
    folderOf.get(parent) === cluster || !/postgres$/.test(cluster) ? [] : [{ pid: Number(pid), cluster }],
  )
}

const postmastersOf = (cluster = join(dataDir, 'postgres')) =>
  postmasters()
    .filter((one) => one.cluster === cluster)
    .map(({ pid }) => pid)
const pidInFile = () => Number.parseInt(fs.readFileSync(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8'), 10)

describe('the embedded PostgreSQL', () => {
  it('answers a query, and keeps the data over a stop and a start', async () => {
    const first = await start()
    await saveRow(first.connection)
    await first.stop()
    await first.stop()
    await expect(query(first.connection, 'select 1')).rejects.toThrow()
    expect(fs.existsSync(first.connection.host)).toBe(false)

    const second = await start()
    expect(second.connection).toEqual(first.connection)
    expect(await savedRows(second.connection)).toEqual([{ place: 'Ærø' }])
    expect(await query(second.connection, `select lower('ÆØÅ') as lower`)).toEqual([{ lower: 'æøå' }])
    expect(await query(second.connection, 'show listen_addresses')).toEqual([{ listen_addresses: '' }])
    expect(fs.statSync(second.connection.host).mode & 0o777).toBe(0o700)
  })

  it('works with a DATA_DIR path that is too long for a socket', async () => {
    const { connection } = await start(join(root, 'a'.repeat(60), 'b'.repeat(60)))
    expect(await query(connection, 'select 1 as one')).toEqual([{ one: 1 }])
  })

  it('starts where somebody sits on the folder of its socket', async () => {
    const { connection, stop } = await start()
    await stop()
    fs.mkdirSync(connection.host, { mode: 0o755 })
    fs.chmodSync(connection.host, 0o755)
    const again = await start()
    expect(again.connection.host).not.toBe(connection.host)
    expect(await query(again.connection, 'select 1 as one')).toEqual([{ one: 1 }])
    expect(await runningEmbedded(dataDir)).toEqual(again.connection)
  })

  it.runIf(isLinux)('tells PostgreSQL nothing of what the service was told', async () => {
    for (const [name, value] of Object.entries({ SECRET_KEYS: 'v1:secret', SMTP_URL: 'smtp://a:b@c', PGHOST: 'other' }))
      vi.stubEnv(name, value)
    await start()
    const [pid = ''] = fs.readFileSync(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8').split('\n')
    const given = fs.readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')
    const names = given.map((pair) => pair.split('=')[0] ?? '')
    // What begins with PG it has set itself.
    expect(names.filter((name) => !/^(PATH|HOME|TMPDIR|PG_\w+|PGLOCALEDIR|PGSYSCONFDIR|)$/.test(name))).toEqual([])
  })

  it('makes the database again when the owner was killed in the middle of making it', async () => {
    const { owner } = spawnOwner()
    const halfMade = () =>
      fs.existsSync(dataDir) &&
      fs
        .readdirSync(dataDir)
        .some((name) => name.startsWith('postgres.new-') && fs.existsSync(join(dataDir, name, 'cluster', 'base')))
    await until(halfMade, 20)
    await kill(owner)
    expect(fs.existsSync(join(dataDir, 'postgres'))).toBe(false)
    // Others of the name that root borrows for it do not get in.
    const [half = ''] = fs.readdirSync(dataDir).filter((name) => name.startsWith('postgres.new-'))
    const { uid, mode } = fs.statSync(join(dataDir, half))
    expect([uid, mode & 0o007]).toEqual([process.getuid?.() ?? 0, 0])
    fs.mkdirSync(join(dataDir, 'postgres.new-xxx', 'base'), { recursive: true })

    const { connection } = await start()
    expect(await query(connection, 'select 1 as one')).toEqual([{ one: 1 }])
    expect(fs.readdirSync(dataDir).filter((name) => name.includes('.new'))).toEqual([])
  })

  it('makes no empty cluster beside what needs the one that is missing', async () => {
    const cluster = join(dataDir, 'postgres')
    const needing = join(dataDir, 'needing')
    const first = await start()
    await saveRow(first.connection)
    await first.stop()
    fs.renameSync(cluster, `${cluster}.away`)
    await expect(start(dataDir, needing)).rejects.toThrow(
      `The database that ${needing} belongs to is missing: there is no ${cluster}`,
    )
    expect(fs.existsSync(cluster)).toBe(false)
    expect(await runningEmbedded(dataDir)).toBeUndefined()

    fs.renameSync(`${cluster}.away`, cluster)
    expect(await savedRows((await start(dataDir, needing)).connection)).toEqual([{ place: 'Ærø' }])
  })

  it.runIf(isLinux)('refuses a cluster whose postgresql.conf turns fsync off, and leaves no server', async () => {
    await (await start()).stop()
    fs.appendFileSync(join(dataDir, 'postgres', 'postgresql.conf'), '\nfsync = off\n')
    await expect(start()).rejects.toThrow('postgresql.conf turns fsync off: acknowledged leads could be lost')
    expect(postmastersOf()).toEqual([])
    expect(await runningEmbedded(dataDir)).toBeUndefined()

    fs.appendFileSync(join(dataDir, 'postgres', 'postgresql.conf'), '\nfsync = on\n')
    expect(await query((await start()).connection, 'select 1 as one')).toEqual([{ one: 1 }])
  })

  it.runIf(isLinux)('comes back by itself when the server is killed', async () => {
    const { connection } = await start()
    await saveRow(connection)
    const killed = pidInFile()
    process.kill(killed, 'SIGKILL')

    const rows = await vi.waitFor(() => savedRows(connection), { timeout: 20_000, interval: 20 })
    expect(rows).toEqual([{ place: 'Ærø' }])
    expect(postmastersOf()).toEqual([pidInFile()])
    expect(pidInFile()).not.toBe(killed)
    expect(messages).toContain('PostgreSQL ended by itself and is started again')
  })

  it('can be stopped while it is coming back', async () => {
    const server = await start()
    process.kill(pidInFile(), 'SIGKILL')
    await until(() => messages.includes('PostgreSQL ended by itself and is started again'), 5)
    await server.stop()
    expect(await runningEmbedded(dataDir)).toBeUndefined()
    await sleep(300)
    if (isLinux) expect(postmastersOf()).toEqual([])
  })

  const idsOf = (file: string) =>
    fs
      .readFileSync(file, 'utf8')
      .split('\n')
      .map((line) => Number(line.split(':')[2]))

  it.runIf(isRoot)('runs, started by root, as a user that nobody else has, with its group', async () => {
    const taken = new Set([...idsOf('/etc/passwd'), ...idsOf('/etc/group')])
    const users = new Set<number>()
    for (const dir of [dataDir, join(root, 'other')]) {
      await start(dir)
      const [pid = ''] = fs.readFileSync(join(dir, 'postgres', 'postmaster.pid'), 'utf8').split('\n')
      const ids = /Uid:\t(\d+)[^]*Gid:\t(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))
      const { uid, gid } = fs.statSync(join(dir, 'postgres'))
      expect([Number(ids?.[1]), Number(ids?.[2])]).toEqual([uid, gid])
      expect([taken.has(uid), taken.has(gid), uid]).toEqual([false, false, gid])
      users.add(uid)
      for (const entry of fs.readdirSync(join(dir, 'postgres'), { recursive: true, withFileTypes: true }))
        expect(fs.lstatSync(join(entry.parentPath, entry.name)).uid).toBe(uid)
    }
    expect(users.size).toBe(2)
  })

  it.runIf(isRoot)(
    'takes what a version before left to a user that others have, too, and nothing of anybody else',
    async () => {
      const cluster = join(dataDir, 'postgres')
      const [, , nobody = 0] =
        fs
          .readFileSync('/etc/passwd', 'utf8')
          .split('\n')
          .find((line) => line.startsWith('nobody:'))
          ?.split(':')
          .map(Number) ?? []
      const ownersOf = () => {
        const entries = fs.readdirSync(cluster, { recursive: true, withFileTypes: true })
        return new Set(
          [cluster, ...entries.map((entry) => join(entry.parentPath, entry.name))].map(
            (path) => fs.lstatSync(path).uid,
          ),
        )
      }
      const giveToNobody = () => {
        for (const entry of fs.readdirSync(cluster, { recursive: true, withFileTypes: true }))
          fs.lchownSync(join(entry.parentPath, entry.name), nobody, nobody)
        fs.chownSync(cluster, nobody, nobody)
      }
      const first = await start()
      await saveRow(first.connection)
      await first.stop()
      const { uid } = fs.statSync(cluster)

      giveToNobody()
      // Cut short in the middle of it.
      fs.chownSync(join(cluster, 'base'), uid, uid)
      const second = await start()
      expect(await savedRows(second.connection)).toEqual([{ place: 'Ærø' }])
      expect(messages).toContain(`The database in ${cluster} belongs to user id ${uid} now, which nobody else has`)
      await second.stop()
      expect(ownersOf()).toEqual(new Set([uid]))

      // Whose folder it is starts the service as that user.
      giveToNobody()
      fs.chownSync(dataDir, nobody, nobody)
      const third = await start()
      expect(await savedRows(third.connection)).toEqual([{ place: 'Ærø' }])
      await third.stop()
      expect(ownersOf()).toEqual(new Set([nobody]))
    },
  )

  it.runIf(isRoot)('keeps the database elsewhere when its account cannot reach DATA_DIR', async () => {
    const hadState = fs.existsSync('/var/lib/carbuddii')
    const closed = join(root, 'closed')
    fs.mkdirSync(closed, { mode: 0o700 })
    dataDir = join(closed, 'data')
    const first = await start()
    const [{ data_directory: cluster }] = await query(first.connection, 'show data_directory')
    try {
      expect(cluster).toMatch(/^\/var\/lib\/carbuddii\/[0-9a-f]{12}\/postgres$/)
      expect(messages.join()).toContain(`The database is kept in ${dirname(cluster)}`)
      expect(fs.existsSync(join(dataDir, 'postgres'))).toBe(false)
      await saveRow(first.connection)
      await first.stop()

      // Opening the folder later must not make a second, empty database.
      fs.chmodSync(closed, 0o711)
      const needing = join(dataDir, 'needing')
      const second = await start(dataDir, needing)
      expect(await savedRows(second.connection)).toEqual([{ place: 'Ærø' }])
      await second.stop()

      fs.renameSync(cluster, `${cluster}.away`)
      await expect(start(dataDir, needing)).rejects.toThrow(`${join(dataDir, 'postgres')} and no ${cluster}. Bring it`)
      fs.renameSync(`${cluster}.away`, cluster)
    } finally {
      await servers.at(-1)?.stop()
      if (/^\/var\/lib\/carbuddii\/[0-9a-f]{12}\/postgres$/.test(cluster))
        fs.rmSync(dirname(cluster), { recursive: true })
      if (!hadState) fs.rmdirSync('/var/lib/carbuddii')
    }
  })
})

describe('the owner of a DATA_DIR', () => {
  it('is the only one, and a second is told its process id', async () => {
    const { owner, connection } = await startOwner()
    await expect(start()).rejects.toThrow(`${dataDir} is in use by process ${owner.pid}: stop it first`)
    expect((await spawnOwner().outcome).error).toContain(`in use by process ${owner.pid}`)
    expect(await query(connection, 'select 1 as one')).toEqual([{ one: 1 }])
  })

  it('is exactly one of two that start at the same time', async () => {
    const outcomes = await Promise.all([spawnOwner().outcome, spawnOwner().outcome])
    const [winner] = outcomes.flatMap(({ connection }) => connection ?? [])
    const [refusal, ...more] = outcomes.flatMap(({ error }) => error ?? [])
    expect(refusal).toMatch(/is in use by process \d+/)
    expect(more).toEqual([])
    expect(winner && (await query(winner, 'select 1 as one'))).toEqual([{ one: 1 }])
    if (isLinux) expect(postmastersOf()).toHaveLength(1)
  })

  it('shows the connection to others for as long as it lives', async () => {
    expect(await runningEmbedded(dataDir)).toBeUndefined()
    const { owner, connection } = await startOwner()
    expect(await runningEmbedded(dataDir)).toEqual(connection)
    await kill(owner)
    expect(await runningEmbedded(dataDir)).toBeUndefined()

    const server = await start()
    expect(await runningEmbedded(dataDir)).toEqual(server.connection)
    expect(await runningEmbedded(dataDir)).toEqual(server.connection)
    await expect(start()).rejects.toThrow(`in use by process ${process.pid}`) // looking has not given the lock away
    await server.stop()
    expect(await runningEmbedded(dataDir)).toBeUndefined()
  })

  it.runIf(isLinux)('may be killed: the next start has the committed rows and one server', async () => {
    const { owner, connection } = await startOwner()
    await saveRow(connection)
    const session = new pg.Client(connection) // a session that is open must not keep the old server
    session.on('error', () => undefined)
    await session.connect()
    await kill(owner)

    const next = await start()
    expect(await savedRows(next.connection)).toEqual([{ place: 'Ærø' }])
    expect(postmastersOf()).toEqual([pidInFile()])
    await session.end().catch(() => undefined)
  })

  it.runIf(isLinux)('may be killed where setpriv is missing: the next start stops the orphan', async () => {
    const { owner, connection } = await startOwner({ env: { PATH: root } })
    await saveRow(connection)
    const orphan = pidInFile()
    await kill(owner)
    await sleep(300)
    expect(postmastersOf()).toEqual([orphan])

    const next = await start()
    expect(messages).toContain('Stopping the PostgreSQL that an earlier process left behind')
    expect(await savedRows(next.connection)).toEqual([{ place: 'Ærø' }])
    expect(postmastersOf()).toEqual([pidInFile()])
    expect(pidInFile()).not.toBe(orphan)
  })

  // Containers give root no CAP_SYS_PTRACE by default, and then /proc does not say where another user's process works.
  it.runIf(isLinux && isRoot && fs.existsSync(setpriv))('finds the orphan as root of a container, too', async () => {
    const wrapper = [setpriv, '--bounding-set=-sys_ptrace', '--inh-caps=-sys_ptrace']
    const first = await startOwner({ wrapper, env: { PATH: root } })
    await saveRow(first.connection)
    const orphan = pidInFile()
    await kill(first.owner)
    expect(postmastersOf()).toEqual([orphan])

    const next = await startOwner({ wrapper, env: { PATH: root } })
    expect(await savedRows(next.connection)).toEqual([{ place: 'Ærø' }])
    expect(postmastersOf()).toEqual([pidInFile()])
    expect(pidInFile()).not.toBe(orphan)
  })

  it('does not take a process for the server only because it has the number in postmaster.pid', async () => {
    await (await start()).stop()
    fs.writeFileSync(join(dataDir, 'postgres', 'postmaster.pid'), `${process.pid}\n${join(dataDir, 'postgres')}\n`)
    if (isRoot)
      fs.chownSync(join(dataDir, 'postgres', 'postmaster.pid'), fs.statSync(join(dataDir, 'postgres')).uid, -1)
    expect(await query((await start()).connection, 'select 1 as one')).toEqual([{ one: 1 }])
  })
})
