import { hasDialect, meaningOf, plain } from './adf-dialect.ts'
import { isNamedIn, nameParts } from './adf-names.ts'
import type { XmlElement } from './adf-xml.ts'

// Elements that stand one level off, or as attributes, or under another name, to where ADF has them.

/** Elements that only hold several of one kind. */
const collections = new Set(
  'vehicles tradeins customers contacts names emails emailaddresses phones phonenumbers addresses prices options'.split(
    ' ',
  ),
)

/** Attributes that are elements elsewhere, by the element that has them. */
const inAttributes = new Map<string, ReadonlySet<string>>(
  Object.entries({
    vehicle: 'year make model vin stock trim odometer transmission registration fuel condition',
    contact: 'name email phone',
    customer: 'name email phone',
    address: 'street apartment city regioncode postalcode country',
  }).map(([name, some]) => [name, new Set(some.split(' '))]),
)

/** Elements that hold the text of the one they stand in. */
const valuesIn = new Map(
  Object.entries({
    id: 'value',
    phone: 'number value',
    email: 'address value',
    odometer: 'value reading',
    price: 'amount value',
    balance: 'amount value',
  }).map(([name, some]) => [name, some.split(' ')]),
)

/** Gives everything in an element the names and places that it has in ADF. Where it was stays in `at`. */
export function translate(element: XmlElement): void {
  if (element.children.length > 0) elementsAsAttributes(element)
  if (!hasDialect(element.name)) return
  element.children = [...element.children, ...attributesAsElements(element)].flatMap((child) =>
    translated(child, element.name),
  )
  if (['prospect', 'customer', 'contact'].includes(element.name)) {
    element.children = element.children.flatMap((child) => (child.name === 'name' ? namesIn(child) : child))
    gatherAddress(element)
  }
  element.children.forEach(translate)
}

/** Elements that are attributes in ADF, or the text of their parent. */
function elementsAsAttributes(element: XmlElement): void {
  const isPlain = ({ name, attributes, children }: XmlElement) =>
    children.length === 0 && attributes.size === 0 && element.children.filter((each) => each.name === name).length === 1
  for (const child of element.children.filter(isPlain)) {
    const isAttribute = isNamedIn(element.name, `@${child.name}`) && !element.attributes.has(child.name)
    const isValue = valuesIn.get(element.name)?.includes(child.name) && element.text.trim() === ''
    if (isAttribute) element.attributes.set(child.name, child.text)
    else if (isValue) element.text = child.text
    else continue
    element.children = element.children.filter((each) => each !== child)
  }
}

function attributesAsElements({ name: parent, at, attributes }: XmlElement): XmlElement[] {
  return [...attributes].flatMap(([attribute, text]) => {
    const name = meaningOf(attribute, parent)?.name
    if (name === undefined || !inAttributes.get(parent)?.has(name)) return []
    attributes.delete(attribute)
    return [{ name: attribute, at: `${at}/@${attribute}`, attributes: new Map<string, string>(), children: [], text }]
  })
}

function translated(child: XmlElement, parent: string): XmlElement[] {
  const called = plain(child.name)
  if (collections.has(called) && child.text.trim() === '' && child.attributes.size === 0)
    return child.children.flatMap((each) =>
      translated(called === 'tradeins' ? { ...each, name: 'tradein' } : each, parent),
    )
  const meaning = meaningOf(called, parent)
  if (!meaning || meaning.name === child.name) return [child]
  // Without anything in it, it is no vehicle but a word about one.
  return meaning.name === 'vehicle' && child.children.length === 0 ? [child] : [{ ...child, ...meaning }]
}

/** A name whose parts are elements becomes several, all of its type. */
function namesIn(element: XmlElement): XmlElement[] {
  const parts = element.children.filter(({ name }) => nameParts.has(plain(name)))
  if (parts.length === 0) return [element]
  element.children = element.children.filter((child) => !parts.includes(child))
  const type = element.attributes.get('type')
  const asName = (part: XmlElement) => ({
    ...part,
    name: 'name',
    implied: new Map([['part', part.name], ...(type === undefined ? [] : [['type', type] as const])]),
  })
  return [element, ...parts.map(asName)]
}

/** Parts of an address that stand beside the name, when there is no address. */
function gatherAddress(person: XmlElement): void {
  if (person.children.some(({ name }) => name === 'address')) return
  const isPart = ({ name }: XmlElement) =>
    meaningOf(name, 'address') !== undefined && meaningOf(name, person.name) === undefined
  const parts = person.children.filter(isPart)
  // A state alone may be that of anything.
  if (!parts.some(({ name }) => ['street', 'city', 'postalcode'].includes(meaningOf(name, 'address')?.name ?? '')))
    return
  person.children = person.children.filter((child) => !isPart(child))
  person.children.push({ name: 'address', at: person.at, attributes: new Map(), children: parts, text: '' })
}
