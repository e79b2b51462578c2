import fc from 'fast-check'

// No number here is anybody's: the Danish ones are of people yet to be born or fail the check digit of their time, the
// others have serials that are not given out and check digits that the test works out.

const digits = (text: string) => [...text].map(Number)
const weighed = (text: string, weights: readonly number[]) =>
  digits(text).reduce((sum, digit, at) => sum + digit * (weights[at] ?? 0), 0)
const two = (number: number) => String(number).padStart(2, '0')

/** `born` is YYYYMMDD or YYMMDD. */
export function swedish(born: string, sign: string, serial: string): string {
  const doubled = digits(born.slice(-6) + serial).map((digit, at) => digit * (at % 2 === 0 ? 2 : 1))
  const sum = doubled.reduce((total, each) => total + (each > 9 ? each - 9 : each), 0)
  return `${born}${sign}${serial}${(10 - (sum % 10)) % 10}`
}

/** Undefined where the check digits would be ten: such serials are skipped. */
export function norwegian(born: string, sign: string, serial: string): string | undefined {
  const first = (11 - (weighed(born + serial, [3, 7, 6, 1, 8, 9, 4, 5, 2]) % 11)) % 11
  const second = (11 - (weighed(`${born}${serial}${first}`, [5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11)) % 11
  return first === 10 || second === 10 ? undefined : `${born}${sign}${serial}${first}${second}`
}

export function finnish(born: string, sign: string, serial: string): string {
  return `${born}${sign}${serial}${'0123456789ABCDEFHJKLMNPRSTUVWXY'[Number(born + serial) % 31]}`
}

const day = fc
  .date({ min: new Date('1930-01-01T00:00:00Z'), max: new Date('2029-12-31T00:00:00Z'), noInvalidDate: true })
  .map((date) => {
    const yearMonthDay = date.toISOString().slice(0, 10).replaceAll('-', '')
    return { yearMonthDay, dayMonthYear: yearMonthDay.slice(6) + yearMonthDay.slice(4, 6) + yearMonthDay.slice(2, 4) }
  })
export const serial = (count: number) => fc.nat(10 ** count - 1).map((number) => String(number).padStart(count, '0'))
// The digits of a Swedish 07 number without a hyphen are taken for a mobile phone.
const bareSwedish = day.filter(({ yearMonthDay }) => yearMonthDay.slice(2, 4) !== '07')

/** Numbers of each country, written as people write them, with the count of characters at the end that are to go. */
export const numbers: Record<string, fc.Arbitrary<{ number: string; hidden: number }>> = {
  DK: fc
    .tuple(
      day,
      fc.constantFrom('-', '', ' ', ' - ', '\u2013', '\u00A0', '\u00A0\u2013', '\u00A0\u2013\u00A0'),
      serial(4),
    )
    .map(([born, sign, rest]) => ({ number: born.dayMonthYear + sign + rest, hidden: 4 })),
  SE: fc
    .tuple(bareSwedish, fc.constantFrom('-', '+', '', ' '), serial(3), fc.boolean(), fc.boolean())
    .map(([{ yearMonthDay }, sign, rest, isLong, isCoordination]) => {
      const born = isCoordination ? String(Number(yearMonthDay) + 60) : yearMonthDay
      return { number: swedish(isLong ? born : born.slice(2), sign, rest), hidden: 4 }
    }),
  NO: fc
    .tuple(day, fc.constantFrom('', ' ', '-'), serial(3), fc.constantFrom([0, 0], [40, 0], [0, 40], [0, 80], [40, 80]))
    .map(([{ dayMonthYear }, sign, rest, [days = 0, months = 0]]) =>
      norwegian(
        two(Number(dayMonthYear.slice(0, 2)) + days) +
          two(Number(dayMonthYear.slice(2, 4)) + months) +
          dayMonthYear.slice(4),
        sign,
        rest,
      ),
    )
    .filter((number) => number !== undefined)
    .map((number) => ({ number, hidden: 5 })),
  FI: fc
    .tuple(day, fc.constantFrom(...'-+ABCDEFUVWXY'), serial(3), fc.boolean())
    .filter(([{ dayMonthYear }, sign]) => dayMonthYear !== '290200' || /[A-F]/.test(sign))
    .map(([{ dayMonthYear }, sign, rest, isSmall]) => {
      const number = finnish(dayMonthYear, sign, rest)
      return { number: isSmall ? number.toLowerCase() : number, hidden: 4 }
    }),
}
