import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { until } from './patience.ts'
import { lead, startService, type TestService } from './service.ts'

// What long bodies take of the memory of a process, which is the one that they are sent from here.

type Dealer = Awaited<ReturnType<TestService['dealer']>>
let service: TestService
let dealer: Dealer
let other: Dealer
const taken = new Set<Socket>()
const take = (message: unknown) => void taken.add((message as { socket: Socket }).socket)
beforeAll(async () => {
  service = await startService()
  dealer = await service.dealer('long')
  other = await service.dealer('other')
  subscribe('net.server.socket', take)
})
afterAll(async () => {
  unsubscribe('net.server.socket', take)
  await service.close()
})

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void
/** What is held, of all that is not the program's own. */
function heldBytes(): number {
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
/** What nobody holds any more is let go of a little later. */
const holdsNoMoreThan = (bytes: number) =>
  vi.waitFor(() => expect(heldBytes()).toBeLessThanOrEqual(bytes), { timeout: 30_000, interval: 50 })
const readBytes = () => [...taken].reduce((sum, { bytesRead }) => sum + bytesRead, 0)

/** A batch of nearly 4 MB, which costs little to read. */
const blanks = ' '.repeat(240_000)
const batch = Buffer.from(
  `{"leads":[${Array(16)
    .fill(`{"lead":${JSON.stringify(lead())}${blanks}}`)
    .join()}]}`,
)
const shortBatch = {
  leads: [{ lead: lead({ extra: { note: 'x'.repeat(8_000) } }) }, ...Array(4).fill({ lead: lead() })],
}

/** Sends the head of a batch, and hands on what is answered. */
async function opened(token: string, head: string, { path = '/v1/leads/batch', localAddress = '127.0.0.1' } = {}) {
  const socket = connect({ port: Number(new URL(service.url).port), host: '127.0.0.1', localAddress })
  socket.setEncoding('latin1')
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  socket.write(
    `POST ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\n${head}\r\n\r\n`,
  )
  let text = ''
  const answer = new Promise<{ status: number; retryAfter: string | undefined }>((resolve) =>
    socket.on('data', (chunk) => {
      text += chunk
      const status = /^HTTP\/1\.1 (\d+) [^]*\r\n\r\n/.exec(text)?.[1]
      if (status) resolve({ status: Number(status), retryAfter: /^retry-after: (\S+)/im.exec(text)?.[1] })
    }),
  )
  return { socket, answer }
}
const withLength = (token: string) => opened(token, `Content-Length: ${batch.length}`)
const allButItsEnd = batch.subarray(0, batch.length - 1)
const end = batch.subarray(batch.length - 1)

async function deadToken(): Promise<string> {
  const { id, secret } = await service.createKey(dealer.admin.token, { kind: 'digital_requests' })
  const token = await service.exchange(secret)
  await service.call('DELETE', `/v1/api-keys/${id}`, { token: dealer.admin.token })
  return token
}

describe('what comes of a body that was refused is held nowhere', () => {
  it('when the credential has ended', async () => {
    const token = await deadToken()
    const before = heldBytes()
    const senders = await Promise.all(Array.from({ length: 24 }, () => withLength(token)))
    const start = readBytes()
    for (const { answer } of senders) expect((await answer).status).toBe(401)
    for (const { socket } of senders) socket.write(allButItsEnd)
    await until(() => readBytes() - start >= senders.length * allButItsEnd.length)
    await holdsNoMoreThan(before + 24_000_000)
  })

  it('when it is too long, though nobody said so', async () => {
    const before = heldBytes()
    const senders = await Promise.all(
      Array.from({ length: 12 }, () => opened(dealer.website.token, 'Transfer-Encoding: chunked')),
    )
    const start = readBytes()
    const chunk = Buffer.concat([
      Buffer.from(`${allButItsEnd.length.toString(16)}\r\n`),
      allButItsEnd,
      Buffer.from('\r\n'),
    ])
    for (const { socket } of senders) socket.write(chunk)
    for (const { socket } of senders) socket.write(chunk)
    const answers = await Promise.all(senders.map(({ answer }) => answer))
    expect(answers.filter(({ status }) => status !== 413 && status !== 503)).toEqual([])
    await until(() => readBytes() - start >= senders.length * 2 * chunk.length)
    await holdsNoMoreThan(before + 24_000_000)
  })
})

it('holds of all long bodies of a key so many bytes, and lets others send theirs', async () => {
  const before = heldBytes()
  const { token } = dealer.website
  const senders = await Promise.all(Array.from({ length: 40 }, () => withLength(token)))
  const start = readBytes()
  const refused: unknown[] = []
  for (const { socket, answer } of senders) {
    socket.write(allButItsEnd)
    void answer.then((reply) => refused.push(reply))
  }
  // Two are under way, and 32 wait.
  await until(() => refused.length >= 6 || readBytes() - start > senders.length * 3_000_000)
  await holdsNoMoreThan(before + 24_000_000)

  const push = (by: string, path: string, body: object) => service.call('POST', path, { token: by, body })
  const replies = await Promise.all([
    push(token, '/v1/leads', lead()),
    push(dealer.dms.token, '/v1/leads/batch', shortBatch),
    push(other.website.token, '/v1/leads/batch', shortBatch),
    service.call('POST', '/v1/leads/batch', {
      token: other.dms.token,
      raw: batch.toString(),
      headers: { 'content-type': 'application/json' },
    }),
  ])
  expect(replies.map(({ status }) => status)).toEqual([201, 207, 207, 207])

  for (const { socket } of senders) socket.write(end)
  const answers = await Promise.all(senders.map(({ answer }) => answer))
  expect(answers.filter(({ status }) => status === 207).length).toBeGreaterThanOrEqual(2)
  for (const { status, retryAfter } of answers)
    expect([status, retryAfter]).toEqual(status === 207 ? [207, undefined] : [503, '2'])
  // All of it was given back.
  for (let count = 0; count < 3; count++) {
    const { socket, answer } = await withLength(token)
    socket.write(batch)
    expect((await answer).status).toBe(207)
  }
})

it('gives the room back of whoever leaves in the middle of it', async () => {
  const { token } = dealer.dms
  for (let count = 0; count < 3; count++) {
    const leavers = await Promise.all([withLength(token), withLength(token)])
    const start = readBytes()
    for (const { socket } of leavers) socket.write(allButItsEnd)
    await until(() => readBytes() - start > 2 * 3_000_000)
    for (const { socket } of leavers) socket.destroy()
  }
  const { socket, answer } = await withLength(token)
  socket.write(batch)
  expect((await answer).status).toBe(207)
})

it('holds no more of a body that comes byte by byte than of any other', async () => {
  const before = heldBytes()
  const { socket } = await opened(dealer.website.token, 'Transfer-Encoding: chunked')
  const start = readBytes()
  const pieces = Buffer.from('1\r\n \r\n'.repeat(1_000_000))
  socket.write(pieces)
  await until(() => readBytes() - start >= pieces.length)
  // What was sent is held here, too.
  await holdsNoMoreThan(before + pieces.length + 24_000_000)
})

describe('whoever announces much and sends nothing', () => {
  // Once there is room, one is told to go on.
  const silent = async (token: string, length: number, from?: { path: string; localAddress: string }) => {
    const { answer } = await opened(token, `Content-Length: ${length}\r\nExpect: 100-continue`, from)
    return answer.then(({ status }) => status)
  }

  it('gives its room to whoever waits for it', async () => {
    const third = await service.dealer('third')
    const keys = [dealer.website, dealer.dms, other.website, other.dms].map(({ token }) => token)
    const allOfIt = await Promise.all([...keys, ...keys].map((token) => silent(token, 4_194_304)))
    expect(allOfIt).toEqual(Array(8).fill(100))

    const raw = `{"leads":[${Array(4)
      .fill(`{"lead":${JSON.stringify(lead())}${blanks}}`)
      .join()}]}`
    const headers = { 'content-type': 'application/json' }
    const answer = await service.call('POST', '/v1/leads/batch', { token: third.dms.token, raw, headers })
    expect(answer.status).toBe(207)
  })

  it('takes no room of others where it has no credential', async () => {
    const path = '/v1/session'
    const unknown = Array.from({ length: 100 }, (_, n) =>
      silent('', 24_576, { path, localAddress: `127.0.0.${2 + (n % 5)}` }),
    )
    expect(await Promise.all(unknown)).toEqual(Array(100).fill(100))
    const keys = [dealer.website, dealer.dms, other.website, other.dms].map(({ token }) => token)
    const allOfIt = await Promise.all([...keys, ...keys].map((token) => silent(token, 4_194_304)))
    expect(allOfIt).toEqual(Array(8).fill(100))
  })
})
