import { randomUUID } from 'node:crypto'
import { Writable } from 'node:stream'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inner } from '../src/ids.ts'
import { lockDealer } from '../src/tokens/store.ts'
import { findSecretVersionsInUse } from '../src/users/store.ts'
import { until } from './patience.ts'
import { password, type Reply, startService, type TestService } from './service.ts'

const another = 'another-password-for-tests'
const weekMs = 7 * 24 * 60 * 60 * 1000
const invalid = [422, 'password-link-invalid']

let log = ''
let service: TestService
let dealer: Awaited<ReturnType<TestService['dealer']>>
let other: Awaited<ReturnType<TestService['dealer']>>
beforeAll(async () => {
  service = await startService(
    pino({ level: 'trace' }, new Writable({ write: (chunk, _encoding, done) => void ((log += chunk), done()) })),
  )
  dealer = await service.dealer('people')
  other = await service.dealer('strangers')
})
afterAll(() => service.close())

const told = ({ status, body }: Reply) => [status, body?.code]
const admin = (method: string, path: string, body?: object) =>
  service.call(method, path, { token: dealer.admin.token, ...(body && { body }) })
const invite = (more: object = {}) =>
  admin('POST', '/v1/users', { email: `${randomUUID()}@people.example`, name: 'Sofie Sales', role: 'sales', ...more })
const tokenIn = (url: string) => url.split('#')[1] ?? ''
const choose = (token: string, chosen = password, headers: Record<string, string> = {}) =>
  service.call('POST', '/v1/password', { body: { token, password: chosen }, headers })
const newLink = async (userId: string) => tokenIn((await admin('POST', `/v1/users/${userId}/password-link`)).body.url)
const trySignIn = (email: string, tried = password) =>
  service.call('POST', '/v1/session', { body: { email, password: tried } })
const me = async (token: string) => (await service.call('GET', '/v1/me', { token })).status
const audited = async (userId: string) =>
  ((await admin('GET', `/v1/audit-entries?subjectId=${userId}`)).body.items as any[])
    .filter(({ action }) => !/^user\.(signed|session|refused)/.test(action))
    .map(({ action, actor, after }) => [action, actor.name, after])
const state = async (userId: string) =>
  (await admin('GET', '/v1/users?limit=200')).body.items.find(({ id }: any) => id === userId).state

/** Somebody who was invited, and the secret of the link. */
async function invited(more: object = {}) {
  const { body } = await invite(more)
  return { id: body.user.id as string, email: body.user.email as string, token: tokenIn(body.passwordLink.url) }
}

async function signedIn(more: object = {}) {
  const person = await invited(more)
  await choose(person.token)
  return { ...person, ...(await service.signIn(person.email)) }
}

async function waitUntilWaiting(count: number): Promise<void> {
  const waiting = () =>
    service.db('pg_stat_activity').whereRaw("datname = current_database() and wait_event_type = 'Lock'")
  await until(async () => (await waiting()).length >= count)
}

/** Holds the dealer's clock until `count` requests wait for it, changes what `meanwhile` changes, and lets go. */
async function whileWaiting<T>(
  count: number,
  request: () => Promise<T>,
  meanwhile: (trx: Parameters<typeof lockDealer>[0]) => Promise<unknown> = async () => undefined,
): Promise<T> {
  const trx = await service.db.transaction()
  await lockDealer(trx, dealer.dealerId)
  const answer = request()
  await waitUntilWaiting(count)
  await meanwhile(trx)
  await trx.commit()
  return answer
}

