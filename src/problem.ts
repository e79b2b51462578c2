import * as limits from '../generated/server/limits.gen.ts'

/** Every failure that a client can see, by its code. The code is API; a page under /docs/problems/ explains it. */
export const problems = {
  'bad-request': {
    status: 400,
    title: 'The request does not fit the contract',
    detail: 'The request does not fit the contract.',
  },
  'token-malformed': {
    status: 400,
    title: 'The Authorization header is malformed',
    detail: 'Send one Authorization header: Bearer, a space and the access token.',
  },
  'token-missing': {
    status: 401,
    title: 'An access token is needed',
    detail: 'Send Authorization: Bearer with an access token from POST /v1/auth/token.',
  },
  'token-invalid': {
    status: 401,
    title: 'The access token is not valid',
    detail: 'The token has expired or was ended. Exchange the API key for a new one.',
  },
  'session-ended': {
    status: 401,
    title: 'Not signed in',
    detail: 'There is no session, or it has ended. Sign in again.',
  },
  'sign-in-too-old': {
    status: 401,
    title: 'The sign-in is too old for this',
    detail: 'Sign in again with the password: this may be done for 15 minutes after signing in.',
  },
  'sign-in-refused': {
    status: 401,
    title: 'Wrong e-mail or password',
    detail: 'The e-mail is unknown or the password is wrong.',
  },
  'second-factor-needed': {
    status: 401,
    title: 'The password is right, and a passkey is needed, too',
    detail: 'Sign in with your passkey, or send the password with a recovery code.',
  },
  'passkey-to-be-added': {
    status: 401,
    title: 'The password is right, and a passkey has to be added',
    detail: 'Your dealership requires a passkey of everybody. Add one to sign in.',
  },
  'passkey-refused': {
    status: 401,
    title: 'The passkey was refused',
    detail:
      'The passkey is unknown here, was removed, or was used in a way that is not allowed. Sign in in another way.',
  },
  'recovery-code-refused': {
    status: 401,
    title: 'The recovery code does not work',
    detail: 'The code is unknown, was used, or was replaced by newer ones. Each works once.',
  },
  'scope-missing': {
    status: 403,
    title: 'The access token lacks a scope',
    detail: 'This operation needs a scope that the access token does not have.',
  },
  'address-not-allowed': {
    status: 403,
    title: 'The API key may not be used from this address',
    detail: 'The API key may not be used from this address. Ask the dealer to put it on the list of the key.',
  },
  'person-needed': {
    status: 403,
    title: 'Only a person may do this',
    detail: 'This operation is for people. An API key has no password and no sessions.',
  },
  'source-not-allowed': {
    status: 403,
    title: 'The API key may not write as this system',
    detail: 'The API key does not have this system in its sources.',
  },
  'foreign-origin': {
    status: 403,
    title: 'The request comes from another origin',
    detail: 'Only pages of this service may use the session.',
  },
  'not-found': { status: 404, title: 'Not found', detail: 'There is nothing at this address.' },
  'method-not-allowed': {
    status: 405,
    title: 'The method is not allowed here',
    detail: 'The Allow header names the methods of this address.',
  },
  'api-key-name-taken': {
    status: 409,
    title: 'Another API key has this name',
    detail: 'Choose another name, or delete the other key first.',
  },
  'replacement-under-way': {
    status: 409,
    title: 'The API key is being replaced already',
    detail: 'The new secret is in use and the old one works still. End the old one, or wait until it ends.',
  },
  'restore-too-late': {
    status: 409,
    title: 'The API key was deleted too long ago',
    detail: 'A deleted key can be restored for 24 hours. Create a new one.',
  },
  'source-version-older': {
    status: 409,
    title: 'A later version was there before',
    detail: 'This system has sent a later version of the customer before. Nothing was changed.',
  },
  'merge-impossible': {
    status: 409,
    title: 'These customers cannot be merged',
    detail: 'These customers cannot be merged.',
  },
  'last-admin': {
    status: 409,
    title: 'A dealer needs an active admin',
    detail: 'This is the last active admin. Make somebody else an admin first.',
  },
  'email-taken': {
    status: 409,
    title: 'Somebody has this e-mail address already',
    detail: 'An e-mail address belongs to one person. Choose another address.',
  },
  'user-deactivated': { status: 409, title: 'The user is deactivated', detail: 'Reactivate the user first.' },
  'mail-not-set-up': {
    status: 409,
    title: 'This service cannot send mail',
    detail: 'Ask an admin of your dealership for a link to choose a new password.',
  },
  'passkeys-not-here': {
    status: 409,
    title: 'Passkeys do not work at this address',
    detail:
      'Browsers keep passkeys for names that are reached by https, and for localhost, not for IP addresses. The operator of the service chooses its address (PUBLIC_URL).',
  },
  'passkey-needed': {
    status: 409,
    title: 'A passkey is needed first',
    detail: 'Add a passkey to your account first.',
  },
  'last-passkey': {
    status: 409,
    title: 'The last passkey has to stay',
    detail: 'Your dealership requires a passkey of everybody. Add another one first.',
  },
  'too-many-passkeys': {
    status: 409,
    title: 'There are too many passkeys',
    detail: 'A person has 20 passkeys at the most. Remove one first.',
  },
  'lead-move-illegal': {
    status: 409,
    title: 'The lead cannot move to this status',
    detail: 'The lead cannot move to this status.',
  },
  'feed-restarted': {
    status: 410,
    title: 'The feed does not go on from there',
    detail:
      'The event of this cursor is not in the feed. Take the nextCursor of cursor=latest, read everything anew, and go on from there.',
  },
  'customer-gone': {
    status: 410,
    title: 'The customer is gone',
    detail: 'Whoever said something of this customer has taken it back.',
  },
  'customer-changed': {
    status: 412,
    title: 'The customer was changed meanwhile',
    detail: 'Read the customer again, then send the change with its new ETag.',
  },
  'lead-changed': {
    status: 412,
    title: 'The lead was changed meanwhile',
    detail: 'Read the lead again, then send the change with its new ETag.',
  },
  'body-too-large': {
    status: 413,
    title: 'The body is too large',
    detail: 'The body is larger than this operation takes.',
  },
  'unsupported-media-type': {
    status: 415,
    title: 'The media type is not supported',
    detail: 'Send application/json in UTF-8, not compressed.',
  },
  'expectation-failed': {
    status: 417,
    title: 'The expectation cannot be met',
    detail: 'The only Expect header that is understood is 100-continue.',
  },
  'lead-unreachable': {
    status: 422,
    title: 'The lead names no way to reach its customer',
    detail: 'Send an e-mail address, a phone number or a postal address of the customer.',
  },
  'reference-unusable': {
    status: 422,
    title: 'The reference tells no customers apart',
    detail: 'The source or id is blank or damaged or is what programs write for no value.',
  },
  'customer-unreachable': {
    status: 422,
    title: 'The customer names no way to reach it',
    detail: 'Send an e-mail address or a phone number or a postal address of the customer.',
  },
  'idempotency-key-reused': {
    status: 422,
    title: 'The Idempotency-Key belongs to another request',
    detail:
      'This Idempotency-Key came with another request before. Use a new key for a new request, and the same key only to send the same request again.',
  },
  'scope-not-of-kind': {
    status: 422,
    title: 'A key of this kind cannot have this scope',
    detail: 'A key of this kind cannot have this scope.',
  },
  'expiry-past': {
    status: 422,
    title: 'The expiry is not to come',
    detail: 'Choose a time to come, or delete or disable the key.',
  },
  'network-invalid': {
    status: 422,
    title: 'What was sent is no network',
    detail: 'Send addresses such as 203.0.113.7, or networks such as 203.0.113.0/24 or 2001:db8::/32.',
  },
  'time-zone-unknown': {
    status: 422,
    title: 'There is no such time zone',
    detail: 'Send an IANA time zone, for example Europe/Copenhagen.',
  },
  'password-link-invalid': {
    status: 422,
    title: 'The link does not work',
    detail: 'The link is unknown, was used, was replaced by a newer one, or has ended. Ask an admin for a new one.',
  },
  'password-wrong': {
    status: 422,
    title: 'The current password is wrong',
    detail: 'The current password is wrong. Nothing was changed.',
  },
  'password-is-email': {
    status: 422,
    title: 'The password is the e-mail address',
    detail: 'Choose a password that is not the e-mail address.',
  },
  'password-guessable': {
    status: 422,
    title: 'The password is easily guessed',
    detail:
      'Choose a password without common ones, repetitions, sequences, and names or addresses of yours or of your dealership: four words that have nothing to do with each other will do.',
  },
  'passkey-not-added': {
    status: 422,
    title: 'The passkey was not added',
    detail: 'What the browser sent is no new passkey of this service, or it came too late. Try again.',
  },
  'if-match-missing': {
    status: 428,
    title: 'If-Match is needed',
    detail: 'Send If-Match with the ETag of the lead that you saw, with its double quotes.',
  },
  'too-many-attempts': {
    status: 429,
    title: 'Too many failed attempts',
    detail: 'Too many failed attempts. Wait, then try again.',
  },
  'too-many-streams': {
    status: 429,
    title: 'Too many streams at a time',
    detail: 'This key, or this person, has 20 streams open. Close one first.',
  },
  'limit-reached': {
    status: 429,
    title: 'A limit is reached',
    detail: 'A limit is reached. Nothing was done. Wait as long as Retry-After says, then send the same again.',
  },
  'headers-too-large': {
    status: 431,
    title: 'The headers are too large',
    detail: 'The headers may have 16384 bytes at the most.',
  },
  'request-timeout': {
    status: 408,
    title: 'The request took too long to arrive',
    detail: 'Send the whole request within 30 seconds.',
  },
  internal: { status: 500, title: 'Something broke on our side', detail: 'Quote the request id when you report it.' },
  unavailable: {
    status: 503,
    title: 'Not available just now',
    detail: 'The service cannot do this just now. Nothing is known to have been written; try again in a moment.',
  },
} as const satisfies Record<string, { status: number; title: string; detail: string }>

