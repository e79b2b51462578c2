import type { Request } from 'express'
import { plainAddress } from '../address.ts'
import { holdsKey } from '../api-keys/key-text.ts'
import type { Principal } from '../operation.ts'
import { Problem } from '../problem.ts'
import { scopeMissing } from '../tokens/liveness.ts'
import type { tokenCheck, Verified } from '../tokens/token.ts'

/** What the security handlers find out about a request; the validator passes on neither it nor why it refused. */
export interface Admission {
  principal?: Principal
  /** Whose token it is, be it expired or without the scope. */
  caller?: Verified
  denied?: Problem
}

const notExchanged =
  'What was sent is an API key. Exchange it at POST /v1/auth/token, where it is sent as X-Api-Key, and send the access token from there as Authorization: Bearer.'
const inAddress = 'Addresses are kept in logs: ask the dealer to replace this key.'

/**
 * One handler for each scheme of the document. They do no I/O: whether a credential still lives is asked of the
 * database later. The token endpoint and the session operations check what they were sent themselves, so their schemes
 * let everything through to them.
 */
export function securityHandlers(check: ReturnType<typeof tokenCheck>['check']) {
  return {
    accessToken: (req: Request, needed: string[]): true => {
      const admission: Admission = {}
      if (req.res) req.res.locals.admission = admission
      try {
        const verified = check(bearerToken(req), Date.now(), (said) => (admission.caller = said))
        const all = [...needed, ...scopesOfParameters(req)]
        const missing = all.filter((scope) => !verified.scopes.has(scope))
        if (missing.length > 0) throw scopeMissing(missing)
        const mustBeFresh = req.res?.locals.call?.operation.freshSignIn === 'always'
        admission.principal = { ...verified, needed: all, mustBeFresh, address: plainAddress(req.ip ?? '') }
        return true
      } catch (error) {
        const isKey = error instanceof Problem && error.code !== 'scope-missing' && sendsKey(req)
        const denied = isKey ? keyNotExchanged(error, req) : error
        if (denied instanceof Problem) admission.denied = denied
        throw denied
      }
    },
    session: (): true => true,
    secureSession: (): true => true,
    apiKeyHeader: (): true => true,
    clientBasic: (): true => true,
  }
}

/** What the parameters that were sent need beside what their operation needs. */
function scopesOfParameters(req: Request): string[] {
  const guarded = Object.entries<string>(req.res?.locals.call?.operation.parameterScopes ?? {})
  return guarded.length === 0 ? [] : guarded.flatMap(([name, scope]) => (name in req.query ? [scope] : []))
}

/** The API key itself, in whichever way libraries send a key. */
function sendsKey({ headers, url }: Request): boolean {
  const basic = /^basic +([A-Za-z0-9+/=]+)/i.exec(headers.authorization ?? '')?.[1]
  const sent = [headers.authorization, basic && Buffer.from(basic, 'base64').toString(), headers['x-api-key'], url]
  return sent.some((text) => holdsKey(String(text ?? '')))
}

function keyNotExchanged({ code }: Problem, { url }: Request): Problem {
  const detail = holdsKey(url) ? `${notExchanged} ${inAddress}` : notExchanged
  if (code === 'token-missing') return new Problem(code, detail)
  const challenge = 'Bearer realm="CarBuddii", error="invalid_token", error_description="An API key is no access token"'
  return new Problem('token-invalid', detail, { headers: { 'WWW-Authenticate': challenge } })
}

/** The token of the one Authorization header (RFC 6750, section 2.1). Tokens in a query or a body are not looked at. */
function bearerToken(req: Request): string {
  let headers = 0
  for (let at = 0; at < req.rawHeaders.length; at += 2)
    if (req.rawHeaders[at]?.length === 13 && req.rawHeaders[at]?.toLowerCase() === 'authorization') headers++
  const header = req.headers.authorization
  if (headers > 1) throw new Problem('token-malformed', 'There is more than one Authorization header.')
  if (header === undefined || !/^bearer(\s|$)/i.test(header)) throw new Problem('token-missing')
  const token = /^bearer +([A-Za-z0-9\-._~+/]+=*) *$/i.exec(header)?.[1]
  if (token === undefined) throw new Problem('token-malformed')
  return token
}
