import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { firstIdAt, inner, newId } from '../src/ids.ts'
import { expectedLeads, learnt, learntLeadsMax } from '../src/sources/rhythm.ts'
import { openWatcher, type Watcher } from '../src/sources/watcher.ts'
import { lead, startService, type TestService } from './service.ts'
import { kinds, measured, randomFrom, trace, weeks } from './sources-traces.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const weekMs = 7 * dayMs
const zone = 'Europe/Copenhagen'
const kind = (name: string) => kinds.find((each) => each.name.startsWith(name)) ?? expect.fail(name)

describe('what is usual', () => {
  const monday = Date.parse('2026-06-08T00:00:00+02:00')
  /** Two leads on every working day, at 10 and at 15 o'clock. */
  const regular = (first: number, count: number) =>
    Array.from({ length: count * 7 }, (_, day) =>
      day % 7 < 5 ? [10, 15].map((hour) => first + day * dayMs + hour * hourMs) : [],
    ).flat()

  it('is expected at the times of the week at which leads usually come, in the zone of the dealer', () => {
    const rhythm = learnt(regular(monday, 8), monday, zone) ?? expect.fail()
    const expected = (from: string, to: string) =>
      expectedLeads(rhythm, Date.parse(`${from}+02:00`), Date.parse(`${to}+02:00`))
    expect(expected('2026-08-03T00:00', '2026-08-08T00:00')).toBeGreaterThan(8)
    expect(expected('2026-08-03T00:00', '2026-08-08T00:00')).toBeLessThan(11)
    expect(expected('2026-08-08T00:00', '2026-08-10T00:00')).toBeLessThan(0.5)
    expect(expected('2026-08-04T09:00', '2026-08-04T16:00')).toBeGreaterThan(
      5 * expected('2026-08-04T18:00', '2026-08-05T01:00'),
    )
  })

  it('is nothing on holidays, nor is a lead of one learnt from', () => {
    const christmas = Date.parse('2026-12-24T00:00:00+01:00')
    const leads = regular(Date.parse('2026-11-02T00:00:00+01:00'), 7)
    const rhythm = learnt(leads, leads[0] ?? 0, zone) ?? expect.fail()
    expect(expectedLeads(rhythm, christmas, christmas + 9 * dayMs)).toBe(0)
    for (const holiday of ['2026-04-02', '2026-04-06', '2026-05-14', '2026-05-25', '2027-03-28', '2038-04-26'])
      expect(expectedLeads(rhythm, Date.parse(`${holiday}T06:00Z`), Date.parse(`${holiday}T20:00Z`))).toBe(0)
    expect(expectedLeads(rhythm, christmas + 9 * dayMs, christmas + 16 * dayMs)).toBeGreaterThan(7)
    const busy = Array.from({ length: 200 }, (_, at) => christmas + dayMs + at * 60_000)
    expect(
      learnt([...leads, ...busy], leads[0] ?? 0, zone)?.perHour.every(
        (each, hour) => each < 2 * (rhythm.perHour[hour] ?? 0),
      ),
    ).toBe(true)
  })

  it('is not known by few leads, nor by those of a few days', () => {
    expect(learnt([], monday, zone)).toBeUndefined()
    expect(learnt(regular(monday, 8).slice(-9), monday, zone)).toBeUndefined()
    expect(learnt(regular(monday, 2), monday, zone)).toBeUndefined()
    expect(
      learnt(
        Array.from({ length: learntLeadsMax }, (_, at) => monday + 60 * dayMs + at * 1_000),
        monday,
        zone,
      ),
    ).toBeUndefined()
    expect(learnt(Array<number>(20).fill(monday + 60 * dayMs), monday, zone)?.threshold).toBeGreaterThan(1)
  })

  it('is not what one outage was', () => {
    const { startedAt, leads } = trace(kind('steady, 50'), 5)
    const known = leads.filter((at) => at < startedAt + 8 * weekMs)
    const broken = known.filter((at) => at < startedAt + 4 * weekMs || at > startedAt + 5 * weekMs)
    expect(learnt(broken, startedAt, zone)?.threshold).toBeLessThan(
      1.2 * (learnt(known, startedAt, zone)?.threshold ?? 0),
    )
  })
})

