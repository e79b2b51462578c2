import type {
  ExternalReference,
  LeadInput,
  Money,
  Odometer,
  PersonName,
  PhoneInput,
  PostalAddress,
  TradeIn,
  VehicleOfInterest,
  Warning,
} from '../../generated/server/types.gen.ts'
import { readXml, unreadable, type XmlElement } from './adf-xml.ts'
import type { NewLead } from './lead.ts'

/** Each lead keeps the whole document. */
const prospectsMax = 32
const warningsMax = 100
const pointerLengthMax = 512
const numberLengthMax = 64
const offsetHoursMax = 14
const yearMin = 1900
const yearMax = 2100
const odometerMax = 99_999_999

// What the contract gives each text and list of a lead.
const messageMax = 4000
const commentsMax = 2000
const nameMax = 200
const fullNameMax = 400
const emailMax = 320
const phoneMax = 64
const timeMax = 64
const wordMax = 32
const unitMax = 16
const currencyMax = 16
const amountMax = 32
const vinMax = 32
const stockNumberMax = 64
const makeMax = 64
const modelMax = 128
const colourMax = 64
const listingIdMax = 128
const streetMax = 200
const cityMax = 100
const postalCodeMax = 32
const countryMax = 64
const sourceMax = 200
const referenceSourceMax = 64
const referenceIdMax = 128
const waysMax = 10
const linesMax = 5
const vehiclesMax = 20
const tradeInsMax = 5

const messages = {
  'adf-encoding': 'The document is not in the encoding that it claims. It was read in the one that it seems to be in.',
  'adf-form': 'The document is not well-formed XML. It was read as it must have been meant.',
  'adf-name-unknown': 'ADF 1.0 has no element or attribute of this name here. It is kept in `extra`.',
  'adf-text-unexpected': 'ADF 1.0 has only elements here, and this is text. It is kept in `extra`.',
  'adf-word-unknown': 'ADF 1.0 does not have this word here. It is kept in `extra`.',
  'adf-number-odd': 'This is not a number that we understand, or not one that can be. It is kept in `extra`.',
  'adf-offset-odd': 'The offset of this time is not one. The time was read without it, and is kept in `extra` with it.',
  'adf-repeated':
    'A lead has room for one of these. The first that says something was taken, this one is kept in `extra`.',
  'adf-too-many': 'A lead does not have room for so many of these. From this one on they are in the original only.',
  'adf-text-cut': 'This is longer than a lead has room for, and was cut. The original has all of it.',
  'adf-id-unusable':
    'This id has no source, is too long, or is what everybody writes: it does not tell whether the lead came before. It is kept in `extra`.',
  'adf-resend-unknown': 'This was sent again, but has no id that tells what it is the same as.',
  'too-many-warnings': 'There were more warnings. They were left out.',
} as const satisfies Record<string, string>

/** A prospect of an ADF document. */
export interface AdfLead {
  /** Fits the schema of a lead as it is sent. `externalReference` comes from `prospect/id`. */
  input: LeadInput
  /** What was odd in the document. A pointer is the path of an element or attribute there, for example `/adf/prospect/vehicle/1/year`. */
  warnings: Warning[]
  /** The sender says that this lead was sent before (`prospect@status`). The one with the same reference is the same lead. */
  resend: boolean
}

interface Notes {
  readonly warnings: Warning[]
  /** What has no member of its own in a lead, by its path in the document. */
  readonly extra: Map<string, unknown>
}

/**
 * The leads of an ADF 1.0 document (Auto-lead Data Format, `adf_spec.pdf` of 2000-05-03): one for each `prospect`, in order. It is read as
 * tolerantly as real documents need (`leads-and-adf.md` 2.3). Nothing in it is a reason to refuse it once a prospect was found: what has no
 * place in a lead is kept in `extra`, and what was not understood or is too long costs a warning, which never repeats a value.
 *
 * @param charset what Content-Type says, if anything.
 * @throws {Problem} `body-too-large`; `bad-request` when there is no prospect in it, or the document is a danger.
 */
