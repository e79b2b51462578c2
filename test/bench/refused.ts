import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { createUser } from '../../src/users/operator.ts'
import { atMost, type Goal, report } from './harness.ts'
import { makeDealers, openPlace, startOurs, tokenOfNewKey } from './world.ts'

/**
 * What refused requests leave behind, kind by kind: the memory of the process once its rubbish is collected, and the
 * rows and bytes of all tables, after so many of each against before. `REFUSED=1000000 npm run bench -- refused`.
 */
const all = Number(process.env['REFUSED'] ?? 100_000)
/** A password that is looked at takes a core 20 ms: of those as many, unless it is said. */
const passwords = Number(process.env['PASSWORDS'] ?? Math.ceil(all / 20))
const only = process.env['ONLY']?.split(',')
const atOnce = 64
// What is remembered has a limit, and the first requests fill it: tokens, compiled code, connections.
const warmingMax = 20_000
const heapGrowthMbMax = 16
const rowsMax = 5_000
// Counts of attempts lie in so many places of each kind, and each attempt is counted in two.
const placesMax = 2 * 2 ** 17
const known = 50
const password = 'a-password-for-the-bench'
const mb = 2 ** 20

const place = await openPlace()
const socketPath = join(place.folder, 'memory.sock')
process.env['OURS_FLAGS'] = `--expose-gc --import=${join(import.meta.dirname, 'memory.ts')}`
const ours = await startOurs(place, { more: { MEMORY_SOCKET: socketPath, TRUST_PROXY: '1', LIMITS: 'reads=1/1' } })
const [dealer] = await makeDealers(place, ours, 1)
if (!dealer) throw new Error('There is no dealer')
for (let at = 0; at < known; at++)
  await createUser(place.db, dealer.dealerId, 'sales', { email: `sales-${at}@dealer.example`, name: 'Sales', password })

const asker = connect(socketPath)
await once(asker, 'connect')
async function memory(): Promise<{ rss: number; heapUsed: number; external: number }> {
  asker.write('?')
  const [told] = await once(asker, 'data')
  return JSON.parse(String(told))
}

/** Of all tables, with their indexes. */
async function stored(): Promise<{ rows: number; bytes: number; byTable: Map<string, number> }> {
  const { rows: names } = await place.db.raw<{ rows: { name: string; bytes: string }[] }>(
    `select c.relname as name, pg_total_relation_size(c.oid) as bytes
     from pg_class c
     where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')`,
  )
  const byTable = new Map<string, number>()
  for (const { name } of names) byTable.set(name, Number((await place.db(name).count({ rows: '*' }).first())?.['rows']))
  const sum = (numbers: Iterable<number>) => [...numbers].reduce((one, other) => one + other, 0)
  return { rows: sum(byTable.values()), bytes: sum(names.map(({ bytes }) => Number(bytes))), byTable }
}

const agent = new Agent({ keepAlive: true, maxSockets: atOnce })
interface Sent {
  method: 'GET' | 'POST'
  path: string
  headers: Record<string, string>
  body?: string
}
function send({ method, path, headers, body }: Sent): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(
      ours.url + path,
      { method, agent, headers: { ...headers, ...(body && { 'content-length': Buffer.byteLength(body) }) } },
      (answer) => {
        answer.resume()
        answer.once('end', () => resolve(answer.statusCode ?? 0))
      },
    )
    sent.once('error', reject)
    sent.end(body)
  })
}

const addressOf = (at: number) => `10.${(at >> 16) & 255}.${(at >> 8) & 255}.${at & 255}`
const json = { 'content-type': 'application/json' }
const signIn = (email: string, at: number): Sent => ({
  method: 'POST',
  path: '/v1/session',
  headers: { ...json, 'x-forwarded-for': addressOf(at) },
  body: JSON.stringify({ email, password: 'wrong' }),
})
const read = (token: string, at: number): Sent => ({
  method: 'GET',
  path: '/v1/leads?limit=1',
  headers: { authorization: `Bearer ${token}`, 'x-forwarded-for': addressOf(at) },
})
const exchange = (key: string, at: number): Sent => ({
  method: 'POST',
  path: '/v1/auth/token',
  headers: { 'x-api-key': key, 'x-forwarded-for': addressOf(at) },
})
async function call(method: string, path: string, body?: object): Promise<any> {
  const reply = await fetch(ours.url + path, {
    method,
    headers: { authorization: `Bearer ${dealer?.admin}`, ...(body && json) },
    ...(body && { body: JSON.stringify(body) }),
  })
  if (!reply.ok) throw new Error(`${path} answered ${reply.status} ${await reply.text()}`)
  return reply.status === 204 ? undefined : reply.json()
}

