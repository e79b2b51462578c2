import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openComingScopes } from '../src/api-keys/coming-scopes.ts'
import { caughtUp, type GrantedRow } from '../src/api-keys/granted.ts'
import { inner } from '../src/ids.ts'
import { tellPeople } from '../src/notices/notifier.ts'
import { until } from './patience.ts'
import { seed } from './seed.ts'
import { startService, type TestService } from './service.ts'

const all = ['leads:create', 'leads:read', 'leads:update', 'customers:read', 'customers:write', 'events:read']
// As the version before granted them.
const allBefore = [...all, 'webhooks:manage']

let service: TestService
let dealer: Awaited<ReturnType<TestService['dealer']>>
beforeAll(async () => {
  service = await startService(undefined, { smtpUrl: 'smtp://127.0.0.1:9', from: 'CarBuddii <mail@service.example>' })
  dealer = await service.dealer('ours')
})
afterAll(() => service.close())

type Row = {
  scopes: string[]
  scopes_seen: string[] | null
  all_of_kind: boolean | null
  scopes_in_force: string[] | null
}
const rowOf = (id: string): Promise<Row> =>
  service
    .db('api_keys')
    .where({ id: inner(id) })
    .first('scopes', 'scopes_seen', 'all_of_kind', 'scopes_in_force')
const store = async (id: string, row: Partial<Row>) => {
  await service
    .db('api_keys')
    .where({ id: inner(id) })
    .update(row)
  if (row.scopes)
    await service
      .db('credentials')
      .where({ subject_id: inner(id) })
      .update({ scopes: row.scopes })
}
const newKey = (scopes?: string[]) =>
  service.createKey(dealer.admin.token, { kind: 'extensive_integrations', ...(scopes && { scopes }) })
/** A key as it was when the contract had fewer scopes. */
async function keyOfBefore(scopes: string[], isWhole: boolean) {
  const key = await newKey()
  await store(key.id, { scopes, scopes_seen: scopes, all_of_kind: isWhole, scopes_in_force: scopes })
  return key
}
/** A key as the version before writes it, which knows nothing of what lies beside its scopes. */
async function keyOfVersionBefore(scopes: string[]) {
  const key = await newKey()
  await store(key.id, { scopes, scopes_seen: null, all_of_kind: null, scopes_in_force: null })
  return key
}
/** Until nothing is left to do, whoever does it. */
async function catchUp() {
  const job = openComingScopes(service.db, (error) => {
    throw error
  })
  await job.run()
  await job.stop()
}
const shown = async (id: string) =>
  (await service.call('GET', `/v1/api-keys/${id}`, { token: dealer.admin.token })).body.scopes as string[]
const told = async (id: string) =>
  (
    await service.call('GET', `/v1/audit-entries?subjectId=${id}&action=api_key.scopes_added`, {
      token: dealer.admin.token,
    })
  ).body.items as { actor: object; before: object; after: object }[]
const mails = (auditless: string) => service.db('mails').where({ kind: auditless, dealer_id: dealer.dealerId })

it('gives a key that has all of its kind what has come, says so in the log and by mail, once', async () => {
  const key = await keyOfBefore(['leads:create', 'leads:read'], true)
  const before = await service.exchange(key.secret)
  await until(async () => {
    await catchUp()
    return (await told(key.id)).length > 0
  })
  await catchUp()

  expect(await shown(key.id)).toEqual(all)
  expect(await told(key.id)).toMatchObject([
    {
      actor: { type: 'operator' },
      before: { scopes: ['leads:create', 'leads:read'] },
      after: { scopes: all },
    },
  ])
  const after = await service.exchange(key.secret)
  expect((await service.call('GET', '/v1/events', { token: after })).status).toBe(200)
  // What is out gains nothing.
  expect((await service.call('GET', '/v1/events', { token: before })).status).toBe(403)

  await tellPeople(service.db)
  await tellPeople(service.db)
  const written = await mails('key_widened')
  expect(written).toHaveLength(1)
  expect(written[0].user_id).toBe(inner(dealer.admin.userId))
})

it('gives a narrowed key nothing, be it by a single scope', async () => {
  const narrow = all.filter((scope) => scope !== 'events:read')
  const key = await newKey(narrow)
  await catchUp()
  expect([await shown(key.id), await told(key.id)]).toEqual([narrow, []])

  // Chosen whole again, it gets what comes; chosen less, it does not any more.
  const patch = (scopes: string[]) =>
    service.call('PATCH', `/v1/api-keys/${key.id}`, { token: dealer.admin.token, body: { scopes } })
  await patch(all)
  expect((await rowOf(key.id)).all_of_kind).toBe(true)
  await patch(['leads:read'])
  expect(await rowOf(key.id)).toMatchObject({ scopes: ['leads:read'], all_of_kind: false })
})

