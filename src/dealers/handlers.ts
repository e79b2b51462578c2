import type { Handlers } from '../../generated/server/express.gen.ts'
import { type Audited, difference } from '../audit/audit.ts'
import { Problem } from '../problem.ts'
import { requireFreshSignIn } from '../tokens/fresh.ts'
import { dealerBody, isTimeZone } from './dealer.ts'
import * as store from './store.ts'

export const getDealer: Handlers['getDealer'] = async ({ principal }, { db }) => {
  const dealer = await store.findDealer(db, principal.dealerId)
  if (!dealer) throw new Problem('token-invalid')
  return { status: 200, body: dealerBody(dealer) }
}

export const updateDealer =
  ({ recordChange }: Audited): Handlers['updateDealer'] =>
  ({ body, principal, http }, { write }) =>
    write(principal, async (trx, now) => {
      if (body.timeZone !== undefined && !isTimeZone(body.timeZone)) throw new Problem('time-zone-unknown')
      const { dealerId } = principal
      const before = await store.findDealer(trx, dealerId)
      if (!before) throw new Problem('token-invalid')

      const {
        name = before.name,
        country = before.country,
        timeZone = before.time_zone,
        language = before.language,
        requestLogDays = before.request_log_days,
        responseTargetMinutes = before.response_target_minutes,
      } = body
      const after = {
        ...before,
        name: name.trim(),
        country,
        time_zone: timeZone,
        language,
        request_log_days: requestLogDays,
        response_target_minutes: responseTargetMinutes,
      }
      // The id is the same in both, so it is no difference.
      const changed = difference(dealerBody(before), dealerBody(after))
      // It deletes what was asked with keys, for good.
      if (requestLogDays < before.request_log_days) await requireFreshSignIn(trx, principal, now)
      if (Object.keys(changed.after).length > 0) {
        await store.saveDealer(trx, dealerId, after)
        await recordChange(
          trx,
          principal,
          http,
          { action: 'dealer.updated', subject: { type: 'dealer', id: dealerId, name: after.name }, ...changed },
          now,
        )
      }
      return { status: 200, body: dealerBody(after) }
    })
