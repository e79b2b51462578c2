import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { lead } from '../service.ts'
import { startDashboard, type TestDashboard } from './browser.ts'

let dashboard: TestDashboard
beforeAll(async () => {
  dashboard = await startDashboard()
})
afterAll(() => dashboard.close())

it('takes a new admin from signing in to a green first lead, sent by a plain HTTP client with the key', async () => {
  const { service, url } = dashboard
  const { admin } = await service.dealer('story')
  const { page } = await dashboard.open()
  await page.goto(`${url}/settings/integrations`)
  await page.getByLabel('E-mail').fill(admin.email)
  await page.getByLabel('Password', { exact: true }).fill('a-password-for-tests')
  await page.getByRole('button', { name: 'Sign in' }).click()

  await page.getByRole('heading', { name: 'API keys for digital requests', exact: true }).waitFor()
  await page.getByRole('heading', { name: 'API keys for extensive integrations', exact: true }).waitFor()
  await page.getByRole('button', { name: 'Create a key for digital requests' }).click()
  const dialog = page.getByRole('dialog')
  await dialog
    .getByText('This key can: send new leads. It cannot', { exact: false })
    .or(dialog.getByText('It cannot: read, list, change or delete anything.'))
    .first()
    .waitFor()
  await dialog.getByLabel('Name').fill('Autumn campaign')
  await dialog.getByRole('button', { name: 'Create key' }).click()

  const secret = await dialog.getByLabel('API key').inputValue()
  expect(secret).toMatch(/^cb_dr_live_[0-9A-Za-z]{50}$/)
  await dialog.getByRole('button', { name: 'Continue' }).click()
  await dialog.getByText('Save the key first: it cannot be shown again.').waitFor()
  await page.keyboard.press('Escape')
  await dialog.getByLabel('I have saved this key').check()
  await dialog.getByRole('button', { name: 'Continue' }).click()

  for (const language of ['curl', 'JavaScript', 'PHP', 'Python', 'C#']) {
    await dialog.getByLabel('Language of the example').selectOption(language)
    const example = await dialog.getByRole('region', { name: 'Example' }).innerText()
    expect([
      language,
      example.includes(secret),
      example.includes(`${url}/v1/`) || example.includes(`Uri("${url}")`),
    ]).toEqual([language, true, true])
  }
  await dialog.getByText('Waiting for the first lead…').waitFor()

  const token = await service.exchange(secret)
  expect((await service.call('POST', '/v1/leads', { token, body: lead() })).status).toBe(201)
  await dialog.getByText('First lead received').waitFor()
  await dialog.getByRole('button', { name: 'Done' }).click()

  await page.getByRole('link', { name: 'Autumn campaign' }).waitFor()
  expect(page.url()).toBe(`${url}/settings/integrations`)
  const kept = await page.evaluate(() =>
    JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.documentElement.outerHTML]),
  )
  expect([kept.includes(secret), kept.includes('eyJ')]).toEqual([false, false])
})

it('sends a test lead with the key’s own token, and waits for the first real one beside it', async () => {
  const { service } = dashboard
  const { admin, dealerId } = await dashboard.service.dealer('test-lead')
  const { page, signIn } = await dashboard.open()
  await signIn(admin.email, '/settings/integrations?create=digital_requests')
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Name').fill('Tried out')
  await dialog.getByRole('button', { name: 'Create key' }).click()
  const secret = await dialog.getByLabel('API key').inputValue()
  await dialog.getByLabel('I have saved this key').check()
  await dialog.getByRole('button', { name: 'Continue' }).click()
  await dialog.getByRole('button', { name: 'Send a test lead' }).click()
  await dialog.getByText('The test lead was sent with this key.').waitFor()
  expect(await service.db('leads').where({ dealer_id: dealerId }).select('test')).toEqual([{ test: true }])
  const asked = page.waitForResponse((reply) => reply.url().includes('/v1/leads?'))
  await (await asked).finished()
  await dialog.getByText('Waiting for the first lead…').waitFor()
  await service.call('POST', '/v1/leads', { token: await service.exchange(secret), body: lead() })
  await dialog.getByText('First lead received').waitFor()
})

