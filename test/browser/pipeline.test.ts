import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { inner } from '../../src/ids.ts'
import { openLinker } from '../../src/linking/linker.ts'
import { keepState } from '../restore.ts'
import { ageLeads, lead } from '../service.ts'
import { startDashboard, type TestDashboard } from './browser.ts'

const minuteMs = 60_000

let dashboard: TestDashboard
beforeAll(async () => {
  dashboard = await startDashboard()
})
afterAll(() => dashboard.close())

type Dealer = Awaited<ReturnType<TestDashboard['service']['dealer']>>
const push = async ({ website }: Dealer, more: object = {}): Promise<string> => {
  const { status, body } = await dashboard.service.call('POST', '/v1/leads', { token: website.token, body: lead(more) })
  expect(status).toBe(201)
  return body.id
}
const named = (given: string, family = 'Holm') => ({
  customer: { name: { given, family }, phones: [{ number: '32 12 34 56' }] },
})
const column = (page: Page, name: string) => page.getByRole('region', { name, exact: true })
const statusOf = async (id: string) =>
  (
    await dashboard.service
      .db('leads')
      .where({ id: inner(id) })
      .first('status')
  ).status

it('shows a pushed lead on an open board by itself, announces it, and counts it in the title of a hidden tab', async () => {
  const dealer = await dashboard.service.dealer('board')
  const { page, signIn } = await dashboard.open()
  await signIn(dealer.sales.email)
  await column(page, 'New').getByText('No new leads.').waitFor()
  await page.evaluate(() => {
    Object.defineProperty(document, 'hidden', { value: true, configurable: true })
  })
  await push(dealer, { ...named('Anna'), vehiclesOfInterest: [{ make: 'Volvo', model: 'EX30' }] })
  await column(page, 'New').getByRole('link', { name: 'Anna Holm' }).waitFor()
  await page.getByRole('log').getByText('New lead: Anna Holm, Volvo EX30, from Main Website Lead Form').waitFor()
  await page.waitForFunction(() => document.title === '(1) Pipeline · CarBuddii')
  await page.evaluate(() => {
    Object.defineProperty(document, 'hidden', { value: false, configurable: true })
    document.dispatchEvent(new Event('visibilitychange'))
  })
  await page.waitForFunction(() => document.title === 'Pipeline · CarBuddii')
})

it('moves a lead by its buttons, takes that back, and by keyboard alone', async () => {
  const dealer = await dashboard.service.dealer('moves')
  const id = await push(dealer, named('Bo'))
  const { page, signIn } = await dashboard.open()
  await signIn(dealer.sales.email)
  await page.getByRole('button', { name: 'Move Bo Holm' }).click()
  await page.getByRole('group', { name: 'Move Bo Holm' }).getByRole('button', { name: 'In progress' }).click()
  await column(page, 'In progress').getByRole('link', { name: 'Bo Holm' }).waitFor()
  await page.getByText('Bo Holm is now: In progress.').waitFor()
  expect(await statusOf(id)).toBe('in_progress')
  await page.getByRole('button', { name: 'Undo' }).click()
  await column(page, 'New').getByRole('link', { name: 'Bo Holm' }).waitFor()
  await page.getByText('Taken back. Bo Holm is again: New.').waitFor()
  expect(await statusOf(id)).toBe('new')

  await page.getByRole('button', { name: 'Move Bo Holm' }).focus()
  await page.keyboard.press('Enter')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await page.getByText('Bo Holm is now: Acknowledged.').waitFor()
  expect([await statusOf(id), await page.evaluate(() => document.activeElement?.textContent)]).toEqual([
    'acknowledged',
    'Undo',
  ])

  await page.getByRole('button', { name: 'Move Bo Holm' }).click()
  await page.getByRole('group', { name: 'Move Bo Holm' }).getByRole('button', { name: 'Lost' }).click()
  await page.getByRole('dialog').getByLabel('Why?').selectOption('bought elsewhere')
  await page.getByRole('dialog').getByRole('button', { name: 'Move to “Lost”' }).click()
  await column(page, 'Lost').getByRole('link', { name: 'Bo Holm' }).waitFor()
  await page.getByText('Bo Holm is now: Lost.').waitFor()
  const row = await dashboard.service
    .db('leads')
    .where({ id: inner(id) })
    .first('status', 'status_reason')
  expect(row).toEqual({ status: 'lost', status_reason: 'bought_elsewhere' })
})

