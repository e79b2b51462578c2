import type { Knex } from 'knex'
import { leadsMin, learntLeadsMax } from './rhythm.ts'
import type { SilenceRow } from './source.ts'

const countedLeadsMax = 10_000
const expectedMax = 1_000_000

const isWatched =
  "k.deleted_at is null and not k.disabled and k.environment = 'live' and (k.expires_at is null or k.expires_at > clock_timestamp())"
const newerLead =
  'select from leads l where l.dealer_id = s.dealer_id and l.source_id = s.api_key_id and l.id > s.last_lead_id and not l.test'

/** The newest lead of the key `k` that is a test or none. */
const lastLead = (test: string) => `
  select l.id, l.received_at
  from leads l
  where l.dealer_id = k.dealer_id and l.source_id = k.id and l.test = ${test}
  order by l.id desc
  limit 1`
/** The first lead of the key `k`, be it a test or not. */
const firstOf = (test: string) => `
  (select l.id, l.received_at
   from leads l
   where l.dealer_id = k.dealer_id and l.source_id = k.id and l.test = ${test}
   order by l.id
   limit 1)`
const firstLead = `${firstOf('true')} union all ${firstOf('false')} order by id limit 1`

export interface SourceRow {
  id: string
  name: string
  deleted: boolean
  watched: boolean
  last_lead_at: Date | null
  first_lead_at: Date | null
  /** Of the last days before the last lead, counted up to the least number that something can be learnt from. */
  learnt_from: number
  leads_last_7_days: number
  since: Date | null
  expected: number
  noticed_at: Date
}

export interface SourceFilter {
  test: boolean
  weekAgoId: string
  learntDays: number
  before?: string
  limit: number
}

/** The dealer's keys by which leads come, or may come, newest first. */
export async function findSources(
  db: Knex,
  dealerId: string,
  { test, weekAgoId, learntDays, before, limit }: SourceFilter,
): Promise<SourceRow[]> {
  const { rows } = await db.raw<{ rows: SourceRow[] }>(
    `select k.id, k.name, k.deleted_at is not null as deleted, ${isWatched} and not :test as watched,
       last.received_at as last_lead_at, first.received_at as first_lead_at,
       (select count(*)::integer
        from (
          select l.received_at
          from leads l
          where l.dealer_id = k.dealer_id and l.source_id = k.id and l.test = :test
          order by l.id desc
          limit ${leadsMin}
        ) as newest
        where newest.received_at > last.received_at - :learntDays * interval '1 day') as learnt_from,
       (select count(*)::integer
        from (
          select
          from leads l
          where l.dealer_id = k.dealer_id and l.source_id = k.id and l.test = :test and l.id >= :weekAgoId
          limit ${countedLeadsMax}
        ) as counted) as leads_last_7_days,
       s.since, s.expected, s.noticed_at
     from api_keys k
     left join lateral (${lastLead(':test')}) as last on true
     left join lateral (${firstLead}) as first on true
     left join source_silences s
       on s.dealer_id = k.dealer_id and s.api_key_id = k.id and s.ended_at is null and s.last_lead_id >= last.id
     where k.dealer_id = :dealerId and k.id < :before
       and ((k.deleted_at is null and 'leads:create' = any (k.scopes)) or first.received_at is not null)
     order by k.id desc
     limit :limit`,
    { dealerId, test, weekAgoId, learntDays, before: before ?? 'ffffffff-ffff-ffff-ffff-ffffffffffff', limit },
  )
  return rows
}

/** The silences of some keys that no lead has ended. */
export async function findOpenSilences(
  db: Knex,
  dealerId: string,
  apiKeyIds: readonly string[],
): Promise<(SilenceRow & { api_key_id: string })[]> {
  return db('source_silences as s')
    .where({ 's.dealer_id': dealerId })
    .whereIn('s.api_key_id', apiKeyIds)
    .whereNull('s.ended_at')
    .whereRaw(`not exists (${newerLead})`)
    .select('s.api_key_id', 's.since', 's.expected', 's.noticed_at')
}

/** Ends the silences of those that have sent a lead since, or are not watched any longer. */
export async function endSilences(trx: Knex.Transaction): Promise<void> {
  await trx.raw(
    `update source_silences s set ended_at = clock_timestamp() from api_keys k
     where s.ended_at is null and k.dealer_id = s.dealer_id and k.id = s.api_key_id and (not (${isWatched}) or exists (${newerLead}))`,
  )
}

/** A key that is watched, with its last lead and the silence that is open. */
export interface WatchedRow {
  dealer_id: string
  id: string
  time_zone: string
  last_lead_id: string | null
  last_lead_at: Date
  first_lead_at: Date
  /** Since when leads have been able to come: a key that was switched off, or changed, is given its time again. */
  awaited_from: Date
  told: number | null
  now: Date
}

export type Place = Pick<WatchedRow, 'dealer_id' | 'id'>

/** The next keys of all dealers, in order. */
export async function findWatched(trx: Knex.Transaction, after: Place, limit: number): Promise<WatchedRow[]> {
  const { rows } = await trx.raw<{ rows: WatchedRow[] }>(
    `select k.dealer_id, k.id, d.time_zone, last.id as last_lead_id, last.received_at as last_lead_at, first.received_at as first_lead_at,
       greatest(last.received_at, k.updated_at) as awaited_from, s.expected as told, clock_timestamp() as now
     from (select * from api_keys k where (k.dealer_id, k.id) > (?, ?) and ${isWatched} order by k.dealer_id, k.id limit ?) k
     join dealers d on d.id = k.dealer_id
     left join lateral (${lastLead('false')}) as last on true
     left join lateral (select l.received_at from leads l where l.dealer_id = k.dealer_id and l.source_id = k.id order by l.id limit 1) as first on true
     left join source_silences s on s.dealer_id = k.dealer_id and s.api_key_id = k.id and s.ended_at is null
     order by k.dealer_id, k.id`,
    [after.dealer_id, after.id, limit],
  )
  return rows
}

/**
 * The times of the leads of a key from the one id to the other that are no tests, oldest first, in milliseconds since
 * the epoch.
 */
export async function findTimes(
  trx: Knex.Transaction,
  dealerId: string,
  apiKeyId: string,
  fromId: string,
  toId: string,
): Promise<number[]> {
  const { rows } = await trx.raw<{ rows: { times: number[] }[] }>(
    `select coalesce(array_agg(extract(epoch from n.received_at)::float8 * 1000 order by n.received_at) filter (where not n.test), '{}') as times from (
       select received_at, test from leads where dealer_id = ? and source_id = ? and id between ? and ? order by id desc limit ?) n`,
    [dealerId, apiKeyId, fromId, toId, learntLeadsMax],
  )
  return rows[0]?.times ?? []
}

/** Opens the silence of a key, or says anew how many leads it has cost. */
export async function saveSilence(
  trx: Knex.Transaction,
  { dealer_id, id, last_lead_id, last_lead_at, now }: WatchedRow,
  expected: number,
): Promise<void> {
  await trx('source_silences')
    .insert({
      dealer_id,
      api_key_id: id,
      since: last_lead_at,
      last_lead_id,
      noticed_at: now,
      expected: Math.min(expectedMax, expected),
    })
    .onConflict(trx.raw('(dealer_id, api_key_id) where ended_at is null'))
    .merge(['expected'])
}
