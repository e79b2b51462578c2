import type { Knex } from 'knex'
import type { LeadCustomer, TradeIn, VehicleOfInterest } from '../../generated/server/types.gen.ts'
import type { Lag } from './lag.ts'
import type { NewSuggestion, Reason, TestKey } from './matching.ts'

/** Dealers of whom events are left that the linker has not come to, the oldest event first, and how many there are. */
export async function findBehind(db: Knex, atMost: number): Promise<(Lag & { dealer_id: string })[]> {
  const { rows } = await db.raw<{ rows: (Lag & { dealer_id: string })[] }>(
    `select k.dealer_id, (k.seq - coalesce(c.seq, 0))::integer as events,
       greatest(0, extract(epoch from clock_timestamp() - e.at))::integer as seconds
     from dealer_clocks k
     left join linker_cursors c on c.dealer_id = k.dealer_id
     left join events e on e.dealer_id = k.dealer_id and e.seq = coalesce(c.seq, 0) + 1
     where k.seq > least(coalesce(c.seq, 0), coalesce(c.terms_seq, 0))
     order by e.at
     limit ?`,
    [atMost],
  )
  return rows
}

/** Where the linker stands with one dealer. */
export interface Place {
  seq: string
  /** How far it has looked for what lacks its terms. */
  terms_seq: string
  seen: string
  rest_ms: number
}

export async function findPlace(db: Knex, dealerId: string): Promise<Place> {
  const { rows } = await db.raw<{ rows: Place[] }>(
    `select seq, terms_seq, seen, greatest(0, extract(epoch from rests_until - clock_timestamp()) * 1000)::float as rest_ms
     from linker_cursors
     where dealer_id = ?`,
    [dealerId],
  )
  return rows[0] ?? { seq: '0', terms_seq: '0', seen: '0', rest_ms: 0 }
}

/** Nothing was found up to there that is to be linked. */
export async function passOver(trx: Knex.Transaction, dealerId: string, seq: string): Promise<void> {
  await trx.raw(
    `insert into linker_cursors (dealer_id, seq, seen, rests_until)
     values (:dealerId, :seq, 0, '-infinity')
     on conflict (dealer_id) do update
     set seq = excluded.seq`,
    { dealerId, seq },
  )
}

/** All that was told of up to there has its terms. */
export async function passTerms(trx: Knex.Transaction, dealerId: string, seq: string): Promise<void> {
  await trx.raw(
    `insert into linker_cursors (dealer_id, seq, seen, rests_until, terms_seq)
     values (:dealerId, 0, 0, '-infinity', :seq)
     on conflict (dealer_id) do update
     set terms_seq = excluded.terms_seq`,
    { dealerId, seq },
  )
}

/** The caller holds the dealer's clock, and leaves it alone for so long. */
export async function savePlace(trx: Knex.Transaction, dealerId: string, seq: string, restMs: number): Promise<void> {
  await trx.raw(
    `insert into linker_cursors (dealer_id, seq, seen, rests_until)
     select dealer_id, :seq, seq, clock_timestamp() + :restMs * interval '1 ms'
     from dealer_clocks
     where dealer_id = :dealerId
     on conflict (dealer_id) do update
     set seq = greatest(linker_cursors.seq, excluded.seq), seen = excluded.seen, rests_until = excluded.rests_until`,
    { dealerId, seq, restMs },
  )
}

export interface LinkerEvent {
  seq: string
  type: string
  actor_type: string
  subject_id: string
}

export async function findEvents(db: Knex, dealerId: string, after: string, limit: number): Promise<LinkerEvent[]> {
  return db('events')
    .where({ dealer_id: dealerId })
    .where('seq', '>', after)
    .orderBy('seq')
    .limit(limit)
    .select('seq', 'type', 'actor_type', 'subject_id')
}

