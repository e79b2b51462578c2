import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type MasterSecret, secretKeysIn } from './secrets.ts'

// The files of DATA_DIR beside the embedded database.

/** The master secrets of an embedded database: kept beside it, readable by its owner only, made at the first start. */
export function secretsIn(dataDir: string): readonly [MasterSecret, ...MasterSecret[]] {
  const path = join(dataDir, 'secrets')
  mkdirSync(dataDir, { recursive: true, mode: 0o755 })
  if (!existsSync(path))
    writeFileSync(path, `v1:${randomBytes(32).toString('base64url')}\n`, { mode: 0o600, flag: 'wx' })
  chmodSync(path, 0o600)
  return secretKeysIn(readFileSync(path, 'utf8').trim())
}

/** The file that keeps the first admin's password until it is changed, for the demo. Beside the embedded database only. */
export const firstAdminIn = (dataDir: string): string => join(dataDir, 'first-admin')

export function writeFirstAdmin(dataDir: string, admin: { email: string; password: string }): void {
  writeFileSync(firstAdminIn(dataDir), JSON.stringify(admin), { mode: 0o600 })
}

/** The file must not name a password that no longer works. */
export function forgetFirstAdmin(dataDir: string, email: string): void {
  const path = firstAdminIn(dataDir)
  if (existsSync(path) && JSON.parse(readFileSync(path, 'utf8')).email.toLowerCase() === email.toLowerCase())
    rmSync(path, { force: true })
}
