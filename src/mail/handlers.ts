import type { Knex } from 'knex'
import type { Handlers } from '../../generated/server/express.gen.ts'
import type { Mail, Notifications } from '../../generated/server/types.gen.ts'
import { cursorOf, inner, outer } from '../ids.ts'
import { Problem } from '../problem.ts'
import type { Secrets } from '../secrets.ts'
import { requireSameOrigin } from '../sessions/session.ts'
import { lockDealer, readClock } from '../tokens/store.ts'
import type { Attempts } from '../users/attempts.ts'
import { addLink } from '../users/links.ts'
import { findUser, findUserByEmail } from '../users/store.ts'
import { personId } from '../users/user.ts'
import * as store from './store.ts'

export interface Mailing {
  db: Knex
  secrets: Secrets
  issuer: string
  attempts: Attempts
  mailIsReady: boolean
  /** Told of what could not be done after the answer. */
  report: (error: unknown) => void
}

export const getNotifications =
  ({ mailIsReady }: Mailing): Handlers['getNotifications'] =>
  async ({ principal }, { db }) => ({
    status: 200,
    body: notificationsOf(await store.findReader(db, principal.dealerId, personId(principal)), mailIsReady),
  })

export const updateNotifications =
  ({ mailIsReady }: Mailing): Handlers['updateNotifications'] =>
  ({ body, principal }, { write }) =>
    write(principal, async (trx) => {
      const { newLead, unansweredLead, keys, language } = body
      const id = personId(principal)
      await store.saveNotifications(trx, principal.dealerId, id, {
        ...(newLead !== undefined && { mail_new_lead: newLead }),
        ...(unansweredLead !== undefined && { mail_unanswered_lead: unansweredLead }),
        ...(keys !== undefined && { mail_keys: keys }),
        ...(language && { language }),
      })
      return { status: 200, body: notificationsOf(await store.findReader(trx, principal.dealerId, id), mailIsReady) }
    })

export const listMails: Handlers['listMails'] = async ({ query, principal }, { db }) => {
  const { limit = 50, cursor } = query
  const found = await store.findMails(db, principal.dealerId, {
    limit: limit + 1,
    ...(cursor && { before: inner(cursor) }),
  })
  const page = found.slice(0, limit)
  const last = page.at(-1)
  return {
    status: 200,
    body: { items: page.map(mailBody), ...(found.length > limit && last && { nextCursor: cursorOf(last.id) }) },
  }
}

/** Whether somebody has the address nobody is told, not even by how long the answer takes: what there is to do is done after it. */
export const requestPasswordLink = (mailing: Mailing): Handlers['requestPasswordLink'] => {
  const { issuer, attempts, mailIsReady, report } = mailing
  return async ({ body, http }) => {
    requireSameOrigin(http, issuer)
    if (!mailIsReady) throw new Problem('mail-not-set-up')
    await attempts.countMail(http, body.email)
    void sendLink(mailing, body.email).catch(report)
    return { status: 204 }
  }
}

async function sendLink(mailing: Mailing, email: string): Promise<void> {
  const { db } = mailing
  const user = await findUserByEmail(db, email)
  if (!user) return
  await db.transaction(async (trx) => {
    await lockDealer(trx, user.dealer_id)
    const current = await findUser(trx, user.dealer_id, user.id)
    if (current?.deactivated_at === null) await addLink(trx, mailing, current, await readClock(trx))
  })
}

function notificationsOf(reader: store.ReaderRow | undefined, mailIsReady: boolean): Notifications {
  if (!reader) throw new Problem('token-invalid')
  const isAdmin = reader.role === 'admin'
  return {
    mail: mailIsReady ? 'ready' : 'not_set_up',
    email: reader.email,
    newLead: reader.mail_new_lead ?? false,
    unansweredLead: reader.mail_unanswered_lead ?? isAdmin,
    keys: isAdmin && (reader.mail_keys ?? true),
    language: reader.language ?? (reader.dealer_language.startsWith('da') ? 'da' : 'en'),
  }
}

function mailBody({
  id,
  kind,
  email,
  state,
  attempts,
  failure,
  created_at,
  changed_at,
}: store.MailRow & { email: string }): Mail {
  return {
    id: outer('mail', id),
    kind,
    to: email,
    state,
    attempts,
    ...(failure !== null && { failure }),
    createdAt: created_at.toISOString(),
    changedAt: changed_at.toISOString(),
  }
}
