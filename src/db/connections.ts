import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { causeOf } from './away.ts'

/*
 * Every call ends by a clock of our own. The kernel takes 16 minutes to give up a connection whose other end is gone.
 * Until then nothing tells it from one whose answer takes its time, but the server, which is asked over a new
 * connection: it knows which sessions work.
 *   waiting   a call has no answer yet.
 *   doubted   for 1.5 s. The server is asked. What it is working on is waited for, and asked about again.
 *   dead      it works on nothing there, or knows of no such session. The connection is cut, and its call fails as if
 *             the database could not be reached. Connections that were idle for as long are cut with it: each of them
 *             would cost somebody a call. The server is told to end their sessions, which hold places and locks.
 *   spent     no answer within the limit of the pool, which is longer than the limits of the server. Cut, whatever the
 *             server says.
 */

const lookMs = 250
const doubtMs = 1_500
const inquiryMs = 2_000
const turnoverMs = 2_000

/** Connections that were cut. */
export interface Cut {
  /** Those that were waited for. */
  dead: number
  /** Those that were idle for as long. */
  suspects: number
  waitedMs: number
}

/** The connections of one process to one database. */
export interface Connections {
  /** No call of this pool takes longer than `callMsMax`. */
  pool(options: pg.PoolConfig, callMsMax: number): pg.Pool
  /** No connection that is open now is lent again: they lead to a server that is not the right one any more. */
  turnOver(): void
  stop(): void
}

/**
 * `failed` is told of every call that fails and of every connection that is lost; `wereCut` of those that were given
 * up.
 */
export function watchConnections(
  config: pg.ClientConfig,
  failed: (error: Error) => void,
  wereCut: (what: Cut) => void,
): Connections {
  // The server is told to end sessions of this name only: after a failover, others have their numbers.
  const name = `carbuddii ${randomUUID().slice(0, 8)}`
  const open = new Set<Watched>()
  let lookedAt = performance.now()
  let turnedOverAt = -turnoverMs
  let isAsking = false

  const cut = (waiting: readonly Watched[], why: string): number[] => {
    if (waiting.length === 0) return []
    const since = Math.min(...waiting.map(({ waitingSince = 0 }) => waitingSince))
    const suspects = [...open].filter((client) => client.waitingSince === undefined && client.answeredAt < since)
    const all = [...waiting, ...suspects]
    for (const client of all) client.cut(why)
    wereCut({
      dead: waiting.length,
      suspects: suspects.length,
      waitedMs: Math.round(performance.now() - since),
    })
    return all.map(sessionOf)
  }

  const ask = async (doubted: readonly Watched[]) => {
    const asked = new Map(doubted.map((client) => [client, client.waitingSince]))
    const server = new pg.Client({
      ...config,
      application_name: name,
      connectionTimeoutMillis: inquiryMs,
      query_timeout: inquiryMs,
    })
    server.on('error', () => undefined)
    try {
      await server.connect()
      // What has just become idle has answered: that is on its way. A state that may not be seen is null.
      const { rows } = await server.query<{ own: number; working: number[] }>(
        `select pg_backend_pid() as own, array(
           select pid from pg_stat_activity
           where pid = any ($1::int[])
           and (state is null or state not like 'idle%' or state_change > clock_timestamp() - interval '0.5 s')) as working`,
        [doubted.map(sessionOf)],
      )
      const [answer] = rows
      // Behind a pooler a session goes by another number, and nothing can be told.
      if (answer?.own !== sessionOf(server)) return
      const dead = doubted.filter(
        (client) => client.waitingSince === asked.get(client) && !answer.working.includes(sessionOf(client)),
      )
      const sessions = cut(dead, 'The connection is dead: the database does not know of the call')
      if (sessions.length > 0)
        await server.query(
          `select pg_terminate_backend(pid) from pg_stat_activity
           where pid = any ($1::int[]) and application_name = $2 and usename = current_user and state like 'idle%'`,
          [sessions, name],
        )
    } catch (error) {
      if (error instanceof Error) failed(error)
    } finally {
      void server.end().catch(() => undefined)
    }
  }

  const look = () => {
    const now = performance.now()
    const isLate = now - lookedAt > 4 * lookMs
    lookedAt = now
    // This process was busy, or stopped: what came meanwhile is read first.
    if (isLate) return
    const waiting = [...open].filter(({ waitingSince }) => waitingSince !== undefined)
    const ms = ({ waitingSince = now }: Watched) => now - waitingSince
    cut(
      waiting.filter((client) => ms(client) > client.callMsMax),
      'The database did not answer in time',
    )
    const doubted = waiting.filter(
      (client) => !client.isCut && ms(client) > doubtMs && now - client.doubtedAt > doubtMs,
    )
    if (doubted.length === 0 || isAsking) return
    for (const client of doubted) client.doubtedAt = now
    isAsking = true
    void ask(doubted).finally(() => (isAsking = false))
  }
  const looking = setInterval(look, lookMs).unref()

  return {
    pool: (options, callMsMax) => {
      class Client extends Watched {
        constructor(given: pg.ClientConfig = {}) {
          super({ ...given, application_name: name }, callMsMax, open, (error) => {
            failed(error)
            if (causeOf(error) === 'crowded') makePlace()
          })
        }
      }
      // Where the server takes no more, a pool that has nothing would wait until another one lets go of what it does
      // not use.
      const makePlace = () => {
        const all = [...open]
        if (all.some((client) => client instanceof Client)) return
        const isOneOfMany = ({ constructor }: Watched) =>
          all.filter((other) => other.constructor === constructor).length > 1
        all.find((client) => !client.isLent && isOneOfMany(client))?.cut('The connection makes place for another pool')
      }
      const pool = new pg.Pool({ ...options, Client })
      // Without a listener the loss of an idle connection ends the process.
      pool.on('error', (error) => failed(error))
      pool.on('acquire', (client) => client instanceof Client && (client.isLent = true))
      pool.on('release', (_error, client) => client instanceof Client && client.comeBack())
      return pool
    },
    turnOver: () => {
      if (performance.now() - turnedOverAt < turnoverMs) return
      turnedOverAt = performance.now()
      for (const client of open) client.retire()
    },
    stop: () => clearInterval(looking),
  }
}