describe('inviting', () => {
  it('makes a user without a password, and a link that works once', async () => {
    const { status, body, headers } = await invite({ name: ' Sofie Sales ' })
    expect([status, headers.get('cache-control'), headers.get('location')]).toEqual([
      201,
      'no-store',
      `/v1/users/${body.user.id}`,
    ])
    expect(body.user).toMatchObject({ name: 'Sofie Sales', role: 'sales', state: 'invited', deactivated: false })
    expect(body.passwordLink.url).toMatch(new RegExp(`^${service.url}/password#[0-9a-f]{64}[\\w-]{43}$`))
    expect(Math.abs(Date.parse(body.passwordLink.expiresAt) - Date.now() - weekMs)).toBeLessThan(60_000)
    expect(told(await trySignIn(body.user.email))).toEqual([401, 'sign-in-refused'])

    const token = tokenIn(body.passwordLink.url)
    expect(told(await choose(token))).toEqual([204, undefined])
    expect(await state(body.user.id)).toBe('active')
    expect((await trySignIn(body.user.email)).status).toBe(200)
    expect(told(await choose(token, another))).toEqual(invalid)
    expect((await trySignIn(body.user.email)).status).toBe(200)
    expect(await audited(body.user.id)).toEqual([
      ['user.password_set', 'Sofie Sales', {}],
      ['user.created', 'Admin', { email: body.user.email, role: 'sales' }],
    ])
  })

  it('refuses an address that somebody of the dealer has, in any case of letters', async () => {
    expect(told(await invite({ email: dealer.sales.email.toUpperCase() }))).toEqual([409, 'email-taken'])
    const { email } = await invited()
    expect(told(await invite({ email: email.toUpperCase() }))).toEqual([409, 'email-taken'])
  })

  it('does not tell that somebody has an address at another dealer, who keeps it', async () => {
    const { body, ...reply } = await invite({ email: other.sales.email })
    const { body: nobodys } = await invite()
    expect([reply.status, Object.keys(body), Object.keys(body.passwordLink), body.user.state]).toEqual([
      201,
      Object.keys(nobodys),
      Object.keys(nobodys.passwordLink),
      'invited',
    ])
    // Only whoever has the link, and with it the mailbox, is told.
    expect(told(await choose(tokenIn(body.passwordLink.url), another))).toEqual([409, 'email-taken'])
    const kept = await trySignIn(other.sales.email)
    expect([kept.status, kept.body.user.id]).toEqual([200, other.sales.userId])
  })

  it('lets the first of two who are invited to one address have it', async () => {
    const email = 'both@people.example'
    const both = await Promise.all(
      [dealer, other].map(({ admin: { token } }) =>
        service.call('POST', '/v1/users', { token, body: { email, name: 'Both', role: 'sales' } }),
      ),
    )
    expect(both.map(told)).toEqual([
      [201, undefined],
      [201, undefined],
    ])
    const chosen = await Promise.all(both.map(({ body }) => choose(tokenIn(body.passwordLink.url))))
    expect(chosen.map(told).toSorted(([one], [two]) => one - two)).toEqual([
      [204, undefined],
      [409, 'email-taken'],
    ])
    const winner = both[chosen.findIndex(({ status }) => status === 204)]
    expect((await trySignIn(email)).body.user.id).toBe(winner?.body.user.id)
  })

  it.each([
    { email: 'nobody' },
    { email: 'a b@people.example' },
    { email: 'a@people.example\u0000' },
    { name: ' ' },
    { name: 'a\u0000b' },
    { name: 'two\nlines' },
    { role: 'owner' },
    { password },
  ])('refuses %j', async (body) => {
    expect((await invite(body)).status).toBe(400)
  })

  it('counts somebody without a password as no admin', async () => {
    await invited({ role: 'admin' })
    expect(told(await admin('PATCH', `/v1/users/${dealer.admin.userId}`, { role: 'sales' }))).toEqual([
      409,
      'last-admin',
    ])
  })
})

