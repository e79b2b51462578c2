import { afterAll, expect, it } from 'vitest'
import { openDatabase } from '../../src/db/pool.ts'
import { amount } from '../long.ts'
import { until } from '../patience.ts'
import { randomFrom, seed } from '../seed.ts'
import { freshDatabase, lead, send } from '../service.ts'
import { endServers, freePort, onDatabase, openDealer, pause, type Server, startServer } from './processes.ts'

const people = amount(60, 400)
const leadsOfEach = 5
const kills = amount(4, 30)
const killedWithinMs = 300

afterAll(endServers)

const sorted = (ids: readonly string[]) => ids.toSorted((one, other) => one.localeCompare(other))

it('gives each lead to somebody, once, while its processes are killed as they link', async () => {
  const random = randomFrom(seed)
  const connection = await freshDatabase()
  const database = openDatabase(connection, () => undefined)
  const { db } = database
  const publicUrl = `http://127.0.0.1:${await freePort()}`
  const env = onDatabase(connection, publicUrl)
  const servers: Server[] = [await startServer(env), await startServer(env)]
  const dealers = await Promise.all(['first', 'second'].map((name) => openDealer(db, servers[0]?.url ?? '', name)))
  const all = Array.from({ length: people * leadsOfEach }, (_, at) => ({
    customer: {
      name: { given: 'Anna', family: `Holm ${at % people}` },
      emails: [{ address: `anna.${at % people}@customer.example` }],
      phones: [{ number: `20 ${String(100_000 + (at % people))}` }],
    },
  }))
  const alive = () => servers[Math.floor(random() * servers.length)]?.url ?? ''
  const pushing = dealers.map(async ({ token }) => {
    for (const [at, body] of all.entries()) {
      await until(async () => {
        const headers = { 'idempotency-key': `"lead-${at}"` }
        const reply = await send(`${alive()}/v1/leads`, 'POST', { token, headers, body: lead(body) }).catch(
          () => undefined,
        )
        return reply?.status === 201
      })
    }
  })
  for (let kill = 0; kill < kills; kill++) {
    await pause(random() * killedWithinMs)
    const at = kill % servers.length
    await servers[at]?.end('SIGKILL')
    servers[at] = await startServer(env)
  }
  await Promise.all(pushing)
  await until(async () => {
    const { rows } = await db.raw(
      'select from dealer_clocks k left join linker_cursors c using (dealer_id) where k.seq > coalesce(c.seq, 0)',
    )
    return rows.length === 0
  })

  for (const { dealerId } of dealers) {
    const links = await db('lead_links').where({ dealer_id: dealerId })
    const leads = await db('leads').where({ dealer_id: dealerId }).pluck('id')
    const told = await db('events').where({ dealer_id: dealerId, type: 'lead.linked' }).pluck('subject_id')
    expect(leads.length).toBe(all.length)
    expect(sorted(links.map(({ lead_id }) => lead_id))).toEqual(sorted(leads))
    expect(sorted(told)).toEqual(sorted(leads))
    // Everybody was known by the second lead.
    const customers = await db('customers').where({ dealer_id: dealerId }).pluck('id')
    expect(customers.length).toBe(people)
    expect(new Set(links.map(({ customer_id }) => customer_id)).size).toBe(people)
    const created = await db('events').where({ dealer_id: dealerId, type: 'customer.created' }).pluck('subject_id')
    expect(sorted(created)).toEqual(sorted(customers))
    const { seq } = await db('dealer_clocks').where({ dealer_id: dealerId }).first()
    const seqs: string[] = await db('events').where({ dealer_id: dealerId }).orderBy('seq').pluck('seq')
    expect(seqs).toEqual(Array.from({ length: Number(seq) }, (_, at) => `${at + 1}`))
  }
  await database.close()
})
