import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { browserHeaders } from '../src/http/browser-headers.ts'
import { startQuickly } from './quick-process.ts'
import { lead } from './service.ts'

// HTTP as it is written: what no client library would send.

let service: Awaited<ReturnType<typeof startQuickly>>
let token: string
beforeAll(async () => {
  service = await startQuickly(1)
  token = (await service.createKey({ name: 'Web site', kind: 'digital_requests' })).token
})
afterAll(() => service.stop())

async function opened() {
  const socket = connect({ port: service.port, host: '127.0.0.1' }).setEncoding('latin1')
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  let text = ''
  const take = (pattern: RegExp): Promise<string> =>
    new Promise((resolve, reject) => {
      const look = () => {
        const found = pattern.exec(text)
        if (!found) return
        socket.off('data', read).off('end', ended)
        text = text.slice(found.index + found[0].length)
        resolve(found[0])
      }
      const read = (chunk: string) => {
        text += chunk
        look()
      }
      const ended = () => reject(new Error(`There is only ${text}`))
      socket.on('data', read).on('end', ended)
      look()
    })
  const answer = async () => {
    const [top = '', json = ''] = (await take(/HTTP\/1\.1 [^]*?\r\n\r\n\{[^]*?\}(?=$|HTTP\/1\.1)/)).split('\r\n\r\n')
    const [status = '', ...lines] = top.split('\r\n')
    const headers = Object.fromEntries(lines.map((line) => line.split(': ', 2).map((part) => part.toLowerCase())))
    return { status: Number(status.split(' ')[1]), headers, body: JSON.parse(json) }
  }
  return { socket, take, answer }
}

/** What is answered is a problem, with its number and its date. */
async function expectProblem(
  reply: ReturnType<Awaited<ReturnType<typeof opened>>['answer']>,
  status: number,
  code: string,
) {
  const { status: came, headers, body } = await reply
  expect([came, body.status, body.code]).toEqual([status, status, code])
  expect(headers).toMatchObject({
    'content-type': 'application/problem+json',
    'x-request-id': body.requestId,
    date: expect.stringMatching(/ gmt$/),
  })
  return { headers, body }
}

describe('a head that HTTP does not allow is answered with a problem', () => {
  it.each([
    ['no Host', 'GET /healthz HTTP/1.1\r\n\r\n', 400, 'bad-request'],
    ['two Hosts', 'GET /healthz HTTP/1.1\r\nHost: a.example\r\nhost: b.example\r\n\r\n', 400, 'bad-request'],
    ['twice the same Host', 'GET /healthz HTTP/1.1\r\nHost: a.example\r\nHost: a.example\r\n\r\n', 400, 'bad-request'],
    ['a Host that is none', 'GET /healthz HTTP/1.1\r\nHost: a.example/path\r\n\r\n', 400, 'bad-request'],
    ['another expectation', 'GET /healthz HTTP/1.1\r\nHost: x\r\nExpect: a-miracle\r\n\r\n', 417, 'expectation-failed'],
    [
      'one expectation too many',
      'GET /healthz HTTP/1.1\r\nHost: x\r\nExpect: 100-continue, more\r\n\r\n',
      417,
      'expectation-failed',
    ],
    ['CONNECT', 'CONNECT b.example:443 HTTP/1.1\r\nHost: b.example:443\r\n\r\n', 405, 'method-not-allowed'],
    ['what is not HTTP', 'GARBAGE\r\n\r\n', 400, 'bad-request'],
    [
      'large headers',
      `GET /healthz HTTP/1.1\r\nHost: x\r\nX-Large: ${'x'.repeat(17_000)}\r\n\r\n`,
      431,
      'headers-too-large',
    ],
    ['a target that is no path', 'GET * HTTP/1.1\r\nHost: x\r\n\r\n', 404, 'not-found'],
    ['an address that is none', 'GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n', 404, 'not-found'],
    ['two slashes', 'GET //[?a=%zz HTTP/1.1\r\nHost: x\r\n\r\n', 404, 'not-found'],
    [
      'two ends of a body',
      'POST /v1/leads HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
      'bad-request',
    ],
    [
      'two lengths of a body',
      'POST /v1/leads HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nnull',
      400,
      'bad-request',
    ],
    ['TRACE', 'TRACE /v1/leads HTTP/1.1\r\nHost: x\r\n\r\n', 405, 'method-not-allowed'],
    ['a method that is not known here', 'PROPFIND /v1/leads HTTP/1.1\r\nHost: x\r\n\r\n', 405, 'method-not-allowed'],
  ])('%s', async (_what, text, status, code) => {
    const { socket, answer } = await opened()
    socket.write(text)
    await expectProblem(answer(), status, code)
  })

  it('but HTTP/1.0 needs no Host, an empty one is one, and a target may be a whole address', async () => {
    for (const text of [
      'GET /healthz HTTP/1.0\r\n\r\n',
      'GET /healthz HTTP/1.1\r\nHost: \r\n\r\n',
      'GET http://leads.dealer.example/healthz HTTP/1.1\r\nHost: leads.dealer.example\r\n\r\n',
    ]) {
      const { socket, answer } = await opened()
      socket.write(text)
      expect((await answer()).status).toBe(200)
    }
  })
})

