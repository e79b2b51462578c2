import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { connect, createServer, type AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { bareEnvironment, onLeash } from '../leash.ts'
import { amount, isLong } from '../long.ts'
import { patienceMs } from '../patience.ts'
import { lead, send, startService, type TestService } from '../service.ts'
import { freePort, type LogLine, onDatabase, pause } from './processes.ts'

const kept = 8
const fresh = 2
const drainSeconds = amount(2, 10)
const underWayMsMax = 10_000

let service: TestService
let dealer: Awaited<ReturnType<TestService['dealer']>>
const children: ChildProcess[] = []

beforeAll(async () => {
  service = await startService()
  dealer = await service.dealer('ending')
  return service.close
})
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (hasEnded(child)) continue
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
})
const hasEnded = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null

/**
 * The service as main.ts starts it, on the database of this file. Tokens of the other process are good here, too: the
 * issuer is the same.
 */
async function start(env: Record<string, string> = {}) {
  const port = Number(env['PORT'] ?? (await freePort()))
  const child = spawn(...onLeash('src/main.ts'), {
    env: {
      ...bareEnvironment,
      ...onDatabase(service.connection, service.url),
      DRAIN_SECONDS: String(drainSeconds),
      LIMITS: 'off',
      ...env,
      PORT: String(port),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.push(child)
  const lines: (LogLine & Record<string, unknown>)[] = []
  const notJson: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => {
    try {
      lines.push(JSON.parse(line))
    } catch {
      notJson.push(line)
    }
  })
  let told = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (told += text))
  const ended = once(child, 'close').then(([code]) => ({ code, told, lines, notJson }))
  return { url: `http://127.0.0.1:${port}`, port, child, lines, told: () => told, ended }
}

type Started = Awaited<ReturnType<typeof start>>

async function ready(started: Started): Promise<Started> {
  await vi.waitUntil(() => started.told().includes('CarBuddii serves on') || hasEnded(started.child), {
    timeout: patienceMs,
  })
  if (hasEnded(started.child)) throw new Error(started.told())
  return started
}

/**
 * Lanes of callers, of whom each sends the next lead when it has its answer. Most stop as a load balancer does, some
 * time after readiness was refused; the deaf go on until nobody listens, and may meet the moment in which the kernel
 * closes the port.
 */
function openLoad(port: number) {
  let isOver = false
  const deaf = new Map<string, number>()
  const outcomes = new Map<string, number>()
  const acknowledged: string[] = []
  const note = (within: Map<string, number>, outcome: string) => within.set(outcome, (within.get(outcome) ?? 0) + 1)
  const body = JSON.stringify(lead())
  const push = (agent: Agent) =>
    new Promise<string>((resolve) => {
      const req = request(
        {
          port,
          host: '127.0.0.1',
          method: 'POST',
          path: '/v1/leads',
          agent,
          headers: {
            authorization: `Bearer ${dealer.website.token}`,
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(body),
          },
        },
        (res) => {
          let text = ''
          res.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
          res.once('error', (error) => resolve(`broken answer: ${error.message}`))
          res.once('end', () => {
            if (res.statusCode === 201) acknowledged.push(JSON.parse(text).id)
            resolve(String(res.statusCode))
          })
        },
      )
      req.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
      req.end(body)
    })
  const lanes = Array.from({ length: kept + fresh }, async (_lane, at) => {
    const agent = new Agent({ keepAlive: at < kept, maxSockets: 1 })
    const isDeaf = at % 5 === 4
    while (isDeaf || !isOver) {
      const outcome = await push(agent)
      if (outcome === 'ECONNREFUSED') break
      note(isDeaf ? deaf : outcomes, outcome)
      // A caller with a pause between its calls has an idle connection for the most part.
      await pause(at % 3)
    }
    agent.destroy()
  })
  return { outcomes, deaf, acknowledged, end: () => (isOver = true), over: Promise.all(lanes) }
}

const readiness = (url: string) => send(`${url}/readyz`, 'GET').then(({ status }) => status)

describe.each([1, 2])('told to end under load, with WORKERS=%i', (workers) => {
  it('refuses readiness while it serves, resets nobody, ends streams, and has stored what it acknowledged', async () => {
    const started = await ready(await start({ WORKERS: String(workers) }))
    const load = openLoad(started.port)
    const stream = await fetch(`${started.url}/v1/events/stream`, {
      headers: { authorization: `Bearer ${dealer.dms.token}` },
    })
    const streamed = stream.text()
    await vi.waitUntil(() => load.acknowledged.length > 50, { timeout: patienceMs })

    const told = performance.now()
    started.child.kill('SIGTERM')
    await vi.waitUntil(async () => (await readiness(started.url)) === 503, { interval: 5, timeout: patienceMs })
    const before = load.acknowledged.length
    const seen = performance.now() - told
    await vi.waitUntil(() => load.acknowledged.length > before + 20, { timeout: patienceMs })
    await pause((drainSeconds * 1000) / 2)
    load.end()
    await load.over
    const closed = performance.now() - told
    const { code, notJson, lines } = await started.ended

    console.log(
      `WORKERS=${workers}: 503 after ${Math.round(seen)} ms, closed after ${Math.round(closed)} ms, ended after ${Math.round(performance.now() - told)} ms; ${JSON.stringify(Object.fromEntries(load.outcomes))}, deaf ${JSON.stringify(Object.fromEntries(load.deaf))}`,
    )
    expect(Object.fromEntries(load.outcomes)).toEqual({ 201: expect.any(Number) })
    expect(closed).toBeGreaterThanOrEqual(drainSeconds * 1000)
    expect([code, notJson, lines.filter(({ level }) => level >= 40)]).toEqual([0, [], []])
    expect(await streamed).toContain('event:')
    const stored = await service
      .db('leads')
      .whereIn(
        'id',
        load.acknowledged.map((id) => id.replace('lead_', '')),
      )
      .count({ count: '*' })
      .first()
    expect(Number(stored?.['count'])).toBe(load.acknowledged.length)
  })

  it('ends at once when it is told again', async () => {
    const { child, ended, lines } = await ready(await start({ WORKERS: String(workers), DRAIN_SECONDS: '300' }))
    child.kill('SIGTERM')
    await vi.waitUntil(() => lines.some(({ msg }) => msg === 'stopping'), { timeout: patienceMs })
    // What a terminal or npm doubles is not a second wish.
    child.kill('SIGTERM')
    await pause(600)
    expect(hasEnded(child)).toBe(false)
    child.kill('SIGINT')
    expect((await ended).code).toBe(1)
  })

  it('makes nobody wait who presses Ctrl-C', async () => {
    const { child, ended } = await ready(await start({ WORKERS: String(workers), DRAIN_SECONDS: '300' }))
    child.kill('SIGINT')
    expect((await ended).code).toBe(0)
  })

  it('is not ended by SIGHUP, and says so', async () => {
    const { child, url, lines } = await ready(await start({ WORKERS: String(workers), DRAIN_SECONDS: '0' }))
    const readyPids = () => lines.filter(({ msg }) => msg === 'ready').map(({ pid }) => Number(pid))
    await vi.waitUntil(() => readyPids().length === workers, { timeout: patienceMs })
    const pids = new Set([...readyPids(), Number(child.pid)])
    for (const pid of pids) process.kill(pid, 'SIGHUP')
    const ignoring = () => new Set(lines.filter(({ signal }) => signal === 'SIGHUP').map(({ pid }) => pid)).size
    await vi.waitUntil(() => ignoring() === pids.size, { timeout: patienceMs })
    expect([await readiness(url), hasEnded(child), pids.size]).toEqual([200, false, workers === 1 ? 1 : 3])
  })

  it('cannot start on a port that is in use: it ends, and says why', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    onTestFinished(() => void other.close())
    await once(other, 'listening')
    const { port } = other.address() as AddressInfo
    const { code, told, lines, notJson } = await (await start({ WORKERS: String(workers), PORT: String(port) })).ended
    expect([code, notJson, lines.filter(({ err }) => err)]).toEqual([1, [], []])
    expect(told).toContain(`CarBuddii cannot start. Port ${port} of 127.0.0.1 is in use by another process`)
    expect(lines.filter(({ level }) => level === 60).map(({ msg }) => msg)).toContainEqual(
      expect.stringContaining(`Port ${port} of 127.0.0.1 is in use`),
    )
  })

  it('cannot start with other secrets: it ends, and says why', async () => {
    const foreign = { SECRET_KEYS: `v1:${Buffer.alloc(32, 9).toString('base64url')}` }
    const { code, told, notJson } = await (await start({ WORKERS: String(workers), ...foreign })).ended
    expect([code, told, notJson]).toEqual([1, expect.stringContaining('SECRET_KEYS is not the one'), []])
  })
})

