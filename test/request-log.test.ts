import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { inner } from '../src/ids.ts'
import { amount } from './long.ts'
import { patienceMs } from './patience.ts'
import { startQuickly } from './quick-process.ts'
import { randomFrom, seed } from './seed.ts'
import { lead } from './service.ts'

// A sender that counts what it saw, against what the log of requests says of its keys. Each request has an
// X-Request-Id of its own, and each lead bears it as its reference.

const requests = amount(400, 10_000)
const senders = 16
const ofEachLeaver = amount(6, 200)
const refusedAlikeMax = 500
const random = randomFrom(seed)

type Sent = { method: string; path: string; token?: string | undefined; headers?: string[]; body?: string; id: string }
/** The status that came, or 0 for none. */
const saw = new Map<string, number>()

let service: Awaited<ReturnType<typeof startQuickly>>
let website: Awaited<ReturnType<typeof service.createKey>>
let dms: Awaited<ReturnType<typeof service.createKey>>
let deleted: Awaited<ReturnType<typeof service.createKey>>
let known: string
let numbers = 0
const newRequest = () => `request-${++numbers}`

beforeAll(async () => {
  service = await startQuickly(amount(5, 1))
  website = await service.createKey({ name: 'Web site', kind: 'digital_requests' })
  dms = await service.createKey({ name: 'DMS', kind: 'extensive_integrations' })
  deleted = await service.createKey({ name: 'Old site', kind: 'digital_requests' })
  known = (await service.call('POST', '/v1/leads', { token: dms.token, body: lead() })).body.id
  await service.call('DELETE', `/v1/api-keys/${deleted.id}`, { token: service.admin })
})
afterAll(() => service.stop())

const rows = () => service.db('api_key_requests').select('*')
const json = ['Content-Type: application/json']
const leadOf = (id: string, more: object = {}) =>
  JSON.stringify(lead({ externalReference: { source: 'test', id }, ...more }))

/** What anything may be answered on a busy machine. */
const busy = 503

/** What is asked and answered at once, by the status that it must be answered. */
const kinds: [status: number | number[], make: (id: string) => Omit<Sent, 'id'>][] = [
  [201, (id) => post(website, leadOf(id))],
  [201, (id) => post(dms, leadOf(id))],
  [200, () => post(website, leadOf('again'))],
  [
    207,
    (id) => ({
      ...post(website, JSON.stringify({ leads: [{ lead: JSON.parse(leadOf(id)) }] })),
      path: '/v1/leads/batch',
    }),
  ],
  [400, () => post(website, JSON.stringify({ message: 'nobody' }))],
  [400, () => post(website, '{"customer": ')],
  [422, () => post(website, JSON.stringify({ customer: { name: { given: 'Anna' } } }))],
  [415, () => ({ ...post(website, 'hello'), headers: ['Content-Type: text/plain'] })],
  [413, () => post(website, 'x'.repeat(300_000))],
  [413, () => chunked(website, 'x'.repeat(300_000))],
  [401, () => post(deleted, leadOf('never'))],
  [403, () => ({ method: 'GET', path: '/v1/leads', token: website.token })],
  [200, () => ({ method: 'GET', path: '/v1/leads?limit=1', token: dms.token })],
  [200, () => ({ method: 'GET', path: `/v1/leads/${known}`, token: dms.token })],
  [200, () => ({ method: 'HEAD', path: `/v1/leads/${known}`, token: dms.token })],
  [304, () => ({ method: 'GET', path: `/v1/leads/${known}`, token: dms.token, headers: ['If-None-Match: *'] })],
  [412, () => ({ method: 'GET', path: `/v1/leads/${known}`, token: dms.token, headers: ['If-Match: "2"'] })],
  [400, () => ({ method: 'GET', path: '/v1/leads?limit=0', token: dms.token })],
  [404, () => ({ method: 'GET', path: `/v1/leads/lead_${'0'.repeat(32)}`, token: dms.token })],
  [412, () => ({ ...change(), headers: [...json, 'If-Match: "99"'] })],
  [428, () => change()],
  [200, () => ({ method: 'POST', path: '/v1/auth/token', headers: [`X-Api-Key: ${dms.secret}`] })],
  // Who fails too often is told to wait.
  [[401, 429], () => ({ method: 'POST', path: '/v1/auth/token', headers: [`X-Api-Key: ${deleted.secret}`] })],
]
const post = ({ token }: { token: string }, body: string) => ({
  method: 'POST',
  path: '/v1/leads',
  token,
  headers: json,
  body,
})
const chunked = ({ token }: { token: string }, text: string) => ({
  ...post({ token }, `${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`),
  headers: [...json, 'Transfer-Encoding: chunked'],
})
const change = () => ({
  method: 'PATCH',
  path: `/v1/leads/${known}`,
  token: dms.token,
  headers: json,
  body: JSON.stringify({ status: 'acknowledged' }),
})

