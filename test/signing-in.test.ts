import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setImmediate as pause } from 'node:timers/promises'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readConfig } from '../src/config.ts'
import { prepareDatabase } from '../src/prepare.ts'
import { openService } from '../src/service.ts'
import { outer } from '../src/ids.ts'
import { secretsFrom } from '../src/secrets.ts'
import { sweeps, swept } from '../src/sweeps.ts'
import { placeOf } from '../src/users/attempts.ts'
import { createUser, releaseUser, resetPassword } from '../src/users/operator.ts'
import { amount } from './long.ts'
import {
  freshDatabase,
  masters,
  password,
  type Reply,
  secretKeys,
  send,
  startService,
  type TestService,
} from './service.ts'

const secrets = secretsFrom(masters)
let service: TestService
let dealer: Awaited<ReturnType<TestService['dealer']>>
let idling: { url: string; close: () => Promise<void> }
let secure: { url: string; close: () => Promise<void> }
let processes: { url: string; close: () => Promise<void> }[]
beforeAll(async () => {
  service = await startService()
  dealer = await service.dealer('signing')
  processes = [await startBehindProxy(), await startBehindProxy()]
  secure = await startBehindProxy('https://carbuddii.example')
  idling = await startBehindProxy(service.url, 600)
})
afterAll(async () => {
  for (const { close } of [...processes, secure, idling]) await close()
  await service.close()
})

/** One more process on the same database, which is told the address of each sender. */
async function startBehindProxy(issuer = service.url, sessionIdleSeconds?: number) {
  const process = await openService({
    connection: service.connection,
    masters,
    issuer,
    trustProxy: 1,
    ...(sessionIdleSeconds && { sessionIdleSeconds }),
    documentation: (_req, _res, next) => next(),
    log: pino({ level: 'silent' }),
    strictResponses: true,
  })
  const server = createServer(process.app).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.closeAllConnections()
      server.close()
      await process.close()
    },
  }
}

const told = ({ status, body }: Reply) => [status, body?.code]
const refused = [401, 'sign-in-refused']
const tooMany = [429, 'too-many-attempts']
let addresses = 0
/** Nobody has failed from it yet. */
const newAddress = () => `10.${++addresses >> 16}.${(addresses >> 8) & 255}.${addresses & 255}`

/** Each from another process and another address, unless it is said. */
let tries = 0
const trySignIn = (
  email: string,
  { tried = password, from = newAddress(), cookie }: { tried?: string; from?: string; cookie?: string } = {},
) =>
  send(`${processes[tries++ % 2]?.url}/v1/session`, 'POST', {
    body: { email, password: tried },
    headers: { 'x-forwarded-for': from, ...(cookie && { cookie }) },
  })
const newPerson = async (email = `${randomUUID()}@signing.example`) => {
  await createUser(service.db, dealer.dealerId, 'sales', { email, name: 'Sofie', password })
  return email
}
const cookiesOf = ({ headers }: Reply) =>
  headers
    .getSetCookie()
    .map((cookie) => cookie.split(';')[0])
    .join('; ')

/** As if 98 attempts from an address had failed. */
async function failNearly(from: string) {
  await trySignIn(`${randomUUID()}@nobody.example`, { from, tried: 'wrong' })
  const count = await service
    .db('attempts')
    .where(placeOf(secrets, 'address', from))
    .update({ failures: 98 })
  expect(count).toBe(1)
}

