import fc from 'fast-check'
import { isIPv4 } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { networkOf, plainAddress } from '../src/address.ts'
import { allowedNetworks, networkText, widens } from '../src/api-keys/allowed-networks.ts'
import { inner } from '../src/ids.ts'
import { Problem } from '../src/problem.ts'
import { openService } from '../src/service.ts'
import { lead, masters, type Reply, startService, type TestService } from './service.ts'

const office = '203.0.113.7'
const elsewhere = '198.51.100.9'

let service: TestService
let dealer: Awaited<ReturnType<TestService['dealer']>>
beforeAll(async () => {
  // Where a request comes from is what the proxy in front says.
  service = await startService(undefined, undefined, { trustProxy: 1 })
  dealer = await service.dealer('fenced')
})
afterAll(() => service.close())

const from = (address: string, more: Record<string, string> = {}) => ({ 'x-forwarded-for': address, ...more })
const admin = (method: string, path: string, body?: object) =>
  service.call(method, `/v1/api-keys${path}`, { token: dealer.admin.token, ...(body && { body }) })
const newKey = async (more: object = {}) => {
  const { body } = await admin('POST', '', { name: `Key ${Math.random()}`, kind: 'extensive_integrations', ...more })
  return { id: body.apiKey.id as string, secret: body.secret as string }
}
const exchanged = (secret: string, address: string) =>
  service.call('POST', '/v1/auth/token', { headers: from(address, { 'x-api-key': secret }) })
const token = async (secret: string, address = office) => (await exchanged(secret, address)).body.access_token as string
const told = ({ status, body }: Reply) => [status, body?.code ?? body?.error]
const limit = (id: string, ...allowedNetworks: string[]) => admin('PATCH', `/${id}`, { allowedNetworks })

/** Every way to the database that a token has: reads, changes, leads by all three doors, its own key. */
const ways = async (bearer: string, address: string) => {
  const adf = '<adf><prospect><customer><contact><phone>32 12 34 56</phone></contact></customer></prospect></adf>'
  const call = (method: string, path: string, more: object = {}, headers = {}) =>
    service.call(method, path, { token: bearer, headers: from(address, headers), ...more })
  const mine = (await call('POST', '/v1/leads', { body: lead() })) as Reply
  return [
    mine,
    await call('GET', '/v1/leads'),
    await call('GET', '/v1/me'),
    await call('GET', '/v1/events/stream'),
    await call('PATCH', `/v1/leads/lead_${'0'.repeat(32)}`, { body: { status: 'won' } }),
    await call('POST', '/v1/leads/batch', { body: { leads: [{ lead: lead() }] } }),
    await call('POST', '/v1/leads/reconciliation', { body: { references: [{ source: 's', id: '1' }] } }),
    await call('POST', '/v1/leads/adf', { raw: adf }, { 'content-type': 'application/xml' }),
    await call('POST', '/v1/api-key/replacement', { body: {} }),
    await call('DELETE', '/v1/api-key'),
  ].map(told)
}

