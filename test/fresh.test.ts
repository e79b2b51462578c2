import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { type OperationId, operations } from '../generated/server/express.gen.ts'
import { authenticator } from './authenticator.ts'
import { password, startService, type TestService } from './service.ts'

/** One deed with an operation: what asks for a fresh sign-in when it is done by a person, and what does not. */
interface Deed {
  what: string
  asks: boolean
  /** What is asked of the service, on something that this deed has to itself. */
  make: () => Promise<{ path: string; body?: object }>
}
const asks = (what: string, make: Deed['make']): Deed => ({ what, asks: true, make })
const lets = (what: string, make: Deed['make']): Deed => ({ what, asks: false, make })

let service: TestService
let dealer: Awaited<ReturnType<TestService['dealer']>>
/** Of a sign-in that stays fresh, for what comes before the deed. */
let prepare: (method: string, path: string, body?: object) => ReturnType<TestService['call']>

/** Holds a passkey of the admin, who signs in with the password and it. */
let device: ReturnType<typeof authenticator>

beforeAll(async () => {
  service = await startService(undefined, undefined, {}, 'localhost')
  device = authenticator(service.url)
  dealer = await service.dealer('fresh')
  prepare = async (method, path, body) => {
    const reply = await service.call(method, path, { token: dealer.admin.token, ...(body && { body }) })
    if (reply.status >= 300) throw new Error(`${method} ${path} answered ${reply.status} ${reply.text}`)
    return reply
  }
  await prepare('POST', '/v1/me/passkeys', device.create(await creation()))
})
afterAll(() => service.close())

const name = () => `Key ${randomUUID()}`
const aKey = async (kind: string, scopes?: string[]) =>
  service.createKey(dealer.admin.token, { kind, ...(scopes && { scopes }) })
const extensive = async (scopes?: string[]) => `/v1/api-keys/${(await aKey('extensive_integrations', scopes)).id}`
const website = async () => `/v1/api-keys/${(await aKey('digital_requests')).id}`
const inDays = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString()
const email = () => `${randomUUID()}@fresh.example`
const aPerson = async (change?: object) => {
  const made = await prepare('POST', '/v1/users', { name: 'Karen', email: email(), role: 'sales' })
  const path = `/v1/users/${made.body.user.id}`
  if (change) await prepare('PATCH', path, change)
  return path
}
/** A key in the midst of its replacement: its new secret used or not, its old one ending in an hour or never. */
const replacing = async (path: string, isUsed: boolean) => {
  const { body } = await prepare('POST', `${path}/replacement`, { oldEnds: 'after_1_hour' })
  if (isUsed) await service.exchange(body.secret)
  return `${path}/replacement`
}
const changed = async (path: Promise<string> | string, body: object, before?: object) => {
  if (before) await prepare('PATCH', await path, before)
  return { path: await path, body }
}
const creation = async () => (await prepare('POST', '/v1/me/passkeys/options')).body
const deleted = async (path: string) => {
  await prepare('DELETE', path)
  return { path: `${path}/restoration` }
}

const office = { allowedNetworks: ['203.0.113.0/28'] }

/**
 * By hand, for every operation: what is done with it that makes data reachable, keeps it reachable for longer, or makes
 * somebody unseen. `nothing` does none of it, and whoever signed in this morning may do it. A new operation does not
 * compile until somebody has decided.
 */