function head({ method, path, token, headers = [], body, id }: Sent): string {
  const isChunked = headers.some((header) => header.startsWith('Transfer-Encoding'))
  return [
    `${method} ${path} HTTP/1.1`,
    'Host: leads.dealer.example',
    `X-Request-Id: ${id}`,
    'User-Agent: counting-sender/1.0',
    ...(token === undefined ? [] : [`Authorization: Bearer ${token}`]),
    ...(body === undefined || isChunked ? [] : [`Content-Length: ${body.length}`]),
    ...headers,
    '\r\n',
  ].join('\r\n')
}

/** A connection that notes every answer by the name of its request. */
async function opened() {
  const socket = connect({ port: service.port, host: '127.0.0.1', allowHalfOpen: true })
  await once(socket, 'connect')
  let text = ''
  let isOver = false
  let wake = () => undefined as void
  socket.setEncoding('latin1')
  socket.on('data', (chunk) => {
    text += String(chunk)
    wake()
  })
  for (const event of ['end', 'close', 'error'])
    socket.on(event, () => {
      isOver = true
      wake()
    })
  const more = () => new Promise<void>((resolve) => (wake = resolve))
  /** The next answer, or undefined when none will come. */
  const answer = async (isHead = false): Promise<{ status: number; isLast: boolean } | undefined> => {
    for (;;) {
      const end = text.indexOf('\r\n\r\n')
      const top = text.slice(0, end)
      const length = isHead ? 0 : Number(/^content-length: (\d+)/im.exec(top)?.[1] ?? 0)
      if (end !== -1 && text.length >= end + 4 + length) {
        text = text.slice(end + 4 + length)
        const status = Number(top.slice(9, 12))
        const id = /^x-request-id: (\S+)/im.exec(top)?.[1]
        if (id !== undefined && status >= 200) saw.set(id, status)
        return { status, isLast: /^connection: close/im.test(top) }
      }
      if (isOver) return undefined
      await more()
    }
  }
  return { socket, answer }
}

/** Sends requests one by one, over as few connections as the service allows. */
async function sendEach(due: () => [number | number[], Sent] | undefined): Promise<void> {
  let connection: Awaited<ReturnType<typeof opened>> | undefined
  for (let next = due(); next; next = due()) {
    const [expected, sent] = next
    connection ??= await opened()
    connection.socket.write(head(sent) + (sent.body ?? ''))
    const answered = await connection.answer(sent.method === 'HEAD')
    expect([expected, busy].flat(), `${sent.id}: ${sent.method} ${sent.path}`).toContain(answered?.status)
    if (answered?.isLast) {
      connection.socket.destroy()
      connection = undefined
    }
  }
  connection?.socket.destroy()
}

/** Ends this side, and returns when the service has noticed. */
async function leave(socket: Socket): Promise<void> {
  const noticed = once(socket.resume(), 'end')
  socket.end()
  await noticed
  socket.destroy()
}

/** Resets the connection, and returns when the service must have noticed: it has gone round twice since. */
async function reset(socket: Socket): Promise<void> {
  socket.resetAndDestroy()
  await service.call('GET', '/healthz')
  await service.call('GET', '/healthz')
}

const nobodyAnswered = (id: string) => void saw.set(id, 0)
const times = (count: number, deed: () => Promise<void>) => Promise.all(Array.from({ length: count }, deed))

/** Goes away while the head is sent: of that nobody can know. */
async function leavesInHead(): Promise<void> {
  const { socket } = await opened()
  const id = newRequest()
  socket.write(head({ ...post(website, leadOf(id)), id }).slice(0, -4))
  await leave(socket)
}

async function leavesInBody(how: typeof leave): Promise<void> {
  const { socket, answer } = await opened()
  const id = newRequest()
  const body = leadOf(id)
  const sent = post(website, body)
  socket.write(head({ ...sent, headers: [...sent.headers, 'Expect: 100-continue'], id }))
  expect((await answer())?.status).toBe(100)
  socket.write(body.slice(0, 20))
  nobodyAnswered(id)
  await how(socket)
}

async function isSlowInBody(): Promise<void> {
  const { socket, answer } = await opened()
  const id = newRequest()
  socket.write(head({ ...post(website, leadOf(id)), id }) + '{')
  expect(await answer()).toEqual({ status: 408, isLast: true })
  expect(saw.get(id)).toBe(408)
  socket.destroy()
}

/** Behind two that are answered: the answers come in the order of the requests. */
async function isSlowBehindOthers(): Promise<void> {
  const { socket, answer } = await opened()
  const [first, second, slow] = [newRequest(), newRequest(), newRequest()]
  const whole = [first, second].map((id) => head({ ...post(website, leadOf(id)), id }) + leadOf(id))
  socket.write(whole.join('') + head({ ...post(website, leadOf(slow)), id: slow }) + '{')
  await answer()
  await answer()
  expect((await answer())?.status).toBe(408)
  expect([first, second].every((id) => saw.has(id))).toBe(true)
  expect(saw.get(slow)).toBe(408)
  socket.destroy()
}

/** While the dealer is held, so that nothing can be answered before the service has seen them go. */
async function leavesWaiting(how: typeof leave): Promise<void> {
  const { socket } = await opened()
  const ids = [newRequest(), newRequest()]
  for (const id of ids) {
    socket.write(head({ ...post(website, leadOf(id)), id }) + leadOf(id))
    nobodyAnswered(id)
  }
  await how(socket)
}

