import { Readable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import type { Knex } from 'knex'
import type pg from 'pg'
import type { Lead } from '../../generated/server/types.gen.ts'
import { findPosition, findPositions } from '../events/store.ts'
import { leadBody } from '../leads/lead.ts'
import { findLeadsById } from '../leads/store.ts'
import type { Principal, Standing } from '../operation.ts'
import { Problem } from '../problem.ts'
import type { Judge } from '../tokens/liveness.ts'
import { eventBody, type FeedRow } from './event.ts'
import * as store from './store.ts'

const pollMs = 200
const signOfLifeMs = 5_000
// Whoever has taken nothing for so long is gone.
const stuckMs = 30_000
const retryMs = 1_000
const pageLength = 100
const pageOfOneLength = 16
const skippedFrom = 20
const bufferBytesMax = 65_536
const streamsMax = 2_000
const streamsOfCredentialMax = 20

export interface Following {
  /** The event that came last; left out, the stream begins with what happens from now on. */
  after?: bigint
  test: boolean
  /** Leave many events at once out, and say so. */
  skip: boolean
}

export interface Feed {
  /** What is sent to one listener, as server-sent events. @throws {Problem} `too-many-streams`, `unavailable` */
  follow(principal: Principal, following: Following): Promise<Readable>
  /** Ends all streams, and takes no new ones. */
  stop(): void
}

interface Listener {
  readonly principal: Principal
  readonly following: Following
  readonly stream: Readable
  /** The number of the last event that was sent or passed over. */
  at: bigint
  tookAt: number
  isCatchingUp: boolean
  isEnded: boolean
  drained: (() => void) | undefined
}

interface Channel {
  position: bigint
  readonly listeners: Set<Listener>
}

/**
 * The feed of events as it grows, for any number of listeners. While anybody listens, one poll of the event counters of all dealers that are
 * listened to finds out that there is something new; it is read once for each dealer and written to all of its listeners who stand at that
 * place. A listener who is elsewhere, because it resumes or because it reads slowly, catches up with reads of its own, a few events at a
 * time and only as fast as it takes them. Numbers are dense and rise with commits, so that whoever reads on behind the last one misses
 * nothing.
 *
 * Before each write every credential is judged again. A stream ends with its credential, with its token, and with whoever takes nothing
 * for 30 s; at most 64 kB wait for each.
 */
export function openFeed(db: Knex, hot: pg.Pool, judge: Judge, onFailure: (error: unknown) => void): Feed {
  const channels = new Map<string, Channel>()
  let streams = 0
  let isPolling = false
  let isStopped = false

  async function poll(): Promise<void> {
    if (isPolling) return
    isPolling = true
    for (
      let signOfLifeAt = Date.now() + signOfLifeMs;
      channels.size > 0;
      await pause(pollMs, undefined, { ref: false })
    ) {
      try {
        const positions = await findPositions(hot, [...channels.keys()])
        // All are waited for, also when one fails: what is handed on twice at a time would come twice.
        const advanced = await Promise.allSettled(
          [...channels].map(([dealerId, channel]) =>
            advance(dealerId, channel, positions.get(dealerId) ?? channel.position),
          ),
        )
        for (const outcome of advanced) if (outcome.status === 'rejected') onFailure(outcome.reason)
        if (Date.now() < signOfLifeAt) continue
        signOfLifeAt = Date.now() + signOfLifeMs
        await showLife()
      } catch (error) {
        onFailure(error)
      }
    }
    isPolling = false
  }

  /** Hands what is new to those who stand where the channel stood, and lets the others go on by themselves. */
  async function advance(dealerId: string, channel: Channel, to: bigint): Promise<void> {
    if (to - channel.position > skippedFrom)
      await skip(
        [...channel.listeners].filter((listener) => listener.following.skip && isWithin(listener, channel.position)),
        to,
      )
    while (channel.position < to && channel.listeners.size > 0) {
      const current = [...channel.listeners].filter((listener) => isWithin(listener, channel.position))
      if (current.length === 0) {
        channel.position = to
        break
      }
      const rows = await store.findEvents(db, dealerId, { after: channel.position, limit: pageLength })
      const text = await textOf(dealerId, rows)
      const from = channel.position
      const last = BigInt(rows.at(-1)?.seq ?? to)
      channel.position = last
      for (const { listener, standing } of await admitted(current.filter(({ at }) => at === from))) {
        listener.at = last
        for (const row of rows)
          if (isFor(row, listener, standing)) send(listener, text(row, standing.scopes.has('leads:read')))
      }
    }
    for (const listener of channel.listeners)
      if (listener.at < channel.position) void catchUp(dealerId, channel, listener)
  }

  async function skip(listeners: readonly Listener[], to: bigint): Promise<void> {
    for (const { listener } of await admitted(listeners)) {
      listener.at = to
      send(listener, `event: skipped\nid: ${to}\ndata: {}\n\n`)
    }
  }

  async function catchUp(dealerId: string, channel: Channel, listener: Listener): Promise<void> {
    if (listener.isCatchingUp) return
    listener.isCatchingUp = true
    try {
      while (listener.at < channel.position && !listener.isEnded) {
        if (listener.stream.readableLength > bufferBytesMax)
          await new Promise<void>((resolve) => (listener.drained = resolve))
        if (listener.following.skip && channel.position - listener.at > skippedFrom) {
          await skip([listener], channel.position)
          continue
        }
        const rows = await store.findEvents(db, dealerId, { after: listener.at, limit: pageOfOneLength })
        const text = await textOf(dealerId, rows)
        const [allowed] = await admitted([listener])
        if (!allowed) break
        listener.at = BigInt(rows.at(-1)?.seq ?? channel.position)
        for (const row of rows)
          if (isFor(row, listener, allowed.standing))
            send(listener, text(row, allowed.standing.scopes.has('leads:read')))
      }
    } catch (error) {
      onFailure(error)
    } finally {
      listener.isCatchingUp = false
    }
  }

  /** Those whose credential lives; the streams of the others end. */
  async function admitted(listeners: readonly Listener[]): Promise<{ listener: Listener; standing: Standing }[]> {
    const judgements = await Promise.allSettled(listeners.map(({ principal }) => judge(principal)))
    return judgements.flatMap((judgement, index) => {
      const listener = listeners[index]
      if (!listener) return []
      if (judgement.status === 'rejected') {
        if (judgement.reason instanceof Problem) end(listener)
        return []
      }
      if (listener.principal.expiresAt.getTime() > Date.now()) return [{ listener, standing: judgement.value }]
      end(listener)
      return []
    })
  }

  async function showLife(): Promise<void> {
    const all = [...channels.values()].flatMap(({ listeners }) => [...listeners])
    const stuck = all.filter(({ stream, tookAt }) => stream.readableLength > 0 && Date.now() - tookAt > stuckMs)
    for (const { stream } of stuck) stream.destroy()
    for (const { listener } of await admitted(all.filter(({ isEnded }) => !isEnded)))
      if (listener.stream.readableLength === 0) send(listener, ':\n\n')
  }

  async function textOf(
    dealerId: string,
    rows: readonly FeedRow[],
  ): Promise<(row: FeedRow, withLead: boolean) => string> {
    const leads = await leadsOf(db, dealerId, rows)
    const texts = new Map<string, string>()
    return (row, withLead) => {
      const key = `${row.seq} ${withLead}`
      const text =
        texts.get(key) ??
        `id: ${row.seq}\ndata: ${JSON.stringify(eventBody(row, withLead ? leads.get(row.subject_id) : undefined))}\n\n`
      texts.set(key, text)
      return text
    }
  }

  return {
    follow: async (principal, following) => {
      const { dealerId, credentialId } = principal
      const position = await findPosition(db, dealerId)
      // From here on nothing is waited for, so that those who come side by side are counted.
      if (isStopped || streams >= streamsMax)
        throw new Problem('unavailable', 'There are too many streams at this moment. Try again in a moment.')
      const channel = channels.get(dealerId) ?? { position, listeners: new Set<Listener>() }
      if (
        [...channel.listeners].filter((other) => other.principal.credentialId === credentialId).length >=
        streamsOfCredentialMax
      )
        throw new Problem('too-many-streams', undefined, { headers: { 'Retry-After': '30' } })
      streams++
      const at = following.after ?? position
      const stream = new Readable({
        read: () => {
          listener.tookAt = Date.now()
          listener.drained?.()
        },
        destroy: (error, done) => {
          streams--
          listener.isEnded = true
          channel.listeners.delete(listener)
          if (channel.listeners.size === 0) channels.delete(dealerId)
          listener.drained?.()
          done(error)
        },
      })
      const listener: Listener = {
        principal,
        following,
        stream,
        at,
        tookAt: Date.now(),
        isCatchingUp: false,
        isEnded: false,
        drained: undefined,
      }
      send(listener, `retry: ${retryMs}\nevent: open\nid: ${at}\ndata: {}\n\n`)
      channel.listeners.add(listener)
      channels.set(dealerId, channel)
      void poll()
      if (at < channel.position) void catchUp(dealerId, channel, listener)
      return stream
    },
    stop: () => {
      isStopped = true
      for (const { listeners } of channels.values()) for (const listener of [...listeners]) end(listener)
    },
  }
}

/** The leads of events, as they are now. */
export async function leadsOf(db: Knex, dealerId: string, rows: readonly FeedRow[]): Promise<Map<string, Lead>> {
  if (rows.length === 0) return new Map()
  const leads = await findLeadsById(db, dealerId, [...new Set(rows.map((row) => row.subject_id))])
  return new Map(leads.map((lead) => [lead.id, leadBody(lead)]))
}

/** Whether a listener can be handed what comes behind `position`, having taken what came before. */
const isWithin = ({ at, isCatchingUp, stream }: Listener, position: bigint) =>
  at === position && !isCatchingUp && stream.readableLength <= bufferBytesMax

const isFor = (row: FeedRow, { following }: Listener, { environment }: Standing) =>
  row.test === (following.test || environment === 'test')

function send({ isEnded, stream }: Listener, text: string): void {
  if (!isEnded) stream.push(text)
}

/** What was sent before still arrives, if it is taken. */
function end(listener: Listener): void {
  if (listener.isEnded) return
  listener.isEnded = true
  listener.stream.push(null)
  setTimeout(() => listener.stream.destroy(), stuckMs).unref()
}
