import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { addCustomers, addSource, findCustomers, saveSource } from '../src/customers/store.ts'
import { refresh } from '../src/customers/refresh.ts'
import { system } from '../src/events/event.ts'
import { inner, newId, outer } from '../src/ids.ts'
import { type Linker, openLinker } from '../src/linking/linker.ts'
import { lockDealer } from '../src/tokens/store.ts'
import { createUser } from '../src/users/operator.ts'
import { holdClock, waitingForLocks } from './faults/processes.ts'
import { until } from './patience.ts'
import { lead, password, startService, type TestService } from './service.ts'

let service: TestService
let linker: Linker
type Dealer = Awaited<ReturnType<TestService['dealer']>>

beforeAll(async () => {
  service = await startService()
  linker = openLinkerOn(service)
})
afterAll(async () => {
  await linker.stop()
  await service.close()
})

const failures: unknown[] = []
const openLinkerOn = (of: TestService) => openLinker(of.service.database.beside, (error) => void failures.push(error))

/** Until it has come to the end of what has happened. */
async function caughtUp({ dealerId }: Pick<Dealer, 'dealerId'>): Promise<void> {
  await until(async () => {
    await linker.link()
    const { seq } = await service.db('dealer_clocks').where({ dealer_id: dealerId }).first('seq')
    const cursor = await service.db('linker_cursors').where({ dealer_id: dealerId }).first('seq')
    return cursor?.seq === seq
  })
  expect(failures).toEqual([])
}

async function push(token: string, customer: object, more: object = {}): Promise<string> {
  const reply = await service.call('POST', '/v1/leads', { token, body: lead({ customer, ...more }) })
  expect(reply.status).toBe(201)
  return inner(reply.body.id)
}

const linksOf = async ({
  dealerId,
}: Pick<Dealer, 'dealerId'>): Promise<
  Map<string, { customer_id: string; reasons: string[]; test: boolean; rev_event: string }>
> => {
  const rows = await service.db('lead_links').where({ dealer_id: dealerId })
  return new Map(rows.map((row) => [row.lead_id, row]))
}
const customerOf = async (dealer: Pick<Dealer, 'dealerId'>, leadId: string) =>
  (await linksOf(dealer)).get(leadId)?.customer_id
const suggestionsOf = ({ dealerId }: Pick<Dealer, 'dealerId'>) =>
  service.db('customer_suggestions').where({ dealer_id: dealerId }).orderBy('id')
const eventsOf = ({ dealerId }: Pick<Dealer, 'dealerId'>) =>
  service.db('events').where({ dealer_id: dealerId }).orderBy('seq')

/** What a system says of somebody, as when it writes. */
async function fromSystem({ dealerId }: Pick<Dealer, 'dealerId'>, said: object, customerId = newId()): Promise<string> {
  await service.db.transaction(async (trx) => {
    await lockDealer(trx, dealerId)
    const now = new Date()
    const known = await findCustomers(trx, dealerId, [customerId])
    if (known.length === 0) await addCustomers(trx, dealerId, [{ id: customerId, test: false }], now)
    const id = newId()
    const reference = { source: 'dms', external_id: id }
    await addSource(trx, dealerId, { id, customer_id: customerId, test: false, kind: 'system', ...reference }, now)
    await saveSource(trx, dealerId, { id, data: said, changed_at: {}, source_version: null }, now)
    const key = { type: 'api_key', id: newId() } as const
    await refresh(trx, dealerId, key, new Map([[customerId, undefined]]), now)
  })
  return customerId
}

/** No two of them fold to the same. */
const words =
  'Alfa Bravo Charlie Delta Echo Foxtrot Golf Hotel India Juliett Kilo Lima Mike November Oscar Papa Quebec Romeo Sierra Tango Uniform Victor'.split(
    ' ',
  )

const anna = { name: { full: 'Anna Jensen' }, emails: [{ address: 'anna@customer.example' }] }
const peter = { name: { full: 'Peter Jensen' } }

