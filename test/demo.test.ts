import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { connect, createLead, listLeads } from '../src/client/client.ts'
import { send } from './service.ts'

const stopMsMax = 5_000

let dataDir: string
let port: number
let server: ChildProcess | undefined
const url = () => `http://localhost:${port}`

function run(script: string, args: string[] = [], env: Record<string, string> = {}, input = '') {
  const started = spawn(process.execPath, [script, ...args], { env: { PATH: process.env['PATH'] ?? '', PORT: String(port), DATA_DIR: dataDir, ...env } })
  let output = ''
  started.stdout.on('data', (chunk) => (output += chunk))
  started.stderr.on('data', (chunk) => (output += chunk))
  started.stdin.end(input)
  return { started, output: () => output, ended: once(started, 'close').then(([code]) => ({ code, output })) }
}

async function startServer(env: Record<string, string> = {}) {
  const { started, output } = run('src/main.ts', [], env)
  server = started
  for (let look = 0; look < 400 && started.exitCode === null; look++) {
    if (await fetch(`${url()}/readyz`).then(({ ok }) => ok).catch(() => false)) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`The service did not get ready: ${output()}`)
}

/** Ends the service and says how many milliseconds that took. */
async function end(signal: NodeJS.Signals): Promise<number> {
  if (!server || server.exitCode !== null || server.signalCode !== null) return 0
  const started = performance.now()
  const ended = once(server, 'exit')
  server.kill(signal)
  await ended
  return performance.now() - started
}

/** The process ids of the database servers on our DATA_DIR: a postmaster works in its cluster and is nobody's child of the same kind. */
function databases(): string[] {
  const inside = readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readlinkSync(`/proc/${pid}/cwd`).startsWith(dataDir)
    } catch {
      return false
    }
  })
  return inside.filter((pid) => !inside.includes(/^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? ''))
}

const firstAdmin = (): { email: string; password: string } => JSON.parse(readFileSync(join(dataDir, 'first-admin'), 'utf8'))
const signIn = (body: object) => send(`${url()}/v1/session`, 'POST', { body })
const demo = (env?: Record<string, string>) => run('src/cli/demo.ts', [], env).ended
const admin = (args: string[], env?: Record<string, string>, input?: string) => run('src/cli/admin.ts', args, env, input).ended

beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'carbuddii-demo-'))
  // Started by root, the server of the database runs as somebody else, who must get through.
  chmodSync(dataDir, 0o711)
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const address = probe.address()
  port = typeof address === 'object' && address ? address.port : 0
  probe.close()
})
afterEach(async () => {
  await end('SIGTERM')
  rmSync(dataDir, { recursive: true, force: true })
})

it('shows the main job, and its leads are there after kill -9', async () => {
  expect(await demo()).toEqual({ code: 1, output: expect.stringContaining('There is no') })
  await startServer()
  expect(await demo()).toEqual({ code: 0, output: expect.stringContaining('Done.') })
  const { body } = await signIn(firstAdmin())
  const key = await send(`${url()}/v1/api-keys`, 'POST', { token: body.access_token, body: { name: 'Survivor', kind: 'extensive_integrations' } })
  const before = await send(`${url()}/v1/leads`, 'GET', { token: body.access_token })

  await end('SIGKILL')
  await startServer()
  expect(databases()).toHaveLength(1)
  expect((await signIn(firstAdmin())).status).toBe(200)
  const { data } = await listLeads({ client: connect({ baseUrl: url(), apiKey: key.body.secret }) })
  expect([data?.items.length, data?.items]).toEqual([3, before.body.items])

  expect(await end('SIGTERM')).toBeLessThan(stopMsMax)
  expect(databases()).toEqual([])
})

it('serves from two workers and stops them', async () => {
  await startServer({ WORKERS: '2' })
  expect((await demo()).code).toBe(0)
  expect(databases()).toHaveLength(1)
  expect(await end('SIGTERM')).toBeLessThan(stopMsMax)
  expect(databases()).toEqual([])
})

