import cluster from 'node:cluster'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Config, dangersOf, readConfig } from './config.ts'
import {
  firstAdminPath,
  forgetFirstAdmin,
  keptSecretsPath,
  type Masters,
  readFirstAdmin,
  readSecrets,
} from './data-dir.ts'
import { startEmbedded } from './db/embedded.ts'
import { causeOf } from './db/away.ts'
import { type Connection, connectionsOfProcessMax } from './db/pool.ts'
import { dashboard } from './docs/dashboard.ts'
import { documentation } from './docs/pages.ts'
import { endOnSignals, exitCodes } from './ending.ts'
import { browserHeaders } from './http/browser-headers.ts'
import { listen, requireFreePort } from './http/server.ts'
import { openLog } from './log.ts'
import { type Part, stopParts } from './parts.ts'
import { prepareDatabase } from './prepare.ts'
import { Refusal } from './refusal.ts'
import { openService } from './service.ts'
import { startWorkers, tellListening, workerEnv } from './workers.ts'

// The log goes to standard output, one JSON object a line; what people are to read goes to standard error.

const config = configured()
const drainMs = config.drainSeconds * 1000
const log = openLog(config.logLevel)
const parts: Part[] = []
const ending = endOnSignals(stop, drainMs, cluster.isWorker, log)

try {
  if (cluster.isPrimary) await own()
  else {
    const { connection, port } = workerEnv()
    await serve(connection, config.secretKeys ?? readSecrets(config.dataDir), { port, isShared: true })
    tellListening()
  }
} catch (error) {
  if (!ending.hasBegun()) cannotStart(error)
}

function configured(): Config {
  try {
    return readConfig(process.env)
  } catch (error) {
    const reason = messageOf(error)
    openLog('info').fatal(reason)
    console.error(reason)
    process.exit(exitCodes.failed)
  }
}

/** The first process: owns the embedded database, prepares it, and serves by itself or has workers do it. */
async function own(): Promise<void> {
  for (const danger of dangersOf(config)) log.warn(danger)
  const connection = await database()
  const { masters, firstAdmin } = await prepareDatabase(connection, config, log)
  if (firstAdmin)
    console.error(
      `\n  First admin   ${firstAdmin.email}\n  Password      ${firstAdmin.password}\n  (shown this once; change it in Settings > My account)\n`,
    )
  if (config.databaseUrl === undefined && readFirstAdmin(config.dataDir))
    log.info(`the first admin is in ${firstAdminPath(config.dataDir)}`)

  if (config.workers === 1) await serve(connection, masters, { port: config.port, isShared: false })
  else {
    const port = await requireFreePort(config)
    const workers = startWorkers(config.workers, { connection, port }, log, () =>
      cannotStart(new Refusal('No worker can start: what it said before is the reason')),
    )
    parts.push({ name: 'workers', stop: (drain) => workers.stop(drain) })
    await workers.listening
  }
  console.error(`CarBuddii serves on ${config.publicUrl}`)
}

async function database(): Promise<Connection> {
  if (config.databaseUrl !== undefined) return { connectionString: config.databaseUrl }
  const embedded = await startEmbedded(
    config.dataDir,
    (level, message, fields) => log[level](fields ?? {}, message),
    // A command of the operator may run beside it.
    (config.workers + 1) * connectionsOfProcessMax,
    keptSecretsPath(config.dataDir),
  )
  parts.push({ name: 'database', stop: () => embedded.stop() })
  return embedded.connection
}

async function serve(connection: Connection, masters: Masters, at: { port: number; isShared: boolean }): Promise<void> {
  const documents = await documentation(config.publicUrl, config.securityContact)
  const pages = await dashboard(config.publicUrl, documents)
  if (!pages) log.warn('The dashboard was not built: run npm run build')
  const service = await openService({
    connection,
    masters,
    issuer: config.publicUrl,
    trustProxy: config.trustProxy,
    mail: config.mail,
    limits: config.limits,
    sessionIdleSeconds: config.sessionIdleSeconds,
    documentation: pages ?? documents,
    log,
    passwordChanged,
  })
  parts.push({ name: 'service', stop: () => service.close() })
  const listening = await listen(service.app, { host: config.host, ...at }, browserHeaders(config.publicUrl), log)
  parts.push({ name: 'connections', stop: () => listening.stop() })
  parts.push({ name: 'streams', stop: () => service.endStreams() })
  parts.push({
    name: 'readiness',
    stop: async (drain) => {
      service.refuseReadiness()
      listening.endConnections()
      if (drain) await sleep(drainMs)
    },
  })
  log.info(
    { url: config.publicUrl, port: listening.port, database: config.databaseUrl ? 'DATABASE_URL' : 'embedded' },
    'ready',
  )
}

function passwordChanged(email: string): void {
  if (config.databaseUrl !== undefined) return
  try {
    forgetFirstAdmin(config.dataDir, email)
  } catch {
    // The error may quote what is in the file.
    log.warn(`${firstAdminPath(config.dataDir)} names a password that no longer works, and could not be removed`)
  }
}

function cannotStart(error: unknown): void {
  const reason = messageOf(error)
  log.fatal(error instanceof Refusal ? {} : { err: error }, reason)
  console.error(`CarBuddii cannot start. ${reason}`)
  ending.begin(false, causeOf(error) === undefined ? exitCodes.failed : exitCodes.passing)
}

async function stop(drain: boolean): Promise<void> {
  await stopParts(parts, (name, error) => log.error({ err: error }, `${name} could not be stopped`), drain)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
