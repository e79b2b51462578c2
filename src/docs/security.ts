import { escaped } from '../html.ts'
import { page, table } from './page.ts'

// A service that has run for longer without a start has not been looked after, and neither has its contact.
const contactDays = 364

/** What machines are told of where weaknesses are reported (RFC 9116). */
export function securityTxt(publicUrl: string, contact: string, now: Date): string {
  const expires = new Date(now)
  expires.setUTCDate(expires.getUTCDate() + contactDays)
  const lines = [
    `Contact: ${contact}`,
    `Expires: ${expires.toISOString()}`,
    `Canonical: ${publicUrl}/.well-known/security.txt`,
    `Policy: ${publicUrl}/docs/security/`,
  ]
  return `${lines.join('\n')}\n`
}

/** What is guarded against whom, and what is left to whoever uses the service. `contact` is an address of RFC 9116. */
export function security(contact: string | undefined): string {
  return page(
    'Security',
    `
<p class="lead">What this service guards, against whom, what it promises, and what it leaves to you.</p>

<h2>Report a weakness</h2>
<p>${whereToReport(contact)}</p>
<p>Say what you sent, what came back and the <code>requestId</code> of the answers. Use a dealer of your own and leads with <code>"test": true</code>. Stop where you could read, change or end what belongs to somebody else, keep nothing of it, and put no load on the service. Never send a working key, token or password: of a key the first 15 characters are enough.</p>

<h2>Against whom</h2>
${table(
  ['Who', 'What they have', 'What stands in the way'],
  [
    [
      'Anybody on the net',
      'an address',
      'Keys cannot be guessed, and a typo is refused without a look into the database. Passwords that are easily guessed are refused, and failures are counted over all servers; people and Admins are told by mail when there are many. Whoever has a passkey is let in by it alone, or by the password and it. What is sent is bounded in size and time before it is read.',
    ],
    [
      'Whoever has learned a password',
      'an e-mail address and its password',
      'With a passkey it is not enough, and an Admin can require one of everybody. A sign-in from a new device is told to its person by mail, and so is a right password on one that the passkey or a recovery code did not follow.',
    ],
    [
      'Whoever finds the key of a web site',
      'a key for digital requests',
      'It pushes leads, and reads nothing but the receipts of its own. It may be held to the addresses of the web site. An Admin ends it with one click; the next request is refused. What it has under way holds up no other dealer.',
    ],
    [
      'Whoever finds a key of a DMS, or a token of it',
      'a key for extensive integrations',
      'It does what its scopes say, for this dealer only, from the addresses that it is held to and within its limits, until somebody ends it. Admins are told by mail when it is replaced, and when it is refused again and again. A token lives 1800 seconds, and is dead at once when its key is. A token with fewer scopes than its key can neither replace nor delete it.',
    ],
    [
      'Another dealer',
      'keys and people of its own',
      'Everything is asked for by dealer. What belongs to another looks like what is not there: the same answer, to the letter.',
    ],
    [
      'Somebody who works for the dealer',
      'a role',
      'The role says which scopes. What makes data reachable asks Admins for a sign-in of the last 15 minutes, and so does switching off their mails. Every change of keys, people and settings and every sign-in is written down, and no statement changes what is written. Whoever becomes an Admin is told to all others.',
    ],
    [
      'A page of somebody else, in the browser of a person who is signed in',
      'what a browser sends by itself',
      'The session ends after 12 hours, or earlier when no page of the dashboard is open. It is sent to three operations only, which refuse other origins. Everything else takes a token that only the page of the dashboard has. No page of another origin may read an answer.',
    ],
    [
      'Whoever writes a lead',
      'texts',
      'What is written is text wherever it goes: into the database, a page, a mail, a log. XML names no files and multiplies nothing.',
    ],
    [
      'Whoever gets a copy of the database',
      'all tables',
      'No key, session, password or signing key can be used from it: they are hashed, or wrapped with a secret that lies elsewhere. Leads are in it as they are, so guard its backups.',
    ],
  ],
)}
<p>Nothing here helps against whoever rules the machine, has the database and the master secret, sits at the unlocked computer of an Admin, or fills the line before it reaches the service.</p>

<h2>What is promised</h2>
<ul>
<li><strong>An ended key is dead.</strong> Once the answer to deleting, disabling or narrowing it has come, no request that begins after that is accepted, at any process, with its tokens neither. The same holds for people who are signed out or deactivated.</li>
<li><strong>One dealer sees nothing of another</strong>, not even whether something exists.</li>
<li><strong>A credential does what it says</strong>, operation by operation, and the person in a lead is shown to <code>customers:read</code> only. The <a href="/docs/reference/">reference</a> names the scope of each.</li>
<li><strong>A key that is held to addresses works from there alone</strong>, also with tokens that it bought before.</li>
<li><strong>No dealer waits for another</strong>: what one has under way takes its own places, and no more.</li>
<li><strong>A secret is shown once.</strong> Keys, passwords, links and session cookies are in no answer afterwards, and in no log.</li>
<li><strong>An accepted lead is stored</strong>, and a lead that is sent again is stored once.</li>
<li><strong>A password alone lets nobody in who has a passkey</strong>, or whose dealer requires one. Recovery codes work once, and a wrong one counts as a wrong password.</li>
<li><strong>What is refused is seen</strong>: one line an hour for each key or person, reason and address, for 90 days, and a mail when it is much. It takes no room without an end.</li>
<li><strong>National identity numbers are masked</strong> in what people write, and in what is kept of it as it came.</li>
</ul>
<p>Known, and not hidden: the numbers of a dealer's events count test leads and real ones together, so whoever may read only test leads can tell from the gaps how many real events there were. A search by <code>contact</code> has the e-mail address or phone number in the address of the request: our log leaves queries out, and so should those of proxies in between.</p>

<h2>If you connect a system</h2>
<ul>
<li>Keep the key on a server, in a store for secrets; never in a page, an app, a repository, an address or a log. A key begins with <code>cb_</code>, so scanners can find it, and ends with a checksum.</li>
<li>Use one key for each system, of the smallest kind and with the fewest scopes; ask for fewer still in the exchange.</li>
<li>Replace it when somebody leaves who knew it, and at once when it has leaked: <a href="/docs/#replace">with its own token</a>, without a break.</li>
<li>Check the certificate, and follow no redirect with a key. This service sends none.</li>
<li>What you read is personal data: what you keep of it you have to erase by yourself, too. Read events, and do with your copy what they say.</li>
<li>What customers wrote is text. Escape it where you show it, and put no spreadsheet together from it without a quote before <code>=</code>, <code>+</code>, <code>-</code> and <code>@</code>.</li>
</ul>

<h2>If you are the Admin of a dealer</h2>
<ul>
<li>Give each person an account of their own, the role of an Admin to few, and deactivate whoever leaves.</li>
<li>Make a key for each system, with a name that says which. Give out one for extensive integrations only where somebody has to read; narrow it, hold it to the addresses that it is used from, and let it expire.</li>
<li>Look at the page of a key: who uses it, from where, and whether somebody still tries one that has ended.</li>
<li>Read the audit log after a surprise, and delete a key first when in doubt: it can be restored.</li>
<li>Add a passkey, keep its recovery codes where you need none to get at them, and require passkeys of everybody in <em>Settings &gt; Dealership</em>. Let nobody in who has lost theirs before you are sure of the person.</li>
<li>Read the mails about who gets in. If one says that your password was typed and nothing more, somebody knows it: change it.</li>
<li>Use a password that is used nowhere else, and a manager that keeps it.</li>
</ul>

<h2>If you run the service</h2>
<ul>
<li>Put a proxy with TLS 1.2 or 1.3 in front, on a hostname of its own, set <code>PUBLIC_URL</code> to https and <code>TRUST_PROXY</code> to what stands in front, and let the proxy set <code>X-Forwarded-For</code> anew. It must not log queries, and must refuse what it would take for two requests.</li>
<li>Give the database a role of its own and TLS (<code>sslmode=verify-full</code>), back it up apart from <code>SECRET_KEYS</code>, and encrypt its disks.</li>
<li>Take <code>SECRET_KEYS</code> and <code>SMTP_URL</code> from a store for secrets, and run the service as a user who can write <code>DATA_DIR</code> and nothing else.</li>
<li>Send standard output to a machine that the service cannot reach otherwise, and look for <code>"level":50</code>.</li>
<li>Set <code>SMTP_URL</code>, so that people are told, and choose the name in <code>PUBLIC_URL</code> before anybody adds a passkey: passkeys belong to it.</li>
<li>Stop the old version when a new one is ready: until then, what is new holds at the new one alone.</li>
<li>Set <code>SECURITY_CONTACT</code>, so that this page and <code>/.well-known/security.txt</code> say where weaknesses are told of.</li>
</ul>`,
  )
}

function whereToReport(contact: string | undefined): string {
  const file = '<code>/.well-known/security.txt</code>'
  if (contact === undefined)
    return `Whoever runs this service has not said here where to. Ask them: once <code>SECURITY_CONTACT</code> is set, it stands here and in ${file}.`
  return `Tell <a href="${escaped(contact)}">${escaped(contact.replace('mailto:', ''))}</a>, which stands in <a href="/.well-known/security.txt">${file}</a>, too.`
}