const reach: Record<OperationId, 'nothing' | 'not by a person who is signed in' | Deed[]> = {
  exchangeApiKey: 'not by a person who is signed in',
  getAuthorizationServerMetadata: 'not by a person who is signed in',
  getJwks: 'not by a person who is signed in',
  signIn: 'not by a person who is signed in',
  createPasskeyChallenge: 'not by a person who is signed in',
  signInWithPasskey: 'not by a person who is signed in',
  exchangeSession: 'not by a person who is signed in',
  signOut: 'not by a person who is signed in',
  setPassword: 'not by a person who is signed in',
  requestPasswordLink: 'not by a person who is signed in',
  getHealth: 'not by a person who is signed in',
  getReadiness: 'not by a person who is signed in',
  getOwnApiKey: 'not by a person who is signed in',
  deleteOwnApiKey: 'not by a person who is signed in',
  replaceOwnApiKey: 'not by a person who is signed in',
  getMe: 'nothing',
  createLead: 'nothing',
  createLeadBatch: 'nothing',
  createLeadsFromAdf: 'nothing',
  reconcileReferences: 'nothing',
  listLeads: 'nothing',
  getLead: 'nothing',
  updateLead: 'nothing',
  getLeadReceipt: 'nothing',
  getLeadOriginal: 'nothing',
  getLeadCounts: 'nothing',
  searchLeads: 'nothing',
  countLeads: 'nothing',
  listCustomers: 'nothing',
  createCustomer: 'nothing',
  searchCustomers: 'nothing',
  getCustomer: 'nothing',
  updateCustomer: 'nothing',
  withdrawEdit: 'nothing',
  getCustomerSources: 'nothing',
  listCustomerLeads: 'nothing',
  mergeCustomers: 'nothing',
  unmergeCustomer: 'nothing',
  listSuggestions: 'nothing',
  rejectSuggestion: 'nothing',
  // A key alone writes as a system.
  upsertCustomerByReference: 'not by a person who is signed in',
  withdrawReference: 'not by a person who is signed in',
  upsertCustomers: 'not by a person who is signed in',
  listEvents: 'nothing',
  streamEvents: 'nothing',
  listSources: 'nothing',
  listApiKeys: 'nothing',
  getApiKey: 'nothing',
  deleteApiKey: 'nothing',
  listApiKeyRequests: 'nothing',
  getApiKeyUsage: 'nothing',
  listApiKeyAddresses: 'nothing',
  getApiKeyLimits: 'nothing',
  listUsers: 'nothing',
  getUser: 'nothing',
  releaseUser: 'nothing',
  // It asks for the password itself.
  changeOwnPassword: 'nothing',
  listOwnSessions: 'nothing',
  endOwnSession: 'nothing',
  listOwnPasskeys: 'nothing',
  // Its name alone.
  updatePasskey: 'nothing',
  listAuditEntries: 'nothing',
  getNotifications: 'nothing',
  listMails: 'nothing',
  getDealer: 'nothing',
  createApiKey: [
    asks('a key that reads', async () => ({
      path: '/v1/api-keys',
      body: { name: name(), kind: 'extensive_integrations', scopes: ['leads:read'] },
    })),
    lets('a key that only pushes', async () => ({
      path: '/v1/api-keys',
      body: { name: name(), kind: 'digital_requests' },
    })),
    lets('a key that only pushes, from some addresses alone', async () => ({
      path: '/v1/api-keys',
      body: { name: name(), kind: 'digital_requests', ...office },
    })),
  ],
  updateApiKey: [
    asks('wider', async () => changed(extensive(['leads:read']), { scopes: ['leads:read', 'customers:read'] })),
    asks('enabled', async () => changed(extensive(), { disabled: false }, { disabled: true })),
    asks('prolonged', async () => changed(extensive(), { expiresAt: inDays(9) }, { expiresAt: inDays(2) })),
    asks('prolonged for ever', async () => changed(extensive(), { expiresAt: null }, { expiresAt: inDays(2) })),
    asks('narrower', async () => changed(extensive(), { scopes: ['leads:read'] })),
    asks('from more addresses', async () => changed(extensive(), { allowedNetworks: ['203.0.113.0/24'] }, office)),
    asks('from everywhere', async () => changed(extensive(), { allowedNetworks: [] }, office)),
    lets('from fewer addresses', async () => changed(extensive(), { allowedNetworks: ['203.0.113.9'] }, office)),
    lets('from some addresses alone', async () => changed(extensive(), office)),
    lets('from everywhere, and pushes only', async () => changed(website(), { allowedNetworks: [] }, office)),
    lets('as wide as before', async () => {
      const path = await extensive()
      const { scopes } = (await prepare('GET', path)).body
      return { path, body: { scopes: scopes.toReversed() } }
    }),
    asks('written as one more system', async () =>
      changed(extensive(), { sources: ['dms', 'crm'] }, { sources: ['dms'] }),
    ),
    lets('written as fewer systems', async () =>
      changed(extensive(), { sources: ['crm'] }, { sources: ['dms', 'crm'] }),
    ),
    lets('disabled', async () => changed(extensive(), { disabled: true })),
    lets('left enabled, with another name', async () => changed(extensive(), { disabled: false, name: name() })),
    lets('shortened', async () => changed(extensive(), { expiresAt: inDays(2) })),
    lets('shortened again', async () => changed(extensive(), { expiresAt: inDays(1) }, { expiresAt: inDays(2) })),
    lets('with no end, as before', async () => changed(extensive(), { expiresAt: null })),
    lets('enabled, and pushes only', async () => changed(website(), { disabled: false }, { disabled: true })),
    lets('prolonged, and pushes only', async () => changed(website(), { expiresAt: null }, { expiresAt: inDays(2) })),
  ],
  restoreApiKey: [
    asks('a key that reads', async () => deleted(await extensive())),
    lets('a key that only pushes', async () => deleted(await website())),
  ],
  replaceApiKey: [
    asks('a key that reads', async () => ({ path: `${await extensive()}/replacement`, body: {} })),
    lets('a key that only pushes', async () => ({ path: `${await website()}/replacement`, body: {} })),
  ],
  expireOldApiKeySecret: [
    asks('the old secret works for longer', async () => ({
      path: await replacing(await extensive(), true),
      body: { oldEnds: 'after_7_days' },
    })),
    lets('it ends now', async () => ({ path: await replacing(await extensive(), true), body: { oldEnds: 'at_once' } })),
    lets('it gets an end', async () => ({
      path: await replacing(await extensive(), false),
      body: { oldEnds: 'after_7_days' },
    })),
    lets('for longer, and pushes only', async () => ({
      path: await replacing(await website(), true),
      body: { oldEnds: 'after_7_days' },
    })),
  ],
  cancelApiKeyReplacement: [
    asks('the old secret has no end any more', async () => ({ path: await replacing(await extensive(), true) })),
    lets('the new one was not used', async () => ({ path: await replacing(await extensive(), false) })),
    lets('no end any more, and pushes only', async () => ({ path: await replacing(await website(), true) })),
  ],
  createUser: [
    asks('an admin', async () => ({ path: '/v1/users', body: { name: 'Karen', email: email(), role: 'admin' } })),
    asks('anybody', async () => ({ path: '/v1/users', body: { name: 'Karen', email: email(), role: 'sales' } })),
  ],
  createPasswordLink: [asks('for anybody', async () => ({ path: `${await aPerson()}/password-link` }))],
  updateUser: [
    asks('who becomes an admin', async () => changed(aPerson(), { role: 'admin' })),
    asks('who comes back', async () => changed(aPerson({ deactivated: true }), { deactivated: false })),
    lets('who becomes a salesperson', async () => changed(aPerson({ role: 'admin' }), { role: 'sales' })),
    lets('who leaves', async () => changed(aPerson(), { deactivated: true })),
    lets('who is here, with another name', async () => changed(aPerson(), { deactivated: false, name: 'Karen B.' })),
  ],
  createPasskeyOptions: [asks('another way in', async () => ({ path: '/v1/me/passkeys/options' }))],
  addPasskey: [
    asks('another way in', async () => ({
      path: '/v1/me/passkeys',
      body: authenticator(service.url).create(await creation()),
    })),
  ],
  deletePasskey: [
    asks('a way in less', async () => {
      const body = authenticator(service.url).create(await creation())
      const added = await prepare('POST', '/v1/me/passkeys', body)
      return { path: `/v1/me/passkeys/${added.body.passkey.id}` }
    }),
  ],
  createRecoveryCodes: [asks('other ways in', async () => ({ path: '/v1/me/recovery-codes' }))],
  resetPasskeys: [asks('of anybody', async () => ({ path: `${await aPerson()}/passkeys` }))],
  setSecondFactor: [
    asks('of everybody', async () => ({ path: '/v1/dealer/second-factor', body: { required: false } })),
  ],
  updateDealer: [
    asks('a shorter log of requests', async () => changed('/v1/dealer', { requestLogDays: 5 }, { requestLogDays: 9 })),
    lets('a longer one', async () => changed('/v1/dealer', { requestLogDays: 30 }, { requestLogDays: 14 })),
    lets('the same', async () => changed('/v1/dealer', { requestLogDays: 14 }, { requestLogDays: 14 })),
    ...Object.entries({
      name: 'Fresh Biler',
      country: 'DK',
      timeZone: 'Europe/Oslo',
      language: 'en',
      responseTargetMinutes: 20,
    }).map(([member, value]) => lets(member, async () => changed('/v1/dealer', { [member]: value }))),
  ],
  updateNotifications: [
    asks('no more of keys', async () => changed('/v1/me/notifications', { keys: false }, { keys: true })),
    asks('no more of who gets in', async () =>
      changed('/v1/me/notifications', { security: false }, { security: true }),
    ),
    lets('of keys and of who gets in', async () => changed('/v1/me/notifications', { keys: true, security: true })),
    lets('no more of leads', async () => changed('/v1/me/notifications', { newLead: false, unansweredLead: false })),
    lets('in another language', async () => changed('/v1/me/notifications', { language: 'en' })),
  ],
}

