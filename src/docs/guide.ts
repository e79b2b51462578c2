import { code, page } from './page.ts'

/** The guide for whoever connects a system: from the key to the first lead. */
export function guide(publicUrl: string): string {
  return page(
    'Connect a system to CarBuddii',
    `
<p>A web site pushes new leads into a dealer's pipeline; a DMS or CRM reads them back and works with them. This page takes you from an API key to the first lead in two minutes.</p>

<h2>Authentication</h2>
<p>There are two credentials. An <strong>API key</strong> is the long-lived one: a dealer's Admin makes it in <em>Settings &gt; Integrations</em>, copies it once, and you treat it like a password. An <strong>access token</strong> is the short-lived one: you exchange the key for it, it lives <strong>1800 seconds</strong>, and every other call carries it.</p>
<table><thead><tr><th>Kind of key</th><th>Begins with</th><th>It can</th><th>It cannot</th></tr></thead><tbody>
<tr><td>API keys for digital requests</td><td><code>cb_dr_</code></td><td>push new leads, and see the receipts of its own</td><td>read, list, change or delete anything</td></tr>
<tr><td>API keys for extensive integrations</td><td><code>cb_ei_</code></td><td>push, read and move leads, and read customer data; the dealer may narrow it. Use with caution</td><td>manage keys or users</td></tr>
</tbody></table>

<h2>Exchange the key</h2>
<p>Use one of these three, and only one at a time. The last two are OAuth 2.0 client credentials (RFC 6749, section 4.4), so any OAuth client library works unchanged, with <a href="/.well-known/oauth-authorization-server">discovery</a>.</p>
${code(`curl -X POST ${publicUrl}/v1/auth/token -H "X-Api-Key: $KEY"

curl ${publicUrl}/v1/auth/token -u "$KEY_ID:$KEY" -d grant_type=client_credentials

curl ${publicUrl}/v1/auth/token -d grant_type=client_credentials -d client_id=$KEY_ID -d client_secret=$KEY`)}
${code(`{"access_token":"eyJ…","token_type":"Bearer","expires_in":1800,"scope":"leads:create"}`)}
<p>Keep the token and use it for all calls until about a minute before it expires; then exchange the key again. Do not exchange for every call. When a call answers 401, exchange once and try again once. Never put a key or a token into an address, a log, or the JavaScript of a public page.</p>

<h2>Push the first lead</h2>
${code(`curl ${publicUrl}/v1/leads -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" -d '{
  "type": "test_drive",
  "message": "Can I try the EX30 on Saturday?",
  "customer": {"name": {"given": "Anna", "family": "Jensen"}, "phones": [{"number": "32 12 34 56"}]},
  "externalReference": {"source": "website", "id": "form-2026-000123"}
}'`)}
<p>201 means that the lead is stored durably. What people typed is never a reason to refuse it: what cannot be understood is kept, and named in <code>warnings</code>. When you did not get an answer, or got 503, send the same lead again: with the same <code>externalReference</code> it is the same lead, and the answer is 200 with <code>duplicate: true</code>.</p>

<h2>Read it with the other key</h2>
${code(`curl "${publicUrl}/v1/leads?status=new" -H "Authorization: Bearer $TOKEN"`)}
<p>A lead is changed with <code>PATCH</code> and the <code>ETag</code> of the version that you saw, as <code>If-Match</code>.</p>

<h2>Errors</h2>
<p>Failures are <code>application/problem+json</code> (RFC 9457) with a <a href="/docs/problems/">code</a>, a sentence that says what to do, and the <code>requestId</code> to quote. The token endpoint answers OAuth errors such as <code>{"error":"invalid_client"}</code>.</p>
<table><thead><tr><th>Status</th><th>Meaning</th><th>What to do</th></tr></thead><tbody>
<tr><td>400, 415, 422</td><td>The request is not right.</td><td>Mend it; sending it again does not help.</td></tr>
<tr><td>401</td><td>No token, or it has expired or was ended.</td><td>Exchange the key and try once more. If the key is refused too, ask the dealer.</td></tr>
<tr><td>403</td><td>The token lacks a scope; <code>WWW-Authenticate</code> names it.</td><td>Ask the dealer for a key of the other kind.</td></tr>
<tr><td>429, 503</td><td>Not now.</td><td>Wait as long as <code>Retry-After</code> says and send the same again.</td></tr>
</tbody></table>

<h2>When a key ends</h2>
<p>When the dealer disables or deletes a key, its tokens are dead at that moment: no request that starts after that is accepted. Tokens from before a disabling stay dead when the key is enabled again.</p>
<p>Everything else is in the <a href="/docs/reference/">reference</a>, where each operation can be tried out, and in the <a href="/openapi.yaml">OpenAPI document</a>, from which clients are generated.</p>`,
  )
}
