import type { Knex } from 'knex'
import type { Handlers } from '../../generated/server/express.gen.ts'
import * as limits from '../../generated/server/limits.gen.ts'
import type { LeadCounts, LeadStatus, LeadType } from '../../generated/server/types.gen.ts'
import type { DealerRow } from '../dealers/dealer.ts'
import { findDealer } from '../dealers/store.ts'
import { isMatchedBy } from '../entity-tag.ts'
import { recordEvent } from '../events/store.ts'
import { inner, outer } from '../ids.ts'
import { momentOf } from '../moment.ts'
import type { Meter } from '../limits/meter.ts'
import { pageOf } from '../page.ts'
import type { Standing } from '../operation.ts'
import { Problem } from '../problem.ts'
import { contactIn } from './contact.ts'
import type { Intake } from './intake.ts'
import { leadBody, type LeadRow } from './lead.ts'
import { isLegal, leadStatuses, moved, respondedAt, takeableBack } from './status.ts'
import * as store from './store.ts'

const countedMax = limits.StatusCount.count.maximum

/** The ids of all that are one customer with the one of this id. */
type CustomerIdsOf = (db: Knex, dealerId: string, customerId: string) => Promise<string[]>

/** How leads are looked for by what was typed; undefined when it says nothing. */
type LeadsQueryOf = (
  db: Knex,
  dealerId: string,
  test: boolean,
  text: string,
  country: string,
) => Promise<store.SearchedText | undefined>

export interface OfCustomers {
  customerIdsOf: CustomerIdsOf
  leadsQueryOf: LeadsQueryOf
}

interface Searching extends Pick<OfCustomers, 'leadsQueryOf'> {
  meter: Meter
  intake: Pick<Intake, 'judge'>
  db: Knex
}

export const listLeads =
  ({ customerIdsOf }: OfCustomers): Handlers['listLeads'] =>
  async ({ query, principal, standing }, { db }) => {
    const { order = 'newest', status, updatedSince, customerId } = query
    const customerIds = customerId && (await customerIdsOf(db, principal.dealerId, inner(customerId)))
    const country = query.contact === undefined ? '' : (await findDealer(db, principal.dealerId))?.country
    const filter = filterOf(query, standing, country)
    if (!filter) return { status: 200, body: { items: [] } }
    const wanted = {
      ...filter,
      ...(status && { status }),
      ...(customerIds && { customerIds }),
      ...(updatedSince && { updatedSince: momentOf(updatedSince) }),
    }
    const body = await pageOf(
      query,
      (asked) => store.findLeads(db, principal.dealerId, wanted, { order, ...asked }),
      (rows) => rows.map((row) => leadBody(row, standing.scopes)),
    )
    return { status: 200, body }
  }

/** Judged like a read, although what is looked for comes in a body. */
export const searchLeads =
  (parts: Searching): Handlers['searchLeads'] =>
  async ({ body: wanted, query, principal, http }) => {
    const { db } = parts
    const { dealerId } = principal
    const standing = await parts.intake.judge(principal)
    await parts.meter.use(principal, http, { reads: 1 })
    const { order = 'newest', status } = wanted
    const dealer = await dealerOf(db, dealerId)
    const filter = await searchedBy(parts, dealer, { ...wanted, ...query }, standing)
    if (!filter) return { status: 200, body: { items: [] } }
    const body = await pageOf(
      query,
      (asked) => store.findLeads(db, dealerId, { ...filter, ...(status && { status }) }, { order, ...asked }),
      (rows) => rows.map((row) => leadBody(row, standing.scopes)),
    )
    return { status: 200, body }
  }

/** The same leads as `searchLeads` finds. */
export const countLeads =
  (parts: Searching): Handlers['countLeads'] =>
  async ({ body: wanted, query, principal, http }) => {
    const { db } = parts
    const standing = await parts.intake.judge(principal)
    await parts.meter.use(principal, http, { reads: 1 })
    const dealer = await dealerOf(db, principal.dealerId)
    const filter = await searchedBy(parts, dealer, { ...wanted, ...query }, standing)
    return { status: 200, body: await countsOf(db, dealer, filter) }
  }

async function searchedBy(
  { leadsQueryOf, db }: Searching,
  { id, country }: DealerRow,
  asked: Asked & { text?: string },
  standing: Standing,
): Promise<store.LeadFilter | undefined> {
  const { text } = asked
  const filter = filterOf(asked, standing, country)
  if (!filter || text === undefined) return filter
  const query = await leadsQueryOf(db, id, filter.test, text, country)
  return query && { ...filter, text: query }
}

export const getLeadCounts: Handlers['getLeadCounts'] = async ({ query, principal, standing }, { db }) => {
  const dealer = await dealerOf(db, principal.dealerId)
  return { status: 200, body: await countsOf(db, dealer, filterOf(query, standing, dealer.country)) }
}

async function countsOf(db: Knex, dealer: DealerRow, filter: store.LeadFilter | undefined): Promise<LeadCounts> {
  const responseTargetMinutes = dealer.response_target_minutes
  const overdueBefore = new Date(Date.now() - responseTargetMinutes * 60_000)
  if (!filter) return { statuses: [], overdue: 0, responseTargetMinutes }
  if (filter.text) {
    const wanted = { ...filter, text: filter.text }
    const { isAll, ...counts } = await store.countLeadsOfText(db, dealer.id, wanted, overdueBefore, countedMax)
    return { ...counts, responseTargetMinutes, ...(!isAll && { latestOnly: true }) }
  }
  const count = (more: { status: [LeadStatus]; receivedBefore?: Date }) =>
    store.countLeads(db, dealer.id, { ...filter, ...more }, countedMax)
  const [overdue, ...counts] = await Promise.all([
    count({ status: ['new'], receivedBefore: overdueBefore }),
    ...leadStatuses.map((status) => count({ status: [status] })),
  ])
  const statuses = leadStatuses
    .map((status, at) => ({ status, count: counts[at] ?? 0 }))
    .filter(({ count: leads }) => leads > 0)
  return { statuses, overdue, responseTargetMinutes }
}

