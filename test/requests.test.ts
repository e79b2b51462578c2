import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openRecorder } from '../src/requests/recorder.ts'
import { lead, startService, type TestService } from './service.ts'

let service: TestService
let dealer: Awaited<ReturnType<TestService['dealer']>>
beforeAll(async () => {
  service = await startService()
  dealer = await service.dealer('seen')
})
afterAll(() => service.close())

const admin = async (path: string) =>
  (await service.call('GET', `/v1/api-keys/${path}`, { token: dealer.admin.token })).body
const newKey = () => service.createKey(dealer.admin.token, { kind: 'extensive_integrations' })
const seen = (id: string, query = '') => admin(`${id}/requests${query}`).then(({ items }) => items as any[])
/** The log is written about once a second. */
const eventually = (read: () => Promise<unknown>, expected: unknown) => expect.poll(read).toEqual(expected)

describe('what was asked with a key', () => {
  it('is seen with operation, status, address, user agent and the secret that was used', async () => {
    const { id, secret } = await newKey()
    const call = (method: string, path: string, options: object = {}) =>
      service.call(method, path, {
        token,
        ...options,
        headers: { 'user-agent': 'my-dms/2.1', 'x-request-id': 'mine-1' },
      })
    const token = await service.exchange(secret)
    const pushed = await call('POST', '/v1/leads', { body: lead() })
    await call('GET', `/v1/leads/${pushed.body.id}`)
    await call('GET', '/v1/users')
    await call('POST', '/v1/leads', { body: {} })

    await eventually(
      async () => (await seen(id)).map(({ operation, status, leadId }) => [operation, status, leadId]),
      [
        ['createLead', 400, undefined],
        ['listUsers', 403, undefined],
        ['getLead', 200, pushed.body.id],
        ['createLead', 201, pushed.body.id],
        ['exchangeApiKey', 200, undefined],
      ],
    )
    const [refused, , read, , exchanged] = await seen(id)
    const { mask, lastUsed, lastAccepted, lastRefused } = await admin(id)
    expect(read).toMatchObject({
      requestId: 'mine-1',
      address: expect.stringContaining('127.0.0.1'),
      userAgent: 'my-dms/2.1',
      mask,
    })
    expect(lastUsed).toEqual({
      at: refused.at,
      operation: 'createLead',
      status: 400,
      address: refused.address,
      userAgent: 'my-dms/2.1',
      mask,
    })
    expect([lastRefused, lastAccepted]).toEqual([
      { ...lastUsed, problem: 'bad-request' },
      { ...lastUsed, at: read.at, operation: 'getLead', status: 200 },
    ])
    expect(refused).toMatchObject({
      aborted: false,
      problem: 'bad-request',
      violation: { in: 'body', pointer: '/customer', message: "must have required property 'customer'" },
    })
    expect(exchanged).not.toHaveProperty('problem')
    expect((await seen(id, `?leadId=${pushed.body.id}`)).map(({ operation }) => operation)).toEqual([
      'getLead',
      'createLead',
    ])
    expect((await seen(id, '?statusClass=4&operation=createLead')).map(({ status }) => status)).toEqual([400])
    await service.call('GET', '/v1/leads', { token, headers: { 'x-request-id': 'NULL' } })
    await eventually(async () => (await seen(id))[0].requestId, 'NULL')
    expect(JSON.stringify(await service.db('api_key_requests'))).not.toMatch(
      new RegExp(`${secret.slice(13)}|${token.slice(-40)}|32 12 34 56`),
    )
  })

  it('tells who still has a secret that has ended, or the key while it is disabled', async () => {
    const { id, secret } = await newKey()
    const manage = (method: string, path: string, body: object) =>
      service.call(method, `/v1/api-keys/${id}${path}`, { token: dealer.admin.token, body })
    const tried = (key: string, agent: string) =>
      service.call('POST', '/v1/auth/token', { headers: { 'x-api-key': key, 'user-agent': agent } })
    const lockedOut = async () => {
      const { lastLockedOut, lastRefused } = await admin(id)
      return [lastLockedOut?.mask, lastLockedOut?.userAgent, lastRefused?.userAgent]
    }
    const { mask: oldMask } = await admin(id)
    const token = await service.exchange(secret)
    await service.call('POST', '/v1/leads', { token, body: {}, headers: { 'user-agent': 'form' } })
    await eventually(lockedOut, [undefined, undefined, 'form'])

    const next = await manage('POST', '/replacement', { newCounts: 'at_once', oldEnds: 'at_once' })
    expect((await tried(secret, 'old-site')).status).toBe(401)
    await eventually(lockedOut, [oldMask, 'old-site', 'old-site'])
    const fresh = await service.exchange(next.body.secret)
    await service.call('POST', '/v1/leads', { token: fresh, body: {}, headers: { 'user-agent': 'form' } })
    await eventually(lockedOut, [oldMask, 'old-site', 'form'])

    await manage('PATCH', '', { disabled: true })
    expect((await tried(next.body.secret, 'new-site')).status).toBe(401)
    await eventually(lockedOut, [(await admin(id)).mask, 'new-site', 'new-site'])
  })

  it('is counted by hour, operation and class of status, as the log of requests has it', async () => {
    const { id, secret } = await newKey()
    const token = await service.exchange(secret)
    await Promise.all(Array.from({ length: 40 }, () => service.call('GET', '/v1/leads', { token })))
    await Promise.all(Array.from({ length: 7 }, () => service.call('GET', '/v1/leads?limit=0', { token })))
    const counts = async () => {
      const { items } = await admin(`${id}/usage?hours=2`)
      return Object.entries(
        Object.groupBy(items as any[], ({ operation, statusClass }) => `${operation} ${statusClass}`),
      )
        .map(([what, hours]) => [what, hours?.reduce((sum, { requests }) => sum + requests, 0)])
        .toSorted(([one], [other]) => (String(one) < String(other) ? -1 : 1))
    }
    await eventually(counts, [
      ['exchangeApiKey 2', 1],
      ['listLeads 2', 40],
      ['listLeads 4', 7],
    ])
  })

  it('is seen of deleted keys that somebody still tries, and of old secrets', async () => {
    const { id, secret } = await newKey()
    const token = await service.exchange(secret)
    await service.call('DELETE', `/v1/api-keys/${id}`, { token: dealer.admin.token })
    await service.call('POST', '/v1/auth/token', { headers: { 'x-api-key': secret } })
    await service.call('GET', '/v1/leads', { token })
    await eventually(
      async () => (await seen(id)).map(({ operation, status }) => [operation, status]),
      [
        ['listLeads', 401],
        ['exchangeApiKey', 401],
        ['exchangeApiKey', 200],
      ],
    )
    const { items } = (await service.call('GET', '/v1/api-keys?deleted=true', { token: dealer.admin.token })).body
    expect(items.find((key: any) => key.id === id).lastUsed).toMatchObject({ operation: 'listLeads', status: 401 })
  })

  it('is not seen by another dealer, nor is a guess at a secret', async () => {
    const other = await service.dealer('other')
    expect(
      (await service.call('GET', `/v1/api-keys/${dealer.website.id}/requests`, { token: other.admin.token })).status,
    ).toBe(404)
    expect(
      (await service.call('GET', `/v1/api-keys/${dealer.website.id}/usage`, { token: other.admin.token })).status,
    ).toBe(404)
  })
})

