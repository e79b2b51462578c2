import type { Locator } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ageLeads, lead } from '../service.ts'
import { checksOfState, startDashboard, type TestDashboard } from './browser.ts'

const dayMs = 86_400_000
export const another = 'another-password-for-tests'
export const hostile = '<img src=x onerror=alert(1)>'
export const turned = '\u202Etxet denrut\u202C \u05d0\u05d1\u05d2 "><script>alert(2)</script>'
export const long = 'W'.repeat(60)

/** What a walk through screens needs: a dealer of its own, an admin's browser, and ways to bring states about. */
export type Walk = Awaited<ReturnType<typeof openWalk>>

/** A test for each walk. The states are those that it has to come by, in that order. */
export function screens(walks: Record<string, { states: readonly string[]; walk: (walk: Walk) => Promise<void> }>) {
  let dashboard: TestDashboard
  beforeAll(async () => {
    dashboard = await startDashboard()
  })
  afterAll(() => dashboard.close())

  it.each(Object.entries(walks))(
    'screens have no accessibility fault in any state, in both languages and themes, wide and at 320 px: %s',
    async (name, { states, walk }) => {
      const before = dashboard.checked()
      const opened = await openWalk(dashboard, name)
      await walk(opened)
      expect(dashboard.faults.splice(0)).toEqual([])
      expect(opened.seen).toEqual(states)
      const checks = dashboard.checked() - before
      expect(checks).toBe(states.length * checksOfState)
      console.info(`axe: ${name}: ${states.length} states, ${checks} checks, 0 violations`)
    },
  )
}

async function openWalk(dashboard: TestDashboard, name: string) {
  const { service, url } = dashboard
  const { db } = service
  const dealer = await service.dealer(name.replaceAll(' ', '-'))
  const { admin, website, dms, dealerId } = dealer
  await db('users').where({ dealer_id: dealerId }).update({ name: hostile })
  await db('dealers').where({ id: dealerId }).update({ name: turned })
  const { page, context, expectFailure, signIn } = await dashboard.open()
  for (const status of [404, 409, 422, 503]) expectFailure(status)
  expectFailure('net::ERR_INTERNET_DISCONNECTED')
  const dialog = page.getByRole('dialog')
  const button = (name: string) => page.getByRole('button', { name, exact: true })
  const heading = (name: string | RegExp) => page.getByRole('heading', { name })

  const seen: string[] = []
  const state = async (name: string, shown: Locator) => {
    await shown.first().waitFor()
    await dashboard.inspect(page, name)
    seen.push(name)
  }
  const go = (path: string) => page.goto(url + path)
  const problem = {
    type: '/docs/problems/unavailable',
    title: 'Not available just now',
    status: 503,
    detail: 'x',
    code: 'unavailable',
    requestId: 'req-1234',
  }
  const waiting = (path: string) => page.route(path, () => undefined)
  const failing = (path: string) =>
    page.route(path, (route) =>
      route.fulfill({ status: 503, contentType: 'application/problem+json', body: JSON.stringify(problem) }),
    )
  const asUsual = () => page.unrouteAll({ behavior: 'ignoreErrors' })
  const admitted = async (method: string, path: string, body?: object) => {
    const reply = await service.call(method, path, { token: admin.token, body })
    expect([path, reply.status, reply.text]).toEqual([
      path,
      expect.toSatisfy((status: number) => status < 300),
      reply.text,
    ])
    return reply.body
  }
  const make = async (name: string, more: object = {}): Promise<{ id: string; secret: string }> => {
    const { apiKey, secret } = await admitted('POST', '/v1/api-keys', { name, kind: 'digital_requests', ...more })
    return { id: apiKey.id, secret }
  }
  const inviteSomebody = async (): Promise<{ user: { id: string }; passwordLink: { url: string } }> =>
    admitted('POST', '/v1/users', { email: `${long.toLowerCase()}@${dealerId}.example`, name: hostile, role: 'sales' })
  const deleteKeys = async () => {
    for (const { id } of [website, dms])
      await admitted('DELETE', `/v1/api-keys/${id}?reason=${encodeURIComponent(turned)}`)
  }

  return {
    ...dealer,
    service,
    db,
    page,
    context,
    expectFailure,
    signIn,
    dialog,
    button,
    heading,
    seen,
    state,
    go,
    problem,
    waiting,
    failing,
    asUsual,
    admitted,
    make,
    inviteSomebody,
    deleteKeys,
  }
}

