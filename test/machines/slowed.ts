import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

const slowness = 6
const periodMicroseconds = 100_000
/** The largest weights of both interfaces: what else this machine does takes nothing from the sixth. */
const weights = { second: 10_000, first: 262_144 }
const goneSecondsMax = 10

/**
 * A control group that gets a sixth of this machine's time, no more and no less. Both versions of the kernel's
 * interface are known.
 */
export function makeGroup(name: string): string {
  const isSecond = existsSync('/sys/fs/cgroup/cgroup.controllers')
  const root = isSecond ? '/sys/fs/cgroup' : '/sys/fs/cgroup/cpu'
  const group = join(root, `cb-${name}-${process.pid}`)
  const quota = Math.round((periodMicroseconds * availableParallelism()) / slowness)
  if (isSecond) writeFileSync(join(root, 'cgroup.subtree_control'), '+cpu')
  mkdirSync(group)
  if (isSecond) {
    writeFileSync(join(group, 'cpu.max'), `${quota} ${periodMicroseconds}`)
    writeFileSync(join(group, 'cpu.weight'), String(weights.second))
  } else {
    writeFileSync(join(group, 'cpu.cfs_period_us'), String(periodMicroseconds))
    writeFileSync(join(group, 'cpu.cfs_quota_us'), String(quota))
    writeFileSync(join(group, 'cpu.shares'), String(weights.first))
  }
  return group
}

/** A group goes once the last of its processes has. */
async function removeGroup(group: string): Promise<void> {
  for (const deadline = Date.now() + goneSecondsMax * 1000; ; await pause(50)) {
    try {
      return rmdirSync(group)
    } catch (error) {
      if (Date.now() > deadline) throw error
    }
  }
}

/** Runs a command, and all that it starts, on a machine six times slower. Its exit code. */
export async function slowed(command: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<number> {
  const group = makeGroup('slowed')
  try {
    const enter = 'echo $$ > "$0/cgroup.procs" && exec "$@"'
    const child = spawn('/bin/sh', ['-c', enter, group, ...command], { stdio: 'inherit', env })
    const [code] = await once(child, 'exit')
    return code ?? 1
  } finally {
    await removeGroup(group)
  }
}

/** The suite, or the files of it that are named. */
export const slowedSuite = (files: readonly string[], env?: NodeJS.ProcessEnv): Promise<number> =>
  slowed(
    [process.execPath, 'node_modules/vitest/vitest.mjs', 'run', '--config', 'test/vitest.config.ts', ...files],
    env,
  )

if (import.meta.main) process.exitCode = await slowedSuite(process.argv.slice(2))
