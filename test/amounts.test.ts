import { describe, expect, it } from 'vitest'
import { moneyIn } from '../src/leads/money.ts'
import { odometerIn } from '../src/leads/odometer.ts'

const moneyText = (amount: string, currency?: string, country = 'DK') => {
  const read = moneyIn(amount, currency, country)
  return read && [read.money.amount, read.money.currency].filter(Boolean).join(' ')
}

describe('an amount of money', () => {
  it.each([
    ['249900', '249900'],
    ['249900.00', '249900.00'],
    ['0', '0'],
    ['12.5', '12.5'],
    ['0.500', '0.500'],
    ['000249', '249'],
    ['249k', '249000'],
    ['249 k', '249000'],
    ['1,25 mio', '1250000'],
    ['1.25m', '1250000'],
    ['249 tusind', '249000'],
    ['25 thousand', '25000'],
    ['85 t.kr.', '85000 DKK'],
    ['1.2 Mkr', '1200000 DKK'],
    ['25 T€', '25000 EUR'],
    ['249.000', '249000'],
    ['249,000', '249000'],
    ['249 000', '249000'],
    ['249\u00a0000', '249000'],
    ['249\u2009000', '249000'],
    ['249\u202f000', '249000'],
    ["249'000", '249000'],
    ['249’000', '249000'],
    ['1.249.000', '1249000'],
    ['249.000,00', '249000.00'],
    ['249,000.00', '249000.00'],
    ['249.000,-', '249000'],
    ['249.000 ,-', '249000'],
    ['249 000:-', '249000'],
    ['249.000.-', '249000'],
    ['kr. 249.000,-', '249000 DKK'],
    ['249.900 kr', '249900 DKK'],
    ['249.900 kr,-', '249900 DKK'],
    ['DKK 249900', '249900 DKK'],
    ['€ 12.500', '12500 EUR'],
    ['12 500 €', '12500 EUR'],
    ['ca. 65.000', '65000'],
    ['\u200e249.000\u200b', '249000'],
    ['２４９０００', '249000'],
    ['٢٤٩٠٠٠', '249000'],
  ])('is understood as people and systems write it: %s', (said, understood) => {
    expect(moneyText(said)).toBe(understood)
  })

  // Nobody writes a price with three decimals, so a mark before three digits groups them.
  it('with one mark before three digits is thousands', () => {
    expect(moneyText('1.234')).toBe('1234')
    expect(moneyText('1,234')).toBe('1234')
  })

  it.each([
    '',
    'gratis',
    '65.000 - 70.000',
    '65.000-70.000',
    '65.000 / 70.000',
    'fra 65.000',
    '65.000+',
    '<65000',
    '-5000',
    '−5000',
    '(5000)',
    '1e5',
    '2.49E+05',
    '1.234k',
    '249.000 t.kr.',
    '1.250 mio',
    '2 mio tusind',
    '3 mille',
    '85 tkm',
    '249.900 kr/md',
    '249.900 kr inkl. moms',
    '2 x 65.000',
    '.5',
    ',50',
    '$.50',
    '12 50',
    '1.23.456',
    '1.000.00',
    '10²',
    '249½',
    '15%',
    '9'.repeat(40),
    '9'.repeat(100_000),
  ])('is none when there is any doubt: %j', (said) => {
    expect(moneyIn(said, undefined, 'DK')).toBeUndefined()
  })

  it('says when it was said to be about so much', () => {
    expect(moneyIn('ca. 65.000', 'kroner', 'DK')).toEqual({
      money: { amount: '65000', currency: 'DKK' },
      isRough: true,
      isCurrencyOdd: false,
    })
    expect(moneyIn('65.000', 'kroner', 'DK')?.isRough).toBe(false)
  })
})

