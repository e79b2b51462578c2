import { XMLParser } from 'fast-xml-parser'
import { Problem } from '../problem.ts'

const bytesMax = 256 * 1024
const depthMax = 64
const elementsMax = 4096
const attributesMax = 4096
const attributesPerElementMax = 64
const nameLengthMax = 64
const marksMax = 16_384
/** Where to look for an XML declaration; what may stand before it is short. */
const declarationBytesMax = 1024

export interface XmlElement {
  /** In lower case, without prefix. */
  readonly name: string
  /** The names from the root to here, like a JSON Pointer, with a number from 0 where there are several of the name. */
  readonly at: string
  readonly attributes: Map<string, string>
  children: XmlElement[]
  /** All text that stands directly in it. */
  text: string
}

/** `encoding`: not the one it claims. `form`: not well-formed, and read as it must have been meant. */
export type XmlFault = 'encoding' | 'form'

export interface XmlDocument {
  /** One, if the document is well-formed. */
  readonly roots: XmlElement[]
  readonly faults: readonly XmlFault[]
}

/**
 * The elements of what should be XML. Names lose their prefixes and their upper case; comments, processing instructions and namespace
 * declarations are left out. What is not well-formed is read as far as it can be: ADF's own examples are not (`leads-and-adf.md` 2.2).
 *
 * The cost has a bound: everything is counted before the parser sees it, and no step reads a character twice.
 *
 * @param charset what Content-Type says. It goes before the XML declaration, a byte order mark goes before both (RFC 7303, section 3).
 * @throws {Problem} `body-too-large`; `bad-request` for what is not XML, declares types or entities, or goes beyond a limit.
 */
export function readXml(bytes: Buffer, charset?: string): XmlDocument {
  if (bytes.length > bytesMax) throw new Problem('body-too-large', `The body may have ${bytesMax} bytes at the most.`)
  const { text, asClaimed } = decoded(bytes, charset)
  const { xml, wellFormed } = tidied(text)
  // The cast: this is what the parser makes with these options.
  const roots = elementsOf(parser.parse(xml) as Parsed[], '')
  return { roots, faults: [...(asClaimed ? [] : (['encoding'] as const)), ...(wellFormed ? [] : (['form'] as const))] }
}

export function unreadable(message: string): Problem {
  return new Problem('bad-request', `body: ${message}`, { violations: [{ in: 'body', pointer: '', message }] })
}

// Bytes to text.

const singleByte = 'windows-1252'
const claimPattern = /<\?xml\b[^<>]*?\bencoding\s*=?\s*["'“”]?([\w.:-]+)/i

function decoded(bytes: Buffer, charset: string | undefined): { text: string; asClaimed: boolean } {
  const wide = wideEncodingOf(bytes)
  if (wide) {
    const text = decodedAs(wide, bytes)
    const claim = charset ?? claimIn(text ?? '')
    return {
      text: text ?? new TextDecoder(wide).decode(bytes),
      asClaimed: text !== undefined && (claim === undefined || /16|ucs/i.test(claim)),
    }
  }

  const claimed = encodingCalled(charset ?? claimIn(bytes.toString('latin1', 0, declarationBytesMax)) ?? 'utf-8')
  const utf8 = decodedAs('utf-8', bytes)
  // Text in another encoding is practically never valid UTF-8 by chance, unless it is ASCII and reads the same in all of them.
  if (utf8 !== undefined && (claimed === 'utf-8' || claimed === undefined || /[\u0080-\uffff]/.test(utf8)))
    return { text: utf8, asClaimed: claimed === 'utf-8' }
  const text = claimed === undefined || claimed === 'utf-8' ? undefined : decodedAs(claimed, bytes)
  return { text: text ?? new TextDecoder(singleByte).decode(bytes), asClaimed: text !== undefined }
}

/** UTF-16 shows itself by its byte order mark, or by the NUL beside its first character, which is `<` or a blank. */
function wideEncodingOf([first, second]: Buffer): 'utf-16le' | 'utf-16be' | undefined {
  if ((first === 0xff && second === 0xfe) || (first !== 0 && second === 0)) return 'utf-16le'
  if ((first === 0xfe && second === 0xff) || (first === 0 && second !== 0 && second !== undefined)) return 'utf-16be'
  return undefined
}

function claimIn(text: string): string | undefined {
  return claimPattern.exec(text.slice(0, declarationBytesMax))?.[1]
}

/** The encoding that a label means (WHATWG Encoding Standard); undefined when it means none, or UTF-16, which would have shown itself. */
function encodingCalled(label: string): string | undefined {
  try {
    const { encoding } = new TextDecoder(label)
    return encoding.startsWith('utf-16') ? undefined : encoding
  } catch {
    return undefined
  }
}

function decodedAs(encoding: string, bytes: Buffer): string | undefined {
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}

// Text to well-formed XML. Every pattern starts where it is told to and cannot match the same characters in two ways.

const startPattern = /<([\p{L}_][^\s<>/="'“”„&]*)/uy
const attributePattern =
  /[\s/]*([^\s<>/="'“”„]+)\s*(?:=\s*(?:"([^"<]*)"|'([^'<]*)'|[“”„]([^<>“”„]*)[“”]|((?:[^\s<>"'“”„/]|\/(?!>))*)))?/y
