import { XMLParser } from 'fast-xml-parser'
import { pointerTo } from '../json.ts'
import { Problem } from '../problem.ts'
import { depthMax, tidied } from './adf-tidying.ts'
import { holdsDocument, unwrapped } from './adf-wrapping.ts'

const bytesMax = 256 * 1024

export interface XmlElement {
  /** In lower case, without prefix. */
  readonly name: string
  /** The names from the root to here, like a JSON Pointer, with a number from 0 where there are several of the name. */
  readonly at: string
  readonly attributes: Map<string, string>
  /** What its own name says that is an attribute in ADF. */
  readonly implied?: ReadonlyMap<string, string>
  children: XmlElement[]
  /** All text that stands directly in it. */
  text: string
}

/**
 * Still in what carried it; not in the encoding that it claims; not well-formed, and read as it must have been meant.
 */
export type XmlFault = 'adf-wrapped' | 'encoding-repaired' | 'adf-form'

export interface XmlDocument {
  /** One, if the document is well-formed. */
  readonly roots: XmlElement[]
  readonly faults: readonly XmlFault[]
}

/**
 * The elements of what should be XML. Names lose their prefixes and their upper case; comments, processing instructions
 * and namespace declarations are left out. What is not well-formed is read as far as it can be: ADF's own examples are
 * not (`leads-and-adf.md` 2.2).
 *
 * The cost has a bound: everything is counted before the parser sees it, and no step reads a character twice.
 *
 * @param charset what Content-Type says. It goes before the XML declaration, a byte order mark goes before both (RFC
 *   7303, section 3).
 * @throws {Problem} `body-too-large`; `bad-request` for what is not XML, declares elements or entities, or goes beyond
 * a
 *   limit.
 */
export function readXml(bytes: Buffer, charset?: string): XmlDocument {
  if (bytes.length > bytesMax) throw new Problem('body-too-large', `The body may have ${bytesMax} bytes at the most.`)
  const { text, asClaimed, wasWrapped } = unwrapped({ bytes, charset })
  const outer = rootsOf(text)
  const quoted = quotedDocument(outer.roots)
  const { roots, wellFormed, misnumbered } = quoted === undefined ? outer : rootsOf(quoted)
  const faults: readonly [XmlFault, boolean][] = [
    ['adf-wrapped', wasWrapped || quoted !== undefined],
    ['encoding-repaired', !asClaimed || misnumbered],
    ['adf-form', !wellFormed],
  ]
  return { roots, faults: faults.flatMap(([fault, isThere]) => (isThere ? [fault] : [])) }
}

function rootsOf(text: string): { roots: XmlElement[]; wellFormed: boolean; misnumbered: boolean } {
  const { xml, ...faults } = tidied(text)
  // The cast: this is what the parser makes with these options.
  return { roots: elementsOf((xml.includes('&') ? parser : plainParser).parse(xml) as Parsed[], ''), ...faults }
}

/** A document that another one holds as a text, when none is among the elements. */
function quotedDocument(elements: readonly XmlElement[]): string | undefined {
  const isDocument = ({ name }: XmlElement) => name === 'adf' || name === 'prospect'
  // As it is with nearly all.
  if (elements.some(isDocument)) return undefined
  const all = withInner(elements)
  return all.some(isDocument) ? undefined : all.find(({ text }) => holdsDocument(text))?.text
}

function withInner(elements: readonly XmlElement[]): XmlElement[] {
  return elements.flatMap((element) => [element, ...withInner(element.children)])
}

// Well-formed XML to elements.

/** What the parser makes of an element or a text: one member that is named for it, and its attributes under `:@`. */
type Parsed = Record<string, unknown>

const options = {
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: '',
  parseTagValue: false,
  trimValues: false,
  maxNestedTags: depthMax,
  jPath: false,
}

// To know the entities costs it as much as to read a short document.
const plainParser = new XMLParser({ ...options, processEntities: false })

const parser = new XMLParser({
  ...options,
  // The predefined entities, those added below and characters by their numbers: each is shorter than its name, so
  // nothing can grow.
  processEntities: true,
  htmlEntities: true,
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
    const at = `${pointerTo(parent, name)}${totals.get(key) === 1 ? '' : `/${count}`}`
    // The casts: an element's own member is the list of its nodes, `:@` has the attributes, and both were made from
    // what we wrote.
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
