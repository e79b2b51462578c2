import type { Knex } from 'knex'
import { firstIdAt, idTimeSlackMs } from '../ids.ts'
import type { CustomerReference, LeadCustomer, TradeIn } from '../../generated/server/types.gen.ts'
import type { Doer } from '../events/event.ts'
import type { CustomerRow } from './customer.ts'
import type { CustomerKey } from './keys.ts'
import type { Opinion, Said, Source, Times } from './record.ts'
import { markedFor, wordsIn } from './terms.ts'
import type { Query } from './typed.ts'

/** Of one customer, with all that were merged into it, so many leads have a say, the latest. */
export const leadsHeardMax = 200

const columns = [
  'id',
  'test',
  'state',
  'merged_into',
  'shown',
  'version',
  'rev_seq',
  'rev_event',
  'created_at',
  'updated_at',
] satisfies (keyof CustomerRow)[]

/** A customer by any id, be it merged or gone. */
export async function findCustomers(db: Knex, dealerId: string, ids: readonly string[]): Promise<CustomerRow[]> {
  return db('customers')
    .where({ dealer_id: dealerId })
    .whereRaw('id = any (?::uuid[])', [[...ids]])
    .select(columns)
}

/** The customer that an id stands for: the one into which it was merged, be it by several merges, or itself. */
export async function findLiving(db: Knex, dealerId: string, id: string): Promise<CustomerRow | undefined> {
  return (await findAllLiving(db, dealerId, [id])).get(id)
}

/** The customers that ids stand for, by these ids. */
export async function findAllLiving(
  db: Knex,
  dealerId: string,
  ids: readonly string[],
): Promise<Map<string, CustomerRow>> {
  const { rows } = await db.raw<{ rows: (CustomerRow & { asked: string })[] }>(
    `with recursive up as (
       select id as asked, id, merged_into from customers where dealer_id = :dealerId and id = any (:ids::uuid[])
       union all
       select up.asked, c.id, c.merged_into
       from up join customers c on c.dealer_id = :dealerId and c.id = up.merged_into
     )
     select up.asked, ${columns.map((column) => `c.${column}`).join(', ')}
     from up
     join customers c on c.dealer_id = :dealerId and c.id = up.id
     where up.merged_into is null`,
    { dealerId, ids: [...ids] },
  )
  return new Map(rows.map(({ asked, ...row }) => [asked, row]))
}

/** Each of the customers for whom `ids` stand, with all that were merged into it, itself among them. */
export async function findTrees(
  db: Knex,
  dealerId: string,
  ids: readonly string[],
): Promise<{ root: string; id: string }[]> {
  const { rows } = await db.raw<{ rows: { root: string; id: string }[] }>(
    `with recursive up as (
       select id, merged_into from customers where dealer_id = :dealerId and id = any (:ids::uuid[])
       union
       select c.id, c.merged_into from up join customers c on c.dealer_id = :dealerId and c.id = up.merged_into
     ), down as (
       select id as root, id from up where merged_into is null
       union all
       select d.root, c.id from down d join customers c on c.dealer_id = :dealerId and c.merged_into = d.id
     )
     select root, id from down`,
    { dealerId, ids: [...ids] },
  )
  return rows
}

/** All that are one customer with the one of this id, by their ids. */
export async function findMembers(db: Knex, dealerId: string, id: string): Promise<string[]> {
  return (await findTrees(db, dealerId, [id])).map((each) => each.id)
}

export interface SourceRow {
  id: string
  customer_id: string
  test: boolean
  kind: 'people' | 'system'
  source: string | null
  external_id: string | null
  source_version: string | null
  /** Null of a row that a system has taken back. */
  data: (Opinion & { extra?: Record<string, unknown> }) | null
  changed_at: Times
  created_at: Date
  updated_at: Date
}

const sourceColumns = [
  'id',
  'customer_id',
  'test',
  'kind',
  'source',
  'external_id',
  'source_version',
  'data',
  'changed_at',
  'created_at',
  'updated_at',
] satisfies (keyof SourceRow)[]

