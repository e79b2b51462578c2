import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { once } from 'node:events'
import pg from 'pg'
import { afterEach, describe, expect, inject, it } from 'vitest'
import { migrate, shippedMigrations } from '../src/db/migrate.ts'
import { checksumOf, loneStatements, type Migration, textOf } from '../src/db/migration.ts'
import { openDatabase } from '../src/db/pool.ts'
import { newId } from '../src/ids.ts'
import { tellingReference } from '../src/leads/external-reference.ts'
import { createLeads, type IncomingLead, type Verdict } from '../src/leads/store.ts'
import { onLeash } from './leash.ts'
import { isLong } from './long.ts'
import { catalogueOf } from './migrations/catalogue.ts'
import { lives, textsOf } from './migrations/lives.ts'
import { patienceMs, until } from './patience.ts'

type Connection = ReturnType<typeof inject<'server'>>

const shipped = await shippedMigrations()
const clients: pg.Client[] = []
const children: ChildProcess[] = []
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await Promise.all(clients.splice(0).map((client) => client.end()))
})

/** A database without anything in it. */
async function emptyDatabase(): Promise<Connection> {
  const database = `test_${randomUUID().replaceAll('-', '')}`
  const client = await connect({ ...inject('server'), database: 'postgres' })
  await client.query(`create database ${database}`)
  return { ...inject('server'), database }
}

async function connect(connection: Connection): Promise<pg.Client> {
  const client = new pg.Client(connection)
  client.on('error', () => undefined)
  await client.connect()
  clients.push(client)
  return client
}

/** What was said, in the order in which it was. */
function listen() {
  const said: string[] = []
  const applied = () => said.flatMap((line) => /^applied (\S+) in \d+ ms$/.exec(line)?.[1] ?? [])
  return { said, applied, log: (_level: 'info' | 'warn', message: string) => void said.push(message) }
}

/** As what is tested here, but in a process of its own. */
function startElsewhere(connection: Connection, migrations: readonly Migration[]) {
  const arguments_ = [connection, migrations].map((value) => JSON.stringify(value))
  const child = spawn(...onLeash('test/migrations/starter.ts', ...arguments_))
  children.push(child)
  let said = ''
  child.stdout.on('data', (data) => (said += data))
  child.stderr.on('data', (data) => (said += data))
  return { child, said: () => said, ended: once(child, 'exit') }
}

const isThere = async (client: pg.Client, relation: string) =>
  (await client.query('select to_regclass($1) is not null as is_there', [relation])).rows[0].is_there as boolean

/** Whether somebody waits for a lock that the test holds. */
const isWaiting = (client: pg.Client) => async () =>
  (await client.query("select from pg_locks where not granted and locktype <> 'advisory'")).rows.length > 0

