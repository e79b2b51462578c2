import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { lead, startService, type TestService } from './service.ts'

let service: TestService
let dealer: Awaited<ReturnType<TestService['dealer']>>
beforeAll(async () => {
  service = await startService()
  dealer = await service.dealer('bad')
})
afterAll(() => service.close())

const post = (raw: string, headers: Record<string, string> = {}) =>
  service.call('POST', '/v1/leads', {
    raw,
    headers: { authorization: `Bearer ${dealer.website.token}`, 'content-type': 'application/json', ...headers },
  })
const stored = async () => Number((await service.db('leads').count({ leads: '*' }).first())?.['leads'])

describe('answers a clear 4xx and stores nothing', () => {
  const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`
  it.each([
    ['broken JSON', '{"customer":', 400, ''],
    ['JSON that is no object', '"lead"', 400, ''],
    ['a list', '[]', 400, ''],
    ['a wrong type', '{"customer":{"phones":"32123456"}}', 400, '/customer/phones'],
    ['null', 'null', 400, ''],
    ['a customer who is null', '{"customer":null}', 422, '/customer'],
    [
      'nothing but nulls',
      '{"customer":{"phones":[{"number":null}],"emails":null,"address":{"lines":[null]}}}',
      422,
      '/customer',
    ],
    ['nesting without end', `{"customer":{"phones":[{"number":"1"}]},"x":${nested(100)}}`, 400, ''],
    ['hostile nesting', '['.repeat(100_000), 400, ''],
    ['nothing to reach the customer by', '{"customer":{}}', 422, '/customer'],
  ])('to %s', async (_what, raw, status, pointer) => {
    const before = await stored()
    const reply = await post(raw)
    expect([reply.status, reply.body.violations[0].pointer]).toEqual([status, pointer])
    expect(reply.headers.get('content-type')).toMatch('application/problem+json')
    expect(reply.body.requestId).toBe(reply.headers.get('x-request-id'))
    expect(await stored()).toBe(before)
  })

  it('to another media type, charset or encoding', async () => {
    const wrong: Record<string, string>[] = [
      { 'content-type': 'text/plain' },
      { 'content-type': 'application/json; charset=x-none' },
      { 'content-encoding': 'gzip' },
    ]
    for (const headers of wrong) expect((await post('{}', headers)).status).toBe(415)
  })

  it('to 300 faults at once, naming 32 of them at the most', async () => {
    const reply = await post(
      JSON.stringify({
        customer: {
          phones: Array(10).fill({ number: 1, type: 2 }),
          emails: Array(10).fill({ address: 3 }),
          name: { given: 1, family: 2, full: 3 },
        },
        consents: Array(20).fill({ text: 1 }),
      }),
    )
    expect(reply.status).toBe(400)
    expect(reply.body.violations).toHaveLength(32)
    expect(reply.text.length).toBeLessThan(10_000)
  })

  it.each([
    ['/v1/nothing', 404],
    ['/V1/leads', 404],
    ['/v1/leads/', 404],
    ['/v1/leads/lead_1', 400],
    [`/v1/leads/lead_${'0'.repeat(31)}%00`, 400],
    ['/v1/leads/%E0%A4%A', 400],
    ['/v1/leads?limit=0', 400],
    ['/v1/leads?limit=1e9', 400],
    ['/v1/leads?limit=1&limit=2', 400],
    ['/v1/leads?updatedSince=yesterday', 400],
    ['/v1/leads?__proto__=1', 400],
    ['/v1/leads?status=new&status=nonsense', 400],
    ['/__proto__', 404],
  ])('to GET %s', async (path, status) => {
    const reply = await service.call('GET', path, { token: dealer.dms.token })
    expect([reply.status, reply.body.status]).toEqual([status, status])
  })

  it('to a method that an address does not take, naming those that it takes', async () => {
    for (const method of ['PUT', 'OPTIONS', 'DELETE']) {
      const reply = await service.call(method, '/v1/leads')
      expect([reply.status, reply.headers.get('allow')]).toEqual([405, 'GET, HEAD, POST'])
    }
  })
})

describe('a credential that has ended', () => {
  const ended = async (kind = 'digital_requests') => {
    const { id, secret } = await service.createKey(dealer.admin.token, { kind })
    const token = await service.exchange(secret)
    await service.call('DELETE', `/v1/api-keys/${id}`, { token: dealer.admin.token })
    return token
  }

  it('is told so, and not what else is wrong', async () => {
    const token = await ended()
    for (const [path, raw] of [
      ['/v1/leads', '{"customer":{"phones":[{"number":1},{"number":2}]}}'],
      ['/v1/leads/batch', `{"leads":[${Array(8_000).fill('0').join()}]}`],
      ['/v1/leads/reconciliation', '{"references":[{},{}]}'],
      ['/v1/leads?limit=1', '{"customer":{}}'],
    ] as const) {
      const headers = { 'content-type': 'application/json' }
      const reply = await service.call('POST', path, { token, raw, headers })
      expect([path, reply.status, reply.body.code, reply.body.violations]).toEqual([
        path,
        401,
        'token-invalid',
        undefined,
      ])
    }
    const reply = await service.call('GET', '/v1/leads?limit=0', { token: await ended('extensive_integrations') })
    expect([reply.status, reply.body.code]).toEqual([401, 'token-invalid'])
  })

  it.each([
    ['is said to be long', 'Content-Length: 3000000\r\n\r\n{'],
    ['comes in chunks', `Transfer-Encoding: chunked\r\n\r\n5000\r\n${' '.repeat(0x5000)}\r\n`],
  ])('is told so before its body has come, when that %s', async (_, rest) => {
    const token = await ended()
    const socket = connect(Number(new URL(service.url).port), '127.0.0.1')
    socket.write(
      `POST /v1/leads/batch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\n${rest}`,
    )
    const [answer] = await once(socket, 'data')
    socket.destroy()
    expect(String(answer)).toMatch(/^HTTP\/1\.1 401 [^]*"token-invalid"/)
  })
})

it('looks for nothing else where there is too much of something', async () => {
  const { status, body } = await service.call('POST', '/v1/api-keys', {
    token: dealer.admin.token,
    body: { name: 'x'.repeat(4_000), kind: 'none' },
  })
  expect([status, body.violations.map(({ pointer }: { pointer: string }) => pointer)]).toEqual([400, ['/name']])
})

describe('says what to do about', () => {
  it('a body that is not JSON, by its place and never by what stands there', async () => {
    const reply = await post('{\n  "customer": {"emails": [{"address": "ida.holm@example.com"}],\n}')
    expect([reply.status, reply.body.detail]).toEqual([
      400,
      'body: is not valid JSON: at line 3, column 1, a name in double quotes was expected',
    ])
    expect(reply.text).not.toContain('ida.holm')
  })

  it.each([
    [{ customer: {}, phone: '20 12 34 56' }, '/phone', 'customer.phones[].number'],
    [{ customer: { mobile: '20 12 34 56' } }, '/customer/mobile', 'customer.phones[].number'],
    [
      { customer: { phones: [{ value: '20 12 34 56', number: '' }] } },
      '/customer/phones/0/value',
      'customer.phones[].number',
    ],
    [{ customer: { eMail: 'ida.holm@example.com' } }, '/customer/eMail', 'customer.emails[].address'],
    [{ customer: {}, emailadress: 'ida.holm@example.com' }, '/emailadress', 'customer.emails[].address'],
    [{ customer: {}, contact: { email: 'ida.holm@example.com' } }, '/contact', 'customer'],
    [{ customer: { zip: '5000' } }, '/customer/zip', 'customer.address.postalCode'],
  ])('a lead that names its customer where no lead does: %j', async (body, pointer, meant) => {
    const { status, body: problem, text } = await post(JSON.stringify(body))
    expect([status, problem.code, problem.violations]).toEqual([
      422,
      'lead-unreachable',
      [
        { in: 'body', pointer: '/customer', message: 'needs an e-mail address, a phone number or a postal address' },
        { in: 'body', pointer, message: `is not known here. Did you mean ${meant}?` },
      ],
    ])
    expect(problem.detail).toContain(`Did you mean ${meant}?`)
    expect(text).not.toMatch(/20 12 34|ida\.holm|5000/)
    const { body: batch } = await service.call('POST', '/v1/leads/batch', {
      token: dealer.website.token,
      body: { leads: [{ lead: body }] },
    })
    expect(batch.results[0].problem.violations[1].pointer).toBe(`/lead${pointer}`)
  })

  it('a lead without a customer, and a member or a parameter that is spelt in another way', async () => {
    const flat = await post('{"name":"Ida Holm","phone":"20 12 34 56","message":"Hej"}')
    expect(flat.body.violations).toEqual([
      { in: 'body', pointer: '/customer', message: "must have required property 'customer'" },
      { in: 'body', pointer: '/name', message: 'is not known here. Did you mean customer.name?' },
      { in: 'body', pointer: '/phone', message: 'is not known here. Did you mean customer.phones[].number?' },
    ])
    const named = await service.call('POST', '/v1/api-keys', {
      token: dealer.admin.token,
      body: { Name: 'Web', kind: 'digital_requests' },
    })
    expect(named.body.violations).toContainEqual({
      in: 'body',
      pointer: '/name',
      message: "must have required property 'name'; what is there is 'Name'",
    })
    const asked = await service.call('GET', '/v1/leads?updated_since=2026-11-23T00:00:00Z', { token: dealer.dms.token })
    expect([asked.status, asked.body.detail]).toEqual([
      400,
      'query/updated_since: is not a parameter of this operation. Did you mean updatedSince?',
    ])
  })

  it('an If-Match without its quotes', async () => {
    const { body: made } = await service.call('POST', '/v1/leads', { token: dealer.website.token, body: lead() })
    const move = (ifMatch: string) =>
      service.call('PATCH', `/v1/leads/${made.id}`, {
        token: dealer.dms.token,
        body: { status: 'in_progress' },
        headers: { 'if-match': ifMatch },
      })
    for (const ifMatch of ['1', "'1'", '"1', 'W/1', '1, "1"', '"1" "2"']) {
      const { status, body } = await move(ifMatch)
      expect([ifMatch, status, body.violations?.[0].in]).toEqual([ifMatch, 400, 'header'])
      expect(body.detail).toContain('double quotes')
    }
    for (const ifMatch of ['"2"', 'W/"1"', '"2", W/"1"'])
      expect([ifMatch, (await move(ifMatch)).status]).toEqual([ifMatch, 412])
    expect((await move('"7" , "1"')).status).toBe(200)
    expect((await move('*')).status).toBe(200)
  })

  it('an API key that was not exchanged, wherever it was sent, without repeating it', async () => {
    const { id, secret } = dealer.dms
    const basic = `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`
    const sent: [string, Record<string, string>][] = [
      ['/v1/leads', { authorization: `Bearer ${secret}` }],
      ['/v1/leads', { authorization: `Bearer "${secret}"` }],
      ['/v1/leads', { authorization: `Token ${secret}` }],
      ['/v1/leads', { authorization: secret }],
      ['/v1/leads', { authorization: basic }],
      ['/v1/leads', { 'x-api-key': secret }],
      ['/v1/leads', { authorization: 'Bearer undefined', 'x-api-key': secret }],
      [`/v1/leads?access_token=${secret}`, {}],
    ]
    for (const [path, headers] of sent) {
      const reply = await service.call('GET', path, { headers })
      const isBearer = /^bearer/i.test(headers['authorization'] ?? '')
      expect([path, headers, reply.status, reply.body.code]).toEqual([
        path,
        headers,
        401,
        isBearer ? 'token-invalid' : 'token-missing',
      ])
      expect(reply.body.detail).toContain('is an API key')
      expect(reply.body.detail).toContain('POST /v1/auth/token')
      expect(reply.headers.get('www-authenticate')).toMatch(
        isBearer ? /error="invalid_token".*API key/ : /^Bearer realm="CarBuddii"$/,
      )
      expect(reply.text + [...reply.headers.values()].join()).not.toContain(secret.slice(0, 20))
      expect(reply.body.detail.includes('replace this key')).toBe(path.includes('?'))
    }
    const wide = await service.call('GET', '/v1/me', {
      token: dealer.dms.token,
      headers: { 'x-api-key': dealer.dms.secret },
    })
    expect(wide.status).toBe(200)
  })
})

it('keeps what is odd in the content of a lead, with a warning, whatever the members are called', async () => {
  const before = await stored()
  const raw =
    '{"type":"\\u0000nul","message":"lone \\ud800 surrogate","customer":{"phones":[{"number":"not a number"}],"__proto__":{"a":1}},"constructor":{"prototype":1},"__proto__":"x"}'
  const reply = await post(raw)
  expect(reply.status).toBe(201)
  expect(new Set(reply.body.warnings.map(({ code }: { code: string }) => code))).toEqual(
    new Set(['text-repaired', 'word-unknown', 'phone-not-understood', 'member-unknown']),
  )
  const read = await service.call('GET', `/v1/leads/${reply.body.id}`, { token: dealer.dms.token })
  expect(read.body.message).toBe('lone \ufffd surrogate')
  expect(JSON.stringify(read.body.extra)).toContain('/__proto__')
  expect(await stored()).toBe(before + 1)
})

it('takes a lead that says null, or too much, wherever it does', async () => {
  const reply = await post(
    JSON.stringify({
      type: null,
      message: 'x'.repeat(4001),
      customer: { name: null, emails: [null, { address: null }], phones: [{ number: '32 12 34 56', type: null }] },
      vehiclesOfInterest: [null, { make: 'Volvo', model: 'EX30', modelYear: 20190, price: { amount: null } }],
      tradeIns: Array(6).fill({ vin: 'X' }),
      externalReference: { source: null, id: null },
      test: null,
      extra: null,
    }),
  )
  expect(reply.status).toBe(201)
  const read = await service.call('GET', `/v1/leads/${reply.body.id}`, { token: dealer.dms.token })
  expect(read.body).toMatchObject({
    type: 'enquiry',
    message: 'x'.repeat(4000),
    customer: { emails: [], phones: [{ number: '32 12 34 56' }] },
    vehiclesOfInterest: [{ make: 'Volvo', model: 'EX30' }],
    tradeIns: Array(5).fill({ vin: 'X' }),
    test: false,
    extra: { '/vehiclesOfInterest/1/modelYear': '20190' },
    warnings: [
      { code: 'text-cut', pointer: '/message' },
      { code: 'number-odd', pointer: '/vehiclesOfInterest/1/modelYear' },
      { code: 'too-many', pointer: '/tradeIns/5' },
    ],
  })
})

it('answers HEAD like GET, without the body', async () => {
  const reply = await service.call('HEAD', '/v1/leads', { token: dealer.dms.token })
  expect([reply.status, reply.text]).toEqual([200, ''])
})

it('refuses two Authorization headers, and a token anywhere else', async () => {
  const raw = await new Promise<string>((resolve) => {
    const socket = connect(Number(new URL(service.url).port), '127.0.0.1')
    let text = ''
    socket.on('data', (chunk) => (text += chunk)).on('close', () => resolve(text))
    socket.write(
      `GET /v1/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\nConnection: close\r\n\r\n`,
    )
  })
  expect(raw).toMatch(/^HTTP\/1\.1 400/)
  expect(raw).toContain('error="invalid_request"')
  expect((await service.call('GET', `/v1/me?access_token=${dealer.dms.token}`)).status).toBe(401)
  expect((await service.call('GET', '/v1/me', { headers: { authorization: 'Bearer' } })).status).toBe(400)
  expect((await service.call('GET', '/v1/me', { headers: { authorization: 'Basic bearer' } })).status).toBe(401)
})

it('separates test leads from real ones, and lets a test key see nothing else', async () => {
  const key = await service.createKey(dealer.admin.token, { kind: 'extensive_integrations', environment: 'test' })
  const token = await service.exchange(key.secret)
  const real = (await service.call('POST', '/v1/leads', { token: dealer.website.token, body: lead() })).body.id
  const test = (await service.call('POST', '/v1/leads', { token, body: lead() })).body.id
  const seen = async (by: string, query = '') =>
    (await service.call('GET', `/v1/leads${query}`, { token: by })).body.items.map(({ id }: { id: string }) => id)
  expect(await seen(token)).toEqual([test])
  expect(await seen(dealer.dms.token)).not.toContain(test)
  expect(await seen(dealer.dms.token, '?test=true')).toContain(test)
  expect((await service.call('GET', `/v1/leads/${real}`, { token })).status).toBe(404)
})

it('pages through leads without missing or repeating one, under filters', async () => {
  const made = []
  for (let count = 0; count < 7; count++)
    made.push(
      (await service.call('POST', '/v1/leads', { token: dealer.website.token, body: lead({ type: 'parts' }) })).body.id,
    )
  const found: string[] = []
  for (let cursor = ''; ;) {
    const { body } = await service.call(
      'GET',
      `/v1/leads?type=parts&type=service&status=new&sourceKeyId=${dealer.website.id}&updatedSince=2020-01-01T00:00:00Z&limit=3${cursor && `&cursor=${cursor}`}`,
      { token: dealer.dms.token },
    )
    found.push(...body.items.map(({ id }: { id: string }) => id))
    if (!body.nextCursor) break
    cursor = body.nextCursor
  }
  expect(found).toEqual(made.reverse())
})

describe('what cannot be stored', () => {
  const as = (method: string, path: string, body?: object, token = dealer.admin.token) =>
    service.call(method, path, { ...(token && { token }), ...(body && { body }) })
  it.each(['a\u0000bcd', 'a\ud800bcd'])('is refused or mended, and no fault of ours: %j', async (text) => {
    const key = `/v1/api-keys/${dealer.website.id}`
    const replies = [
      await as('PATCH', '/v1/dealer', { name: text }),
      await as('POST', '/v1/api-keys', { name: text, kind: 'digital_requests' }),
      await as('PATCH', key, { name: text }),
      await as('POST', '/v1/users', { name: text, email: 'unstorable@bad.example', role: 'sales' }),
      await as('POST', '/v1/session', { email: `${text}@bad.example`, password: 'x' }, ''),
      await as('GET', `/v1/leads?contact=${encodeURIComponent(`${text.toWellFormed()}@bad.example`)}`),
      await as('DELETE', `${key}?reason=${encodeURIComponent(text.toWellFormed())}`),
    ]
    for (const { status, body } of replies)
      expect([status < 500, status === 400 && text.includes('\0') ? /NUL|must match/.test(body.detail) : true]).toEqual(
        [true, true],
      )
    if (text.includes('\0')) expect(replies.map(({ status }) => status)).toEqual([400, 400, 400, 400, 400, 400, 204])
  })
})
