import { createHash } from 'node:crypto'
import type { Knex } from 'knex'
import type { Handlers } from '../../generated/server/express.gen.ts'
import type {
  LeadBatchItem,
  LeadBatchMisfit,
  LeadResult,
  LeadStatus,
  LeadType,
} from '../../generated/server/types.gen.ts'
import { findDealer } from '../dealers/store.ts'
import { recordEvent } from '../events/store.ts'
import { cursorOf, inner, outer } from '../ids.ts'
import type { Standing } from '../operation.ts'
import { Problem, problemBody, type Violation } from '../problem.ts'
import { type AdfLead, readAdf, withWarningsOf } from './adf.ts'
import { contactIn } from './contact.ts'
import { isUsable } from './external-reference.ts'
import { type Idempotency, idempotencyOf, keyOf } from './idempotency.ts'
import { newLead } from './input.ts'
import type { Intake, Stored } from './intake.ts'
import { leadBody, type LeadRow, type NewLead } from './lead.ts'
import { isLegal, leadStatuses, moved, respondedAt, takeableBack } from './status.ts'
import * as store from './store.ts'

const clientRefLengthMax = 128
const idempotencyKeyLengthMax = 255
const violationsMax = 32
const countedMax = 1_000

/** How leads get in, and the contract's word on a lead that did not come as a body of its own. */
export interface LeadIntake {
  intake: Intake
  leadViolations: (lead: unknown) => Violation[]
}

export const createLead =
  ({ intake }: LeadIntake): Handlers['createLead'] =>
  async ({ body, headers, principal, http }) => {
    const key = headers['idempotency-key']
    const idempotency =
      key === undefined ? undefined : idempotencyOf(keyOf(key), 'createLead', 'application/json', http.rawBody ?? '')
    const lead = newLead(body, await intake.context(principal))
    // Nothing will be written, but a dead token is told so before anything else.
    if (!lead.reachable) await intake.judge(principal)
    const stored = await intake.store(principal, { lead: reachable(lead), idempotency })
    http.note({ leadId: stored.lead_id })
    return answerOf(stored)
  }

export const createLeadBatch =
  ({ intake, leadViolations }: LeadIntake): Handlers['createLeadBatch'] =>
  async ({ body, principal, http }) => {
    await intake.judge(principal)
    const context = await intake.context(principal)
    const outcomes = await Promise.allSettled(
      body.leads.map(async (item) => {
        const { lead, idempotencyKey } = batchItem(item, leadViolations)
        const idempotency = idempotencyOf(idempotencyKey, 'createLeadBatch', 'application/json', JSON.stringify(lead))
        return intake.store(principal, { lead: reachable(newLead(lead, context)), idempotency })
      }),
    )
    requireSomeOutcome(outcomes)
    return {
      status: 207,
      body: { results: outcomes.map((outcome, at) => resultOf(outcome, body.leads[at], http.requestId)) },
    }
  }

/** One prospect is answered like one lead, so that a sender who looks at the status only is not misled; several like a batch. */
export const createLeadsFromAdf =
  ({ intake, leadViolations }: LeadIntake): Handlers['createLeadsFromAdf'] =>
  async ({ headers, principal, http }) => {
    await intake.judge(principal)
    const context = await intake.context(principal)
    const document = http.rawBody ?? Buffer.alloc(0)
    const mediaType = http.header('content-type') ?? ''
    const key = headers['idempotency-key']
    const outcomes = await Promise.allSettled(
      readAdf(document, http.charset).map(async (adf, at, all) => {
        const violations = leadViolations(adf.input)
        if (violations.length > 0)
          throw new Problem('bad-request', 'The lead that was read from the document does not fit the contract.', {
            violations,
          })
        const named =
          key === undefined
            ? undefined
            : idempotencyOf(
                all.length > 1 ? `${keyOf(key)}\n${at}` : keyOf(key),
                'createLeadsFromAdf',
                mediaType,
                document,
              )
        const lead = reachable(withWarningsOf(adf, newLead(adf.input, context)))
        return intake.store(principal, {
          lead,
          idempotency: named ?? sameProspect(adf, lead),
          original: { mediaType, content: document },
        })
      }),
    )
    const [only] = outcomes
    if (only?.status === 'fulfilled' && outcomes.length === 1) {
      http.note({ leadId: only.value.lead_id })
      return answerOf(only.value)
    }
    if (only?.status === 'rejected' && outcomes.length === 1) throw only.reason
    requireSomeOutcome(outcomes)
    return { status: 207, body: { results: outcomes.map((outcome) => resultOf(outcome, undefined, http.requestId)) } }
  }

/** Judged like a read: what arrives meanwhile may be answered either way. */
export const reconcileReferences =
  ({ intake, db }: { intake: Pick<Intake, 'judge'>; db: Knex }): Handlers['reconcileReferences'] =>
  async ({ body, principal }) => {
    await intake.judge(principal)
    const asked = [
      ...new Map(
        body.references.map((reference) => [JSON.stringify([reference.source, reference.id]), reference]),
      ).values(),
    ]
    const usable = asked.filter(isUsable)
    const received = await store.findClaimed(db, principal.dealerId, principal.subject.id, usable)
    return {
      status: 200,
      body: {
        received: received.size,
        missing: usable.filter((_, at) => !received.has(at)),
        unusable: asked.filter((reference) => !isUsable(reference)),
      },
    }
  }

