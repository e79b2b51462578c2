import { type ChildProcess, spawn } from 'node:child_process'
import { createPrivateKey, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type OperationId, operations } from '../generated/server/express.gen.ts'
import { runningEmbedded } from '../src/db/embedded.ts'
import { openDatabase } from '../src/db/pool.ts'
import { secretsFrom } from '../src/secrets.ts'
import { authenticator } from './authenticator.ts'
import { freePort, isReady } from './faults/processes.ts'
import { bareEnvironment, onLeash } from './leash.ts'
import { until } from './patience.ts'
import { lead, type Reply, send } from './service.ts'

/**
 * One run of everything with secrets that are known here; then the log, the answers, the database and the files are
 * searched for them.
 *
 * A secret that a sender puts into what is the sender's own is stored as such, and left out: the members of a lead, its
 * externalReference, the Idempotency-Key of a lead that is accepted, the name of a key, the reason of a deletion.
 *
 * Not seen: what PostgreSQL has compressed in its files (a value of a row above 2 kB; the columns are read
 * uncompressed) or has overwritten there; a part of a secret that `keep` was not told of; another encoding than those
 * of `forms`. The check of a key has six digits, so in one run of many thousands chance may write one.
 */

const walPageBytes = 8192
const walHeaderBytes = 24
const walFirstHeaderBytes = 40
const digitsOf = (key: string) => key.slice(-38, -6)
const checkOf = (key: string) => key.slice(-6)
// With letters that each encoding writes in its own way.
const passwords = { right: `Kænary "1" & 100% /${randomUUID()}`, wrong: `Wröng+"2" = \\ ?${randomUUID()}` }
const email = 'admin@canary.example'
// Planted to be found: one where a request says its id and in an ADF document, one in the message of a lead.
const markers = { plain: `marker-${randomUUID()}`, odd: `Mærker "1" & 100% /${randomUUID()}` }

/**
 * Every secret by its name. Those in `astray` came where what is sent is kept or said again, and have tests of their
 * own.
 */
const secrets = new Map<string, Buffer>()
const astray = {
  userAgent: 'key that came as User-Agent',
  requestId: 'key that came as X-Request-Id',
  member: 'key that came as the name of a member or parameter',
}
/** What was written, by its place. */
const places = new Map<string, Buffer[]>()
const statuses = new Set<number>()
const called = new Set<string>()
let dataDir: string
let child: ChildProcess | undefined

// The casts: Buffer.from takes both, but no overload says so.
const keep = (name: string, secret: string | Buffer) => void secrets.set(name, Buffer.from(secret as string))
const put = (place: string, content: string | Buffer) =>
  void places.set(place, [...(places.get(place) ?? []), Buffer.from(content as string)])

function keepKey(name: string, key: string): string {
  expect(key).toMatch(/^cb_(dr|ei)_(live|test)_\w{50}$/)
  keep(name, key)
  keep(`secret part of ${name}`, digitsOf(key))
  keep(`check of ${name}`, checkOf(key))
  return key
}

function keepToken(name: string, token: string): string {
  keep(name, token)
  keep(`signature of ${name}`, token.split('.')[2] ?? '')
  return token
}

/** How a secret may be written. Inside of what is encoded as a whole it may stand at any of three offsets of base64. */
function forms(secret: Buffer): Map<string, Buffer> {
  const hex = secret.toString('hex')
  const found = new Map([
    ['as it is', secret],
    ['hex', Buffer.from(hex)],
    ['upper-case hex', Buffer.from(hex.toUpperCase())],
    ['percent-encoded', Buffer.from(hex.replaceAll(/../g, '%$&'))],
    ['list of bytes', Buffer.from([...secret].join())],
    ['upper-case percent-encoded', Buffer.from(hex.toUpperCase().replaceAll(/../g, '%$&'))],
  ])
  const text = secret.toString()
  if (Buffer.from(text).equals(secret)) {
    const inside = JSON.stringify(text).slice(1, -1)
    found.set('JSON', Buffer.from(inside)).set('JSON twice', Buffer.from(JSON.stringify(inside).slice(1, -1)))
    found
      .set('URI component', Buffer.from(encodeURIComponent(text)))
      .set('form', Buffer.from(new URLSearchParams({ '': text }).toString().slice(1)))
  }
  for (const encoding of ['base64', 'base64url'] as const)
    for (const offset of [0, 1, 2]) {
      // The digits at both ends depend on what stands beside it.
      const whole = Math.floor(((offset + secret.length) * 8) / 6)
      found.set(
        `${encoding} at ${offset}`,
        Buffer.from(
          Buffer.concat([Buffer.alloc(offset), secret])
            .toString(encoding)
            .slice(offset && offset + 1, whole),
        ),
      )
    }
  return found
}

