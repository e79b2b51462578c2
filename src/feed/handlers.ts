import type { Handlers } from '../../generated/server/express.gen.ts'
import { findPosition } from '../events/store.ts'
import { inner } from '../ids.ts'
import { eventBody } from './event.ts'
import { type Feed, leadsOf } from './feed.ts'
import * as store from './store.ts'

export const listEvents: Handlers['listEvents'] = async ({ query, principal, standing }, { db }) => {
  const { limit = 50, cursor = '0', leadId, test = false } = query
  // Read first: all events up to here are there for the statement after it, so that a page with fewer than asked for has passed them all.
  const end = await findPosition(db, principal.dealerId)
  if (cursor === 'latest') return { status: 200, body: { items: [], nextCursor: end.toString() } }

  const after = BigInt(cursor)
  const rows = await store.findEvents(db, principal.dealerId, {
    after,
    limit,
    test: test || standing.environment === 'test',
    ...(leadId && { leadId: inner(leadId) }),
  })
  const leads = standing.scopes.has('leads:read') ? await leadsOf(db, principal.dealerId, rows) : undefined
  const passed = [after, BigInt(rows.at(-1)?.seq ?? 0), ...(rows.length < limit ? [end] : [])]
  const nextCursor = passed.reduce((one, other) => (one > other ? one : other)).toString()
  return { status: 200, body: { items: rows.map((row) => eventBody(row, leads?.get(row.subject_id))), nextCursor } }
}

export interface Follow {
  feed: Feed
}

export const streamEvents =
  ({ feed }: Follow): Handlers['streamEvents'] =>
  async ({ headers, query, principal, standing }) => {
    const { test = false, skip = false } = query
    const lastEventId = headers['last-event-id']
    return {
      status: 200,
      body: await feed.follow(principal, {
        test: test || standing.environment === 'test',
        skip,
        ...(lastEventId && { after: BigInt(lastEventId) }),
      }),
    }
  }
