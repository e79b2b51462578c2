import type { Knex } from 'knex'
import type { Mail, MailKind, Role } from '../../generated/server/types.gen.ts'
import { firstIdAt, idTimeSlackMs, newId } from '../ids.ts'

export interface MailRow {
  dealer_id: string
  id: string
  user_id: string
  kind: MailKind
  data: MailData
  sealed: Buffer | null
  secret_version: string | null
  dedupe: string
  state: Mail['state']
  attempts: number
  created_at: Date
  changed_at: Date
  failure: string | null
}

/** What a mail is about; what it says is read when it is written. */
export interface MailData {
  leadIds?: string[]
  count?: number
  targetMinutes?: number
  keyId?: string
  auditId?: string
  expected?: number
  since?: string
  expiresAt?: string
}

export interface NewMail {
  user_id: string
  kind: MailKind
  data: MailData
  /** One mail only has it. */
  dedupe: string
  sealed?: Buffer
  secret_version?: string
}

export async function addMails(db: Knex, dealerId: string, mails: readonly NewMail[]): Promise<void> {
  if (mails.length === 0) return
  const moment = db.raw('clock_timestamp()')
  const rows = mails.map((mail) => ({
    ...mail,
    dealer_id: dealerId,
    id: newId(),
    data: JSON.stringify(mail.data),
    due_at: moment,
    created_at: moment,
    changed_at: moment,
  }))
  await db('mails').insert(rows).onConflict(['dealer_id', 'dedupe']).ignore()
}

/** Takes one mail that is due, for 2 minutes: if nothing comes of it by then, somebody else takes it. */
export async function claimMail(db: Knex): Promise<MailRow | undefined> {
  const { rows } = await db.raw<{ rows: MailRow[] }>(
    `update mails m set attempts = attempts + 1, due_at = clock_timestamp() + interval '2 minutes', changed_at = clock_timestamp()
     from (select dealer_id, id from mails where state = 'due' and due_at <= clock_timestamp() order by due_at limit 1 for update skip locked) due
     where m.dealer_id = due.dealer_id and m.id = due.id returning m.*`,
  )
  return rows[0]
}

const mine = ({ dealer_id, id, attempts }: MailRow) => ({ dealer_id, id, attempts })

/** From here on it may have been sent. False when somebody else has taken it meanwhile. */
export async function handOver(db: Knex, mail: MailRow): Promise<boolean> {
  const changed = await db('mails')
    .where({ ...mine(mail), state: 'due' })
    .update({ state: 'handing_over', changed_at: db.raw('clock_timestamp()') })
  return changed === 1
}

/** What became of it. A mail that is over keeps nothing that only its reader may see. */
export async function settleMail(
  db: Knex,
  mail: MailRow,
  outcome: { state: 'sent' | 'given_up' | 'unknown' } | { state: 'due'; inMinutes: number },
  failure: string | undefined,
): Promise<void> {
  const isOver = outcome.state !== 'due'
  await db('mails')
    .where(mine(mail))
    .whereNot({ state: 'sent' })
    .update({
      state: outcome.state,
      failure: failure ?? null,
      changed_at: db.raw('clock_timestamp()'),
      ...(isOver
        ? { sealed: null }
        : { due_at: db.raw('clock_timestamp() + make_interval(mins => ?)', [outcome.inMinutes]) }),
    })
}

/** Those whose sender was lost while it handed them over, and forgets what is old. */
export async function sweepMails(db: Knex): Promise<void> {
  await db.raw(
    `update mails set state = 'unknown', sealed = null, changed_at = clock_timestamp() where state = 'handing_over' and changed_at < clock_timestamp() - interval '5 minutes'`,
  )
  await db.raw(`delete from mails where created_at < clock_timestamp() - interval '30 days'`)
}

export async function findMails(
  db: Knex,
  dealerId: string,
  filter: { before?: string; limit: number },
): Promise<(MailRow & { email: string })[]> {
  const query = db('mails as m')
    .join('users as u', (on) => on.on('u.dealer_id', 'm.dealer_id').on('u.id', 'm.user_id'))
    .where({ 'm.dealer_id': dealerId })
    .orderBy('m.id', 'desc')
    .limit(filter.limit)
    .select('m.*', 'u.email')
  return filter.before ? query.where('m.id', '<', filter.before) : query
}

export interface ReaderRow {
  name: string
  email: string
  role: Role
  deactivated_at: Date | null
  language: 'en' | 'da' | null
  mail_new_lead: boolean | null
  mail_unanswered_lead: boolean | null
  mail_keys: boolean | null
  dealer_name: string
  dealer_language: string
  time_zone: string
}

export async function findReader(db: Knex, dealerId: string, userId: string): Promise<ReaderRow | undefined> {
  return db('users as u')
    .join('dealers as d', 'd.id', 'u.dealer_id')
    .where({ 'u.dealer_id': dealerId, 'u.id': userId })
    .first('u.*', { dealer_name: 'd.name', dealer_language: 'd.language', time_zone: 'd.time_zone' })
}

export async function saveNotifications(
  trx: Knex.Transaction,
  dealerId: string,
  userId: string,
  change: Partial<Pick<ReaderRow, 'language' | 'mail_new_lead' | 'mail_unanswered_lead' | 'mail_keys'>>,
): Promise<void> {
  await trx('users').where({ dealer_id: dealerId, id: userId }).update(change)
}

/** What an audit entry says of a key, for a mail about it. */
export async function findDeed(
  db: Knex,
  dealerId: string,
  auditId: string,
): Promise<
  { subject_name: string; subject_id: string; actor_name: string; address: string | null; at: Date } | undefined
