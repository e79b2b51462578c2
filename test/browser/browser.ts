import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import express from 'express'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { expect, onTestFinished } from 'vitest'
import { dashboard } from '../../src/docs/dashboard.ts'
import { documentation } from '../../src/docs/pages.ts'
import type { Limits } from '../../src/limit.ts'
import { isLong } from '../long.ts'
import { patienceMs } from '../patience.ts'
import { madeOnce } from '../run-folder.ts'
import { password, startService } from '../service.ts'
import { accessibilityFaults } from './axe.ts'
import { launchChromium } from './chromium.ts'

const run = promisify(execFile)
const screenshots = new URL('screenshots/', import.meta.url).pathname
// Another theme changes colours alone, another language only texts: whether those fit is seen without axe, and what it
// says of them is asked for on the phone, which is looked at in the last language. The long form checks everything in
// all four.
const only = (...rules: string[]) => (isLong ? {} : { rules })
const looks: readonly Look[] = [
  { language: 'en', scheme: 'light' },
  { language: 'en', scheme: 'dark', ...only('color-contrast') },
  { language: 'da', scheme: 'light', ...only() },
  ...(isLong ? [{ language: 'da', scheme: 'dark' } as const] : []),
]
/** In each of those, and on a phone. */
export const checksOfState = looks.length + 1
const phone = { width: 320, height: 640 }
const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']

interface Look {
  language: 'en' | 'da'
  scheme: 'light' | 'dark'
  /** Of axe; left out, all that the guidelines ask for. */
  rules?: string[]
}

/**
 * The real service on a database of its own, the dashboard as its source is now, and a browser. As `localhost` it has
 * passkeys, which browsers keep for names alone.
 */
export async function startDashboard(limits?: Limits, host: '127.0.0.1' | 'localhost' = '127.0.0.1') {
  const built = await madeOnce('dashboard', buildAsPublished)
  const app = express()
  const server = createServer(app).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://${host}:${(server.address() as AddressInfo).port}`
  const service = await startService(undefined, undefined, { issuer: url, limits }, host)
  const pages = await dashboard(url, await documentation(url), built)
  if (!pages) throw new Error('The dashboard was not built')
  app.use(pages, service.service.app)
  const browser = await launchChromium()
  const faults: string[] = []
  let checked = 0

  /** A page in a browser context of its own. What it does that it should not is complained about when the test ends. */
  async function open(options: BrowserContextOptions = {}, home = url) {
    const context = await browser.newContext({
      viewport: { width: 1100, height: 900 },
      reducedMotion: 'reduce',
      locale: 'en-GB',
      ...options,
    })
    context.setDefaultTimeout(patienceMs)
    const page = await context.newPage()
    const complaints: string[] = []
    const expected: RegExp[] = []
    page.on(
      'request',
      (request) =>
        void (
          /^(data|blob):/.test(request.url()) ||
          request.url().startsWith(`${home}/`) ||
          complaints.push(`outside: ${request.url()}`)
        ),
    )
    page.on('console', (message) => void (message.type() === 'error' && complaints.push(message.text())))
    page.on('dialog', (dialog) => {
      complaints.push(`${dialog.type()}: ${dialog.message()}`)
      void dialog.dismiss()
    })
    page.on('pageerror', (error) => void complaints.push(error.message))
    await page.addInitScript(() =>
      addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
        console.error(`CSP ${violatedDirective} ${blockedURI}`),
      ),
    )
    onTestFinished(async () => {
      const unexpected = complaints.filter((text) => !expected.some((pattern) => pattern.test(text)))
      await context.close()
      expect(unexpected).toEqual([])
    })
    // Chromium itself notes every answer that is a failure. Opening without a session is one.
    const expectFailure = (why: number | string) =>
      expected.push(new RegExp(`^Failed to load resource: .*\\b${why}\\b`))
    expectFailure(401)
    const signIn = async (email: string, path = '/') => {
      await page.goto(url + path)
      await page.locator('input[name=email]').fill(email)
      await page.locator('input[name=password]').fill(password)
      await page.locator('button[type=submit]').click()
      await page.locator('header nav').waitFor()
    }
    return { page, context, expectFailure, signIn }
  }

  /**
   * The screen as it stands, in every language and theme, and once on a small phone: no accessibility fault, nothing
   * wider than the window, no text that is the same in both languages, and a picture to look at. What is on the screen
   * stays: language and theme change in place.
   */
  async function inspect(page: Page, name: string): Promise<void> {
    const texts = new Map<string, string>()
    for (const { language, scheme, rules } of looks) {
      await speak(page, language)
      texts.set(language, await page.locator('main, [role=dialog]').last().innerText())
      await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' })
      await page.waitForFunction((wanted) => document.documentElement.dataset['mantineColorScheme'] === wanted, scheme)
      await check(page, `${name} ${language} ${scheme}`, rules)
    }
    const window = page.viewportSize() ?? { width: 0, height: 0 }
    await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' })
    await page.setViewportSize(phone)
    await check(page, `${name} phone`)
    await page.setViewportSize(window)
    await speak(page, 'en')
    if (texts.get('da') === texts.get('en')) faults.push(`${name}: the same in both languages`)
  }

  async function check(page: Page, name: string, rules?: string[]): Promise<void> {
    if (isLong) {
      mkdirSync(screenshots, { recursive: true })
      await page.screenshot({ path: join(screenshots, `${name.replaceAll(' ', '-')}.png`), fullPage: true })
    }
    const found = rules?.length === 0 ? [] : await accessibilityFaults(page, rules ?? tags)
    faults.push(...found.map((fault) => `${name}: ${fault}`))
    const [wanted, window] = await page.evaluate(
      () => [document.documentElement.scrollWidth, document.documentElement.clientWidth] as const,
    )
    if (wanted > window) faults.push(`${name}: ${wanted} px wide in a window of ${window}`)
    faults.push(...(await page.evaluate(faintFields)).map((field) => `${name}: ${field}`))
    checked++
  }

  const close = async () => {
    await browser.close()
    server.closeAllConnections()
    server.close()
    await service.close()
  }
  return { url, built, service, open, inspect, checked: () => checked, faults, close }
}

