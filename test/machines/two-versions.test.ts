import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { expect, inject, it, onTestFinished } from 'vitest'
import { openDatabase } from '../../src/db/pool.ts'
import { onDatabase } from '../faults/processes.ts'
import { amount } from '../long.ts'
import { lives, textsOf } from '../migrations/lives.ts'
import { until } from '../patience.ts'
import { lead, password, send } from '../service.ts'
import { checkOutVersionBefore, needs } from './needs.ts'
import { failures, figures, newLedger, startLoad, startReader, startVersion } from './two-versions.ts'

const minutes = 60_000
const leadsBefore = amount(2_000, 60_000)
const callsEach = amount(20, 200)

type Connection = ReturnType<typeof inject<'server'>>

async function connect(connection: Connection): Promise<pg.Client> {
  const client = new pg.Client(connection)
  await client.connect()
  onTestFinished(() => client.end())
  return client
}

const ownMaking = 'of the version before'

/** Made by older texts, or left to the version before to make. */
async function databaseOf(life: string): Promise<Connection> {
  const database = `test_${randomUUID().replaceAll('-', '')}`
  await (await connect({ ...inject('server'), database: 'postgres' })).query(`create database ${database}`)
  const connection = { ...inject('server'), database }
  const texts = lives.find(([name]) => name === life)?.[1]
  if (!texts) return connection
  const client = await connect(connection)
  await client.query('create table migrations (name text primary key, applied_at timestamptz not null default now())')
  for (const { name, sql } of await textsOf(texts, '0010')) {
    await client.query(sql)
    await client.query('insert into migrations (name) values ($1)', [name])
  }
  return connection
}

it.each([ownMaking, 'of most of the time'])(
  'serves beside the version before, which nobody notices, while it brings the database up to date (a database %s)',
  { ...needs('git history'), timeout: 15 * minutes },
  async (life) => {
    const connection = await databaseOf(life)
    const env = { ...onDatabase(connection, 'http://localhost:3000'), ADMIN_PASSWORD: password }
    const before = await startVersion(checkOutVersionBefore(), { ...env, WORKERS: '2' })

    const { body: session } = await send(`${before.url}/v1/session`, 'POST', {
      body: { email: 'admin@dealer.example', password },
    })
    const admin: string = session.access_token
    const key = async (kind: string) => {
      const { body } = await send(`${before.url}/v1/api-keys`, 'POST', { token: admin, body: { name: kind, kind } })
      const exchanged = await send(`${before.url}/v1/auth/token`, 'POST', { headers: { 'x-api-key': body.secret } })
      return { secret: body.secret as string, token: exchanged.body.access_token as string }
    }
    const website = await key('digital_requests')
    const dms = await key('extensive_integrations')
    const credentials = { admin, website: website.token, dms: dms.token, secret: dms.secret }
    const known: string[] = []
    while (known.length < leadsBefore) {
      const leads = Array.from({ length: 200 }, () => ({ lead: lead() }))
      const { body } = await send(`${before.url}/v1/leads/batch`, 'POST', { token: website.token, body: { leads } })
      known.push(...body.results.map((result: { lead: { id: string } }) => result.lead.id))
    }

    const ledger = newLedger()
    const reader = startReader(before, dms.token)
    const old = startLoad('the version before', before, credentials, known, ledger)
    await until(() => old.done() >= callsEach)

    // A report that reads for as long as the first attempts of a migration take: these give up, and others come
    // through.
    const report = await connect({ ...connection, application_name: 'report' } as Connection)
    await report.query('begin; lock table leads in access share mode')
    ledger.phase = 'while it starts'
    const starting = startVersion('.', { ...env, WORKERS: '1' })
    const client = await connect(connection)
    await until(
      async () =>
        (await client.query("select from pg_stat_activity where application_name = 'carbuddii migrations'")).rows
          .length > 0,
    )
    ledger.phase = 'while it asks for locks'
    const beforeReport = old.done()
    await until(() => old.done() >= beforeReport + callsEach)
    ledger.phase = 'while it gets them'
    await report.query('commit')
    const now = await starting
    ledger.phase = 'both'

    const young = startLoad('this version', now, credentials, known, ledger)
    const bothFrom = old.done()
    await until(() => young.done() >= callsEach && old.done() >= bothFrom + callsEach)

    // What one of them was sent may be sent again to the other.
    for (const [first, second] of [
      [before, now],
      [now, before],
    ] as const) {
      const sendTo = ({ url }: typeof now, message: string) =>
        send(`${url}/v1/leads`, 'POST', {
          token: website.token,
          body: lead({ message }),
          headers: { 'idempotency-key': `sent-to-${first === now ? 'this' : 'the-other'}` },
        })
      const sent = await sendTo(first, 'once')
      expect((await sendTo(second, 'once')).body).toEqual(sent.body)
      expect((await sendTo(second, 'another')).body.code).toBe('idempotency-key-reused')
    }
    reader.pointTo(now)
    await old.stop()
    const exitCode = await before.stop()
    await young.stop()
    await reader.stop()

    const applied = now.lines.filter((line) => /"msg":"applied /.test(line)).length
    const waited = now.lines.filter((line) => /waits for a lock/.test(line)).length
    console.log(
      `\nA database ${life}: ${known.length} leads before; ${applied} migrations applied, ${waited} waited for a lock.\n${figures(ledger)}\n  one reader of the feed, first here, then there: ${reader.restarts()} x 410, ${reader.failed.length} failed, saw ${reader.seen.size} leads\n`,
    )
    expect(failures(ledger)).toEqual([])
    expect(reader.failed).toEqual([])
    // The cursor of the version before was a bare number.
    expect(reader.restarts()).toBe(1)
    expect(exitCode).toBe(0)
    expect(applied).toBeGreaterThan(0)

    // Nothing that was acknowledged is missing or there twice, and the reader saw all of it.
    const { db, close } = openDatabase(connection, () => undefined)
    const rows = await db('leads').whereNotNull('external_id').pluck('external_id')
    expect(new Set(rows).size).toBe(rows.length)
    const stored = new Set(rows)
    expect([...ledger.acknowledged].filter((id) => !stored.has(id))).toEqual([])
    const [{ count }] = (await db('leads').count()) as [{ count: string }]
    await close()
    expect(reader.seen.size).toBe(Number(count))
  },
)
