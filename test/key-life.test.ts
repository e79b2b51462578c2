import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cancelled, firstUsed, oldEnding, replaced, type Secret } from '../src/api-keys/replacement.ts'
import { Problem } from '../src/problem.ts'
import { lead, startService, type TestService } from './service.ts'

let service: TestService
let dealer: Awaited<ReturnType<TestService['dealer']>>
beforeAll(async () => {
  service = await startService()
  dealer = await service.dealer('keys')
})
afterAll(() => service.close())

const admin = (method: string, path: string, body?: object) =>
  service.call(method, `/v1/api-keys${path}`, { token: dealer.admin.token, ...(body && { body }) })
const newKey = (kind = 'digital_requests') => service.createKey(dealer.admin.token, { kind })
const exchanged = async (secret: string) =>
  (await service.call('POST', '/v1/auth/token', { headers: { 'x-api-key': secret } })).body
const works = async (secret: string) => 'access_token' in (await exchanged(secret))
const lives = async (token: string) => (await service.call('GET', '/v1/me', { token })).status === 200
const reason = async (secret: string) => (await exchanged(secret)).error_description as string

describe('replacing the secret of a key', () => {
  it('keeps its id, name and scopes, and the old secret until the new one is used', async () => {
    const { id, secret } = await newKey()
    const before = (await admin('GET', `/${id}`)).body
    const { status, body, headers } = await admin('POST', `/${id}/replacement`, {})
    expect([status, headers.get('location'), headers.get('cache-control')]).toEqual([
      201,
      `/v1/api-keys/${id}`,
      'no-store',
    ])
    expect(body.apiKey).toMatchObject({
      id,
      name: before.name,
      scopes: before.scopes,
      mask: before.mask,
      replacement: { state: 'pending', oldMask: before.mask, oldEndsAfter: 'after_24_hours' },
    })

    const old = await service.exchange(secret)
    expect((await admin('GET', `/${id}`)).body.replacement.state).toBe('pending')
    const fresh = await service.exchange(body.secret)
    const { replacement, mask } = (await admin('GET', `/${id}`)).body
    expect([replacement.state, replacement.newMask, mask, replacement.oldMask]).toEqual([
      'in_use',
      mask,
      mask,
      before.mask,
    ])
    expect(Date.parse(replacement.oldEndsAt) - Date.now()).toBeGreaterThan(86_390_000)
    expect([await lives(old), await lives(fresh), await works(secret)]).toEqual([true, true, true])
  })

  it('counts at once when asked to, and ends the old secret and its tokens with it', async () => {
    const { id, secret } = await newKey()
    const old = await service.exchange(secret)
    const { body } = await admin('POST', `/${id}/replacement`, { oldEnds: 'at_once', newCounts: 'at_once' })
    expect(body.apiKey.replacement).toBeUndefined()
    expect([await lives(old), await works(secret), await works(body.secret)]).toEqual([false, false, true])
    expect(await reason(secret)).toContain('replaced by a newer one')
  })

  it('ends the old secret at the first use of the new one when asked to', async () => {
    const { id, secret } = await newKey()
    const { body } = await admin('POST', `/${id}/replacement`, { oldEnds: 'at_once' })
    expect([await works(secret), await works(body.secret), await works(secret)]).toEqual([true, true, false])
  })

  it('does not begin with a test from a page of the service, nor may that be in the way of another', async () => {
    const { id, secret } = await newKey()
    const { body } = await admin('POST', `/${id}/replacement`, { oldEnds: 'at_once' })
    const from = async (origin: string, key: string) =>
      (await service.call('POST', '/v1/auth/token', { headers: { 'x-api-key': key, origin } })).body.access_token
    const state = async () => (await admin('GET', `/${id}`)).body.replacement?.state

    const token = await from(service.url, body.secret)
    const sent = await service.call('POST', '/v1/leads', { token, body: lead({ test: true }) })
    expect([sent.status, await state(), await works(secret)]).toEqual([201, 'pending', true])

    const again = await admin('POST', `/${id}/replacement`, { oldEnds: 'at_once' })
    expect([again.status, await lives(token), await from(service.url, again.body.secret)]).toEqual([
      201,
      false,
      expect.any(String),
    ])
    expect(await from('https://shop.example', again.body.secret)).toEqual(expect.any(String))
    expect([await state(), await works(secret)]).toEqual([undefined, false])
  })

  it('says the right way round which secret to use', async () => {
    const { id, secret } = await newKey()
    const next = (await admin('POST', `/${id}/replacement`, {})).body.secret
    await works(next)
    await admin('DELETE', `/${id}/replacement`)
    expect([await works(secret), await reason(next)]).toEqual([true, expect.stringContaining('the secret from before')])

    const unused = (await admin('POST', `/${id}/replacement`, {})).body.secret
    const newest = (await admin('POST', `/${id}/replacement`, {})).body.secret
    expect(await reason(unused)).toContain('replaced by a newer one')
    await works(newest)
    await admin('PATCH', `/${id}/replacement`, { oldEnds: 'at_once' })
    expect([await reason(secret), await works(newest)]).toEqual([expect.stringContaining('a newer one'), true])
  })

  it('may be asked for again when its answer was lost: the unused secret gives way, the old one works on', async () => {
    const { id, secret } = await newKey()
    for (const newCounts of ['on_first_use', 'at_once'] as const) {
      const lost = (await admin('POST', `/${id}/replacement`, { newCounts, oldEnds: 'after_1_hour' })).body.secret
      const again = await admin('POST', `/${id}/replacement`, { newCounts, oldEnds: 'after_1_hour' })
      expect([again.status, await works(lost), await works(secret)]).toEqual([201, false, true])
      await admin('DELETE', `/${id}/replacement`)
      expect([await works(again.body.secret), await works(secret)]).toEqual([false, true])
    }
  })

  it('is refused while two secrets are in use, until the old one is ended', async () => {
    const { id, secret } = await newKey()
    const second = (await admin('POST', `/${id}/replacement`, {})).body.secret
    const old = await service.exchange(secret)
    await service.exchange(second)
    expect((await admin('POST', `/${id}/replacement`, {})).body.code).toBe('replacement-under-way')

    const { body } = await admin('PATCH', `/${id}/replacement`, { oldEnds: 'at_once' })
    expect([body.replacement, await lives(old), await works(secret), await works(second)]).toEqual([
      undefined,
      false,
      false,
      true,
    ])
    expect((await admin('PATCH', `/${id}/replacement`, { oldEnds: 'at_once' })).status).toBe(404)
    expect((await admin('POST', `/${id}/replacement`, {})).status).toBe(201)
  })

  it('ends the old secret by itself when its time is over', async () => {
    const { id, secret } = await newKey()
    const second = (await admin('POST', `/${id}/replacement`, { oldEnds: 'after_1_hour', newCounts: 'at_once' })).body
      .secret
    const old = await service.exchange(secret)
    await service.db.raw(
      "update credentials set ends_at = now() - interval '1 second' where subject_id = ? and ends_at < 'infinity'",
      [uuid(id)],
    )
    await service.db.raw(
      "update api_key_secrets set ends_at = now() - interval '1 second' where api_key_id = ? and role = 'previous'",
      [uuid(id)],
    )
    expect([await lives(old), await works(secret), await works(second)]).toEqual([false, false, true])
    expect((await admin('GET', `/${id}`)).body.replacement).toBeUndefined()
    expect((await admin('POST', `/${id}/replacement`, {})).status).toBe(201)
  })

  it('is written down, without the secrets', async () => {
    const { id, secret } = await newKey()
    const second = (await admin('POST', `/${id}/replacement`, {})).body.secret
    await service.exchange(second)
    await admin('PATCH', `/${id}/replacement`, { oldEnds: 'at_once' })
    await admin('POST', `/${id}/replacement`, {})
    await admin('DELETE', `/${id}/replacement`)
    const { items } = (await service.call('GET', `/v1/audit-entries?subjectId=${id}`, { token: dealer.admin.token }))
      .body
    expect(items.map(({ action, actor }: any) => [action, actor.type])).toEqual([
      ['api_key.replacement_cancelled', 'user'],
      ['api_key.replaced', 'user'],
      ['api_key.old_secret_ends', 'user'],
      ['api_key.new_secret_used', 'api_key'],
      ['api_key.replaced', 'user'],
      ['api_key.created', 'user'],
    ])
    for (const part of [secret, second]) expect(JSON.stringify(items)).not.toContain(part.slice(13))
  })

  type Step = {
    act: 'replace' | 'use' | 'end old' | 'cancel'
    grace: number
    at: boolean
    which: number
    waits: number
  }
  const steps = fc.array(
    fc.record({
      act: fc.constantFrom('replace' as const, 'use' as const, 'end old' as const, 'cancel' as const),
      grace: fc.constantFrom(0, 3600),
      at: fc.boolean(),
      which: fc.nat(3),
      waits: fc.nat(5000),
    }),
    { maxLength: 12 },
  )
  it('never leaves a key without a secret that works, or with two that work for ever', () => {
    fc.assert(
      fc.property(steps, (all: Step[]) => {
        let now = new Date('2026-11-23T09:00:00Z')
        let made = 0
        const secret = (role: Secret['role'], graceSeconds: number | null): Secret => ({
          lookup: `s${++made}`,
          credentialId: `c${made}`,
          role,
          endsAt: null,
          graceSeconds,
          firstUsedAt: null,
        })
        let secrets: readonly Secret[] = [secret('current', null)]
        for (const { act, grace, at, which, waits } of all) {
          now = new Date(now.getTime() + waits * 1000)
          const working = secrets.filter(({ role, endsAt }) => role !== 'ended' && (endsAt === null || endsAt > now))
          try {
            if (act === 'replace') {
              const result = replaced(secrets, grace, at ? 'at_once' : 'on_first_use', now)
              secrets = [...result.secrets, secret(result.added.role, result.added.graceSeconds)]
            }
            if (act === 'use') secrets = firstUsed(secrets, working[which % working.length]?.lookup ?? '', now)
            if (act === 'end old') secrets = oldEnding(secrets, grace, now)
            if (act === 'cancel') secrets = cancelled(secrets, now)
          } catch (error) {
            if (!(error instanceof Problem)) throw error
          }
          const living = secrets.filter(({ role, endsAt }) => role !== 'ended' && (endsAt === null || endsAt > now))
          const roles = living.map(({ role }) => role)
          expect(roles.filter((role) => role === 'current')).toHaveLength(1)
          expect(new Set(roles).size).toBe(roles.length)
          expect(living.filter(({ role, endsAt }) => role !== 'next' && endsAt === null)).toHaveLength(1)
          // What somebody holds and has not been told to give up goes on working.
          if (act === 'replace' && !(at && grace === 0))
            expect(living.some(({ lookup }) => working.some((one) => one.lookup === lookup))).toBe(true)
        }
      }),
    )
  })
})