/** A prospect without an id that counts is known again by all that it says. One that says not even when it was made could be another. */
function sameProspect({ input, resend }: AdfLead, { externalReference }: NewLead): Idempotency | undefined {
  if (externalReference || !(resend || input.submittedAt)) return undefined
  const content = JSON.stringify(input)
  return idempotencyOf(
    `adf ${createHash('sha256').update(content).digest('hex')}`,
    'createLeadsFromAdf',
    'prospect',
    content,
  )
}

/** @throws {Problem} `lead-unreachable` */
function reachable(lead: NewLead): NewLead {
  if (!lead.reachable)
    throw new Problem('lead-unreachable', undefined, {
      violations: [
        { in: 'body', pointer: '/customer', message: 'needs an e-mail address, a phone number or a postal address' },
      ],
    })
  return lead
}

/** @throws {Problem} `bad-request` for an item that is none; the contract lets all objects through to be answered one by one. */
function batchItem(item: LeadBatchItem | LeadBatchMisfit, leadViolations: LeadIntake['leadViolations']): LeadBatchItem {
  const { clientRef, idempotencyKey, lead, ...unknown } = item
  const violations: Violation[] = [
    ...(isTextUpTo(clientRefLengthMax, clientRef)
      ? []
      : [misfit('/clientRef', `must be a string of 1 to ${clientRefLengthMax} characters`)]),
    ...(isTextUpTo(idempotencyKeyLengthMax, idempotencyKey)
      ? []
      : [misfit('/idempotencyKey', `must be a string of 1 to ${idempotencyKeyLengthMax} characters`)]),
    ...Object.keys(unknown).map((name) =>
      misfit(`/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`.slice(0, 512), 'is not a member of an item'),
    ),
    ...leadViolations(lead).map((violation) => ({ ...violation, pointer: `/lead${violation.pointer}`.slice(0, 512) })),
  ]
  const [first] = violations
  if (first)
    throw new Problem('bad-request', `body${first.pointer}: ${first.message}`.slice(0, 1024), {
      violations: violations.slice(0, violationsMax),
    })
  // The cast: that is what has just been checked.
  return item as LeadBatchItem
}

const isTextUpTo = (lengthMax: number, text: unknown) =>
  text === undefined ||
  (typeof text === 'string' &&
    text.length >= 1 &&
    text.length <= lengthMax &&
    !text.includes('\0') &&
    text.isWellFormed())
const misfit = (pointer: string, message: string): Violation => ({ in: 'body', pointer, message })

/** When nothing at all could be done, the whole request may be sent again, and is told so. @throws {Problem} */
function requireSomeOutcome(outcomes: readonly PromiseSettledResult<Stored>[]): void {
  const failures = outcomes.filter((outcome) => outcome.status === 'rejected').map(({ reason }) => problemOf(reason))
  const [first] = failures
  if (first && failures.length === outcomes.length && failures.every(({ status }) => status >= 500)) throw first
}

function resultOf(
  outcome: PromiseSettledResult<Stored>,
  item: LeadBatchItem | LeadBatchMisfit | undefined,
  requestId: string,
): LeadResult {
  const clientRef =
    typeof item?.clientRef === 'string' && isTextUpTo(clientRefLengthMax, item.clientRef)
      ? { clientRef: item.clientRef }
      : undefined
  if (outcome.status === 'fulfilled') {
    const { status, body } = answerOf(outcome.value)
    return { ...clientRef, status, ...(outcome.value.replayed && { replayed: true }), lead: body }
  }
  const problem = problemOf(outcome.reason)
  return { ...clientRef, status: problem.status, problem: problemBody(problem, requestId) }
}

const problemOf = (reason: unknown): Problem => (reason instanceof Problem ? reason : new Problem('internal'))

function answerOf({ verdict, replayed, lead_id, received, lead_warnings }: Stored) {
  const id = outer('lead', lead_id)
  const accepted = { id, receivedAt: received.toISOString(), warnings: lead_warnings }
  const headers = { Location: `/v1/leads/${id}/receipt`, ...(replayed && { 'Idempotency-Replayed': 'true' }) }
  return verdict === 'duplicate'
    ? ({ status: 200, headers, body: { ...accepted, duplicate: true } } as const)
    : ({ status: 201, headers, body: { ...accepted, duplicate: false } } as const)
}