it('is seldom wrong about a silence, and not late', () => {
  const outcomes = kinds.map((each) => measured(each, 10))
  const of = (name: string) => outcomes.find(({ kind }) => kind.startsWith(name)) ?? expect.fail(name)
  const falseAlarms = outcomes.reduce((all, each) => all + each.falseAlarms, 0) / outcomes.length
  console.info(
    `${falseAlarms.toFixed(2)} false alarms for each source and quarter; at 50 a week told after ${of('steady, 50').wakingP50.toFixed(1)} hours of the day, at 300 after ${of('steady, 300').wakingP50.toFixed(1)}`,
  )
  expect(falseAlarms).toBeLessThanOrEqual(0.25)
  for (const { kind, falseAlarms } of outcomes)
    expect([kind, falseAlarms]).toEqual([kind, expect.toSatisfy((alarms: number) => alarms <= 1)])
  expect(of('steady, 50').wakingP50).toBeLessThanOrEqual(24)
  expect(of('steady, 300').wakingP50).toBeLessThanOrEqual(6)
  for (const { kind, untold } of outcomes)
    expect([kind, untold]).toEqual([
      kind,
      expect.toSatisfy((share: number) => share <= (kind.startsWith('steady, 2 ') ? 0.2 : 0)),
    ])
})

