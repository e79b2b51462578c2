import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'

const lookMsMin = 20
const lookMsMax = 1_000

interface Session {
  pid: number
  what: string
  /** Of its transaction; null when it has none, and when it is somebody else's. */
  seconds: number | null
}

// Of somebody else's session only its number and its name can be seen.
const sessions = `
  select a.pid,
    coalesce(nullif(a.application_name, ''), a.backend_type, 'unnamed') as what,
    extract(epoch from clock_timestamp() - a.xact_start)::integer as seconds
  from pg_stat_activity a`

/** Who holds an advisory lock of this database, in words. */
export async function holderOf(client: pg.Client, advisoryLock: number): Promise<string> {
  const { rows } = await client.query<Session>(
    `${sessions}
    where a.pid in (
      select l.pid
      from pg_locks l
      join pg_database d on d.oid = l.database and d.datname = current_database()
      where l.locktype = 'advisory' and l.classid = 0 and l.objid = $1 and l.granted
    )`,
    [advisoryLock],
  )
  return rows.map(inWords).join(', ') || 'nobody any more'
}

/**
 * Waits for the work of the session `pid`, and tells who keeps it from a lock meanwhile, as another session sees it.
 */
export async function watched<Result>(
  watcher: pg.Client,
  pid: number,
  work: Promise<Result>,
  tell: (blockers: string) => void,
): Promise<Result> {
  let isOver = false
  const over = work.then(
    () => (isOver = true),
    () => (isOver = true),
  )
  for (let lookMs = lookMsMin; !isOver; lookMs = Math.min(lookMs * 2, lookMsMax)) {
    await Promise.race([over, sleep(lookMs, undefined, { ref: false })])
    if (isOver) break
    const blockers = await blockersOf(watcher, pid).catch(() => '')
    if (blockers !== '') tell(blockers)
  }
  return work
}

async function blockersOf(watcher: pg.Client, pid: number): Promise<string> {
  const { rows } = await watcher.query<Session & { wanted: string | null }>(
    `with waiting as (
      select coalesce(l.relation::regclass::text, l.locktype) as wanted
      from pg_locks l
      where l.pid = $1 and not l.granted
      limit 1
    )
    select s.*, (select wanted from waiting)
    from (${sessions}) s
    where s.pid = any (pg_blocking_pids($1))`,
    [pid],
  )
  const [first] = rows
  return first ? `${first.wanted ?? 'it'} is held by ${rows.map(inWords).join(', ')}` : ''
}

const inWords = ({ pid, what, seconds }: Session): string =>
  `session ${pid} (${what}${seconds === null ? '' : `, in a transaction for ${seconds} s`})`
