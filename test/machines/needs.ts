import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished, type TestOptions } from 'vitest'
import { checkOut } from '../checked-out.ts'
import { isLong } from '../long.ts'
import { makeGroup } from './slowed.ts'

declare module 'vitest' {
  interface TaskMeta {
    /** What this machine lacks, for the closing summary. */
    missing?: string
  }
}

/** The last commit whose programs have to go on beside a start of this one. */
const versionBefore = '8492326'

/** A folder with its code and packages; gone when the test is over. */
export function checkOutVersionBefore(): string {
  const folder = mkdtempSync(join(tmpdir(), 'cb-version-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  checkOut(versionBefore, folder)
  return folder
}

const probeSecondsMax = 20

/** Throws when it is not there. */
const run = (file: string, ...args: string[]): string =>
  execFileSync(file, args, { stdio: ['ignore', 'pipe', 'ignore'], encoding: 'utf8', timeout: probeSecondsMax * 1000 })

/** Mounts something on a folder of its own, to see whether it can be done. */
function tryMount(...args: string[]): void {
  const folder = mkdtempSync(join(tmpdir(), 'cb-probe-'))
  try {
    run('mount', ...args, folder)
    run('umount', folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/**
 * What a test may need beyond npm, and how to see that it is here. A probe tries the thing itself: a container often
 * has the command alone.
 */
const probes = {
  'LONG=1': () => {
    if (!isLong) throw new Error('Not asked for')
  },
  'git history': () => run('git', 'cat-file', '-e', `${versionBefore}^{commit}`),
  linux: () => {
    if (process.platform !== 'linux') throw new Error('Another system')
  },
  root: () => {
    if (process.getuid?.() !== 0) throw new Error('Somebody else')
  },
  'ip netns': () => {
    const name = `cb-probe-${process.pid}`
    run('ip', 'netns', 'add', name)
    run('ip', 'netns', 'delete', name)
  },
  setpriv: () => run('/usr/bin/setpriv', '--version'),
  iptables: () => run('iptables', '--wait', '--list', '--numeric'),
  tmpfs: () => tryMount('-t', 'tmpfs', 'tmpfs'),
  'ext4 loop device': () => {
    const folder = mkdtempSync(join(tmpdir(), 'cb-probe-'))
    try {
      const image = join(folder, 'image')
      run('truncate', '--size=16M', image)
      run('mkfs.ext4', '-q', image)
      tryMount('-o', 'loop', image)
    } finally {
      rmSync(folder, { recursive: true })
    }
  },
  'xfs reflink in a mount namespace': () => {
    const folder = mkdtempSync(join(tmpdir(), 'cb-probe-'))
    try {
      const script = `set -e
cd "$0"
mkdir at
truncate --size=512M image
mkfs.xfs -q -m reflink=1 image
mount -o loop image at
echo one > at/one
cp --reflink=always at/one at/other`
      run('unshare', '--mount', '/bin/sh', '-c', script, folder)
      run('nsenter', '--version')
    } finally {
      rmSync(folder, { recursive: true })
    }
  },
  eatmydata: () => run('eatmydata', 'true'),
  'cpu cgroup': () => rmdirSync(makeGroup('probe')),
  faketime: () => run('faketime', '--version'),
  strace: () => run('strace', '--version'),
  nginx: () => run('nginx', '-v'),
  pgbouncer: () => run('pgbouncer', '--version'),
  go: () => run('go', 'version'),
  'python3 venv': () => run('python3', '-c', 'import venv, ensurepip'),
  'java and maven': () => [run('javac', '-version'), run('mvn', '-version')],
  cargo: () => run('cargo', '--version'),
  // Packages of Debian; Composer's and RubyGems' own are not everywhere to be had.
  'php with guzzle': () => run('php', '-r', 'require "GuzzleHttp/autoload.php"; curl_version(); mb_strlen("");'),
  'ruby with typhoeus': () => run('ruby', '-e', 'require "typhoeus"'),
  'PostgreSQL 15': () => run('/usr/lib/postgresql/15/bin/postgres', '--version'),
}

export type Need = keyof typeof probes

const found = new Map<Need, boolean>()

function isHere(need: Need): boolean {
  let here = found.get(need)
  if (here === undefined) {
    try {
      probes[need]()
      here = true
    } catch {
      here = false
    }
    found.set(need, here)
  }
  return here
}

/**
 * Options for `it` or `describe`: what it needs beyond npm. Where something is missing it is left out, and the closing
 * summary names it.
 *
 *     describe('a black hole', needs('root', 'ip netns', 'iptables'), () => ...)
 */
export function needs(...wanted: Need[]): TestOptions {
  const missing = wanted.filter((need) => !isHere(need))
  return missing.length === 0 ? {} : { skip: true, meta: { missing: missing.join(', ') } }
}
