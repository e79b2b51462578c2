// A DMS that keeps in step: `node dms.mjs`, every minute, one at a time. SERVICE and KEY are in the environment.
import { readFile, rename, writeFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'

// What your people know: {"40012": {"version": 1, "customer": {"name": …}}}. In your system these two are tables.
const rows = JSON.parse(await readFile('rows.json', 'utf8'))
let copy = await readFile('copy.json', 'utf8').then(JSON.parse, () => ({}))
while (!(copy.cursor && (await send()) && (await follow()))) await begin()
for (const ours of Object.values(copy.customers).map(oursOf))
  if (ours.length > 1) console.log(`One customer: ${ours.join(', ')}`)

async function begin() {
  copy = { cursor: (await ask('GET', '/v1/events?cursor=latest')).nextCursor, customers: {}, sent: {} }
  for (let page = ''; page !== undefined;) {
    const { items, nextCursor } = await ask('GET', `/v1/customers?limit=200${page}`)
    items.forEach(take)
    for (const id of items.flatMap(oursOf)) copy.sent[id] = null
    page = nextCursor && `&cursor=${nextCursor}`
  }
}

function oursOf({ externalReferences }) {
  return externalReferences.filter(({ source }) => source === 'dms').map(({ id }) => id)
}

async function send() {
  const due = Object.entries(rows).filter(([id, { version }]) => copy.sent[id] !== version)
  for (const [id] of due) copy.sent[id] ??= null // Perhaps it is sent, and what comes of it not kept.
  await keep()
  while (due.length > 0) await write(due.splice(0, 200))
  for (const row of Object.keys(copy.sent).filter((id) => !rows[id])) {
    const reference = `/v1/customers/by-reference/dms/${encodeURIComponent(row)}`
    const { code, id, rev, customer } = await ask('DELETE', reference)
    if (code === 'not-found') return false // It was taken back, and what came of it was not kept.
    take(customer ?? { id, rev, state: 'gone', externalReferences: [] })
    delete copy.sent[row]
    await keep()
  }
  return true
}

async function write(some) {
  const { code, detail, results } = await ask('POST', '/v1/customers/batch', { customers: some.map(item) })
  if (code === 'body-too-large' && some.length > 1) {
    await write(some.splice(0, some.length / 2))
    return write(some)
  }
  for (const [at, { written, problem }] of (results ?? [{ problem: { detail } }]).entries()) {
    const [id, { version }] = some[at]
    if (written) take(written.customer)
    if (written || problem.code === 'source-version-older') copy.sent[id] = version
    for (const { pointer, message } of written?.warnings ?? []) console.warn(`${id}${pointer}: ${message}`)
    if (problem) console.error(`${id}: ${problem.detail}`)
  }
  await keep()
}

function item([id, { version, customer }]) {
  return { source: 'dms', id, sourceVersion: version, customer }
}

async function follow() {
  for (;;) {
    const { code, items, nextCursor } = await ask('GET', `/v1/events?excludeOwn=true&limit=200&cursor=${copy.cursor}`)
    if (code === 'feed-restarted') return false
    for (const { customer } of items) if (customer) take(customer)
    copy.cursor = nextCursor
    await keep()
    if (items.length === 0) return true
  }
}

function take(customer) {
  const place = ({ rev }) => BigInt(rev.split('.')[0])
  const known = copy.customers[customer.id]
  if (!known || place(customer) >= place(known)) copy.customers[customer.id] = customer
}

async function keep() {
  await writeFile('copy.json.new', JSON.stringify(copy))
  await rename('copy.json.new', 'copy.json')
}

async function ask(method, path, body) {
  for (let tries = 1; ; tries++) {
    ask.token ??= await exchange()
    const headers = { Authorization: `Bearer ${ask.token}`, 'Content-Type': 'application/json' }
    const response = await fetch(process.env.SERVICE + path, { method, headers, body: body && JSON.stringify(body) })
    const answer = await response.json()
    if (response.ok || ['not-found', 'feed-restarted', 'body-too-large'].includes(answer.code)) return answer
    if (tries === 5 || ![401, 429, 503].includes(response.status)) throw new Error(JSON.stringify(answer))
    if (response.status === 401) ask.token = undefined
    else await pause(Number(response.headers.get('Retry-After')) * 1000)
  }
}

async function exchange() {
  const headers = { 'X-Api-Key': process.env.KEY }
  const scope = 'customers:read customers:write events:read'
  const body = new URLSearchParams({ grant_type: 'client_credentials', scope })
  const response = await fetch(`${process.env.SERVICE}/v1/auth/token`, { method: 'POST', headers, body })
  if (!response.ok) throw new Error(await response.text())
  return (await response.json()).access_token
}
