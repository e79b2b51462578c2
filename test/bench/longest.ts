import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { parse } from 'yaml'
import { type OperationId, operations } from '../../generated/server/express.gen.ts'
import * as limits from '../../generated/server/limits.gen.ts'
import { atMost, report } from './harness.ts'
import { type Dealer, leadInput, makeDealers, openPlace, startOurs, tokenOfNewKey } from './world.ts'

/**
 * The longest turn of the event loop that each operation takes at its largest legal and its worst illegal input, with a
 * credential that lives and with one that is dead.
 */
const times = Number(process.env['TIMES'] ?? 3)
const answerMsMax = 60_000
const goalMs = 50
const headBytesMax = 15_000
const explainedBytes = 16_384
const largestLeadBytes = 240_000
const leadsOfPage = limits.parameters.Limit.maximum

interface Case {
  id: OperationId
  what: string
  isLegal: boolean
  query?: string
  headers?: Record<string, string>
  mediaType?: string
  body?: Buffer
}

const document = parse(readFileSync(new URL('../../generated/openapi.yaml', import.meta.url), 'utf8'))
const ids = Object.keys(operations) as OperationId[]
const xml = readFileSync(new URL('../adf/full.xml', import.meta.url), 'utf8')

/** `text` again and again, as often as fits in `bytes`. */
function filled(bytes: number, start: string, text: (at: number) => string, end: string): Buffer {
  const parts = [start]
  let left = bytes - Buffer.byteLength(start) - Buffer.byteLength(end)
  for (let at = 0; ; at++) {
    const next = text(at)
    left -= Buffer.byteLength(next)
    if (left < 0) break
    parts.push(next)
  }
  return Buffer.from(parts.join('') + end)
}

const long = (length: number, start = '') =>
  start + 'Lørdag kl. ti æøå '.repeat(Math.ceil(length / 18)).slice(0, length)

/** All that a lead has room for, for the most part. */
function largestLead(at: number, bytes = largestLeadBytes) {
  const car = (place: number) => ({
    vin: `WVWZZZ1KZ${at}${place}`,
    make: long(60),
    model: long(60),
    comments: long(limits.VehicleOfInterest.comments.maxLength),
    listingUrl: `https://dealer.example/${'a'.repeat(1_900)}`,
  })
  const all = {
    ...leadInput(at),
    message: long(limits.Lead.message.maxLength),
    vehiclesOfInterest: Array.from({ length: limits.Lead.vehiclesOfInterest.maxItems }, (_, place) => car(place)),
    tradeIns: Array.from({ length: limits.Lead.tradeIns.maxItems }, (_, place) => car(place)),
    consents: Array.from({ length: limits.Lead.consents.maxItems }, () => ({
      purpose: 'marketing',
      channel: 'email',
      state: 'granted',
      text: long(limits.Consent.text.maxLength),
      sourceUrl: `https://dealer.example/${'a'.repeat(1_900)}`,
    })),
    extra: { note: long(4_000) },
  }
  for (const list of [all.consents, all.vehiclesOfInterest, all.tradeIns])
    while (list.length > 0 && Buffer.byteLength(JSON.stringify(all)) > bytes) list.pop()
  return all
}