export function readAdf(bytes: Buffer, charset?: string): AdfLead[] {
  const { roots, faults } = readXml(bytes, charset)
  const envelope: XmlElement = { name: '', at: '', attributes: new Map(), children: roots, text: '' }
  const prospects = prospectsIn(envelope)
  if (prospects.length === 0) throw unreadable('is not ADF: it has no element prospect')
  if (prospects.length > prospectsMax) throw unreadable(`has more than ${prospectsMax} prospects`)

  return prospects.map((prospect, index) => {
    const notes: Notes = { warnings: [], extra: new Map() }
    for (const fault of faults) warn(`adf-${fault}`, '', notes)
    const lead = readProspect(prospect, notes)
    // What stands beside the prospects belongs to none of them, but is kept.
    if (index === 0) for (const root of envelope.children) keepRest(root, notes)
    const extra = notes.extra.size > 0 ? { extra: Object.fromEntries(notes.extra) } : undefined
    return { input: { ...lead.input, ...extra }, warnings: notes.warnings, resend: lead.resend }
  })
}

/** The lead with the warnings of the document it came in before its own. */
export function withWarningsOf(adf: AdfLead, lead: NewLead): NewLead {
  const warnings = [...adf.warnings, ...lead.warnings]
  if (warnings.length > warningsMax) warnings.splice(warningsMax - 1, Infinity, tooManyWarnings)
  return { ...lead, warnings }
}

/** Takes the prospects out of wherever they are; in one whose end is missing there is the next. */
function prospectsIn(element: XmlElement): XmlElement[] {
  const { children } = element
  element.children = children.filter(({ name }) => name !== 'prospect')
  return children.flatMap((child) => (child.name === 'prospect' ? [child, ...prospectsIn(child)] : prospectsIn(child)))
}

function readProspect(prospect: XmlElement, notes: Notes): { input: LeadInput; resend: boolean } {
  const customers = take(prospect, 'customer')
  const contacts = [...customers, prospect].flatMap((parent) => take(parent, 'contact'))
  // A contact is where ADF has them; others write the same a level higher.
  const people = [...contacts, ...customers, prospect]
  const vehicles = take(prospect, 'vehicle').map((vehicle) => readVehicle(vehicle, notes))
  const wanted = vehicles.flatMap(({ wanted: each }) => each ?? [])
  const tradeIns = vehicles.flatMap(({ tradeIn }) => tradeIn ?? [])
  const resend = wordOf(prospect, 'status') === 'resend'
  const externalReference = readReference(prospect, notes)
  if (resend && !externalReference) warn('adf-resend-unknown', `${prospect.at}/@status`, notes)
  const said = [
    ...[...customers, ...contacts, prospect].flatMap((each) => takeComments(each, notes)),
    ...vehicles.flatMap(({ loose }) => loose),
  ]

  const input: LeadInput = present({
    type: typeOf(vehicles.map(({ interest }) => interest)),
    message: joined(said, messageMax, notes),
    customer: present({
      name: readName(people, notes),
      emails: upTo(
        waysMax,
        people.flatMap((each) => takeSaid(each, 'email', notes)),
        notes,
      ).map((each) => ({ address: textOf(each, emailMax, notes) })),
      phones: upTo(
        waysMax,
        people.flatMap((each) => takeSaid(each, 'phone', notes)),
        notes,
      ).map((each) => readPhone(each, notes)),
      address: readAddress(
        people.flatMap((each) => take(each, 'address')),
        notes,
      ),
    }),
    vehiclesOfInterest: upTo(vehiclesMax, wanted, notes).map(({ read }) => read),
    tradeIns: upTo(tradeInsMax, tradeIns, notes).map(({ read }) => read),
    attribution: readAttribution(prospect, notes),
    externalReference,
    submittedAt: readTime(prospect, notes),
  })
  if (isKnown('prospect@status', wordOf(prospect, 'status'))) prospect.attributes.delete('status')
  for (const each of people) keepRest(each, notes)
  return { input, resend }
}

// Elements of a prospect.

/**
 * The `id` with the lowest `sequence` among those that tell a lead from all others: with a source, whole, and not a word that everybody
 * uses. A doubtful id is none: taking two leads for one would lose the second.
 */
function readReference(prospect: XmlElement, notes: Notes): ExternalReference | undefined {
  const ids = bySequence(prospect)
  const usable = ids.find(
    ({ text, attributes }) =>
      isTelling(text, referenceIdMax) && isTelling(attributes.get('source') ?? '', referenceSourceMax),
  )
  const [unusable] = ids
  if (!usable && unusable) warn('adf-id-unusable', unusable.at, notes)
  if (!usable) return undefined
  drop(prospect, usable)
  return { source: usable.attributes.get('source')?.trim() ?? '', id: usable.text.trim() }
}