/** Where one of the secrets stands, once for each secret, form and place. */
function search(wanted: ReadonlyMap<string, Buffer>, within: ReadonlyMap<string, Buffer[]>): string[] {
  const known = new Map<string, string>()
  for (const [name, secret] of wanted)
    for (const [form, bytes] of forms(secret)) {
      const needle = bytes.toString('latin1')
      known.set(needle, `${known.get(needle) ?? name}, ${form}`)
    }
  // One pass for all: the longer first, so that the whole key is named where its parts are part of it.
  const longerFirst = [...known.keys()].sort((one, other) => other.length - one.length)
  const any = new RegExp(
    longerFirst
      .map((needle) => needle.replaceAll(/\W/g, (sign) => `\\x${Buffer.from(sign, 'latin1').toString('hex')}`))
      .join('|'),
    'g',
  )
  const hits = new Set<string>()
  for (const [place, contents] of within)
    for (const content of contents)
      for (const [needle] of content.toString('latin1').matchAll(any)) hits.add(`${known.get(needle)} in ${place}`)
  return [...hits]
}

const only = (prefix: string) => new Map([...places].filter(([place]) => place.startsWith(prefix)))
const strays = new Set(Object.values(astray).flatMap((name) => [name, `secret part of ${name}`, `check of ${name}`]))
const kept = () => new Map([...secrets].filter(([name]) => !strays.has(name)))
const stray = (name: string) => new Map([...secrets].filter(([other]) => other.endsWith(name)))

beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'carbuddii-canary-'))
  // Started by root, the server of the database runs as somebody else, who must get through.
  chmodSync(dataDir, 0o711)
  const port = await freePort()
  const url = `http://localhost:${port}`
  const server = spawn(...onLeash('src/main.ts'), {
    env: {
      ...bareEnvironment,
      PORT: String(port),
      DATA_DIR: dataDir,
      LOG_LEVEL: 'debug',
      DRAIN_SECONDS: '0',
      LIMITS: 'off',
      ADMIN_EMAIL: email,
      ADMIN_PASSWORD: passwords.right,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  child = server
  const closed = once(server, 'close')
  let log = ''
  server.stdout.setEncoding('utf8').on('data', (text: string) => (log += text))
  server.stderr.setEncoding('utf8').on('data', (text: string) => (log += text))
  await until(async () => server.exitCode !== null || (await isReady(url)))
  if (server.exitCode !== null) throw new Error(`The service did not get ready: ${log}`)

  for (const [name, password] of Object.entries(passwords)) keep(`${name} password`, password)
  const masters = readFileSync(join(dataDir, 'secrets'), 'utf8')
    .trim()
    .split(',')
    .map((entry) => ({
      version: entry.split(':')[0] ?? '',
      bytes: Buffer.from(entry.split(':')[1] ?? '', 'base64url'),
    }))
  for (const { version, bytes } of masters) keep(`master secret ${version}`, bytes)

  await everything(url, port)
  await readDatabase(masters)

  child.kill('SIGTERM')
  await closed
  expect(child.exitCode).toBe(0)
  put('log', log)
  for (const entry of readdirSync(dataDir, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isFile() && !['secrets', 'first-admin'].includes(relative(dataDir, path)))
      put(`file ${relative(dataDir, path)}`, readFileSync(path))
  }
  put('file postgres/pg_wal/ as a whole', wholeLog())
})
afterAll(async () => {
  if (child && child.exitCode === null && child.signalCode === null) {
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    await ended
  }
  rmSync(dataDir, { recursive: true, force: true })
})

async function everything(url: string, port: number): Promise<void> {
  /** Keeps the answer for the search, without the places in it that are there to carry secrets. */
  const call = async (method: string, path: string, options: Parameters<typeof send>[2] = {}): Promise<Reply> => {
    const reply = await send(url + path, method, options)
    const { access_token: token, secret, url: ownLink, passwordLink, recoveryCodes = [], codes = [] } = reply.body ?? {}
    let headers = [...reply.headers].map(([name, value]) => `${name}: ${value}`).join('\n')
    let text = reply.text
    for (const purpose of [token, secret, ownLink, passwordLink?.url, ...recoveryCodes, ...codes])
      if (typeof purpose === 'string') text = text.replace(purpose, '')
    for (const cookie of reply.headers.getSetCookie()) headers = headers.replace(cookie.split(';')[0] ?? '', '')
    put(`answer ${reply.status} to ${method} ${path}`, `${headers}\n\n${text}`)
    statuses.add(reply.status)
    called.add(
      Object.entries(operations).find(
        ([, known]) =>
          known.method.toUpperCase() === method &&
          new RegExp(
            `^${known.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => (name.endsWith('Id') ? '[a-z]+_[0-9a-f]{32}' : '[^/]+'))}$`,
          ).test(path.split('?')[0] ?? ''),
      )?.[0] ?? '',
    )
    return reply
  }
  const expectStatus = (status: number, reply: Reply) => {
    expect([reply.status, reply.text]).toEqual([status, reply.text])
    return reply
  }
  const form = (fields: Record<string, string>, headers: Record<string, string> = {}) =>
    call('POST', '/v1/auth/token', {
      raw: new URLSearchParams(fields).toString(),
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    })
  const basic = (user: string, secret: string) => ({
    authorization: `Basic ${Buffer.from(`${user}:${secret}`).toString('base64')}`,
  })
  const grant = { grant_type: 'client_credentials' }

  // People.
  const signIn = async (name: string) => {
    const reply = expectStatus(200, await call('POST', '/v1/session', { body: { email, password: passwords.right } }))
    const cookie = reply.headers.getSetCookie()[0]?.split(';')[0] ?? ''
    keep(`cookie of ${name}`, cookie.replace('session=', ''))
    keep(`secret part of the cookie of ${name}`, cookie.slice(-43))
    return { token: keepToken(`token of ${name}`, reply.body.access_token), cookie }
  }
  for (const body of [
    { email, password: passwords.wrong },
    { email: 'nobody@canary.example', password: passwords.right },
  ])
    expectStatus(401, await call('POST', '/v1/session', { body }))
  expectStatus(
    400,
    await call('POST', '/v1/session', { body: { email, password: passwords.right, again: passwords.right } }),
  )
  expectStatus(400, await call('POST', '/v1/session', { body: { email, password: [passwords.right] } }))
  expectStatus(
    400,
    await call('POST', '/v1/session', {
      raw: `{"password": "${passwords.right}`,
      headers: { 'content-type': 'application/json' },
    }),
  )
  expectStatus(
    415,
    await call('POST', '/v1/session', { raw: passwords.right, headers: { 'content-type': 'text/plain' } }),
  )
  for (let attempt = 0; attempt < 11; attempt++)
    await call('POST', '/v1/session', { body: { email: 'other@canary.example', password: passwords.wrong } })
  const admin = await signIn('the Admin')
  const leaver = await signIn('who signs out')
  const again = expectStatus(200, await call('POST', '/v1/session/token', { headers: { cookie: admin.cookie } }))
  keepToken('second token of the Admin', again.body.access_token)
  expectStatus(
    403,
    await call('POST', '/v1/session/token', { headers: { cookie: admin.cookie, origin: 'https://evil.example' } }),
  )
  expectStatus(204, await call('DELETE', '/v1/session', { headers: { cookie: leaver.cookie } }))
  expectStatus(401, await call('POST', '/v1/session/token', { headers: { cookie: leaver.cookie } }))
  expectStatus(401, await call('GET', '/v1/me', { token: leaver.token }))

  // Keys.
  const asAdmin = (method: string, path: string, body?: object) =>
    call(method, path, { token: admin.token, ...(body && { body }) })
  const createKey = async (name: string, kind = 'digital_requests', environment = 'live') => {
    const { body } = expectStatus(201, await asAdmin('POST', '/v1/api-keys', { name, kind, environment }))
    return { id: body.apiKey.id as string, secret: keepKey(name, body.secret) }
  }
  const tokenFrom = (name: string, reply: Reply) => keepToken(name, expectStatus(200, reply).body.access_token)
  const exchange = async (name: string, secret: string) =>
    tokenFrom(name, await call('POST', '/v1/auth/token', { headers: { 'x-api-key': secret } }))
  const replace = async (name: string, id: string, body: object = {}) =>
    keepKey(name, expectStatus(201, await asAdmin('POST', `/v1/api-keys/${id}/replacement`, body)).body.secret)
  const website = await createKey('website key')
  const dms = await createKey('DMS key', 'extensive_integrations')
  const test = await createKey('test key', 'extensive_integrations', 'test')
  const push = await exchange('token by X-Api-Key', website.secret)
  const read = tokenFrom('token by Basic', await form(grant, basic(dms.id, dms.secret)))
  tokenFrom('token by form', await form({ ...grant, client_id: test.id, client_secret: test.secret }))

  // Wrong keys, and right ones in the wrong way.
  const other = digitsOf(website.secret).replaceAll(/./g, (digit) => (digit === 'x' ? 'y' : 'x'))
  const typo = website.secret.slice(0, -1) + (website.secret.endsWith('a') ? 'b' : 'a')
  keep('typo key', typo)
  keep('digits of somebody', other)
  for (const wrong of [
    typo,
    website.secret.replace(digitsOf(website.secret), other),
    website.secret.slice(0, -10),
    `${website.secret} `,
    `"${dms.secret}"`,
    digitsOf(dms.secret),
  ]) {
    await call('POST', '/v1/auth/token', { headers: { 'x-api-key': wrong } })
    await form(grant, basic(dms.id, wrong))
    await form({ ...grant, client_id: dms.id, client_secret: wrong })
  }
  expectStatus(401, await form(grant, basic(website.id, dms.secret)))
  expectStatus(401, await form(grant, { authorization: `Bearer ${dms.secret}` }))
  expectStatus(400, await form({ grant_type: dms.secret, client_id: dms.id, client_secret: dms.secret }))
  expectStatus(400, await form({ ...grant, client_id: dms.id, client_secret: dms.secret, scope: dms.secret }))
  expectStatus(
    400,
    await form({ ...grant, client_secret: dms.secret, client_id: dms.secret }, { 'x-api-key': dms.secret }),
  )
  expectStatus(
    400,
    await form(
      { ...grant, [dms.secret]: dms.secret, client_id: dms.id, grant_type: passwords.right },
      basic(dms.id, dms.secret),
    ),
  )
  expectStatus(413, await form({ ...grant, client_secret: dms.secret.repeat(200) }))
  expectStatus(415, await call('POST', '/v1/auth/token', { body: { ...grant, client_secret: dms.secret } }))

  // Keys, tokens and a cookie where none of them belongs.
  const cookie = admin.cookie.replace('session=', '')
  for (const secret of [dms.secret, read, cookie, passwords.right]) {
    const escaped = encodeURIComponent(secret)
    for (const path of [
      '/',
      '/docs/',
      '/v1/',
      '/v1/leads/',
      '/v1/leads/lead_',
      '/v1/api-keys/',
      '/v1/api-keys/key_',
      '/assets/',
    ])
      await call('GET', path + escaped, { token: read })
    for (const query of [
      `access_token=${escaped}`,
      `cursor=${escaped}`,
      `limit=${escaped}`,
      `limit=1&${escaped.slice(0, 3)}=${escaped}`,
    ]) {
      await call('GET', `/v1/leads?${query}`, { token: read })
      await call('GET', `/docs/?${query}`)
    }
    expectStatus(400, await call('POST', `/v1/auth/token?client_secret=${escaped}`))
    expectStatus(405, await call('DELETE', `/v1/auth/token?key=${escaped}`))
    const header = encodeURIComponent(secret)
    await call('GET', '/v1/leads', { token: header })
    await call('GET', '/v1/leads', { token: `${header}, Bearer ${header}` })
    await call('GET', '/v1/leads', { headers: { authorization: header } })
    await call('GET', '/v1/leads', {
      headers: { authorization: `Basic ${Buffer.from(`:${secret}`).toString('base64')}` },
    })
    await call('GET', '/v1/leads', { headers: { 'x-api-key': header, cookie: `session=${header}` } })
    await call('POST', '/v1/session/token', { headers: { cookie: `session=${header}` } })
    for (const name of [
      'accept',
      'accept-language',
      'content-type',
      'referer',
      'origin',
      'cookie',
      'if-match',
      'if-none-match',
      'idempotency-key',
      'prefer',
      'x-forwarded-for',
      'x-forwarded-host',
      'forwarded',
      'traceparent',
    ]) {
      await call('GET', '/v1/leads', { token: read, headers: { [name]: header } })
      await call('POST', '/v1/api-keys', { token: admin.token, raw: '{}', headers: { [name]: header } })
      await call('POST', '/v1/session', { raw: '{}', headers: { 'content-type': 'application/json', [name]: header } })
    }
    for (const body of [
      { name: 'Odd', kind: secret },
      { name: 'Odd', kind: 'digital_requests', environment: secret },
      { name: 'Odd', kind: 'digital_requests', scopes: [secret] },
      { name: 'Odd', kind: 'digital_requests', expiresAt: secret },
      { name: 'Odd', kind: 'digital_requests', unknown: secret },
      secret,
      [secret],
    ])
      expect((await call('POST', '/v1/api-keys', { token: admin.token, body })).status).toBeGreaterThan(399)
    // A request of nobody, or of a person, is not kept; nor is an id that is too long or has odd letters taken over.
    await call('POST', '/v1/api-keys', { token: admin.token, body: {}, headers: { 'user-agent': header } })
    await call('POST', '/v1/session', { body: {}, headers: { 'user-agent': header } })
    if (secret !== dms.secret) await call('GET', '/v1/leads', { token: read, headers: { 'x-request-id': header } })
    expectStatus(
      400,
      await call('POST', '/v1/api-keys', {
        token: admin.token,
        raw: `{"a": ${secret}`,
        headers: { 'content-type': 'application/json' },
      }),
    )
    // A lead that is refused leaves nothing of its Idempotency-Key, and nothing of itself.
    const idempotencyKey = { 'idempotency-key': header.slice(0, 200) }
    expectStatus(
      422,
      await call('POST', '/v1/leads', {
        token: push,
        body: { customer: {}, message: secret, externalReference: { source: 'canary', id: secret.slice(0, 100) } },
        headers: idempotencyKey,
      }),
    )
    expectStatus(
      400,
      await call('POST', '/v1/leads', {
        token: push,
        raw: `"${'x'.repeat(9)}${secret}`,
        headers: { 'content-type': 'application/json', ...idempotencyKey },
      }),
    )
    expectStatus(
      400,
      await call('POST', '/v1/leads/adf', {
        token: push,
        raw: `<adf>${secret}<`,
        headers: { 'content-type': 'application/xml' },
      }),
    )
    expectStatus(
      415,
      await call('POST', '/v1/leads', {
        token: push,
        raw: secret,
        headers: { 'content-type': `text/plain; charset=${encodeURIComponent(secret)}` },
      }),
    )
    expectStatus(
      413,
      await call('POST', '/v1/leads', {
        token: push,
        raw: secret.repeat(60_000),
        headers: { 'content-type': 'application/json' },
      }),
    )
    expectStatus(
      431,
      await call('GET', '/v1/leads', { headers: { 'x-long': header.repeat(17_000 / header.length + 1) } }),
    )
    const refused = `GET /v1/leads HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${header}\r\n${header}\r\n\r\n`
    put('answer to what is not HTTP', await overSocket(port, refused))
    put('answer to what is not HTTP', await overSocket(port, `${header} / HTTP/1.1\r\n\r\n`))
    for (const head of [`Host: x\r\nExpect: ${header}`, `Host: ${header}\r\nHost: x`, `X-Host: ${header}`])
      put(
        'answer to a head that HTTP does not allow',
        await overSocket(port, `GET /v1/leads HTTP/1.1\r\n${head}\r\nConnection: close\r\n\r\n`),
      )
  }
  const agent = await createKey(astray.userAgent)
  const agentToken = await exchange('token of the key that came as User-Agent', agent.secret)
  await call('POST', '/v1/leads', { token: agentToken, body: lead(), headers: { 'user-agent': agent.secret } })
  const request = await createKey(astray.requestId)
  const requestToken = await exchange('token of the key that came as X-Request-Id', request.secret)
  await call('POST', '/v1/leads', { token: requestToken, body: lead(), headers: { 'x-request-id': request.secret } })
  const member = await createKey(astray.member)
  expectStatus(400, await call('GET', `/v1/leads?${member.secret}=1`, { token: read }))
  expectStatus(
    400,
    await asAdmin('POST', '/v1/api-keys', { name: 'Odd', kind: 'digital_requests', [member.secret]: 1 }),
  )

  // Leads. In the message of the first, which stays short enough not to be compressed, the odd marker stands in every
  // form.
  const message = [...forms(Buffer.from(markers.odd)).values()].join(' ')
  const first = expectStatus(
    201,
    await call('POST', '/v1/leads', {
      token: push,
      body: lead({ message }),
      headers: { 'idempotency-key': 'first', 'x-request-id': markers.plain },
    }),
  )
  const path = `/v1/leads/${first.body.id}`
  await call('POST', '/v1/leads', { token: push, body: lead({ message }), headers: { 'idempotency-key': 'first' } })
  expectStatus(
    422,
    await call('POST', '/v1/leads', {
      token: push,
      body: lead({ message: 'another' }),
      headers: { 'idempotency-key': 'first' },
    }),
  )
  expectStatus(207, await call('POST', '/v1/leads/batch', { token: push, body: { leads: [{ lead: lead() }, {}] } }))
  expectStatus(
    200,
    await call('POST', '/v1/leads/reconciliation', {
      token: push,
      body: { references: [{ source: 'canary', id: 'never sent' }] },
    }),
  )
  const adf = `<adf><prospect><customer><contact><phone>32 12 34 56</phone></contact><comments>${markers.plain}</comments></customer></prospect></adf>`
  const fromAdf = expectStatus(
    201,
    await call('POST', '/v1/leads/adf', { token: push, raw: adf, headers: { 'content-type': 'application/xml' } }),
  )
  expectStatus(403, await call('GET', '/v1/leads', { token: push }))
  for (const [method, sub] of [
    ['GET', ''],
    ['GET', '/original'],
    ['GET', '/receipt'],
  ] as const)
    await call(method, path + sub, { token: sub === '/receipt' ? push : read })
  await call('GET', '/v1/leads', { token: read })
  await call('POST', '/v1/leads/search', { token: read, body: { contact: '32 12 34 56' } })
  await call('POST', '/v1/leads/counts', { token: read, body: { text: 'anna 3456' } })
  await call('GET', `/v1/leads/${fromAdf.body.id ?? fromAdf.body.results?.[0]?.id}/original`, { token: read })
  expectStatus(428, await call('PATCH', path, { token: read, body: { status: 'won' } }))
  expectStatus(
    412,
    await call('PATCH', path, { token: read, body: { status: 'won' }, headers: { 'if-match': '"77"' } }),
  )
  expectStatus(200, await call('PATCH', path, { token: read, body: { status: 'won' }, headers: { 'if-match': '*' } }))
  expectStatus(
    409,
    await call('PATCH', path, { token: read, body: { status: 'acknowledged' }, headers: { 'if-match': '*' } }),
  )

  // Customers.
  expectStatus(200, await asAdmin('PATCH', `/v1/api-keys/${dms.id}`, { sources: ['dms'] }))
  const { customer } = lead()
  const known = '/v1/customers/by-reference/dms/40012'
  const made = expectStatus(201, await call('PUT', `${known}?sourceVersion=2`, { token: read, body: customer }))
  expectStatus(409, await call('PUT', `${known}?sourceVersion=1`, { token: read, body: customer }))
  expectStatus(422, await call('PUT', '/v1/customers/by-reference/dms/null', { token: read, body: customer }))
  expectStatus(403, await call('PUT', '/v1/customers/by-reference/crm/1', { token: read, body: customer }))
  const item = { source: 'dms', id: '40013', customer }
  expectStatus(207, await call('POST', '/v1/customers/batch', { token: read, body: { customers: [item, {}] } }))
  const typed = expectStatus(201, await call('POST', '/v1/customers', { token: read, body: customer }))
  expectStatus(422, await call('POST', '/v1/customers', { token: read, body: {} }))
  const place = `/v1/customers/${made.body.id}`
  const name = { name: { family: 'Hansen' } }
  expectStatus(428, await call('PATCH', place, { token: read, body: name }))
  expectStatus(412, await call('PATCH', place, { token: read, body: name, headers: { 'if-match': '"77"' } }))
  expectStatus(200, await call('PATCH', place, { token: read, body: name, headers: { 'if-match': '*' } }))
  expectStatus(200, await call('DELETE', `${place}/edits`, { token: read }))
  expectStatus(200, await call('PUT', `${place}/merge`, { token: read, body: { into: typed.body.id } }))
  expectStatus(409, await call('PUT', `${place}/merge`, { token: read, body: { into: made.body.id } }))
  for (const sub of ['', '/sources', '/leads']) expectStatus(200, await call('GET', place + sub, { token: read }))
  expectStatus(200, await call('DELETE', `${place}/merge`, { token: read }))
  expectStatus(200, await call('POST', '/v1/customers/search', { token: read, body: { name: 'anna' } }))
  expectStatus(200, await call('GET', '/v1/customers', { token: read }))
  expectStatus(200, await call('GET', '/v1/customer-suggestions', { token: read }))
  const nobody = `/v1/customer-suggestions/sugg_${'0'.repeat(32)}/rejection`
  expectStatus(404, await call('PUT', nobody, { token: read }))
  expectStatus(200, await call('DELETE', known, { token: read }))
  expectStatus(410, await call('GET', place, { token: read }))

  // The life of keys.
  const life = `/v1/api-keys/${website.id}`
  const second = await replace('second secret of the website key', website.id)
  await exchange('token of the second secret', second)
  expectStatus(409, await asAdmin('POST', `${life}/replacement`, {}))
  expectStatus(200, await asAdmin('PATCH', `${life}/replacement`, { oldEnds: 'at_once' }))
  expectStatus(401, await call('POST', '/v1/auth/token', { headers: { 'x-api-key': website.secret } }))
  expectStatus(401, await call('GET', '/v1/me', { token: push }))
  await replace('third secret of the website key', website.id)
  expectStatus(200, await asAdmin('DELETE', `${life}/replacement`))
  await replace('fourth secret of the website key', website.id, { newCounts: 'at_once', oldEnds: 'at_once' })
  expectStatus(200, await asAdmin('PATCH', life, { name: 'Renamed', disabled: true }))
  expectStatus(200, await asAdmin('PATCH', life, { disabled: false }))
  expectStatus(204, await asAdmin('DELETE', life))
  expectStatus(200, await asAdmin('POST', `${life}/restoration`))
  expectStatus(409, await asAdmin('POST', '/v1/api-keys', { name: 'Renamed', kind: 'digital_requests' }))
  const own = await createKey('key that replaces and deletes itself', 'extensive_integrations')
  const ownToken = await exchange('its token', own.secret)
  expectStatus(200, await call('GET', '/v1/api-key', { token: ownToken }))
  const replacing = expectStatus(201, await call('POST', '/v1/api-key/replacement', { token: ownToken, body: {} }))
  const newToken = await exchange('token of its second secret', keepKey('its second secret', replacing.body.secret))
  expectStatus(204, await call('DELETE', '/v1/api-key', { token: newToken }))
  expectStatus(401, await call('POST', '/v1/auth/token', { headers: { 'x-api-key': replacing.body.secret } }))

  // What can be read of all that, once the requests are written down.
  await until(async () =>
    (await send(`${url}/v1/api-keys/${own.id}/requests`, 'GET', { token: admin.token })).body.items.some(
      (item: { operation: string; status: number }) => item.operation === 'exchangeApiKey' && item.status === 401,
    ),
  )
  for (const query of ['/v1/leads/counts', '/v1/events', '/v1/events/stream', '/v1/me/notifications', '/v1/mails'])
    expectStatus(200, await asAdmin('GET', query))
  expectStatus(200, await asAdmin('PATCH', '/v1/me/notifications', { newLead: true }))
  // Mail is not set up.
  expectStatus(409, await call('POST', '/v1/password-link', { body: { email: 'nobody@canary.example' } }))
  const { items: users } = (await asAdmin('GET', '/v1/users')).body
  for (const { id } of [website, dms, test, own, agent, request, member])
    for (const sub of ['', '/requests', '/usage', '/addresses', '/limits'])
      await asAdmin('GET', `/v1/api-keys/${id}${sub}`)
  for (const query of [
    '/v1/audit-entries',
    '/v1/api-keys',
    '/v1/api-keys?deleted=true',
    '/v1/dealer',
    '/v1/sources',
    '/v1/me',
  ])
    expectStatus(200, await asAdmin('GET', query))
  expectStatus(200, await asAdmin('PATCH', '/v1/dealer', { name: 'Canary' }))
  expectStatus(200, await asAdmin('GET', `/v1/users/${users[0].id}`))
  expectStatus(200, await asAdmin('PATCH', `/v1/users/${users[0].id}`, { role: 'admin' }))
  expectStatus(422, await asAdmin('PATCH', '/v1/dealer', { timeZone: 'Mars/Olympus' }))

  // A person who is invited, chooses a password by a link and then another one.
  const keepLink = (name: string, link: string) => {
    const text = link.split('#')[1] ?? ''
    keep(name, text)
    keep(`secret part of ${name}`, text.slice(-43))
    return text
  }
  const chosen = { first: `chøsen "1" ${randomUUID()}`, second: `chøsen "2" ${randomUUID()}` }
  for (const [name, password] of Object.entries(chosen)) keep(`${name} password of the invited`, password)
  const invited = expectStatus(
    201,
    await asAdmin('POST', '/v1/users', { email: 'sofie@canary.example', name: 'Sofie Sales', role: 'sales' }),
  ).body
  const lost = keepLink('lost link', invited.passwordLink.url)
  expectStatus(204, await asAdmin('POST', `/v1/users/${invited.user.id}/release`))
  const link = keepLink(
    'link',
    expectStatus(200, await asAdmin('POST', `/v1/users/${invited.user.id}/password-link`)).body.url,
  )
  expectStatus(422, await call('POST', '/v1/password', { body: { token: lost, password: chosen.first } }))
  for (const odd of [
    { token: link, password: [chosen.first] },
    { token: [link], password: chosen.first },
    { token: link, password: chosen.first, [link]: 1 },
  ])
    expectStatus(400, await send(`${url}/v1/password`, 'POST', { body: odd }))
  for (const path of [`/password?token=${link}`, `/v1/password/${link}`, `/v1/me?token=${link}`])
    await call('GET', path, { headers: { 'user-agent': link } })
  expectStatus(204, await call('POST', '/v1/password', { body: { token: link, password: chosen.first } }))
  expectStatus(422, await call('POST', '/v1/password', { body: { token: link, password: chosen.second } }))
  const sofie = expectStatus(
    200,
    await call('POST', '/v1/session', {
      body: { email: 'sofie@canary.example', password: chosen.first },
      headers: { 'user-agent': link },
    }),
  )
  keep('cookie of the invited', (sofie.headers.getSetCookie()[0] ?? '').split(';')[0]?.replace('session=', '') ?? '')
  const token = keepToken('token of the invited', sofie.body.access_token)
  // A passkey, and the codes for whoever has lost it.
  const device = authenticator(url)
  const asked = expectStatus(200, await call('POST', '/v1/me/passkeys/options', { token })).body
  const added = expectStatus(200, await call('POST', '/v1/me/passkeys', { token, body: device.create(asked) })).body
  const renewed = expectStatus(200, await call('POST', '/v1/me/recovery-codes', { token })).body.codes
  for (const [at, code] of [...added.recoveryCodes, ...renewed].entries()) keep(`recovery code ${at}`, code)
  expectStatus(200, await call('GET', '/v1/me/passkeys', { token }))
  const passkey = `/v1/me/passkeys/${added.passkey.id}`
  expectStatus(200, await call('PATCH', passkey, { token, body: { name: 'Key at the counter' } }))
  const challenge = expectStatus(200, await call('POST', '/v1/session/passkey-challenge')).body
  const alone = expectStatus(200, await call('POST', '/v1/session/passkey', { body: device.get(challenge) }))
  keepToken('token of the passkey', alone.body.access_token)
  for (const recoveryCode of [renewed[0], renewed[0]])
    await call('POST', '/v1/session', {
      body: { email: 'sofie@canary.example', password: chosen.first, recoveryCode },
    })
  expectStatus(204, await call('DELETE', passkey, { token }))
  const [session] = expectStatus(200, await call('GET', '/v1/me/sessions', { token })).body.items
  expectStatus(
    422,
    await call('PUT', '/v1/me/password', {
      token,
      body: { currentPassword: chosen.second, newPassword: chosen.first },
    }),
  )
  expectStatus(404, await call('DELETE', `/v1/me/sessions/session_${'0'.repeat(32)}`, { token }))
  expectStatus(
    204,
    await call('PUT', '/v1/me/password', {
      token,
      body: { currentPassword: chosen.first, newPassword: chosen.second },
    }),
  )
  expectStatus(401, await call('DELETE', `/v1/me/sessions/${session.id}`, { token }))
  expectStatus(204, await asAdmin('DELETE', `/v1/users/${invited.user.id}/passkeys`))
  expectStatus(200, await asAdmin('PUT', '/v1/dealer/second-factor', { required: false }))
  expectStatus(404, await asAdmin('GET', `/v1/leads/lead_${'0'.repeat(32)}`))
  for (const open of [
    '/',
    '/docs/',
    '/healthz',
    '/readyz',
    '/.well-known/jwks.json',
    '/.well-known/oauth-authorization-server',
  ])
    await call('GET', open)
  expectStatus(204, await call('DELETE', '/v1/session', { headers: { cookie: admin.cookie } }))
}

function overSocket(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = ''
    const socket = connect(port, 'localhost')
      .setEncoding('utf8')
      .on('error', reject)
      .on('close', () => resolve(answer))
    socket.on('data', (part: string) => (answer += part))
    socket.write(text)
  })
}

