import cluster from 'node:cluster'
import closeWithGrace from 'close-with-grace'
import { type Config, readConfig } from './config.ts'
import { firstAdminPath, forgetFirstAdmin, type Masters, readFirstAdmin, readSecrets } from './data-dir.ts'
import { startEmbedded } from './db/embedded.ts'
import type { Connection } from './db/pool.ts'
import { dashboard } from './docs/dashboard.ts'
import { documentation } from './docs/pages.ts'
import { listen } from './http/server.ts'
import { openLog } from './log.ts'
import { type Part, stopParts } from './parts.ts'
import { prepareDatabase } from './prepare.ts'
import { Refusal } from './refusal.ts'
import { openService } from './service.ts'
import { connectionOfWorker, startWorkers } from './workers.ts'

const stopMsMax = 15_000

const config = configured()
const log = openLog(config.logLevel)
const parts: Part[] = []

try {
  if (cluster.isPrimary) await own()
  else await serve(connectionOfWorker(), config.secretKeys ?? readSecrets(config.dataDir))
} catch (error) {
  log.fatal(error instanceof Refusal ? {} : { err: error }, error instanceof Error ? error.message : 'could not start')
  await stop()
  process.exit(1)
}
closeWithGrace({ delay: stopMsMax, logger: false }, async ({ err, signal }) => {
  if (err) log.fatal({ err }, 'stopping after a fault')
  else log.info({ signal }, 'stopping')
  await stop()
  log.info('stopped')
})

function configured(): Config {
  try {
    return readConfig(process.env)
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exit(1)
  }
}

/** The first process: owns the embedded database, prepares it, and serves by itself or has workers do it. */
async function own(): Promise<void> {
  const embedded =
    config.databaseUrl === undefined
      ? await startEmbedded(config.dataDir, (level, message, fields) => log[level](fields ?? {}, message))
      : undefined
  if (embedded) parts.push({ name: 'database', stop: () => embedded.stop() })
  const connection: Connection = embedded ? embedded.connection : { connectionString: config.databaseUrl ?? '' }
  const { masters, firstAdmin } = await prepareDatabase(connection, config, log)
  if (firstAdmin)
    console.log(
      `\n  First admin   ${firstAdmin.email}\n  Password      ${firstAdmin.password}\n  (shown this once; change it in Settings > My account)\n`,
    )
  if (config.workers === 1) await serve(connection, masters)
  else parts.push({ name: 'workers', ...startWorkers(config.workers, connection, log) })
}

async function serve(connection: Connection, masters: Masters): Promise<void> {
  const documents = await documentation(config.publicUrl)
  const pages = await dashboard(config.publicUrl, documents)
  if (!pages) log.warn('The dashboard was not built: run npm run build')
  const service = await openService({
    connection,
    masters,
    issuer: config.publicUrl,
    trustProxy: config.trustProxy,
    mail: config.mail,
    documentation: pages ?? documents,
    log,
    passwordChanged,
  })
  parts.push({ name: 'service', stop: () => service.close() })
  const listening = await listen(service.app, config, log)
  parts.push({ name: 'connections', stop: () => listening.stop() })
  parts.push({ name: 'streams', stop: () => service.endStreams() })
  log.info(
    { url: config.publicUrl, port: listening.port, database: config.databaseUrl ? 'DATABASE_URL' : 'embedded' },
    'ready',
  )
  if (config.databaseUrl === undefined && readFirstAdmin(config.dataDir))
    log.info(`the first admin is in ${firstAdminPath(config.dataDir)}`)
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

async function stop(): Promise<void> {
  await stopParts(parts, (name, error) => log.error({ err: error }, `${name}: could not be stopped`))
}
