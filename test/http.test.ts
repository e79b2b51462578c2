import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
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
    ['a method that is not known here', 'PROPFIND /v1/leads HTTP/1.1\r\nHost: x\r\n\r\n', 405, 'method-not-allowed'],
  ])('%s', async (_what, text, status, code) => {
    const { socket, answer } = await opened()
    socket.write(text)
    await expectProblem(answer(), status, code)
  })

  it('but HTTP/1.0 needs no Host, and an empty one is one', async () => {
    for (const text of ['GET /healthz HTTP/1.0\r\n\r\n', 'GET /healthz HTTP/1.1\r\nHost: \r\n\r\n']) {
      const { socket, answer } = await opened()
      socket.write(text)
      expect((await answer()).status).toBe(200)
    }
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