it('does not lose a new key by the way back, and hides it after five minutes', async () => {
  const { admin } = await dashboard.service.dealer('hiding')
  const { page, signIn } = await dashboard.open()
  await page.clock.install()
  await signIn(admin.email)
  await page.getByRole('link', { name: 'Connect a web site, DMS or CRM' }).click()
  await page.getByRole('button', { name: 'Create a key for digital requests' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Name').fill('Left alone')
  await dialog.getByRole('button', { name: 'Create key' }).click()
  const secret = await dialog.getByLabel('API key').inputValue()
  await page.evaluate(() => history.back())
  await page.clock.fastForward('04:55')
  expect(await dialog.getByLabel('API key').inputValue()).toBe(secret)
  await page.clock.fastForward('00:10')
  await dialog.getByText('The key is hidden').waitFor()
  expect(await page.content()).not.toContain(secret)
  await dialog.getByRole('button', { name: 'Close' }).click()
  await page.getByRole('link', { name: 'Left alone' }).waitFor()
})

it('is made, saved and left by keyboard alone', async () => {
  const { admin } = await dashboard.service.dealer('keyboard')
  const { page, signIn } = await dashboard.open()
  await signIn(admin.email, '/settings/integrations')
  const tabTo = async (name: string) => {
    for (let count = 0; count < 60; count++) {
      await page.keyboard.press('Tab')
      const focused = await page.evaluate(() => {
        const element = document.activeElement
        return element instanceof HTMLInputElement
          ? (element.labels?.[0]?.textContent ?? '')
          : (element?.textContent ?? '')
      })
      if (focused.includes(name)) return
    }
    throw new Error(`No way to ${name}`)
  }
  await page.getByRole('link', { name: 'DMS Sync' }).waitFor()
  await tabTo('Create a key for extensive integrations')
  await page.keyboard.press('Enter')
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Name').waitFor()
  await page.waitForFunction(() => document.activeElement instanceof HTMLInputElement)
  await page.keyboard.type('By keyboard')
  await tabTo('see customers, who leads are from and what they wrote')
  await page.keyboard.press('Space')
  await dialog.getByText(/It cannot: see customers, who leads are from and what they wrote/).waitFor()
  await page.keyboard.press('Enter')
  await dialog.getByLabel('API key').waitFor()
  await tabTo('I have saved this key')
  await page.keyboard.press('Space')
  await tabTo('Continue')
  await page.keyboard.press('Enter')
  await dialog.getByText('Waiting for the first lead…').waitFor()
  await page.keyboard.press('Escape')
  await dialog.waitFor({ state: 'hidden' })
  await page.getByRole('link', { name: 'By keyboard' }).waitFor()
  const [row] = await dashboard.service.db('api_keys').where({ name: 'By keyboard' }).select('scopes')
  expect(row.scopes).not.toContain('customers:read')
})

it('replaces a key: the new one is pending, then in use, and the old one is ended', async () => {
  const { admin, website } = await dashboard.service.dealer('replacing')
  const { page, signIn } = await dashboard.open()
  await signIn(admin.email, `/settings/integrations/${website.id}`)
  await page.getByRole('button', { name: 'Replace key…' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('another 7 days').check()
  await dialog.getByRole('button', { name: 'Make the new key' }).click()
  const secret = await dialog.getByLabel('API key').inputValue()
  await dialog.getByLabel('I have saved this key').check()
  await dialog.getByRole('button', { name: 'Continue' }).click()
  await dialog.getByText('Waiting for the first lead…').waitFor()
  const { service } = dashboard
  await service.call('POST', '/v1/leads', { token: await service.exchange(website.secret), body: lead() })
  await service.call('POST', '/v1/leads', { token: await service.exchange(secret), body: lead({ message: 'New' }) })
  await dialog.getByText('First lead received').waitFor()
  await dialog.getByRole('button', { name: 'Done' }).click()

  const panel = page.getByRole('region', { name: 'This key is being replaced' })
  await panel.getByText(/The old key cb_dr_live_.* works until/).waitFor()
  await panel.getByText('Requests in the last hour: 3 with the old key, 2 with the new one.').waitFor()
  await panel.getByRole('button', { name: 'End the old key now' }).click()
  await dialog.getByText(/^Last used .* from .*127\.0\.0\.1/).waitFor()
  await dialog.getByRole('button', { name: 'End the old key' }).click()
  await panel.waitFor({ state: 'hidden' })
  expect(
    (await dashboard.service.call('POST', '/v1/auth/token', { headers: { 'x-api-key': website.secret } })).status,
  ).toBe(401)
  await page.getByText('New key used for the first time').waitFor()
})

it('makes the new key again when it was lost, and cancels a replacement', async () => {
  const { admin, website } = await dashboard.service.dealer('cancelling')
  const { page, signIn } = await dashboard.open()
  await signIn(admin.email, `/settings/integrations/${website.id}?dialog=replace`)
  const dialog = page.getByRole('dialog')
  const make = async () => {
    await dialog.getByRole('button', { name: 'Make the new key' }).click()
    const secret = await dialog.getByLabel('API key').inputValue()
    await dialog.getByLabel('I have saved this key').check()
    await dialog.getByRole('button', { name: 'Continue' }).click()
    await dialog.getByRole('button', { name: 'Done' }).click()
    return secret
  }
  const lost = await make()
  await page.getByText('has not been used yet', { exact: false }).waitFor()
  await page.getByRole('button', { name: 'Make the new key again' }).click()
  const again = await make()
  expect(again).not.toBe(lost)
  await page.getByRole('button', { name: 'Cancel the replacement' }).click()
  await dialog.getByText('None of the latest 1 requests came with it.', { exact: false }).waitFor()
  await dialog.getByRole('button', { name: 'Cancel the replacement' }).click()
  await page.getByRole('region', { name: 'This key is being replaced' }).waitFor({ state: 'hidden' })
  const statuses = await Promise.all(
    [website.secret, lost, again].map(
      async (secret) =>
        (await dashboard.service.call('POST', '/v1/auth/token', { headers: { 'x-api-key': secret } })).status,
    ),
  )
  expect(statuses).toEqual([200, 401, 401])
})

it('changes, disables and enables a key, and shows a name that is taken as such', async () => {
  const { admin, dms } = await dashboard.service.dealer('changing')
  const { page, signIn, expectFailure } = await dashboard.open()
  expectFailure(409)
  await signIn(admin.email, `/settings/integrations/${dms.id}`)
  await page.getByLabel('Name').fill('Main Website Lead Form')
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByRole('alert').getByText('Another key has this name.', { exact: false }).waitFor()
  await page
    .getByRole('alert')
    .getByText(/Request id: /)
    .waitFor()
  await page.getByLabel('Name').fill('DMS nightly')
  await page.getByLabel('follow events').uncheck()
  await page.getByLabel('Expiry').selectOption('In a year')
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByRole('heading', { name: 'DMS nightly' }).waitFor()
  await page.getByText('It cannot: follow events.').waitFor()

  const dialog = page.getByRole('dialog')
  await page.getByRole('button', { name: 'Disable key' }).click()
  await dialog.getByText(/^Last used .* from .*127\.0\.0\.1/).waitFor()
  await dialog.getByRole('button', { name: 'Leave it as it is' }).click()
  await dialog.waitFor({ state: 'hidden' })
  expect((await dashboard.service.call('GET', '/v1/leads', { token: dms.token })).status).toBe(200)
  await page.getByRole('button', { name: 'Disable key' }).click()
  await dialog.getByRole('button', { name: 'Disable the key' }).click()
  await page.getByText('Disabled', { exact: true }).waitFor()
  expect((await dashboard.service.call('GET', '/v1/leads', { token: dms.token })).status).toBe(401)
  await page.getByRole('button', { name: 'Enable key' }).click()
  await page.getByRole('button', { name: 'Disable key' }).waitFor()
  await dashboard.service.exchange(dms.secret)
})

it.each([
  [
    'en-GB',
    [
      'send new leads',
      'read leads',
      'move leads through the pipeline',
      'see customers, who leads are from and what they wrote',
      'say what is known of customers, correct and merge them',
      'follow events',
    ],
    'This key can: read leads.',
    'It cannot: send new leads, move leads through the pipeline, see customers, who leads are from and what they wrote, say what is known of customers, correct and merge them and follow events.',
    'A key that may do all of this may do what comes later, too.',
  ],
  [
    'da-DK',
    [
      'sende nye leads',
      'læse leads',
      'flytte leads i pipelinen',
      'se kunder, hvem leads er fra, og hvad de skrev',
      'sige, hvad der vides om kunder, rette dem og lægge dem sammen',
      'følge hændelser',
    ],
    'Nøglen kan: læse leads.',
    'Den kan ikke: sende nye leads, flytte leads i pipelinen, se kunder, hvem leads er fra, og hvad de skrev, sige, hvad der vides om kunder, rette dem og lægge dem sammen og følge hændelser.',
    'En nøgle, der må alt dette, må også det, der kommer senere.',
  ],
])(
  'says in %s what a key may do, box by box, and makes a key that does it',
  async (locale, words, can, cannot, later) => {
    const { service } = dashboard
    const { admin, website } = await service.dealer(locale)
    const { page, signIn } = await dashboard.open({ locale })
    await signIn(admin.email, '/settings/integrations')
    await page
      .getByRole('main')
      .getByRole('button', { name: /extensive|omfattende/ })
      .click()
    const dialog = page.getByRole('dialog')
    const boxes = dialog.getByRole('checkbox')
    await dialog.getByText(later).waitFor()
    // None for what guards nothing.
    expect(
      await boxes.evaluateAll((all) => all.map((box) => (box as HTMLInputElement).labels?.[0]?.textContent)),
    ).toEqual(words)
    for (const word of words) if (word !== words[1]) await dialog.getByLabel(word, { exact: true }).uncheck()
    await dialog.getByText(can).waitFor()
    await dialog.getByText(cannot).waitFor()
    await dialog.getByLabel(/^(Name|Navn)/).fill('Reports')
    await dialog.locator('button[type=submit]').click()
    const secret = await dialog.locator('textarea[readonly]').inputValue()

    await service.call('POST', '/v1/leads', { token: website.token, body: lead() })
    const { body } = await service.call('GET', '/v1/leads', { token: await service.exchange(secret) })
    expect([body.items.length, body.items[0].customer]).toEqual([1, undefined])
  },
)

it('deletes a key by its name with a reason, names who still tries it, and restores it', async () => {
  const { admin, dms } = await dashboard.service.dealer('deleting')
  const { page, signIn } = await dashboard.open()
  await signIn(admin.email, `/settings/integrations/${dms.id}`)
  await page.getByRole('button', { name: 'Delete key…' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Reason').fill('It leaked')
  await dialog.getByRole('button', { name: 'Delete key' }).click()
  await dialog.getByText('This is not the name of the key.').waitFor()
  await dialog.getByLabel('Type the name of the key').fill('DMS Sync')
  await dialog.getByRole('button', { name: 'Delete key' }).click()

  const deleted = page.getByRole('region', { name: 'Deleted keys' })
  await deleted.getByText('It leaked', { exact: false }).waitFor()
  expect(
    (await dashboard.service.call('POST', '/v1/auth/token', { headers: { 'x-api-key': dms.secret } })).status,
  ).toBe(401)
  await page.getByText('Somebody still uses the deleted key “DMS Sync”', { exact: false }).waitFor()
  await page.getByRole('link', { name: 'Audit log' }).click()
  await page.getByRole('row', { name: 'It leaked' }).getByRole('link', { name: 'DMS Sync' }).click()
  const key = page.getByRole('region', { name: 'This key is deleted' })
  await key.getByText('It leaked', { exact: false }).waitFor()
  await page.getByRole('row', { name: 'exchangeApiKey 401' }).waitFor()
  expect(await page.getByRole('button', { name: 'Replace key…' }).count()).toBe(0)
  await key.getByRole('button', { name: 'Restore DMS Sync' }).click()
  await page.getByRole('button', { name: 'Replace key…' }).waitFor()
  await page.getByRole('link', { name: 'Integrations' }).click()
  await page.getByRole('button', { name: 'Show deleted keys' }).click()
  await deleted.getByText('No deleted keys.').waitFor()
  await dashboard.service.exchange(dms.secret)
})

it('keeps a form over the end of the session, and sends it once the person has signed in again', async () => {
  const { admin, dealerId } = await dashboard.service.dealer('session')
  const { page, signIn } = await dashboard.open()
  await signIn(admin.email, '/settings/integrations?create=digital_requests')
  const form = page.getByRole('dialog', { name: 'Create a key for digital requests' })
  await form.getByLabel('Name').fill('Typed before the end')
  // The session ends when the form is on its way: any earlier, the page might have noticed before the click.
  await page.route(
    '**/v1/api-keys',
    async (route) => {
      await dashboard.service
        .db('credentials')
        .where({ dealer_id: dealerId, subject_type: 'user' })
        .update({ ends_at: new Date() })
      await route.continue()
    },
    { times: 1 },
  )
  await form.getByRole('button', { name: 'Create key' }).click()

  const again = page.getByRole('dialog', { name: 'Your session has ended' })
  await again.getByLabel('Password', { exact: true }).fill('a-password-for-tests')
  await again.getByRole('button', { name: 'Sign in' }).click()
  const shown = page.getByRole('dialog', { name: 'Save your key' })
  await shown.getByLabel('I have saved this key').check()
  await shown.getByRole('button', { name: 'Continue' }).click()
  await page.getByRole('button', { name: 'Done' }).click()
  await page.getByRole('link', { name: 'Typed before the end' }).waitFor()
})

it('signs out: the session is over for the page and for the server', async () => {
  const { admin } = await dashboard.service.dealer('leaving')
  const { page, signIn } = await dashboard.open()
  await signIn(admin.email)
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.getByRole('heading', { name: 'Sign in' }).waitFor()
  await page.reload()
  await page.getByRole('heading', { name: 'Sign in' }).waitFor()
})

it('shows a salesperson no key screen', async () => {
  const { sales, website } = await dashboard.service.dealer('sales')
  const { page, signIn } = await dashboard.open()
  const asked: string[] = []
  page.on(
    'request',
    (request) => void (/\/v1\/(api-keys|audit-entries|users|dealer)/.test(request.url()) && asked.push(request.url())),
  )
  await signIn(sales.email)
  await page.getByRole('link', { name: 'Settings' }).click()
  await page.getByRole('heading', { name: 'Language and appearance' }).waitFor()
  expect(await page.getByRole('link', { name: 'Integrations' }).count()).toBe(0)
  for (const path of [
    '/settings/integrations',
    `/settings/integrations/${website.id}`,
    '/settings/audit',
    '/settings/dealer',
  ]) {
    await page.goto(dashboard.url + path)
    await page.getByRole('heading', { name: 'For admins only' }).waitFor()
  }
  expect(asked).toEqual([])
  expect((await dashboard.service.call('GET', '/v1/api-keys', { token: sales.token })).status).toBe(403)
})

it('changes the settings of the dealership, and leaves alone what was not touched', async () => {
  const { admin, dealerId } = await dashboard.service.dealer('settings')
  const { page, signIn } = await dashboard.open()
  await signIn(admin.email, '/settings/dealer')
  await page.getByLabel('Name of the dealership').fill('Nordhavn Biler')
  await page.getByLabel('Keep the requests').selectOption('30 days')
  // Somebody else changes something meanwhile.
  await dashboard.service.db('dealers').where({ id: dealerId }).update({ time_zone: 'Atlantic/Faroe' })
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByText('Saved.').waitFor()
  expect(await dashboard.service.db('dealers').where({ id: dealerId }).first()).toMatchObject({
    name: 'Nordhavn Biler',
    country: 'DK',
    time_zone: 'Atlantic/Faroe',
    language: 'da',
    request_log_days: 30,
  })
  expect(await page.getByLabel('Time zone').inputValue()).toBe('Atlantic/Faroe')
  await page.getByRole('link', { name: 'Audit log' }).click()
  await page.getByRole('cell', { name: /days that requests are kept: 14 → 30/ }).waitFor()
})

it('shows the audit log page by page, keeps its filters in the address, and leads from an entry to its key', async () => {
  const { admin, dms } = await dashboard.service.dealer('audit')
  const changes = 52
  for (let count = 0; count < changes; count++) {
    const reply = await dashboard.service.call('PATCH', `/v1/api-keys/${dms.id}`, {
      token: admin.token,
      body: { disabled: count % 2 === 0 },
    })
    expect(reply.status).toBe(200)
  }
  const { page, signIn } = await dashboard.open()
  await signIn(admin.email, '/settings/integrations')
  await page.getByRole('link', { name: 'Audit log' }).click()
  await page.getByRole('heading', { name: 'Audit log' }).waitFor()
  const rows = page.getByRole('table', { name: 'Audit log' }).getByRole('row')
  await rows.filter({ hasText: 'disabled: yes → no' }).first().waitFor()

  await page.getByLabel('Change', { exact: true }).selectOption('Changed')
  await expect.poll(() => rows.filter({ hasText: 'Created' }).count()).toBe(0)
  expect(page.url()).toContain('action=api_key.updated')
  await page.getByRole('button', { name: 'Show more' }).click()
  await expect.poll(() => rows.filter({ hasText: 'disabled:' }).count()).toBe(changes)
  await page.getByLabel('By', { exact: true }).selectOption('Sales')
  await page.getByText('No changes match.').waitFor()
  await page.reload()
  await page.getByText('No changes match.').waitFor()
  expect(await page.getByLabel('By', { exact: true }).locator('option:checked').innerText()).toBe('Sales')
  await page.getByLabel('By', { exact: true }).selectOption('Admin')
  await rows.filter({ hasText: 'Changed' }).first().waitFor()
  await page.getByLabel('From').fill('2099-01-01')
  await page.getByText('No changes match.').waitFor()
  await page.getByRole('button', { name: 'Show everything' }).click()
  await rows.filter({ hasText: 'Changed' }).first().waitFor()
  expect(new URL(page.url()).search).toBe('')
  await rows.getByRole('link', { name: 'DMS Sync' }).first().click()
  await page.getByRole('heading', { name: 'DMS Sync' }).waitFor()
})

it('asks for the use of the keys that are seen only, and nothing moves when it comes', async () => {
  const { admin } = await dashboard.service.dealer('sparklines')
  const keys = 30
  for (let number = 0; number < keys; number++)
    await dashboard.service.createKey(admin.token, { name: `Form ${number}`, kind: 'digital_requests' })
  const { page, signIn } = await dashboard.open()
  const asked = new Set<string>()
  const { promise: answers, resolve: answer } = Promise.withResolvers<void>()
  await page.route('**/v1/api-keys/*/usage?*', async (route) => {
    asked.add(route.request().url())
    await answers
    await route.continue()
  })
  await signIn(admin.email, '/settings/integrations')
  const row = page.getByRole('row').filter({ hasText: `Form ${keys - 1}` })
  await row.getByText('Loading…').waitFor({ state: 'attached' })
  await expect.poll(() => asked.size).toBeGreaterThan(0)
  const before = await row.boundingBox()
  answer()
  await row.getByText('0 requests').waitFor()
  expect(await row.boundingBox()).toEqual(before)
  expect(asked.size).toBeLessThan(keys)

  const last = page.getByRole('row').filter({ hasText: 'Main Website Lead Form' })
  await last.scrollIntoViewIfNeeded()
  await last.getByText(/^\d+ requests?$/).waitFor()
})

it('speaks the language and wears the theme that were chosen, also after a reload and in another tab', async () => {
  const { admin } = await dashboard.service.dealer('preferences')
  const { page, context, signIn } = await dashboard.open()
  await signIn(admin.email, '/settings/preferences')
  const other = await context.newPage()
  await other.goto(dashboard.url)
  await other.getByRole('link', { name: 'Settings' }).waitFor()
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
  const light = await background()

  await page.getByLabel('Dansk').check()
  await page.getByRole('heading', { name: 'Sprog og udseende' }).waitFor()
  await page.getByLabel('Mørkt').check()
  await expect.poll(background).not.toBe(light)
  await other.getByRole('link', { name: 'Indstillinger' }).waitFor()
  await page.reload()
  await page.getByRole('heading', { name: 'Sprog og udseende' }).waitFor()
  expect([await page.locator('html').getAttribute('lang'), await background()]).toEqual([
    'da',
    expect.not.stringMatching(light),
  ])
})

it('says what failed, with the request id, and tries again', async () => {
  const { admin } = await dashboard.service.dealer('failing')
  const { page, signIn, expectFailure } = await dashboard.open()
  expectFailure(503)
  let fails = true
  const problem = {
    type: '/docs/problems/unavailable',
    title: 'Not available just now',
    status: 503,
    detail: 'x',
    code: 'unavailable',
    requestId: 'req-1234',
  }
  await page.route('**/v1/api-keys?kind=extensive_integrations&*', (route) =>
    fails
      ? route.fulfill({ status: 503, contentType: 'application/problem+json', body: JSON.stringify(problem) })
      : route.continue(),
  )
  await signIn(admin.email, '/settings/integrations')
  await page.getByText('Request id: req-1234').waitFor()
  fails = false
  await page.getByRole('button', { name: 'Try again' }).click()
  await page.getByRole('link', { name: 'DMS Sync' }).waitFor()
})

it('serves files that never change, the page for a browser only, and leaves the contract alone', async () => {
  const html = { headers: { accept: 'text/html' } }
  const page = await fetch(`${dashboard.url}/settings/integrations`, html)
  expect([page.status, page.headers.get('cache-control'), page.headers.get('content-security-policy')]).toEqual([
    200,
    'no-cache',
    expect.stringContaining("script-src 'self';"),
  ])
  for (const [, file] of (await page.text()).matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)) {
    const response = await fetch(dashboard.url + file, { headers: { 'accept-encoding': 'br' } })
    expect([
      file,
      response.status,
      response.headers.get('content-encoding'),
      response.headers.get('cache-control'),
    ]).toEqual([file, 200, 'br', 'public, max-age=31536000, immutable'])
  }
  const statuses = await Promise.all(
    ['/v1/nothing', '/docs/nothing', '/assets/nothing.js', '/openapi.yaml', '/docs/'].map(
      async (path) => (await fetch(dashboard.url + path, html)).status,
    ),
  )
  expect(statuses).toEqual([404, 404, 404, 200, 200])
  expect(
    (await fetch(`${dashboard.url}/settings/integrations`, { headers: { accept: 'application/json' } })).status,
  ).toBe(404)
})

it('is small', () => {
  const sizes = readdirSync(join(dashboard.built, 'assets'))
    .filter((name) => name.endsWith('.br'))
    .map((name) => [name, readFileSync(join(dashboard.built, 'assets', name)).length] as const)
  const bytes = (kind: 'js' | 'css', isKit: boolean) =>
    sizes
      .filter(([name]) => name.endsWith(`.${kind}.br`) && name.startsWith('kit-') === isKit)
      .reduce((sum, [, size]) => sum + size, 0)
  const measured = {
    kit: { js: bytes('js', true), css: bytes('css', true) },
    ours: { js: bytes('js', false), css: bytes('css', false) },
  }
  console.info('brotli bytes', JSON.stringify(measured))
  expect(measured.kit.js).toBeLessThan(160_000)
  expect(measured.kit.css).toBeLessThan(13_000)
  expect(measured.ours.js).toBeLessThan(72_000)
  expect(measured.ours.css).toBeLessThan(3_000)
})
