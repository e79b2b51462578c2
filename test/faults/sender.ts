import type { Knex } from 'knex'
import { onTestFinished } from 'vitest'
import { inner } from '../../src/ids.ts'
import { lead } from '../service.ts'
import { pause } from './processes.ts'

const patienceMs = 10_000
const pauseMsMin = 20
const pauseMsMax = 500

/** What a sender knows: its own message ids, and the lead that each was acknowledged as. */
export interface Ledger {
  begun: Set<string>
  acknowledged: Map<string, string>
  attempts: number
  /** Attempts whose outcome the sender never learned. */
  unknown: number
  /** How often each answer came that was no success: its status and what it said. */
  refused: Map<string, number>
  /** Answers that no sender should see, however ill the service is. */
  unexpected: string[]
}

export const newLedger = (): Ledger => ({
  begun: new Set(),
  acknowledged: new Map(),
  attempts: 0,
  unknown: 0,
  refused: new Map(),
  unexpected: [],
})

export interface Sender {
  /** Sends one lead until it is acknowledged. */
  deliver(message: string): Promise<void>
  /** Sends leads in one request, and those that were not acknowledged again, until all are. */
  deliverBatch(messages: readonly string[]): Promise<void>
}

export interface SenderOptions {
  url: string
  /** The API key. */
  secret: string
  ledger: Ledger
  random: () => number
  /** An Idempotency-Key for each message; a sender without doubles leads, and is there to be caught. */
  keyed: boolean
  /** The share of attempts that are hung up after some milliseconds, answered or not. */
  impatience: number
}

/**
 * A sender as it should be: each message has an id of its own, and is sent with the same key and the same bytes until
 * it is acknowledged.
 */