describe('failed attempts', () => {
  it('are counted by account, from every address and over all processes', async () => {
    const email = await newPerson()
    for (let count = 0; count < 10; count++) expect(told(await trySignIn(email, { tried: 'wrong' }))).toEqual(refused)
    const reply = await trySignIn(email)
    expect([told(reply), Number(reply.headers.get('retry-after'))]).toEqual([tooMany, expect.any(Number)])
    expect(Number(reply.headers.get('retry-after'))).toBeLessThanOrEqual(900)
    expect((await trySignIn(await newPerson())).status).toBe(200)
  })

  it('of an e-mail that nobody has are refused at the same count', async () => {
    const nobody = `${randomUUID()}@signing.example`
    for (let count = 0; count < 10; count++) expect(told(await trySignIn(nobody, { tried: 'wrong' }))).toEqual(refused)
    expect(told(await trySignIn(nobody))).toEqual(tooMany)
  })

  it('are counted by address, whoever is tried, over all processes', async () => {
    const from = newAddress()
    await failNearly(from)
    for (let count = 0; count < 2; count++)
      expect(told(await trySignIn(`${count}@nobody.example`, { from, tried: 'wrong' }))).toEqual(refused)
    const email = await newPerson()
    expect(told(await trySignIn(email, { from }))).toEqual(tooMany)
    expect((await trySignIn(email)).status).toBe(200)
  })

  it('sent side by side are counted before the password is looked at', async () => {
    const email = await newPerson()
    const replies = await Promise.all(Array.from({ length: 20 }, () => trySignIn(email, { tried: 'wrong' })))
    expect(replies.filter(({ status }) => status === 401)).toHaveLength(10)
    expect(replies.filter(({ status }) => status === 429)).toHaveLength(10)
  })

  it('cost somebody who knows the password nothing', async () => {
    const email = await newPerson()
    const from = newAddress()
    for (let count = 0; count < 12; count++) expect((await trySignIn(email, { from })).status).toBe(200)
  })

  it('are counted together for every spelling that finds the same person, in all of Unicode', async () => {
    // What the database takes for one and the same although this program would not, and the other way round.
    const { rows } = await service.db.raw<{ rows: { one: string; folded: string }[] }>(
      `select chr(code) as one, lower(chr(code)) as folded
       from generate_series(33, 1114111) as code
       where code not between 55296 and 57343 and lower(chr(code)) <> chr(code)`,
    )
    const odd = rows.filter(({ one, folded }) => one.toLowerCase() !== folded)
    expect(odd.map(({ one }) => one)).toContain('\u0130')
    for (const { one, folded } of odd) {
      const name = randomUUID()
      const email = await newPerson(`${folded}${name}@signing.example`)
      const other = `${one}${name}@signing.example`
      expect((await trySignIn(other)).status).toBe(200)
      for (let count = 0; count < 5; count++)
        for (const spelling of [email, other])
          expect(told(await trySignIn(spelling, { tried: 'wrong' }))).toEqual(refused)
      for (const spelling of [email, other]) expect(told(await trySignIn(spelling))).toEqual(tooMany)
    }
  })
})

describe('a device that somebody has signed in with', () => {
  const known = async (email: string, cookie?: string) => {
    const reply = await trySignIn(email, { ...(cookie && { cookie }) })
    expect(reply.status).toBe(200)
    return cookiesOf(reply)
  }

  it('is not locked out by others who fail, neither for the account nor for the address', async () => {
    const email = await newPerson()
    const cookie = await known(email)
    const from = newAddress()
    for (let count = 0; count < 10; count++) expect(told(await trySignIn(email, { tried: 'wrong' }))).toEqual(refused)
    for (let count = 0; count < 100; count++)
      await trySignIn(`${randomUUID()}@nobody.example`, { from, tried: 'wrong' })
    expect(told(await trySignIn(email, { from }))).toEqual(tooMany)
    expect((await trySignIn(email, { from, cookie })).status).toBe(200)
  })

  it('is counted by itself, and locks out nobody else', async () => {
    const email = await newPerson()
    const cookie = await known(email)
    for (let count = 0; count < 10; count++)
      expect(told(await trySignIn(email, { tried: 'wrong', cookie }))).toEqual(refused)
    expect(told(await trySignIn(email, { cookie }))).toEqual(tooMany)
    expect((await trySignIn(email)).status).toBe(200)
  })

  it('is known to each of the colleagues who share it, and to nobody else', async () => {
    const [one, two, stranger] = [await newPerson(), await newPerson(), await newPerson()]
    const shared = await known(two, await known(one))
    for (const email of [one, two, stranger])
      for (let count = 0; count < 10; count++) await trySignIn(email, { tried: 'wrong' })
    for (const email of [one, two]) expect((await trySignIn(email, { cookie: shared })).status).toBe(200)
    expect(told(await trySignIn(stranger, { cookie: shared }))).toEqual(tooMany)
  })

  it('is one of the last five who signed in with it, for 180 days, and cannot be made up', async () => {
    const people = await Promise.all(Array.from({ length: 6 }, () => newPerson()))
    let cookie = ''
    for (const email of people) cookie = await known(email, cookie)
    const [first = '', second = ''] = people
    for (const email of [first, second])
      for (let count = 0; count < 10; count++) await trySignIn(email, { tried: 'wrong' })
    expect(told(await trySignIn(first, { cookie }))).toEqual(tooMany)
    expect((await trySignIn(second, { cookie })).status).toBe(200)
    const device = /device=[^;]*/.exec(cookie)?.[0] ?? ''
    const day = /\.([0-9a-z]+)~/.exec(device)?.[1] ?? ''
    for (const forged of [
      device.replace(/=.{22}/, `=${'A'.repeat(22)}`),
      device.replaceAll(`.${day}~`, `.${(parseInt(day, 36) - 1).toString(36)}~`),
      device.slice(0, 23 + 'device='.length),
      `${device}.x`,
      'device=%',
    ])
      expect([forged, told(await trySignIn(second, { cookie: forged }))]).toEqual([forged, tooMany])
    for (const { headers } of [await trySignIn(await newPerson())])
      expect(headers.getSetCookie()[1]).toMatch(
        /^device=[^;]*; Path=\/v1\/session; Max-Age=15552000; HttpOnly; SameSite=Strict$/,
      )
  })
})

