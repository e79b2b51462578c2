import type { Readable } from 'node:stream'
import type { Knex } from 'knex'
import type { JsonFaults } from './json.ts'

/**
 * Who a request acts for, as its access token says. Whether the credential still lives is judged by the database, never
 * by this.
 */
export interface Principal {
  readonly dealerId: string
  readonly subject: { readonly type: 'api_key' | 'user'; readonly id: string }
  readonly credentialId: string
  readonly epoch: number
  /** The scopes in the token; the credential may have fewer by now. */
  readonly scopes: ReadonlySet<string>
  /** The scopes that this operation needs. */
  readonly needed: readonly string[]
  /** Of this operation: a person must have signed in a moment ago. */
  readonly mustBeFresh: boolean
  readonly expiresAt: Date
  /** The signing key of the token. */
  readonly kid: string
  /** Where the request came from; null when nobody knows. */
  readonly address: string | null
}

/** What the database says of a principal's credential at this moment. */
export interface Standing {
  /** The token's scopes cut with those of the credential. */
  readonly scopes: ReadonlySet<string>
  readonly environment: 'live' | 'test'
}

/**
 * Runs `work` in a transaction that holds the dealer's clock: nobody else changes anything of that dealer meanwhile.
 */
export type Write = <T>(
  principal: Principal,
  work: (trx: Knex.Transaction, now: Date, standing: Standing) => Promise<T>,
) => Promise<T>

/** The request beside what the contract describes. */
export interface Http {
  readonly requestId: string
  /** Of the client, behind the proxies that are trusted. */
  address(): string
  header(name: string): string | undefined
  /** Aborted when the client has left before it had its answer. */
  left(): AbortSignal
  /** The body as it came, when the operation has one. */
  readonly rawBody: Buffer | undefined
  /** The charset that Content-Type named. */
  readonly charset: string | undefined
  /** What of a body of JSON is not in its values. */
  readonly jsonFaults: JsonFaults | undefined
  /** The credential lived when the request had begun: it was judged before a large body was read. */
  readonly isJudged: boolean
  /** A header of whatever is answered, be it a problem. */
  announce(name: string, value: string): void
  /** Tells the log of requests what this one was about; the key of a token is known there without. */
  note(about: { key?: { dealerId: string; apiKeyId: string; credentialId: string }; leadId?: string }): void
}

type Part<D, Name extends string> = Name extends keyof D
  ? [D[Name]] extends [undefined]
    ? Record<never, never>
    : NonNullable<D[Name]>
  : Record<never, never>

/** Binary bodies are bytes here. */
type Body<Sent> = Blob extends Sent ? Buffer : Sent

interface Request<D> {
  readonly body: 'body' extends keyof D ? Body<D['body']> : undefined
  readonly path: Part<D, 'path'>
  readonly query: Part<D, 'query'>
  /** Header parameters of the contract, by their names in lower case. */
  readonly headers: {
    readonly [Name in keyof Part<D, 'headers'> as Lowercase<Name & string>]: Part<D, 'headers'>[Name]
  }
  readonly http: Http
}

type Answer<R> = {
  [Status in keyof R]: { status: Status; headers?: Record<string, string | string[]> } & Content<R[Status]>
}[keyof R]
type Content<Body> = [Body] extends [undefined | void] ? { body?: never } : { body: Body }

/** Reads with an access token. The credential has been judged before the handler runs. */
export type ReadOperation<D, R> = (
  request: Request<D> & { readonly principal: Principal; readonly standing: Standing },
  services: { readonly db: Knex },
) => Promise<Answer<R>>

/** A read whose answer goes on: `body` is what is sent, for as long as it lasts. */
export type StreamOperation<D, R> = (
  request: Request<D> & { readonly principal: Principal; readonly standing: Standing },
  services: { readonly db: Knex },
) => Promise<{ [Status in keyof R]: { status: Status; body: Readable } }[keyof R]>

/**
 * Changes something with an access token. The credential is judged inside `write`, under the dealer's lock, which is
 * the only way to the database that the handler has: 401 and 403 come before every other answer of it.
 */
export type WriteOperation<D, R> = (
  request: Request<D> & { readonly principal: Principal },
  services: { readonly write: Write },
) => Promise<Answer<R>>

/** An operation of a signed-in person. `session` is the value of the cookie. */
export type SessionOperation<D, R> = (request: Request<D> & { readonly session: string }) => Promise<Answer<R>>

/** An operation that anyone may call. */
export type PublicOperation<D, R> = (request: Request<D>) => Promise<Answer<R>>
