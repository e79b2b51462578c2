import type { Knex } from 'knex'
import { LRUCache } from 'lru-cache'
import type pg from 'pg'
import { newId } from '../ids.ts'
import type { Principal } from '../operation.ts'
import { Problem } from '../problem.ts'
import type { Keyring } from '../tokens/keyring.ts'
import { type Judge, scopeMissing } from '../tokens/liveness.ts'
import { findSubject } from '../tokens/store.ts'
import type { LeadContext, NewLead } from './lead.ts'
import { createLeads, type Verdict } from './store.ts'

/** The way in for leads. Every verdict is given after the commit. */
export interface Intake {
  /** What input is read by: the country and time zone of the dealer, at most 10 s old. */
  context(principal: Principal): Promise<LeadContext>
  judge: Judge
  /** @throws {Problem} 401 `token-invalid`, 403 `scope-missing` */
  store(principal: Principal, lead: NewLead): Promise<Verdict>
}

const contextMs = 10_000
const dealersMax = 10_000

export function openIntake(db: Knex, hot: pg.Pool, keyring: Keyring, judge: Judge): Intake {
  const contexts = new LRUCache<string, LeadContext>({ max: dealersMax, ttl: contextMs })

  const store = async (principal: Principal, lead: NewLead): Promise<Verdict> => {
    if (!keyring.has(principal.kid)) throw new Problem('token-invalid')
    const incoming = { dealerId: principal.dealerId, credentialId: principal.credentialId, epoch: principal.epoch, id: newId(), eventId: newId(), lead }
    const [verdict] = await createLeads(hot, keyring.generation(), [incoming])
    switch (verdict?.verdict) {
      case 'created':
      case 'duplicate':
        return verdict
      case 'keys-newer':
        // Nothing was written. The reload moves the generation on, so this cannot go round twice for the same change.
        await keyring.reload(db)
        return store(principal, lead)
      case 'scope-missing':
        throw scopeMissing(principal.needed)
      default:
        throw new Problem('token-invalid')
    }
  }

  return {
    context: async (principal) => {
      const known = contexts.get(principal.dealerId)
      if (known) return known
      const row = await findSubject(db, principal.dealerId, principal.subject)
      if (!row) throw new Problem('token-invalid')
      const context = { country: row.country, timeZone: row.time_zone }
      contexts.set(principal.dealerId, context)
      return context
    },
    judge,
    store,
  }
}
