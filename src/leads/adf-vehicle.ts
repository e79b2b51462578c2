import type {
  OdometerInput,
  RegistrationInput,
  TradeInInput,
  VehicleOfInterestInput,
} from '../../generated/server/types.gen.ts'
import {
  attributeOf,
  drop,
  dropAttribute,
  inOrder,
  isEmpty,
  isSaid,
  joined,
  keep,
  keepRest,
  line,
  type Notes,
  orderOf,
  present,
  single,
  takeAttribute,
  takeComments,
  takeText,
  wordOf,
} from './adf-element.ts'
import { bySequence, takeId } from './adf-id.ts'
import { type Interest, interests } from './adf-names.ts'
import { readDebt, readPrice, readPrices } from './adf-price.ts'
import type { XmlElement } from './adf-xml.ts'
import { isUnset } from './external-reference.ts'
import { odometerIn } from './odometer.ts'
import { bare } from './text.ts'
import { conditions } from './vocabulary.ts'
import { warn } from './warnings.ts'

const yearMin = 1900
const yearMax = 2100

interface Vehicle {
  interest: Interest | undefined
  wanted?: VehicleOfInterestInput
  tradeIn?: TradeInInput
  /** Comments of a vehicle that is none. */
  loose: string[]
}

/**
 * `vehicle@interest` tells a wanted vehicle from one that is handed in. One that says nothing of the vehicle itself, or
 * only zeros, is none.
 */
export function readVehicle(element: XmlElement, notes: Notes): Vehicle {
  const named = nameOfInterest(element)
  const said = attributeOf(element, named) ?? 'buy'
  const interest = interests.get(bare(said))
  const handsIn = interest === 'trade_in' || interest === 'sell'
  const comments = takeComments(element, notes)
  const described = saysNothing(element)
    ? {}
    : { ...readDescription(element, notes), ...(handsIn ? readOffer(element, notes) : readWish(element, notes)) }
  if (isEmpty(described)) {
    if (interest === 'buy') dropAttribute(element, named)
    keepRest(element, notes)
    return { interest, loose: comments }
  }

  dropAttribute(element, named)
  const read = present({ ...described, comments: joined(comments) })
  keepRest(element, notes)
  if (handsIn) return { interest, tradeIn: read, loose: [] }
  // An unknown interest is judged as the role of a vehicle.
  return { interest, wanted: { ...read, role: interest ?? said }, loose: [] }
}

/** Others say in another attribute that a vehicle is handed in. */
function nameOfInterest(element: XmlElement): string {
  if (attributeOf(element, 'interest') !== undefined) return 'interest'
  const others = ['type', 'role', 'intent'].filter((name) => attributeOf(element, name) !== undefined)
  return others.find((name) => ['trade_in', 'sell'].includes(interests.get(wordOf(element, name)) ?? '')) ?? 'interest'
}

const saysNothing = ({ children }: XmlElement) =>
  children.every((child) => child.children.length === 0 && (!isSaid(child) || /^[0.,]+$/.test(child.text.trim())))

function readDescription(element: XmlElement, notes: Notes): NonNullable<VehicleOfInterestInput> {
  return present({
    vin: line(element, 'vin', notes),
    registration: readRegistration(element, notes),
    stockNumber: line(element, 'stock', notes),
    listingId: readListingId(element, notes),
    listingUrl: line(element, 'url', notes),
    make: line(element, 'make', notes),
    model: line(element, 'model', notes),
    variant: line(element, 'trim', notes),
    modelYear: readYear(element, notes),
    odometer: readOdometer(element, notes),
    fuel: line(element, 'fuel', notes),
    transmission: line(element, 'transmission', notes),
    colour: readColour(element, notes),
    condition: readCondition(element, notes),
  })
}

function readWish(element: XmlElement, notes: Notes): NonNullable<VehicleOfInterestInput> {
  return present({ price: readPrice(element, notes) })
}

function readOffer(element: XmlElement, notes: Notes): NonNullable<TradeInInput> {
  return present({
    ...readPrices(element, notes),
    conditionRating: line(element, 'condition', notes),
    outstandingFinance: readDebt(element, notes),
  })
}

function readRegistration(vehicle: XmlElement, notes: Notes): RegistrationInput | undefined {
  const element = single(vehicle, 'registration', notes)
  const countryCode = element && (takeAttribute(element, 'country') ?? takeAttribute(element, 'countrycode'))
  return element && present({ countryCode, number: takeText(element, notes) })
}

function readListingId(vehicle: XmlElement, notes: Notes): string | undefined {
  const id = bySequence(vehicle).find(({ text }) => !isUnset(text.trim()))
  if (!id) return undefined
  drop(vehicle, id)
  return takeId(id, notes)
}

function readYear(vehicle: XmlElement, notes: Notes): number | undefined {
  const element = single(vehicle, 'year', notes)
  if (!element) return undefined
  const said = element.text.trim()
  const year = /^\d{4}$/.test(said) ? Number(said) : Number.NaN
  if (!(year >= yearMin && year <= yearMax)) return keepOdd(element, notes)
  takeText(element, notes)
  return year
}

/** `odometer@units`: km or mi; the text of the specification has `miles`, and many leave the `s` of the name out. */
function readOdometer(vehicle: XmlElement, notes: Notes): OdometerInput | undefined {
  const element = single(vehicle, 'odometer', notes)
  if (!element) return undefined
  const name = unitNameOf(element, notes)
  const read = odometerIn(element.text.trim(), attributeOf(element, name), notes.country)
  if (!read) return keepOdd(element, notes)
  dropAttribute(element, name)
  const said = takeText(element, notes)
  if (said !== String(read.odometer.value)) {
    warn('converted', element.at, notes)
    notes.extra.set(element.at, said)
  }
  return read.odometer
}

/** The attribute that says the unit: whatever it is called, without it the number would be another distance. */
function unitNameOf(element: XmlElement, { country }: Notes): string {
  const said = ['units', 'unit'].find((name) => attributeOf(element, name) !== undefined)
  const others = [...element.attributes.keys()].filter((name) => name !== 'status')
  return said ?? others.find((name) => odometerIn('1', attributeOf(element, name), country)) ?? 'units'
}

/** Keeps a number that is none. */
function keepOdd(element: XmlElement, notes: Notes): undefined {
  keep(element, notes)
  warn('number-odd', element.at, notes)
}

/** `vehicle@status`; many write it as `condition`, which ADF means to say how good the vehicle is. */
function readCondition(vehicle: XmlElement, notes: Notes): string | undefined {
  const status = takeAttribute(vehicle, 'status')
  if (status !== undefined) return status
  const condition = vehicle.children.find(({ name, text }) => name === 'condition' && conditions.has(bare(text)))
  if (!condition) return undefined
  drop(vehicle, condition)
  return takeText(condition, notes)
}

/** The exterior colour of the combination that the customer prefers (`preference`, 1 before 2), or of the vehicle. */
function readColour(vehicle: XmlElement, notes: Notes): string | undefined {
  const exterior = ({ name, children }: XmlElement) =>
    name === 'colorcombination' && children.some((child) => child.name === 'exteriorcolor' && isSaid(child))
  const preferenceOf = ({ children }: XmlElement) => orderOf(children.find(({ name }) => name === 'preference')?.text)
  const [chosen] = vehicle.children.filter(exterior).sort((a, b) => inOrder(preferenceOf(a), preferenceOf(b)))
  if (!chosen) return line(vehicle, 'exteriorcolor', notes)
  drop(vehicle, chosen)
  const colour = line(chosen, 'exteriorcolor', notes)
  keepRest(chosen, notes)
  return colour
}