/** The write-ahead log without the header of each page, which stands in the middle of whatever runs over the edge. */
function wholeLog(): Buffer {
  const pages = [...places.keys()].sort().flatMap((place) => {
    const [segment] = (/pg_wal\/[0-9A-F]{24}$/.test(place) && places.get(place)) || []
    if (!segment) return []
    return Array.from({ length: segment.length / walPageBytes }, (_, page) =>
      segment.subarray(
        page * walPageBytes + (page === 0 ? walFirstHeaderBytes : walHeaderBytes),
        (page + 1) * walPageBytes,
      ),
    )
  })
  return Buffer.concat(pages)
}

/** Every column of every table as text; bytes as hex, and as they are. The signing keys are secrets of their own. */
async function readDatabase(masters: { version: string; bytes: Buffer }[]): Promise<void> {
  const connection = await runningEmbedded(dataDir)
  if (!connection) throw new Error('The database of the service was not found')
  const { db, close } = openDatabase(connection, () => undefined)
  try {
    const all: { table_schema: string; table_name: string; column_name: string; data_type: string }[] = await db(
      'information_schema.columns as c',
    )
      .join('information_schema.tables as t', (on) =>
        on.on('t.table_schema', 'c.table_schema').on('t.table_name', 'c.table_name'),
      )
      .where({ 't.table_type': 'BASE TABLE' })
      .whereNotIn('c.table_schema', ['pg_catalog', 'information_schema'])
      .select('c.table_schema', 'c.table_name', 'c.column_name', 'c.data_type')
    for (const { table_schema, table_name, column_name, data_type } of all) {
      const isBytes = data_type === 'bytea'
      const { rows } = await db.raw(
        isBytes ? "select encode(??, 'hex') as value from ??.??" : 'select ??::text as value from ??.??',
        [column_name, table_schema, table_name],
      )
      const values: string[] = rows.flatMap(({ value }: { value: string | null }) => value ?? [])
      put(`column ${table_name}.${column_name}`, values.join('\n'))
      if (isBytes) for (const value of values) put(`column ${table_name}.${column_name}`, Buffer.from(value, 'hex'))
    }
    const [first, ...others] = masters
    if (!first) throw new Error('There is no master secret')
    const { unwrap } = secretsFrom([first, ...others])
    for (const { kid, secret_version, wrapped_private_key } of await db('signing_keys')) {
      const key = unwrap(secret_version, kid, wrapped_private_key)
      keep(`signing key ${kid}`, key)
      keep(
        `number of signing key ${kid}`,
        Buffer.from(
          createPrivateKey({ key, type: 'pkcs8', format: 'der' }).export({ format: 'jwk' }).d ?? '',
          'base64url',
        ),
      )
    }
  } finally {
    await close()
  }
}

