import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { Refusal } from '../refusal.ts'
import { causeOf } from './away.ts'
import type { Say } from './health.ts'
import { type Connection, optionsOf, settings } from './pool.ts'

const versionMin = 17
/** What searching needs; the first migration that uses them creates them. */
const extensions = ['pg_trgm', 'btree_gin']
const connectMs = 5_000
const callMs = 5_000
/** A database that is started together with the service takes a while. */
const patienceMs = 30_000
const retryMs = 500

const poolerRefused =
  'DATABASE_URL leads to a pooler such as PgBouncer, which does not keep a session to one connection: give the address of PostgreSQL itself'

/**
 * Refuses a server that the service cannot be served from, and waits a while for one that is just starting.
 *
 * @throws {Refusal} that says what to mend
 */
export async function requireServer(
  connection: Connection,
  connectionsMax: number,
  say: Say,
  withinMs: number = patienceMs,
): Promise<void> {
  const [one, other] = await bothConnected(connection, say, withinMs)
  try {
    const server = await stateOf(one)
    const version = Math.floor(server.version / 10_000)
    if (version < versionMin)
      throw new Refusal(`The database is PostgreSQL ${version}, and at least ${versionMin} is needed`)
    if (server.strayed.length > 0 || server.session === (await stateOf(other)).session) throw new Refusal(poolerRefused)
    if (server.encoding !== 'UTF8')
      throw new Refusal(`The encoding of the database is ${server.encoding}, and UTF8 is needed: create it anew`)
    if (server.takesNoWrites)
      throw new Refusal('The database takes no writes: it is a standby, or default_transaction_read_only is on')
    if (!server.mayCreate)
      throw new Refusal('The role of DATABASE_URL may not create tables: grant create on schema public to it')
    if (server.lacking.length > 0)
      throw new Refusal(
        `The database has no ${server.lacking.join(' and no ')}, and the role of DATABASE_URL may not create it: install what PostgreSQL brings as contrib, and let a superuser run ${server.lacking.map((name) => `create extension ${name}`).join('; ')}`,
      )
    if (server.places < connectionsMax)
      say('warn', 'The database takes fewer connections than this service may open: raise max_connections', {
        places: server.places,
        needed: connectionsMax,
      })
  } catch (error) {
    throw error instanceof Refusal ? error : refusalFor(error)
  } finally {
    await Promise.all([one.end(), other.end()]).catch(() => undefined)
  }
}

interface State {
  session: number
  version: number
  encoding: string
  /** Settings that were asked for and did not arrive. */
  strayed: string[]
  takesNoWrites: boolean
  mayCreate: boolean
  /** Extensions that are not there, and that this role cannot create. */
  lacking: string[]
  places: number
}

async function stateOf(client: pg.Client): Promise<State> {
  // Prepared, as the hot statements are.
  const { rows } = await client.query<State>({
    name: 'state',
    text: `select
        pg_backend_pid() as session,
        current_setting('server_version_num')::int as version,
        current_setting('server_encoding') as encoding,
        array(select name from jsonb_each_text($1) as asked(name, value) where current_setting(name) <> value) as strayed,
        pg_is_in_recovery() or current_setting('transaction_read_only')::boolean as "takesNoWrites",
        coalesce(has_schema_privilege(current_schema(), 'create'), false) as "mayCreate",
        array(
          select name
          from unnest($2::text[]) as needed(name)
          where not exists (select from pg_extension where extname = name) and not exists (
            select
            from pg_available_extension_versions as v
            where v.name = needed.name and (
              (select rolsuper from pg_roles where rolname = current_user)
              or (v.trusted and has_database_privilege(current_database(), 'create'))
            )
          )
        ) as lacking,
        current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int as places`,
    values: [JSON.stringify(told), extensions],
  })
  const [state] = rows
  if (!state) throw new Error('The database did not say what it is')
  return state
}

// What a connection over a socket file has no use for reads as 0 there.
const told = Object.fromEntries(Object.entries(settings).filter(([name]) => !name.startsWith('tcp_')))

/** Two at a time: a pooler that gives a session to whoever has work gives both the same. */
async function bothConnected(connection: Connection, say: Say, withinMs: number): Promise<[pg.Client, pg.Client]> {
  let isSaid = false
  for (const deadline = performance.now() + withinMs; ; await sleep(retryMs)) {
    try {
      const one = await connected(connection)
      try {
        return [one, await connected(connection)]
      } catch (error) {
        await one.end()
        throw error
      }
    } catch (error) {
      const cause = isOfPooler(error) ? undefined : causeOf(error)
      const isPassing = cause !== undefined && cause !== 'refused'
      if (!isPassing || performance.now() > deadline) throw refusalFor(error)
      if (!isSaid) say('info', 'Waiting for the database', { why: refusalFor(error).message })
      isSaid = true
    }
  }
}

async function connected(connection: Connection): Promise<pg.Client> {
  const client = new pg.Client({
    ...connection,
    options: optionsOf(settings),
    connectionTimeoutMillis: connectMs,
    query_timeout: callMs,
  })
  // One that is lost says so by its calls.
  client.on('error', () => undefined)
  await client.connect()
  return client
}

const sentences: Record<string, string> = {
  '28P01': 'The database refuses the user or the password of DATABASE_URL',
  '28000': 'The database does not let the user of DATABASE_URL in: no such role, or not from here (pg_hba.conf)',
  '3D000': 'There is no database of the name in DATABASE_URL: create it first',
  '42501': 'The role of DATABASE_URL lacks a right on the database',
  '53300': 'The database takes no more connections',
  '57P03': 'The database is still starting, or it is stopping',
  ENOTFOUND: 'The host of DATABASE_URL is not known: its name cannot be resolved',
  EAI_AGAIN: 'The host of DATABASE_URL is not known: its name cannot be resolved',
  ECONNREFUSED: 'Nothing listens at the address of DATABASE_URL',
  ENOENT: 'There is no socket at the path of DATABASE_URL',
}

/** `timeout expired` is pg's word for a connection that did not come about in time. */
function refusalFor(error: unknown): Refusal {
  const { code = '', message } = (error instanceof Error ? error : new Error(String(error))) as Error & {
    code?: string
  }
  if (isOfPooler(error)) return new Refusal(poolerRefused)
  if (Object.hasOwn(sentences, code)) return new Refusal(sentences[code])
  if (/SSL|TLS|CERT|SELF_SIGNED|UNABLE_TO_/.test(code) || /SSL/.test(message))
    return new Refusal(
      `No TLS with the database (${code || message}): check sslmode in DATABASE_URL and the certificate`,
    )
  if (/password must be a string/.test(message))
    return new Refusal('The database asks for a password, and DATABASE_URL has none')
  if (causeOf(error) === 'unreachable') return new Refusal('The address of DATABASE_URL does not answer')
  return new Refusal(`The database cannot be used: ${message}`)
}

/** PgBouncer knows no settings of a connection but a few, and no statement that was prepared over another one. */
function isOfPooler(error: unknown): boolean {
  const { code, message } = (error instanceof Error ? error : {}) as { code?: string; message?: string }
  return code === '26000' || code === '42P05' || (code === '08P01' && /startup parameter/.test(message ?? ''))
}
