import * as limits from '../../generated/server/limits.gen.ts'
import type { PersonName, PhoneInput, PostalAddress } from '../../generated/server/types.gen.ts'
import {
  hasText,
  inOrder,
  isEmpty,
  joinedText,
  keep,
  keepRepeated,
  keepRest,
  line,
  type Notes,
  present,
  takeAttribute,
  takeSaid,
  textOf,
  upTo,
} from './adf-element.ts'
import { type NamePart, nameParts } from './adf-names.ts'
import type { XmlElement } from './adf-xml.ts'
import { bare } from './text.ts'

/** The name of the first person who has one. Middle names are given names; `suffix` and `title` are kept beside. */
export function readName(people: readonly XmlElement[], notes: Notes): PersonName | undefined {
  const [own = [], ...others] = people
    .map((person) => takeSaid(person, 'name', notes))
    .filter((names) => names.length > 0)
  for (const other of others.flat()) keepRepeated(other, notes)

  const parts = Map.groupBy(own, takePart)
  const { given = [], middle = [], family = [], full = [], beside = [], unknown = [] } = Object.fromEntries(parts)
  const isNamed = [...given, ...middle, ...family, ...full].length > 0
  // A name of an unknown kind is better than none.
  const [whole, ...repeated] = isNamed ? full : unknown
  for (const other of repeated) keepRepeated(other, notes)
  for (const other of [...beside, ...(isNamed ? unknown : [])]) keep(other, notes)
  const name = present({
    given: joinedText([...given, ...middle], limits.PersonName.given.maxLength, notes),
    family: joinedText(family, limits.PersonName.family.maxLength, notes),
    full: whole && textOf(whole, limits.PersonName.full.maxLength, notes),
  })
  return isEmpty(name) ? undefined : name
}

function takePart({ attributes }: XmlElement): NamePart {
  const part = nameParts.get(bare(attributes.get('part') ?? 'full')) ?? 'unknown'
  if (part !== 'beside' && part !== 'unknown') attributes.delete('part')
  return part
}

/** `voice`, which is also what ADF means when nothing is said, does not tell mobile from landline; the number may. */
export function readPhone(phone: XmlElement, notes: Notes): NonNullable<PhoneInput> {
  const type = takeAttribute(phone, 'type')
  const number = textOf(phone, limits.Phone.number.maxLength, notes)
  if (type === undefined || ['voice', 'phone', 'telephone'].includes(bare(type))) return { number }
  return { number, type }
}

/** `street@line` says in what order; what has no line comes last, `apartment` after it. */
export function readAddress(addresses: readonly XmlElement[], notes: Notes): PostalAddress | undefined {
  const [address, ...others] = addresses.filter((each) => hasText(each) || each.children.some(hasText))
  for (const other of others) keepRepeated(other, notes)
  if (!address) return undefined

  const lineOf = ({ attributes }: XmlElement) => Number.parseInt(attributes.get('line') ?? '', 10) || Infinity
  const streets = takeSaid(address, 'street', notes).sort((a, b) => inOrder(lineOf(a), lineOf(b)))
  for (const { attributes } of streets) attributes.delete('line')
  const lines = upTo(
    limits.PostalAddress.lines.maxItems,
    [...streets, ...takeSaid(address, 'apartment', notes)],
    notes,
  ).map((each) => textOf(each, limits.PostalAddress.lines.items.maxLength, notes))
  const rest = {
    postalCode: line(address, 'postalcode', limits.PostalAddress.postalCode.maxLength, notes),
    city: line(address, 'city', limits.PostalAddress.city.maxLength, notes),
    region: line(address, 'regioncode', limits.PostalAddress.region.maxLength, notes),
    countryCode: line(address, 'country', limits.PostalAddress.countryCode.maxLength, notes),
  }
  // Without a street, what stands there as mere text is one.
  if (lines.length === 0 && hasText(address))
    lines.push(textOf(address, limits.PostalAddress.lines.items.maxLength, notes))
  else keepRest(address, notes)
  return present({ lines, ...rest })
}
