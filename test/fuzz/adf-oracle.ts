import { type Element, element, type ProspectSent, type Style } from './adf.ts'
import {
  type Account,
  type Evidence,
  evidenceIn,
  type Fault,
  joined,
  leavesOf,
  pointerTo,
  type Stored,
  unsaidIn,
} from './evidence.ts'
import {
  asInPages,
  decoded,
  inOneLine,
  isShownIn,
  isBlank,
  isNothing,
  isSurelyNothing,
  masked,
  type Match,
  matchOf,
  numbersIn,
  plain,
  regionOf,
  repaired,
  textMatch,
  withoutMarkup,
  wordMatch,
} from './meaning.ts'
import { aligned, type Dealer, isE164Of, leaksIn } from './oracle.ts'
import { type Leaf, leadShape, phoneTypes, type Shape } from './shape.ts'

interface Reading extends Dealer {
  evidence: Evidence
  lead: any
  /** Places of the answer that are explained. */
  taken: Set<string>
}

/** Something that a document says: the text of an element, or an attribute. */
interface Said {
  at: string
  text: string
  element: Element
  attribute?: string
}

/**
 * What is wrong with a lead that was sent as a prospect and stored: as `faultsOf` has it for JSON, with the places of
 * ADF 1.0.
 */
export function faultsOfProspect(
  { prospect, beside }: ProspectSent,
  at: { prospect: string; beside: string },
  stored: Stored,
  dealer: Dealer,
): Fault[] {
  const { lead } = stored
  const country = lead.customer.address?.countryCode ?? dealer.country
  const reading: Reading = { ...dealer, evidence: evidenceIn(stored), lead, taken: new Set(), country }
  const faults = [
    ...accountProspect(prospect, at.prospect, reading),
    ...placed(beside, at.beside).flatMap((each) => accountProvider(each, reading)),
    ...derivedIn(prospect, reading),
  ]
  return [...faults, ...unsaidIn(lead, [...reading.taken]), ...leaksIn(lead)]
}

/** Where a prospect and what stands beside it are in a document. */
export function placesIn(roots: readonly Element[], style: Style): string[] {
  return placed(roots, style.hasEnvelope ? '/adf' : '').map(({ at }) => at)
}

interface Placed {
  element: Element
  at: string
}

function placed(children: readonly Element[], parent: string): Placed[] {
  return children.map((element) => {
    const alike = children.filter(({ name }) => name === element.name)
    const at = pointerTo(parent, element.name)
    return { element, at: alike.length === 1 ? at : pointerTo(at, alike.indexOf(element)) }
  })
}

function saidIn({ element, at }: Placed): Said[] {
  return [
    ...attributesOf({ element, at }),
    ...(element.text === '' ? [] : [{ at, text: element.text, element }]),
    ...placed(element.children, at).flatMap(saidIn),
  ]
}

const attributesOf = ({ element, at }: Placed): Said[] =>
  element.attributes.map(([attribute, text]) => ({ at: `${at}/@${attribute}`, text, element, attribute }))

// Places of a prospect.

const text: Leaf = { leaf: 'text' }
const free: Leaf = { leaf: 'free' }

function accountProspect(prospect: Element, at: string, reading: Reading): Fault[] {
  const inside = placed(prospect.children, at)
  const vehicles = inside.filter(({ element }) => element.name === 'vehicle')
  const faults = inside
    .filter(({ element }) => element.name !== 'vehicle')
    .flatMap((each) => {
      switch (each.element.name) {
        case 'id':
          return accountId(each, reading)
        case 'requestdate':
          return account(each, { leaf: 'time' }, ['/submittedAt'], reading)
        case 'customer':
          return accountCustomer(each, reading)
        case 'provider':
          return accountProvider(each, reading)
        default:
          return accountRest(each, reading)
      }
    })
  const status = attributesOf({ element: prospect, at }).flatMap((said) =>
    ['new', 'resend'].includes(said.text) ? [] : accountSaid(said, text, [], reading),
  )
  return [...faults, ...status, ...accountVehicles(vehicles, reading)]
}

