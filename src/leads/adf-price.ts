import type { MoneyInput, OutstandingFinanceInput } from '../../generated/server/types.gen.ts'
import {
  drop,
  isSaid,
  keepRepeated,
  line,
  type Notes,
  present,
  takeAttribute,
  takeSaid,
  takeText,
  wordOf,
} from './adf-element.ts'
import type { XmlElement } from './adf-xml.ts'

/**
 * What comes nearest to the price of a vehicle comes first: what is asked for it or was quoted, which ADF means when
 * nothing is said, before what somebody offers, what it lists at, is worth or did cost the dealer. An unknown type is a
 * quote.
 */
const types = ['asking', 'quote', 'offer', 'msrp', 'appraisal', 'invoice', 'call']
/** What somebody thinks that it is worth comes first, if it is to be handed in. */
const typesOfTradeIn = ['appraisal', 'quote', 'offer', 'msrp', 'invoice', 'call']

/** The price of a wanted vehicle; others are kept. */
export function readPrice(vehicle: XmlElement, notes: Notes): MoneyInput | undefined {
  const [price, ...others] = byType(takeAmounts(vehicle, notes), types)
  for (const other of others) keepRepeated(other, notes)
  return price && readMoney(price, notes)
}

/** What is asked for a vehicle that is handed in, and what it is worth to somebody else; other prices are kept. */
export function readPrices(
  vehicle: XmlElement,
  notes: Notes,
): { price?: MoneyInput | undefined; wantedPrice?: MoneyInput | undefined } {
  const { asking = [], other = [] } = Object.groupBy(takeAmounts(vehicle, notes), (price) =>
    ['asking', 'askingprice', 'wanted', 'wantedprice'].includes(wordOf(price, 'type')) ? 'asking' : 'other',
  )
  const [wanted, ...wantedToo] = asking
  const [price, ...others] = byType(other, typesOfTradeIn)
  for (const each of [...wantedToo, ...others]) keepRepeated(each, notes)
  return { price: price && readMoney(price, notes), wantedPrice: wanted && readMoney(wanted, notes) }
}

/**
 * `finance/balance` of a vehicle that is handed in is what is still to be paid for it, unless it is a residual value.
 */
export function readDebt(vehicle: XmlElement, notes: Notes): OutstandingFinanceInput | undefined {
  const finance = vehicle.children.find(({ name }) => name === 'finance')
  const lender = finance && line(finance, 'lender', notes)
  const parent = [finance, vehicle].find((each) => each?.children.some(isDebt))
  const balance = parent?.children.find(isDebt)
  if (parent && balance) drop(parent, balance)
  return balance || lender ? present({ amount: balance && readMoney(balance, notes), lender }) : undefined
}

const isDebt = (element: XmlElement) =>
  element.name === 'balance' && isSaid(element) && ['', 'finance'].includes(wordOf(element, 'type'))

/** Words for what is to be paid beside a price, or for a part of it. */
const parts = new Set(
  'monthly permonth month monthlypayment payment installment instalment leasing leaseprice rent downpayment deposit discount rebate savings saving tax vat delivery fee månedlig månedsydelse ydelse udbetaling rabat moms rate monatsrate anzahlung'.split(
    ' ',
  ),
)

/**
 * The prices that are amounts: one with `delta` or `relativeto` is a difference from another, one of a type that names
 * an instalment or an extra is no price, and they stay.
 */
function takeAmounts(vehicle: XmlElement, notes: Notes): XmlElement[] {
  const isRelative = (price: XmlElement) =>
    wordOf(price, 'relativeto') !== '' ||
    !['', 'absolute'].includes(wordOf(price, 'delta')) ||
    parts.has(wordOf(price, 'type'))
  const relative = vehicle.children.filter((child) => child.name === 'price' && isRelative(child))
  for (const each of relative) drop(vehicle, each)
  const amounts = takeSaid(vehicle, 'price', notes)
  vehicle.children.push(...relative)
  return amounts
}

function byType(prices: readonly XmlElement[], order: readonly string[]): XmlElement[] {
  const rank = (price: XmlElement) => {
    const at = order.indexOf(wordOf(price, 'type') || 'quote')
    return at === -1 ? order.indexOf('quote') : at
  }
  return prices.toSorted((a, b) => rank(a) - rank(b))
}

function readMoney(element: XmlElement, notes: Notes): MoneyInput {
  return present({
    currency: takeAttribute(element, 'currency') ?? takeAttribute(element, 'currencycode'),
    amount: takeText(element, notes),
  })
}
