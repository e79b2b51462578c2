import * as oauth from 'oauth4webapi'
import { ClientCredentials } from 'simple-oauth2'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectWith, getMe } from '../src/client/client.ts'
import { inner } from '../src/ids.ts'
import { lead, type Reply, startService, type TestService } from './service.ts'

let service: TestService
let dealer: Awaited<ReturnType<TestService['dealer']>>
beforeAll(async () => {
  service = await startService()
  dealer = await service.dealer('exchange')
})
afterAll(() => service.close())

const form = (parameters: Record<string, string> | string, headers: Record<string, string> = {}): Promise<Reply> =>
  service.call('POST', '/v1/auth/token', {
    raw: typeof parameters === 'string' ? parameters : new URLSearchParams(parameters).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
  })
const basic = (user: string, password: string) => ({
  authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
})
const grant = { grant_type: 'client_credentials' }

it('gives the same token answer for X-Api-Key, Basic and the form', async () => {
  const { id, secret } = dealer.dms
  const escaped = (text: string) =>
    [...text]
      .map((character) =>
        /[a-z0-9]/i.test(character) ? character : `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
      )
      .join('')
  const answers = [
    await service.call('POST', '/v1/auth/token', { headers: { 'x-api-key': secret } }),
    await form(grant, { 'x-api-key': secret }),
    await form(grant, basic(id, secret)),
    await form(grant, basic(escaped(id), escaped(secret))),
    await form({ ...grant, client_id: id }, basic(id, secret)),
    await form({ ...grant, client_id: id, client_secret: secret }),
    await form({ ...grant, client_id: id, client_secret: secret, scope: '', resource: 'ignored' }),
    await form({ ...grant, client_id: id, client_secret: secret }, { ...basic('', ''), 'x-api-key': '' }),
  ]
  for (const { status, body, headers } of answers) {
    expect([status, body.token_type, body.expires_in, headers.get('cache-control')]).toEqual([
      200,
      'Bearer',
      1800,
      'no-store',
    ])
    expect(body.scope).toBe('leads:create leads:read leads:update customers:read customers:write events:read')
  }
})

it('never says that a token lives longer than its key or its secret, and cuts nothing else', async () => {
  const of = async (secret: string) => {
    const { body } = await service.call('POST', '/v1/auth/token', { headers: { 'x-api-key': secret } })
    const claims = JSON.parse(Buffer.from(body.access_token.split('.')[1], 'base64url').toString())
    expect(claims.exp - claims.iat).toBe(1800)
    const me = await service.call('GET', '/v1/me', { token: body.access_token })
    expect(Math.abs(Date.parse(me.body.expiresAt) / 1000 - claims.iat - body.expires_in)).toBeLessThan(60)
    return body.expires_in as number
  }
  const ending = async (seconds: number) => {
    const { body } = await service.call('POST', '/v1/api-keys', {
      token: dealer.admin.token,
      body: {
        name: `Ends in ${seconds}`,
        kind: 'digital_requests',
        expiresAt: new Date(Date.now() + seconds * 1000).toISOString(),
      },
    })
    return body.secret as string
  }
  const soon = await of(await ending(600))
  expect([soon <= 600, soon > 500]).toEqual([true, true])
  expect(await of(await ending(86_400))).toBe(1800)

  const key = await service.createKey(dealer.admin.token, { kind: 'digital_requests' })
  const { body } = await service.call('POST', `/v1/api-keys/${key.id}/replacement`, {
    token: dealer.admin.token,
    body: { newCounts: 'at_once', oldEnds: 'after_1_hour' },
  })
  const soonest = { ends_at: new Date(Date.now() + 300_000) }
  const credentials = service.db('credentials').where({ subject_id: inner(key.id) })
  await credentials.whereRaw("ends_at < 'infinity'").update(soonest)
  await service
    .db('api_key_secrets')
    .where({ api_key_id: inner(key.id), role: 'previous' })
    .update(soonest)
  const old = await of(key.secret)
  expect([old <= 300, old > 200]).toEqual([true, true])
  expect(await of(body.secret)).toBe(1800)

  const { cookie } = await service.signIn(dealer.sales.email)
  // Of the 12 hours that it may last, 200 s are left.
  await service
    .db('credentials')
    .where({ subject_id: inner(dealer.sales.userId) })
    .update({ ends_at: new Date(Date.now() + 200_000) })
  await service
    .db('sessions')
    .where({ user_id: inner(dealer.sales.userId) })
    .update({ signed_in_at: new Date(Date.now() + 200_000 - 12 * 3_600_000) })
  const session = await service.call('POST', '/v1/session/token', { headers: { cookie } })
  expect([session.body.expires_in <= 200, session.body.expires_in > 100]).toEqual([true, true])
})

it('is not asked again for every call when a token lives for less than a minute', async () => {
  let bought = 0
  const { client } = connectWith({
    baseUrl: service.url,
    buy: async () => {
      bought++
      return { access_token: dealer.dms.token, expires_in: 50 }
    },
  })
  for (let call = 0; call < 3; call++) expect((await getMe({ client })).data?.subject.name).toBe('DMS Sync')
  expect(bought).toBe(1)
})

describe('answers OAuth errors', () => {
  const expectError = (reply: Reply, status: number, error: string) => {
    expect([reply.status, reply.body.error]).toEqual([status, error])
    expect(reply.headers.get('content-type')).toMatch(/^application\/json/)
    expect(reply.headers.get('cache-control')).toBe('no-store')
    expect(reply.body.error_description).toMatch(/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/)
    if (status === 401) expect(reply.headers.get('www-authenticate')).toMatch(/^Basic realm="CarBuddii"/)
  }
  it('to another grant type', async () =>
    expectError(
      await form({ grant_type: 'password', client_id: dealer.dms.id, client_secret: dealer.dms.secret }),
      400,
      'unsupported_grant_type',
    ))
  it('to no grant type', async () =>
    expectError(await form({ client_id: dealer.dms.id, client_secret: dealer.dms.secret }), 400, 'invalid_request'))
  it('to a scope that the key does not have', async () =>
    expectError(
      await form({ ...grant, scope: 'leads:read "\\ø' }, { 'x-api-key': dealer.website.secret }),
      400,
      'invalid_scope',
    ))
  it('to two ways of authentication at once', async () => {
    expectError(
      await form(grant, { ...basic(dealer.dms.id, dealer.dms.secret), 'x-api-key': dealer.dms.secret }),
      400,
      'invalid_request',
    )
    expectError(
      await form({ ...grant, client_secret: dealer.dms.secret }, basic(dealer.dms.id, dealer.dms.secret)),
      400,
      'invalid_request',
    )
    expectError(
      await form({ ...grant, client_id: dealer.website.id }, basic(dealer.dms.id, dealer.dms.secret)),
      400,
      'invalid_request',
    )
  })
  it('to a repeated parameter', async () =>
    expectError(
      await form('grant_type=client_credentials&grant_type=client_credentials', { 'x-api-key': dealer.dms.secret }),
      400,
      'invalid_request',
    ))
  it('to no key, a wrong one, one of another id, and a scheme that is not Basic', async () => {
    const last = dealer.dms.secret.slice(-1)
    expectError(await form(grant), 401, 'invalid_client')
    expectError(
      await form(grant, { 'x-api-key': dealer.dms.secret.slice(0, -1) + (last === 'a' ? 'b' : 'a') }),
      401,
      'invalid_client',
    )
    expectError(await form(grant, basic(dealer.website.id, dealer.dms.secret)), 401, 'invalid_client')
    expectError(await form(grant, { authorization: 'Bearer x' }), 401, 'invalid_client')
  })
  it('to an access token instead of a key, and to a key as Bearer, saying which it is', async () => {
    for (const reply of [
      await form(grant, { 'x-api-key': dealer.dms.token }),
      await form(grant, basic(dealer.dms.id, dealer.dms.token)),
      await form({ ...grant, client_id: dealer.dms.id, client_secret: dealer.dms.token }),
      await form(grant, { authorization: `Bearer ${dealer.dms.token}` }),
    ]) {
      expectError(reply, 401, 'invalid_client')
      expect(reply.body.error_description).toMatch(/^What was sent is an access token/)
      expect(reply.text).not.toContain(dealer.dms.token.slice(0, 20))
    }
    const bearer = await form(grant, { authorization: `Bearer ${dealer.dms.secret}` })
    expectError(bearer, 401, 'invalid_client')
    expect(bearer.body.error_description).toMatch(/^An API key is not sent as Bearer/)
    expect(bearer.text).not.toContain(dealer.dms.secret.slice(0, 20))
  })
  it('to a body that is not a form, or too large', async () => {
    expectError(
      await service.call('POST', '/v1/auth/token', { body: grant, headers: { 'x-api-key': dealer.dms.secret } }),
      415,
      'invalid_request',
    )
    expectError(await form({ ...grant, filler: 'x'.repeat(9000) }), 413, 'invalid_request')
  })
  it('never takes a key from the address', async () =>
    expectError(
      await service.call('POST', `/v1/auth/token?client_secret=${dealer.dms.secret}`),
      400,
      'invalid_request',
    ))
  it('telling only the holder that a key is disabled or deleted', async () => {
    const key = await service.createKey(dealer.admin.token, { kind: 'digital_requests' })
    await service.call('PATCH', `/v1/api-keys/${key.id}`, { token: dealer.admin.token, body: { disabled: true } })
    expect((await form(grant, { 'x-api-key': key.secret })).body.error_description).toContain('disabled')
    await service.call('DELETE', `/v1/api-keys/${key.id}`, { token: dealer.admin.token })
    const deleted = await form(grant, { 'x-api-key': key.secret })
    expectError(deleted, 401, 'invalid_client')
    expect(deleted.body.error_description).toContain('deleted')
  })
})

describe('works unchanged with', () => {
  const insecure = { [oauth.allowInsecureRequests]: true }
  it.each(['ClientSecretBasic', 'ClientSecretPost'] as const)(
    'oauth4webapi by %s, its checker of RFC 9068 tokens included',
    async (way) => {
      const issuer = new URL(service.url)
      const server = await oauth.processDiscoveryResponse(
        issuer,
        await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure }),
      )
      const client = { client_id: dealer.website.id }
      const response = await oauth.clientCredentialsGrantRequest(
        server,
        client,
        oauth[way](dealer.website.secret),
        new URLSearchParams(),
        insecure,
      )
      const { access_token } = await oauth.processClientCredentialsResponse(server, client, response)
      const created = await oauth.protectedResourceRequest(
        access_token,
        'POST',
        new URL('/v1/leads', service.url),
        new Headers({ 'content-type': 'application/json' }),
        JSON.stringify(lead()),
        insecure,
      )
      expect(created.status).toBe(201)

      const request = new Request(service.url, { headers: { authorization: `Bearer ${access_token}` } })
      const claims = await oauth.validateJwtAccessToken(server, request, service.url, insecure)
      expect(claims).toMatchObject({ sub: dealer.website.id, scope: 'leads:create' })
    },
  )

  it.each(['header', 'body'] as const)('simple-oauth2 by %s', async (authorizationMethod) => {
    const client = new ClientCredentials({
      client: { id: dealer.website.id, secret: dealer.website.secret },
      auth: { tokenHost: service.url, tokenPath: '/v1/auth/token' },
      options: { authorizationMethod },
    })
    const { token } = await client.getToken({ scope: 'leads:create' })
    expect(
      (await service.call('POST', '/v1/leads', { token: token['access_token'] as string, body: lead() })).status,
    ).toBe(201)
  })
})

it('keeps nothing in the database from which a key verifies or a token can be signed', async () => {
  const tables: { tablename: string }[] = await service
    .db('pg_tables')
    .select('tablename')
    .where({ schemaname: 'public' })
  let dump = ''
  for (const { tablename } of tables)
    dump += JSON.stringify(await service.db.raw(`select t::text as row from "${tablename}" t`).then(({ rows }) => rows))
  const { secret } = dealer.dms
  expect(dump).toContain(secret.slice(11, 23))
  for (const hidden of [
    secret,
    secret.slice(23, 55),
    secret.slice(11, 55),
    'PRIVATE KEY',
    '"d":',
    dealer.dms.token,
    dealer.admin.token,
  ])
    expect(dump).not.toContain(hidden)

  const { createHash, createHmac, createPrivateKey } = await import('node:crypto')
  const [row] = await service.db('api_key_secrets').where({ lookup: secret.slice(11, 23) })
  const guesses = [secret, secret.slice(11, 55), secret.slice(23, 55)].flatMap((text) => [
    createHash('sha256').update(text).digest(),
    createHmac('sha256', '').update(text).digest(),
    createHmac('sha256', Buffer.alloc(32)).update(text).digest(),
  ])
  for (const guess of guesses) expect(guess.equals(row.hash)).toBe(false)
  const [signing] = await service.db('signing_keys')
  for (const format of ['pkcs8', 'sec1'] as const)
    expect(() => createPrivateKey({ key: signing.wrapped_private_key, type: format, format: 'der' })).toThrow()
  expect(signing.public_jwk).not.toHaveProperty('d')
})