export type ProblemCode = keyof typeof problems

export type Violation = { in: 'body' | 'query' | 'path' | 'header' | 'cookie'; pointer: string; message: string }

type More = {
  violations?: Violation[]
  legalStatuses?: readonly string[]
  headers?: Record<string, string>
  /** What the answer says beside, as the contract has it for this operation. */
  members?: object
}

/**
 * A failure that the client is told about. `detail` is for people: it carries no secret and no hint about another
 * dealer.
 */
export class Problem extends Error {
  readonly code: ProblemCode
  readonly status: number
  readonly more: More

  constructor(code: ProblemCode, detail: string = problems[code].detail, more: More = {}) {
    super(detail)
    this.code = code
    this.status = problems[code].status
    this.more = more
  }
}

/** A request that does not fit the contract, with as much of what is wrong as the answer has room for. */
export function badRequest(found: readonly Violation[], said?: string): Problem {
  const violations = found.slice(0, limits.Problem.violations.maxItems).map((violation) => ({
    in: violation.in,
    pointer: violation.pointer.slice(0, limits.Violation.pointer.maxLength),
    message: violation.message.slice(0, limits.Violation.message.maxLength),
  }))
  const [first] = violations
  if (!first) return new Problem('bad-request', said)
  const detail = said ?? `${first.in}${first.pointer}: ${first.message}`.slice(0, limits.Problem.detail.maxLength)
  return new Problem('bad-request', detail, { violations })
}

