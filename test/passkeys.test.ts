import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { newChallenge } from '../src/passkeys/challenge.ts'
import { resetPasskeys } from '../src/passkeys/operator.ts'
import { siteOf } from '../src/passkeys/site.ts'
import { inner, newId } from '../src/ids.ts'
import { tellOfUnfinished } from '../src/sessions/unfinished.ts'
import { placeOf } from '../src/users/attempts.ts'
import { findByEmail } from '../src/users/store.ts'
import { authenticator, cborText, type Quirks } from './authenticator.ts'
import { waitingForLocks } from './faults/processes.ts'
import { until } from './patience.ts'
import { password, type Reply, startService, type TestService } from './service.ts'

let service: TestService
beforeAll(async () => {
  // A mail server that is not there: mail is set up, and waits.
  const mail = { smtpUrl: 'smtp://127.0.0.1:9', from: 'CarBuddii <mail@service.example>' }
  service = await startService(undefined, mail, {}, 'localhost')
})
afterAll(() => service.close())

let dealers = 0
const newDealer = () => service.dealer(`passkeys-${++dealers}`)
const byPassword = (email: string, more: object = {}) =>
  service.call('POST', '/v1/session', { body: { email, password, ...more } })
const challenge = async () => (await service.call('POST', '/v1/session/passkey-challenge')).body
const alone = (assertion: object) => service.call('POST', '/v1/session/passkey', { body: assertion })
const codeOf = ({ status, body }: Reply) => [status, body?.code]
const lives = async (token: string) => (await service.call('GET', '/v1/me', { token })).status === 200
const auditOf = async (dealerId: string, userId: string) =>
  (
    await service
      .db('audit_entries')
      .where({ dealer_id: dealerId, subject_id: inner(userId) })
      .whereNot({ action: 'user.signed_in' })
      .orderBy('id')
  ).map(({ action }) => action as string)
const mailsTo = async (dealerId: string, userId: string) =>
  (await service.db('mails').where({ dealer_id: dealerId, user_id: inner(userId), kind: 'passkeys_changed' })).map(
    ({ data }) => data.deed as string,
  )
const age = (dealerId: string) =>
  service
    .db('credentials')
    .where({ dealer_id: dealerId, subject_type: 'user' })
    .update({ created_at: new Date(Date.now() - 16 * 60_000) })

/** Adds a passkey to the account of a token. */
async function add(token: string, device = authenticator(service.url), name?: string) {
  const options = await service.call('POST', '/v1/me/passkeys/options', { token })
  const added = await service.call('POST', '/v1/me/passkeys', { token, body: device.create(options.body, name) })
  expect([options.status, added.status, added.body?.code]).toEqual([200, 200, undefined])
  return { device, passkeyId: added.body.passkey.id as string, codes: added.body.recoveryCodes as string[] | undefined }
}

async function somebody() {
  const { dealerId, admin, sales } = await newDealer()
  return { dealerId, admin, ...sales, ...(await add(sales.token)) }
}

