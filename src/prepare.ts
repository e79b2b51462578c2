import type { Knex } from 'knex'
import type { Config } from './config.ts'
import { type FirstAdmin, type Masters, readOrMakeSecrets, writeFirstAdmin } from './data-dir.ts'
import { migrate } from './db/migrate.ts'
import type { Say } from './db/health.ts'
import { type Connection, connectionsOfProcessMax, openDatabase } from './db/pool.ts'
import { requireServer } from './db/requirements.ts'
import { isAnyDealerThere } from './dealers/store.ts'
import type { Logger } from './log.ts'
import { secretsFrom } from './secrets.ts'
import { requireSameSecrets } from './service.ts'
import { findFingerprints } from './tokens/store.ts'
import { Problem } from './problem.ts'
import { Refusal } from './refusal.ts'
import { openGuessing } from './users/guessing.ts'
import { createDealer } from './users/operator.ts'
import { newPassword } from './users/user.ts'

const firstDealer = { name: 'My dealership', country: 'DK', time_zone: 'Europe/Copenhagen', language: 'da' }

export interface Prepared {
  masters: Masters
  /** When it was made just now with a password that nobody knows yet. */
  firstAdmin: FirstAdmin | undefined
}

/**
 * What a database needs before anybody serves from it: the schema of this version, the secrets that it is written with,
 * and somebody who can sign in.
 *
 * @throws {Refusal} when the database is newer than this program, or the secrets are not those that it was written
 * with.
 */
export async function prepareDatabase(connection: Connection, config: Config, log: Logger): Promise<Prepared> {
  const say: Say = (level, message, fields) => log[level](fields, message)
  await requireServer(connection, config.workers * connectionsOfProcessMax, say)
  await migrate(connection, (level, message, fields) => log[level](fields ?? {}, message))
  const database = openDatabase(connection, () => undefined)
  try {
    const { db } = database
    const { rows } = await db.raw<{ rows: { name: string; setting: string }[] }>(
      "select name, setting from pg_settings where name in ('fsync', 'synchronous_commit') and setting = 'off'",
    )
    for (const { name } of rows)
      log.warn(`The database runs with ${name} = off: a lead that was acknowledged can be lost when it crashes`)

    // The database's fingerprint of them is its first row that depends on the secrets, so they are kept before it is
    // there.
    const isWrittenWith = (await findFingerprints(db)).length > 0
    const masters = config.secretKeys ?? readOrMakeSecrets(config.dataDir, isWrittenWith)
    await requireSameSecrets(db, secretsFrom(masters))

    const firstAdmin = (await isAnyDealerThere(db)) ? undefined : await makeFirstAdmin(db, config)
    return { masters, firstAdmin: config.admin.password === undefined ? firstAdmin : undefined }
  } finally {
    await database.close()
  }
}

async function makeFirstAdmin(db: Knex, { admin, databaseUrl, dataDir }: Config): Promise<FirstAdmin | undefined> {
  const { email, password = newPassword() } = admin
  if (admin.password !== undefined) await requireHardToGuess(admin.password, email)
  // Kept before the row is there: a power cut between the two leaves a file too many, and not a password that nobody
  // knows.
  if (databaseUrl === undefined) writeFirstAdmin(dataDir, { email, password })
  try {
    await createDealer(db, firstDealer, {
      email,
      name: 'Admin',
      password,
      passwordIsTemporary: admin.password === undefined,
    })
    return { email, password }
  } catch (error) {
    // Another process that started at the same time was first.
    if (await isAnyDealerThere(db)) return undefined
    throw error
  }
}

/** @throws {Refusal} */
async function requireHardToGuess(password: string, email: string): Promise<void> {
  const guessing = openGuessing()
  try {
    await guessing.requireHardToGuess(password, [email])
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    throw new Refusal(`ADMIN_PASSWORD is easily guessed. ${error.message}`)
  } finally {
    await guessing.stop()
  }
}