/** What systems and people say of customers. */
export async function findSources(db: Knex, dealerId: string, customerIds: readonly string[]): Promise<SourceRow[]> {
  return db('customer_sources')
    .where({ dealer_id: dealerId })
    .whereRaw('customer_id = any (?::uuid[])', [[...customerIds]])
    .whereNotNull('data')
    .orderBy('id')
    .select(sourceColumns)
}

export interface HeardLead {
  customer_id: string
  id: string
  received_at: Date
  reasons: string[]
  customer: LeadCustomer
  trade_ins: TradeIn[]
}

/** The leads that have a say about customers: the latest of each with all that were merged into it. */
export async function findHeardLeads(
  db: Knex,
  dealerId: string,
  trees: readonly { root: string; id: string }[],
  except: readonly string[] = [],
): Promise<HeardLead[]> {
  const { rows } = await db.raw<{ rows: HeardLead[] }>(
    `with tree as materialized (
       select * from unnest(:roots::uuid[], :ids::uuid[]) as t (root, id)
     )
     select link.customer_id, l.id, l.received_at, link.reasons,
       coalesce(l.data -> 'customer', '{"emails": [], "phones": []}') as customer,
       coalesce(l.data -> 'tradeIns', '[]') as trade_ins
     from (select distinct root from tree) as asked,
     lateral (
       select of_one.customer_id, of_one.lead_id, of_one.reasons
       from tree,
       lateral (
         select k.customer_id, k.lead_id, k.reasons
         from lead_links k
         where k.dealer_id = :dealerId and k.customer_id = tree.id and k.lead_id <> all (:except::uuid[])
         order by k.lead_id desc
         limit ${leadsHeardMax}
       ) as of_one
       where tree.root = asked.root
       order by of_one.lead_id desc
       limit ${leadsHeardMax}
     ) as link
     join leads l on l.dealer_id = :dealerId and l.id = link.lead_id`,
    { dealerId, roots: trees.map(({ root }) => root), ids: trees.map(({ id }) => id), except: [...except] },
  )
  return rows
}

const actorColumns = `e.actor_type, e.actor_id, coalesce(k.name, u.name, '') as actor_name`
const joinActors = `
  left join api_keys k on k.dealer_id = e.dealer_id and k.id = e.actor_id
  left join users u on u.dealer_id = e.dealer_id and u.id = e.actor_id`

/**
 * Who changed at these times what is shown of customers, or of those that they were part of, the first change first.
 * The two events of a merge are told one after the other.
 */
export async function findChangesAt(
  db: Knex,
  dealerId: string,
  ids: readonly string[],
  times: readonly string[],
): Promise<(Doer & { at: Date; changed: string[] })[]> {
  if (times.length === 0) return []
  const { rows } = await db.raw<{ rows: (Doer & { at: Date; changed: string[] })[] }>(
    `with recursive part as (
       select unnest(:ids::uuid[]) as id
       union
       select other.subject_id
       from part p
       join events e on e.dealer_id = :dealerId and e.subject_id = p.id and e.type = 'customer.merged'
       join events other
         on other.dealer_id = :dealerId and other.seq in (e.seq - 1, e.seq + 1)
         and other.type = 'customer.merged' and other.at = e.at
     )
     select e.at, e.changed, ${actorColumns}
     from part p
     join events e on e.dealer_id = :dealerId and e.subject_id = p.id ${joinActors}
     where e.at = any (:times::timestamptz[])
     order by e.seq`,
    { dealerId, ids: [...ids], times: [...times] },
  )
  return rows
}

/** When customers were merged, and by whom, the latest first: the last event of one that is merged says so. */
export async function findMerges(
  db: Knex,
  dealerId: string,
  ids: readonly string[],
): Promise<(Doer & { id: string; merged_into: string; at: Date })[]> {
  const { rows } = await db.raw<{ rows: (Doer & { id: string; merged_into: string; at: Date })[] }>(
    `select c.id, c.merged_into, e.at, ${actorColumns}
     from customers c
     join events e on e.dealer_id = c.dealer_id and e.seq = c.rev_seq ${joinActors}
     where c.dealer_id = :dealerId and c.id = any (:ids::uuid[]) and c.state = 'merged'
     order by e.seq desc`,
    { dealerId, ids: [...ids] },
  )
  return rows
}