describe('a currency', () => {
  it.each([
    ['DKK', 'DK', 'DKK'],
    ['dkk', 'DK', 'DKK'],
    ['kr', 'DK', 'DKK'],
    ['kr.', 'SE', 'SEK'],
    ['Kroner', 'NO', 'NOK'],
    ['krónur', 'IS', 'ISK'],
    ['kr', 'FO', 'DKK'],
    ['dkr', 'SE', 'DKK'],
    ['svenska kronor', 'DK', 'SEK'],
    ['euro', 'DK', 'EUR'],
    ['€', 'DK', 'EUR'],
    ['£', 'DK', 'GBP'],
    ['pund', 'DK', 'GBP'],
    ['$', 'US', 'USD'],
    ['US$', 'DK', 'USD'],
    ['zł', 'DK', 'PLN'],
  ])('is understood: %s in %s', (said, country, code) => {
    expect(moneyIn('100', said, country)).toEqual({
      money: { amount: '100', currency: code },
      isRough: false,
      isCurrencyOdd: false,
    })
  })

  it.each([
    ['kr', 'DE'],
    ['$', 'DK'],
    ['zorkmid', 'DK'],
    ['XXX', 'DK'],
    ['DKKR', 'DK'],
    ['DKK/EUR', 'DK'],
  ])('that is none, or could be several, is left out: %s in %s', (said, country) => {
    expect(moneyIn('100', said, country)).toEqual({ money: { amount: '100' }, isRough: false, isCurrencyOdd: true })
  })

  it('may make the amount larger', () => {
    expect(moneyText('249', 'tkr')).toBe('249000 DKK')
    expect(moneyText('1,25', 'mio kr')).toBe('1250000 DKK')
    expect(moneyText('249', 'k')).toBe('249000')
    for (const currency of ['1000 DKK', "DKK '000", 'DKK x 1000'])
      expect(moneyIn('249', currency, 'DK')).toBeUndefined()
    expect(moneyText('249', '208')).toBe('249')
    expect(moneyIn('249.000', 'tkr', 'DK')).toBeUndefined()
    expect(moneyIn('1,25', 'mio zorkmid', 'DK')).toBeUndefined()
  })

  it('beside the amount counts, unless another one is said', () => {
    expect(moneyText('249.900 kr', 'DKK')).toBe('249900 DKK')
    expect(moneyIn('249.900 kr', 'EUR', 'DK')).toMatchObject({ money: { amount: '249900' }, isCurrencyOdd: true })
  })
})

describe('an odometer', () => {
  const read = (said: string | number, unit?: string, country = 'DK') => {
    const { odometer } = odometerIn(said, unit, country) ?? {}
    return odometer && `${odometer.value} ${odometer.unit}`
  }

  it.each([
    ['61k', 'km', '61000 km'],
    ['61k', undefined, '61000 km'],
    ['85 tkm', undefined, '85000 km'],
    ['85 tkm', 'km', '85000 km'],
    ['85 t.km', undefined, '85000 km'],
    ['85', 'tkm', '85000 km'],
    [85, 'tkm', '85000 km'],
    ['120.000 km', undefined, '120000 km'],
    ['120 000', 'KM.', '120000 km'],
    ['210000', 'Kilometer', '210000 km'],
    ['12000', 'MILES', '12000 mi'],
    ['12000 mls', undefined, '12000 mi'],
    [12000, 'mile', '12000 mi'],
    [12000, 'Meilen', '12000 mi'],
    [12000, 'engelske mil', '12000 mi'],
    [1500, 'mil', '15000 km'],
    ['15 000 mil', undefined, '150000 km'],
    [1234.5, undefined, '1234.5 km'],
    [123.456, undefined, '123.456 km'],
    [1.1, 'mil', '11 km'],
  ])('is understood with its unit: %j %j', (said, unit, understood) => {
    expect(read(said, unit)).toBe(understood)
  })

  it("without a unit is what the dealer's country drives by", () => {
    expect(read(12000, undefined, 'GB')).toBe('12000 mi')
    expect(read('12,000', undefined, 'US')).toBe('12000 mi')
    expect(read(12000, undefined, 'DE')).toBe('12000 km')
    expect(read(12000, 'km', 'GB')).toBe('12000 km')
  })

  it.each([
    [1500, 'hours', 'DK'],
    [1500, 'h', 'DK'],
    [1500, 'km2', 'DK'],
    ['85 t', undefined, 'DK'],
    ['12000m', undefined, 'GB'],
    ['12000 mi', 'km', 'DK'],
    [1500, 'mil', 'US'],
    ['61k', 'tkm', 'DK'],
    ['100.000 - 120.000', 'km', 'DK'],
    ['over 100.000', 'km', 'DK'],
    ['-5', 'km', 'DK'],
    [-5, 'km', 'DK'],
    [1e21, 'km', 'DK'],
    ['lots', 'km', 'DK'],
  ])('is none when its number or unit is not understood, or cannot be: %j %j in %s', (said, unit, country) => {
    expect(odometerIn(said, unit, country)).toBeUndefined()
  })
})