const newKey = (name: string) => call('POST', '/v1/api-keys', { name, kind: 'extensive_integrations' })
const deleted = await newKey('Deleted')
const dead = await tokenOfNewKey(ours.url, dealer.admin, 'Dead', 'extensive_integrations')
const fenced = await newKey('Fenced')
const fencedToken = (
  await (await fetch(`${ours.url}/v1/auth/token`, { method: 'POST', headers: { 'x-api-key': fenced.secret } })).json()
).access_token
await call('PATCH', `/v1/api-keys/${fenced.apiKey.id}`, { allowedNetworks: ['192.0.2.1'] })
await call('DELETE', `/v1/api-keys/${deleted.apiKey.id}`)
await fetch(`${ours.url}/v1/api-key`, { method: 'DELETE', headers: { authorization: `Bearer ${dead}` } })
const typo = deleted.secret.replace(/.$/, (last: string) => (last === '0' ? '1' : '0'))
const over = dealer.dms

/** Each request by its number; what differs between them differs in each. */
const kinds: Record<string, (at: number) => Sent> = {
  'wrong password, an e-mail that nobody has': (at) => signIn(`${at}@nobody.example`, at),
  'wrong password, e-mails of people': (at) => signIn(`sales-${at % known}@dealer.example`, at),
  'a key with a typo': (at) => exchange(typo, at),
  'a key that was deleted': (at) => exchange(deleted.secret, at),
  'a dead token': (at) => read(dead, at),
  'no token of ours': (at) => read(`${dead.slice(0, -8)}${String(at).padStart(8, '0')}`, at),
  'a key from a foreign network': (at) => exchange(fenced.secret, at),
  'a token from a foreign network': (at) => read(fencedToken, at),
  'over the limit': (at) => read(over, at),
}

async function load(make: (at: number) => Sent, from: number, many: number): Promise<Map<number, number>> {
  const statuses = new Map<number, number>()
  let next = from
  const worker = async () => {
    while (next < from + many) {
      const status = await send(make(next++))
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  return statuses
}

const goals: Goal[] = []
const rows: ({ kind: string } & Record<string, string | number>)[] = []
for (const [kind, make] of Object.entries(kinds).filter(([kind]) => !only || only.includes(kind))) {
  const count = kind.includes('that nobody has') ? passwords : all
  const warming = Math.min(count, warmingMax)
  await load(make, 0, warming)
  const [before, tablesBefore] = [await memory(), await stored()]
  const began = performance.now()
  const statuses = await load(make, warming, count)
  const seconds = (performance.now() - began) / 1000
  const [after, tablesAfter] = [await memory(), await stored()]
  const grown = [...tablesAfter.byTable].filter(([name, many]) => many > (tablesBefore.byTable.get(name) ?? 0))
  const heapMb = (after.heapUsed + after.external - before.heapUsed - before.external) / mb
  goals.push(atMost(`${kind}: MB more in the process`, heapMb, heapGrowthMbMax))
  const places = grown.filter(([name]) => name === 'attempts').reduce((_, [, many]) => many, 0)
  const more = grown.map(([name, many]) => ({ name, many: many - (tablesBefore.byTable.get(name) ?? 0) }))
  const others = more.filter(({ name }) => name !== 'attempts').reduce((sum, { many }) => sum + many, 0)
  goals.push(atMost(`${kind}: places of attempts`, places, placesMax))
  goals.push(atMost(`${kind}: other rows more`, others, rowsMax))
  goals.push(
    atMost(
      `${kind}: answered otherwise than refused`,
      [...statuses].filter(([status]) => status < 400 || status >= 500).reduce((sum, [, many]) => sum + many, 0),
      count / 100,
    ),
  )
  rows.push({
    kind,
    count,
    perSecond: count / seconds,
    rssBeforeMb: before.rss / mb,
    rssAfterMb: after.rss / mb,
    heapMb,
    rows: tablesAfter.rows - tablesBefore.rows,
    tablesMb: (tablesAfter.bytes - tablesBefore.bytes) / mb,
    answers: [...statuses].map(([status, many]) => `${status}: ${many}`).join(', '),
    tables: more.map(({ name, many }) => `${name} +${many}`).join(', '),
  })
  console.log(rows.at(-1))
}
report(
  'refused',
  `${all} refused requests of each kind, after ${warmingMax} that warm up; memory after gc`,
  rows,
  goals,
)
asker.destroy()
agent.destroy()
await ours.stop()
await place.close()
process.exit()