describe('a link to choose a password', () => {
  it('ends with the next one, and is made for whoever forgot the password, too', async () => {
    const { id, email } = await signedIn()
    const [older, newer] = [await newLink(id), await newLink(id)]
    for (const dead of [
      older,
      'nothing',
      `${newer.slice(0, -1)}${newer.endsWith('A') ? 'B' : 'A'}`,
      `${'0'.repeat(64)}${'A'.repeat(43)}`,
    ])
      expect(told(await choose(dead, another))).toEqual(invalid)
    expect((await trySignIn(email)).status).toBe(200)
    expect(told(await choose(newer, another))).toEqual([204, undefined])
    expect([(await trySignIn(email)).status, (await trySignIn(email, another)).status]).toEqual([401, 200])
    expect((await audited(id)).map(([action, actor]) => [action, actor])).toEqual([
      ['user.password_set', 'Sofie Sales'],
      ['user.password_link_created', 'Admin'],
      ['user.password_link_created', 'Admin'],
      ['user.password_set', 'Sofie Sales'],
      ['user.created', 'Admin'],
    ])
  })

  it('ends every session that the old password began', async () => {
    const { id, token, cookie } = await signedIn()
    await choose(await newLink(id), another)
    expect([
      await me(token),
      (await service.call('POST', '/v1/session/token', { headers: { cookie } })).status,
    ]).toEqual([401, 401])
  })

  it('is over after 7 days, for sign-in and for the master secret that it was made with', async () => {
    const { id, token } = await invited()
    const [row] = await service.db('password_links').where({ user_id: inner(id) })
    expect(row.expires_at - row.created_at).toBe(weekMs)
    await service
      .db('password_links')
      .where({ user_id: inner(id) })
      .update({ secret_version: 'v0' })
    expect(await findSecretVersionsInUse(service.db)).toContain('v0')
    await service
      .db('password_links')
      .where({ user_id: inner(id) })
      .update({ secret_version: 'v1', expires_at: new Date() })
    expect(told(await choose(token))).toEqual(invalid)
    await service
      .db('password_links')
      .where({ user_id: inner(id) })
      .update({ secret_version: 'v0' })
    expect([told(await choose(token)), await findSecretVersionsInUse(service.db)]).toEqual([invalid, ['v1']])
  })

  it('dies with a deactivation, and stays dead', async () => {
    const { id, token } = await invited()
    await admin('PATCH', `/v1/users/${id}`, { deactivated: true })
    expect([told(await choose(token)), await state(id)]).toEqual([invalid, 'deactivated'])
    expect(told(await admin('POST', `/v1/users/${id}/password-link`))).toEqual([409, 'user-deactivated'])
    await admin('PATCH', `/v1/users/${id}`, { deactivated: false })
    expect([told(await choose(token)), await state(id)]).toEqual([invalid, 'invited'])
    expect((await choose(await newLink(id))).status).toBe(204)
  })

  it('works once when two use it at once', async () => {
    const { token, email } = await invited()
    const replies = await whileWaiting(1, () => Promise.all([choose(token), choose(token, another)]))
    expect(replies.map(told).toSorted(([one], [two]) => one - two)).toEqual([[204, undefined], invalid])
    const winner = replies[0].status === 204 ? password : another
    expect([
      (await trySignIn(email, winner)).status,
      (await trySignIn(email, winner === password ? another : password)).status,
    ]).toEqual([200, 401])
  })

  it('is of no use to whoever is deactivated while the password is hashed', async () => {
    const { token, id } = await invited()
    const reply = await whileWaiting(
      1,
      () => choose(token),
      (trx) =>
        trx('users')
          .where({ id: inner(id) })
          .update({ deactivated_at: new Date() }),
    )
    expect(told(reply)).toEqual(invalid)
    expect(
      (
        await service
          .db('users')
          .where({ id: inner(id) })
          .first()
      ).password_hash,
    ).toBeNull()
  })

  it('refuses pages of another origin, short passwords and the e-mail address, and works still', async () => {
    const { token, email } = await invited()
    expect(told(await choose(token, password, { origin: 'https://evil.example' }))).toEqual([403, 'foreign-origin'])
    for (const short of ['', 'elevenchars', 'x'.repeat(201)]) expect((await choose(token, short)).status).toBe(400)
    for (const same of [email, ` ${email.toUpperCase()}`])
      expect(told(await choose(token, same))).toEqual([422, 'password-is-email'])
    expect((await choose(token)).status).toBe(204)
  })

  it('is made for nobody of another dealer', async () => {
    const { id, token } = await signedIn()
    const strange = await service.call('POST', `/v1/users/${other.sales.userId}/password-link`, {
      token: dealer.admin.token,
    })
    const missing = await service.call('POST', `/v1/users/user_${'0'.repeat(32)}/password-link`, {
      token: dealer.admin.token,
    })
    expect([told(strange), { ...strange.body, requestId: '' }]).toEqual([
      [404, 'not-found'],
      { ...missing.body, requestId: '' },
    ])
    expect(told(await service.call('POST', `/v1/users/${id}/password-link`, { token }))).toEqual([403, 'scope-missing'])
  })
})

