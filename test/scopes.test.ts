import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type OperationId, operations } from '../generated/server/express.gen.ts'
import { inner } from '../src/ids.ts'
import { openKeyring } from '../src/tokens/keyring.ts'
import { accessToken } from '../src/tokens/token.ts'
import { lead, startService, type TestService } from './service.ts'
import { listen } from './stream.ts'

let service: TestService
let dealer: Awaited<ReturnType<TestService['dealer']>>
let leadId: string

const person = {
  name: { given: 'Karen', family: 'Blixen' },
  emails: [{ address: 'karen@customer.example' }],
  phones: [{ number: '32 12 34 56', type: 'mobile' }],
  address: { lines: ['Rungstedvej 111'], postalCode: '2960', city: 'Rungsted' },
}
// Whatever of the lead below is about its person or was written by them has one of these in it.
const traces = /Karen|Blixen|karen|32 ?12 ?34 ?56|Rungsted|FARM|YV1FARM/

const whole = {
  type: 'test_drive',
  message: 'I am Karen',
  customer: person,
  vehiclesOfInterest: [
    {
      make: 'Volvo',
      model: 'EX30',
      stockNumber: 'A-1042',
      vin: 'YV1FARM0000000001',
      registration: { number: 'FARM 1' },
      listingUrl: 'https://dealer.example/ex30?for=karen',
      comments: 'Red, as Karen has it',
    },
  ],
  tradeIns: [
    {
      make: 'Saab',
      registration: { number: 'FARM 2' },
      vin: 'YV1FARM0000000002',
      outstandingFinance: { lender: 'Bank of Karen', amount: { amount: '1000' } },
      comments: 'Karen loved it',
    },
  ],
  consents: [
    {
      purpose: 'marketing',
      channel: 'email',
      state: 'granted',
      text: 'Write to Karen',
      sourceUrl: 'https://dealer.example/?karen',
      ipAddress: 'Karen',
    },
  ],
  attribution: {
    source: 'google',
    medium: 'cpc',
    term: 'Karen Blixen car',
    clickIds: { gclid: 'Karen' },
    landingPage: 'https://dealer.example/?karen',
    referrer: 'https://portal.example/?karen',
  },
  appointment: { kind: 'test_drive', comments: 'Ask for Karen' },
  externalReference: { source: 'website', id: 'karen@customer.example' },
  extra: { note: 'Karen' },
  karen: 'Blixen',
}

const asked = (token: string, path: string, more: object = {}) => service.call('GET', path, { token, ...more })
async function tokenOf(...scopes: string[]): Promise<string> {
  return service.exchange(
    (await service.createKey(dealer.admin.token, { kind: 'extensive_integrations', scopes })).secret,
  )
}
const push = async (body: object) =>
  (await service.call('POST', '/v1/leads', { token: dealer.website.token, body })).body.id as string

/** A token with some scopes of its key. */
async function narrowed(secret: string, scope: string): Promise<string> {
  const { body } = await service.call('POST', '/v1/auth/token', {
    headers: { 'x-api-key': secret, 'content-type': 'application/x-www-form-urlencoded' },
    raw: new URLSearchParams({ grant_type: 'client_credentials', scope }).toString(),
  })
  return body.access_token
}

beforeAll(async () => {
  service = await startService()
  dealer = await service.dealer('ours')
  leadId = await push(whole)
})
afterAll(() => service.close())

