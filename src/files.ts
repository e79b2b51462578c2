import * as nodeFs from 'node:fs'
import { dirname, join } from 'node:path'

// What is written here survives a power cut once the function has returned. fsync of a file does not keep its name:
// that is the folder's.

/** What is used of node:fs, so that a test can cut the power between two calls. */
export type Disk = Pick<
  typeof nodeFs,
  'openSync' | 'writeFileSync' | 'fsyncSync' | 'closeSync' | 'renameSync' | 'rmSync' | 'mkdirSync' | 'realpathSync'
>

/** Puts `content` at `path`, which at every moment holds all of it or what was there before. */
export function writeDurably(path: string, content: string, mode: number, disk: Disk = nodeFs): void {
  const draft = `${path}.new`
  // A draft that a power cut left may be of another mode.
  disk.rmSync(draft, { force: true })
  const file = disk.openSync(draft, 'wx', mode)
  try {
    disk.writeFileSync(file, content)
    disk.fsyncSync(file)
  } finally {
    disk.closeSync(file)
  }
  disk.renameSync(draft, path)
  syncFolder(dirname(path), disk)
}

export function removeDurably(path: string, disk: Disk = nodeFs): void {
  disk.rmSync(path, { force: true })
  syncFolder(dirname(path), disk)
}

/**
 * Makes a folder and what is missing above it. An earlier process may have ended between making one and keeping its
 * name, so the folders above it are synced whoever made them; those that were there already may refuse it.
 */
export function makeFolderDurably(path: string, mode: number, disk: Disk = nodeFs): void {
  const firstMade = disk.mkdirSync(path, { recursive: true, mode })
  const made = firstMade === undefined ? undefined : disk.realpathSync(firstMade)
  let isOurs = made !== undefined
  for (let folder = disk.realpathSync(path); folder !== dirname(folder); folder = dirname(folder)) {
    try {
      syncFolder(dirname(folder), disk)
    } catch (error) {
      if (isOurs || !isRefusal(error)) throw error
    }
    if (folder === made) isOurs = false
  }
}

function isRefusal(error: unknown): boolean {
  return (
    error instanceof Error && 'code' in error && ['EACCES', 'EPERM', 'EROFS', 'EINVAL'].includes(String(error.code))
  )
}

/** Syncs all that lies in a folder, and the folder; its own name is not kept by this. */
export function syncTree(path: string, disk: Disk = nodeFs): void {
  const entries = nodeFs.readdirSync(path, { recursive: true, withFileTypes: true })
  for (const entry of entries) {
    const inside = join(entry.parentPath, entry.name)
    if (entry.isFile() || entry.isDirectory()) sync(inside, disk)
  }
  sync(path, disk)
}

export const syncFolder = (path: string, disk: Disk = nodeFs): void => sync(path, disk)

function sync(path: string, disk: Disk): void {
  const handle = disk.openSync(path, 'r')
  try {
    disk.fsyncSync(handle)
  } finally {
    disk.closeSync(handle)
  }
}