/**
 * What axe does not look at: fields whose border is under 3:1 against what is behind them (WCAG 1.4.11). Runs in the
 * page.
 */
function faintFields(): string[] {
  const channels = (color: string) => (color.match(/[\d.]+/g) ?? []).map(Number)
  const linear = (share: number) => (share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4)
  const luminance = (color: string) => {
    const [red = 0, green = 0, blue = 0] = channels(color).map((value) => linear(value / 255))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
  }
  const behind = (element: Element | null): string => {
    const color = element ? getComputedStyle(element).backgroundColor : 'rgb(255, 255, 255)'
    return channels(color)[3] === 0 ? behind(element?.parentElement ?? null) : color
  }
  const framed = (field: Element) =>
    [field, field.parentElement].find((element) => element && getComputedStyle(element).borderTopWidth !== '0px')
  return [...document.querySelectorAll('input:not([type=hidden]), select')].flatMap((field) => {
    const frame = framed(field)
    const [dark = 0, bright = 0] = [
      luminance(frame ? getComputedStyle(frame).borderTopColor : 'rgb(0, 0, 0)'),
      luminance(behind(frame?.parentElement ?? null)),
    ].toSorted((one, other) => one - other)
    const contrast = frame ? (bright + 0.05) / (dark + 0.05) : 0
    return contrast >= 3 ? [] : [`a border of ${contrast.toFixed(2)}:1 around ${field.outerHTML}`]
  })
}

/** As if the language had been chosen in another tab. */
async function speak(page: Page, language: Look['language']): Promise<void> {
  await page.evaluate((newValue) => {
    localStorage.setItem('language', newValue)
    dispatchEvent(new StorageEvent('storage', { key: 'language', newValue }))
  }, language)
  await page.waitForFunction((wanted) => document.documentElement.lang === wanted, language)
}

/** vitest says that this is a test, with which React's much larger and slower development half would be built in. */
async function buildAsPublished(outDir: string): Promise<void> {
  const args = ['build', '--config', 'src/dashboard/vite.config.ts', '--outDir', outDir, '--logLevel', 'error']
  const env = { ...process.env, NODE_ENV: 'production' }
  await run(process.execPath, ['node_modules/vite/bin/vite.js', ...args], { env })
}

export type TestDashboard = Awaited<ReturnType<typeof startDashboard>>
