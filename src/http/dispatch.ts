import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Request, RequestHandler, Response } from 'express'
import type { Knex } from 'knex'
import type { Handlers } from '../../generated/server/express.gen.ts'
import type { Cookies } from '../cookies.ts'
import { isNamedBy } from '../entity-tag.ts'
import type { Http, Write } from '../operation.ts'
import { Problem } from '../problem.ts'
import type { Meter } from '../limits/meter.ts'
import type { Judge } from '../tokens/liveness.ts'
import type { Contract } from './contract.ts'
import { leaving } from './leaving.ts'

interface Reply {
  status: number
  headers?: Record<string, string | string[]>
  body?: unknown
}

/** Calls the handler of the operation with a request that has passed the contract, and writes its answer. */
export function dispatch(
  contract: Contract,
  handlers: Handlers,
  judge: Judge,
  meter: Meter,
  { db, write }: { db: Knex; write: (left: () => AbortSignal) => Write },
  cookies: Cookies,
): RequestHandler {
  return async (req, res) => {
    const { call, requestId, rawBody, charset, jsonFaults, isJudged = false } = res.locals
    if (!call) throw new Error('The request was not matched')
    // The cast: the compiler has matched every handler with its operation; here they are all called alike.
    const handler = handlers[call.id] as (request: object, services: object) => Promise<Reply>
    let left: AbortSignal | undefined
    const http: Http = {
      requestId,
      address: () => req.ip ?? '',
      header: (name) => req.get(name),
      left: () => (left ??= leaving(res)),
      rawBody,
      charset,
      jsonFaults,
      isJudged,
      announce: (name, value) => void res.setHeader(name, value),
      note: (about) => void (res.locals.noted = { ...res.locals.noted, ...about }),
    }
    const request = {
      body: req.body,
      path: call.pathParams,
      query: req.query,
      headers: req.headers,
      http,
      ...(await admitted(req, call.operation.access, call.operation.method, judge, meter, http, cookies)),
    }

    const services = call.operation.method === 'GET' ? { db } : { write: write(http.left) }
    const { status, headers, body } = await handler(request, services)
    for (const name in headers) res.setHeader(name, headers[name] ?? '')
    const tag = call.operation.method === 'GET' ? headers?.['ETag'] : undefined
    if (typeof tag === 'string' && isNamedBy(req.headers['if-none-match'], tag)) res.writeHead(304).end()
    else if (body instanceof Readable) await stream(req, res, status, body)
    else if (body === undefined) res.writeHead(status).end()
    else contract.answer(req, res, status, 'application/json', body)
  }
}

/** Sends on what comes, at once and for as long as it comes; ends it when the client goes. */
async function stream(req: Request, res: Response, status: number, body: Readable): Promise<void> {
  // What stands between must neither wait for the end nor gather what comes. When the stream ends so does the
  // connection: a service that is stopped would wait for one that is kept.
  res.writeHead(status, { 'Content-Type': 'text/event-stream', 'X-Accel-Buffering': 'no', Connection: 'close' })
  if (req.method === 'HEAD') {
    body.destroy()
    res.end()
    return
  }
  res.locals.isStream = true
  res.flushHeaders()
  // That a client goes is how most streams end.
  await pipeline(body, res).catch(() => res.end())
}

const oneRead = { reads: 1 }

/** A read is judged and counted here, before its handler runs; a change judges itself inside `write`. */
async function admitted(
  req: Request,
  access: 'accessToken' | 'session' | 'none',
  method: string,
  judge: Judge,
  meter: Meter,
  http: Http,
  cookies: Cookies,
): Promise<object> {
  if (access === 'none') return {}
  if (access === 'session') return { session: req.cookies[cookies.session] }
  const principal = req.res?.locals.admission?.principal
  if (!principal) throw new Problem('token-missing')
  if (method !== 'GET') return { principal }
  const standing = await judge(principal)
  await meter.use(principal, http, oneRead)
  return { principal, standing }
}