/** A key but for its last use, which is written down a moment later. */
const kept = ({
  lastUsed,
  lastAccepted,
  lastRefused,
  lastLockedOut,
  ...key
}: Partial<Record<'lastUsed' | 'lastAccepted' | 'lastRefused' | 'lastLockedOut', unknown>>) => key

describe('a system with its own token', () => {
  it('reads, replaces and deletes its key', async () => {
    const { id, secret } = await newKey()
    const token = await service.exchange(secret)
    const own = (method: string, path = '', body?: object) =>
      service.call(method, `/v1/api-key${path}`, { token, ...(body && { body }) })
    const { createdBy: _, ...unnamed } = kept((await admin('GET', `/${id}`)).body) as Record<string, unknown>
    expect(kept((await own('GET')).body)).toEqual(unnamed)

    const next = (await own('POST', '/replacement', { oldEnds: 'at_once' })).body.secret
    expect(await works(secret)).toBe(true)
    const fresh = await service.exchange(next)
    expect(await works(secret)).toBe(false)

    expect((await service.call('DELETE', '/v1/api-key?reason=Found%20in%20a%20log', { token: fresh })).status).toBe(204)
    expect([await lives(fresh), await works(next)]).toEqual([false, false])
    expect((await admin('GET', '?deleted=true')).body.items[0]).toMatchObject({
      id,
      status: 'deleted',
      deleteReason: 'Found in a log',
    })
  })
})

