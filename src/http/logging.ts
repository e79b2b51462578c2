import { randomUUID } from 'node:crypto'
import type { Request, RequestHandler, Response } from 'express'
import type { Logger } from 'pino'
import type { Refusals } from '../audit/refusals.ts'
import type { Place } from '../fair-queue.ts'
import type { JsonFaults } from '../json.ts'
import type { Http } from '../operation.ts'
import type { Violation } from '../problem.ts'
import type { Recorder } from '../requests/recorder.ts'
import { holdsSecret, userAgentOf } from '../user-agent.ts'
import type { Call } from './contract.ts'
import type { Admission } from './security.ts'

declare global {
  namespace Express {
    interface Locals {
      requestId: string
      call?: Call
      admission?: Admission
      /** The credential was judged since the request began. */
      isJudged?: boolean
      rawBody?: Buffer
      /** What a long body takes of that which the process may hold. */
      room?: Place
      jsonFaults?: JsonFaults | undefined
      /** The code of the problem that was answered, or OAuth's word for it. */
      problem?: string
      violation?: Violation
      /** The answer goes on for as long as somebody reads it. */
      isStream?: boolean
      charset?: string
      noted?: Parameters<Http['note']>[0]
    }
  }
}

const requestIdPattern = /^[A-Za-z0-9._-]{1,64}$/

/**
 * Gives every answer its X-Request-Id, and the log one line a request: never a body, a key, a token, a cookie or a
 * query. A request whose sender left is over when what it asked for is: only then is it known what became of it.
 */
export function logRequests(log: Logger, recorder: Recorder, refusals: Pick<Refusals, 'note'>): RequestHandler {
  return (req, res, next) => {
    const started = performance.now()
    const sent = req.headers['x-request-id']
    const requestId =
      typeof sent === 'string' && requestIdPattern.test(sent) && !holdsSecret(sent) ? sent : randomUUID()
    res.locals.requestId = requestId
    res.setHeader('X-Request-Id', requestId)
    const over = () => {
      res.locals.room?.leave()
      const durationMs = Math.round((performance.now() - started) * 100) / 100
      const isAnswered = res.writableFinished || (res.locals.isStream === true && res.headersSent)
      if (!isAnswered) delete res.locals.problem
      const { call, problem } = res.locals
      const status = isAnswered ? { status: res.statusCode, problem } : { aborted: true }
      log.info({ requestId, operationId: call?.id, method: req.method, ...status, durationMs }, 'request')
      record(req, res, { recorder, refusals }, isAnswered ? res.statusCode : 0, durationMs)
    }
    res.once('close', () => (res.writableEnded ? over() : onceEnded(res, over)))
    next()
  }
}

/** A response that is closed tells nobody any more that it was ended. */
function onceEnded(res: Response, then: () => void): void {
  const { end } = res
  res.end = (...chunk: []) => {
    res.end = end
    res.end(...chunk)
    then()
    return res
  }
}

/** What OAuth answers 400 to (RFC 6749, section 5.2) although it is a right that is missing. */
const refusedByOAuth: ReadonlySet<string> = new Set(['unauthorized_client', 'invalid_scope'])

/** For lack of a right, or over a limit; whatever else does not fit is for the log of requests. */
const isRefusal = (status: number, problem: string): boolean =>
  status === 401 || status === 403 || status === 429 || refusedByOAuth.has(problem)

/** `status` is 0 when the sender left before the answer. */
function record(
  req: Request,
  { locals }: Response,
  { recorder, refusals }: { recorder: Recorder; refusals: Pick<Refusals, 'note'> },
  status: number,
  durationMs: number,
): void {
  const { call, admission, noted, requestId, problem = null, violation } = locals
  const caller = admission?.caller
  const key =
    noted?.key ??
    (caller?.subject.type === 'api_key'
      ? { dealerId: caller.dealerId, apiKeyId: caller.subject.id, credentialId: caller.credentialId }
      : undefined)
  if (!key || !call) return
  // That a token expires is how things are: its holder buys another.
  const isOver = problem === 'token-invalid' && caller !== undefined && caller.expiresAt.getTime() <= Date.now()
  if (problem !== null && isRefusal(status, problem) && !isOver)
    refusals.note({
      dealerId: key.dealerId,
      subject: { type: 'api_key', id: key.apiKeyId },
      code: problem,
      address: req.ip ?? '',
    })
  recorder.note({
    dealer_id: key.dealerId,
    api_key_id: key.apiKeyId,
    credential_id: key.credentialId,
    request_id: requestId,
    operation: call.id,
    status,
    duration_ms: durationMs,
    address: admission?.principal?.address ?? req.ip ?? '',
    user_agent: userAgentOf(req.headers['user-agent']),
    lead_id: noted?.leadId ?? null,
    problem,
    violation: (problem !== null && violation) || null,
  })
}