/** Of an address that takes these methods only. */
export function methodNotAllowed(allowed: readonly string[]): Problem {
  const Allow = allowed.join(', ')
  return new Problem('method-not-allowed', `This address takes ${Allow}.`, { headers: { Allow } })
}

/** The body of a problem (RFC 9457). */
export function problemBody(problem: Problem, requestId: string) {
  const { violations, legalStatuses, members } = problem.more
  return {
    type: `/docs/problems/${problem.code}`,
    title: problems[problem.code].title,
    status: problem.status,
    detail: problem.message,
    code: problem.code,
    requestId,
    ...(violations && { violations }),
    ...(legalStatuses && { legalStatuses: [...legalStatuses] }),
    ...members,
  }
}

/**
 * A failure of the token endpoint (RFC 6749, section 5.2), which answers these instead of problems.
 * `description` has no quotes and no backslashes: the RFC does not allow them.
 */
export class OAuthError extends Error {
  readonly error: string
  readonly status: number
  readonly headers: Record<string, string>

  constructor(
    error:
      | 'invalid_request'
      | 'invalid_client'
      | 'unauthorized_client'
      | 'invalid_scope'
      | 'unsupported_grant_type'
      | 'temporarily_unavailable'
      | 'server_error',
    description: string,
    status = 400,
    headers: Record<string, string> = {},
  ) {
    super(description)
    this.error = error
    this.status = status
    this.headers = headers
  }
}