/** The names of the dealer's systems, in the order in which they go before each other. */
export async function findSystems(db: Knex, dealerId: string, test: boolean): Promise<string[]> {
  return db('customer_systems').where({ dealer_id: dealerId, test }).orderBy('place').pluck('source')
}

/** Gives a system that writes for the first time the last place. */
export async function addSystem(trx: Knex.Transaction, dealerId: string, test: boolean, source: string): Promise<void> {
  await trx.raw(
    `insert into customer_systems (dealer_id, test, source, place)
     select :dealerId, :test, :source, coalesce(max(place), 0) + 1
     from customer_systems
     where dealer_id = :dealerId and test = :test
     on conflict (dealer_id, test, source) do nothing`,
    { dealerId, test, source },
  )
}

/**
 * Customers of whom nobody has said anything yet. What makes them customers is what comes next in the transaction, and
 * `refresh`, which records them.
 */
export async function addCustomers(
  trx: Knex.Transaction,
  dealerId: string,
  customers: readonly { id: string; test: boolean }[],
  now: Date,
): Promise<void> {
  if (customers.length === 0) return
  await trx.raw(
    `insert into customers (dealer_id, id, test, state, version, rev_seq, rev_event, created_at, updated_at)
     select :dealerId, c.id, c.test, 'gone', 0, 0, c.id, :now, :now
     from unnest(:ids::uuid[], :tests::boolean[]) as c (id, test)`,
    { dealerId, now, ids: customers.map(({ id }) => id), tests: customers.map(({ test }) => test) },
  )
}

interface ListFilter {
  test: boolean
  updatedSince?: Date
  past?: string
  limit: number
}

/**
 * The latest made first. Of those that changed since some time most were made since then, as with leads: the older ones
 * are looked for by when they changed.
 */
export async function listCustomers(
  db: Knex,
  dealerId: string,
  { test, updatedSince, past, limit }: ListFilter,
): Promise<CustomerRow[]> {
  const conditions = [
    'c.dealer_id = :dealerId',
    test ? 'c.test' : 'not c.test',
    "c.state = 'active'",
    ...(past ? ['c.id < :past'] : []),
  ]
  const list = (...more: string[]) => `
    select ${columns.map((column) => `c.${column}`).join(', ')}
    from customers c
    where ${[...conditions, ...more].join(' and ')}
    order by c.id desc
    limit :limit`
  const sql = updatedSince
    ? `select * from (
         (${list('c.id >= :idSince', 'c.updated_at >= :updatedSince')})
         union all
         (${list('c.id < :idSince', 'c.version > 1', 'c.updated_at >= :updatedSince')})
       ) as found
       order by id desc
       limit :limit`
    : list()
  const { rows } = await db.raw<{ rows: CustomerRow[] }>(sql, {
    dealerId,
    limit,
    ...(past && { past }),
    ...(updatedSince && {
      updatedSince,
      idSince: firstIdAt(new Date(updatedSince.getTime() - idTimeSlackMs)),
    }),
  })
  return rows
}

// Of more the best are not looked for: whoever finds so many has to say more.
const sortedMax = 1_000

/**
 * Active customers who have all that is looked for, those first who have it as it was typed, and of these the latest
 * changed. With `own`, also those of whose leads one has a piece of it.
 */