describe('leads of people', () => {
  let dealer: Dealer
  beforeAll(async () => {
    dealer = await service.dealer('people')
  })

  it('gives two leads of one person to one customer, and says why', async () => {
    const first = await push(dealer.website.token, anna)
    const second = await push(dealer.website.token, {
      name: { given: 'ANNA', family: 'Jensen' },
      emails: [{ address: 'Anna@Customer.Example' }],
      phones: [{ number: '32 12 34 56' }],
    })
    await caughtUp(dealer)
    const links = await linksOf(dealer)
    expect(links.get(second)?.customer_id).toBe(links.get(first)?.customer_id)
    expect([links.get(first)?.reasons, links.get(second)?.reasons]).toEqual([
      ['nobody-known'],
      ['same-email', 'same-name'],
    ])
    const [customer] = await findCustomers(service.db, dealer.dealerId, [links.get(first)?.customer_id ?? ''])
    expect(customer).toMatchObject({ state: 'active', shown: { phones: [{ e164: '+4532123456' }] } })
  })

  it('tells of it by events that the system is the actor of, one for each row that reads otherwise', async () => {
    const told = (await eventsOf(dealer)).map(({ type, actor_type, subject_type }) => [type, actor_type, subject_type])
    expect(told.filter(([type]) => type !== 'lead.created')).toEqual(
      expect.arrayContaining([
        ['customer.created', 'system', 'customer'],
        ['lead.linked', 'system', 'lead'],
      ]),
    )
    const links = await linksOf(dealer)
    for (const { lead_id, rev_seq, rev_event } of await service
      .db('lead_links')
      .where({ dealer_id: dealer.dealerId })) {
      const event = await service.db('events').where({ dealer_id: dealer.dealerId, seq: rev_seq }).first()
      expect(event).toMatchObject({ id: rev_event, type: 'lead.linked', subject_id: lead_id })
    }
    expect(links.size).toBe(2)
  })

  it('takes the same number with another given name for a household: suggests, and does not link', async () => {
    const first = await push(dealer.website.token, { ...anna, phones: [{ number: '32 12 34 56' }] })
    const other = await push(dealer.website.token, { ...peter, phones: [{ number: '+45 32123456' }] })
    await caughtUp(dealer)
    const [one, two] = [await customerOf(dealer, first), await customerOf(dealer, other)]
    expect(two).not.toBe(one)
    expect(await suggestionsOf(dealer)).toMatchObject([
      { one_id: one, other_id: two, score: 30, reasons: ['same-phone', 'household'] },
    ])
  })

  it('knows a customer whom a system brought, and asks about one whom it brought later', async () => {
    const phones = [{ number: '32 12 34 99', e164: '+4532123499', type: 'landline', verdict: 'valid' }]
    const brought = await fromSystem(dealer, { name: { given: 'Søren', family: 'Ågård' }, phones })
    const known = await push(dealer.website.token, {
      name: { full: 'Soeren Aagaard' },
      phones: [{ number: '32123499' }],
    })
    await caughtUp(dealer)
    expect(await customerOf(dealer, known)).toBe(brought)
    const again = await fromSystem(dealer, { name: { given: 'Søren', family: 'Ågård' }, phones })
    await caughtUp(dealer)
    const suggestions = await suggestionsOf(dealer)
    expect(suggestions.at(-1)).toMatchObject({ score: 80, reasons: ['same-phone', 'same-name'] })
    expect(new Set([suggestions.at(-1).one_id, suggestions.at(-1).other_id])).toEqual(new Set([brought, again]))
  })

  it('says of what it suggested what holds now, and nothing when nothing does', async () => {
    const { dms, dealerId } = await service.dealer('renamed')
    await service
      .db('api_keys')
      .where({ dealer_id: dealerId })
      .update({ sources: ['dms'] })
    const say = async (id: string, given: string, number: string) => {
      const customer = { name: { given, family: 'Ågård' }, phones: [{ number }] }
      const reply = await service.call('PUT', `/v1/customers/by-reference/dms/${id}`, {
        token: dms.token,
        body: customer,
      })
      expect([200, 201]).toContain(reply.status)
      await caughtUp({ dealerId })
    }
    await say('1', 'Søren', '32 12 34 56')
    await say('2', 'Søren', '32 12 34 56')
    expect(await suggestionsOf({ dealerId })).toMatchObject([{ reasons: ['same-phone', 'same-name'] }])
    await say('2', 'Mette', '32 12 34 56')
    expect(await suggestionsOf({ dealerId })).toMatchObject([{ reasons: ['same-phone', 'household'] }])
    await say('1', 'Søren', '32 12 34 57')
    expect(await suggestionsOf({ dealerId })).toEqual([])
  })

  it('comes to the end also where a customer is gone, whom nobody finds any more', async () => {
    const { dms, dealerId } = await service.dealer('gone')
    await service
      .db('api_keys')
      .where({ dealer_id: dealerId })
      .update({ sources: ['dms'] })
    const at = '/v1/customers/by-reference/dms/1'
    await service.call('PUT', at, { token: dms.token, body: anna })
    await caughtUp({ dealerId })
    expect(await service.db('customer_texts').where({ dealer_id: dealerId })).toHaveLength(1)
    expect((await service.call('DELETE', at, { token: dms.token })).status).toBe(200)
    await caughtUp({ dealerId })
    expect(await service.db('customer_texts').where({ dealer_id: dealerId })).toEqual([])
  })

  it('does not say again what somebody has rejected', async () => {
    await service.db('customer_suggestions').where({ dealer_id: dealer.dealerId }).update({ rejected_at: new Date() })
    const before = await suggestionsOf(dealer)
    await push(dealer.website.token, { ...peter, phones: [{ number: '32 12 34 56' }] })
    await push(dealer.website.token, { ...anna, phones: [{ number: '32 12 34 56' }] })
    await caughtUp(dealer)
    expect(await suggestionsOf(dealer)).toEqual(before)
  })

  it('numbers events densely all the while', async () => {
    const { seq } = await service.db('dealer_clocks').where({ dealer_id: dealer.dealerId }).first()
    expect((await eventsOf(dealer)).map((event) => event.seq)).toEqual(
      Array.from({ length: Number(seq) }, (_, at) => `${at + 1}`),
    )
  })
})