describe('without customers:read, nothing of the person is', () => {
  const open = {
    type: 'test_drive',
    status: 'new',
    vehiclesOfInterest: [{ make: 'Volvo', model: 'EX30', stockNumber: 'A-1042' }],
    tradeIns: [{ make: 'Saab' }],
    consents: [{ purpose: 'marketing', channel: 'email', state: 'granted' }],
    attribution: { source: 'google', medium: 'cpc' },
    appointment: { kind: 'test_drive' },
  }

  it('in a list of leads, while the rest of them is', async () => {
    const { body, text } = await asked(await tokenOf('leads:read'), '/v1/leads')
    expect(text).not.toMatch(traces)
    expect(body.items[0]).toMatchObject({ id: leadId, ...open })
    expect(Object.keys(body.items[0]).toSorted()).toEqual(
      [
        ...Object.keys(open),
        ...['id', 'source', 'test', 'receivedAt', 'updatedAt', 'legalStatuses', 'version', 'rev'],
      ].toSorted(),
    )
    expect(body.items[0].vehiclesOfInterest).toEqual(open.vehiclesOfInterest)
  })

  it('in a lead', async () => {
    const { body, text } = await asked(await tokenOf('leads:read'), `/v1/leads/${leadId}`)
    expect(text).not.toMatch(traces)
    expect(body).toMatchObject(open)
  })

  it('in the answer to a change, and to one that changes nothing', async () => {
    const token = await tokenOf('leads:update')
    const id = await push({ ...whole, externalReference: undefined })
    for (const status of ['in_progress', 'in_progress']) {
      const options = { token, body: { status }, headers: { 'if-match': '*' } }
      const { status: answered, text } = await service.call('PATCH', `/v1/leads/${id}`, options)
      expect(answered).toBe(200)
      expect(text).not.toMatch(traces)
    }
  })

  it('in the feed, with leads:read or without', async () => {
    const events = async (token: string) => asked(token, `/v1/events?leadId=${leadId}`)
    const read = await events(await tokenOf('events:read', 'leads:read'))
    expect(read.text).not.toMatch(traces)
    expect(read.body.items[0].lead).toMatchObject(open)
    const blind = await events(await tokenOf('events:read', 'customers:read'))
    expect(blind.text).not.toMatch(traces)
    expect(blind.body.items[0].lead).toBeUndefined()
  })

  it('in a stream, what comes and what is read on behind Last-Event-ID, beside one who sees all', async () => {
    const { body } = await asked(dealer.dms.token, '/v1/events?cursor=latest')
    const after = body.nextCursor as string
    const some = await listen(service.url, await tokenOf('events:read', 'leads:read'))
    const all = await listen(service.url, dealer.dms.token)
    const id = await push({ ...whole, externalReference: undefined })
    const late = await listen(service.url, await tokenOf('events:read', 'leads:read'), { after })
    const lateAll = await listen(service.url, dealer.dms.token, { after })
    for (const stream of [some, all, late, lateAll]) await stream.until(new RegExp(`^data: .*${id}.*$`, 'm'))
    for (const stream of [some, late]) {
      expect(stream.text).not.toMatch(traces)
      expect(stream.data().at(-1).lead).toMatchObject({ id, ...open })
    }
    for (const stream of [all, lateAll]) expect(stream.data().at(-1).lead.customer.name).toEqual(person.name)
  })

  it('in what says that somebody has asked before', async () => {
    const again = await push(lead({ customer: person }))
    const { body } = await asked(await tokenOf('leads:read'), `/v1/leads/${again}`)
    expect(body.duplicateOf).toBeUndefined()
    expect((await asked(dealer.dms.token, `/v1/leads/${again}`)).body.duplicateOf).toMatch(/^lead_/)
  })

  it('in what a newer version of the service has stored of them', async () => {
    const id = await push({ ...whole, externalReference: undefined })
    await service
      .db('leads')
      .where({ id: inner(id) })
      .update({ data: service.db.raw(`data || '{"nickname": "Karen"}'`) })
    const { rows } = await service.db.raw('select data from leads where id = ?', [inner(id)])
    expect(rows[0].data.nickname).toBe('Karen')
    expect((await asked(await tokenOf('leads:read'), `/v1/leads/${id}`)).text).not.toMatch(traces)
  })
})

it('shows all of the person to whoever has both scopes', async () => {
  for (const token of [await tokenOf('leads:read', 'customers:read'), dealer.sales.token, dealer.dms.token]) {
    const { body } = await asked(token, `/v1/leads/${leadId}`)
    expect(body).toMatchObject({
      message: whole.message,
      customer: { name: person.name },
      externalReference: whole.externalReference,
    })
    expect(body.consents[0].text).toBe('Write to Karen')
  }
})

