import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Database, openDatabase } from '../../src/db/pool.ts'
import { inner, newId } from '../../src/ids.ts'
import { createDealer } from '../../src/users/operator.ts'
import { amount } from '../long.ts'
import { until } from '../patience.ts'
import { randomFrom, seed } from '../seed.ts'
import { freshDatabase, lead, password, type Reply, send, startService, type TestService } from '../service.ts'
import {
  allArrive,
  endServers,
  holdClock,
  onDatabase,
  openDealer,
  type Server,
  startServer,
  waitingForLocks,
} from './processes.ts'
import { newLedger, nothingWrong, tally } from './sender.ts'

const races = amount(150, 10_000)
const rounds = Math.ceil(races / 20)
const lanes = 12
const twins = 4
const dealerCount = 4

type Post = { body: object; key?: string | undefined }
const reference = (id: string) => ({ externalReference: { source: 'site', id } })
const isReplayed = ({ headers }: Reply) => headers.get('idempotency-replayed') === 'true'
/** The status of each answer, the replayed ones marked. */
const outcomes = (replies: readonly Reply[]) =>
  replies.map((reply) => `${reply.status}${isReplayed(reply) ? ' replayed' : ''}`).toSorted()
const ids = (replies: readonly Reply[]) => [...new Set(replies.map(({ body }) => body.id as string))]
/** The name of the claim in the table. */
const claimOf = (id: string) => `["site", "${id}"]`

