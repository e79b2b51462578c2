import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { type OperationId, operations } from '../../generated/server/express.gen.ts'
import { scopesOfKind } from '../../generated/server/scopes.gen.ts'
import { defaultLimits } from '../../src/limit.ts'
import { openKeyring } from '../../src/tokens/keyring.ts'
import { inner, newId, outer } from '../../src/ids.ts'
import { accessToken } from '../../src/tokens/token.ts'
import { addLink } from '../../src/users/links.ts'
import { createUser } from '../../src/users/operator.ts'
import { authenticator } from '../authenticator.ts'
import { lead, password, type Reply, startService, type TestService } from '../service.ts'

/**
 * Who may do what, written by hand: a scope that is changed in the document alone turns this red. Of several all are
 * needed.
 */
const needs: Record<OperationId, string | 'any token' | 'a person' | 'session' | 'nothing'> = {
  exchangeApiKey: 'nothing',
  getAuthorizationServerMetadata: 'nothing',
  getJwks: 'nothing',
  signIn: 'nothing',
  createPasskeyChallenge: 'nothing',
  signInWithPasskey: 'nothing',
  exchangeSession: 'session',
  signOut: 'session',
  getMe: 'any token',
  createLead: 'leads:create',
  createLeadBatch: 'leads:create',
  createLeadsFromAdf: 'leads:create',
  reconcileReferences: 'leads:create',
  listLeads: 'leads:read',
  getLead: 'leads:read',
  updateLead: 'leads:update',
  getLeadReceipt: 'leads:create',
  getLeadOriginal: 'leads:read customers:read',
  getLeadCounts: 'leads:read',
  searchLeads: 'leads:read customers:read',
  countLeads: 'leads:read customers:read',
  listCustomers: 'customers:read',
  createCustomer: 'customers:write',
  upsertCustomers: 'customers:write',
  searchCustomers: 'customers:read',
  upsertCustomerByReference: 'customers:write',
  withdrawReference: 'customers:write',
  getCustomer: 'customers:read',
  updateCustomer: 'customers:write',
  withdrawEdit: 'customers:write',
  getCustomerSources: 'customers:read',
  listCustomerLeads: 'leads:read customers:read',
  mergeCustomers: 'customers:write',
  unmergeCustomer: 'customers:write',
  listSuggestions: 'customers:read',
  rejectSuggestion: 'customers:write',
  listEvents: 'events:read',
  streamEvents: 'events:read',
  listSources: 'leads:read',
  listApiKeys: 'api-keys:manage',
  createApiKey: 'api-keys:manage',
  getApiKey: 'api-keys:manage',
  updateApiKey: 'api-keys:manage',
  deleteApiKey: 'api-keys:manage',
  restoreApiKey: 'api-keys:manage',
  replaceApiKey: 'api-keys:manage',
  expireOldApiKeySecret: 'api-keys:manage',
  cancelApiKeyReplacement: 'api-keys:manage',
  listApiKeyRequests: 'api-keys:manage',
  getApiKeyUsage: 'api-keys:manage',
  listApiKeyAddresses: 'api-keys:manage',
  getApiKeyLimits: 'api-keys:manage',
  getOwnApiKey: 'any token',
  deleteOwnApiKey: 'any token',
  replaceOwnApiKey: 'any token',
  listUsers: 'users:manage',
  getUser: 'users:manage',
  updateUser: 'users:manage',
  createUser: 'users:manage',
  createPasswordLink: 'users:manage',
  releaseUser: 'users:manage',
  setPassword: 'nothing',
  changeOwnPassword: 'a person',
  listOwnSessions: 'a person',
  endOwnSession: 'a person',
  listOwnPasskeys: 'a person',
  createPasskeyOptions: 'a person',
  addPasskey: 'a person',
  updatePasskey: 'a person',
  deletePasskey: 'a person',
  createRecoveryCodes: 'a person',
  resetPasskeys: 'users:manage',
  setSecondFactor: 'dealer:manage',
  listAuditEntries: 'audit:read',
  getNotifications: 'a person',
  updateNotifications: 'a person',
  listMails: 'users:manage',
  requestPasswordLink: 'nothing',
  getDealer: 'dealer:manage',
  updateDealer: 'dealer:manage',
  getHealth: 'nothing',
  getReadiness: 'nothing',
}
const holds = {
  website: ['leads:create'],
  dms: ['leads:create', 'leads:read', 'leads:update', 'customers:read', 'customers:write', 'events:read'],
  admin: Object.values(needs).flatMap((each) => each.split(' ')),
  sales: ['leads:read', 'leads:update', 'customers:read', 'customers:write', 'events:read'],
  narrowed: ['customers:read'],
  reader: ['leads:read'],
} as const

/** What the leads of this file show of a person. */
const person = /Jensen|32 12 34 56|\+4532123456|Anna/
/** A lead with its person in every place where people type. */
const talkative = () =>
  lead({
    message: 'Call me on 32 12 34 56, Anna',
    vehiclesOfInterest: [
      {
        make: 'Volvo',
        model: 'EX30',
        comments: 'For Anna',
        registration: { number: 'Jensen' },
        listingUrl: 'https://a.example/Anna',
      },
    ],
    tradeIns: [{ make: 'Saab', comments: "Was my mother's, Anna", outstandingFinance: { lender: 'Jensen' } }],
    consents: [
      { purpose: 'marketing', state: 'granted', text: 'Write to Anna Jensen', sourceUrl: 'https://a.example/Anna' },
    ],
    attribution: { source: 'google', term: 'Anna Jensen', landingPage: 'https://a.example/?n=Anna' },
    appointment: { kind: 'call', comments: 'Ask for Anna' },
    externalReference: { source: 'matrix', id: `Anna ${randomUUID()}` },
    extra: { note: 'Anna Jensen' },
    nickname: { Anna: 'Annie Jensen' },
  })
/** The scopes that somebody lacks for an operation. */
const lacked = (needed: string, held: readonly string[]) => needed.split(' ').filter((scope) => !held.includes(scope))

type Shot = { path: string; body?: object; raw?: string; headers?: Record<string, string>; status: number }
const ids = Object.keys(operations) as OperationId[]
const guarded = ids.filter((id) => operations[id].access === 'accessToken')
const missing = '0198c0ffee0070008000000000000099'
const seen = new Set<string>()
let cells = 0

let service: TestService
let ours: Awaited<ReturnType<TestService['dealer']>>
let theirs: Awaited<ReturnType<TestService['dealer']>>
/** Those who are refused for what they are, and with what when it is not for a token that is not valid. */
let dead: { who: string; token: string; held: readonly string[]; refused?: [number, string] }[]
let narrowed: string
let reader: string
/** For every operation what succeeds, and what would fail for another reason if the caller were allowed. */
let shots: (id: OperationId, tokens?: { admin: string; dms: string; website: string }) => Promise<Shot[]>