describe('a person with a passkey', () => {
  it('signs in with it alone, or with the password and it, and no more with the password alone', async () => {
    const { email, userId, device, codes } = await somebody()
    expect(codes?.length).toBe(10)

    const refused = await byPassword(email)
    expect(codeOf(refused)).toEqual([401, 'second-factor-needed'])
    expect([refused.headers.getSetCookie(), refused.body.passkeyRequest.passkeys]).toEqual([[], [device.id]])
    const both = await byPassword(email, { passkey: device.get(refused.body.passkeyRequest) })
    expect([both.status, both.body.user.passkeys]).toEqual([200, 1])

    const signedIn = await alone(device.get(await challenge()))
    expect([signedIn.status, signedIn.body.user.id]).toEqual([200, userId])
    expect(signedIn.headers.getSetCookie()[0]).toMatch(/^(__Secure-)?session=/)
    const { items } = (await service.call('GET', '/v1/me/passkeys', { token: signedIn.body.access_token })).body
    expect(Date.now() - Date.parse(items[0].lastUsedAt)).toBeLessThan(60_000)
  })

  it('needs the finger or the PIN where it stands for the password, and not after the password', async () => {
    const { email, device } = await somebody()
    expect(codeOf(await alone(device.get(await challenge(), { isVerified: false })))).toEqual([401, 'passkey-refused'])
    const { passkeyRequest } = (await byPassword(email)).body
    expect((await byPassword(email, { passkey: device.get(passkeyRequest, { isVerified: false }) })).status).toBe(200)
  })

  it('has more of them, gives them names, and removes them', async () => {
    const { token, dealerId, userId, passkeyId } = await somebody()
    const second = await add(token, undefined, 'Key at the counter')
    expect(second.codes).toBe(undefined)
    const path = `/v1/me/passkeys/${passkeyId}`
    expect((await service.call('PATCH', path, { token, body: { name: ' Phone ' } })).body.name).toBe('Phone')
    expect((await service.call('DELETE', path, { token })).status).toBe(204)
    expect(codeOf(await service.call('DELETE', path, { token }))).toEqual([404, 'not-found'])
    const { items, recoveryCodesLeft } = (await service.call('GET', '/v1/me/passkeys', { token })).body
    expect([items.map(({ name }: { name: string }) => name), recoveryCodesLeft]).toEqual([['Key at the counter'], 10])
    expect(await auditOf(dealerId, userId)).toEqual([
      'user.created',
      'user.passkey_added',
      'user.passkey_added',
      'user.passkey_renamed',
      'user.passkey_removed',
    ])
    expect((await mailsTo(dealerId, userId)).toSorted()).toEqual([
      'user.passkey_added',
      'user.passkey_added',
      'user.passkey_removed',
    ])
  })

  it('ends with a passkey the sessions that it began, but for the one that removes it', async () => {
    const { email, device, codes } = await somebody()
    const here = (await alone(device.get(await challenge()))).body.access_token
    const there = (await alone(device.get(await challenge()))).body.access_token
    const byCode = (await byPassword(email, { recoveryCode: codes?.[0] })).body.access_token
    const { items } = (await service.call('GET', '/v1/me/passkeys', { token: here })).body
    await service.call('DELETE', `/v1/me/passkeys/${items[0].id}`, { token: here })
    expect([await lives(here), await lives(there), await lives(byCode)]).toEqual([true, false, true])
    expect(codeOf(await alone(device.get(await challenge())))).toEqual([401, 'passkey-refused'])
    // Without passkeys there is no second factor, and no code that would be one.
    expect((await byPassword(email)).status).toBe(200)
    expect(codeOf(await byPassword(email, { recoveryCode: codes?.[1] }))).toEqual([401, 'recovery-code-refused'])
  })

  it('is asked for a fresh sign-in before anything of it changes', async () => {
    const { dealerId, admin, token, userId, passkeyId } = await somebody()
    const { device } = await add(admin.token)
    await age(dealerId)
    const old: [string, string, string, object?][] = [
      [token, 'POST', '/v1/me/passkeys/options'],
      [token, 'POST', '/v1/me/passkeys', device.create({ challenge: 'AA', userHandle: 'AA' })],
      [token, 'DELETE', `/v1/me/passkeys/${passkeyId}`],
      [token, 'POST', '/v1/me/recovery-codes'],
      [admin.token, 'DELETE', `/v1/users/${userId}/passkeys`],
      [admin.token, 'PUT', '/v1/dealer/second-factor', { required: true }],
    ]
    for (const [by, method, path, body] of old)
      expect([path, ...codeOf(await service.call(method, path, { token: by, ...(body && { body }) }))]).toEqual([
        path,
        401,
        'sign-in-too-old',
      ])
  })
})

