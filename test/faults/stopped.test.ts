import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Knex } from 'knex'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { inner } from '../../src/ids.ts'
import type { TellingReference } from '../../src/leads/external-reference.ts'
import { type Intake, openIntake } from '../../src/leads/intake.ts'
import { newLead } from '../../src/leads/input.ts'
import type { NewLead } from '../../src/leads/lead.ts'
import type { Principal } from '../../src/operation.ts'
import { openService } from '../../src/service.ts'
import { openKeyring, replaceSigningKeys, rotateSigningKey } from '../../src/tokens/keyring.ts'
import { endCredentials } from '../../src/tokens/store.ts'
import { until } from '../patience.ts'
import { lead, masters, type Reply, send, startService, type TestService } from '../service.ts'
import {
  allArrive,
  endServers,
  holdClock,
  type LogLine,
  onDatabase,
  type Server,
  spread,
  startServer,
  waitingForLocks,
} from './processes.ts'
import { openProxy, type Proxy } from './proxy.ts'
import { newLedger, tally } from './sender.ts'

// What a connection allows (src/db/pool.ts), and what a machine six times slower adds.
const idleInTransactionMs = 5_000
const slackMs = 9_000
const neighbours = 64

let service: TestService
beforeAll(async () => {
  service = await startService()
})
afterAll(async () => {
  await endServers()
  await service.close()
})

type Dealer = Awaited<ReturnType<TestService['dealer']>>
const push = (url: string, token: string, body: object, key?: string) =>
  send(`${url}/v1/leads`, 'POST', {
    token,
    body,
    headers: { ...(key !== undefined && { 'idempotency-key': `"${key}"` }) },
  })
const leadsNamed = (message: string) => service.db('leads').whereRaw("data->>'message' = ?", [message])
const waiting = (sessions: number) => until(async () => (await waitingForLocks(service.db)) === sessions)
const idleInTransaction = async () =>
  (
    await service
      .db('pg_stat_activity')
      .whereRaw("datname = current_database() and state = 'idle in transaction' and pid <> pg_backend_pid()")
  ).length
/** The answer, and the milliseconds that it took. */
async function timed(request: Promise<Reply>) {
  const started = performance.now()
  const reply = await request
  return { ...reply, ms: performance.now() - started }
}
async function expectSound(...dealers: { dealerId: string }[]) {
  const { eventless, leadless, gaps, dangling } = await tally(
    service.db,
    dealers.map(({ dealerId }) => dealerId),
    newLedger(),
    false,
  )
  expect([eventless, leadless, gaps, dangling]).toEqual([0, 0, [], 0])
}

