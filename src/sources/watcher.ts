import type { Knex } from 'knex'
import { LRUCache } from 'lru-cache'
import { openJob, type Report } from '../background.ts'
import { inTurn } from '../db/turn.ts'
import { firstIdAt } from '../ids.ts'
import { expectedLeads, learnt, learntDays, type Rhythm } from './rhythm.ts'
import * as store from './store.ts'

/** Notices when the leads of an API key stop coming, and when they come again. */
export interface Watcher {
  /** Looks at every source once, unless another process is doing so. */
  look(): Promise<void>
  stop(): Promise<void>
}

const name = 'watching for silent sources'
const lookMs = 5 * 60_000
const dayMs = 86_400_000
const lookedAtOnceMax = 100
/** What is usual does not change within a day; it is learnt from thousands of rows. */
const rhythmMs = dayMs
const rhythmsMax = 20_000
/** Those that are left wait for the next round. */
const learntInRoundMax = 500
const first: store.Place = {
  dealer_id: '00000000-0000-0000-0000-000000000000',
  id: '00000000-0000-0000-0000-000000000000',
}

export function openWatcher(db: Knex, report: Report): Watcher {
  const rhythms = new LRUCache<string, { rhythm: Rhythm | undefined }>({ max: rhythmsMax, ttl: rhythmMs })

  const lookAtAll = async (signal: AbortSignal) => {
    await inTurn(db, name, store.endSilences)
    let after: store.Place | undefined = first
    let learntInRound = 0
    while (after && !signal.aborted) {
      const from = after
      after = await inTurn(db, name, async (trx) => {
        const sources = await store.findWatched(trx, from, lookedAtOnceMax)
        for (const source of sources) {
          if (source.last_lead_id === null || source.now.getTime() - source.last_lead_at.getTime() > learntDays * dayMs)
            continue
          if (!rhythms.has(source.id) && learntInRound++ < learntInRoundMax)
            rhythms.set(source.id, { rhythm: await rhythmOf(trx, source, source.last_lead_id) })
          const rhythm = rhythms.get(source.id)?.rhythm
          const expected = rhythm ? expectedLeads(rhythm, source.awaited_from.getTime(), source.now.getTime()) : 0
          if (rhythm && expected >= rhythm.threshold && Math.round(expected) !== source.told)
            await store.saveSilence(trx, source, Math.round(expected))
        }
        return sources.length < lookedAtOnceMax ? undefined : sources.at(-1)
      })
    }
  }

  const { run, stop } = openJob(name, lookMs, report, lookAtAll)
  return { look: run, stop }
}

async function rhythmOf(
  trx: Knex.Transaction,
  { dealer_id, id, time_zone, last_lead_at, first_lead_at }: store.WatchedRow,
  lastLeadId: string,
): Promise<Rhythm | undefined> {
  const fromId = firstIdAt(new Date(last_lead_at.getTime() - learntDays * dayMs))
  return learnt(await store.findTimes(trx, dealer_id, id, fromId, lastLeadId), first_lead_at.getTime(), time_zone)
}