/** The token of one who holds scopes. What ends or replaces its own key gets a key to itself. */
async function tokenOf(who: string, id: OperationId): Promise<string> {
  const kind = {
    website: 'digital_requests',
    dms: 'extensive_integrations',
    narrowed: 'extensive_integrations',
    reader: 'extensive_integrations',
  }[who]
  if (kind && (id === 'deleteOwnApiKey' || id === 'replaceOwnApiKey'))
    return service.exchange((await service.createKey(ours.admin.token, { kind })).secret)
  if (!kind && id === 'changeOwnPassword') return (await service.signIn(await aPerson())).token
  if (!kind && ofPasskeys.includes(id)) return (holder = await aPersonWithPasskey()).token
  const { website, dms, admin, sales } = ours
  return { website: website.token, dms: dms.token, admin: admin.token, sales: sales.token, narrowed, reader }[who] ?? ''
}

/** The e-mail of a new salesperson. */
async function aPerson(): Promise<string> {
  const email = `${randomUUID()}@ours.example`
  await createUser(service.db, ours.dealerId, 'sales', { email, name: 'Somebody', password })
  return email
}

/** What a system writes under its own ids. */
const byReference: OperationId[] = ['upsertCustomerByReference', 'withdrawReference']
const ofPasskeys: OperationId[] = ['updatePasskey', 'deletePasskey', 'createRecoveryCodes', 'addPasskey']
/** The last one whose token was asked for. */
let holder: Awaited<ReturnType<typeof aPersonWithPasskey>> | undefined

/** Signed in before the passkey was added. */
async function aPersonWithPasskey() {
  const { token } = await service.signIn(await aPerson())
  const device = authenticator(service.url)
  const creation = async () => (await service.call('POST', '/v1/me/passkeys/options', { token })).body
  const added = await service.call('POST', '/v1/me/passkeys', { token, body: device.create(await creation()) })
  return { token, device, creation, passkeyId: added.body.passkey.id as string }
}

async function shoot(id: OperationId, shot: Shot, token?: string, more: Record<string, string> = {}): Promise<Reply> {
  const { method } = operations[id]
  const reply = await service.call(method, shot.path, {
    ...(token && { token }),
    ...(shot.body && { body: shot.body }),
    ...(shot.raw && { raw: shot.raw }),
    headers: { ...shot.headers, ...more },
  })
  seen.add(`${id} ${reply.status}`)
  cells++
  // What was made can be read by whoever made it.
  const location = reply.status === 201 ? reply.headers.get('location') : undefined
  if (location !== undefined) {
    const { status } = await service.call('GET', String(location), { ...(token && { token }) })
    expect([id, location, status]).toEqual([id, location, 200])
  }
  return reply
}

