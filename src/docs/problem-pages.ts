import type { ProblemCode } from '../problem.ts'

/** What the page of each problem says to do about it. A code without a page does not compile. */
export const advice = {
  'bad-request':
    'The violations of the problem say which part of the request is wrong: a JSON Pointer and a sentence for each, 32 at the most; of a body that is not JSON, the line and column where it stops being JSON. Compare the request with the reference, mend it, and send it again.',
  'token-malformed':
    'The Authorization header must be there once, as the word Bearer, a space and the access token. Check that no proxy or library adds a second one.',
  'token-missing':
    'Every operation but the token endpoint takes an access token. Exchange the API key at POST /v1/auth/token and send the token as Authorization: Bearer. An API key is no access token: it buys one, so that it travels once in half an hour and not with every call. One that was sent in an address may be in the logs of every proxy on the way: have it replaced.',
  'token-invalid':
    'Access tokens live 1800 seconds, and end at once when their key is disabled or deleted. Exchange the key for a new token; if that answers invalid_client, ask the dealer what became of the key. The detail says so when what was sent is the API key itself.',
  'session-ended':
    'A session lasts 12 hours, and ends when the person signs out, is deactivated, gets another role or a new password. Sign in again.',
  'sign-in-too-old':
    'What lets data be reached asks for a password that was typed within the last 15 minutes, so that a screen that was left alone is not enough: to make, replace, widen, enable, prolong or restore a key that can read customer data, to invite or reactivate somebody or make them an Admin, to shorten the log of requests, to be told less by mail of keys or of who gets in, or to require passkeys of everybody, which also asks for a sign-in with one. Sign in again and send the same request with the new access token (RFC 9470).',
  'sign-in-refused':
    'The answer is the same for an unknown e-mail address, a wrong password and a deactivated user. Check both; an admin of the dealer can tell whether the user is active.',
  'second-factor-needed':
    'The person has a passkey, so the password alone signs nobody in. The answer has passkeyRequest, with which a browser asks for the passkey; send the password again with its answer as passkey, or with a recoveryCode. Whoever has lost both asks an admin of the dealer, who can reset them.',
  'passkey-to-be-added':
    'The dealer requires a passkey of everybody, and this person has none yet. The answer has passkeyCreation, with which a browser makes one; send the password again with its answer as newPasskey. The recovery codes that come with it are shown once.',
  'passkey-refused':
    'The answer is the same for a passkey that is unknown or was removed, a challenge that is over or was answered before, another address than that of this service, and a passkey of which there may be a copy. Begin again; if it is refused again, sign in with the password and a recovery code, and remove the passkey.',
  'recovery-code-refused':
    'Each recovery code works once, and new ones end all earlier ones. Try another one; case, blanks and hyphens do not count. Whoever has none left asks an admin of the dealer.',
  'scope-missing':
    'The WWW-Authenticate header names the scope that is needed. A key for digital requests can create leads and read nothing; reading needs a key for extensive integrations. To look for leads by phone number or e-mail address, and to read their originals, customers:read is needed, too. Whoever replaces or deletes their own key needs a token with all of its scopes: exchange the key without naming any.',
  'address-not-allowed':
    'The dealer has named the addresses that this API key, and every token that it buys, may be used from, and the request came from another: the detail says which one we saw. Ask the dealer to put it on the list, or send from where the key belongs. The token endpoint answers unauthorized_client for the same reason. If nobody of yours sent the request, somebody else has the key: have it replaced.',
  'person-needed':
    'The access token was bought with an API key. Passwords and sessions belong to people: sign in instead. A key that is to see or replace itself has /v1/api-key.',
  'source-not-allowed':
    'A customer is known by the name of a system and its id there, and a key writes only as the systems that an Admin has named for it, in its sources. Ask the dealer to add the name of yours, exactly as you send it. People do not write as a system: they correct customers by hand.',
  'foreign-origin':
    'Sign-in and session work only for pages of this service itself, or for clients that are no browser. Another system uses an API key instead.',
  'not-found':
    'There is nothing at this address, or it belongs to somebody else: both look the same on purpose. Check the path, which is case-sensitive and has no slash at its end, and the id.',
  'method-not-allowed': 'The address exists, and takes other methods. The Allow header names them.',
  'api-key-name-taken':
    'Names of API keys are unique within a dealer, in any case of letters. Choose another name, or delete the key that has it.',
  'replacement-under-way':
    'The key has two working secrets already. End the old one first (its status says until when it works), or cancel the replacement to keep the old one.',
  'restore-too-late':
    'A deleted API key can be restored for 24 hours. After that, create a new key and give its secret to the system that used the old one.',
  'source-version-older':
    'Your system has sent a later version of this customer before, or has taken it back: this one came late, and nothing was changed. There is nothing to send again.',
  'merge-impossible':
    'The detail says why: a customer cannot become part of itself, be it over others, nor of a second one while it is part of a first, a test customer not of a real one, and 100 can be one at most. Read both again; somebody may have merged them meanwhile.',
  'last-admin': 'Somebody must be able to manage the dealer. Make another user an admin, then change this one.',
  'email-taken':
    'An e-mail address belongs to one person, in any case of letters. The person may be there already, perhaps deactivated: look at the list of users.',
  'user-deactivated':
    'Somebody who was deactivated cannot sign in, so a link to choose a password would be of no use. Reactivate the user, then make the link.',
  'mail-not-set-up':
    'The operator of this service has not named a mail server (SMTP_URL and MAIL_FROM). An admin of the dealer can make a link to choose a password in Settings > Users.',
  'passkeys-not-here':
    'Browsers keep passkeys for a name that is reached by https, or for localhost, but not for an IP address. The operator of the service gives it such an address with PUBLIC_URL; passkeys belong to that name and do not move to another.',
  'passkey-needed':
    'Recovery codes take the place of a passkey, so there are none without one; and whoever requires a passkey of everybody has one, so that they do not lock themselves out. Add a passkey in My account.',
  'last-passkey':
    'The dealer requires a passkey of everybody. Add another one and remove this one then, or ask an admin to require none.',
  'too-many-passkeys': 'A person has 20 passkeys at the most. Remove one that is not used any more.',
  'lead-move-illegal':
    'The problem names the statuses that the lead can move to, as legalStatuses. Read the lead again: somebody may have moved it meanwhile.',
  'feed-restarted':
    'The event that the cursor names is not in the feed (any more): the service was put back to an earlier state, or the cursor is not one of this service. What has been read may be of a future that is gone. Take the nextCursor of cursor=latest, read all leads and customers anew, and go on from that cursor. A system that writes customers sends them all again: what it said since may be gone, too. Where yours and the answer differ, the answer is right, also with a lower version; drop what it does not list.',
  'customer-gone':
    'The customer was there, and whoever said something of it has taken it back: no system, no person and no lead says anything of it any more. It comes back when a system sends it again under the same reference.',
  'customer-changed':
    'Somebody changed the customer between your reading and your writing. Read it again, decide again, and send the change with the new ETag as If-Match.',
  'lead-changed':
    'The If-Match that was sent is not the ETag of the lead any more. Read the lead, decide again, and send the new ETag.',
  'body-too-large':
    'Each operation has a limit of its own, named in the reference as x-body-bytes-max. A lead may have 262144 bytes. Nothing of a body that says it is larger is read; of one in chunks, nothing behind the limit, and the connection ends.',
  'unsupported-media-type':
    'Send JSON as application/json, in UTF-8 or a charset of the WHATWG Encoding Standard that you name, and not compressed; the token endpoint takes application/x-www-form-urlencoded.',
  'expectation-failed':
    'Expect: 100-continue is answered with 100 Continue when the body is wanted, and with the failure itself when it is not. There is no other expectation: leave the header out.',
  'lead-unreachable':
    'A lead needs an e-mail address, a phone number or a postal address of its customer, however odd: a dealer cannot answer without one. Nothing was stored. The violations name members that are not known where they were sent, and what was probably meant by them: phone beside customer instead of customer.phones[].number, say.',
  'reference-unusable':
    'What stands in the reference is not what your system knows the customer by: it is blank, damaged, or what programs and templates write for no value, so many customers would become one. Look at where your program takes it from.',
  'customer-unreachable':
    'A customer that is added by hand needs an e-mail address, a phone number or a postal address. A system that knows it by an id of its own can send less, by its reference.',
  'idempotency-key-reused':
    'An Idempotency-Key names one lead for 72 hours. The same key came with another lead before: make a new key for each new lead, keep it with the lead, and send it again only with the same lead. How the JSON is written makes no difference, what it says does; ADF counts byte for byte.',
  'scope-not-of-kind':
    'A digital_requests key can only have leads:create. An extensive_integrations key can have the scopes that the problem names.',
  'expiry-past': 'A key that is to end now is deleted, or disabled if it may come back. An expiry is a time to come.',
  'network-invalid':
    'A list of networks holds single addresses (203.0.113.7, 2001:db8::7) and networks in CIDR notation (203.0.113.0/24, 2001:db8::/32), which begin with the first address of the network: 203.0.113.7/24 could be either. The violations say which entry it is, and what was probably meant.',
  'time-zone-unknown':
    'Time zones are named as in the IANA time zone database: `Europe/Copenhagen`, `Europe/Berlin`, `UTC`. Abbreviations and offsets such as `+01:00` are none.',
  'password-link-invalid':
    'A link to choose a password works once, for 7 days, until a newer one is made for the same person or the person is deactivated. Whoever used it can sign in; everybody else asks an admin of the dealer for a new one.',
  'password-wrong':
    'A password is changed by whoever knows the one before. After ten wrong ones the session has to wait. Somebody who forgot it asks an admin of the dealer for a link to choose another.',
  'password-is-email':
    'An e-mail address is the first thing that anybody would try. Any other 12 to 200 characters will do.',
  'password-guessable':
    'The password would be found within 10^8 guesses by somebody who knows common passwords, words, keyboards, dates, and the names and addresses of the person and the dealer. Longer is better than odder: four words that have nothing to do with each other will do, and so does what a password manager suggests.',
  'passkey-not-added':
    'The answer of the browser does not fit the challenge, which works once and for 5 minutes, or comes from another address than that of this service, or the passkey is there already. Ask for new options and begin again.',
  'if-match-missing':
    'A change of a lead or customer says which version it was decided on, so that two people cannot undo each other. Send If-Match with the ETag of what you read, with its double quotes: If-Match: "3".',
  'too-many-attempts':
    'Too many attempts failed, for this account or from this address. Wait as long as Retry-After says, or ask an admin of the dealer to unlock the sign-in. Nobody else can lock you out of a browser that you signed in with before: its failures are counted apart.',
  'too-many-streams':
    'A key, or a person however often signed in, may follow the feed of events 20 times at once, and all of a dealer 200 times. Close streams that you no longer read: a client that connects again must let go of the old connection.',
  'limit-reached':
    'An API key may do so much: 50 leads a second and 2,000 at once, each lead of a batch or an ADF document counted; 20 reads a second and 200 at once; 50 changes of leads and customers a second and 500 at once, each customer of a batch counted; 1 GiB of leads a day; 10 replacements of its secret a day. The dealer can choose other limits for a key, and the operator for all. All servers count together. Nothing of the request was done, a batch neither in part: wait as long as Retry-After says and send the same again. The headers RateLimit and RateLimit-Policy, on accepted answers too, say how much is left.',
  'headers-too-large':
    'All headers together may have 16384 bytes. Look for cookies or tracing headers that a proxy adds.',
  'request-timeout':
    'The headers must arrive within 10 seconds and the whole request within 30. Look at the network between you and the service.',
  internal:
    'This is a fault of ours. It is in our log under the request id. Trying again may help; when you report it, quote the id.',
  unavailable:
    'The detail says what is the matter with the database: away, busy, full, read-only. Wait as long as Retry-After says and send the same request again. Give leads an externalReference: sent twice, it is the same lead.',
} as const satisfies Record<ProblemCode, string>