/** Leads of so many bytes that are legal, each costly in a way of its own. */
const costlyLeads: Record<string, (bytes: number) => Buffer> = {
  'all that there is room for': (bytes) =>
    Buffer.from(JSON.stringify(largestLead(1, Math.min(bytes, largestLeadBytes)))),
  'unknown members': (bytes) => filled(bytes, open, (at) => `,"a${at}":0`, '}'),
  'large unknown members': (bytes) => filled(bytes, open, (at) => `,"a${at}":"${'x'.repeat(7_000)}"`, '}'),
  'unknown lists': (bytes) => filled(bytes, `${open},"a":[0`, () => ',[]', ']}'),
  'unknown members in extra': (bytes) =>
    filled(bytes, `${open},"extra":{"a":0`, (at) => `,"a${at}":"010203-1234"`, '}}'),
  'a long message': (bytes) => filled(bytes, `${open},"message":"`, () => '010203 ', '"}'),
  'a message of markup': (bytes) => filled(bytes, `${open},"message":"`, () => '<a ', '"}'),
  'a message of entities': (bytes) => filled(bytes, `${open},"message":"<p>`, () => '&amp;', '"}'),
  'many phones': (bytes) =>
    filled(bytes, '{"customer":{"phones":[{"number":"32123456"}', () => ',{"number":"+4532123456 ext 9"}', ']}}'),
  'a long phone': (bytes) => filled(bytes, '{"customer":{"phones":[{"number":"', () => '+45 (0) ', '"}]}}'),
  'a phone of digits': (bytes) => filled(bytes, '{"customer":{"phones":[{"number":"', () => '3', '"}]}}'),
  'a long e-mail': (bytes) => filled(bytes, '{"customer":{"emails":[{"address":"a@', () => 'a.', 'dk"}]}}'),
  'a long name': (bytes) =>
    filled(bytes, '{"customer":{"phones":[{"number":"32123456"}],"name":{"full":"', () => 'null ', '"}}}'),
  'a long time': (bytes) => filled(bytes, `${open},"submittedAt":"`, () => '1 ', '"}'),
  'a long amount': (bytes) =>
    filled(bytes, `${open},"vehiclesOfInterest":[{"price":{"amount":"1`, () => '.000', '"}}]}'),
  'long numbers': (bytes) => filled(bytes, `${open},"a":[0`, () => ',12345678901234567890', ']}'),
  'repeated members': (bytes) => filled(bytes, open, () => ',"a":0', '}'),
  'many lists of cars': (bytes) => filled(bytes, `${open},"vehiclesOfInterest":[{}`, () => ',{}', ']}'),
  'a message of blanks of a form': (bytes) => filled(bytes, `${open},"message":"%20`, () => '+', '"}'),
  'a message of blanks and letters of a form': (bytes) => filled(bytes, `${open},"message":"%20`, () => '+a', '"}'),
  'a message of escapes': (bytes) => filled(bytes, `${open},"message":"%20`, () => '\\\\+', '"}'),
  'a message of national numbers': (bytes) => filled(bytes, `${open},"message":"`, () => '010150-5000 ', '"}'),
  'lone surrogates': (bytes) => filled(bytes, `${open},"message":"`, () => '\\ud800', '"}'),
}
const open = '{"customer":{"phones":[{"number":"32123456"}]}'

const oneLead = operations.createLead.bodyBytesMax
const batch = operations.createLeadBatch.bodyBytesMax - 64

/** As many leads as a batch may have, that fill it. */
const batchOf = (lead: (bytes: number) => Buffer, count: number): Buffer => {
  const one = lead(Math.min(oneLead - 64, Math.floor(batch / count) - 16)).toString()
  return Buffer.from(`{"leads":[${Array.from({ length: count }, () => `{"lead":${one}}`).join(',')}]}`)
}

const costlyDocuments: Record<string, (bytes: number) => Buffer> = {
  prospects: (bytes) =>
    filled(bytes, '<adf>', () => xml.slice(xml.indexOf('<prospect'), xml.indexOf('</adf>')), '</adf>'),
  'small prospects': (bytes) => filled(bytes, '<adf>', () => '<prospect/>', '</adf>'),
  'unknown elements': (bytes) => filled(bytes, '<adf><prospect>', (at) => `<a${at}>1</a${at}>`, '</prospect></adf>'),
  'open elements': (bytes) => filled(bytes, '<adf><prospect>', () => '<a>', ''),
  brackets: (bytes) => filled(bytes, '<adf><prospect>', () => '<', ''),
  ampersands: (bytes) => filled(bytes, '<adf><prospect><comments>', () => '&', '</comments></prospect></adf>'),
  comments: (bytes) => filled(bytes, '<adf><prospect>', () => '<!--', ''),
  sections: (bytes) => filled(bytes, '<adf><prospect>', () => '<![CDATA[', ''),
  attributes: (bytes) => filled(bytes, '<adf><prospect', (at) => ` a${at}="1"`, '/></adf>'),
  'a mail': (bytes) => filled(bytes, 'Content-Type: multipart/mixed; boundary=a\r\n\r\n', () => '--a\r\n\r\n', ''),
  'a form': (bytes) => filled(bytes, 'adf=', () => '%3Cadf%3E', ''),
  'blanks of a form': (bytes) =>
    filled(bytes, '<adf><prospect><comments>%20', () => '+', '</comments></prospect></adf>'),
  'a section of escapes': (bytes) =>
    filled(bytes, '<adf><prospect><comments><![CDATA[%20', () => '\\+', ']]></comments></prospect></adf>'),
  'escaped twice': (bytes) => filled(bytes, '&lt;adf&gt;', () => '&amp;lt;', ''),
  blanks: (bytes) => filled(bytes, '<adf>', () => ' ', '<'),
  'no document': (bytes) => filled(bytes, '', () => 'a', ''),
}

