import type { Knex } from 'knex'
import type { AuditAction, MailKind } from '../../generated/server/types.gen.ts'
import { firstIdAt, idTimeSlackMs } from '../ids.ts'
import { mailKeptDays, type MailRow, type NewMail } from '../outbox/mail.ts'
import { isReader, type ReaderRow, wants } from './preferences.ts'

export async function findReader(db: Knex, dealerId: string, userId: string): Promise<ReaderRow | undefined> {
  return db('users as u')
    .join('dealers as d', 'd.id', 'u.dealer_id')
    .where({ 'u.dealer_id': dealerId, 'u.id': userId })
    .first(
      'u.name',
      'u.email',
      'u.deactivated_at',
      'u.language',
      db.raw(`${wants.newLeads} as wants_new_leads`),
      db.raw(`${wants.unansweredLeads} as wants_unanswered_leads`),
      db.raw(`${wants.keys} as wants_keys`),
      db.raw(`${wants.security} as wants_security`),
      { dealer_name: 'd.name', dealer_language: 'd.language', time_zone: 'd.time_zone' },
    )
}

export interface PreferencesChange {
  language?: 'en' | 'da'
  mail_new_lead?: boolean
  mail_unanswered_lead?: boolean
  mail_keys?: boolean
  mail_security?: boolean
}

export async function savePreferences(
  trx: Knex.Transaction,
  dealerId: string,
  userId: string,
  change: PreferencesChange,
): Promise<void> {
  await trx('users').where({ dealer_id: dealerId, id: userId }).update(change)
}

/** Newest first. */
export async function findMails(
  db: Knex,
  dealerId: string,
  filter: { past?: string; limit: number },
): Promise<(MailRow & { email: string })[]> {
  const query = db('mails as m')
    .join('users as u', (on) => on.on('u.dealer_id', 'm.dealer_id').on('u.id', 'm.user_id'))
    .where({ 'm.dealer_id': dealerId })
    .orderBy('m.id', 'desc')
    .limit(filter.limit)
    .select('m.*', 'u.email')
  return filter.past ? query.where('m.id', '<', filter.past) : query
}

interface Deed {
  action: AuditAction
  subject_name: string
  subject_id: string
  actor_name: string
  address: string | null
  at: Date
  before: { scopes?: string[] }
  after: { scopes?: string[]; userAgent?: string }
}

/** What audit entries say, for a mail about them; the latest first. */
export async function findDeeds(db: Knex, dealerId: string, auditIds: readonly string[]): Promise<Deed[]> {
  return db('audit_entries')
    .where({ dealer_id: dealerId })
    .whereIn('id', auditIds)
    .orderBy([
      { column: 'at', order: 'desc' },
      { column: 'id', order: 'desc' },
    ])
    .select('action', 'subject_name', 'subject_id', 'actor_name', 'address', 'at', 'before', 'after')
}

export async function findKey(
  db: Knex,
  dealerId: string,
  id: string,
): Promise<{ name: string; expires_at: Date | null; deleted_at: Date | null } | undefined> {
  return db('api_keys').where({ dealer_id: dealerId, id }).first('name', 'expires_at', 'deleted_at')
}

/** A mail that somebody is to get and has not got yet. */
export type News = { dealer_id: string } & Pick<NewMail, 'user_id' | 'kind' | 'data' | 'dedupe'>

/** No mail names the fact yet. */
const isUntold =
  "not exists (select from mails m where m.dealer_id = news.dealer_id and m.dedupe = news.fact || ' ' || u.id::text)"

/** News of keys for each reader; `facts` has dealer_id, fact (what no other piece of news is called), kind and data. */
async function findNews(db: Knex, facts: string, atMost: number): Promise<News[]> {
  const { rows } = await db.raw<{ rows: News[] }>(
    `select news.dealer_id, u.id as user_id, news.kind, news.data, news.fact || ' ' || u.id::text as dedupe
     from (${facts}) as news
     join users u on u.dealer_id = news.dealer_id
     where ${isReader} and ${wants.keys} and ${isUntold}
     limit ?`,
    [atMost],
  )
  return rows
}