export interface UnlinkedLead {
  id: string
  test: boolean
  received_at: Date
  customer: LeadCustomer
  trade_ins: TradeIn[]
  wanted: VehicleOfInterest[]
  external_id: string | null
}

const heardOfLead = `l.id, l.test, l.received_at, coalesce(l.data -> 'customer', '{"emails": [], "phones": []}') as customer,
  coalesce(l.data -> 'tradeIns', '[]') as trade_ins, coalesce(l.data -> 'vehiclesOfInterest', '[]') as wanted,
  l.external_id`

/** Those of the leads that are nobody's yet. */
export async function findUnlinked(db: Knex, dealerId: string, ids: readonly string[]): Promise<UnlinkedLead[]> {
  const { rows } = await db.raw<{ rows: UnlinkedLead[] }>(
    `select ${heardOfLead}
     from leads l
     where l.dealer_id = :dealerId and l.id = any (:ids::uuid[])
       and not exists (select from lead_links k where k.dealer_id = :dealerId and k.lead_id = l.id)`,
    { dealerId, ids: [...ids] },
  )
  return rows
}

/** Those of the leads that were given to a customer without their terms, the oldest. */
export async function findTermless(
  db: Knex,
  dealerId: string,
  ids: readonly string[],
  limit: number,
): Promise<RestingLink[]> {
  const { rows } = await db.raw<{ rows: RestingLink[] }>(
    `select k.customer_id, ${heardOfLead}
     from lead_links k
     join leads l on l.dealer_id = :dealerId and l.id = k.lead_id
     where k.dealer_id = :dealerId and k.lead_id = any (:ids::uuid[]) and not k.has_terms
     order by k.lead_id
     limit :limit`,
    { dealerId, ids: [...ids], limit },
  )
  return rows
}

/** The caller writes the terms of these leads. */
export async function saveHaveTerms(
  trx: Knex.Transaction,
  dealerId: string,
  leadIds: readonly string[],
): Promise<void> {
  await trx('lead_links')
    .where({ dealer_id: dealerId })
    .whereRaw('lead_id = any (?::uuid[])', [[...leadIds]])
    .update({ has_terms: true })
}

/** Those of the customers whose terms are not those of the one for whom their id stands, as it is now, some of them. */
export async function findOutOfTerms(
  db: Knex,
  dealerId: string,
  ids: readonly string[],
  limit: number,
): Promise<string[]> {
  const { rows } = await db.raw<{ rows: { asked: string }[] }>(
    `with recursive up as (
       select id as asked, id, merged_into from customers where dealer_id = :dealerId and id = any (:ids::uuid[])
       union all
       select up.asked, c.id, c.merged_into
       from up join customers c on c.dealer_id = :dealerId and c.id = up.merged_into
     )
     select up.asked
     from up
     join customers c on c.dealer_id = :dealerId and c.id = up.id
     left join customer_texts t on t.dealer_id = :dealerId and t.id = up.asked
     where up.merged_into is null and case
       when c.state = 'active' then (t.customer_id, t.rev_event) is distinct from (c.id, c.rev_event)
       else t.id is not null
     end
     limit :limit`,
    { dealerId, ids: [...ids], limit },
  )
  return rows.map(({ asked }) => asked)
}

export interface Holders {
  /** The oldest ones, as many as were asked for. */
  ids: string[]
  is_stop: boolean
}

/** Who has each of the values, in their order, and whether it is known that many share it. */
export async function findHolders(
  db: Knex,
  dealerId: string,
  keys: readonly TestKey[],
  atMost: number,
): Promise<Holders[]> {
  if (keys.length === 0) return []
  const { rows } = await db.raw<{ rows: Holders[] }>(
    `select array(
         select k.customer_id
         from customer_keys k
         where k.dealer_id = :dealerId and k.test = a.test and k.kind = a.kind and k.value = a.value
         order by k.customer_id
         limit :atMost
       ) as ids,
       exists (
         select
         from customer_stop_values s
         where s.dealer_id = :dealerId and s.test = a.test and s.kind = a.kind and s.value = a.value
       ) as is_stop
     from unnest(:tests::boolean[], :kinds::text[], :values::text[]) with ordinality as a (test, kind, value, place)
     order by a.place`,
    {
      dealerId,
      atMost,
      tests: keys.map(({ test }) => test),
      kinds: keys.map(({ kind }) => kind),
      values: keys.map(({ value }) => value),
    },
  )
  return rows
}

