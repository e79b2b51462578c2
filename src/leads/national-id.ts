// National identity numbers in what people write. https://www.cpr.dk, https://www.skatteverket.se,
// https://www.skatteetaten.no and https://dvv.fi say how they are made.

interface Scheme {
  /**
   * What has the form of a number: date of birth, sign, serial. Nothing in it repeats without bounds, so time grows
   * with the text only.
   */
  readonly form: RegExp
  readonly isNumber: (born: string, sign: string, serial: string) => boolean
  /** What has no hyphen is one all the same: it has two check digits. */
  readonly isSureWithoutSign?: true
}

// A hyphen of any kind, with a blank on each side or without; or a blank; or nothing.
const sign = /[^\S\r\n]?[-\u2010-\u2015\u2212]?[^\S\r\n]?/.source

const schemes: ReadonlyMap<string, Scheme> = new Map([
  // No check digit: since 2007 there are numbers that fail it.
  [
    'DK',
    {
      form: new RegExp(`(?<!\\d)(\\d{6})(${sign})(\\d{4})(?!\\d)`, 'g'),
      isNumber: (born) => isDay(yearOf(born.slice(4)), born.slice(2, 4), born.slice(0, 2)),
    },
  ],
  ['SE', { form: new RegExp(`(?<!\\d)((?:18|19|20)?\\d{6})(${sign}|\\+)(\\d{4})(?!\\d)`, 'g'), isNumber: isSwedish }],
  [
    'NO',
    {
      form: new RegExp(`(?<!\\d)(\\d{6})(${sign})(\\d{5})(?!\\d)`, 'g'),
      isNumber: isNorwegian,
      isSureWithoutSign: true,
    },
  ],
  ['FI', { form: /(?<!\d)(\d{6})([-+\u2010-\u2015\u2212A-FU-Y])(\d{3}[0-9A-Y])(?![0-9A-Z])/gi, isNumber: isFinnish }],
])

// The same years of every century are leap years, but for those that end in 00: among the living, only 2000 counts.
const yearOf = (lastTwo: string): number => 2000 + Number(lastTwo)

// Before a phone number: + or 00, and the code of a country.
const dialled = /(?:\+|(?<!\d)00)(?:\d{1,3}[^\S\r\n]?)?$/
const dialledLengthMax = 8
const vin = /^[A-HJ-NPR-Z0-9]{17}$/i
const vinLength = 17

const swedishMobile = /^07/
const norwegianWeights = [
  [3, 7, 6, 1, 8, 9, 4, 5, 2, 1],
  [5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1],
]
const finnishChecks = '0123456789ABCDEFHJKLMNPRSTUVWXY'

/**
 * `text` with the serial of every national identity number of `country` made into stars, as long as it was:
 * `DDMMYY-****`. The date of birth stays. Denmark, Sweden, Norway and Finland; a text of any other country stays as it
 * is.
 *
 * A number has the digits of its country and no digit beside them, a real date (also of a Swedish coordination number,
 * a Norwegian D or H number or a test number) and the right check digits, which Danish numbers need not have. Its sign
 * may be missing, but in Finland; a blank may stand for it, but no line end. Without a hyphen it is none behind `+` or
 * `00`, with or without the code of a country, inside the 17 characters of a VIN, and, in Sweden, when it begins with
 * 07 like a mobile phone.
 *
 * In doubt it masks. Three in a hundred Danish order numbers of ten digits lose their last four, and so do a Swedish
 * mobile number without its country code and the time in `DDMMYY-HHMM`: that costs a look at the warning and a
 * question, a CPR number in the wrong hands costs its owner more. Phone numbers have a place of their own, which is not
 * masked. Of what programs write (`as: 'program'`), where ten digits are mostly something else, only those are masked
 * that are surely one: with their hyphen, or Norwegian.
 */
export function maskNationalIds(text: string, country: string, as: 'person' | 'program' = 'person'): string {
  const scheme = schemes.get(country)
  if (!scheme || !/\d{6}/.test(text)) return text
  return text.replace(scheme.form, (found: string, born: string, sign: string, serial: string, at: number) =>
    isOne(scheme, text, at, { born, sign, serial }, as) ? born + sign + '*'.repeat(serial.length) : found,
  )
}