async function leavesStream(): Promise<void> {
  const { socket, answer } = await opened()
  const id = newRequest()
  socket.write(head({ method: 'GET', path: '/v1/events/stream', token: dms.token, id }))
  expect((await answer())?.status).toBe(200)
  await leave(socket)
}

it(
  'says of each request what its sender saw, and nothing else',
  async () => {
    const again = newRequest()
    const first: [number, Sent][] = [[201, { ...post(website, leadOf('again')), id: again }]]
    await sendEach(() => first.pop())
    let left = requests
    const due = (): [number | number[], Sent] | undefined => {
      if (left-- <= 0) return undefined
      const [status, make] = kinds[Math.floor(random() * kinds.length)] ?? [0, () => expect.fail()]
      const id = newRequest()
      return [status, { ...make(id), id }]
    }
    const slow = [times(ofEachLeaver, isSlowInBody), times(ofEachLeaver, isSlowBehindOthers)]
    await Promise.all(Array.from({ length: senders }, () => sendEach(due)))
    await times(ofEachLeaver, leavesInHead)
    await times(ofEachLeaver, () => leavesInBody(leave))
    await times(ofEachLeaver, () => leavesInBody(reset))
    await times(3, leavesStream)

    const held = await service.db.transaction()
    await held('dealer_clocks').where({ dealer_id: service.dealerId }).forUpdate().select('dealer_id')
    await times(ofEachLeaver, () => leavesWaiting(leave))
    await times(ofEachLeaver, () => leavesWaiting(reset))
    await held.commit()
    await Promise.all(slow)

    const own = async () => (await rows()).filter(({ request_id }) => request_id.startsWith('request-'))
    /** Requests that the log does not have. Of what is refused alike, one process writes 500 an hour. */
    const leftOut = async () => {
      const logged = await own()
      const isThere = new Set(logged.map(({ request_id }) => request_id))
      const isMuch = (status: number) =>
        status >= 400 && status < 500 && logged.filter((row) => row.status === status).length >= refusedAlikeMax
      return [...saw].filter(([id, status]) => !isThere.has(id) && !isMuch(status))
    }
    await expect.poll(leftOut, { timeout: patienceMs }).toEqual([])
    const logged = await own()
    const byId = (entries: Iterable<[string, number]>) =>
      [...entries].toSorted(([one], [other]) => (one < other ? -1 : 1))
    const isLogged = new Set(logged.map(({ request_id }) => request_id))
    expect(byId(logged.map(({ request_id, status }) => [request_id, status]))).toEqual(
      byId([...saw].filter(([id]) => isLogged.has(id))),
    )

    // A lead is in the log by its id, whether or not somebody was there to be told.
    const leads = new Map(
      (await service.db('leads').whereNotNull('external_id').select('id', 'external_id')).map((each) => [
        each.external_id,
        each.id,
      ]),
    )
    const single = logged.filter(({ operation, request_id }) => operation === 'createLead' && leads.has(request_id))
    expect(single.length).toBeGreaterThan(ofEachLeaver)
    expect(single.map(({ request_id, lead_id }) => [request_id, lead_id])).toEqual(
      single.map(({ request_id }) => [request_id, leads.get(request_id)]),
    )
    expect(single.filter(({ status }) => status === 0).length).toBeGreaterThan(0)

    // Whoever was refused is told apart from whoever was not, in each place where it is said.
    const count = (statusClass: number) =>
      [...saw.values()].filter((status) => Math.floor(status / 100) === statusClass).length
    const usage = await service.db('api_key_usage').select('status_class', 'requests')
    for (const statusClass of [0, 2, 3, 4, 5])
      expect([
        statusClass,
        usage
          .filter(({ status_class }) => status_class === statusClass)
          .reduce((sum, each) => sum + Number(each.requests), 0),
      ]).toEqual([
        statusClass,
        // Three exchanges and a lead came before.
        count(statusClass) + (statusClass === 2 ? 4 : 0),
      ])
    for (const { id } of [website, dms, deleted]) {
      const { body } = await service.call('GET', `/v1/api-keys/${id}`, { token: service.admin })
      for (const [name, from, to] of [
        ['lastAccepted', 200, 399],
        ['lastRefused', 400, 499],
      ] as const) {
        const last = logged
          .filter((row) => row.api_key_id === inner(id) && row.status >= from && row.status <= to)
          .toSorted((one, other) => other.at - one.at)[0]
        if (last) expect([name, body[name]?.at]).toEqual([name, last.at.toISOString()])
      }
    }
    const { body } = await service.call('GET', `/v1/api-keys/${website.id}/requests?statusClass=0&limit=1`, {
      token: service.admin,
    })
    expect(body.items[0]).toMatchObject({ aborted: true, userAgent: 'counting-sender/1.0' })
    expect(body.items[0]).not.toHaveProperty('status')
    expect(body.items[0]).not.toHaveProperty('problem')
  },
  amount(1, 5) * patienceMs,
)