it('renames a person without ending anything', async () => {
  const { id, token } = await signedIn()
  expect((await admin('PATCH', `/v1/users/${id}`, { name: ' Sofie Holm ' })).body).toMatchObject({
    name: 'Sofie Holm',
    role: 'sales',
    state: 'active',
  })
  expect(await me(token)).toBe(200)
  expect((await audited(id))[0]).toEqual(['user.updated', 'Admin', { name: 'Sofie Holm' }])
})

describe('changing the own password', () => {
  const change = (token: string, currentPassword: string, newPassword: string) =>
    service.call('PUT', '/v1/me/password', { token, body: { currentPassword, newPassword } })

  it('ends every session, the own one included', async () => {
    const { id, email, token } = await signedIn()
    const elsewhere = await service.signIn(email)
    const link = await newLink(id)
    expect((await change(token, password, another)).status).toBe(204)
    for (const dead of [token, elsewhere.token]) expect(await me(dead)).toBe(401)
    expect((await service.call('POST', '/v1/session/token', { headers: { cookie: elsewhere.cookie } })).status).toBe(
      401,
    )
    expect(told(await choose(link))).toEqual(invalid)
    expect([(await trySignIn(email)).status, (await trySignIn(email, another)).status]).toEqual([401, 200])
    expect((await audited(id))[0]).toEqual(['user.password_changed', 'Sofie Sales', {}])
  })

  it('asks for the current one, and counts wrong ones by session', async () => {
    const { email, token } = await signedIn()
    expect(told(await change(token, 'wrong', another))).toEqual([422, 'password-wrong'])
    expect(told(await change(token, password, email))).toEqual([422, 'password-is-email'])
    expect((await change(token, password, 'too short')).status).toBe(400)
    for (let count = 0; count < 10; count++) expect((await trySignIn(email, 'wrong')).status).toBe(401)
    for (let count = 0; count < 9; count++) expect((await change(token, 'wrong', another)).status).toBe(422)
    expect(told(await change(token, password, another))).toEqual([429, 'too-many-attempts'])
    expect(await me(token)).toBe(200)
  })

  it('tells a dead token that it is dead before it looks at the password', async () => {
    const { id, token } = await signedIn()
    await admin('PATCH', `/v1/users/${id}`, { deactivated: true })
    for (const tried of ['wrong', password])
      expect(told(await change(token, tried, another))).toEqual([401, 'token-invalid'])
    expect(told(await change(dealer.dms.token, password, another))).toEqual([403, 'person-needed'])
  })

  it('does nothing when the password was changed meanwhile', async () => {
    const { id, email, token } = await signedIn()
    const first = await service.db.transaction()
    await lockDealer(first, dealer.dealerId)
    const answer = change(token, password, another)
    await waitUntilWaiting(1)
    // Who waits for the clock gets it in turn: first the reading of the password, then this change of it, and last the
    // saving.
    const second = await service.db.transaction()
    const locked = lockDealer(second, dealer.dealerId)
    await waitUntilWaiting(2)
    await first.commit()
    await locked
    await second.raw("update users set password_hash = password_hash || ' ' where id = ?", [inner(id)])
    await waitUntilWaiting(1)
    await second.commit()
    const reply = await answer
    expect(told(reply)).toEqual([422, 'password-wrong'])
    await service.db.raw('update users set password_hash = trim(password_hash) where id = ?', [inner(id)])
    expect((await trySignIn(email)).status).toBe(200)
  })
})

