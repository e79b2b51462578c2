import type { Knex } from 'knex'
import type { DealerRow } from './dealer.ts'

export async function findDealer(db: Knex, dealerId: string): Promise<DealerRow | undefined> {
  return db('dealers')
    .where({ id: dealerId })
    .first(
      'id',
      'name',
      'country',
      'time_zone',
      'language',
      'request_log_days',
      'response_target_minutes',
      'second_factor_required',
    )
}

export async function findDealers(db: Knex): Promise<{ id: string; name: string }[]> {
  return db('dealers').select('id', 'name').orderBy('id')
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

/** Whether everybody of the dealer has to have a passkey. */
export async function saveSecondFactor(trx: Knex.Transaction, dealerId: string, required: boolean): Promise<void> {
  await trx('dealers').where({ id: dealerId }).update({ second_factor_required: required })
}

export interface NewDealer {
  id: string
  name: string
  country: string
  time_zone: string
  language: string
}

export async function addDealer(trx: Knex.Transaction, dealer: NewDealer, now: Date): Promise<void> {
  await trx('dealers').insert({ ...dealer, created_at: now })
  await trx('dealer_clocks').insert({ dealer_id: dealer.id })
}

export async function isAnyDealerThere(db: Knex): Promise<boolean> {
  return (await db('dealers').first('id')) !== undefined
}
