import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { holderOf, watched } from './blockers.ts'
import { type Applied, checksumOf, due, loneStatements, type Migration, textOf } from './migration.ts'
import type { Connection } from './pool.ts'

/** In the order in which they are applied. One that has been released is never edited. */
const names = [
  '0001-spine.sql',
  '0002-intake.sql',
  '0003-audit.sql',
  '0004-key-life.sql',
  '0005-requests.sql',
  '0006-dealer-settings.sql',
  '0007-pipeline.sql',
  '0008-people.sql',
  '0009-sources.sql',
  '0010-mail.sql',
  '0011-one-schema.sql',
  '0012-lists-and-sweeps.sql',
  '0013-readiness.sql',
  '0014-requests-by-meaning.sql',
  '0015-request-log.sql',
  '0016-scopes-in-force.sql',
  '0017-locked-out.sql',
  '0018-signing-in.sql',
  '0019-retired-signing-keys.sql',
  '0020-mails-in-turn.sql',
  '0021-allowed-networks.sql',
  '0022-documents-once.sql',
  '0023-key-addresses.sql',
  '0024-limits.sql',
  '0025-proven-people.sql',
  '0026-refusals.sql',
  '0027-passkeys.sql',
  '0028-who-gets-in.sql',
  '0029-refusals-by-hour.sql',
  '0030-customers.sql',
  '0031-linker.sql',
  '0032-search.sql',
  '0033-lead-rev.sql',
]

// Any number that nothing else in this database locks.
const advisoryLock = 7_203_311
const turnPollMs = 100
// Whoever asks for a table that a migration waits for waits behind it, and the intake gives a lock up after 250 ms.
const lockTimeoutMs = 100
// What runs without a transaction waits for those of others, and lets everybody pass meanwhile.
const loneLockTimeoutMs = 600_000
// Between two attempts, everybody who waited behind the first has long come through.
const retryMsMin = 1_000
const retryMsMax = 5_000
const connectTimeoutMs = 10_000

/** For how long a migration asks for its locks again, and for how long another process is waited for. */
const patience = { locksMs: 60_000, turnMs: 600_000 }

// Lock not available, deadlock detected: nothing was done, and a moment later it may be.
const passing = new Set(['55P03', '40P01'])

type Log = (level: 'info' | 'warn', message: string, fields?: object) => void

/**
 * Brings the schema up to date, each migration in a transaction of its own, and logs each. Several processes may call
 * it at once: an advisory lock, which goes with its connection, lets one in at a time. Processes of the version before
 * may go on meanwhile: a lock that is not to be had at once is let go of, and asked for again.
 *
 * @throws {Error} when the database is newer than this program, when a file is not what the database was made with,
 * when a lock was not to
 *   be had for a minute. What was applied before stays.
 */
export async function migrate(
  connection: Connection,
  log: Log,
  migrations?: readonly Migration[],
  { locksMs, turnMs } = patience,
): Promise<void> {
  const all = migrations ?? (await shippedMigrations())
  const client = await connect(connection)
  try {
    await takeTurn(client, turnMs, log)
    const applied = await appliedIn(client)
    const missing = due(all, applied)
    if (missing.length > 0) await applyEach(client, connection, missing, locksMs, log)
    if (applied.some(({ checksum }) => checksum === null)) await addChecksums(client, all)
  } finally {
    await client.end()
  }
}

/** The migrations that this program has, in order. */
export async function shippedMigrations(): Promise<Migration[]> {
  const read = async (name: string) => ({
    name,
    sql: textOf(await readFile(new URL(`migrations/${name}`, import.meta.url), 'utf8')),
  })
  return Promise.all(names.map(read))
}

/** A connection of its own, since those of the pool end a statement after 20 s. */
async function connect(connection: Connection): Promise<pg.Client> {
  const client = new pg.Client({
    ...connection,
    application_name: 'carbuddii migrations',
    connectionTimeoutMillis: connectTimeoutMs,
    keepAlive: true,
  })
  // Its loss is told by the query that is under way.
  client.on('error', () => undefined)
  await client.connect()
  await client.query(`
    set statement_timeout = 0;
    set transaction_timeout = 0;
    set idle_in_transaction_session_timeout = '5s'`)
  // Where the server can, it looks whether we live while it works for us, so that a process that was killed or cut off
  // does not keep the turn. Where it lets us, it looks for who is in our way before we give up: only then does a
  // running autovacuum make way.
  for (const setting of [
    "client_connection_check_interval = '2s'",
    "tcp_keepalives_idle = '10s'",
    "tcp_keepalives_interval = '5s'",
    'tcp_keepalives_count = 3',
    "deadlock_timeout = '50ms'",
  ])
    await client.query(`set ${setting}`).catch(() => undefined)
  return client
}

/**
 * Asks again and again instead of waiting in the database, where `create index concurrently` of whoever has the turn
 * would wait for us.
 */
