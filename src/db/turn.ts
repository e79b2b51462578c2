import type { Knex } from 'knex'

/**
 * Lets one process at a time do `work`; undefined when another one is at it, which is not waited for. The turn ends
 * with the transaction, also when the process is killed.
 */
export async function inTurn<T>(
  db: Knex,
  name: string,
  work: (trx: Knex.Transaction) => Promise<T>,
): Promise<T | undefined> {
  return db.transaction(async (trx) => {
    const { rows } = await trx.raw<{ rows: { taken: boolean }[] }>(
      'select pg_try_advisory_xact_lock(hashtextextended(?, 0)) as taken',
      [name],
    )
    return rows[0]?.taken ? work(trx) : undefined
  })
}
