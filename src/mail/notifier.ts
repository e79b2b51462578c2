import type { Knex } from 'knex'
import * as store from './store.ts'

const leadsNamedMax = 10
const keyNewsMax = 500

/**
 * Puts what people are to be told into the outbox. Every process may do it at any time: what was told is remembered in the same
 * transaction, or by the name that each mail has.
 */
export async function tellPeople(db: Knex): Promise<void> {
  for (const { dealer_id, ...mail } of await store.findKeyNews(db, keyNewsMax))
    await store.addMails(db, dealer_id, [mail])
  for (const dealerId of await store.findDealersToTell(db)) await db.transaction((trx) => tellOfLeads(trx, dealerId))
}

async function tellOfLeads(trx: Knex.Transaction, dealerId: string): Promise<void> {
  const cursor = await store.lockMailCursor(trx, dealerId)
  if (!cursor) return
  const came =
    cursor.position === cursor.seq
      ? { ids: [], count: 0 }
      : await store.findNewLeads(trx, dealerId, cursor, leadsNamedMax)
  const waiting = await store.findWaitingLeads(trx, dealerId, cursor, leadsNamedMax)
  const people = came.count + waiting.count === 0 ? [] : await store.findPeopleToTell(trx, dealerId)
  const mails = people.flatMap(({ id, of_new, of_unanswered }): store.NewMail[] => [
    ...(of_new && came.count > 0
      ? [
          {
            user_id: id,
            kind: 'new_leads' as const,
            data: { leadIds: came.ids, count: came.count },
            dedupe: `new ${cursor.position} ${id}`,
          },
        ]
      : []),
    ...(of_unanswered && waiting.count > 0
      ? [
          {
            user_id: id,
            kind: 'unanswered_leads' as const,
            data: { leadIds: waiting.ids, count: waiting.count, targetMinutes: cursor.target_minutes },
            dedupe: `unanswered ${cursor.late.toISOString()} ${id}`,
          },
        ]
      : []),
  ])
  await store.addMails(trx, dealerId, mails)
  await store.saveMailCursor(trx, dealerId, cursor)
}
