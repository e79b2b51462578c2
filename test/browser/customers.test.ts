import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { link } from '../linking.ts'
import { lead } from '../service.ts'
import { startDashboard, type TestDashboard } from './browser.ts'

let dashboard: TestDashboard
beforeAll(async () => {
  dashboard = await startDashboard()
})
afterAll(() => dashboard.close())

type Dealer = Awaited<ReturnType<TestDashboard['service']['dealer']>>
const call = async (token: string, method: string, path: string, body?: object, headers = {}) => {
  const reply = await dashboard.service.call(method, path, { token, body, headers })
  expect([method, path, reply.status < 300, reply.text]).toEqual([method, path, true, reply.text])
  return reply.body
}
/** What a system says of somebody. */
const known = async ({ dms }: Dealer, id: string, said: object, source = 'dms'): Promise<string> =>
  (await call(dms.token, 'PUT', `/v1/customers/by-reference/${source}/${id}`, said)).id
const asked = async ({ website }: Dealer, customer: object, more: object = {}): Promise<string> =>
  (await call(website.token, 'POST', '/v1/leads', lead({ customer, ...more }))).id
const correct = ({ admin }: Dealer, id: string, body: object) =>
  call(admin.token, 'PATCH', `/v1/customers/${id}`, body, { 'if-match': '*' })
const read = ({ admin }: Dealer, id: string) => call(admin.token, 'GET', `/v1/customers/${id}`)

const ida = {
  name: { given: 'Ida', family: 'Kjær' },
  phones: [{ number: '32 12 34 56' }],
  emails: [{ address: 'ida@customer.example' }],
  address: { lines: ['Havnegade 4'], postalCode: '2100', city: 'København Ø', countryCode: 'DK' },
}
const panel = (page: Page, name: string) => page.getByRole('region', { name, exact: true })
const button = (page: Page, name: string | RegExp) => page.getByRole('button', { name, exact: true })
const record = (page: Page) => panel(page, 'What is known')

it('shows whose word each thing is and who says otherwise, and takes back what was typed', async () => {
  const dealer = await dashboard.service.dealer('origins')
  const id = await known(dealer, '40012', ida)
  await correct(dealer, id, { name: { family: 'Holm' }, phones: null })
  const { page, signIn } = await dashboard.open()
  await signIn(dealer.sales.email, `/customers/${id}`)
  await page.getByRole('heading', { name: 'Ida Holm', level: 1 }).waitFor()
  expect(await page.getByRole('link', { name: 'ida@customer.example' }).first().getAttribute('href')).toBe(
    'mailto:ida@customer.example',
  )
  await record(page).getByText('40012 in dms').waitFor()
  await record(page).getByText('Shown empty by Admin, on ').waitFor()
  await button(page, 'Where it comes from (2 said otherwise)').click()
  await record(page).getByText('typed by Admin, on ').waitFor()
  await record(page).getByText('dms says: Ida Kjær').waitFor()
  await record(page).getByText('dms says: 32 12 34 56').waitFor()
  expect(await record(page).getByText('from dms, since ').count()).toBe(2)

  await button(page, 'Take back what was typed: Phone').click()
  await page.getByText('Taken back: Phone.').waitFor()
  await record(page).getByRole('link', { name: '32 12 34 56' }).waitFor()
  await correct(dealer, id, { address: { city: 'Hellerup' } })
  await button(page, 'Undo').click()
  await page.getByText('As it was typed before: Phone.').waitFor()
  await record(page).getByText('Shown empty by Sales, on ').waitFor()
  await button(page, 'Take back what was typed: Name').click()
  await page.getByRole('heading', { name: 'Ida Kjær', level: 1 }).waitFor()
  expect((await read(dealer, id)).phones).toEqual([])
})