describe('two processes', () => {
  let connection: Awaited<ReturnType<typeof freshDatabase>>
  let database: Database
  let servers: [Server, Server]
  let dealers: Awaited<ReturnType<typeof openDealer>>[]
  const random = randomFrom(seed)

  beforeAll(async () => {
    connection = await freshDatabase()
    database = openDatabase(connection, () => undefined)
    // Two processes that both make the first admin would be another test.
    await createDealer(
      database.db,
      { name: 'First', country: 'DK', time_zone: 'Europe/Copenhagen', language: 'da' },
      { email: 'admin@first.example', name: 'Admin', password },
    )
    const env = onDatabase(connection, 'http://localhost:3000')
    servers = await Promise.all([startServer(env), startServer(env)])
    dealers = await Promise.all(
      Array.from({ length: dealerCount }, (_, at) => openDealer(database.db, servers[0].url, `claims${at}`)),
    )
  })
  afterAll(async () => {
    await endServers()
    await database.close()
  })

  const push = (process: number, dealer: number, { body, key }: Post) =>
    send(`${servers[process]?.url}/v1/leads`, 'POST', {
      token: dealers[dealer]?.token ?? '',
      body,
      headers: { ...(key !== undefined && { 'idempotency-key': `"${key}"` }) },
    })
  const pushOfBatch = async (process: number, dealer: number, { body, key }: Post): Promise<Reply> => {
    const reply = await send(`${servers[process]?.url}/v1/leads/batch`, 'POST', {
      token: dealers[dealer]?.token ?? '',
      body: { leads: [{ idempotencyKey: key, lead: body }] },
    })
    const { status, lead, replayed } = reply.body.results[0]
    return {
      status,
      body: lead,
      text: JSON.stringify(lead),
      headers: new Headers(replayed && { 'idempotency-replayed': 'true' }),
    }
  }
  const dealerIds = () => dealers.map(({ dealerId }) => dealerId)

  it(`store one lead for identical posts side by side, and answer them alike: ${races} races`, async () => {
    const ledger = newLedger()
    let next = 0
    const race = async () => {
      const id = `race ${next++}`
      const dealer = Math.floor(random() * dealerCount)
      const oddities = [{}, { customer: { phones: [{ number: 'what?' }] } }, reference(id), { colour: 'red' }]
      const post = { body: lead({ message: id, ...oddities[Math.floor(random() * oddities.length)] }), key: id }
      const send = random() < 0.2 ? pushOfBatch : push
      ledger.begun.add(id)
      const replies = await Promise.all(Array.from({ length: twins }, (_, at) => send(at % 2, dealer, post)))
      expect(outcomes(replies)).toEqual(['201', ...Array(twins - 1).fill('201 replayed')])
      expect(new Set(replies.map(({ text }) => text)).size).toBe(1)
      ledger.acknowledged.set(id, replies[0]?.body.id)
    }
    await Promise.all(
      Array.from({ length: lanes }, async () => {
        while (next < races) await race()
      }),
    )
    expect(ledger.acknowledged.size).toBe(races)
    expect(await tally(database.db, dealerIds(), ledger, true)).toEqual(nothingWrong)
  })

  it(`agree on keys and references that they meet in opposite order: ${rounds} rounds`, async () => {
    /** The claims that there must be in the end, and nothing else. */
    const claims = new Map<string, string>((await allClaims()).map(({ name, lead_id }) => [name, lead_id]))
    const storedBefore = await database.db('leads').pluck('id')
    const stored = new Set<string>(storedBefore)
    const claim = (dealer: number, name: string, reply: Reply | undefined) =>
      claims.set(`${dealers[dealer]?.dealerId} ${name}`, inner(reply?.body.id))

    for (let round = 0; round < rounds; round++) {
      const name = (what: string, dealer: number, of = round) => `${what} ${of}/${dealer}`
      const isFirst = round === 0
      const work = Array.from({ length: dealerCount }, (_, dealer) => [
        meeting(dealer, { body: lead(), key: name('plain', dealer) }, undefined, (replies) => {
          expect(outcomes(replies)).toEqual(['201', '201 replayed'])
          claim(dealer, name('plain', dealer), replies[0])
        }),
        meeting(
          dealer,
          { body: lead(reference(name('ref', dealer))), key: name('left', dealer) },
          { body: lead(reference(name('ref', dealer))), key: name('right', dealer) },
          (replies) => {
            expect(outcomes(replies)).toEqual(['200', '201'])
            for (const claimed of [claimOf(name('ref', dealer)), name('left', dealer), name('right', dealer)])
              claim(dealer, claimed, replies[0])
          },
        ),
        meeting(dealer, { body: lead(reference(name('bare', dealer))) }, undefined, (replies) => {
          expect(outcomes(replies)).toEqual(['200', '201'])
          claim(dealer, claimOf(name('bare', dealer)), replies[0])
        }),
        meeting(
          dealer,
          {
            body: lead({ message: 'left', ...reference(name('lost left', dealer)) }),
            key: name('contested', dealer),
          },
          {
            body: lead({ message: 'right', ...reference(name('lost right', dealer)) }),
            key: name('contested', dealer),
          },
          (replies) => {
            expect(outcomes(replies)).toEqual(['201', '422'])
            const [winner, side] = replies[0]?.status === 201 ? [replies[0], 'left'] : [replies[1], 'right']
            claim(dealer, name('contested', dealer), winner)
            claim(dealer, claimOf(name(`lost ${side}`, dealer)), winner)
          },
        ),
        ...(isFirst
          ? []
          : [
              meeting(
                dealer,
                { body: lead(reference(name('ref', dealer, round - 1))), key: name('again', dealer) },
                undefined,
                (replies) => {
                  expect(outcomes(replies)).toEqual(['200', '200 replayed'])
                  expect(inner(replies[0]?.body.id)).toBe(
                    claims.get(`${dealers[dealer]?.dealerId} ${claimOf(name('ref', dealer, round - 1))}`),
                  )
                  claim(dealer, name('again', dealer), replies[0])
                },
              ),
              meeting(
                dealer,
                { body: lead({ message: `taken over in ${round}` }), key: name('plain', dealer, round - 1) },
                undefined,
                (replies) => {
                  expect(outcomes(replies)).toEqual(['201', '201 replayed'])
                  expect(inner(replies[0]?.body.id)).not.toBe(
                    claims.get(`${dealers[dealer]?.dealerId} ${name('plain', dealer, round - 1)}`),
                  )
                  claim(dealer, name('plain', dealer, round - 1), replies[0])
                },
              ),
              meeting(
                dealer,
                { body: lead(reference(name('never', dealer))), key: name('left', dealer, round - 1) },
                undefined,
                (replies) => {
                  expect(replies.map(({ status, body }) => [status, body.code])).toEqual([
                    [422, 'idempotency-key-reused'],
                    [422, 'idempotency-key-reused'],
                  ])
                },
              ),
            ]),
      ]).flat()
      const expired = Array.from({ length: dealerCount }, (_, dealer) => name('plain', dealer, round - 1))
      await database
        .db('lead_claims')
        .where({ kind: 'idempotency' })
        .whereIn('value', expired)
        .update({ expires_at: database.db.raw("clock_timestamp() - interval '1 second'") })

      // All at once, so that groups form; each process meets them in the other order.
      const order = work
        .map((each) => ({ each, at: random() }))
        .toSorted((one, other) => one.at - other.at)
        .map(({ each }) => each)
      const left = new Map(order.map((each) => [each, push(0, each.dealer, each.left)]))
      const right = new Map(order.toReversed().map((each) => [each, push(1, each.dealer, each.right)]))
      for (const each of order) {
        const replies = (await Promise.all([left.get(each), right.get(each)])) as [Reply, Reply]
        each.check(replies)
        expect(ids(replies.filter(({ status }) => status < 300))).toHaveLength(
          replies.some(({ status }) => status < 300) ? 1 : 0,
        )
        for (const { status, body } of replies) if (status < 300) stored.add(inner(body.id))
      }
    }
    expect(new Map((await allClaims()).map(({ name, lead_id }) => [name, lead_id]))).toEqual(claims)
    expect(new Set(await database.db('leads').pluck('id'))).toEqual(stored)
    const { eventless, leadless, gaps, dangling } = await tally(database.db, dealerIds(), newLedger(), false)
    expect([eventless, leadless, gaps, dangling]).toEqual([0, 0, [], 0])
  })

  it('never had to be torn from a deadlock', async () => {
    await endServers()
    // Sessions count their deadlocks for everybody to see when they end, at the latest.
    const ours = () =>
      database
        .db('pg_stat_activity')
        .whereLike('application_name', 'carbuddii%')
        .whereRaw('datname = current_database() and pid <> pg_backend_pid()')
    await database.close()
    database = openDatabase(connection, () => undefined)
    await until(async () => (await ours()).length === 0)
    expect((await database.db('pg_stat_database').whereRaw('datname = current_database()').first()).deadlocks).toBe('0')
  })

  const allClaims = async (): Promise<{ name: string; lead_id: string }[]> =>
    database.db('lead_claims').select('lead_id', database.db.raw("dealer_id || ' ' || value as name"))
  const meeting = (dealer: number, left: Post, right: Post = left, check: (replies: [Reply, Reply]) => void) => ({
    dealer,
    left,
    right,
    check,
  })
})