describe('own sessions', () => {
  const list = async (token: string) => (await service.call('GET', '/v1/me/sessions', { token })).body.items as any[]

  it('are listed newest first, while they live, to their person alone', async () => {
    const person = await invited()
    await choose(person.token)
    const agents = ['Browser/1', `Pasted/2 ${dealer.dms.secret} ${person.token}`, 'x '.repeat(250)]
    const tokens: string[] = []
    for (const agent of agents)
      tokens.push(
        (
          await service.call('POST', '/v1/session', {
            body: { email: person.email, password },
            headers: { 'user-agent': agent },
          })
        ).body.access_token,
      )
    const found = await list(tokens[1] ?? '')
    expect(found.map(({ userAgent, current }) => [userAgent, current])).toEqual([
      ['x '.repeat(100), false],
      ['Pasted/2 (secret) (secret)', true],
      ['Browser/1', false],
    ])
    for (const { id, signedInAt, expiresAt, address } of found)
      expect([id, Date.parse(expiresAt) - Date.parse(signedInAt), address]).toEqual([
        expect.stringMatching(/^session_[0-9a-f]{32}$/),
        12 * 3_600_000,
        expect.stringContaining('127.0.0.1'),
      ])
    expect((await list(dealer.admin.token)).map(({ id }) => id)).not.toContain(found[0].id)

    await service
      .db('credentials')
      .where({ id: inner(found[2].id) })
      .update({ ends_at: new Date() })
    expect((await list(tokens[1] ?? '')).map(({ id }) => id)).toEqual([found[0].id, found[1].id])
  })

  it('end one by one, and only for their person', async () => {
    const { token, email } = await signedIn()
    const elsewhere = await service.signIn(email)
    const [own] = await list(elsewhere.token)
    const end = (by: string, id: string) => service.call('DELETE', `/v1/me/sessions/${id}`, { token: by })
    expect(told(await end(dealer.admin.token, own.id))).toEqual([404, 'not-found'])
    expect(told(await end(dealer.website.token, own.id))).toEqual([403, 'person-needed'])
    expect(told(await service.call('GET', '/v1/me/sessions', { token: dealer.dms.token }))).toEqual([
      403,
      'person-needed',
    ])
    expect(await me(elsewhere.token)).toBe(200)
    expect((await end(token, own.id)).status).toBe(204)
    expect([await me(elsewhere.token), await me(token)]).toEqual([401, 200])
    expect(told(await end(token, own.id))).toEqual([404, 'not-found'])
  })
})

it('keeps nothing of a link or a password in the database, the log or the audit', async () => {
  const { id, token, email } = await invited()
  const unused = await newLink(id)
  await choose(token)
  await choose(unused)
  const left = await newLink(id)
  await service.call('PUT', '/v1/me/password', {
    token: (await service.signIn(email)).token,
    body: { currentPassword: password, newPassword: another },
  })
  const again = await newLink(id)
  const { rows } = await service.db.raw<{ rows: { name: string }[] }>(
    "select table_name as name from information_schema.tables where table_schema = 'public'",
  )
  let everything = log
  for (const { name } of rows)
    everything += JSON.stringify((await service.db.raw('select to_jsonb(t)::text as row from ?? t', [name])).rows)
  expect(everything).toContain(email)
  expect(log).toContain('setPassword')
  for (const secret of [token, unused, left, again])
    for (const part of [
      secret,
      secret.slice(64),
      Buffer.from(secret).toString('hex'),
      Buffer.from(secret.slice(64), 'base64url').toString('hex'),
    ])
      expect(everything.includes(part)).toBe(false)
  for (const secret of [password, another]) expect(everything.includes(secret)).toBe(false)
})