export function openSender({ url, secret, ledger, random, keyed, impatience }: SenderOptions): Sender {
  let token: string | undefined

  const note = (reply: Reply | undefined) => {
    if (!reply || reply.status < 300) return
    const answer = `${reply.status} ${reply.body.detail ?? reply.body.error_description}`
    ledger.refused.set(answer, (ledger.refused.get(answer) ?? 0) + 1)
  }

  /** One attempt; undefined when nobody knows what became of it. */
  const attempt = async (
    path: string,
    body: string,
    headers: Record<string, string> = {},
  ): Promise<Reply | undefined> => {
    if (token === undefined) {
      const exchange = await post(`${url}/v1/auth/token`, '', { 'x-api-key': secret }, patienceMs)
      note(exchange)
      token = exchange?.body?.access_token
    }
    if (token === undefined) return undefined
    ledger.attempts++
    const reply = await post(
      url + path,
      body,
      { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
      random() < impatience ? random() * 30 : patienceMs,
    )
    note(reply)
    if (!reply) ledger.unknown++
    else if (reply.status === 401) token = undefined
    else if (reply.status !== 503 && reply.status >= 300)
      ledger.unexpected.push(`${reply.status} ${JSON.stringify(reply.body).slice(0, 300)}`)
    return reply
  }

  const untilDone = async (step: () => Promise<boolean>) => {
    for (let ms = pauseMsMin; !(await step()); ms = Math.min(ms * 2, pauseMsMax)) await pause(ms * (0.5 + random()))
  }

  return {
    deliver: async (message) => {
      ledger.begun.add(message)
      const body = bodyOf(message)
      await untilDone(async () => {
        const reply = await attempt('/v1/leads', body, keyed ? { 'idempotency-key': `"${message}"` } : {})
        if (reply?.status !== 201) return false
        ledger.acknowledged.set(message, reply.body.id)
        return true
      })
    },
    deliverBatch: async (messages) => {
      let open = messages.map((message) => ({
        clientRef: message,
        ...(keyed && { idempotencyKey: message }),
        lead: lead({ message }),
      }))
      for (const { clientRef } of open) ledger.begun.add(clientRef)
      await untilDone(async () => {
        const reply = await attempt('/v1/leads/batch', JSON.stringify({ leads: open }))
        if (reply?.status !== 207) return false
        for (const { clientRef, status, lead } of reply.body.results) {
          if (status === 201) ledger.acknowledged.set(clientRef, lead.id)
          else if (status !== 503) ledger.unexpected.push(`item ${status}`)
        }
        open = open.filter(({ clientRef }) => !ledger.acknowledged.has(clientRef))
        return open.length === 0
      })
    },
  }
}

export interface Load {
  ledger: Ledger
  /** When leads were acknowledged, one after the other. */
  acknowledgedAt: number[]
  /** Resolves when all that was begun is acknowledged. */
  stop(): Promise<void>
}

/** Patient senders that go on until they are told to stop, or the test is over. */
export function startLoad(url: string, secret: string, senders: number): Load {
  const ledger = newLedger()
  const acknowledgedAt: number[] = []
  let isOver = false
  const sending = Promise.all(
    Array.from({ length: senders }, async (_none, lane) => {
      const sender = openSender({ url, secret, ledger, random: Math.random, keyed: true, impatience: 0 })
      for (let count = 0; !isOver; count++) {
        await sender.deliver(`${performance.now()} ${lane} ${count}`)
        acknowledgedAt.push(performance.now())
      }
    }),
  )
  const stop = async () => {
    isOver = true
    await sending
  }
  onTestFinished(stop)
  return { ledger, acknowledgedAt, stop }
}

export const bodyOf = (message: string): string => JSON.stringify(lead({ message }))

type Reply = { status: number; body: any }

/** Undefined when no whole answer came in time. */
async function post(
  url: string,
  body: string,
  headers: Record<string, string>,
  withinMs: number,
): Promise<Reply | undefined> {
  try {
    const response = await fetch(url, { method: 'POST', body, headers, signal: AbortSignal.timeout(withinMs) })
    return { status: response.status, body: await response.json() }
  } catch {
    return undefined
  }
}

export const nothingWrong = {
  lost: [],
  doubled: [],
  other: [],
  unasked: [],
  eventless: 0,
  leadless: 0,
  gaps: [],
  dangling: 0,
  strayed: [],
  unkept: 0,
}

/** What is wrong with the leads of these dealers, counted by what their senders sent. */
export async function tally(db: Knex, dealerIds: readonly string[], { begun, acknowledged }: Ledger, keyed: boolean) {
  const stored: { message: string; id: string }[] = await db('leads')
    .whereIn('dealer_id', dealerIds)
    .select('id', db.raw("data->>'message' as message"))
  const byMessage = Map.groupBy(stored, ({ message }) => message)
  const one = async (sql: string): Promise<number> => (await db.raw(sql, [[...dealerIds]])).rows[0].count
  return {
    lost: [...acknowledged.keys()].filter((message) => !byMessage.has(message)),
    doubled: [...byMessage].filter(([, leads]) => leads.length > 1).map(([message]) => message),
    /** Acknowledged by the id of another lead. */
    other: [...acknowledged]
      .filter(([message, id]) => byMessage.has(message) && byMessage.get(message)?.every((row) => row.id !== inner(id)))
      .map(([message]) => message),
    unasked: [...byMessage.keys()].filter((message) => !begun.has(message)),
    eventless: await one(`select count(*)::int from leads l where l.dealer_id = any (?)
      and 1 <> (select count(*) from events e where e.dealer_id = l.dealer_id and e.subject_id = l.id and e.type = 'lead.created')`),
    leadless: await one(`select count(*)::int from events e where e.dealer_id = any (?) and e.subject_type = 'lead'
      and not exists (select from leads l where l.dealer_id = e.dealer_id and l.id = e.subject_id)`),
    gaps: (
      await db.raw(
        `select k.dealer_id, k.seq::int, count(e)::int as events, min(e.seq)::int as first, max(e.seq)::int as last from dealer_clocks k left join events e using (dealer_id)
         where k.dealer_id = any (?) group by k.dealer_id, k.seq having count(e) <> k.seq or (k.seq > 0 and (min(e.seq), max(e.seq)) <> (1, k.seq))`,
        [[...dealerIds]],
      )
    ).rows as object[],
    dangling: await one(`select count(*)::int from lead_claims c where c.dealer_id = any (?)
      and not exists (select from leads l where l.dealer_id = c.dealer_id and l.id = c.lead_id)`),
    /** Keys that lead to another message; a key is its message's id. */
    strayed: (
      await db.raw(
        "select c.value from lead_claims c join leads l on l.dealer_id = c.dealer_id and l.id = c.lead_id where c.dealer_id = any (?) and c.kind = 'idempotency' and c.value <> l.data->>'message'",
        [[...dealerIds]],
      )
    ).rows as object[],
    unkept: keyed
      ? stored.length -
        (await one("select count(*)::int from lead_claims where dealer_id = any (?) and kind = 'idempotency'"))
      : 0,
  }
}
