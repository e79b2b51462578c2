import { execFile } from 'node:child_process'
import * as fs from 'node:fs'
import { promisify } from 'node:util'
import { Refusal } from '../../refusal.ts'

/**
 * Who runs the server. `undefined` is this process's own user; root has to hand over, because PostgreSQL refuses root.
 */
export type Account = { uid: number; gid: number } | undefined

export const isRoot = () => process.getuid?.() === 0

/** Numbers that neither systemd nor Debian hands out, and that a container has, too. */
const [firstUid, uidsCount] = [60_706, 478]

/**
 * The user of the server of one folder, which `hash` tells from others, where root starts it: a number that no user,
 * group or process of this machine has, so that no other daemon reads or stops what belongs to it.
 */
export function serverAccount(hash: string): NonNullable<Account> {
  const taken = new Set([...idsIn('/etc/passwd'), ...idsIn('/etc/group'), ...idsOfProcesses()])
  const start = Number.parseInt(hash, 16)
  for (let tries = 0; tries < uidsCount; tries++) {
    const uid = firstUid + ((start + tries) % uidsCount)
    if (!taken.has(uid)) return { uid, gid: uid }
  }
  throw new Refusal('All user ids that PostgreSQL may run as are in use: start as another user or set DATABASE_URL')
}

/**
 * initdb asks for the name of its user (getpwuid(3)), which a mere number has not. Whoever lends his is kept out by the
 * group, which is the server's own.
 */
export function makerFor({ gid }: NonNullable<Account>): NonNullable<Account> {
  const named = accountsNamed(['nobody', 'postgres', 'daemon'])
  const [uid] = named.map((each) => each.uid)
  if (uid === undefined)
    throw new Refusal(
      'There is no user nobody, postgres or daemon: start as another user than root or set DATABASE_URL',
    )
  return { uid, gid }
}

/** Those that servers of root had in versions before. */
export const isSharedAccount = (uid: number): boolean =>
  accountsNamed(['postgres', 'nobody']).some((account) => account.uid === uid)

function accountsNamed(names: readonly string[]): { uid: number }[] {
  const users = rowsOf('/etc/passwd')
  return names.flatMap((name) => {
    const [, , uid] = users.find(([called]) => called === name) ?? []
    return uid ? [{ uid: Number(uid) }] : []
  })
}

const idsIn = (file: string): number[] => rowsOf(file).map(([, , id]) => Number(id))

function rowsOf(file: string): string[][] {
  try {
    return fs
      .readFileSync(file, 'utf8')
      .split('\n')
      .map((line) => line.split(':'))
  } catch {
    return []
  }
}

/** Where the system shows them as files. */
function idsOfProcesses(): number[] {
  if (process.platform !== 'linux') return []
  return fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      const found = fs.statSync(`/proc/${pid}`, { throwIfNoEntry: false })
      return found ? [found.uid, found.gid] : []
    })
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
