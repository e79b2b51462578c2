import { until } from '../patience.ts'
import type { Reply, TestService } from '../service.ts'
import { faultsOfProspect, placesIn } from './adf-oracle.ts'
import type { Fault, Stored } from './evidence.ts'
import { type Letter, posted, type Post, rootsOf } from './letters.ts'
import { type Dealer, faultsOf } from './oracle.ts'

export interface Office {
  service: TestService
  /** It lives for half an hour, which the long form may take. */
  token: string
  dealer: Dealer
  /** The leads that are stored so far, by their ids: each is somebody else's. */
  ids: Map<string, string>
}

/** What became of one lead of a letter. */
interface Outcome {
  status: number
  id?: string
  pointers: string[]
}

/** Sends a letter; the faults of each of its leads. */
export async function delivered(letter: Letter, office: Office): Promise<Fault[][]> {
  const post = posted(letter)
  const reply = await sent(post, office)
  const outcomes = outcomesOf(reply)
  const isWhole = outcomes.length === letter.leads.length
  return Promise.all(
    letter.leads.map((_, at) => {
      const outcome = outcomes[isWhole ? at : 0] ?? { status: 0, pointers: [] }
      return judged(letter, at, outcome, post, office)
    }),
  )
}

async function sent({ path, headers, body }: Post, { service, token }: Office): Promise<Reply> {
  const post = { method: 'POST', headers: { ...headers, authorization: `Bearer ${token}` }, body: new Uint8Array(body) }
  const response = await onceMore(() => fetch(service.url + path, post))
  const text = await response.text()
  return { status: response.status, headers: response.headers, text, body: text === '' ? undefined : JSON.parse(text) }
}

/** A connection that has been idle for long may end just when it is used again. */
async function onceMore<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
  try {
    return await ask()
  } catch (error) {
    console.log('asked once more after', error)
    return ask()
  }
}

function outcomesOf({ status, body }: Reply): Outcome[] {
  const of = (each: any, code: number): Outcome => ({
    status: code,
    id: each?.id,
    pointers: (each?.violations ?? []).map(({ pointer }: { pointer: string }) => pointer),
  })
  if (status !== 207) return [of(body, status)]
  return body.results.map((result: any) => of(result.lead ?? result.problem, result.status))
}

async function judged(letter: Letter, at: number, outcome: Outcome, post: Post, office: Office): Promise<Fault[]> {
  const { status, id, pointers } = outcome
  const lead = letter.leads[at]
  if (!lead) return []
  const fault = (what: string, more: object = {}): Fault[] => [{ what, at: '', ...more }]
  if (status === 0 || status >= 500) return fault(`answered ${status}`)

  const wanted = 'tree' in lead.sent ? lead.sent.outcome : 'stored'
  // JSON between systems is UTF-8 (RFC 8259, section 8.1): who sends something else altogether may be told so.
  if (letter.way !== 'adf' && letter.encoding.startsWith('utf-16') && [400, 415].includes(status)) return []
  if (wanted === 'unreachable') return status === 422 ? [] : fault(`answered ${status} instead of 422`)
  if (wanted === 'misfit') {
    const pointer = 'tree' in lead.sent ? lead.sent.pointer : undefined
    const isNamed = pointers.some((each) => pointer !== undefined && `${each}/`.includes(`${pointer}/`))
    return status === 400 && isNamed ? [] : fault(`answered ${status} to a wrong type`, { at: pointer, read: pointers })
  }
  if (status === 200) return fault('swallowed: taken for the lead of somebody else')
  if (status !== 201 || id === undefined)
    return fault(`refused with ${status}`, { at: pointers[0] ?? '', read: pointers })
  if (office.ids.has(id)) return fault('swallowed: two leads with one id')
  office.ids.set(id, lead.mark)

  const stored = await storedAs(id, lead.mark, post.body, office)
  if ('refusal' in stored) return fault('stored, and not read', { read: stored.refusal })
  return faultsIn(letter, at, stored, office.dealer).map((each) => ({ ...each, lead: stored.lead }))
}

function faultsIn(letter: Letter, at: number, stored: Stored, dealer: Dealer): Fault[] {
  const lead = letter.leads[at]
  if (!lead) return []
  if ('tree' in lead.sent) return faultsOf(lead.sent.tree, stored, dealer)
  if (letter.way !== 'adf') return []
  const roots = rootsOf(letter)
  const places = placesIn(roots, letter.style)
  const prospect = places[roots.indexOf(lead.sent.prospect)] ?? ''
  return faultsOfProspect(lead.sent, { prospect, beside: letter.style.hasEnvelope ? '/adf' : '' }, stored, dealer)
}

async function storedAs(
  id: string,
  mark: string,
  body: Buffer,
  { service, token }: Office,
): Promise<Stored | { refusal: string }> {
  // All leads of a batch at once are more than a slow machine may have time for: whoever is told so asks again.
  const read = (path: string) =>
    until(async () => {
      const reply = await onceMore(() => service.call('GET', path, { token }))
      return reply.status !== 503 && reply
    })
  const [reply, original] = await Promise.all([read(`/v1/leads/${id}`), read(`/v1/leads/${id}/original`)])
  if (reply.status !== 200 || ![200, 404].includes(original.status))
    return { refusal: `${reply.status} ${reply.text}, ${original.status} ${original.text}` }
  const content = original.status === 200 ? Buffer.from(original.body.content, 'base64') : undefined
  // Of a batch it is what was sent of this lead alone; out of UTF-16 that is no document of its own, and kept in UTF-8.
  const asText = new TextDecoder(/^\ufeff/.test(body.toString('utf16le', 0, 2)) ? 'utf-16le' : 'utf-16be')
  const isPart = (part: Buffer) =>
    part.includes(mark) &&
    [body.toString('latin1'), Buffer.from(asText.decode(body)).toString('latin1')].some((whole) =>
      unmasked(whole).includes(unmasked(part.toString('latin1'))),
    )
  const isWhole = (kept: Buffer) =>
    kept.length === body.length && unmasked(kept.toString('latin1')) === unmasked(body.toString('latin1'))
  return { lead: reply.body, hasOriginal: content !== undefined && (isWhole(content) || isPart(content)) }
}

/** Alike for a text and for what is left of it where the digits of national numbers are masked, however they stand. */
const unmasked = (text: string) =>
  text.replaceAll(/[=%](?:2a|3\d)|\\u00(?:2a|3\d)|&#(?:x(?:2a|3\d)|4[289]|5[0-7]);|[*\d]/gi, '*')
