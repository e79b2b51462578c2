import type { Warning } from '../../generated/server/types.gen.ts'
import { isKnown, named } from './adf-names.ts'
import type { XmlElement } from './adf-xml.ts'
import { isPlaceholder } from './placeholder.ts'
import { bare, cut } from './text.ts'
import { warn } from './warnings.ts'

export interface Notes {
  readonly warnings: Warning[]
  /** What has no member of its own in a lead, by its path in the document. */
  readonly extra: Map<string, unknown>
}

// How elements are read: what is taken is no longer in its parent, so that the rest can be kept.

export interface Said {
  readonly at: string
  readonly text: string
}

export function take(parent: XmlElement, name: string): XmlElement[] {
  const taken = parent.children.filter((child) => child.name === name)
  parent.children = parent.children.filter((child) => child.name !== name)
  return taken
}

export function drop(parent: XmlElement, child: XmlElement): void {
  parent.children = parent.children.filter((each) => each !== child)
}

/** An attribute without blanks around it; a blank one counts as left out. */
export function takeAttribute({ attributes }: XmlElement, name: string): string | undefined {
  const value = attributes.get(name)?.trim()
  attributes.delete(name)
  return value || undefined
}

/** The elements of a name that have text. An empty one counts as left out. */
export function takeSaid(parent: XmlElement, name: string, notes: Notes): XmlElement[] {
  const taken = take(parent, name)
  for (const element of taken) if (!hasText(element) && element.children.length > 0) keepRest(element, notes)
  return taken.filter(hasText)
}

/** The first element of a name that has text. */
export function single(parent: XmlElement, name: string, notes: Notes): XmlElement | undefined {
  const [first, ...others] = takeSaid(parent, name, notes)
  for (const other of others) keepRepeated(other, notes)
  return first
}

/** The text of the first element of a name that has one, unless it is a placeholder. */
export function line(parent: XmlElement, name: string, lengthMax: number, notes: Notes): string | undefined {
  const element = single(parent, name, notes)
  if (!element) return undefined
  if (!isPlaceholder(element.text)) return textOf(element, lengthMax, notes)
  keep(element, notes)
  return undefined
}

export function textOf(element: XmlElement, lengthMax: number, notes: Notes): string {
  return cut(takeText(element, notes), lengthMax, element.at, notes)
}

export function joinedText(elements: readonly XmlElement[], lengthMax: number, notes: Notes): string | undefined {
  const [first] = elements
  return first && cut(elements.map((each) => takeText(each, notes)).join(' '), lengthMax, first.at, notes)
}

/** The text of an element without blanks around it. Whatever else there is to the element is kept. */
export function takeText(element: XmlElement, notes: Notes): string {
  const text = element.text.trim()
  element.text = ''
  keepRest(element, notes)
  return text
}

/** `comments`, as the DTD has it, and `comment`, as people write it. */
export function takeComments(parent: XmlElement, notes: Notes): Said[] {
  return ['comments', 'comment']
    .flatMap((name) => takeSaid(parent, name, notes))
    .map((element) => ({ at: element.at, text: takeText(element, notes) }))
}

export function joined(said: readonly Said[], lengthMax: number, notes: Notes): string | undefined {
  const [first] = said
  return first && cut(said.map(({ text }) => text).join('\n\n'), lengthMax, first.at, notes)
}

export function upTo<Item extends { at: string }>(max: number, items: readonly Item[], notes: Notes): Item[] {
  const [tooMany] = items.slice(max)
  if (tooMany) warn('too-many', tooMany.at, notes)
  return items.slice(0, max)
}

/** Keeps a number that is none. */
export function setAside({ at }: XmlElement, said: string, notes: Notes): void {
  notes.extra.set(at, said)
  if (!isPlaceholder(said)) warn('number-odd', at, notes)
}

export function keepRepeated(element: XmlElement, notes: Notes): void {
  if (keep(element, notes)) warn('adf-repeated', element.at, notes)
}

/** Keeps what is left of an element. */
export function keepRest({ name, at, attributes, children, text }: XmlElement, notes: Notes): void {
  const isNamed = (each: string) => named.get(name)?.split(' ').includes(each) ?? false
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
export function valueOf({ name, at, attributes, children, text }: XmlElement, notes: Notes): unknown {
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

export function judgeWord(attribute: string, word: string, at: string, notes: Notes): void {
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
export const wordOf = ({ attributes }: XmlElement, name: string) => bare(attributes.get(name) ?? '')
export const inOrder = (a: number, b: number) => (a < b ? -1 : Number(a > b))