it('names every fault of the environment and no value, for the service and for the commands', async () => {
  for (const script of ['src/main.ts', 'src/cli/demo.ts', 'src/cli/admin.ts']) {
    const { code, output } = await run(script, [], { PORT: 'x', PUBLIC_URL: 'ftp://x', WORKERS: '0' }).ended
    expect([script, code]).toEqual([script, 1])
    expect(output.split('\n').map((line) => line.trim().split(' ')[0])).toEqual(['The', 'PORT', 'PUBLIC_URL', 'WORKERS', ''])
    expect(output).not.toContain('ftp')
  }
})

describe('the operator', () => {
  it('manages dealers and people beside the running service', async () => {
    await startServer()
    const made = await admin(['create-dealer', '--name', 'Nordhavn Biler', '--email', 'mette@nordhavn.example', '--admin-name', 'Mette', '--country', 'dk', '--time-zone', 'UTC'])
    const [, dealer = '', password = ''] = /(dealer_\w+)[^]*Password +(\S+)/.exec(made.output) ?? []
    expect((await signIn({ email: 'mette@nordhavn.example', password })).status).toBe(200)
    expect((await admin(['list-dealers'])).output).toContain(`${dealer}  Nordhavn Biler (DK)`)
    expect((await admin(['add-user', '--dealer', dealer, '--email', 'jonas@nordhavn.example', '--name', 'Jonas', '--role', 'sales'])).code).toBe(0)

    const { email } = firstAdmin()
    expect(await admin(['reset-password', email, '--password-stdin'], {}, 'too short\n')).toEqual({ code: 1, output: expect.stringContaining('12 to 256') })
    expect(existsSync(join(dataDir, 'first-admin'))).toBe(true)
    expect((await admin(['reset-password', email, '--password-stdin'], {}, 'a password for tests\n')).code).toBe(0)
    expect(existsSync(join(dataDir, 'first-admin'))).toBe(false)
    expect((await signIn({ email, password: 'a password for tests' })).status).toBe(200)
  })

  it('is told what is wrong, and no foreign secret gets into the signing keys', async () => {
    await startServer()
    const wrong = [
      [['create-dealer', '--name', 'X', '--email', 'nobody'], 'e-mail address'],
      [['create-dealer', '--name', 'X', '--email', 'x@x.example', '--country', 'DNK'], 'two letters'],
      [['create-dealer', '--name', 'X', '--email', 'x@x.example', '--time-zone', 'Europe/Atlantis'], 'IANA time zone'],
      [['create-dealer', '--name', 'X', '--email', firstAdmin().email], 'is taken'],
      [['add-user', '--dealer', `dealer_${'0'.repeat(32)}`, '--email', 'x@x.example', '--name', 'X'], 'There is no dealer_0'],
      [['reset-password', 'x@x.example'], 'Nobody has'],
    ] as const
    for (const [args, reason] of wrong) expect(await admin([...args])).toEqual({ code: 1, output: expect.stringContaining(reason) })
    const foreign = await admin(['rotate-signing-key', '--now'], { SECRET_KEYS: `v1:${Buffer.alloc(32, 9).toString('base64url')}` })
    expect(foreign).toEqual({ code: 1, output: expect.stringContaining('not one that the service has run with') })
    expect((await demo()).code).toBe(0)
  })

  it('kills every token with --now, and a client that renews does not notice', async () => {
    await startServer()
    const { body } = await signIn(firstAdmin())
    const key = await send(`${url()}/v1/api-keys`, 'POST', { token: body.access_token, body: { name: 'Web site', kind: 'digital_requests' } })
    let exchanges = 0
    const client = connect({ baseUrl: url(), apiKey: key.body.secret, fetch: (request) => ((exchanges += Number(request.url.endsWith('/token'))), fetch(request)) })
    const push = async () => (await createLead({ client, body: { customer: { phones: [{ number: '32 12 34 56' }] } } })).response?.status
    expect(await Promise.all([push(), push(), push()])).toEqual([201, 201, 201])
    expect(exchanges).toBe(1)

    expect((await admin(['rotate-signing-key', '--now'])).code).toBe(0)
    expect((await send(`${url()}/v1/me`, 'GET', { token: body.access_token })).status).toBe(401)
    expect(await Promise.all([push(), push(), push()])).toEqual([201, 201, 201])
    expect(exchanges).toBe(2)
  })
})