/** The plates and VINs of customers. */
export async function findMarks(
  db: Knex,
  dealerId: string,
  customerIds: readonly string[],
): Promise<{ customer_id: string; kind: 'plate' | 'vin'; value: string }[]> {
  return db('customer_keys')
    .where({ dealer_id: dealerId })
    .whereRaw('customer_id = any (?::uuid[])', [[...customerIds]])
    .whereIn('kind', ['plate', 'vin'])
    .select('customer_id', 'kind', 'value')
}

/** Addresses of people who work for the dealer that are no stop values yet. */
export async function findOwnAddresses(db: Knex, dealerId: string): Promise<string[]> {
  return db('users as u')
    .leftJoin('customer_stop_values as s', (on) =>
      on
        .on('s.dealer_id', 'u.dealer_id')
        .andOnVal('s.kind', 'email')
        .andOnVal('s.test', false)
        .on('s.value', db.raw('lower(btrim(u.email))')),
    )
    .where({ 'u.dealer_id': dealerId })
    .whereNull('s.value')
    .pluck('u.email')
}

/** Of customers, with all that were merged into them: whatever is written in their sources makes it another. */
const stateOfSources = `(
  with recursive tree as (
    select c.id, c.rev_event from customers c where c.dealer_id = :dealerId and c.id = any (:ids::uuid[])
    union
    select c.id, c.rev_event from tree join customers c on c.dealer_id = :dealerId and c.merged_into = tree.id
  )
  select md5(string_agg(concat_ws(' ', tree.id, tree.rev_event, s.id, s.xmin), ',' order by tree.id, s.id))
  from tree
  left join customer_sources s on s.dealer_id = :dealerId and s.customer_id = tree.id
)`

export async function findStateOfSources(db: Knex, dealerId: string, ids: readonly string[]): Promise<string | null> {
  const { rows } = await db.raw<{ rows: { state: string | null }[] }>(`select ${stateOfSources} as state`, {
    dealerId,
    ids: [...ids],
  })
  return rows[0]?.state ?? null
}

/** What may have changed since a batch was prepared; the caller holds the dealer's clock. */
export async function findChanges(
  trx: Knex.Transaction,
  dealerId: string,
  prepared: {
    customers: readonly { id: string; rev_event: string }[]
    leadIds: readonly string[]
    stateOfSources: string | null
  },
): Promise<{ seq: string; now: Date; isAsPrepared: boolean }> {
  const { customers, leadIds } = prepared
  const { rows } = await trx.raw<{
    rows: { seq: string; now: Date; unchanged: number; linked: boolean; state: string | null }[]
  }>(
    `select k.seq, clock_timestamp() as now,
       (select count(*)::integer
        from unnest(:ids::uuid[], :revs::uuid[]) as a (id, rev)
        join customers c on c.dealer_id = :dealerId and c.id = a.id
        where c.rev_event = a.rev and c.state = 'active') as unchanged,
       ${stateOfSources} as state,
       exists (
         select from lead_links l where l.dealer_id = :dealerId and l.lead_id = any (:leadIds::uuid[])
       ) as linked
     from dealer_clocks k
     where k.dealer_id = :dealerId`,
    {
      dealerId,
      leadIds: [...leadIds],
      ids: customers.map(({ id }) => id),
      revs: customers.map(({ rev_event }) => rev_event),
    },
  )
  const [row] = rows
  if (!row) throw new Error('A dealer has no clock')
  const isAsPrepared = row.unchanged === customers.length && row.state === prepared.stateOfSources && !row.linked
  return { seq: row.seq, now: row.now, isAsPrepared }
}

