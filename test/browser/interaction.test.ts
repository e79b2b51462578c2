import { expect, it, onTestFinished } from 'vitest'
import { isLong } from '../long.ts'
import { startDashboard } from './browser.ts'
import { durations, observe } from './paint.ts'

const slowdown = 4
const rounds = 10

/** How long the page takes from an interaction to the next paint, on a computer that is slowed down. */
it.runIf(isLong)('is measured: interaction to next paint', async () => {
  const dashboard = await startDashboard()
  onTestFinished(() => dashboard.close())
  const { admin } = await dashboard.service.dealer('interaction')
  const { page, context, signIn } = await dashboard.open()
  await signIn(admin.email, '/settings/integrations')
  await page.getByRole('link', { name: 'DMS Sync' }).waitFor()
  await observe(page)
  const cdp = await context.newCDPSession(page)
  await cdp.send('Emulation.setCPUThrottlingRate', { rate: slowdown })

  const dialog = page.getByRole('dialog')
  const measured: Record<string, number[]> = { open: [], type: [], language: [] }
  for (let round = 0; round < rounds; round++) {
    await durations(page)
    await page.getByRole('button', { name: 'Create a key for extensive integrations' }).click()
    await dialog.getByLabel('Name').waitFor()
    measured['open']?.push(...(await durations(page)))
    await dialog.getByLabel('Name').pressSequentially(`Measured ${round}`)
    measured['type']?.push(...(await durations(page)))
    if (round < rounds - 1) await page.keyboard.press('Escape')
    else await dialog.getByRole('button', { name: 'Create key' }).click()
    if (round < rounds - 1) await dialog.waitFor({ state: 'hidden' })
  }
  await dialog.getByLabel('I have saved this key').check()
  await dialog.getByRole('button', { name: 'Continue' }).click()
  await dialog.getByLabel('Language of the example').focus()
  await durations(page)
  for (let round = 0; round < rounds * 2; round++) {
    await page.keyboard.press(round % 5 === 4 ? 'Home' : 'ArrowDown')
    measured['language']?.push(...(await durations(page)))
  }
  for (const [name, values] of Object.entries(measured)) {
    const sorted = values.toSorted((one, other) => one - other)
    console.info(
      `interaction to next paint at ${slowdown} x slowdown, ${name}: n=${sorted.length}, p50 ${sorted[Math.floor(sorted.length / 2)]} ms, p75 ${sorted[Math.floor(sorted.length * 0.75)]} ms, max ${sorted.at(-1)} ms`,
    )
    expect([name, sorted.length]).toEqual([name, expect.toSatisfy((count: number) => count > 0)])
  }
})