it('corrects a customer, and says what of it could not be understood', async () => {
  const dealer = await dashboard.service.dealer('corrects')
  const id = await known(dealer, '1', ida)
  const { page, signIn } = await dashboard.open()
  await signIn(dealer.sales.email, `/customers/${id}`)
  await button(page, 'Edit').click()
  const form = page.getByRole('form', { name: 'Edit' })
  const focused = () => page.evaluate(() => (document.activeElement as HTMLInputElement).labels?.[0]?.textContent)
  await form.getByLabel('Kind').selectOption('Company')
  await form.getByLabel('Company', { exact: true }).fill('Nordhavn Entreprise ApS')
  await form.getByLabel('Registration number (CVR)').fill('10150817')
  await form.getByRole('button', { name: 'Add a phone number' }).click()
  expect(await focused()).toBe('Phone 2')
  await form.getByLabel('Phone 2', { exact: true }).fill('after six')
  await form.getByRole('button', { name: 'Remove E-mail 1' }).click()
  expect(await focused()).toBe('E-mail 1')
  await form.getByLabel('Street and number').fill('Havnegade 4\n2. th.')
  await form.getByRole('button', { name: 'Save' }).click()
  await page.getByRole('heading', { name: 'Nordhavn Entreprise ApS', level: 1 }).waitFor()
  await page.getByText('This is not a phone number that we understand.').waitFor()
  expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Edit')
  expect(await read(dealer, id)).toMatchObject({
    kind: 'organization',
    organization: { name: 'Nordhavn Entreprise ApS', registrationNumber: '10150817' },
    name: ida.name,
    emails: [],
    phones: [{ number: '32 12 34 56', type: 'other' }, { number: 'after six' }],
    address: { lines: ['Havnegade 4', '2. th.'], postalCode: '2100', city: 'København Ø', countryCode: 'DK' },
  })

  const eva = await known(dealer, '2', { name: { full: 'Eva Lund' }, phones: [{ number: '32 99 88 77' }] })
  await page.goto(`${dashboard.url}/customers/${eva}`)
  await button(page, 'Edit').click()
  await form.getByLabel('Whole name').fill('')
  await form.getByLabel('Surname').waitFor()
  expect(await focused()).toBe('Whole name')
  await form.getByLabel('Whole name').fill('Eva Holm')
  await form.getByRole('button', { name: 'Save' }).click()
  await page.getByRole('heading', { name: 'Eva Holm', level: 1 }).waitFor()
})

