import { randomUUID } from 'node:crypto'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { addressesMax, openRefusals } from '../src/audit/refusals.ts'
import { inner, newId } from '../src/ids.ts'
import { openRecorder } from '../src/requests/recorder.ts'
import { swept, sweeps } from '../src/sweeps.ts'
import { openKeyring, replaceSigningKeys, rotateSigningKey } from '../src/tokens/keyring.ts'
import { accessToken } from '../src/tokens/token.ts'
import { recordRotation } from '../src/users/operator.ts'
import { idAt, startService, type TestService } from './service.ts'

let service: TestService
let dealer: Awaited<ReturnType<TestService['dealer']>>
const logged: string[] = []
beforeAll(async () => {
  const log = pino({ level: 'info' }, { write: (line) => void logged.push(line) })
  // A mail server that is not there: mail is set up, and waits.
  service = await startService(log, { smtpUrl: 'smtp://127.0.0.1:9', from: 'CarBuddii <mail@service.example>' })
  dealer = await service.dealer('seen')
})
afterAll(() => service.close())

const entries = async (query = '') => {
  await service.service.refusals.flush()
  const { body } = await service.call('GET', `/v1/audit-entries?limit=200${query}`, { token: dealer.admin.token })
  return body.items as any[]
}
const signIn = (email: string, password: string, headers?: Record<string, string>) =>
  service.call('POST', '/v1/session', { body: { email, password }, ...(headers && { headers }) })
const here = expect.stringContaining('127.0.0.1')
const sales = () => ({ type: 'user', id: dealer.sales.userId, name: 'Sales' })

describe('the audit log', () => {
  it('has who signed in, from where and with what, who signed out, and which session was ended', async () => {
    await service.signIn(dealer.sales.email)
    const elsewhere = await service.signIn(dealer.sales.email)
    const { items } = (await service.call('GET', '/v1/me/sessions', { token: elsewhere.token })).body
    const first = items.find(({ current }: { current: boolean }) => !current)
    await service.call('DELETE', `/v1/me/sessions/${first.id}`, { token: elsewhere.token })
    await service.call('DELETE', '/v1/session', { headers: { cookie: elsewhere.cookie } })
    const again = await service.signIn(dealer.sales.email)
    await service.call('POST', '/v1/session', {
      body: { email: dealer.sales.email, password: 'a-password-for-tests' },
      headers: { cookie: again.cookie },
    })
    const found = await entries(`&subjectId=${dealer.sales.userId}`)
    expect(found.slice(0, 6).map(({ action, actor, subject, address }) => [action, actor, subject, address])).toEqual(
      [
        'user.signed_in',
        'user.session_ended',
        'user.signed_in',
        'user.signed_out',
        'user.session_ended',
        'user.signed_in',
      ].map((action) => [action, sales(), sales(), here]),
    )
    expect(found[0].after).toEqual({ newDevice: true, userAgent: 'node' })
  })

  it('tells a device that was there before from a new one', async () => {
    const reply = await signIn(dealer.sales.email, 'a-password-for-tests')
    const cookie = reply.headers.getSetCookie().map((each) => each.split(';')[0])
    await signIn(dealer.sales.email, 'a-password-for-tests', { cookie: cookie.join('; ') })
    const found = await entries(`&subjectId=${dealer.sales.userId}&action=user.signed_in`)
    expect(found.slice(0, 2).map(({ after }) => after.newDevice)).toEqual([false, true])
  })

  it('has one row for all that fail as one person from one address in an hour', async () => {
    const answers: number[] = []
    for (let count = 0; count < 3; count++) answers.push((await signIn(dealer.sales.email, 'wrong')).status)
    await service.service.refusals.flush()
    for (let count = 0; count < 9; count++) answers.push((await signIn(dealer.sales.email, 'wrong')).status)
    const told = (status: number) => answers.filter((each) => each === status).length
    expect([told(401), told(429)]).not.toContain(0)
    const found = await entries(`&subjectId=${dealer.sales.userId}&action=user.refused`)
    expect(found.map(({ actor, subject, address, after, reason }) => [actor, subject, address, after, reason])).toEqual(
      [
        ['too-many-attempts', told(429)],
        ['sign-in-refused', told(401)],
      ].map(([reason, requests]) => [
        { type: 'unknown', name: 'Unknown' },
        sales(),
        here,
        { requests, lastAt: expect.any(String) },
        reason,
      ]),
    )
    expect(await entries(`&actorId=${dealer.sales.userId}&action=user.refused`)).toEqual([])
    await service.call('POST', `/v1/users/${dealer.sales.userId}/release`, { token: dealer.admin.token })
  })

  it('has a wrong current password', async () => {
    const body = { currentPassword: 'wrong', newPassword: 'another-password-for-tests' }
    await service.call('PUT', '/v1/me/password', { token: dealer.admin.token, body })
    expect((await entries(`&subjectId=${dealer.admin.userId}&action=user.refused`))[0]).toMatchObject({
      reason: 'password-wrong',
      after: { requests: 1 },
    })
  })

  it('has that a link was asked for, and who did so is unknown', async () => {
    await service.call('POST', '/v1/password-link', { body: { email: dealer.sales.email } })
    await expect
      .poll(async () => (await entries('&action=user.password_link_requested'))[0])
      .toMatchObject({ actor: { type: 'unknown', name: 'Unknown' }, subject: sales(), address: here })
  })

  it('has at every dealer that the keys which sign tokens were changed', async () => {
    const other = await service.dealer('seen-too')
    const { db } = service
    await rotateSigningKey(db, service.service.secrets, (trx, at) => recordRotation(trx, 'signing_key.rotated', at))
    const token = dealer.admin.token
    await expect(
      replaceSigningKeys(db, service.service.secrets, async (trx, at) => {
        await recordRotation(trx, 'signing_key.replaced', at)
        throw new Error('cut short')
      }),
    ).rejects.toThrow('cut short')
    expect((await service.call('GET', '/v1/me', { token })).status).toBe(200)
    const rows = await db('audit_entries').where('action', 'like', 'signing_key.%').orderBy('dealer_id')
    expect(rows.map(({ dealer_id, action, actor_type }) => [dealer_id, action, actor_type])).toEqual(
      [dealer.dealerId, other.dealerId].sort().map((id) => [id, 'signing_key.rotated', 'operator']),
    )
  })

  it('is read page by page with what was refused between', async () => {
    const all = await entries()
    expect(new Set(all.map(({ action }) => action)).has('user.refused')).toBe(true)
    const paged: any[] = []
    for (let cursor = ''; ;) {
      const path = `/v1/audit-entries?limit=2${cursor && `&cursor=${cursor}`}`
      const { body } = await service.call('GET', path, { token: dealer.admin.token })
      paged.push(...body.items)
      if (!body.nextCursor) break
      cursor = body.nextCursor
    }
    expect(paged).toEqual(all)
    const { at } = all[1]
    expect(await entries(`&since=${at}`)).toEqual(all.filter((entry) => entry.at >= at))
  })

  it('has nothing of who fails with an e-mail that nobody has: the log of the operator has, with a mask', async () => {
    const email = `nobody.${randomUUID()}@customer.example`
    expect((await signIn(email, 'wrong')).status).toBe(401)
    await service.service.refusals.flush()
    await service.service.recorder.stop()
    const { rows } = await service.db.raw<{ rows: { name: string }[] }>(
      "select table_name as name from information_schema.tables where table_schema = 'public'",
    )
    for (const { name } of rows) {
      const found = await service.db.raw('select count(*)::int as n from ?? t where to_jsonb(t)::text like ?', [
        name,
        `%${email.slice(0, 20)}%`,
      ])
      expect([name, found.rows[0].n]).toEqual([name, 0])
    }
    const all = logged.join('')
    expect(all).not.toContain(email)
    expect(all).not.toContain(email.slice(2, 20))
    expect(all).toContain('"email":"n…@customer.example"')
  })
})