describe('a locked account', () => {
  const lock = async (email: string) => {
    for (let count = 0; count < 10; count++) await trySignIn(email, { tried: 'wrong' })
    expect(told(await trySignIn(email))).toEqual(tooMany)
  }
  const admin = (method: string, path: string) => service.call(method, path, { token: dealer.admin.token })

  it('is shown to an Admin, who can release it', async () => {
    const email = await newPerson()
    const find = async () =>
      (await admin('GET', '/v1/users?limit=200')).body.items.find((user: any) => user.email === email)
    const { id, signInLockedUntil } = await find()
    expect(signInLockedUntil).toBeUndefined()
    await lock(email)
    const until = Date.parse((await find()).signInLockedUntil) - Date.now()
    expect([until > 0, until <= 900_000]).toEqual([true, true])
    expect((await admin('GET', `/v1/users/${id}`)).body.signInLockedUntil).toBeDefined()
    expect((await admin('POST', `/v1/users/${id}/release`)).status).toBe(204)
    expect((await find()).signInLockedUntil).toBeUndefined()
    expect((await trySignIn(email)).status).toBe(200)
    const { items } = (await admin('GET', `/v1/audit-entries?subjectId=${id}`)).body
    const entry = items.find(({ action }: { action: string }) => action !== 'user.signed_in')
    expect([entry.action, entry.actor.name]).toEqual(['user.released', 'Admin'])
  })

  it('is released by nobody of another dealer', async () => {
    const stranger = await service.dealer('strangers')
    const email = await newPerson()
    await lock(email)
    const { id } = (await admin('GET', '/v1/users?limit=200')).body.items.find((user: any) => user.email === email)
    expect(told(await service.call('POST', `/v1/users/${id}/release`, { token: stranger.admin.token }))).toEqual([
      404,
      'not-found',
    ])
    // Whoever may invite the same address has an invitation, and not the account.
    const invited = await service.call('POST', '/v1/users', {
      token: stranger.admin.token,
      body: { email, name: 'Sofie Sales', role: 'sales' },
    })
    const path = `/v1/users/${invited.body.user.id}`
    expect((await service.call('POST', `${path}/release`, { token: stranger.admin.token })).status).toBe(204)
    expect((await service.call('GET', path, { token: stranger.admin.token })).body.signInLockedUntil).toBe(undefined)
    expect(told(await trySignIn(email))).toEqual(tooMany)
  })

  it('is not what a sign-in comes to that the database had no time for', async () => {
    const email = await newPerson()
    const { dealer_id } = await service.db('users').where({ email }).first('dealer_id')
    await service.db.transaction(async (trx) => {
      await trx('dealer_clocks').where({ dealer_id }).forUpdate()
      expect((await trySignIn(email)).status).toBe(503)
    })
    const { count } = (await service.db('attempts').where({ kind: 'account' }).sum({ count: 'failures' }).first()) ?? {}
    expect((await trySignIn(email)).status).toBe(200)
    const after = await service.db('attempts').where({ kind: 'account' }).sum({ count: 'failures' }).first()
    expect(after).toEqual({ count })
  })

  it('is released by the operator', async () => {
    const email = await newPerson()
    await lock(email.toUpperCase())
    await releaseUser(service.db, secrets, email)
    expect((await trySignIn(email)).status).toBe(200)
    await expect(releaseUser(service.db, secrets, 'nobody@signing.example')).rejects.toThrow('Nobody has')
  })

  it('is released by a link to choose a password, and the browser that used it is known', async () => {
    const email = await newPerson()
    const { id } = (await admin('GET', '/v1/users?limit=200')).body.items.find((user: any) => user.email === email)
    await lock(email)
    const token = (await admin('POST', `/v1/users/${id}/password-link`)).body.url.split('#')[1]
    const reply = await service.call('POST', '/v1/password', { body: { token, password } })
    expect(reply.status).toBe(204)
    await lock(email)
    expect((await trySignIn(email, { cookie: cookiesOf(reply) })).status).toBe(200)
  })
})