describe('an answer that proves nothing', () => {
  it.each<[string, Quirks]>([
    ['a page of another origin', { origin: 'https://evil.example' }],
    ['a page of another port', { origin: 'http://localhost:1' }],
    ['a page in a frame of others', { crossOrigin: true }],
    ['a passkey of another name', { rpId: 'evil.example' }],
    ['what was signed to make a passkey', { type: 'webauthn.create' }],
  ])('%s signs nobody in, alone or after the password', async (_what, quirks) => {
    const { email, device } = await somebody()
    expect(codeOf(await alone(device.get(await challenge(), quirks)))).toEqual([401, 'passkey-refused'])
    const { passkeyRequest } = (await byPassword(email)).body
    const beside = await byPassword(email, { passkey: device.get(passkeyRequest, quirks) })
    expect(codeOf(beside)).toEqual([401, 'passkey-refused'])
    expect((await alone(device.get(await challenge()))).status).toBe(200)
  })

  it('is one that was given before, also when both come at one time', async () => {
    const { device } = await somebody()
    const assertion = device.get(await challenge())
    const statuses = (await Promise.all([1, 2, 3].map(() => alone(assertion)))).map(({ status }) => status)
    expect(statuses.toSorted((one, other) => one - other)).toEqual([200, 401, 401])
    expect(codeOf(await alone(assertion))).toEqual([401, 'passkey-refused'])
    // Another answer to the same challenge is none, either.
    const asked = await challenge()
    expect([(await alone(device.get(asked))).status, (await alone(device.get(asked))).status]).toEqual([200, 401])
  })

  it('is one to a challenge of another person, for something else, from elsewhere, or over', async () => {
    const one = await somebody()
    const other = await somebody()
    const secondFactor = async (email: string) => (await byPassword(email)).body.passkeyRequest
    expect(codeOf(await alone(one.device.get(await secondFactor(one.email))))).toEqual([401, 'passkey-refused'])
    for (const asked of [await challenge(), await secondFactor(other.email), { challenge: 'A'.repeat(72) }])
      expect(codeOf(await byPassword(one.email, { passkey: one.device.get(asked) }))).toEqual([401, 'passkey-refused'])

    const { secrets } = service.service
    const made = (ago: number) => ({ challenge: newChallenge(secrets, 'sign-in', Date.now() - ago * 1000) })
    expect(codeOf(await alone(one.device.get(made(3_600))))).toEqual([401, 'passkey-refused'])
    const changed = Buffer.from(made(3_600).challenge, 'base64url').fill(0xff, 0, 6).toString('base64url')
    expect(codeOf(await alone(one.device.get({ challenge: changed })))).toEqual([401, 'passkey-refused'])
    expect((await alone(one.device.get(made(1)))).status).toBe(200)
  })

  it('is one with the passkey of somebody else', async () => {
    const one = await somebody()
    const other = await somebody()
    const handle = one.device.get({ challenge: '' }).userHandle
    const asked = await challenge()
    for (const assertion of [
      other.device.get(asked, { userHandle: handle }),
      { ...other.device.get(asked, { userHandle: handle }), id: one.device.id },
      { ...one.device.get(asked), id: other.device.id },
      { ...one.device.get(asked), signature: other.device.get(asked).signature },
      { ...one.device.get(asked), userHandle: 'AA' },
    ])
      expect(codeOf(await alone(assertion))).toEqual([401, 'passkey-refused'])
    const { passkeyRequest } = (await byPassword(one.email)).body
    expect(codeOf(await byPassword(one.email, { passkey: other.device.get(passkeyRequest) }))).toEqual([
      401,
      'passkey-refused',
    ])
  })

  it('is one whose counter went back, which is written down and told', async () => {
    const { dealerId, userId, device } = await somebody()
    expect((await alone(device.get(await challenge(), { counter: 50 }))).status).toBe(200)
    for (const counter of [50, 49, 0])
      expect(codeOf(await alone(device.get(await challenge(), { counter })))).toEqual([401, 'passkey-refused'])
    expect((await auditOf(dealerId, userId)).filter((action) => action === 'user.passkey_suspected').length).toBe(3)
    expect((await mailsTo(dealerId, userId)).filter((deed) => deed === 'user.passkey_suspected').length).toBe(3)
    expect((await alone(device.get(await challenge(), { counter: 51 }))).status).toBe(200)
  })

  it('is one of somebody who was deactivated', async () => {
    const { admin, userId, device } = await somebody()
    const asked = await challenge()
    const { access_token: token } = (await alone(device.get(await challenge()))).body
    await service.call('PATCH', `/v1/users/${userId}`, { token: admin.token, body: { deactivated: true } })
    expect(codeOf(await alone(device.get(asked)))).toEqual([401, 'passkey-refused'])
    expect(await lives(token)).toBe(false)
  })

  it.each<[string, Quirks]>([
    ['of another origin', { origin: 'https://evil.example' }],
    ['of another name', { rpId: 'evil.example' }],
    ['that was signed to sign in', { type: 'webauthn.get' }],
    [
      'with certificates, which would be asked for at addresses of anybody',
      {
        attestation: Buffer.concat([
          cborText('fmt'),
          cborText('packed'),
          cborText('attStmt'),
          Buffer.of(0xa1),
          cborText('x5c'),
          Buffer.of(0x81, 0x41, 0x00),
        ]),
      },
    ],
  ])('makes no passkey: one %s', async (_what, quirks) => {
    const { sales } = await newDealer()
    const { token } = sales
    const { body } = await service.call('POST', '/v1/me/passkeys/options', { token })
    const reply = await service.call('POST', '/v1/me/passkeys', {
      token,
      body: authenticator(service.url).create(body, 'Odd', quirks),
    })
    expect(codeOf(reply)).toEqual([422, 'passkey-not-added'])
  })

  it('makes no passkey twice, and none for somebody else', async () => {
    const { admin, sales } = await newDealer()
    const { token } = sales
    const { body } = await service.call('POST', '/v1/me/passkeys/options', { token })
    const device = authenticator(service.url)
    const made = device.create(body)
    const post = (by: string, sent: object) => service.call('POST', '/v1/me/passkeys', { token: by, body: sent })
    expect(codeOf(await post(admin.token, made))).toEqual([422, 'passkey-not-added'])
    expect((await post(token, made)).status).toBe(200)
    expect(codeOf(await post(token, made))).toEqual([422, 'passkey-not-added'])
    expect(codeOf(await post(token, authenticator(service.url).create(body)))).toEqual([422, 'passkey-not-added'])
    const again = await service.call('POST', '/v1/me/passkeys/options', { token })
    expect(codeOf(await post(token, device.create(again.body)))).toEqual([422, 'passkey-not-added'])
  })

  it('comes from a page of others', async () => {
    const headers = { origin: 'https://evil.example' }
    expect(codeOf(await service.call('POST', '/v1/session/passkey-challenge', { headers }))).toEqual([
      403,
      'foreign-origin',
    ])
    const { device } = await somebody()
    const body = device.get(await challenge())
    expect(codeOf(await service.call('POST', '/v1/session/passkey', { headers, body }))).toEqual([
      403,
      'foreign-origin',
    ])
  })
})