export async function searchCustomers(
  db: Knex,
  dealerId: string,
  test: boolean,
  { whole, leading, email, exact, own }: Query,
  limit: number,
): Promise<CustomerRow[]> {
  const byEmail = `
    select t.id
    from emails_found(:dealerId, :test, :email, ${sortedMax}) as f (id)
    join customer_texts t on t.dealer_id = :dealerId and t.id = f.id
    where t.terms @@ :whole::tsquery`
  const byLeads = `
    select k.customer_id
    from leads_found(:dealerId, :test, :own::tsquery[], ${sortedMax}) as f (lead_id)
    join lead_texts x on x.dealer_id = :dealerId and x.lead_id = f.lead_id
    join lead_links k on k.dealer_id = :dealerId and k.lead_id = f.lead_id
    join customer_texts t on t.dealer_id = :dealerId and t.id = k.customer_id
    where (x.terms || t.terms) @@ :whole::tsquery`
  const { rows } = await db.raw<{ rows: CustomerRow[] }>(
    `with exact as materialized (
       select id from customers_found(:dealerId, :test, array[:exact::tsquery], :exact::tsquery, ${sortedMax}) as f (id)
     ), others as materialized (
       select id from customers_found(:dealerId, :test, :leading::tsquery[], :whole::tsquery, ${sortedMax}) as f (id)
       -- They would come behind those, of whom there are enough.
       where (select count(*) from exact) < :limit
       ${email === undefined ? '' : `union all ${byEmail}`}
       ${own === undefined ? '' : `union all ${byLeads}`}
     )
     select ${columns.map((column) => `c.${column}`).join(', ')}
     from (
       select t.customer_id, bool_or(f.is_exact) as is_exact
       from (select id, true as is_exact from exact union all select id, false from others) as f
       join customer_texts t on t.dealer_id = :dealerId and t.id = f.id
       group by t.customer_id
     ) as found
     join customers c on c.dealer_id = :dealerId and c.id = found.customer_id and c.state = 'active'
     order by found.is_exact desc, c.updated_at desc, c.id desc
     limit :limit`,
    {
      dealerId,
      test,
      whole,
      leading: [...leading],
      exact,
      limit,
      ...(email !== undefined && { email }),
      ...(own !== undefined && { own: [...own] }),
    },
  )
  return rows
}

export interface FoundWord {
  sound: string
  word: string
  /** It has some letters in common, and the sound stands in no name. */
  is_near: boolean
}

/** Words of names in which one of the sounds stands, but not at the beginning, or those that are near to it. */
export async function findWords(
  db: Knex,
  dealerId: string,
  test: boolean,
  sounds: readonly string[],
): Promise<FoundWord[]> {
  const { rows } = await db.raw<{ rows: FoundWord[] }>(
    `select a.sound, w.word, w.is_near
     from unnest(:sounds::text[]) as a (sound), lateral words_found(:dealerId, :test, a.sound) as w`,
    { dealerId, test, sounds: [...sounds] },
  )
  return rows
}

/** Customers with what is shown of them. */
export async function insertCustomers(
  trx: Knex.Transaction,
  dealerId: string,
  customers: readonly CustomerRow[],
): Promise<void> {
  if (customers.length === 0) return
  await trx.raw(
    `insert into customers (
       dealer_id, id, test, state, shown, version, rev_seq, rev_event, created_at, updated_at
     )
     select :dealerId, id, test, state, shown, version, rev_seq, rev_event, created_at, updated_at
     from jsonb_to_recordset(:customers::jsonb) as n (
       id uuid, test boolean, state text, shown jsonb, version integer, rev_seq bigint, rev_event uuid,
       created_at timestamptz, updated_at timestamptz
     )`,
    { dealerId, customers: JSON.stringify(customers) },
  )
}

export async function saveCustomers(
  trx: Knex.Transaction,
  dealerId: string,
  customers: readonly CustomerRow[],
): Promise<void> {
  if (customers.length === 0) return
  await trx.raw(
    `update customers c
     set state = n.state, shown = n.shown, version = n.version, rev_seq = n.rev_seq, rev_event = n.rev_event,
       updated_at = n.updated_at
     from jsonb_to_recordset(:customers::jsonb) as n (
       id uuid, state text, shown jsonb, version integer, rev_seq bigint, rev_event uuid, updated_at timestamptz
     )
     where c.dealer_id = :dealerId and c.id = n.id`,
    { dealerId, customers: JSON.stringify(customers) },
  )
}

/** What is written from here on is taken back by `undoDryRun`. */
export async function beginDryRun(trx: Knex.Transaction): Promise<void> {
  await trx.raw('savepoint dry_run')
}

export async function undoDryRun(trx: Knex.Transaction): Promise<void> {
  await trx.raw('rollback to savepoint dry_run')
}

/** Points a customer to the one into which it is merged, or to none; what is shown of it is to be found out. */
export async function pointCustomer(
  trx: Knex.Transaction,
  dealerId: string,
  id: string,
  into: string | null,
): Promise<void> {
  await trx('customers')
    .where({ dealer_id: dealerId, id })
    .update({ merged_into: into, state: into === null ? 'gone' : 'merged', shown: null })
}