it('moves a lead by dragging, and holds what comes meanwhile back', async () => {
  const dealer = await dashboard.service.dealer('drags')
  const id = await push(dealer, named('Carla'))
  const { page, signIn } = await dashboard.open({ viewport: { width: 1600, height: 900 } })
  await signIn(dealer.sales.email)
  const card = column(page, 'New').getByRole('link', { name: 'Carla Holm' })
  await card.waitFor()
  const from = await card.boundingBox()
  const to = await column(page, 'Acknowledged').boundingBox()
  if (!from || !to) throw new Error('Not on the screen')
  await page.mouse.move(from.x + 40, from.y + 60)
  await page.mouse.down()
  await page.mouse.move(from.x + 60, from.y + 70, { steps: 4 })
  await page.mouse.move(to.x + 60, to.y + 120, { steps: 8 })
  await push(dealer, named('Dorte'))
  await page.getByText('1 change will show when you let go').waitFor()
  expect(await page.getByRole('link', { name: 'Dorte Holm' }).count()).toBe(0)
  await page.mouse.up()
  await column(page, 'Acknowledged').getByRole('link', { name: 'Carla Holm' }).waitFor()
  await column(page, 'New').getByRole('link', { name: 'Dorte Holm' }).waitFor()
  await page.getByText('Carla Holm is now: Acknowledged.').waitFor()
  expect(await statusOf(id)).toBe('acknowledged')
})

it('says who was first when two move the same lead', async () => {
  const dealer = await dashboard.service.dealer('conflict')
  const id = await push(dealer, named('Erik'))
  const { page, signIn, expectFailure } = await dashboard.open()
  expectFailure(412)
  await signIn(dealer.sales.email)
  await page.getByRole('button', { name: 'Move Erik Holm' }).waitFor()
  // The word of the other move comes after this one has begun.
  await page.route('**/v1/leads/lead_*', async (route) => {
    if (route.request().method() === 'PATCH')
      await dashboard.service.call('PATCH', `/v1/leads/${id}`, {
        token: dealer.admin.token,
        body: { status: 'won' },
        headers: { 'if-match': '"1"' },
      })
    await route.continue()
  })
  await page.getByRole('button', { name: 'Move Erik Holm' }).click()
  await page.getByRole('group', { name: 'Move Erik Holm' }).getByRole('button', { name: 'Acknowledged' }).click()
  await page.getByText('Admin was first: Erik Holm is now “Won”, and was not moved to “Acknowledged”.').waitFor()
  await column(page, 'Won').getByRole('link', { name: 'Erik Holm' }).waitFor()
  expect(await statusOf(id)).toBe('won')
})

it('keeps filters in the address, for board and table alike', async () => {
  const dealer = await dashboard.service.dealer('filters')
  await push(dealer, { ...named('Frida'), type: 'service' })
  await push(dealer, named('Gert'))
  const { page, signIn } = await dashboard.open()
  await signIn(dealer.sales.email)
  await page.getByRole('link', { name: 'Gert Holm' }).waitFor()
  await page.getByLabel('Kind').selectOption('Service')
  await page.getByRole('link', { name: 'Gert Holm' }).waitFor({ state: 'hidden' })
  await page.getByRole('link', { name: 'Table' }).click()
  await page.getByRole('row').filter({ hasText: 'Frida Holm' }).waitFor()
  expect(new URL(page.url()).search).toBe('?type=service&view=table')
  await page.reload()
  await page.getByRole('row').filter({ hasText: 'Frida Holm' }).waitFor()
  expect(await page.getByRole('link', { name: 'Gert Holm' }).count()).toBe(0)
  await page.getByLabel('Customer or vehicle').fill('+45 99 99 99 99')
  await page.getByRole('button', { name: 'Search' }).click()
  await page.getByText('No leads here.').waitFor()
  expect(new URL(page.url()).search).toBe('?type=service&view=table')
  await page.getByRole('button', { name: 'Show everything' }).click()
  await page.getByRole('link', { name: 'Gert Holm' }).waitFor()
})