const isTelling = (text: string, lengthMax: number) =>
  !isPlaceholder(text) && text.trim() !== '0' && text.trim().length <= lengthMax

function bySequence({ children }: XmlElement): XmlElement[] {
  const sequenceOf = ({ attributes }: XmlElement) => Number.parseInt(attributes.get('sequence') ?? '', 10) || Infinity
  return children
    .filter((child) => child.name === 'id' && hasText(child))
    .sort((a, b) => inOrder(sequenceOf(a), sequenceOf(b)))
}

type Interest = 'buy' | 'lease' | 'test_drive' | 'trade_in' | 'sell'

/** What the lead is about, as far as the vehicles tell; `buy` does not tell, for it is also what ADF means when nothing is said. */
function typeOf(interests: readonly (Interest | undefined)[]): LeadInput['type'] {
  if (interests.includes('test_drive')) return 'test_drive'
  if (interests.includes('lease')) return 'lease'
  if (interests.length === 0 || !interests.every((interest) => interest === 'trade_in' || interest === 'sell'))
    return undefined
  return interests.includes('sell') ? 'sell_to_dealer' : 'trade_in'
}

/** The name of the first person who has one. Middle names are given names; `suffix` and `title` are kept beside. */
function readName(people: readonly XmlElement[], notes: Notes): PersonName | undefined {
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
    given: joinedText([...given, ...middle], nameMax, notes),
    family: joinedText(family, nameMax, notes),
    full: whole && textOf(whole, fullNameMax, notes),
  })
  return isEmpty(name) ? undefined : name
}

function takePart({ attributes }: XmlElement): NamePart {
  const part = nameParts.get(bare(attributes.get('part') ?? 'full')) ?? 'unknown'
  if (part !== 'beside' && part !== 'unknown') attributes.delete('part')
  return part
}

/** `voice`, which is also what ADF means when nothing is said, does not tell mobile from landline; the number may. */
function readPhone(phone: XmlElement, notes: Notes): PhoneInput {
  const type = takeAttribute(phone, 'type')
  const number = textOf(phone, phoneMax, notes)
  if (type === undefined || ['voice', 'phone', 'telephone'].includes(bare(type))) return { number }
  return { number, type: cut(type, wordMax, `${phone.at}/@type`, notes) }
}

/** `street@line` says in what order; what has no line comes last, `apartment` after it. */
function readAddress(addresses: readonly XmlElement[], notes: Notes): PostalAddress | undefined {
  const [address, ...others] = addresses.filter((each) => hasText(each) || each.children.some(hasText))
  for (const other of others) keepRepeated(other, notes)
  if (!address) return undefined

  const lineOf = ({ attributes }: XmlElement) => Number.parseInt(attributes.get('line') ?? '', 10) || Infinity
  const streets = takeSaid(address, 'street', notes).sort((a, b) => inOrder(lineOf(a), lineOf(b)))
  for (const { attributes } of streets) attributes.delete('line')
  const lines = upTo(linesMax, [...streets, ...takeSaid(address, 'apartment', notes)], notes).map((each) =>
    textOf(each, streetMax, notes),
  )
  const rest = {
    postalCode: line(address, 'postalcode', postalCodeMax, notes),
    city: line(address, 'city', cityMax, notes),
    region: line(address, 'regioncode', cityMax, notes),
    countryCode: line(address, 'country', countryMax, notes),
  }
  // Without a street, what stands there as mere text is one.
  if (lines.length === 0 && hasText(address)) lines.push(textOf(address, streetMax, notes))
  else keepRest(address, notes)
  return present({ lines, ...rest })
}

/** The provider is who brought the customer. All that is said of it is kept beside. */
function readAttribution(prospect: XmlElement, notes: Notes): LeadInput['attribution'] {
  const names = prospect.children
    .filter(({ name }) => name === 'provider')
    .flatMap(({ children }) => children.filter(({ name }) => name === 'name'))
  const name = names.find(({ text }) => !isPlaceholder(text))
  return name && { source: cut(name.text.trim(), sourceMax, name.at, notes) }
}

interface Vehicle {
  interest: Interest | undefined
  wanted?: { at: string; read: VehicleOfInterest }
  tradeIn?: { at: string; read: TradeIn }
  /** Comments of a vehicle that is none. */
  loose: Said[]
}