it('tells whoever is typing what a colleague changes meanwhile, and loses nothing', async () => {
  const dealer = await dashboard.service.dealer('meanwhile')
  const id = await known(dealer, '1', ida)
  const { page, signIn, expectFailure } = await dashboard.open()
  expectFailure(412)
  await signIn(dealer.sales.email, `/customers/${id}`)
  await button(page, 'Edit').click()
  await page.getByLabel('Surname').fill('Holm')
  // Seen before it is saved.
  await correct(dealer, id, { address: { city: 'Hellerup' } })
  await page.getByText('Somebody else changed this customer while you were typing.').waitFor()
  await page.getByText(/^Address: .*København Ø.* → .*Hellerup.* \(typed by Admin, on /).waitFor()
  expect([await page.getByLabel('Surname').inputValue(), await page.getByLabel('Town').inputValue()]).toEqual([
    'Holm',
    'Hellerup',
  ])
  // The word of the next change comes after the own one has been sent.
  let isFirst = true
  await page.route('**/v1/customers/cust_*', async (route) => {
    if (route.request().method() === 'PATCH' && isFirst) {
      isFirst = false
      await correct(dealer, id, { name: { family: 'Lund' } })
    }
    await route.continue()
  })
  await button(page, 'Save').click()
  await page.getByText('Nothing was saved yet: somebody else changed this customer first.').waitFor()
  await page.getByText('Name: Ida Kjær → Ida Lund').waitFor()
  await page.getByText('You have changed this, too: if you save, yours is shown.').waitFor()
  expect([await page.getByLabel('Surname').inputValue(), (await read(dealer, id)).name.family]).toEqual([
    'Holm',
    'Lund',
  ])
  await button(page, 'Save').click()
  await page.getByText('Saved.').waitFor()
  expect(await read(dealer, id)).toMatchObject({
    name: { given: 'Ida', family: 'Holm' },
    address: { city: 'Hellerup' },
  })

  // Who was merged meanwhile is gone on with as the customer that they are part of.
  const into = await known(dealer, '2', { name: { given: 'Eva' }, phones: [{ number: '32 99 88 77' }] })
  await button(page, 'Edit').click()
  await page.getByLabel('Surname').fill('Krog')
  await call(dealer.admin.token, 'PUT', `/v1/customers/${id}/merge`, { into })
  await page.waitForURL(`**/customers/${into}`)
  expect(await page.getByLabel('Surname').inputValue()).toBe('Krog')
})

it('types for the customer alone for whom the form was opened', async () => {
  const dealer = await dashboard.service.dealer('typed-for')
  const id = await known(dealer, '1', ida)
  const other = await known(dealer, '2', { name: { given: 'Ida', family: 'Holm' }, phones: ida.phones })
  await link(dashboard.service, dealer.dealerId)
  const { page, signIn } = await dashboard.open()
  await signIn(dealer.sales.email, `/customers/${id}`)
  await panel(page, 'May be the same as').getByRole('link', { name: 'Ida Holm' }).click()
  await page.waitForURL(`**/customers/${other}`)
  await button(page, 'Edit').click()
  await page.getByLabel('Surname').fill('Krog')
  await page.goBack()
  await page.getByRole('heading', { name: 'Ida Kjær', level: 1 }).waitFor()
  expect(await page.getByRole('form', { name: 'Edit' }).count()).toBe(0)
  await button(page, 'Edit').click()
  expect(await page.getByLabel('Surname').inputValue()).toBe('Kjær')
})

it('shows why two may be the same, and what would be shown; merges, undoes that, and takes a part out again', async () => {
  const dealer = await dashboard.service.dealer('merges')
  const id = await known(dealer, '1', ida)
  const other = await known(dealer, 'a', { name: { given: 'Ida', family: 'Kjaer' }, phones: ida.phones }, 'crm')
  await asked(dealer, { name: { full: 'Peter Kjær' }, phones: ida.phones })
  await link(dashboard.service, dealer.dealerId)
  const { page, signIn } = await dashboard.open()
  await signIn(dealer.sales.email, `/customers/${id}`)
  const same = panel(page, 'May be the same as')
  await same.getByText('Very likely the same').waitFor()
  await same.getByText('Same phone number').first().waitFor()
  await same.getByText('Another first name: perhaps of the same household').waitFor()
  await button(page, 'Peter Kjær is not the same').click()
  await page.getByText('Peter Kjær will not be suggested here again.').waitFor()
  await same.getByText('Another first name').waitFor({ state: 'detached' })

  let previews = 0
  page.on('request', (request) => void (request.url().includes('dryRun') && previews++))
  await button(page, 'Compare with Ida Kjaer').focus()
  await page.keyboard.press('Enter')
  const dialog = page.getByRole('dialog', { name: 'Are they the same?' })
  const cells = (row: string) => dialog.getByRole('row').filter({ hasText: row }).getByRole('cell').allInnerTexts()
  await expect.poll(() => cells('Known as')).toEqual(['1 in dms', 'a in crm', '1 in dms\na in crm'])
  expect(await cells('Name')).toEqual(['Ida Kjær', 'Ida Kjaer', 'Ida Kjær'])
  expect((await read(dealer, other)).id).toBe(other)
  // What would be shown is asked for again when one of the two has changed, and not with each event about them.
  await asked(dealer, { name: ida.name, phones: ida.phones }, { type: 'callback' })
  await link(dashboard.service, dealer.dealerId)
  await page.getByText('Call back').waitFor()
  expect(previews).toBe(1)
  await correct(dealer, other, { organization: { name: 'Nordhavn ApS' } })
  await expect.poll(() => cells('Company')).toEqual(['', 'Nordhavn ApS', 'Nordhavn ApS'])
  await button(page, 'Merge').focus()
  await page.keyboard.press('Enter')
  await page.getByText('Ida Kjaer is part of this customer now.').waitFor()
  expect((await read(dealer, other)).id).toBe(id)
  await button(page, 'Undo').click()
  await page.getByText('Ida Kjaer is a customer of their own again.').waitFor()
  expect((await read(dealer, other)).id).toBe(other)

  await button(page, 'Compare with Ida Kjaer').click()
  await button(page, 'Merge').click()
  await panel(page, 'Put together of').getByText('merged by Sales').waitFor()
  await panel(page, 'What systems say').getByText('crm, as a').waitFor()
  // The id from before leads here, and says so.
  await page.goto(`${dashboard.url}/customers/${other}`)
  await page.waitForURL(`**/customers/${id}`)
  await page.getByText('The customer that you were looking for is part of this one.').waitFor()
  await button(page, 'Take out Ida Kjaer').click()
  await page.getByText('It becomes a customer of its own again').waitFor()
  await button(page, 'Take out').click()
  await page.getByRole('link', { name: 'See Ida Kjaer' }).click()
  await page.waitForURL(`**/customers/${other}`)
  await page.getByRole('heading', { name: 'Ida Kjaer', level: 1 }).waitFor()
})

it('is told that a merge is not possible any more, and that a customer is gone', async () => {
  const dealer = await dashboard.service.dealer('gone')
  const [id, other, third] = [
    await known(dealer, '1', ida),
    await known(dealer, '2', { ...ida, emails: [] }),
    await known(dealer, '3', { name: { given: 'Carl' }, phones: [{ number: '32 99 88 77' }] }),
  ]
  await link(dashboard.service, dealer.dealerId)
  const { page, signIn, expectFailure } = await dashboard.open()
  for (const status of [404, 409, 410]) expectFailure(status)
  await signIn(dealer.sales.email, `/customers/${id}`)
  await button(page, 'Compare with Ida Kjær').click()
  await page.route(
    '**/merge',
    async (route) => {
      await call(dealer.admin.token, 'PUT', `/v1/customers/${other}/merge`, { into: third })
      await route.continue()
    },
    { times: 1 },
  )
  await button(page, 'Merge').click()
  await page.getByText('This customer is part of another one already. Undo that first.').waitFor()
  await page.keyboard.press('Escape')
  await panel(page, 'May be the same as').getByText('Nobody seems to be the same.').waitFor()

  await button(page, 'Edit').click()
  await page.getByLabel('Surname').fill('Krog')
  await call(dealer.dms.token, 'DELETE', '/v1/customers/by-reference/dms/1')
  await page.getByText('This customer is gone').waitFor()
  expect(await page.getByLabel('Surname').inputValue()).toBe('Krog')
  await button(page, 'Cancel').click()
  await page.getByRole('heading', { name: 'Customer', level: 1 }).waitFor()
  await page.getByText('This customer is gone').waitFor()
  await page.goto(`${dashboard.url}/customers/cust_${'0'.repeat(32)}`)
  await page.getByText('It is not there any more.').waitFor()
})

it('leads from a lead to its customer, to what they asked for before and since, and back, and says why', async () => {
  const dealer = await dashboard.service.dealer('both-ways')
  const first = await asked(dealer, { name: { full: 'Ida Kjær' }, emails: ida.emails })
  const second = await asked(dealer, { name: ida.name, emails: ida.emails, phones: ida.phones }, { type: 'trade_in' })
  const { page, signIn } = await dashboard.open()
  const leads = panel(page, 'All leads of this customer')
  const lone = await asked(dealer, { name: { full: 'Carl Lund' }, phones: [{ number: '32 99 88 77' }] })
  await signIn(dealer.sales.email, `/leads/${lone}`)
  await panel(page, 'What happened').getByText('Received').waitFor()
  await link(dashboard.service, dealer.dealerId)
  await leads.getByRole('link', { name: 'See the customer Carl Lund' }).waitFor()
  await page.goto(`${dashboard.url}/leads/${first}`)
  await leads.getByText('Nobody was known with this address, number or name').waitFor()
  await leads.getByText('Found to be theirs: same e-mail address and same name.').waitFor()
  await leads.getByRole('link', { name: 'Trade-in' }).click()
  await page.waitForURL(`**/leads/${second}`)
  await leads.getByRole('link', { name: 'Test drive' }).waitFor()
  await leads.getByRole('link', { name: 'See the customer Ida Kjær' }).click()
  await page.waitForURL('**/customers/cust_*')
  await record(page).getByRole('link', { name: '32 12 34 56' }).waitFor()
  // What comes while the page is open shows by itself.
  await asked(dealer, { name: ida.name, emails: ida.emails }, { type: 'callback' })
  await link(dashboard.service, dealer.dealerId)
  await panel(page, 'Leads').getByRole('link', { name: 'Call back' }).waitFor()
  await button(page, 'Where it comes from').click()
  await record(page).getByRole('link', { name: 'from the enquiry of ' }).first().click()
  await page.waitForURL('**/leads/lead_*')
})

it('finds customers by whatever is known of them, and keeps what was typed out of the address', async () => {
  const dealer = await dashboard.service.dealer('finds')
  await known(dealer, '1', ida)
  await known(dealer, '2', { name: { given: 'Carl', family: 'Lund' }, phones: [{ number: '32 99 88 77' }] })
  const plate = { registration: { number: 'AB 12 345', countryCode: 'DK' }, vin: 'WVWZZZ1JZXW000001' }
  await asked(
    dealer,
    { name: { full: 'Eva Lund' }, emails: [{ address: 'eva@customer.example' }] },
    { tradeIns: [plate] },
  )
  await asked(dealer, { name: { full: 'Tove Test' }, emails: [{ address: 'tove@customer.example' }] }, { test: true })
  await link(dashboard.service, dealer.dealerId)
  const { page, signIn } = await dashboard.open()
  await signIn(dealer.sales.email)
  await page.getByRole('link', { name: 'Customers' }).click()
  const rows = () => page.getByRole('row').getByRole('cell').getByRole('link').allTextContents()
  const names = async () => (await rows()).filter((text) => /^\p{L}+ \p{L}+$/u.test(text))
  await expect.poll(names).toEqual(['Eva Lund', 'Carl Lund', 'Ida Kjær'])
  for (const [typed, found] of [
    ['3456', ['Ida Kjær']],
    ['kjaer id', ['Ida Kjær']],
    ['EVA@customer.example', ['Eva Lund']],
    ['ab12345', ['Eva Lund']],
    ['wvwzzz1jzxw000001', ['Eva Lund']],
    ['nobody', []],
    ['lund', ['Eva Lund', 'Carl Lund']],
  ] as const) {
    await page.getByLabel('Look for a customer').fill(typed)
    await expect.poll(async () => [typed, ...(await names())]).toEqual([typed, ...found])
  }
  expect(page.url()).toBe(`${dashboard.url}/customers`)
  await page.getByLabel('Look for a customer').fill('')
  await page.getByLabel('Which customers').selectOption('Test customers')
  await expect.poll(names).toEqual(['Tove Test'])
  await page.getByLabel('Which customers').selectOption('Real customers')
  await page.getByLabel('Look for a customer').fill('lund')
  await page.getByText('2 customers found').waitFor()
  await page.getByRole('link', { name: 'Carl Lund' }).click()
  await page.getByRole('heading', { name: 'Carl Lund', level: 1 }).waitFor()
  await page.goBack()
  await page.getByText('2 customers found').waitFor()
  expect(await page.getByLabel('Look for a customer').inputValue()).toBe('lund')

  await button(page, 'New customer').click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('First names').fill('Dorte')
  await dialog.getByLabel('E-mail 1', { exact: true }).fill('dorte@customer.example')
  await dialog.getByRole('button', { name: 'New customer' }).click()
  await page.getByRole('heading', { name: 'Dorte', level: 1 }).waitFor()
  // Whoever is not suggested can be merged, too.
  await button(page, 'Merge with another customer…').click()
  await page.getByRole('dialog').getByLabel('Look for a customer').fill('carl')
  await button(page, 'Compare with Carl Lund').click()
  await button(page, 'Merge').click()
  await panel(page, 'Put together of').getByText('Carl Lund').waitFor()
})