> {
  return db('audit_entries')
    .where({ dealer_id: dealerId, id: auditId })
    .first('subject_name', 'subject_id', 'actor_name', 'address', 'at')
}

export async function findKey(
  db: Knex,
  dealerId: string,
  id: string,
): Promise<{ name: string; expires_at: Date | null; deleted_at: Date | null } | undefined> {
  return db('api_keys').where({ dealer_id: dealerId, id }).first('name', 'expires_at', 'deleted_at')
}

interface KeyNews {
  dealer_id: string
  user_id: string
  kind: MailKind
  dedupe: string
  data: MailData
}

// Admins who have a password and want to know.
const told =
  "u.role = 'admin' and u.deactivated_at is null and u.password_hash is not null and coalesce(u.mail_keys, true)"
const notTold = 'not exists (select 1 from mails m where m.dealer_id = news.dealer_id and m.dedupe = news.dedupe)'

/** What happened to keys in the last hour, what is about to, and which are quiet now, for everybody who has not been told. */
export async function findKeyNews(db: Knex, atMost: number): Promise<KeyNews[]> {
  const { rows } = await db.raw<{ rows: KeyNews[] }>(
    `select * from (
       select a.dealer_id, u.id as user_id, a.id::text || ' ' || u.id::text as dedupe, jsonb_build_object('auditId', a.id) as data,
         case a.action when 'api_key.created' then 'key_created' when 'api_key.replaced' then 'key_replaced' when 'api_key.deleted' then 'key_deleted' else 'key_disabled' end as kind
       from audit_entries a join users u on u.dealer_id = a.dealer_id and ${told}
       where a.at > clock_timestamp() - interval '1 hour'
         and (a.action in ('api_key.created', 'api_key.replaced', 'api_key.deleted') or (a.action = 'api_key.updated' and a.after ->> 'disabled' = 'true'))
       union all
       select k.dealer_id, u.id, k.id::text || ' ' || k.expires_at::text || ' ' || days || ' ' || u.id::text, jsonb_build_object('keyId', k.id), 'key_expires'
       from (values (7), (1)) as warning (days)
       join api_keys k on k.expires_at > clock_timestamp() and k.expires_at <= clock_timestamp() + make_interval(days => days) and k.created_at < k.expires_at - make_interval(days => days)
         and k.deleted_at is null and not k.disabled
       join users u on u.dealer_id = k.dealer_id and ${told}
       union all
       select s.dealer_id, u.id, s.api_key_id::text || ' quiet since ' || s.since::text || ' ' || u.id::text,
         jsonb_build_object('keyId', s.api_key_id, 'since', s.since, 'expected', s.expected), 'source_quiet'
       from source_silences s join users u on u.dealer_id = s.dealer_id and ${told}
       where s.ended_at is null
     ) news where ${notTold} limit ?`,
    [atMost],
  )
  return rows
}

/** Dealers some of whose people want to be told of leads. */
export async function findDealersToTell(db: Knex): Promise<string[]> {
  return db('users')
    .distinct('dealer_id')
    .whereNull('deactivated_at')
    .whereNotNull('password_hash')
    .whereRaw("(coalesce(mail_new_lead, false) or coalesce(mail_unanswered_lead, role = 'admin'))")
    .pluck('dealer_id')
}

export async function findPeopleToTell(
  trx: Knex.Transaction,
  dealerId: string,
): Promise<{ id: string; of_new: boolean; of_unanswered: boolean }[]> {
  return trx('users')
    .where({ dealer_id: dealerId })
    .whereNull('deactivated_at')
    .whereNotNull('password_hash')
    .select(
      'id',
      trx.raw('coalesce(mail_new_lead, false) as of_new'),
      trx.raw("coalesce(mail_unanswered_lead, role = 'admin') as of_unanswered"),
    )
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

/** How far the dealer's people were told; undefined while somebody else tells them. A dealer who is new here is told of what comes. */
export async function lockMailCursor(trx: Knex.Transaction, dealerId: string): Promise<MailCursor | undefined> {
  await trx.raw(
    `insert into mail_cursors (dealer_id, seq, waited_until) select c.dealer_id, c.seq, clock_timestamp() - make_interval(mins => d.response_target_minutes)
     from dealer_clocks c join dealers d on d.id = c.dealer_id where c.dealer_id = ? on conflict do nothing`,
    [dealerId],
  )
  const { rows } = await trx.raw<{ rows: MailCursor[] }>(
    `select m.seq, m.waited_until, c.seq as position, clock_timestamp() - make_interval(mins => d.response_target_minutes) as late, d.response_target_minutes as target_minutes
     from mail_cursors m join dealer_clocks c on c.dealer_id = m.dealer_id join dealers d on d.id = m.dealer_id where m.dealer_id = ? for update of m skip locked`,
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
    `select l.id, count(*) over () as count from events e join leads l on l.dealer_id = e.dealer_id and l.id = e.subject_id and not l.test
     where e.dealer_id = ? and e.seq > ? and e.seq <= ? and e.type = 'lead.created' order by e.seq limit ?`,
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
    `select l.id, count(*) over () as count from leads l
     where l.dealer_id = ? and l.status = 'new' and not l.test and l.id >= ?::uuid and l.received_at > ? and l.received_at <= ? order by l.id limit ?`,
    [dealerId, firstIdAt(new Date(waited_until.getTime() - idTimeSlackMs)), waited_until, late, atMost],
  )
  return some(rows)
}
