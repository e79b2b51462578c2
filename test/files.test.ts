import { basename, dirname } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type Disk, makeFolderDurably, removeDurably, writeDurably } from '../src/files.ts'

type Inode = { written: string; kept: string } | Folder
interface Folder {
  entries: Map<string, Inode>
  keptEntries: Map<string, Inode>
}

class PowerCut extends Error {}

const isFolder = (inode: Inode | undefined): inode is Folder => inode !== undefined && 'entries' in inode
const newFolder = (): Folder => ({ entries: new Map(), keptEntries: new Map() })

/**
 * A disk that keeps nothing but what was synced: a file's content by its own fsync, its name by that of its folder. The
 * power goes at call number `cutAt`, before it has any effect.
 */
class ForgetfulDisk {
  root = newFolder()
  calls = 0
  cutAt = Number.POSITIVE_INFINITY
  private open = new Map<number, Inode>()

  /** What `path` may hold after the power was cut now: names that were not synced may be there, or not. */
  afterCut(path: string): Set<string | undefined> {
    const held = (folder: Folder | undefined, [name = '', ...below]: string[]): (string | undefined)[] =>
      ['entries' as const, 'keptEntries' as const].flatMap((kind) => {
        const inode = folder?.[kind].get(name)
        if (below.length > 0) return held(isFolder(inode) ? inode : undefined, below)
        return [inode === undefined || isFolder(inode) ? undefined : inode.kept]
      })
    return new Set(held(this.root, path.split('/').slice(1)))
  }

  /** The calls that src/files.ts makes. The cast: of each, only the overload that is used. */
  asDisk(): Disk {
    return {
      openSync: (path: string, flags: string) => {
        this.step()
        let inode = this.at(path)
        if (flags.startsWith('w')) {
          if (inode && flags === 'wx') throw new Error(`${path} is there`)
          inode = { written: '', kept: '' }
          this.folderOf(path).entries.set(basename(path), inode)
        }
        if (!inode) throw new Error(`${path} is not there`)
        const handle = this.calls
        this.open.set(handle, inode)
        return handle
      },
      writeFileSync: (handle: number, content: string) => {
        this.step()
        const inode = this.open.get(handle)
        if (inode && !isFolder(inode)) inode.written = content
      },
      fsyncSync: (handle: number) => {
        this.step()
        const inode = this.open.get(handle)
        if (isFolder(inode)) inode.keptEntries = new Map(inode.entries)
        else if (inode) inode.kept = inode.written
      },
      closeSync: (handle: number) => void this.open.delete(handle),
      renameSync: (from: string, to: string) => {
        this.step()
        const inode = this.at(from)
        if (!inode) throw new Error(`${from} is not there`)
        this.folderOf(from).entries.delete(basename(from))
        this.folderOf(to).entries.set(basename(to), inode)
      },
      rmSync: (path: string) => {
        this.step()
        this.folderOf(path).entries.delete(basename(path))
      },
      mkdirSync: (path: string) => {
        this.step()
        if (this.at(path)) return undefined
        const first = this.at(dirname(path)) ? path : this.asDisk().mkdirSync(dirname(path), { recursive: true })
        this.folderOf(path).entries.set(basename(path), newFolder())
        return first
      },
      realpathSync: (path: string) => path,
    } as unknown as Disk
  }

  private step(): void {
    // Nothing has an effect after it, whatever the caller makes of the error.
    if (++this.calls >= this.cutAt) throw new PowerCut()
  }

  private at(path: string): Inode | undefined {
    let inode: Inode | undefined = this.root
    for (const name of path.split('/').filter(Boolean)) inode = isFolder(inode) ? inode.entries.get(name) : undefined
    return inode
  }

  private folderOf(path: string): Folder {
    const folder = this.at(dirname(path))
    if (!isFolder(folder)) throw new Error(`${dirname(path)} is no folder`)
    return folder
  }
}

/** What `path` may hold after a power cut at each step of `work`, and once it is done; `before` is done and kept. */
function outcomes(path: string, work: (disk: Disk) => void, before: (disk: Disk) => void = () => undefined) {
  const during = new Set<string | undefined>()
  for (let cutAt = 1; ; cutAt++) {
    const disk = new ForgetfulDisk()
    before(disk.asDisk())
    disk.cutAt = disk.calls + cutAt
    try {
      work(disk.asDisk())
      if (disk.calls >= disk.cutAt) throw new PowerCut()
      return { during, after: disk.afterCut(path) }
    } catch (error) {
      if (!(error instanceof PowerCut)) throw error
      for (const held of disk.afterCut(path)) during.add(held)
    }
  }
}

const path = '/srv/data/secrets'
const made = (disk: Disk) => makeFolderDurably('/srv/data', 0o700, disk)
const write = (content: string) => (disk: Disk) => writeDurably(path, content, 0o600, disk)

describe('a file that is written', () => {
  it('is whole or not there when the power is cut, and there once the call has returned', () => {
    expect(outcomes(path, write('new'), made)).toEqual({ during: new Set([undefined, 'new']), after: new Set(['new']) })
  })

  it('is the old or the new one when it was there before, also beside the draft of an earlier try', () => {
    const before = (disk: Disk) => {
      made(disk)
      write('old')(disk)
      disk.openSync(`${path}.new`, 'w')
    }
    expect(outcomes(path, write('new'), before)).toEqual({ during: new Set(['old', 'new']), after: new Set(['new']) })
  })

  it('is gone for good once it was removed', () => {
    const before = (disk: Disk) => {
      made(disk)
      write('old')(disk)
    }
    const { during, after } = outcomes(path, (disk) => removeDurably(path, disk), before)
    expect([during, after]).toEqual([new Set(['old', undefined]), new Set([undefined])])
  })

  it('stays in its folders, also in those that an earlier process made and did not keep', () => {
    const both = (disk: Disk) => {
      made(disk)
      write('new')(disk)
    }
    expect(outcomes(path, both).after).toEqual(new Set(['new']))
    const unkept = (disk: Disk) => void disk.mkdirSync('/srv/data', { recursive: true })
    expect(outcomes(path, both, unkept).after).toEqual(new Set(['new']))
  })
})

describe('the forgetful disk', () => {
  const plainly = (disk: Disk) => {
    const handle = disk.openSync(path, 'w')
    disk.writeFileSync(handle, 'new')
    disk.closeSync(handle)
  }

  it('empties or loses a file that is only written', () => {
    expect(outcomes(path, plainly, made).after).toEqual(new Set([undefined, '']))
  })

  it('loses the name of a file that is synced in a folder that is not', () => {
    const synced = (disk: Disk) => {
      const handle = disk.openSync(path, 'w')
      disk.writeFileSync(handle, 'new')
      disk.fsyncSync(handle)
    }
    expect(outcomes(path, synced, made).after).toEqual(new Set([undefined, 'new']))
  })

  it('loses a folder whose parent was not synced, with all that was kept in it', () => {
    const unkept = (disk: Disk) => void disk.mkdirSync('/srv/data', { recursive: true })
    expect(outcomes(path, write('new'), unkept).after).toEqual(new Set([undefined, 'new']))
  })
})