describe('a database that was made by an older text', () => {
  const dealerId = newId()
  const userId = newId()
  const keyId = newId()
  const credentialId = newId()
  const content = Buffer.from('<adf/>')

  const incoming = (reference: string, key?: string): IncomingLead => ({
    dealerId,
    credentialId,
    epoch: 1,
    address: null,
    id: newId(),
    eventId: newId(),
    type: 'test_drive',
    test: false,
    externalReference: tellingReference({ source: 'web', id: reference }),
    submittedAt: undefined,
    data: JSON.stringify({ customer: { emails: [{ address: 'Anna@example.com' }] } }),
    warnings: JSON.stringify([{ code: 'odd', pointer: '/type', message: reference }]),
    idempotency: key === undefined ? undefined : { key, requestHash: Buffer.alloc(32, 1) },
    original: { mediaType: 'application/xml', content },
  })

  /** As the program of those days brought a database up, and what it then put into it. */
  async function grow(connection: Connection, migrations: readonly Migration[]) {
    const client = await connect(connection)
    const leads: Record<string, { id: string; received: Date }> = {}
    await client.query('create table migrations (name text primary key, applied_at timestamptz not null default now())')
    for (const { name, sql } of migrations) {
      await client.query(sql)
      await client.query('insert into migrations (name) values ($1)', [name])
      if (name === '0001-spine.sql') {
        await client.query(`
          insert into dealers
          values ('${dealerId}', 'Old', 'DK', 'Europe/Copenhagen', 'da', now());
          insert into dealer_clocks (dealer_id)
          values ('${dealerId}');
          insert into users (dealer_id, id, email, name, role, password_hash, created_at)
          values ('${dealerId}', '${userId}', 'Anna@example.com', 'Anna', 'admin', 'hash', now());
          insert into credentials (dealer_id, id, subject_type, subject_id, scopes, environment, created_at)
          values ('${dealerId}', '${credentialId}', 'api_key', '${keyId}', '{leads:create}', 'live', now());
          insert into api_keys (
            dealer_id, id, name, kind, environment, scopes, mask, created_by, created_at, updated_at
          )
          values (
            '${dealerId}', '${keyId}', 'Old', 'digital_requests', 'live', '{leads:create}', 'cb_dr', '${userId}',
            now(), now()
          );
          insert into api_key_secrets (
            lookup, dealer_id, api_key_id, credential_id, hash, secret_version, created_at
          )
          values ('lookup', '${dealerId}', '${keyId}', '${credentialId}', '\\x01', 'v1', now())`)
        const lead = incoming('first')
        const { rows } = await client.query(
          'select received from create_leads(1, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)',
          [
            [dealerId],
            [credentialId],
            [1],
            [lead.id],
            [lead.eventId],
            [lead.type],
            [false],
            ['web'],
            ['first'],
            [null],
            [lead.data],
            [lead.warnings],
          ],
        )
        leads['first'] = { id: lead.id, received: rows[0].received }
      }
      if (name === '0002-intake.sql') {
        const database = openDatabase(connection, () => undefined)
        const lead = incoming('second', 'key')
        const verdict = await storedByTheVersionBefore(database.hot, lead)
        await database.close()
        if (verdict?.verdict !== 'created') throw new Error('The old function did not store the lead')
        leads['second'] = { id: lead.id, received: verdict.received }
      }
      if (name === '0005-requests.sql')
        await client.query(
          `insert into api_key_requests (
            dealer_id, id, at, api_key_id, credential_id, request_id, operation, status, duration_ms, address
          )
          select $1, gen_random_uuid(), now(), $2, $3, 'r', 'createLead', 201, 1, '::1'
          from generate_series(1, 20)`,
          [dealerId, keyId, credentialId],
        )
    }
    return leads
  }

  /** By the function that a process of the version before calls. */
  async function storedByTheVersionBefore(hot: pg.Pool, lead: IncomingLead): Promise<Verdict | undefined> {
    const { externalReference: reference, idempotency, original } = lead
    const { rows } = await hot.query<Verdict>(
      `select verdict, replayed, lead_id, received, lead_warnings
       from create_leads(1, false, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`,
      [
        [lead.dealerId],
        [lead.credentialId],
        [lead.epoch],
        [lead.id],
        [lead.eventId],
        [lead.type],
        [lead.test],
        [reference?.source ?? null],
        [reference?.id ?? null],
        [lead.submittedAt ?? null],
        [lead.data],
        [lead.warnings],
        [idempotency?.key ?? null],
        [idempotency?.requestHash ?? null],
        [original?.mediaType ?? null],
        [original?.content ?? null],
      ],
    )
    return rows[0]
  }

  /** Every row, table by table. */
  async function rowsOf(client: pg.Client): Promise<Record<string, Record<string, unknown>[]>> {
    const { rows: tables } = await client.query(
      "select tablename from pg_tables where schemaname = 'public' and tablename <> 'migrations'",
    )
    const all: Record<string, Record<string, unknown>[]> = {}
    for (const { tablename } of tables) {
      const { rows } = await client.query(`select to_jsonb(t) as row from ${tablename} t`)
      all[tablename] = rows.map(({ row }) => row)
    }
    return all
  }
  /** Of rows at two moments, what both have columns for. */
  const sameColumns = (rows: Record<string, unknown>[], like: Record<string, unknown>[]) =>
    rows
      .map((row) => Object.entries(row).filter(([column]) => like.every((other) => column in other)))
      .map((row) => JSON.stringify(row))
      .sort()

  it.each(lives)('%s becomes equal to a fresh one, and keeps its rows', async (_name, texts, last) => {
    const connection = await emptyDatabase()
    const leads = await grow(connection, await textsOf(texts, last))
    const client = await connect(connection)
    const before = await rowsOf(client)
    expect(before['leads']?.length).toBe(Object.keys(leads).length)

    await migrate(connection, () => undefined)

    const fresh = await emptyDatabase()
    await migrate(fresh, () => undefined)
    const freshClient = await connect(fresh)
    expect(await catalogueOf(client)).toEqual(await catalogueOf(freshClient))
    const recorded = 'select name, checksum from migrations order by name'
    expect((await client.query(recorded)).rows).toEqual((await freshClient.query(recorded)).rows)

    const after = await rowsOf(client)
    for (const [table, rows] of Object.entries(before)) {
      const now = after[table] ?? []
      expect([table, sameColumns(now, rows)]).toEqual([table, sameColumns(rows, now)])
    }
  })

  it.each(lives)('%s knows its leads again', async (_name, texts, last) => {
    const connection = await emptyDatabase()
    const leads = await grow(connection, await textsOf(texts, last))
    await migrate(connection, () => undefined)

    const database = openDatabase(connection, () => undefined)
    for (const [reference, { id, received }] of Object.entries(leads)) {
      const key = reference === 'second' ? 'key' : undefined
      const [verdict] = await createLeads(database.hot, '1', false, [incoming(reference, key)])
      expect(verdict).toEqual({
        verdict: key === undefined ? 'duplicate' : 'created',
        replayed: key !== undefined,
        lead_id: id,
        received,
        lead_warnings: [{ code: 'odd', pointer: '/type', message: reference }],
      })
    }
    const [verdict] = await createLeads(database.hot, '1', false, [incoming('third')])
    expect(verdict?.verdict).toBe('created')
    await database.close()
  })

  it('stores leads between any two migrations, for processes of the version before that go on meanwhile', async () => {
    const connection = await emptyDatabase()
    await grow(connection, await textsOf({ '0001-spine.sql': 'b1fb951', '0002-intake.sql': 'b1fb951' }, '0010'))
    const database = openDatabase(connection, () => undefined)
    for (let count = 10; count <= shipped.length; count++) {
      await migrate(connection, () => undefined, shipped.slice(0, count))
      const verdict = await storedByTheVersionBefore(database.hot, incoming(`after ${count}`, `after ${count}`))
      expect([count, verdict?.verdict]).toEqual([count, 'created'])
    }
    await database.close()
  })

  it('has a folder with the text for each life', () => {
    const folders = lives.flatMap(([, texts]) => Object.entries(texts))
    expect(folders.filter(([name, folder]) => !existsSync(`test/migrations/${folder}/${name}`))).toEqual([])
  })
})