/** What is done in the audit log, and whom it concerns. */
interface Deeds {
  /** A condition on a row `a` of `audit_entries`. */
  which: string
  kind: string
  /** A condition on a row `u` of `users`. */
  readers: string
  /** Whoever was told is not told again for so long, and then of all that came since. */
  restMinutes: number
}

// By far longer than anybody rests; what is older than that when a process comes to it is no news.
const newsHours = 2
const deedsNamedMax = 10

/**
 * Like news makes one mail: the first is told at once, what follows when its reader has had a rest. Entries are written
 * with the dealer's clock in hand, so none that is older comes after one that was told.
 */
async function findDeedNews(db: Knex, { which, kind, readers, restMinutes }: Deeds, atMost: number): Promise<News[]> {
  const { rows } = await db.raw<{ rows: News[] }>(
    `select news.dealer_id, u.id as user_id, news.kind,
       (array_agg(news.fact order by news.at, news.fact))[1] || ' ' || u.id::text as dedupe,
       jsonb_build_object(
         'auditId', (array_agg(news.fact order by news.at, news.fact))[1],
         'auditIds', (array_agg(news.fact order by news.at desc, news.fact desc))[1:${deedsNamedMax}],
         'count', count(*),
         'until', max(news.at)
       ) as data
     from (
       select a.dealer_id, a.id::text as fact, a.at, a.subject_id, ${kind} as kind
       from audit_entries a
       where a.at > clock_timestamp() - interval '${newsHours} hours' and ${which}
     ) as news
     join users u on u.dealer_id = news.dealer_id
     left join lateral (
       select m.created_at, coalesce((m.data ->> 'until')::timestamptz, m.created_at) as until
       from mails m
       where m.dealer_id = news.dealer_id and m.user_id = u.id and m.kind = news.kind
         and m.id > first_id_at(clock_timestamp() - interval '1 day')
       order by m.id desc
       limit 1
     ) as told on true
     where ${isReader} and ${readers} and ${isUntold}
       and (told.until is null or (
         news.at > told.until and told.created_at < clock_timestamp() - interval '${restMinutes} minutes'
       ))
     group by news.dealer_id, u.id, news.kind
     limit ?`,
    [atMost],
  )
  return rows
}

const keyDeeds = {
  'api_key.created': 'key_created',
  'api_key.replaced': 'key_replaced',
  'api_key.deleted': 'key_deleted',
  'api_key.scopes_added': 'key_widened',
} as const satisfies Record<string, MailKind>

/** What was done to keys. */
export async function findKeyDeeds(db: Knex, atMost: number): Promise<News[]> {
  const kinds = Object.entries(keyDeeds).map(([action, kind]) => `when '${action}' then '${kind}'`)
  return findDeedNews(
    db,
    {
      which: `(a.action in ('${Object.keys(keyDeeds).join("', '")}')
        or (a.action = 'api_key.updated' and a.after ->> 'disabled' = 'true'))`,
      kind: `case a.action ${kinds.join(' ')} else 'key_disabled' end`,
      readers: wants.keys,
      restMinutes: 10,
    },
    atMost,
  )
}

/** Whoever has become an Admin, also by an invitation or by being let in again; all Admins but that one are told. */
export async function findNewAdmins(db: Knex, atMost: number): Promise<News[]> {
  return findDeedNews(
    db,
    {
      which: `((a.action in ('user.created', 'user.updated') and a.after ->> 'role' = 'admin')
        or (a.action = 'user.updated' and a.after ->> 'deactivated' = 'false' and exists (
          select
          from users became
          where became.dealer_id = a.dealer_id and became.id = a.subject_id and became.role = 'admin'
        )))`,
      kind: "'admin_added'",
      readers: `${wants.security} and u.id <> news.subject_id`,
      restMinutes: 10,
    },
    atMost,
  )
}

/** Sign-ins from devices that a person had not signed in with before. Nobody but the person knows whose they were. */
export async function findNewDevices(db: Knex, atMost: number): Promise<News[]> {
  return findDeedNews(
    db,
    {
      which: "a.action = 'user.signed_in' and a.after ->> 'newDevice' = 'true'",
      kind: "'new_device'",
      readers: 'u.id = news.subject_id',
      restMinutes: 60,
    },
    atMost,
  )
}