/** What a system says under one of its ids, be it taken back. */
export async function findReference(
  db: Knex,
  dealerId: string,
  test: boolean,
  { source, id }: CustomerReference,
): Promise<SourceRow | undefined> {
  return db('customer_sources')
    .where({ dealer_id: dealerId, test, kind: 'system', source, external_id: id })
    .first(sourceColumns)
}

/** The same of several. */
export async function findReferences(
  db: Knex,
  dealerId: string,
  test: boolean,
  references: readonly CustomerReference[],
): Promise<SourceRow[]> {
  if (references.length === 0) return []
  return db('customer_sources')
    .where({ dealer_id: dealerId, test, kind: 'system' })
    .whereRaw('(source, external_id) in (select * from unnest(?::text[], ?::text[]))', [
      references.map(({ source }) => source),
      references.map(({ id }) => id),
    ])
    .select(sourceColumns)
}

/** What people say of one customer: of this id alone, not of those that were merged into it. */
export async function findEdits(db: Knex, dealerId: string, customerId: string): Promise<SourceRow | undefined> {
  return db('customer_sources')
    .where({ dealer_id: dealerId, customer_id: customerId, kind: 'people' })
    .first(sourceColumns)
}

type NewSource = Pick<SourceRow, 'id' | 'customer_id' | 'test' | 'kind' | 'source' | 'external_id'>

export async function addSource(trx: Knex.Transaction, dealerId: string, source: NewSource, now: Date): Promise<void> {
  await trx('customer_sources').insert({ ...source, dealer_id: dealerId, created_at: now, updated_at: now })
}

/** Those that systems wrote for the first time. */
export async function addSources(
  trx: Knex.Transaction,
  dealerId: string,
  sources: readonly SourceRow[],
  now: Date,
): Promise<void> {
  if (sources.length === 0) return
  await trx.raw(
    `insert into customer_sources (
       dealer_id, id, customer_id, test, kind, source, external_id, source_version, data, changed_at, created_at, updated_at
     )
     select :dealerId, id, customer_id, test, kind, source, external_id, source_version, data, changed_at, :now, :now
     from jsonb_to_recordset(:sources::jsonb) as n (
       id uuid, customer_id uuid, test boolean, kind text, source text, external_id text, source_version bigint,
       data jsonb, changed_at jsonb
     )`,
    { dealerId, now, sources: JSON.stringify(sources) },
  )
}

export async function saveSources(
  trx: Knex.Transaction,
  dealerId: string,
  sources: readonly SourceRow[],
  now: Date,
): Promise<void> {
  if (sources.length === 0) return
  await trx.raw(
    `update customer_sources s
     set data = n.data, changed_at = n.changed_at, source_version = n.source_version, updated_at = :now
     from jsonb_to_recordset(:sources::jsonb) as n (id uuid, source_version bigint, data jsonb, changed_at jsonb)
     where s.dealer_id = :dealerId and s.id = n.id`,
    { dealerId, now, sources: JSON.stringify(sources) },
  )
}

export async function saveSource(
  trx: Knex.Transaction,
  dealerId: string,
  { id, data, changed_at, source_version }: Pick<SourceRow, 'id' | 'data' | 'changed_at' | 'source_version'>,
  now: Date,
): Promise<void> {
  await trx('customer_sources')
    .where({ dealer_id: dealerId, id })
    .update({
      data: data && JSON.stringify(data),
      changed_at: JSON.stringify(changed_at),
      source_version,
      updated_at: now,
    })
}

export async function deleteSource(trx: Knex.Transaction, dealerId: string, id: string): Promise<void> {
  await trx('customer_sources').where({ dealer_id: dealerId, id }).delete()
}

/** As which systems a key may write. */
export async function findSourcesOfKey(db: Knex, dealerId: string, apiKeyId: string): Promise<string[]> {
  const row: { sources: string[] } | undefined = await db('api_keys')
    .where({ dealer_id: dealerId, id: apiKeyId })
    .first('sources')
  return row?.sources ?? []
}

export interface SuggestionRow {
  id: string
  test: boolean
  one_id: string
  other_id: string
  score: number
  reasons: string[]
  created_at: Date
  rejected_at: Date | null
}

