import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AxeBuilder } from '@axe-core/playwright'
import express from 'express'
import { type Browser, chromium } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { documentation } from '../src/docs/pages.ts'
import { problems } from '../src/problem.ts'

const publicUrl = 'https://leads.dealer.example'
const server = createServer(express().use(await documentation(publicUrl)))
let url = ''
beforeAll(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
})
afterAll(() => void server.close())

it('has a page for every problem, and every link within the pages leads somewhere', async () => {
  const seen = new Set<string>()
  const due = ['/', ...Object.keys(problems).map((code) => `/docs/problems/${code}`)]
  for (let path = due.pop(); path; path = due.pop()) {
    if (seen.has(path) || path.startsWith('/.well-known')) continue
    seen.add(path)
    const response = await fetch(url + path)
    expect([path, response.status]).toEqual([path, 200])
    if (!response.headers.get('content-type')?.startsWith('text/html')) continue
    expect(response.headers.get('content-security-policy')).toContain("script-src 'self'")
    const text = await response.text()
    due.push(...[...text.matchAll(/(?:href|src)="([^"#]+)"/g)].map(([, link]) => link as string))
    const code = /^\/docs\/problems\/(.+)$/.exec(path)?.[1]
    if (code) expect(text).toContain(`<h1>${problems[code as keyof typeof problems].title}</h1>`)
    expect([...text.matchAll(/https?:\/\/[^/"\s<]+/g)].filter(([link]) => link !== publicUrl)).toEqual([])
  }
  expect(seen.size).toBeGreaterThan(Object.keys(problems).length + 6)
})

it('serves the contract with the token endpoint of this server', async () => {
  const document = await (await fetch(`${url}/openapi.json`)).json()
  expect(document.components.securitySchemes.accessToken.flows.clientCredentials.tokenUrl).toBe(`${publicUrl}/v1/auth/token`)
  expect(await (await fetch(`${url}/openapi.yaml`)).text()).toContain(`tokenUrl: ${publicUrl}/v1/auth/token`)
  expect((await fetch(`${url}/docs/nothing`)).status).toBe(404)
})

it('shows in a browser: Swagger draws the operations, nothing comes from outside, and our own pages are accessible', { timeout: 120_000 }, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'docs-browser-'))
  let browser: Browser | undefined
  try {
    browser = await launch(directory)
    for (const colorScheme of ['light', 'dark'] as const) {
      const context = await browser.newContext({ colorScheme, viewport: { width: 320, height: 640 } })
      const page = await context.newPage()
      const outside: string[] = []
      const complaints: string[] = []
      page.on('request', (request) => void (/^(data|blob):/.test(request.url()) || request.url().startsWith(`${url}/`) || outside.push(request.url())))
      page.on('console', (message) => void (message.type() === 'error' && !message.location().url.endsWith('/favicon.ico') && complaints.push(message.text())))
      page.on('pageerror', (error) => void complaints.push(error.message))

      for (const path of ['/docs/', '/docs/problems/', '/docs/problems/lead-unreachable']) {
        await page.goto(url + path)
        // Without a font every text is empty, and nothing below would mean anything.
        expect(await page.locator('h1').evaluate((heading) => heading.getBoundingClientRect().height)).toBeGreaterThan(20)
        const { violations } = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa']).analyze()
        expect(violations.map(({ id, nodes }) => [path, colorScheme, id, nodes[0]?.html])).toEqual([])
        expect([path, await page.evaluate(() => document.documentElement.scrollWidth)]).toEqual([path, 320])
        if (process.env['SHOTS'] && path === '/docs/') {
          await page.setViewportSize({ width: 1000, height: 1400 })
          await page.screenshot({ path: join(process.env['SHOTS'], `${colorScheme}.png`), fullPage: true })
          await page.setViewportSize({ width: 320, height: 640 })
        }
      }
      await page.goto(`${url}/docs/reference/`)
      await page.locator('.opblock').first().waitFor()
      expect(await page.locator('.opblock').count()).toBeGreaterThan(10)
      expect({ outside, complaints }).toEqual({ outside: [], complaints: [] })
      await context.close()
    }
  } finally {
    await browser?.close()
    rmSync(directory, { recursive: true, force: true })
  }
})

/** Chromium from npm, unpacked into `directory`: another version's unpacked browser must not be taken for it. */
async function launch(directory: string): Promise<Browser> {
  process.env['TMPDIR'] = directory
  process.env['AWS_LAMBDA_JS_RUNTIME'] = 'nodejs22.x'
  const { default: bundled } = await import('@sparticuz/chromium')
  const unpacked = process.env['CHROME_PATH'] === undefined ? await bundled.executablePath() : ''
  // Its own configuration looks for fonts in /tmp/fonts only; without a font every text is empty, and Swagger makes Chromium crash.
  writeFileSync(join(directory, 'fonts.conf'), `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig><dir>${directory}/fonts</dir><dir>/usr/share/fonts</dir><cachedir>${directory}/font-cache</cachedir></fontconfig>`)
  process.env['FONTCONFIG_FILE'] = join(directory, 'fonts.conf')
  const executablePath = process.env['CHROME_PATH'] ?? unpacked
  const args = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']
  return chromium.launch({ executablePath, args, headless: true })
}