/** `vehicle@interest` tells a wanted vehicle from one that is handed in. One that says nothing of the vehicle itself is none. */
function readVehicle(element: XmlElement, notes: Notes): Vehicle {
  const { at } = element
  const said = element.attributes.get('interest')?.trim() || 'buy'
  const interest = interests.get(bare(said))
  const handsIn = interest === 'trade_in' || interest === 'sell'
  const { price, wantedPrice } = readPrice(element, notes)
  const described = present({
    vin: line(element, 'vin', vinMax, notes),
    stockNumber: line(element, 'stock', stockNumberMax, notes),
    listingId: takeListingId(element),
    make: line(element, 'make', makeMax, notes),
    model: line(element, 'model', modelMax, notes),
    variant: line(element, 'trim', modelMax, notes),
    modelYear: readYear(element, notes),
    odometer: readOdometer(element, notes),
    transmission: line(element, 'transmission', wordMax, notes),
    colour: readColour(element, notes),
    ...(handsIn
      ? {
          price,
          wantedPrice,
          conditionRating: line(element, 'condition', wordMax, notes),
          outstandingFinance: readDebt(element, notes),
        }
      : { price: price ?? wantedPrice }),
  })
  const comments = takeComments(element, notes)
  const status = isEmpty(described) ? undefined : takeAttribute(element, 'status')
  // An unknown interest is judged as the role of a vehicle, if there is one.
  if (interest || !isEmpty(described)) element.attributes.delete('interest')
  keepRest(element, notes)
  if (isEmpty(described)) return { interest, loose: comments }

  const rest = {
    condition: status && cut(status, wordMax, `${at}/@status`, notes),
    comments: joined(comments, commentsMax, notes),
  }
  if (handsIn) return { interest, tradeIn: { at, read: present({ ...described, ...rest }) }, loose: [] }
  const role = interest ?? cut(said, wordMax, `${at}/@interest`, notes)
  // Nobody hands in a new car, but one that is wanted is new unless something else is said.
  return {
    interest,
    wanted: { at, read: present({ ...described, ...rest, condition: rest.condition ?? 'new', role }) },
    loose: [],
  }
}

function takeListingId(vehicle: XmlElement): string | undefined {
  const id = bySequence(vehicle).find(({ text }) => isTelling(text, listingIdMax))
  if (id) drop(vehicle, id)
  return id?.text.trim()
}

function readYear(vehicle: XmlElement, notes: Notes): number | undefined {
  const element = single(vehicle, 'year', notes)
  if (!element) return undefined
  const said = takeText(element, notes)
  const year = /^\d{4}$/.test(said) ? Number(said) : Number.NaN
  if (year >= yearMin && year <= yearMax) return year
  setAside(element, said, notes)
  return undefined
}

/** `odometer@units`: km or mi; the text of the specification has `miles`. */
function readOdometer(vehicle: XmlElement, notes: Notes): Odometer | undefined {
  const element = single(vehicle, 'odometer', notes)
  if (!element) return undefined
  const units = takeAttribute(element, 'units')
  const said = takeText(element, notes)
  const { decimal = '-1', beside } = numberIn(said) ?? {}
  const value = Number(decimal)
  if (value < 0 || value > odometerMax) {
    setAside(element, said, notes)
    return undefined
  }
  const unit = units ?? beside
  return { value, ...(unit && { unit: cut(unit, unitMax, element.at, notes) }) }
}

/** The exterior colour of the combination that the customer prefers (`preference`, 1 before 2). */
function readColour(vehicle: XmlElement, notes: Notes): string | undefined {
  const combinations = vehicle.children.filter(
    ({ name, children }) =>
      name === 'colorcombination' && children.some((child) => child.name === 'exteriorcolor' && hasText(child)),
  )
  const preferenceOf = ({ children }: XmlElement) =>
    Number.parseInt(children.find(({ name }) => name === 'preference')?.text ?? '', 10) || Infinity
  const [chosen] = combinations.sort((a, b) => inOrder(preferenceOf(a), preferenceOf(b)))
  if (!chosen) return undefined
  drop(vehicle, chosen)
  const colour = line(chosen, 'exteriorcolor', colourMax, notes)
  keepRest(chosen, notes)
  return colour
}