const suggestionColumns = [
  's.id',
  's.test',
  's.one_id',
  's.other_id',
  's.score',
  's.reasons',
  's.created_at',
  's.rejected_at',
]

/** The latest first, without those whose customers are one by now, or gone. */
export async function listSuggestions(
  db: Knex,
  dealerId: string,
  { test, customerIds, past, limit }: { test: boolean; customerIds?: readonly string[]; past?: string; limit: number },
): Promise<SuggestionRow[]> {
  const query = db('customer_suggestions as s')
    .join('customers as one', (on) => on.on('one.dealer_id', 's.dealer_id').on('one.id', 's.one_id'))
    .join('customers as other', (on) => on.on('other.dealer_id', 's.dealer_id').on('other.id', 's.other_id'))
    .where({ 's.dealer_id': dealerId, 's.test': test, 'one.state': 'active', 'other.state': 'active' })
    .whereNull('s.rejected_at')
    .orderBy('s.id', 'desc')
    .limit(limit)
    .select(suggestionColumns)
  if (past) void query.where('s.id', '<', past)
  if (customerIds)
    void query.whereRaw('(s.one_id = any (:ids::uuid[]) or s.other_id = any (:ids::uuid[]))', { ids: [...customerIds] })
  return query
}

export async function findSuggestion(db: Knex, dealerId: string, id: string): Promise<SuggestionRow | undefined> {
  return db('customer_suggestions as s').where({ 's.dealer_id': dealerId, 's.id': id }).first(suggestionColumns)
}

export async function saveRejection(trx: Knex.Transaction, dealerId: string, id: string, now: Date): Promise<void> {
  await trx('customer_suggestions').where({ dealer_id: dealerId, id }).update({ rejected_at: now })
}

/**
 * Takes back what is suggested of a customer although it was rejected of one that is part of it now. When that is no
 * longer so, it is suggested again.
 */
export async function dropRejected(trx: Knex.Transaction, dealerId: string, root: string): Promise<void> {
  await trx.raw(
    `with recursive tree as (
       select :root::uuid as id
       union all
       select c.id from tree t join customers c on c.dealer_id = :dealerId and c.merged_into = t.id
     ), others as (
       select unnest(array[s.one_id, s.other_id]) as id
       from tree t
       join customer_suggestions s on s.dealer_id = :dealerId and (s.one_id = t.id or s.other_id = t.id)
       where s.rejected_at is not null
       union
       select c.merged_into
       from others o
       join customers c on c.dealer_id = :dealerId and c.id = o.id and c.merged_into is not null
     )
     delete from customer_suggestions s
     using others o
     where s.dealer_id = :dealerId and s.rejected_at is null
       and s.one_id = least(:root::uuid, o.id) and s.other_id = greatest(:root::uuid, o.id)`,
    { dealerId, root },
  )
}

export interface NewLink {
  leadId: string
  customerId: string
  test: boolean
  revSeq: string
  revEvent: string
  reasons: readonly string[]
  /** What the lead is found by is written with it. */
  hasTerms?: boolean
}

export async function addLinks(trx: Knex.Transaction, dealerId: string, links: readonly NewLink[]): Promise<void> {
  if (links.length === 0) return
  await trx.raw(
    `insert into lead_links (dealer_id, lead_id, customer_id, test, rev_seq, rev_event, reasons, has_terms)
     select :dealerId, "leadId", "customerId", test, "revSeq", "revEvent",
       array(select jsonb_array_elements_text(reasons)), coalesce("hasTerms", false)
     from jsonb_to_recordset(:links::jsonb) as n (
       "leadId" uuid, "customerId" uuid, test boolean, "revSeq" bigint, "revEvent" uuid, reasons jsonb,
       "hasTerms" boolean
     )`,
    { dealerId, links: JSON.stringify(links) },
  )
}

