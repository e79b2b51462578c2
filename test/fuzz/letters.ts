import { randomFrom } from '../seed.ts'
import {
  type Element,
  element,
  mappedElement,
  newProspect,
  newStyle,
  plainStyle,
  type ProspectSent,
  rendered,
  smallerElement,
  type Style,
} from './adf.ts'
import { encoded, type Encoding, encodings, quotedPrintable } from './encodings.ts'
import { isObject, mapped, object, type Sent, smaller, written } from './json.ts'
import { type LeadSent, newLeadSent } from './leads.ts'
import { between, isLucky, pick, type Random, times } from './random.ts'

/** Leads that go in one request, and how it is written. Everything follows from it, so it can be made smaller. */
export type Letter = JsonLetter | AdfLetter

interface Written {
  encoding: Encoding
  seed: number
}

export interface JsonLetter extends Written {
  way: 'single' | 'batch'
  leads: { mark: string; sent: LeadSent }[]
  isSpaced: boolean
}

export interface AdfLetter extends Written {
  way: 'adf'
  leads: { mark: string; sent: ProspectSent }[]
  style: Style
  /** What the document says of its encoding, what Content-Type says. */
  claim: string
  charset: string
  isQuotedPrintable: boolean
}

export interface Post {
  path: string
  headers: Record<string, string>
  body: Buffer
}

let marks = 0
/** Chance alone gives two of 100,000 leads the same mark. */
const marked = (random: Random) => `fuzz-${between(random, 0, 2 ** 40).toString(36)}-${(++marks).toString(36)}`

export function newLetter(random: Random): Letter {
  const seed = between(random, 1, 2 ** 30)
  const encoding = isLucky(random, 0.5) ? 'utf-8' : pick(random, encodings)
  const way = pick(random, ['single', 'single', 'single', 'batch', 'adf', 'adf', 'adf'] as const)
  if (way !== 'adf') {
    const count = way === 'single' ? 1 : between(random, 1, 24)
    const leads = times(count, () => {
      const mark = marked(random)
      return { mark, sent: newLeadSent(random, mark) }
    })
    return { way, leads, encoding, seed, isSpaced: isLucky(random, 0.2) }
  }
  const leads = times(isLucky(random, 0.8) ? 1 : between(random, 2, 5), () => {
    const mark = marked(random)
    return { mark, sent: newProspect(random, mark) }
  })
  // Beside one prospect alone it is clear whose it is.
  if (leads.length > 1) for (const { sent } of leads) sent.beside = []
  const isWide = encoding.startsWith('utf-16')
  return {
    way,
    leads,
    encoding,
    seed,
    style: newStyle(random),
    claim: pick(random, [
      isWide ? 'UTF-16' : encoding === 'windows-1252' ? pick(random, ['windows-1252', 'ISO-8859-1']) : 'UTF-8',
      '',
      'utf-8',
    ]),
    charset:
      isLucky(random, 0.2) && !isWide
        ? pick(random, ['utf-8', encoding === 'windows-1252' ? 'iso-8859-1' : 'UTF-8'])
        : '',
    isQuotedPrintable: encoding === 'utf-8' && isLucky(random, 0.06),
  }
}

export function posted(letter: Letter): Post {
  return letter.way === 'adf' ? postedAdf(letter) : postedJson(letter)
}

function postedJson(letter: JsonLetter): Post {
  const { way, leads, encoding, seed, isSpaced } = letter
  const [only] = leads
  const item = ({ mark, sent }: (typeof leads)[number]): Sent =>
    object([
      ['clientRef', mark],
      ['lead', sent.tree],
    ])
  const tree: Sent = way === 'single' && only ? only.sent.tree : object([['leads', leads.map(item)]])
  const text = written(tree, isSpaced)
  const units = (character: string) =>
    character
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join('')
  return {
    path: way === 'single' ? '/v1/leads' : '/v1/leads/batch',
    headers: { 'content-type': seed % 3 === 0 ? 'application/json; charset=utf-8' : 'application/json' },
    body: encoded(text, encoding, units, randomFrom(seed)) ?? Buffer.from(text),
  }
}

export function rootsOf({ leads }: AdfLetter): Element[] {
  return leads.flatMap(({ sent }) => [sent.prospect, ...sent.beside])
}

function postedAdf(letter: AdfLetter): Post {
  const { style, encoding, claim, charset, seed, isQuotedPrintable } = letter
  const text = rendered(rootsOf(letter), style, claim)
  const numbered = (character: string) => `&#${character.codePointAt(0)};`
  const bytes = encoded(text, encoding, numbered, randomFrom(seed)) ?? Buffer.from(text)
  const mediaType = ['application/x-adf+xml', 'application/xml', 'text/xml'][seed % 3] ?? ''
  return {
    path: '/v1/leads/adf',
    headers: { 'content-type': charset === '' ? mediaType : `${mediaType}; charset=${charset}` },
    body: isQuotedPrintable ? quotedPrintable(bytes) : bytes,
  }
}

/** The letter of one of its leads alone. */
export function alone(letter: Letter, at: number): Letter {
  // The cast: a list of the same kind of leads.
  return { ...letter, leads: letter.leads.slice(at, at + 1) } as Letter
}

/** The same with another mark, for a sender that sends nothing twice. */
export function remarked(letter: Letter, random: Random): Letter {
  const leads = letter.leads.map(({ mark, sent }) => {
    const next = marked(random)
    const change = (text: string) => text.replaceAll(mark, next)
    if ('tree' in sent) {
      const tree = mapped(sent.tree, change)
      return { mark: next, sent: { ...sent, tree: isObject(tree) ? tree : sent.tree } }
    }
    return {
      mark: next,
      sent: {
        prospect: mappedElement(sent.prospect, change),
        beside: sent.beside.map((each) => mappedElement(each, change)),
      },
    }
  })
  return { ...letter, leads } as Letter
}

/** Letters of one lead with one thing less each. */
export function* smallerLetters(letter: Letter): Generator<Letter> {
  const [lead] = letter.leads
  if (!lead) return
  if (letter.encoding !== 'utf-8') yield { ...letter, encoding: 'utf-8' }
  if (letter.way === 'adf') {
    if (letter.isQuotedPrintable) yield { ...letter, isQuotedPrintable: false }
    if (letter.charset !== '' || letter.claim !== '') yield { ...letter, charset: '', claim: '' }
    yield { ...letter, style: plainStyle }
    // Object.keys forgets the type of the names.
    for (const name of Object.keys(plainStyle) as (keyof Style)[])
      if (letter.style[name] !== plainStyle[name])
        yield { ...letter, style: { ...letter.style, [name]: plainStyle[name] } }
    const { mark, sent } = letter.leads[0] ?? { mark: '', sent: { prospect: element('prospect'), beside: [] } }
    if (sent.beside.length > 0) yield { ...letter, leads: [{ mark, sent: { ...sent, beside: [] } }] }
    for (const prospect of smallerElement(sent.prospect))
      yield { ...letter, leads: [{ mark, sent: { ...sent, prospect } }] }
    return
  }
  if (letter.way === 'batch') yield { ...letter, way: 'single' }
  if (letter.isSpaced) yield { ...letter, isSpaced: false }
  const { mark, sent } = letter.leads[0] ?? lead
  if (!('tree' in sent)) return
  for (const tree of smaller(sent.tree))
    if (isObject(tree)) yield { ...letter, leads: [{ mark, sent: { ...sent, tree } }] }
}