it('looks for what is typed, counts what it finds, and keeps it out of every address', async () => {
  const dealer = await dashboard.service.dealer('typed')
  const linker = openLinker(dashboard.service.service.database.beside, (error) => expect.unreachable(String(error)))
  onTestFinished(() => linker.stop())
  const person = (given: string, number: string) => ({
    customer: { name: { given, family: 'Kjær' }, phones: [{ number }] },
  })
  await push(dealer, person('Hugo', '32 12 77 01'))
  await push(dealer, person('Inger', '32 12 77 02'))
  await expect
    .poll(async () => (await linker.link(), dashboard.service.db('lead_links').where({ dealer_id: dealer.dealerId })))
    .toHaveLength(2)
  const { page, signIn } = await dashboard.open()
  const asked: string[] = []
  page.on('request', (request) => asked.push(request.url()))
  await signIn(dealer.sales.email)
  await page.getByRole('link', { name: 'Inger Kjær' }).waitFor()
  const box = page.getByLabel('Customer or vehicle')
  const look = async (text: string) => {
    await box.fill(text)
    await box.press('Enter')
  }
  await look('kjaer hugo')
  await page.getByRole('link', { name: 'Inger Kjær' }).waitFor({ state: 'hidden' })
  await column(page, 'New').getByRole('heading', { name: 'New 1' }).waitFor()
  await look('7702')
  await page.getByRole('link', { name: 'Inger Kjær' }).waitFor()
  await page.getByRole('link', { name: 'Hugo Kjær' }).waitFor({ state: 'hidden' })
  await page.getByRole('link', { name: 'Table' }).click()
  await page.getByRole('row').filter({ hasText: 'Inger Kjær' }).waitFor()
  expect(await page.getByRole('row').filter({ hasText: 'Hugo Kjær' }).count()).toBe(0)

  await page.goBack()
  await page.goBack()
  await page.getByRole('link', { name: 'Hugo Kjær' }).waitFor()
  expect([await box.inputValue(), await page.getByRole('link', { name: 'Inger Kjær' }).count()]).toEqual([
    'kjaer hugo',
    0,
  ])
  await page.goForward()
  await page.getByRole('link', { name: 'Inger Kjær' }).waitFor()
  expect(await box.inputValue()).toBe('7702')
  await page.reload()
  await page.getByRole('link', { name: 'Inger Kjær' }).waitFor()
  expect([await box.inputValue(), await page.getByRole('link', { name: 'Hugo Kjær' }).count()]).toEqual(['7702', 0])
  expect(asked.filter((url) => /hugo|7702/i.test(url))).toEqual([])

  // An address from before.
  await page.goto(`${dashboard.url}/leads?contact=32127701&view=table`)
  await page.getByRole('row').filter({ hasText: 'Hugo Kjær' }).waitFor()
  expect([new URL(page.url()).search, await box.inputValue()]).toEqual(['?view=table', '32127701'])
  await page.getByRole('row').filter({ hasText: 'Inger Kjær' }).waitFor({ state: 'hidden' })
  expect(asked.filter((url) => /v1.*7701/.test(url))).toEqual([])
})

it('tells on the page of a lead all that is known of it, down to the request that brought it', async () => {
  const dealer = await dashboard.service.dealer('detail')
  const first = await push(dealer, named('Hanne'))
  const id = await push(dealer, {
    customer: { ...named('Hanne').customer, emails: [{ address: 'hanne+car@customer.example' }] },
    message: 'Can I try it?',
    vehiclesOfInterest: [{ make: 'Volvo', model: 'EX30', stockNumber: 'A-1' }],
    tradeIns: [{ make: 'Fiat', model: '500' }],
    consents: [{ purpose: 'marketing', channel: 'email', state: 'granted' }],
    unknown: 'kept',
  })
  // Requests are written some seconds after they were answered.
  await expect
    .poll(() =>
      dashboard.service
        .db('api_key_requests')
        .where({ lead_id: inner(id) })
        .first(),
    )
    .toBeTruthy()
  const { page, signIn, expectFailure } = await dashboard.open()
  // All of the first lead is on its page: it has no original.
  expectFailure(404)
  await signIn(dealer.admin.email, `/leads/${id}`)
  await page.getByRole('heading', { name: 'Hanne Holm' }).waitFor()
  for (const text of [
    'Can I try it?',
    'Volvo EX30',
    'Fiat 500',
    'kept',
    'The customer may be sent advertising.',
    'This is not known.',
    'Perhaps there twice',
  ])
    await page.getByText(text).first().waitFor()
  await page.getByText(/createLead, 201, /).waitFor()
  expect(await page.getByRole('link', { name: 'hanne+car@customer.example' }).getAttribute('href')).toBe(
    'mailto:hanne%2Bcar@customer.example',
  )
  await page.getByRole('button', { name: 'As it was received' }).click()
  await page.getByRole('region', { name: 'As it was received' }).getByText('"unknown":"kept"').waitFor()
  await page.getByRole('link', { name: 'An earlier lead' }).click()
  await page.waitForURL(`**/leads/${first}`)
  await page.getByRole('button', { name: 'As it was received', expanded: false }).click()
  await page.getByText('It came as JSON').waitFor()
  await page.goto(`${dashboard.url}/leads/${id}`)
  await page.getByRole('button', { name: 'Move Hanne Holm' }).click()
  await page.getByRole('group', { name: 'Move Hanne Holm' }).getByRole('button', { name: 'Acknowledged' }).click()
  await page.getByText('Moved to “Acknowledged”').waitFor()
  await page.getByRole('link', { name: 'Main Website Lead Form' }).click()
  await page.getByRole('link', { name: 'to the lead' }).first().click()
  await page.waitForURL('**/leads/lead_*')
})