/** By what customers are told apart from now on; what they were told apart by before goes. */
export async function saveKeys(
  trx: Knex.Transaction,
  dealerId: string,
  customers: readonly { id: string; test: boolean; keys: readonly CustomerKey[] }[],
): Promise<void> {
  if (customers.length === 0) return
  const keys = customers.flatMap(({ id, test, keys: ofOne }) =>
    ofOne.map(({ kind, value }) => ({ test, kind, value, customer_id: id })),
  )
  await trx.raw(
    `with wanted as materialized (
       select * from jsonb_to_recordset(:keys::jsonb) as k (test boolean, kind text, value text, customer_id uuid)
     ), gone as (
       delete from customer_keys k
       where k.dealer_id = :dealerId and k.customer_id = any (:ids::uuid[]) and not exists (
         select from wanted w where w.customer_id = k.customer_id and w.kind = k.kind and w.value = k.value
       )
     )
     insert into customer_keys (dealer_id, test, kind, value, customer_id)
     select :dealerId, test, kind, value, customer_id from wanted
     on conflict do nothing`,
    { dealerId, ids: customers.map(({ id }) => id), keys: JSON.stringify(keys) },
  )
}

/** What a customer is found by, under this id. */
export interface CustomerText {
  id: string
  /** For whom the id stands. */
  customerId: string
  test: boolean
  revEvent: string
  /** Undefined of one that is gone. */
  terms: readonly string[] | undefined
}

/** By what customers are found from now on. */
export async function saveTexts(
  trx: Knex.Transaction,
  dealerId: string,
  texts: readonly CustomerText[],
): Promise<void> {
  if (texts.length === 0) return
  const rows = texts.map(({ terms, test, ...text }) => ({
    ...text,
    test,
    terms: terms?.map((each) => markedFor(dealerId, test) + each) ?? null,
    words: wordsIn(terms ?? []),
  }))
  await trx.raw(
    `with n as materialized (
       select *
       from jsonb_to_recordset(:rows::jsonb)
         as n (id uuid, "customerId" uuid, test boolean, "revEvent" uuid, terms jsonb, words jsonb)
     ), gone as (
       delete from customer_texts t
       using n
       where t.dealer_id = :dealerId and t.id = n.id and n.terms is null
     ), named as (
       insert into customer_words (dealer_id, test, word)
       select distinct :dealerId::uuid, n.test, w.word
       from n, jsonb_array_elements_text(n.words) as w (word)
       order by n.test, w.word
       on conflict do nothing
     )
     insert into customer_texts as t (dealer_id, id, customer_id, test, rev_event, terms)
     select :dealerId, id, "customerId", test, "revEvent",
       array_to_tsvector(array(select jsonb_array_elements_text(n.terms)))
     from n
     where n.terms is not null
     on conflict (dealer_id, id) do update
     set customer_id = excluded.customer_id, rev_event = excluded.rev_event, terms = excluded.terms
     where (t.customer_id, t.rev_event, t.terms) is distinct from
       (excluded.customer_id, excluded.rev_event, excluded.terms)`,
    { dealerId, rows: JSON.stringify(rows) },
  )
}

export interface LeadText {
  leadId: string
  test: boolean
  terms: readonly string[]
}

/** By what leads are found beside their customer. */
export async function saveLeadTexts(
  trx: Knex.Transaction,
  dealerId: string,
  texts: readonly LeadText[],
): Promise<void> {
  const rows = texts
    .filter(({ terms }) => terms.length > 0)
    .map(({ leadId, test, terms }) => ({
      leadId,
      test,
      terms: terms.map((each) => markedFor(dealerId, test) + each),
    }))
  if (rows.length === 0) return
  await trx.raw(
    `insert into lead_texts (dealer_id, lead_id, test, terms)
     select :dealerId, "leadId", test, array_to_tsvector(array(select jsonb_array_elements_text(terms)))
     from jsonb_to_recordset(:rows::jsonb) as n ("leadId" uuid, test boolean, terms jsonb)
     on conflict (dealer_id, lead_id) do nothing`,
    { dealerId, rows: JSON.stringify(rows) },
  )
}

/** A row as the rule takes it. */
export function sourceOf(row: SourceRow): Source {
  const { kind, source, external_id, customer_id: customerId, changed_at: changedAt } = row
  if (kind === 'people') return { kind, customerId, data: row.data ?? {}, changedAt }
  // The cast: null is an opinion that only people have. A row of a system has both halves of its reference.
  const data = (row.data ?? {}) as Said
  return { kind, reference: { source: source ?? '', id: external_id ?? '' }, data, changedAt }
}
