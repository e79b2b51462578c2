import cluster from 'node:cluster'
import { existsSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import closeWithGrace from 'close-with-grace'
import { createHttpTerminator } from 'http-terminator'
import { pino } from 'pino'
import { type Config, firstAdminIn, forgetFirstAdmin, readConfig, secretsIn } from './config.ts'
import { startEmbedded } from './db/embedded.ts'
import { migrate } from './db/migrate.ts'
import { type Connection, openDatabase } from './db/pool.ts'
import { dashboard } from './docs/dashboard.ts'
import { documentation } from './docs/pages.ts'
import { Problem, problemBody } from './problem.ts'
import { openService } from './service.ts'
import { createDealer } from './users/admin.ts'
import { isAnyDealerThere } from './users/store.ts'

const headerBytesMax = 16_384
const headersTimeoutMs = 10_000
const requestTimeoutMs = 30_000
const drainMs = 10_000
const workerRestartMs = 1_000
// Lines of the log wait for others, but not for long. Whatever ends the process, but for kill -9, writes out what is waiting.
const logBytesMax = 65_536
const logFlushMs = 200

const config = configured()
const log = pino({ level: config.logLevel, base: { pid: process.pid } }, severalAtOnce())
// Workers are told where the database is by the process that owns it.
const workerConnection = process.env['CARBUDDII_CONNECTION']

try {
  if (cluster.isPrimary) await own()
  else await serve(JSON.parse(workerConnection ?? '{}'))
} catch (error) {
  log.fatal({ err: error }, error instanceof Error ? error.message : 'could not start')
  process.exitCode = 1
  process.exit()
}

function configured(): Config {
  try {
    return readConfig(process.env)
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exit(1)
  }
}

/** The first process: owns the embedded database, brings the schema up to date, makes the first admin; serves by itself or has workers do it. */
async function own(): Promise<void> {
  const embedded =
    config.databaseUrl === undefined
      ? await startEmbedded(config.dataDir, (level, message, fields) => log[level](fields ?? {}, message))
      : undefined
  const connection: Connection = embedded ? embedded.connection : { connectionString: config.databaseUrl ?? '' }
  try {
    await prepare(connection)
    if (config.workers === 1) return await serve(connection, () => embedded?.stop())
    forkWorkers(connection, () => embedded?.stop())
  } catch (error) {
    await embedded?.stop()
    throw error
  }
}

async function prepare(connection: Connection): Promise<void> {
  const database = openDatabase(connection, () => undefined)
  try {
    await migrate(database.db)
    const { rows } = await database.db.raw<{ rows: { name: string; setting: string }[] }>(
      "select name, setting from pg_settings where name in ('fsync', 'synchronous_commit') and setting = 'off'",
    )
    for (const { name } of rows)
      log.warn(`The database runs with ${name} = off: a lead that was acknowledged can be lost when it crashes`)
    if (await isAnyDealerThere(database.db)) return

    const { email } = config.admin
    const dealer = { name: 'My dealership', country: 'DK', time_zone: 'Europe/Copenhagen', language: 'da' }
    const made = await createDealer(database.db, dealer, {
      email,
      name: 'Admin',
      ...(config.admin.password && { password: config.admin.password }),
    }).catch(async (error: unknown) => {
      // Another process that started at the same time was first.
      if (!(await isAnyDealerThere(database.db))) throw error
    })
    if (!made) return
    const { password } = made
    if (config.databaseUrl === undefined)
      writeFileSync(firstAdminIn(config.dataDir), JSON.stringify({ email, password }), { mode: 0o600 })
    if (!config.admin.password)
      console.log(
        `\n  First admin   ${email}\n  Password      ${password}\n  (shown this once; change it in Settings > My account)\n`,
      )
  } finally {
    await database.close()
  }
}

function forkWorkers(connection: Connection, stopDatabase: () => Promise<void> | undefined): void {
  let stopping = false
  // Each worker takes connections for itself. Handed over by the first process, one on its way to a worker that dies hangs for ever.
  cluster.schedulingPolicy = cluster.SCHED_NONE
  const fork = () => cluster.fork({ CARBUDDII_CONNECTION: JSON.stringify(connection) })
  for (let count = 0; count < config.workers; count++) fork()
  cluster.on('exit', (worker, code, signal) => {
    if (stopping) return
    log.error({ worker: worker.process.pid, code, signal }, 'a worker ended; starting another')
    setTimeout(() => stopping || fork(), workerRestartMs)
  })
  closeWithGrace({ delay: drainMs + 5_000, logger: false }, async () => {
    stopping = true
    await Promise.all(
      Object.values(cluster.workers ?? {}).map((worker) => {
        const ended = new Promise((resolve) => worker?.once('exit', resolve))
        worker?.process.kill('SIGTERM')
        return ended
      }),
    )
    await stopDatabase()
  })
}

async function serve(
  connection: Connection,
  stopDatabase: () => Promise<void> | undefined = () => undefined,
): Promise<void> {
  const documents = await documentation(config.publicUrl)
  const pages = await dashboard(config.publicUrl, documents)
  if (!pages) log.warn('The dashboard was not built: run npm run build')
  const service = await openService({
    connection,
    masters: config.secretKeys ?? secretsIn(config.dataDir),
    issuer: config.publicUrl,
    trustProxy: config.trustProxy,
    mail: config.mail,
    documentation: pages ?? documents,
    log,
    passwordChanged,
  })
  const server = createServer(
    {
      maxHeaderSize: headerBytesMax,
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
      connectionsCheckingInterval: 2_000,
      keepAliveTimeout: 65_000,
    },
    service.app,
  )
  answerParserErrors(server)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(config.port, config.host, resolve)
  })
  const terminator = createHttpTerminator({ server, gracefulTerminationTimeout: drainMs })
  closeWithGrace({ delay: drainMs + 4_000, logger: false }, async ({ err, signal }) => {
    if (err) log.fatal({ err }, 'stopping after a fault')
    else log.info({ signal }, 'stopping')
    service.endStreams()
    await terminator.terminate()
    await service.close()
    await stopDatabase()
    log.info('stopped')
  })
  const address = server.address()
  log.info(
    {
      url: config.publicUrl,
      port: typeof address === 'object' ? address?.port : address,
      database: config.databaseUrl ? 'DATABASE_URL' : 'embedded',
    },
    'ready',
  )
  if (existsSync(firstAdminIn(config.dataDir))) log.info(`the first admin is in ${firstAdminIn(config.dataDir)}`)
}

