import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

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

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    // Somebody else's process is one, too.
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