describe('a key with a list of networks', () => {
  it('is used from there alone, also by tokens that it bought before, from the moment in which the list is set', async () => {
    const { id, secret } = await newKey()
    const bought = await token(secret, elsewhere)
    expect((await service.call('GET', '/v1/leads', { token: bought, headers: from(elsewhere) })).status).toBe(200)
    const before = await service.db('leads').count()

    expect((await limit(id, '203.0.113.0/24')).body.allowedNetworks).toEqual(['203.0.113.0/24'])
    expect(new Set((await ways(bought, elsewhere)).map(String))).toEqual(new Set(['403,address-not-allowed']))
    expect(told(await exchanged(secret, elsewhere))).toEqual([400, 'unauthorized_client'])
    expect(await service.db('leads').count()).toEqual(before)
    await service.service.refusals.flush()
    const path = `/v1/audit-entries?subjectId=${id}&action=api_key.refused`
    const { items } = (await service.call('GET', path, { token: dealer.admin.token })).body
    expect(items.map(({ reason, address, after }: any) => [reason, address, after.requests]).toSorted()).toEqual([
      ['address-not-allowed', elsewhere, 10],
      ['unauthorized_client', elsewhere, 1],
    ])

    const here = await token(secret)
    expect((await ways(here, elsewhere))[0]).toEqual([403, 'address-not-allowed'])
    expect((await ways(bought, office)).map(([status]) => status)).toEqual([
      201, 200, 200, 200, 404, 207, 200, 201, 201, 204,
    ])
  })

  it('is judged by every process, without one having told another', async () => {
    const { connection, url } = service
    const beside = await openService({
      connection,
      masters,
      issuer: url,
      trustProxy: 1,
      mail: undefined,
      documentation: (_req, _res, next) => next(),
      log: (await import('pino')).pino({ level: 'silent' }),
      strictResponses: true,
    })
    const server = (await import('node:http')).createServer(beside.app).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const address = server.address()
    const port = typeof address === 'object' && address ? address.port : 0
    try {
      const { id, secret } = await newKey()
      const bought = await token(secret, elsewhere)
      const there = async () =>
        (
          await fetch(`http://127.0.0.1:${port}/v1/leads`, {
            headers: { authorization: `Bearer ${bought}`, ...from(elsewhere) },
          })
        ).status
      expect(await there()).toBe(200)
      for (let turn = 0; turn < 5; turn++) {
        await limit(id, office)
        expect(await there()).toBe(403)
        await limit(id)
        expect(await there()).toBe(200)
      }
    } finally {
      server.closeAllConnections()
      server.close()
      await beside.close()
    }
  })

  it('tells two addresses apart that ask at the same moment', async () => {
    const { id, secret } = await newKey()
    const bought = await token(secret)
    await limit(id, office)
    const asked = Array.from({ length: 40 }, (_, at) => (at % 2 === 0 ? office : elsewhere))
    const replies = await Promise.all(
      asked.map((address) => service.call('GET', '/v1/me', { token: bought, headers: from(address) })),
    )
    expect(replies.map(({ status }) => status)).toEqual(asked.map((address) => (address === office ? 200 : 403)))
    const pushed = await Promise.all(
      asked.map((address) =>
        service.call('POST', '/v1/leads', { token: bought, headers: from(address), body: lead() }),
      ),
    )
    expect(pushed.map(({ status }) => status)).toEqual(asked.map((address) => (address === office ? 201 : 403)))
  })

  it('says which address it saw, and nothing else of the list', async () => {
    const { id, secret } = await newKey({ allowedNetworks: ['192.0.2.0/25', '2001:db8:77::/48'] })
    const refused = await exchanged(secret, elsewhere)
    expect(refused.body.error_description).toContain(elsewhere)
    await limit(id)
    const bought = await token(secret)
    await limit(id, '192.0.2.0/25')
    const { text } = await service.call('GET', '/v1/leads', { token: bought, headers: from(elsewhere) })
    expect(text).toContain(elsewhere)
    for (const said of [refused.text, text]) expect(said).not.toMatch(/192\.0\.2|2001:db8:77/)
  })

  it('takes IPv4 mapped into IPv6 for the same, and reads what proxies write', async () => {
    const { id, secret } = await newKey({ allowedNetworks: ['203.0.113.0/24', '2001:db8::/32'] })
    for (const address of [
      office,
      `::ffff:${office}`,
      '::ffff:cb00:7107',
      `${office}:4711`,
      '2001:DB8::1',
      '[2001:db8::1]:443',
    ])
      expect([address, (await exchanged(secret, address)).status]).toEqual([address, 200])
    for (const address of [
      elsewhere,
      '::ffff:198.51.100.9',
      '2001:db9::1',
      '::1',
      'unknown',
      '_hidden',
      'fe80::1%eth0',
    ])
      expect([address, ...told(await exchanged(secret, address))]).toEqual([address, 400, 'unauthorized_client'])
    await limit(id, '::ffff:203.0.113.0/120')
    expect((await exchanged(secret, office)).status).toBe(200)
    expect((await admin('GET', `/${id}`)).body.allowedNetworks).toEqual(['203.0.113.0/24'])
  })

  it('gives its list to every new secret, whoever makes it', async () => {
    const { id, secret } = await newKey({ allowedNetworks: [office] })
    const next = (await admin('POST', `/${id}/replacement`, { newCounts: 'at_once' })).body.secret
    expect(told(await exchanged(next, elsewhere))).toEqual([400, 'unauthorized_client'])
    expect((await exchanged(next, office)).status).toBe(200)
    await limit(id, elsewhere)
    for (const each of [secret, next]) expect(told(await exchanged(each, office))).toEqual([400, 'unauthorized_client'])

    // As a process of the version before adds one, which knows of no list.
    const { subject_id, dealer_id } = await service
      .db('credentials')
      .where({ subject_id: inner(id) })
      .first()
    const [{ allowed_networks }] = await service
      .db('credentials')
      .insert({
        dealer_id,
        id: crypto.randomUUID(),
        subject_type: 'api_key',
        subject_id,
        scopes: [],
        environment: 'live',
        created_at: new Date(),
      })
      .returning('allowed_networks')
    expect(allowed_networks).toEqual(['198.51.100.9/32'])
  })

  it('does not count a secret as arrived that somebody tries from elsewhere', async () => {
    const { id, secret } = await newKey({ allowedNetworks: [office] })
    const next = (await admin('POST', `/${id}/replacement`, { oldEnds: 'at_once' })).body.secret
    await exchanged(next, elsewhere)
    expect((await exchanged(secret, office)).status).toBe(200)
    expect((await admin('GET', `/${id}`)).body.replacement.state).toBe('pending')
  })

  it('ends a stream from elsewhere with the next thing that would be written', async () => {
    const { id, secret } = await newKey()
    const bought = await token(secret, elsewhere)
    const stream = await fetch(`${service.url}/v1/events/stream`, {
      headers: { authorization: `Bearer ${bought}`, ...from(elsewhere) },
    })
    const read = stream.body?.getReader()
    await read?.read()
    await limit(id, office)
    const { body } = await service.call('POST', '/v1/leads', { token: dealer.website.token, body: lead() })
    let text = ''
    for (;;) {
      const { done, value } = (await read?.read()) ?? { done: true }
      if (done) break
      text += Buffer.from(value ?? []).toString()
    }
    expect(text).not.toContain(body.id)
  })

  it('shows on its page who came from elsewhere, by exchange and by token, also behind other refusals', async () => {
    const { id, secret } = await newKey()
    const bought = await token(secret)
    await limit(id, office)
    await service.call('GET', '/v1/leads', { token: bought, headers: from(elsewhere) })
    const shown = async () => (await admin('GET', `/${id}`)).body
    await expect
      .poll(async () => (await shown()).lastForeign)
      .toMatchObject({
        address: elsewhere,
        operation: 'listLeads',
        problem: 'address-not-allowed',
      })
    await exchanged(secret, '198.51.100.77')
    await expect.poll(async () => (await shown()).lastForeign?.problem).toBe('unauthorized_client')
    await service.call('GET', '/v1/leads?nope=1', { token: bought, headers: from(office) })
    await expect.poll(async () => (await shown()).lastRefused?.problem).toBe('bad-request')
    expect((await shown()).lastForeign.address).toBe('198.51.100.77')
  })

  it('is offered the addresses that used it with success, and no others', async () => {
    const { id, secret } = await newKey()
    const bought = await token(secret)
    await service.call('GET', '/v1/leads', { token: bought, headers: from('2001:db8::5') })
    await service.call('GET', '/v1/leads?nope=1', { token: bought, headers: from(elsewhere) })
    const offered = async () =>
      (await admin('GET', `/${id}/addresses`)).body.items.map((each: { address: string }) => each.address)
    await expect.poll(async () => (await offered()).toSorted()).toEqual(['2001:db8::5', office])
    await service
      .db('api_key_addresses')
      .where({ address: office })
      .update({ last_at: new Date(Date.now() - 14 * 86_400_000) })
    expect(await offered()).toEqual(['2001:db8::5'])
  })

  it('stands in the audit log, and asks for a fresh sign-in where it lets in more', async () => {
    const { id } = await newKey({ allowedNetworks: ['203.0.113.0/24', '2001:db8::/32'] })
    const age = (seconds: number) =>
      service
        .db('credentials')
        .where({ subject_id: inner(dealer.admin.userId) })
        .update({ created_at: service.db.raw(`clock_timestamp() - interval '${seconds} seconds'`) })
    await age(16 * 60)
    try {
      expect((await limit(id, '203.0.113.128/25')).status).toBe(200)
      for (const wider of [[], ['203.0.113.0/24'], ['203.0.113.128/25', elsewhere]])
        expect([wider, ...told(await limit(id, ...wider))]).toEqual([wider, 401, 'sign-in-too-old'])
    } finally {
      await age(0)
    }
    const { items } = (await service.call('GET', `/v1/audit-entries?subjectId=${id}`, { token: dealer.admin.token }))
      .body
    expect(items.map(({ action, before, after }: never) => ({ action, before, after }))).toMatchObject([
      {
        action: 'api_key.updated',
        before: { allowedNetworks: ['203.0.113.0/24', '2001:db8::/32'] },
        after: { allowedNetworks: ['203.0.113.128/25'] },
      },
      { action: 'api_key.created', after: { allowedNetworks: ['203.0.113.0/24', '2001:db8::/32'] } },
    ])
  })

  it('says of what is no network which entry it is, and what was probably meant', async () => {
    const wrong = [
      '203.0.113.7/24',
      'office',
      '203.0.113.0/33',
      '10.0.0/8',
      '010.0.0.1',
      '::/129',
      '1.2.3.4/',
      'fe80::1%a',
      '1.2.3.4/8/8',
    ]
    const reply = await admin('POST', '', { name: 'Nowhere', kind: 'digital_requests', allowedNetworks: wrong })
    expect(told(reply)).toEqual([422, 'network-invalid'])
    expect(reply.body.violations.map(({ pointer }: { pointer: string }) => pointer)).toEqual(
      wrong.map((_, at) => `/allowedNetworks/${at}`),
    )
    expect(reply.body.violations[0].message).toBe(
      'is one address within a network: send 203.0.113.0/24, or 203.0.113.7 alone',
    )
  })
})

