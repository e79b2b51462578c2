import { createHash, createPrivateKey, sign } from 'node:crypto'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { password } from '../service.ts'
import { startDashboard, type TestDashboard } from './browser.ts'

let dashboard: TestDashboard
beforeAll(async () => {
  dashboard = await startDashboard(undefined, 'localhost')
})
afterAll(() => dashboard.close())

/** Chromium's own authenticator: it answers at once when it is touched, and as long as it is not, never. */
async function withAuthenticator(page: Page) {
  const cdp = await page.context().newCDPSession(page)
  await cdp.send('WebAuthn.enable')
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  })
  return {
    touch: (enabled: boolean) => cdp.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled }),
    recognise: (isUserVerified: boolean) => cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified }),
    passkeys: async () => (await cdp.send('WebAuthn.getCredentials', { authenticatorId })).credentials,
    /** As a copy of the authenticator that was made before. */
    countFrom: async (signCount: number) => {
      for (const credential of (await cdp.send('WebAuthn.getCredentials', { authenticatorId })).credentials) {
        const { credentialId } = credential
        await cdp.send('WebAuthn.removeCredential', { authenticatorId, credentialId })
        await cdp.send('WebAuthn.addCredential', { authenticatorId, credential: { ...credential, signCount } })
      }
    },
  }
}

const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true })

/** Adds a passkey in My account; answers the recovery codes. */
async function add(page: Page, name: string): Promise<string[]> {
  await button(page, 'Add a passkey').click()
  await page.getByLabel('Name of the passkey').fill(name)
  await button(page, 'Go on').click()
  const codes = page.getByRole('textbox', { name: 'Recovery codes' })
  await page.getByText(name, { exact: true }).or(codes).first().waitFor()
  if ((await codes.count()) === 0) return []
  const text = await codes.inputValue()
  await button(page, 'I have saved them').click()
  await page.getByText(name, { exact: true }).waitFor()
  return text.split('\n')
}

async function signOut(page: Page): Promise<void> {
  await button(page, 'Sign out').click()
  await page.getByRole('heading', { name: 'Sign in' }).waitFor()
}

async function typePassword(page: Page, email: string): Promise<void> {
  await page.locator('input[name=email]').fill(email)
  await page.locator('input[name=password]').fill(password)
  await page.locator('button[type=submit]').click()
}

const entered = (page: Page) => page.locator('header nav').waitFor()

it('adds a passkey, and signs in with it alone, by a click or where the browser offers it', async () => {
  const { service, url } = dashboard
  const { sales } = await service.dealer('alone')
  const { page, signIn } = await dashboard.open()
  const device = await withAuthenticator(page)
  await signIn(sales.email, '/settings/account')
  await button(page, 'Add a passkey').click()
  await page.getByText('Your browser asks you next').waitFor()
  await dashboard.inspect(page, 'passkey-add')
  await button(page, 'Cancel').click()
  const codes = await add(page, 'Laptop')
  expect([codes.length, new Set(codes).size, (await device.passkeys()).length]).toEqual([10, 10, 1])
  await page.getByText('10 recovery codes are left.').waitFor()
  await dashboard.inspect(page, 'account-passkeys')

  await device.touch(false)
  await signOut(page)
  await button(page, 'Sign in with a passkey').waitFor()
  await dashboard.inspect(page, 'sign-in-passkey')
  await device.touch(true)
  await button(page, 'Sign in with a passkey').click()
  await entered(page)

  // It stays touched: what the browser offers beside the e-mail address is taken at once.
  const offered = page.waitForResponse((response) => response.url().endsWith('/v1/session/passkey'))
  await button(page, 'Sign out').click()
  expect((await offered).status()).toBe(200)
  await entered(page)
  await page.goto(`${url}/settings/account`)
  await page.getByText('Laptop', { exact: true }).waitFor()
  expect(await page.getByText('Never used').count()).toBe(0)

  await device.recognise(false)
  await device.touch(false)
  await signOut(page)
  await device.touch(true)
  await button(page, 'Sign in with a passkey').click()
  await page.getByText('No passkey was given').waitFor()
})

