import type { Handlers } from '../../generated/server/express.gen.ts'
import type { Lead } from '../../generated/server/types.gen.ts'
import { recordEvent } from '../events/store.ts'
import { cursorOf, inner, outer } from '../ids.ts'
import type { Standing } from '../operation.ts'
import { Problem } from '../problem.ts'
import type { Intake } from './intake.ts'
import { moved, newLead } from './lead.ts'
import * as store from './store.ts'

export const createLead =
  (intake: Intake): Handlers['createLead'] =>
  async ({ body, principal }) => {
    const lead = newLead(body, await intake.context(principal))
    if (!lead.reachable) {
      // Nothing will be written, but a dead token is told so before anything else.
      await intake.judge(principal)
      throw new Problem('lead-unreachable', undefined, { violations: [{ in: 'body', pointer: '/customer', message: 'needs an e-mail address, a phone number or a postal address' }] })
    }

    const { verdict, lead_id, received, lead_warnings } = await intake.store(principal, lead)
    const id = outer('lead', lead_id)
    const accepted = { id, receivedAt: received.toISOString(), warnings: lead_warnings }
    const headers = { Location: `/v1/leads/${id}/receipt` }
    return verdict === 'duplicate' ? { status: 200, headers, body: { ...accepted, duplicate: true } } : { status: 201, headers, body: { ...accepted, duplicate: false } }
  }

export const listLeads: Handlers['listLeads'] = async ({ query, principal, standing }, { db }) => {
  const { limit = 50, cursor, status, type, sourceKeyId, updatedSince, test = false } = query
  const found = await store.findLeads(db, principal.dealerId, {
    test: test || standing.environment === 'test',
    limit: limit + 1,
    ...(status && { status }),
    ...(type && { type }),
    ...(sourceKeyId && { sourceId: inner(sourceKeyId) }),
    ...(updatedSince && { updatedSince: new Date(updatedSince) }),
    ...(cursor && { before: inner(cursor) }),
  })
  const page = found.slice(0, limit)
  const last = page.at(-1)
  return { status: 200, body: { items: page.map(leadBody), ...(found.length > limit && last && { nextCursor: cursorOf(last.id) }) } }
}

export const getLead: Handlers['getLead'] = async ({ path, principal, standing }, { db }) => {
  const lead = visible(await store.findLead(db, principal.dealerId, inner(path.leadId)), standing)
  return { status: 200, headers: { ETag: etagOf(lead) }, body: leadBody(lead) }
}

export const updateLead: Handlers['updateLead'] = ({ path, headers, body, principal }, { write }) =>
  write(principal, async (trx, now, standing) => {
    const lead = visible(await store.findLead(trx, principal.dealerId, inner(path.leadId)), standing)
    requireMatch(headers['if-match'], lead)

    const before = { status: lead.status, ...(lead.status_reason && { statusReason: lead.status_reason }) }
    const after = moved(before, body.status, body.statusReason)
    if (after === before) return { status: 200, headers: { ETag: etagOf(lead) }, body: leadBody(lead) }

    const next = { ...lead, status: after.status, status_reason: after.statusReason ?? null, version: lead.version + 1, updated_at: now }
    await store.saveLead(trx, principal.dealerId, { id: next.id, status: next.status, status_reason: next.status_reason, version: next.version, updated_at: now })
    const changed = [...(next.status === lead.status ? [] : ['status']), ...(next.status_reason === lead.status_reason ? [] : ['statusReason'])]
    await recordEvent(trx, principal, 'lead.updated', lead.id, changed, now)
    return { status: 200, headers: { ETag: etagOf(next) }, body: leadBody(next) }
  })

/** Whoever pushed a lead may see that it arrived, and nothing of the person in it. */
export const getLeadReceipt: Handlers['getLeadReceipt'] = async ({ path, principal }, { db }) => {
  const lead = await store.findLead(db, principal.dealerId, inner(path.leadId))
  if (lead?.source_id !== principal.subject.id) throw new Problem('not-found')
  return { status: 200, body: { id: outer('lead', lead.id), state: 'received', receivedAt: lead.received_at.toISOString(), warnings: lead.warnings } }
}

/** A test key sees test leads only; a live lead looks to it like one that is not there. */
function visible(lead: store.LeadRow | undefined, { environment }: Standing): store.LeadRow {
  if (!lead || (environment === 'test' && !lead.test)) throw new Problem('not-found')
  return lead
}

const etagOf = ({ version }: { version: number }): string => `"${version}"`

/** `If-Match` compares strongly (RFC 9110, section 13.1.1): a weak tag never matches. */
function requireMatch(ifMatch: string | undefined, lead: store.LeadRow): void {
  if (ifMatch === undefined) throw new Problem('if-match-missing')
  const tags = ifMatch.split(',').map((tag) => tag.trim())
  if (!tags.includes('*') && !tags.includes(etagOf(lead))) throw new Problem('lead-changed', undefined, { headers: { ETag: etagOf(lead) } })
}

function leadBody(row: store.LeadRow): Lead {
  return {
    ...row.data,
    id: outer('lead', row.id),
    type: row.type,
    status: row.status,
    ...(row.status_reason && { statusReason: row.status_reason }),
    source: { type: row.source_type, id: outer(row.source_type === 'user' ? 'user' : 'key', row.source_id), name: row.source_name },
    ...(row.external_source !== null && row.external_id !== null && { externalReference: { source: row.external_source, id: row.external_id } }),
    ...(row.submitted_at && { submittedAt: row.submitted_at.toISOString() }),
    test: row.test,
    warnings: row.warnings,
    receivedAt: row.received_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
    version: row.version,
  }
}