export const listLeads: Handlers['listLeads'] = async ({ query, principal, standing }, { db }) => {
  const { limit = 50, cursor, order = 'newest', status, updatedSince } = query
  const country = query.contact === undefined ? '' : (await findDealer(db, principal.dealerId))?.country
  const filter = filterOf(query, standing, country)
  if (!filter) return { status: 200, body: { items: [] } }
  const wanted = { ...filter, ...(status && { status }), ...(updatedSince && { updatedSince: new Date(updatedSince) }) }
  const found = await store.findLeads(db, principal.dealerId, wanted, {
    order,
    limit: limit + 1,
    ...(cursor && { past: inner(cursor) }),
  })
  const page = found.slice(0, limit)
  const last = page.at(-1)
  return {
    status: 200,
    body: { items: page.map(leadBody), ...(found.length > limit && last && { nextCursor: cursorOf(last.id) }) },
  }
}

export const getLeadCounts: Handlers['getLeadCounts'] = async ({ query, principal, standing }, { db }) => {
  const { dealerId } = principal
  const dealer = await findDealer(db, dealerId)
  if (!dealer) throw new Problem('token-invalid')
  const filter = filterOf(query, standing, dealer.country)
  const count = async (more: { status: [LeadStatus]; receivedBefore?: Date }) =>
    filter ? store.countLeads(db, dealerId, { ...filter, ...more }, countedMax) : 0
  const targetMs = dealer.response_target_minutes * 60_000
  const [overdue, ...counts] = await Promise.all([
    count({ status: ['new'], receivedBefore: new Date(Date.now() - targetMs) }),
    ...leadStatuses.map((status) => count({ status: [status] })),
  ])
  const statuses = leadStatuses
    .map((status, at) => ({ status, count: counts[at] ?? 0 }))
    .filter(({ count: leads }) => leads > 0)
  return { status: 200, body: { statuses, overdue, responseTargetMinutes: dealer.response_target_minutes } }
}

type Asked = { type?: LeadType[]; sourceKeyId?: string; contact?: string; test?: boolean }

/** Undefined when no lead can fit: nobody has a phone number that is none. `country`: of the dealer, for such a number. */
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

export const getLead: Handlers['getLead'] = async ({ path, principal, standing, http }, { db }) => {
  const lead = visible(await store.findLead(db, principal.dealerId, inner(path.leadId)), standing)
  http.note({ leadId: lead.id })
  return { status: 200, headers: { ETag: etagOf(lead) }, body: leadBody(lead) }
}

export const updateLead: Handlers['updateLead'] = ({ path, headers, body, principal, http }, { write }) =>
  write(principal, async (trx, now, standing) => {
    const lead = visible(await store.findLead(trx, principal.dealerId, inner(path.leadId)), standing)
    http.note({ leadId: lead.id })
    requireMatch(headers['if-match'], lead)

    const before = { status: lead.status, ...(lead.status_reason && { statusReason: lead.status_reason }) }
    // Asked for only where it decides: this holds the dealer's clock.
    const takenBack = isLegal(lead.status, body.status)
      ? undefined
      : takeableBack(await store.findLastMove(trx, principal.dealerId, lead.id), principal.subject.id, now)
    const after = moved(before, body.status, body.statusReason, takenBack)
    if (after === before) return { status: 200, headers: { ETag: etagOf(lead) }, body: leadBody(lead) }

    const next = {
      ...lead,
      status: after.status,
      status_reason: after.statusReason ?? null,
      version: lead.version + 1,
      updated_at: now,
      responded_at: respondedAt(lead, after.status, now),
    }
    await store.saveLead(trx, principal.dealerId, {
      id: next.id,
      status: next.status,
      status_reason: next.status_reason,
      version: next.version,
      updated_at: now,
      responded_at: next.responded_at,
    })
    const changed = [
      ...(next.status === lead.status ? [] : ['status']),
      ...(next.status_reason === lead.status_reason ? [] : ['statusReason']),
    ]
    await recordEvent(trx, principal, { type: 'lead.updated', leadId: lead.id, changed, status: next.status }, now)
    return { status: 200, headers: { ETag: etagOf(next) }, body: leadBody(next) }
  })

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
  const { id } = visible(await store.findLead(db, principal.dealerId, inner(path.leadId)), standing)
  const original = await store.findOriginal(db, principal.dealerId, id)
  if (!original) throw new Problem('not-found')
  return { status: 200, body: { mediaType: original.media_type, content: original.content.toString('base64') } }
}

/** A test key sees test leads only; a live lead looks to it like one that is not there. */
function visible(lead: LeadRow | undefined, { environment }: Standing): LeadRow {
  if (!lead || (environment === 'test' && !lead.test)) throw new Problem('not-found')
  return lead
}

const etagOf = ({ version }: { version: number }): string => `"${version}"`

/** `If-Match` compares strongly (RFC 9110, section 13.1.1): a weak tag never matches. */
function requireMatch(ifMatch: string | undefined, lead: LeadRow): void {
  if (ifMatch === undefined) throw new Problem('if-match-missing')
  const tags = ifMatch.split(',').map((tag) => tag.trim())
  if (!tags.includes('*') && !tags.includes(etagOf(lead)))
    throw new Problem('lead-changed', undefined, { headers: { ETag: etagOf(lead) } })
}
