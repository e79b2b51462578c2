import type { Knex } from 'knex'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { openJob, type Report } from '../src/background.ts'
import { inTurn } from '../src/db/turn.ts'
import { inner, newId } from '../src/ids.ts'
import { addMails } from '../src/outbox/store.ts'
import { addRequests } from '../src/requests/store.ts'
import { endCredentials } from '../src/tokens/store.ts'
import { openSweeps, rowsAtOnceMax, sweeps, swept } from '../src/sweeps.ts'
import { until } from './patience.ts'
import { idAt, lead, startService, type TestService } from './service.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs
// More than two batches, and not a whole number of them.
const backlog = 2 * rowsAtOnceMax + 10

let service: TestService
let dealer: Awaited<ReturnType<TestService['dealer']>>
beforeAll(async () => {
  service = await startService()
  dealer = await service.dealer('swept')
})
afterAll(() => service.close())

const ago = (ms: number) => new Date(Date.now() - ms)
const times = <T>(count: number, make: (at: number) => T): T[] => Array.from({ length: count }, (_, at) => make(at))
const count = async (rows: Knex.QueryBuilder) => Number((await rows.count({ count: '*' }))[0]?.['count'])
const tryToSweep = (name: string) =>
  swept(service.db, sweeps.find((each) => each.name === name) ?? expect.fail(name), new AbortController().signal)
const waiting = () =>
  count(service.db('pg_stat_activity').whereRaw("datname = current_database() and wait_event_type = 'Lock'"))
/** The service sweeps, too. */
const sweep = async (name: string) => {
  await expect.poll(() => inTurn(service.db, name, async () => true)).toBe(true)
  await tryToSweep(name)
}

/** Adds rows in as many statements as the driver needs. */
async function add(table: string, rows: readonly object[]): Promise<void> {
  for (let at = 0; at < rows.length; at += 2_000) await service.db(table).insert(rows.slice(at, at + 2_000))
}