it('holds to what was rejected of one who is part of another since, for as long as they are', async () => {
  const dealer = await service.dealer('trees')
  const { token } = dealer.sales
  const phones = [{ number: '32 12 34 60' }]
  const pairOf = (...ids: string[]) => ids.toSorted().join(' ')
  const open = async () => {
    const { body } = await service.call('GET', '/v1/customer-suggestions', { token })
    return body.items.map(({ id, customers }: { id: string; customers: { id: string }[] }) => ({
      id,
      pair: pairOf(...customers.map((each) => inner(each.id))),
    })) as { id: string; pair: string }[]
  }
  const pairs = async () => (await open()).map(({ pair }) => pair).toSorted()
  const named = async (given: string) => {
    const id = await push(dealer.website.token, { name: { given, family: 'Jensen' }, phones })
    await caughtUp(dealer)
    return (await customerOf(dealer, id)) ?? ''
  }
  const [one, two, three] = [await named('Anna'), await named('Peter'), await named('Carla')]
  expect(await pairs()).toEqual([pairOf(one, two), pairOf(one, three), pairOf(two, three)].toSorted())
  const reject = async (some: string, other: string) => {
    const found = (await open()).find(({ pair }) => pair === pairOf(some, other))
    const reply = await service.call('PUT', `/v1/customer-suggestions/${found?.id}/rejection`, { token })
    expect(reply.status).toBe(200)
  }
  const merge = (method: string, id: string, into?: string) =>
    service.call(method, `/v1/customers/${outer('cust', id)}/merge`, {
      token,
      ...(into !== undefined && { body: { into: outer('cust', into) } }),
    })
  await reject(one, two)
  await merge('PUT', one, three)
  expect(await pairs()).toEqual([])
  await caughtUp(dealer)
  // Somebody who is compared with both again.
  await push(dealer.website.token, { name: { given: 'Peter', family: 'Jensen' }, phones })
  await caughtUp(dealer)
  expect(await pairs()).toEqual([])
  await merge('DELETE', one)
  await caughtUp(dealer)
  expect(await pairs()).toEqual([pairOf(one, three), pairOf(two, three)].toSorted())
})

