import pg from 'pg'
import { cursorAt, positionOf } from '../../src/events/cursor.ts'
import { newLead } from '../../src/leads/input.ts'
import { type Dealer, leadInput, type Place, type Service, tokenOfNewKey } from './world.ts'

/** How much a large dealer has, beside its leads and their events. */
const requestsCount = 1_000_000
const auditEntriesCount = 200_000
const mailsCount = 100_000
const sessionsCount = 100_000
const idleKeysCount = 200
const days = 90

/** A dealer with a key for each way of sending leads. */
export interface LargeDealer extends Dealer {
  adminId: string
  keys: Record<'website' | 'dms' | 'quiet' | 'tests' | 'none', string>
  oldestLeadId: string
  /** Cursors of the feed: behind what is rare and old, and near the end. */
  behindRare: string
  nearEnd: string
}

/**
 * Gives a dealer `count` leads of the past 90 days, as its keys sent them, straight into the tables. What is rare is as
 * old as can be: the leads of the quiet key, the only lead to be financed, the only one with an appointment, and all
 * that are `rare`, tests or none, but for the very last, which came from the address that a fifth of all leads came
 * from.
 */
export async function fillLarge(
  place: Place,
  { url }: Service,
  dealer: Dealer,
  count: number,
  rare: 'tests' | 'real leads',
): Promise<LargeDealer> {
  for (const name of ['quiet', 'tests', 'none']) await tokenOfNewKey(url, dealer.admin, name, 'digital_requests')
  const named = async (name: string): Promise<string> =>
    (await place.db('api_keys').where({ dealer_id: dealer.dealerId, name }).first('id')).id
  const keys = {
    website: await named('digital_requests'),
    dms: await named('extensive_integrations'),
    quiet: await named('quiet'),
    tests: await named('tests'),
    none: await named('none'),
  }
  const { id: adminId } = await place.db('users').where({ dealer_id: dealer.dealerId }).first('id')

  // Unlike the service's own, its statements may take as long as they like.
  const client = new pg.Client(place.connection)
  await client.connect()
  const { dealerId } = dealer
  const { data } = newLead(leadInput(0), { country: 'DK', timeZone: 'Europe/Copenhagen' })
  await client.query('set synchronous_commit = off')
  await client.query(idOfTime)
  await client.query('drop table if exists past')
  await client.query(
    `create temporary table past as
       select n, at, pg_temp.id_of(at, n) as id
       from generate_series(1, $1::int) n, lateral (select now() - interval '1 hour' - ($1 - n) * (interval '1 day' * ${days} / $1) as at)`,
    [count],
  )
  await client.query(
    `insert into leads (dealer_id, id, type, status, source_type, source_id, test, received_at, updated_at, version, responded_at, data, warnings)
       select $1, id,
         case when n = 1 then 'finance' when n % 20 = 0 then 'service' when n % 3 = 0 then 'enquiry' else 'test_drive' end,
         case when n = 1 then 'appointment_set' when n > 0.7 * $2 then 'new' else (array['won', 'lost', 'in_progress'])[n % 3 + 1] end,
         'api_key',
         (case when n = 1 or n > 1000 and n <= 1010 then $3 when n <= 1000 then $4 when n % 10 = 0 then $5 else $6 end)::uuid,
         (n > 1 and n <= 1000 or n = $2) = $7, at,
         case when n = 2 or n = 2000 then now() when n % 100 = 0 then at + interval '1 hour' else at end,
         case when n = 2 or n % 100 = 0 then 2 else 1 end, case when n % 100 = 0 then at + interval '1 hour' end,
         jsonb_set(jsonb_set($8::jsonb, '{customer,phones,0,e164}', to_jsonb('+4520' || lpad(n::text, 6, '0'))),
           '{customer,emails,0,address}', to_jsonb(case when n % 5 = 0 then 'info@dealer.example' else 'anna.' || n || '@customer.example' end)),
         '[]'
       from past`,
    [dealerId, count, keys.quiet, keys.tests, keys.dms, keys.website, rare === 'tests', JSON.stringify(data)],
  )
  await client.query(
    `with ticked as (update dealer_clocks set seq = seq + $2 where dealer_id = $1 returning seq - $2 as before)
     insert into events (dealer_id, seq, id, type, at, subject_type, subject_id, actor_type, actor_id, changed, test)
       select $1, before + n, gen_random_uuid(), 'lead.created', at, 'lead', past.id, 'api_key', $3::uuid, '{}',
         (n > 1 and n <= 1000 or n = $2) = $4
       from past, ticked`,
    [dealerId, count, keys.website, rare === 'tests'],
  )
  await client.query(
    `insert into lead_claims (dealer_id, subject_id, kind, value, lead_id, received_at, warnings, expires_at)
       select $1, $2::uuid, kind, case kind when 'reference' then jsonb_build_array('dms', n::text)::text else 'key ' || n end, id, at, '[]',
         case kind when 'reference' then 'infinity' else now() + interval '71 hours' end::timestamptz
       from past, (values ('reference'), ('idempotency')) as kinds(kind) where n <= $3`,
    [dealerId, keys.dms, count / 5],
  )
  const [oldest] = (await client.query<{ id: string }>('select id from past where n = 1')).rows
  await client.end()
  const cursor = async (seq: number) =>
    cursorAt(positionOf(await place.db('events').where({ dealer_id: dealerId, seq }).first('seq', 'id')))
  return {
    ...dealer,
    adminId,
    keys,
    oldestLeadId: oldest?.id ?? '',
    behindRare: await cursor(1_001),
    nearEnd: await cursor(count - 10),
  }
}