describe('a deleted key', () => {
  it('is restored with its secret and without its tokens', async () => {
    const { id, secret } = await newKey()
    const before = (await admin('GET', `/${id}`)).body
    const token = await service.exchange(secret)
    await admin('DELETE', `/${id}?reason=By%20mistake`)
    expect(await reason(secret)).toContain('deleted')
    expect((await admin('GET', `/${id}`)).body).toMatchObject({
      name: before.name,
      status: 'deleted',
      deleteReason: 'By mistake',
    })
    expect((await admin('PATCH', `/${id}`, { name: 'Another name' })).status).toBe(404)

    const restored = await admin('POST', `/${id}/restoration`)
    expect([restored.status, { ...kept(restored.body), updatedAt: before.updatedAt }]).toEqual([200, kept(before)])
    expect([await lives(token), await works(secret)]).toEqual([false, true])
    expect((await admin('POST', `/${id}/restoration`)).status).toBe(404)
  })

  it('is restored with what was left of its replacement', async () => {
    const { id, secret } = await newKey()
    const second = (await admin('POST', `/${id}/replacement`, { newCounts: 'at_once', oldEnds: 'after_1_hour' })).body
      .secret
    const third = (await newKey()).id
    await admin('DELETE', `/${id}`)
    await admin('POST', `/${id}/restoration`)
    expect([await works(secret), await works(second)]).toEqual([true, true])
    const { rows } = await service.db.raw<{ rows: { ends: boolean }[] }>(
      "select ends_at < 'infinity' as ends from credentials where subject_id = ? order by ends_at",
      [uuid(id)],
    )
    expect(rows.map(({ ends }) => ends)).toEqual([true, false])
    expect((await admin('DELETE', `/${third}`)).status).toBe(204)
  })

  it('is not restored over a key that has its name by now', async () => {
    const { id } = await newKey()
    const { name } = (await admin('GET', `/${id}`)).body
    await admin('DELETE', `/${id}`)
    await service.createKey(dealer.admin.token, { name, kind: 'digital_requests' })
    expect((await admin('POST', `/${id}/restoration`)).body.code).toBe('api-key-name-taken')
  })
})

