import type { Knex } from 'knex'
import type pg from 'pg'
import * as limits from '../../generated/server/limits.gen.ts'
import type { LeadStatus, LeadType, Warning } from '../../generated/server/types.gen.ts'
import { firstIdAt, idTimeSlackMs } from '../ids.ts'
import { pageBytesMax } from '../page.ts'
import type { Contact } from './contact.ts'
import type { TellingReference } from './external-reference.ts'
import type { Idempotency } from './idempotency.ts'
import type { LeadRow } from './lead.ts'
import { leadStatuses, type Move, statusAfter } from './status.ts'
import { leadTypes } from './vocabulary.ts'

/** A lead on its way in, with the ids made beforehand and the credential that it is judged by. */
export interface IncomingLead {
  dealerId: string
  credentialId: string
  epoch: number
  /** Where it came from; null when nobody knows. */
  address: string | null
  id: string
  eventId: string
  type: LeadType
  test: boolean
  externalReference: TellingReference | undefined
  submittedAt: string | undefined
  /** JSON of `LeadData`. */
  data: string
  /** JSON of the warnings. */
  warnings: string
  idempotency: Idempotency | undefined
  original: Original | undefined
}

/** The document that a lead was read from, as it came. */
export interface Original {
  mediaType: string
  content: Buffer
  /** Of one that several leads are read from, so that it is stored once. */
  shared?: { id: string; leads: number }
}

export interface Verdict {
  verdict:
    'created' | 'duplicate' | 'key-reused' | 'token-invalid' | 'address-not-allowed' | 'scope-missing' | 'keys-newer'
  /** The same request had this answer before. */
  replayed: boolean
  lead_id: string
  received: Date
  lead_warnings: Warning[]
}

/**
 * Stores a group in one call of one function, one round trip, one commit. The verdicts come in the order of the leads.
 * A group whose answer was lost is sent again as `redriven`: what was stored then counts as stored by it.
 */
export async function createLeads(
  hot: pg.Pool,
  generation: string,
  redriven: boolean,
  group: readonly IncomingLead[],
): Promise<Verdict[]> {
  const column = <T>(of: (incoming: IncomingLead) => T) => group.map(of)
  const documents = new Map(
    group.flatMap(({ original }) => (original?.shared ? [[original.shared.id, original.content]] : [])),
  )
  const { rows } = await hot.query<Verdict>({
    name: 'create-leads',
    text: 'select verdict, replayed, lead_id, received, lead_warnings from store_leads($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)',
    values: [
      generation,
      redriven,
      column(({ dealerId }) => dealerId),
      column(({ credentialId }) => credentialId),
      column(({ epoch }) => epoch),
      column(({ id }) => id),
      column(({ eventId }) => eventId),
      column(({ type }) => type),
      column(({ test }) => test),
      column(({ externalReference }) => externalReference?.source ?? null),
      column(({ externalReference }) => externalReference?.id ?? null),
      column(({ submittedAt }) => submittedAt ?? null),
      column(({ data }) => data),
      column(({ warnings }) => warnings),
      column(({ idempotency }) => idempotency?.key ?? null),
      column(({ idempotency }) => idempotency?.requestHash ?? null),
      column(({ original }) => original?.mediaType ?? null),
      column(({ original }) => (original?.shared ? null : (original?.content ?? null))),
      column(({ address }) => address),
      column(({ original }) => original?.shared?.id ?? null),
      [...documents.keys()],
      [...documents.values()],
    ],
  })
  return rows
}

/** Those of the dealers whose clock nobody holds at this moment. */
export async function freeDealers(hot: pg.Pool, dealerIds: readonly string[]): Promise<string[]> {
  const { rows } = await hot.query<{ dealer_id: string }>({
    name: 'free-dealers',
    text: 'select dealer_id from dealer_clocks where dealer_id = any ($1) order by dealer_id for update skip locked',
    values: [dealerIds],
  })
  return rows.map(({ dealer_id }) => dealer_id)
}

/**
 * Forgets keys that have expired, the oldest first; says how many. One that is taken over at this moment is left for
 * later.
 */
export async function sweepIdempotencyKeys(db: Knex, atMost: number): Promise<number> {
  const { rowCount } = await db.raw<{ rowCount: number }>(
    `with old as materialized (
       select dealer_id, subject_id, kind, value
       from lead_claims
       where expires_at < 'infinity' and expires_at <= clock_timestamp()
       order by expires_at
       limit ?
       for update skip locked
     )
     delete from lead_claims c
     using old
     where c.dealer_id = old.dealer_id and c.subject_id = old.subject_id and c.kind = old.kind and c.value = old.value`,
    [atMost],
  )
  return rowCount
}