it('says how long a lead waits against the target of the dealer, and leads to those that wait too long', async () => {
  const dealer = await dashboard.service.dealer('late')
  const ids = [await push(dealer, named('Ida')), await push(dealer, named('Jens')), await push(dealer, named('Karen'))]
  for (const [at, minutes] of [
    [0, 95],
    [1, 20],
  ] as const)
    await ageLeads(dashboard.service.db, [inner(ids[at] ?? '')], minutes * minuteMs)
  const { page, signIn } = await dashboard.open()
  await signIn(dealer.sales.email)
  const card = (name: string) => column(page, 'New').getByRole('listitem').filter({ hasText: name })
  await card('Ida').getByText('Late: waiting 1 hr').waitFor()
  await card('Jens').getByText('Answer soon: waiting 20 min').waitFor()
  await card('Karen').getByText('Waiting 0 min').waitFor()
  await page.getByRole('link', { name: '1 lead has waited too long' }).click()
  await page.waitForURL(/status=new/)
  const names = () => column(page, 'New').getByRole('listitem').getByRole('link').allTextContents()
  await expect.poll(names).toEqual(['Ida Holm', 'Jens Holm', 'Karen Holm'])
})

it('misses nothing that happened while another page was open', async () => {
  const dealer = await dashboard.service.dealer('away')
  const moved = await push(dealer, named('Lone'))
  const { page, signIn } = await dashboard.open()
  await signIn(dealer.sales.email)
  await column(page, 'New').getByRole('link', { name: 'Lone Holm' }).waitFor()
  await page.getByRole('link', { name: 'Settings' }).click()
  await page.getByRole('heading', { name: 'Language and appearance' }).waitFor()
  await push(dealer, named('Mads'))
  await dashboard.service.call('PATCH', `/v1/leads/${moved}`, {
    token: dealer.admin.token,
    body: { status: 'won' },
    headers: { 'if-match': '*' },
  })
  await page.getByRole('link', { name: 'Pipeline' }).click()
  await column(page, 'New').getByRole('link', { name: 'Mads Holm' }).waitFor()
  await column(page, 'Won').getByRole('link', { name: 'Lone Holm' }).waitFor()

  await page.getByRole('link', { name: 'Mads Holm' }).click()
  await page.getByRole('heading', { name: 'Mads Holm' }).waitFor()
  await page.getByRole('button', { name: 'Move Mads Holm' }).click()
  await page.getByRole('group', { name: 'Move Mads Holm' }).getByRole('button', { name: 'Acknowledged' }).click()
  await page.getByText('Mads Holm is now: Acknowledged.').waitFor()
  await page.getByRole('button', { name: 'Move Mads Holm' }).click()
  await page.getByRole('group', { name: 'Move Mads Holm' }).getByRole('button', { name: 'In progress' }).click()
  await page.getByText('Mads Holm is now: In progress.').waitFor()
})

it('reads anew by itself when the service is put back to an earlier state under an open board', async () => {
  const dealer = await dashboard.service.dealer('restored')
  const moved = await push(dealer, named('Nina'))
  const { page, signIn, expectFailure } = await dashboard.open()
  // What is asked while there is no database.
  for (const status of [500, 503]) expectFailure(status)
  await signIn(dealer.sales.email)
  await column(page, 'New').getByRole('link', { name: 'Nina Holm' }).waitFor()
  const state = await keepState(dashboard.service.connection)
  await expect.poll(() => push(dealer, named('Olga')).catch(() => undefined)).toBeDefined()
  await dashboard.service.call('PATCH', `/v1/leads/${moved}`, {
    token: dealer.admin.token,
    body: { status: 'won' },
    headers: { 'if-match': '*' },
  })
  await column(page, 'New').getByRole('link', { name: 'Olga Holm' }).waitFor()
  await column(page, 'Won').getByRole('link', { name: 'Nina Holm' }).waitFor()

  await state.bringBack(async () => undefined)
  await column(page, 'New').getByRole('link', { name: 'Nina Holm' }).waitFor()
  await page.getByRole('link', { name: 'Olga Holm' }).waitFor({ state: 'detached' })
  // It follows on from there.
  await push(dealer, named('Pia'))
  await column(page, 'New').getByRole('link', { name: 'Pia Holm' }).waitFor()
})