/** How often somebody may fail within an hour or two before it is told; by address, at so many accounts. */
const failuresMin = { account: 10, key: 30, address: 20, accountsOfAddress: 3 }
const failures = {
  user: ['sign-in-refused', 'too-many-attempts', 'password-wrong', 'passkey-refused', 'recovery-code-refused'],
  api_key: ['invalid_client', 'unauthorized_client', 'address-not-allowed', 'temporarily_unavailable'],
} as const

/**
 * Many failures at one account, with one key, or from one address at several accounts, once a day for each. Admins are
 * told, and the person whose account it is.
 */
export async function findManyFailures(db: Knex, atMost: number): Promise<News[]> {
  const listed = (codes: readonly string[]) => `('${codes.join("', '")}')`
  const counted = `min(r.hour) as hour, sum(r.requests) as requests, min(r.first_at) as since, max(r.last_at) as until,
    count(distinct nullif(r.address, '')) as addresses, bool_or(r.address = '') as and_more`
  const recent = "r.hour >= date_trunc('hour', clock_timestamp()) - interval '1 hour'"
  const { rows } = await db.raw<{ rows: News[] }>(
    `select news.dealer_id, u.id as user_id, 'many_failures' as kind,
       'failures ' || news.about || ' ' || news.hour::text || ' ' || u.id::text as dedupe,
       jsonb_build_object(
         'about', news.about,
         'aboutType', news.type,
         'count', news.requests,
         'addresses', news.addresses + news.and_more::int,
         'since', news.since,
         'at', news.until
       ) as data
     from (
       select r.dealer_id, r.subject_type as type, r.subject_id::text as about, ${counted}
       from refusals r
       where ${recent} and (
         (r.subject_type = 'user' and r.code in ${listed(failures.user)})
         or (r.subject_type = 'api_key' and r.code in ${listed(failures.api_key)})
       )
       group by r.dealer_id, r.subject_type, r.subject_id
       having sum(r.requests) >= case r.subject_type when 'user' then ${failuresMin.account} else ${failuresMin.key} end
       union all
       select r.dealer_id, 'address', r.address, ${counted}
       from refusals r
       where ${recent} and r.subject_type = 'user' and r.code in ${listed(failures.user)} and r.address <> ''
       group by r.dealer_id, r.address
       having sum(r.requests) >= ${failuresMin.address} and count(distinct r.subject_id) >= ${failuresMin.accountsOfAddress}
     ) as news
     join users u on u.dealer_id = news.dealer_id
     where ${isReader} and (${wants.security} or (news.type = 'user' and news.about = u.id::text))
       and not exists (
         select
         from mails m
         where m.dealer_id = news.dealer_id and m.user_id = u.id and m.kind = 'many_failures'
           and m.data ->> 'about' = news.about and m.id > first_id_at(clock_timestamp() - interval '1 day')
       )
     limit ?`,
    [atMost],
  )
  return rows
}

/** Keys that expire within a week, and again within a day; not of a key that was made for less. */
export async function findExpiringKeys(db: Knex, atMost: number): Promise<News[]> {
  return findNews(
    db,
    `select k.dealer_id, k.id::text || ' ' || k.expires_at::text || ' ' || days as fact,
       jsonb_build_object('keyId', k.id) as data, 'key_expires' as kind
     from (values (7), (1)) as warning (days)
     join api_keys k on k.expires_at > clock_timestamp()
       and k.expires_at <= clock_timestamp() + make_interval(days => days)
       and k.created_at < k.expires_at - make_interval(days => days)
       and k.deleted_at is null
       and not k.disabled`,
    atMost,
  )
}

/** Keys whose leads have stopped coming. */
export async function findQuietSources(db: Knex, atMost: number): Promise<News[]> {
  return findNews(
    db,
    `select s.dealer_id, s.api_key_id::text || ' quiet since ' || s.since::text as fact,
       jsonb_build_object('keyId', s.api_key_id, 'since', s.since, 'expected', s.expected) as data,
       'source_quiet' as kind
     from source_silences s
     where s.ended_at is null and s.noticed_at > clock_timestamp() - interval '${mailKeptDays} days'`,
    atMost,
  )
}

