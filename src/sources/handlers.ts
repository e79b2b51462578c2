import type { Handlers } from '../../generated/server/express.gen.ts'
import type { Source } from '../../generated/server/types.gen.ts'
import { firstIdAt, outer } from '../ids.ts'
import { pageOf } from '../page.ts'
import { daysMin, leadsMin, learntDays } from './rhythm.ts'
import { silenceBody } from './source.ts'
import * as store from './store.ts'

const dayMs = 86_400_000

export const listSources: Handlers['listSources'] = async ({ query, principal, standing }, { db }) => {
  const filter = {
    test: standing.environment === 'test',
    weekAgoId: firstIdAt(new Date(Date.now() - 7 * dayMs)),
    learntDays,
  }
  const body = await pageOf(
    query,
    ({ past, limit }) => store.findSources(db, principal.dealerId, { ...filter, before: past, limit }),
    (rows) => rows.map(sourceBody),
  )
  return { status: 200, body }
}

function sourceBody(row: store.SourceRow): Source {
  const { since, expected, noticed_at } = row
  const quiet = row.watched && since ? silenceBody({ since, expected, noticed_at }) : undefined
  return {
    id: outer('key', row.id),
    name: row.name,
    deleted: row.deleted,
    ...(row.last_lead_at && { lastLeadAt: row.last_lead_at.toISOString() }),
    leadsLast7Days: row.leads_last_7_days,
    ...(row.watched && { rhythm: quiet ? 'quiet' : isLearnt(row) ? 'usual' : 'learning' }),
    ...(quiet && { quiet }),
  }
}

/** As the rule has it, without all the leads. */
function isLearnt({ first_lead_at, last_lead_at, learnt_from }: store.SourceRow): boolean {
  return (
    learnt_from >= leadsMin &&
    first_lead_at !== null &&
    last_lead_at !== null &&
    last_lead_at.getTime() - first_lead_at.getTime() >= daysMin * dayMs
  )
}
