import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { inner } from '../src/ids.ts'
import { secretsFrom } from '../src/secrets.ts'
import { openKeyring, replaceSigningKeys, rotateSigningKey } from '../src/tokens/keyring.ts'
import { addSigningKey } from '../src/tokens/store.ts'
import { accessToken } from '../src/tokens/token.ts'
import { createUser } from '../src/users/operator.ts'
import { lead, startService, type TestService } from './service.ts'

let service: TestService
let dealer: Awaited<ReturnType<TestService['dealer']>>
beforeAll(async () => {
  service = await startService()
  dealer = await service.dealer('keys')
})
afterAll(() => service.close())

it('publishes a new signing key before it signs, and keeps the tokens of the old one good', async () => {
  const kid = await rotateSigningKey(service.db, service.service.secrets)
  expect((await service.call('GET', '/v1/me', { token: dealer.dms.token })).status).toBe(200)
  const { keys } = (await service.call('GET', '/.well-known/jwks.json')).body
  expect(keys.map((key: { kid: string }) => key.kid)).toContain(kid)
  expect(keys).toHaveLength(2)
  expect((await service.call('GET', '/v1/me', { token: await service.exchange(dealer.dms.secret) })).status).toBe(200)
})

it.each([
  ['reads', (token: string) => service.call('GET', '/v1/leads', { token })],
  ['pushes a lead', (token: string) => service.call('POST', '/v1/leads', { token, body: lead() })],
  [
    'changes something',
    (token: string) =>
      service.call('PATCH', `/v1/leads/lead_${'0'.repeat(32)}`, {
        token,
        body: { status: 'won' },
        headers: { 'if-match': '*' },
      }),
  ],
])(
  'refuses every token of a withdrawn key, also when its holder is the first who %s after that',
  async (_what, request) => {
    const token = await service.exchange(dealer.dms.secret)
    const session = await service.signIn(dealer.admin.email)
    await replaceSigningKeys(service.db, service.service.secrets)
    const reply = await request(token)
    expect([reply.status, reply.body.code]).toEqual([401, 'token-invalid'])
    const bought = await service.call('POST', '/v1/session/token', { headers: { cookie: session.cookie } })
    expect((await service.call('GET', '/v1/me', { token: bought.body.access_token })).status).toBe(200)
  },
)

it('signs nobody in with a key that was withdrawn a moment ago', async () => {
  await replaceSigningKeys(service.db, service.service.secrets)
  const { token } = await service.signIn(dealer.admin.email)
  expect((await service.call('GET', '/v1/me', { token })).status).toBe(200)
})