it('takes the person from a token at once when its key loses the scope', async () => {
  const key = await service.createKey(dealer.admin.token, { kind: 'extensive_integrations' })
  const token = await service.exchange(key.secret)
  expect((await asked(token, `/v1/leads/${leadId}`)).text).toMatch(traces)
  const scopes = ['leads:read', 'leads:update', 'events:read']
  await service.call('PATCH', `/v1/api-keys/${key.id}`, { token: dealer.admin.token, body: { scopes } })
  expect((await asked(token, `/v1/leads/${leadId}`)).text).not.toMatch(traces)
})

describe('looking for a person needs customers:read', () => {
  it.each(['/v1/leads', '/v1/leads/counts'])(
    'at %s, whatever is looked for and however it is written',
    async (path) => {
      const token = await tokenOf('leads:read')
      for (const query of ['contact=32123456', 'contact=nobody@customer.example', '%63ontact=32123456', 'contact=x']) {
        const refused = await asked(token, `${path}?${query}`)
        expect([refused.status, refused.body.code]).toEqual([403, 'scope-missing'])
        expect(refused.headers.get('www-authenticate')).toContain('scope="customers:read"')
      }
      expect((await asked(token, path)).status).toBe(200)
      const both = await tokenOf('leads:read', 'customers:read')
      expect((await asked(both, `${path}?contact=32123456`)).status).toBe(200)
    },
  )

  it('also where the key lost it after the token was bought', async () => {
    const key = await service.createKey(dealer.admin.token, { kind: 'extensive_integrations' })
    const token = await service.exchange(key.secret)
    const body = { scopes: ['leads:read'] }
    await service.call('PATCH', `/v1/api-keys/${key.id}`, { token: dealer.admin.token, body })
    expect((await asked(token, '/v1/leads?contact=32123456')).status).toBe(403)
    expect((await asked(token, '/v1/leads')).status).toBe(200)
  })
})

it('hands the original out to whoever has both scopes only', async () => {
  const path = `/v1/leads/${leadId}/original`
  expect((await asked(await tokenOf('leads:read'), path)).status).toBe(403)
  expect((await asked(await tokenOf('customers:read'), path)).status).toBe(403)
  expect((await asked(await tokenOf('leads:read', 'customers:read'), path)).status).toBe(200)
})

describe('a token that was narrowed', () => {
  it('neither replaces nor deletes its key', async () => {
    const key = await service.createKey(dealer.admin.token, { kind: 'extensive_integrations' })
    const token = await narrowed(key.secret, 'leads:create leads:read leads:update events:read')
    const replaced = await service.call('POST', '/v1/api-key/replacement', { token, body: {} })
    const deleted = await service.call('DELETE', '/v1/api-key', { token })
    for (const refused of [replaced, deleted]) {
      expect([refused.status, refused.body.code]).toEqual([403, 'scope-missing'])
      expect(refused.headers.get('www-authenticate')).toContain('scope="customers:read customers:write"')
    }
    expect((await asked(token, '/v1/api-key')).status).toBe(200)

    const all = await service.exchange(key.secret)
    expect((await service.call('POST', '/v1/api-key/replacement', { token: all, body: {} })).status).toBe(201)
    expect((await service.call('DELETE', '/v1/api-key', { token: all })).status).toBe(204)
  })

  it('does so when the key has no more than it', async () => {
    const scopes = ['leads:read', 'events:read']
    const key = await service.createKey(dealer.admin.token, { kind: 'extensive_integrations', scopes })
    const token = await narrowed(key.secret, 'events:read leads:read')
    expect((await service.call('POST', '/v1/api-key/replacement', { token, body: {} })).status).toBe(201)
  })

  it('does so no more once the key has got more than it', async () => {
    const key = await service.createKey(dealer.admin.token, { kind: 'extensive_integrations', scopes: ['leads:read'] })
    const token = await service.exchange(key.secret)
    const body = { scopes: ['leads:read', 'customers:read'] }
    await service.call('PATCH', `/v1/api-keys/${key.id}`, { token: dealer.admin.token, body })
    expect((await service.call('POST', '/v1/api-key/replacement', { token, body: {} })).status).toBe(403)
  })
})

