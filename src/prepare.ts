import type { Config } from './config.ts'
import { writeFirstAdmin } from './data-dir.ts'
import { migrate } from './db/migrate.ts'
import { type Connection, openDatabase } from './db/pool.ts'
import type { Logger } from './log.ts'
import { createDealer } from './users/admin.ts'
import { isAnyDealerThere } from './dealers/store.ts'

const firstDealer = { name: 'My dealership', country: 'DK', time_zone: 'Europe/Copenhagen', language: 'da' }

/**
 * What a database needs before anybody serves from it: the schema of this version, and somebody who can sign in. Returns the first admin
 * when it was made just now with a password that nobody knows yet.
 */
export async function prepareDatabase(
  connection: Connection,
  config: Config,
  log: Logger,
): Promise<{ email: string; password: string } | undefined> {
  await migrate(connection, (level, message, fields) => log[level](fields ?? {}, message))
  const database = openDatabase(connection, () => undefined)
  try {
    const { rows } = await database.db.raw<{ rows: { name: string; setting: string }[] }>(
      "select name, setting from pg_settings where name in ('fsync', 'synchronous_commit') and setting = 'off'",
    )
    for (const { name } of rows)
      log.warn(`The database runs with ${name} = off: a lead that was acknowledged can be lost when it crashes`)
    if (await isAnyDealerThere(database.db)) return undefined

    const { email } = config.admin
    const made = await createDealer(database.db, firstDealer, {
      email,
      name: 'Admin',
      ...(config.admin.password && { password: config.admin.password }),
    }).catch(async (error: unknown) => {
      // Another process that started at the same time was first.
      if (!(await isAnyDealerThere(database.db))) throw error
    })
    if (!made) return undefined
    const { password } = made
    if (config.databaseUrl === undefined) writeFirstAdmin(config.dataDir, { email, password })
    return config.admin.password ? undefined : { email, password }
  } finally {
    await database.close()
  }
}