const tagEndPattern = /[\s/]*>/y
const strayPattern = /[\s/]*["'“”„=]/y
const restOfTagPattern = /[^<>]*>/y
const endPattern = /<\/\s*([^\s<>/="'“”„&]+)[^<>]*(>?)/y
const declarationPattern = /<!(?:doctype|entity|element|attlist|notation)/iy
/** The end of an element `comments`, if group 1 is there; else what shows that the end is missing, or that CDATA makes it a matter of course. */
const commentsEndPattern =
  /<(?:(\/)(?:[^\s<>/:]+:)?comments?\s*>|!\[CDATA\[|\/?(?:[^\s<>/:]+:)?(?:adf|prospect|vehicle|customer|contact|vendor|provider)[\s/>])/gi

interface Tidying {
  readonly text: string
  /** Everything before it has been written to `xml`. */
  at: number
  readonly xml: string[]
  /** The names of the elements that are open. */
  readonly open: string[]
  /** The innermost open element has no element in it so far. */
  isLeaf: boolean
  wellFormed: boolean
  marks: number
  elements: number
  attributes: number
  /** The next place where `commentsEndPattern` matches. */
  commentsEnd: { at: number; next: number; isEnd: boolean }
}

/**
 * The same document, well-formed: names plain and with `_` before them, so that the parser finds no word of its own among them;
 * attributes quoted; every element closed. A `<` that begins nothing is text, and so is all markup within comments.
 */
function tidied(text: string): { xml: string; wellFormed: boolean } {
  const tidying: Tidying = {
    text,
    at: 0,
    xml: [],
    open: [],
    isLeaf: false,
    wellFormed: true,
    marks: 0,
    elements: 0,
    attributes: 0,
    commentsEnd: { at: -1, next: -1, isEnd: false },
  }
  while (tidying.at < text.length) {
    const mark = text.indexOf('<', tidying.at)
    write(tidying, text.slice(tidying.at, mark === -1 ? text.length : mark))
    tidying.at = mark === -1 ? text.length : mark
    if (mark !== -1 && !readMarkup(tidying)) {
      tidying.wellFormed = false
      write(tidying, '&lt;')
      tidying.at++
    }
  }
  if (tidying.elements === 0) throw unreadable('is not XML')
  if (tidying.open.length > 0) tidying.wellFormed = false
  close(tidying, tidying.open.length)
  return { xml: tidying.xml.join(''), wellFormed: tidying.wellFormed }
}

/** Writes text; outside of all elements there is room for blanks only. */
function write(tidying: Tidying, text: string): void {
  if (tidying.open.length > 0) tidying.xml.push(text)
  else if (text.trim() !== '') tidying.wellFormed = false
}

/** Reads what begins with the `<` at hand; says whether it was anything. */
function readMarkup(tidying: Tidying): boolean {
  const { text, at } = tidying
  if (++tidying.marks > marksMax) throw unreadable(`has more than ${marksMax} tags`)
  switch (text[at + 1]) {
    case '/':
      return readEndTag(tidying)
    case '?':
      tidying.at = endOf('>', tidying, 2)
      return true
    case '!':
      if (match(declarationPattern, text, at))
        throw unreadable('declares a document type or entities, which are not read')
      if (text.startsWith('<!--', at)) {
        tidying.at = endOf('-->', tidying, 4)
        return true
      }
      if (text.startsWith('<![CDATA[', at)) {
        const end = endOf(']]>', tidying, 9)
        write(tidying, text.slice(at, end))
        tidying.at = end
        return true
      }
      return false
    default:
      return readStartTag(tidying)
  }
}

function endOf(mark: string, { text, at }: Tidying, skipped: number): number {
  const end = text.indexOf(mark, at + skipped)
  if (end === -1) throw unreadable('is not XML: a comment, a CDATA section or a processing instruction has no end')
  return end + mark.length
}

function readStartTag(tidying: Tidying): boolean {
  const { text } = tidying
  const [start = '', qualified = ''] = match(startPattern, text, tidying.at) ?? []
  const name = localName(qualified)
  if (name === '') return false

  let at = tidying.at + start.length
  let wellFormed = true
  const attributes = new Map<string, string>()
  for (let count = 0; ; count++) {
    const end = match(tagEndPattern, text, at)
    if (end) {
      if (!wellFormed) tidying.wellFormed = false
      tidying.at = at + end[0].length
      tidying.attributes += attributes.size
      open(tidying, name, attributes)
      if (end[0].includes('/')) close(tidying, 1)
      else if (name === 'comments' || name === 'comment') readComments(tidying)
      return true
    }
    const attribute = match(attributePattern, text, at)
    const found = attribute ?? match(strayPattern, text, at)
    if (!found) return false
    if (count === attributesPerElementMax) {
      if (match(restOfTagPattern, text, at))
        throw unreadable(`has an element with more than ${attributesPerElementMax} attributes`)
      return false
    }
    at += found[0].length
    if (!attribute) {
      wellFormed = false
      continue
    }
    const [, called = '', double, single, typographic, bare] = attribute
    const quoted = double ?? single
    const isRepeated = attributes.has(localName(called))
    if (quoted === undefined || isRepeated) wellFormed = false
    if (!isRepeated && !isOfXml(called)) attributes.set(localName(called), quoted ?? typographic ?? bare ?? '')
  }
}

/** People write HTML in comments, and close none of it: it stays as it is. */
function readComments(tidying: Tidying): void {
  const { text, at, commentsEnd } = tidying
  if (commentsEnd.at < at) {
    commentsEndPattern.lastIndex = at
    const found = commentsEndPattern.exec(text)
    tidying.commentsEnd = {
      at: found?.index ?? text.length,
      next: commentsEndPattern.lastIndex,
      isEnd: found?.[1] !== undefined,
    }
  }
  const { at: end, next, isEnd } = tidying.commentsEnd
  if (!isEnd) return
  write(tidying, text.slice(at, end).replaceAll('<', '&lt;'))
  close(tidying, 1)
  tidying.at = next
}

function open(tidying: Tidying, name: string, attributes: ReadonlyMap<string, string>): void {
  if (++tidying.elements > elementsMax) throw unreadable(`has more than ${elementsMax} elements`)
  if (tidying.attributes > attributesMax) throw unreadable(`has more than ${attributesMax} attributes`)
  if (tidying.open.length === depthMax) throw unreadable(`is nested deeper than ${depthMax} levels`)
  if (name.length > nameLengthMax || [...attributes.keys()].some((each) => each.length > nameLengthMax))
    throw unreadable(`has a name of more than ${nameLengthMax} characters`)
  tidying.open.push(name)
  tidying.isLeaf = true
  tidying.xml.push(
    `<_${name}${[...attributes].map(([each, value]) => ` _${each}="${value.replaceAll('"', '&quot;')}"`).join('')}>`,
  )
}

/**
 * An end tag closes the element of its name and all within it. One that fits no open element is a slip of the pen for the innermost, if
 * that holds no element; ADF's specification does so itself.
 */
function readEndTag(tidying: Tidying): boolean {
  const found = match(endPattern, tidying.text, tidying.at)
  if (!found) return false
  const [tag, qualified = '', closing] = found
  tidying.at += tag.length
  const place = tidying.open.lastIndexOf(localName(qualified))
  const innermost = tidying.open.length - 1
  if (place === -1 || place !== innermost || closing === '') tidying.wellFormed = false
  if (place !== -1) close(tidying, innermost - place + 1)
  else if (tidying.isLeaf) close(tidying, 1)
  return true
}

function close(tidying: Tidying, count: number): void {
  for (const name of tidying.open.splice(tidying.open.length - count).reverse()) tidying.xml.push(`</_${name}>`)
  tidying.isLeaf = false
}

function match(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at
  return pattern.exec(text)
}

const localName = (qualified: string) => qualified.slice(qualified.lastIndexOf(':') + 1).toLowerCase()
const isOfXml = (name: string) => /^(?:xmlns|xsi|xml)(?::|$)/i.test(name)

// Well-formed XML to elements.

/** What the parser makes of an element or a text: one member that is named for it, and its attributes under `:@`. */
type Parsed = Record<string, unknown>

const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: '',
  parseTagValue: false,
  trimValues: false,
  // The predefined entities, those added below and characters by their numbers: each is shorter than its name, so nothing can grow.
  processEntities: true,
  htmlEntities: true,
  maxNestedTags: depthMax,
  jPath: false,
})

// From U+00A0 on (HTML 4.01, section 24.2.1): web sites write Danish letters so.
const latinEntities =
  'nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 sup3 acute micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest ' +
  'Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN szlig ' +
  'agrave aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc euml igrave iacute icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide oslash ugrave uacute ucirc uuml yacute thorn yuml'
latinEntities.split(' ').forEach((name, at) => parser.addEntity(name, String.fromCharCode(0xa0 + at)))

function elementsOf(nodes: readonly Parsed[], parent: string): XmlElement[] {
  const named = nodes.flatMap((node) => {
    const key = Object.keys(node).find((each) => each.startsWith('_'))
    return key === undefined ? [] : [{ key, node }]
  })
  const totals = new Map<string, number>()
  for (const { key } of named) totals.set(key, (totals.get(key) ?? 0) + 1)
  const counts = new Map<string, number>()

  return named.map(({ key, node }) => {
    const count = counts.get(key) ?? 0
    counts.set(key, count + 1)
    const name = key.slice(1)
    const at = `${parent}/${name.replaceAll('~', '~0')}${totals.get(key) === 1 ? '' : `/${count}`}`
    // The casts: an element's own member is the list of its nodes, `:@` has the attributes, and both were made from what we wrote.
    const inner = node[key] as Parsed[]
    const attributes = Object.entries((node[':@'] ?? {}) as Record<string, string>)
    return {
      name,
      at,
      attributes: new Map(attributes.map(([each, value]) => [each.slice(1), value])),
      children: elementsOf(inner, at),
      text: inner.map(({ '#text': text }) => (typeof text === 'string' ? text : '')).join(''),
    }
  })
}