describe('two databases', () => {
  it.each([
    'alter table leads add constraint leads_dealer_id_fkey foreign key (dealer_id) references dealers',
    'alter table leads add column more text',
    'alter table leads alter column type drop not null',
    "alter table leads alter column type set default 'other'",
    'alter table api_key_usage alter column requests type integer',
    'alter table mails drop constraint mails_state_check',
    'alter table lead_claims drop constraint lead_claims_pkey',
    'drop index leads_phone_test',
    'drop index lead_claims_expiry',
    "create index lead_claims_value on lead_claims (value) where kind = 'reference'",
    'alter function create_leads reset jit',
    'create or replace function refuse_change() returns trigger language plpgsql as $$ begin return new; end $$',
    'create function create_leads() returns int language sql as $$ select 1 $$',
    'drop trigger audit_entries_append_only on audit_entries',
    'alter table audit_entries disable trigger audit_entries_append_only',
    'grant update on audit_entries to public',
    'create view more as select id from leads',
    'create sequence more',
    'create extension citext',
    "create type more as enum ('a')",
    'create statistics more on dealer_id, status from leads',
    "comment on table leads is 'more'",
    'alter table leads set (fillfactor = 50)',
    'alter table leads enable row level security',
  ])('differ after: %s', async (change) => {
    const connection = await emptyDatabase()
    await migrate(connection, () => undefined)
    const client = await connect(connection)
    const before = await catalogueOf(client)
    await client.query(change)
    expect(await catalogueOf(client)).not.toEqual(before)
  })
})