it('has called every operation, and seen every problem that a client can cause', () => {
  expect((Object.keys(operations) as OperationId[]).filter((id) => !called.has(id))).toEqual([])
  for (const status of [400, 401, 403, 404, 405, 409, 412, 413, 415, 422, 428, 429, 431])
    expect([...statuses]).toContain(status)
  expect([...statuses].filter((status) => status >= 500)).toEqual([])
})

it('finds what is there: markers in the log, the database and the files, in every form', () => {
  const plain = new Map([['marker', Buffer.from(markers.plain)]])
  const plainPlaces = search(plain, places).map((hit) => hit.split(' in ')[1])
  expect(plainPlaces).toEqual(
    expect.arrayContaining([
      'log',
      'column lead_originals.content',
      'column api_key_requests.request_id',
      expect.stringContaining('file postgres/base/'),
      expect.stringContaining('file postgres/pg_wal/'),
    ]),
  )
  for (const kind of [
    'file postgres/base/',
    'file postgres/pg_wal/',
    'column leads.data',
    'answer 200 to GET /v1/leads',
  ]) {
    const hits = search(new Map([['marker', Buffer.from(markers.odd)]]), only(kind)).join()
    // What is printed as JSON has the plain form as JSON, and that as JSON twice.
    const expected = [...forms(Buffer.from(markers.odd)).keys()].filter(
      (form) => kind.startsWith('file') || !['as it is', 'JSON twice'].includes(form),
    )
    expect([kind, expected.filter((form) => !hits.includes(`, ${form}`))]).toEqual([kind, []])
  }
})

it.each(['log', 'answer', 'column', 'file'])('leaves no secret in any %s', (kind) => {
  const within = only(kind)
  expect(within.size).toBeGreaterThan(0)
  expect(search(kept(), within)).toEqual([])
})

// The name of a member that the contract does not know is said back, to whoever sent it and to nobody else.
it.each(Object.entries(astray))('leaves no part of a key that came in an odd place: %s', (place, name) => {
  const within = place === 'member' ? new Map([...places].filter(([kind]) => !kind.startsWith('answer'))) : places
  expect(search(stray(name), within)).toEqual([])
})
