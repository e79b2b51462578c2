import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { newLead } from '../../src/leads/input.ts'
import { atMost, percentile, report } from './harness.ts'
import { type Dealer, leadInput, makeDealers, openPlace, type Place, startOurs, tokenOfNewKey } from './world.ts'

/**
 * How many leads a second are given to customers when it is quiet, and what leads that come in at fixed times, each
 * timed from when it was to be sent, wait for meanwhile: with nothing to link but themselves, while a system brings its
 * customers in batches as fast as it is answered, and while a backlog is drained. `COUNT` leads lie there, of half as
 * many people; 10^6 take a while.
 */
const count = Number(process.env['COUNT'] ?? 100_000)
const seconds = Number(process.env['SECONDS'] ?? 20)
const leadsPerSecond = 100
const warmSeconds = 3
const pollMs = 250
const batchMax = 200

/** Leads of people who come twice, straight into the tables. */
async function fill({ connection }: Place, dealerId: string, from: number): Promise<void> {
  const { data } = newLead(leadInput(0), { country: 'DK', timeZone: 'Europe/Copenhagen' })
  const client = new pg.Client(connection)
  await client.connect()
  await client.query('set synchronous_commit = off')
  await client.query(
    `create temporary table past as
     select n, at, (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 1, 3)
       || '8' || substr(md5(n::text), 4, 15))::uuid as id
     from generate_series($2::int + 1, $2 + $1::int) n,
     lateral (select now() - interval '1 hour' - ($2 + $1 - n) * interval '1 ms' as at)`,
    [count, from],
  )
  await client.query(
    `insert into leads (
       dealer_id, id, type, status, source_type, source_id, test, received_at, updated_at, version, data, warnings
     )
     select $1, past.id, 'test_drive', 'new', 'api_key', k.id, false, at, at, 1,
       jsonb_set(jsonb_set(jsonb_set($2::jsonb,
         '{customer,emails,0,address}', to_jsonb('anna.' || n / 2 || '@customer.example')),
         '{customer,phones,0,e164}', to_jsonb('+45' || 20000000 + n / 2)),
         '{customer,name,family}', to_jsonb('Holm ' || n / 2)), '[]'
     from past, (select id from api_keys where dealer_id = $1 and kind = 'digital_requests') k`,
    [dealerId, JSON.stringify(data)],
  )
  await client.query(
    `with ticked as (
       update dealer_clocks set seq = seq + $2 where dealer_id = $1 returning seq - $2 as before
     )
     insert into events (
       dealer_id, seq, id, type, at, subject_type, subject_id, actor_type, actor_id, changed, test
     )
     select $1, before + row_number() over (order by n), gen_random_uuid(), 'lead.created', at, 'lead', past.id,
       'api_key', k.id, '{}', false
     from past, ticked, (select id from api_keys where dealer_id = $1 and kind = 'digital_requests') k`,
    [dealerId, count],
  )
  await client.query('vacuum analyze leads, events')
  await client.query('checkpoint')
  await client.end()
}

const behindOf = async ({ db }: Place): Promise<number> => {
  const { rows } = await db.raw(
    'select coalesce(sum(k.seq - coalesce(c.seq, 0)), 0)::int as behind from dealer_clocks k left join linker_cursors c using (dealer_id)',
  )
  return rows[0].behind
}
const linkedOf = async ({ db }: Place): Promise<number> => Number((await db('lead_links').count())[0]?.['count'])

async function drained(place: Place): Promise<void> {
  while ((await behindOf(place)) > 0) await sleep(pollMs)
}

async function latencies(url: string, { website }: Dealer, from: number) {
  const kept: number[] = []
  let refused = 0
  const start = performance.now() + 200
  await Promise.all(
    Array.from({ length: (warmSeconds + seconds) * leadsPerSecond }, async (_, at) => {
      const due = start + (at * 1000) / leadsPerSecond
      await sleep(due - performance.now())
      const reply = await fetch(`${url}/v1/leads`, {
        method: 'POST',
        headers: { authorization: `Bearer ${website}`, 'content-type': 'application/json' },
        body: JSON.stringify(leadInput(from + at)),
      }).catch(() => undefined)
      await reply?.arrayBuffer()
      if (at < warmSeconds * leadsPerSecond) return
      if (reply?.status !== 201) refused++
      kept.push(performance.now() - due)
    }),
  )
  return { p50Ms: percentile(kept, 0.5), p99Ms: percentile(kept, 0.99), maxMs: Math.max(...kept), refused }
}

/** An import: each customer is new, and one batch is sent when the one before was answered. */
async function importing<Result>(url: string, token: string, meanwhile: () => Promise<Result>) {
  let written = 0
  let refused = 0
  let isOver = false
  const startedAt = performance.now()
  const sending = (async () => {
    while (!isOver) {
      const customers = Array.from({ length: batchMax }, (_, at) => {
        const { customer } = leadInput(written + refused + at)
        return { source: 'dms', id: `C-${written + refused + at}`, customer }
      })
      const reply = await fetch(`${url}/v1/customers/batch`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ customers }),
      })
      if (reply.status !== 207) throw new Error(`upsertCustomers answered ${reply.status} ${await reply.text()}`)
      const { results } = (await reply.json()) as { results: { status: number }[] }
      const made = results.filter(({ status }) => status === 201).length
      written += made
      refused += batchMax - made
    }
  })()
  const result = await meanwhile()
  isOver = true
  await sending
  return { result, refused, perSecond: (written * 1000) / (performance.now() - startedAt) }
}

const place = await openPlace()
const ours = await startOurs(place)
const [dealer] = await makeDealers(place, ours, 1)
if (!dealer) throw new Error('There is no dealer')
const quiet = await latencies(ours.url, dealer, 0)
await drained(place)

const dms = await tokenOfNewKey(ours.url, dealer.admin, 'Import', 'extensive_integrations', ['dms'])
const brought = await importing(ours.url, dms, () => latencies(ours.url, dealer, 50_000))
await drained(place)

await fill(place, dealer.dealerId, 0)
const before = await linkedOf(place)
const startedAt = performance.now()
await drained(place)
const drainedPerSecond = ((await linkedOf(place)) - before) / ((performance.now() - startedAt) / 1000)

await fill(place, dealer.dealerId, count)
const linkedBefore = await linkedOf(place)
const busy = await latencies(ours.url, dealer, 100_000)
const busyPerSecond = ((await linkedOf(place)) - linkedBefore) / (warmSeconds + seconds)
const behind = await behindOf(place)
const caughtUpAt = performance.now()
await drained(place)

report(
  'linking',
  `${leadsPerSecond} leads a second at fixed times, by Node; ${count} leads to link`,
  [
    { kind: 'linked, quiet', perSecond: drainedPerSecond },
    { kind: 'linked, while leads come', perSecond: busyPerSecond, eventsBehind: behind },
    { kind: 'gone after', seconds: (performance.now() - caughtUpAt) / 1000 },
    { kind: 'upserts of customers, while leads come', perSecond: brought.perSecond, refused: brought.refused },
    { kind: 'intake, nothing else to link', ...quiet },
    { kind: 'intake, while customers are upserted', ...brought.result },
    { kind: 'intake, while a backlog is linked', ...busy },
  ],
  [
    atMost('p99 of intake, backlog / quiet', busy.p99Ms / quiet.p99Ms, 2),
    atMost('p99 of intake, upserts / quiet', brought.result.p99Ms / quiet.p99Ms, 2),
    atMost('refused', quiet.refused + brought.result.refused + brought.refused + busy.refused, 0),
  ],
)
await ours.stop()
await place.close()
