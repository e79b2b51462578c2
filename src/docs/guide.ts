import type { ApiKeyKind } from '../../generated/server/types.gen.ts'
import { grantedScopes } from '../api-keys/api-key.ts'
import { escaped } from '../html.ts'
import { code, page, table } from './page.ts'

/**
 * The guide for whoever connects a system: from the key to the first lead. `scopes` are the words and sentences of the
 * contract.
 */
export function guide(publicUrl: string, scopes: Record<string, string>): string {
  return page(
    'Connect a system to CarBuddii',
    `
<p class="lead">A web site pushes new leads into a dealer's pipeline; a DMS or CRM reads them back and works with them. This page takes you from an API key to the first lead in two minutes.</p>

<h2>Authentication</h2>
<p>There are two credentials. An <strong>API key</strong> is the long-lived one: a dealer's Admin makes it in <em>Settings &gt; Integrations</em>, copies it once, and you treat it like a password. An <strong>access token</strong> is the short-lived one: you exchange the key for it, it lives <strong>1800 seconds</strong>, and every other call carries it.</p>
<div class="table" tabindex="0" role="group" aria-label="Table"><table><thead><tr><th>Kind of key</th><th>Begins with</th><th>It can</th><th>It cannot</th></tr></thead><tbody>
<tr><td>API keys for digital requests</td><td><code>cb_dr_</code></td><td>push new leads, and see the receipts of its own</td><td>read, list, change or delete anything</td></tr>
<tr><td>API keys for extensive integrations</td><td><code>cb_ei_</code></td><td>push, read and move leads, read customer data, and say what it knows of customers; the dealer may narrow it. Use with caution</td><td>manage keys or users</td></tr>
</tbody></table></div>

<h2>Exchange the key</h2>
<p>Use one of these three, and only one at a time. The last two are OAuth 2.0 client credentials (RFC 6749, section 4.4), so any OAuth client library works unchanged, with <a href="/.well-known/oauth-authorization-server">discovery</a>.</p>
<h3>With X-Api-Key</h3>
${code(`curl -X POST ${publicUrl}/v1/auth/token -H "X-Api-Key: $KEY"`)}
<h3>With HTTP Basic</h3>
<p>The user is the id of the key, the password the whole key (<code>client_secret_basic</code>).</p>
${code(`curl ${publicUrl}/v1/auth/token -u "$KEY_ID:$KEY" -d grant_type=client_credentials`)}
<h3>With a form</h3>
<p>The same two as <code>client_id</code> and <code>client_secret</code> (<code>client_secret_post</code>).</p>
${code(`curl ${publicUrl}/v1/auth/token -d grant_type=client_credentials \\
  -d "client_id=$KEY_ID" -d "client_secret=$KEY"`)}
<h3>The answer</h3>
${code(`{"access_token":"eyJ…","token_type":"Bearer","expires_in":1800,"scope":"leads:create"}`)}
<p>Keep the token and use it for all calls until about a minute before <code>expires_in</code> is over, which is 1800 seconds unless the key itself ends before; then exchange the key again. Do not exchange for every call. When a call answers 401, exchange once and try again once. Never put a key or a token into an address, a log, or the JavaScript of a public page.</p>

<h2>Scopes</h2>
<p>A token has the scopes of its key, or fewer when the exchange names them, space-separated, as <code>scope</code>. The person in a lead, and what they wrote, is shown with <code>customers:read</code> only: without it those members are left out of every lead, wherever it is read, and <code>contact</code> cannot be asked for. Of customers it shows all or nothing: who may only write them is answered with ids and versions. The <a href="/docs/reference/">reference</a> marks them with <code>x-needs-scope</code>. To replace or delete its own key a token needs all scopes of the key.</p>
${table(
  ['Scope', 'Allows', 'Digital requests', 'Extensive integrations'],
  Object.entries(scopes).map(([scope, meaning]) => [
    `<code>${escaped(scope)}</code>`,
    escaped(meaning),
    holds('digital_requests', scope),
    holds('extensive_integrations', scope),
  ]),
)}

<h2>Push the first lead</h2>
<p>Take the token once, then send the lead with it:</p>
${code(`TOKEN=$(curl -sS -X POST ${publicUrl}/v1/auth/token -H "X-Api-Key: $KEY" \\
  | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')`)}
${code(`curl ${publicUrl}/v1/leads -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" -d '{
  "type": "test_drive",
  "message": "Can I try the EX30 on Saturday?",
  "customer": {"name": {"given": "Anna", "family": "Jensen"}, "phones": [{"number": "32 12 34 56"}]},
  "externalReference": {"source": "website", "id": "form-2026-000123"}
}'`)}
<p>201 means that the lead is stored durably. What people typed is never a reason to refuse it: what cannot be understood is kept, and named in <code>warnings</code>. A member that is <code>null</code> counts as left out; a text that is longer than a lead has room for is cut.</p>
<p>A value is understood for certain, or it is not stated: <code>249.900,-</code>, <code>249k</code> and <code>1,25 mio</code> are amounts, <code>65.000 - 70.000</code> is kept in <code>extra</code> (<code>number-odd</code>); <code>Danmark</code> becomes <code>DK</code>, <code>kroner</code> the crowns of the dealer's country, <code>29.11.2026 kl. 10.00</code> a time (<code>converted</code>, and <code>extra</code> has what you sent); of an odometer whose unit is unknown nothing is stated (<code>word-unknown</code>). Words for nothing, such as <code>null</code>, <code>N/A</code> or <code>{{first_name}}</code>, are left out and kept in <code>extra</code>; HTML in what people write is stored as it reads (<code>markup-removed</code>), but for the text of a consent. A phone number without a country code is one of the customer's country, where the address says it.</p>
<p>JSON is in UTF-8. What is not is read as what it seems to be, byte by byte as windows-1252 where nothing else fits, with the warning <code>encoding-repaired</code>. A number with more digits than a double has, such as an id of 19 digits, is kept as a text (<code>number-long</code>); of a member that an object has twice the last counts (<code>member-repeated</code>). Whenever something was repaired, cut, converted or set aside, the lead keeps what you sent, byte for byte but for national identity numbers, which are masked there, too: <code>GET /v1/leads/{leadId}/original</code>, with <code>leads:read</code>.</p>

<h2>No lead lost, none doubled</h2>
<p>When you did not get an answer, or got 429 or 503, send the same lead again until you have a 2xx. Two things make that safe; use either, or both:</p>
<ul>
<li><strong><code>Idempotency-Key</code></strong>, a header with a name that you make for each lead and keep with it, a UUID for example. For 72 hours the same key with the same lead gets the first answer again, with <code>Idempotency-Replayed: true</code>, however the JSON is written this time. With another lead it is 422: a key was used twice by mistake. A key that nobody filled in (<code>undefined</code>, <code>{{id}}</code>, nothing) tells no leads apart: it counts as not sent, with a warning.</li>
<li><strong><code>externalReference</code></strong>, your own id of the enquiry. It is the same lead for ever, whatever else the body says: the answer is 200 with <code>duplicate: true</code> and the id of the first. One that no system made (<code>undefined</code>, <code>{{id}}</code>, <code>[object Object]</code>, the nil UUID, <code>string</code>) would be everybody's: it is kept in <code>extra</code>, and the lead is stored without a reference, with the warning <code>external-reference-unset</code>.</li>
</ul>
${code(`curl ${publicUrl}/v1/leads -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \\
  -H "Idempotency-Key: 0e5b8f9c-3c1d-4f0e-9a57-7d1f0a4b2c11" -d @lead.json`)}
<p><code>Location</code> in the answer is the <strong>receipt</strong>, which the same key can read at any time: when the lead arrived, and its warnings, without personal data.</p>

<h3>Many at once</h3>
<p><code>POST /v1/leads/batch</code> takes up to 200 leads, each with its own <code>idempotencyKey</code> and a <code>clientRef</code> that comes back with its result. The answer is 207; each result has the status that the lead would have had alone. Send again those with 503, with the same keys. Or give the whole batch one <code>Idempotency-Key</code>: it stands for each lead without a key of its own, together with its place, so send the batch again as it is.</p>
${code(`{"leads": [{"clientRef": "row-1", "idempotencyKey": "night-1", "lead": {"customer": {"phones": [{"number": "32 12 34 56"}]}}}]}`)}

<h3>Compare the lists</h3>
<p>The enquiries that nobody misses are those that never left your system. Once a day, or after a breakdown, ask with the <code>externalReference</code> of each enquiry that you took, up to 10,000 at once, which of them never arrived here with this key:</p>
${code(`curl ${publicUrl}/v1/leads/reconciliation -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" -d '{
  "references": [{"source": "website", "id": "form-2026-000123"}, {"source": "website", "id": "form-2026-000124"}]
}'`)}
${code(`{"received": 1, "missing": [{"source": "website", "id": "form-2026-000124"}], "unusable": []}`)}
<p>Send those in <code>missing</code> as leads. Leave a few minutes to enquiries that are still under way; should one of them arrive twice, its reference makes it one lead. Mend how you make those in <code>unusable</code>: they show nothing, were never filled in, are too long or hold characters that cannot be stored, so their leads are stored without them.</p>

<h3>ADF</h3>
<p><code>POST /v1/leads/adf</code> takes ADF 1.0 XML as other systems really send it: any encoding that it names, any order, letter case and namespace, elements missing, unknown, one level off or under another usual name; also while it is still in a mail, quoted-printable, base64, a form or HTML. A vehicle with <code>interest="sell"</code> or <code>"trade-in"</code> is a trade-in; one without <code>status</code> is neither new nor used. The contact with <code>primarycontact="1"</code> comes first, and so does what has <code>preferredcontact="1"</code>. The <code>id</code> of a prospect is its external reference. The document is kept as it came, but for national identity numbers, and can be read with <code>leads:read</code>.</p>

<h2>Read it with the other key</h2>
${code(`curl "${publicUrl}/v1/leads?status=new" -H "Authorization: Bearer $TOKEN"`)}
<p>A lead is changed with <code>PATCH</code> and the <code>ETag</code> of the version that you saw, with its double quotes, as <code>If-Match</code>. Read again with it as <code>If-None-Match</code>, it is answered 304, without a body, while nothing has changed. Times in addresses are RFC 3339 with an offset: <code>updatedSince=2026-11-23T00:00:00Z</code>, or <code>%2B01:00</code> at the end.</p>

<h3>Follow what happens</h3>
<p>Everything that happens to leads and customers is in a feed, numbered without gaps in the order in which it happened. Take the end of the feed, read the leads once, then follow the feed from there: you miss nothing and get nothing twice.</p>
${code(`curl "${publicUrl}/v1/events?cursor=latest" -H "Authorization: Bearer $TOKEN"`)}
${code(`{"items": [], "nextCursor": "1042.4c55a90d2f17"}`)}
<p>What came since, each event with its lead or customer:</p>
${code(`curl "${publicUrl}/v1/events?cursor=1042.4c55a90d2f17" -H "Authorization: Bearer $TOKEN"`)}
<p>Keep <code>nextCursor</code>, and ask again with it when you like. Or listen: <code>/v1/events/stream</code> sends the same as server-sent events within a second. When the line breaks, go on with the last <code>id</code> as <code>Last-Event-ID</code>; when the token ends, so does the stream.</p>
${code(`curl -N ${publicUrl}/v1/events/stream -H "Authorization: Bearer $TOKEN" -H "Last-Event-ID: 1042.4c55a90d2f17"`)}
<p>A cursor names one event. Keep it as it is, and make none yourself. Should the service ever be put back to an earlier state, events that you have read are gone, and others get their numbers: a cursor of an event that is gone is answered <a href="/docs/problems/feed-restarted">410 <code>feed-restarted</code></a>, and an open stream ends with an event of the type <code>restarted</code>. Then begin as at the first time: the end of the feed, the leads, the feed from there. Where yours and the answer differ, the answer is right, also with a lower <code>version</code>; drop the leads that are not listed any more. Whoever had not read as far as that goes on, and is told nothing.</p>

<h2 id="in-step">Keep a DMS in step</h2>
<p>Behind leads are <strong>customers</strong>: people and companies, put together of all that is said of them, by leads, by people and by systems such as yours. How a DMS or CRM loads its customers, follows what others change, and neither loses nor undoes anything, is a page of its own: <a href="/docs/in-step/">Keep a DMS in step</a>.</p>

<h2>From a server, not from a page</h2>
<p>The API answers no browser that asks from a page of another origin: it sends no CORS headers, and <code>OPTIONS</code> is a 405. An API key in a page is a key that everybody has. Have your form send to your own server, and that to us. Only the contract itself, <code>/openapi.json</code> and <code>/openapi.yaml</code>, may be read by any page.</p>

<h2>Errors</h2>
<p>Failures are <code>application/problem+json</code> (RFC 9457) with a <a href="/docs/problems/">code</a>, a sentence that says what to do, and the <code>requestId</code> to quote. The token endpoint answers OAuth errors (RFC 6749, section 5.2) instead.</p>
<p>A 401 or 403 names in <code>WWW-Authenticate</code> how to authenticate: <code>Basic</code> at the token endpoint, <code>Bearer</code> elsewhere, with the scope that is missing.</p>
<div class="table" tabindex="0" role="group" aria-label="Table"><table><thead><tr><th>Status</th><th>Meaning</th><th>What to do</th></tr></thead><tbody>
<tr><td>400, 415, 422</td><td>The request is not right.</td><td>Mend it; sending it again does not help.</td></tr>
<tr><td>401</td><td>No token, or it has expired or was ended, or it is the API key itself.</td><td>Exchange the key and try once more. If the key is refused too, ask the dealer.</td></tr>
<tr><td>403</td><td>The token lacks a scope; <code>WWW-Authenticate</code> names it.</td><td>Ask for fewer, or the dealer for a key that may do it.</td></tr>
<tr><td>409, 412</td><td>Somebody was there before: a later version came, or it was changed meanwhile.</td><td>Read it again and decide again.</td></tr>
<tr><td>410</td><td>The feed does not go on from this cursor, or nobody says anything of the customer any more.</td><td>Of the feed: read everything anew, and follow from where it ends now.</td></tr>
<tr><td>429, 503</td><td>Not now.</td><td>Wait as long as <code>Retry-After</code> says and send the same again.</td></tr>
</tbody></table></div>

<h3>Errors of the token endpoint</h3>
${table(
  ['Status', 'error', 'What to do'],
  [
    [
      '400',
      '<code>invalid_request</code>',
      'Send the key in one way only, and <code>grant_type=client_credentials</code> unless it is in X-Api-Key.',
    ],
    ['400', '<code>unsupported_grant_type</code>', 'The only grant type is <code>client_credentials</code>.'],
    ['400', '<code>invalid_scope</code>', 'The key does not have that scope. Ask for fewer, or for another key.'],
    [
      '400',
      '<code>unauthorized_client</code>',
      'The dealer lets the key be used from other addresses alone; the answer says which one it saw. Do not repeat it: ask the dealer.',
    ],
    ['401', '<code>invalid_client</code>', 'The key is wrong, disabled or deleted. Do not repeat it: ask the dealer.'],
    ['429, 503', '<code>temporarily_unavailable</code>', 'Wait as long as <code>Retry-After</code> says.'],
  ],
)}

<h2 id="limits">Limits</h2>
<p>An API key may do so much that nobody honest notices, and no more, however many servers there are. Whoever is over a limit gets 429 <code>limit-reached</code> and nothing was done: wait as long as <code>Retry-After</code> says and send the same again. A batch is taken whole or refused whole. The dealer can choose other limits for a key, and sees on its page what is used.</p>
${table(
  ['Name', 'What is counted', 'Limit'],
  [
    ['<code>leads</code>', 'leads that you push, each of a batch and of an ADF document', '50 a second, 2,000 at once'],
    [
      '<code>reads</code>',
      'requests that read, also searches, <code>reconciliation</code> and opening a stream',
      '20 a second, 200 at once',
    ],
    ['<code>writes</code>', 'changes of leads and customers, each of a batch', '50 a second, 500 at once'],
    ['<code>bytes</code>', 'bytes of the leads that you push, as they come', '1 GiB a day (UTC)'],
    ['<code>replacements</code>', 'new secrets of the key', '10 in 24 hours'],
  ],
)}
<p>Accepted answers say it, too, so that you can slow down before (draft-ietf-httpapi-ratelimit-headers-10): <code>RateLimit-Policy</code> names each limit that counts the request, <code>q</code> at once and all of it back after <code>w</code> seconds; <code>RateLimit</code> says how many are left (<code>r</code>) and in how many seconds all are back (<code>t</code>).</p>
${code(`RateLimit-Policy: "leads";q=2000;w=40, "bytes";q=1073741824;w=86400;qu="content-bytes"
RateLimit: "leads";r=1994;t=1, "bytes";r=1073737104;t=51230`)}

<h2 id="replace">Replace a key</h2>
<p>A dealer's Admin can give a key a new secret, and so can your system itself, with any token of the key:</p>
${code(`curl -X POST ${publicUrl}/v1/api-key/replacement -H "Authorization: Bearer $TOKEN" \\
  -H "Content-Type: application/json" -d '{"oldEnds": "after_24_hours"}'`)}
<p>Store the new secret, then exchange it. Until it is first used the old one works, so nobody is locked out when an answer is lost: ask again. Trying it out on a page of this service does not count. After the first use the old one works as long as <code>oldEnds</code> says.</p>

<h2>When a key ends</h2>
<p>Whoever finds a leaked key can end it with its own token: <code>DELETE /v1/api-key</code>. When the dealer disables or deletes a key, its tokens are dead at that moment: no request that starts after that is accepted. Tokens from before a disabling stay dead when the key is enabled again.</p>
<p>Everything else is in the <a href="/docs/reference/">reference</a>, where each operation can be tried out, and in the <a href="/openapi.yaml">OpenAPI document</a>, from which clients are generated. What has been added to it stands in the <a href="/docs/changelog/">changelog</a>: let your client pass over what it does not know. What is guarded against whom, and what is left to you, stands under <a href="/docs/security/">Security</a>.</p>`,
  )
}

function holds(kind: ApiKeyKind, scope: string): string {
  if (grantedScopes(kind, undefined).includes(scope)) return 'yes'
  try {
    grantedScopes(kind, [scope])
    return 'when asked for'
  } catch {
    return 'no'
  }
}