describe('the rules of a list', () => {
  const network = fc.oneof(
    fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 })),
    fc.tuple(fc.ipV6(), fc.integer({ min: 0, max: 128 })),
  )
  /** The network that has this address in it. */
  const around = ([address, bits]: [string, number]): string => {
    try {
      return allowedNetworks([`${address}/${bits}`])[0] as string
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      const said = /send (\S+),/.exec(error.more.violations?.[0]?.message ?? '')?.[1] ?? ''
      return allowedNetworks([said])[0] as string
    }
  }

  it('has each address in one spelling, which PostgreSQL reads as the same', async () => {
    const addresses = fc.sample(
      fc.oneof(
        fc.ipV4(),
        fc.ipV6(),
        fc.ipV4().map((each) => `::ffff:${each}`),
      ),
      300,
    )
    for (const address of addresses) {
      const plain = plainAddress(address)
      expect([address, plainAddress(plain ?? '')]).toEqual([address, plain])
      expect(networkOf(address)).toBe(networkOf(plain ?? ''))
    }
    const { rows } = await service.db.raw(
      `select a, is_address_allowed(array[p::cidr], p::inet) and (p::inet = a::inet or family(p::inet) <> family(a::inet)) as same
       from unnest(?::text[], ?::text[]) as t(a, p)`,
      [addresses, addresses.map((each) => plainAddress(each) ?? 'none')],
    )
    expect(rows.filter(({ same }: { same: boolean }) => !same)).toEqual([])
  })

  it('reads every network that there is, and says it as it can be sent again', () => {
    fc.assert(
      fc.property(network, (each) => {
        const cidr = around(each)
        expect(allowedNetworks([networkText(cidr), cidr])).toEqual([cidr])
      }),
    )
  })

  it('is never wider without being asked, as PostgreSQL sees it', async () => {
    const pairs = fc.sample(fc.tuple(fc.array(network, { maxLength: 3 }), fc.array(network, { maxLength: 3 })), 200)
    const lists = pairs.map((pair) => pair.map((list) => list.map(around)))
    for (const [before = [], after = []] of lists) {
      const { rows } = await service.db.raw(
        `select cardinality(:before::cidr[]) > 0 and (cardinality(:after::cidr[]) = 0 or exists (
           select from unnest(:after::inet[]) n where not n <<= any (:before::inet[]))) as wider`,
        { before, after },
      )
      expect([before, after, widens(before, after)]).toEqual([before, after, rows[0].wider])
    }
  })

  it('reads any text as an address or as none', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.ipV6(), fc.stringMatching(/^[0-9a-f:.%[\]]{0,40}$/)), (text) => {
        const plain = plainAddress(text)
        expect(plain === null || isIPv4(plain) || plain.includes(':')).toBe(true)
      }),
    )
  })
})
