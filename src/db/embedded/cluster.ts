import * as fs from 'node:fs'
import { dirname, join } from 'node:path'
import { makeFolderDurably, syncFolder } from '../../files.ts'
import { Refusal } from '../../refusal.ts'
import { type Account, canEnter, isRoot, makerFor, run } from './account.ts'
import { remove } from './removal.ts'
import { type Log, shortHash, user } from './site.ts'

const walSegmentMegabytes = 4
const stateFolder = '/var/lib/carbuddii'

const homeElsewhere = (dir: string) => join(stateFolder, shortHash(dir))

/**
 * A folder that keeps the cluster where the account can get at it: DATA_DIR wherever possible, and always where the
 * cluster was before.
 */
export async function chooseHome(dir: string, account: Account, log: Log): Promise<string> {
  const elsewhere = homeElsewhere(dir)
  if (!account || fs.existsSync(join(dir, 'postgres'))) return dir
  if (!fs.existsSync(join(elsewhere, 'postgres')) && (await canEnter(dir, account))) return dir
  makeFolderDurably(elsewhere, 0o711)
  for (const folder of [stateFolder, elsewhere]) fs.chmodSync(folder, 0o711)
  log(
    'info',
    `The database is kept in ${elsewhere}: user id ${account.uid}, which runs PostgreSQL for root, cannot reach ${dir}`,
  )
  return elsewhere
}

/**
 * For a start that found no cluster, but what needs it: an empty one would silently stand in for all that there was.
 */
export function clusterMissing(dir: string, needing: string): Refusal {
  const places = [dir, ...(isRoot() ? [homeElsewhere(dir)] : [])].map((home) => join(home, 'postgres'))
  return new Refusal(
    `The database that ${needing} belongs to is missing: there is no ${places.join(' and no ')}. Bring it back from your backup. To begin anew with an empty one, move ${needing} away`,
  )
}

/** The name `postgres` appears only when everything below it is complete and on the disk. */
export async function createCluster(
  cluster: string,
  bin: string,
  account: Account,
  wrapper: string[],
  log: Log,
): Promise<void> {
  const maker = account && makerFor(account)
  // Nobody else who has the name of the maker gets in here.
  const around = fs.mkdtempSync(`${cluster}.new-`)
  const fresh = join(around, 'cluster')
  fs.mkdirSync(fresh, { mode: 0o700 })
  if (maker) {
    fs.chownSync(fresh, maker.uid, maker.gid)
    fs.chownSync(around, 0, maker.gid)
    fs.chmodSync(around, 0o710)
  }
  const initdb = [...wrapper, join(bin, 'initdb'), '--pgdata', fresh]
  const flags = [
    '--no-sync',
    '--encoding=UTF8',
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--auth=trust',
  ]
  await run(
    [...initdb, ...flags, `--username=${user}`, `--wal-segsize=${walSegmentMegabytes}`, '--no-instructions'],
    maker,
  )
  if (account) giveTo(account, fresh)
  await run([...initdb, '--sync-only'], account)
  fs.renameSync(fresh, cluster)
  syncFolder(dirname(cluster))
  await remove(around)
  log('info', `Created a new database cluster in ${cluster}`)
}

/**
 * Gives a cluster to the account that is to run it. The folder itself comes last: cut short, it is begun anew.
 */
export function giveTo({ uid, gid }: NonNullable<Account>, cluster: string): void {
  for (const entry of fs.readdirSync(cluster, { recursive: true, withFileTypes: true }))
    fs.lchownSync(join(entry.parentPath, entry.name), uid, gid)
  fs.chownSync(cluster, uid, gid)
}