describe('a process that is stopped', () => {
  let stopped: Server
  const errors: LogLine[] = []
  let dealers: [Dealer, Dealer, Dealer]
  beforeAll(async () => {
    dealers = [await service.dealer('before'), await service.dealer('held'), await service.dealer('behind')]
    stopped = await startServer(onDatabase(service.connection, service.url), errors)
  })

  it('after the commit and before the answer has its lead stored once, whoever is asked', async () => {
    const [dealer] = dealers
    const clock = await holdClock(service.db, dealer.dealerId)
    const begun = push(stopped.url, dealer.website.token, lead({ message: 'unread' }), 'unread')
    await waiting(1)
    stopped.signal('SIGSTOP')
    await clock.commit()
    await until(async () => (await leadsNamed('unread')).length === 1)
    const again = await push(service.url, dealer.website.token, lead({ message: 'unread' }), 'unread')
    stopped.signal('SIGCONT')
    const first = await begun
    expect([first, again].map(({ status, headers }) => [status, headers.get('idempotency-replayed')])).toEqual([
      [201, null],
      [201, 'true'],
    ])
    expect(again.text).toBe(first.text)
    expect(await leadsNamed('unread')).toHaveLength(1)
    await expectSound(dealer)
  })

  it('while it holds a dealer delays others by the time-outs at most, and what it had begun is stored once or not at all', async () => {
    const [before, held, behind] = dealers
    const { body: known } = await push(service.url, held.dms.token, lead())
    // Its change waits for this row, with the dealer's clock in its hands; a lead of the same dealer waits behind it.
    const row = await service.db.transaction()
    await row('leads')
      .where({ id: inner(known.id) })
      .forUpdate()
    const change = send(`${stopped.url}/v1/leads/${known.id}`, 'PATCH', {
      token: held.dms.token,
      body: { status: 'won' },
      headers: { 'if-match': '*' },
    })
    await waiting(1)
    const begun = push(stopped.url, held.website.token, lead({ message: 'begun' }), 'begun')
    await waiting(2)
    stopped.signal('SIGSTOP')
    await row.commit()
    await until(async () => (await idleInTransaction()) === 1)

    let isHeld = true
    const delays = { held: [] as number[], others: [] as number[], reads: [] as number[] }
    const lane = async (delays: number[], request: () => Promise<Reply>) => {
      do {
        const { status, ms } = await timed(request())
        expect([200, 201]).toContain(status)
        delays.push(ms)
      } while (isHeld)
    }
    const others = [before, behind].flatMap(({ website, dms }) => [
      ...Array.from({ length: 4 }, () => lane(delays.others, () => push(service.url, website.token, lead()))),
      lane(delays.reads, () => service.call('GET', '/v1/leads', { token: dms.token })),
    ])
    await Promise.all([
      ...Array.from({ length: 4 }, async () =>
        delays.held.push((await timed(push(service.url, held.website.token, lead()))).ms),
      ),
      // Its sender does not wait for ever.
      push(service.url, held.website.token, lead({ message: 'begun' }), 'begun').then((reply) =>
        expect(reply.status).toBe(201),
      ),
    ])
    isHeld = false
    await Promise.all(others)
    console.log(
      `a dealer is held: its leads ${spread(delays.held)}; other leads (${delays.others.length}) ${spread(delays.others)}; reads (${delays.reads.length}) ${spread(delays.reads)}`,
    )
    expect(Math.max(...delays.held, ...delays.others)).toBeLessThan(idleInTransactionMs + slackMs)
    expect(Math.max(...delays.reads)).toBeLessThan(Math.min(...delays.held))

    stopped.signal('SIGCONT')
    expect([(await change).status, (await begun).status]).toEqual([503, 201])
    expect(await leadsNamed('begun')).toHaveLength(1)
    expect(
      await service
        .db('leads')
        .where({ id: inner(known.id) })
        .first(),
    ).toMatchObject({ status: 'new', version: 1 })
    await expectSound(...dealers)
    await stopped.end('SIGTERM')
    expect(errors).toEqual([])
  })
})

describe('a dealer who is held', () => {
  it('holds up nobody who shares a group with it', async () => {
    const [before, held, behind] = [
      await service.dealer('sharing1'),
      await service.dealer('sharing2'),
      await service.dealer('sharing3'),
    ]
    const clock = await holdClock(service.db, held.dealerId)

    const ahead = push(service.url, held.website.token, lead())
    await waiting(1)
    // These wait behind the lead ahead, and then share a group.
    const [one, withThem, other] = [before, held, behind].map((dealer) =>
      timed(push(service.url, dealer.website.token, lead())),
    )
    const sharing = (await Promise.all([one, other])).filter((reply) => reply !== undefined)
    // The clock is held still.
    expect(sharing.map(({ status }) => status)).toEqual([201, 201])
    console.log(
      `leads that shared a group with those of a dealer who is held: ${sharing.map(({ ms }) => `${Math.round(ms)} ms`).join(', ')}`,
    )
    await clock.commit()
    expect([(await ahead).status, (await withThem)?.status]).toEqual([201, 201])
    await expectSound(before, held, behind)
  })
})

