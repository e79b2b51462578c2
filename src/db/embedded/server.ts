import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { Refusal } from '../../refusal.ts'
import { environment } from './account.ts'
import { readPidFile, shutDown, stopPredecessor } from './postmaster.ts'
import { database, type Log, port, type Site, user } from './site.ts'
import { makeSocketFolder } from './socket-folder.ts'

const readySecondsMax = 120
const connectSecondsMax = 10
const retakeSecondsMax = 15
const outputLinesKept = 8
const outputCharactersMax = 500

/**
 * Given on the command line, so that a later version of this list reaches clusters made by an earlier one. fsync,
 * synchronous_commit and full_page_writes are left to postgresql.conf and read back after each start: overriding them
 * would hide what the operator wrote there.
 */
const settings = {
  listen_addresses: '',
  port,
  unix_socket_permissions: '0700',
  shared_buffers: '128MB',
  max_wal_size: '512MB',
  min_wal_size: '64MB',
  wal_level: 'replica', // our rows cost the same WAL as under minimal, and a base backup of the running server stays possible
  io_method: 'sync', // three processes fewer; nothing here reads ahead
  max_parallel_workers_per_gather: 0, // a report must not take the second core from the intake
  jit: 'off',
  timezone: 'UTC',
  // Personal data: no statement, parameter or DETAIL line is written; readLine drops the message texts of client
  // backends as well.
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

/**
 * Starts the server, waiting a while for the remains of an earlier one to go; resolves when it answers and its settings
 * are safe.
 */
export async function launch(site: Site, log: Log, halt?: AbortSignal): Promise<ChildProcess> {
  for (const deadline = Date.now() + retakeSecondsMax * 1000; ; await sleep(100)) {
    await stopPredecessor(site.cluster, log)
    makeSocketFolder(site.socketFolder, site.account)
    const options = { ...site.account, cwd: '/', env: environment(), detached: true } // detached: Ctrl+C is for us, not for the server
    const flags = Object.entries({
      ...settings,
      max_connections: site.connectionsMax,
      unix_socket_directories: site.socketFolder,
    }).flatMap(([name, value]) => ['-c', `${name}=${value}`])
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

/**
 * Reads the server's messages for as long as it lives; resolves when it answers, has ended, or is not wanted any more.
 */
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
      throw new Refusal(
        `postgresql.conf turns ${rows.map(({ name }) => name).join(', ')} off: acknowledged leads could be lost. Turn it on again`,
      )
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [database])
    if (rowCount === 0) await client.query(`create database ${database}`)
  } finally {
    await client.end()
  }
}

export const hasEnded = (server: ChildProcess) =>
  server.exitCode !== null || server.signalCode !== null || server.pid === undefined