it('never gives a test lead to a real customer, nor the other way round', async () => {
  const dealer = await service.dealer('tests')
  const real = await push(dealer.website.token, anna)
  const trial = await push(dealer.website.token, anna, { test: true })
  const again = await push(dealer.website.token, anna, { test: true })
  await caughtUp(dealer)
  const links = await linksOf(dealer)
  expect(links.get(trial)?.customer_id).not.toBe(links.get(real)?.customer_id)
  expect(links.get(again)?.customer_id).toBe(links.get(trial)?.customer_id)
  expect(await suggestionsOf(dealer)).toEqual([])
  const customers = await service.db('customers').where({ dealer_id: dealer.dealerId }).orderBy('test')
  expect(customers.map(({ test }) => test)).toEqual([false, true])
  const tests = (await eventsOf(dealer))
    .filter(({ subject_type }) => subject_type === 'customer')
    .map(({ test }) => test)
  expect(new Set(tests)).toEqual(new Set([false, true]))
})

it('knows no customer of another dealer', async () => {
  const [one, other] = [await service.dealer('one'), await service.dealer('other')]
  const ours = await push(one.website.token, anna)
  const theirs = await push(other.website.token, anna)
  await Promise.all([one, other].map(caughtUp))
  expect(await customerOf(one, ours)).not.toBe(await customerOf(other, theirs))
  expect((await linksOf(one)).size + (await linksOf(other)).size).toBe(2)
  expect([await suggestionsOf(one), await suggestionsOf(other)]).toEqual([[], []])
})

