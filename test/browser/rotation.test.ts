import type { Knex } from 'knex'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { inner } from '../../src/ids.ts'
import { defaultLimits } from '../../src/limit.ts'
import { lead } from '../service.ts'
import { startDashboard, type TestDashboard } from './browser.ts'

let dashboard: TestDashboard
beforeAll(async () => {
  dashboard = await startDashboard(defaultLimits)
})
afterAll(() => dashboard.close())

/** All that is known of a key, a day earlier: as if the clock had moved. */
async function aDayPasses(db: Knex, apiKeyId: string): Promise<void> {
  const times = {
    api_key_secrets: ['created_at', 'first_used_at', 'ends_at'],
    api_key_requests: ['at'],
    api_key_usage: ['hour'],
    api_key_last_used: ['at'],
    api_key_last_outcomes: ['at'],
  }
  for (const [table, columns] of Object.entries(times))
    await db(table)
      .where({ api_key_id: inner(apiKeyId) })
      .update(Object.fromEntries(columns.map((column) => [column, db.raw("?? - interval '1 day'", [column])])))
}

it('lets the Admin try the new key out, and the agency switch a day later', async () => {
  const { service, inspect } = dashboard
  const { admin, website } = await service.dealer('rotation')
  let sent = 0
  const sends = async (secret: string) => {
    const { body, status } = await service.call('POST', '/v1/auth/token', { headers: { 'x-api-key': secret } })
    if (status !== 200) return status
    const message = `Lead ${++sent}`
    return (await service.call('POST', '/v1/leads', { token: body.access_token, body: lead({ message }) })).status
  }
  const { page, signIn } = await dashboard.open()
  const dialog = page.getByRole('dialog')
  const button = (name: string) => dialog.getByRole('button', { name, exact: true })
  const panel = page.getByRole('region', { name: 'This key is being replaced' })
  const pending = panel.getByText(/The new key .* has not been used yet; tests from here do not count\./)

  await signIn(admin.email, `/settings/integrations/${website.id}?dialog=replace`)
  await button('Make the new key').click()
  const secret = await dialog.getByLabel('API key').inputValue()
  await dialog.getByLabel('I have saved this key').check()
  await button('Continue').click()
  await button('Send a test lead').click()
  await dialog.getByText('The test lead was sent with the new key. It does not count as its first use.').waitFor()
  await dialog.getByText('Waiting for the first lead…').waitFor()
  await inspect(page, 'rotation-tested')
  await button('Done').click()
  await pending.waitFor()

  const logged = () =>
    service
      .db('api_key_requests')
      .where({ api_key_id: inner(website.id), operation: 'createLead' })
      .count({ count: '*' })
      .first()
  expect(await sends(website.secret)).toBe(201)
  await expect.poll(logged).toEqual({ count: '2' })
  await aDayPasses(service.db, website.id)
  await page.reload()
  await pending.waitFor()
  await panel.getByText('Requests in the last hour with the old key: 0.').waitFor()
  await inspect(page, 'rotation-next-day')
  expect([await sends(website.secret), await sends(secret)]).toEqual([201, 201])

  await panel.getByText(/The new key .* counts\. The old key .* works until/).waitFor()
  await panel.getByText('Requests in the last hour: 2 with the old key, 2 with the new one.').waitFor()
  await inspect(page, 'rotation-in-use')
  await panel.getByRole('button', { name: 'End the old key now' }).click()
  await dialog.getByText(/^Last used .* from .*127\.0\.0\.1/).waitFor()
  await inspect(page, 'rotation-asked')
  await button('Leave it as it is').click()
  await dialog.waitFor({ state: 'hidden' })
  expect(await sends(website.secret)).toBe(201)
  await panel.getByRole('button', { name: 'End the old key now' }).click()
  await button('End the old key').click()
  await panel.waitFor({ state: 'hidden' })

  expect([await sends(website.secret), await sends(secret)]).toEqual([401, 201])
  await page.getByText(/^.?Still tried with .*, which has ended: last .* from .*127\.0\.0\.1/).waitFor()
  await inspect(page, 'rotation-locked-out')
  await page.goto(`${dashboard.url}/settings/integrations`)
  await page
    .getByText(/Somebody still uses an old key of .*Main Website Lead Form.* that has ended: last tried/)
    .waitFor()
  await page.getByText('Still tried in vain').waitFor()
  await inspect(page, 'rotation-seen')
  expect(dashboard.faults).toEqual([])
})

it('shows what a key has used of its limits, and lets an Admin choose others', async () => {
  const { service, inspect } = dashboard
  const { admin, website } = await service.dealer('limits')
  for (let count = 0; count < 3; count++)
    expect((await service.call('POST', '/v1/leads', { token: website.token, body: lead() })).status).toBe(201)
  const { page, signIn } = await dashboard.open()
  const panel = page.getByRole('region', { name: 'Limits' })
  const row = (name: string) => panel.getByRole('row', { name })
  const save = panel.getByRole('button', { name: 'Save' })

  await signIn(admin.email, `/settings/integrations/${website.id}`)
  await row('2,000 at once, and 50 a second').waitFor()
  await row('1,073.7 MB a day').waitFor()
  await inspect(page, 'limits')
  await panel.getByRole('button', { name: 'Change the limits…' }).click()
  await panel.getByLabel('Leads: a second', { exact: true }).fill('100')
  await panel.getByLabel('Size of leads: MB a day').fill('many')
  await save.click()
  // Of a rate both numbers are needed.
  await expect.poll(() => panel.getByText('A number is needed here.').count()).toBe(2)
  await inspect(page, 'limits-wrong')
  await panel.getByLabel('Leads: at once', { exact: true }).fill('5000')
  await panel.getByLabel('Size of leads: MB a day').fill('1.5')
  await save.click()
  await row('5,000 at once, and 100 a second Own limit').waitFor()
  await row('1.5 MB a day Own limit').waitFor()
  await row('200 at once, and 20 a second').waitFor()
  await page.getByText('limits: None → Size of leads 1.5 MB a day and Leads 5,000 at once, and 100 a second').waitFor()
  await inspect(page, 'limits-own')
  const own = await service.db('own_limits').orderBy('name').select('name', 'most', 'per_second')
  expect(own).toEqual([
    { name: 'bytes', most: 1_500_000, per_second: null },
    { name: 'leads', most: 5_000, per_second: 100 },
  ])

  await panel.getByRole('button', { name: 'Change the limits…' }).click()
  for (const label of ['Leads: a second', 'Leads: at once', 'Size of leads: MB a day'])
    await panel.getByLabel(label, { exact: true }).fill('')
  await save.click()
  await row('2,000 at once, and 50 a second').waitFor()
  expect(await service.db('own_limits').count({ count: '*' }).first()).toEqual({ count: '0' })
  expect(dashboard.faults).toEqual([])
})