describe('the cookie of the session', () => {
  const exchange = (url: string, cookie: string) => send(`${url}/v1/session/token`, 'POST', { headers: { cookie } })

  it('is called __Secure- and sent by https alone where the service is reached by https', async () => {
    const reply = await send(`${secure.url}/v1/session`, 'POST', { body: { email: dealer.admin.email, password } })
    const [session = '', device = ''] = reply.headers.getSetCookie()
    expect(session).toMatch(
      /^__Secure-session=[\w-]{107}; Path=\/v1\/session; Max-Age=43200; HttpOnly; SameSite=Strict; Secure$/,
    )
    expect(device).toMatch(/^__Secure-device=.*; Path=\/v1\/session; .*; HttpOnly; SameSite=Strict; Secure$/)
    const value = session.split(';')[0]?.split('=')[1]
    expect((await exchange(secure.url, `__Secure-session=${value}`)).status).toBe(200)
    // Anybody on the way can plant a cookie without the prefix.
    expect(told(await exchange(secure.url, `session=${value}`))).toEqual([401, 'session-ended'])
    expect(told(await exchange(service.url, `__Secure-session=${value}`))).toEqual([401, 'session-ended'])
    const out = await send(`${secure.url}/v1/session`, 'DELETE', { headers: { cookie: `__Secure-session=${value}` } })
    expect(out.headers.getSetCookie()[0]).toMatch(/^__Secure-session=; Path=\/v1\/session; Max-Age=0; .*Secure$/)
  })

  it('replaced by another sign-in, ends its session and the tokens of it', async () => {
    const email = await newPerson()
    const elsewhere = await trySignIn(email)
    const first = await trySignIn(email)
    const second = await trySignIn(email, { cookie: cookiesOf(first) })
    const stranger = await trySignIn(await newPerson(), { cookie: cookiesOf(second) })
    const alive = async ({ body, headers }: Reply) => [
      (await service.call('GET', '/v1/me', { token: body.access_token })).status,
      (await exchange(service.url, headers.getSetCookie()[0]?.split(';')[0] ?? '')).status,
    ]
    expect(await Promise.all([elsewhere, first, second, stranger].map(alive))).toEqual([
      [200, 200],
      [401, 401],
      [401, 401],
      [200, 200],
    ])
  })

  it('of somebody else ends nothing when the password is wrong, or the cookie is made up', async () => {
    const email = await newPerson()
    const first = await trySignIn(email)
    const cookie = cookiesOf(first)
    expect(told(await trySignIn(email, { tried: 'wrong', cookie }))).toEqual(refused)
    const made = cookie.replace(/(session=\w{64})[\w-]{43}/, `$1${'A'.repeat(43)}`)
    expect((await trySignIn(await newPerson(), { cookie: made })).status).toBe(200)
    expect((await service.call('GET', '/v1/me', { token: first.body.access_token })).status).toBe(200)
  })
})