beforeAll(async () => {
  // A mail server that is not there: mail is set up, and waits.
  const mail = { smtpUrl: 'smtp://127.0.0.1:9', from: 'CarBuddii <mail@service.example>' }
  service = await startService(undefined, mail, {}, 'localhost')
  ours = await service.dealer('ours')
  theirs = await service.dealer('theirs')
  const { admin } = ours
  const narrowedTo = async (scope: string) =>
    service.exchange((await service.createKey(admin.token, { kind: 'extensive_integrations', scopes: [scope] })).secret)
  narrowed = await narrowedTo('customers:read')
  reader = await narrowedTo('leads:read')

  const doomed = async (kind: string) => {
    const key = await service.createKey(admin.token, { kind })
    return { ...key, token: await service.exchange(key.secret) }
  }
  const deleted = await doomed('extensive_integrations')
  await service.call('DELETE', `/v1/api-keys/${deleted.id}`, { token: admin.token })
  const disabled = await doomed('extensive_integrations')
  await service.call('PATCH', `/v1/api-keys/${disabled.id}`, { token: admin.token, body: { disabled: true } })
  const enabledAgain = await doomed('extensive_integrations')
  for (const value of [true, false])
    await service.call('PATCH', `/v1/api-keys/${enabledAgain.id}`, { token: admin.token, body: { disabled: value } })
  const foreign = await doomed('extensive_integrations')
  const elsewhere = { allowedNetworks: ['203.0.113.0/24'] }
  await service.call('PATCH', `/v1/api-keys/${foreign.id}`, { token: admin.token, body: elsewhere })
  const out = await service.signIn(ours.admin.email)
  await service.call('DELETE', '/v1/session', { headers: { cookie: out.cookie } })
  const gone = await service.signIn(theirs.sales.email)
  await service.call('PATCH', `/v1/users/${gone.userId}`, { token: theirs.admin.token, body: { deactivated: true } })

  const keyring = await openKeyring(service.db, service.service.secrets, () => undefined)
  const [row] = await service
    .db('credentials')
    .where({ subject_type: 'user', dealer_id: ours.dealerId, ends_at: 'infinity' })
    .orWhere({ subject_type: 'user', dealer_id: ours.dealerId })
    .limit(1)
  const grant = {
    dealerId: ours.dealerId,
    subject: { type: 'user', id: row.subject_id },
    credentialId: row.id,
    epoch: row.epoch,
    scopes: row.scopes,
  } as const
  const expired = accessToken(grant, keyring.signing(new Date()), service.url, new Date(Date.now() - 1_801_000))
  await keyring.stop()
  const { dms, admin: everything, sales } = holds
  dead = [
    { who: 'garbage', token: 'garbage', held: everything },
    { who: 'an API key as token', token: ours.dms.secret, held: everything },
    { who: 'an expired token', token: expired, held: everything },
    { who: 'a deleted key', token: deleted.token, held: dms },
    { who: 'a disabled key', token: disabled.token, held: dms },
    { who: 'a key disabled and enabled again', token: enabledAgain.token, held: dms },
    {
      who: 'a key from an address it may not be used from',
      token: foreign.token,
      held: dms,
      refused: [403, 'address-not-allowed'],
    },
    { who: 'a signed-out session', token: out.token, held: everything },
    { who: 'a deactivated user', token: gone.token, held: sales },
  ]

  const newLead = async () =>
    (await service.call('POST', '/v1/leads', { token: ours.website.token, body: talkative() })).body.id as string
  const aKey = async (replacement?: 'pending' | 'in use') => {
    const { id } = await service.createKey(admin.token, { kind: 'digital_requests' })
    const replace = () => service.call('POST', `/v1/api-keys/${id}/replacement`, { token: admin.token, body: {} })
    if (replacement === 'pending') await replace()
    if (replacement === 'in use') await service.exchange((await replace()).body.secret)
    return id
  }
  const aPersonSaid = lead().customer
  const newReference = () => `/v1/customers/by-reference/dms/${randomUUID().replaceAll('-', '')}`
  const aCustomer = async () => {
    const reference = newReference()
    const { body } = await service.call('PUT', `${reference}?sourceVersion=2`, {
      token: ours.dms.token,
      body: aPersonSaid,
    })
    return { reference, id: body.id as string, path: `/v1/customers/${body.id}` }
  }
  const notThere = async (sub: string): Promise<Shot[]> => {
    const { reference, path } = await aCustomer()
    await service.call('DELETE', reference, { token: ours.dms.token })
    return [
      { path: path + sub, status: 410 },
      { path: `/v1/customers/cust_${missing}${sub}`, status: 404 },
    ]
  }
  shots = async (id) => {
    const any = { 'if-match': '*' }
    switch (id) {
      case 'createLead':
        return [
          { path: '/v1/leads', body: lead(), status: 201 },
          { path: '/v1/leads', body: { customer: {} }, status: 422 },
        ]
      case 'createLeadBatch':
        return [
          { path: '/v1/leads/batch', body: { leads: [{ lead: lead() }] }, status: 207 },
          { path: '/v1/leads/batch', body: { leads: [{}] }, status: 207 },
        ]
      case 'createLeadsFromAdf': {
        const prospect = (contact: string) => `<prospect><customer><contact>${contact}</contact></customer></prospect>`
        const good = prospect('<phone>32 12 34 56</phone>')
        const send = (xml: string, status: number) => ({
          path: '/v1/leads/adf',
          raw: `<adf>${xml}</adf>`,
          headers: { 'content-type': 'application/xml' },
          status,
        })
        return [send(good, 201), send(good + good, 207), send(prospect(''), 422), send('', 400)]
      }
      case 'reconcileReferences':
        return [
          { path: '/v1/leads/reconciliation', body: { references: [{ source: 'matrix', id: '1' }] }, status: 200 },
        ]
      case 'listLeads':
        return [{ path: '/v1/leads', status: 200 }]
      case 'searchLeads':
        return [
          { path: '/v1/leads/search', body: { contact: '32 12 34 56' }, status: 200 },
          { path: '/v1/leads/search', body: { text: 'anna 3456' }, status: 200 },
        ]
      case 'countLeads':
        return [{ path: '/v1/leads/counts', body: { text: 'anna 3456' }, status: 200 }]
      case 'getLead':
        return [
          { path: `/v1/leads/${await newLead()}`, status: 200 },
          {
            path: `/v1/leads/${await newLead()}`,
            headers: { 'if-none-match': '"1"' } as Record<string, string>,
            status: 304,
          },
          {
            path: `/v1/leads/${await newLead()}`,
            headers: { 'if-match': '"2"' } as Record<string, string>,
            status: 412,
          },
          { path: `/v1/leads/lead_${missing}`, status: 404 },
        ]
      case 'getLeadReceipt':
        return [
          { path: `/v1/leads/${await newLead()}/receipt`, status: 200 },
          { path: `/v1/leads/lead_${missing}/receipt`, status: 404 },
        ]
      case 'getLeadOriginal': {
        const leadId = await newLead()
        return [
          { path: `/v1/leads/${leadId}/original`, status: 200 },
          { path: `/v1/leads/lead_${missing}/original`, status: 404 },
        ]
      }
      case 'updateLead': {
        const path = `/v1/leads/${await newLead()}`
        return [
          { path, body: { status: 'won' }, headers: { 'if-match': '"1"' }, status: 200 },
          { path: `/v1/leads/lead_${missing}`, body: { status: 'won' }, headers: any, status: 404 },
          { path, body: { status: 'won' }, status: 428 },
          { path, body: { status: 'won' }, headers: { 'if-match': '"77"' }, status: 412 },
          { path, body: { status: 'acknowledged' }, headers: any, status: 409 },
        ]
      }
      case 'getLeadCounts':
        return [{ path: '/v1/leads/counts', status: 200 }]
      case 'listCustomers':
        return [{ path: '/v1/customers', status: 200 }]
      case 'createCustomer':
        return [
          { path: '/v1/customers', body: aPersonSaid, status: 201 },
          { path: '/v1/customers', body: { name: { given: 'Anna' } }, status: 422 },
        ]
      case 'upsertCustomers': {
        const item = { source: 'dms', id: randomUUID(), customer: aPersonSaid }
        return [
          { path: '/v1/customers/batch', body: { customers: [item] }, status: 207 },
          { path: '/v1/customers/batch', body: { customers: [7] }, status: 207 },
        ]
      }
      case 'searchCustomers':
        return [
          { path: '/v1/customers/search', body: { name: 'anna jen' }, status: 200 },
          { path: '/v1/customers/search', body: { text: 'kjær 3456' }, status: 200 },
        ]
      case 'upsertCustomerByReference': {
        const { reference } = await aCustomer()
        return [
          { path: newReference(), body: aPersonSaid, status: 201 },
          { path: reference, body: aPersonSaid, status: 200 },
          { path: `${reference}?sourceVersion=1`, body: aPersonSaid, status: 409 },
          { path: '/v1/customers/by-reference/dms/undefined', body: aPersonSaid, status: 422 },
        ]
      }
      case 'withdrawReference':
        return [
          { path: (await aCustomer()).reference, status: 200 },
          { path: `${(await aCustomer()).reference}?sourceVersion=1`, status: 409 },
          { path: newReference(), status: 404 },
        ]
      case 'getCustomer':
        return [
          { path: (await aCustomer()).path, status: 200 },
          await aCustomer().then(({ path }) => ({
            path,
            headers: { 'if-none-match': `"${path.slice(-12)}.1"` },
            status: 304,
          })),
          ...(await notThere('')),
        ]
      case 'updateCustomer': {
        const { path } = await aCustomer()
        const body = { name: { family: 'Jensen-Hansen' } }
        return [
          { path, body, headers: any, status: 200 },
          { path, body, headers: { 'if-match': '"77"' }, status: 412 },
          { path, body, status: 428 },
          ...(await notThere('')).map((shot) => ({ ...shot, body, headers: any })),
        ]
      }
      case 'withdrawEdit':
        return [{ path: `${(await aCustomer()).path}/edits`, status: 200 }, ...(await notThere('/edits'))]
      case 'getCustomerSources':
        return [{ path: `${(await aCustomer()).path}/sources`, status: 200 }, ...(await notThere('/sources'))]
      case 'listCustomerLeads':
        return [{ path: `${(await aCustomer()).path}/leads`, status: 200 }, ...(await notThere('/leads'))]
      case 'mergeCustomers': {
        const [one, other] = [await aCustomer(), await aCustomer()]
        return [
          { path: `${one.path}/merge`, body: { into: other.id }, status: 200 },
          { path: `${other.path}/merge`, body: { into: other.id }, status: 409 },
          ...(await notThere('/merge')).map((shot) => ({ ...shot, body: { into: other.id } })),
        ]
      }
      case 'unmergeCustomer':
        return [{ path: `${(await aCustomer()).path}/merge`, status: 200 }, ...(await notThere('/merge'))]
      case 'listSuggestions':
        return [{ path: '/v1/customer-suggestions', status: 200 }]
      case 'rejectSuggestion': {
        const pair = [inner((await aCustomer()).id), inner((await aCustomer()).id)].toSorted()
        const id = newId()
        await service.db('customer_suggestions').insert({
          dealer_id: ours.dealerId,
          id,
          test: false,
          one_id: pair[0],
          other_id: pair[1],
          score: 7,
          reasons: ['same-phone'],
          created_at: new Date(),
        })
        return [
          { path: `/v1/customer-suggestions/${outer('sugg', id)}/rejection`, status: 200 },
          { path: `/v1/customer-suggestions/sugg_${missing}/rejection`, status: 404 },
        ]
      }
      case 'listEvents':
        return [
          { path: '/v1/events', status: 200 },
          { path: '/v1/events?cursor=latest', status: 200 },
          { path: '/v1/events?cursor=999999999', status: 410 },
        ]
      case 'streamEvents':
        return [
          { path: '/v1/events/stream', status: 200 },
          { path: '/v1/events/stream', headers: { 'last-event-id': '999999999' }, status: 410 },
        ]
      case 'listSources':
        return [{ path: '/v1/sources', status: 200 }]
      case 'listApiKeys':
        return [{ path: '/v1/api-keys', status: 200 }]
      case 'createApiKey':
        return [
          { path: '/v1/api-keys', body: { name: `Made ${Math.random()}`, kind: 'digital_requests' }, status: 201 },
          { path: '/v1/api-keys', body: { name: 'DMS Sync', kind: 'digital_requests' }, status: 409 },
          {
            path: '/v1/api-keys',
            body: { name: 'Wants more', kind: 'digital_requests', scopes: ['leads:read'] },
            status: 422,
          },
        ]
      case 'getApiKey':
        return [
          { path: `/v1/api-keys/${ours.website.id}`, status: 200 },
          { path: `/v1/api-keys/key_${missing}`, status: 404 },
        ]
      case 'updateApiKey':
        return [
          { path: `/v1/api-keys/${ours.website.id}`, body: { name: 'Main Website Lead Form' }, status: 200 },
          { path: `/v1/api-keys/key_${missing}`, body: { name: 'Nothing' }, status: 404 },
          { path: `/v1/api-keys/${ours.website.id}`, body: { name: 'DMS Sync' }, status: 409 },
          { path: `/v1/api-keys/${ours.website.id}`, body: { expiresAt: '2020-01-01T00:00:00Z' }, status: 422 },
        ]
      case 'deleteApiKey':
        return [
          {
            path: `/v1/api-keys/${(await service.createKey(admin.token, { kind: 'digital_requests' })).id}`,
            status: 204,
          },
          { path: `/v1/api-keys/key_${missing}`, status: 404 },
        ]
      case 'restoreApiKey': {
        const gone = await aKey()
        await service.call('DELETE', `/v1/api-keys/${gone}`, { token: admin.token })
        const old = await aKey()
        await service.call('DELETE', `/v1/api-keys/${old}`, { token: admin.token })
        await service
          .db('api_keys')
          .where({ id: inner(old) })
          .update({ deleted_at: new Date(Date.now() - 86_401_000) })
        return [
          { path: `/v1/api-keys/${gone}/restoration`, status: 200 },
          { path: `/v1/api-keys/${old}/restoration`, status: 409 },
          { path: `/v1/api-keys/key_${missing}/restoration`, status: 404 },
        ]
      }
      case 'replaceApiKey': {
        const inUse = await aKey('in use')
        return [
          { path: `/v1/api-keys/${await aKey()}/replacement`, body: {}, status: 201 },
          { path: `/v1/api-keys/${inUse}/replacement`, body: {}, status: 409 },
          { path: `/v1/api-keys/key_${missing}/replacement`, body: {}, status: 404 },
        ]
      }
      case 'expireOldApiKeySecret':
        return [
          { path: `/v1/api-keys/${await aKey('pending')}/replacement`, body: { oldEnds: 'at_once' }, status: 200 },
          { path: `/v1/api-keys/key_${missing}/replacement`, body: {}, status: 404 },
        ]
      case 'cancelApiKeyReplacement':
        return [
          { path: `/v1/api-keys/${await aKey('pending')}/replacement`, status: 200 },
          { path: `/v1/api-keys/key_${missing}/replacement`, status: 404 },
        ]
      case 'listApiKeyRequests':
        return [
          { path: `/v1/api-keys/${ours.website.id}/requests`, status: 200 },
          { path: `/v1/api-keys/key_${missing}/requests`, status: 404 },
        ]
      case 'getApiKeyUsage':
        return [
          { path: `/v1/api-keys/${ours.website.id}/usage`, status: 200 },
          { path: `/v1/api-keys/key_${missing}/usage`, status: 404 },
        ]
      case 'listApiKeyAddresses':
        return [
          { path: `/v1/api-keys/${ours.website.id}/addresses`, status: 200 },
          { path: `/v1/api-keys/key_${missing}/addresses`, status: 404 },
        ]
      case 'getApiKeyLimits':
        return [
          { path: `/v1/api-keys/${ours.website.id}/limits`, status: 200 },
          { path: `/v1/api-keys/key_${missing}/limits`, status: 404 },
        ]
      case 'getOwnApiKey':
      case 'deleteOwnApiKey':
        return [{ path: '/v1/api-key', status: id === 'getOwnApiKey' ? 200 : 204 }]
      case 'replaceOwnApiKey':
        return [{ path: '/v1/api-key/replacement', body: {}, status: 201 }]
      case 'listUsers':
        return [{ path: '/v1/users', status: 200 }]
      case 'getUser':
        return [
          { path: `/v1/users/${ours.sales.userId}`, status: 200 },
          { path: `/v1/users/user_${missing}`, status: 404 },
        ]
      case 'updateUser':
        return [
          { path: `/v1/users/${ours.sales.userId}`, body: { role: 'sales' }, status: 200 },
          { path: `/v1/users/user_${missing}`, body: { role: 'sales' }, status: 404 },
          { path: `/v1/users/${admin.userId}`, body: { deactivated: true }, status: 409 },
        ]
      case 'createUser': {
        const body = (email: string) => ({ email, name: 'Somebody', role: 'sales' })
        return [
          { path: '/v1/users', body: body(`${randomUUID()}@ours.example`), status: 201 },
          { path: '/v1/users', body: body(ours.sales.email), status: 409 },
        ]
      }
      case 'createPasswordLink': {
        const { userId } = await service.signIn(await aPerson())
        const gone = await service.signIn(await aPerson())
        await service.call('PATCH', `/v1/users/${gone.userId}`, { token: admin.token, body: { deactivated: true } })
        return [
          { path: `/v1/users/${userId}/password-link`, status: 200 },
          { path: `/v1/users/${gone.userId}/password-link`, status: 409 },
          { path: `/v1/users/user_${missing}/password-link`, status: 404 },
        ]
      }
      case 'releaseUser': {
        const { userId } = await service.signIn(await aPerson())
        return [
          { path: `/v1/users/${userId}/release`, status: 204 },
          { path: `/v1/users/user_${missing}/release`, status: 404 },
        ]
      }
      case 'changeOwnPassword':
        return [
          { path: '/v1/me/password', body: { currentPassword: 'wrong', newPassword: password }, status: 422 },
          {
            path: '/v1/me/password',
            body: { currentPassword: password, newPassword: 'another-password-for-tests' },
            status: 204,
          },
        ]
      case 'listOwnSessions':
        return [{ path: '/v1/me/sessions', status: 200 }]
      case 'endOwnSession': {
        const { token } = await service.signIn(admin.email)
        const [{ id }] = (await service.call('GET', '/v1/me/sessions', { token })).body.items
        return [
          { path: `/v1/me/sessions/${id}`, status: 204 },
          { path: `/v1/me/sessions/session_${missing}`, status: 404 },
        ]
      }
      case 'listOwnPasskeys':
        return [{ path: '/v1/me/passkeys', status: 200 }]
      case 'createPasskeyOptions':
        return [{ path: '/v1/me/passkeys/options', status: 200 }]
      case 'addPasskey': {
        const of = holder ?? (await aPersonWithPasskey())
        const body = authenticator(service.url).create(await of.creation())
        return [
          { path: '/v1/me/passkeys', body, status: 200 },
          { path: '/v1/me/passkeys', body: { ...body, id: 'AAAA' }, status: 422 },
        ]
      }
      case 'updatePasskey':
      case 'deletePasskey': {
        const { passkeyId } = holder ?? (await aPersonWithPasskey())
        const more = id === 'updatePasskey' && { body: { name: 'Phone' } }
        return [
          { path: `/v1/me/passkeys/${passkeyId}`, ...more, status: id === 'updatePasskey' ? 200 : 204 },
          { path: `/v1/me/passkeys/passkey_${missing}`, ...more, status: 404 },
        ]
      }
      case 'createRecoveryCodes':
        return [{ path: '/v1/me/recovery-codes', status: 200 }]
      case 'resetPasskeys': {
        const { userId } = await service.signIn(await aPerson())
        return [
          { path: `/v1/users/${userId}/passkeys`, status: 204 },
          { path: `/v1/users/user_${missing}/passkeys`, status: 404 },
        ]
      }
      case 'setSecondFactor':
        return [
          { path: '/v1/dealer/second-factor', body: { required: false }, status: 200 },
          { path: '/v1/dealer/second-factor', body: { required: true }, status: 409 },
        ]
      case 'getNotifications':
        return [{ path: '/v1/me/notifications', status: 200 }]
      case 'updateNotifications':
        return [{ path: '/v1/me/notifications', body: { newLead: true }, status: 200 }]
      case 'listMails':
        return [{ path: '/v1/mails', status: 200 }]
      case 'getDealer':
        return [{ path: '/v1/dealer', status: 200 }]
      case 'updateDealer':
        return [
          { path: '/v1/dealer', body: { name: 'Ours' }, status: 200 },
          { path: '/v1/dealer', body: { timeZone: 'Mars/Olympus' }, status: 422 },
        ]
      case 'listAuditEntries':
        return [{ path: '/v1/audit-entries', status: 200 }]
      case 'getMe':
        return [{ path: '/v1/me', status: 200 }]
      default:
        throw new Error(`${id} has no shots: a new operation needs them`)
    }
  }
})
afterAll(() => service.close())