describe('one group', () => {
  let service: TestService
  let dealer: Awaited<ReturnType<TestService['dealer']>>
  beforeAll(async () => {
    service = await startService()
    dealer = await service.dealer('group')
  })
  afterAll(() => service.close())

  const push = ({ body, key }: Post) =>
    service.call('POST', '/v1/leads', {
      token: dealer.website.token,
      body,
      headers: { ...(key !== undefined && { 'idempotency-key': `"${key}"` }) },
    })
  const claimsOf = (...values: string[]) =>
    service.db('lead_claims').where({ dealer_id: dealer.dealerId }).whereIn('value', values).orderBy('value')
  const expire = (key: string) =>
    service
      .db('lead_claims')
      .where({ kind: 'idempotency', value: key })
      .update({ expires_at: service.db.raw("clock_timestamp() - interval '1 second'") })
  const transactions = async (leadAhead = newId()): Promise<string[]> => {
    const { rows } = await service.db.raw(
      `select xmin::text from leads where dealer_id = :dealerId and id <> :leadAhead
       union select xmin::text from lead_claims where dealer_id = :dealerId`,
      { dealerId: dealer.dealerId, leadAhead },
    )
    return rows.map(({ xmin }: { xmin: string }) => xmin)
  }

  /** Holds the dealer's clock under another lead until all posts wait together for the group after it. */
  async function together(posts: readonly Post[]): Promise<Reply[]> {
    const before = await transactions()
    const clock = await holdClock(service.db, dealer.dealerId)
    const ahead = push({ body: lead({ message: 'ahead' }) })
    await until(async () => (await waitingForLocks(service.db)) === 1)
    const replies = await allArrive(posts.map((post) => () => push(post)))
    await clock.commit()
    const first = await ahead
    expect(first.status).toBe(201)
    const answered = await Promise.all(replies)
    // All that they wrote is of one transaction.
    const theirs = await transactions(inner(first.body.id))
    expect(theirs.filter((xmin) => !before.includes(xmin)).length).toBe(
      answered.some(({ status }) => status < 300) ? 1 : 0,
    )
    return answered
  }

  it('answers all posts of one key like the first', async () => {
    const post = { body: lead({ customer: { phones: [{ number: 'what?' }] } }), key: 'twins' }
    const replies = await together(Array(5).fill(post))
    expect(outcomes(replies)).toEqual(['201', ...Array(4).fill('201 replayed')])
    expect(new Set(replies.map(({ text }) => text)).size).toBe(1)
    expect(await service.db('leads').where({ id: inner(replies[0]?.body.id) })).toHaveLength(1)
    expect(await claimsOf('twins')).toMatchObject([{ lead_id: inner(replies[0]?.body.id) }])
  })

  it('refuses the other request of a key, whose reference stays free', async () => {
    const [one, other] = ['one', 'other'].map((message) => ({
      body: lead({ message, ...reference(`of ${message}`) }),
      key: 'contested',
    })) as [Post, Post]
    const replies = await together([one, other, one, other])
    expect(outcomes(replies)).toEqual(['201', '201 replayed', '422', '422'])
    const [lost, won] = replies[0]?.status === 201 ? ['of other', 'of one'] : ['of one', 'of other']
    expect(await claimsOf(claimOf(lost))).toEqual([])
    expect(await claimsOf(claimOf(won), 'contested')).toHaveLength(2)
    expect((await push({ body: lead(reference(lost)) })).status).toBe(201)
  })

  it('knows the lead of a reference under every key, and each key keeps its answer', async () => {
    const posts: Post[] = ['a', 'b', 'c', undefined].map((key) => ({ body: lead(reference('shared')), key }))
    const replies = await together(posts)
    expect(outcomes(replies)).toEqual(['200', '200', '200', '201'])
    expect(ids(replies)).toHaveLength(1)
    expect((await claimsOf('a', 'b', 'c', claimOf('shared'))).map(({ lead_id }) => lead_id)).toEqual(
      Array(4).fill(inner(ids(replies)[0] ?? '')),
    )
    for (const [at, post] of posts.slice(0, 3).entries()) {
      const again = await push(post)
      expect([again.status, again.text, isReplayed(again)]).toEqual([replies[at]?.status, replies[at]?.text, true])
    }
  })

  it('answers who follows on the key of a known lead like the first', async () => {
    const known = await push({ body: lead(reference('known')) })
    const replies = await together(
      Array(3).fill({ body: lead({ message: 'again', ...reference('known') }), key: 'of known' }),
    )
    expect(outcomes(replies)).toEqual(['200', '200 replayed', '200 replayed'])
    expect(replies.map(({ body }) => body)).toEqual(Array(3).fill({ ...known.body, duplicate: true }))
  })

  it('answers who follows on the key of a lead that is known within the group like the first', async () => {
    const post = { body: lead(reference('inside')), key: 'of inside' }
    const [bare, ...keyed] = await together([{ body: lead(reference('inside')) }, post, post])
    expect(outcomes(keyed)).toEqual([String(keyed[0]?.status), `${keyed[0]?.status} replayed`])
    expect(keyed[1]?.text).toBe(keyed[0]?.text)
    expect([bare?.status, keyed[0]?.status].toSorted((a = 0, b = 0) => a - b)).toEqual([200, 201])
    expect(new Set([bare?.body.id, ...ids(keyed)]).size).toBe(1)
  })

  it('lets twins take over a key that has expired, as one', async () => {
    const old = await push({ body: lead({ message: 'old' }), key: 'expired' })
    await expire('expired')
    const replies = await together(Array(2).fill({ body: lead({ message: 'new' }), key: 'expired' }))
    expect(outcomes(replies)).toEqual(['201', '201 replayed'])
    expect(ids(replies)).toEqual([expect.not.stringContaining(old.body.id)])
    expect(await claimsOf('expired')).toMatchObject([{ lead_id: inner(ids(replies)[0] ?? '') }])
    expect(await service.db('leads').where({ id: inner(old.body.id) })).toHaveLength(1)
  })

  it('lets one of two requests take over a key that has expired', async () => {
    const old = { body: lead({ message: 'old' }), key: 'expired and contested' }
    await push(old)
    await expire('expired and contested')
    const replies = await together([
      { ...old, body: lead({ message: 'one' }) },
      { ...old, body: lead({ message: 'other' }) },
    ])
    expect(outcomes(replies)).toEqual(['201', '422'])
  })

  it('stores nothing for a key of another request, be there two of them', async () => {
    await push({ body: lead({ message: 'owner' }), key: 'owned' })
    const replies = await together(Array(2).fill({ body: lead(reference('of nobody')), key: 'owned' }))
    expect(outcomes(replies)).toEqual(['422', '422'])
    expect(await claimsOf(claimOf('of nobody'))).toEqual([])
  })

  it('has left every event numbered, and no claim without its lead', async () => {
    const { eventless, leadless, gaps, dangling } = await tally(service.db, [dealer.dealerId], newLedger(), false)
    expect([eventless, leadless, gaps, dangling]).toEqual([0, 0, [], 0])
  })
})
