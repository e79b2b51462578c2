import { execFile } from 'node:child_process'
import * as fs from 'node:fs'
import { promisify } from 'node:util'
import { Refusal } from '../../refusal.ts'

/**
 * Who runs the server. `undefined` is this process's own user; root has to hand over, because PostgreSQL refuses root.
 */
export type Account = { uid: number; gid: number } | undefined

export const isRoot = () => process.getuid?.() === 0

export function serverAccount(): Account {
  const users = fs
    .readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
  const [, , uid, gid] = users.find(([name]) => name === 'postgres') ?? users.find(([name]) => name === 'nobody') ?? []
  if (uid) return { uid: Number(uid), gid: Number(gid) }
  throw new Refusal(
    'PostgreSQL does not run as root, and there is no user postgres or nobody: start as another user or set DATABASE_URL',
  )
}

// Windows has no user ids; lstat says 0 there.
export const userIdOf = (account: Account) => account?.uid ?? process.getuid?.() ?? 0

export async function canEnter(folder: string, account: NonNullable<Account>): Promise<boolean> {
  return run(['/bin/sh', '-c', 'cd "$0"', folder], account).then(
    () => true,
    () => false,
  )
}

export async function run(command: string[], account: Account): Promise<void> {
  const [file = '', ...args] = command
  await promisify(execFile)(file, args, { ...account, cwd: '/', env: environment() })
}

const passedOn = ['PATH', 'HOME', 'TMPDIR']

/**
 * What a program of others needs to run, and nothing that ours was told: neither the master secrets nor the password of
 * the mail server, which everybody can read who runs as the server's user.
 */
export function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(passedOn.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])))
}