describe('a recovery code', () => {
  it('takes the place of the passkey once, however it is typed, and lies nowhere in clear', async () => {
    const { dealerId, email, userId, codes = [] } = await somebody()
    const [first = '', second = ''] = codes
    const signedIn = await byPassword(email, { recoveryCode: ` ${first.toUpperCase().replace('-', ' ')} ` })
    expect(signedIn.status).toBe(200)
    expect(codeOf(await byPassword(email, { recoveryCode: first }))).toEqual([401, 'recovery-code-refused'])
    const { access_token: token } = signedIn.body
    expect((await service.call('GET', '/v1/me/passkeys', { token })).body.recoveryCodesLeft).toBe(9)
    expect(await auditOf(dealerId, userId)).toContain('user.recovery_code_used')
    expect(await mailsTo(dealerId, userId)).toContain('user.recovery_code_used')

    const rows = JSON.stringify(await service.db('recovery_codes').where({ dealer_id: dealerId }))
    for (const code of codes) expect(rows).not.toContain(Buffer.from(code).toString().slice(0, 5))
    const statuses = await Promise.all([1, 2, 3].map(() => byPassword(email, { recoveryCode: second })))
    expect(statuses.map(({ status }) => status).toSorted((one, other) => one - other)).toEqual([200, 401, 401])
  })

  it('is ended by newer ones, and is nothing without the password', async () => {
    const { email, token, codes = [] } = await somebody()
    const { body } = await service.call('POST', '/v1/me/recovery-codes', { token })
    expect([body.codes.length, body.codes.filter((code: string) => codes.includes(code))]).toEqual([10, []])
    expect(codeOf(await byPassword(email, { recoveryCode: codes[0] }))).toEqual([401, 'recovery-code-refused'])
    const wrong = await byPassword(email, { password: 'wrong', recoveryCode: body.codes[0] })
    expect(codeOf(wrong)).toEqual([401, 'sign-in-refused'])
    expect((await byPassword(email, { recoveryCode: body.codes[0] })).status).toBe(200)
  })

  it('of somebody else, or of nobody without a passkey, is none', async () => {
    const { codes = [] } = await somebody()
    const other = await somebody()
    expect(codeOf(await byPassword(other.email, { recoveryCode: codes[0] }))).toEqual([401, 'recovery-code-refused'])
    const { sales } = await newDealer()
    expect(codeOf(await service.call('POST', '/v1/me/recovery-codes', { token: sales.token }))).toEqual([
      409,
      'passkey-needed',
    ])
  })

  it('is not guessed at leisure by somebody who knows the password', async () => {
    const { email } = await somebody()
    const statuses: number[] = []
    for (let count = 0; count < 12; count++)
      statuses.push((await byPassword(email, { recoveryCode: 'aaaaa-aaaaa' })).status)
    expect(statuses).toEqual([...Array<number>(10).fill(401), 429, 429])
  })
})