function passwordChanged(email: string): void {
  if (config.databaseUrl !== undefined) return
  try {
    forgetFirstAdmin(config.dataDir, email)
  } catch {
    // The error may quote what is in the file.
    log.warn(`${firstAdminIn(config.dataDir)} names a password that no longer works, and could not be removed`)
  }
}

/** Handing on each line by itself would cost a request more than making it. */
function severalAtOnce(): { write(line: string): void } {
  const destination = pino.destination({ sync: false })
  let waiting = ''
  const handOn = () => {
    if (waiting !== '') destination.write(waiting)
    waiting = ''
  }
  setInterval(handOn, logFlushMs).unref()
  // Before the destination itself hears of the end.
  process.prependListener('exit', () => {
    handOn()
    destination.flushSync()
  })
  return {
    write: (line) => {
      waiting += line
      if (waiting.length > logBytesMax) handOn()
    },
  }
}

/** What Node refuses before there is a request is answered as a problem, too. */
function answerParserErrors(server: Server): void {
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) return socket.destroy()
    const code =
      error.code === 'HPE_HEADER_OVERFLOW'
        ? 'headers-too-large'
        : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
          ? 'request-timeout'
          : 'bad-request'
    const requestId = crypto.randomUUID()
    const problem =
      code === 'bad-request'
        ? new Problem(code, 'The request is not HTTP that this server understands.')
        : new Problem(code)
    const body = JSON.stringify(problemBody(problem, requestId))
    const reason =
      { 400: 'Bad Request', 408: 'Request Timeout', 431: 'Request Header Fields Too Large' }[problem.status] ??
      'Bad Request'
    log.info({ requestId, status: problem.status, code: error.code }, 'refused before it was a request')
    // Only ended, it would go on receiving: a slow client could keep it for ever, and its lead, once whole, would be stored after the 408.
    const hangUp = () => socket.destroy()
    socket.end(
      `HTTP/1.1 ${problem.status} ${reason}\r\nContent-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nX-Request-Id: ${requestId}\r\nConnection: close\r\n\r\n${body}`,
      hangUp,
    )
  })
}