const reference = (at: number) => `{"source":"${'s'.repeat(60)}","id":"${`${at}`.padStart(300 - 180, '0')}"}`
const references = Buffer.from(`{"references":[${Array.from({ length: 10_000 }, (_, at) => reference(at)).join(',')}]}`)

/** Bodies that no operation takes. */
const wrong: Record<string, (bytes: number) => Buffer> = {
  'unknown members': (bytes) => filled(bytes, '{"a":0', (at) => `,"a${at}":0`, '}'),
  'unknown members with names': (bytes) => filled(bytes, '{"a":0', (at) => `,"custome${at}":0`, '}'),
  'empty lists': (bytes) => filled(bytes, '[0', () => ',[]', ']'),
  'wrong leads': (bytes) => filled(bytes, '{"leads":[0', () => ',0', ']}'),
  'leads that are empty': (bytes) => filled(bytes, '{"leads":[{}', () => ',{}', ']}'),
  'wrong references': (bytes) => filled(bytes, '{"references":[0', () => ',{}', ']}'),
  'wrong parts of a lead': (bytes) => filled(bytes, '{"customer":{"phones":[0', () => ',0', ']}}'),
  'wrong cars': (bytes) => filled(bytes, '{"vehiclesOfInterest":[{"make":0}', () => ',{"make":0}', ']}'),
  'repeated members': (bytes) => filled(bytes, '{"a":0', () => ',"a":0', '}'),
  'many repeated members': (bytes) => filled(bytes, '{"a":0', (at) => `,"a${at >> 1}":0`, '}'),
  'long numbers': (bytes) => filled(bytes, '[0', () => ',12345678901234567890', ']'),
  'JSON with an end that is wrong': (bytes) => filled(bytes, '[0', () => ',[]', ']]'),
  'texts with an end that is wrong': (bytes) => filled(bytes, '["a"', () => ',"a\\n"', ']]'),
  'blanks and no end': (bytes) => filled(bytes, '[', () => ' \n', ''),
  'a text without an end': (bytes) => filled(bytes, '["', () => 'a', ''),
  'bytes that are not UTF-8': (bytes) =>
    Buffer.concat([Buffer.from('["'), Buffer.alloc(bytes - 4, 0xe6), Buffer.from('"]')]),
  'UTF-16': (bytes) => Buffer.from(filled(Math.floor(bytes / 2), '[0', () => ',[]', ']').toString(), 'utf16le'),
  'UTF-32': (bytes) =>
    Buffer.from([...filled(Math.floor(bytes / 4), '[0', () => ',[]', ']')].flatMap((each) => [each, 0, 0, 0])),
}

/** Heads that are as large as may be. */
const heads: Record<string, Pick<Case, 'query' | 'headers'>> = {
  'a User-Agent of tokens': { headers: { 'user-agent': 'eyJ'.repeat(headBytesMax / 3) } },
  'a User-Agent of digits': { headers: { 'user-agent': 'a'.repeat(headBytesMax) } },
  'a User-Agent that is nearly a key': { headers: { 'user-agent': 'cb_dr_live_'.repeat(headBytesMax / 11) } },
  'many parameters': { query: filled(headBytesMax, 'a=1', (at) => `&a${at}=1`, '').toString() },
  'many equal parameters': { query: filled(headBytesMax, 'limit=1', () => '&limit=1', '').toString() },
  'escapes that are none': { query: `a=${'%e6'.repeat(headBytesMax / 3)}` },
  'a long name of a parameter': { query: `${'a'.repeat(headBytesMax)}=1` },
  'a long cursor': { query: `cursor=${'0'.repeat(headBytesMax)}` },
  'a long contact': { query: `contact=${'3'.repeat(headBytesMax)}` },
  'many tags': { headers: { 'if-match': '"",'.repeat(headBytesMax / 3), 'if-none-match': '' } },
  'many tags not to match': { headers: { 'if-none-match': '"a",'.repeat(headBytesMax / 4) } },
  'a long Idempotency-Key': { headers: { 'idempotency-key': '"\\'.repeat(headBytesMax / 2) } },
  'many cookies': { headers: { cookie: 'session=a;'.repeat(headBytesMax / 10) } },
  'a long request id': { headers: { 'x-request-id': 'eyJ'.repeat(headBytesMax / 3) } },
  'a Host of dots': { headers: { host: '.'.repeat(headBytesMax) } },
  'a media type of parameters': { headers: { 'content-type': 'application/json;a=b'.padEnd(headBytesMax, ';a=b') } },
  'many addresses': { headers: { 'x-forwarded-for': '1.2.3.4,'.repeat(headBytesMax / 8) } },
  'a last event that is long': { headers: { 'last-event-id': '1'.repeat(headBytesMax) } },
}