/** A price; `wantedPrice` is one that is asked for (`price@type`). One with `delta` is a difference from another and stays. */
function readPrice(vehicle: XmlElement, notes: Notes): { price?: Money | undefined; wantedPrice?: Money | undefined } {
  const price = vehicle.children.find(
    (child) => child.name === 'price' && hasText(child) && ['', 'absolute'].includes(wordOf(child, 'delta')),
  )
  if (!price) return {}
  drop(vehicle, price)
  return wordOf(price, 'type') === 'asking'
    ? { wantedPrice: readMoney(price, notes) }
    : { price: readMoney(price, notes) }
}

/** `finance/balance` of a vehicle that is handed in is what is still to be paid for it, unless it is a residual value. */
function readDebt(vehicle: XmlElement, notes: Notes): TradeIn['outstandingFinance'] {
  const finance = vehicle.children.find(({ name }) => name === 'finance')
  const balance = finance?.children.find(
    (child) => child.name === 'balance' && hasText(child) && ['', 'finance'].includes(wordOf(child, 'type')),
  )
  if (!finance || !balance) return undefined
  drop(finance, balance)
  const amount = readMoney(balance, notes)
  return amount && { amount }
}

function readMoney(element: XmlElement, notes: Notes): Money | undefined {
  const sent = takeAttribute(element, 'currency')
  const said = takeText(element, notes)
  const number = numberIn(said)
  if (!number || number.decimal.length > amountMax) {
    setAside(element, said, notes)
    return undefined
  }
  const code = /^[a-z]{3}$/i.test(number.beside) ? number.beside.toUpperCase() : undefined
  // A sign such as $ or kr. means several currencies.
  if (number.beside !== '' && !code) notes.extra.set(element.at, said)
  const currency = sent ?? code
  return {
    amount: number.decimal,
    ...(currency && { currency: cut(currency, currencyMax, `${element.at}/@currency`, notes) }),
  }
}

const groupedPattern = /^-?\d{1,3}([.,])\d{3}(?:\1\d{3})*(?:(?!\1)[.,]\d{1,2})?$/
const plainPattern = /^-?\d+(?:[.,]\d+)?$/
const amidPattern = /^([^\d-]*)(-?[\d.,]*\d)(?:[.,]?-+)?([^\d]*)$/