const ids = Object.keys(operations) as OperationId[]
const deeds = ids.flatMap((id) => {
  const done = reach[id]
  return typeof done === 'string' ? [] : done.map((deed) => ({ id, ...deed }))
})

/** Signs the admin in. */
async function signIn(): Promise<{ token: string; cookie: string }> {
  const { email } = dealer.admin
  const asked = await service.call('POST', '/v1/session', { body: { email, password } })
  const passkey = device.get(asked.body.passkeyRequest)
  const { body, headers } = await service.call('POST', '/v1/session', { body: { email, password, passkey } })
  return { token: body.access_token, cookie: headers.getSetCookie()[0]?.split(';')[0] ?? '' }
}

/** Signs the admin in as long ago, by the database's clock. */
async function signedInAgo(seconds: number): Promise<string> {
  const { token } = await signIn()
  const { credential_id } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
  await service
    .db('credentials')
    .where({ id: credential_id })
    .update({ created_at: service.db.raw(`clock_timestamp() - interval '${seconds} seconds'`) })
  return token
}

describe('who signed in this morning', () => {
  let stale: string
  beforeAll(async () => {
    stale = await signedInAgo(901)
  })

  it.each(deeds)('$id, $what: is asked for the password: $asks', async ({ id, asks, make }) => {
    const { path, body } = await make()
    const deed = (token: string) => service.call(operations[id].method, path, { token, ...(body && { body }) })
    const before = await kept()
    const first = await deed(stale)
    if (!asks) {
      expect([first.status < 300, first.text]).toEqual([true, first.text])
      return
    }
    expect([first.status, first.body.code]).toEqual([401, 'sign-in-too-old'])
    expect(first.headers.get('www-authenticate')).toBe(
      'Bearer realm="CarBuddii", error="insufficient_user_authentication", error_description="The sign-in is too old", max_age="900"',
    )
    expect(await kept()).toEqual(before)
    const again = await deed(await signedInAgo(890))
    expect([again.status < 300, again.text]).toEqual([true, again.text])
  })

  it('learns by it nothing of what is there', async () => {
    const nobody = `/v1/users/user_${'0'.repeat(32)}/password-link`
    expect((await service.call('POST', nobody, { token: stale })).status).toBe(401)
    expect((await service.call('POST', nobody, { token: dealer.admin.token })).status).toBe(404)
  })
})