describe(`a bad row among ${neighbours}`, () => {
  let dealer: Dealer
  let clock: Knex.Transaction
  const refused = (message: string) => message.startsWith('refused')
  beforeAll(async () => {
    dealer = await service.dealer('rows')
    // A constraint that our own checks do not know.
    await service.db.raw(`
      create function refuse_marked() returns trigger language plpgsql as $$
      begin
        if new.data->>'message' like 'refused%' then raise exception 'refused' using errcode = '23514'; end if;
        return new;
      end $$;
      create trigger refuse_marked before insert on leads for each row execute function refuse_marked()`)
  })
  afterAll(() => service.db.raw('drop trigger refuse_marked on leads; drop function refuse_marked()'))

  it.each([0, 31, 63])('is answered alone, the others are stored: in a batch, at place %i', async (place) => {
    const messages = Array.from({ length: neighbours }, (_, at) =>
      at === place ? `refused ${place}` : `batch ${place}, ${at}`,
    )
    const { body } = await service.call('POST', '/v1/leads/batch', {
      token: dealer.website.token,
      body: { leads: messages.map((message) => ({ clientRef: message, lead: lead({ message }) })) },
    })
    expect(body.results.map(({ clientRef, status }: any) => [clientRef, status])).toEqual(
      messages.map((message) => [message, refused(message) ? 500 : 201]),
    )
    expect(await service.db('leads').whereRaw("data->>'message' like ?", [`batch ${place},%`])).toHaveLength(
      neighbours - 1,
    )
    await expectSound(dealer)
  })

  it('is answered alone, the others are stored: in a group of many senders, with keys and references', async () => {
    clock = await holdClock(service.db, dealer.dealerId)
    const ahead = push(service.url, dealer.website.token, lead())
    await waiting(1)
    const posts = Array.from({ length: neighbours }, (_, at) => ({
      message: at % 16 === 5 ? `refused ${at}` : `single ${at}`,
      key: `single ${at >> 1}`,
    }))
    const bodies = posts.map(({ message }, at) =>
      lead({ message, ...(at % 4 === 1 && { externalReference: { source: 'rows', id: message } }) }),
    )
    const replies = await allArrive(
      posts.map(
        ({ message }, at) =>
          () =>
            push(service.url, dealer.website.token, bodies[at] ?? {}, refused(message) ? message : undefined),
      ),
    )
    await clock.commit()
    await ahead
    expect((await Promise.all(replies)).map(({ status }) => status)).toEqual(
      posts.map(({ message }) => (refused(message) ? 500 : 201)),
    )
    expect(
      await service.db('lead_claims').where({ dealer_id: dealer.dealerId }).whereLike('value', '%refused%'),
    ).toEqual([])
    await expectSound(dealer)
  })

  it('is found by what PostgreSQL cannot hold, too', async () => {
    const intake = await openIntakeOf(service)
    const principal = await principalOf(service, dealer.website.id)
    const odd: NewLead[] = [
      { ...plain('nul'), data: { ...plain('').data, message: 'a\0b' } },
      { ...plain('half a character'), data: { ...plain('').data, message: 'a\ud800b' } },
      // The cast: no reader makes such a reference.
      { ...plain('reference'), externalReference: { source: 'a\0b', id: '1' } as TellingReference },
      { ...plain('time'), submittedAt: '2026-02-31T00:00:00.000Z' },
    ]
    const stored = await service.db('leads').where({ dealer_id: dealer.dealerId })
    const outcomes = await Promise.allSettled(
      Array.from({ length: neighbours }, (_, at) =>
        intake.store(principal, { lead: odd[(at - 3) / 16] ?? plain(`direct ${at}`) }),
      ),
    )
    const codes = outcomes.map((outcome) =>
      outcome.status === 'rejected' ? outcome.reason.code : outcome.value.verdict,
    )
    expect(codes).toEqual(Array.from({ length: neighbours }, (_, at) => (odd[(at - 3) / 16] ? 'internal' : 'created')))
    expect(await service.db('leads').where({ dealer_id: dealer.dealerId })).toHaveLength(
      stored.length + neighbours - odd.length,
    )
    await expectSound(dealer)
  })

  it('does not come about by what a sender writes: every one is stored', async () => {
    const hostile = [
      '\0',
      '\ud800',
      '\udfff\ud800',
      '\u0000\u0001\u007f\uffff',
      '\ufeff',
      '\u{10ffff}',
      '\\u0000',
      '\\x00',
    ]
    const items = hostile.flatMap((text) => [
      { message: text },
      { extra: { [text]: text } },
      { customer: { name: { given: text, family: text }, phones: [{ number: `1${text}` }] } },
      { externalReference: { source: `a${text}`, id: `b${text}` } },
      { submittedAt: `2026-01-01${text}` },
    ])
    const { body } = await service.call('POST', '/v1/leads/batch', {
      token: dealer.website.token,
      body: { leads: items.map((item) => ({ lead: lead(item) })) },
    })
    expect(new Set(body.results.map(({ status }: any) => status))).toEqual(new Set([201]))
  })
})

