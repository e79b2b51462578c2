import type { Knex } from 'knex'
import { type Job, openJob, type Report } from '../background.ts'
import type { NewMail } from '../outbox/mail.ts'
import { addMails } from '../outbox/store.ts'
import * as store from './store.ts'

const roundMs = 10_000
const leadsNamedMax = 10
const newsMax = 500

export const openNotifier = (db: Knex, report: Report): Job =>
  openJob('telling people', roundMs, report, () => tellPeople(db))

const findings = [
  store.findKeyDeeds,
  store.findExpiringKeys,
  store.findQuietSources,
  store.findNewAdmins,
  store.findNewDevices,
  store.findManyFailures,
]

/**
 * Puts what people are to be told into the outbox. Every process may do it at any time: what was told is remembered in
 * the same transaction, or by the name that each mail has.
 */
export async function tellPeople(db: Knex): Promise<void> {
  for (const find of findings)
    for (const { dealer_id, ...mail } of await find(db, newsMax)) await addMails(db, dealer_id, [mail])
  for (const dealerId of await store.findDealersToTell(db)) await db.transaction((trx) => tellOfLeads(trx, dealerId))
}

// Its place in the ledger is a bare number: it lies beside the events, and a restore that takes them back takes it back
// with them.
async function tellOfLeads(trx: Knex.Transaction, dealerId: string): Promise<void> {
  const cursor = await store.lockMailCursor(trx, dealerId)
  if (!cursor) return
  const came =
    cursor.position === cursor.seq
      ? { ids: [], count: 0 }
      : await store.findNewLeads(trx, dealerId, cursor, leadsNamedMax)
  const waiting = await store.findWaitingLeads(trx, dealerId, cursor, leadsNamedMax)
  const people = came.count + waiting.count === 0 ? [] : await store.findPeopleToTell(trx, dealerId)

  const mails: NewMail[] = []
  for (const { id, of_new, of_unanswered } of people) {
    if (of_new && came.count > 0)
      mails.push({
        user_id: id,
        kind: 'new_leads',
        data: { leadIds: came.ids, count: came.count },
        dedupe: `new ${cursor.position} ${id}`,
      })
    if (of_unanswered && waiting.count > 0)
      mails.push({
        user_id: id,
        kind: 'unanswered_leads',
        data: { leadIds: waiting.ids, count: waiting.count, targetMinutes: cursor.target_minutes },
        dedupe: `unanswered ${cursor.late.toISOString()} ${id}`,
      })
  }
  await addMails(trx, dealerId, mails)
  await store.saveMailCursor(trx, dealerId, cursor)
}
