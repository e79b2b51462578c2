import type { Locator } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { inner, newId } from '../../src/ids.ts'
import { ageLeads, lead, password } from '../service.ts'
import { startDashboard, type TestDashboard } from './browser.ts'

const dayMs = 86_400_000
const another = 'another-password-for-tests'
const hostile = '<img src=x onerror=alert(1)>'
const turned = '\u202Etxet denrut\u202C \u05d0\u05d1\u05d2 "><script>alert(2)</script>'
const long = 'W'.repeat(60)
const languagesAndThemes = 4
const phones = 1

const states = [
  'opening',
  'unreachable',
  'sign-in',
  'sign-in-missing',
  'sign-in-refused',
  'forgot',
  'forgot-wrong',
  'forgot-refused',
  'forgot-sent',
  'choose-password',
  'choose-password-wrong',
  'choose-password-set',
  'choose-password-dead',
  'pipeline-empty',
  'pipeline-loading',
  'pipeline-error',
  'pipeline',
  'pipeline-move',
  'pipeline-reason',
  'pipeline-move-failed',
  'pipeline-moved',
  'pipeline-conflict',
  'pipeline-paused',
  'pipeline-table',
  'pipeline-table-empty',
  'lead',
  'lead-original',
  'lead-missing',
  'lead-loading',
  'integrations-empty',
  'integrations-loading',
  'integrations-error',
  'create-digital',
  'create-missing',
  'create-extensive',
  'create-taken',
  'reveal',
  'reveal-unsaved',
  'connect-waiting',
  'connect-failed',
  'connect-green',
  'integrations',
  'integrations-deleted',
  'key-deleted',
  'integrations-quiet',
  'key-quiet',
  'key-unused',
  'key-used',
  'key-test',
  'key-disabled',
  'key-expired',
  'key-missing',
  'key-loading',
  'replace',
  'replace-at-once',
  'key-replacement-pending',
  'key-replacement-in-use',
  'delete',
  'delete-unconfirmed',
  'sign-in-fresh',
  'users',
  'users-loading',
  'users-error',
  'invite',
  'invite-missing',
  'invite-taken',
  'invite-link',
  'user-new-link',
  'user-change',
  'user-last-admin',
  'user-deactivate',
  'user-reactivate',
  'account',
  'account-missing',
  'account-wrong',
  'account-changed',
  'account-loading',
  'account-error',
  'audit',
  'audit-empty',
  'audit-loading',
  'audit-error',
  'dealer',
  'dealer-missing',
  'dealer-loading',
  'dealer-error',
  'notifications',
  'notifications-none',
  'notifications-loading',
  'notifications-error',
  'preferences',
  'not-found',
  'offline',
  'session-ended',
  'sales-pipeline',
  'sales-forbidden',
]

let dashboard: TestDashboard
beforeAll(async () => {
  dashboard = await startDashboard()
})
afterAll(() => dashboard.close())

