import type { Knex } from 'knex'
import type pg from 'pg'
import type { Violation } from '../problem.ts'

/** For how many days it is known from where a key was used. */
const addressDays = 14

/** A request that came with an API key, or with a token that one bought. */
export interface RequestRow {
  dealer_id: string
  id: string
  at: Date
  api_key_id: string
  credential_id: string
  request_id: string
  operation: string
  /** 0 when the sender left before the answer. */
  status: number
  duration_ms: number
  address: string
  user_agent: string | null
  lead_id: string | null
  problem: string | null
  violation: Violation | null
  /** False where it is only counted. */
  logged: boolean
}

/**
 * Adds requests to the log, the hourly counts and the last uses, all or none. Rows of several processes are locked in
 * one order.
 */
export async function addRequests(hot: pg.Pool, requests: readonly RequestRow[]): Promise<void> {
  const text = `with request as materialized (
      select dealer_id, id, to_timestamp(ms / 1000) as at, api_key_id, credential_id, request_id, operation, status, duration_ms, address, user_agent, lead_id, problem, violation::jsonb, logged
      from unnest($1::uuid[], $2::uuid[], $3::float8[], $4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::smallint[], $9::real[], $10::text[], $11::text[], $12::uuid[], $13::text[], $14::text[], $15::boolean[])
        as r(dealer_id, id, ms, api_key_id, credential_id, request_id, operation, status, duration_ms, address, user_agent, lead_id, problem, violation, logged)
    ), logged as (
      insert into api_key_requests (dealer_id, id, at, api_key_id, credential_id, request_id, operation, status, duration_ms, address, user_agent, lead_id, problem, violation)
      select dealer_id, id, at, api_key_id, credential_id, request_id, operation, status, duration_ms, address, user_agent, lead_id, problem, violation from request where logged
    ), counted as (
      insert into api_key_usage (dealer_id, api_key_id, hour, operation, status_class, requests)
      select dealer_id, api_key_id, date_trunc('hour', at), operation, status / 100, count(*) from request group by 1, 2, 3, 4, 5 order by 1, 2, 3, 4, 5
      on conflict (dealer_id, api_key_id, hour, operation, status_class) do update set requests = api_key_usage.requests + excluded.requests
    ), judged as (
      insert into api_key_last_outcomes (dealer_id, api_key_id, outcome, at, operation, status, problem, address, user_agent, credential_id)
      select distinct on (dealer_id, api_key_id, outcome) dealer_id, api_key_id, outcome, at, operation, status, problem, address, user_agent, credential_id
      from request, lateral (
        select 'accepted' where status between 200 and 399
        union all select 'refused' where status between 400 and 499
        union all select 'locked_out' where status = 401 and operation = 'exchangeApiKey'
        union all select 'foreign' where problem in ('address-not-allowed', 'unauthorized_client')
      ) as o(outcome)
      order by dealer_id, api_key_id, outcome, at desc
      on conflict (dealer_id, api_key_id, outcome) do update
        set at = excluded.at, operation = excluded.operation, status = excluded.status, problem = excluded.problem, address = excluded.address, user_agent = excluded.user_agent, credential_id = excluded.credential_id
        where api_key_last_outcomes.at < excluded.at
    ), located as (
      insert into api_key_addresses (dealer_id, api_key_id, address, last_at)
      select dealer_id, api_key_id, address, max(at) from request where status between 200 and 399 and address <> '' group by 1, 2, 3 order by 1, 2, 3
      on conflict (dealer_id, api_key_id, address) do update set last_at = excluded.last_at
        where api_key_addresses.last_at < excluded.last_at - interval '1 hour'
    )
    insert into api_key_last_used (dealer_id, api_key_id, at, operation, status, address, user_agent, credential_id)
    select distinct on (dealer_id, api_key_id) dealer_id, api_key_id, at, operation, status, address, user_agent, credential_id
    from request order by dealer_id, api_key_id, at desc
    on conflict (dealer_id, api_key_id) do update
      set at = excluded.at, operation = excluded.operation, status = excluded.status, address = excluded.address, user_agent = excluded.user_agent, credential_id = excluded.credential_id
      where api_key_last_used.at < excluded.at`
  // Written out here: ids and numbers hold nothing to escape, and the driver would look through each of them. A request
  // may be called NULL.
  const plain = (of: (request: RequestRow) => string | number | null) =>
    `{${requests.map((request) => of(request) ?? 'null').join()}}`
  const values = [
    plain(({ dealer_id }) => dealer_id),
    plain(({ id }) => id),
    plain(({ at }) => at.getTime()),
    plain(({ api_key_id }) => api_key_id),
    plain(({ credential_id }) => credential_id),
    plain(({ request_id }) => `"${request_id}"`),
    plain(({ operation }) => operation),
    plain(({ status }) => status),
    plain(({ duration_ms }) => duration_ms),
    requests.map(({ address }) => address),
    requests.map(({ user_agent }) => user_agent),
    plain(({ lead_id }) => lead_id),
    plain(({ problem }) => problem),
    requests.map(({ violation }) => violation && JSON.stringify(violation)),
    plain(({ logged }) => String(logged)),
  ]
  await hot.query({ name: 'add-requests', text, values })
}

export interface RequestFilter {
  statusClass?: number
  operation?: string
  leadId?: string
  past?: string
  limit: number
}

