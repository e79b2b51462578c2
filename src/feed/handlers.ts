import type { Handlers } from '../../generated/server/express.gen.ts'
import * as limits from '../../generated/server/limits.gen.ts'
import { beginning, cursorAt, positionAt, positionOf } from '../events/cursor.ts'
import { inner } from '../ids.ts'
import { seesPeople } from '../leads/lead.ts'
import { pageBytesMax } from '../page.ts'
import { Problem } from '../problem.ts'
import { eventBody, readsLeads } from './event-body.ts'
import { type Feed, withSubjects } from './feed.ts'
import * as store from './store.ts'

export const listEvents: Handlers['listEvents'] = async ({ query, principal, standing }, { db }) => {
  const {
    limit = limits.parameters.Limit.default,
    cursor = cursorAt(beginning),
    leadId,
    test = false,
    excludeOwn = false,
  } = query
  const wanted = cursor === 'latest' ? { after: beginning, limit: 0 } : { after: positionAt(cursor), limit }
  const {
    isThere,
    end,
    rows: found,
  } = await store.findPage(db, principal.dealerId, {
    ...wanted,
    test: test || standing.environment === 'test',
    ...(leadId && { leadId: inner(leadId) }),
    ...(excludeOwn && { butOf: principal.subject.id }),
  })
  if (!isThere) throw new Problem('feed-restarted')

  const { scopes } = standing
  const { rows, subjects } =
    readsLeads(scopes) || seesPeople(scopes)
      ? await withSubjects(db, principal.dealerId, found, pageBytesMax)
      : { rows: found, subjects: { leads: new Map(), customers: new Map() } }
  const last = rows.at(-1)
  // A page with fewer than asked for has passed all there were, unless some did not fit.
  const next = last && (rows.length === limit || rows.length < found.length) ? positionOf(last) : end
  const items = rows.map((row) => eventBody(row, subjects, scopes))
  return { status: 200, body: { items, nextCursor: cursorAt(next) } }
}

export interface Follow {
  feed: Feed
}

export const streamEvents =
  ({ feed }: Follow): Handlers['streamEvents'] =>
  async ({ headers, query, principal, standing, http }) => {
    const { test = false, skip = false, excludeOwn = false } = query
    const lastEventId = headers['last-event-id']
    const following = {
      test: test || standing.environment === 'test',
      skip,
      excludeOwn,
      requestId: http.requestId,
      ...(lastEventId && { after: positionAt(lastEventId) }),
    }
    return { status: 200, body: await feed.follow(principal, following) }
  }
