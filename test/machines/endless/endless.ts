import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'vitest'
import { startDashboard } from '../../browser/browser.ts'
import { freePort, startServer } from '../../faults/processes.ts'

it('starts all that a test may start, and never ends', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'cb-'))
  // Started by root, the server of the database runs as somebody else, who must get through.
  chmodSync(dataDir, 0o711)
  await startServer({ DATA_DIR: dataDir, TMPDIR: dataDir, PORT: String(await freePort()), WORKERS: '2' })
  const { open, url } = await startDashboard()
  const { page } = await open()
  await page.goto(url)
  writeFileSync(process.env['STARTED'] ?? '', '')
  await new Promise(() => undefined)
})