it('logs the faults of its environment as well as it tells them', async () => {
  const { code, told, lines, notJson } = await (await start({ DRAIN_SECONDS: 'sesame' })).ended
  expect([code, notJson]).toEqual([1, []])
  expect(told).toContain('DRAIN_SECONDS must be a number')
  expect(lines).toEqual([expect.objectContaining({ level: 60, msg: expect.stringContaining('DRAIN_SECONDS must be') })])
})

it('logs a refused request with the code of its problem', async () => {
  const { url, lines, child } = await ready(await start({ DRAIN_SECONDS: '0' }))
  await send(`${url}/v1/me`, 'GET')
  await send(`${url}/v1/auth/token`, 'POST', { headers: { 'x-api-key': 'cb_dr_live_wrong' } })
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.resume().end('no request\r\n\r\n')
  await once(socket, 'close')
  child.kill('SIGTERM')
  await vi.waitUntil(() => lines.some(({ msg }) => msg === 'stopped'), { timeout: patienceMs })
  const problems = lines.filter(({ status }) => Number(status) >= 400).map(({ status, problem }) => [status, problem])
  expect(problems).toEqual([
    [401, 'token-missing'],
    [401, 'invalid_client'],
    [400, 'bad-request'],
  ])
})

it.runIf(isLong)('cuts off a request that does not end, and ends', async () => {
  const { child, port, ended } = await ready(await start({ DRAIN_SECONDS: '0' }))
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.write('POST /v1/leads HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{')
  await pause(500)
  const told = performance.now()
  child.kill('SIGTERM')
  const { code, lines } = await ended
  expect([code, lines.some(({ msg }) => msg === 'cut off what took too long to end')]).toEqual([0, true])
  expect(performance.now() - told).toBeGreaterThanOrEqual(underWayMsMax)
})