describe('the recorder', () => {
  const request = (at: Date) => ({
    dealer_id: dealer.dealerId,
    at,
    api_key_id: dealer.dealerId,
    credential_id: dealer.dealerId,
    request_id: 'r',
    operation: 'createLead',
    status: 201,
    duration_ms: 1,
    address: '',
    user_agent: null,
    lead_id: null,
    problem: null,
    violation: null,
  })
  const count = async () =>
    Number(
      (await service.db('api_key_requests').where({ api_key_id: dealer.dealerId }).count({ count: '*' }))[0]?.['count'],
    )

  const fail = (what: unknown) => expect.fail(String(what))

  it('writes what is waiting when it stops', async () => {
    const recorder = openRecorder(service.service.database.hot, fail, fail)
    for (let at = 0; at < 4_500; at++) recorder.note(request(new Date()))
    await recorder.stop()
    expect(await count()).toBe(4_500)
  })

  it('waits for the database, keeps the newest, and says how many are missing', async () => {
    let away = true
    const told: unknown[] = []
    let tries = 0
    const { hot } = service.service.database
    const recorder = openRecorder(
      {
        query: (...all: [never]) => (away ? Promise.reject(new Error(`away ${++tries}`)) : hot.query(...all)),
      } as never,
      (error, job) => told.push([String(error), job]),
      (leftOut) => told.push(leftOut),
    )
    const before = await count()
    for (let at = 0; at < 20_100; at++) recorder.note(request(new Date()))
    await expect.poll(() => tries).toBeGreaterThan(2)
    expect(told).toEqual([['Error: away 1', 'writing the log of requests']])
    away = false
    await recorder.stop()
    expect([told.slice(1), (await count()) - before]).toEqual([[100], 20_000])
  })
})