function accountId({ element, at }: Placed, reading: Reading): Fault[] {
  const { externalReference } = reading.lead
  const isKept = reading.evidence.keptText(at, element.text, reading.taken, true) !== undefined
  const source = element.attributes.find(([name]) => name === 'source')?.[1]
  const isTaken =
    !isKept && externalReference?.id === element.text.trim() && externalReference.source === source?.trim()
  if (isTaken) ['id', 'source'].forEach((name) => reading.taken.add(`/externalReference/${name}`))
  return saidIn({ element, at }).flatMap((said) =>
    said.attribute === 'sequence'
      ? accountQuietly({ element: { ...element, text: said.text }, at: said.at }, reading)
      : isTaken && (said.attribute === undefined || said.attribute === 'source')
        ? []
        : accountSaid(said, text, [], reading),
  )
}

function accountProvider({ element, at }: Placed, reading: Reading): Fault[] {
  return placed(element.children, at).flatMap((each) =>
    ['name', 'service'].includes(each.element.name)
      ? account(each, text, placesLike('/attribution/source', reading), reading)
      : accountRest(each, reading),
  )
}

function accountCustomer({ element, at }: Placed, reading: Reading): Fault[] {
  const inside = placed(element.children, at)
  const rest = inside.flatMap((each) => {
    if (each.element.name === 'contact') return accountContact(each, reading)
    return each.element.name === 'comments' ? accountComments(each, '/message', reading) : accountRest(each, reading)
  })
  // A number may be there twice: what says its type has the first choice, in a known word before others.
  const phones = inside
    .filter(({ element: { name } }) => name === 'contact')
    .flatMap((contact) => placed(contact.element.children, contact.at))
    .filter(({ element: { name } }) => name === 'phone')
  const rank = (phone: Placed) => {
    const type = attributesOf(phone).find(isType)
    if (!type || !saysType(type)) return 2
    const isKnown = Object.keys(phoneTypes.words ?? {}).some(
      (word) => wordMatch(adfPhoneTypes, type.text, word) === 'same',
    )
    return isKnown ? 0 : 1
  }
  const inTurn = phones.toSorted((a, b) => rank(a) - rank(b))
  return [...rest, ...inTurn.flatMap((phone) => accountPhone(phone, reading))]
}

const isType = ({ attribute }: Said) => attribute === 'type'
const saysType = (type: Said | undefined) => type !== undefined && !/^(voice|phone|)$/i.test(type.text.trim())

function accountContact({ element, at }: Placed, reading: Reading): Fault[] {
  const inside = placed(element.children, at).flatMap((each) => {
    switch (each.element.name) {
      case 'name':
        return accountName(each, reading)
      case 'email':
        return account(each, { leaf: 'email' }, placesLike('/customer/emails/*/address', reading), reading)
      case 'phone':
        return []
      case 'address':
        return [
          ...attributesOf(each).flatMap((said) => accountSaid(said, text, [], reading)),
          ...placed(each.element.children, each.at).flatMap((part) => accountAddress(part, reading)),
        ]
      case 'comments':
        return accountComments(each, '/message', reading)
      default:
        return accountRest(each, reading)
    }
  })
  return [...accountAttributes({ element, at }, reading), ...inside]
}

const partPlaces: Record<string, string> = {
  first: 'given',
  middle: 'given',
  last: 'family',
  surname: 'family',
  full: 'full',
}

function accountName(name: Placed, reading: Reading): Fault[] {
  const part = name.element.attributes.find(([each]) => each === 'part')?.[1] ?? 'full'
  const place = partPlaces[part]
  return account(name, text, place ? [`/customer/name/${place}`] : [], reading, { isPart: true })
}

