import { execFile } from 'node:child_process'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { environment } from './account.ts'
import type { Log } from './site.ts'

const signalSecondsMax = 10

/** After a kill -9 of its owner a server may live on, either ending by itself or, without setpriv, for good. */
export async function stopPredecessor(cluster: string, log: Log): Promise<void> {
  const pid = Number.parseInt(readPidFile(cluster)[0] ?? '', 10)
  if (Number.isNaN(pid)) return
  if (await isServerOf(cluster, pid)) {
    log('warn', `Stopping the PostgreSQL that an earlier process left behind`, { pid })
    let gone = false
    const watching = (async () => {
      while (await isServerOf(cluster, pid)) await sleep(20)
      gone = true
    })()
    await shutDown(
      (signal) => process.kill(pid, signal),
      () => gone,
    )
    await watching
  }
  // PostgreSQL takes any live process with the number in this file for its predecessor, and after a reboot numbers come
  // again.
  fs.rmSync(join(cluster, 'postmaster.pid'), { force: true })
}

/** The first line is the process id, the eighth the state. A server that is just ending removes the file. */
export function readPidFile(cluster: string): string[] {
  try {
    return fs.readFileSync(join(cluster, 'postmaster.pid'), 'utf8').split('\n')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
}

/** An orphan is one whose data directory, which every postmaster has as its working directory, is ours. */
async function isServerOf(cluster: string, pid: number): Promise<boolean> {
  try {
    if (process.platform === 'linux')
      return worksIn(cluster, pid) && !fs.readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')
    return (
      await promisify(execFile)('ps', ['-o', 'command=', '-p', String(pid)], { env: environment() })
    ).stdout.includes(cluster)
  } catch {
    return false
  }
}

function worksIn(cluster: string, pid: number): boolean {
  try {
    return fs.readlinkSync(`/proc/${pid}/cwd`) === cluster
  } catch {
    // Without CAP_SYS_PTRACE, as in most containers, root may not see this of another user's process, but the command
    // line it may.
    const [command = '', ...args] = fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    return command.endsWith('postgres') && args.includes(cluster)
  }
}

/** SIGINT ends sessions and writes a checkpoint; SIGQUIT does not wait for that, and SIGKILL for nothing. */
export async function shutDown(kill: (signal: NodeJS.Signals) => void, isGone: () => boolean): Promise<void> {
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
    if (isGone()) return
    try {
      kill(signal)
    } catch {
      // It went between the look and the signal.
    }
    for (const deadline = Date.now() + signalSecondsMax * 1000; Date.now() < deadline && !isGone();) await sleep(10)
  }
}