describe('a sweep', () => {
  it('of Idempotency-Keys goes on until all that have expired are gone, and leaves the others and the references', async () => {
    const pushed = await service.call('POST', '/v1/leads', {
      token: dealer.dms.token,
      body: lead({ externalReference: { source: 'sweep', id: '1' } }),
      headers: { 'idempotency-key': 'young' },
    })
    const claims = service.db('lead_claims').where({ dealer_id: dealer.dealerId })
    const claim = (value: string, expires_at: Date) => ({
      dealer_id: dealer.dealerId,
      subject_id: inner(dealer.dms.id),
      kind: 'idempotency',
      value,
      lead_id: inner(pushed.body.id),
      received_at: expires_at,
      warnings: '[]',
      expires_at,
    })
    await add('lead_claims', [
      ...times(backlog, (at) => claim(`old ${at}`, ago(1_000 + at))),
      claim('soon', ago(-hourMs)),
    ])
    await sweep('sweeping Idempotency-Keys')
    const left = await claims.clone().pluck('value')
    expect(new Set(left)).toEqual(new Set([JSON.stringify(['sweep', '1']).replace(',', ', '), 'soon', 'young']))
  })

  it('of the log of requests leaves those that are young enough, and the counts of their hours', async () => {
    const request = (at: Date) => ({
      dealer_id: dealer.dealerId,
      id: idAt(at),
      at,
      api_key_id: inner(dealer.website.id),
      credential_id: newId(),
      request_id: 'r',
      operation: 'createLead',
      status: 201,
      duration_ms: 1,
      address: '',
      user_agent: null,
      lead_id: null,
      problem: null,
      violation: null,
      logged: true,
    })
    const kept = times(5, (at) => request(ago((13 + at / 10) * dayMs)))
    const all = [...times(backlog, (at) => request(ago(15 * dayMs + at))), request(ago(401 * dayMs)), ...kept]
    await addRequests(service.service.database.hot, all)
    const requests = service.db('api_key_requests').where({ request_id: 'r' })
    await sweep('sweeping the log of requests')
    expect(new Set(await requests.clone().pluck('id'))).toEqual(new Set(kept.map(({ id }) => id)))

    const usage = service.db('api_key_usage').where({ api_key_id: inner(dealer.website.id), operation: 'createLead' })
    const counted = async () => Number((await usage.clone().sum({ sum: 'requests' }))[0]?.['sum'])
    expect(await counted()).toBe(all.length)
    await sweep('sweeping hourly usage')
    expect(await counted()).toBe(all.length - 1)
  })

  it('of mails leaves those of the last 30 days', async () => {
    const mails = service.db('mails').where({ dealer_id: dealer.dealerId })
    const mail = { user_id: inner(dealer.admin.userId), kind: 'new_leads' as const, data: {} }
    await addMails(service.db, dealer.dealerId, [{ ...mail, dedupe: 'young' }])
    const young = await mails.clone().first()
    await add(
      'mails',
      times(backlog, (at) => ({ ...young, id: idAt(ago(31 * dayMs + at)), data: '{}', dedupe: `old ${at}` })),
    )
    await sweep('sweeping mails')
    expect(await mails.clone().pluck('dedupe')).toEqual(['young'])
  })

  it('of sessions takes their credentials along, and leaves those that live, those of keys, and what a key is known by', async () => {
    const { dealerId, admin, dms } = dealer
    const credentials = service.db('credentials').where({ dealer_id: dealerId })
    const before = await credentials.clone().orderBy('id').pluck('id')
    const replaced = await service.call('POST', `/v1/api-keys/${dms.id}/replacement`, {
      token: admin.token,
      body: { oldEnds: 'at_once', newCounts: 'at_once' },
    })
    expect(replaced.status).toBe(201)
    const [first] = await credentials.clone().where({ subject_type: 'user' })
    const [session] = await service.db('sessions').where({ credential_id: first.id })
    const old = times(backlog, (at) => ({ ...first, id: idAt(ago(2 * dayMs + at)), ends_at: '-infinity' }))
    await add('credentials', old)
    await add(
      'sessions',
      old.map(({ id }) => ({ ...session, credential_id: id })),
    )
    await sweep('sweeping sessions')
    const left = await credentials.clone().orderBy('id').pluck('id')
    expect(left).toHaveLength(before.length + 1)
    expect(left).toEqual(expect.arrayContaining(before))
    expect(await count(service.db('sessions').where({ user_id: session.user_id }))).toBe(1)
    expect((await service.call('GET', '/v1/me', { token: admin.token })).status).toBe(200)
    const refused = await service.call('POST', '/v1/auth/token', { headers: { 'x-api-key': dms.secret } })
    expect([refused.status, refused.body.error_description]).toEqual([401, expect.stringContaining('was replaced')])
  })

  it('of sessions makes no difference to whoever still holds a token and a cookie of one', async () => {
    const { token, cookie } = await service.signIn(dealer.sales.email)
    const asked = async () => [
      (await service.call('GET', '/v1/me', { token })).body,
      (await service.call('POST', '/v1/session/token', { headers: { cookie } })).body,
    ]
    const told = ([one, other]: any[]) => [one.code, one.detail, other.code, other.detail]
    const [sent] = /session=(\S{64})/.exec(cookie)?.slice(1) ?? []
    const id = inner(`_${sent?.slice(32)}`)
    await service.db('credentials').where({ id }).update({ ends_at: '-infinity', epoch: 2 })
    const ended = told(await asked())
    await service.db('sessions').where({ credential_id: id }).delete()
    await service.db('credentials').where({ id }).delete()
    expect(told(await asked())).toEqual(ended)
    expect(ended[0]).toBe('token-invalid')
  })

  it('of password links leaves those that still work', async () => {
    const { body } = await service.call('POST', '/v1/users', {
      token: dealer.admin.token,
      body: { email: 'invited@swept.example', name: 'Invited', role: 'sales' },
    })
    const links = service.db('password_links')
    const [young] = await links.clone()
    await links.clone().insert({ ...young, user_id: inner(dealer.admin.userId), expires_at: ago(1_000) })
    await sweep('sweeping password links')
    expect(await links.clone().pluck('user_id')).toEqual([inner(body.user.id)])
  })

  it('is done by one process at a time, and by the next when that is killed', async () => {
    const name = 'sweeping Idempotency-Keys'
    await service
      .db('lead_claims')
      .where({ value: 'soon' })
      .update({ expires_at: ago(1_000) })
    const soon = service.db('lead_claims').where({ value: 'soon' })
    const other = new pg.Client(service.connection)
    other.on('error', () => undefined)
    await other.connect()
    await other.query('begin')
    const { rows } = await other.query(
      'select pg_backend_pid() as pid, pg_advisory_xact_lock(hashtextextended($1, 0))',
      [name],
    )
    await tryToSweep(name)
    expect(await count(soon.clone())).toBe(1)
    await service.db.raw('select pg_terminate_backend(?)', [rows[0].pid])
    await expect.poll(async () => (await sweep(name), await count(soon.clone()))).toBe(0)
  })

  it('does not wait for a row that somebody else holds', async () => {
    const young = service.db('lead_claims').where({ value: 'young' })
    await young.clone().update({ expires_at: ago(1_000) })
    const holder = await service.db.transaction()
    onTestFinished(async () => void (await holder.rollback()))
    await holder('lead_claims').where({ value: 'young' }).forUpdate().select('value')
    await sweep('sweeping Idempotency-Keys')
    expect(await count(young.clone())).toBe(1)
  })

  it('waits for no row that a change holds, and no change for one that is swept', async () => {
    const { dealerId, sales } = dealer
    const user = inner(sales.userId)
    const mine = () => service.db('credentials').where({ dealer_id: dealerId, subject_id: user })
    const [living] = await mine().where('ends_at', '>', new Date())
    const [session] = await service.db('sessions').where({ credential_id: living.id })
    // The sweep goes by the ids, a change by where they lie.
    const ids = times(3, (at) => idAt(ago(2 * dayMs - at * 1_000)))
    for (const id of ids.toReversed()) {
      await service.db('credentials').insert({ ...living, id, ends_at: ago(dayMs) })
      await service.db('sessions').insert({ ...session, credential_id: id })
    }
    const holder = await service.db.transaction()
    onTestFinished(async () => void (holder.isCompleted() || (await holder.rollback())))
    await holder('credentials').where({ id: ids[1] }).forUpdate().select('id')
    const both = Promise.all([
      sweep('sweeping sessions'),
      service.db.transaction((trx) => endCredentials(trx, dealerId, user)),
    ])
    await Promise.race([both, until(async () => (await waiting()) === 2)])
    await holder.commit()
    await both
    expect((await mine().whereIn('id', ids)).length).toBe(1)
    const left = await mine().where({ id: living.id }).first()
    expect([left.ends_at, left.epoch]).toEqual([-Infinity, living.epoch + 1])
    await sweep('sweeping sessions')
    expect(await mine().whereIn('id', ids)).toEqual([])
  })

  it.each(sweeps)('waits for nobody: $name', async ({ batch }) => {
    const said: string[] = []
    const listen = ({ sql }: { sql: string }) => void said.push(sql)
    await service.db.transaction(async (trx) => {
      trx.on('query', listen)
      await batch(trx, 1)
    })
    const changes = said.filter((sql) => /\b(delete from|update)\b/.test(sql))
    expect(changes.length).toBeGreaterThan(0)
    for (const sql of changes) expect(sql).toMatch(/for update skip locked/)
  })

  it('says so once when it begins to fail, and again when it fails after it has worked', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    onTestFinished(() => void vi.useRealTimers())
    const told: Parameters<Report>[] = []
    let fails = true
    let ran = 0
    const job = openJob(
      'a job',
      1_000,
      (...all) => told.push(all),
      async () => {
        ran++
        if (fails) throw new Error(`away ${ran}`)
      },
    )
    const round = async () => {
      const before = ran
      await vi.advanceTimersByTimeAsync(1_000)
      expect(ran).toBe(before + 1)
      await job.run().catch(() => undefined)
    }
    await round()
    await round()
    fails = false
    await round()
    fails = true
    await round()
    expect(told.map(([error, name]) => [String(error), name])).toEqual([
      ['Error: away 1', 'a job'],
      ['Error: away 7', 'a job'],
    ])
    await job.stop()
    await vi.advanceTimersByTimeAsync(10_000)
    expect(ran).toBe(8)
  })

  it('that fails says so once, whichever it is, and does nothing after the service has stopped', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    onTestFinished(() => void vi.useRealTimers())
    const told: string[] = []
    let tries = 0
    const away = { transaction: () => Promise.reject(new Error(`away ${++tries}`)) }
    const jobs = openSweeps(away as never, (_error, job) => told.push(job))
    await vi.advanceTimersByTimeAsync(hourMs)
    expect(told.toSorted()).toEqual(sweeps.map(({ name }) => name).toSorted())
    expect(tries).toBeGreaterThan(3 * sweeps.length)
    await Promise.all(jobs.map((job) => job.stop()))
    const before = tries
    await vi.advanceTimersByTimeAsync(hourMs)
    expect(tries).toBe(before)
  })
})