describe('a lost commit', () => {
  let proxy: Proxy
  let url: string
  let close: () => Promise<void>
  let dealer: Dealer
  let tokens: () => Promise<{ id: string; token: string }>

  beforeAll(async () => {
    proxy = await openProxy(service.connection)
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const behindProxy = await openService({
      connection: proxy.connection,
      masters,
      issuer: service.url,
      trustProxy: false,
      documentation: (_req, _res, next) => next(),
      log: pino({ level: 'silent' }),
      strictResponses: true,
    })
    server.on('request', behindProxy.app)
    dealer = await service.dealer('lost')
    tokens = async () => {
      const { id, secret } = await service.createKey(dealer.admin.token, { kind: 'digital_requests' })
      return { id, token: await service.exchange(secret) }
    }
    close = async () => {
      server.closeAllConnections()
      server.close()
      // First, so that nothing is waited for that will never come.
      await proxy.close()
      await behindProxy.close()
    }
  })
  afterAll(() => close())
  afterEach(() => {
    proxy.next([])
    return expectSound(dealer)
  })

  const revoke = (id: string) => () =>
    service.db.transaction(async (trx) => endCredentials(trx, dealer.dealerId, inner(id)))

  it.each([
    ['once', ['answer lost'], 2],
    ['three times', ['answer lost', 'answer lost', 'answer lost'], 4],
    ['after a call that never arrived', ['call lost', 'answer lost'], 3],
  ] as const)(
    'is found again, %s: the lead is answered and stored once, with and without a key',
    async (how, fates, calls) => {
      for (const key of [undefined, `lost ${how}`]) {
        const message = `${key} ${how}`
        const before = proxy.calls()
        proxy.next(fates)
        const reply = await push(
          url,
          dealer.website.token,
          lead({ message, customer: { phones: [{ number: 'what?' }] } }),
          key,
        )
        expect([reply.status, reply.headers.get('idempotency-replayed'), reply.body.warnings.length]).toEqual([
          201,
          null,
          1,
        ])
        expect(proxy.calls() - before).toBe(calls)
        const [row, ...more] = await leadsNamed(message)
        expect([inner(reply.body.id), reply.body.receivedAt, more]).toEqual([row.id, row.received_at.toISOString(), []])
      }
    },
  )

  it('counts, also when the key was revoked meanwhile', async () => {
    const { id, token } = await tokens()
    proxy.next(['answer lost'], revoke(id))
    const reply = await push(url, token, lead({ message: 'revoked' }))
    expect(reply.status).toBe(201)
    expect(await leadsNamed('revoked')).toMatchObject([{ id: inner(reply.body.id) }])
    expect((await push(url, token, lead())).status).toBe(401)
  })

  it.each([
    ['rotated', rotateSigningKey],
    ['replaced', replaceSigningKeys],
  ])('counts, also when the signing keys were %s meanwhile', async (how, change) => {
    const { token } = await tokens()
    proxy.next(['answer lost'], () => change(service.db, service.service.secrets))
    const twin = { lead: lead({ message: how }), idempotencyKey: how }
    const { status, body } = await send(`${url}/v1/leads/batch`, 'POST', {
      token,
      body: { leads: [{ lead: lead() }, twin, twin] },
    })
    // Who follows on a key was not stored, and is judged as it is now.
    expect([status, body.results.map(({ status }: any) => status)]).toEqual([
      207,
      how === 'rotated' ? [201, 201, 201] : [201, 201, 401],
    ])
    expect(await leadsNamed(how)).toHaveLength(1)
    dealer = {
      ...dealer,
      admin: { ...dealer.admin, ...(await service.signIn(dealer.admin.email)) },
      website: { ...dealer.website, token: await service.exchange(dealer.website.secret) },
    }
  })

  it('that was none stores nothing when the key was revoked meanwhile', async () => {
    const { id, token } = await tokens()
    proxy.next(['call lost'], revoke(id))
    expect((await push(url, token, lead({ message: 'too late' }), 'too late')).status).toBe(401)
    expect(await leadsNamed('too late')).toEqual([])
    expect(await service.db('lead_claims').where({ subject_id: inner(id) })).toEqual([])
  })

  it('answers a whole group as it would have been', async () => {
    const reference = (id: string) => ({ externalReference: { source: 'lost', id } })
    const items = [
      { lead: lead() },
      { lead: lead({ message: 'twin' }), idempotencyKey: 'twin' },
      { lead: lead({ message: 'twin' }), idempotencyKey: 'twin' },
      { lead: lead({ message: 'other' }), idempotencyKey: 'twin' },
      { lead: lead(reference('same')) },
      { lead: lead(reference('same')) },
      { lead: lead(reference('same')), idempotencyKey: 'of the same' },
      ...Array.from({ length: 57 }, () => ({ lead: lead() })),
    ]
    proxy.next(['answer lost'])
    const before = await service.db('leads').where({ dealer_id: dealer.dealerId })
    const { body } = await send(`${url}/v1/leads/batch`, 'POST', {
      token: dealer.website.token,
      body: { leads: items },
    })
    expect(body.results.map(({ status }: any) => status)).toEqual([
      201,
      201,
      201,
      422,
      201,
      200,
      200,
      ...Array(57).fill(201),
    ])
    const ids = body.results.map(({ lead }: any) => lead?.id)
    expect([ids[2], ids[5], ids[6], body.results[2].replayed]).toEqual([ids[1], ids[4], ids[4], true])
    expect(await service.db('leads').where({ dealer_id: dealer.dealerId })).toHaveLength(before.length + 60)
  })

  it('may still be coming: a call that was cut off and the one that follows it store one lead', async () => {
    for (const key of [undefined, 'cut off']) {
      const message = `cut off ${key}`
      const clock = await holdClock(service.db, dealer.dealerId)
      proxy.next(['cut off'])
      const reply = push(url, dealer.website.token, lead({ message }), key)
      await waiting(2)
      await clock.commit()
      expect((await reply).status).toBe(201)
      await until(async () => (await waitingForLocks(service.db)) === 0)
      expect(await leadsNamed(message)).toMatchObject([{ id: inner((await reply).body.id) }])
    }
  })

  it('that is given up is answered 503, and the sender who tries again finds the lead', async () => {
    proxy.next(Array(5).fill('answer lost'))
    const first = await push(url, dealer.website.token, lead({ message: 'given up' }), 'given up')
    expect([first.status, first.body.code, first.headers.has('retry-after')]).toEqual([503, 'unavailable', true])
    const again = await push(url, dealer.website.token, lead({ message: 'given up' }), 'given up')
    expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([201, 'true'])
    expect(await leadsNamed('given up')).toMatchObject([{ id: inner(again.body.id) }])
  })

  it('that a stopped process keeps back holds its dealer no longer than the time-outs', async () => {
    proxy.next(['end held back'])
    const back = push(url, dealer.website.token, lead({ message: 'held back' }), 'held back').catch(() => undefined)
    await until(
      async () =>
        proxy.calls() > 0 &&
        (await service
          .db('pg_locks as l')
          .join('pg_stat_activity as a', 'a.pid', 'l.pid')
          .whereRaw(
            "a.datname = current_database() and l.relation = 'dealer_clocks'::regclass and l.mode = 'RowExclusiveLock'",
          )
          .first()),
    )
    const { status, ms } = await timed(push(service.url, dealer.website.token, lead()))
    console.log(`behind a call without its end: ${status} after ${Math.round(ms)} ms`)
    expect(status).toBe(201)
    expect(ms).toBeLessThan(idleInTransactionMs + slackMs)
    expect((await back)?.status).toBe(201)
    expect(await leadsNamed('held back')).toHaveLength(1)
  })
})

/** The intake of a process of its own. */
async function openIntakeOf({ service: { database, secrets } }: TestService): Promise<Intake> {
  const keyring = await openKeyring(database.db, secrets, () => undefined)
  const intake = openIntake(
    database.db,
    database.hot,
    keyring,
    () => Promise.reject(new Error('not asked')),
    () => undefined,
  )
  onTestFinished(keyring.stop)
  return intake
}

async function principalOf({ db }: TestService, keyId: string): Promise<Principal> {
  const { dealer_id, id, subject_id, epoch, scopes } = await db('credentials')
    .where({ subject_id: inner(keyId) })
    .first()
  const { kid } = await db('signing_keys').whereNull('withdrawn_at').first()
  return {
    dealerId: dealer_id,
    subject: { type: 'api_key', id: subject_id },
    credentialId: id,
    epoch,
    scopes: new Set(scopes),
    needed: ['leads:create'],
    mustBeFresh: false,
    expiresAt: new Date(Date.now() + 60_000),
    kid,
    address: null,
  }
}

function plain(message: string): NewLead {
  return newLead(
    { message, customer: { phones: [{ number: '32 12 34 56' }] } },
    { country: 'DK', timeZone: 'Europe/Copenhagen' },
  )
}
