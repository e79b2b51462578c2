import { afterAll, beforeAll, expect, it } from 'vitest'
import { resetPassword } from '../src/users/operator.ts'
import { startService, type TestService } from './service.ts'

let service: TestService
let dealer: Awaited<ReturnType<TestService['dealer']>>
beforeAll(async () => {
  service = await startService()
  dealer = await service.dealer('audited')
})
afterAll(() => service.close())

const entries = async (query = '') =>
  (await service.call('GET', `/v1/audit-entries${query}`, { token: dealer.admin.token })).body.items as any[]
const admin = (method: string, path: string, body?: object) =>
  service.call(method, path, { token: dealer.admin.token, ...(body && { body }) })

it('tells who changed what of a key, from where, from what to what', async () => {
  const { id } = await service.createKey(dealer.admin.token, { name: 'Audited', kind: 'digital_requests' })
  await admin('PATCH', `/v1/api-keys/${id}`, { name: 'Audited anew' })
  await admin('PATCH', `/v1/api-keys/${id}`, { disabled: true })
  await admin('PATCH', `/v1/api-keys/${id}`, { disabled: true })
  await admin('DELETE', `/v1/api-keys/${id}`)

  const found = await entries(`?subjectId=${id}`)
  expect(found.map(({ action, before, after, subject }) => [action, before, after, subject.name])).toEqual([
    ['api_key.deleted', {}, {}, 'Audited anew'],
    ['api_key.updated', { disabled: false }, { disabled: true }, 'Audited anew'],
    ['api_key.updated', { name: 'Audited' }, { name: 'Audited anew' }, 'Audited anew'],
    [
      'api_key.created',
      {},
      { name: 'Audited', kind: 'digital_requests', environment: 'live', scopes: ['leads:create'] },
      'Audited',
    ],
  ])
  for (const { actor, address } of found)
    expect([actor, address]).toEqual([
      { type: 'user', id: dealer.admin.userId, name: 'Admin' },
      expect.stringContaining('127.0.0.1'),
    ])
})

it('tells what became of a person', async () => {
  await admin('PATCH', `/v1/users/${dealer.sales.userId}`, { deactivated: true })
  expect((await entries('?action=user.updated'))[0]).toMatchObject({
    subject: { id: dealer.sales.userId, name: 'Sales' },
    before: { deactivated: false },
    after: { deactivated: true },
  })
})

it('is filtered and read page by page', async () => {
  const all = await entries('?limit=200')
  const paged: any[] = []
  for (let cursor = ''; ;) {
    const { body } = await admin('GET', `/v1/audit-entries?limit=2${cursor && `&cursor=${cursor}`}`)
    paged.push(...body.items)
    if (!body.nextCursor) break
    cursor = body.nextCursor
  }
  expect(paged).toEqual(all)
  expect(await entries(`?actorId=${dealer.admin.userId}&limit=200`)).toEqual(
    all.filter(({ actor }) => actor.id === dealer.admin.userId),
  )
  const { at } = all[1]
  expect(await entries(`?since=${at}&limit=200`)).toEqual(all.filter((entry) => entry.at >= at))
  expect(await entries(`?until=${at}&limit=200`)).toEqual(all.filter((entry) => entry.at < at))
})

it('tells what the operator did from the command line', async () => {
  await resetPassword(service.db, dealer.sales.email)
  const found = await entries('?limit=200')
  expect(found[0]).toMatchObject({
    action: 'user.password_reset',
    actor: { type: 'operator', name: 'Operator' },
    subject: { id: dealer.sales.userId },
  })
  expect(found.at(-1)).toMatchObject({ action: 'dealer.created', subject: { type: 'dealer', name: 'audited' } })
  expect(found.filter(({ action }) => action === 'user.created').map(({ after }) => after)).toEqual([
    { email: dealer.sales.email, role: 'sales' },
    { email: dealer.admin.email, role: 'admin' },
  ])
})

it('goes with its change: what was refused is not in it', async () => {
  const before = await entries('?limit=200')
  await admin('POST', '/v1/api-keys', { name: 'DMS Sync', kind: 'digital_requests' })
  await admin('PATCH', `/v1/api-keys/${dealer.website.id}`, { name: 'DMS Sync' })
  await admin('PATCH', `/v1/users/${dealer.admin.userId}`, { role: 'sales' })
  expect(await entries('?limit=200')).toEqual(before)
})

it('cannot be changed or emptied, even by the owner of the table', async () => {
  for (const change of ["update audit_entries set reason = 'x'", 'delete from audit_entries', 'truncate audit_entries'])
    await expect(service.db.raw(change)).rejects.toThrow('only takes new rows')
})

it('holds no secret', async () => {
  const made = await service.createKey(dealer.admin.token, { kind: 'extensive_integrations' })
  const { rows } = await service.db.raw<{ rows: object[] }>('select * from audit_entries')
  for (const part of [made.secret, made.secret.slice(13, 57), dealer.admin.token])
    expect(JSON.stringify(rows)).not.toContain(part)
})
