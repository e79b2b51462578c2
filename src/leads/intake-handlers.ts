import { hash } from 'node:crypto'
import type { Knex } from 'knex'
import { type Handlers, operations } from '../../generated/server/express.gen.ts'
import * as limits from '../../generated/server/limits.gen.ts'
import type { ExternalReference, LeadResult } from '../../generated/server/types.gen.ts'
import { openFairQueue } from '../fair-queue.ts'
import { newId, outer } from '../ids.ts'
import type { Meter } from '../limits/meter.ts'
import type { Http, Principal } from '../operation.ts'
import { badRequest, Problem, problemBody, problems, type Violation } from '../problem.ts'
import { givingWay, settledInSlices } from '../slices.ts'
import { type AdfLead, readAdf, withWarningsOf } from './adf.ts'
import { type BatchItem, batchItem, clientRefOf, sentLeads } from './batch.ts'
import { type TellingReference, tellingReference } from './external-reference.ts'
import { type Idempotency, keyOf, keyOfItem, keyOfPlace, ofDocument, ofLead, tellsApart } from './idempotency.ts'
import { newLead } from './input.ts'
import type { Intake, Push, Stored } from './intake.ts'
import type { LeadContext, NewLead } from './lead.ts'
import { maskedOriginal } from './original.ts'
import * as store from './store.ts'
import { suggestionsFor } from './suggestion.ts'
import { tellsOfLoss, warn } from './warnings.ts'

const originalBytesMax = operations.createLead.bodyBytesMax
/** Looked for in one statement. */
const referencesAtOnceMax = 1_000

/** How leads get in, and the contract's word on a lead that did not come as a body of its own. */
export interface LeadIntake {
  intake: Intake
  meter: Meter
  leadViolations: (lead: unknown) => Violation[]
}

export const createLead =
  ({ intake, meter }: LeadIntake): Handlers['createLead'] =>
  ({ body, headers, principal, http }) =>
    meter.used(principal, http, { leads: 1, bytes: http.rawBody?.length ?? 0 }, async () => {
      const context = await intake.context(principal)
      const lead = newLead(body, context, http.jsonFaults)
      const key = telling(headers['idempotency-key'], keyOf, lead)
      const idempotency =
        key === undefined
          ? undefined
          : ofLead(key, body, 'createLead', http.rawBody ?? '', http.jsonFaults?.longNumbers)
      // Nothing will be written, but a dead token is told so before anything else.
      if (!lead.reachable && !http.isJudged) await intake.judge(principal)
      requireReachable(lead)
      const original = await masked(
        originalOf(lead, () => http.rawBody ?? Buffer.alloc(0), http.charset),
        lead,
        context,
        principal,
        http,
      )
      const stored = await intake.store(principal, { lead, idempotency, original })
      http.note({ leadId: stored.lead_id })
      return answerOf(stored)
    })

export const createLeadBatch =
  ({ intake, meter, leadViolations }: LeadIntake): Handlers['createLeadBatch'] =>
  async ({ body, headers, principal, http }) => {
    if (!http.isJudged) await intake.judge(principal)
    await meter.use(principal, http, { leads: body.leads.length, bytes: http.rawBody?.length ?? 0 })
    const context = await intake.context(principal)
    const sent = sentLeads(http.rawBody ?? Buffer.alloc(0), http.charset, http.jsonFaults)
    const pushes = await settledInSlices<BatchItem, Push>(body.leads, (item, at) => {
      if (sent.isTooLarge(at)) throw leadTooLarge()
      const { lead: input, idempotencyKey } = batchItem(item, sent.repeatedIn(at), leadViolations)
      const lead = newLead(input, context, sent.faultsOf(at))
      requireReachable(lead, '/lead')
      const original = originalOf(lead, () => sent.bytesOf(at))
      const key =
        telling(idempotencyKey, keyOfItem, lead) ??
        telling(headers['idempotency-key'], (header) => keyOfPlace(keyOf(header), at), lead)
      const idempotency =
        key === undefined
          ? undefined
          : ofLead(key, input, 'createLeadBatch', JSON.stringify(input), http.jsonFaults?.longNumbers)
      return { lead, idempotency, original }
    })
    for (const push of pushes)
      if (push.status === 'fulfilled')
        push.value.original = await masked(push.value.original, push.value.lead, context, principal, http)
    const outcomes = await storedTogether(intake, principal, pushes)
    requireSomeOutcome(outcomes)
    return {
      status: 207,
      body: { results: outcomes.map((outcome, at) => resultOf(outcome, body.leads[at] ?? {}, http.requestId)) },
    }
  }