/** What a phone is, its number and its type, was read together. */
function accountPhone(phone: Placed, reading: Reading): Fault[] {
  const type = attributesOf(phone).find(isType)
  const isOfType = (place: string) =>
    type !== undefined &&
    matchOf(adfPhoneTypes, type.text, valueAt(reading.lead, place.replace(/number$/, 'type')), xml) === 'same'
  if (isBlank(phone.element.text)) {
    const shown = placesLike('/customer/phones/*/number', reading).find(
      (place) => !reading.taken.has(place) && isBlank(valueAt(reading.lead, place)),
    )
    for (const name of shown ? ['number', 'verdict', 'type'] : [])
      reading.taken.add(shown?.replace(/number$/, name) ?? '')
    if (type) claimKept(type, reading)
    return account(phone, { leaf: 'phone' }, [], reading)
  }
  const places = placesLike('/customer/phones/*/number', reading).sort(
    (a, b) => Number(isOfType(b)) - Number(isOfType(a)),
  )
  const faults = account(phone, { leaf: 'phone' }, places, reading, { without: ['type'] })
  const place = places.find((each) => reading.taken.has(each) && !reading.taken.has(each.replace(/number$/, 'verdict')))
  if (!place) return [...faults, ...(type ? accountSaid(type, text, [], reading) : [])]
  const read = reading.lead.customer.phones[Number(place.split('/').at(-2))]
  for (const name of ['verdict', 'e164', 'type']) reading.taken.add(place.replace(/number$/, name))
  const isDoubted = read.verdict === 'possible' && (reading.evidence.warns(phone.at) || reading.evidence.warns(place))
  const countries = [reading.country, ...(isDoubted ? ['DK'] : [])]
  if (read.e164 && !countries.some((country) => isE164Of(phone.element.text, read.e164, country)))
    faults.push({
      what: `a number of somebody else (${read.verdict})`,
      at: phone.at,
      sent: phone.element.text,
      read: read.e164,
    })
  if (!type || !saysType(type) || isOfType(place)) return faults
  return [...faults, ...accountSaid(type, text, [], reading)]
}

const xml = { timeZone: '', isXml: true }
const adfPhoneTypes: Leaf = {
  ...phoneTypes,
  words: {
    ...phoneTypes.words,
    mobile: ['cellphone', 'mobil', 'cell'],
    other: ['home', 'telefon', 'private'],
  },
}

const addressPlaces: Record<string, [Leaf, string]> = {
  street: [text, '/customer/address/lines/*'],
  apartment: [text, '/customer/address/lines/*'],
  city: [text, '/customer/address/city'],
  regioncode: [text, '/customer/address/region'],
  postalcode: [text, '/customer/address/postalCode'],
  country: [{ leaf: 'country' }, '/customer/address/countryCode'],
}

function accountAddress(part: Placed, reading: Reading): Fault[] {
  const [shape, place] = addressPlaces[part.element.name] ?? []
  if (!shape || !place) return accountRest(part, reading)
  return account(part, shape, placesLike(place, reading), reading, {
    silent: part.element.name === 'street' ? ['line'] : [],
  })
}

/** Several comments are joined in one text. */
function accountComments(comments: Placed, place: string, reading: Reading): Fault[] {
  return account(comments, free, [place], reading, { isPart: true })
}

function accountRest(rest: Placed, reading: Reading): Fault[] {
  return saidIn(rest).flatMap((said) => accountSaid(said, text, [], reading))
}

// Vehicles.

const handedIn = /^(trade-?in|trade|sell)$/i
const wanted = /^(buy|lease|test-drive)$/i
const vehicleShape = leadShape.object.tradeIns as { list: { object: Record<string, Shape> } }
const wantedShape = leadShape.object.vehiclesOfInterest as { list: { object: Record<string, Shape> } }

