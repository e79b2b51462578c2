import { afterAll, beforeAll, expect, it } from 'vitest'
import { inner } from '../src/ids.ts'
import { endCredentials, lockDealer } from '../src/tokens/store.ts'
import { until } from './patience.ts'
import { lead, password, startService, type TestService } from './service.ts'

let service: TestService
let dealer: Awaited<ReturnType<TestService['dealer']>>
beforeAll(async () => {
  service = await startService()
  dealer = await service.dealer('races')
})
afterAll(() => service.close())

/** Holds the dealer's clock while `request` waits for it, changes what `meanwhile` changes, and lets go. */
async function whileWaiting<T>(
  request: () => Promise<T>,
  meanwhile: (trx: Parameters<typeof lockDealer>[0]) => Promise<unknown>,
): Promise<T> {
  const trx = await service.db.transaction()
  await lockDealer(trx, dealer.dealerId)
  const answer = request()
  const waiting = () =>
    service
      .db('pg_locks as l')
      .join('pg_stat_activity as a', 'a.pid', 'l.pid')
      .where({ 'l.granted': false })
      .whereRaw('a.datname = current_database()')
      .first()
  await until(waiting)
  await meanwhile(trx)
  await trx.commit()
  return answer
}

const key = async () => {
  const made = await service.createKey(dealer.admin.token, { kind: 'extensive_integrations' })
  return { ...made, token: await service.exchange(made.secret) }
}

it('stores no lead after the revocation of its key has committed', async () => {
  const { id, token } = await key()
  const reply = await whileWaiting(
    () => service.call('POST', '/v1/leads', { token, body: lead() }),
    (trx) => endCredentials(trx, dealer.dealerId, inner(id)),
  )
  expect([reply.status, reply.body.code]).toEqual([401, 'token-invalid'])
  expect(await service.db('leads').where({ source_id: inner(id) })).toEqual([])
})

it('changes no lead after the revocation of the key has committed', async () => {
  const { id, token } = await key()
  const { body } = await service.call('POST', '/v1/leads', { token, body: lead() })
  const reply = await whileWaiting(
    () =>
      service.call('PATCH', `/v1/leads/${body.id}`, { token, body: { status: 'won' }, headers: { 'if-match': '*' } }),
    (trx) => endCredentials(trx, dealer.dealerId, inner(id)),
  )
  expect([reply.status, reply.body.code]).toEqual([401, 'token-invalid'])
  expect(
    (
      await service
        .db('leads')
        .where({ id: inner(body.id) })
        .first()
    ).status,
  ).toBe('new')
})

it('signs nobody in who is deactivated while the password is checked', async () => {
  const before = await service.db('sessions').count()
  const reply = await whileWaiting(
    () => service.call('POST', '/v1/session', { body: { email: dealer.sales.email, password } }),
    (trx) =>
      trx('users')
        .where({ id: inner(dealer.sales.userId) })
        .update({ deactivated_at: new Date() }),
  )
  expect([reply.status, reply.body.code]).toEqual([401, 'sign-in-refused'])
  expect(await service.db('sessions').count()).toEqual(before)
})

it('lets the first of two movers win and tells the second', async () => {
  const { token } = await key()
  const { body } = await service.call('POST', '/v1/leads', { token, body: lead() })
  const move = (status: string) =>
    service.call('PATCH', `/v1/leads/${body.id}`, { token, body: { status }, headers: { 'if-match': '"1"' } })
  const statuses = (await Promise.all([move('won'), move('lost'), move('invalid')])).map(({ status }) => status)
  expect(statuses.sort((one, other) => one - other)).toEqual([200, 412, 412])
})

it('numbers the events of a dealer densely, in the order of commits, whoever writes', async () => {
  const { token } = await key()
  const many = await Promise.all(
    Array.from({ length: 60 }, () => service.call('POST', '/v1/leads', { token, body: lead() })),
  )
  await Promise.all(
    many.map(({ body }) =>
      service.call('PATCH', `/v1/leads/${body.id}`, {
        token,
        body: { status: 'acknowledged' },
        headers: { 'if-match': '*' },
      }),
    ),
  )
  const events = await service.db('events').where({ dealer_id: dealer.dealerId }).orderBy('seq')
  expect(events.map(({ seq }) => Number(seq))).toEqual(events.map((_event, at) => at + 1))
  const times = events.map(({ at }) => at.getTime())
  expect(times).toEqual([...times].sort((a, b) => a - b))
  const { seq } = await service.db('dealer_clocks').where({ dealer_id: dealer.dealerId }).first()
  expect(Number(seq)).toBe(events.length)
})

it('stores one lead for twins that arrive together', async () => {
  const { token, id } = await key()
  const twin = lead({ externalReference: { source: 'form', id: 'twin' } })
  const replies = await Promise.all(
    Array.from({ length: 20 }, () => service.call('POST', '/v1/leads', { token, body: twin })),
  )
  expect(replies.filter(({ status }) => status === 201)).toHaveLength(1)
  expect(new Set(replies.map(({ body }) => body.id)).size).toBe(1)
  expect(await service.db('leads').where({ source_id: inner(id) })).toHaveLength(1)
})

it('keeps the last admin when two of them demote each other at once', async () => {
  const other = await service.call('PATCH', `/v1/users/${dealer.sales.userId}`, {
    token: dealer.admin.token,
    body: { role: 'admin', deactivated: false },
  })
  expect(other.status).toBe(200)
  const { token } = await service.signIn(dealer.sales.email)
  const demote = (by: string, id: string) =>
    service.call('PATCH', `/v1/users/${id}`, { token: by, body: { role: 'sales' } })
  await Promise.all([demote(token, dealer.admin.userId), demote(dealer.admin.token, dealer.sales.userId)])
  expect(
    await service.db('users').where({ dealer_id: dealer.dealerId, role: 'admin' }).whereNull('deactivated_at'),
  ).toHaveLength(1)
})