/** The places of those of the references that a lead of the subject came with. */
export async function findClaimed(
  db: Knex,
  dealerId: string,
  subjectId: string,
  references: readonly TellingReference[],
): Promise<Set<number>> {
  // Lateral with a limit, it cannot become a join over all claims of the subject.
  const { rows } = await db.raw<{ rows: { place: string }[] }>(
    `select asked.place from unnest(?::text[], ?::text[]) with ordinality as asked(source, id, place), lateral (
       select from lead_claims c
       where c.dealer_id = ? and c.subject_id = ? and c.kind = 'reference' and c.value = jsonb_build_array(asked.source, asked.id)::text
       limit 1) as claim`,
    [references.map(({ source }) => source), references.map(({ id }) => id), dealerId, subjectId],
  )
  return new Set(rows.map(({ place }) => Number(place) - 1))
}

export interface LeadFilter {
  test: boolean
  status?: readonly LeadStatus[]
  type?: readonly LeadType[]
  sourceId?: string
  contact?: Contact
  /** The customers of whom they are. */
  customerIds?: readonly string[]
  updatedSince?: Date
  text?: SearchedText
}

/** What was typed, in the language of PostgreSQL (tsquery), as the terms of leads and customers have it. */
export interface SearchedText {
  /** All of it. */
  readonly whole: string
  /** What leads to those customers who have it, one after the other. */
  readonly leading: readonly string[]
  /** How an address may begin. */
  readonly email: string | undefined
  /** Any piece of it that a lead may have for itself: as it was typed, or else what begins so. */
  readonly own: readonly string[] | undefined
  /** By which a lead is found whose customer is not known yet. */
  readonly contact?: Contact
}

// As the indexes on leads have them.
const phoneOf = (lead: string) => `${lead}.data #>> '{customer,phones,0,e164}'`
const emailOf = (lead: string) => `lower(btrim(${lead}.data #>> '{customer,emails,0,address}'))`
const contactOf = (contact: Contact, lead: string) => ('phone' in contact ? phoneOf(lead) : emailOf(lead))
const valueOf = (contact: Contact) => ('phone' in contact ? contact.phone : contact.email)
// A number of which the country is a guess may be a stranger's, and `noreply@` is everybody's.
const isPhoneCertain = (lead: string) => `${lead}.data #>> '{customer,phones,0,verdict}' = 'valid'`
const isEmailCertain = (lead: string) => `${lead}.data #>> '{customer,emails,0,verdict}' = 'plausible'`
const earlierWith = (contact: (lead: string) => string, isCertain: (lead: string) => string) => `
  (select case when d.received_at >= l.received_at - interval '30 days' then d.id end
   from leads d
   where d.dealer_id = l.dealer_id and ${contact('d')} = ${contact('l')} and d.test = l.test and d.id < l.id
     and ${isCertain('d')} and ${isCertain('l')}
   order by d.id desc
   limit 1)`

// One by one: a prepared statement fails once its answer has a column more, which a newer version may add.
const columns = [
  'id',
  'type',
  'status',
  'status_reason',
  'source_type',
  'source_id',
  'test',
  'external_source',
  'external_id',
  'submitted_at',
  'received_at',
  'updated_at',
  'responded_at',
  'version',
  'data',
  'warnings',
] satisfies (keyof LeadRow)[]

// Of a lead that a version stored or changed that knew no `rev_seq`.
const lastEvent = `
  left join lateral (
    select e.seq, e.id
    from events e
    where l.rev_seq is null and e.dealer_id = l.dealer_id and e.subject_id = l.id
    order by e.seq desc
    limit 1
  ) as e on true`