/**
 * One prospect is answered like one lead, so that a sender who looks at the status only is not misled; several like a
 * batch.
 */
export const createLeadsFromAdf =
  ({ intake, meter, leadViolations }: LeadIntake): Handlers['createLeadsFromAdf'] =>
  async ({ headers, principal, http }) => {
    if (!http.isJudged) await intake.judge(principal)
    const context = await intake.context(principal)
    const document = http.rawBody ?? Buffer.alloc(0)
    await meter.use(principal, http, { leads: 1, bytes: document.length })
    const mediaType = http.header('content-type') ?? ''
    const prospects = readAdf(document, context.country, http.charset)
    // How many leads it has is known only now.
    if (prospects.length > 1) await meter.use(principal, http, { leads: prospects.length - 1 })
    const content = await maskedInTurn(document, context, principal, http)
    const original = content && {
      mediaType: mediaTypeIn(mediaType, http.charset),
      content,
      ...(prospects.length > 1 && { shared: { id: newId(), leads: prospects.length } }),
    }
    const pushes = await settledInSlices(prospects, (adf, at): Push => {
      const violations = leadViolations(adf.input)
      if (violations.length > 0)
        throw badRequest(violations, 'The lead that was read from the document does not fit the contract.')
      const lead = withWarningsOf(adf, newLead(adf.input, context))
      tellOfMasking(lead, document, content)
      requireReachable(lead)
      const key = telling(
        headers['idempotency-key'],
        (header) => (prospects.length > 1 ? keyOfPlace(keyOf(header), at) : keyOf(header)),
        lead,
      )
      const idempotency = key === undefined ? sameProspect(adf, lead) : ofDocument(key, mediaType, document)
      return { lead, idempotency, original }
    })
    const outcomes = await storedTogether(intake, principal, pushes)
    const [only, ...others] = outcomes
    if (only?.status === 'fulfilled' && others.length === 0) {
      http.note({ leadId: only.value.lead_id })
      return answerOf(only.value)
    }
    if (only?.status === 'rejected' && others.length === 0) throw only.reason
    requireSomeOutcome(outcomes)
    return { status: 207, body: { results: outcomes.map((outcome) => resultOf(outcome, {}, http.requestId)) } }
  }

/** Judged like a read: what arrives meanwhile may be answered either way. In slices: they may be 10,000. */
export const reconcileReferences =
  ({ intake, meter, db }: Pick<LeadIntake, 'intake' | 'meter'> & { db: Knex }): Handlers['reconcileReferences'] =>
  async ({ body, principal, http }) => {
    await intake.judge(principal)
    await meter.use(principal, http, { reads: 1 })
    const giveWay = givingWay()
    const asked = new Map<string, ExternalReference>()
    for (const reference of body.references) {
      asked.set(JSON.stringify([reference.source, reference.id]), reference)
      await giveWay()
    }
    const told: { reference: ExternalReference; telling: TellingReference }[] = []
    const unusable: ExternalReference[] = []
    for (const reference of asked.values()) {
      const telling = tellingReference(reference)
      if (telling) told.push({ reference, telling })
      else unusable.push(reference)
      await giveWay()
    }
    const missing: ExternalReference[] = []
    for (let from = 0; from < told.length; from += referencesAtOnceMax) {
      const some = told.slice(from, from + referencesAtOnceMax)
      const received = await store.findClaimed(
        db,
        principal.dealerId,
        principal.subject.id,
        some.map(({ telling }) => telling),
      )
      some.forEach(({ reference }, at) => received.has(at) || missing.push(reference))
    }
    return { status: 200, body: { received: told.length - missing.length, missing, unusable } }
  }

/**
 * A prospect without an id that counts is known again by all that it says. One that says not even when it was made, or
 * nothing that is understood as a time, could be another.
 */
function sameProspect(
  { input, resend }: AdfLead,
  { externalReference, submittedAt }: NewLead,
): Idempotency | undefined {
  if (externalReference || !(resend || submittedAt)) return undefined
  const content = JSON.stringify(input)
  return ofDocument(`adf ${hash('sha256', content)}`, 'prospect', content)
}

/**
 * The bytes of a lead that has not all that they say.
 *
 * @throws {Problem} `body-too-large` when they are more than a lead may have that comes by itself.
 */
function originalOf({ warnings }: NewLead, bytes: () => Buffer, charset?: string): Push['original'] {
  if (!tellsOfLoss(warnings)) return undefined
  const content = bytes()
  if (content.length > originalBytesMax) throw leadTooLarge()
  return { mediaType: mediaTypeIn('application/json', charset), content }
}

