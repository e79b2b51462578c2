import type { ErrorRequestHandler, Request } from 'express'
import type { Logger } from 'pino'
import { unavailableFor } from '../db/away.ts'
import { partBytesMax } from '../large-json.ts'
import { badRequest, OAuthError, Problem, problemBody } from '../problem.ts'
import { loggedViolation } from '../requests/logged-violation.ts'
import { freshSeconds } from '../tokens/fresh.ts'
import { type Contract, violationsIn } from './contract.ts'
import { jsonFault } from './json-fault.ts'
import { withSuggestions } from './suggestions.ts'

const retryAfterSeconds = '1'
/** In a longer text a fault is not looked for. */
const placedLengthMax = 65_536

const challenges: Partial<Record<Problem['code'], string>> = {
  'token-missing': 'Bearer realm="CarBuddii"',
  'token-invalid':
    'Bearer realm="CarBuddii", error="invalid_token", error_description="The token has expired or was ended"',
  'sign-in-too-old': `Bearer realm="CarBuddii", error="insufficient_user_authentication", error_description="The sign-in is too old", max_age="${freshSeconds}"`,
  'person-needed':
    'Bearer realm="CarBuddii", error="insufficient_scope", error_description="Only a person may do this"',
  'token-malformed': 'Bearer realm="CarBuddii", error="invalid_request"',
  'session-ended': 'Session realm="CarBuddii"',
  'sign-in-refused': 'Session realm="CarBuddii"',
  'second-factor-needed': 'Session realm="CarBuddii"',
  'passkey-to-be-added': 'Session realm="CarBuddii"',
  'passkey-refused': 'Session realm="CarBuddii"',
  'recovery-code-refused': 'Session realm="CarBuddii"',
}

/**
 * Answers every failure as the contract says: a problem, or at the token endpoint an OAuth error. What is nobody's
 * fault but ours is logged.
 */
export function answerErrors(log: Logger, contract: Contract): ErrorRequestHandler {
  return (error: unknown, req, res, next) => {
    if (res.headersSent) {
      next(error)
      res.end()
      return
    }
    const { requestId, call } = res.locals
    const failure = error instanceof OAuthError ? error : asProblem(error, req)
    res.locals.problem = failure instanceof Problem ? failure.code : failure.error
    const violation = failure instanceof Problem ? failure.more.violations?.[0] : undefined
    if (violation) res.locals.violation = loggedViolation(violation)
    if (failure instanceof Problem && failure.code === 'internal')
      log.error({ requestId, operationId: call?.id, err: error }, 'failed')

    if (failure instanceof Problem)
      for (const [name, value] of Object.entries(failure.more.headers ?? {})) res.setHeader(name, value)
    const challenge = failure instanceof Problem ? challenges[failure.code] : undefined
    if (challenge && !res.hasHeader('WWW-Authenticate')) res.setHeader('WWW-Authenticate', challenge)
    if (failure.status === 503 && !res.hasHeader('Retry-After')) res.setHeader('Retry-After', retryAfterSeconds)

    if (call?.id === 'exchangeApiKey' || failure instanceof OAuthError) {
      const oauth = failure instanceof OAuthError ? failure : asOAuthError(failure)
      for (const [name, value] of Object.entries(oauth.headers)) res.setHeader(name, value)
      return contract.answer(req, res, oauth.status, 'application/json', {
        error: oauth.error,
        error_description: oauth.message,
      })
    }
    contract.answer(req, res, failure.status, 'application/problem+json', problemBody(failure, requestId))
  }
}

/** The problem that a failure is to the client. */
export function asProblem(error: unknown, req: Request): Problem {
  if (error instanceof Problem) return error
  const denied = req.res?.locals.admission?.denied
  if (denied) return denied
  const unavailable = unavailableFor(error)
  if (unavailable) return unavailable
  if (!(error instanceof Error)) return new Problem('internal')
  if (isUnstorable(error))
    return new Problem(
      'bad-request',
      'A text holds a character that cannot be stored: NUL, or half of a surrogate pair. Send it without.',
    )

  switch ('type' in error ? error.type : undefined) {
    case 'entity.parse.failed':
      return badRequest([{ in: 'body', pointer: '', message: notJson('body' in error ? error.body : undefined) }])
    case 'json.too.deep':
      return badRequest([{ in: 'body', pointer: '', message: 'is nested deeper than 64 levels' }])
    case 'json.part.too.large':
      return badRequest([
        { in: 'body', pointer: '', message: `has more than ${partBytesMax} bytes beside the entries of its lists` },
      ])
  }
  if ('status' in error && error.status === 400) return badRequest(withSuggestions(violationsIn(error), req))
  if ('status' in error && error.status === 415) return new Problem('unsupported-media-type')
  return new Problem('internal')
}

/** Where a text stops being JSON. What stands there is not said: it may be of a person. */
function notJson(text: unknown): string {
  const fault = typeof text === 'string' && text.length <= placedLengthMax ? jsonFault(text) : undefined
  const place = fault && `: at line ${fault.line}, column ${fault.column}, ${fault.expected} was expected`
  return `is not valid JSON${place ?? ''}`
}

/**
 * The database takes no NUL in a text, and in JSON no half of a surrogate pair. Leads are mended before; elsewhere
 * nobody means them.
 */
function isUnstorable(error: Error): boolean {
  const { code, detail } = error as { code?: string; detail?: string }
  return code === '22021' || code === '22P05' || (code === '22P02' && /surrogate/i.test(detail ?? ''))
}

function asOAuthError({ status, code, message, more }: Problem): OAuthError {
  const plain = message.replaceAll(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, ' ')
  if (status >= 500)
    return new OAuthError(
      code === 'unavailable' ? 'temporarily_unavailable' : 'server_error',
      plain,
      status,
      more.headers,
    )
  return new OAuthError('invalid_request', plain, status, more.headers)
}