/** What a deed that is refused must not have changed. */
const kept = async () =>
  Promise.all(
    ['api_keys', 'api_key_secrets', 'users', 'password_links', 'dealers', 'mails', 'audit_entries'].map((table) =>
      service.db(table).select().orderByRaw('1, 2'),
    ),
  )

describe('the table above', () => {
  const document = parse(readFileSync('generated/openapi.yaml', 'utf8'))
  const operation = (id: OperationId) => document.paths[operations[id].path][operations[id].method.toLowerCase()]

  it('is what the contract says of every operation', () => {
    const said = ids.map((id) => [id, operations[id].freshSignIn])
    const shown = ids.map((id) => {
      const done = reach[id]
      const all = typeof done === 'string' ? [] : done
      return [id, !all.some((deed) => deed.asks) ? 'never' : all.every((deed) => deed.asks) ? 'always' : 'sometimes']
    })
    expect(shown).toEqual(said)
  })

  it('has every member that can be sent to what asks sometimes', async () => {
    const unnamed = []
    for (const id of ids.filter((id) => operations[id].freshSignIn === 'sometimes')) {
      const { schema } = operation(id).requestBody?.content['application/json'] ?? {}
      const { properties = {} } = document.components.schemas[schema?.$ref?.split('/').pop() ?? ''] ?? {}
      const done = reach[id]
      const sent = new Set<string>()
      for (const { make } of typeof done === 'string' ? [] : done)
        for (const member of Object.keys((await make()).body ?? {})) sent.add(member)
      // How long the old secret of a key that was replaced lives is asked of whoever replaces it, anyway.
      const known = {
        // As which system a key writes shows it nothing.
        createApiKey: ['environment', 'expiresAt', 'sources'],
        replaceApiKey: ['oldEnds', 'newCounts'],
        // How fast a key may go shows it nothing more.
        updateApiKey: ['limits'],
      }
      const decided = [...sent, ...((known as Record<string, string[]>)[id] ?? [])]
      unnamed.push(
        ...Object.keys(properties)
          .filter((member) => !decided.includes(member))
          .map((member) => `${id} ${member}`),
      )
    }
    expect(unnamed).toEqual([])
  })
})

it('is judged by the session, never by the token', async () => {
  const { token, cookie } = await signIn()
  const { credential_id } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
  await service
    .db('credentials')
    .where({ id: credential_id })
    .update({ created_at: service.db.raw("clock_timestamp() - interval '901 seconds'") })
  const renewed = (await service.call('POST', '/v1/session/token', { headers: { cookie } })).body.access_token
  const body = { name: name(), kind: 'extensive_integrations' }
  const reply = await service.call('POST', '/v1/api-keys', { token: renewed, body })
  expect([reply.status, reply.body.code]).toEqual([401, 'sign-in-too-old'])
})

it('is not asked of a key that replaces itself', async () => {
  const { secret } = await aKey('extensive_integrations')
  const token = await service.exchange(secret)
  expect((await service.call('POST', '/v1/api-key/replacement', { token, body: {} })).status).toBe(201)
})