describe('a signing key that was rotated', () => {
  let service: TestService
  let dealer: Awaited<ReturnType<TestService['dealer']>>
  let old: string
  let next: string
  /** As if every moment in the table of keys were so long ago. */
  const pass = (seconds: number) =>
    service.db('signing_keys').update({
      signs_from: service.db.raw('signs_from - make_interval(secs => ?)', [seconds]),
      retired_at: service.db.raw('retired_at - make_interval(secs => ?)', [seconds]),
    })
  const states = async () =>
    (await service.db('signing_keys').orderBy('signs_from')).map(({ retired_at, withdrawn_at }) =>
      withdrawn_at ? 'withdrawn' : retired_at ? 'retired' : 'signs',
    )
  const generation = async () => (await service.db('signing_key_generation').first('generation')).generation
  const me = async (token: string) => (await service.call('GET', '/v1/me', { token })).status
  /** Two processes more, which look at the same moment. */
  const look = async () => {
    const two = await Promise.all([0, 1].map(() => openKeyring(service.db, service.service.secrets, () => undefined)))
    await Promise.all(two.map((keyring) => keyring.refresh()))
    await Promise.all(two.map((keyring) => keyring.stop()))
    return two
  }
  beforeAll(async () => {
    service = await startService()
    dealer = await service.dealer('rotated')
    old = dealer.dms.token
    next = await rotateSigningKey(service.db, service.service.secrets)
  })
  afterAll(() => service.close())

  it('signs until the new one does', async () => {
    await pass(85)
    await look()
    expect(await states()).toEqual(['signs', 'signs'])
  })

  it('signs no more from then on, by the clock of the database, whatever time it is to a process', async () => {
    await pass(10)
    const [one, other] = await look()
    expect(await states()).toEqual(['retired', 'signs'])
    for (const keyring of [one, other]) {
      expect(keyring?.signing(new Date(0)).kid).toBe(next)
      expect(keyring?.jwks()).toHaveLength(2)
    }
    const { kid } = JSON.parse(
      Buffer.from((await service.exchange(dealer.dms.secret)).split('.')[0] ?? '', 'base64url').toString(),
    )
    expect(kid).toBe(next)
    expect(await me(old)).toBe(200)
  })

  it('is withdrawn by itself when its last token has ended, and not before', async () => {
    await pass(1_800)
    await look()
    expect([await states(), await me(old)]).toEqual([['retired', 'signs'], 200])

    const young = await service.exchange(dealer.dms.secret)
    const before = await generation()
    await pass(61)
    await look()
    expect(await states()).toEqual(['withdrawn', 'signs'])
    // Once, however many processes looked.
    expect(Number(await generation())).toBe(Number(before) + 1)
    expect([await me(old), await me(young)]).toEqual([401, 200])
    expect((await service.call('GET', '/.well-known/jwks.json')).body.keys).toHaveLength(1)
    await look()
    expect([await states(), Number(await generation())]).toEqual([['withdrawn', 'signs'], Number(before) + 1])
  })

  it('goes on signing where nobody could open the new one', async () => {
    const kid = await rotateSigningKey(service.db, service.service.secrets)
    await service
      .db('signing_keys')
      .where({ kid })
      .update({ wrapped_private_key: Buffer.alloc(150, 1) })
    await pass(95)
    await look()
    expect(await states()).toEqual(['withdrawn', 'signs', 'signs'])
  })

  it('is neither half retired nor half withdrawn when the process ends in between', async () => {
    const kid = await rotateSigningKey(service.db, service.service.secrets)
    await service.db('signing_keys').whereNull('withdrawn_at').whereNot({ kid }).whereNot({ kid: next }).delete()
    await pass(95)
    const before = await generation()
    await service.db.raw(`alter table signing_key_generation add constraint held check (generation <= ${before})`)
    await expect(look()).rejects.toThrow('held')
    expect([await states(), await generation()]).toEqual([['withdrawn', 'signs', 'signs'], before])
    await service.db.raw('alter table signing_key_generation drop constraint held')
    await look()
    expect(await states()).toEqual(['withdrawn', 'retired', 'signs'])
  })
})

const foreign = secretsFrom([{ version: 'v1', bytes: Buffer.alloc(32, 9) }])

