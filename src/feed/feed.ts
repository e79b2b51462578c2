import { Readable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import type { Knex } from 'knex'
import type pg from 'pg'
import { openAlarm, type Report } from '../background.ts'
import { beginning, cursorAt, type Position, positionOf, type View } from '../events/cursor.ts'
import { findViews } from '../events/store.ts'
import { findCustomers } from '../customers/store.ts'
import { seesPeople } from '../leads/lead.ts'
import { listLeadsById } from '../leads/store.ts'
import { openFairQueue } from '../fair-queue.ts'
import type { Principal, Standing } from '../operation.ts'
import { pageBytesMax } from '../page.ts'
import { Problem, problemBody } from '../problem.ts'
import type { Judge } from '../tokens/liveness.ts'
import { type Delivery, joined, type Place, readAlone, turn, turnAlone } from './delivery.ts'
import { eventBody, type FeedRow, readsLeads, type Subjects } from './event-body.ts'
import * as store from './store.ts'

const pollMs = 200
const heartbeatMs = 5_000
// Whoever has taken nothing for so long is gone.
const stuckMs = 30_000
const retryMs = 1_000
const bufferBytesMax = 65_536
const streamsMax = 2_000
const streamsOfSubjectMax = 20
const streamsOfDealerMax = 200
// Of the connections to the database, the feed takes so many at once, however many read on by themselves.
const readsAtOnceMax = 2

export interface Following {
  /** The event that came last; left out, the stream begins with what happens from now on. */
  after?: Position
  test: boolean
  /** Leave out what the listener has done itself. */
  excludeOwn: boolean
  /** Leave many events at once out, and say so. */
  skip: boolean
  /** Of the request that opened the stream. */
  requestId: string
}

export interface Feed {
  /**
   * What is sent to one listener, as server-sent events.
   *
   * @throws {Problem} `feed-restarted`, `too-many-streams`, `unavailable`
   */
  follow(principal: Principal, following: Following): Promise<Readable>
  /** Ends all streams, and takes no new ones. */
  stop(): void
}

interface Listener {
  readonly principal: Principal
  readonly following: Following
  readonly stream: Readable
  /** The event that was sent or passed over last. */
  at: Position
  tookAt: number
  isCatchingUp: boolean
  isEnded: boolean
  drained: (() => void) | undefined
}

interface Channel {
  position: Position
  readonly listeners: Set<Listener>
}

/**
 * The feed of events as it grows, for any number of listeners. While anybody listens, one poll of the ledgers of all
 * dealers that are listened to finds out whether there is something new; it is read once for each dealer and written to
 * all of its listeners who stand at that place. A listener who is elsewhere, because it resumes or because it reads
 * slowly, catches up with reads of its own, a few events at a time and only as fast as it takes them. Numbers are dense
 * and rise with commits, so that whoever reads on behind the last one misses nothing. Who gets what is decided in
 * `delivery.ts`, and done here.
 *
 * The database may be put back to an earlier state under its readers: each poll and each read looks whether the event
 * is there that they go on from, and whoever stands in a future that is gone is told so.
 *
 * Before each write every credential is judged again. A stream ends with its credential, with its token, and with
 * whoever takes nothing for 30 s; at most 64 kB wait for each, and the event that passes them.
 */
export function openFeed(db: Knex, hot: pg.Pool, judge: Judge, report: Report): Feed {
  const channels = new Map<string, Channel>()
  const reads = openFairQueue({ atOnceMax: readsAtOnceMax, atOnceOfGroupMax: 1 })
  let streams = 0
  let isPolling = false
  let isStopped = false
  const alarm = openAlarm('following the feed of events', report)
  const alarmAlone = openAlarm('catching up with the feed of events', report)

  async function poll(): Promise<void> {
    if (isPolling) return
    isPolling = true
    for (
      let heartbeatAt = Date.now() + heartbeatMs;
      channels.size > 0;
      await pause(pollMs, undefined, { ref: false })
    ) {
      try {
        await look()
        if (Date.now() < heartbeatAt) continue
        heartbeatAt = Date.now() + heartbeatMs
        await beat()
      } catch (error) {
        alarm.raise(error)
      }
    }
    isPolling = false
  }

  async function look(): Promise<void> {
    // Who comes or moves on while the query is under way may be further than what it finds.
    const asked = [...channels].map(([dealerId, channel]) => ({
      dealerId,
      channel,
      places: new Map(
        [...channel.listeners].filter(({ isEnded }) => !isEnded).map((listener) => [listener, placeOf(listener)]),
      ),
    }))
    const views = await findViews(hot, new Map(asked.map(({ dealerId, channel }) => [dealerId, channel.position])))
    // All are waited for, also when one fails: what is handed on twice at a time would come twice.
    const advanced = await Promise.allSettled(
      asked.map(async ({ dealerId, channel, places }) => {
        const view = views.get(dealerId)
        if (view) await advance(dealerId, channel, view, places)
      }),
    )
    const failures = advanced.filter((outcome) => outcome.status === 'rejected')
    for (const { reason } of failures) alarm.raise(reason)
    if (failures.length === 0) alarm.clear()
  }

  /** Hands what is new to those who stand where the channel stood, and lets the others go on by themselves. */
  async function advance(dealerId: string, channel: Channel, view: View, asked: Map<Listener, Place>): Promise<void> {
    const listeners = [...asked.keys()]
    let places = [...asked.values()]
    for (let seen = view; ; places = listeners.map(placeOf)) {
      const { deliveries, read } = turn(channel.position, seen, places)
      const due = (delivery: Delivery) => listeners.filter((_, at) => deliveries[at] === delivery)
      await restart(due('restart'))
      await skip(due('skip'), seen.end)
      for (const listener of due('catch up')) void catchUp(dealerId, channel, listener)
      if (read === 0) {
        channel.position = seen.end
        return
      }

      const wanted = { after: channel.position, limit: read }
      const { page, text } = await pageFor(dealerId, '', wanted, pageBytesMax)
      const last = page.rows.at(-1)
      if (page.isThere && last) {
        channel.position = positionOf(last)
        await handOut(due('hand out'), page.rows, text)
      }
      if (page.isThere && (!last || channel.position.seq >= view.end.seq)) return
      seen = page.isThere ? view : page
    }
  }

  /** To each as much as may wait for it: with the rest it catches up. */
  async function handOut(listeners: readonly Listener[], rows: readonly FeedRow[], text: Text): Promise<void> {
    if (rows.length === 0) return
    for (const { listener, standing } of await admitted(listeners)) {
      for (const row of rows) {
        if (isFull(listener)) break
        listener.at = positionOf(row)
        if (isFor(row, listener, standing)) send(listener, text(row, standing.scopes))
      }
    }
  }

  async function skip(listeners: readonly Listener[], to: Position): Promise<void> {
    for (const { listener } of await admitted(listeners)) {
      listener.at = to
      send(listener, `event: skipped\nid: ${cursorAt(to)}\ndata: {}\n\n`)
    }
  }

  /** Never silently: whoever went on from here would miss what has the numbers now that it knows already. */
  async function restart(listeners: readonly Listener[]): Promise<void> {
    for (const { listener } of await admitted(listeners)) {
      const problem = problemBody(new Problem('feed-restarted'), listener.following.requestId)
      send(listener, `event: restarted\ndata: ${JSON.stringify(problem)}\n\n`)
      end(listener)
    }
  }

  async function catchUp(dealerId: string, channel: Channel, listener: Listener): Promise<void> {
    if (listener.isCatchingUp) return
    listener.isCatchingUp = true
    try {
      let before: Position
      do {
        before = listener.at
        if (isFull(listener)) await new Promise<void>((resolve) => (listener.drained = resolve))
        if (listener.isEnded) return
        const limit = readAlone(before, channel.position)
        const wanted = { after: before, limit }
        const { page, text } = await pageFor(dealerId, listener.principal.subject.id, wanted, bufferBytesMax)
        const to = channel.position
        const delivery = turnAlone({ at: before, skips: listener.following.skip }, page, to)
        if (delivery === 'restart') await restart([listener])
        if (delivery === 'skip') await skip([listener], to)
        if (delivery === 'hand out') await handOut([listener], page.rows, text)
        // Where nothing came of it, the next poll says what is to be done.
      } while (listener.at !== before && readAlone(listener.at, channel.position) > 0)
      alarmAlone.clear()
    } catch (error) {
      alarmAlone.raise(error)
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

  async function beat(): Promise<void> {
    const all = [...channels.values()].flatMap(({ listeners }) => [...listeners])
    const stuck = all.filter(({ stream, tookAt }) => stream.readableLength > 0 && Date.now() - tookAt > stuckMs)
    for (const { stream } of stuck) stream.destroy()
    for (const { listener } of await admitted(all.filter(({ isEnded }) => !isEnded)))
      if (listener.stream.readableLength === 0) send(listener, ':\n\n')
  }

  /**
   * As many events as fit into so many bytes of leads. Dealers have their turns one after the other, and so has whoever
   * reads of one.
   */
  const pageFor = (dealerId: string, reader: string, wanted: store.EventFilter, bytesMax: number) =>
    reads.run({ group: dealerId, member: reader }, async () => {
      const page = await store.findPage(db, dealerId, wanted)
      const { rows, subjects } = await withSubjects(db, dealerId, page.rows, bytesMax)
      return { page: { ...page, rows }, text: textOf(subjects) }
    })

  function textOf(subjects: Subjects): Text {
    const texts = new Map<string, Buffer>()
    return (row, scopes) => {
      // Whoever sees the same shares a text.
      const key = `${row.seq} ${readsLeads(scopes)} ${seesPeople(scopes)}`
      const body = () => JSON.stringify(eventBody(row, subjects, scopes))
      const text = texts.get(key) ?? Buffer.from(`id: ${cursorAt(positionOf(row))}\ndata: ${body()}\n\n`)
      texts.set(key, text)
      return text
    }
  }

  return {
    follow: async (principal, following) => {
      const { dealerId, subject } = principal
      const { after = beginning } = following
      const view = (await findViews(hot, new Map([[dealerId, after]]))).get(dealerId)
      if (!view?.isThere) throw new Problem('feed-restarted')
      // From here on nothing is waited for, so that those who come side by side are counted.
      if (isStopped || streams >= streamsMax)
        throw new Problem('unavailable', 'There are too many streams at this moment. Try again in a moment.')
      const known = channels.get(dealerId)
      const channel = known ?? { position: view.end, listeners: new Set<Listener>() }
      const own = [...channel.listeners].filter((other) => other.principal.subject.id === subject.id)
      if (own.length >= streamsOfSubjectMax) throw tooManyStreams()
      if (channel.listeners.size >= streamsOfDealerMax)
        throw tooManyStreams(`This dealer has ${streamsOfDealerMax} streams open. Close one first.`)
      streams++
      channel.position = joined(known?.position, view.end)
      const at = following.after ?? view.end
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
      send(listener, `retry: ${retryMs}\nevent: position\nid: ${cursorAt(at)}\ndata: {}\n\n`)
      channel.listeners.add(listener)
      channels.set(dealerId, channel)
      void poll()
      if (readAlone(at, channel.position) > 0) void catchUp(dealerId, channel, listener)
      return stream
    },
    stop: () => {
      isStopped = true
      for (const { listeners } of channels.values()) for (const listener of [...listeners]) end(listener)
    },
  }
}

const tooManyStreams = (detail?: string) =>
  new Problem('too-many-streams', detail, { headers: { 'Retry-After': '30' } })

/**
 * Events with what they are about as it is now, as many as fit into so many bytes of that, and one at least when there
 * is one.
 */
export async function withSubjects(
  db: Knex,
  dealerId: string,
  rows: readonly FeedRow[],
  bytesMax: number,
): Promise<{ rows: readonly FeedRow[]; subjects: Subjects }> {
  const idsOf = (type: FeedRow['subject_type']) => [
    ...new Set(rows.filter(({ subject_type }) => subject_type === type).map(({ subject_id }) => subject_id)),
  ]
  const [leadIds, customerIds] = [idsOf('lead'), idsOf('customer')]
  const [found, customers] = await Promise.all([
    leadIds.length === 0 ? [] : listLeadsById(db, dealerId, leadIds, bytesMax),
    customerIds.length === 0 ? [] : findCustomers(db, dealerId, customerIds),
  ])
  const leads = new Map(found.flatMap((lead) => (lead.fits ? [[lead.id, lead] as const] : [])))
  const cut = found.find(({ fits }) => !fits)
  const end = cut ? rows.findIndex((row) => row.subject_id === cut.id) : rows.length
  const subjects = { leads, customers: new Map(customers.map((customer) => [customer.id, customer])) }
  return { rows: rows.slice(0, endOfRoom(rows.slice(0, end), subjects.customers, bytesMax)), subjects }
}

/** How many of the events have room for their customers: each is read once, and shown with each of its events. */
function endOfRoom(rows: readonly FeedRow[], customers: Subjects['customers'], bytesMax: number): number {
  let bytes = 0
  const end = rows.findIndex(({ subject_id }) => {
    const isOver = bytes >= bytesMax
    const customer = customers.get(subject_id)
    if (customer) bytes += Buffer.byteLength(JSON.stringify(customer.shown))
    return isOver
  })
  return end === -1 ? rows.length : end
}

type Text = (row: FeedRow, scopes: ReadonlySet<string>) => Buffer

const isFull = ({ stream }: Listener) => stream.readableLength >= bufferBytesMax

function placeOf(listener: Listener): Place {
  const { at, isCatchingUp, following } = listener
  return { at, isCatchingUp, isFull: isFull(listener), skips: following.skip }
}

const isFor = (row: FeedRow, { following, principal }: Listener, { environment }: Standing) =>
  row.test === (following.test || environment === 'test') &&
  !(following.excludeOwn && row.actor_id === principal.subject.id)

function send({ isEnded, stream }: Listener, text: string | Buffer): void {
  if (!isEnded) stream.push(text)
}

/** What was sent before still arrives, if it is taken. */
function end(listener: Listener): void {
  if (listener.isEnded) return
  listener.isEnded = true
  listener.stream.push(null)
  setTimeout(() => listener.stream.destroy(), stuckMs).unref()
}