/** Gives a dealer what else gathers: a log of requests, audit entries, mails, sessions, keys that never sent a lead. */
export async function fillAround(place: Place, { dealerId, adminId, keys, oldestLeadId }: LargeDealer): Promise<void> {
  const client = new pg.Client(place.connection)
  await client.connect()
  await client.query('set synchronous_commit = off')
  await client.query(idOfTime)
  const series = (count: number) =>
    `from generate_series(1, ${count}) n, lateral (select now() - (${count} - n) * (interval '10 days' / ${count}) as at), lateral (select pg_temp.id_of(at, n) as id)`
  await client.query(
    `insert into api_key_requests (dealer_id, id, at, api_key_id, credential_id, request_id, operation, status, duration_ms, address, lead_id)
       select $1, id, at, $2, $2, 'r' || n, case when n = 1 then 'getLead' else 'createLead' end, case when n = 1 then 404 else 201 end, 2, '127.0.0.1',
         case when n = 1 then $3 else id end::uuid ${series(requestsCount)}`,
    [dealerId, keys.website, oldestLeadId],
  )
  await client.query(
    `insert into api_key_usage (dealer_id, api_key_id, hour, operation, status_class, requests)
       select dealer_id, api_key_id, date_trunc('hour', at), operation, status / 100, count(*) from api_key_requests
       where dealer_id = $1 and api_key_id = $2 group by 1, 2, 3, 4, 5
       union all
       select $1, $2, date_trunc('hour', now()) - hours * interval '1 hour', operation, status_class, 1
       from generate_series(24 * 11, 24 * 400) hours, unnest(array['createLead', 'createLeadBatch', 'exchangeApiKey']) operation, unnest(array[2, 4]) status_class
       on conflict do nothing`,
    [dealerId, keys.website],
  )
  await client.query(
    `insert into audit_entries (dealer_id, id, at, action, actor_type, actor_id, actor_name, subject_type, subject_id, subject_name, before, after)
       select $1, id, at, case when n = 1 then 'api_key.deleted' else 'api_key.updated' end, 'user', case when n = 1 then $3 else $2 end::uuid, 'Admin', 'api_key',
         case when n = 1 then $3 else $4 end::uuid, 'Website', '{}', '{"disabled": true}' ${series(auditEntriesCount)}`,
    [dealerId, adminId, keys.quiet, keys.website],
  )
  await client.query(
    `insert into mails (dealer_id, id, user_id, kind, data, dedupe, state, due_at, created_at, changed_at)
       select $1, id, $2, 'new_leads', '{"leadIds": [], "count": 1}', 'filled ' || n, 'sent', at, at, at ${series(mailsCount)}`,
    [dealerId, adminId],
  )
  await client.query(
    `with credential as (
       insert into credentials (dealer_id, id, subject_type, subject_id, scopes, environment, ends_at, created_at)
       select $1, id, 'user', $2, '{leads:read}', 'live', at + interval '12 hours', at ${series(sessionsCount)} where at < now() - interval '13 hours'
       returning id, created_at)
     insert into sessions (dealer_id, credential_id, user_id, hash, secret_version, signed_in_at)
       select $1, id, $2, '', 'v1', created_at from credential`,
    [dealerId, adminId],
  )
  await client.query(
    `insert into api_keys (dealer_id, id, name, kind, environment, scopes, created_by, created_at, updated_at)
       select $1, id, 'Idle ' || n, 'digital_requests', 'live', '{leads:create}', $2, at, at ${series(idleKeysCount)}`,
    [dealerId, adminId],
  )
  await client.query(
    `insert into api_key_secrets (lookup, dealer_id, api_key_id, credential_id, hash, secret_version, created_at, role, mask)
       select 'idle' || substr(k.id::text, 25), k.dealer_id, k.id, c.id, '', 'v1', now(), 'current', 'idle'
       from api_keys k, (select id from credentials where dealer_id = $1 limit 1) c where k.dealer_id = $1 and k.name like 'Idle %'`,
    [dealerId],
  )
  await client.end()
}

/** Else autovacuum would do it while we measure. */
export async function settle({ connection }: Place): Promise<void> {
  const client = new pg.Client(connection)
  await client.connect()
  await client.query('vacuum analyze')
  await client.query('checkpoint')
  await client.end()
}

// Ids as UUIDs of version 7 are made.
const idOfTime = `create or replace function pg_temp.id_of(at timestamptz, n bigint) returns uuid language sql volatile as $$
    select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 1, 3) || '8' || substr(md5(random()::text), 4, 15))::uuid
  $$`