it('agrees with the document about what every operation needs', () => {
  for (const id of ids) {
    const { access, scopes } = operations[id]
    expect([
      id,
      access === 'none' ? 'nothing' : access === 'session' ? 'session' : scopes.join(' ') || 'any token',
    ]).toEqual([id, needs[id] === 'a person' ? 'any token' : needs[id]])
  }
})

it('agrees with what integrators are handed about what a key may call', () => {
  const { paths } = parse(readFileSync('generated/integrators.yaml', 'utf8'))
  const handedOut = ids.filter((id) => paths[operations[id].path]?.[operations[id].method.toLowerCase()])
  const ofKeys = Object.values(scopesOfKind).flatMap(({ usual, onRequest }): string[] => [...usual, ...onRequest])
  const ofPeople = ['signIn', 'createPasskeyChallenge', 'signInWithPasskey', 'setPassword', 'requestPasswordLink']
  const ofEverybody = ids.filter((id) => needs[id] === 'nothing' && !ofPeople.includes(id))
  const withTokens = guarded.filter(
    (id) => needs[id] !== 'a person' && operations[id].scopes.every((scope) => ofKeys.includes(scope)),
  )
  expect(handedOut.toSorted()).toEqual([...ofEverybody, ...withTokens].toSorted())
})

describe.each(guarded)('%s', (id) => {
  it('answers 401 before anything else to whoever has no living token', async () => {
    for (const shot of await shots(id)) {
      const none = await shoot(id, shot)
      expect([none.status, none.body.code, none.headers.get('www-authenticate')]).toEqual([
        401,
        'token-missing',
        'Bearer realm="CarBuddii"',
      ])
      for (const { who, token, held, refused = [401, 'token-invalid'] } of dead) {
        const reply = await shoot(id, shot, token)
        // A token that never had the scope is refused for that, without asking the database about its credential.
        const couldOnce = ['any token', 'a person'].includes(needs[id]) || lacked(needs[id], held).length === 0
        expect([who, reply.status, reply.body.code]).toEqual([who, ...(couldOnce ? refused : [403, 'scope-missing'])])
        const isForeign = couldOnce && refused[1] === 'address-not-allowed'
        expect(reply.headers.get('www-authenticate')).toContain(
          isForeign ? 'Bearer' : couldOnce ? 'error="invalid_token"' : 'error="insufficient_scope"',
        )
      }
    }
  })

  it('answers 403 before anything else to whoever lacks the scope, and works for whoever has it', async () => {
    for (const [who, scopes] of Object.entries(holds)) {
      const token = await tokenOf(who, id)
      const isKey = !['admin', 'sales'].includes(who)
      const allowed =
        needs[id] === 'any token' || (needs[id] === 'a person' && !isKey) || lacked(needs[id], scopes).length === 0
      for (const shot of await shots(id)) {
        const reply = await shoot(id, shot, token)
        // Only whoever pushed a lead sees its receipt, and a person has no key of its own, and a session is its
        // person's: to the others it is not there.
        const hidden =
          (id === 'getLeadReceipt' && who !== 'website') ||
          (id.endsWith('OwnApiKey') && !isKey) ||
          (id === 'endOwnSession' && who !== 'admin')
        // A person writes as no system.
        const isNoSystem = byReference.includes(id) && !isKey
        const expected = !allowed || isNoSystem ? 403 : hidden ? 404 : shot.status
        expect([who, shot.path, reply.status]).toEqual([who, shot.path, expected])
        if (who === 'reader') expect(reply.text).not.toMatch(person)
        const more =
          needs[id] === 'a person'
            ? 'error_description="Only a person may do this"'
            : `scope="${lacked(needs[id], scopes).join(' ')}"`
        if (!allowed)
          expect([reply.body.code, reply.headers.get('www-authenticate')]).toEqual([
            needs[id] === 'a person' ? 'person-needed' : 'scope-missing',
            `Bearer realm="CarBuddii", error="insufficient_scope", ${more}`,
          ])
      }
    }
  })

  it('shows another dealer nothing, in the same words as for what is missing', async () => {
    const [shot] = await shots(id)
    if (!shot || !operations[id].path.includes('{')) return
    const who = needs[id] === 'leads:create' ? 'website' : byReference.includes(id) ? 'dms' : 'admin'
    const { token } = theirs[who]
    const foreign = await shoot(id, shot, token)
    // Under the same reference another dealer has a customer of its own.
    if (id === 'upsertCustomerByReference') {
      const mine = await shoot(id, shot, ours.dms.token)
      expect([foreign.status, mine.status, foreign.body.id === mine.body.id]).toEqual([201, 201, false])
      return
    }
    const absent = await shoot(id, { ...shot, path: shot.path.replace(/[0-9a-f]{32}/, missing) }, token)
    expect(foreign.status).toBe(404)
    const plain = ({ body }: Reply) => ({ ...body, requestId: '' })
    expect(plain(foreign)).toEqual(plain(absent))
    expect(foreign.text.length).toBe(absent.text.length)
  })
})