it('asks for the passkey after the password, or for a recovery code', async () => {
  const { service } = dashboard
  const { sales } = await service.dealer('second')
  const { page, signIn } = await dashboard.open()
  const device = await withAuthenticator(page)
  await signIn(sales.email, '/settings/account')
  const [code = ''] = await add(page, 'Laptop')
  await device.touch(false)
  await signOut(page)
  await typePassword(page, sales.email)
  await button(page, 'Use your passkey').waitFor()
  await dashboard.inspect(page, 'second-factor')
  expect(await page.locator('header nav').count()).toBe(0)
  await device.touch(true)
  await button(page, 'Use your passkey').click()
  await entered(page)

  await device.touch(false)
  await signOut(page)
  await typePassword(page, sales.email)
  await button(page, 'Use a recovery code instead').click()
  await page.getByLabel('Recovery code').fill('aaaaa-aaaaa')
  await page.locator('button[type=submit]').click()
  await page.getByText('This code does not work').waitFor()
  await dashboard.inspect(page, 'second-factor-code')
  await page.getByLabel('Recovery code').fill(code.toUpperCase())
  await page.locator('button[type=submit]').click()
  await entered(page)
  await page.goto(`${dashboard.url}/settings/account`)
  await page.getByText('9 recovery codes are left.').waitFor()
})

it('lets an admin require passkeys: everybody adds one at the next sign-in, before anything else', async () => {
  const { service, url } = dashboard
  const { admin, sales } = await service.dealer('requiring')
  const boss = await dashboard.open()
  await withAuthenticator(boss.page)
  await boss.signIn(admin.email, '/settings/account')
  await add(boss.page, 'Desk')
  await boss.page.goto(`${url}/settings/dealer`)
  await button(boss.page, 'Require passkeys').click()
  const dialog = boss.page.getByRole('dialog')
  await dialog.getByText('Whoever signed in with a password alone is signed out at once.').waitFor()
  await dashboard.inspect(boss.page, 'dealer-require')

  const { page, signIn } = await dashboard.open()
  const device = await withAuthenticator(page)
  await signIn(sales.email)
  await dialog.getByRole('button', { name: 'Require passkeys' }).click()
  await boss.page.getByText('Everybody signs in with a passkey').waitFor()
  await dashboard.inspect(boss.page, 'dealer-required')

  await page.goto(`${url}/leads`)
  await page.getByRole('heading', { name: 'Sign in' }).waitFor()
  await typePassword(page, sales.email)
  await page.getByText('your dealership requires a passkey of everybody').waitFor()
  await dashboard.inspect(page, 'first-passkey')
  await page.getByLabel('Name of the passkey').fill('Phone')
  await button(page, 'Go on').click()
  await page.getByRole('textbox', { name: 'Recovery codes' }).waitFor()
  await dashboard.inspect(page, 'recovery-codes')
  expect((await device.passkeys()).length).toBe(1)
  await button(page, 'I have saved them').click()
  await entered(page)

  // The session of the admin was begun with a password alone, too, and its passkey is at hand.
  await boss.page.goto(`${url}/settings/users`)
  const row = boss.page.getByRole('row', { name: sales.email })
  await row.getByText('1 passkey').waitFor()
  await dashboard.inspect(boss.page, 'users-passkeys')
  await row.getByRole('button', { name: /^Remove the passkeys of/ }).click()
  await boss.page.getByText('For somebody who has lost them.').waitFor()
  await dashboard.inspect(boss.page, 'passkeys-reset')
  await button(boss.page, 'Remove them').click()
  await row.getByText('No passkey').waitFor()
  await page.getByRole('dialog', { name: 'Your session has ended' }).waitFor()
})

it('renames and removes them', async () => {
  const { service } = dashboard
  const { sales } = await service.dealer('removing')
  const { page, signIn } = await dashboard.open()
  await withAuthenticator(page)
  await signIn(sales.email, '/settings/account')
  await add(page, 'Laptop')
  await button(page, 'Rename Laptop').click()
  await page.getByLabel('Name of the passkey').fill('Desk')
  await dashboard.inspect(page, 'passkey-rename')
  await button(page, 'Save').click()
  await page.getByText('Desk', { exact: true }).waitFor()
  await button(page, 'Make new recovery codes').first().click()
  await page.getByRole('dialog').getByRole('button', { name: 'Make new recovery codes' }).click()
  await button(page, 'I have saved them').click()
  // One to a device.
  await button(page, 'Add a passkey').click()
  await button(page, 'Go on').click()
  await page.getByText('This device has a passkey for your account already.').waitFor()
  await button(page, 'Cancel').click()
  await button(page, 'Remove Desk').click()
  await page.getByText('It is your last one').waitFor()
  await dashboard.inspect(page, 'passkey-remove')
  await button(page, 'Remove').click()
  await page.getByText('Desk', { exact: true }).waitFor({ state: 'detached' })
  expect((await service.call('POST', '/v1/session', { body: { email: sales.email, password } })).status).toBe(200)
})

