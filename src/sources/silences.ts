import type { Knex } from 'knex'
import type { Silence } from '../../generated/server/types.gen.ts'
import { silenceBody } from './source.ts'
import { findOpenSilences } from './store.ts'

/** Which of some API keys have gone quiet, by their ids. A lead that has come since ends a silence at once. */
export async function silencesOf(
  db: Knex,
  dealerId: string,
  apiKeyIds: readonly string[],
): Promise<ReadonlyMap<string, Silence>> {
  const rows = await findOpenSilences(db, dealerId, apiKeyIds)
  return new Map(rows.map((row) => [row.api_key_id, silenceBody(row)]))
}