describe('the text of a migration', () => {
  it('is recorded with the migration, by its SHA-256', async () => {
    const connection = await emptyDatabase()
    await migrate(connection, () => undefined)
    const { rows } = await (await connect(connection)).query('select name, checksum from migrations order by name')
    expect(rows).toEqual(shipped.map((migration) => ({ name: migration.name, checksum: checksumOf(migration) })))
    expect(checksumOf({ name: 'any', sql: 'select 1;\n' })).toBe(
      '4a45092ccf992ea92250053a80b931b787924ba61648f420555511b84f10ab6c',
    )
  })

  it('is the same whatever line ends a checkout gave it', () => {
    expect(textOf('select 1;\r\nselect 2;\r\n')).toBe('select 1;\nselect 2;\n')
  })

  it('refuses a start when it was edited after it was applied, and says which', async () => {
    const connection = await emptyDatabase()
    await migrate(connection, () => undefined)
    const before = await catalogueOf(await connect(connection))
    const edited = shipped.map((migration) =>
      migration.name === '0003-audit.sql' ? { ...migration, sql: `${migration.sql}\n` } : migration,
    )
    const more = { name: '0999-more.sql', sql: 'create table more (id uuid)' }
    await expect(migrate(connection, () => undefined, [...edited, more])).rejects.toThrow(
      /^0003-audit\.sql: not the text that this database was made with\./,
    )
    expect(await catalogueOf(await connect(connection))).toEqual(before)
  })

  it('of before there were checksums is recorded as it is now', async () => {
    const connection = await emptyDatabase()
    await migrate(connection, () => undefined)
    const client = await connect(connection)
    await client.query("update migrations set checksum = null where name < '0011'")
    await migrate(connection, () => undefined)
    const { rows } = await client.query('select checksum from migrations order by name')
    expect(rows).toEqual(shipped.map((migration) => ({ checksum: checksumOf(migration) })))
  })
})

describe('a program that is older than the database', () => {
  it('is refused, and names what it does not know', async () => {
    const connection = await emptyDatabase()
    await migrate(connection, () => undefined, [
      ...shipped,
      { name: '0999-more.sql', sql: 'create table more (id uuid)' },
    ])
    await expect(migrate(connection, () => undefined)).rejects.toThrow(
      'The database was written by a newer version (0999-more.sql). Start that version, or a newer one.',
    )
  })
})