describe('every answer tells a browser that it is nothing to be shown, framed, kept or guessed at', () => {
  it.each([
    ['200', 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['400 of a path', 'GET /v1/leads/%E0%A4%A HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['401', 'GET /v1/leads HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['404', 'GET /v1/nothing HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['405', 'PUT /v1/leads HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['405 of a page', 'POST /docs/ HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['417', 'GET /healthz HTTP/1.1\r\nHost: x\r\nExpect: more\r\n\r\n'],
    ['400 of what is no request', 'GARBAGE\r\n\r\n'],
    ['405 of a proxy', 'CONNECT b.example:443 HTTP/1.1\r\nHost: b.example:443\r\n\r\n'],
  ])('%s', async (status, text) => {
    const { socket, answer } = await opened()
    socket.write(text)
    const { status: came, headers } = await answer()
    expect(String(came)).toBe(status.slice(0, 3))
    expect(headers).toMatchObject({
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
      'cross-origin-resource-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'deny',
    })
    expect(headers).not.toHaveProperty('strict-transport-security')
  })

  it('but a page is shown, and https is asked for again where the service is at an address of https', async () => {
    const { headers } = await service.call('GET', '/docs/', { headers: { accept: 'text/html' } })
    expect(headers.get('content-security-policy')).toContain("script-src 'self'")
    expect(browserHeaders('https://leads.example.com')).toHaveProperty(
      'Strict-Transport-Security',
      'max-age=31536000; includeSubDomains',
    )
  })
})

const head = (...headers: string[]) =>
  [
    'POST /v1/leads HTTP/1.1',
    'Host: x',
    `Authorization: Bearer ${token}`,
    'Content-Type: application/json',
    ...headers,
    '\r\n',
  ].join('\r\n')
const body = JSON.stringify(lead())

describe('a body that is too large', () => {
  it('is refused by what its head says, before anything of it has come', async () => {
    const { socket, answer } = await opened()
    socket.write(head('Content-Length: 300000'))
    await expectProblem(answer(), 413, 'body-too-large')
    // The rest of it is not taken for a request.
    socket.write('x'.repeat(300_000) + head(`Content-Length: ${body.length}`) + body)
    expect((await answer()).status).toBe(201)
  })

  it('is not asked for when its sender waits to be told', async () => {
    const { socket, answer } = await opened()
    socket.write(head('Content-Length: 300000', 'Expect: 100-continue'))
    const { headers } = await expectProblem(answer(), 413, 'body-too-large')
    expect(headers['connection']).toBe('close')

    const other = await opened()
    other.socket.write(head(`Content-Length: ${body.length}`, 'Expect: 100-continue'))
    expect(await other.take(/HTTP\/1\.1 100 Continue\r\n\r\n/)).toContain('100')
    other.socket.write(body)
    expect((await other.answer()).status).toBe(201)
  })

  it('is refused as soon as its chunks pass the limit, and the connection ends', async () => {
    const { socket, answer } = await opened()
    const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`
    socket.write(head('Transfer-Encoding: chunked') + chunk.repeat(4))
    socket.write(chunk)
    const { headers } = await expectProblem(answer(), 413, 'body-too-large')
    expect(headers['connection']).toBe('close')
  })

  it('is refused in words that its sender reads, also when it sends all of it first', async () => {
    const { socket, answer } = await opened()
    socket.pause()
    const sent = (text: string) =>
      new Promise<void>((resolve, reject) => socket.write(text, (error) => (error ? reject(error) : resolve())))
    await sent(head('Content-Length: 8000000'))
    for (let count = 0; count < 80; count++) await sent('x'.repeat(100_000))
    socket.resume()
    await expectProblem(answer(), 413, 'body-too-large')
  })
})

it('refuses the long body of whoever is not let in in words that its sender reads, and ends the connection', async () => {
  const ended = await service.createKey({ name: 'Ended', kind: 'digital_requests' })
  await service.call('DELETE', `/v1/api-keys/${ended.id}`, { token: service.admin })
  const { socket, answer } = await opened()
  socket.pause()
  const sent = (text: string) =>
    new Promise<void>((resolve, reject) => socket.write(text, (error) => (error ? reject(error) : resolve())))
  await sent(head('Content-Length: 4000000').replace(token, ended.token).replace('/v1/leads ', '/v1/leads/batch '))
  for (let count = 0; count < 39; count++) await sent('x'.repeat(100_000))
  socket.resume()
  const { headers } = await expectProblem(answer(), 401, 'token-invalid')
  expect(headers['connection']).toBe('close')
  // All that came is passed over, and nothing more is waited for.
  if (!socket.readableEnded) await once(socket, 'end')
})

describe('requests that come one behind the other', () => {
  it('are answered in their order, and what is not HTTP behind them is answered last', async () => {
    const { socket, answer } = await opened()
    const held = await service.db.transaction()
    await held('dealer_clocks').where({ dealer_id: service.dealerId }).forUpdate().select('dealer_id')
    socket.write(
      head(`Content-Length: ${body.length}`) + body + 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGARBAGE\r\n\r\n',
    )
    // By now all of it has been read.
    await service.call('GET', '/healthz')
    await service.call('GET', '/healthz')
    await held.commit()
    expect([(await answer()).status, (await answer()).status]).toEqual([201, 200])
    await expectProblem(answer(), 400, 'bad-request')
    await once(socket, 'end')
  })
})

describe('a lead that the caller has already', () => {
  let path: string
  let dms: string
  beforeAll(async () => {
    dms = (await service.createKey({ name: 'DMS', kind: 'extensive_integrations' })).token
    path = `/v1/leads/${(await service.call('POST', '/v1/leads', { token: dms, body: lead() })).body.id}`
  })
  const read = (headers: Record<string, string>, method = 'GET') => service.call(method, path, { token: dms, headers })

  it('is not sent again: 304 with its ETag and without a body', async () => {
    for (const tags of ['"1"', 'W/"1"', '"7", "1"', '"7",W/"1"', '*']) {
      const { status, text, headers } = await read({ 'if-none-match': tags })
      expect([tags, status, text, headers.get('etag')]).toEqual([tags, 304, '', '"1"'])
    }
    expect((await read({ 'if-none-match': '"1"' }, 'HEAD')).status).toBe(304)
    for (const tags of ['"2"', 'W/"2"', '1', '"11"', '"1']) {
      const { status, body } = await read({ 'if-none-match': tags })
      expect([tags, status, body?.version]).toEqual([tags, 200, 1])
    }
  })

  it('is refused when If-Match does not name its version: 412, also where it would be 304', async () => {
    for (const tags of ['"1"', '"7", "1"', '*'])
      expect([tags, (await read({ 'if-match': tags })).status]).toEqual([tags, 200])
    for (const headers of [
      { 'if-match': '"2"' },
      { 'if-match': 'W/"1"' },
      { 'if-match': '"2"', 'if-none-match': '"1"' },
    ] as Record<string, string>[]) {
      const { status, body, headers: sent } = await read(headers)
      expect([status, body.code, sent.get('etag')]).toEqual([412, 'lead-changed', '"1"'])
    }
    expect((await read({ 'if-match': '1' })).status).toBe(400)
  })

  it('is sent when it has changed', async () => {
    const change = { token: dms, body: { status: 'acknowledged' }, headers: { 'if-match': '"1"' } }
    expect((await service.call('PATCH', path, change)).status).toBe(200)
    expect((await read({ 'if-none-match': '"1"' })).body.version).toBe(2)
  })
})

describe('the contract and the pages about it', () => {
  const pages = ['/openapi.json', '/openapi.yaml', '/docs/', '/docs/style.css', '/docs/reference/swagger-ui-bundle.js']

  it('are compressed for whoever takes that', async () => {
    for (const page of pages) {
      for (const encoding of ['br', 'gzip']) {
        const { headers } = await service.call('GET', page, { headers: { 'accept-encoding': encoding } })
        expect([page, headers.get('content-encoding'), headers.get('vary')]).toEqual([
          page,
          encoding,
          'Accept-Encoding',
        ])
      }
      const plain = await service.call('GET', page, { headers: { 'accept-encoding': 'identity' } })
      expect([page, plain.headers.get('content-encoding')]).toEqual([page, null])
      expect((await service.call('GET', page, { headers: { 'accept-encoding': 'gzip' } })).text).toBe(plain.text)
    }
  })

  it('are not sent again to whoever has them', async () => {
    for (const page of pages) {
      const etag = (await service.call('GET', page)).headers.get('etag') ?? ''
      const { status, text } = await service.call('GET', page, { headers: { 'if-none-match': etag } })
      expect([page, status, text]).toEqual([page, 304, ''])
      expect((await service.call('GET', page, { headers: { 'if-none-match': '"other"' } })).status).toBe(200)
    }
  })

  it('take no other methods', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      const { status, headers, body: problem } = await service.call(method, '/openapi.json')
      expect([method, status, headers.get('allow'), problem.code]).toEqual([
        method,
        405,
        'GET, HEAD',
        'method-not-allowed',
      ])
    }
  })

  it('say to pages elsewhere that they may read the contract, and nothing else', async () => {
    const allowed = async (path: string, method = 'GET') =>
      (await service.call(method, path, { headers: { origin: 'https://elsewhere.example' } })).headers.get(
        'access-control-allow-origin',
      )
    expect([await allowed('/openapi.json'), await allowed('/openapi.yaml')]).toEqual(['*', '*'])
    for (const path of ['/docs/', '/healthz', '/v1/leads', '/v1/auth/token', '/.well-known/jwks.json'])
      expect([path, await allowed(path), await allowed(path, 'OPTIONS')]).toEqual([path, null, null])
    expect((await service.call('OPTIONS', '/v1/leads')).status).toBe(405)
    expect((await service.call('GET', '/docs/')).text).toContain('no CORS headers')
  })
})
