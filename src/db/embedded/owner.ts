import * as fs from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type Connection, messageOf } from './site.ts'

const lockWaitMs = 300

/**
 * `DATA_DIR/lock` is an empty SQLite file, for its file lock alone: the kernel frees it the moment its owner dies, so that no lock is
 * ever stale and no process id has to be believed. Never open that file with `fs`: closing it would give our own lock away (fcntl(2)).
 */
export function takeLock(dir: string): DatabaseSync | undefined {
  const path = join(dir, 'lock')
  try {
    const lock = new DatabaseSync(path, { timeout: lockWaitMs })
    try {
      fs.chmodSync(path, 0o600)
      lock.exec('begin exclusive')
      return lock
    } catch (error) {
      lock.close()
      throw error
    }
  } catch (error) {
    if (error instanceof Error && error.message === 'database is locked') return
    throw new Error(
      `Cannot lock ${path}: ${messageOf(error)}. This process needs to own DATA_DIR and its file system to support locks`,
    )
  }
}

export function readOwner(dir: string): { pid: number; connection?: Connection } | undefined {
  const path = join(dir, 'owner.json')
  return fs.existsSync(path) ? JSON.parse(fs.readFileSync(path, 'utf8')) : undefined
}

export function writeOwner(dir: string, owner: { pid: number; connection?: Connection }): void {
  const path = join(dir, 'owner.json')
  fs.writeFileSync(`${path}.new`, JSON.stringify(owner), { mode: 0o600 })
  fs.renameSync(`${path}.new`, path)
}
