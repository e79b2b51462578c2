import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import type { Browser, BrowserContextOptions } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { changelog } from '../src/docs/changelog.ts'
import { documentation } from '../src/docs/pages.ts'
import { problems } from '../src/problem.ts'
import { accessibilityFaults } from './browser/axe.ts'
import { launchChromium } from './browser/chromium.ts'
import { patienceMs } from './patience.ts'
import { startService, type TestService } from './service.ts'

const publicUrl = 'https://leads.dealer.example'
let browser: Browser
let url = ''
beforeAll(async () => {
  const { port, close } = await listen(express().use(await documentation(publicUrl)))
  url = `http://127.0.0.1:${port}`
  browser = await launchChromium()
  return close
})
afterAll(() => browser?.close())

it('has a page for every problem, and every link within the pages leads somewhere', async () => {
  const seen = new Set<string>()
  const pages = new Map<string, string>()
  const places: [string, string][] = []
  const due = ['/', ...Object.keys(problems).map((code) => `/docs/problems/${code}`)]
  for (let path = due.pop(); path; path = due.pop()) {
    if (seen.has(path) || path.startsWith('/.well-known')) continue
    seen.add(path)
    const response = await fetch(url + path)
    expect([path, response.status]).toEqual([path, 200])
    if (!response.headers.get('content-type')?.startsWith('text/html')) continue
    expect(response.headers.get('content-security-policy')).toContain("script-src 'self'")
    const text = await response.text()
    pages.set(path, text)
    places.push(
      ...[...text.matchAll(/href="([^"#]*)#([^"]+)"/g)].map(([, to, id]): [string, string] => [
        to || path,
        `id="${id}"`,
      ]),
    )
    due.push(...[...text.matchAll(/(?:href|src)="([^"#]+)"/g)].map(([, link]) => link as string))
    const code = /^\/docs\/problems\/(.+)$/.exec(path)?.[1]
    if (code) expect(text).toContain(`<h1>${problems[code as keyof typeof problems].title}</h1>`)
    expect([...text.matchAll(/https?:\/\/[^/"\s<]+/g)].filter(([link]) => link !== publicUrl)).toEqual([])
  }
  expect(seen.size).toBeGreaterThan(Object.keys(problems).length + 6)
  expect(places.filter(([to, id]) => !pages.get(to)?.includes(id))).toEqual([])
})

it('tells integrators what has been added, the newest first, as text and code', () => {
  const page = changelog([{ changes: ['`getLead`: has <mood>'] }, { date: '2026-11-30', changes: ['Version 1.'] }])
  const sections = [
    '<h2>Since then</h2>\n<ul><li><code>getLead</code>: has &lt;mood&gt;</li></ul>',
    '<h2>2026-11-30</h2>\n<ul><li>Version 1.</li></ul>',
  ]
  expect(page).toContain(sections.join('\n'))
})

it('serves what integrators are handed, with the address of this server', async () => {
  const document = await (await fetch(`${url}/openapi.json`)).json()
  expect(document.components.securitySchemes.accessToken.flows.clientCredentials.tokenUrl).toBe(
    `${publicUrl}/v1/auth/token`,
  )
  expect(document.servers).toMatchObject([{ url: publicUrl }])
  expect(JSON.stringify(document)).not.toContain('localhost')
  expect(document.paths['/v1/users']).toBeUndefined()
  expect(await (await fetch(`${url}/openapi.yaml`)).text()).toContain(`tokenUrl: ${publicUrl}/v1/auth/token`)
  expect((await fetch(`${url}/docs/nothing`)).status).toBe(404)
})

it('says where weaknesses are told of once that is set, and is silent about it before', async () => {
  expect((await fetch(`${url}/.well-known/security.txt`)).status).toBe(404)
  expect(await (await fetch(`${url}/docs/security/`)).text()).toContain('has not said here where to')

  const contact = 'mailto:security@dealer.example'
  const told = await listen(express().use(await documentation(publicUrl, contact)))
  onTestFinished(told.close)
  const response = await fetch(`http://127.0.0.1:${told.port}/.well-known/security.txt`)
  expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8')
  const fields = Object.fromEntries((await response.text()).split('\n').map((line) => line.split(/: (.*)/)))
  expect(fields).toMatchObject({
    Contact: contact,
    Canonical: `${publicUrl}/.well-known/security.txt`,
    Policy: `${publicUrl}/docs/security/`,
  })
  // RFC 9116, section 2.5.5: there must be one, and it should be less than a year away.
  const days = (Date.parse(fields.Expires) - Date.now()) / 86_400_000
  expect([days > 300, days < 365]).toEqual([true, true])
  const page = await (await fetch(`http://127.0.0.1:${told.port}/docs/security/`)).text()
  expect(page).toContain(`<a href="${contact}">security@dealer.example</a>`)
})

it('shows in a browser: Swagger draws the operations, nothing comes from outside, and our own pages are accessible', async () => {
  for (const colorScheme of ['light', 'dark'] as const) {
    const { page, outside, complaints, stored } = await open(url, {
      colorScheme,
      viewport: { width: 320, height: 640 },
    })
    for (const path of [
      '/docs/',
      '/docs/in-step/',
      '/docs/changelog/',
      '/docs/security/',
      '/docs/problems/',
      '/docs/problems/lead-unreachable',
    ]) {
      await page.goto(url + path)
      // Without a font every text is empty, and nothing below would mean anything.
      expect(await page.locator('h1').evaluate((heading) => heading.getBoundingClientRect().height)).toBeGreaterThan(20)
      const faults = await accessibilityFaults(page, ['wcag2a', 'wcag2aa'])
      expect([path, colorScheme, faults]).toEqual([path, colorScheme, []])
      expect([path, await page.evaluate(() => document.documentElement.scrollWidth)]).toEqual([path, 320])
    }
    await page.goto(`${url}/docs/reference/`)
    await page.locator('.opblock').first().waitFor()
    expect(await page.locator('.opblock').count()).toBeGreaterThan(10)
    expect(await page.locator('.errors').allInnerTexts()).toEqual([])
    expect({ outside, complaints, stored: await stored() }).toEqual({ outside: [], complaints: [], stored: [] })
  }
})

describe('the reference of a running service', () => {
  let service: TestService
  let port: number
  beforeAll(async () => {
    service = await startService()
    // PUBLIC_URL has the port, which is known once the server listens.
    const app = express()
    const server = await listen(app)
    port = server.port
    app.use(await documentation(`http://localhost:${port}`), service.service.app)
    return server.close
  })
  afterAll(() => service.close())

  it.each(['localhost', '127.0.0.1'])(
    'is tried out with a key for digital requests at http://%s, the public address being localhost',
    async (host) => {
      const { website: key } = await service.dealer(host)
      const { page, outside, complaints, stored } = await open(`http://${host}:${port}`)
      const execute = async (operationId: string) => {
        const operation = page.locator(`[id$="-${operationId}"]`)
        await operation.locator('.opblock-summary-control').click()
        await operation.locator('.execute').click()
        return operation.locator('.live-responses-table tbody .response-col_status').innerText()
      }
      await page.goto(`http://${host}:${port}/docs/reference/`)

      await page.locator('.auth-wrapper .authorize').click()
      await page.locator('#client_id_clientCredentials').fill(key.id)
      await page.locator('#client_secret_clientCredentials').fill(key.secret)
      const [exchanged] = await Promise.all([
        page.waitForResponse('**/v1/auth/token'),
        page.getByRole('button', { name: 'Apply given OAuth2 credentials' }).click(),
      ])
      expect(await exchanged.json()).toMatchObject({ token_type: 'Bearer', expires_in: 1800, scope: 'leads:create' })
      await page.getByRole('button', { name: 'Remove authorization' }).waitFor()
      await page.locator('.close-modal').click()

      expect(await execute('createLead')).toBe('201')
      expect({ outside, complaints }).toEqual({ outside: [], complaints: [] })
      expect(await execute('listLeads')).toBe('403')
      // Chromium itself notes every answer that is a failure; nobody else complains.
      expect({ outside, complaints }).toEqual({
        outside: [],
        complaints: [expect.stringMatching(/^Failed to load resource: .* 403 /)],
      })
      expect(await stored()).toEqual([])
    },
  )
})

async function listen(listener: RequestListener) {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = () => {
    server.closeAllConnections()
    server.close()
  }
  return { port: (server.address() as AddressInfo).port, close }
}

/**
 * A page in a browser of its own, and what it does that it should not: ask another server than `origin`, complain,
 * store.
 */
async function open(origin: string, options: BrowserContextOptions = {}) {
  const context = await browser.newContext(options)
  context.setDefaultTimeout(patienceMs)
  onTestFinished(() => context.close())
  const page = await context.newPage()
  const outside: string[] = []
  const complaints: string[] = []
  page.on(
    'request',
    (request) =>
      void (
        /^(data|blob):/.test(request.url()) ||
        request.url().startsWith(`${origin}/`) ||
        outside.push(request.url())
      ),
  )
  page.on(
    'console',
    (message) =>
      void (
        message.type() === 'error' &&
        !message.location().url.endsWith('/favicon.ico') &&
        complaints.push(message.text())
      ),
  )
  page.on('pageerror', (error) => void complaints.push(error.message))
  await page.addInitScript(() =>
    addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
      console.error(`CSP ${violatedDirective} ${blockedURI}`),
    ),
  )
  const stored = async () => [
    ...(await context.cookies()).map(({ name }) => name),
    ...(await page.evaluate(() => [...Object.keys(localStorage), ...Object.keys(sessionStorage)])),
  ]
  return { page, outside, complaints, stored }
}
