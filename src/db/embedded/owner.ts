import * as fs from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { writeDurably } from '../../files.ts'
import { Refusal } from '../../refusal.ts'
import { type Connection, messageOf } from './site.ts'

const lockWaitMs = 300

/**
 * `DATA_DIR/lock` is an empty SQLite file, for its file lock alone: the kernel frees it the moment its owner dies, so
 * that no lock is ever stale and no process id has to be believed. Never open that file with `fs`: closing it would
 * give our own lock away (fcntl(2)).
 */
export function takeLock(dir: string): DatabaseSync | undefined {
  const path = join(dir, 'lock')
  try {
    return lockedFile(path)
  } catch (error) {
    if (error instanceof Error && error.message === 'database is locked') return
    if (error instanceof Error && error.message === 'file is not a database') {
      // Nobody holds it, or that would have been said first; what it contains means nothing, and whoever is faster than
      // we are keeps its lock.
      fs.truncateSync(path)
      return takeLock(dir)
    }
    throw new Refusal(
      `Cannot lock ${path}: ${messageOf(error)}. This process needs to own DATA_DIR and its file system to support locks`,
    )
  }
}

function lockedFile(path: string): DatabaseSync {
  const lock = new DatabaseSync(path, { timeout: lockWaitMs })
  try {
    fs.chmodSync(path, 0o600)
    lock.exec('begin exclusive')
    return lock
  } catch (error) {
    lock.close()
    throw error
  }
}

export function readOwner(dir: string): { pid: number; connection?: Connection } | undefined {
  try {
    const { pid, connection } = JSON.parse(fs.readFileSync(join(dir, 'owner.json'), 'utf8'))
    return typeof pid === 'number' ? { pid, connection } : undefined
  } catch {
    // It only says who holds the lock. Missing or damaged, whoever starts next writes it again.
    return undefined
  }
}

export function writeOwner(dir: string, owner: { pid: number; connection?: Connection }): void {
  writeDurably(join(dir, 'owner.json'), JSON.stringify(owner), 0o600)
}
