import { windows1252 } from '../encoding.ts'
import { commentNames } from './adf-dialect.ts'
import { unreadable } from './unreadable.ts'

export const depthMax = 64
const elementsMax = 4096
const attributesMax = 4096
const attributesPerElementMax = 64
const nameLengthMax = 64
const marksMax = 16_384

// Text to well-formed XML. Every pattern starts where it is told to and cannot match the same characters in two ways.

const startPattern = /<([\p{L}_][^\s<>/="'“”„&]*)/uy
const attributePattern =
  /[\s/]*([^\s<>/="'“”„]+)\s*(?:=\s*(?:"([^"<]*)"|'([^'<]*)'|[“”„]([^<>“”„]*)[“”]|((?:[^\s<>"'“”„/]|\/(?!>))*)))?/y
const tagEndPattern = /[\s/]*>/y
const strayPattern = /[\s/]*["'“”„=]/y
const restOfTagPattern = /[^<>]*>/y
const endPattern = /<\/\s*([^\s<>/="'“”„&]+)[^<>]*(>?)/y
const instructionPattern = /<\?[^<>]*>/y
const remarkEnd = '-->'
/** Linear only where each has its end. */
const remarkPattern = /<!--[^]*?-->/g
const cdataStart = '<![CDATA['
const numberedPattern = /&#(?:x([\da-f]+)|(\d+));/gi
const declarationPattern = /<!(?:doctype|entity|element|attlist|notation)/iy
/** A document type that declares nothing of its own. No identifier has a `<` in it, so a quote without an end ends. */
const plainDoctypePattern = /<!doctype(?:[^<>[\]"']|"[^"<]*"|'[^'<]*')*>|<!doctype[^<>[\]]*>/iy
/**
 * By the elements that hold what people write: their end, if group 1 is there; else what shows that the end is missing,
 * or that CDATA makes it a matter of course.
 */
const commentsEndPatterns = new Map(
  commentNames.map((name) => [
    name,
    new RegExp(
      `<(?:(/)(?:[^\\s<>/:]+:)?${name.replace(/s$/, '')}s?\\s*>|!\\[CDATA\\[|/?(?:[^\\s<>/:]+:)?(?:adf|prospect|vehicle|customer|contact|vendor|provider)[\\s/>])`,
      'gi',
    ),
  ]),
)

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
  /** A character was called by its number in windows-1252. */
  misnumbered: boolean
  marks: number
  elements: number
  attributes: number
  /** Marks that the rest of the text does not have. */
  readonly gone: Set<string>
  /** The next place where each of `commentsEndPatterns` matches. */
  readonly commentsEnds: Map<RegExp, { at: number; next: number; isEnd: boolean }>
}

/**
 * The same document, well-formed: names plain and with `_` before them, so that the parser finds no word of its own
 * among them; attributes quoted; every element closed. A `<` that begins nothing is text, and so is all markup within
 * comments.
 */
export function tidied(text: string): { xml: string; wellFormed: boolean; misnumbered: boolean } {
  const tidying: Tidying = {
    text,
    at: 0,
    xml: [],
    open: [],
    isLeaf: false,
    wellFormed: true,
    misnumbered: false,
    marks: 0,
    elements: 0,
    attributes: 0,
    gone: new Set(),
    commentsEnds: new Map(),
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
  return { xml: tidying.xml.join(''), wellFormed: tidying.wellFormed, misnumbered: tidying.misnumbered }
}

/** Writes text; outside of all elements there is room for blanks only. */
function write(tidying: Tidying, text: string): void {
  if (tidying.open.length > 0) tidying.xml.push(text.startsWith(cdataStart) ? text : withNumbered(text, tidying))
  else if (text.trim() !== '') tidying.wellFormed = false
}

/**
 * With the characters that XML does not have even by their numbers, controls and halves of a pair: the parser would
 * leave them out without a word, and two ids would become one. And with those that were called by their numbers in
 * windows-1252, as HTML has it (HTML, section 13.2.5.80): in Unicode these are controls that nobody means.
 */
function withNumbered(text: string, tidying: Tidying): string {
  if (!text.includes('&#')) return text
  return text.replace(numberedPattern, (reference, hex: string | undefined, decimal: string) => {
    const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16)
    if (code >= 0x80 && code <= 0x9f) {
      tidying.misnumbered = true
      return windows1252.charAt(code)
    }
    const isControl = code < 0x20 && code !== 0x09 && code !== 0x0a && code !== 0x0d
    return isControl || (code >= 0xd800 && code <= 0xdfff) ? String.fromCharCode(code) : reference
  })
}

/** Reads what begins with the `<` at hand; says whether it was anything. */
function readMarkup(tidying: Tidying): boolean {
  const { text, at } = tidying
  if (++tidying.marks > marksMax) throw unreadable(`has more than ${marksMax} tags`)
  switch (text[at + 1]) {
    case '/':
      return readEndTag(tidying)
    case '?':
      return passInstruction(tidying)
    case '!':
      if (match(declarationPattern, text, at)) return passDoctype(tidying)
      if (text.startsWith('<!--', at)) return passOver(remarkEnd, tidying, 4)
      if (!text.startsWith(cdataStart, at) || !passOver(']]>', tidying, 9)) return false
      write(tidying, text.slice(at, tidying.at))
      return true
    default:
      return readStartTag(tidying)
  }
}

/** Passes over a document type that declares nothing here: what it names is never fetched. */
function passDoctype(tidying: Tidying): boolean {
  const [doctype] = match(plainDoctypePattern, tidying.text, tidying.at) ?? []
  if (doctype === undefined) throw unreadable('declares elements or entities of its own, which are not read')
  tidying.at += doctype.length
  if (tidying.open.length > 0) tidying.wellFormed = false
  return true
}

/** Many end theirs like a tag. */
function passInstruction(tidying: Tidying): boolean {
  const [instruction] = match(instructionPattern, tidying.text, tidying.at) ?? []
  if (instruction === undefined) return passOver('?>', tidying, 2)
  tidying.at += instruction.length
  return true
}

/** Passes over what ends with `mark`; what has no end is text. */
function passOver(mark: string, tidying: Tidying, skipped: number): boolean {
  const end = tidying.gone.has(mark) ? -1 : tidying.text.indexOf(mark, tidying.at + skipped)
  if (end === -1) tidying.gone.add(mark)
  else tidying.at = end + mark.length
  return end !== -1
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
      else readComments(tidying, commentsEndPatterns.get(name))
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
function readComments(tidying: Tidying, endPattern: RegExp | undefined): void {
  if (!endPattern) return
  const { text, at, commentsEnds } = tidying
  let end = commentsEnds.get(endPattern)
  if (!end || end.at < at) {
    endPattern.lastIndex = at
    const found = endPattern.exec(text)
    end = { at: found?.index ?? text.length, next: endPattern.lastIndex, isEnd: found?.[1] !== undefined }
    commentsEnds.set(endPattern, end)
  }
  if (!end.isEnd) return
  write(tidying, withoutRemarks(text.slice(at, end.at)).replaceAll('<', '&lt;'))
  close(tidying, 1)
  tidying.at = end.next
}

/** Without what XML means for nobody's eyes. A remark that is not ended is what somebody wrote. */
function withoutRemarks(text: string): string {
  const end = text.lastIndexOf(remarkEnd) + remarkEnd.length
  return end < remarkEnd.length ? text : text.slice(0, end).replaceAll(remarkPattern, '') + text.slice(end)
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
    `<_${name}${[...attributes].map(([each, value]) => ` _${each}="${withNumbered(value, tidying).replaceAll('"', '&quot;')}"`).join('')}>`,
  )
}

/**
 * An end tag closes the element of its name and all within it. One that fits no open element is a slip of the pen for
 * the innermost, if that holds no element; ADF's specification does so itself.
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
