import { code, page, table } from './page.ts'

/**
 * How a DMS or CRM and the customers of a dealer are kept in step. `program` does all of it.
 */
export function inStep(publicUrl: string, program: string): string {
  const token = '\\\n  -H "Authorization: Bearer $TOKEN"'
  const json = `${token} -H "Content-Type: application/json"`
  return page(
    'Keep a DMS in step',
    `
<p class="lead">Your DMS or CRM and CarBuddii know the same people, each in its own way. This page keeps the two in step: what your system knows goes up, what everybody knows comes back, and nobody undoes what somebody else has said.</p>
<p>You need an API key for extensive integrations with the scopes <code>customers:read</code>, <code>customers:write</code> and <code>events:read</code>, which it has unless the dealer has narrowed it. Begin with one of the environment <em>Test</em>: it makes test customers, and sees no others. Every step here is one command; the <a href="#program">program</a> at the end does all of them. Put the whole key into <code>KEY</code>, then take a token, which lives for half an hour:</p>
${code(`TOKEN=$(curl -sS -X POST ${publicUrl}/v1/auth/token -H "X-Api-Key: $KEY" \\
  | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')`)}
<p>Answers are shown shortened. Ids, cursors and tags in them are examples: put those that you were given into the next command.</p>

<p>On this page: <a href="#customers">what a customer is</a>, <a href="#names">the name of your system</a>, <a href="#first-load">the first load</a>, <a href="#follow">keeping up</a>, <a href="#who-wins">who wins</a>, <a href="#echo">your own echo</a>, <a href="#merges">merges</a>, <a href="#gone">deleted rows</a>, <a href="#search">search</a>, <a href="#suggestions">suggestions</a>, <a href="#program">the program</a>.</p>

<h2 id="customers">What a customer is</h2>
<p>A <strong>customer</strong> is a person or company, put together of all that is said of it: by the people of the dealer, by systems such as yours, and by the leads that the customer has sent. Each of them is a <strong>source</strong> with a word of its own. Nobody writes over the word of another. What is shown is computed anew whenever one of them says something else.</p>
<p>So there are two things to keep apart. What <em>you</em> say of a customer, you write under your own id. What is <em>shown</em> of it, you read. They need not be the same, and that is no fault: <a href="#who-wins">who wins</a> says why.</p>

<h2 id="names">The name of your system, and your ids</h2>
<p>Your system writes under a <strong>reference</strong>: its name, such as <code>dms</code>, and the id that the customer has in it, such as <code>40012</code>. Which systems a key may write as, the dealer's Admin says under <em>Systems</em>, when making the key or later. Your key shows them as <code>sources</code>. Case counts.</p>
${code(`curl ${publicUrl}/v1/api-key ${token}`)}
${code(`{"name": "DMS", "kind": "extensive_integrations", "sources": ["dms"]}`)}
<p>The name is that of the system, not of the key. A key may be replaced or deleted; what your system has said, and under which id, stays as it was. Whatever key comes next and may write as <code>dms</code> goes on with the same customers. Two systems never share a name: their ids would meet. To write as a system that the key does not name is 403 <a href="/docs/problems/source-not-allowed"><code>source-not-allowed</code></a>.</p>
<p>The id is any text of up to 128 characters that never changes: the primary key of your row. Take no e-mail address or phone number. People change them, families share them, and personal data has no place in an address.</p>

<h2 id="first-load">The first load</h2>
<p><strong>First, take the end of the feed</strong> and keep it. Whatever happens while you load comes after it, so nothing is missed.</p>
${code(`curl "${publicUrl}/v1/events?cursor=latest" ${token}`)}
${code(`{"items": [], "nextCursor": "1042.4c55a90d2f17"}`)}
<p><strong>Then send your rows</strong>, up to 200 at once. Send each row whole: it takes the place of all that your system said before of this customer. What you leave out you have no opinion on; it takes nothing away that others say.</p>
${code(`curl ${publicUrl}/v1/customers/batch ${json} -d '{"customers": [
  {"source": "dms", "id": "40012", "sourceVersion": 1764576000000, "customer": {
    "name": {"given": "Anna", "family": "Jensen"},
    "emails": [{"address": "anna@customer.example"}], "phones": [{"number": "32 12 34 56"}]}},
  {"source": "dms", "id": "40013", "sourceVersion": 1764576000000, "customer": {
    "name": {"full": "JENSEN ANNA"}, "phones": [{"number": "+45 32123456"}], "shoeSize": 38}},
  {"source": "dms", "id": "40014", "sourceVersion": 1764576000000, "customer": {
    "kind": "organization", "organization": {"name": "Holm Transport ApS", "countryCode": "DK"},
    "phones": [{"number": "32 98 76 54"}]}},
  {"source": "dms", "id": "undefined", "customer": {"name": {"full": "Peter Holm"}}}
]}'`)}
<p>The answer is 207, with a result for each row in the order in which you sent them. A result has the status that the row would have been answered alone. One that is refused never fails the others.</p>
${code(`{"results": [
  {"status": 201, "written": {"id": "cust_0198c0ffee0070008000000000000041", "version": 1, "warnings": []}},
  {"status": 201, "written": {"id": "cust_0198c0ffee0070008000000000000042", "version": 1,
    "warnings": [{"code": "member-unknown", "pointer": "/shoeSize"}]}},
  {"status": 201, "written": {"id": "cust_0198c0ffee0070008000000000000043", "version": 1, "warnings": []}},
  {"status": 422, "problem": {"code": "reference-unusable"}}
]}`)}
${table(
  ['Result', 'Meaning', 'What to do'],
  [
    [
      '201, 200',
      'The customer was made, or was known by this reference. <code>written</code> has its id and, with <code>customers:read</code>, the whole customer as it is shown now.',
      'Keep both: they are your copy.',
    ],
    [
      '400 <code>bad-request</code>',
      'The row is not what the contract says. <code>violations</code> say where.',
      'Mend your program.',
    ],
    [
      '403 <code>source-not-allowed</code>',
      'The key may not write as this system.',
      'Ask the dealer to name it for the key.',
    ],
    [
      '409 <code>source-version-older</code>',
      'Your system has sent a later version of this row before.',
      'Nothing. What came later stays.',
    ],
    [
      '422 <code>reference-unusable</code>',
      'The id is blank, damaged, or what programs write for no value. Many customers would become one.',
      'Look at where your program takes the id from.',
    ],
    ['503', 'Not now. Nothing of this row was written.', 'Send the row again in a moment.'],
    ['500', 'A fault of ours.', 'Send the row again later; report its <code>requestId</code>.'],
  ],
)}
<p>What cannot be understood is no reason to refuse a row: it is kept, and named in <code>warnings</code>, with its place in the customer as you sent it. There is nothing to send again, but somebody may want to mend the row. What is too long or too many is cut: your system has the whole of it.</p>
<p>Each row counts as one of the key's <a href="/docs/#limits"><code>writes</code></a>, of which there are 50 a second and 500 at once, so 20,000 rows take seven minutes at least. A batch that is too much is 429, and nothing of it is written: wait as long as <code>Retry-After</code> says and send it again. A batch may have 1 MiB; a larger one is 413: send one half of it, then the other.</p>
<p><strong>Sent again, it changes nothing.</strong> When the answer was lost, send the same batch again. Each row finds its customer by its reference: the answer is 200 with the same id and the same version, and the feed has no event of it. Whatever breaks half-way through a load, begin again where you like.</p>
<p><strong><code>sourceVersion</code></strong> is a number that rises with each change of the row in your system: a counter, or the time of the change in milliseconds. With it, a write that comes late cannot undo a later one, be it from a slow queue or a second worker: it is refused with 409. The same number again is taken. Without it, what comes last counts.</p>
<p>One row alone is written in the same way:</p>
${code(`curl -X PUT "${publicUrl}/v1/customers/by-reference/dms/40012?sourceVersion=1764575000000" ${json} -d '{"name": {"given": "Ann"}}'`)}
${code(`{"status": 409, "code": "source-version-older"}`)}
<p>An id stands percent-encoded in an address: <code>A/12</code> is <code>A%2F12</code>.</p>
<p><strong>Then read what is there</strong>, also what others have brought. Go on with <code>cursor</code> until an answer has no <code>nextCursor</code>. This is the cursor of the list, and has nothing to do with that of the feed.</p>
${code(`curl "${publicUrl}/v1/customers?limit=200" ${token}`)}
${code(`{"items": [
  {"id": "cust_0198c0ffee0070008000000000000043", "kind": "organization",
    "externalReferences": [{"source": "dms", "id": "40014"}]},
  {"id": "cust_0198c0ffee0070008000000000000042", "name": {"full": "JENSEN ANNA"},
    "phones": [{"number": "+45 32123456", "e164": "+4532123456"}]},
  {"id": "cust_0198c0ffee0070008000000000000041", "state": "active", "name": {"given": "Anna", "family": "Jensen"},
    "externalReferences": [{"source": "dms", "id": "40012"}], "version": 1, "rev": "1043.000000000051"}
]}`)}

<h2 id="follow">Keep up</h2>
<p>From now on, follow the feed from the place that you kept. Ask again with <code>nextCursor</code> until there is nothing new, and then every minute, or whenever you like. Keep <code>nextCursor</code> together with your copy, in one transaction: after a crash you go on where your copy is. Do not ask the list for what has changed: it says nothing of customers that were merged or are gone.</p>
${code(`curl "${publicUrl}/v1/events?cursor=1042.4c55a90d2f17" ${token}`)}
${code(`{"items": [
  {"type": "customer.created", "cursor": "1043.000000000051", "actor": {"type": "api_key", "name": "DMS"},
    "subject": {"type": "customer", "id": "cust_0198c0ffee0070008000000000000041"},
    "customer": {"id": "cust_0198c0ffee0070008000000000000041", "version": 1, "rev": "1043.000000000051"}},
  {"type": "customer.created", "subject": {"type": "customer", "id": "cust_0198c0ffee0070008000000000000042"}},
  {"type": "customer.created", "subject": {"type": "customer", "id": "cust_0198c0ffee0070008000000000000043"}}
], "nextCursor": "1045.000000000053"}`)}
<p>These three are your own doing. With <code>excludeOwn=true</code> the feed leaves out what your key has done:</p>
${code(`curl "${publicUrl}/v1/events?cursor=1042.4c55a90d2f17&excludeOwn=true" ${token}`)}
${code(`{"items": [], "nextCursor": "1045.000000000053"}`)}
${table(
  ['Event', 'What happened', 'What to do'],
  [
    ['<code>customer.created</code>', 'A customer is there, by a lead, a person or another system.', 'Keep it.'],
    [
      '<code>customer.updated</code>',
      'Something else is shown of it; <code>changed</code> names the members. Or it is <code>gone</code>: nobody says anything of it any more.',
      'Keep it as it is now.',
    ],
    [
      '<code>customer.merged</code>',
      'Two customers are one. Both have an event: one is <code>merged</code> and names the other in <code>mergedInto</code>, the other shows both.',
      'Keep both, see <a href="#merges">merges</a>.',
    ],
    ['<code>customer.unmerged</code>', 'They are two again. Both have an event.', 'Keep both.'],
    [
      '<code>lead.linked</code>',
      'It was found whose a lead is. With <code>leads:read</code>, <code>lead</code> has its <code>customerId</code>.',
      'Keep it, if you keep leads.',
    ],
    ['any other', 'More kinds may come.', 'Pass over it.'],
  ],
)}
<p>An event of a customer has the whole <code>customer</code>, as it is when you read the event, not as it was when it happened. So there is nothing to put together: take it as it is. Without <code>customers:read</code> it is left out. To read a customer again at any time, ask by its id. With the <code>ETag</code> of what you have as <code>If-None-Match</code>, the answer is 304 while it reads the same.</p>
${code(`curl -i ${publicUrl}/v1/customers/cust_0198c0ffee0070008000000000000041 ${token}`)}
${code(`ETag: "000000000041.1"

{"id": "cust_0198c0ffee0070008000000000000041", "state": "active", "version": 1, "rev": "1043.000000000051"}`)}
<p><code>rev</code> is the cursor of the last event about the customer; leads have one, too. Of two copies keep the one with the higher number before the point; at the same number take what came last. That matters when several of your processes read and write at the same time.</p>
<p><strong>With <code>excludeOwn</code>, take the answers to your own writes, too.</strong> They alone tell you what came of them. Mark a row as sent only when you have kept its answer. Note a new row before you send it: should it be deleted before you have its answer, you still take it back. If you do not know what came of a row, send it again: the answer has the customer as it is now. Your own is what was done with the same key: two programs that each keep a copy need a key each.</p>
<p><strong>When the feed does not go on.</strong> Should the service be put back to an earlier state, the event that you read last may be gone. Then, and for a cursor that was never one, the answer is 410:</p>
${code(`curl "${publicUrl}/v1/events?cursor=7.ffffffffffff" ${token}`)}
${code(`{"status": 410, "code": "feed-restarted"}`)}
<p>Begin as at the first time: the end of the feed, all your rows, the list, the feed from there. Drop customers that are not listed any more, and take back the references of your system whose rows you no longer have.</p>
<p>Whoever wants to know at once listens to <code>/v1/events/stream</code>, which also takes <code>excludeOwn=true</code>; the <a href="/docs/">first page</a> tells how.</p>

<h2 id="who-wins">Who wins</h2>
<p>Whose word is shown is decided for each member of a customer by itself. <strong>People</strong> of the dealer come first: what they have corrected stands. Then come <strong>systems</strong>, in the order in which they wrote for the first time. Then come <strong>leads</strong>. Of two words of the same rank, two leads say, the one that changed last goes first.</p>
${table(
  ['Member', 'What is shown'],
  [
    [
      '<code>kind</code>, <code>name</code>, <code>organization</code>, <code>address</code>',
      'That of the first who says one, as a whole: never half a name of one and half of another.',
    ],
    [
      '<code>emails</code>, <code>phones</code>',
      'The list of people, if they have made one. Else those of all systems and leads, each value once, in that order, ten at most.',
    ],
    ['<code>externalReferences</code>', 'The references of all systems that say something of the customer.'],
  ],
)}
<p>See it happen. Somebody at the dealer hears that Anna has married, and corrects her name in the dashboard. Through the API that is a <code>PATCH</code>, with the <code>ETag</code> of what was seen as <code>If-Match</code>:</p>
${code(`curl -X PATCH ${publicUrl}/v1/customers/cust_0198c0ffee0070008000000000000041 ${json} \\
  -H 'If-Match: "000000000041.1"' -d '{"name": {"family": "Hansen"}}'`)}
${code(`{"version": 2, "customer": {"name": {"given": "Anna", "family": "Hansen"}}}`)}
<p>Somebody else has seen the same customer, and comes later. They do not know of the new name, so they are answered 412. They read the customer again and decide again. Without <code>If-Match</code> the answer is 428.</p>
${code(`curl -X PATCH ${publicUrl}/v1/customers/cust_0198c0ffee0070008000000000000041 ${json} \\
  -H 'If-Match: "000000000041.1"' -d '{"name": {"given": "Anne"}}'`)}
${code(`{"status": 412, "code": "customer-changed"}`)}
<p>Now your system changes the name, too, and brings another number. Your word is taken and kept: the number is shown beside the first. The name is not, since a person has said it:</p>
${code(`curl -X PUT "${publicUrl}/v1/customers/by-reference/dms/40012?sourceVersion=1764576060000" ${json} -d '{
  "name": {"given": "Anna Marie", "family": "Jensen"}, "emails": [{"address": "anna@customer.example"}],
  "phones": [{"number": "32 12 34 56"}, {"number": "32 12 34 57"}]
}'`)}
${code(`{"version": 3, "customer": {"name": {"given": "Anna", "family": "Hansen"},
  "phones": [{"number": "32 12 34 56"}, {"number": "32 12 34 57"}]}}`)}
<p>It is no use to send it again. To see whose word is shown, and what everybody says, ask for the sources:</p>
${code(`curl ${publicUrl}/v1/customers/cust_0198c0ffee0070008000000000000041/sources ${token}`)}
${code(`{"origins": [
  {"field": "name", "type": "people", "by": {"type": "api_key", "name": "DMS"}},
  {"field": "emails", "type": "system", "reference": {"source": "dms", "id": "40012"}},
  {"field": "phones", "type": "system", "reference": {"source": "dms", "id": "40012"}},
  {"field": "phones", "type": "system", "reference": {"source": "dms", "id": "40012"}}
], "sources": [
  {"type": "system", "reference": {"source": "dms", "id": "40012"}, "sourceVersion": 1764576060000,
    "name": {"given": "Anna Marie", "family": "Jensen"}},
  {"type": "people", "name": {"given": "Anna", "family": "Hansen"}, "hidden": []}
], "leads": []}`)}
<p><code>origins</code> has one entry for each member that is shown, and of a list one for each of its entries, in their order, with <code>since</code> when it has been said; <code>by</code> is who did it by hand, here your own key. <code>hidden</code> names what people show empty, whatever others say.</p>
<p>The person who decided can take the correction back, and your word is shown again:</p>
${code(`curl -X DELETE "${publicUrl}/v1/customers/cust_0198c0ffee0070008000000000000041/edits?field=name" ${token}`)}
${code(`{"version": 4, "customer": {"name": {"given": "Anna Marie", "family": "Jensen"}}}`)}
<h3>Which of the two to use</h3>
${table(
  ['Who has something to say', 'Use'],
  [
    [
      'Your system, by itself: a row was changed, imported, loaded.',
      '<code>PUT /v1/customers/by-reference/…</code> or the batch. It can be sent again at any time, and says nothing in the name of anybody else.',
    ],
    [
      'A person who sees the customer as it is shown here, be it on a screen of yours, and wants it shown otherwise.',
      '<code>PATCH /v1/customers/{customerId}</code> with <code>If-Match</code>. A value goes before that of all systems, yours too, until somebody takes it back with <code>DELETE …/edits</code>; <code>null</code> and an empty list show nothing; a list is replaced as a whole.',
    ],
    [
      'A person who adds somebody whom no system knows yet.',
      '<code>POST /v1/customers</code>. It needs an e-mail address, a phone number or a postal address, and sent again it makes another.',
    ],
  ],
)}
<p>Never send a <code>PATCH</code> from a job. It would count as the word of people, and hold against your own later changes.</p>

<h2 id="echo">Your own echo</h2>
<p>Systems that copy from each other easily chase each other: each takes the other's spelling for a change, and writes it back. Three rules keep that from happening here.</p>
<ul>
<li><strong>What changes nothing that is shown makes no event and no version.</strong> Your word is kept, and nobody is told.</li>
<li><strong>Spelling does not count where two systems say the same.</strong> Phone numbers are compared in their international form, e-mail addresses in any case, and blanks around words count for nothing. The spelling of the one that goes first is shown. So two systems settle, also if each takes over what it reads and writes it back in its own way: when each has written once, nothing changes any more.</li>
<li><strong>With <code>excludeOwn=true</code> you are not told what you have done.</strong></li>
</ul>
${code(`curl -X PUT "${publicUrl}/v1/customers/by-reference/dms/40012?sourceVersion=1764576060000" ${json} -d '{
  "name": {"given": "Anna Marie", "family": "Jensen"}, "emails": [{"address": "anna@customer.example"}],
  "phones": [{"number": "32 12 34 56"}, {"number": "32 12 34 57"}]
}'`)}
${code(`{"version": 4, "warnings": []}`)}
<p>Best show your people what is shown here beside what your row says. If you take it over into the row, that settles, too. But then you say it yourself, and go on to say it when whoever said it first has taken it back.</p>

<h2 id="merges">Merges</h2>
<p>The dealer finds that <code>40012</code> and <code>40013</code> are one person, and merges them. You may ask first what would be shown, with <code>dryRun=true</code>; without it, it is done:</p>
${code(`curl -X PUT ${publicUrl}/v1/customers/cust_0198c0ffee0070008000000000000042/merge ${json} \\
  -d '{"into": "cust_0198c0ffee0070008000000000000041"}'`)}
${code(`{"id": "cust_0198c0ffee0070008000000000000041", "version": 5, "customer": {
  "name": {"given": "Anna Marie", "family": "Jensen"},
  "phones": [{"number": "32 12 34 56"}, {"number": "32 12 34 57"}],
  "externalReferences": [{"source": "dms", "id": "40012"}, {"source": "dms", "id": "40013"}]}}`)}
<p>Nothing was moved or overwritten. What is shown is computed of the sources of both, and says by which references it is known: that is how you see that two of your rows are one customer. The feed has an event for each of the two:</p>
${code(`curl "${publicUrl}/v1/events?cursor=1045.000000000053" ${token}`)}
${code(`{"items": [
  {"type": "customer.updated", "changed": ["name"]},
  {"type": "customer.updated", "changed": ["phones"]},
  {"type": "customer.updated", "changed": ["name"]},
  {"type": "customer.merged", "subject": {"id": "cust_0198c0ffee0070008000000000000041"},
    "customer": {"id": "cust_0198c0ffee0070008000000000000041", "state": "active"}},
  {"type": "customer.merged", "subject": {"id": "cust_0198c0ffee0070008000000000000042"},
    "customer": {"state": "merged", "mergedInto": "cust_0198c0ffee0070008000000000000041",
      "emails": [], "phones": []}}
], "nextCursor": "1050.000000000058"}`)}
<p><strong>Ids never die.</strong> The id that was merged goes on to answer, with the customer that it is part of now: look at the <code>id</code> in the body. It is in no list and in no search.</p>
${code(`curl ${publicUrl}/v1/customers/cust_0198c0ffee0070008000000000000042 ${token}`)}
${code(`{"id": "cust_0198c0ffee0070008000000000000041", "version": 5}`)}
<p><strong>Keep your two rows, and go on to write both</strong>, each under its own reference. Tell your people that they are one. Keep in your copy the id that was merged, with its <code>mergedInto</code>: leads keep the <code>customerId</code> that they were given, and it leads on. One that your copy does not have, ask for: it answers. Which were merged into a customer, when and by whom, is in <code>merged</code> of its sources.</p>
${code(`curl -X PUT ${publicUrl}/v1/customers/by-reference/dms/40013 ${json} -d '{
  "name": {"full": "JENSEN ANNA"}, "phones": [{"number": "+45 32123456"}],
  "address": {"postalCode": "2960", "city": "Rungsted Kyst"}
}'`)}
${code(`{"id": "cust_0198c0ffee0070008000000000000041", "version": 6,
  "customer": {"address": {"postalCode": "2960", "city": "Rungsted Kyst"}}}`)}
<p>If you make one row of them as well, take back the reference of the row that goes, as <a href="#gone">below</a>.</p>
<p><strong>A merge can be undone</strong>, at any time and exactly. Each is again what it was, with what was written meanwhile under its own id and references. Both have an event <code>customer.unmerged</code>. That is why nothing of yours has to be moved when two are merged.</p>
${code(`curl -X DELETE ${publicUrl}/v1/customers/cust_0198c0ffee0070008000000000000042/merge ${token}`)}
${code(`{"id": "cust_0198c0ffee0070008000000000000042", "customer": {"name": {"full": "JENSEN ANNA"},
  "address": {"postalCode": "2960", "city": "Rungsted Kyst"},
  "externalReferences": [{"source": "dms", "id": "40013"}]}}`)}
<p>What cannot be merged, such as two into each other, or a test customer and a real one, is 409 <a href="/docs/problems/merge-impossible"><code>merge-impossible</code></a>.</p>

<h3 id="gone">When a row goes</h3>
<p>When your system deletes a row, take its reference back. All that it said goes. The customer stays while a person, another system or a lead says something of it; the answer then has it as it is shown now. Else it is gone, and the answer has no <code>customer</code>.</p>
${code(`curl -X DELETE ${publicUrl}/v1/customers/by-reference/dms/40014 ${token}`)}
${code(`{"id": "cust_0198c0ffee0070008000000000000043", "version": 2, "warnings": []}`)}
${code(`curl ${publicUrl}/v1/customers/cust_0198c0ffee0070008000000000000043 ${token}`)}
${code(`{"status": 410, "code": "customer-gone"}`)}
<p>In the feed that is a <code>customer.updated</code> whose customer has the state <code>gone</code>. Taken back once more, it is 404. If the row comes back under the same reference, so does the customer, under the id that it had. Send <code>sourceVersion</code> here, too: then a write that comes late does not bring back what was deleted.</p>

<h2 id="search">Search</h2>
<p>Before somebody makes a new row at the counter, look whether the customer is known: by an e-mail address, a phone number in any notation or its last digits, words of a name or their beginnings, or the number plate or VIN of a vehicle that they have handed in. All that you name has to fit. This is a <code>POST</code>, since personal data has no place in an address: addresses stand in logs.</p>
${code(`curl ${publicUrl}/v1/customers/search ${json} -d '{"name": "anna jen", "phone": "3457"}'`)}
${code(`{"items": [{"id": "cust_0198c0ffee0070008000000000000041"}], "more": false}`)}

<h2 id="suggestions">Suggestions</h2>
<p>Leads find their customer by themselves where that is safe. Customers are never merged by themselves. Those who may be the same are suggested a moment after they were written, with what speaks for it and against it: the score is the sum of the weights of its reasons.</p>
${code(`curl ${publicUrl}/v1/customer-suggestions ${token}`)}
${code(`{"items": [{"id": "sugg_0198c0ffee0070008000000000000071",
  "score": 80, "reasons": ["same-phone", "same-name"],
  "customers": [{"id": "cust_0198c0ffee0070008000000000000041"},
    {"id": "cust_0198c0ffee0070008000000000000042"}]}]}`)}
<p>Put them before a person. Whoever finds that they are one merges them. Whoever finds that they are not says so, and is not asked again:</p>
${code(`curl -X PUT ${publicUrl}/v1/customer-suggestions/sugg_0198c0ffee0070008000000000000071/rejection ${token}`)}
${code(`{"id": "sugg_0198c0ffee0070008000000000000071", "reasons": ["same-phone", "same-name"]}`)}

<h2 id="program">A DMS in 100 lines</h2>
<p>This is all of it, in JavaScript for Node 20 or later, without anything to install: <a href="/docs/in-step/dms.mjs">dms.mjs</a>. It takes your rows from <code>rows.json</code>, and keeps its copy in <code>copy.json</code>: the cursor, the customers as they are shown, and which version of which row was sent. It may be ended anywhere, and goes on where it was: what it does not know the outcome of, it sends again. What the service has under the name of your system and <code>rows.json</code> has not, it takes back.</p>
${code(`{
  "40012": {"version": 1, "customer": {
    "name": {"given": "Anna", "family": "Jensen"}, "phones": [{"number": "32 12 34 56"}]}},
  "40013": {"version": 1, "customer": {
    "name": {"full": "JENSEN ANNA"}, "phones": [{"number": "+45 32123456"}]}}
}`)}
${code(`SERVICE=${publicUrl} KEY=$KEY node dms.mjs`)}
${code(program)}`,
  )
}
