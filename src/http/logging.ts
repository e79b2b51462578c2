import { randomUUID } from 'node:crypto'
import type { RequestHandler } from 'express'
import type { Logger } from 'pino'
import type { Call } from './contract.ts'
import type { Admission } from './security.ts'

declare global {
  namespace Express {
    interface Locals {
      requestId: string
      call?: Call
      admission?: Admission
      rawBody?: Buffer
      charset?: string
    }
  }
}

const requestIdPattern = /^[A-Za-z0-9._-]{1,64}$/

/** Gives every answer its X-Request-Id, and the log one line a request: never a body, a key, a token, a cookie or a query. */
export function logRequests(log: Logger): RequestHandler {
  return (req, res, next) => {
    const started = performance.now()
    const sent = req.headers['x-request-id']
    const requestId = typeof sent === 'string' && requestIdPattern.test(sent) ? sent : randomUUID()
    res.locals.requestId = requestId
    res.setHeader('X-Request-Id', requestId)
    res.once('close', () => {
      const durationMs = Math.round((performance.now() - started) * 100) / 100
      log.info({ requestId, operationId: res.locals.call?.id, method: req.method, status: res.statusCode, durationMs, ...(!res.writableFinished && { aborted: true }) }, 'request')
    })
    next()
  }
}