describe('a dealer that requires a passkey of everybody', () => {
  const require = (token: string, required = true) =>
    service.call('PUT', '/v1/dealer/second-factor', { token, body: { required } })

  it('ends what a password alone has begun, and lets nobody in before they have a passkey', async () => {
    const { dealerId, admin, sales } = await newDealer()
    expect(codeOf(await require(admin.token))).toEqual([409, 'passkey-needed'])
    const { device } = await add(admin.token)
    const strong = (await alone(device.get(await challenge()))).body.access_token
    const answer = await require(strong)
    expect([answer.status, answer.body.secondFactorRequired]).toEqual([200, true])
    // The passkey was added in the session of the admin, which so has shown it.
    expect([await lives(admin.token), await lives(sales.token), await lives(strong)]).toEqual([true, false, true])
    expect((await service.call('POST', '/v1/session/token', { headers: { cookie: sales.cookie } })).status).toBe(401)

    const asked = await byPassword(sales.email)
    expect([...codeOf(asked), asked.headers.getSetCookie()]).toEqual([401, 'passkey-to-be-added', []])
    const { passkeyCreation } = asked.body
    const phone = authenticator(service.url)
    const odd = await byPassword(sales.email, {
      newPasskey: phone.create(passkeyCreation, 'Odd', { rpId: 'evil.example' }),
    })
    expect(codeOf(odd)).toEqual([401, 'passkey-refused'])
    const entered = await byPassword(sales.email, { newPasskey: phone.create(passkeyCreation, 'Phone') })
    expect([entered.status, entered.body.recoveryCodes.length, entered.body.user.passkeys]).toEqual([200, 10, 1])
    const token = entered.body.access_token
    expect(await auditOf(dealerId, sales.userId)).toContain('user.passkey_added')
    expect(await mailsTo(dealerId, sales.userId)).toEqual(['user.passkey_added'])

    const { items } = (await service.call('GET', '/v1/me/passkeys', { token })).body
    expect(codeOf(await service.call('DELETE', `/v1/me/passkeys/${items[0].id}`, { token }))).toEqual([
      409,
      'last-passkey',
    ])
    // Whoever has one does not get another by the password alone.
    const again = await byPassword(sales.email, { newPasskey: authenticator(service.url).create(passkeyCreation) })
    expect(codeOf(again)).toEqual([401, 'second-factor-needed'])
    const { entries, actions } = await service
      .call('GET', '/v1/audit-entries?action=dealer.updated', { token: strong })
      .then(({ body }) => ({ entries: body.items, actions: body.items.length }))
    expect([actions, entries[0].before, entries[0].after]).toEqual([
      1,
      { secondFactorRequired: false },
      { secondFactorRequired: true },
    ])
    expect((await require(strong, false)).body.secondFactorRequired).toBe(false)
  })

  it('ends no session of whoever asks: it has shown the passkey, or asks for a sign-in with it', async () => {
    const { dealerId, admin } = await newDealer()
    const before = await byPassword(admin.email)
    const { device } = await add(admin.token)
    const old: string = before.body.access_token
    expect(codeOf(await require(old))).toEqual([401, 'sign-in-too-old'])
    expect(await service.db('dealers').where({ id: dealerId }).pluck('second_factor_required')).toEqual([false])

    const strong = (await alone(device.get(await challenge()))).body.access_token
    expect((await require(admin.token)).status).toBe(200)
    expect([await lives(admin.token), await lives(old), await lives(strong)]).toEqual([true, false, true])
    // With the passkey ends the session that has shown it.
    await add(strong)
    const { items } = (await service.call('GET', '/v1/me/passkeys', { token: strong })).body
    await service.call('DELETE', `/v1/me/passkeys/${items[1].id}`, { token: strong })
    expect([await lives(admin.token), await lives(strong)]).toEqual([false, true])
  })

  it('ends a session whose passkey was removed in it', async () => {
    const { admin, sales } = await newDealer()
    const { passkeyId } = await add(sales.token)
    await service.call('DELETE', `/v1/me/passkeys/${passkeyId}`, { token: sales.token })
    await add(admin.token)
    expect((await require(admin.token)).status).toBe(200)
    expect([await lives(admin.token), await lives(sales.token)]).toEqual([true, false])
  })

  it('ends a session that is prolonged in that moment', async () => {
    const { dealerId, admin, sales } = await newDealer()
    const { device } = await add(admin.token)
    const strong = (await alone(device.get(await challenge()))).body.access_token
    const ofSales = () => service.db('credentials').where({ dealer_id: dealerId, subject_id: inner(sales.userId) })
    const endsIn = (seconds: number) => ({
      ends_at: service.db.raw(`clock_timestamp() + interval '${seconds} seconds'`),
    })
    // It has just ended by itself, as everybody sees it; but whoever looked a moment before is about to prolong it.
    await ofSales().update(endsIn(-1))
    const held = await service.db.transaction()
    await ofSales().transacting(held).update(endsIn(3_600))
    const required = require(strong)
    await Promise.race([required, oneWaits()])
    await held.commit()
    expect([(await required).status, await lives(sales.token)]).toEqual([200, false])
  })

  it.each(['the sign-in', 'the requirement'])(
    'lets no password alone through, also when both come at once: %s first',
    async (first) => {
      const { dealerId, admin, sales } = await newDealer()
      const { device } = await add(admin.token)
      const strong = (await alone(device.get(await challenge()))).body.access_token
      const held = await service.db.transaction()
      await held('dealer_clocks').where({ dealer_id: dealerId }).forUpdate()
      const signingIn = () => byPassword(sales.email)
      const [one, other] =
        first === 'the sign-in' ? [signingIn, () => require(strong)] : [() => require(strong), signingIn]
      const begun = one()
      await oneWaits()
      const second = other()
      await held.rollback()
      const replies = [await begun, await second]
      const [entered, required] = first === 'the sign-in' ? replies : replies.toReversed()
      expect(required?.status).toBe(200)
      if (first === 'the requirement') expect(entered?.body.code).toBe('passkey-to-be-added')
      else expect([entered?.status, await lives(entered?.body.access_token)]).toEqual([200, false])
    },
  )

  /** Until one waits for a lock of this database. */
  const oneWaits = () => until(async () => (await waitingForLocks(service.db)) > 0)
})