describe('what is refused to a key', () => {
  const refused = async (id: string) =>
    (await entries(`&subjectId=${id}&action=api_key.refused`)).map(({ reason, after, address, actor }) => [
      reason,
      after.requests,
      address,
      actor.id,
    ])

  it('is gathered by reason and address, with a token or the key itself, dead or not', async () => {
    const { id, secret } = await service.createKey(dealer.admin.token, { kind: 'digital_requests' })
    const token = await service.exchange(secret)
    for (let count = 0; count < 4; count++) await service.call('GET', '/v1/leads', { token })
    const more = { raw: 'grant_type=client_credentials&scope=leads:read' }
    for (let count = 0; count < 3; count++)
      await service.call('POST', '/v1/auth/token', {
        ...more,
        headers: { 'x-api-key': secret, 'content-type': 'application/x-www-form-urlencoded' },
      })
    await service.call('DELETE', `/v1/api-keys/${id}`, { token: dealer.admin.token })
    for (let count = 0; count < 5; count++) await service.call('GET', '/v1/me', { token })
    for (let count = 0; count < 6; count++)
      await service.call('POST', '/v1/auth/token', { headers: { 'x-api-key': secret } })
    expect(await refused(id)).toEqual([
      ['invalid_client', 6, here, id],
      ['token-invalid', 5, here, id],
      ['invalid_scope', 3, here, id],
      ['scope-missing', 4, here, id],
    ])
  })

  it('is not that a token has expired, nor that a request does not fit', async () => {
    const { id, secret } = await service.createKey(dealer.admin.token, { kind: 'digital_requests' })
    const token = await service.exchange(secret)
    await service.call('POST', '/v1/leads', { token, body: {} })
    const row = await service
      .db('credentials')
      .where({ subject_id: inner(id) })
      .first()
    const keyring = await openKeyring(service.db, service.service.secrets, () => undefined)
    const { dealer_id: dealerId, subject_id, id: credentialId, epoch, scopes } = row
    const grant = { dealerId, subject: { type: 'api_key', id: subject_id }, credentialId, epoch, scopes } as const
    const old = accessToken(grant, keyring.signing(new Date()), service.url, new Date(Date.now() - 1_801_000))
    await keyring.stop()
    expect((await service.call('GET', '/v1/me', { token: old })).status).toBe(401)
    expect(await refused(id)).toEqual([])
  })

  it.each([1, 4])(
    'takes no more rows in an hour than it may, from however many addresses: %i processes',
    async (many) => {
      const { id } = await service.createKey(dealer.admin.token, { kind: 'digital_requests' })
      const parts = Array.from({ length: many }, () => openRefusals(service.db, expect.fail))
      const subject = { type: 'api_key', id: inner(id) } as const
      for (let round = 0; round < 3; round++) {
        for (const part of parts)
          for (let at = 0; at < 1_000; at++)
            part.note({ dealerId: dealer.dealerId, subject, code: 'invalid_client', address: `192.0.2.${at} ${round}` })
        await Promise.all(parts.map((part) => part.flush()))
      }
      await Promise.all(parts.map((part) => part.stop()))
      const rows = await service.db('refusals').where({ subject_id: inner(id) })
      expect(rows.length).toBeGreaterThanOrEqual(addressesMax)
      // Those that write at the same moment see none of each other.
      expect(rows.length).toBeLessThanOrEqual(many * addressesMax)
      expect(rows.reduce((sum, { requests }) => sum + Number(requests), 0)).toBe(3_000 * many)
      expect(rows.filter(({ address }) => address === '')).toHaveLength(1)
    },
  )

  it('is not lost because somebody else is refused from more addresses than are kept in memory', async () => {
    const noted = openRefusals(service.db, expect.fail)
    const keyOf = async () => {
      const { id } = await service.createKey(dealer.admin.token, { kind: 'digital_requests' })
      return { type: 'api_key', id: inner(id) } as const
    }
    const [loud, quiet] = [await keyOf(), await keyOf()]
    const refusal = { dealerId: dealer.dealerId, code: 'invalid_client' }
    for (let at = 0; at < 25_000; at++)
      noted.note({ ...refusal, subject: loud, address: `2001:db8::${at.toString(16)}` })
    noted.note({ ...refusal, subject: quiet, address: '192.0.2.1' })
    await noted.stop()
    const requestsOf = async ({ id }: { id: string }) =>
      Number(
        (await service.db('refusals').where({ subject_id: id }).sum({ requests: 'requests' }).first())?.['requests'],
      )
    expect([await requestsOf(quiet), await requestsOf(loud)]).toEqual([1, 25_000])
  })

  it('fills the log of requests no further than it may, and is counted whole', async () => {
    const { id } = await service.createKey(dealer.admin.token, { kind: 'digital_requests' })
    const recorder = openRecorder(service.service.database.hot, expect.fail, () => expect.fail())
    const request = (status: number, problem: string | null) => ({
      dealer_id: dealer.dealerId,
      api_key_id: inner(id),
      credential_id: newId(),
      request_id: 'r',
      operation: 'exchangeApiKey',
      status,
      duration_ms: 1,
      address: '192.0.2.1',
      user_agent: null,
      lead_id: null,
      problem,
      violation: null,
    })
    for (let count = 0; count < 3_000; count++) recorder.note(request(401, 'invalid_client'))
    for (let count = 0; count < 700; count++) recorder.note(request(200, null))
    await recorder.stop()
    const logs = await service.db('api_key_requests').where({ api_key_id: inner(id) })
    // The hour may have turned.
    expect(logs.filter(({ status }) => status === 401).length).toBeLessThanOrEqual(1_000)
    expect(logs.filter(({ status }) => status === 200)).toHaveLength(700)
    const usage = await service.db('api_key_usage').where({ api_key_id: inner(id), status_class: 4 })
    expect(usage.reduce((sum, { requests }) => sum + Number(requests), 0)).toBe(3_000)
  })

  it('is forgotten after 90 days', async () => {
    const { id } = await service.createKey(dealer.admin.token, { kind: 'digital_requests' })
    const row = (days: number) => ({
      dealer_id: dealer.dealerId,
      id: idAt(new Date(Date.now() - days * 86_400_000)),
      subject_type: 'api_key',
      subject_id: inner(id),
      code: `after-${days}`,
      address: '',
      hour: new Date(),
      first_at: new Date(),
      last_at: new Date(),
      requests: 1,
    })
    await service.db('refusals').insert([row(89), row(91)])
    const sweep = sweeps.find(({ name }) => name === 'sweeping refusals') ?? expect.fail()
    await expect
      .poll(async () => {
        await swept(service.db, sweep, new AbortController().signal)
        return (await service.db('refusals').where({ subject_id: inner(id) })).map(({ code }) => code)
      })
      .toEqual(['after-89'])
  })
})
