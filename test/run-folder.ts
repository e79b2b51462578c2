import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { until } from './patience.ts'

const named = /^cb-test-(\d+)-/

/** The folder for all temporary files of a run; what runs that were killed left behind is removed. */
export function openRunFolder(): string {
  sweepRunFolders()
  const folder = mkdtempSync(join(tmpdir(), `cb-test-${process.pid}-`))
  // Started by root, servers of databases run as somebody else, who must get through.
  chmodSync(folder, 0o711)
  return folder
}

export function sweepRunFolders(): void {
  for (const name of readdirSync(tmpdir())) {
    const owner = named.exec(name)?.[1]
    if (owner && !isAlive(Number(owner))) rmSync(join(tmpdir(), name), { recursive: true, force: true })
  }
}

/**
 * A folder of the run with what `make` has put into it: whichever test file needs it first makes it, and the others
 * wait for that.
 */
export async function madeOnce(name: string, make: (folder: string) => Promise<void>): Promise<string> {
  const folder = join(tmpdir(), name)
  const done = `${folder}.done`
  while (!existsSync(done)) {
    if (!isFirst(folder)) {
      await until(() => existsSync(done) || !existsSync(folder))
      continue
    }
    try {
      await make(folder)
      writeFileSync(done, '')
    } catch (error) {
      rmSync(folder, { recursive: true, force: true })
      throw error
    }
  }
  return folder
}

function isFirst(folder: string): boolean {
  try {
    mkdirSync(folder)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    // Somebody else's process is one, too.
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
