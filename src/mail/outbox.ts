import type { Knex } from 'knex'
import { newId } from '../ids.ts'
import type { Secrets } from '../secrets.ts'
import { sealedFor } from './matter.ts'
import { addMails } from './store.ts'

/** Sends somebody a link to choose a password. The caller holds the dealer's clock, and has made the link in the same transaction. */
export async function mailLink(
  trx: Knex.Transaction,
  secrets: Secrets,
  { id, dealer_id, password_hash }: { id: string; dealer_id: string; password_hash: string | null },
  { url, expiresAt }: { url: string; expiresAt: string },
): Promise<void> {
  const dedupe = `link ${newId()}`
  await addMails(trx, dealer_id, [
    {
      user_id: id,
      kind: password_hash === null ? 'invitation' : 'forgotten_password',
      data: { expiresAt },
      dedupe,
      ...sealedFor(secrets, dedupe, url),
    },
  ])
}
