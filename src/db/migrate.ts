import { readFile } from 'node:fs/promises'
import type { Knex } from 'knex'

/** In the order in which they are applied. One that has been released is never edited. */
const migrations = [
  '0001-spine.sql',
  '0002-intake.sql',
  '0003-audit.sql',
  '0004-key-life.sql',
  '0005-requests.sql',
  '0006-dealer-settings.sql',
  '0007-pipeline.sql',
  '0008-people.sql',
  '0009-sources.sql',
  '0010-mail.sql',
  '0011-one-schema.sql',
]

// Any number that nothing else in this database locks.
const advisoryLock = 7_203_311

/**
 * Brings the schema up to date and says which migrations it applied. Several processes may call it at once: the advisory lock lets one
 * in at a time, and goes with its connection when that process is killed.
 *
 * @throws {Error} when the database is newer than this program.
 */
export async function migrate(db: Knex): Promise<string[]> {
  return db.transaction(async (trx) => {
    await trx.raw('set local lock_timeout = 0')
    await trx.raw('select pg_advisory_xact_lock(?)', [advisoryLock])
    await trx.raw(
      'create table if not exists migrations (name text primary key, applied_at timestamptz not null default now())',
    )
    const applied: string[] = await trx('migrations').pluck('name')

    const unknown = applied.filter((name) => !migrations.includes(name))
    if (unknown.length > 0)
      throw new Error(
        `The database was written by a newer version (${unknown.join(', ')}). Start that version, or a newer one.`,
      )

    const due = migrations.filter((name) => !applied.includes(name))
    for (const name of due) {
      await trx.raw((await readFile(new URL(`migrations/${name}`, import.meta.url), 'utf8')).replaceAll('?', '\\?'))
      await trx('migrations').insert({ name })
    }
    return due
  })
}
