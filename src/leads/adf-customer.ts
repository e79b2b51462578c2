import type { PersonName, PhoneInput, PostalAddress } from '../../generated/server/types.gen.ts'
import {
  attributeOf,
  dropAttribute,
  hasText,
  inOrder,
  isEmpty,
  isSaid,
  joinedText,
  keep,
  keepRepeated,
  keepRest,
  line,
  type Notes,
  orderOf,
  present,
  takeAttribute,
  takeSaid,
  takeText,
  wordOf,
} from './adf-element.ts'
import { isNo, isYes, type NamePart, nameParts } from './adf-names.ts'
import type { XmlElement } from './adf-xml.ts'
import { isProgramsNothing } from './placeholder.ts'
import { bare } from './text.ts'

/**
 * The contacts in the order in which they are to be used: `primarycontact` says which is the first, and which is not.
 */
export function byPrimary(contacts: readonly XmlElement[]): XmlElement[] {
  const rank = (contact: XmlElement) => {
    const words = [...flagsOf(contact), wordOf(contact, 'type')]
    return words.some(isYes) ? 0 : words.some((word) => isNo(word) || word === 'secondary') ? 2 : 1
  }
  return contacts.toSorted((a, b) => rank(a) - rank(b))
}

const flags = new Set(
  'primarycontact primary isprimary isprimarycontact preferredcontact preferred ispreferred'.split(' '),
)

/** What the attributes say by which one of several is chosen. */
const flagsOf = (element: XmlElement): string[] =>
  [...element.attributes.keys()].filter((name) => flags.has(bare(name))).map((name) => wordOf(element, name))

/** All e-mail addresses or phones, person by person; of each, the one first that is to be used (`preferredcontact`). */
export function takePreferred(people: readonly XmlElement[], name: 'email' | 'phone', notes: Notes): XmlElement[] {
  return people.flatMap((person) => preferredFirst(takeSaid(person, name, notes)))
}

function preferredFirst(elements: readonly XmlElement[]): XmlElement[] {
  const rank = (element: XmlElement) => Number(!flagsOf(element).some(isYes))
  return elements.toSorted((a, b) => rank(a) - rank(b))
}

/**
 * The name of the first person who has one, or of a business without persons. Middle names are given names; `suffix`
 * and `title` are kept beside.
 */
export function readName(people: readonly XmlElement[], notes: Notes): PersonName | undefined {
  const [all = [], ...others] = people
    .map((person) => takeSaid(person, 'name', notes, isProgramsNothing))
    .filter((names) => names.length > 0)
  const isBusiness = (name: XmlElement) => wordOf(name, 'type') === 'business'
  const ofPerson = all.filter((name) => !isBusiness(name))
  const own = ofPerson.length > 0 ? ofPerson : all
  for (const other of [...all.filter((name) => !own.includes(name)), ...others.flat()]) keepRepeated(other, notes)

  const parts = Map.groupBy(own, takePart)
  const { given = [], middle = [], family = [], full = [], beside = [], unknown = [] } = Object.fromEntries(parts)
  const isNamed = [...given, ...middle, ...family, ...full].length > 0
  // A name of an unknown kind is better than none.
  const whole = isNamed ? full : unknown
  for (const other of [given, family, whole].flatMap((names) => names.slice(1))) keepRepeated(other, notes)
  for (const other of [...beside, ...(isNamed ? unknown : [])]) keep(other, notes)
  const name = present({
    given: joinedText([...given.slice(0, 1), ...middle], notes),
    family: joinedText(family.slice(0, 1), notes),
    full: joinedText(whole.slice(0, 1), notes),
  })
  return isEmpty(name) ? undefined : name
}

function takePart(name: XmlElement): NamePart {
  const said = nameParts.has(wordOf(name, 'type')) && wordOf(name, 'part') === '' ? 'type' : 'part'
  const part = nameParts.get(wordOf(name, said) || 'full') ?? 'unknown'
  if (part !== 'beside' && part !== 'unknown') dropAttribute(name, said)
  return part
}

/** `voice`, which is also what ADF means when nothing is said, does not tell mobile from landline; the number may. */
export function readPhone(phone: XmlElement, notes: Notes): NonNullable<PhoneInput> {
  const type = takeAttribute(phone, 'type')
  const number = takeText(phone, notes)
  return type === undefined || ['voice', 'phone', 'telephone'].includes(bare(type)) ? { number } : { number, type }
}

/** `street@line` says in what order; what has no line comes last, `apartment` after it. */
export function readAddress(addresses: readonly XmlElement[], notes: Notes): PostalAddress | undefined {
  const [address, ...others] = preferredFirst(addresses.filter((each) => isSaid(each) || each.children.some(isSaid)))
  for (const other of addresses) if (other !== address) (others.includes(other) ? keepRepeated : keepRest)(other, notes)
  if (!address) return undefined

  const lineOf = (street: XmlElement) => orderOf(attributeOf(street, 'line'))
  const streets = takeSaid(address, 'street', notes).sort((a, b) => inOrder(lineOf(a), lineOf(b)))
  for (const street of streets) if (lineOf(street) !== Infinity) street.attributes.delete('line')
  const lines = [...streets, ...takeSaid(address, 'apartment', notes)].map((each) => takeText(each, notes))
  const rest = {
    postalCode: line(address, 'postalcode', notes),
    city: line(address, 'city', notes),
    region: line(address, 'regioncode', notes),
    countryCode: line(address, 'country', notes),
  }
  // Without a street, what stands there as mere text is one.
  if (lines.length === 0 && hasText(address) && isSaid(address)) lines.push(takeText(address, notes))
  else keepRest(address, notes)
  return present({ lines, ...rest })
}
