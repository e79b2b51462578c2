import { afterAll, beforeAll, expect, it } from 'vitest'
import { cursorAt, positionOf } from '../src/events/cursor.ts'
import { link } from './linking.ts'
import { startService, type TestService } from './service.ts'

// Every lead shows the last event about it, wherever it is read and whatever happened last.

let service: TestService
let dealer: Awaited<ReturnType<TestService['dealer']>>
beforeAll(async () => {
  service = await startService()
  dealer = await service.dealer('revs')
})
afterAll(() => service.close())

const customer = (n: number) => ({ emails: [{ address: `revs-${n}@customer.example` }] })
const adf = (n: number) =>
  `<adf><prospect><customer><contact><email>revs-${n}@customer.example</email></contact></customer></prospect></adf>`
const dms = () => ({ token: dealer.dms.token })

async function lastEvents(): Promise<Map<string, string>> {
  const events = await service
    .db('events')
    .where({ dealer_id: dealer.dealerId, subject_type: 'lead' })
    .orderBy('seq')
    .select('seq', 'id', 'subject_id')
  return new Map(
    events.map(({ seq, id, subject_id }) => [
      `lead_${subject_id.replaceAll('-', '')}`,
      cursorAt(positionOf({ seq, id })),
    ]),
  )
}

const revsOf = (leads: readonly { id: string; rev: string }[]) => new Map(leads.map(({ id, rev }) => [id, rev]))
const listed = async () => revsOf((await service.call('GET', '/v1/leads?limit=200', dms())).body.items)
it('shows the cursor of the last event about a lead, however it came and whatever was done to it', async () => {
  const push = { token: dealer.website.token }
  const one = await service.call('POST', '/v1/leads', { ...push, body: { customer: customer(1) } })
  await service.call('POST', '/v1/leads/batch', {
    ...push,
    body: { leads: [2, 2, 3].map((n) => ({ lead: { customer: customer(n) } })) },
  })
  await service.call('POST', '/v1/leads/adf', { ...push, raw: adf(4), headers: { 'content-type': 'application/xml' } })
  await link(service, dealer.dealerId)
  const before = await lastEvents()
  expect(before.size).toBe(5)
  expect(await listed()).toEqual(before)
  expect(await service.db('lead_links').where({ dealer_id: dealer.dealerId })).toHaveLength(5)

  const moved = await service.call('PATCH', `/v1/leads/${one.body.id}`, {
    ...dms(),
    headers: { 'if-match': '"1"' },
    body: { status: 'lost', statusReason: 'spam' },
  })
  expect(moved.status).toBe(200)
  const after = await lastEvents()
  expect(after.get(one.body.id)).not.toBe(before.get(one.body.id))
  expect(moved.body.rev).toBe(after.get(one.body.id))
  expect((await service.call('GET', `/v1/leads/${one.body.id}`, dms())).body.rev).toBe(moved.body.rev)
  expect(await listed()).toEqual(after)
})

it('shows it of leads that a version stored or changed that knew nothing of it, too', async () => {
  const ids = await service.db('leads').where({ dealer_id: dealer.dealerId }).pluck('id')
  await service.db('leads').whereIn('id', ids.slice(0, 2)).update({ rev_seq: null, rev_event: null })
  await service.db.transaction(async (trx) => {
    const { rows } = await trx.raw('update dealer_clocks set seq = seq + 1 where dealer_id = ? returning seq', [
      dealer.dealerId,
    ])
    await trx.raw(
      `insert into events (dealer_id, seq, id, type, at, subject_type, subject_id, actor_type, actor_id, changed, status, test)
       select dealer_id, ?, gen_random_uuid(), 'lead.updated', now(), subject_type, subject_id, actor_type, actor_id,
         '{status}', 'acknowledged', test
       from events where dealer_id = ? and subject_id = ? order by seq limit 1`,
      [rows[0].seq, dealer.dealerId, ids[2]],
    )
    await trx('leads')
      .where({ dealer_id: dealer.dealerId, id: ids[2] })
      .update({ status: 'acknowledged', version: trx.raw('version + 1') })
  })
  expect(await listed()).toEqual(await lastEvents())
})