describe('a scope that guards nothing', () => {
  const dormant = ['customers:erase', 'webhooks:manage']
  /** As a version before has stored it. */
  async function keyOf(stored: string[]) {
    const key = await service.createKey(dealer.admin.token, { kind: 'extensive_integrations' })
    for (const [table, column] of [
      ['api_keys', 'id'],
      ['credentials', 'subject_id'],
    ] as const)
      await service
        .db(table)
        .where({ [column]: inner(key.id) })
        .update({ scopes: stored })
    return key
  }
  const storedOf = async (id: string) =>
    (
      await service
        .db('api_keys')
        .where({ id: inner(id) })
        .first('scopes')
    ).scopes as string[]
  const patched = (id: string, body: object) =>
    service.call('PATCH', `/v1/api-keys/${id}`, { token: dealer.admin.token, body })

  it('is neither granted nor named', async () => {
    for (const scope of dormant) {
      const body = { name: `Key ${randomUUID()}`, kind: 'extensive_integrations', scopes: [scope] }
      expect((await service.call('POST', '/v1/api-keys', { token: dealer.admin.token, body })).status).toBe(400)
    }
    const metadata = await service.call('GET', '/.well-known/oauth-authorization-server')
    const me = await asked(dealer.admin.token, '/v1/me')
    for (const { text } of [metadata, me]) for (const scope of dormant) expect(text).not.toContain(scope)
  })

  it('stays stored with a key that has it, and is not shown, granted or bought', async () => {
    const stored = ['leads:read', 'customers:read', ...dormant]
    const { id, secret } = await keyOf(stored)
    expect((await asked(dealer.admin.token, `/v1/api-keys/${id}`)).body.scopes).toEqual([
      'leads:read',
      'customers:read',
    ])
    const { body } = await service.call('POST', '/v1/auth/token', { headers: { 'x-api-key': secret } })
    expect(body.scope).toBe('leads:read customers:read')
    expect((await asked(body.access_token, '/v1/me')).body.scopes).toEqual(['leads:read', 'customers:read'])
    expect((await service.call('POST', '/v1/api-key/replacement', { token: body.access_token, body: {} })).status).toBe(
      201,
    )

    expect((await patched(id, { name: `Key ${randomUUID()}` })).status).toBe(200)
    expect((await patched(id, { scopes: ['customers:read', 'leads:read'] })).status).toBe(200)
    expect(await storedOf(id)).toEqual(stored)
    expect((await patched(id, { scopes: ['leads:read'] })).status).toBe(200)
    expect(await storedOf(id)).toEqual(['leads:read'])
  })

  it('is cut from what the version before has signed, and from what it has stored with a session', async () => {
    const scopes = ['leads:read', ...dormant]
    const { id, secret } = await keyOf(scopes)
    await service.exchange(secret)
    const credential = await service
      .db('credentials')
      .where({ subject_id: inner(id) })
      .first()
    const keyring = await openKeyring(service.db, service.service.secrets, () => undefined)
    const grant = {
      dealerId: dealer.dealerId,
      subject: { type: 'api_key', id: inner(id) },
      credentialId: credential.id,
      epoch: credential.epoch,
      scopes,
    } as const
    const token = accessToken(grant, keyring.signing(new Date()), service.url, new Date())
    await keyring.stop()
    expect((await asked(token, '/v1/me')).body.scopes).toEqual(['leads:read'])

    const { cookie, userId } = await service.signIn(dealer.sales.email)
    await service
      .db('credentials')
      .where({ subject_id: inner(userId) })
      .update({ scopes: ['leads:read', 'customers:read', 'customers:erase'] })
    const { body } = await service.call('POST', '/v1/session/token', { headers: { cookie } })
    expect(body.scope).toBe('leads:read customers:read')
  })

  it('buys no token by itself', async () => {
    const { id, secret } = await keyOf(['webhooks:manage'])
    expect((await asked(dealer.admin.token, `/v1/api-keys/${id}`)).body.scopes).toEqual([])
    const { status, body } = await service.call('POST', '/v1/auth/token', { headers: { 'x-api-key': secret } })
    expect([status, body.error]).toEqual([400, 'invalid_scope'])
  })
})

