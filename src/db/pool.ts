import { randomBytes, randomInt } from 'node:crypto'
import knex, { type Knex } from 'knex'
import type pg from 'pg'
import { causeOf } from './away.ts'
import { watchConnections } from './connections.ts'
import { openHealth, type Say } from './health.ts'

export type Connection = { connectionString: string } | { host: string; port: number; user: string; database: string }

/** The ways to the database. None waits for what another one is used for. */
export interface Database {
  /** Whatever waits for nobody: reading, above all. */
  readonly db: Knex
  /** Changes of what belongs to a dealer, which may wait for each other. */
  readonly changes: Knex
  /** What is done beside the requests. */
  readonly beside: Knex
  /** Single named statements: the judging of credentials, and the intake. */
  readonly hot: pg.Pool
  /** Writes a row of its own, at most once a second. @throws {Error} that says why nothing can be written */
  requireWritable(): Promise<void>
  close(): Promise<void>
}

const readingConnectionsMax = 6
export const changingConnectionsMax = 4
const besideConnectionsMax = 3
const hotConnectionsMax = 6
/**
 * Of one process: beside the pools, one connection says whether it is ready, and one asks about connections that do not
 * answer.
 */
export const connectionsOfProcessMax =
  readingConnectionsMax + changingConnectionsMax + besideConnectionsMax + hotConnectionsMax + 2

/** Until a connection is there, a new one or one that got free. */
const acquireMs = 3_000
const idleMs = 60_000
/** Asked of the server with every connection. */
export const settings = {
  // A process that stops in the middle of a transaction must not stop its dealer for longer than 5 s (design: one
  // writer per dealer).
  idle_in_transaction_session_timeout: '5s',
  statement_timeout: '20s',
  lock_timeout: '2s',
  timezone: 'UTC',
  // A session whose process is gone without a word ends within a minute.
  tcp_keepalives_idle: '30',
  tcp_keepalives_interval: '5',
  tcp_keepalives_count: '4',
}
// What is hot does not wait for a dealer that somebody holds: the intake has other leads to store. A call whose end
// never arrives, since its process was stopped or cut off in the middle of sending it, is not idle; only the limit of
// the whole transaction ends it.
const hotSettings = { ...settings, lock_timeout: '250ms', transaction_timeout: '5s' }
// Our own limits are longer than those of a server that lives.
const callMsMax = 22_000
const hotCallMsMax = 6_000
/** As much as needs pages of its own. */
const fillingBytes = 32_768

/** `say` is told of trouble when it begins and when it is over, and of connections that had to be given up. */
export function openDatabase(connection: Connection, say: Say): Database {
  const options = { ...connection, keepAlive: true, keepAliveInitialDelayMillis: 10_000 }
  const connections = watchConnections(
    options,
    (error) => {
      if (causeOf(error) === 'read-only') connections.turnOver()
      health.failed(error)
    },
    (cut) => say('warn', 'Connections to the database were dead and have been cut', { ...cut }),
  )
  const pools: pg.Pool[] = []
  const pool = (max: number, asked: Record<string, string>, ms: number) => {
    const made = connections.pool(
      {
        ...options,
        options: optionsOf(asked),
        max,
        connectionTimeoutMillis: acquireMs,
        idleTimeoutMillis: idleMs,
      },
      ms,
    )
    pools.push(made)
    return made
  }
  const calm = (max: number) =>
    knex({ client: 'pg', connectionPool: pool(max, settings, callMsMax), compileSqlOnError: false, log: silent })
  const hot = pool(hotConnectionsMax, hotSettings, hotCallMsMax)
  const own = pool(1, hotSettings, hotCallMsMax)
  const db = calm(readingConnectionsMax)
  const changes = calm(changingConnectionsMax)
  const beside = calm(besideConnectionsMax)

  const process = randomInt(32_768)
  const health = openHealth(
    (much) =>
      own.query({
        name: 'write-readiness',
        text: `insert into readiness (process, at, filling) values ($1, clock_timestamp(), $2)
               on conflict (process) do update set at = excluded.at, filling = excluded.filling`,
        values: [process, much ? randomBytes(fillingBytes) : null],
      }),
    say,
  )
  return {
    db,
    changes,
    beside,
    hot,
    requireWritable: health.requireWritable,
    close: async () => {
      health.stop()
      await Promise.all(pools.map((each) => each.end()))
      connections.stop()
    },
  }
}

/** As the server takes them with a new connection. */
export const optionsOf = (asked: Record<string, string>): string =>
  Object.entries(asked)
    .map(([name, value]) => `-c ${name}=${value}`)
    .join(' ')

// Whatever knex would say it throws, too.
const silent = { warn: () => undefined, error: () => undefined, debug: () => undefined, deprecate: () => undefined }
