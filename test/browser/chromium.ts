import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Browser, chromium } from 'playwright-core'
import { madeOnce } from '../run-folder.ts'

const run = promisify(execFile)
const args = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** Chromium from npm, unpacked for this run: another version's unpacked browser must not be taken for it. */
export async function launchChromium(): Promise<Browser> {
  const own = process.env['CHROME_PATH']
  const folder = await madeOnce('chromium', own === undefined ? unpack : writeFontConfiguration)
  return chromium.launch({
    executablePath: own ?? join(folder, 'chromium'),
    args,
    headless: true,
    env: {
      ...process.env,
      FONTCONFIG_FILE: join(folder, 'fonts.conf'),
      ...(own === undefined && { LD_LIBRARY_PATH: join(folder, 'al2023', 'lib') }),
    },
  })
}

/** In a process of its own: the package goes by the environment, and changes it. */
async function unpack(folder: string): Promise<void> {
  await writeFontConfiguration(folder)
  const script = "await (await import('@sparticuz/chromium')).default.executablePath()"
  const env = { ...process.env, TMPDIR: folder, AWS_LAMBDA_JS_RUNTIME: 'nodejs22.x' }
  await run(process.execPath, ['--input-type=module', '-e', script], { env })
}

/**
 * Its own configuration looks for fonts in /tmp/fonts only; without a font every text is empty, and Swagger makes
 * Chromium crash.
 */
async function writeFontConfiguration(folder: string): Promise<void> {
  writeFileSync(
    join(folder, 'fonts.conf'),
    `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig><dir>${folder}/fonts</dir><dir>/usr/share/fonts</dir><cachedir>${folder}/font-cache</cachedir></fontconfig>`,
  )
}
