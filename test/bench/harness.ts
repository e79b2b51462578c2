import { type ChildProcess, execFile, fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import type { Server } from 'node:http'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import autocannon from 'autocannon'

/** What a server that is measured says when it listens. */
export interface Ready {
  port: number
  path?: string
  token?: string
}

/** A request as it is sent again and again. */
export interface Sent {
  method: 'GET' | 'POST'
  path: string
  token?: string
  body?: string
}

/** What one stretch of load came to. */
export interface Stretch {
  done: number
  seconds: number
  p50Ms: number
  p99Ms: number
}

/** A process under load, and the database that works for it. */
export interface Target {
  kind: string
  pid: number
  databasePid?: number
  load(seconds: number): Promise<Stretch>
}

/** What a target did in one round, or the medians of all. */
interface Row {
  perSecond: number
  p50Ms: number
  p99Ms: number
  /** CPU of the server process, user and system, microseconds per request. */
  cpuUs: number
  /** The same of all processes of PostgreSQL. */
  databaseCpuUs: number
  /** Resident memory of the server process when the load ended. */
  rssMb: number
  /**
   * Cores taken by processes that have nothing to do with it: figures taken with more than a few tenths are not to be
   * believed.
   */
  foreignCores: number
}

export interface Measured extends Row {
  kind: string
  rounds: readonly Row[]
}

const warmSeconds = 2
// A stretch that others disturbed is measured again when they have calmed down. That may take so long, in all.
const disturbedCores = 0.2
const quietMs = 500
let patienceMs = Number(process.env['PATIENCE_SECONDS'] ?? 30) * 1000
// Linux counts the time of processes in hundredths of a second, whatever its kernel does (proc(5),
// sysconf(_SC_CLK_TCK)).
const tickUs = 10_000
const separator = '\x1e'

export const generator = spawnSync('wrk', ['-v']).error ? 'autocannon' : 'wrk'

/** In the server's own process: says where it listens, and ends with the process that started it. */
export async function ready(server: Server, more: Omit<Ready, 'port'> = {}): Promise<void> {
  if (!server.listening) await once(server, 'listening')
  const address = server.address()
  process.on('disconnect', () => process.exit())
  process.send?.({ port: typeof address === 'object' ? address?.port : 0, ...more })
}

/** Runs `file` as a process of its own that measures or is measured; `told` is its first message. */
export async function forked<Told>(
  file: string,
  kind: string,
): Promise<{ child: ChildProcess; pid: number; told: Told; stop(): Promise<unknown> }> {
  const child = fork(file, [kind])
  const [told] = await once(child, 'message')
  return { child, pid: child.pid ?? 0, told, stop: () => (child.disconnect(), once(child, 'exit')) }
}

/**
 * Puts the same load on one server after the other, round by round, and takes the medians. Each `kind` is `file` run as
 * a process of its own with that argument.
 */
export async function compare(
  file: string,
  kinds: readonly string[],
  {
    rounds,
    seconds,
    connections,
    databasePid,
    ...sent
  }: Sent & { connections: number; rounds: number; seconds: number; databasePid?: number },
): Promise<Measured[]> {
  const servers = await Promise.all(kinds.map(async (kind) => ({ kind, ...(await forked<Ready>(file, kind)) })))
  const targets = servers.map(({ kind, pid, told: { port, ...told } }) =>
    httpTarget(
      { kind, pid, ...(databasePid && { databasePid }) },
      `http://127.0.0.1:${port}`,
      [{ ...sent, ...told }],
      connections,
    ),
  )
  const measured = await measure(targets, { rounds, seconds })
  await Promise.all(servers.map(({ stop }) => stop()))
  return measured
}

/**
 * Loads one target after the other, round by round and there and back again, after a round that warms up, so that
 * whatever else the machine does hits them alike.
 */
export async function measure(
  targets: readonly Target[],
  { rounds, seconds }: { rounds: number; seconds: number },
): Promise<Measured[]> {
  const taken = targets.map((target) => ({ target, rows: [] as Row[] }))
  for (let round = 0; round <= rounds; round++) {
    for (const { target, rows } of round % 2 === 0 ? taken : taken.toReversed()) {
      if (round === 0) await target.load(warmSeconds)
      else rows.push(await undisturbed(target, seconds))
    }
  }
  return taken.map(({ target: { kind }, rows }) => {
    const middle = (name: keyof Row) => median(rows.map((row) => row[name]))
    return {
      kind,
      perSecond: middle('perSecond'),
      p50Ms: middle('p50Ms'),
      p99Ms: middle('p99Ms'),
      cpuUs: middle('cpuUs'),
      databaseCpuUs: middle('databaseCpuUs'),
      rssMb: rows.at(-1)?.rssMb ?? Number.NaN,
      foreignCores: middle('foreignCores'),
      rounds: rows,
    }
  })
}

/**
 * `name` of `one` divided by that of `other`: the median of the rounds, each of which had both of them under the same
 * conditions.
 */
export const ratio = (measured: readonly Measured[], name: keyof Row, one: string, other: string) =>
  paired(measured, name, one, other, (a, b) => a / b)

/** The same, `other` taken away from `one`. */
export const difference = (measured: readonly Measured[], name: keyof Row, one: string, other: string) =>
  paired(measured, name, one, other, (a, b) => a - b)

/** `name` of `one` divided by that of `other`, round by round. */
export const ratios = (measured: readonly Measured[], name: keyof Row, one: string, other: string): number[] =>
  pairs(measured, name, one, other).map(([a, b]) => a / b)

function pairs(measured: readonly Measured[], name: keyof Row, one: string, other: string): [number, number][] {
  const [first = [], second = []] = [one, other].map((kind) => measured.find((row) => row.kind === kind)?.rounds)
  return first.map((row, at) => [row[name], second[at]?.[name] ?? Number.NaN])
}

function paired(
  measured: readonly Measured[],
  name: keyof Row,
  one: string,
  other: string,
  compared: (a: number, b: number) => number,
): number {
  return median(pairs(measured, name, one, other).map(([a, b]) => compared(a, b)))
}

async function undisturbed(target: Target, seconds: number): Promise<Row> {
  const started = Date.now()
  const row = await stretch(target, seconds)
  if (row.foreignCores < disturbedCores || patienceMs <= 0) return row
  for (let foreign = Number.POSITIVE_INFINITY; foreign > disturbedCores && Date.now() - started < patienceMs;) {
    const spent = stopwatch(target)
    await sleep(quietMs)
    foreign = spent().foreign / 1000 / quietMs
  }
  patienceMs -= Date.now() - started
  return undisturbed(target, seconds)
}

async function stretch(target: Target, wanted: number): Promise<Row> {
  const spent = stopwatch(target)
  const { done, seconds, p50Ms, p99Ms } = await target.load(wanted)
  const { server, database, foreign } = spent()
  return {
    perSecond: done / seconds,
    p50Ms,
    p99Ms,
    cpuUs: server / done,
    databaseCpuUs: database / done,
    rssMb: rssMb(target.pid),
    foreignCores: foreign / seconds / 1e6,
  }
}

/**
 * Microseconds of CPU since it was started: of a server, of its database, and of all processes that are neither, nor
 * put the load on them: this one, its children that ended, and `loader`.
 */
export function stopwatch(
  { pid, databasePid }: Pick<Target, 'pid' | 'databasePid'>,
  loader?: number,
): () => { server: number; database: number; foreign: number } {
  const look = () => {
    const load = cpuUs(process.pid) + cpuUs(process.pid, 'ended') + (loader ? cpuUs(loader) : 0)
    return {
      server: cpuUs(pid),
      database: databasePid ? cpuOfDatabaseUs(databasePid) : 0,
      load,
      machine: cpuOfMachineUs(),
    }
  }
  const before = look()
  return () => {
    const after = look()
    const server = after.server - before.server
    const database = after.database - before.database
    return {
      server,
      database,
      foreign: after.machine - before.machine - server - database - (after.load - before.load),
    }
  }
}

/** The same requests in turn over `connections`, each of which waits for its answer before it sends the next. */
export function httpTarget(
  process: Omit<Target, 'load'>,
  url: string,
  requests: readonly Sent[],
  connections: number,
): Target {
  return {
    ...process,
    load: (seconds) => (generator === 'wrk' ? byWrk : byAutocannon)(process.kind, url, requests, connections, seconds),
  }
}

async function byWrk(
  kind: string,
  url: string,
  requests: readonly Sent[],
  connections: number,
  seconds: number,
): Promise<Stretch> {
  const file = join(tmpdir(), `carbuddii-bench-${process.pid}.requests`)
  await writeFile(file, requests.map((sent) => rawRequest(sent, new URL(url).host)).join(separator))
  const args = [
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    '--timeout',
    '10s',
    '-s',
    join(import.meta.dirname, 'load.lua'),
    url,
    '--',
    file,
  ]
  const { stdout } = await promisify(execFile)('wrk', args)
  await rm(file)
  const [done = 0, microseconds = 0, failed = 0, p50 = 0, p99 = 0] =
    /^figures (.*)$/m.exec(stdout)?.[1]?.split(' ').map(Number) ?? []
  if (done === 0 || failed > 0) throw new Error(`${kind}: ${failed} of ${done} requests failed`)
  return { done, seconds: microseconds / 1e6, p50Ms: p50 / 1000, p99Ms: p99 / 1000 }
}

async function byAutocannon(
  kind: string,
  url: string,
  requests: readonly Sent[],
  connections: number,
  duration: number,
): Promise<Stretch> {
  const {
    '2xx': done,
    non2xx,
    errors,
    duration: seconds,
    latency,
  } = await autocannon({
    url,
    connections,
    duration,
    requests: requests.map((sent) => ({ ...sent, headers: headersOf(sent) })),
  })
  if (done === 0 || non2xx + errors > 0) throw new Error(`${kind}: ${non2xx + errors} requests failed`)
  return { done, seconds, p50Ms: latency.p50, p99Ms: latency.p99 }
}

function rawRequest(sent: Sent, host: string): string {
  const { method, path, body = '' } = sent
  const headers = { host, ...headersOf(sent), ...(body !== '' && { 'content-length': Buffer.byteLength(body) }) }
  return [
    `${method} ${path} HTTP/1.1`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    '',
    body,
  ].join('\r\n')
}

const headersOf = ({ token, body }: Sent): Record<string, string> => ({
  ...(token && { authorization: `Bearer ${token}` }),
  ...(body !== undefined && { 'content-type': 'application/json' }),
})

/**
 * CPU that a process has used, user and system, all threads (proc_pid_stat(5), fields 14 and 15), or all children that
 * have ended (16 and 17).
 */
export function cpuUs(pid: number, whose: 'own' | 'ended' = 'own'): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The name of the program, in brackets, may contain blanks.
  const fields = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number)
  const first = whose === 'own' ? 11 : 13
  return ((fields[first] ?? 0) + (fields[first + 1] ?? 0)) * tickUs
}

