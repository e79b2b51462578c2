import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openDatabase } from '../src/db/pool.ts'
import { inner } from '../src/ids.ts'
import { createDealer, createUser } from '../src/users/operator.ts'
import { endServers, onDatabase, pause, startServer } from './faults/processes.ts'
import { amount } from './long.ts'
import { freshDatabase, lead, password, send } from './service.ts'

const tries = amount(60, 1_000)
const lanes = 6

let database: ReturnType<typeof openDatabase>
let dealerId: string
let admin: string
let one: string
let other: string

beforeAll(async () => {
  const connection = await freshDatabase()
  database = openDatabase(connection, () => undefined)
  ;({ dealerId } = await createDealer(
    database.db,
    { name: 'Two', country: 'DK', time_zone: 'Europe/Copenhagen', language: 'da' },
    { email: 'admin@two.example', name: 'Admin', password },
  ))
  const env = onDatabase(connection, 'http://localhost:3000')
  ;[{ url: one }, { url: other }] = await Promise.all([startServer(env), startServer(env)])
  admin = (await send(`${one}/v1/session`, 'POST', { body: { email: 'admin@two.example', password } })).body
    .access_token
})
afterAll(async () => {
  await endServers()
  await database.close()
})

const inLanes = (work: (at: number) => Promise<void>) =>
  Promise.all(
    Array.from({ length: lanes }, async (_lane, lane) => {
      for (let at = lane; at < tries; at += lanes) await work(at)
    }),
  )

async function newKey(at: number) {
  const { body } = await send(`${one}/v1/api-keys`, 'POST', {
    token: admin,
    body: { name: `Key ${at} ${Math.random()}`, kind: 'extensive_integrations' },
  })
  const token = (await send(`${other}/v1/auth/token`, 'POST', { headers: { 'x-api-key': body.secret } })).body
    .access_token as string
  return { id: body.apiKey.id as string, secret: body.secret as string, token }
}

describe('a request to one process that starts after another process answered', () => {
  it.each([
    ['a deletion', (id: string) => send(`${one}/v1/api-keys/${id}`, 'DELETE', { token: admin }), 204],
    [
      'a disabling',
      (id: string) => send(`${one}/v1/api-keys/${id}`, 'PATCH', { token: admin, body: { disabled: true } }),
      200,
    ],
  ] as const)('%s is refused', async (_what, end, answered) => {
    let accepted = 0
    await inLanes(async (at) => {
      const key = await newKey(at)
      // Under way while it ends, on both sides of it: what they are answered is theirs to say, what is stored must fit.
      const busy = Array.from({ length: 4 }, () =>
        send(`${other}/v1/leads`, 'POST', { token: key.token, body: lead() }),
      )
      expect((await end(key.id)).status).toBe(answered)
      const after = await Promise.all([
        send(`${other}/v1/leads`, 'POST', { token: key.token, body: lead() }),
        send(`${other}/v1/leads`, 'GET', { token: key.token }),
        send(`${other}/v1/auth/token`, 'POST', { headers: { 'x-api-key': key.secret } }),
      ])
      accepted += after.filter(({ status }) => status < 400).length
      const stored = (await Promise.all(busy)).filter(({ status }) => status === 201).length
      expect(await database.db('leads').where({ dealer_id: dealerId, source_id: inner(key.id) })).toHaveLength(stored)
    })
    expect(accepted).toBe(0)
  })

  it('a deactivation is refused, with a sign-in racing it', async () => {
    let accepted = 0
    await inLanes(async (at) => {
      const email = `sales${at}@two.example`
      await createUser(database.db, dealerId, 'sales', { email, name: 'Sales', password })
      const signIn = () => send(`${other}/v1/session`, 'POST', { body: { email, password } })
      const { body } = await signIn()
      const racing = signIn()
      await pause(Math.random() * 30)
      expect(
        (await send(`${one}/v1/users/${body.user.id}`, 'PATCH', { token: admin, body: { deactivated: true } })).status,
      ).toBe(200)
      const raced = await racing
      const after = await Promise.all([
        send(`${other}/v1/leads`, 'GET', { token: body.access_token }),
        signIn(),
        ...(raced.status === 200 ? [send(`${other}/v1/leads`, 'GET', { token: raced.body.access_token })] : []),
      ])
      accepted += after.filter(({ status }) => status < 400).length
    })
    expect(accepted).toBe(0)
  })
})

describe('a process', () => {
  it('goes on with the statements it has prepared when a newer version adds columns', async () => {
    const { secret, token } = await newKey(0)
    const { body: stored } = await send(`${other}/v1/leads`, 'POST', { token, body: lead() })
    const work = async () => {
      const calls = Array.from({ length: 12 }, () => [
        send(`${other}/v1/auth/token`, 'POST', { headers: { 'x-api-key': secret } }),
        send(`${other}/v1/leads`, 'POST', { token, body: lead() }),
        send(`${other}/v1/leads/${stored.id}`, 'GET', { token }),
        send(`${other}/v1/leads`, 'GET', { token }),
      ])
      return new Set((await Promise.all(calls.flat())).map(({ status }) => status))
    }
    const { rows } = await database.db.raw(
      "select tablename from pg_tables where schemaname = 'public' and tablename not like 'knex%'",
    )
    await work()
    for (const { tablename } of rows)
      await database.db.raw('alter table ?? add column of_a_newer_version text', [tablename])
    expect(await work()).toEqual(new Set([200, 201]))
  })
})