it('leaves what the version before has stored as it is, and knows which had all of their kind', async () => {
  const whole = await keyOfVersionBefore(allBefore)
  const erasing = await keyOfVersionBefore([...allBefore, 'customers:erase'])
  // Everything that the contract has now, and not what it had then.
  const narrowed = await keyOfVersionBefore(allBefore.filter((scope) => scope !== 'webhooks:manage'))
  await until(async () => {
    await catchUp()
    return (await rowOf(narrowed.id)).scopes_seen !== null
  })
  for (const [{ id }, isWhole] of [
    [whole, true],
    [erasing, true],
    [narrowed, false],
  ] as const)
    expect([(await rowOf(id)).all_of_kind, await shown(id), await told(id)]).toEqual([isWhole, all, []])
  expect((await rowOf(whole.id)).scopes).toEqual(allBefore)
  expect((await rowOf(erasing.id)).scopes).toEqual([...allBefore, 'customers:erase'])
})

it('sees that the version before has narrowed a key since, and widened another', async () => {
  const narrowed = await newKey()
  const emptied = await keyOfVersionBefore(allBefore)
  const widened = await newKey(['leads:read'])
  await catchUp()
  // It shows a key with all that it knows, without webhooks:manage.
  await store(narrowed.id, { scopes: ['leads:read', 'events:read'] })
  await store(emptied.id, { scopes: all })
  await store(widened.id, { scopes: allBefore })
  await until(async () => {
    await catchUp()
    return (await rowOf(widened.id)).all_of_kind === true
  })
  expect(await rowOf(narrowed.id)).toMatchObject({ scopes: ['leads:read', 'events:read'], all_of_kind: false })
  expect(await rowOf(emptied.id)).toMatchObject({ scopes: all, all_of_kind: false })
  for (const { id } of [narrowed, emptied, widened]) expect(await told(id)).toEqual([])
})

it('tells when a scope comes that a key has had stored all along', async () => {
  const key = await newKey(['leads:read', 'events:read'])
  await store(key.id, { scopes_in_force: ['leads:read'] })
  await until(async () => {
    await catchUp()
    return (await told(key.id)).length > 0
  })
  expect(await told(key.id)).toMatchObject([
    { before: { scopes: ['leads:read'] }, after: { scopes: ['leads:read', 'events:read'] } },
  ])
  expect((await rowOf(key.id)).scopes).toEqual(['leads:read', 'events:read'])
})

it('leaves keys of a newer version alone that serves the same database', async () => {
  const newer = [...all, 'customers:erase']
  const key = await keyOfBefore(newer, true)
  await catchUp()
  expect(await rowOf(key.id)).toEqual({
    scopes: newer,
    scopes_seen: newer,
    all_of_kind: true,
    scopes_in_force: newer,
  })
  expect(await shown(key.id)).toEqual(all)
})

it('gives a deleted key nothing, and what came meanwhile when it is restored', async () => {
  const key = await keyOfBefore(['leads:read'], true)
  await service.call('DELETE', `/v1/api-keys/${key.id}`, { token: dealer.admin.token })
  await store(key.id, { scopes: ['leads:create'], scopes_seen: ['leads:create'], all_of_kind: true })
  await catchUp()
  expect(await shown(key.id)).toEqual(['leads:create'])
  await service.call('POST', `/v1/api-keys/${key.id}/restoration`, { token: dealer.admin.token })
  await until(async () => {
    await catchUp()
    return (await told(key.id)).length > 0
  })
  expect(await shown(key.id)).toEqual(all)
})

it('comes to an end, takes nothing away, and gives nothing on request only', () => {
  const scope = fc.constantFrom(...allBefore, 'customers:erase', 'forms:manage')
  const scopes = fc.uniqueArray(scope, { minLength: 1 })
  const maybe = fc.option(scopes)
  const any = fc.record<GrantedRow>({
    kind: fc.constantFrom('digital_requests', 'extensive_integrations'),
    scopes,
    scopes_seen: maybe,
    all_of_kind: fc.option(fc.boolean()),
    scopes_in_force: maybe,
  })
  const row = any.chain((key) => fc.constantFrom(key, { ...key, scopes_seen: key.scopes }))
  fc.assert(
    fc.property(row, (key) => {
      const { after, came } = caughtUp(key)
      const again = caughtUp({ kind: key.kind, ...after })
      expect(again).toEqual({ after, came: [] })
      expect(after.scopes).toEqual(expect.arrayContaining(key.scopes))
      expect(after.scopes.includes('customers:erase')).toBe(key.scopes.includes('customers:erase'))
      // Also what a newer version told, which this one does not know.
      if (key.scopes_seen?.join() === key.scopes.join())
        expect(after.scopes_in_force).toEqual(expect.arrayContaining(key.scopes_in_force ?? []))
      if (!after.all_of_kind) expect(after.scopes).toEqual(key.scopes)
      expect(after.scopes).toEqual(expect.arrayContaining(came))
    }),
    { seed },
  )
})