/** Of the server, its living children, and those that have ended. */
function cpuOfDatabaseUs(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean)
  const living = children.map((child) => {
    try {
      return cpuUs(Number(child))
    } catch {
      // It ended between the two looks.
      return 0
    }
  })
  return cpuUs(pid) + cpuUs(pid, 'ended') + living.reduce((sum, each) => sum + each, 0)
}

/** All that the machine did not idle away or wait (proc_stat(5)). */
function cpuOfMachineUs(): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = (
    readFileSync('/proc/stat', 'utf8').split('\n')[0] ?? ''
  )
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number)
  return (user + nice + system + irq + softirq + steal) * tickUs
}

export function rssMb(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}

export const median = (values: readonly number[]) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN

/** The value that a share `p` of the others stays below. */
export const percentile = (values: readonly number[], p: number) =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.ceil(values.length * p) - 1)] ?? Number.NaN

export interface Goal {
  what: string
  value: number
  goal: string
  met: boolean
}

export const atLeast = (what: string, value: number, bound: number): Goal => ({
  what,
  value,
  goal: `>= ${bound}`,
  met: value >= bound,
})
export const atMost = (what: string, value: number, bound: number): Goal => ({
  what,
  value,
  goal: `<= ${bound}`,
  met: value <= bound,
})

/** Prints figures and goals, and writes them to results/ as JSON. `rounds` are for the file only. */
export function report<Line extends { kind: string; rounds?: unknown }>(
  part: string,
  load: string,
  rows: readonly Line[],
  goals: readonly Goal[],
): void {
  const short = (value: unknown) =>
    typeof value === 'number'
      ? Number(value.toPrecision(Math.max(3, Math.ceil(Math.log10(Math.abs(value) || 1)))))
      : value
  const line = (row: object) =>
    Object.fromEntries(
      Object.entries(row).flatMap(([name, value]) => (name === 'rounds' ? [] : [[name, short(value)]])),
    )
  console.log(`\n${part}: ${load}`)
  console.table(rows.map(line))
  if (goals.length > 0) console.table(goals.map(line))
  const folder = join(import.meta.dirname, 'results')
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `${part}.json`)
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version }
  writeFileSync(file, JSON.stringify({ part, load, at: new Date(), machine, rows, goals }, undefined, 2))
  console.log(`written to ${file}`)
}