describe('a session with a limit of ten idle minutes', () => {
  const start = async () => {
    const reply = await send(`${idling.url}/v1/session`, 'POST', { body: { email: await newPerson(), password } })
    const token: string = reply.body.access_token
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
    const row = () => service.db('credentials').where({ id: claims.credential_id })
    const secondsLeft = async () =>
      Number((await row().first(service.db.raw('extract(epoch from ends_at - clock_timestamp()) as left'))).left)
    const exchange = () => send(`${idling.url}/v1/session/token`, 'POST', { headers: { cookie: cookiesOf(reply) } })
    return { token, expiresIn: reply.body.expires_in, row, secondsLeft, exchange, id: claims.credential_id }
  }
  const inSeconds = (seconds: number) => service.db.raw(`clock_timestamp() + interval '${seconds} seconds'`)

  it('lives on while tokens are bought with it, and no token outlives it', async () => {
    const { expiresIn, row, secondsLeft, exchange } = await start()
    expect([expiresIn <= 600, (await secondsLeft()) <= 600]).toEqual([true, true])
    await row().update({ ends_at: inSeconds(60) })
    const { status, body } = await exchange()
    expect([status, body.expires_in > 300, body.expires_in <= 600]).toEqual([200, true, true])
    expect(await secondsLeft()).toBeGreaterThan(300)
  })

  it('is over after them, tokens included', async () => {
    const { token, row, exchange } = await start()
    await row().update({ ends_at: inSeconds(-1) })
    expect([told(await exchange()), (await service.call('GET', '/v1/me', { token })).status]).toEqual([
      [401, 'session-ended'],
      401,
    ])
  })

  it('ends 12 hours after it began, however much it is used', async () => {
    const { row, id, secondsLeft, exchange } = await start()
    await service
      .db('sessions')
      .where({ credential_id: id })
      .update({ signed_in_at: inSeconds(100 - 43_200) })
    await row().update({ ends_at: inSeconds(90) })
    expect((await exchange()).status).toBe(200)
    expect(await secondsLeft()).toBeLessThanOrEqual(100)
  })

  it('is not brought back by a token that is bought while it ends', async () => {
    const { row, exchange, secondsLeft } = await start()
    const trx = await service.db.transaction()
    await row()
      .transacting(trx)
      .update({ ends_at: '-infinity', epoch: service.db.raw('epoch + 1') })
    const late = exchange()
    await expect
      .poll(
        async () =>
          (await service.db('pg_stat_activity').whereRaw("datname = current_database() and wait_event_type = 'Lock'"))
            .length,
      )
      .toBeGreaterThan(0)
    await trx.commit()
    expect(told(await late)).toEqual([401, 'session-ended'])
    expect(await secondsLeft()).toBe(-Infinity)
  })
})

describe('a new password', () => {
  const guessable = [422, 'password-guessable']
  const easy = (email: string) => [
    'password1234',
    'Password123!',
    'Adgangskode1234',
    'iloveyou1234',
    '            ',
    'aaaaaaaaaaaa',
    'a-'.repeat(100),
    'abcabcabcabcabc',
    'hej hej hej hej hej',
    '123456789012',
    'abcdefghijklm',
    'qwertyuiop12',
    'p4$$w0rd'.repeat(8),
    `${email}1`,
    email.split('').reverse().join(''),
    'Nordhavn Biler!',
    'nordhavnbiler1',
    'Sofie Holm-Jensen',
  ]

  it('is refused when it is easily guessed, and the link works still', async () => {
    const stranger = await service.dealer('guessing')
    await service.db('dealers').where({ id: stranger.dealerId }).update({ name: 'Nordhavn Biler' })
    const invited = await service.call('POST', '/v1/users', {
      token: stranger.admin.token,
      body: { email: 'sofie@guessing.example', name: 'Sofie Holm-Jensen', role: 'sales' },
    })
    const token = invited.body.passwordLink.url.split('#')[1]
    const choose = (chosen: string) => service.call('POST', '/v1/password', { body: { token, password: chosen } })
    for (const each of easy('sofie@guessing.example'))
      expect([each, told(await choose(each))]).toEqual([each, guessable])
    expect(told(await choose(' Sofie@guessing.example'))).toEqual([422, 'password-is-email'])
    expect((await choose('four kettles dream sideways')).status).toBe(204)
  })

  it('is refused by the same rule where a person changes it', async () => {
    const email = await newPerson()
    const { token } = await service.signIn(email)
    const change = (newPassword: string) =>
      service.call('PUT', '/v1/me/password', { token, body: { currentPassword: password, newPassword } })
    for (const each of easy(email).slice(0, 3)) expect([each, told(await change(each))]).toEqual([each, guessable])
    expect((await change('four kettles dream sideways')).status).toBe(204)
  })

  it('is refused by the same rule at the first start', async () => {
    const admin = { email: 'admin@dealer.example', password: 'password1234' }
    const config = { ...readConfig({ DATABASE_URL: 'postgres://x', SECRET_KEYS: secretKeys }), admin }
    const connection = await freshDatabase()
    const start = (chosen: string) =>
      prepareDatabase(connection, { ...config, admin: { ...admin, password: chosen } }, pino({ level: 'silent' }))
    await expect(start('password1234')).rejects.toThrow('ADMIN_PASSWORD is easily guessed')
    await expect(start('four kettles dream sideways')).resolves.toMatchObject({ firstAdmin: undefined })
  })
})

