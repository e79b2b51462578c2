import * as limits from '../../generated/server/limits.gen.ts'
import type { Money } from '../../generated/server/types.gen.ts'
import { amountIn, type Unit } from './number.ts'

const amountLengthMax = limits.Money.amount.maxLength
const currencyLengthMax = 64

/** As a program writes an amount; with three decimals it may be thousands, grouped by people. */
const plainAmount = /^(?:0|[1-9]\d*)(?:\.\d{1,2})?$/

const codes = new Set(Intl.supportedValuesOf('currency'))
const named: Record<string, string> = {
  DKK: 'dkr danskekroner',
  EUR: '€ eur euro euros',
  GBP: '£ pund pound pounds sterling poundsterling',
  ISK: 'ikr',
  NOK: 'nkr norskekroner',
  PLN: 'zł zloty złoty złotych',
  SEK: 'skr svenskakronor svenskekroner',
  USD: 'us$ usdollar usdollars',
  CHF: 'sfr franken',
  CZK: 'kč',
}
/** What several countries call their money: it means that of the dealer, where his is one of them. */
const shared: readonly { words: string; of: Record<string, string> }[] = [
  {
    words: 'kr krone kroner krona kronor króna krónur',
    of: { DK: 'DKK', FO: 'DKK', GL: 'DKK', IS: 'ISK', NO: 'NOK', SE: 'SEK', SJ: 'NOK' },
  },
  { words: '$ dollar dollars', of: { AU: 'AUD', CA: 'CAD', NZ: 'NZD', PR: 'USD', US: 'USD' } },
]
/** `tkr`, `kkr`, `T€`, `Mkr`: a thousand or a million, where money is spoken of. */
const prefixes: readonly [string, number][] = [
  ['t', 3],
  ['k', 3],
  ['m', 6],
]

type Units = ReadonlyMap<string, Unit<string>>

export interface MoneyRead {
  money: Money
  /** The amount was said to be about so much. */
  isRough: boolean
  /** A currency was said that is not understood, or two. */
  isCurrencyOdd: boolean
}

/**
 * An amount of money as a decimal number, zero or more, with an ISO 4217 code; undefined when the amount is not
 * understood. The currency may stand beside the amount instead. `kr` and `$` are those of the dealer's country; where
 * it has none of that name, or what is said is no currency, the amount stands without one.
 */
export function moneyIn(amount: string, currency: string | undefined, country: string): MoneyRead | undefined {
  if (plainAmount.test(amount) && amount.length <= amountLengthMax && (currency === undefined || codes.has(currency)))
    return { money: { amount, ...(currency && { currency }) }, isRough: false, isCurrencyOdd: false }

  const units = unitsIn(country)
  // Digits that stand for the currency are none of the amount: `249` beside `1` is no 1249.
  const whole =
    currency === undefined
      ? amountIn(amount, units)
      : /\p{N}/u.test(currency)
        ? undefined
        : (amountIn(`${amount} ${currency}`, units) ?? amountIn(`${currency} ${amount}`, units))
  const read = whole ?? (currency === undefined || isSizeIn(currency, units) ? undefined : amountIn(amount, units))
  if (!read || read.decimal.length > amountLengthMax) return undefined
  const { name, power = 0 } = read.unit ?? {}
  const isCurrencyOdd = whole ? read.unit !== undefined && !name && power === 0 : true
  return {
    money: { amount: read.decimal, ...(whole && name && { currency: name }) },
    isRough: read.isRough,
    isCurrencyOdd,
  }
}

const unitsOf = new Map<string, Units>()

/** Made once for each country. */
function unitsIn(country: string): Units {
  const known = unitsOf.get(country)
  if (known) return known
  const words = (said: string, unit: Unit<string>) =>
    said.split(' ').map((word): [string, Unit<string>] => [word, unit])
  const currencies = [
    ...[...codes].flatMap((name) => words(`${name.toLowerCase()} ${named[name] ?? ''}`.trim(), { name, power: 0 })),
    ...shared.flatMap(({ words: said, of }) => words(said, { ...(of[country] && { name: of[country] }), power: 0 })),
  ]
  const units = new Map([
    ...currencies.flatMap(([word, unit]) =>
      prefixes.map(([prefix, power]): [string, Unit<string>] => [prefix + word, { ...unit, power }]),
    ),
    ...currencies,
    ...prefixes.map(([word, power]): [string, Unit<string>] => [word, { power }]),
  ])
  unitsOf.set(country, units)
  return units
}

/** Three digits are what ISO 4217 has beside the letters. */
const numericCode = /^(?!000|100)\d{3}$/

/** Whether something of what was said for the currency makes the amount larger: `tkr`, `1000 DKK`. */
function isSizeIn(currency: string, units: Units): boolean {
  if (/\p{N}/u.test(currency)) return !numericCode.test(currency.trim())
  const words = currency.slice(0, currencyLengthMax).match(/\p{L}+/gu) ?? []
  return words.some((word) => (amountIn(`1 ${word}`, units)?.decimal ?? '1') !== '1')
}
