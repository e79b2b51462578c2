import { hasDialect, meaningOf, plain } from './adf-dialect.ts'
import { isNamedIn, nameParts } from './adf-names.ts'
import type { XmlElement } from './adf-xml.ts'

// Elements that stand one level off, or as attributes, or under another name, to where ADF has them.

/** Elements that only hold others, which are meant to stand beside them. */
const collections = new Set(
  'lead vehicles tradeins customers contacts names emails emailaddresses phones phonenumbers addresses prices options'.split(
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
  if (element.attributes.size > 0) element.children.push(...attributesAsElements(element))
  if (!element.children.every((child) => isInAdf(child, element.name)))
    element.children = element.children.flatMap((child) => translated(child, element.name))
  if (['prospect', 'customer', 'contact'].includes(element.name)) {
    element.children = element.children.flatMap((child) => (child.name === 'name' ? namesIn(child) : child))
    gatherAddress(element)
  }
  element.children.forEach(translate)
  if (element.name === 'prospect') element.children.push(...takeLeadIds(element.children))
}

/**
 * What is called the id of the lead is that, wherever it stands. An `id` of the customer, who may come again, is not.
 */
function takeLeadIds(elements: readonly XmlElement[]): XmlElement[] {
  return elements
    .filter(({ name }) => name === 'customer' || name === 'contact')
    .flatMap((person) => {
      const ids = person.children.filter(({ name }) => name !== 'id' && meaningOf(name, 'prospect')?.name === 'id')
      person.children = person.children.filter((child) => !ids.includes(child))
      return [...ids.map((id) => ({ ...id, name: 'id' })), ...takeLeadIds(person.children)]
    })
}

/**
 * Elements that are attributes in ADF, or the text of their parent, when there is one of them and nothing else in it.
 */
function elementsAsAttributes(element: XmlElement): void {
  const isAttribute = ({ name }: XmlElement) => isNamedIn(element.name, `@${name}`)
  const isText = ({ name }: XmlElement) => valuesIn.get(element.name)?.includes(name) ?? false
  for (const child of element.children.filter((each) => isAttribute(each) || isText(each))) {
    const isAlone = element.children.filter(({ name }) => name === child.name).length === 1
    if (!isAlone || child.children.length > 0 || child.attributes.size > 0) continue
    if (isAttribute(child) && !element.attributes.has(child.name)) element.attributes.set(child.name, child.text)
    else if (isText(child) && element.text.trim() === '') element.text = child.text
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

function isInAdf({ name }: XmlElement, parent: string): boolean {
  const meaning = meaningOf(name, parent)
  return meaning ? meaning.name === name : !collections.has(plain(name))
}

function translated(child: XmlElement, parent: string): XmlElement[] {
  const called = plain(child.name)
  const meaning = meaningOf(called, parent)
  if (isAroundVehicles(child, meaning))
    return child.children.flatMap((each) => (isVehicle(each) ? { ...each, ...meaning } : translated(each, parent)))
  if (collections.has(called) && child.text.trim() === '' && child.attributes.size === 0)
    return child.children.flatMap((each) =>
      translated(called === 'tradeins' ? { ...each, name: 'tradein' } : each, parent),
    )
  if (!meaning || meaning.name === child.name) return [child]
  // Without anything in it, it is no vehicle but a word about one.
  return meaning.name === 'vehicle' && child.children.length === 0 ? [child] : [{ ...child, ...meaning }]
}

const isVehicle = ({ name, children }: XmlElement): boolean =>
  children.length > 0 && meaningOf(name, 'prospect')?.name === 'vehicle'

/** `<trade-in><vehicle>`: it only says what the vehicles in it are for. */
const isAroundVehicles = (element: XmlElement, meaning: ReturnType<typeof meaningOf>): boolean =>
  meaning?.name === 'vehicle' &&
  meaning.name !== element.name &&
  element.text.trim() === '' &&
  element.attributes.size === 0 &&
  element.children.some(isVehicle)

/** A name whose parts are elements or attributes becomes several, all of its type. */
function namesIn(element: XmlElement): XmlElement[] {
  const parts = element.children.filter(({ name }) => nameParts.has(plain(name)))
  for (const [name, text] of element.attributes) {
    if (!nameParts.has(plain(name))) continue
    element.attributes.delete(name)
    parts.push({ name, at: `${element.at}/@${name}`, attributes: new Map(), children: [], text })
  }
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