describe('somebody who has lost them', () => {
  it('is let in again by an admin, who ends what was begun with them', async () => {
    const { dealerId, admin, email, token, userId, device, codes } = await somebody()
    const theirs = await newDealer()
    const path = `/v1/users/${userId}/passkeys`
    expect(codeOf(await service.call('DELETE', path, { token: theirs.admin.token }))).toEqual([404, 'not-found'])
    expect(codeOf(await service.call('DELETE', path, { token }))).toEqual([403, 'scope-missing'])
    expect((await service.call('GET', `/v1/users/${userId}`, { token: admin.token })).body.passkeys).toBe(1)
    expect((await service.call('DELETE', path, { token: admin.token })).status).toBe(204)
    expect((await service.call('GET', `/v1/users/${userId}`, { token: admin.token })).body.passkeys).toBe(0)
    expect([await lives(token), codeOf(await alone(device.get(await challenge())))]).toEqual([
      false,
      [401, 'passkey-refused'],
    ])
    expect(codeOf(await byPassword(email, { recoveryCode: codes?.[0] }))).toEqual([401, 'recovery-code-refused'])
    expect((await byPassword(email)).status).toBe(200)
    expect(await auditOf(dealerId, userId)).toContain('user.passkeys_reset')
    expect(await mailsTo(dealerId, userId)).toContain('user.passkeys_reset')
  })

  it('is let in again by the operator', async () => {
    const { dealerId, email, token, userId } = await somebody()
    expect(await resetPasskeys(service.db, true, email.toUpperCase())).toBe(1)
    expect([await lives(token), (await byPassword(email)).status]).toEqual([false, 200])
    expect(await auditOf(dealerId, userId)).toContain('user.passkeys_reset')
    expect(await mailsTo(dealerId, userId)).toContain('user.passkeys_reset')
  })
})