/** The one number in a text, as JSON writes it, and the letters beside it. A separator before three digits groups them. */
function numberIn(said: string): { decimal: string; beside: string } | undefined {
  if (said.length > numberLengthMax) return undefined
  const [, before = '', digits = '', after = ''] = amidPattern.exec(said.replace(/[\s'’]/g, '')) ?? []
  const [, group] = groupedPattern.exec(digits) ?? []
  if (group === undefined && !plainPattern.test(digits)) return undefined
  const ungrouped = group === undefined ? digits : digits.replaceAll(group, '')
  return { decimal: ungrouped.replace(',', '.'), beside: `${before}${after}`.replace(/[^\p{L}$€£]/gu, '') }
}

const compactTime = /^(\d{4})(\d\d)(\d\d)T?\s*(\d\d)(\d\d)(\d\d)?(.*)$/is
const extendedTime = /^(\d{4}-\d\d-\d\d)[T\s]\s*(\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?)(.*)$/is
const offsetPattern = /^([+-])\s*(\d{1,2})(?::?([0-5]\d))?$/

/** `requestdate` in the form that lead input has: ISO 8601 in two of the four forms of ADF, and near to it. An offset that is none is left out. */
function readTime(prospect: XmlElement, notes: Notes): string | undefined {
  const element = single(prospect, 'requestdate', notes)
  if (!element) return undefined
  const whole = textOf(element, timeMax, notes)
  const [, year = '', month = '', day = '', hour = '', minute = '', second = '00', compactOffset] =
    compactTime.exec(whole) ?? []
  const [, date = '', time = '', extendedOffset] = extendedTime.exec(whole) ?? []
  const wallClock = year ? `${year}-${month}-${day}T${hour}:${minute}:${second}` : date && `${date}T${time}`
  const offset = (compactOffset ?? extendedOffset ?? '').trim()
  // Without am and pm it would be another time.
  if (!wallClock || /^[ap]\.?\s*m/i.test(offset)) return whole

  if (offset === '') return wallClock
  if (/^(?:z|utc|gmt)$/i.test(offset)) return `${wallClock}Z`
  const [, sign, hours = '', minutes = '00'] = offsetPattern.exec(offset.replace(/[\u2212\u2013]/, '-')) ?? []
  if (sign && Number(hours) <= offsetHoursMax) return `${wallClock}${sign}${hours.padStart(2, '0')}:${minutes}`
  warn('adf-offset-odd', element.at, notes)
  notes.extra.set(element.at, whole)
  return wallClock
}

// What ADF 1.0 names.

const interests = new Map<string, Interest>([
  ['buy', 'buy'],
  ['lease', 'lease'],
  ['testdrive', 'test_drive'],
  ['tradein', 'trade_in'],
  ['sell', 'sell'],
])

type NamePart = 'given' | 'middle' | 'family' | 'full' | 'beside' | 'unknown'

/** The text of the specification has `suffix`, its DTD has `surname`. */
const nameParts = new Map<string, NamePart>([
  ['first', 'given'],
  ['given', 'given'],
  ['middle', 'middle'],
  ['last', 'family'],
  ['surname', 'family'],
  ['family', 'family'],
  ['full', 'full'],
  ['suffix', 'beside'],
  ['title', 'beside'],
])

/** The elements and @attributes of the elements that are read, as the DTD or the text of the specification has them. Others within them cost a warning. */
const named = new Map<string, string>([
  ['adf', 'prospect'],
  ['prospect', 'id requestdate vehicle customer vendor provider comments @status'],
  [
    'vehicle',
    'id year make model vin stock trim doors bodystyle transmission odometer condition colorcombination imagetag price pricecomments option finance comments @interest @status',
  ],
  ['odometer', '@status @units'],
  ['colorcombination', 'interiorcolor exteriorcolor preference'],
  ['price', '@type @currency @delta @relativeto @source'],
  ['balance', '@type @currency'],
  ['customer', 'contact id timeframe comments'],
  ['contact', 'name email phone address comments @primarycontact'],
  ['name', '@part @type'],
  ['email', '@preferredcontact'],
  ['phone', '@type @time @besttime @preferredcontact'],
  ['address', 'street apartment city regioncode postalcode country url @type'],
  ['street', '@line'],
])

/** The words of the attributes that a lead has no place for; those that it has are judged as those of every lead. */
const words = new Map<string, string>([
  ['prospect@status', 'new resend'],
  ['vehicle@interest', 'buy lease sell tradein testdrive'],
  ['odometer@status', 'unknown rolledover replaced original'],
  ['price@type', 'quote offer msrp invoice call appraisal asking'],
  ['price@delta', 'absolute relative percentage'],
  ['price@relativeto', 'msrp invoice'],
  ['amount@type', 'downpayment monthly total'],
  ['amount@limit', 'maximum minimum exact'],
  ['balance@type', 'finance residual'],
  ['name@part', [...nameParts.keys()].join(' ')],
  ['name@type', 'individual business'],
  ['contact@primarycontact', '0 1'],
  ['email@preferredcontact', '0 1'],
  ['phone@preferredcontact', '0 1'],
  ['phone@time', 'morning afternoon evening day nopreference'],
  ['address@type', 'work home delivery'],
])

/** What senders write who have to write something. */
const placeholders = new Set(
  ' na n/a none null nil undefined unknown notspecified unspecified notprovided notavailable notapplicable fullline any anymodel tbd ukendt ikkeangivet'.split(
    ' ',
  ),
)

// How elements are read: what is taken is no longer in its parent, so that the rest can be kept.

interface Said {
  readonly at: string
  readonly text: string
}

function take(parent: XmlElement, name: string): XmlElement[] {
  const taken = parent.children.filter((child) => child.name === name)
  parent.children = parent.children.filter((child) => child.name !== name)
  return taken
}

function drop(parent: XmlElement, child: XmlElement): void {
  parent.children = parent.children.filter((each) => each !== child)
}

/** An attribute without blanks around it; a blank one counts as left out. */
function takeAttribute({ attributes }: XmlElement, name: string): string | undefined {
  const value = attributes.get(name)?.trim()
  attributes.delete(name)
  return value || undefined
}

/** The elements of a name that have text. An empty one counts as left out. */
function takeSaid(parent: XmlElement, name: string, notes: Notes): XmlElement[] {
  const taken = take(parent, name)
  for (const element of taken) if (!hasText(element) && element.children.length > 0) keepRest(element, notes)
  return taken.filter(hasText)
}

/** The first element of a name that has text. */
function single(parent: XmlElement, name: string, notes: Notes): XmlElement | undefined {
  const [first, ...others] = takeSaid(parent, name, notes)
  for (const other of others) keepRepeated(other, notes)
  return first
}

/** The text of the first element of a name that has one, unless it is a placeholder. */
function line(parent: XmlElement, name: string, lengthMax: number, notes: Notes): string | undefined {
  const element = single(parent, name, notes)
  if (!element) return undefined
  if (!isPlaceholder(element.text)) return textOf(element, lengthMax, notes)
  keep(element, notes)
  return undefined
}

function textOf(element: XmlElement, lengthMax: number, notes: Notes): string {
  return cut(takeText(element, notes), lengthMax, element.at, notes)
}

function joinedText(elements: readonly XmlElement[], lengthMax: number, notes: Notes): string | undefined {
  const [first] = elements
  return first && cut(elements.map((each) => takeText(each, notes)).join(' '), lengthMax, first.at, notes)
}

/** The text of an element without blanks around it. Whatever else there is to the element is kept. */
function takeText(element: XmlElement, notes: Notes): string {
  const text = element.text.trim()
  element.text = ''
  keepRest(element, notes)
  return text
}

/** `comments`, as the DTD has it, and `comment`, as people write it. */
function takeComments(parent: XmlElement, notes: Notes): Said[] {
  return ['comments', 'comment']
    .flatMap((name) => takeSaid(parent, name, notes))
    .map((element) => ({ at: element.at, text: takeText(element, notes) }))
}

function joined(said: readonly Said[], lengthMax: number, notes: Notes): string | undefined {
  const [first] = said
  return first && cut(said.map(({ text }) => text).join('\n\n'), lengthMax, first.at, notes)
}

function upTo<Item extends { at: string }>(max: number, items: readonly Item[], notes: Notes): Item[] {
  const [tooMany] = items.slice(max)
  if (tooMany) warn('adf-too-many', tooMany.at, notes)
  return items.slice(0, max)
}

function cut(text: string, lengthMax: number, at: string, notes: Notes): string {
  if (text.length <= lengthMax) return text
  warn('adf-text-cut', at, notes)
  // Not through the middle of a character.
  return text.slice(0, lengthMax).replace(/[\ud800-\udbff]$/, '')
}

/** Keeps a number that is none. */
function setAside({ at }: XmlElement, said: string, notes: Notes): void {
  notes.extra.set(at, said)
  if (!isPlaceholder(said)) warn('adf-number-odd', at, notes)
}

function keepRepeated(element: XmlElement, notes: Notes): void {
  if (keep(element, notes)) warn('adf-repeated', element.at, notes)
}

/** Keeps what is left of an element. */
function keepRest({ name, at, attributes, children, text }: XmlElement, notes: Notes): void {
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
function keep(element: XmlElement, notes: Notes): boolean {
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

const isKnown = (attribute: string, word: string) => words.get(attribute)?.split(' ').includes(bare(word)) ?? true

/** An object without the members that are undefined or empty lists. */
function present<Members extends object>(members: Members): Members {
  // The cast: these members may be left out, or they would not be undefined or empty.
  return Object.fromEntries(
    Object.entries(members).filter(([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0)),
  ) as Members
}

const isEmpty = (object: object) => Object.keys(object).length === 0
const hasText = ({ text }: XmlElement) => text.trim() !== ''
const wordOf = ({ attributes }: XmlElement, name: string) => bare(attributes.get(name) ?? '')
const inOrder = (a: number, b: number) => (a < b ? -1 : Number(a > b))
const bare = (word: string) => word.toLowerCase().replace(/[\s_-]+/g, '')
const isPlaceholder = (text: string) => placeholders.has(bare(text).replace(/^[-.?*]+$/, ''))

const tooManyWarnings: Warning = { code: 'too-many-warnings', pointer: '', message: messages['too-many-warnings'] }

function warn(code: keyof typeof messages, at: string, { warnings }: Notes): void {
  const pointer = at.length <= pointerLengthMax ? at : at.slice(0, at.lastIndexOf('/', pointerLengthMax))
  if (warnings.length < warningsMax) warnings.push({ code, pointer, message: messages[code] })
  else warnings[warningsMax - 1] = tooManyWarnings
}
