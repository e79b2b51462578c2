import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { amount } from './long.ts'
import { until } from './patience.ts'
import { startQuickly } from './quick-process.ts'
import { lead } from './service.ts'

// In the long form, in real time.
const speed = amount(5, 1)
const headersSeconds = 10
const requestSeconds = 30
const slowClients = 20
const served = 3
const dripMs = 250 / speed
// More than the buffers of the system hold.
const pouredBytesMax = 64_000_000

let service: Awaited<ReturnType<typeof startQuickly>>
let port: number
let refused = 0
let token: string

beforeAll(async () => {
  service = await startQuickly(speed, ({ msg }) => void (msg === 'refused before it was a request' && refused++))
  port = service.port
  token = (await service.createKey({ name: 'Web site', kind: 'digital_requests' })).token
})
afterAll(() => service.stop())

/**
 * Sends `head` at once, then `rest` and more byte by byte, until the server has hung up: that an answer came does not
 * stop it. `seconds` are those of the server, up to the answer.
 */
async function talk(head: string, rest = '') {
  const started = performance.now()
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  let seconds: number | undefined
  let text = ''
  socket.on('error', () => undefined) // so it ends, because it goes on sending
  socket.on('data', (chunk) => {
    seconds ??= ((performance.now() - started) / 1000) * speed
    text += chunk
  })
  const bytes = [...rest]
  socket.write(head)
  const dripping = setInterval(() => socket.write(bytes.shift() ?? 'x'), dripMs)
  await new Promise((resolve) => socket.once('close', resolve))
  clearInterval(dripping)

  const [top = '', body = ''] = text.split('\r\n\r\n')
  const [status = '', ...lines] = top.split('\r\n')
  const headers = Object.fromEntries(lines.map((line) => line.toLowerCase().split(': ', 2)))
  return {
    status: Number(status.split(' ')[1]),
    headers,
    body: body.startsWith('{') ? JSON.parse(body) : body,
    seconds,
  }
}

type Answer = Awaited<ReturnType<typeof talk>>
const many = (head: string, rest?: string) => Promise.all(Array.from({ length: slowClients }, () => talk(head, rest)))

function expectProblem({ status, headers, body }: Answer, expected: number, code: string) {
  expect([status, body.status, body.code, body.type]).toEqual([expected, expected, code, `/docs/problems/${code}`])
  expect(headers).toMatchObject({
    'content-type': 'application/problem+json',
    connection: 'close',
    'x-request-id': expect.stringMatching(/^[0-9a-f-]{36}$/),
  })
  expect(body.requestId).toBe(headers['x-request-id'])
}

const push = (headers: Record<string, string> = {}) =>
  service.call('POST', '/v1/leads', { token, body: lead(), headers })
const stored = async () => Number((await service.db('leads').count({ leads: '*' }).first())?.['leads'])

describe('answers a problem and hangs up', () => {
  it.each([
    ['one header of 17 KB', `X-Large: ${'x'.repeat(17_000)}\r\n`],
    ['one header of 300 KB', `X-Large: ${'x'.repeat(300_000)}\r\n`],
    ['a thousand headers', Array.from({ length: 1000 }, (_none, at) => `X-Header-${at}: ${at}\r\n`).join('')],
  ])('on %s, where 15 KB are served', async (_what, headers) => {
    expectProblem(await talk(`GET /healthz HTTP/1.1\r\nHost: x\r\n${headers}\r\n`), 431, 'headers-too-large')
    expect((await service.call('GET', '/healthz', { headers: { 'x-large': 'x'.repeat(15_000) } })).status).toBe(200)
  })

  it.each([
    ['what is not HTTP', 'GARBAGE\r\n\r\n'],
    ['a client that speaks TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc'],
    ['a version that there is not', 'GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n'],
    ['a control character in a header', 'GET /healthz HTTP/1.1\r\nHost: x\r\nX-Header: \x00\r\n\r\n'],
    ['two lengths', 'POST /v1/leads HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n'],
    [
      'a length and chunks',
      'POST /v1/leads HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
    ],
  ])('on %s', async (_what, text) => {
    expectProblem(await talk(text), 400, 'bad-request')
  })
})

describe('a client that is refused while it is still sending', () => {
  const tooLarge = `GET /healthz HTTP/1.1\r\nHost: x\r\nX-Large: ${'x'.repeat(17_000)}`
  const more = 'x'.repeat(17_000)

  async function refusedWhileSending() {
    const before = refused
    const socket = connect({ port, host: '127.0.0.1' })
    onTestFinished(() => void socket.destroy())
    socket.pause().on('error', () => undefined)
    const sent = (text: string) =>
      new Promise<void>((resolve, reject) => socket.write(text, (error) => (error ? reject(error) : resolve())))
    await sent(tooLarge)
    await until(() => refused > before)
    return { socket, sent }
  }

  it('reads why, also when it reads only after it has sent all', async () => {
    const { socket, sent } = await refusedWhileSending()
    for (let count = 0; count < 20; count++) await sent(more)
    const answer = once(socket.setEncoding('utf8'), 'data')
    socket.resume()
    expect((await answer)[0]).toMatch(/^HTTP\/1\.1 431 .*"code":"headers-too-large"/s)
  })

  it('is hung up on when it does not end', async () => {
    const { sent } = await refusedWhileSending()
    let bytes = 0
    const pour = async () => {
      for (; bytes < pouredBytesMax; bytes += more.length) await sent(more)
    }
    await expect(pour()).rejects.toMatchObject({ syscall: 'write' })
  })
})

describe('while clients take their time', () => {
  const body = JSON.stringify(lead({ message: 'x'.repeat(100) }))
  let heads: Promise<Answer[]>
  let bodies: Promise<Answer[]>
  beforeAll(() => {
    heads = many('GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ')
    bodies = many(
      `POST /v1/leads HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nIdempotency-Key: slow\r\n\r\n`,
      body,
    )
  })

  it('serves others', async () => {
    for (let count = 0; count < served; count++) expect((await push()).status).toBe(201)
    expect(await Promise.race([heads, bodies, Promise.resolve('still slow')])).toBe('still slow')
  })

  it('gives headers 10 seconds', async () => {
    for (const answer of await heads) {
      expectProblem(answer, 408, 'request-timeout')
      expect(answer.seconds).toBeGreaterThanOrEqual(headersSeconds)
    }
    expect(await Promise.race([bodies, Promise.resolve('still slow')])).toBe('still slow')
  })

  it('gives the whole request 30 seconds, and stores nothing of one that goes on after that', async () => {
    for (const answer of await bodies) {
      expectProblem(answer, 408, 'request-timeout')
      expect(answer.seconds).toBeGreaterThanOrEqual(requestSeconds)
    }
    expect(await stored()).toBe(served)
    expect((await push({ 'idempotency-key': 'slow' })).status).toBe(201)
    expect(await stored()).toBe(served + 1)
  })
})
