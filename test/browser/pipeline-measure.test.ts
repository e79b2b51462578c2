import { setTimeout as pause } from 'node:timers/promises'
import type { CDPSession } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fillLeads } from '../bench/world.ts'
import { isLong } from '../long.ts'
import { lead } from '../service.ts'
import { startDashboard, type TestDashboard } from './browser.ts'
import { durations, observe } from './paint.ts'

const slowdown = 4
const leadsStored = 100_000
const pushed = 200
const rounds = 12

const figures = (values: readonly number[]) => {
  const sorted = values.toSorted((one, other) => one - other)
  const at = (share: number) =>
    Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN)
  return `n=${sorted.length}, p50 ${at(0.5)} ms, p75 ${at(0.75)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms`
}

/** How long the board takes. */
describe.runIf(isLong)('the board is measured', () => {
  let dashboard: TestDashboard
  beforeAll(async () => {
    dashboard = await startDashboard()
  })
  afterAll(() => dashboard.close())

  it('from a lead that is pushed to its card', async () => {
    const { sales, website } = await dashboard.service.dealer('latency')
    const { page, signIn } = await dashboard.open()
    await signIn(sales.email)
    await page.getByText('No new leads.').waitFor()
    await page.evaluate(() => {
      const seen: Record<string, number> = {}
      Object.assign(globalThis, { seen })
      const look = () => {
        for (const { textContent } of document.querySelectorAll('.card a'))
          if (textContent) seen[textContent] ??= performance.timeOrigin + performance.now()
      }
      new MutationObserver(() => requestAnimationFrame(look)).observe(document.body, { subtree: true, childList: true })
    })
    const sent: Record<string, number> = {}
    for (let at = 0; at < pushed; at++) {
      const full = `Lead ${at}`
      sent[full] = performance.timeOrigin + performance.now()
      await dashboard.service.call('POST', '/v1/leads', {
        token: website.token,
        body: lead({ customer: { name: { full }, phones: [{ number: '32 12 34 56' }] } }),
      })
      await pause(100 + ((at * 37) % 250))
    }
    await pause(2_000)
    const seen = await page.evaluate(() => (globalThis as unknown as { seen: Record<string, number> }).seen)
    const waits = Object.entries(sent).map(([name, at]) => (seen[name] ?? Number.POSITIVE_INFINITY) - at)
    console.info(`pushed to seen: ${figures(waits)}`)
    expect(waits.every(Number.isFinite)).toBe(true)
  })

  it('with 10^5 leads, on a computer that is slowed down', async () => {
    const { sales, dealerId } = await dashboard.service.dealer('large')
    await fillLeads(
      { connection: dashboard.service.connection } as Parameters<typeof fillLeads>[0],
      dealerId,
      leadsStored,
    )
    await dashboard.service.db.raw(
      `update leads set status = (array['new', 'acknowledged', 'in_progress', 'appointment_set', 'won', 'lost', 'invalid'])[1 + get_byte(decode(replace(id::text, '-', ''), 'hex'), 15) % 7]`,
    )
    await dashboard.service.db.raw('vacuum analyze leads').catch(() => undefined)
    const { page, context, signIn } = await dashboard.open({ viewport: { width: 1600, height: 900 } })
    await signIn(sales.email)
    const cdp = await context.newCDPSession(page)

    const opened: Record<number, number[]> = {}
    for (const rate of [1, slowdown]) {
      await cdp.send('Emulation.setCPUThrottlingRate', { rate })
      const times = (opened[rate] = [] as number[])
      for (let round = 0; round < 5; round++) {
        await page.goto(`${dashboard.url}/leads`)
        await page.locator('.card').first().waitFor()
        times.push(
          await page.evaluate(async () => {
            await new Promise((painted) => requestAnimationFrame(() => requestAnimationFrame(painted)))
            return performance.now()
          }),
        )
      }
      console.info(`address to cards at ${rate} x slowdown: ${figures(times)}`)
    }
    console.info(`heap: ${await heapMb(cdp)} MB`)

    await observe(page)
    const measured: Record<string, number[]> = {
      'open the move buttons': [],
      move: [],
      'take back': [],
      'switch to the table': [],
      'switch to the board': [],
      type: [],
    }
    const add = async (name: string) => measured[name]?.push(...(await durations(page)))
    for (let round = 0; round < rounds; round++) {
      await durations(page)
      await page
        .getByRole('button', { name: /^Move / })
        .first()
        .click()
      await add('open the move buttons')
      await page
        .getByRole('group', { name: /^Move / })
        .getByRole('button')
        .first()
        .click()
      await add('move')
      await page.getByRole('button', { name: 'Undo' }).click()
      await add('take back')
      await page.getByText('Taken back.').waitFor()
      await page.getByRole('link', { name: 'Table' }).click()
      await add('switch to the table')
      await page.getByRole('row').nth(3).waitFor()
      await durations(page)
      await page.getByRole('link', { name: 'Board', exact: true }).click()
      await add('switch to the board')
      await page.locator('.card').first().waitFor()
      await page.getByLabel('Phone or e-mail').pressSequentially('20')
      await add('type')
      await page.getByLabel('Phone or e-mail').fill('')
    }
    for (const [name, values] of Object.entries(measured))
      console.info(`interaction to next paint at ${slowdown} x slowdown, ${name}: ${figures(values)}`)

    await cdp.send('Emulation.setCPUThrottlingRate', { rate: 1 })
    const scroller = page.locator('.cards').first()
    for (let count = 0; count < 60; count++) {
      await scroller.evaluate((element) => element.scrollTo(0, element.scrollHeight))
      await pause(80)
    }
    const cards = await page.locator('.card').count()
    console.info(
      `after scrolling through ${await scroller.locator('ul').evaluate((element) => Math.round(element.clientHeight / 148))} leads of a column: ${cards} cards in the page, heap ${await heapMb(cdp)} MB`,
    )
    expect(cards).toBeLessThan(150)
  })
})

async function heapMb(cdp: CDPSession): Promise<number> {
  await cdp.send('HeapProfiler.collectGarbage')
  await cdp.send('Performance.enable')
  const { metrics } = await cdp.send('Performance.getMetrics')
  return Math.round((metrics.find(({ name }) => name === 'JSHeapUsedSize')?.value ?? 0) / 1e5) / 10
}