function named(db: Knex, dealerId: string): Knex.QueryBuilder {
  return db('leads as l')
    .leftJoin('api_keys as k', (on) => on.on('k.dealer_id', 'l.dealer_id').on('k.id', 'l.source_id'))
    .leftJoin('users as u', (on) => on.on('u.dealer_id', 'l.dealer_id').on('u.id', 'l.source_id'))
    .leftJoin('lead_links as c', (on) => on.on('c.dealer_id', 'l.dealer_id').on('c.lead_id', 'l.id'))
    .joinRaw(lastEvent)
    .where({ 'l.dealer_id': dealerId })
    .select(
      ...columns.map((column) => `l.${column}`),
      'c.customer_id',
      'c.rev_seq as link_seq',
      db.raw('greatest(l.rev_seq, e.seq, c.rev_seq) as rev_seq'),
      db.raw(
        'case when c.rev_seq > coalesce(l.rev_seq, e.seq) then c.rev_event else coalesce(l.rev_event, e.id) end as rev_event',
      ),
      db.raw("coalesce(k.name, u.name, '') as source_name"),
      db.raw(
        `greatest(${earlierWith(phoneOf, isPhoneCertain)}, ${earlierWith(emailOf, isEmailCertain)}) as duplicate_of`,
      ),
    )
}

/** A lead of a list. Of the first that does not fit into the page there is no more than that. */
export type ListedLead = LeadRow & { fits: boolean }

const large = ['data', 'warnings'] as const
// A small value says its size without being read; what is compressed or lies apart must be taken out to know it.
const smallBytesMax = 1_000
const bytesOf = (value: string) => `
  case when pg_column_compression(${value}) is null and pg_column_size(${value}) <= ${smallBytesMax}
    then pg_column_size(${value})
    else octet_length(${value}::text)
  end`

/**
 * The leads of a list as far as they fit into a page, and the first that does not, without what makes it large. Behind
 * that one PostgreSQL looks at no size: it stops where a count that only rises has passed a bound.
 */
function fitting(db: Knex, leads: Knex.QueryBuilder, order: string, bytesMax: number): Knex.QueryBuilder {
  const bytes = large.map(bytesOf).join(' + ')
  const measured = db.select(
    'l.*',
    db.raw(`coalesce(sum(${bytes}) over (order by ${order} rows between unbounded preceding and 1 preceding), 0)
      >= ${bytesMax} as is_beyond`),
  )
  const counted = db.select(
    'l.*',
    db.raw(`count(*) filter (where is_beyond) over (order by ${order} rows unbounded preceding) as beyond`),
  )
  return db
    .select(
      ...columns.filter((column) => column !== 'data' && column !== 'warnings'),
      'source_name',
      'duplicate_of',
      'customer_id',
      'link_seq',
      'rev_seq',
      'rev_event',
      db.raw('not is_beyond as fits'),
      ...large.map((value) => db.raw(`case when not is_beyond then ${value} end as ${value}`)),
    )
    .from(counted.from(measured.from(leads.as('l')).as('l')).as('l'))
    .where('beyond', '<=', 1)
    .orderByRaw(order)
}

interface Wanted extends LeadFilter {
  receivedBefore?: Date
  past?: string
}

/**
 * The ids of the leads that fit, in order and not more than `limit` of each kind.
 *
 * Whatever is wanted may be rare, so that looking at one lead after the other would look at all. Hence each combination
 * of status and type is a list of its own, which an index has in order. Of those that changed since some time most came
 * since then, and need no look for a change.
 */
