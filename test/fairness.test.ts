import type { Knex } from 'knex'
import { afterAll, beforeAll, expect, it, type MockInstance, onTestFinished, vi } from 'vitest'
import { type Database, openDatabase } from '../src/db/pool.ts'
import { createDealer } from '../src/users/operator.ts'
import { allArrive, holdClock, waitingForLocks } from './faults/processes.ts'
import { patienceMs, until } from './patience.ts'
import { lead, password, startService, type TestService } from './service.ts'

// What one dealer, key or person can do to the others: nothing.

// Of src/tokens/clocks.ts.
const waitingOfKeyMax = 100
const waitingMsMax = 8_000

type Dealer = Awaited<ReturnType<TestService['dealer']>>
let service: TestService
/** Waits for nothing that the service waits for. */
let aside: Database
let one: Dealer
let other: Dealer
beforeAll(async () => {
  service = await startService()
  aside = openDatabase(service.connection, () => undefined)
  one = await service.dealer('one')
  other = await service.dealer('other')
  // A machine that has no time takes longer to open a connection than anybody waits for one.
  await Promise.all([rename(one.admin.token, 'One'), rename(other.admin.token, 'Other')])
})
afterAll(async () => {
  await aside.close()
  await service.close()
})

const replace = (token: string) => service.call('POST', '/v1/api-key/replacement', { token, body: {} })
const read = ({ dms }: Dealer) => service.call('GET', '/v1/leads', { token: dms.token })
const rename = (token: string, name: string) => service.call('PATCH', '/v1/dealer', { token, body: { name } })
const somebodyWaits = () => until(async () => (await waitingForLocks(aside.db)) > 0)

/** What requests answer that begin while nobody gets the clock, after `meanwhile`. */
async function whileHeld<T>(
  clock: Knex.Transaction,
  requests: readonly (() => Promise<T>)[],
  meanwhile: (replies: readonly Promise<T>[]) => Promise<void>,
): Promise<T[]> {
  const replies = await allArrive(requests)
  try {
    await somebodyWaits()
    await meanwhile(replies)
  } finally {
    await clock.rollback()
  }
  return Promise.all(replies)
}

it('lets everybody read, push and change while 60 changes with one key wait for their dealer', async () => {
  const clock = await holdClock(aside.db, one.dealerId)
  const replacements = Array.from({ length: 60 }, () => () => replace(one.website.token))
  await whileHeld(clock, replacements, async () => {
    const replies = await Promise.all([
      read(other),
      read(one),
      service.call('POST', '/v1/leads', { token: other.website.token, body: lead() }),
      rename(other.admin.token, 'Other'),
    ])
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 201, 200])
    expect(await waitingForLocks(aside.db)).toBeLessThanOrEqual(1)
  })
})

it('lets an admin end a key that changes as much as it can', async () => {
  const { id, secret } = await service.createKey(one.admin.token, { kind: 'digital_requests' })
  const token = await service.exchange(secret)
  const clock = await holdClock(aside.db, one.dealerId)
  const replies = await whileHeld(
    clock,
    Array.from({ length: 150 }, () => () => replace(token)),
    async (replies) => {
      let refused = 0
      for (const reply of replies) void reply.then(({ status }) => (refused += status === 503 ? 1 : 0))
      await until(() => refused >= 49)
      const ending = service.call('DELETE', `/v1/api-keys/${id}`, { token: one.admin.token })
      await clock.rollback()
      expect((await ending).status).toBe(204)
    },
  )
  const refused = replies.filter(({ status }) => status === 503)
  expect(refused.filter(({ headers }) => !headers.has('retry-after'))).toEqual([])
  // Whoever came behind the ending.
  expect(replies.map(({ status }) => status)).toContain(401)
})

it('takes no place for what is sent with a key that is no more', async () => {
  const { id, secret } = await service.createKey(one.admin.token, { kind: 'digital_requests' })
  const token = await service.exchange(secret)
  await service.call('DELETE', `/v1/api-keys/${id}`, { token: one.admin.token })
  const clock = await holdClock(aside.db, one.dealerId)
  const rest: Promise<unknown>[] = []
  await whileHeld(clock, [() => rename(one.admin.token, 'One')], async () => {
    const dead = Array.from({ length: 30 }, () => replace(token))
    rest.push(...dead)
    // While nobody can change anything of the dealer.
    expect((await Promise.all(dead)).map(({ status }) => status)).toEqual(dead.map(() => 401))
  })
  await Promise.allSettled(rest)
})

/**
 * The next change goes on until the function that is returned is called, without the database being waited for; nobody
 * is refused for having waited too long, however slow this machine is.
 */