/** Newest first. */
export async function findRequests(
  db: Knex,
  dealerId: string,
  apiKeyId: string,
  filter: RequestFilter,
): Promise<(Omit<RequestRow, 'logged'> & { mask: string | null })[]> {
  const { statusClass, operation, leadId, past, limit } = filter
  const conditions = ['r.dealer_id = :dealerId', 'r.api_key_id = :apiKeyId']
  if (statusClass !== undefined) conditions.push('r.status / 100 = :statusClass')
  if (operation) conditions.push('r.operation = :operation')
  if (leadId) conditions.push('r.lead_id = :leadId')
  if (past) conditions.push('r.id < :past')
  const those = (...more: string[]) => `
    select *
    from api_key_requests r
    where ${[...conditions, ...more].join(' and ')}
    order by r.id desc
    limit :limit`
  // What is rare is looked for in those hours alone in which the counts say that there was some. A request is counted
  // with its row.
  const counted = ['u.dealer_id = :dealerId', 'u.api_key_id = :apiKeyId']
  if (statusClass !== undefined) counted.push('u.status_class = :statusClass')
  if (operation) counted.push('u.operation = :operation')
  if (past) counted.push('first_id_at(u.hour) <= :past')
  const inHours = `
    select r.*
    from (
      select distinct u.hour
      from api_key_usage u
      where ${counted.join(' and ')}
      order by u.hour desc
    ) as h,
    lateral (${those('r.id >= first_id_at(h.hour)', "r.id < first_id_at(h.hour + interval '1 hour')")}) as r
    order by h.hour desc, r.id desc
    limit :limit`
  const isCounted = leadId === undefined && (statusClass !== undefined || operation !== undefined)
  const { rows } = await db.raw<{ rows: (Omit<RequestRow, 'logged'> & { mask: string | null })[] }>(
    `select r.*, s.mask
     from (${isCounted ? inHours : those()}) as r
     left join api_key_secrets s on s.dealer_id = r.dealer_id and s.credential_id = r.credential_id
     order by r.id desc`,
    {
      dealerId,
      apiKeyId,
      limit,
      ...(statusClass !== undefined && { statusClass }),
      ...(operation && { operation }),
      ...(leadId && { leadId }),
      ...(past && { past }),
    },
  )
  return rows
}

export interface UsageRow {
  hour: Date
  operation: string
  status_class: number
  requests: string
}

export async function findUsage(
  db: Knex,
  dealerId: string,
  apiKeyId: string,
  since: Date,
  limit: number,
): Promise<UsageRow[]> {
  return db('api_key_usage')
    .where({ dealer_id: dealerId, api_key_id: apiKeyId })
    .where('hour', '>=', since)
    .orderBy(['hour', 'operation', 'status_class'])
    .limit(limit)
    .select('hour', 'operation', 'status_class', 'requests')
}

/** From where a key was used with success, the latest first. */
export async function findAddresses(
  db: Knex,
  dealerId: string,
  apiKeyId: string,
  limit: number,
): Promise<{ address: string; last_at: Date }[]> {
  return db('api_key_addresses')
    .where({ dealer_id: dealerId, api_key_id: apiKeyId })
    .whereRaw(`last_at > clock_timestamp() - interval '${addressDays} days'`)
    .orderBy([{ column: 'last_at', order: 'desc' }, 'address'])
    .limit(limit)
    .select('address', 'last_at')
}

/** Forgets addresses from where nobody came for so long that they are not offered any more; says how many. */
export async function sweepAddresses(db: Knex, atMost: number): Promise<number> {
  const { rowCount } = await db.raw<{ rowCount: number }>(
    `with old as materialized (
       select dealer_id, api_key_id, address
       from api_key_addresses
       where last_at < clock_timestamp() - interval '${addressDays} days'
       order by last_at
       limit ?
       for update skip locked
     )
     delete from api_key_addresses a
     using old
     where a.dealer_id = old.dealer_id and a.api_key_id = old.api_key_id and a.address = old.address`,
    [atMost],
  )
  return rowCount
}

/** Forgets requests that are older than their dealer keeps them; says how many. */
export async function sweepRequests(db: Knex, atMost: number): Promise<number> {
  // Key by key, whose requests lie in the order of their ids: an index over time alone would grow with each request.
  const { rowCount } = await db.raw<{ rowCount: number }>(
    `with old as materialized (
       select r.*
       from dealers d
       join api_key_last_used k on k.dealer_id = d.id,
       lateral (
         select dealer_id, api_key_id, id
         from api_key_requests
         where dealer_id = k.dealer_id and api_key_id = k.api_key_id
           and id < first_id_at(clock_timestamp() - d.request_log_days * interval '1 day')
         order by id
         limit :atMost
         for update skip locked
       ) as r
       limit :atMost
     )
     delete from api_key_requests r
     using old
     where r.dealer_id = old.dealer_id and r.api_key_id = old.api_key_id and r.id = old.id`,
    { atMost },
  )
  return rowCount
}

/** Forgets hourly counts that are older than so many days; says how many. */
export async function sweepUsage(db: Knex, days: number, atMost: number): Promise<number> {
  const { rowCount } = await db.raw<{ rowCount: number }>(
    `with old as materialized (
       select u.*
       from api_key_last_used k,
       lateral (
         select dealer_id, api_key_id, hour, operation, status_class
         from api_key_usage
         where dealer_id = k.dealer_id and api_key_id = k.api_key_id
           and hour < clock_timestamp() - :days * interval '1 day'
         order by hour
         limit :atMost
         for update skip locked
       ) as u
       limit :atMost
     )
     delete from api_key_usage u
     using old
     where u.dealer_id = old.dealer_id and u.api_key_id = old.api_key_id and u.hour = old.hour
       and u.operation = old.operation and u.status_class = old.status_class`,
    { days, atMost },
  )
  return rowCount
}