function idsOf(
  { test, status, type, sourceId, contact, customerIds, updatedSince, receivedBefore, past }: Wanted,
  order: 'asc' | 'desc',
): { sql: string; bindings: Knex.ValueDict } {
  const conditions = ['l.dealer_id = :dealerId', 'l.test = :test']
  if (sourceId) conditions.push('l.source_id = :sourceId')
  if (contact) conditions.push(`${contactOf(contact, 'l')} = :contact`)
  // By the id, too, for which there is an index: else all that came since would be looked at.
  if (receivedBefore) conditions.push('l.received_at < :receivedBefore', 'l.id < :idBefore')
  if (past) conditions.push(`l.id ${order === 'desc' ? '<' : '>'} :past`)

  const from = customerIds ? 'lead_links c join leads l on l.dealer_id = c.dealer_id and l.id = c.lead_id' : 'leads l'
  if (customerIds) conditions.push('c.dealer_id = :dealerId', 'c.customer_id = any (:customerIds::uuid[])')
  const list = (...more: string[]) => `
    select l.id
    from ${from}
    where ${[...conditions, ...more].join(' and ')}
    order by l.id ${order}
    limit :limit`
  const kinds = (...more: string[]) => `
    select l.*
    from unnest(:statuses::text[]) as s (status),
    unnest(:types::text[]) as t (type),
    lateral (${list('l.status = s.status', 'l.type = t.type', ...more)}) as l`
  const kind = [...(status ? ['l.status = any (:statuses)'] : []), ...(type ? ['l.type = any (:types)'] : [])]
  // A person has few leads.
  const isOfOne = contact !== undefined || customerIds !== undefined
  const all = (...more: string[]) => (isOfOne || kind.length === 0 ? list(...kind, ...more) : kinds(...more))
  const older = [...conditions, ...kind, 'l.version > 1', 'l.updated_at >= :updatedSince', 'l.id < :idSince']
  const sql = updatedSince
    ? `(${all('l.id >= :idSince', 'l.updated_at >= :updatedSince')})
       union all
       (select l.id from ${from} where ${older.join(' and ')})`
    : all()
  const slack = (at: Date, ms: number) => firstIdAt(new Date(at.getTime() + ms))
  return {
    sql,
    bindings: {
      test,
      statuses: [...(status ?? leadStatuses)],
      types: [...(type ?? new Set(leadTypes.values()))],
      ...(sourceId && { sourceId }),
      ...(contact && { contact: valueOf(contact) }),
      ...(customerIds && { customerIds: [...customerIds] }),
      ...(receivedBefore && { receivedBefore, idBefore: slack(receivedBefore, idTimeSlackMs) }),
      ...(past && { past }),
      ...(updatedSince && { updatedSince, idSince: slack(updatedSince, -idTimeSlackMs) }),
    },
  }
}

/** Of so many customers all leads are looked for; of more, the leads are looked at, from the end of the list on. */
const customersMax = 3_000
const lookedAtMax = 10_000
const ownMax = 1_000

/**
 * As SQL the ids of leads that fit a text: those of customers who have all of it, those that have a piece of it for
 * themselves and the rest with their customer, and those that nobody has been found for yet, by the whole of an address
 * or number. If more customers have it than can be gone through, the leads of some of them, and all that fit among as
 * many leads as can be looked at.
 */
async function idsOfText(
  db: Knex,
  dealerId: string,
  filter: Wanted & { text: SearchedText },
  order: 'asc' | 'desc',
): Promise<{ sql: string; bindings: Knex.ValueDict; isAll: boolean }> {
  const { test, status, type, sourceId, contact, customerIds, receivedBefore, past, text } = filter
  const found = await findCustomersOfText(db, dealerId, test, text)
  const conditions = ['l.dealer_id = :dealerId', 'l.test = :test']
  if (sourceId) conditions.push('l.source_id = :sourceId')
  if (contact) conditions.push(`${contactOf(contact, 'l')} = :named`)
  if (receivedBefore) conditions.push('l.received_at < :receivedBefore')
  if (past) conditions.push(`l.id ${order === 'desc' ? '<' : '>'} :past`)
  const kind = [...(status ? ['l.status = any (:statuses)'] : []), ...(type ? ['l.type = any (:types)'] : [])]
  const ofOne = customerIds ? ['k.customer_id = any (:customerIds::uuid[])'] : []
  const fits = "coalesce(x.terms, ''::tsvector) || coalesce(t.terms, ''::tsvector) @@ :whole::tsquery"
  const ofCustomer = `
    left join lead_links k on k.dealer_id = :dealerId and k.lead_id = l.id
    left join customer_texts t on t.dealer_id = :dealerId and t.id = k.customer_id`
  const ways = [
    `select l.id
     from lead_links k
     join leads l on l.dealer_id = :dealerId and l.id = k.lead_id
     where k.dealer_id = :dealerId and k.customer_id = any (:found::uuid[])
       and ${[...conditions, ...kind, ...ofOne].join(' and ')}`,
  ]
  if (text.own !== undefined)
    ways.push(
      `select l.id
       from leads_found(:dealerId, :test, :own::tsquery[], ${ownMax}) as f (lead_id)
       join lead_texts x on x.dealer_id = :dealerId and x.lead_id = f.lead_id
       join leads l on l.dealer_id = :dealerId and l.id = f.lead_id
       ${ofCustomer}
       where ${[...conditions, ...kind, ...ofOne, `(${fits})`].join(' and ')}`,
    )
  if (text.contact && !customerIds)
    ways.push(
      `(select l.id
       from leads l
       where ${[...conditions, ...kind, `${contactOf(text.contact, 'l')} = :typed`].join(' and ')}
       order by l.id ${order}
       limit ${lookedAtMax})`,
    )
  const isAll = found.length <= customersMax
  if (!isAll) {
    const lookedAt = (...more: string[]) => `
      select l.id
      from (
        select l.id, l.type
        from leads l
        where ${[...conditions, ...more].join(' and ')}
        order by l.id ${order}
        limit ${lookedAtMax}
      ) as l, lateral (
        select
        from (select) as one
        ${ofCustomer}
        left join lead_texts x on x.dealer_id = :dealerId and x.lead_id = l.id
        where ${[...ofOne, `(${fits})`].join(' and ')}
      ) as fitting
      ${type ? 'where l.type = any (:types)' : ''}
      order by l.id ${order}
      limit :limit`
    ways.push(
      status
        ? `select l.id from unnest(:statuses::text[]) as s (status), lateral (${lookedAt('l.status = s.status')}) as l`
        : `(${lookedAt()})`,
    )
  }
  return {
    sql: ways.join(' union '),
    isAll,
    bindings: {
      test,
      whole: text.whole,
      found: found.slice(0, customersMax),
      statuses: [...(status ?? [])],
      types: [...(type ?? [])],
      ...(sourceId && { sourceId }),
      ...(customerIds && { customerIds: [...customerIds] }),
      ...(receivedBefore && { receivedBefore }),
      ...(past && { past }),
      ...(text.own !== undefined && { own: [...text.own] }),
      ...(contact && { named: valueOf(contact) }),
      ...(text.contact && { typed: valueOf(text.contact) }),
    },
  }
}

