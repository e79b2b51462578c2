import { existsSync } from 'node:fs'

const setpriv = '/usr/bin/setpriv'
const isHere = process.platform === 'linux' && existsSync(setpriv)

/**
 * What to spawn for `node args`: a process that the kernel ends when this one is gone, whatever ended it. What it
 * started in its turn goes with it: a service sees to that for its workers and its database.
 */
export const onLeash = (...args: string[]): [command: string, args: string[]] =>
  isHere ? [setpriv, ['--pdeathsig', 'KILL', process.execPath, ...args]] : [process.execPath, args]

/** What a process is given of the environment of this one, and nothing else. */
export const bareEnvironment = {
  PATH: process.env['PATH'] ?? '',
  ...(process.env['NODE_COMPILE_CACHE'] !== undefined && { NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] }),
}
