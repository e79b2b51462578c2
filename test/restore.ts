import type { Knex } from 'knex'
import pg from 'pg'
import { type Connection, openDatabase } from '../src/db/pool.ts'

type Local = Exclude<Connection, { connectionString: string }>

/**
 * The state that a database is in at this moment, which it can be put back to under whoever uses it, as a restored
 * backup would be.
 */
export async function keepState(connection: Local) {
  const { database } = connection
  const kept = `${database}_kept`
  const server = new pg.Client({ ...connection, database: 'postgres' })
  await server.connect()

  /**
   * A database can be copied and renamed while nobody is connected to it; everybody is cut off, and comes back by
   * themselves.
   */
  const alone = async (work: () => Promise<unknown>) => {
    await server.query(`alter database ${database} with allow_connections false`)
    await server.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [database])
    for (;;) {
      const { rowCount } = await server.query('select from pg_stat_activity where datname = $1', [database])
      if (rowCount === 0) break
    }
    await work()
    await server.query(`alter database ${database} with allow_connections true`)
  }
  await alone(() => server.query(`create database ${kept} template ${database}`))

  return {
    /** Puts the database back, with what `happened` in that state since. */
    bringBack: async (happened: (db: Knex) => Promise<unknown>) => {
      const { db, close } = openDatabase({ ...connection, database: kept }, () => undefined)
      await happened(db)
      await close()
      await alone(async () => {
        await server.query(`drop database ${database}`)
        await server.query(`alter database ${kept} rename to ${database}`)
      })
      await server.end()
    },
  }
}
