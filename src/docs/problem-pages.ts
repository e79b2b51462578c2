import type { ProblemCode } from '../problem.ts'

/** What the page of each problem says to do about it. A code without a page does not compile. */
export const advice = {
  'bad-request': 'The violations of the problem say which part of the request is wrong: a JSON Pointer and a sentence for each, 32 at the most. Compare the request with the reference, mend it, and send it again.',
  'token-malformed': 'The Authorization header must be there once, as the word Bearer, a space and the access token. Check that no proxy or library adds a second one.',
  'token-missing': 'Every operation but the token endpoint takes an access token. Exchange the API key at POST /v1/auth/token and send the token as Authorization: Bearer. An API key is no access token.',
  'token-invalid': 'Access tokens live 1800 seconds, and end at once when their key is disabled or deleted. Exchange the key for a new token; if that answers invalid_client, ask the dealer what became of the key.',
  'session-ended': 'A session lasts 12 hours, and ends when the person signs out, is deactivated, gets another role or a new password. Sign in again.',
  'sign-in-refused': 'The answer is the same for an unknown e-mail address, a wrong password and a deactivated user. Check both; an admin of the dealer can tell whether the user is active.',
  'scope-missing': 'The WWW-Authenticate header names the scope that is needed. A key for digital requests can create leads and read nothing; reading needs a key for extensive integrations.',
  'foreign-origin': 'Sign-in and session work only for pages of this service itself, or for clients that are no browser. Another system uses an API key instead.',
  'not-found': 'There is nothing at this address, or it belongs to somebody else: both look the same on purpose. Check the path, which is case-sensitive and has no slash at its end, and the id.',
  'method-not-allowed': 'The address exists, and takes other methods. The Allow header names them.',
  'api-key-name-taken': 'Names of API keys are unique within a dealer, in any case of letters. Choose another name, or delete the key that has it.',
  'last-admin': 'Somebody must be able to manage the dealer. Make another user an admin, then change this one.',
  'lead-move-illegal': 'The problem names the statuses that the lead can move to, as legalStatuses. Read the lead again: somebody may have moved it meanwhile.',
  'lead-changed': 'The If-Match that was sent is not the ETag of the lead any more. Read the lead, decide again, and send the new ETag.',
  'body-too-large': 'Each operation has a limit of its own, named in the reference as x-body-bytes-max. A lead may have 262144 bytes.',
  'unsupported-media-type': 'Send JSON as application/json in UTF-8 and not compressed; the token endpoint takes application/x-www-form-urlencoded.',
  'lead-unreachable': 'A lead needs an e-mail address, a phone number or a postal address of its customer, however odd: a dealer cannot answer without one. Nothing was stored.',
  'scope-not-of-kind': 'A digital_requests key can only have leads:create. An extensive_integrations key can have the scopes that the problem names.',
  'if-match-missing': 'A change of a lead says which version it was decided on, so that two people cannot undo each other. Send If-Match with the ETag of the lead that you read.',
  'too-many-attempts': 'Too many sign-ins failed from this address. Wait as long as Retry-After says. Nobody else can lock you out: failures are counted by address.',
  'headers-too-large': 'All headers together may have 16384 bytes. Look for cookies or tracing headers that a proxy adds.',
  'request-timeout': 'The headers must arrive within 10 seconds and the whole request within 30. Look at the network between you and the service.',
  internal: 'This is a fault of ours. It is in our log under the request id. Trying again may help; when you report it, quote the id.',
  unavailable: 'The database is away or busy just now. Wait as long as Retry-After says and send the same request again. Give leads an externalReference: sent twice, it is the same lead.',
} as const satisfies Record<ProblemCode, string>
