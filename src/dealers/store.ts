import type { Knex } from 'knex'
import type { DealerRow } from './dealer.ts'

export async function findDealer(db: Knex, dealerId: string): Promise<DealerRow | undefined> {
  return db('dealers')
    .where({ id: dealerId })
    .first('id', 'name', 'country', 'time_zone', 'language', 'request_log_days', 'response_target_minutes')
}

export async function saveDealer(
  trx: Knex.Transaction,
  dealerId: string,
  { name, country, time_zone, language, request_log_days, response_target_minutes }: DealerRow,
): Promise<void> {
  await trx('dealers')
    .where({ id: dealerId })
    .update({ name, country, time_zone, language, request_log_days, response_target_minutes })
}