/** One more than can be gone through says that there are more. */
async function findCustomersOfText(
  db: Knex,
  dealerId: string,
  test: boolean,
  { leading, whole, email }: SearchedText,
): Promise<string[]> {
  const { rows } = await db.raw<{ rows: { id: string }[] }>(
    `select id from customers_found(:dealerId, :test, :leading::tsquery[], :whole::tsquery, :atMost) as f (id)
     ${
       email === undefined
         ? ''
         : `
     union
     select t.id
     from emails_found(:dealerId, :test, :email, :atMost) as f (id)
     join customer_texts t on t.dealer_id = :dealerId and t.id = f.id
     where t.terms @@ :whole::tsquery`
     }`,
    { dealerId, test, leading: [...leading], whole, atMost: customersMax + 1, ...(email !== undefined && { email }) },
  )
  return rows.map(({ id }) => id)
}

// To plan the whole list costs PostgreSQL more than to read it. Each of these takes room in every connection.
const preparedFor = new Set([limits.parameters.Limit.default + 1, limits.parameters.Limit.maximum + 1])

/** By age: ids are UUIDs of version 7, which rise with time. `past`: the id of the last lead of the page before. */
export async function findLeads(
  db: Knex,
  dealerId: string,
  filter: LeadFilter,
  page: { order: 'newest' | 'oldest'; past?: string; limit: number },
): Promise<ListedLead[]> {
  const order = page.order === 'newest' ? 'desc' : 'asc'
  const { test, ...more } = filter
  if (Object.keys(more).length === 0) {
    // What decides the plan stands in the text, so that one plan is right for all dealers.
    const all = named(db, dealerId)
      .whereRaw(test ? 'l.test' : 'not l.test')
      .orderBy('l.id', order)
      .limit(page.limit, { skipBinding: true })
    if (page.past) void all.where('l.id', order === 'desc' ? '<' : '>', page.past)
    const listed = fitting(db, all, `id ${order}`, pageBytesMax)
    const isFirst = page.past === undefined
    if (preparedFor.has(page.limit))
      void listed.options({ name: `list-leads-${test}-${order}-${isFirst}-${page.limit}` })
    return listed
  }
  const wanted = { ...filter, ...(page.past && { past: page.past }) }
  const { text } = wanted
  const { sql, bindings } = text ? await idsOfText(db, dealerId, { ...wanted, text }, order) : idsOf(wanted, order)
  const ids = db.raw(`select id from (${sql}) as found order by id ${order} limit :limit`, {
    dealerId,
    limit: page.limit,
    ...bindings,
  })
  const found = named(db, dealerId).whereRaw('l.id = any (array(?))', [ids]).orderBy('l.id', order)
  return fitting(db, found, `id ${order}`, pageBytesMax)
}

export async function findLeadsById(db: Knex, dealerId: string, ids: readonly string[]): Promise<LeadRow[]> {
  return named(db, dealerId).whereIn('l.id', ids)
}