describe('a change of a key holds for tokens that are out', () => {
  it('when it is narrowed, and gives them nothing when it is widened', async () => {
    const { id, secret } = await newKey('extensive_integrations')
    const token = await service.exchange(secret)
    const status = async (method: string, path: string, body?: object) =>
      (await service.call(method, path, { token, ...(body && { body }) })).status
    expect((await admin('PATCH', `/${id}`, { scopes: ['leads:create'] })).body.scopes).toEqual(['leads:create'])
    expect([await status('GET', '/v1/leads'), await status('POST', '/v1/leads', lead())]).toEqual([403, 201])
    await admin('PATCH', `/${id}`, { scopes: ['leads:read', 'customers:read'] })
    expect([await status('GET', '/v1/leads'), await status('POST', '/v1/leads', lead())]).toEqual([200, 403])
    expect((await service.call('GET', '/v1/me', { token })).body.scopes).toEqual(['leads:read', 'customers:read'])
    expect((await admin('PATCH', `/${id}`, { scopes: ['api-keys:manage'] })).status).toBe(400)
  })

  it('when it expires, and they stay dead when it is prolonged', async () => {
    const { id, secret } = await newKey()
    const token = await service.exchange(secret)
    await admin('PATCH', `/${id}`, { expiresAt: new Date(Date.now() + 600).toISOString() })
    expect(await lives(token)).toBe(true)
    await expect.poll(() => lives(token)).toBe(false)
    expect([(await admin('GET', `/${id}`)).body.status, await reason(secret)]).toEqual([
      'expired',
      expect.stringContaining('expired'),
    ])

    expect((await admin('PATCH', `/${id}`, { expiresAt: null })).body).toMatchObject({ status: 'active' })
    expect([await works(secret), await lives(token)]).toEqual([true, false])
    expect((await admin('PATCH', `/${id}`, { expiresAt: '2020-01-01T00:00:00Z' })).body.code).toBe('expiry-past')
  })

  it('and a new secret inherits what the key is', async () => {
    const { body } = await admin('POST', '', {
      name: 'Limited',
      kind: 'digital_requests',
      expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
    })
    const replacement = await admin('POST', `/${body.apiKey.id}/replacement`, {
      newCounts: 'at_once',
      oldEnds: 'after_7_days',
    })
    expect(replacement.body.apiKey.expiresAt).toBe(body.apiKey.expiresAt)
    const { rows } = await service.db.raw<{ rows: { ends_at: Date }[] }>(
      'select ends_at from credentials where subject_id = ?',
      [uuid(body.apiKey.id)],
    )
    expect(rows.map(({ ends_at }) => ends_at.toISOString())).toEqual([body.apiKey.expiresAt, body.apiKey.expiresAt])
  })

  it('and a key that is disabled while it is replaced is disabled whole', async () => {
    const { id, secret } = await newKey()
    await admin('PATCH', `/${id}`, { disabled: true })
    const second = (await admin('POST', `/${id}/replacement`, {})).body.secret
    expect([await works(secret), await works(second)]).toEqual([false, false])
    await admin('PATCH', `/${id}`, { disabled: false })
    expect([await works(secret), await works(second)]).toEqual([true, true])
  })
})

const uuid = (id: string) => id.slice(4)
