import type { Knex } from 'knex'
import type { PasswordLink } from '../../generated/server/types.gen.ts'
import { mailLink } from '../outbox/sealed-link.ts'
import type { Secrets } from '../secrets.ts'
import { linkSeconds, linkUrl, newLinkToken } from './password-link.ts'
import * as store from './store.ts'
import type { UserRow } from './user.ts'

export interface Links {
  secrets: Secrets
  issuer: string
  mailIsReady: boolean
}

/**
 * A new link for a person to choose a password with; the one from before works no more. Where there is mail it goes to
 * the mailbox alone, so that whoever uses it has proven the address; elsewhere whoever asked for it hands it over, and
 * vouches. The caller holds the dealer's clock.
 */
export async function addLink(
  trx: Knex.Transaction,
  { secrets, issuer, mailIsReady }: Links,
  user: UserRow,
  now: Date,
): Promise<PasswordLink> {
  const token = newLinkToken(user.dealer_id, user.id)
  const version = secrets.currentVersion
  const expiresAt = new Date(now.getTime() + linkSeconds * 1000)
  await store.savePasswordLink(trx, user.dealer_id, {
    user_id: user.id,
    hash: secrets.hash('password-link', version, token.text),
    secret_version: version,
    created_at: now,
    expires_at: expiresAt,
  })
  const link = { url: linkUrl(issuer, token), expiresAt: expiresAt.toISOString() }
  if (!mailIsReady) return { ...link, mailed: false }
  await mailLink(trx, secrets, user, link)
  return { expiresAt: link.expiresAt, mailed: true }
}