/** Leads in the order of `ids`, as many as fit into so many bytes. */
export async function listLeadsById(
  db: Knex,
  dealerId: string,
  ids: readonly string[],
  bytesMax: number,
): Promise<ListedLead[]> {
  const found = named(db, dealerId)
    .select(db.raw('array_position(?::uuid[], l.id) as place', [[...ids]]))
    .whereRaw('l.id = any (?::uuid[])', [[...ids]])
    .orderBy('place')
  return fitting(db, found, 'place', bytesMax)
}

/** How many leads fit, counted no further than `atMost`. */
export async function countLeads(
  db: Knex,
  dealerId: string,
  filter: LeadFilter & { receivedBefore?: Date },
  atMost: number,
): Promise<number> {
  const { sql, bindings } = idsOf(filter, 'asc')
  const { rows } = await db.raw<{ rows: [{ count: string }] }>(
    `select count(*) from (select from (${sql}) as found limit :limit) as counted`,
    { dealerId, limit: atMost, ...bindings },
  )
  return Number(rows[0].count)
}

/**
 * How many of the leads that fit a text have each status, and how many of the new ones came before a time. `isAll`: all
 * are counted, not the latest alone.
 */
export async function countLeadsOfText(
  db: Knex,
  dealerId: string,
  filter: LeadFilter & { text: SearchedText },
  overdueBefore: Date,
  atMost: number,
): Promise<{ statuses: { status: LeadStatus; count: number }[]; overdue: number; isAll: boolean }> {
  const { sql, bindings, isAll } = await idsOfText(db, dealerId, filter, 'desc')
  const { rows } = await db.raw<{ rows: { status: LeadStatus; count: number; overdue: number }[] }>(
    `select l.status, least(count(*), :atMost)::integer as count,
       least(count(*) filter (where l.status = 'new' and l.received_at < :overdueBefore), :atMost)::integer as overdue
     from (${sql}) as found
     join leads l on l.dealer_id = :dealerId and l.id = found.id
     group by l.status`,
    { dealerId, limit: lookedAtMax, ...bindings, overdueBefore, atMost },
  )
  return {
    statuses: rows.map(({ status, count }) => ({ status, count })),
    overdue: rows.reduce((sum, { overdue }) => sum + overdue, 0),
    isAll,
  }
}

/** The lead as it is now. Within `write` nobody else is changing it. */
export async function findLead(db: Knex, dealerId: string, id: string): Promise<LeadRow | undefined> {
  // Prepared: to plan it costs several times as much as to run it.
  return named(db, dealerId).where({ 'l.id': id }).first().options({ name: 'find-lead' })
}

/** The document that a lead was read from, if it came as one. */
export async function findOriginal(
  db: Knex,
  dealerId: string,
  leadId: string,
): Promise<{ media_type: string; content: Buffer } | undefined> {
  const { rows } = await db.raw<{ rows: { media_type: string; content: Buffer }[] }>(
    `select media_type, content
     from lead_originals
     where dealer_id = :dealerId and lead_id = :leadId
     union all
     select d.media_type, d.content
     from lead_document_places p
     join lead_documents d on d.dealer_id = p.dealer_id and d.id = p.document_id
     where p.dealer_id = :dealerId and p.lead_id = :leadId`,
    { dealerId, leadId },
  )
  return rows[0]
}

export async function saveLead(
  trx: Knex.Transaction,
  dealerId: string,
  lead: Pick<
    LeadRow,
    'id' | 'status' | 'status_reason' | 'version' | 'updated_at' | 'responded_at' | 'rev_seq' | 'rev_event'
  >,
): Promise<void> {
  const { id, ...change } = lead
  await trx('leads').where({ dealer_id: dealerId, id }).update(change)
}

/** How a lead came to its status; undefined when it never moved. */
export async function findLastMove(trx: Knex.Transaction, dealerId: string, leadId: string): Promise<Move | undefined> {
  const [last, before] = await trx('events')
    .where({ dealer_id: dealerId, subject_id: leadId })
    .whereRaw("(type = 'lead.created' or 'status' = any (changed))")
    .orderBy('seq', 'desc')
    .limit(2)
    .select('type', 'status', 'at', 'actor_id')
  const from: LeadStatus | undefined = before && statusAfter(before)
  return last && from && { from, at: last.at, actorId: last.actor_id }
}
