import * as fs from 'node:fs'
import { join } from 'node:path'
import { makeFolderDurably } from '../files.ts'
import { Refusal } from '../refusal.ts'
import { isRoot, isSharedAccount, run, serverAccount } from './embedded/account.ts'
import { findBinaries } from './embedded/binaries.ts'
import { chooseHome, clusterMissing, createCluster, giveTo } from './embedded/cluster.ts'
import { readOwner, takeLock, writeOwner } from './embedded/owner.ts'
import { stopPredecessor } from './embedded/postmaster.ts'
import { remove } from './embedded/removal.ts'
import { withoutRepeats } from './embedded/repeats.ts'
import { launch } from './embedded/server.ts'
import { type Connection, database, type Log, port, shortHash, type Site, user } from './embedded/site.ts'
import { chooseSocketFolder } from './embedded/socket-folder.ts'
import { keepRunning } from './embedded/supervision.ts'

const connectionsMin = 60
/** For superusers, which PostgreSQL keeps back, and for ourselves: whether it answers, and the migrations. */
const connectionsReserved = 10

/** A running embedded PostgreSQL, owned by this process. */
export interface EmbeddedDatabase {
  connection: Connection
  /**
   * Ends open sessions, writes a checkpoint, resolves when the server is gone and DATA_DIR free. May be called again at
   * any time.
   */
  stop(): Promise<void>
}

/**
 * Starts the PostgreSQL that comes with the npm packages on `dataDir`, makes the cluster on the first start, and keeps
 * the server running until `stop()`. It installs no signal handler: whoever calls it decides when the service has
 * drained. Call it on the main thread, since Linux ends the server together with the thread that started it.
 *
 * `connectionsNeeded` is what the service will open at most. `needing` is a file that is there, came to be when the
 * cluster was durable, and is worth nothing without it: no other cluster is made.
 *
 * @throws {Error} for the operator: DATA_DIR is in use, this platform has no package, the cluster is missing or cannot
 * be started,
 *   durability is off.
 */
export async function startEmbedded(
  dataDir: string,
  tell: Log,
  connectionsNeeded = 0,
  needing?: string,
): Promise<EmbeddedDatabase> {
  const log = withoutRepeats(tell)
  // The account of a server started by root passes through DATA_DIR but has no business reading the rest of it.
  makeFolderDurably(dataDir, isRoot() ? 0o711 : 0o700)
  const dir = fs.realpathSync(dataDir)
  const lock = takeLock(dir)
  if (!lock)
    throw new Refusal(
      `${dir} is in use by process ${readOwner(dir)?.pid ?? '(unknown)'}: stop it first, or set another DATA_DIR`,
    )
  try {
    writeOwner(dir, { pid: process.pid })
    const site = await prepare(dir, Math.max(connectionsMin, connectionsNeeded + connectionsReserved), log, needing)
    const server = await launch(site, log)
    const connection = { host: site.socketFolder, port, user, database }
    writeOwner(dir, { pid: process.pid, connection })

    const halt = new AbortController()
    const finished = keepRunning(site, server, log, halt.signal).finally(() => {
      try {
        fs.rmSync(site.socketFolder, { recursive: true, force: true })
      } finally {
        lock.close()
      }
    })
    finished.catch((error: Error) => log('error', error.message)) // stop() rejects with it too, if it is ever called
    return {
      connection,
      stop() {
        halt.abort()
        return finished
      },
    }
  } catch (error) {
    lock.close()
    throw error
  }
}

/**
 * Connection of the database that a live process (this one included) owns for `dataDir`; `undefined` when nobody does,
 * or while its owner is still starting.
 */
export async function runningEmbedded(dataDir: string): Promise<Connection | undefined> {
  if (!fs.existsSync(join(dataDir, 'lock'))) return
  const dir = fs.realpathSync(dataDir)
  const lock = takeLock(dir)
  if (!lock) return readOwner(dir)?.connection
  lock.close()
}

async function prepare(dir: string, connectionsMax: number, log: Log, needing?: string): Promise<Site> {
  const preferred = isRoot() ? serverAccount(shortHash(dir)) : undefined
  const home = await chooseHome(dir, preferred, log)
  const cluster = join(home, 'postgres')
  const owner = fs.existsSync(cluster) ? fs.statSync(cluster) : undefined
  if (!owner && needing !== undefined) throw clusterMissing(dir, needing)
  if (owner && !isRoot() && owner.uid !== process.getuid?.())
    throw new Refusal(
      `${cluster} belongs to user id ${owner.uid}: start as that user or as root, or set another DATA_DIR`,
    )
  // The user who made the cluster keeps it, also when root starts the service for once; but what root itself left to an
  // account that others have, too, gets one of its own.
  const isShared = preferred && owner && isSharedAccount(owner.uid) && fs.statSync(dir).uid === 0
  const account = preferred && owner && !isShared ? { uid: owner.uid, gid: owner.gid } : preferred
  if (isShared) {
    await stopPredecessor(cluster, log)
    giveTo(preferred, cluster)
    log('info', `The database in ${cluster} belongs to user id ${preferred.uid} now, which nobody else has`)
  }

  const bin = await findBinaries(home, account)
  const wrapper = await deathSignalWrapper()
  for (const name of fs.readdirSync(home)) if (name.startsWith('postgres.new-')) await remove(join(home, name))
  if (!owner) await createCluster(cluster, bin, account, wrapper, log)
  return { cluster, bin, account, socketFolder: await chooseSocketFolder(dir, account), wrapper, connectionsMax }
}

/**
 * On Linux the kernel can send SIGINT to the server when we die, however we die. Where it cannot, the next start stops
 * the orphan.
 */
async function deathSignalWrapper(): Promise<string[]> {
  const wrapper = ['setpriv', '--pdeathsig', 'INT']
  return run([...wrapper, 'true'], undefined).then(
    () => wrapper,
    () => [],
  )
}
