import type { Client } from '../../generated/client/client/index.ts'
import { streamEvents } from '../../generated/client/sdk.gen.ts'
import type { Event } from '../../generated/client/types.gen.ts'

// The service sends a heartbeat every 5 s.
const silenceMs = 15_000
const pauseMs = 1_000
const pauseMsMax = 30_000

export interface FollowOptions {
  client: Client
  signal: AbortSignal
  /** The cursor of the event that came last; left out, it begins with what happens from now on. */
  after?: string | undefined
  /** The events of test leads instead of those of real ones. */
  test?: boolean
  /** Leave many events at once out, and say so: for whoever shows how things are and can read them anew. */
  skip?: boolean
}

/**
 * `position` and `closed` tell how the line stands; `skipped`, that events were left out. `cursor` is where to go on.
 * `restarted` is the last word: what was read is perhaps of a future that is gone.
 */
export type Followed =
  | { type: 'event'; cursor: string; event: Event }
  | { type: 'position' | 'skipped'; cursor: string }
  | { type: 'closed' }
  | { type: 'restarted' }

/**
 * Follows the feed of events until `signal` aborts: each event once, in order. When the line breaks, or is silent for
 * 15 s, it goes on behind the event that came last, after 1 s, 2 s and so on up to 30 s.
 *
 * It ends by itself where the service was put back to a state in which that event is not there, with `restarted`. Then
 * begin as at the first time: take the cursor of `latest`, read everything, follow from that cursor.
 */
export async function* followEvents({
  client,
  signal,
  after,
  test,
  skip,
}: FollowOptions): AsyncGenerator<Followed, void> {
  const { fetch = globalThis.fetch } = client.getConfig()
  let last = after
  for (let failures = 0; !signal.aborted; failures++) {
    const line = new AbortController()
    const cut = () => line.abort()
    let silence = setTimeout(cut, silenceMs)
    signal.addEventListener('abort', cut, { once: true })
    let told: { event?: string; id?: string } = {}
    let isRestarted = false
    try {
      const { stream } = await streamEvents({
        client,
        signal: line.signal,
        sseMaxRetryAttempts: 1,
        query: { ...(test && { test }), ...(skip && { skip }) },
        headers: last === undefined ? {} : { 'Last-Event-ID': last },
        fetch: async (...request) => {
          const response = await fetch(...request)
          isRestarted = response.status === 410
          return response
        },
        onSseEvent: (message) => {
          clearTimeout(silence)
          silence = setTimeout(cut, silenceMs)
          told = message
        },
      })
      // The cast: what is sent as data is JSON, and has been read by the generated client.
      for await (const data of stream as AsyncGenerator<unknown>) {
        failures = 0
        isRestarted = told.event === 'restarted'
        if (isRestarted) break
        last = told.id ?? last ?? ''
        if (told.event === 'position' || told.event === 'skipped') yield { type: told.event, cursor: last }
        else yield { type: 'event', cursor: last, event: data as Event }
      }
    } catch {
      // No token could be bought: it is tried again like everything else.
    } finally {
      clearTimeout(silence)
      signal.removeEventListener('abort', cut)
      line.abort()
    }
    if (signal.aborted) return
    if (isRestarted) {
      yield { type: 'restarted' }
      return
    }
    yield { type: 'closed' }
    await rest(Math.min(pauseMs * 2 ** failures, pauseMsMax), signal)
  }
}

function rest(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const wake = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', wake)
      resolve()
    }
    const timer = setTimeout(wake, ms)
    signal.addEventListener('abort', wake)
  })
}