/** As it is kept. Claims compare what was sent, of which they have a hash. */
async function masked(
  original: Push['original'],
  lead: NewLead,
  context: LeadContext,
  principal: Principal,
  http: Http,
): Promise<Push['original']> {
  if (!original) return undefined
  const content = await maskedInTurn(original.content, context, principal, http)
  tellOfMasking(lead, original.content, content)
  return content && { ...original, content }
}

/** It takes time, which is sliced, and memory, many times what was sent: one at a time. */
const masking = openFairQueue({ atOnceMax: 1, atOnceOfGroupMax: 1 })
const maskedInTurn = (
  content: Buffer,
  { country }: LeadContext,
  { dealerId, subject }: Principal,
  http: Http,
): Promise<Buffer | undefined> =>
  masking.run({ group: dealerId, member: subject.id }, () => maskedOriginal(content, country), http)

/** Unless some place in the lead tells of it. */
function tellOfMasking(lead: NewLead, sent: Buffer, kept: Buffer | undefined): void {
  if (!kept) return warn('original-not-kept', '', lead)
  if (kept !== sent && !lead.warnings.some(({ code }) => code === 'national-id-masked'))
    warn('national-id-masked', '', lead)
}

const leadTooLarge = () => new Problem('body-too-large', `A lead may have ${originalBytesMax} bytes at the most.`)

/** With the charset that was said, unless there is no room for it: then it was none. */
function mediaTypeIn(mediaType: string, charset = 'utf-8'): string {
  const whole = `${mediaType}; charset=${charset}`
  return charset === 'utf-8' || whole.length > limits.LeadOriginal.mediaType.maxLength ? mediaType : whole
}

/**
 * The key that was sent, as it is kept. One that everybody sends who fills nothing in tells no leads apart: it counts
 * as not sent, with a warning, for else the second person's lead would be refused or taken for the first.
 */
function telling(sent: string | null | undefined, kept: (sent: string) => string, lead: NewLead): string | undefined {
  if (sent === undefined || sent === null) return undefined
  if (tellsApart(keyOf(sent))) return kept(sent)
  warn('idempotency-key-unusable', '', lead)
  return undefined
}

/**
 * Names the members that were not known, by which the sender may have meant the customer. `at`: where the lead is in
 * the body.
 *
 * @throws {Problem} `lead-unreachable`
 */
function requireReachable({ reachable, warnings }: NewLead, at = ''): void {
  if (reachable) return
  const message = 'needs an e-mail address, a phone number or a postal address'
  const unknown = warnings.filter(({ code }) => code === 'member-unknown' || code === 'adf-name-unknown')
  const suggestions = suggestionsFor(unknown.map(({ pointer }) => pointer))
  const violations = [{ in: 'body' as const, pointer: '/customer', message }, ...suggestions].map((violation) => ({
    ...violation,
    pointer: at + violation.pointer,
  }))
  const [first] = suggestions.filter(({ message: said }) => said.includes('?'))
  const detail = first && `${problems['lead-unreachable'].detail} ${first.pointer} ${first.message}`
  throw new Problem('lead-unreachable', detail, { violations })
}

/** What becomes of leads that came together: they are handed over at once, so that they share a commit. */
function storedTogether(
  intake: Intake,
  principal: Principal,
  pushes: readonly PromiseSettledResult<Push>[],
): Promise<PromiseSettledResult<Stored>[]> {
  return Promise.allSettled(
    pushes.map(async (push) => {
      if (push.status === 'rejected') throw push.reason
      return intake.store(principal, push.value)
    }),
  )
}

/** When nothing at all could be done, the whole request may be sent again, and is told so. @throws {Problem} */
function requireSomeOutcome(outcomes: readonly PromiseSettledResult<Stored>[]): void {
  const failures = outcomes.filter((outcome) => outcome.status === 'rejected').map(({ reason }) => problemOf(reason))
  const [first] = failures
  if (first && failures.length === outcomes.length && failures.every(({ status }) => status >= 500)) throw first
}

function resultOf(outcome: PromiseSettledResult<Stored>, item: BatchItem, requestId: string): LeadResult {
  const clientRef = clientRefOf(item)
  const echo = clientRef === undefined ? undefined : { clientRef }
  if (outcome.status === 'fulfilled') {
    const { status, body } = answerOf(outcome.value)
    return { ...echo, status, ...(outcome.value.replayed && { replayed: true }), lead: body }
  }
  const problem = problemOf(outcome.reason)
  return { ...echo, status: problem.status, problem: problemBody(problem, requestId) }
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