describe('a right password that nothing follows', () => {
  const unfinished = (dealerId: string) => service.db('unfinished_sign_ins').where({ dealer_id: dealerId })
  /** As if there were no time left to answer. */
  const laterOn = async (dealerId: string) => {
    await unfinished(dealerId).update({ begun_at: service.db.raw("begun_at - interval '7 minutes'") })
    const left = () => unfinished(dealerId).whereRaw("begun_at < clock_timestamp() - interval '6 minutes'")
    await expect.poll(async () => (await tellOfUnfinished(service.db, true), left())).toEqual([])
  }
  const seen = async (dealerId: string) => ({
    refused: (await service.db('refusals').where({ dealer_id: dealerId, code: 'second-factor-needed' })).map(
      ({ requests }) => Number(requests),
    ),
    told: (await service.db('mails').where({ dealer_id: dealerId, kind: 'second_factor_missing' })).map(
      ({ user_id, data }) => [user_id, data.count],
    ),
  })

  it('is gathered with what is refused, and told to the person when it was on a new device', async () => {
    const { dealerId, email, userId, device } = await somebody()
    const nobody = { refused: [], told: [] }
    for (let count = 0; count < 2; count++) await byPassword(email)
    await tellOfUnfinished(service.db, true)
    expect(await seen(dealerId)).toEqual(nobody)
    await laterOn(dealerId)
    expect(await seen(dealerId)).toEqual({ refused: [2], told: [[inner(userId), 2]] })
    expect(await unfinished(dealerId)).toEqual([])

    const entered = await alone(device.get(await challenge()))
    const cookie = entered.headers
      .getSetCookie()
      .map((each) => each.split(';')[0])
      .join('; ')
    await service.call('POST', '/v1/session', { body: { email, password }, headers: { cookie } })
    await laterOn(dealerId)
    expect(await seen(dealerId)).toEqual({ refused: [3], told: [[inner(userId), 2]] })
  })

  it('is none when the person goes on, also after a code that was mistyped', async () => {
    const { dealerId, email, device, codes = [] } = await somebody()
    const { passkeyRequest } = (await byPassword(email)).body
    expect((await byPassword(email, { passkey: device.get(passkeyRequest) })).status).toBe(200)
    await byPassword(email)
    for (let count = 0; count < 2; count++) await byPassword(email, { recoveryCode: 'aaaaa-aaaaa' })
    expect((await byPassword(email, { recoveryCode: codes[0] })).status).toBe(200)
    await byPassword(email)
    expect((await alone(device.get(await challenge()))).status).toBe(200)
    await laterOn(dealerId)
    expect(await seen(dealerId)).toEqual({ refused: [], told: [] })
  })

  it('is none when the person goes on from another address', async () => {
    const { dealerId, email, device } = await somebody()
    const { passkeyRequest } = (await byPassword(email)).body
    await unfinished(dealerId).update({ address: '203.0.113.9' })
    expect((await byPassword(email, { passkey: device.get(passkeyRequest) })).status).toBe(200)
    await laterOn(dealerId)
    expect(await seen(dealerId)).toEqual({ refused: [], told: [] })
  })

  it('is one still of somebody elsewhere while the person signs in', async () => {
    const { dealerId, email, userId, device } = await somebody()
    await byPassword(email)
    await unfinished(dealerId).update({ address: '203.0.113.9' })
    expect((await alone(device.get(await challenge()))).status).toBe(200)
    const { passkeyRequest } = (await byPassword(email)).body
    expect((await byPassword(email, { passkey: device.get(passkeyRequest) })).status).toBe(200)
    await laterOn(dealerId)
    expect(await seen(dealerId)).toEqual({ refused: [1], told: [[inner(userId), 1]] })
  })

  it('keeps nobody from going on while it is told of', async () => {
    const { dealerId, email, device } = await somebody()
    const { passkeyRequest } = (await byPassword(email)).body
    const telling = await service.db.transaction()
    onTestFinished(async () => void (await telling.rollback()))
    await telling('unfinished_sign_ins').where({ dealer_id: dealerId }).forUpdate()
    expect(codeOf(await byPassword(email))).toEqual([401, 'second-factor-needed'])
    expect((await byPassword(email, { passkey: device.get(passkeyRequest) })).status).toBe(200)
  })

  it('is one of somebody else who is at the same address as the person', async () => {
    const { dealerId, email, userId, device } = await somebody()
    await byPassword(email)
    const { passkeyRequest } = (await byPassword(email)).body
    expect((await byPassword(email, { passkey: device.get(passkeyRequest) })).status).toBe(200)
    await laterOn(dealerId)
    expect(await seen(dealerId)).toEqual({ refused: [1], told: [[inner(userId), 1]] })
  })

  it('is one, too, where a wrong code was sent with it at once, or the dealer requires a passkey', async () => {
    const { dealerId, email, userId } = await somebody()
    await byPassword(email, { recoveryCode: 'aaaaa-aaaaa' })
    await laterOn(dealerId)
    expect(await seen(dealerId)).toEqual({ refused: [1], told: [[inner(userId), 1]] })

    const { admin, sales, ...other } = await newDealer()
    const { device } = await add(admin.token)
    const { access_token: token } = (await alone(device.get(await challenge()))).body
    await service.call('PUT', '/v1/dealer/second-factor', { token, body: { required: true } })
    expect(codeOf(await byPassword(sales.email))).toEqual([401, 'passkey-to-be-added'])
    await laterOn(other.dealerId)
    expect(await service.db('refusals').where({ dealer_id: other.dealerId }).pluck('code')).toEqual([
      'passkey-to-be-added',
    ])
    const { items } = (await service.call('GET', '/v1/audit-entries?action=user.refused', { token })).body
    expect(items).toMatchObject([{ subject: { id: sales.userId }, reason: 'passkey-to-be-added' }])
  })

  it('counts as a failure until the person has gone on, so nobody learns at leisure that it is right', async () => {
    const { email, device, codes = [] } = await somebody()
    const failures = async () => {
      const { account } = await findByEmail(service.db, email)
      const rows = await service.db('attempts').where(placeOf(service.service.secrets, 'account', account))
      return rows.map(({ failures: count }) => count)
    }
    const { passkeyRequest } = (await byPassword(email)).body
    expect(await failures()).toEqual([1])
    expect((await byPassword(email, { passkey: device.get(passkeyRequest) })).status).toBe(200)
    expect(await failures()).toEqual([0])
    // Where there was no first step, there is none to be taken back.
    await byPassword(email, { password: 'wrong' })
    expect((await byPassword(email, { recoveryCode: codes[0] })).status).toBe(200)
    expect(await failures()).toEqual([1])
    await service.db('attempts').update({ failures: 0 })
    const statuses: number[] = []
    for (let count = 0; count < 12; count++) statuses.push((await byPassword(email)).status)
    expect(statuses).toEqual([...Array<number>(10).fill(401), 429, 429])
  })
})

