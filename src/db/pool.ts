import knex, { type Knex } from 'knex'
import pg from 'pg'

export type Connection = { connectionString: string } | { host: string; port: number; user: string; database: string }

/** The two ways to the database. */
export interface Database {
  /** Transactions and everything that is not hot. */
  readonly db: Knex
  /** Single named statements: the judging of credentials, and the intake. */
  readonly hot: pg.Pool
  close(): Promise<void>
}

const knexConnectionsMax = 8
const hotConnectionsMax = 6
const acquireTimeoutMs = 3_000
// A process that stops in the middle of a transaction must not stop its dealer for longer than 5 s (design: one writer per dealer).
const settings = '-c idle_in_transaction_session_timeout=5000 -c statement_timeout=20000 -c timezone=UTC'
const ofTransactions = '-c lock_timeout=2000'
// What is hot does not wait for a dealer that somebody holds: the intake has other leads to store. A call whose end never arrives, since its
// process was stopped or cut off in the middle of sending it, is not idle; only the limit of the whole transaction ends it.
const ofHot = '-c lock_timeout=250 -c transaction_timeout=5000'

export function openDatabase(connection: Connection, onIdleError: (error: Error) => void): Database {
  const options = { ...connection, application_name: 'carbuddii', keepAlive: true }
  const hot = new pg.Pool({
    ...options,
    options: `${settings} ${ofHot}`,
    max: hotConnectionsMax,
    connectionTimeoutMillis: acquireTimeoutMs,
    idleTimeoutMillis: 60_000,
  })
  // Without a listener the loss of an idle connection ends the process.
  hot.on('error', onIdleError)
  const db = knex({
    client: 'pg',
    connection: { ...options, options: `${settings} ${ofTransactions}` },
    acquireConnectionTimeout: acquireTimeoutMs,
    pool: { min: 0, max: knexConnectionsMax, propagateCreateError: true },
  })
  return { db, hot, close: async () => void (await Promise.all([hot.end(), db.destroy()])) }
}

// Class 08 connection exception, 53 insufficient resources, 57P operator intervention; 55P03 lock not available, 40001 and 40P01
// serialization failure and deadlock, 25P03 and 25P04 time-outs of a transaction.
const passingStates = /^(08...|53...|57P..|57014|55P03|40001|40P01|25P03|25P04)$/
const passingErrors = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
])

/** Whether a failure is the database being away or busy, so that the same request may succeed a moment later. */
export function isPassing(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const code = 'code' in error ? String(error.code) : ''
  if (passingStates.test(code) || passingErrors.has(code)) return true
  // knex puts the statement before the message.
  return (
    error.name === 'KnexTimeoutError' ||
    /(^| - )(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Connection ended)/.test(
      error.message,
    )
  )
}