function holdUpNextChange(): () => void {
  const { promise, resolve } = Promise.withResolvers<void>()
  // The cast: Knex's types do not show what its methods are called on.
  const { context } = service.service.database.changes as unknown as { context: Pick<Knex, 'transaction'> }
  const begin = context.transaction.bind(context) as (...args: unknown[]) => Promise<unknown>
  const held = vi.spyOn(context, 'transaction') as unknown as MockInstance<typeof begin>
  held.mockImplementationOnce((...args) => promise.then(() => begin(...args)))
  const { setTimeout: start } = globalThis
  const stretched = (work: (...more: unknown[]) => void, ms?: number, ...more: unknown[]) =>
    start(work, ms === waitingMsMax ? patienceMs : ms, ...more)
  const timers = vi.spyOn(globalThis, 'setTimeout').mockImplementation(stretched as typeof setTimeout)
  onTestFinished(() => {
    resolve()
    held.mockRestore()
    timers.mockRestore()
  })
  return resolve
}

it('changes nothing for clients who left while they waited, and gives their places to the next', async () => {
  const { body } = await service.call('POST', '/v1/leads', { token: one.dms.token, body: lead() })
  const noted = vi.spyOn(service.service.recorder, 'note')
  onTestFinished(() => noted.mockRestore())
  const leaving = new AbortController()
  const change = (status: string, signal?: AbortSignal) =>
    fetch(`${service.url}/v1/leads/${body.id}`, {
      method: 'PATCH',
      headers: { authorization: `Bearer ${one.dms.token}`, 'content-type': 'application/json', 'if-match': '*' },
      body: JSON.stringify({ status }),
      ...(signal && { signal }),
    }).then(({ status }) => status)
  const letGo = holdUpNextChange()
  const [first] = await allArrive([() => rename(one.admin.token, 'One')])
  // One more than may wait with a key: when one is refused, all others have a place.
  const told = { refused: 0, gone: 0 }
  for (let count = 0; count <= waitingOfKeyMax; count++)
    change('won', leaving.signal).then(
      (status) => (told.refused += Number(status === 503)),
      () => told.gone++,
    )
  await until(() => told.refused === 1)
  leaving.abort()
  await until(() => told.gone === waitingOfKeyMax)
  await until(() => noted.mock.calls.filter(([{ status }]) => status === 0).length === waitingOfKeyMax)
  const [next] = await allArrive([() => change('acknowledged')])
  letGo()
  expect([(await first)?.status, await next]).toEqual([200, 200])
  const after = await service.call('GET', `/v1/leads/${body.id}`, { token: one.dms.token })
  expect([after.body.status, after.body.version]).toEqual(['acknowledged', 2])
})

it('lets everybody read while many dealers write at once', async () => {
  const dealers = await Promise.all(
    Array.from({ length: 10 }, async (_, at) => {
      const email = `admin@many-${at}.example`
      const { dealerId } = await createDealer(
        service.db,
        { name: `Many ${at}`, country: 'DK', time_zone: 'Europe/Copenhagen', language: 'da' },
        { email, name: 'Admin', password },
      )
      return { dealerId, token: (await service.signIn(email)).token }
    }),
  )
  const [first, ...others] = dealers.map(({ dealerId }) => dealerId)
  const clocks = await holdClock(aside.db, first ?? '')
  await clocks('dealer_clocks').whereIn('dealer_id', others).forUpdate()
  const changes = dealers.map(
    ({ token }) =>
      () =>
        rename(token, 'Changed'),
  )
  await whileHeld(clocks, changes, async () => {
    // Each of them, and nobody else, may wait for a clock.
    expect(await waitingForLocks(aside.db)).toBeLessThanOrEqual(4)
    expect((await read(other)).status).toBe(200)
  })
})

/** A stream that is open until the test is over, or why it is not. */
async function open(token: string): Promise<{ status: number; detail?: string }> {
  const { status, body } = await fetch(`${service.url}/v1/events/stream`, {
    headers: { authorization: `Bearer ${token}` },
  })
  if (status !== 200) return { status, detail: (await new Response(body).json()).detail }
  onTestFinished(async () => body?.cancel())
  return { status }
}

it('gives a person 20 streams however often they sign in, and leaves others theirs', async () => {
  const sessions = [one.admin.token, (await service.signIn(one.admin.email)).token]
  const answers = await Promise.all(sessions.flatMap((token) => Array.from({ length: 15 }, () => open(token))))
  expect([200, 429].map((status) => answers.filter((each) => each.status === status).length)).toEqual([20, 10])
  expect(await open(one.sales.token)).toEqual({ status: 200 })
})

it('gives a dealer 200 streams, and leaves other dealers theirs', async () => {
  const keys = await Promise.all(
    Array.from({ length: 10 }, async () => {
      const { secret } = await service.createKey(other.admin.token, { kind: 'extensive_integrations' })
      return service.exchange(secret)
    }),
  )
  const answers = await Promise.all(keys.flatMap((token) => Array.from({ length: 20 }, () => open(token))))
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
  expect(await open(other.dms.token)).toEqual({
    status: 429,
    detail: 'This dealer has 200 streams open. Close one first.',
  })
  expect(await open(one.dms.token)).toEqual({ status: 200 })
})
