import type { Knex } from 'knex'

export interface SessionRow {
  user_id: string
  hash: Buffer
  secret_version: string
  signed_in_at: Date
  epoch: number
  scopes: string[]
  lives: boolean
  ends_at: Date
}

export async function findSession(db: Knex, dealerId: string, credentialId: string): Promise<SessionRow | undefined> {
  const { rows } = await db.raw<{ rows: SessionRow[] }>(
    `select s.user_id, s.hash, s.secret_version, s.signed_in_at, c.epoch, c.scopes, c.ends_at, not c.disabled and c.ends_at > clock_timestamp() as lives
     from sessions s join credentials c on c.dealer_id = s.dealer_id and c.id = s.credential_id where s.dealer_id = ? and s.credential_id = ?`,
    [dealerId, credentialId],
  )
  return rows[0]
}

export async function addSession(trx: Knex.Transaction, dealerId: string, session: { credential_id: string; user_id: string; hash: Buffer; secret_version: string; signed_in_at: Date }): Promise<void> {
  await trx('sessions').insert({ ...session, dealer_id: dealerId })
}