/** What somebody has rejected stays so, also of two into whom the two were merged. */
export async function saveSuggestions(
  trx: Knex.Transaction,
  dealerId: string,
  suggestions: readonly (NewSuggestion & { id: string })[],
  now: Date,
): Promise<void> {
  if (suggestions.length === 0) return
  await trx.raw(
    `with recursive wanted as materialized (
       select *
       from jsonb_to_recordset(:suggestions::jsonb) as s (
         id uuid, test boolean, one uuid, other uuid, score real, reasons jsonb
       )
     ), tree as (
       select distinct a.id as root, a.id from wanted w, unnest(array[w.one, w.other]) as a (id)
       union all
       select t.root, c.id from tree t join customers c on c.dealer_id = :dealerId and c.merged_into = t.id
     ), rejected as (
       select least(one.root, other.root) as one, greatest(one.root, other.root) as other
       from tree one
       join customer_suggestions s on s.dealer_id = :dealerId and s.one_id = one.id and s.rejected_at is not null
       join tree other on other.id = s.other_id
     )
     insert into customer_suggestions (dealer_id, id, test, one_id, other_id, score, reasons, created_at)
     select :dealerId, w.id, w.test, w.one, w.other, w.score, array(select jsonb_array_elements_text(w.reasons)), :now
     from wanted w
     where not exists (select from rejected r where r.one = w.one and r.other = w.other)
     on conflict (dealer_id, one_id, other_id) do update
     set score = excluded.score, reasons = excluded.reasons
     where customer_suggestions.rejected_at is null and customer_suggestions.score < excluded.score`,
    { dealerId, now, suggestions: JSON.stringify(suggestions) },
  )
}

export interface Learned extends TestKey {
  /** Nobody has it yet: there is nothing to be looked at again. */
  isSettled?: boolean
}

export async function addStopValues(
  trx: Knex.Transaction,
  dealerId: string,
  values: readonly Learned[],
  now: Date,
): Promise<void> {
  if (values.length === 0) return
  await trx('customer_stop_values')
    .insert(
      values.map(({ test, kind, value, isSettled }) => ({
        dealer_id: dealerId,
        test,
        kind,
        value,
        learned_at: now,
        settled_at: isSettled ? now : null,
      })),
    )
    .onConflict()
    .ignore()
}

/** A stop value by which something may have been linked or suggested before it was learned. */
export async function findUnsettled(db: Knex, dealerId: string): Promise<TestKey | undefined> {
  return db('customer_stop_values')
    .where({ dealer_id: dealerId })
    .whereNull('settled_at')
    .first('test', 'kind', 'value')
}

export async function settleStopValue(
  trx: Knex.Transaction,
  dealerId: string,
  { test, kind, value }: TestKey,
): Promise<void> {
  await trx('customer_stop_values')
    .where({ dealer_id: dealerId, test, kind, value })
    .update({ settled_at: trx.raw('clock_timestamp()') })
}

export interface RestingLink extends UnlinkedLead {
  customer_id: string
}

/** Leads of the holders of a value that were linked by one value of its kind and half a name, by their ids. */
export async function findResting(
  db: Knex,
  dealerId: string,
  { test, kind, value }: TestKey,
  reason: Reason,
  after: string,
  limit: number,
): Promise<RestingLink[]> {
  const { rows } = await db.raw<{ rows: RestingLink[] }>(
    `select k.customer_id, ${heardOfLead}
     from customer_keys h
     join lead_links k on k.dealer_id = :dealerId and k.customer_id = h.customer_id
     join leads l on l.dealer_id = :dealerId and l.id = k.lead_id
     where h.dealer_id = :dealerId and h.test = :test and h.kind = :kind and h.value = :value
       and k.lead_id > :after and k.reasons @> array[:reason] and k.reasons && array['compatible-name', 'same-given-name']
       and not k.reasons && array_remove(array['same-email', 'same-phone'], :reason)
     order by k.lead_id
     limit :limit`,
    { dealerId, test, kind, value, reason, after, limit },
  )
  return rows
}

