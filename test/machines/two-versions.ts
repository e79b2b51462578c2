import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { onTestFinished } from 'vitest'
import { freePort, pause } from '../faults/processes.ts'
import { onLeash } from '../leash.ts'
import { until } from '../patience.ts'
import { lead, type Reply, send } from '../service.ts'

const batchLeads = 20
// Of a caller between two calls, so that both versions have something to spare.
const pauseMs = 25

export interface Version {
  url: string
  /** What it logged. */
  lines: string[]
  /** With SIGTERM; its exit code. */
  stop(): Promise<number | null>
}

/** Resolves when it is ready to serve. */
export async function startVersion(folder: string, env: Record<string, string>): Promise<Version> {
  const port = await freePort()
  const child: ChildProcess = spawn(...onLeash('src/main.ts'), {
    cwd: folder,
    env: { PATH: process.env['PATH'], LOG_LEVEL: 'info', LIMITS: 'off', ...env, PORT: String(port) },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const lines: string[] = []
  if (child.stdout) createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
  const url = `http://127.0.0.1:${port}`
  await until(() => {
    if (child.exitCode !== null) throw new Error(`${folder} ended before it was ready: ${lines.slice(-5).join('\n')}`)
    return fetch(`${url}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    )
  })
  const stop = async () => {
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    const [code] = await ended
    return code as number | null
  }
  return { url, lines, stop }
}

export interface Credentials {
  admin: string
  website: string
  dms: string
  secret: string
}

/** Calls of one kind to one version. */
export interface Tally {
  calls: number
  milliseconds: number[]
  /** Answers that nobody should see, each with how often it came. */
  failed: Map<string, number>
}

/** What callers know. */
export interface Ledger {
  /** What goes on at the moment, for failures. */
  phase: string
  tallies: Map<string, Tally>
  /** The references of leads that were acknowledged. */
  acknowledged: Set<string>
}

export const newLedger = (): Ledger => ({ phase: 'before', tallies: new Map(), acknowledged: new Set() })

/**
 * Callers of every kind, one after the other each, until they are stopped. `done` is how many calls the slowest of them
 * has behind it.
 */
export interface Load {
  done(): number
  stop(): Promise<void>
}

export function startLoad(
  name: string,
  { url }: Version,
  { admin, website, dms, secret }: Credentials,
  known: readonly string[],
  ledger: Ledger,
): Load {
  let isOver = false
  let made = 0
  const counts: (() => number)[] = []
  const reference = () => {
    const id = `${name.replaceAll(' ', '-')}-${made++}`
    return { id, externalReference: { source: 'load', id } }
  }
  const some = () => known[made % known.length]

  /** One caller. `call` says what it expected and did not see. */
  const caller = async (kind: string, call: () => Promise<string | undefined>) => {
    const tally: Tally = { calls: 0, milliseconds: [], failed: new Map() }
    ledger.tallies.set(`${kind}, ${name}`, tally)
    counts.push(() => tally.calls)
    while (!isOver) {
      const startedAt = performance.now()
      const failure = await call().catch((error: unknown) => `no answer: ${String(error)}`)
      tally.milliseconds.push(performance.now() - startedAt)
      tally.calls++
      if (failure !== undefined) {
        const what = `${failure} (${ledger.phase})`
        tally.failed.set(what, (tally.failed.get(what) ?? 0) + 1)
      }
      await pause(pauseMs)
    }
  }
  const unless = (status: number, reply: Reply) =>
    reply.status === status ? undefined : `${reply.status} ${reply.body?.code ?? reply.body?.error ?? ''}`
  const get = (path: string, token: string) => async () => unless(200, await send(url + path, 'GET', { token }))

  const callers = [
    caller('a lead', async () => {
      const { id, externalReference } = reference()
      const headers = { 'idempotency-key': id }
      const reply = await send(`${url}/v1/leads`, 'POST', {
        token: website,
        headers,
        body: lead({ externalReference }),
      })
      if (reply.status === 201) ledger.acknowledged.add(id)
      return unless(201, reply)
    }),
    caller('a batch', async () => {
      const references = Array.from({ length: batchLeads }, reference)
      const leads = references.map(({ externalReference }) => ({ lead: lead({ externalReference }) }))
      const reply = await send(`${url}/v1/leads/batch`, 'POST', { token: website, body: { leads } })
      if (reply.status !== 207) return unless(207, reply)
      const results = reply.body.results as { status: number }[]
      results.forEach(({ status }, at) => status === 201 && ledger.acknowledged.add(references[at]?.id ?? ''))
      return results.every(({ status }) => status === 201) ? undefined : 'a lead of a batch was refused'
    }),
    caller('a move', async () => {
      const body = { status: made++ % 2 === 0 ? 'in_progress' : 'appointment_set' }
      const path = `${url}/v1/leads/${known[name.length % known.length]}`
      return unless(200, await send(path, 'PATCH', { token: dms, body, headers: { 'if-match': '*' } }))
    }),
    caller('an exchange', async () =>
      unless(200, await send(`${url}/v1/auth/token`, 'POST', { headers: { 'x-api-key': secret } })),
    ),
    caller('a list', get('/v1/leads?limit=50', dms)),
    caller('one read', () => get(`/v1/leads/${some()}`, dms)()),
    caller('a page of events', get('/v1/events?limit=50', dms)),
    caller('the API keys', get('/v1/api-keys', admin)),
    caller('the sources', get('/v1/sources', admin)),
  ]
  return {
    done: () => Math.min(...counts.map((count) => count())),
    stop: async () => {
      isOver = true
      await Promise.all(callers)
    },
  }
}

/** Follows the feed, at whichever version it is pointed to, and keeps what it has seen. */
export function startReader(version: Version, token: string) {
  let at = version
  let isOver = false
  let cursor: string | undefined
  let restarts = 0
  const seen = new Set<string>()
  const failed: string[] = []
  let isAtEnd = false
  const run = async () => {
    while (!isOver || !isAtEnd) {
      const query = cursor === undefined ? '' : `&cursor=${cursor}`
      const reply = await send(`${at.url}/v1/events?limit=200${query}`, 'GET', { token })
      isAtEnd = reply.status === 200 && reply.body.items.length === 0
      if (reply.status === 410) {
        restarts++
        cursor = undefined
      } else if (reply.status === 200) {
        cursor = reply.body.nextCursor
        for (const { type, subject } of reply.body.items) if (type === 'lead.created') seen.add(subject.id)
        if (isAtEnd) await pause(20)
      } else {
        failed.push(`${reply.status} ${reply.body?.code ?? ''}`)
        if (isOver) return
      }
    }
  }
  const running = run().catch((error: unknown) => void failed.push(`no answer: ${String(error)}`))
  return {
    seen,
    failed,
    restarts: () => restarts,
    pointTo: (other: Version) => (at = other),
    /** Once it has read to the end. */
    stop: async () => {
      isOver = true
      await running
    },
  }
}

/** Every kind of call that went wrong, with how often. */
export const failures = ({ tallies }: Ledger): string[] =>
  [...tallies].flatMap(([kind, { failed }]) => [...failed].map(([what, times]) => `${kind}: ${times} x ${what}`))

/** For people. */
export function figures({ tallies }: Ledger): string {
  const rows = [...tallies].map(([kind, { calls, milliseconds, failed }]) => {
    const sorted = milliseconds.toSorted((one, other) => one - other)
    const at = (share: number) => `${Math.round(sorted[Math.floor((sorted.length - 1) * share)] ?? 0)} ms`
    const failures = [...failed].map(([what, times]) => `${times} x ${what}`).join('; ') || '0 failed'
    return `  ${kind.padEnd(36)} ${String(calls).padStart(6)} calls, p50 ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)}, ${failures}`
  })
  return rows.join('\n')
}