it('lets no process of the version before begin a session of somebody who needs more than the password', async () => {
  const { dealerId, userId, admin, ...person } = await somebody()
  const begin = async (id: string) => {
    const session = await service.db('sessions').where({ dealer_id: dealerId }).first()
    const credential = await service.db('credentials').where({ id: session.credential_id }).first()
    const credentialId = newId()
    await service.db.transaction(async (trx) => {
      await trx('credentials').insert({ ...credential, id: credentialId, subject_id: inner(id) })
      // It knows of neither `factor` nor `passkey_id`.
      const { hash, secret_version, signed_in_at } = session
      await trx('sessions').insert({
        dealer_id: dealerId,
        credential_id: credentialId,
        user_id: inner(id),
        hash,
        secret_version,
        signed_in_at,
      })
    })
  }
  await expect(begin(userId)).rejects.toThrow('somebody who needs a second factor')
  await begin(admin.userId)
  const { device } = await add(admin.token)
  await service.call('DELETE', `/v1/users/${userId}/passkeys`, { token: admin.token })
  await begin(userId)
  const { access_token: token } = (await alone(device.get(await challenge()))).body
  await service.call('PUT', '/v1/dealer/second-factor', { token, body: { required: true } })
  await expect(begin(userId)).rejects.toThrow('somebody who needs a second factor')
  expect(codeOf(await byPassword(person.email))).toEqual([401, 'passkey-to-be-added'])
})

it('keeps nothing of those who ask and do not sign in', async () => {
  const { email, device, dealerId } = await somebody()
  const tables = [
    'passkeys',
    'recovery_codes',
    'answered_challenges',
    'sessions',
    'credentials',
    'audit_entries',
    'mails',
  ]
  // Others are told of keys meanwhile.
  const ofThese = (table: string) => ({ dealer_id: dealerId, ...(table === 'mails' && { kind: 'passkeys_changed' }) })
  const counts = () =>
    Promise.all(
      tables.map(async (table) =>
        Number((await service.db(table).where(ofThese(table)).count({ rows: '*' }).first())?.['rows']),
      ),
    )
  const before = await counts()
  for (let count = 0; count < 5; count++) {
    await challenge()
    await byPassword(email)
    await alone(device.get({ challenge: 'A'.repeat(72) }))
  }
  expect(await counts()).toEqual(before)
})

it('forgets that a challenge was answered when nobody could answer it any more', async () => {
  const { dealerId, device } = await somebody()
  await alone(device.get(await challenge()))
  const { sweeps } = await import('../src/sweeps.ts')
  const sweep = sweeps.find(({ name }) => name === 'sweeping answered challenges')
  const left = async () => (await service.db('answered_challenges').where({ dealer_id: dealerId })).length
  await service.db.transaction((trx) => sweep?.batch(trx, 100))
  expect(await left()).toBe(2)
  await service.db('answered_challenges').update({ answered_at: new Date(Date.now() - 3_601_000) })
  await service.db.transaction((trx) => sweep?.batch(trx, 100))
  expect(await left()).toBe(0)
})

it('has no passkeys where browsers have none', async () => {
  expect(
    [
      'https://dealer.example',
      'http://localhost:3000',
      'http://dealer.example',
      'https://192.0.2.7',
      'http://[::1]:1',
    ].map((url) => siteOf(url)?.rpId),
  ).toEqual(['dealer.example', 'localhost', undefined, undefined, undefined])
  const byAddress = await startService()
  const { admin } = await byAddress.dealer('by-address')
  expect(codeOf(await byAddress.call('POST', '/v1/session/passkey-challenge'))).toEqual([409, 'passkeys-not-here'])
  const { token } = admin
  expect(codeOf(await byAddress.call('POST', '/v1/me/passkeys/options', { token }))).toEqual([409, 'passkeys-not-here'])
  expect(codeOf(await byAddress.call('PUT', '/v1/dealer/second-factor', { token, body: { required: true } }))).toEqual([
    409,
    'passkeys-not-here',
  ])
  expect((await byAddress.call('GET', '/v1/me/passkeys', { token })).body).toEqual({
    items: [],
    recoveryCodesLeft: 0,
    required: false,
  })
  await byAddress.close()
})