const example = (id: OperationId): Buffer | undefined => {
  const { path, method, mediaTypes } = operations[id]
  const [mediaType] = mediaTypes
  const content = mediaType && document.paths[path][method.toLowerCase()].requestBody.content[mediaType]
  if (!content) return undefined
  const value = content.example ?? (Object.values(content.examples ?? {})[0] as { value?: unknown } | undefined)?.value
  return Buffer.from(
    typeof value === 'string'
      ? value
      : mediaType.includes('json')
        ? JSON.stringify(value)
        : new URLSearchParams(value).toString(),
  )
}

function casesOf(id: OperationId): Case[] {
  const { bodyBytesMax, mediaTypes, queryParameters } = operations[id]
  const [mediaType] = mediaTypes as readonly string[]
  const cases: Case[] = []
  const plain = { id, ...(mediaType && { mediaType, body: example(id) ?? Buffer.from('{}') }) }
  const largestPage = (queryParameters as readonly string[]).includes('limit') ? { query: `limit=${leadsOfPage}` } : {}
  cases.push({ ...plain, ...largestPage, what: 'as it should be', isLegal: true })
  for (const [what, head] of Object.entries(heads))
    cases.push({ ...plain, ...head, what, isLegal: what.includes('User-Agent') })
  if (mediaType === 'application/json')
    for (const [what, body] of Object.entries(wrong))
      for (const bytes of new Set([Math.min(explainedBytes, bodyBytesMax), bodyBytesMax]))
        cases.push({ id, mediaType, what: `${what}, ${bytes} bytes`, isLegal: false, body: body(bytes) })
  if (mediaType === 'application/x-www-form-urlencoded')
    cases.push({
      id,
      mediaType,
      what: 'many parameters',
      isLegal: false,
      body: filled(bodyBytesMax, 'a=1', (at) => `&a${at}=1`, ''),
    })
  for (const [what, lead] of Object.entries(costlyLeads)) {
    if (id === 'createLead') cases.push({ id, mediaType, what, isLegal: true, body: lead(oneLead) } as Case)
    if (id !== 'createLeadBatch') continue
    for (const count of [16, 200])
      cases.push({ id, mediaType, what: `${count} of ${what}`, isLegal: true, body: batchOf(lead, count) } as Case)
  }
  if (id === 'createLeadsFromAdf')
    for (const [what, text] of Object.entries(costlyDocuments))
      cases.push({ id, mediaType, what, isLegal: true, body: text(bodyBytesMax) } as Case)
  if (id === 'reconcileReferences')
    cases.push({ id, mediaType, what: '10,000 references', isLegal: true, body: references } as Case)
  return cases
}

const place = await openPlace()
const socketPath = join(place.folder, 'turns.sock')
process.env['OURS_FLAGS'] = `--import=${join(import.meta.dirname, 'turns.ts')}`
const ours = await startOurs(place, { more: { TURNS_SOCKET: socketPath } })
const [dealer] = await makeDealers(place, ours, 1)
if (!dealer) throw new Error('There is no dealer')
let leadIds: string[] = []
const agent = new Agent({ keepAlive: true, maxSockets: 1 })
const asker = connect(socketPath)
await once(asker, 'connect')

async function longestTurnMs(): Promise<number> {
  asker.write('?')
  const [told] = await once(asker, 'data')
  return Number(told) / 1000
}

leadIds = await fill(dealer)
const dead = await tokenOfNewKey(ours.url, dealer.admin, 'Dead', 'extensive_integrations')
await send({ id: 'deleteOwnApiKey', what: '', isLegal: true }, dead)

/** As many of the largest leads as a page has, each with as many events. */
async function fill({ dms }: Dealer): Promise<string[]> {
  const filled: string[] = []
  for (let at = 0; at < leadsOfPage; at += 10) {
    const leads = Array.from({ length: 10 }, (_, place) => ({
      lead: { ...largestLead(at + place), externalReference: { source: 'bench', id: `${at + place}` } },
    }))
    const { text } = await send(
      {
        id: 'createLeadBatch',
        what: '',
        isLegal: true,
        mediaType: 'application/json',
        body: Buffer.from(JSON.stringify({ leads })),
      },
      dms,
    )
    for (const { lead, problem } of JSON.parse(text).results) {
      if (!lead) throw new Error(problem.detail)
      filled.push(lead.id)
    }
  }
  return filled
}