describe('a signing key that cannot be opened', () => {
  let service: TestService
  let dealer: Awaited<ReturnType<TestService['dealer']>>
  const logged: string[] = []
  beforeAll(async () => {
    service = await startService(pino({ level: 'error' }, { write: (line) => void logged.push(line) }))
    dealer = await service.dealer('damage')
  })
  afterAll(() => service.close())

  const start = (report = vi.fn()) => openKeyring(service.db, service.service.secrets, () => undefined, report)
  const exchange = () => service.call('POST', '/v1/auth/token', { headers: { 'x-api-key': dealer.dms.secret } })
  const me = async (token: string) => (await service.call('GET', '/v1/me', { token })).status
  const keys = async () =>
    (await service.call('GET', '/.well-known/jwks.json')).body.keys.map(({ kid }: { kid: string }) => kid)
  /** Damages the keys in the table, and makes every process look. */
  const damage = (wrapped: Buffer) =>
    service.db.transaction(async (trx) => {
      await trx('signing_keys').update({ wrapped_private_key: wrapped })
      await trx('signing_key_generation').increment('generation')
    })

  it('is left out with a loud line in the log; only the tokens that it signed are refused', async () => {
    const kid = randomUUID().replaceAll('-', '')
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const wrapped = foreign.wrap('v1', kid, privateKey.export({ type: 'pkcs8', format: 'der' }))
    await service.db.transaction((trx) =>
      addSigningKey(
        trx,
        { kid, public_jwk: {}, wrapped_private_key: wrapped, secret_version: 'v1', signs_from: new Date() },
        new Date(),
      ),
    )

    expect(await me(dealer.dms.token)).toBe(200)
    expect(logged).toEqual([expect.stringContaining(kid)])
    expect(await me((await exchange()).body.access_token)).toBe(200)
    expect(
      (
        await service.call('PATCH', `/v1/leads/lead_${'0'.repeat(32)}`, {
          token: dealer.dms.token,
          body: { status: 'won' },
          headers: { 'if-match': '*' },
        })
      ).status,
    ).toBe(404)
    expect(await keys()).not.toContain(kid)

    const row = await service
      .db('credentials')
      .where({ subject_id: inner(dealer.dms.id) })
      .first()
    const grant = {
      dealerId: row.dealer_id,
      subject: { type: 'api_key', id: row.subject_id },
      credentialId: row.id,
      epoch: row.epoch,
      scopes: row.scopes,
    } as const
    expect(await me(accessToken(grant, { kid, publicKey, privateKey }, service.url, new Date()))).toBe(401)
  })

  it('does not keep a process from starting, and calls for no new key while another one can be opened', async () => {
    const report = vi.fn()
    const before = await service.db('signing_keys').count()
    const keyring = await start(report)
    await keyring.stop()
    expect(keyring.jwks()).toHaveLength(1)
    expect(report).toHaveBeenCalledOnce()
    expect(await service.db('signing_keys').count()).toEqual(before)
  })

  it.each([
    ['cut off', Buffer.alloc(5)],
    ['garbled', Buffer.alloc(150, 1)],
    ['empty', Buffer.alloc(0)],
  ])('leaves a process without any to say 503 until one start has made a new one: %s', async (_how, wrapped) => {
    const { access_token: token } = (await exchange()).body
    const { cookie } = await service.signIn(dealer.admin.email)
    await damage(wrapped)

    const refused = await exchange()
    expect([refused.status, refused.body.error, refused.headers.has('retry-after')]).toEqual([
      503,
      'temporarily_unavailable',
      true,
    ])
    const bought = await service.call('POST', '/v1/session/token', { headers: { cookie } })
    expect([bought.status, bought.body.code]).toEqual([503, 'unavailable'])
    expect(await me(token)).toBe(401)
    expect(await keys()).toEqual([])

    const [one, other] = await Promise.all([start(), start()])
    await Promise.all([one.stop(), other.stop()])
    expect(one.jwks()).toHaveLength(1)
    expect(other.jwks()).toEqual(one.jwks())
    expect(await me((await exchange()).body.access_token)).toBe(200)
    expect(await keys()).toEqual(one.jwks().map(({ kid }) => kid))
  })
})

describe('what the operator does', () => {
  it.each([
    ['a foreign master secret', foreign],
    ['one that the service never ran with', secretsFrom([{ version: 'v2', bytes: Buffer.alloc(32, 7) }])],
  ])('puts no signing key into the database that is wrapped with %s', async (_what, secrets) => {
    const before = await service.db('signing_keys').orderBy('kid')
    const refusal = `SECRET_KEYS ${secrets.currentVersion} is not one that the service has run with`
    await expect(rotateSigningKey(service.db, secrets)).rejects.toThrow(refusal)
    await expect(replaceSigningKeys(service.db, secrets)).rejects.toThrow(refusal)
    expect(await service.db('signing_keys').orderBy('kid')).toEqual(before)

    await service.db('signing_keys').update({ withdrawn_at: new Date() })
    await expect(openKeyring(service.db, secrets, () => undefined)).rejects.toThrow(refusal)
    await service.db('signing_keys').update({ withdrawn_at: null })
  })

  it('adds nobody to a dealer that is not there, and says so', async () => {
    const person = { email: 'nobody@nowhere.example', name: 'Nobody' }
    await expect(createUser(service.db, inner(`dealer_${'0'.repeat(32)}`), 'sales', person)).rejects.toThrow(
      `There is no dealer_${'0'.repeat(32)}`,
    )
    expect(await service.db('users').where({ email: person.email })).toEqual([])
    expect((await createUser(service.db, dealer.dealerId, 'sales', person)).password).toEqual(expect.any(String))
    await expect(createUser(service.db, dealer.dealerId, 'sales', person)).rejects.toThrow('is taken')
  })
})