/** Dealers some of whose people want to be told of leads. */
export async function findDealersToTell(db: Knex): Promise<string[]> {
  return db('users as u')
    .distinct('u.dealer_id')
    .whereRaw(`${isReader} and (${wants.newLeads} or ${wants.unansweredLeads})`)
    .pluck('u.dealer_id')
}

export async function findPeopleToTell(
  trx: Knex.Transaction,
  dealerId: string,
): Promise<{ id: string; of_new: boolean; of_unanswered: boolean }[]> {
  return trx('users as u')
    .where({ 'u.dealer_id': dealerId })
    .whereRaw(isReader)
    .select('u.id', trx.raw(`${wants.newLeads} as of_new`), trx.raw(`${wants.unansweredLeads} as of_unanswered`))
}

export interface MailCursor {
  seq: string
  waited_until: Date
  /** The number of the dealer's last event. */
  position: string
  /** Leads that came until then have waited too long. */
  late: Date
  target_minutes: number
}

/**
 * How far the dealer's people were told; undefined while somebody else tells them. A dealer who is new here is told of
 * what comes.
 */
export async function lockMailCursor(trx: Knex.Transaction, dealerId: string): Promise<MailCursor | undefined> {
  await trx.raw(
    `insert into mail_cursors (dealer_id, seq, waited_until)
     select c.dealer_id, c.seq, clock_timestamp() - make_interval(mins => d.response_target_minutes)
     from dealer_clocks c
     join dealers d on d.id = c.dealer_id
     where c.dealer_id = ?
     on conflict do nothing`,
    [dealerId],
  )
  const { rows } = await trx.raw<{ rows: MailCursor[] }>(
    `select m.seq, m.waited_until, c.seq as position,
       clock_timestamp() - make_interval(mins => d.response_target_minutes) as late,
       d.response_target_minutes as target_minutes
     from mail_cursors m
     join dealer_clocks c on c.dealer_id = m.dealer_id
     join dealers d on d.id = m.dealer_id
     where m.dealer_id = ?
     for update of m skip locked`,
    [dealerId],
  )
  return rows[0]
}

export async function saveMailCursor(
  trx: Knex.Transaction,
  dealerId: string,
  { position, late }: MailCursor,
): Promise<void> {
  await trx('mail_cursors')
    .where({ dealer_id: dealerId })
    .update({ seq: position, waited_until: trx.raw('greatest(waited_until, ?)', [late]) })
}

type Some = { ids: string[]; count: number }
const some = (rows: { id: string; count: string }[]): Some => ({
  ids: rows.map(({ id }) => id),
  count: Number(rows[0]?.count ?? 0),
})

/** Real leads that came between two events: the first of them, and how many. */
export async function findNewLeads(
  trx: Knex.Transaction,
  dealerId: string,
  { seq, position }: MailCursor,
  atMost: number,
): Promise<Some> {
  const { rows } = await trx.raw<{ rows: { id: string; count: string }[] }>(
    `select l.id, count(*) over () as count
     from events e
     join leads l on l.dealer_id = e.dealer_id and l.id = e.subject_id and not l.test
     where e.dealer_id = ? and e.seq > ? and e.seq <= ? and e.type = 'lead.created'
     order by e.seq
     limit ?`,
    [dealerId, seq, position, atMost],
  )
  return some(rows)
}

/** Real leads that are new still and came between two times. */
export async function findWaitingLeads(
  trx: Knex.Transaction,
  dealerId: string,
  { waited_until, late }: MailCursor,
  atMost: number,
): Promise<Some> {
  const { rows } = await trx.raw<{ rows: { id: string; count: string }[] }>(
    `select l.id, count(*) over () as count
     from leads l
     where l.dealer_id = ? and l.status = 'new' and not l.test
       and l.id between ? and ? and l.received_at > ? and l.received_at <= ?
     order by l.id
     limit ?`,
    [
      dealerId,
      firstIdAt(new Date(waited_until.getTime() - idTimeSlackMs)),
      firstIdAt(new Date(late.getTime() + idTimeSlackMs)),
      waited_until,
      late,
      atMost,
    ],
  )
  return some(rows)
}