describe('what many share', () => {
  it('tells nobody apart from the twenty-first on, and takes back what it linked by half a name', async () => {
    const dealer = await service.dealer('shared')
    const emails = [{ address: 'holm@firm.example' }]
    const nameless = await push(dealer.website.token, { emails })
    const half = await push(dealer.website.token, { emails })
    await caughtUp(dealer)
    expect(await customerOf(dealer, half)).toBe(await customerOf(dealer, nameless))

    const whole: string[] = []
    for (const word of words)
      whole.push(await push(dealer.website.token, { name: { given: word, family: `${word}gaard` }, emails }))
    const again = await push(dealer.website.token, { emails })
    await caughtUp(dealer)
    const links = await linksOf(dealer)
    const of = (id: string) => links.get(id)?.customer_id
    expect(new Set([nameless, half, again, ...whole].map(of)).size).toBe(25)
    expect(links.get(half)?.reasons).toEqual(['stop-value'])
    expect(
      await service
        .db('customer_stop_values')
        .where({ dealer_id: dealer.dealerId, value: 'holm@firm.example', test: false }),
    ).toMatchObject([{ kind: 'email', settled_at: expect.any(Date) }])
    expect(await suggestionsOf(dealer)).toEqual([])
    // Each lead was told of as often as it was given to somebody.
    const told = (await eventsOf(dealer)).filter(
      ({ type, subject_id }) => type === 'lead.linked' && subject_id === half,
    )
    expect(told.length).toBe(2)
  })

  it('takes back a few at a time', async () => {
    const dealer = await service.dealer('few')
    const emails = [{ address: 'holm@firm.example' }]
    const halves = Array.from({ length: 14 }, () => ({ lead: lead({ customer: { emails } }) }))
    await service.call('POST', '/v1/leads/batch', { token: dealer.website.token, body: { leads: halves } })
    await caughtUp(dealer)
    for (const word of words)
      await push(dealer.website.token, { name: { given: word, family: `${word}gaard` }, emails })
    await caughtUp(dealer)
    const back = [...(await linksOf(dealer)).values()].filter(({ reasons }) => reasons[0] === 'stop-value')
    expect(back.length).toBeGreaterThan(12)
    const ids = new Set(back.map(({ rev_event }) => rev_event))
    const times = (await eventsOf(dealer)).filter(({ id }) => ids.has(id)).map(({ at }) => at.getTime())
    expect(times.filter((at) => at === times[0]).length).toBeLessThanOrEqual(10)
  })

  it('keeps together who has the same whole name behind it', async () => {
    const dealer = await service.dealer('kept')
    const emails = [{ address: 'holm@firm.example' }]
    const named = (given: string) => ({ name: { given, family: 'Holm' }, emails })
    const first = await push(dealer.website.token, named('Anna'))
    const second = await push(dealer.website.token, named('Anna'))
    for (const word of words) await push(dealer.website.token, named(word))
    await caughtUp(dealer)
    expect(await customerOf(dealer, second)).toBe(await customerOf(dealer, first))
  })

  it('is, from the beginning, the address of whoever works for the dealer', async () => {
    const dealer = await service.dealer('staff')
    const emails = [{ address: dealer.sales.email }]
    const first = await push(dealer.website.token, { name: { full: 'Anna Jensen' }, emails })
    const second = await push(dealer.website.token, { name: { full: 'Anna Jensen' }, emails })
    await caughtUp(dealer)
    expect(await customerOf(dealer, second)).not.toBe(await customerOf(dealer, first))
  })

  it('is that of somebody who comes to work for the dealer later, too', async () => {
    const dealer = await service.dealer('later')
    const emails = [{ address: 'new@later.example' }]
    const first = await push(dealer.website.token, { emails })
    const second = await push(dealer.website.token, { emails })
    await caughtUp(dealer)
    expect(await customerOf(dealer, second)).toBe(await customerOf(dealer, first))
    await createUser(service.db, dealer.dealerId, 'sales', { email: 'New@later.example', name: 'New', password })
    await push(dealer.website.token, anna)
    await caughtUp(dealer)
    expect(await customerOf(dealer, second)).not.toBe(await customerOf(dealer, first))
  })
})

it('makes a batch anew when a customer was changed between preparing and writing', async () => {
  const dealer = await service.dealer('changed')
  await push(dealer.website.token, anna)
  await caughtUp(dealer)
  const [{ id }] = await service.db('customers').where({ dealer_id: dealer.dealerId })
  const second = await push(dealer.website.token, { ...anna, phones: [{ number: '32 12 34 57' }] })
  const clock = await holdClock(service.db, dealer.dealerId)
  const linking = linker.link()
  await until(async () => (await waitingForLocks(service.db)) > 0)
  // Merged into another one while the linker waits with what it has prepared.
  const other = newId()
  const now = new Date()
  await addCustomers(clock, dealer.dealerId, [{ id: other, test: false }], now)
  await clock('customers')
    .where({ dealer_id: dealer.dealerId, id })
    .update({ merged_into: other, state: 'merged', shown: null })
  await refresh(
    clock,
    dealer.dealerId,
    system,
    new Map([
      [id, 'customer.merged' as const],
      [other, undefined],
    ]),
    now,
  )
  await clock.commit()
  await linking
  await caughtUp(dealer)
  expect(await customerOf(dealer, second)).toBe(other)
  expect((await linksOf(dealer)).size).toBe(2)
})

