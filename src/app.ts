import type { RequestListener } from 'node:http'
import express, { type Request, type RequestHandler, type Response } from 'express'
import type { Knex } from 'knex'
import type { Logger } from 'pino'
import type { Handlers } from '../generated/server/express.gen.ts'
import { cookieIn, type Cookies } from './cookies.ts'
import type { Refusals } from './audit/refusals.ts'
import { bodyReader, queryIn, reduceContentType, unjudgedBytesMax } from './http/body.ts'
import type { Contract } from './http/contract.ts'
import { dispatch } from './http/dispatch.ts'
import { answerErrors } from './http/errors.ts'
import { inOriginForm, requireHead } from './http/head.ts'
import { logRequests } from './http/logging.ts'
import type { Meter } from './limits/meter.ts'
import type { Write } from './operation.ts'
import { methodNotAllowed, Problem } from './problem.ts'
import type { Recorder } from './requests/recorder.ts'
import type { Judge } from './tokens/liveness.ts'

export interface Parts {
  contract: Contract
  handlers: Handlers
  judge: Judge
  meter: Meter
  services: { db: Knex; write: (left: () => AbortSignal) => Write }
  documentation: RequestHandler
  trustProxy: string | number | false
  log: Logger
  recorder: Recorder
  refusals: Pick<Refusals, 'note'>
  cookies: Cookies
  /** Of every answer. */
  headers: Readonly<Record<string, string>>
}

/** The whole way of a request, top to bottom. */
export function createApp({
  contract,
  handlers,
  judge,
  meter,
  services,
  documentation,
  trustProxy,
  log,
  recorder,
  refusals,
  cookies,
  headers,
}: Parts): RequestListener {
  const app = express()
  app.disable('x-powered-by').disable('etag').set('trust proxy', trustProxy).set('query parser', queryIn)

  app.use(logRequests(log, recorder, refusals))
  app.use((req, res, next) => {
    requireHead(req)
    const found = contract.match(req.method, req.path)
    if (!found) return documentation(req, res, (error?: unknown) => next(error ?? new Problem('not-found')))
    if ('allow' in found) throw methodNotAllowed(found.allow)
    res.locals.call = found
    contract.enter(req, found)
    if (found.operation.access !== 'session') return next()
    // The validator answers a missing cookie with words of its own, and is shown no other.
    const session = cookieIn(req.headers.cookie, cookies.session)
    if (!session) throw new Problem('session-ended')
    req.cookies = { [cookies.session]: session }
    next()
  })
  app.use(contract.security)
  /** Without a token there is nobody to judge. @throws {Problem} `token-invalid`, `scope-missing`, `unavailable` */
  const judged = async ({ locals }: Response) => {
    const principal = locals.admission?.principal
    if (!principal) return
    await judge(principal)
    locals.isJudged = true
  }
  const readers = bodyReader(judged)
  app.use((req, res, next) => {
    const { call } = res.locals
    if (!call) throw new Problem('not-found')
    reduceContentType(req, res, call)
    readers(call)(req, res, next)
  })
  app.use((req, res, next) => {
    try {
      contract.validate(req, res)
    } catch (refusal) {
      // Whoever was ended is told that, and nothing else.
      judged(res)
        .then(() => next(isExplained(req, res) ? contract.explain(req, refusal) : refusal))
        .catch(next)
      return
    }
    next()
  })
  app.use(dispatch(contract, handlers, judge, meter, services, cookies))
  app.use(answerErrors(log, contract))
  const ofEveryAnswer = Object.entries(headers)
  return (req, res) => {
    for (const [name, value] of ofEveryAnswer) res.setHeader(name, value)
    // What has no path Express answers by itself, in HTML.
    req.url = inOriginForm(req.url ?? '')
    // What even the answer to a failure throws Express would tell whoever asked, with the stack. The casts: it makes
    // them what it calls them.
    app(req as Request, res as Response, (error?: unknown) => {
      log.error({ err: error }, 'a failure could not be answered')
      if (res.headersSent) req.socket.destroy()
      else res.writeHead(500).end()
    })
  }
}

/** What was sent without a token is not looked at twice. */
const isExplained = ({ headers }: Request, { locals }: Response): boolean =>
  locals.isJudged === true && Number(headers['content-length'] ?? Number.POSITIVE_INFINITY) <= unjudgedBytesMax