// Pools hand a callback over, and it comes last; the casts: TypeScript cannot say so of overloads.
type Callback = (error: Error | null, ...results: unknown[]) => void

/** A connection that knows since when it is waited for. A class, since pools make their connections by one. */
class Watched extends pg.Client {
  readonly callMsMax: number
  waitingSince: number | undefined
  answeredAt = performance.now()
  doubtedAt = -doubtMs
  isCut = false
  isLent = false
  #isOld = false
  #calls = 0
  readonly #failed: (error: Error) => void

  constructor(config: pg.ClientConfig, callMsMax: number, open: Set<Watched>, failed: (error: Error) => void) {
    super(config)
    this.callMsMax = callMsMax
    this.#failed = failed
    // One that is lost while it is lent has no other listener, and would end the process.
    this.on('error', () => undefined)
    this.once('end', () => open.delete(this))

    const connect = this.connect.bind(this) as (callback: Callback) => void
    this.connect = ((callback: Callback) => {
      connect((error, ...results) => {
        if (error) failed(error)
        else open.add(this)
        callback(error, ...results)
      })
    }) as typeof this.connect
  }

  // One function for all connections is cheaper than one for each. Nobody reads what it returns.
  override query(...parts: unknown[]): never {
    const callback = parts.pop() as Callback
    this.#calls++
    this.waitingSince = performance.now()
    parts.push((error: Error | null, result: unknown) => {
      this.#calls--
      this.answeredAt = performance.now()
      // Calls of one connection are answered one after the other.
      this.waitingSince = this.#calls > 0 ? this.answeredAt : undefined
      if (error) this.#failed(error)
      callback(error, result)
    })
    return Reflect.apply(super.query, this, parts) as never
  }

  cut(why: string): void {
    if (this.isCut) return
    this.isCut = true
    this.connection.stream.destroy(Object.assign(new Error(why), { code: 'ETIMEDOUT' }))
  }

  /** Is not lent again. */
  retire(): void {
    this.#isOld = true
    if (!this.isLent) this.cut('The connection leads to a server that is not the right one any more')
  }

  /**
   * The pool takes nothing back that has been ended: what is old, has a call without an answer, or is inside a
   * transaction.
   */
  comeBack(): void {
    this.isLent = false
    const status = this.getTransactionStatus()
    if (this.#isOld || this.#calls > 0 || status === 'T' || status === 'E') void this.end()
  }
}

/** The number of the session at the server. The cast: the types leave it out. */
function sessionOf(client: pg.Client): number {
  return (client as pg.Client & { processID: number | null }).processID ?? 0
}
