import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished, vi } from 'vitest'
import { until } from '../patience.ts'
import { sweepRunFolders } from '../run-folder.ts'
import { needs } from './needs.ts'

type Process = { pid: number; parent: number; name: string; startedAt: string }

/** Who is there, but those that have ended and nobody has asked how. */
function processes(): Process[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
        const [, name = '', rest = ''] = /\((.*)\) (.*)$/s.exec(stat) ?? []
        const fields = rest.split(' ')
        if (fields[0] === 'Z') return []
        return { pid: Number(pid), parent: Number(fields[1]), name, startedAt: fields[19] ?? '' }
      } catch {
        return [] // gone meanwhile
      }
    })
}

/** A process and all that it has started, and so on. */
function family(pid: number): Process[] {
  const all = processes()
  const found = all.filter((one) => one.pid === pid)
  for (const member of found) found.push(...all.filter(({ parent }) => parent === member.pid))
  return found
}

const survivors = (members: readonly Process[]) => {
  const now = processes()
  return members
    .filter(({ pid, startedAt }) => now.some((one) => one.pid === pid && one.startedAt === startedAt))
    .map(({ name }) => name)
}

const worker = ({ name }: Process) => /vitest|forks|node/.test(name)

it.each([
  ['SIGINT to the run', 'SIGINT', 'run'],
  ['SIGTERM to the run', 'SIGTERM', 'run'],
  ['SIGHUP to the run', 'SIGHUP', 'run'],
  ['kill -9 of the run', 'SIGKILL', 'run'],
  ['kill -9 of the process that tests', 'SIGKILL', 'worker'],
] as const)(
  'leaves no process behind, and no folder once the next run has begun: %s',
  needs('linux', 'setpriv'),
  async (_how, signal, whom) => {
    const folder = mkdtempSync(join(tmpdir(), 'e-'))
    chmodSync(folder, 0o711)
    const started = join(folder, 'started')
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const run = spawn(
      process.execPath,
      ['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/machines/endless/vitest.config.ts'],
      { env: { ...process.env, TMPDIR: folder, STARTED: started }, stdio: 'ignore' },
    )
    onTestFinished(() => void run.kill('SIGKILL'))
    await until(() => existsSync(started) || run.exitCode !== null)
    expect(run.exitCode).toBeNull()
    rmSync(started)

    const members = family(run.pid ?? 0)
    expect(members.length).toBeGreaterThan(10)
    const ended = once(run, 'exit')
    const victim = whom === 'run' ? run.pid : members.find((one) => one.parent === run.pid && worker(one))?.pid
    process.kill(victim ?? 0, signal)
    await ended
    await expect.poll(() => survivors(members)).toEqual([])

    vi.stubEnv('TMPDIR', folder)
    sweepRunFolders()
    vi.unstubAllEnvs()
    expect(readdirSync(folder)).toEqual([])
  },
)