it('lists one dealer nothing of another', async () => {
  for (const path of ['/v1/leads', '/v1/customers', '/v1/events', '/v1/sources', '/v1/api-keys', '/v1/users']) {
    const mine = await service.call('GET', path, { token: ours.admin.token })
    const other = await service.call('GET', path, { token: theirs.admin.token })
    const known = new Set(mine.body.items.map((item: { id: string }) => item.id))
    expect(other.body.items.filter((item: { id: string }) => known.has(item.id))).toEqual([])
  }
})

describe('what any operation refuses', () => {
  const sessionCookie = async () => ({ cookie: (await service.signIn(ours.admin.email)).cookie })
  const first = async (id: OperationId): Promise<Shot> => {
    if (operations[id].access === 'accessToken') return (await shots(id))[0] as Shot
    return {
      path: operations[id].path,
      ...(operations[id].access === 'session' && { headers: await sessionCookie() }),
      status: 200,
      ...(id === 'signIn' && { body: { email: ours.admin.email, password } }),
      ...(id === 'signInWithPasskey' && { body: authenticator(service.url).get({ challenge: 'AAAA' }) }),
      ...(id === 'requestPasswordLink' && { body: { email: 'nobody@ours.example' } }),
      ...(id === 'setPassword' && { body: { token: 'nothing', password } }),
    }
  }
  const tokenFor = (id: OperationId) =>
    operations[id].access === 'accessToken'
      ? needs[id] === 'leads:create' || id.endsWith('OwnApiKey')
        ? ours.website.token
        : ours.admin.token
      : undefined

  it.each(ids)('%s: a query parameter that the contract does not name', async (id) => {
    const shot = await first(id)
    const reply = await shoot(id, { ...shot, path: `${shot.path}?nope=1` }, tokenFor(id))
    expect(reply.status).toBe(400)
  })

  it.each(ids.filter((id) => operations[id].bodyBytesMax > 0))(
    '%s: a body of another type, or too large',
    async (id) => {
      const { method, bodyBytesMax, mediaTypes } = operations[id]
      const { path } = await first(id)
      const headers = (type: string) => ({
        'content-type': type,
        ...(tokenFor(id) && { authorization: `Bearer ${tokenFor(id)}` }),
      })
      const other = await service.call(method, path, { raw: 'a', headers: headers('text/csv') })
      expect(other.status).toBe(415)
      const large = await service.call(method, path, {
        raw: 'x'.repeat(bodyBytesMax + 1),
        headers: headers(mediaTypes[0] as string),
      })
      expect(large.status).toBe(413)
      seen.add(`${id} 415`).add(`${id} 413`)
    },
  )

  it('a page of another origin at the session', async () => {
    for (const more of [
      { origin: 'https://evil.example' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
    ] as Record<string, string>[]) {
      const cookie = await sessionCookie()
      for (const id of ['exchangeSession', 'signOut'] as const)
        expect(
          (await shoot(id, { path: operations[id].path, headers: cookie, status: 0 }, undefined, more)).status,
        ).toBe(403)
      expect(
        (
          await shoot(
            'signIn',
            { path: '/v1/session', body: { email: ours.admin.email, password }, status: 0 },
            undefined,
            more,
          )
        ).status,
      ).toBe(403)
      expect(
        (
          await shoot(
            'setPassword',
            { path: '/v1/password', body: { token: 'a', password }, status: 0 },
            undefined,
            more,
          )
        ).status,
      ).toBe(403)
      for (const id of ['createPasskeyChallenge', 'signInWithPasskey'] as const)
        expect((await shoot(id, await first(id), undefined, more)).status).toBe(403)
    }
  })

  it('a session that is not there', async () => {
    for (const cookie of ['', 'session=nothing', `session=${'0'.repeat(64)}${'A'.repeat(43)}`])
      for (const id of ['exchangeSession', 'signOut'] as const)
        expect((await shoot(id, { path: operations[id].path, headers: { cookie }, status: 401 })).status).toBe(401)
  })
})

it('lets a signed-in person exchange and end the session', async () => {
  const { cookie } = await service.signIn(ours.admin.email)
  const exchanged = await shoot('exchangeSession', { path: '/v1/session/token', headers: { cookie }, status: 200 })
  expect(exchanged.status).toBe(200)
  expect((await service.call('GET', '/v1/me', { token: exchanged.body.access_token })).status).toBe(200)
  expect((await shoot('signOut', { path: '/v1/session', headers: { cookie }, status: 204 })).status).toBe(204)
  expect((await service.call('GET', '/v1/me', { token: exchanged.body.access_token })).status).toBe(401)
  expect((await shoot('exchangeSession', { path: '/v1/session/token', headers: { cookie }, status: 401 })).status).toBe(
    401,
  )
})

it('lets a person choose a password by a link', async () => {
  // Where there is mail, links go to mailboxes alone.
  const tokenOf = async (email: string, dealerId: string) => {
    const [user] = await service.db('users').where({ email, dealer_id: dealerId })
    const links = { secrets: service.service.secrets, issuer: service.url, mailIsReady: false }
    const { url = '' } = await service.db.transaction((trx) => addLink(trx, links, user, new Date()))
    return url.split('#')[1]
  }
  const choose = async (token: string | undefined, status: number) =>
    (await shoot('setPassword', { path: '/v1/password', body: { token, password }, status })).status
  expect(await choose(await tokenOf(await aPerson(), ours.dealerId), 204)).toBe(204)
  const { email } = theirs.sales
  await service.call('POST', '/v1/users', { token: ours.admin.token, body: { email, name: 'Taken', role: 'sales' } })
  expect(await choose(await tokenOf(email, ours.dealerId), 409)).toBe(409)
})

it('lets a person sign in with a passkey, and refuses what passkeys do not allow', async () => {
  const strict = await service.dealer('strict')
  const path = '/v1/me/passkeys'
  const device = authenticator(service.url)
  const { token } = strict.admin
  expect((await shoot('createRecoveryCodes', { path: '/v1/me/recovery-codes', status: 409 }, token)).status).toBe(409)
  const options = async (by: string) =>
    (await shoot('createPasskeyOptions', { path: `${path}/options`, status: 200 }, by)).body
  const body = device.create(await options(token))
  const added = await shoot('addPasskey', { path, body, status: 200 }, token)
  const asked = await shoot('createPasskeyChallenge', { path: '/v1/session/passkey-challenge', status: 200 })
  const entered = await shoot('signInWithPasskey', {
    path: '/v1/session/passkey',
    body: device.get(asked.body),
    status: 200,
  })
  expect(entered.status).toBe(200)
  const strong = entered.body.access_token
  const policy = { path: '/v1/dealer/second-factor', body: { required: true }, status: 200 }
  expect((await shoot('setSecondFactor', policy, strong)).status).toBe(200)
  const last = { path: `${path}/${added.body.passkey.id}`, status: 409 }
  expect((await shoot('deletePasskey', last, strong)).status).toBe(409)
  for (let count = 1; count < 20; count++)
    await service.call('POST', path, { token: strong, body: authenticator(service.url).create(await options(strong)) })
  expect((await shoot('createPasskeyOptions', { path: `${path}/options`, status: 409 }, strong)).status).toBe(409)

  const { token: other, creation } = await aPersonWithPasskey()
  const late = authenticator(service.url).create(await creation())
  for (let count = 1; count < 20; count++)
    await service.call('POST', path, { token: other, body: authenticator(service.url).create(await creation()) })
  expect((await shoot('addPasskey', { path, body: late, status: 409 }, other)).body.code).toBe('too-many-passkeys')
  const byAddress = await startService()
  expect((await byAddress.call('POST', '/v1/session/passkey-challenge')).status).toBe(409)
  await byAddress.close()
  seen.add('createPasskeyChallenge 409')
})

it('slows down whoever guesses, and never a right key', async () => {
  const guess = async () =>
    (
      await shoot('signIn', {
        path: '/v1/session',
        body: { email: 'nobody@ours.example', password: 'wrong' },
        status: 401,
      })
    ).status
  for (let count = 0; count < 10; count++) expect(await guess()).toBe(401)
  expect(await guess()).toBe(429)
  const { token } = await service.signIn(await aPerson())
  const forgotten = async (more: Record<string, string> = {}) =>
    (
      await shoot(
        'requestPasswordLink',
        { path: '/v1/password-link', body: { email: ours.sales.email }, status: 204 },
        undefined,
        more,
      )
    ).status
  expect(await forgotten({ origin: 'https://evil.example' })).toBe(403)
  for (let count = 0; count < 3; count++) expect(await forgotten()).toBe(204)
  expect(await forgotten()).toBe(429)
  const guessOwn = async () =>
    (
      await shoot(
        'changeOwnPassword',
        { path: '/v1/me/password', body: { currentPassword: 'wrong', newPassword: password }, status: 422 },
        token,
      )
    ).status
  for (let count = 0; count < 10; count++) expect(await guessOwn()).toBe(422)
  expect(await guessOwn()).toBe(429)
  const guessLink = async () =>
    (
      await shoot('setPassword', {
        path: '/v1/password',
        body: { token: `${'0'.repeat(64)}${'A'.repeat(43)}`, password },
        status: 422,
      })
    ).status
  const guessPasskey = async () => {
    const body = authenticator(service.url).get({ challenge: 'AAAA' })
    return (await shoot('signInWithPasskey', { path: '/v1/session/passkey', body, status: 401 })).status
  }
  const passkeyStatuses = new Set<number>()
  const linkStatuses = new Set<number>()
  for (let count = 0; count < 105; count++) linkStatuses.add(await guessLink())
  expect(linkStatuses).toEqual(new Set([422, 429]))
  for (let count = 0; count < 105; count++) passkeyStatuses.add(await guessPasskey())
  expect(passkeyStatuses).toEqual(new Set([401, 429]))
  const wrong = () =>
    shoot('exchangeApiKey', { path: '/v1/auth/token', headers: { 'x-api-key': 'cb_dr_live_nothing' }, status: 401 })
  const statuses = new Set<number>()
  for (let count = 0; count < 320; count++) statuses.add((await wrong()).status)
  expect(statuses).toEqual(new Set([401, 429]))
  expect(
    (await shoot('exchangeApiKey', { path: '/v1/auth/token', headers: { 'x-api-key': ours.dms.secret }, status: 200 }))
      .status,
  ).toBe(200)
})

/**
 * Which limit counts an operation, written by hand like `needs`. Of those that a key can call only `deleteOwnApiKey` is
 * counted by none: a key can always be ended.
 */
const countedBy: Partial<Record<OperationId, 'leads' | 'reads' | 'writes' | 'replacements' | 'invitations'>> = {
  createLead: 'leads',
  createLeadBatch: 'leads',
  createLeadsFromAdf: 'leads',
  reconcileReferences: 'reads',
  getMe: 'reads',
  listLeads: 'reads',
  getLeadCounts: 'reads',
  searchLeads: 'reads',
  countLeads: 'reads',
  getLead: 'reads',
  getLeadReceipt: 'reads',
  getLeadOriginal: 'reads',
  listEvents: 'reads',
  streamEvents: 'reads',
  listSources: 'reads',
  listCustomers: 'reads',
  searchCustomers: 'reads',
  getCustomer: 'reads',
  getCustomerSources: 'reads',
  listCustomerLeads: 'reads',
  listSuggestions: 'reads',
  createCustomer: 'writes',
  upsertCustomerByReference: 'writes',
  upsertCustomers: 'writes',
  withdrawReference: 'writes',
  updateCustomer: 'writes',
  withdrawEdit: 'writes',
  mergeCustomers: 'writes',
  unmergeCustomer: 'writes',
  rejectSuggestion: 'writes',
  getOwnApiKey: 'reads',
  updateLead: 'writes',
  replaceOwnApiKey: 'replacements',
  replaceApiKey: 'replacements',
  createUser: 'invitations',
  createPasswordLink: 'invitations',
}

it('counts whatever a key can do, and refuses it when its limit is reached', async () => {
  const { paths } = parse(readFileSync('generated/integrators.yaml', 'utf8'))
  const ofKeys = guarded.filter((id) => paths[operations[id].path]?.[operations[id].method.toLowerCase()])
  const byPeople: OperationId[] = ['replaceApiKey', 'createUser', 'createPasswordLink']
  expect(Object.keys(countedBy).toSorted()).toEqual(
    [...ofKeys.filter((id) => id !== 'deleteOwnApiKey'), ...byPeople].toSorted(),
  )

  const once = { most: 1, perSecond: 0.000_1 }
  const limits = { ...defaultLimits, leads: once, reads: once, writes: once }
  const limited = await startService(undefined, undefined, {
    limits: { ...limits, replacements: once, invitations: once },
  })
  const bodies: Partial<Record<OperationId, { body?: object; raw?: string; headers?: Record<string, string> }>> = {
    createLead: { body: lead() },
    createLeadBatch: { body: { leads: [{ lead: lead() }] } },
    createLeadsFromAdf: {
      raw: '<adf><prospect><customer><contact><phone>32 12 34 56</phone></contact></customer></prospect></adf>',
      headers: { 'content-type': 'application/xml' },
    },
    reconcileReferences: { body: { references: [{ source: 'matrix', id: '1' }] } },
    updateLead: { body: { status: 'won' }, headers: { 'if-match': '*' } },
    createCustomer: { body: lead().customer },
    searchCustomers: { body: { name: 'anna' } },
    searchLeads: { body: { contact: '32 12 34 56' } },
    countLeads: { body: { text: 'anna' } },
    upsertCustomers: { body: { customers: [{}] } },
    upsertCustomerByReference: { body: lead().customer },
    updateCustomer: { body: { name: { given: 'Anne' } }, headers: { 'if-match': '*' } },
    mergeCustomers: { body: { into: `cust_${missing}` } },
    replaceOwnApiKey: { body: {} },
    replaceApiKey: { body: {} },
  }
  const office = await limited.dealer('office')
  for (const id of Object.keys(countedBy) as OperationId[]) {
    const { method, path } = operations[id]
    const { admin, sales } = countedBy[id] === 'invitations' ? await limited.dealer(id.toLowerCase()) : office
    const key = await limited.createKey(admin.token, { kind: 'extensive_integrations', sources: ['dms'] })
    const token = byPeople.includes(id) ? admin.token : await limited.exchange(key.secret)
    const place = path
      .replace('{leadId}', `lead_${missing}`)
      .replace('{customerId}', `cust_${missing}`)
      .replace('{suggestionId}', `sugg_${missing}`)
      .replace('{source}/{id}', 'dms/1')
      .replace('{apiKeyId}', key.id)
      .replace('{userId}', sales.userId)
    const ask = () => {
      const body =
        id === 'createUser' ? { email: `${randomUUID()}@office.example`, name: 'New', role: 'sales' } : undefined
      return limited.call(method, place, { token, ...(body ? { body } : bodies[id]) })
    }
    const first = await ask()
    const second = await ask()
    expect([id, first.status === 429, second.status, second.body.code]).toEqual([id, false, 429, 'limit-reached'])
    for (const { headers } of [first, second])
      expect([id, headers.get('ratelimit'), headers.get('ratelimit-policy')]).toEqual([
        id,
        expect.stringContaining(`"${countedBy[id]}";r=0;t=`),
        expect.stringContaining(`"${countedBy[id]}";q=1;w=`),
      ])
    expect(Number(second.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
    seen.add(`${id} 429`)

    // A dead token is told so, whatever the limit says.
    if (byPeople.includes(id)) continue
    await limited.call('PATCH', `/v1/api-keys/${key.id}`, { token: admin.token, body: { disabled: true } })
    expect([id, (await ask()).status]).toEqual([id, 401])
  }
  await limited.close()
})

it('has shown every answer that the document names', async () => {
  for (const id of ['getHealth', 'getReadiness', 'getJwks', 'getAuthorizationServerMetadata'] as const)
    expect((await shoot(id, { path: operations[id].path, status: 200 })).status).toBe(200)
  expect(
    (await shoot('signIn', { path: '/v1/session', body: { email: ours.admin.email, password }, status: 200 })).status,
  ).toBe(200)
  const twice = lead({ externalReference: { source: 'matrix', id: '1' } })
  for (const status of [201, 200])
    expect((await shoot('createLead', { path: '/v1/leads', body: twice, status }, ours.website.token)).status).toBe(
      status,
    )

  // A reference without an id is the address of nothing.
  const without = { path: '/v1/customers/by-reference/dms/', body: lead().customer, status: 404 }
  expect((await shoot('upsertCustomerByReference', without, ours.dms.token)).status).toBe(404)

  const adf =
    '<adf><prospect><id source="matrix">2</id><customer><contact><phone>32 12 34 56</phone></contact></customer></prospect></adf>'
  for (const status of [201, 200])
    expect(
      (
        await shoot(
          'createLeadsFromAdf',
          { path: '/v1/leads/adf', raw: adf, headers: { 'content-type': 'text/xml' }, status },
          ours.website.token,
        )
      ).status,
    ).toBe(status)
  const own = await service.createKey(ours.admin.token, { kind: 'digital_requests' })
  const replacement = await shoot(
    'replaceOwnApiKey',
    { path: '/v1/api-key/replacement', body: {}, status: 201 },
    await service.exchange(own.secret),
  )
  expect(
    (
      await shoot(
        'replaceOwnApiKey',
        { path: '/v1/api-key/replacement', body: {}, status: 409 },
        await service.exchange(replacement.body.secret),
      )
    ).status,
  ).toBe(409)

  // A token with a part of its key's scopes does not act on the key.
  const whole = await service.createKey(ours.admin.token, { kind: 'extensive_integrations' })
  const part = await service.call('POST', '/v1/auth/token', {
    headers: { 'x-api-key': whole.secret, 'content-type': 'application/x-www-form-urlencoded' },
    raw: 'grant_type=client_credentials&scope=leads%3Aread',
  })
  for (const id of ['replaceOwnApiKey', 'deleteOwnApiKey'] as const) {
    const [shot] = await shots(id)
    const refused = await shoot(id, shot as Shot, part.body.access_token)
    expect([refused.status, refused.body.code]).toEqual([403, 'scope-missing'])
  }

  const streams: Response[] = []
  for (let count = 0; count < 20; count++)
    streams.push(
      await fetch(`${service.url}/v1/events/stream`, { headers: { authorization: `Bearer ${ours.dms.token}` } }),
    )
  const [first] = streams
  expect([first?.headers.get('content-type'), first?.headers.get('cache-control')]).toEqual([
    'text/event-stream',
    'no-store',
  ])
  expect((await shoot('streamEvents', { path: '/v1/events/stream', status: 429 }, ours.dms.token)).body.code).toBe(
    'too-many-streams',
  )
  for (const { body } of streams) await body?.cancel()

  const withoutMail = await startService()
  const refused = await withoutMail.call('POST', '/v1/password-link', { body: { email: 'nobody@dealer.example' } })
  await withoutMail.close()
  expect([refused.status, refused.body.code]).toEqual([409, 'mail-not-set-up'])
  seen.add('requestPasswordLink 409')

  const document = parse(readFileSync('generated/openapi.yaml', 'utf8'))
  const named = ids.flatMap((id) =>
    Object.keys(document.paths[operations[id].path][operations[id].method.toLowerCase()].responses).map(
      (status) => `${id} ${status}`,
    ),
  )
  const unseen = named.filter((pair) => !/ (405|500|503)$/.test(pair) && !seen.has(pair))
  expect(unseen).toEqual([])
  expect([...seen].filter((pair) => !named.includes(pair))).toEqual([])
  console.log(`${cells} cells, ${seen.size} of ${named.length} documented answers seen`)
})
