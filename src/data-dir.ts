import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeFolderDurably, removeDurably, writeDurably } from './files.ts'
import { Refusal } from './refusal.ts'
import { type MasterSecret, secretKeysIn } from './secrets.ts'

// The files of DATA_DIR beside the embedded database: `secrets`, which nothing can replace, and `first-admin`, which
// nothing needs.

export type Masters = readonly [MasterSecret, ...MasterSecret[]]

export interface FirstAdmin {
  email: string
  password: string
}

const ownerOnly = 0o600

export const secretsPath = (dataDir: string): string => join(dataDir, 'secrets')
export const firstAdminPath = (dataDir: string): string => join(dataDir, 'first-admin')

/** Where the secrets are, if they are: the database that was written with them must be there, too. */
export function keptSecretsPath(dataDir: string): string | undefined {
  const path = secretsPath(dataDir)
  try {
    return isBlank(textIn(path) ?? '') ? undefined : path
  } catch {
    return path // they are somebody else's
  }
}

/**
 * The master secrets of an embedded database, readable by its owner only.
 *
 * @throws {Refusal} when the file is missing or damaged: with others, nothing that was hashed or
 *   wrapped could be used again.
 */
export function readSecrets(dataDir: string): Masters {
  const path = secretsPath(dataDir)
  const text = textIn(path)
  if (text === undefined || isBlank(text))
    throw new Refusal(
      `${path} is ${text === undefined ? 'missing' : 'empty'}, and the database was written with what it held. Bring the file back from your backup: with other secrets no API key, no session and no access token would ever work again, so none are made`,
    )
  chmodSync(path, ownerOnly)
  try {
    return secretKeysIn(text.trim())
  } catch {
    throw new Refusal(
      `${path} is damaged: it should hold one line, v1:<32 bytes as base64url>. Bring the file back from your backup`,
    )
  }
}

/**
 * As `readSecrets`, but makes them where nothing depends on them yet: at the first start, and after a power cut in the
 * middle of it.
 */
export function readOrMakeSecrets(dataDir: string, isWrittenWith: boolean): Masters {
  const path = secretsPath(dataDir)
  if (!isWrittenWith && isBlank(textIn(path) ?? '')) {
    makeFolderDurably(dataDir, 0o755)
    writeDurably(path, `v1:${randomBytes(32).toString('base64url')}\n`, ownerOnly)
  }
  return readSecrets(dataDir)
}

/** The first admin's password until it is changed, for the demo; undefined when the file is missing or damaged. */
export function readFirstAdmin(dataDir: string): FirstAdmin | undefined {
  try {
    const { email, password } = JSON.parse(textIn(firstAdminPath(dataDir)) ?? '{}')
    return typeof email === 'string' && typeof password === 'string' ? { email, password } : undefined
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined
    throw error
  }
}

export function writeFirstAdmin(dataDir: string, admin: FirstAdmin): void {
  writeDurably(firstAdminPath(dataDir), JSON.stringify(admin), ownerOnly)
}

/** The file must not name a password that no longer works. */
export function forgetFirstAdmin(dataDir: string, email: string): void {
  if (readFirstAdmin(dataDir)?.email.toLowerCase() === email.toLowerCase()) removeDurably(firstAdminPath(dataDir))
}

function textIn(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined
}

/** What a power cut leaves of a file that was not synced: nothing, or zeros. */
function isBlank(text: string): boolean {
  return /^[\s\0]*$/.test(text)
}