/** Keys in every state, and which of them is which. */
export async function fillKeys({ service, db, dealerId, dms, admitted, make, deleteKeys }: Walk) {
  await deleteKeys()
  await make(hostile)
  await make(turned, { kind: 'extensive_integrations' })
  const unused = await make(long)
  const used = await make('Main Website Lead Form', {
    kind: 'extensive_integrations',
    expiresAt: new Date(Date.now() + 3 * dayMs).toISOString(),
  })
  const test = await make('Test site', { environment: 'test' })
  const disabled = await make('Old campaign')
  const expired = await make('Trade fair')
  const replaced = await make('DMS Sync', { kind: 'extensive_integrations' })
  const token = await service.exchange(used.secret)
  for (const body of [lead(), lead(), {}]) await service.call('POST', '/v1/leads', { token, body })
  await service.exchange(test.secret)
  await service.call('POST', '/v1/auth/token', { headers: { 'x-api-key': dms.secret } })
  await admitted('PATCH', `/v1/api-keys/${disabled.id}`, { disabled: true })
  await db('api_keys')
    .where({ dealer_id: dealerId, name: 'Trade fair' })
    .update({ expires_at: new Date(Date.now() - dayMs) })
  const days = Array.from({ length: 14 }, (_, day) => day)
  const past = await db('api_keys')
    .where({ dealer_id: dealerId, name: 'Main Website Lead Form', deleted_at: null })
    .first('id')
  await db('api_key_usage').insert(
    days.map((day) => ({
      dealer_id: dealerId,
      api_key_id: past.id,
      hour: new Date(Date.now() - day * dayMs),
      operation: 'createLead',
      status_class: day % 5 === 3 ? 4 : 2,
      requests: 40 + 13 * (day % 4),
    })),
  )
  return { unused, used, test, disabled, expired, replaced, past }
}

/** Leads in every column, some late, some with all that a lead can have. */
export async function fillPipeline({ service: { call, db }, website: { token }, dealerId }: Walk): Promise<void> {
  const everything = {
    customer: {
      name: { full: long },
      phones: [{ number: '32 12 34 56' }, { number: 'after six' }],
      emails: [{ address: 'anna@customer.example' }, { address: 'odd' }],
      address: { lines: ['Havnegade 1'], postalCode: '2100', city: 'København Ø', countryCode: 'DK' },
    },
    message: `${turned}\n${'very long '.repeat(40)}`,
    vehiclesOfInterest: [
      {
        make: 'Volvo',
        model: 'EX30',
        modelYear: 2026,
        stockNumber: 'A-1042',
        price: { amount: '289900.00', currency: 'DKK' },
        odometer: { value: 12_000 },
      },
    ],
    tradeIns: [{ make: 'Fiat', model: '500', wantedPrice: { amount: '40000', currency: 'DKK' } }],
    consents: [
      {
        purpose: 'marketing',
        channel: 'email',
        state: 'granted',
        text: 'Yes, send me offers.',
        capturedAt: '2026-11-23T10:14:55+01:00',
      },
    ],
    appointment: {
      kind: 'test_drive',
      requestedSlots: [{ start: '2026-11-28T10:00:00+01:00', end: 'later' }],
      comments: 'Saturday',
    },
    attribution: { source: 'google', medium: 'cpc', campaign: 'ex30-autumn' },
    externalReference: { source: 'website', id: 'form-1' },
    submittedAt: '2026-11-23T10:15:00',
    surprise: { [hostile]: turned },
  }
  const plain = (name: string) => ({
    customer: { name: { full: name }, phones: [{ number: '32 12 34 56' }] },
    consents: [{ purpose: 'marketing', state: 'denied' }],
  })
  for (const body of [
    everything,
    plain('hostile'),
    plain(turned),
    ...['acknowledged', 'in_progress', 'appointment_set', 'won', 'lost', 'invalid'].map(plain),
  ])
    expect((await call('POST', '/v1/leads', { token, body })).status).toBe(201)
  for (const status of ['acknowledged', 'in_progress', 'appointment_set', 'won', 'lost', 'invalid'])
    await db('leads')
      .where({ dealer_id: dealerId })
      .whereRaw("data #>> '{customer,name,full}' = ?", [status])
      .update({ status, updated_at: new Date(Date.now() - 20 * dayMs) })
  // Markup is taken out of what is sent, but the page must stand it.
  await db('leads')
    .where({ dealer_id: dealerId })
    .whereRaw("data #>> '{customer,name,full}' = 'hostile'")
    .update({ data: db.raw("jsonb_set(data, '{customer,name,full}', to_jsonb(?::text))", [hostile]) })
  // But for the one that a reference points to.
  await ageLeads(
    db,
    await db('leads').where({ dealer_id: dealerId, status: 'new', external_id: null }).pluck('id'),
    3 * 3_600_000,
  )
  // Requests are written some seconds after they were answered.
  await expect
    .poll(() => db('api_key_requests').where({ dealer_id: dealerId }).whereNotNull('lead_id').first())
    .toBeTruthy()
}