function accountVehicles(vehicles: readonly Placed[], reading: Reading): Fault[] {
  const interestOf = ({ element }: Placed) =>
    element.attributes.find(([name]) => name === 'interest')?.[1].trim() || 'buy'
  const lists = ['vehiclesOfInterest', 'tradeIns'].map((list) => {
    const own = vehicles.filter((each) => handedIn.test(interestOf(each)) === (list === 'tradeIns'))
    return aligned(own, reading.lead[list], `/${list}`, (vehicle, read, place) =>
      accountVehicle(vehicle, read, place, interestOf(vehicle), { ...reading, taken: new Set(reading.taken) }),
    )
  })
  const { faults, claims } = joined(lists)
  for (const claim of claims) reading.taken.add(claim)
  return faults
}

function accountVehicle(vehicle: Placed, read: unknown, place: string, interest: string, reading: Reading): Account {
  const before = new Set(reading.taken)
  const isHandedIn = place.startsWith('/tradeIns')
  const shapes = (isHandedIn ? vehicleShape : wantedShape).list.object
  const in_ = (name: string) => (read === undefined ? [] : placesLike(`${place}/${name}`, reading))
  const leafOf = (name: string) => shapes[name] as Leaf
  const faults = placed(vehicle.element.children, vehicle.at).flatMap((each): Fault[] => {
    const simple: Record<string, string> = {
      id: 'listingId',
      make: 'make',
      model: 'model',
      vin: 'vin',
      stock: 'stockNumber',
      trim: 'variant',
      transmission: 'transmission',
    }
    const { name } = each.element
    if (simple[name]) return account(each, text, in_(simple[name]), reading)
    switch (name) {
      case 'year':
        return account(each, { leaf: 'year' }, in_('modelYear'), reading)
      case 'odometer':
        return accountOdometer(each, in_('odometer/value'), in_('odometer/unit'), reading)
      case 'condition':
        return account(
          each,
          isHandedIn ? leafOf('conditionRating') : text,
          isHandedIn ? in_('conditionRating') : [],
          reading,
        )
      case 'price': {
        const isAsking = attributesOf(each).some(
          ({ attribute, text: type }) => attribute === 'type' && type === 'asking',
        )
        const amounts = [in_('price/amount'), in_('wantedPrice/amount')]
        return accountMoney(each, (isAsking ? amounts.toReversed() : amounts).flat(), reading)
      }
      case 'colorcombination':
        return placed(each.element.children, each.at).flatMap((part) =>
          part.element.name === 'exteriorcolor'
            ? account(part, text, in_('colour'), reading)
            : part.element.name === 'preference' && /^\d$/.test(part.element.text)
              ? accountQuietly(part, reading)
              : accountRest(part, reading),
        )
      case 'finance':
        return placed(each.element.children, each.at).flatMap((part) =>
          part.element.name === 'balance'
            ? accountMoney(part, in_('outstandingFinance/amount/amount'), reading)
            : accountRest(part, reading),
        )
      case 'comments':
        return read === undefined || in_('comments').length === 0
          ? accountComments(each, '/message', reading)
          : accountComments(each, `${place}/comments`, reading)
      default:
        return accountRest(each, reading)
    }
  })
  const attributes = attributesOf(vehicle).flatMap((said) => {
    if (said.attribute === 'status') return accountSaid(said, leafOf('condition'), in_('condition'), reading)
    if (said.attribute === 'mileage')
      return accountOdometer(
        { element: element('odometer', said.text), at: said.at },
        in_('odometer/value'),
        in_('odometer/unit'),
        reading,
      )
    if (said.attribute !== 'interest') return accountSaid(said, text, [], reading)
    if (handedIn.test(said.text.trim()))
      return accountQuietly({ element: element('', said.text), at: said.at }, reading)
    return read === undefined && wanted.test(said.text.trim())
      ? accountQuietly({ element: { name: '', text: said.text, attributes: [], children: [] }, at: said.at }, reading)
      : accountSaid(said, leafOf('role'), in_('role'), reading)
  })
  // Who names a vehicle wants to buy it, unless something else is said.
  if ((interest === 'buy' || isNothing(interest)) && (read as { role?: string } | undefined)?.role === 'buy')
    reading.taken.add(`${place}/role`)
  return { faults: [...faults, ...attributes], claims: [...reading.taken].filter((claim) => !before.has(claim)) }
}