/** Whether there is anything to mask. */
export const hasNationalIds = (country: string): boolean => schemes.has(country)

/** Where the serials are that `maskNationalIds` masks, one after the other. */
export function* serialsIn(text: string, country: string): Generator<{ start: number; end: number }> {
  const scheme = schemes.get(country)
  if (!scheme || !/\d{6}/.test(text)) return
  for (const { 0: found, 1: born = '', 2: sign = '', 3: serial = '', index } of text.matchAll(scheme.form)) {
    const end = index + found.length
    if (isOne(scheme, text, index, { born, sign, serial }, 'person')) yield { start: end - serial.length, end }
  }
}

function isOne(
  { isNumber, isSureWithoutSign }: Scheme,
  text: string,
  at: number,
  { born, sign, serial }: { born: string; sign: string; serial: string },
  as: 'person' | 'program',
): boolean {
  return (
    isNumber(born, sign, serial) &&
    !(sign.trim() === '' && (isDialled(text, at) || (as === 'program' && !isSureWithoutSign))) &&
    !isInVin(text, at, at + born.length + sign.length + serial.length)
  )
}

function isDialled(text: string, at: number): boolean {
  return dialled.test(text.slice(Math.max(0, at - dialledLengthMax), at))
}

function isInVin(text: string, from: number, to: number): boolean {
  const before = /[A-Z0-9]*$/i.exec(text.slice(Math.max(0, from - vinLength), from))?.[0] ?? ''
  const after = /^[A-Z0-9]*/i.exec(text.slice(to, to + vinLength))?.[0] ?? ''
  return vin.test(before + text.slice(from, to) + after)
}

/** Luhn's check digit; the day of a coordination number is raised by 60. */
function isSwedish(born: string, sign: string, serial: string): boolean {
  const [year, month, day] = [born.slice(0, -4), born.slice(-4, -2), Number(born.slice(-2))]
  if (sign.trim() === '' && swedishMobile.test(born)) return false
  const doubled = digits(born.slice(-6) + serial).map((digit, at) => (at % 2 === 0 ? digit * 2 : digit))
  const sum = doubled.reduce((total, each) => total + (each > 9 ? each - 9 : each), 0)
  return sum % 10 === 0 && isDay(year.length === 4 ? Number(year) : yearOf(year), month, day > 60 ? day - 60 : day)
}

/**
 * Two check digits, modulus 11. The day of a D number is raised by 40, the month of an H number by 40, of a test number
 * by 40 or 80.
 */
function isNorwegian(born: string, _sign: string, serial: string): boolean {
  const all = digits(born + serial)
  const [day, month] = [Number(born.slice(0, 2)), Number(born.slice(2, 4))]
  const isChecked = norwegianWeights.every(
    (weights) => weights.reduce((sum, weight, at) => sum + weight * (all[at] ?? 0), 0) % 11 === 0,
  )
  return isChecked && isDay(yearOf(born.slice(4)), month % 40, day > 40 ? day - 40 : day)
}

/**
 * A check character, modulus 31. A sign from A to F is of this century; of the others, 1800 and 1900 were alike in
 * having no leap day.
 */
function isFinnish(born: string, sign: string, serial: string): boolean {
  const century = /[A-F]/i.test(sign) ? 2000 : 1900
  const check = finnishChecks[Number(born + serial.slice(0, 3)) % finnishChecks.length]
  return (
    check === serial.slice(3).toUpperCase() &&
    isDay(century + Number(born.slice(4)), born.slice(2, 4), born.slice(0, 2))
  )
}

const digits = (text: string): number[] => [...text].map(Number)

function isDay(year: number, month: string | number, day: string | number): boolean {
  // Day 0 of the next month is the last of this one.
  return (
    Number(month) >= 1 &&
    Number(month) <= 12 &&
    Number(day) >= 1 &&
    Number(day) <= new Date(Date.UTC(year, Number(month), 0)).getUTCDate()
  )
}
