import { randomUUID } from 'node:crypto'
import type { Request, RequestHandler, Response } from 'express'
import type { Logger } from 'pino'
import type { JsonFaults } from '../json.ts'
import type { Http } from '../operation.ts'
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
      rawBody?: Buffer
      jsonFaults?: JsonFaults | undefined
      /** The code of the problem that was answered, or OAuth's word for it. */
      problem?: string
      charset?: string
      noted?: Parameters<Http['note']>[0]
    }
  }
}

const requestIdPattern = /^[A-Za-z0-9._-]{1,64}$/

/**
 * Gives every answer its X-Request-Id, and the log one line a request: never a body, a key, a token, a cookie or a
 * query.
 */
export function logRequests(log: Logger, recorder: Recorder): RequestHandler {
  return (req, res, next) => {
    const started = performance.now()
    const sent = req.headers['x-request-id']
    const requestId =
      typeof sent === 'string' && requestIdPattern.test(sent) && !holdsSecret(sent) ? sent : randomUUID()
    res.locals.requestId = requestId
    res.setHeader('X-Request-Id', requestId)
    res.once('close', () => {
      const durationMs = Math.round((performance.now() - started) * 100) / 100
      log.info(
        {
          requestId,
          operationId: res.locals.call?.id,
          method: req.method,
          status: res.statusCode,
          problem: res.locals.problem,
          durationMs,
          ...(!res.writableFinished && { aborted: true }),
        },
        'request',
      )
      record(req, res, recorder, durationMs)
    })
    next()
  }
}

function record(req: Request, { locals, statusCode }: Response, recorder: Recorder, durationMs: number): void {
  const { call, admission, noted, requestId } = locals
  const principal = admission?.principal
  const key =
    noted?.key ??
    (principal?.subject.type === 'api_key'
      ? { dealerId: principal.dealerId, apiKeyId: principal.subject.id, credentialId: principal.credentialId }
      : undefined)
  if (!key || !call) return
  recorder.note({
    dealer_id: key.dealerId,
    api_key_id: key.apiKeyId,
    credential_id: key.credentialId,
    request_id: requestId,
    operation: call.id,
    status: statusCode,
    duration_ms: durationMs,
    address: req.ip ?? '',
    user_agent: userAgentOf(req.headers['user-agent']),
    lead_id: noted?.leadId ?? null,
  })
}