/** Gives leads to other customers. The caller holds the dealer's clock. */
export async function relink(
  trx: Knex.Transaction,
  dealerId: string,
  links: readonly {
    leadId: string
    customerId: string
    revSeq: string
    revEvent: string
    reasons: readonly string[]
  }[],
): Promise<void> {
  await trx.raw(
    `update lead_links k
     set customer_id = n."customerId", rev_seq = n."revSeq", rev_event = n."revEvent",
       reasons = array(select jsonb_array_elements_text(n.reasons))
     from jsonb_to_recordset(:links::jsonb) as n (
       "leadId" uuid, "customerId" uuid, "revSeq" bigint, "revEvent" uuid, reasons jsonb
     )
     where k.dealer_id = :dealerId and k.lead_id = n."leadId"`,
    { dealerId, links: JSON.stringify(links) },
  )
}

export interface OpenSuggestion {
  id: string
  one_id: string
  other_id: string
  score: number
  reasons: string[]
}

export interface ChangedSuggestion {
  id: string
  score: number
  reasons: readonly Reason[]
}

/** Open suggestions between customers who have a value in common, by their ids. */
export async function findSuggestionsBy(
  db: Knex,
  dealerId: string,
  { test, kind, value }: TestKey,
  after: string,
  limit: number,
): Promise<OpenSuggestion[]> {
  const { rows } = await db.raw<{ rows: OpenSuggestion[] }>(
    `select s.id, s.one_id, s.other_id, s.score, s.reasons
     from customer_keys a
     join customer_suggestions s on s.dealer_id = :dealerId and s.one_id = a.customer_id and s.rejected_at is null
     join customer_keys b
       on b.dealer_id = :dealerId and b.customer_id = s.other_id and b.kind = a.kind and b.value = a.value
     where a.dealer_id = :dealerId and a.test = :test and a.kind = :kind and a.value = :value and s.id > :after
     order by s.id
     limit :limit`,
    { dealerId, test, kind, value, after, limit },
  )
  return rows
}

/** Open suggestions that one of the customers is in. */
export async function findSuggestionsOf(
  db: Knex,
  dealerId: string,
  customerIds: readonly string[],
): Promise<(OpenSuggestion & { test: boolean })[]> {
  if (customerIds.length === 0) return []
  return db('customer_suggestions')
    .where({ dealer_id: dealerId })
    .whereRaw('(one_id = any (:ids::uuid[]) or other_id = any (:ids::uuid[]))', { ids: [...customerIds] })
    .whereNull('rejected_at')
    .select('id', 'one_id', 'other_id', 'score', 'reasons', 'test')
}

/** What is said of suggestions now; those of which too little is left go. */
export async function changeSuggestions(
  trx: Knex.Transaction,
  dealerId: string,
  changed: readonly ChangedSuggestion[],
  suggestedFrom: number,
): Promise<void> {
  if (changed.length === 0) return
  await trx.raw(
    `with changed as materialized (
       select * from jsonb_to_recordset(:changed::jsonb) as w (id uuid, score real, reasons jsonb)
     ), gone as (
       delete from customer_suggestions s
       using changed w
       where s.dealer_id = :dealerId and s.id = w.id and w.score < :suggestedFrom and s.rejected_at is null
     )
     update customer_suggestions s
     set score = w.score, reasons = array(select jsonb_array_elements_text(w.reasons))
     from changed w
     where s.dealer_id = :dealerId and s.id = w.id and w.score >= :suggestedFrom and s.rejected_at is null`,
    { dealerId, changed: JSON.stringify(changed), suggestedFrom },
  )
}