/** Its meaning is in how other things were read; it may be kept beside. */
function accountQuietly({ element, at }: Placed, reading: Reading): Fault[] {
  const kept = reading.evidence.keptText(at, element.text, reading.taken, true)
  for (const claim of kept?.claims ?? []) reading.taken.add(claim)
  return []
}

/** What says something of nothing need not be kept; where it is, that is no wonder. */
function claimKept({ at, text: word }: Said, { evidence, taken }: Reading): void {
  const kept = isBlank(word) ? undefined : evidence.keptText(at, word, taken)
  for (const claim of kept?.claims ?? []) taken.add(claim)
}

const unitWords: Leaf = {
  leaf: 'word',
  words: { km: ['kilometer', 'kms', 'tkm'], mi: ['miles', 'mile'] },
  silently: 'km',
}

function accountOdometer(odometer: Placed, values: string[], units: string[], reading: Reading): Fault[] {
  const unit = attributesOf(odometer).find(({ attribute }) => attribute === 'units')
  const faults = account(odometer, { leaf: 'number' }, values, reading, { without: ['units'], isLoose: true })
  if (isEmpty(odometer)) return faults
  const [place] = units
  const read = place && valueAt(reading.lead, place)
  const said = unit && !isNothing(unit.text) ? unit.text : odometer.element.text.replaceAll(/[\d.,\s'~-]/g, '')
  const isMeant = matchOf(unitWords, said, read, { timeZone: '', isXml: true }) === 'same'
  const isUnsaid = said === '' || /^(k|t|tkm|km|mio|thousand|m)$/i.test(said)
  if (place && (isMeant || (isUnsaid && read === 'km'))) {
    reading.taken.add(place)
    if (unit) accountQuietly({ element: { ...odometer.element, text: unit.text }, at: unit.at }, reading)
    return faults
  }
  const isMil =
    /^mil$/i.test(said.trim()) &&
    read === 'km' &&
    numbersIn(odometer.element.text).meant.some(
      (number) => Number(number) * 10 === valueAt(reading.lead, values[0] ?? ''),
    )
  const isNone = values.some((value) => valueAt(reading.lead, value) === 0)
  if (place && isMil && (isNone || reading.evidence.warns(odometer.at))) {
    for (const each of [place, ...values]) reading.taken.add(each)
    accountQuietly(odometer, reading)
    return []
  }
  return [...faults, ...(unit ? accountSaid(unit, unitWords, place ? [place] : [], reading) : [])]
}

function accountMoney(money: Placed, amounts: string[], reading: Reading): Fault[] {
  // A price that is kept beside is not the one that was taken, though it be as high.
  const isKept = reading.evidence.keptText(money.at, money.element.text, reading.taken, true) !== undefined
  const free = isKept ? [] : amounts.filter((place) => !reading.taken.has(place))
  const faults = account(money, { leaf: 'amount' }, free, reading, { without: ['currency'] })
  const currency = attributesOf(money).find(({ attribute }) => attribute === 'currency')
  if (isEmpty(money)) {
    if (currency) claimKept(currency, reading)
    return faults
  }
  const taken = free.find((place) => reading.taken.has(place))
  const place = taken?.replace(/amount$/, 'currency')
  const read = place && valueAt(reading.lead, place)
  if (currency) faults.push(...accountSaid(currency, { leaf: 'currency' }, place && read ? [place] : [], reading))
  if (currency && !isNothing(currency.text)) return faults
  const isSaid =
    read && (money.element.text.toUpperCase().includes(read) || (read === 'DKK' && /kr/i.test(money.element.text)))
  if (place && isSaid) reading.taken.add(place)
  return faults
}

// One thing that was said.

interface Ways {
  /** It may be a part of what stands there. */
  isPart?: boolean
  /** A number may stand for the words of it. */
  isLoose?: boolean
  /** Attributes that somebody else accounts for. */
  without?: readonly string[]
  /** Attributes that need not be kept. */
  silent?: readonly string[]
}

/** An element with its text and its attributes. */
function account(each: Placed, shape: Leaf, places: readonly string[], reading: Reading, ways: Ways = {}): Fault[] {
  const { without = [], silent = [] } = ways
  const { element, at } = each
  const own = element.text === '' ? [] : accountSaid({ at, text: element.text, element }, shape, places, reading, ways)
  const saysNothing = isEmpty(each)
  const attributes = saysNothing ? [] : accountAttributes(each, reading, [...without, ...silent])
  for (const { at: place, text: word, attribute = '' } of attributesOf(each))
    if (saysNothing || silent.includes(attribute))
      accountQuietly({ element: { ...element, text: word }, at: place }, reading)
  return [...own, ...attributes, ...placed(element.children, at).flatMap((inner) => accountRest(inner, reading))]
}

/** An empty element says nothing, whatever its attributes would say of it. */
const isEmpty = ({ element }: Placed) => isBlank(element.text) && element.children.length === 0

function accountAttributes(each: Placed, reading: Reading, without: readonly string[] = []): Fault[] {
  return attributesOf(each)
    .filter(({ attribute = '' }) => !without.includes(attribute))
    .flatMap((said) =>
      isMeant(said)
        ? accountQuietly({ element: { ...each.element, text: said.text }, at: said.at }, reading)
        : accountSaid(said, text, [], reading),
    )
}

/** What says how something is to be read. */
function isMeant({ element: { name }, attribute = '', text: word }: Said): boolean {
  const value = word.trim()
  if (`${name}@${attribute}` === 'name@part') return Object.hasOwn(partPlaces, value)
  if (`${name}@${attribute}` === 'price@type') return value === 'asking'
  return ['preferredcontact', 'primarycontact'].includes(attribute) && ['0', '1'].includes(value)
}

function accountSaid(said: Said, shape: Leaf, places: readonly string[], reading: Reading, ways: Ways = {}): Fault[] {
  const { evidence, lead, taken } = reading
  if (isBlank(decoded(said.text))) {
    const kept = evidence.keptText(said.at, said.text, taken)
    const isShown = (place: string) =>
      textMatch(said.text, valueAt(lead, place), { isXml: true, isMasked: false }) !== 'wrong' ||
      (shape.otherwise !== undefined &&
        valueAt(lead, place) === shape.otherwise &&
        (evidence.warns(place) || kept !== undefined))
    const [shown] = places.filter((place) => !taken.has(place) && valueAt(lead, place) !== undefined).filter(isShown)
    if (shown) taken.add(shown)
    for (const claim of kept?.claims ?? []) taken.add(claim)
    return []
  }
  const open = places.filter((place) => (ways.isPart || !taken.has(place)) && valueAt(lead, place) !== undefined)
  const matches = open.map((place) => ({
    place,
    match: matchAt(shape, said.text, valueAt(lead, place), reading, ways),
  }))
  const kept = evidence.keptText(said.at, said.text, taken)
  const isTold = (place: string, match: Match) =>
    match === 'same' ||
    [said.at, place].some(
      (at) =>
        evidence.covers(at) ||
        (match === 'completed' && evidence.warns(at)) ||
        ((kept !== undefined || shape.leaf === 'time') && evidence.tells(at)),
    )
  const likely = matches.filter(({ match }) => match !== 'wrong')
  const found = likely.find(({ match }) => match === 'same') ?? likely.find(({ match, place }) => isTold(place, match))
  for (const claim of kept?.claims ?? []) taken.add(claim)
  if (found) {
    taken.add(found.place)
    if (isSurelyNothing(valueAt(lead, found.place)))
      return [{ what: 'a word for nothing is stated', at: said.at, sent: said.text }]
    return []
  }
  // A tag that was not filled is left out of a name, and kept.
  const text = decoded(repaired(said.text))
  const readings = [text, withoutMarkup(text)].map(inOneLine)
  const isLeft = (value: unknown) =>
    readings.some((way) => way.includes(String(value).trim()) || isShownIn(String(value), masked(way)))
  const left = open.find((place) => kept && isLeft(valueAt(lead, place)))
  if (left) taken.add(left)
  // What two elements say alike is shown of one of them.
  const isTwin = places.some((place) => {
    if (!taken.has(place)) return false
    const shown = valueAt(lead, place)
    const match = matchAt(shape, said.text, shown, reading, ways)
    return readings.includes(shown) || (match !== 'wrong' && isTold(place, match))
  })
  if (kept || isTwin || evidence.covers(said.at) || evidence.overflowsWith(said.at)) return []
  if (ways.isPart && places.some((place) => evidence.covers(place))) return []
  const [changed] = likely
  if (changed) taken.add(changed.place)
  const read = open.map((place) => valueAt(lead, place))
  return [{ what: changed ? `${changed.match} without a word` : 'lost', at: said.at, sent: said.text, read }]
}

function matchAt(shape: Leaf, sent: string, read: unknown, reading: Reading, { isPart, isLoose }: Ways): Match {
  if (isLoose)
    return typeof read === 'number' && numbersIn(sent).meant.includes(plain(String(read)) ?? '') ? 'same' : 'wrong'
  if (shape.leaf === 'country' && read === regionOf(sent)) return 'same'
  if (isPart && typeof read === 'string')
    if ([sent, asInPages(sent)].some((each) => inOneLine(read).includes(inOneLine(each)))) return 'same'
  if (isPart && typeof read === 'string' && isShownIn(sent, read)) return 'changed'
  const whole = matchOf(shape, sent, read, { timeZone: reading.timeZone, isXml: true })
  if (whole !== 'wrong' || !isPart || typeof read !== 'string') return whole
  const parts = read.split('\n\n').flatMap((part, at, all) => [part, all.slice(at).join('\n\n')])
  return parts.some((part) => textMatch(sent, part, { isXml: true, isMasked: true }) !== 'wrong')
    ? 'changed'
    : isBeginning(sent, read)
      ? 'changed'
      : 'wrong'
}

/** The end of what was joined may be cut. */
const isBeginning = (sent: string, read: string) => {
  const start = sent.trim().slice(0, 16)
  const at = read.lastIndexOf(start)
  return read.length > 100 && at >= 0 && sent.trim().startsWith(read.slice(at))
}

// What is read of a prospect as a whole.

function derivedIn(prospect: Element, reading: Reading): Fault[] {
  const { lead, taken } = reading
  const interests = prospect.children
    .filter(({ name }) => name === 'vehicle')
    .map(
      ({ attributes }) =>
        attributes
          .find(([name]) => name === 'interest')?.[1]
          .trim()
          .toLowerCase() ?? 'buy',
    )
  const isSaid =
    lead.type === 'enquiry' ||
    (lead.type === 'test_drive' && interests.includes('test-drive')) ||
    (lead.type === 'lease' && interests.includes('lease')) ||
    (['trade_in', 'sell_to_dealer'].includes(lead.type) &&
      interests.length > 0 &&
      interests.every((each) => handedIn.test(each)))
  if (isSaid) taken.add('/type')
  if (lead.test === false) taken.add('/test')
  for (const place of placesLike('/customer/emails/*/verdict', reading)) taken.add(place)
  return []
}

function placesLike(pattern: string, { lead }: Reading): string[] {
  if (!pattern.includes('*')) return valueAt(lead, pattern) === undefined ? [] : [pattern]
  const expression = new RegExp(`^${pattern.replaceAll('*', String.raw`\d+`)}$`)
  return leavesOf(lead.customer, '/customer')
    .map(([place]) => place)
    .filter((place) => expression.test(place))
}

function valueAt(lead: unknown, place: string): any {
  return place
    .split('/')
    .slice(1)
    .reduce<any>((value, name) => value?.[name], lead)
}
