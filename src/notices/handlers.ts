import type { Handlers } from '../../generated/server/express.gen.ts'
import type { Mail } from '../../generated/server/types.gen.ts'
import { outer } from '../ids.ts'
import { pageOf } from '../page.ts'
import { Problem } from '../problem.ts'
import { requireFreshSignIn } from '../tokens/fresh.ts'
import { personId } from '../users/user.ts'
import { notificationsBody } from './preferences.ts'
import * as store from './store.ts'

export interface Notices {
  mailIsReady: boolean
}

export const getNotifications =
  ({ mailIsReady }: Notices): Handlers['getNotifications'] =>
  async ({ principal }, { db }) => {
    const reader = await store.findReader(db, principal.dealerId, personId(principal))
    if (!reader) throw new Problem('token-invalid')
    return { status: 200, body: notificationsBody(reader, mailIsReady) }
  }

export const updateNotifications =
  ({ mailIsReady }: Notices): Handlers['updateNotifications'] =>
  ({ body, principal }, { write }) =>
    write(principal, async (trx, now) => {
      const { newLead, unansweredLead, keys, security, language } = body
      const id = personId(principal)
      // Whoever is at somebody's desk is not to be unseen.
      if (keys === false || security === false) await requireFreshSignIn(trx, principal, now)
      await store.savePreferences(trx, principal.dealerId, id, {
        ...(newLead !== undefined && { mail_new_lead: newLead }),
        ...(unansweredLead !== undefined && { mail_unanswered_lead: unansweredLead }),
        ...(keys !== undefined && { mail_keys: keys }),
        ...(security !== undefined && { mail_security: security }),
        ...(language && { language }),
      })
      const reader = await store.findReader(trx, principal.dealerId, id)
      if (!reader) throw new Problem('token-invalid')
      return { status: 200, body: notificationsBody(reader, mailIsReady) }
    })

export const listMails: Handlers['listMails'] = async ({ query, principal }, { db }) => ({
  status: 200,
  body: await pageOf(
    query,
    (asked) => store.findMails(db, principal.dealerId, asked),
    (rows) => rows.map(mailBody),
  ),
})

function mailBody({
  id,
  kind,
  email,
  state,
  attempts,
  failure,
  created_at,
  changed_at,
}: Awaited<ReturnType<typeof store.findMails>>[number]): Mail {
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