it('gives every lead that was there before to somebody, once, whoever of two does it', async () => {
  await linker.stop()
  const dealer = await service.dealer('before')
  const people = Array.from({ length: 12 }, (_, at) => ({
    name: { given: 'Anna', family: words[at] ?? '' },
    emails: [{ address: `anna.${at}@customer.example` }],
  }))
  for (let at = 0; at < 5; at++) {
    const leads = people.map((customer) => ({ lead: lead({ customer }) }))
    const reply = await service.call('POST', '/v1/leads/batch', { token: dealer.website.token, body: { leads } })
    expect(reply.status).toBe(207)
  }
  linker = openLinkerOn(service)
  const another = openLinkerOn(service)
  await Promise.all([caughtUp(dealer), another.link()])
  await another.stop()
  const links = await service.db('lead_links').where({ dealer_id: dealer.dealerId })
  expect([links.length, new Set(links.map(({ customer_id }) => customer_id)).size]).toEqual([60, 12])
  const told = (await eventsOf(dealer)).filter(({ type }) => type === 'lead.linked')
  expect(told.length).toBe(60)
  expect(linker.lag()).toEqual({ events: 0, seconds: 0 })
})

it('links the leads of the dealers behind one for whom it fails, and tells of the failure', async () => {
  const [broken, behind] = [await service.dealer('broken'), await service.dealer('behind')]
  const ours = await push(broken.website.token, anna)
  const theirs = await push(behind.website.token, anna)
  await service.db.raw(`create function refuse_links() returns trigger language plpgsql as
    $$ begin if new.dealer_id = '${broken.dealerId}' then raise 'links are refused'; end if; return new; end $$`)
  await service.db.raw(
    'create trigger refused before insert on lead_links for each row execute function refuse_links()',
  )
  await until(async () => {
    await linker.link().catch(() => undefined)
    return (await customerOf(behind, theirs)) !== undefined
  })
  expect(await customerOf(broken, ours)).toBeUndefined()
  await expect(linker.link()).rejects.toThrow(broken.dealerId)
  expect(failures.length).toBeGreaterThan(0)
  await service.db.raw('drop function refuse_links cascade')
  failures.length = 0
  await caughtUp(broken)
  expect(await customerOf(broken, ours)).toBeDefined()
})

it('hears as many leads of customers who are one as of one, and shows the same whoever looks', async () => {
  const dealer = await service.dealer('many')
  const pushMany = async (customers: object[]) => {
    const leads = customers.map((customer) => ({ lead: lead({ customer }) }))
    const reply = await service.call('POST', '/v1/leads/batch', { token: dealer.website.token, body: { leads } })
    expect(reply.status).toBe(207)
  }
  const bravo = { name: { full: 'Bravo Bravo' }, emails: [{ address: 'bravo@customer.example' }] }
  // The first of all is one more than are heard.
  await pushMany([{ ...anna, phones: [{ number: '32 12 34 58' }] }, ...Array.from({ length: 69 }, () => anna)])
  await pushMany(Array.from({ length: 70 }, () => anna))
  await pushMany(Array.from({ length: 61 }, () => bravo))
  await caughtUp(dealer)
  const rows = await service.db('customers').where({ dealer_id: dealer.dealerId }).orderBy('id')
  expect(rows.length).toBe(2)
  const [id, other] = rows.map((row) => row.id)
  const looked = (touched: string[]) =>
    service.db.transaction(async (trx) => {
      await lockDealer(trx, dealer.dealerId)
      await refresh(trx, dealer.dealerId, system, new Map(touched.map((each) => [each, undefined])), new Date())
    })
  const shownNow = async () => (await findCustomers(service.db, dealer.dealerId, [id]))[0]
  await service
    .db('customers')
    .where({ dealer_id: dealer.dealerId, id: other })
    .update({ merged_into: id, state: 'merged', shown: null })
  await looked([id, other])
  expect(await shownNow()).toMatchObject({ state: 'active', shown: { phones: [] } })
  await push(dealer.website.token, anna)
  await caughtUp(dealer)
  const linked = await shownNow()
  await looked([id])
  expect(await shownNow()).toEqual(linked)
})

