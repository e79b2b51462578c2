import { setTimeout as sleep } from 'node:timers/promises'
import type { Knex } from 'knex'
import { LRUCache } from 'lru-cache'
import type pg from 'pg'
import { unavailableFor } from '../db/away.ts'
import { findDealer } from '../dealers/store.ts'
import { newId } from '../ids.ts'
import type { Principal } from '../operation.ts'
import { Problem } from '../problem.ts'
import type { Keyring } from '../tokens/keyring.ts'
import { addressNotAllowed, type Judge, scopeMissing } from '../tokens/liveness.ts'
import type { LeadContext, NewLead } from './lead.ts'
import { createLeads, freeDealers, type IncomingLead, type Verdict } from './store.ts'

/*
 * The states of a lead on its way in:
 *   waiting    in the queue, with its ids already made. The queue is bounded; past it 503, and nothing was done.
 *   sent       with its group, in one call of store_leads. Requests that arrive meanwhile wait for the next one.
 *   answered   with the verdict of its row, after the commit.
 * When a call fails, its group steps aside, so that others go on, and is
 *   sent again      when the database was away or busy: nothing was written, or nobody knows. The ids are looked for
 *   first, so that
 *                   what was stored counts as stored, also when the key was revoked meanwhile.
 *   halved          when a row's data broke it, until that row is alone with its error.
 *   held            when a dealer's clock was not to be had for as long as live processes ever keep it. Leads of those
 *                   who are free go on at once, in a group of their own; the others, and what comes in for their
 *                   dealers, wait here and hold up nobody else.
 *   given up        after the last try: 503. A sender who tries again with its Idempotency-Key cannot double the lead.
 */

export interface Push {
  lead: NewLead
  idempotency?: IncomingLead['idempotency']
  original?: IncomingLead['original']
}

export type Stored = Verdict & { verdict: 'created' | 'duplicate' }

/** The way in for leads. Every answer is given after the commit. */
export interface Intake {
  /** What input is read by: the country and time zone of the dealer, at most 10 s old. */
  context(principal: Principal): Promise<LeadContext>
  judge: Judge
  /**
   * @throws {Problem} 401 `token-invalid`, 403 `address-not-allowed`, 403 `scope-missing`,
   * 422 `idempotency-key-reused`, 503 `unavailable`
   */
  store(principal: Principal, push: Push): Promise<Stored>
}

const contextMs = 10_000
const dealersMax = 10_000
// Of all leads that are not answered yet.
const waitingLeadsMax = 5_000
const waitingBytesMax = 64 * 1024 * 1024
const groupLeadsMax = 250
// To write them down for the database holds up everybody else.
const groupBytesMax = 1024 * 1024
const groupsMax = 2
const besideLeadsMin = 100
const retryMs = [20, 100, 400, 1_200]
// Longer than PostgreSQL lets a transaction keep a dealer whose process was stopped.
const heldMsMax = 8_000
const lockNotAvailable = '55P03'

interface Waiting {
  principal: Principal
  incoming: IncomingLead
  bytes: number
  heldAt?: number
  resolve: (stored: Stored) => void
  reject: (reason: unknown) => void
}

