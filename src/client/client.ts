import { type Client, createClient } from '../../generated/client/client/index.ts'
import { exchangeApiKey } from '../../generated/client/sdk.gen.ts'

export type { Client }
export { type Followed, followEvents } from './events.ts'
export { createClient } from '../../generated/client/client/index.ts'
export * from '../../generated/client/sdk.gen.ts'
export type * from '../../generated/client/types.gen.ts'

// Early enough that a token does not end while its request is on the way, also between clocks that differ a little.
const renewBeforeMs = 60_000
// Longer waits, such as until the next day, are for whoever called.
const waitSecondsMax = 60
const waitsMax = 5

export interface ConnectOptions {
  /** The address of the service, without a slash at its end. */
  baseUrl: string
  /** The whole API key, as it was shown when it was made. */
  apiKey: string
  fetch?: (request: Request) => Promise<Response>
}

/**
 * A client that keeps itself an access token: hand it to any operation, `listLeads({ client })`.
 *
 * The key is exchanged at the first request and again 60 s before the token ends, or at half its time; requests that
 * meanwhile need a token share one exchange. A request that is refused with 401 is sent once more with a new token: it
 * was refused before anything was done, so this is safe for writes, too. One that is over a limit (429) is sent again
 * after as long as the service says, up to 60 s and five times; nothing was done either. When the key buys no token,
 * the operation answers an `error` and, had it been sent, the 401.
 */
export function connect({ baseUrl, apiKey, fetch }: ConnectOptions): Client {
  const exchange = createClient({
    baseUrl,
    ...(fetch && { fetch: sentBy(fetch) }),
    auth: ({ name }) => (name === 'X-Api-Key' ? apiKey : undefined),
  })
  const buy = async () => {
    const { data, error } = await exchangeApiKey({ client: exchange })
    if (!data)
      throw error instanceof Error
        ? error
        : new Error('The API key was not exchanged for an access token', { cause: error })
    return data
  }
  return connectWith({ baseUrl, buy, ...(fetch && { fetch }) }).client
}

export interface TokenOptions {
  baseUrl: string
  /** Called whenever a new token is needed; may take its time. */
  buy: () => Promise<{ access_token: string; expires_in: number }>
  fetch?: (request: Request) => Promise<Response>
}

/**
 * The same for whoever comes to a token in another way, as the dashboard does by its session. `forget` drops the token
 * that is held.
 */
export function connectWith({ baseUrl, buy, fetch = (request) => globalThis.fetch(request) }: TokenOptions): {
  client: Client
  forget: () => void
} {
  let held: { token: string; renewAt: number } | undefined
  let renewal: Promise<string> | undefined

  async function renew(): Promise<string> {
    const { access_token: token, expires_in: seconds } = await buy()
    // One that lives for less than two minutes, because its key ends, would be renewed for every request.
    held = { token, renewAt: Date.now() + Math.max(seconds * 1000 - renewBeforeMs, seconds * 500) }
    return token
  }

  /** A token that is good by the clock and is not `refused`. */
  async function currentToken(refused?: string): Promise<string> {
    if (held && held.token !== refused && Date.now() < held.renewAt) return held.token
    renewal ??= renew().finally(() => (renewal = undefined))
    return renewal
  }

  /** The same request again and again, as long as a limit is reached that is soon over. */
  async function sendWithinLimits(request: Request): Promise<Response> {
    for (let waits = 0; ; waits++) {
      const again = request.clone()
      const response = await fetch(request)
      const seconds = secondsToWait(response)
      if (seconds === undefined || waits === waitsMax) return response
      await response.body?.cancel()
      await rest(seconds * 1000, again.signal)
      request = again
    }
  }

  async function sendWithRetry(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
    const request = new Request(input, init)
    const refused = request.headers.get('authorization')?.replace(/^Bearer /, '')
    // A body can be read once: the copy is made before the first try.
    const again = request.clone()
    const response = await sendWithinLimits(request)
    if (response.status !== 401 || refused === undefined || asksForFreshSignIn(response)) return response

    const token = await currentToken(refused).catch(() => undefined)
    if (token === undefined) return response
    await response.body?.cancel()
    again.headers.set('authorization', `Bearer ${token}`)
    return sendWithinLimits(again)
  }

  const client = createClient({
    baseUrl,
    fetch: sendWithRetry,
    auth: ({ scheme }) => (scheme === 'bearer' ? currentToken() : undefined),
  })
  return { client, forget: () => (held = undefined) }
}

/** Of a limit that counts requests; other answers of 429 have no `RateLimit`, and are for whoever called. */
function secondsToWait({ status, headers }: Response): number | undefined {
  if (status !== 429 || !headers.has('ratelimit')) return undefined
  const seconds = Number(headers.get('retry-after'))
  return seconds > 0 && seconds <= waitSecondsMax ? seconds : undefined
}

/** @throws what the signal was aborted with */
function rest(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer)
      reject(signal.reason as Error)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop)
      resolve()
    }, ms)
    signal.addEventListener('abort', stop, { once: true })
    if (signal.aborted) stop()
  })
}

/** The token is good, and another one of the same session would be refused as well (RFC 9470). */
const asksForFreshSignIn = ({ headers }: Response) =>
  headers.get('www-authenticate')?.includes('insufficient_user_authentication') === true

// The generated client calls it with one Request; the signature is that of the global fetch.
function sentBy(fetch: (request: Request) => Promise<Response>): typeof globalThis.fetch {
  return (input, init) => fetch(new Request(input, init))
}