describe('migrations', () => {
  const table = { name: '1-table.sql', sql: 'create table rows (id int)' }
  const column = { name: '2-column.sql', sql: 'alter table rows add column more text' }
  const last = { name: '3-last.sql', sql: 'create table last (id int)' }

  /** A database with a table that somebody reads and does not let go of. */
  async function heldDatabase() {
    const connection = await emptyDatabase()
    await migrate(connection, () => undefined, [table])
    const holder = await connect({ ...connection, application_name: 'pg_dump' } as Connection)
    await holder.query('begin; lock table rows in access share mode')
    return { connection, holder, client: await connect(connection) }
  }

  it('are each logged, with how long they took', async () => {
    const { said, log } = listen()
    await migrate(await emptyDatabase(), log, [table, { name: '2-slow.sql', sql: 'select pg_sleep(0.2)' }])
    expect(said).toEqual([
      expect.stringMatching(/^applied 1-table\.sql in \d+ ms$/),
      expect.stringMatching(/^applied 2-slow\.sql in [2-9]\d\d ms$|in \d{4,} ms$/),
    ])
  })

  it('are applied once, however many processes start at the same moment', async () => {
    const connection = await emptyDatabase()
    const logs = [listen(), listen(), listen(), listen()]
    await Promise.all(logs.map(({ log }) => migrate(connection, log)))
    expect(logs.flatMap(({ applied }) => applied()).sort()).toEqual(shipped.map(({ name }) => name))
  })

  it('wait for a lock without having others wait behind them, and go on when it is free', async () => {
    const { connection, holder, client } = await heldDatabase()
    const { said, log, applied } = listen()
    const started = migrate(connection, log, [table, column, last])
    await until(() => said.length > 0)
    expect(said[0]).toMatch(/^2-column\.sql waits for a lock: rows is held by session \d+ \(pg_dump, in a transaction/)

    // Readers in whose way a waiting migration would be for as long as somebody holds the table.
    await client.query("set lock_timeout = '2s'")
    for (let read = 0; read < 20; read++) await client.query('select from rows')
    expect(applied()).toEqual([])

    await holder.query('commit')
    await started
    expect(applied()).toEqual(['2-column.sql', '3-last.sql'])
  })

  it('give a lock up in the end, say who held it, and keep what was applied before', async () => {
    const { connection, holder, client } = await heldDatabase()
    const between = { name: '1-table-too.sql', sql: 'create table between_them (id int)' }
    await expect(
      migrate(connection, () => undefined, [table, between, column, last], { locksMs: 8_000, turnMs: 1_000 }),
    ).rejects.toThrow(
      /^2-column\.sql could not have its locks in \d+ attempts \(rows is held by session \d+ \(pg_dump, in a transaction for \d+ s\)\)/,
    )
    expect(await isThere(client, 'between_them')).toBe(true)
    expect(await isThere(client, 'last')).toBe(false)

    await holder.query('commit')
    const { log, applied } = listen()
    await migrate(connection, log, [table, between, column, last])
    expect(applied()).toEqual(['2-column.sql', '3-last.sql'])
  })

  it.runIf(isLong)('make a running autovacuum give way', async () => {
    const connection = await emptyDatabase()
    await migrate(connection, () => undefined, [table])
    const client = await connect(connection)
    // So slow that it goes on for as long as it is let.
    await client.query(`
      alter table rows set (
        autovacuum_vacuum_threshold = 1,
        autovacuum_vacuum_scale_factor = 0,
        autovacuum_vacuum_cost_delay = 100,
        autovacuum_vacuum_cost_limit = 1
      );
      insert into rows select generate_series(1, 200000);
      delete from rows`)
    await client.query("alter system set autovacuum_naptime = '1s'")
    await client.query('select pg_reload_conf()')
    try {
      await until(
        async () =>
          (await client.query("select from pg_stat_progress_vacuum where relid = 'rows'::regclass")).rows.length > 0,
      )
      await migrate(connection, () => undefined, [table, column], { locksMs: 20_000, turnMs: 1_000 })
    } finally {
      await client.query('alter system reset autovacuum_naptime')
      await client.query('select pg_reload_conf()')
    }
  })

  it('may take longer than a statement of the service', async () => {
    const connection = await emptyDatabase()
    const client = await connect(connection)
    for (const limit of ['statement_timeout', 'transaction_timeout'])
      await client.query(`alter database ${connection.database} set ${limit} = '200ms'`)
    await migrate(connection, () => undefined, [{ name: '1-slow.sql', sql: 'select pg_sleep(0.5)' }])
  })

  it('say which one failed, and undo all of it', async () => {
    const connection = await emptyDatabase()
    const broken = { name: '2-broken.sql', sql: 'create table half (id int); select 1 / 0' }
    await expect(migrate(connection, () => undefined, [table, broken, last])).rejects.toThrow(
      '2-broken.sql cannot be applied: division by zero',
    )
    const client = await connect(connection)
    expect(await isThere(client, 'half')).toBe(false)
    expect((await client.query('select name from migrations')).rows).toEqual([{ name: '1-table.sql' }])
  })

  it('go on where a process was killed', async () => {
    const { connection, holder, client } = await heldDatabase()
    const between = { name: '1-table-too.sql', sql: 'create table between_them (id int)' }
    const killed = startElsewhere(connection, [table, between, column, last])
    await until(() => killed.said().includes('2-column.sql waits'))
    killed.child.kill('SIGKILL')
    await killed.ended
    // The attempt that was under way goes on without its process until it gives up.
    await until(async () => !(await isWaiting(client)()))
    expect((await client.query('select name from migrations order by name')).rows).toEqual([
      { name: '1-table-too.sql' },
      { name: '1-table.sql' },
    ])

    await holder.query('commit')
    const { log, applied } = listen()
    await migrate(connection, log, [table, between, column, last])
    expect(applied()).toEqual(['2-column.sql', '3-last.sql'])
  })

  it('are not kept from others by a process that was killed in the middle of one', async () => {
    const connection = await emptyDatabase()
    const slow = { name: '1-slow.sql', sql: 'create table half (id int); select pg_sleep(120)' }
    const killed = startElsewhere(connection, [slow])
    const client = await connect(connection)
    const sleeping = async () =>
      (await client.query("select from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'"))
        .rows.length > 0
    await until(sleeping)
    killed.child.kill('SIGKILL')

    const { log, applied } = listen()
    await migrate(connection, log, [table], { locksMs: 1_000, turnMs: patienceMs })
    expect(applied()).toEqual(['1-table.sql'])
    expect(await isThere(client, 'half')).toBe(false)
  })

  it('say who has the turn when it never comes', async () => {
    const connection = await emptyDatabase()
    const holder = await connect({ ...connection, application_name: 'carbuddii migrations' } as Connection)
    await holder.query('select pg_advisory_lock(7203311)')
    const { said, log } = listen()
    await expect(migrate(connection, log, [table], { locksMs: 1_000, turnMs: 300 })).rejects.toThrow(
      /^The database has been being brought up to date for 0\.3 s by session \d+ \(carbuddii migrations\)/,
    )
    expect(said).toEqual([expect.stringMatching(/^the database is being brought up to date by session \d+/)])
  })

  describe('that no transaction may hold', () => {
    const rows = { name: '1-rows.sql', sql: 'create table rows (id int); insert into rows values (1), (2)' }
    const index = {
      name: '2-index.sql',
      sql: `-- no transaction
-- Why there is one; in two lines;
create unique index concurrently if not exists rows_id
  on rows (id);
analyze rows;
`,
    }
    const isValid = async (client: pg.Client) =>
      (await client.query("select indisvalid from pg_index where indexrelid = to_regclass('rows_id')")).rows[0]
        ?.indisvalid as boolean | undefined

    async function beingBuilt() {
      const connection = await emptyDatabase()
      await migrate(connection, () => undefined, [rows])
      const holder = await connect(connection)
      await holder.query('begin; insert into rows values (3)')
      return { connection, holder, client: await connect(connection) }
    }

    it('are built beside those who write, and others wait for their turn without being in the way', async () => {
      const { connection, holder, client } = await beingBuilt()
      const logs = [listen(), listen(), listen()]
      const started = logs.map(({ log }) => migrate(connection, log, [rows, index]))
      await until(() => isWaiting(client)())
      await until(() => logs.filter(({ said }) => said.some((line) => /brought up/.test(line))).length === 2)
      await client.query("set lock_timeout = '2s'")
      await client.query('insert into rows values (4)')
      await holder.query('commit')
      await Promise.all(started)
      expect(logs.flatMap(({ applied }) => applied())).toEqual(['2-index.sql'])
      expect(await isValid(client)).toBe(true)
    })

    it('are built again when a process was killed in the middle', async () => {
      const { connection, holder, client } = await beingBuilt()
      const killed = startElsewhere(connection, [rows, index])
      await until(async () => (await isValid(client)) === false)
      killed.child.kill('SIGKILL')
      const started = migrate(connection, () => undefined, [rows, index], { locksMs: 1_000, turnMs: patienceMs })
      const gone = async () =>
        (
          await client.query(
            "select from pg_stat_activity where datname = current_database() and query like 'create unique%'",
          )
        ).rows.length === 0
      await until(gone)
      await holder.query('commit')
      await started
      expect(await isValid(client)).toBe(true)
    })

    it('leave no invalid index behind when they fail', async () => {
      const connection = await emptyDatabase()
      const twice = { ...rows, sql: `${rows.sql}, (1)` }
      await expect(migrate(connection, () => undefined, [twice, index])).rejects.toThrow(
        '2-index.sql cannot be applied: could not create unique index "rows_id"',
      )
      expect(await isThere(await connect(connection), 'rows_id')).toBe(false)
    })

    it('can only be what may be begun anew', () => {
      const lone = (sql: string) => loneStatements({ name: '1-any.sql', sql: `-- no transaction\n${sql}` })
      expect(
        lone('drop index concurrently if exists a;\n\nCREATE INDEX CONCURRENTLY IF NOT EXISTS b ON c (d);'),
      ).toEqual([
        { sql: 'drop index concurrently if exists a', builds: undefined },
        { sql: 'CREATE INDEX CONCURRENTLY IF NOT EXISTS b ON c (d)', builds: 'b' },
      ])
      for (const sql of ['create index concurrently a on b (c);', 'alter table a add b int;', 'drop index a;'])
        expect(() => lone(sql)).toThrow(/^1-any\.sql: .* has no place after "-- no transaction"/)
      expect(loneStatements({ name: '1-any.sql', sql: 'alter table a add b int;' })).toBeUndefined()
    })
  })

  it('are all of a kind that can be applied', () => {
    expect(() => shipped.map(loneStatements)).not.toThrow()
  })
})