async function takeTurn(client: pg.Client, turnMs: number, log: Log): Promise<void> {
  const givenUpAt = performance.now() + turnMs
  for (let isTold = false; ; isTold = true) {
    const { rows } = await client.query('select pg_try_advisory_lock($1) as is_ours', [advisoryLock])
    if (rows[0].is_ours) return
    if (!isTold) log('info', `the database is being brought up to date by ${await holderOf(client, advisoryLock)}`)
    if (performance.now() > givenUpAt)
      throw new Error(
        `The database has been being brought up to date for ${turnMs / 1_000} s by ${await holderOf(client, advisoryLock)}: start again when that is done.`,
      )
    await sleep(turnPollMs)
  }
}

/**
 * Changes nothing where nothing is missing, so that a service can start on a database that cannot be written to at the
 * moment.
 */
async function appliedIn(client: pg.Client): Promise<Applied[]> {
  const { rows } = await client.query(`
    select to_regclass('migrations') is not null as has_table,
      exists (
        select
        from pg_attribute
        where attrelid = to_regclass('migrations') and attname = 'checksum'
      ) as has_checksums`)
  if (!rows[0].has_table)
    await client.query(`
      create table migrations (
        name text primary key,
        applied_at timestamptz not null default now(),
        checksum text
      )`)
  else if (!rows[0].has_checksums) await client.query('alter table migrations add column checksum text')
  return (await client.query<Applied>('select name, checksum from migrations')).rows
}

async function applyEach(
  client: pg.Client,
  connection: Connection,
  missing: readonly Migration[],
  locksMs: number,
  log: Log,
): Promise<void> {
  const watcher = await connect(connection)
  try {
    for (const migration of missing) {
      const startedAt = performance.now()
      await applyPatiently(client, watcher, migration, locksMs, log)
      const durationMs = Math.round(performance.now() - startedAt)
      log('info', `applied ${migration.name} in ${durationMs} ms`, { migration: migration.name, durationMs })
    }
  } finally {
    await watcher.end()
  }
}

async function applyPatiently(
  client: pg.Client,
  watcher: pg.Client,
  migration: Migration,
  locksMs: number,
  log: Log,
): Promise<void> {
  const { name } = migration
  const givenUpAt = performance.now() + locksMs
  const { rows } = await client.query('select pg_backend_pid() as pid')
  let blockers = ''
  const tell = (seen: string) => {
    if (blockers === '') log('warn', `${name} waits for a lock: ${seen}`, { migration: name })
    blockers = seen
  }
  for (let attempt = 0; ; attempt++) {
    try {
      return await watched(watcher, rows[0].pid, apply(client, migration), tell)
    } catch (error) {
      if (!(error instanceof Error)) throw error
      if (!('code' in error && passing.has(String(error.code))))
        throw new Error(`${name} cannot be applied: ${error.message}`, { cause: error })
      const waitMs = Math.min(retryMsMin * 2 ** attempt, retryMsMax) * (0.5 + Math.random() / 2)
      if (performance.now() + waitMs > givenUpAt)
        throw new Error(
          `${name} could not have its locks in ${attempt + 1} attempts (${blockers || error.message}). What was applied before stays; start again when that is over.`,
          { cause: error },
        )
      await sleep(waitMs)
    }
  }
}

async function apply(client: pg.Client, migration: Migration): Promise<void> {
  const statements = loneStatements(migration)
  if (statements === undefined) return applyAtOnce(client, migration)

  await client.query(`set lock_timeout = ${loneLockTimeoutMs}`)
  for (const { sql, builds } of statements) {
    if (builds !== undefined) await dropInvalid(client, builds)
    await client.query(sql).catch(async (error: unknown) => {
      // Left behind, it would cost every row, and refuse some if it is unique.
      if (builds !== undefined) await dropInvalid(client, builds).catch(() => undefined)
      throw error
    })
  }
  await client.query(record(migration))
}

/** In one message: were this process stopped between two, what it had locked so far would stay locked. */
async function applyAtOnce(client: pg.Client, migration: Migration): Promise<void> {
  try {
    await client.query(`
      begin;
      set local lock_timeout = ${lockTimeoutMs};
      ${migration.sql}
      ;${record(migration)};
      commit`)
  } catch (error) {
    await client.query('rollback').catch(() => undefined)
    throw error
  }
}

const record = (migration: Migration): string =>
  `insert into migrations (name, checksum) values (${pg.escapeLiteral(migration.name)}, '${checksumOf(migration)}')`

/** A build that was cut short leaves its index behind, which `if not exists` would take for the whole one. */
async function dropInvalid(client: pg.Client, index: string): Promise<void> {
  const { rows } = await client.query(
    `select
    from pg_index
    where indexrelid = to_regclass($1) and not indisvalid`,
    [index],
  )
  if (rows.length > 0) await client.query(`drop index concurrently if exists ${index}`)
}

/** Of migrations from before there were checksums. 0011 has made up for whatever text they had. */
async function addChecksums(client: pg.Client, migrations: readonly Migration[]): Promise<void> {
  await client.query(
    `update migrations m
    set checksum = c.checksum
    from unnest($1::text[], $2::text[]) c (name, checksum)
    where m.name = c.name and m.checksum is null`,
    [migrations.map(({ name }) => name), migrations.map(checksumOf)],
  )
}