describe('sources', () => {
  let service: TestService
  let dealer: Awaited<ReturnType<TestService['dealer']>>
  let other: Awaited<ReturnType<TestService['dealer']>>
  let watcher: Watcher
  const errors: unknown[] = []
  beforeAll(async () => {
    service = await startService()
    dealer = await service.dealer('sourced')
    other = await service.dealer('foreign')
    watcher = service.service.watcher
  })
  afterAll(async () => {
    await service.close()
    expect(errors).toEqual([])
  })

  const list = async (token = dealer.sales.token, query = '') =>
    (await service.call('GET', `/v1/sources${query}`, { token })).body
  const source = async (id: string, token?: string) =>
    (await list(token, '?limit=200')).items.find((each: { id: string }) => each.id === id)
  const apiKey = async (id: string) =>
    (await service.call('GET', `/v1/api-keys/${id}`, { token: dealer.admin.token })).body
  const silences = (id: string) =>
    service
      .db('source_silences')
      .where({ api_key_id: inner(id) })
      .orderBy('noticed_at')
  /** Leads that came at these times, and a key that has been the same since before. */
  const past = async (id: string, times: readonly number[], { test = false, dealerId = dealer.dealerId } = {}) => {
    await service
      .db('api_keys')
      .where({ id: inner(id) })
      .update({ updated_at: new Date('2026-01-01T00:00:00Z') })
    const rows = times.map((at) => {
      const received_at = new Date(at)
      return {
        dealer_id: dealerId,
        id: firstIdAt(received_at).slice(0, 14) + newId().slice(14),
        type: 'enquiry',
        status: 'new',
        source_type: 'api_key',
        source_id: inner(id),
        test,
        received_at,
        updated_at: received_at,
        version: 1,
        data: {},
        warnings: '[]',
      }
    })
    for (let at = 0; at < rows.length; at += 1_000) await service.db('leads').insert(rows.slice(at, at + 1_000))
  }
  /** Fifty leads a week for twelve weeks, the last one so many days ago: longer than any row of holidays. */
  const fiftyAWeek = (daysAgo: number, seed = 1) => {
    const random = randomFrom(seed)
    return Array.from(
      { length: 600 },
      (_, at) => Date.now() - daysAgo * dayMs - (600 - at - random()) * (weekMs / 50),
    ).toSorted((one, two) => one - two)
  }
  const newKey = (more: object = {}) => service.createKey(dealer.admin.token, { kind: 'digital_requests', ...more })

  it('are the keys that push leads, or may, newest first', async () => {
    const reader = await newKey({ kind: 'extensive_integrations', scopes: ['leads:read'] })
    const [unused, deleted, gone] = [await newKey(), await newKey(), await newKey()]
    await past(deleted.id, [Date.now() - 8 * dayMs, Date.now() - 3 * dayMs])
    for (const { id } of [deleted, gone])
      await service.call('DELETE', `/v1/api-keys/${id}`, { token: dealer.admin.token })
    await service.call('POST', '/v1/leads', { token: dealer.website.token, body: lead() })
    await service.call('POST', '/v1/leads', { token: dealer.website.token, body: lead({ test: true }) })
    const { items } = await list()
    expect(items.map(({ id }: { id: string }) => id)).toEqual([deleted.id, unused.id, dealer.dms.id, dealer.website.id])
    expect(items.map(({ id }: { id: string }) => id)).not.toContain(reader.id)
    expect(items[0]).toEqual({
      id: deleted.id,
      name: expect.any(String),
      deleted: true,
      lastLeadAt: expect.any(String),
      leadsLast7Days: 1,
    })
    expect(items[1]).toEqual({
      id: unused.id,
      name: expect.any(String),
      deleted: false,
      leadsLast7Days: 0,
      rhythm: 'learning',
    })
    expect(items[3]).toMatchObject({ name: 'Main Website Lead Form', leadsLast7Days: 1, rhythm: 'learning' })
  })

  it('come page by page', async () => {
    const all = (await list()).items
    const first = await list(undefined, '?limit=3')
    const second = await list(undefined, `?limit=3&cursor=${first.nextCursor}`)
    expect([...first.items, ...second.items].slice(0, all.length)).toEqual(all.slice(0, 6))
    expect((await list(undefined, '?limit=200')).nextCursor).toBeUndefined()
  })

  it('are those of the dealer alone', async () => {
    const ids = (await list(other.sales.token)).items.map(({ id }: { id: string }) => id)
    expect(ids).toEqual([other.dms.id, other.website.id])
  })

  it('show a test key test leads only', async () => {
    const key = await newKey({ kind: 'extensive_integrations', environment: 'test' })
    const token = await service.exchange(key.secret)
    await service.call('POST', '/v1/leads', { token, body: lead() })
    expect((await source(dealer.website.id, token)).leadsLast7Days).toBe(1)
    expect(await source(key.id, token)).toEqual({
      id: key.id,
      name: expect.any(String),
      deleted: false,
      lastLeadAt: expect.any(String),
      leadsLast7Days: 1,
    })
    expect(await source(key.id)).toEqual({ id: key.id, name: expect.any(String), deleted: false, leadsLast7Days: 0 })
  })

  it('are quiet when leads would have come, until the next one comes', async () => {
    const { id, secret } = await newKey()
    const times = fiftyAWeek(20)
    await past(id, times)
    expect((await source(id)).rhythm).toBe('usual')
    await watcher.look()
    const quiet = {
      since: new Date(times.at(-1) ?? 0).toISOString(),
      expectedLeads: expect.toSatisfy((count: number) => count > 40 && count < 200),
      noticedAt: expect.any(String),
    }
    expect(await source(id)).toMatchObject({ rhythm: 'quiet', leadsLast7Days: 0, quiet })
    expect((await apiKey(id)).quiet).toEqual(quiet)

    await service
      .db('source_silences')
      .where({ api_key_id: inner(id) })
      .update({ expected: 5 })
    await watcher.look()
    expect(await source(id)).toMatchObject({ quiet })

    const token = await service.exchange(secret)
    await service.call('POST', '/v1/leads', { token, body: lead({ test: true }) })
    await watcher.look()
    expect((await source(id)).rhythm).toBe('quiet')

    await service.call('POST', '/v1/leads', { token, body: lead() })
    expect([
      (await source(id)).rhythm,
      (await apiKey(id)).quiet,
      (await silences(id)).map(({ ended_at }) => ended_at),
    ]).toEqual(['usual', undefined, [null]])
    await watcher.look()
    expect((await silences(id)).map(({ ended_at }) => ended_at)).toEqual([expect.any(Date)])
  })

  it('are not watched while they are switched off, gone, expired or test keys, nor before their rhythm is known', async () => {
    const [disabled, deleted, expired, few, usual, forgotten, changed] = await Promise.all(
      Array.from({ length: 7 }, () => newKey()),
    )
    const test = await newKey({ environment: 'test' })
    for (const key of [disabled, deleted, expired, changed]) await past(key?.id ?? '', fiftyAWeek(20))
    await past(test.id, fiftyAWeek(20), { test: true })
    await past(few?.id ?? '', fiftyAWeek(20).slice(-9))
    await past(usual?.id ?? '', fiftyAWeek(0))
    await past(forgotten?.id ?? '', fiftyAWeek(57))
    await service.call('PATCH', `/v1/api-keys/${disabled?.id}`, { token: dealer.admin.token, body: { disabled: true } })
    await service.call('DELETE', `/v1/api-keys/${deleted?.id}`, { token: dealer.admin.token })
    await service
      .db('api_keys')
      .where({ id: inner(expired?.id ?? '') })
      .update({ expires_at: new Date(Date.now() - dayMs) })
    await service.call('PATCH', `/v1/api-keys/${changed?.id}`, {
      token: dealer.admin.token,
      body: { name: 'Had its time again' },
    })
    await watcher.look()
    for (const key of [disabled, deleted, expired, few, usual, forgotten, changed, test])
      expect(await silences(key?.id ?? '')).toEqual([])
  })

  it('are not quiet any longer when they are switched off', async () => {
    const { id } = await newKey()
    await past(id, fiftyAWeek(20))
    await watcher.look()
    expect((await source(id)).rhythm).toBe('quiet')
    await service.call('PATCH', `/v1/api-keys/${id}`, { token: dealer.admin.token, body: { disabled: true } })
    expect([(await source(id)).rhythm, (await apiKey(id)).quiet]).toEqual([undefined, undefined])
    await watcher.look()
    expect((await silences(id))[0].ended_at).not.toBeNull()
  })

  it('are looked after by one process at a time, whatever becomes of it', async () => {
    const { id } = await newKey()
    await past(id, fiftyAWeek(20))
    const killed = new pg.Client(service.connection)
    killed.on('error', () => undefined)
    await killed.connect()
    await killed.query('begin')
    const { rows } = await killed.query(
      'select pg_backend_pid() as pid, pg_advisory_xact_lock(hashtextextended($1, 0))',
      ['watching for silent sources'],
    )
    await watcher.look()
    expect(await silences(id)).toEqual([])
    await service.db.raw('select pg_terminate_backend(?)', [rows[0].pid])

    const others = Array.from({ length: 4 }, () => openWatcher(service.db, (error) => errors.push(error)))
    await expect
      .poll(async () => {
        await Promise.all(others.map(({ look }) => look()))
        return (await silences(id)).length
      })
      .toBe(1)
    for (const { stop } of others) await stop()
  })

  it('are learnt from once a day, and looked at in a few queries', async () => {
    const keys = await Promise.all(Array.from({ length: 20 }, () => newKey()))
    for (const [at, { id }] of keys.entries()) await past(id, fiftyAWeek(1, at + 10))
    const queries: string[] = []
    const note = ({ sql }: { sql: string }) => queries.push(sql)
    const newWatcher = openWatcher(service.db, (error) => errors.push(error))
    await newWatcher.look()
    service.db.on('query', note)
    await newWatcher.look()
    service.db.removeListener('query', note)
    await newWatcher.stop()
    expect(queries.length).toBeLessThan(12)
    expect(queries.filter((sql) => sql.includes('array_agg'))).toEqual([])
  })
})

it('looks at sources every five minutes, also after it failed, until the service stops', async () => {
  vi.useFakeTimers()
  const told: unknown[] = []
  let looked = 0
  const away = { transaction: () => Promise.reject(new Error(`away ${++looked}`)) }
  const watcher = openWatcher(away as never, (error, job) => told.push([String(error), job]))
  for (const times of [1, 2]) {
    await vi.advanceTimersByTimeAsync(5 * 60_000)
    expect(looked).toBe(times)
  }
  await watcher.stop()
  await vi.advanceTimersByTimeAsync(60 * 60_000)
  vi.useRealTimers()
  expect(looked).toBe(2)
  expect(told).toEqual([['Error: away 1', 'watching for silent sources']])
})

it('makes traces of the same length each time', () => {
  expect(trace(kind('steady, 10'), 3).leads).toEqual(trace(kind('steady, 10'), 3).leads)
  expect(
    trace(kind('steady, 300'), 1).leads.filter((at) => at < Date.parse('2026-06-08T00:00Z') + weeks * weekMs).length /
      weeks,
  ).toBeGreaterThan(280)
})