it('makes a batch anew when somebody has said what changes nothing that is shown', async () => {
  const dealer = await service.dealer('unshown')
  const customerId = await fromSystem(dealer, {
    name: { full: 'Anna Jensen' },
    phones: [{ number: '32 12 34 59', e164: '+4532123459', type: 'landline', verdict: 'valid' }],
  })
  await caughtUp(dealer)
  const second = await push(dealer.website.token, { ...anna, phones: [{ number: '32 12 34 59' }] })
  const clock = await holdClock(service.db, dealer.dealerId)
  const linking = linker.link()
  await until(async () => (await waitingForLocks(service.db)) > 0)
  // Nothing was known of their addresses, and from now on nothing is to be shown.
  const now = new Date()
  const edits = { id: newId(), customer_id: customerId, test: false, kind: 'people' } as const
  await addSource(clock, dealer.dealerId, { ...edits, source: null, external_id: null }, now)
  const changed_at = { emails: now.toISOString() }
  await saveSource(
    clock,
    dealer.dealerId,
    { id: edits.id, data: { emails: null }, changed_at, source_version: null },
    now,
  )
  await refresh(clock, dealer.dealerId, system, new Map([[customerId, undefined]]), now)
  await clock.commit()
  await linking
  await caughtUp(dealer)
  expect(await customerOf(dealer, second)).toBe(customerId)
  const [customer] = await findCustomers(service.db, dealer.dealerId, [customerId])
  expect(customer?.shown?.emails).toEqual([])
})

it('takes back anew what was linked by a stop value, when somebody has changed the customer meanwhile', async () => {
  const dealer = await service.dealer('meanwhile')
  const { dealerId } = dealer
  const emails = [{ address: 'holm@firm.example' }]
  await push(dealer.website.token, { emails })
  const half = await push(dealer.website.token, { emails, phones: [{ number: '32 12 34 61' }] })
  await caughtUp(dealer)
  const customerId = (await customerOf(dealer, half)) ?? ''
  await linker.stop()
  await push(dealer.website.token, anna)
  const stop = { dealer_id: dealerId, test: false, kind: 'email', value: 'holm@firm.example', learned_at: new Date() }
  await service.db('customer_stop_values').insert(stop)
  const clock = await holdClock(service.db, dealerId)
  linker = openLinkerOn(service)
  await until(async () => (await waitingForLocks(service.db)) > 0)
  const now = new Date()
  const edits = { id: newId(), customer_id: customerId, test: false, kind: 'people' } as const
  await addSource(clock, dealerId, { ...edits, source: null, external_id: null }, now)
  const data = { name: { full: 'Bo Holm' } }
  const changed_at = { name: now.toISOString() }
  await saveSource(clock, dealerId, { id: edits.id, data, changed_at, source_version: null }, now)
  await refresh(clock, dealerId, system, new Map([[customerId, undefined]]), now)
  await clock.commit()
  await caughtUp(dealer)
  const own = (await customerOf(dealer, half)) ?? ''
  expect(own).not.toBe(customerId)
  const found = await findCustomers(service.db, dealerId, [customerId, own])
  const shown = new Map(found.map((row) => [row.id, row.shown]))
  expect(shown.get(customerId)).toMatchObject({ name: { full: 'Bo Holm' }, phones: [] })
  expect(shown.get(own)).toMatchObject({ phones: [{ e164: '+4532123461' }] })
  // As if it were computed anew.
  await service.db.transaction(async (trx) => {
    await lockDealer(trx, dealerId)
    await refresh(trx, dealerId, system, new Map([customerId, own].map((id) => [id, undefined])), new Date())
  })
  expect(await findCustomers(service.db, dealerId, [customerId, own])).toEqual(expect.arrayContaining(found))
})