it('gives nobody else what Chromium has signed', async () => {
  const { service, url } = dashboard
  const { dealerId, sales } = await service.dealer('stolen')
  const { page, signIn, expectFailure } = await dashboard.open()
  const device = await withAuthenticator(page)
  await signIn(sales.email, '/settings/account')
  await add(page, 'Laptop')
  await device.touch(false)
  await signOut(page)

  // What the browser would have sent is held back, and sent by others.
  const stolen = Promise.withResolvers<Record<string, string>>()
  expectFailure('ERR_FAILED')
  await page.route('**/v1/session/passkey', async (route) => {
    stolen.resolve(route.request().postDataJSON())
    await route.abort()
  })
  await device.touch(true)
  await button(page, 'Sign in with a passkey').click()
  const assertion = await stolen.promise
  const post = async (body: object, headers = {}) =>
    (await service.call('POST', '/v1/session/passkey', { body, headers })).body?.code
  const [{ privateKey = '' } = {}] = await device.passkeys()
  const key = createPrivateKey({ key: Buffer.from(privateKey, 'base64'), format: 'der', type: 'pkcs8' })
  const signed = (authenticatorData: Buffer, client: object) => {
    const clientData = Buffer.from(JSON.stringify(client))
    const both = Buffer.concat([authenticatorData, createHash('sha256').update(clientData).digest()])
    return {
      ...assertion,
      clientDataJSON: clientData.toString('base64url'),
      authenticatorData: authenticatorData.toString('base64url'),
      // Chromium takes the first algorithm that it is asked for, which says itself how it digests.
      signature: sign(key.asymmetricKeyType === 'ed25519' ? null : 'sha256', both, key).toString('base64url'),
    }
  }
  const data = Buffer.from(assertion['authenticatorData'] ?? '', 'base64url')
  const client = JSON.parse(Buffer.from(assertion['clientDataJSON'] ?? '', 'base64url').toString())
  const elsewhere = Buffer.concat([createHash('sha256').update('evil.example').digest(), data.subarray(32)])
  expect(client.origin).toBe(url)
  expect(await post(assertion, { origin: 'https://evil.example' })).toBe('foreign-origin')
  expect(await post(signed(data, { ...client, origin: 'https://evil.example' }))).toBe('passkey-refused')
  expect(await post(signed(elsewhere, client))).toBe('passkey-refused')
  expect(await post({ ...assertion, clientDataJSON: signed(data, { ...client, more: 1 }).clientDataJSON })).toBe(
    'passkey-refused',
  )
  expect(await post(assertion)).toBe(undefined)
  expect(await post(assertion)).toBe('passkey-refused')
  expect(await post(signed(data, client))).toBe('passkey-refused')

  // A copy of the authenticator counts on from where it was made.
  await page.unroute('**/v1/session/passkey')
  await device.touch(false)
  await device.countFrom(0)
  await page.goto(url)
  await button(page, 'Sign in with a passkey').waitFor()
  await device.touch(true)
  await button(page, 'Sign in with a passkey').click()
  await page.getByText('This passkey was refused').waitFor()
  const suspected = service.db('audit_entries').where({ dealer_id: dealerId, action: 'user.passkey_suspected' })
  expect((await suspected).length).toBeGreaterThan(0)
})

it('says where passkeys work, at an address where browsers have none', async () => {
  const { service, url } = dashboard
  const { sales } = await service.dealer('elsewhere')
  const byNumber = url.replace('localhost', '127.0.0.1')
  const { page } = await dashboard.open({}, byNumber)
  await page.goto(`${byNumber}/settings/account`)
  await page.locator('input[name=email]').waitFor()
  expect(await button(page, 'Sign in with a passkey').count()).toBe(0)
  await typePassword(page, sales.email)
  await page.getByText('Passkeys of this service work at the address localhost only.').waitFor()
  expect(await button(page, 'Add a passkey').count()).toBe(0)
  await dashboard.inspect(page, 'account-no-passkeys')
})

it('shows all of it without a fault', () => {
  expect(dashboard.faults).toEqual([])
})
