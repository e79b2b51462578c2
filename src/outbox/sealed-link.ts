import type { Knex } from 'knex'
import { newId } from '../ids.ts'
import type { Secrets } from '../secrets.ts'
import type { MailRow } from './mail.ts'
import { addMails } from './store.ts'

/**
 * Sends somebody a link to choose a password. The caller holds the dealer's clock, and has made the link in the same
 * transaction.
 */
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
      sealed: secrets.wrap(secrets.currentVersion, labelOf(dedupe), Buffer.from(url)),
      secret_version: secrets.currentVersion,
    },
  ])
}

/** The link that only the reader of a mail may see; undefined when the mail has none, or is over. */
export function linkIn({ sealed, secret_version, dedupe }: MailRow, secrets: Secrets): string | undefined {
  if (!sealed || !secret_version) return undefined
  return secrets.unwrap(secret_version, labelOf(dedupe), sealed).toString()
}

const labelOf = (dedupe: string) => `mail ${dedupe}`
