import type { Warning } from '../../generated/server/types.gen.ts'
import { isKnown, isNamedIn, isWord } from './adf-names.ts'
import type { XmlElement } from './adf-xml.ts'
import { isPlaceholder } from './placeholder.ts'
import { bare } from './text.ts'
import { warn } from './warnings.ts'

export interface Notes {
  /** Of the dealer: what units and currencies mean. */
  readonly country: string
  readonly warnings: Warning[]
  /** What has no member of its own in a lead, by its path in the document. */
  readonly extra: Map<string, unknown>
}

// How elements are read: what is taken is no longer in its parent, so that the rest can be kept.

export function take(parent: XmlElement, name: string): XmlElement[] {
  const taken = parent.children.filter((child) => child.name === name)
  parent.children = parent.children.filter((child) => child.name !== name)
  return taken
}

export function drop(parent: XmlElement, child: XmlElement): void {
  parent.children = parent.children.filter((each) => each !== child)
}

/** An attribute without blanks around it, or what stands for it; one that says nothing counts as left out. */
export function attributeOf({ attributes, implied }: XmlElement, name: string): string | undefined {
  const said = attributes.get(name)
  return said === undefined || isPlaceholder(said) ? implied?.get(name) : said.trim()
}

export function takeAttribute(element: XmlElement, name: string): string | undefined {
  const value = attributeOf(element, name)
  dropAttribute(element, name)
  return value
}

/** What has been read; a word for nothing is kept. */
export function dropAttribute({ attributes }: XmlElement, name: string): void {
  if (!isPlaceholder(attributes.get(name) ?? '')) attributes.delete(name)
}

/** The elements of a name that say something. */
export function takeSaid(parent: XmlElement, name: string, notes: Notes, isNothing = isPlaceholder): XmlElement[] {
  const said = ({ text }: XmlElement) => text.trim() !== '' && !isNothing(text)
  const taken = take(parent, name)
  for (const element of taken) if (!said(element)) keepUnsaid(element, notes)
  return taken.filter(said)
}

/** The first element of a name that says something. */
export function single(parent: XmlElement, name: string, notes: Notes): XmlElement | undefined {
  const [first, ...others] = takeSaid(parent, name, notes)
  for (const other of others) keepRepeated(other, notes)
  return first
}

/** The text of the first element of a name that says something. */
export function line(parent: XmlElement, name: string, notes: Notes): string | undefined {
  const element = single(parent, name, notes)
  return element && takeText(element, notes)
}

/** The text of an element without blanks around it. Whatever else there is to the element is kept. */
export function takeText(element: XmlElement, notes: Notes): string {
  const text = element.text.trim()
  element.text = ''
  keepRest(element, notes)
  return text
}

export function joinedText(elements: readonly XmlElement[], notes: Notes): string | undefined {
  return elements.map((each) => takeText(each, notes)).join(' ') || undefined
}

export function takeComments(parent: XmlElement, notes: Notes): string[] {
  return takeSaid(parent, 'comments', notes).map((element) => takeText(element, notes))
}

export const joined = (comments: readonly string[]): string | undefined => comments.join('\n\n') || undefined

export function keepRepeated(element: XmlElement, notes: Notes): void {
  if (keep(element, notes)) warn('adf-repeated', element.at, notes)
}

/** Keeps an element that says nothing, and what nothing it says, but for the words that ADF has for it anyway. */
function keepUnsaid(element: XmlElement, notes: Notes): void {
  const { name, attributes, children } = element
  if (hasText(element)) return void keep(element, notes)
  if (children.length === 0)
    for (const [attribute, word] of attributes) if (isWord(`${name}@${attribute}`, word)) attributes.delete(attribute)
  keepRest(element, notes)
}

/** Keeps what is left of an element. */
export function keepRest({ name, at, attributes, children, text }: XmlElement, notes: Notes): void {
  const isNamed = (each: string) => isNamedIn(name, each)
  for (const [attribute, value] of attributes) {
    if (value.trim() === '') continue
    const place = `${at}/@${attribute}`
    notes.extra.set(place, value)
    if (!isNamed(`@${attribute}`)) warn('adf-name-unknown', place, notes)
    judgeWord(`${name}@${attribute}`, value, place, notes)
  }
  for (const child of children)
    if (keep(child, notes) && !isNamed(child.name)) warn('adf-name-unknown', child.at, notes)
  if (text.trim() === '') return
  notes.extra.set(`${at}/#text`, text.trim())
  warn('adf-text-unexpected', at, notes)
}

/** Keeps an element whole; says whether there was anything to keep. */
export function keep(element: XmlElement, notes: Notes): boolean {
  const value = valueOf(element, notes)
  if (value !== undefined) notes.extra.set(element.at, value)
  return value !== undefined
}

/** The text of an element, or its attributes, elements and text by their names; undefined when it is empty. */
function valueOf({ name, at, attributes, children, text }: XmlElement, notes: Notes): unknown {
  const members = new Map<string, unknown>()
  for (const [attribute, value] of attributes) {
    if (value.trim() === '') continue
    members.set(`@${attribute}`, value)
    judgeWord(`${name}@${attribute}`, value, `${at}/@${attribute}`, notes)
  }
  const said = text.trim() || undefined
  if (said !== undefined) members.set('#text', said)
  for (const [inner, group] of Map.groupBy(children, (child) => child.name)) {
    const values = group.map((child) => valueOf(child, notes)).filter((value) => value !== undefined)
    if (values.length > 0) members.set(inner, values.length === 1 ? values[0] : values)
  }
  if (members.size === 0) return undefined
  return members.size === 1 && said !== undefined ? said : Object.fromEntries(members)
}

function judgeWord(attribute: string, word: string, at: string, notes: Notes): void {
  if (!isKnown(attribute, word)) warn('adf-word-unknown', at, notes)
}

/** An object without the members that are undefined or empty lists. */
export function present<Members extends object>(members: Members): Members {
  // The cast: these members may be left out, or they would not be undefined or empty.
  return Object.fromEntries(
    Object.entries(members).filter(([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0)),
  ) as Members
}

export const isEmpty = (object: object) => Object.keys(object).length === 0
export const hasText = ({ text }: XmlElement) => text.trim() !== ''
export const isSaid = ({ text }: Pick<XmlElement, 'text'>) => !isPlaceholder(text)
export const wordOf = (element: XmlElement, name: string) => bare(attributeOf(element, name) ?? '')
/** A number that tells in what order; what has none comes last. */
export const orderOf = (said: string | undefined) => Number.parseInt(said ?? '', 10) || Infinity
export const inOrder = (a: number, b: number) => (a < b ? -1 : Number(a > b))