describe('a password that the operator made', () => {
  const isTemporary = async (email: string, tried: string) => {
    const { status, body } = await trySignIn(email, { tried })
    return [status, body.user?.passwordTemporary]
  }

  it('is to be changed, and until then good for whatever is no dashboard', async () => {
    const email = `${randomUUID()}@signing.example`
    const made = await createUser(service.db, dealer.dealerId, 'admin', { email, name: 'Mette' })
    for (let count = 0; count < 2; count++) expect(await isTemporary(email, made.password)).toEqual([200, true])
    const { body } = await trySignIn(email, { tried: made.password })
    expect((await service.call('GET', '/v1/users', { token: body.access_token })).status).toBe(200)
    await service.call('PUT', '/v1/me/password', {
      token: body.access_token,
      body: { currentPassword: made.password, newPassword: password },
    })
    expect(await isTemporary(email, password)).toEqual([200, undefined])

    for (const chosen of [undefined, 'four kettles dream sideways']) {
      const reset = await resetPassword(service.db, email, chosen)
      expect(await isTemporary(email, reset.password)).toEqual([200, true])
    }
  })

  it('is none any more when a link was used to choose another', async () => {
    const email = `${randomUUID()}@signing.example`
    await createUser(service.db, dealer.dealerId, 'sales', { email, name: 'Sofie' })
    const { rows } = await service.db.raw('select id from users where email = ?', [email])
    const link = await service.call('POST', `/v1/users/${outer('user', rows[0].id)}/password-link`, {
      token: dealer.admin.token,
    })
    await service.call('POST', '/v1/password', { body: { token: link.body.url.split('#')[1], password } })
    expect(await isTemporary(email, password)).toEqual([200, undefined])
  })
})

it('keeps a bounded count of attempts, however many e-mails and addresses they come from', async () => {
  const counted = async () => Number((await service.db('attempts').count())[0]?.['count'])
  const before = await counted()
  // From one address: refused ones are not counted.
  const from = newAddress()
  await failNearly(from)
  for (let sent = 0; sent < amount(50, 5_000); sent++) await trySignIn(`${sent}@many.example`, { from, tried: 'wrong' })
  expect((await counted()) - before).toBeLessThanOrEqual(4)

  // From as many addresses as there are e-mails: they meet in the places that there are.
  const places = new Set<number>()
  for (let at = 0; at < amount(2_000, 1_000_000); at++) {
    places.add(placeOf(secrets, 'account', `${at}@many.example`).place)
    if (at % 1_000 === 0) await pause()
  }
  expect([Math.max(...[...places].slice(0, 1_000)) < 2 ** 17, places.size <= 2 ** 17]).toEqual([true, true])
})

it('forgets attempts that count no more', async () => {
  await trySignIn('over@signing.example', { tried: 'wrong' })
  await service.db('attempts').update({ ends_at: new Date() })
  const sweep = sweeps.find(({ name }) => name === 'sweeping failed attempts') ?? expect.fail()
  await swept(service.db, sweep, new AbortController().signal)
  expect(await service.db('attempts')).toEqual([])
})
