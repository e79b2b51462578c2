import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { onTestFinished } from 'vitest'
import type { LogLine } from '../faults/processes.ts'
import { until } from '../patience.ts'

// Two sparse files: the disk, and what the disk and its copies lie on.
const outerSize = '8G'
const diskSize = '2G'

/** An ext4 with default options, as a machine has it, whose power can be cut. */
export interface Disk {
  /** Where services find it. */
  readonly folder: string
  /** What has a name on it now, be it on the way to it. */
  names(path: string): string[]
  read(path: string): string
  /**
   * What a power cut at this moment would leave: a copy by reflink of all that the file system has handed to its
   * device, in the order in which it did. What it had in its memory alone is not in the copy. A device that loses what
   * it was handed and not told to flush would leave less: that is not seen here.
   */
  cut(): Promise<string>
  /** Hands all that is in memory to the device, whether or not anybody asked for it. */
  sync(): Promise<void>
  /** From now on the disk is this copy, whose journal is replayed. Nobody may be using the disk. */
  mount(cut: string): Promise<void>
  /** Starts the service of a folder with source. */
  start(root: string, env: Record<string, string>, wrapper?: readonly string[]): Running
}

export interface Running {
  readonly lines: LogLine[]
  /** What people were told. */
  told(): string
  hasEnded(): boolean
  /** With kill -9, which leaves it no time to write anything. */
  end(): Promise<void>
}

const prepare = `
set -e
cd "$0"
mkdir below disk
truncate --size=${outerSize} below.img
mkfs.xfs -q -m reflink=1 below.img
mount -o loop below.img below
truncate --size=${diskSize} below/disk.img
mkfs.ext4 -q below/disk.img
mount -o loop below/disk.img disk
echo mounted
exec sleep infinity
`

/** It is mounted in a namespace of its own, so whatever ends the test leaves nothing mounted. */
export async function openDisk(): Promise<Disk> {
  const at = mkdtempSync(join(tmpdir(), 'cb-power-'))
  // The server of the database runs as somebody else, who must get through.
  chmodSync(at, 0o711)
  onTestFinished(() => rmSync(at, { recursive: true, force: true }))
  const keeper = spawn('setpriv', ['--pdeathsig', 'KILL', 'unshare', '--mount', '/bin/sh', '-c', prepare, at], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => end(keeper))
  const [line] = await Promise.race([once(keeper.stdout, 'data'), once(keeper, 'exit')])
  if (String(line).trim() !== 'mounted') throw new Error('The disk could not be mounted')

  const inside = ['nsenter', `--mount=/proc/${keeper.pid}/ns/mnt`]
  const run = async (...command: string[]) => {
    const [file = '', ...args] = [...inside, ...command]
    await promisify(execFile)(file, args)
  }
  const folder = join(at, 'disk')
  const seen = (path: string) => join(`/proc/${keeper.pid}/root${folder}`, path)
  let cuts = 0
  return {
    folder,
    names: (path) => {
      try {
        return readdirSync(seen(path))
      } catch {
        return [] // not there yet, or not any more
      }
    },
    read: (path) => readFileSync(seen(path), 'utf8'),
    cut: async () => {
      const cut = join(at, 'below', `cut-${cuts++}.img`)
      await run('cp', '--reflink=always', join(at, 'below', 'disk.img'), cut)
      return cut
    },
    sync: () => run('sync', '--file-system', folder),
    mount: async (cut) => {
      // The database of a service that was killed takes a moment to end.
      await until(() =>
        run('umount', folder).then(
          () => true,
          () => false,
        ),
      )
      await run('mount', '-o', 'loop', cut, folder)
    },
    start: (root, env, wrapper = []) => {
      const child = spawn(
        'setpriv',
        [
          ...['--pdeathsig', 'KILL', ...inside, 'env', `--chdir=${resolve(root)}`],
          ...[...wrapper, process.execPath, 'src/main.ts'],
        ],
        { env: { PATH: process.env['PATH'], TMPDIR: tmpdir(), DATA_DIR: join(folder, 'data'), LIMITS: 'off', ...env } },
      )
      onTestFinished(() => end(child))
      const lines: LogLine[] = []
      let told = ''
      createInterface({ input: child.stdout }).on('line', (line) => {
        if (line.startsWith('{')) lines.push(JSON.parse(line))
        else told += `${line}\n`
      })
      child.stderr.setEncoding('utf8').on('data', (text: string) => (told += text))
      return { lines, told: () => told, hasEnded: () => hasEnded(child), end: () => end(child) }
    },
  }
}

const hasEnded = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null

async function end(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return
  const ended = once(child, 'close')
  child.kill('SIGKILL')
  await ended
}
