import type { Knex } from 'knex'
import { addressesMax } from '../audit/refusals.ts'
import { addRefusals } from '../audit/store.ts'
import { type Job, openJob, type Report } from '../background.ts'
import { inTurn } from '../db/turn.ts'
import { newId } from '../ids.ts'
import { addMails } from '../outbox/store.ts'
import { challengeSeconds } from '../passkeys/challenge.ts'
import * as store from './store.ts'

const name = 'telling of sign-ins that were not finished'
const everyMs = 60_000
// A little longer than there is time to answer.
const waitedSeconds = challengeSeconds + 60
const atOnceMax = 200

/**
 * Gathers sign-ins that came as far as a right password, and no further, with what else is refused. Where it was on a
 * device that the person has not used before, the person is told: somebody else may know the password.
 */
export const openUnfinished = (db: Knex, mailIsReady: boolean, report: Report): Job =>
  openJob(name, everyMs, report, () => tellOfUnfinished(db, mailIsReady))

export async function tellOfUnfinished(db: Knex, mailIsReady: boolean): Promise<void> {
  for (let taken: number | undefined = atOnceMax; taken === atOnceMax;)
    taken = await inTurn(db, name, async (trx) => {
      const all = await store.takeUnfinished(trx, waitedSeconds, atOnceMax)
      const stopped = all.filter(({ steps }) => steps > 0)
      await addRefusals(
        trx,
        stopped.map(({ dealer_id, user_id, code, address, steps }) => ({
          id: newId(),
          dealerId: dealer_id,
          subject: { type: 'user', id: user_id },
          code,
          address,
          requests: steps,
        })),
        addressesMax,
      )
      if (mailIsReady)
        for (const { dealer_id, user_id, steps, address, begun_at } of stopped.filter(({ new_device }) => new_device))
          await addMails(trx, dealer_id, [
            {
              user_id,
              kind: 'second_factor_missing',
              data: { count: steps, address, at: begun_at.toISOString() },
              // One an hour.
              dedupe: `second factor ${user_id} ${begun_at.toISOString().slice(0, 13)}`,
            },
          ])
      return all.length
    })
}