/** @throws {Problem} `token-invalid` */
async function dealerOf(db: Knex, dealerId: string): Promise<DealerRow> {
  const dealer = await findDealer(db, dealerId)
  if (!dealer) throw new Problem('token-invalid')
  return dealer
}

type Asked = { type?: LeadType[]; sourceKeyId?: string; contact?: string; test?: boolean }

/**
 * Undefined when no lead can fit: nobody has a phone number that is none. `country`: of the dealer, for such a number.
 */
function filterOf(
  { type, sourceKeyId, contact: typed, test = false }: Asked,
  { environment }: Standing,
  country = '',
): store.LeadFilter | undefined {
  const contact = typed === undefined ? undefined : contactIn(typed, country)
  if (typed !== undefined && !contact) return undefined
  return {
    test: test || environment === 'test',
    ...(type && { type }),
    ...(sourceKeyId && { sourceId: inner(sourceKeyId) }),
    ...(contact && { contact }),
  }
}

export const getLead: Handlers['getLead'] = async ({ path, headers, principal, standing, http }, { db }) => {
  const lead = requireVisible(await store.findLead(db, principal.dealerId, inner(path.leadId)), standing)
  http.note({ leadId: lead.id })
  if (headers['if-match'] !== undefined) requireMatch(headers['if-match'], lead)
  return { status: 200, headers: { ETag: etagOf(lead) }, body: leadBody(lead, standing.scopes) }
}

export const updateLead =
  ({ meter }: { meter: Meter }): Handlers['updateLead'] =>
  ({ path, headers, body, principal, http }, { write }) =>
    meter.used(principal, http, { writes: 1 }, () =>
      write(principal, async (trx, now, standing) => {
        const lead = requireVisible(await store.findLead(trx, principal.dealerId, inner(path.leadId)), standing)
        http.note({ leadId: lead.id })
        if (headers['if-match'] === undefined) throw new Problem('if-match-missing')
        requireMatch(headers['if-match'], lead)

        const before = { status: lead.status, ...(lead.status_reason && { statusReason: lead.status_reason }) }
        // Asked for only where it decides: this holds the dealer's clock.
        const takenBack = isLegal(lead.status, body.status)
          ? undefined
          : takeableBack(await store.findLastMove(trx, principal.dealerId, lead.id), principal.subject.id, now)
        const after = moved(before, body.status, body.statusReason, takenBack)
        if (after === before)
          return { status: 200, headers: { ETag: etagOf(lead) }, body: leadBody(lead, standing.scopes) }

        const reason = after.statusReason ?? null
        const changed = [
          ...(after.status === lead.status ? [] : ['status']),
          ...(reason === lead.status_reason ? [] : ['statusReason']),
        ]
        const event = {
          subject: { type: 'lead', id: lead.id },
          test: lead.test,
          changed,
          status: after.status,
        } as const
        const { seq, id } = await recordEvent(
          trx,
          principal.dealerId,
          principal.subject,
          { type: 'lead.updated', ...event },
          now,
        )
        const change = {
          id: lead.id,
          status: after.status,
          status_reason: reason,
          version: lead.version + 1,
          updated_at: now,
          responded_at: respondedAt(lead, after.status, now),
          rev_seq: seq,
          rev_event: id,
        }
        await store.saveLead(trx, principal.dealerId, change)
        const next = { ...lead, ...change }
        return { status: 200, headers: { ETag: etagOf(next) }, body: leadBody(next, standing.scopes) }
      }),
    )

/** Whoever pushed a lead may see that it arrived, and nothing of the person in it. */
export const getLeadReceipt: Handlers['getLeadReceipt'] = async ({ path, principal }, { db }) => {
  const lead = await store.findLead(db, principal.dealerId, inner(path.leadId))
  if (lead?.source_id !== principal.subject.id) throw new Problem('not-found')
  return {
    status: 200,
    body: {
      id: outer('lead', lead.id),
      state: 'received',
      receivedAt: lead.received_at.toISOString(),
      warnings: lead.warnings,
    },
  }
}

export const getLeadOriginal: Handlers['getLeadOriginal'] = async ({ path, principal, standing }, { db }) => {
  const { id } = requireVisible(await store.findLead(db, principal.dealerId, inner(path.leadId)), standing)
  const original = await store.findOriginal(db, principal.dealerId, id)
  if (!original) throw new Problem('not-found')
  return { status: 200, body: { mediaType: original.media_type, content: original.content.toString('base64') } }
}

/** A test key sees test leads only; a live lead looks to it like one that is not there. */
function requireVisible(lead: LeadRow | undefined, { environment }: Standing): LeadRow {
  if (!lead || (environment === 'test' && !lead.test)) throw new Problem('not-found')
  return lead
}

/** Of what is shown: the version, and once it is linked the link. */
const etagOf = ({ version, link_seq }: LeadRow): string => `"${version}${link_seq === null ? '' : `.${link_seq}`}"`

/** A link is no change by somebody else: whoever saw the version may change it, whatever was linked meanwhile. */
function requireMatch(ifMatch: string, lead: LeadRow): void {
  const versions = ifMatch.replace(/"(\d+)\.\d+"/g, '"$1"')
  if (!isMatchedBy(versions, `"${lead.version}"`, 'lead'))
    throw new Problem('lead-changed', undefined, { headers: { ETag: etagOf(lead) } })
}