it('has no accessibility fault in any state of any screen, in both languages and themes, wide and at 320 px', async () => {
  const { service, url } = dashboard
  const { db } = service
  const { admin, sales, dealerId, website, dms } = await service.dealer('screens')
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

  await waiting('**/v1/session/token')
  await go('/')
  await state('opening', page.getByText('Loading…'))
  await asUsual()
  await failing('**/v1/session/token')
  await go('/')
  await state('unreachable', page.getByText('Request id: req-1234'))
  await asUsual()
  await button('Try again').click()
  await state('sign-in', heading('Sign in'))
  await button('Sign in').click()
  await state('sign-in-missing', page.getByText('Fill this in.'))
  await page.getByLabel('E-mail').fill(admin.email)
  await page.getByLabel('Password', { exact: true }).fill('wrong')
  await button('Sign in').click()
  await state('sign-in-refused', page.getByText('The e-mail is unknown or the password is wrong.'))
  await button('Forgotten your password?').click()
  await state('forgot', heading('Forgotten password'))
  await button('Send the link').click()
  await state('forgot-wrong', page.getByText('Type an e-mail address.'))
  await page.getByLabel('E-mail').fill('nobody@customer.example')
  await button('Send the link').click()
  await state('forgot-refused', page.getByText('This service cannot send mail.'))
  await page.route('**/v1/password-link', (route) => route.fulfill({ status: 204 }))
  await button('Send the link').click()
  await state('forgot-sent', page.getByText('a mail is on its way'))
  await asUsual()
  await button('Back to signing in').click()

  const invited = await admitted('POST', '/v1/users', {
    email: `${long.toLowerCase()}@screens.example`,
    name: hostile,
    role: 'sales',
  })
  await go(`/password${new URL(invited.passwordLink.url).hash}`)
  await state('choose-password', heading('Choose a password'))
  await page.getByLabel('New password').fill('too short')
  await button('Save the password').click()
  await page.getByLabel('New password').fill(another)
  await page.getByLabel('The same once more').fill('something else')
  await state('choose-password-wrong', page.getByText('The two are not the same.'))
  await page.getByLabel('The same once more').fill(another)
  await button('Save the password').click()
  await state('choose-password-set', page.getByText('Your password is saved.'))
  await go('/password')
  await state('choose-password-dead', page.getByText('This link does not work'))

  await signIn(admin.email)
  await state('pipeline-empty', page.getByText('No new leads.'))
  await waiting('**/v1/leads?*')
  await go('/leads')
  await state('pipeline-loading', page.getByText('Loading…'))
  await asUsual()
  await failing('**/v1/leads?*')
  await go('/leads')
  await state('pipeline-error', button('Try again'))
  await asUsual()
  await fillPipeline(service, website.token, dealerId)
  await go('/leads')
  await page.getByText('Late: waiting').first().waitFor()
  await state('pipeline', page.getByText('leads have waited too long'))
  await button(`Move ${hostile}`).first().click()
  const moves = page.getByRole('group', { name: `Move ${hostile}` })
  await state('pipeline-move', moves)
  await moves.getByRole('button', { name: 'Lost' }).click()
  await state('pipeline-reason', dialog.getByLabel('Why?'))
  await button('Cancel').click()
  await button(`Move ${hostile}`).first().click()
  await failing('**/v1/leads/lead_*')
  await moves.getByRole('button', { name: 'Acknowledged' }).click()
  await state('pipeline-move-failed', page.getByText('Request id: req-1234'))
  await asUsual()
  await button(`Move ${hostile}`).first().click()
  await moves.getByRole('button', { name: 'Acknowledged' }).click()
  await state('pipeline-moved', button('Undo'))
  await page.route('**/v1/leads/lead_*', (route) =>
    route.request().method() === 'PATCH'
      ? route.fulfill({
          status: 412,
          contentType: 'application/problem+json',
          body: JSON.stringify({ ...problem, status: 412, code: 'lead-changed' }),
        })
      : route.continue(),
  )
  expectFailure(412)
  await button(`Move ${hostile}`).first().click()
  await moves.getByRole('button', { name: 'Won' }).click()
  await state('pipeline-conflict', page.getByText('was first:'))
  await asUsual()
  await page.route('**/v1/events/stream*', (route) => route.abort())
  expectFailure('net::ERR_FAILED')
  await go('/leads')
  await state('pipeline-paused', page.getByText('Live updates are paused'))
  await asUsual()
  await go('/leads?view=table')
  await state('pipeline-table', page.getByRole('row').filter({ hasText: long }))
  await go('/leads?view=table&contact=nobody@customer.example')
  await state('pipeline-table-empty', page.getByText('No leads here.'))
  await go('/leads')
  await page.getByRole('link', { name: long }).first().click()
  await page
    .getByText('Moved to')
    .or(page.getByText('Received', { exact: true }))
    .first()
    .waitFor()
  await page.getByText(/createLead, 201/).waitFor()
  await state('lead', page.getByText('What was odd about it'))
  await button('As it was received').click()
  await state('lead-original', page.getByText('It came as JSON'))
  await go(`/leads/lead_${'0'.repeat(32)}`)
  await state('lead-missing', page.getByText('It is not there any more.'))
  await waiting('**/v1/leads/lead_*')
  await go(`/leads/lead_${'1'.repeat(32)}`)
  await state('lead-loading', page.getByText('Loading…'))
  await asUsual()
  for (const { id } of [website, dms])
    await admitted('DELETE', `/v1/api-keys/${id}?reason=${encodeURIComponent(turned)}`)
  await go('/settings/integrations')
  await state('integrations-empty', page.getByText('No keys for extensive integrations yet.'))
  await waiting('**/v1/api-keys?*')
  await go('/settings/integrations')
  await state('integrations-loading', page.getByText('Loading…'))
  await asUsual()
  await failing('**/v1/api-keys?*')
  await go('/settings/integrations')
  await state('integrations-error', button('Try again'))
  await asUsual()

  await make(hostile)
  await go('/settings/integrations?create=digital_requests')
  await state('create-digital', dialog.getByText('It cannot: read, list, change or delete anything.'))
  await dialog.getByLabel('Expiry').selectOption('On a date')
  await button('Create key').click()
  await state('create-missing', dialog.getByText('Choose a day in the future.'))
  await go('/settings/integrations?create=extensive_integrations')
  await dialog.getByLabel('read customers').uncheck()
  await state('create-extensive', dialog.getByText('It cannot: read customers and erase customers for good.'))
  await dialog.getByLabel('Name').fill(hostile)
  await button('Create key').click()
  await state('create-taken', dialog.getByText('Another key has this name.'))
  await dialog.getByLabel('Name').fill(turned)
  await button('Create key').click()
  await state('reveal', dialog.getByLabel('API key'))
  await button('Continue').click()
  await state('reveal-unsaved', dialog.getByText('Save the key first'))
  await dialog.getByLabel('I have saved this key').check()
  await button('Continue').click()
  await state('connect-waiting', dialog.getByText('Waiting for the first lead…'))
  await failing('**/v1/leads')
  await button('Send a test lead').click()
  await state('connect-failed', dialog.getByText('Request id: req-1234'))
  await asUsual()
  await button('Send a test lead').click()
  await state('connect-green', dialog.getByText('First lead received'))
  await button('Done').click()

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
    .where({ name: 'Trade fair' })
    .update({ expires_at: new Date(Date.now() - dayMs) })
  const days = Array.from({ length: 14 }, (_, day) => day)
  const past = await db('api_keys').where({ name: 'Main Website Lead Form', deleted_at: null }).first('id')
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

  await go('/settings/integrations')
  await page.getByText('Somebody still uses the deleted key “DMS Sync”').waitFor()
  for (const name of [long, 'Main Website Lead Form', 'DMS Sync'])
    await page.getByRole('link', { name }).scrollIntoViewIfNeeded()
  await page.getByText(/\d+ requests, \d+ refused or failed/).waitFor()
  await state('integrations', page.getByRole('link', { name: long }))
  await button('Show deleted keys').click()
  await state('integrations-deleted', page.getByText('Can be restored until'))
  await page.getByRole('link', { name: 'DMS Sync' }).last().click()
  await state('key-deleted', page.getByRole('region', { name: 'This key is deleted' }))

  const since = new Date(Date.now() - 2 * dayMs)
  await db('source_silences').insert({
    dealer_id: dealerId,
    api_key_id: past.id,
    since,
    last_lead_id: 'ffffffff-ffff-7fff-bfff-ffffffffffff',
    noticed_at: new Date(),
    expected: 1234,
  })
  await go('/settings/integrations')
  await page
    .getByText(/Main Website Lead Form is quiet: no lead since .*, where about 1,234 were to be expected/)
    .waitFor()
  await state('integrations-quiet', page.getByText('Quiet: last lead 2 days ago'))
  await go(`/settings/integrations/${used.id}`)
  await state('key-quiet', page.getByText(/^Quiet: no lead since /))
  await db('source_silences').update({ ended_at: new Date() })

  await go(`/settings/integrations/${unused.id}`)
  await state('key-unused', page.getByText('No requests yet.'))
  await go(`/settings/integrations/${used.id}`)
  await page.getByRole('cell', { name: 'createLead' }).first().waitFor()
  await state('key-used', page.getByText(/\d+ requests, \d+ refused or failed/))
  await go(`/settings/integrations/${test.id}`)
  await state('key-test', page.getByText('Test', { exact: true }))
  await go(`/settings/integrations/${disabled.id}`)
  await state('key-disabled', button('Enable key'))
  await go(`/settings/integrations/${expired.id}`)
  await state('key-expired', page.getByText('Expired', { exact: true }))
  await go(`/settings/integrations/key_${'0'.repeat(32)}`)
  await state('key-missing', page.getByText('It is not there any more.'))
  await waiting('**/v1/api-keys/*')
  await go(`/settings/integrations/${used.id}`)
  await state('key-loading', page.getByText('Loading…'))
  await asUsual()

  await go(`/settings/integrations/${replaced.id}?dialog=replace`)
  await state('replace', dialog.getByLabel('another 24 hours'))
  await dialog.getByLabel('not any longer').check()
  await dialog.getByLabel('at once').check()
  await state('replace-at-once', dialog.getByText('Whatever uses it breaks until it has the new one.'))
  const { secret } = await admitted('POST', `/v1/api-keys/${replaced.id}/replacement`, {})
  await go(`/settings/integrations/${replaced.id}`)
  await page.getByText('Requests in the last hour: 0 with the old key, 0 with the new one.').waitFor()
  await state('key-replacement-pending', page.getByText('has not been used yet'))
  await service.exchange(secret)
  await go(`/settings/integrations/${replaced.id}`)
  await page.getByText(/The old key .* works until/).waitFor()
  await state('key-replacement-in-use', page.getByText('Nobody used the old key in that hour.'))
  await go(`/settings/integrations/${unused.id}?dialog=delete`)
  await state('delete', dialog.getByText('It has never been used.'))
  await go(`/settings/integrations/${used.id}?dialog=delete`)
  await button('Delete key').click()
  await state('delete-unconfirmed', dialog.getByText('This is not the name of the key.'))

  await db('credentials')
    .where({ subject_type: 'user' })
    .update({ created_at: new Date(Date.now() - 16 * 60_000) })
  await go('/settings/integrations?create=extensive_integrations')
  await dialog.getByLabel('Name').fill('Asked again')
  await button('Create key').click()
  await state('sign-in-fresh', page.getByRole('dialog', { name: 'Confirm that it is you' }))

  await go('/settings/users')
  await admitted('POST', '/v1/users', { email: 'sofie@screens.example', name: 'Sofie Sales', role: 'sales' })
  await admitted('PATCH', `/v1/users/${invited.user.id}`, { deactivated: true })
  await go('/settings/users')
  await page.getByText('Invited', { exact: true }).waitFor()
  await state('users', page.getByText('Deactivated', { exact: true }))
  await waiting('**/v1/users?*')
  await go('/settings/users')
  await state('users-loading', page.getByText('Loading…'))
  await asUsual()
  await failing('**/v1/users?*')
  await go('/settings/users')
  await state('users-error', button('Try again'))
  await asUsual()
  await go('/settings/users?invite=true')
  await state('invite', dialog.getByText('The person signs in with it.'))
  await button('Make the link').click()
  await state('invite-missing', dialog.getByText('Type an e-mail address.'))
  await dialog.getByLabel('Name').fill(turned)
  await dialog.getByLabel('E-mail').fill(sales.email)
  await button('Make the link').click()
  await state('invite-taken', dialog.getByText('Somebody has this e-mail address already.'))
  await dialog.getByLabel('E-mail').fill('anne@screens.example')
  await button('Make the link').click()
  await state('invite-link', dialog.getByLabel('Link', { exact: true }))
  await button('Done').click()
  await button('New link for Sofie Sales').click()
  await state('user-new-link', dialog.getByText('Make a new link if the first was lost'))
  await button('Cancel').click()
  await button('Change Sofie Sales').click()
  await dialog.getByLabel('Admin').check()
  await state('user-change', dialog.getByText('With another role, the person is signed out'))
  await button('Cancel').click()
  await page.getByRole('row').filter({ hasText: '(you)' }).getByRole('button', { name: 'Change' }).click()
  await dialog.getByLabel('Salesperson').check()
  await button('Save').click()
  await state('user-last-admin', dialog.getByText('This is the last active admin.'))
  await button('Cancel').click()
  await button('Deactivate Sofie Sales').click()
  await state('user-deactivate', dialog.getByText('The person is signed out everywhere at once'))
  await button('Cancel').click()
  await page.getByRole('button', { name: 'Reactivate' }).click()
  await state('user-reactivate', dialog.getByText('The person can sign in again'))

  await go('/settings/account')
  await state('account', page.getByText('This one'))
  await button('Change the password').click()
  await state('account-missing', page.getByText('Fill this in.'))
  await page.getByLabel('Current password').fill('wrong')
  await page.getByLabel('New password').fill(another)
  await page.getByLabel('The same once more').fill(another)
  await button('Change the password').click()
  await state('account-wrong', page.getByText('The current password is wrong.'))
  await page.getByLabel('Current password').fill(password)
  await button('Change the password').click()
  await state('account-changed', page.getByText('The password is changed.'))
  await waiting('**/v1/me/sessions')
  await go('/settings/account')
  await state('account-loading', page.getByText('Loading…'))
  await asUsual()
  await failing('**/v1/me/sessions')
  await go('/settings/account')
  await state('account-error', button('Try again'))
  await asUsual()

  await go('/settings/audit')
  await state('audit', page.getByRole('cell', { name: /^Replaced|New key made/ }))
  await go('/settings/audit?to=2020-01-01')
  await state('audit-empty', page.getByText('No changes match.'))
  await waiting('**/v1/audit-entries*')
  await go('/settings/audit')
  await state('audit-loading', page.getByText('Loading…'))
  await asUsual()
  await failing('**/v1/audit-entries*')
  await go('/settings/audit')
  await state('audit-error', button('Try again'))
  await asUsual()

  await go('/settings/dealer')
  await page.getByLabel('Keep the requests').selectOption('7 days')
  await state('dealer', page.getByText('Older requests will be deleted for good.'))
  await page.getByLabel('Name of the dealership').fill(' ')
  await button('Save').click()
  await state('dealer-missing', page.getByText('Fill this in.'))
  await waiting('**/v1/dealer')
  await go('/settings/dealer')
  await state('dealer-loading', page.getByText('Loading…'))
  await asUsual()
  await failing('**/v1/dealer')
  await go('/settings/dealer')
  await state('dealer-error', button('Try again'))
  await asUsual()

  const mail = {
    dealer_id: dealerId,
    user_id: inner(admin.userId),
    data: '{}',
    due_at: new Date(),
    created_at: new Date(),
    changed_at: new Date(),
  }
  const outcomes = [
    ['new_leads', 'due'],
    ['key_created', 'sent'],
    ['key_deleted', 'given_up'],
    ['forgotten_password', 'unknown'],
  ] as const
  await db('mails').insert(
    outcomes.map(([kind, state]) => ({
      ...mail,
      id: newId(),
      kind,
      state,
      dedupe: state,
      ...(state === 'given_up' && { failure: hostile }),
    })),
  )
  await go('/settings/notifications')
  await state('notifications', page.getByText('The line broke before the mail server answered.'))
  await db('mails').where({ dealer_id: dealerId }).delete()
  await go('/settings/notifications')
  await page.getByText('This service cannot send mail yet.').waitFor()
  await state('notifications-none', page.getByText('No mails yet.'))
  await waiting('**/v1/me/notifications')
  await go('/settings/notifications')
  await state('notifications-loading', page.getByText('Loading…'))
  await asUsual()
  await failing('**/v1/me/notifications')
  await go('/settings/notifications')
  await state('notifications-error', button('Try again'))
  await asUsual()

  await go('/settings/preferences')
  await state('preferences', page.getByLabel('As the device'))
  await go('/nowhere')
  await state('not-found', heading('Page not found'))
  await context.setOffline(true)
  await state('offline', page.getByText('You are offline.'))
  await context.setOffline(false)
  await db('credentials').where({ dealer_id: dealerId, subject_type: 'user' }).update({ ends_at: new Date() })
  await page.getByRole('link', { name: 'Settings' }).click()
  await state('session-ended', page.getByRole('dialog', { name: 'Your session has ended' }))

  await signIn(sales.email)
  await state('sales-pipeline', page.getByText('has waited too long'))
  await go('/settings/integrations')
  await state('sales-forbidden', heading('For admins only'))

  expect(dashboard.faults).toEqual([])
  expect(seen).toEqual(states)
  expect(dashboard.checked()).toBe(states.length * (languagesAndThemes + phones))
  console.info(
    `axe: ${states.length} states x 2 languages x 2 themes, and each at 320 px: ${dashboard.checked()} checks, 0 violations`,
  )
})

/** Leads in every column, some late, some with all that a lead can have. */
async function fillPipeline({ call, db }: TestDashboard['service'], token: string, dealerId: string): Promise<void> {
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
    plain(hostile),
    plain(turned),
    ...['acknowledged', 'in_progress', 'appointment_set', 'won', 'lost', 'invalid'].map(plain),
  ])
    expect((await call('POST', '/v1/leads', { token, body })).status).toBe(201)
  for (const status of ['acknowledged', 'in_progress', 'appointment_set', 'won', 'lost', 'invalid'])
    await db('leads')
      .where({ dealer_id: dealerId })
      .whereRaw("data #>> '{customer,name,full}' = ?", [status])
      .update({ status, updated_at: new Date(Date.now() - 20 * dayMs) })
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