function send(
  { id, what, query, headers, mediaType, body }: Case,
  token: string,
): Promise<{ status: number; text: string }> {
  const { method, path } = operations[id]
  const at = path
    .replace('{leadId}', leadIds[0] ?? '')
    .replace(/\{(\w+)Id\}/, (_, name: string) => `${name === 'apiKey' ? 'key' : name}_${'0'.repeat(32)}`)
  return new Promise((resolve, reject) => {
    const sent = request(
      ours.url + at + (query ? `?${query}` : ''),
      {
        method,
        agent,
        headers: {
          ...(token && { authorization: `Bearer ${token}` }),
          ...(mediaType && { 'content-type': mediaType }),
          ...(body && { 'content-length': body.length }),
          ...headers,
        },
      },
      (reply) => {
        const chunks: Buffer[] = []
        reply.on('data', (chunk) => {
          chunks.push(chunk)
          if (reply.headers['content-type'] !== 'text/event-stream') return
          // A stream of events goes on.
          resolve({ status: reply.statusCode ?? 0, text: '' })
          sent.destroy()
        })
        reply.once('close', () => resolve({ status: reply.statusCode ?? 0, text: Buffer.concat(chunks).toString() }))
        reply.once('error', reject)
      },
    )
    sent.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNRESET' || error.code === 'EPIPE' ? resolve({ status: 0, text: '' }) : reject(error),
    )
    sent.setTimeout(answerMsMax, () => sent.destroy(new Error(`${id}, ${what}: no answer`)))
    sent.end(body)
  })
}

interface Turn {
  ms: number
  what: string
  status: number
}
const worst = new Map<string, Turn>()
const all: { id: string; credential: string; kind: string; what: string; status: number; ms: number }[] = []
const wanted = process.env['ONLY']?.split(',')
// What ends its own key or everybody's sessions is sent with a dead credential alone.
const ending: OperationId[] = ['deleteOwnApiKey', 'replaceOwnApiKey', 'changeOwnPassword']

for (const id of ids.filter((each) => !wanted || wanted.includes(each))) {
  const { access } = operations[id]
  const credentials = access === 'accessToken' ? { living: tokenFor(id), dead } : { none: '' }
  for (const each of casesOf(id)) {
    for (const [credential, token] of Object.entries(credentials)) {
      if (credential === 'living' && each.isLegal && ending.includes(id)) continue
      const turns: number[] = []
      let status = 0
      for (let time = 0; time <= times; time++) {
        await longestTurnMs()
        ;({ status } = await send(each, token))
        // The first is compiled on the way.
        if (time > 0) turns.push(await longestTurnMs())
      }
      const ms = turns.sort((a, b) => a - b)[Math.floor(times / 2)] ?? 0
      const kind = credential === 'dead' ? 'dead' : each.isLegal && status < 400 ? 'legal' : 'illegal'
      all.push({ id, credential, kind, what: each.what, status, ms })
      if (ms > goalMs / 2) console.log(`${ms.toFixed(1).padStart(8)} ms  ${id}, ${credential}, ${status}: ${each.what}`)
      const key = `${id} ${kind}`
      if (ms > (worst.get(key)?.ms ?? 0)) worst.set(key, { ms, what: each.what, status })
    }
  }
}

function tokenFor(id: OperationId): string {
  const { website, dms, admin } = dealer as Dealer
  if (id.startsWith('createLead') || id === 'reconcileReferences' || id === 'getLeadReceipt')
    return id === 'getLeadReceipt' ? dms : website
  return id.includes('OwnApiKey') ? dms : admin
}

asker.destroy()
agent.destroy()
await ours.stop()
await place.close()

const kinds = ['legal', 'illegal', 'dead'] as const
const rows = ids
  .filter((id) => !wanted || wanted.includes(id))
  .map((id) => {
    const of = (kind: string) => worst.get(`${id} ${kind}`)
    const longest = kinds.flatMap((kind) => of(kind) ?? []).sort((a, b) => b.ms - a.ms)[0]
    return { kind: id, ...Object.fromEntries(kinds.map((kind) => [kind, of(kind)?.ms ?? 0])), at: longest?.what ?? '' }
  })
report('longest', 'ms of CPU in the longest turn of the event loop, at the worst input of each kind', rows, [
  atMost('the longest turn, ms', Math.max(...all.map(({ ms }) => ms)), goalMs),
])
process.exit()
