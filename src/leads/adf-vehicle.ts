import * as limits from '../../generated/server/limits.gen.ts'
import type { Money, Odometer, TradeIn, VehicleOfInterest } from '../../generated/server/types.gen.ts'
import {
  drop,
  hasText,
  inOrder,
  isEmpty,
  joined,
  keepRest,
  line,
  type Notes,
  present,
  type Said,
  setAside,
  single,
  takeAttribute,
  takeComments,
  takeText,
  wordOf,
} from './adf-element.ts'
import { bySequence, isTelling } from './adf-id.ts'
import { type Interest, interests } from './adf-names.ts'
import { numberIn } from './adf-number.ts'
import type { XmlElement } from './adf-xml.ts'
import { bare, cut } from './text.ts'

const yearMin = 1900
const yearMax = 2100

interface Vehicle {
  interest: Interest | undefined
  wanted?: { at: string; read: VehicleOfInterest }
  tradeIn?: { at: string; read: TradeIn }
  /** Comments of a vehicle that is none. */
  loose: Said[]
}

/**
 * `vehicle@interest` tells a wanted vehicle from one that is handed in. One that says nothing of the vehicle itself is
 * none.
 */
export function readVehicle(element: XmlElement, notes: Notes): Vehicle {
  const { at } = element
  const said = element.attributes.get('interest')?.trim() || 'buy'
  const interest = interests.get(bare(said))
  const handsIn = interest === 'trade_in' || interest === 'sell'
  const { price, wantedPrice } = readPrice(element, notes)
  const described = present({
    vin: line(element, 'vin', limits.VehicleOfInterest.vin.maxLength, notes),
    stockNumber: line(element, 'stock', limits.VehicleOfInterest.stockNumber.maxLength, notes),
    listingId: takeListingId(element),
    make: line(element, 'make', limits.VehicleOfInterest.make.maxLength, notes),
    model: line(element, 'model', limits.VehicleOfInterest.model.maxLength, notes),
    variant: line(element, 'trim', limits.VehicleOfInterest.variant.maxLength, notes),
    modelYear: readYear(element, notes),
    odometer: readOdometer(element, notes),
    transmission: line(element, 'transmission', limits.VehicleOfInterest.transmission.maxLength, notes),
    colour: readColour(element, notes),
    ...(handsIn
      ? {
          price,
          wantedPrice,
          conditionRating: line(element, 'condition', limits.TradeIn.conditionRating.maxLength, notes),
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
    condition: status && cut(status, limits.VehicleOfInterest.condition.maxLength, `${at}/@status`, notes),
    comments: joined(comments, limits.VehicleOfInterest.comments.maxLength, notes),
  }
  if (handsIn) return { interest, tradeIn: { at, read: present({ ...described, ...rest }) }, loose: [] }
  const role = interest ?? cut(said, limits.VehicleOfInterest.role.maxLength, `${at}/@interest`, notes)
  // Nobody hands in a new car, but one that is wanted is new unless something else is said.
  return {
    interest,
    wanted: { at, read: present({ ...described, ...rest, condition: rest.condition ?? 'new', role }) },
    loose: [],
  }
}

function takeListingId(vehicle: XmlElement): string | undefined {
  const id = bySequence(vehicle).find(({ text }) => isTelling(text, limits.VehicleOfInterest.listingId.maxLength))
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
  if (value < 0 || value > limits.Odometer.value.maximum) {
    setAside(element, said, notes)
    return undefined
  }
  const unit = units ?? beside
  return { value, ...(unit && { unit: cut(unit, limits.Odometer.unit.maxLength, element.at, notes) }) }
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
  const colour = line(chosen, 'exteriorcolor', limits.VehicleOfInterest.colour.maxLength, notes)
  keepRest(chosen, notes)
  return colour
}

/**
 * A price; `wantedPrice` is one that is asked for (`price@type`). One with `delta` is a difference from another and
 * stays.
 */
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

/**
 * `finance/balance` of a vehicle that is handed in is what is still to be paid for it, unless it is a residual value.
 */
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
  if (!number || number.decimal.length > limits.Money.amount.maxLength) {
    setAside(element, said, notes)
    return undefined
  }
  const code = /^[a-z]{3}$/i.test(number.beside) ? number.beside.toUpperCase() : undefined
  // A sign such as $ or kr. means several currencies.
  if (number.beside !== '' && !code) notes.extra.set(element.at, said)
  const currency = sent ?? code
  return {
    amount: number.decimal,
    ...(currency && { currency: cut(currency, limits.Money.currency.maxLength, `${element.at}/@currency`, notes) }),
  }
}