export function openIntake(
  db: Knex,
  hot: pg.Pool,
  keyring: Keyring,
  judge: Judge,
  report: (error: unknown) => void,
): Intake {
  const contexts = new LRUCache<string, LeadContext>({ max: dealersMax, ttl: contextMs })
  let queue: Waiting[] = []
  let waitingLeads = 0
  let waitingBytes = 0
  // Leads that came in since a group was last looked for.
  let arrived = 0
  let isDue = false
  // The dealers of each group that is sent.
  const underWay: Set<string>[] = []
  const held = new Map<string, Waiting[]>()

  // One group at a time is faster than several small ones. A second goes beside it when it is large and waits for none
  // of its clocks.
  const sendNext = () => {
    arrived = 0
    if (underWay.length >= groupsMax) return
    const group = nextGroup(
      queue.filter(({ incoming }) => underWay.every((dealers) => !dealers.has(incoming.dealerId))),
    )
    if (group.length < (underWay.length === 0 ? 1 : besideLeadsMin)) return
    const sent = new Set(group)
    queue = queue.filter((waiting) => !sent.has(waiting))
    const dealers = new Set(group.map(({ incoming }) => incoming.dealerId))
    underWay.push(dealers)
    const stepAside = () => {
      const at = underWay.indexOf(dealers)
      if (at === -1) return
      underWay.splice(at, 1)
      sendNext()
    }
    void send(group, stepAside).finally(stepAside)
    sendNext()
  }

  const enqueue = (leads: readonly Waiting[]) => {
    queue.push(...leads)
    arrived += leads.length
    if (isDue || arrived < (underWay.length === 0 ? 1 : besideLeadsMin)) return
    isDue = true
    // What arrives in the same tick of the event loop shares the group.
    setImmediate(() => {
      isDue = false
      sendNext()
    })
  }

  const hold = (group: readonly Waiting[]) => {
    const isRunning = held.size > 0
    for (const waiting of group) {
      waiting.heldAt ??= performance.now()
      const { dealerId } = waiting.incoming
      const others = held.get(dealerId)
      if (performance.now() - waiting.heldAt > heldMsMax) waiting.reject(new Problem('unavailable'))
      else if (others) others.push(waiting)
      else held.set(dealerId, [waiting])
    }
    if (!isRunning) void sendHeld()
  }

  const sendHeld = async () => {
    while (held.size > 0) {
      const all = [...held.keys()]
      const free = await freeDealers(hot, all).catch(() => all)
      // When nobody is free one is waited for, each in its turn: a place in the queue of PostgreSQL is not overtaken.
      const dealers = free.length > 0 ? free : all.slice(0, 1)
      const group = nextGroup(dealers.flatMap((dealerId) => held.get(dealerId) ?? []))
      const sent = new Set(group)
      for (const dealerId of dealers)
        held.set(
          dealerId,
          (held.get(dealerId) ?? []).filter((waiting) => !sent.has(waiting)),
        )
      await send(group, () => undefined, true)
      for (const dealerId of dealers) {
        const left = held.get(dealerId) ?? []
        held.delete(dealerId)
        if (left.some((waiting) => sent.has(waiting))) held.set(dealerId, left)
        else enqueue(left)
      }
    }
  }

  const send = async (group: Waiting[], stepAside: () => void, redriven = false): Promise<void> => {
    for (let attempt = 0; ; attempt++) {
      try {
        const verdicts = await createLeads(
          hot,
          keyring.generation(),
          redriven,
          group.map(({ incoming }) => incoming),
        )
        answer(group, verdicts)
        const stale = group.filter((_, at) => verdicts[at]?.verdict === 'keys-newer')
        if (stale.length === 0) return
        // Nothing of these was written. The reload moves the generation on, so this cannot go round twice for the same
        // change.
        await keyring.reload(db)
        const isWithdrawn = ({ principal }: Waiting) => !keyring.has(principal.kid)
        for (const { reject } of stale.filter(isWithdrawn)) reject(new Problem('token-invalid'))
        group = stale.filter((waiting) => !isWithdrawn(waiting))
        if (group.length === 0) return
      } catch (error) {
        stepAside()
        if (codeOf(error) === lockNotAvailable) return hold(group)
        const passing = unavailableFor(error)
        const cut = passing ? 0 : group.length >> 1
        const wait = retryMs[attempt]
        if (cut > 0)
          return void (await Promise.all([
            send(group.slice(0, cut), stepAside, redriven),
            send(group.slice(cut), stepAside, redriven),
          ]))
        if (!passing) report(error)
        if (!passing || wait === undefined)
          return group.forEach(({ reject }) => reject(passing ?? new Problem('internal')))
        redriven = true
        await sleep(wait * (0.5 + Math.random()))
      }
    }
  }

  return {
    context: async (principal) => {
      const known = contexts.get(principal.dealerId)
      if (known) return known
      const dealer = await findDealer(db, principal.dealerId)
      if (!dealer) throw new Problem('token-invalid')
      const context = { country: dealer.country, timeZone: dealer.time_zone }
      contexts.set(principal.dealerId, context)
      return context
    },
    judge,
    store: async (principal, { lead, idempotency, original }) => {
      if (!keyring.has(principal.kid)) throw new Problem('token-invalid')
      const data = JSON.stringify(lead.data)
      const warnings = JSON.stringify(lead.warnings)
      const bytes = data.length + warnings.length + (original?.content.length ?? 0) / (original?.shared?.leads ?? 1)
      if (waitingLeads >= waitingLeadsMax || waitingBytes + bytes > waitingBytesMax)
        throw new Problem(
          'unavailable',
          'More leads arrive than can be stored at this moment. Nothing was stored; try again in a moment.',
        )
      waitingLeads++
      waitingBytes += bytes
      const { dealerId, credentialId, epoch, address } = principal
      const { type, test, externalReference, submittedAt } = lead
      const incoming = {
        dealerId,
        credentialId,
        epoch,
        address,
        id: newId(),
        eventId: newId(),
        type,
        test,
        externalReference,
        submittedAt,
        data,
        warnings,
        idempotency,
        original,
      }
      const answered = new Promise<Stored>((resolve, reject) => {
        const waiting = [{ principal, incoming, bytes, resolve, reject }]
        if (held.has(dealerId)) hold(waiting)
        else enqueue(waiting)
      })
      const settled = () => {
        waitingLeads--
        waitingBytes -= bytes
      }
      answered.then(settled, settled)
      return answered
    },
  }
}

function nextGroup(queue: readonly Waiting[]): Waiting[] {
  let bytes = 0
  const tooMany = queue.findIndex(
    (waiting, at) => at >= groupLeadsMax || (at > 0 && (bytes += waiting.bytes) > groupBytesMax),
  )
  return queue.slice(0, tooMany === -1 ? queue.length : tooMany)
}

function answer(group: readonly Waiting[], verdicts: readonly Verdict[]): void {
  group.forEach(({ principal, resolve, reject }, at) => {
    const verdict = verdicts[at]
    switch (verdict?.verdict) {
      case 'created':
      case 'duplicate':
        return resolve(verdict as Stored)
      case 'key-reused':
        return reject(new Problem('idempotency-key-reused'))
      case 'address-not-allowed':
        return reject(addressNotAllowed(principal.address))
      case 'scope-missing':
        return reject(scopeMissing(principal.needed))
      case 'token-invalid':
        return reject(new Problem('token-invalid'))
      case 'keys-newer':
        return
      case undefined:
        return reject(new Problem('internal'))
    }
  })
}

const codeOf = (error: unknown) => (error instanceof Error && 'code' in error ? error.code : undefined)