describe('a key for digital requests', () => {
  /** What such a key may ask of the operations that its scope, or none, opens. Each is here. */
  const mine = Object.entries(operations).flatMap(([id, { access, scopes }]) =>
    access === 'accessToken' && scopes.every((scope) => scope === 'leads:create') ? [id as OperationId] : [],
  )

  it('sees neither the name nor the id of anybody, whatever it asks', async () => {
    const admin = { name: 'Zacharias Zweig', id: dealer.admin.userId }
    await service.call('PATCH', `/v1/users/${admin.id}`, { token: dealer.admin.token, body: { name: admin.name } })
    const { secret } = await service.createKey(dealer.admin.token, { kind: 'digital_requests' })
    const token = await service.exchange(secret)
    // Where a member stands that the sender made up, it is told.
    const { karen: _, ...sent } = whole
    const own = { source: 'own', id: '1' }
    const mineId = (await service.call('POST', '/v1/leads', { token, body: { ...sent, externalReference: own } })).body
      .id
    const adf = `<adf><prospect><id source="own">1</id><customer><contact><name part="full">Karen Blixen</name><phone>32 12 34 56</phone></contact></customer></prospect></adf>`
    const json = (body: object) => ({ body })
    const shots: Partial<Record<OperationId, { path?: string; body?: object; raw?: string }[]>> = {
      getMe: [{}],
      getOwnApiKey: [{}],
      createLead: [json({ ...sent, externalReference: own }), json({ customer: { name: 'Karen' } }), json({})],
      createLeadBatch: [json({ leads: [{ lead: sent }, {}, { lead: { ...sent, externalReference: own } }] })],
      createLeadsFromAdf: [{ raw: adf }, { raw: `${adf}${adf}` }, { raw: '<adf>Karen' }],
      reconcileReferences: [json({ references: [own, { source: 'Karen', id: '' }] })],
      getLeadReceipt: [{ path: `/v1/leads/${mineId}/receipt` }, { path: `/v1/leads/${leadId}/receipt` }],
      listOwnSessions: [{}],
      endOwnSession: [{ path: `/v1/me/sessions/session_${'0'.repeat(32)}` }],
      changeOwnPassword: [json({ currentPassword: 'a', newPassword: 'another-one-that-is-long' })],
      getNotifications: [{}],
      updateNotifications: [json({ keys: false })],
      replaceOwnApiKey: [json({}), json({})],
      deleteOwnApiKey: [{}],
      listOwnPasskeys: [{}],
      createPasskeyOptions: [{}],
      addPasskey: [json({ name: 'a', id: 'A'.repeat(22), clientDataJSON: 'AAAA', attestationObject: 'AAAA' })],
      updatePasskey: [{ path: `/v1/me/passkeys/passkey_${'0'.repeat(32)}`, body: { name: 'a' } }],
      deletePasskey: [{ path: `/v1/me/passkeys/passkey_${'0'.repeat(32)}` }],
      createRecoveryCodes: [{}],
    }
    expect(Object.keys(shots).toSorted()).toEqual(mine.toSorted())

    const answers: string[] = []
    const ask = async (id: OperationId) => {
      for (const { path, body, raw } of shots[id] ?? []) {
        const { text, headers } = await service.call(operations[id].method, path ?? operations[id].path, {
          token,
          ...(body && { body }),
          ...(raw && { raw, headers: { 'content-type': 'application/xml' } }),
        })
        answers.push(`${id} ${text} ${JSON.stringify([...headers])}`)
      }
    }
    for (const id of mine.filter((id) => id !== 'deleteOwnApiKey')) await ask(id)
    await ask('deleteOwnApiKey')
    // What refuses it says no more.
    for (const id of mine) await ask(id)
    const exchanged = await service.call('POST', '/v1/auth/token', { headers: { 'x-api-key': secret } })
    answers.push(exchanged.text)

    const said = answers.filter((answer) => /Zacharias|Zweig|user_[0-9a-f]{32}/.test(answer) || traces.test(answer))
    expect(said.map((answer) => answer.slice(0, 400))).toEqual([])
    expect(answers.length).toBeGreaterThan(2 * mine.length)
  })

  it('is what an Admin is told of, with who made it', async () => {
    const { id } = await service.createKey(dealer.admin.token, { kind: 'digital_requests' })
    const { body } = await service.call('GET', `/v1/api-keys/${id}`, { token: dealer.admin.token })
    expect(body.createdBy.id).toBe(dealer.admin.userId)
  })
})
