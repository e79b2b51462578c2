import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Refusal } from '../../refusal.ts'
import { type Account, canEnter, userIdOf } from './account.ts'
import { port, shortHash } from './site.ts'

/** Linux allows 107 bytes, macOS 103. */
const socketPathBytesMax = 103

/**
 * Sockets need a short path, which DATA_DIR need not have. Where somebody sits on the usual one, so that nobody could
 * start, another is taken: whoever wants to connect reads in DATA_DIR which.
 */
export async function chooseSocketFolder(dir: string, account: Account): Promise<string> {
  for (const base of [tmpdir(), '/tmp']) {
    const usual = join(base, `carbuddii-${userIdOf(account)}-${shortHash(dir)}`)
    const folder = isUsable(usual, account) ? usual : `${usual}-${randomBytes(4).toString('hex')}`
    const length = Buffer.byteLength(join(folder, `.s.PGSQL.${port}`))
    if (length <= socketPathBytesMax && (!account || (await canEnter(base, account)))) return folder
  }
  throw new Refusal(
    `User id ${userIdOf(account)} cannot reach ${tmpdir()} or /tmp for its socket: set TMPDIR to a folder with a short path`,
  )
}

/** Fails rather than use a folder that somebody else made: whoever owns it could put a socket of their own there. */
export function makeSocketFolder(folder: string, account: Account): void {
  const uid = userIdOf(account)
  try {
    fs.mkdirSync(folder, { mode: 0o700 })
    if (account) fs.chownSync(folder, account.uid, account.gid)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
  if (!isUsable(folder, account))
    throw new Refusal(
      `${folder} must be a folder of user id ${uid} that nobody else may enter: remove it, or set TMPDIR`,
    )
}

/** Whether it is a folder of the account that nobody else may enter, or nothing yet. */
function isUsable(folder: string, account: Account): boolean {
  const found = fs.lstatSync(folder, { throwIfNoEntry: false })
  return !found || (found.isDirectory() && found.uid === userIdOf(account) && (found.mode & 0o077) === 0)
}
