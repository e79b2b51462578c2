import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, chmodSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { send } from './service.ts'

let dataDir: string
let port: number
let child: ChildProcess
const url = () => `http://127.0.0.1:${port}`

function run(script: string, env: Record<string, string> = {}, args: string[] = []) {
  const started = spawn(process.execPath, [script, ...args], { env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', PORT: String(port), DATA_DIR: dataDir, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  started.stdout.on('data', (chunk) => (output += chunk))
  started.stderr.on('data', (chunk) => (output += chunk))
  return { started, output: () => output, ended: once(started, 'close').then(([code]) => code as number | null) }
}

async function startServer(env: Record<string, string> = {}) {
  const { started, output } = run('src/main.ts', env)
  child = started
  for (let look = 0; look < 300; look++) {
    if (await fetch(`${url()}/readyz`).then(({ ok }) => ok).catch(() => false)) return output
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`The service did not get ready: ${output()}`)
}

async function end(signal: NodeJS.Signals) {
  const ended = once(child, 'exit')
  child.kill(signal)
  await ended
}

/** The servers whose cluster lies in our DATA_DIR: a postmaster works in its data directory. */
const databases = () =>
  readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .filter((pid) => {
      try {
        return readlinkSync(`/proc/${pid}/cwd`) === join(dataDir, 'postgres') && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('\0-D\0')
      } catch {
        return false
      }
    })

beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'carbuddii-first-run-'))
  // Started by root, the server of the database runs as somebody else, who must get through.
  chmodSync(dataDir, 0o711)
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const address = probe.address()
  port = typeof address === 'object' && address ? address.port : 0
  probe.close()
})
afterAll(async () => {
  if (child.exitCode === null && child.signalCode === null) await end('SIGTERM')
  rmSync(dataDir, { recursive: true, force: true })
})

it('starts on nothing, does the main job, survives kill -9 with all it stored, and leaves no database behind', async () => {
  const output = await startServer()
  const admin = JSON.parse(readFileSync(join(dataDir, 'first-admin'), 'utf8'))
  expect(output()).toContain(admin.password)

  const demo = run('src/cli/demo.ts')
  expect([await demo.ended, demo.output()]).toEqual([0, expect.stringContaining('Done.')])
  const { body } = await send(`${url()}/v1/session`, 'POST', { body: admin })
  const leads = await send(`${url()}/v1/leads`, 'GET', { token: body.access_token })
  expect(leads.body.items).toHaveLength(3)
  const key = await send(`${url()}/v1/api-keys`, 'POST', { token: body.access_token, body: { name: 'Survivor', kind: 'extensive_integrations' } })

  await end('SIGKILL')
  const again = await startServer()
  expect(again()).not.toContain('Password')
  expect(databases()).toHaveLength(1)
  const token = (await send(`${url()}/v1/auth/token`, 'POST', { headers: { 'x-api-key': key.body.secret } })).body.access_token
  expect((await send(`${url()}/v1/leads`, 'GET', { token })).body.items).toEqual(leads.body.items)
  // The log of both runs, and no secret in it.
  for (const secret of [key.body.secret, body.access_token, token, 'session=']) expect(output() + again()).not.toContain(secret)

  const owner = run('src/main.ts', { PORT: '0' })
  expect([await owner.ended, owner.output()]).toEqual([1, expect.stringContaining(`in use by process ${child.pid}`)])

  await end('SIGTERM')
  expect(databases()).toEqual([])
})

it('answers 503 while the database is away, and comes back by itself', async () => {
  await startServer({ WORKERS: '2' })
  const [pid] = databases()
  process.kill(Number(pid), 'SIGKILL')
  const statuses: number[] = []
  for (let look = 0; look < 200 && statuses.at(-1) !== 200; look++) {
    const reply = await send(`${url()}/readyz`, 'GET')
    statuses.push(reply.status)
    if (reply.status === 503) expect([reply.body.code, reply.headers.has('retry-after')]).toEqual(['unavailable', true])
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  expect(new Set(statuses)).toEqual(statuses.length > 1 ? new Set([503, 200]) : new Set([200]))
  expect(databases()).toHaveLength(1)
  await end('SIGTERM')
  expect(databases()).toEqual([])
})

describe('refuses to start', () => {
  it('on a bad environment, naming every fault and no value', async () => {
    const { ended, output } = run('src/main.ts', { PORT: 'sesame', PUBLIC_URL: 'ftp://sesame', WORKERS: '0', DATABASE_URL: 'postgres://sesame' })
    expect(await ended).toBe(1)
    for (const name of ['PORT', 'PUBLIC_URL', 'WORKERS']) expect(output()).toContain(name)
    expect(output()).not.toContain('sesame')
  })
  it('on a database of other secrets, and on one that may lose what it acknowledged', async () => {
    const other = run('src/main.ts', { SECRET_KEYS: `v1:${Buffer.alloc(32, 9).toString('base64url')}` })
    expect([await other.ended, other.output()]).toEqual([1, expect.stringContaining('SECRET_KEYS is not the one')])
    expect(databases()).toEqual([])
    appendFileSync(join(dataDir, 'postgres', 'postgresql.conf'), '\nfsync = off\n')
    const unsafe = run('src/main.ts')
    expect([await unsafe.ended, unsafe.output()]).toEqual([1, expect.stringContaining('fsync off')])
    expect(databases()).toEqual([])
  })
})
