import { describe, expect, it } from 'vitest'
import { countryIn, countryOfPostalCode } from '../src/leads/country.ts'

describe('a country', () => {
  it.each([
    ['DK', 'DK dk DNK dnk Danmark DENMARK Dänemark Danemark Dania Tanska'],
    ['DE', 'DE DEU D Tyskland Germany Deutschland Allemagne Niemcy Saksa'],
    ['SE', 'SE SWE S Sverige Sweden Schweden Suède Szwecja Ruotsi'],
    ['NO', 'NO NOR N Norge Noreg Norway Norwegen'],
    ['GB', 'GB UK GBR England Scotland Wales Storbritannien'],
    ['NL', 'NL NLD Holland Nederland'],
    ['US', 'US USA U.S.A. America'],
    ['AT', 'Østrig Ostrig Österreich Osterreich A'],
    ['FO', 'FO Færøerne Føroyar'],
    ['TR', 'Türkiye Turkey Tyrkiet'],
    ['GR', 'GR EL Grækenland Ελλάδα'],
    ['FI', 'FI FIN Suomi'],
  ])('is %s by code, by name and by the sign of its cars', (code, said) => {
    for (const each of said.split(' ')) expect(countryIn(each)).toBe(code)
  })

  it.each([
    ['the Netherlands', 'NL'],
    ['Great Britain', 'GB'],
    ['United States of America', 'US'],
    ['Czech Republic', 'CZ'],
    ['DK - Danmark', 'DK'],
    ['Denmark (DK)', 'DK'],
    ['Hong Kong', 'HK'],
    [' Danmark\u200b ', 'DK'],
  ])('is understood in more than one word: %j', (said, code) => {
    expect(countryIn(said)).toBe(code)
  })

  it.each([
    '',
    'Ruritania',
    'XX',
    'EU',
    'NA',
    'd',
    'null',
    'Congo',
    'Korea',
    'Germany (DK)',
    'DK, SE',
    '45',
    'constructor',
    'x'.repeat(100_000),
  ])('is none that we know, or could be two: %j', (said) => {
    expect(countryIn(said)).toBeUndefined()
  })

  it('may stand before a postal code', () => {
    expect(['DK-5000', 'S-211 22', 'd-24937', ' FIN-00100'].map(countryOfPostalCode)).toEqual([
      'DK',
      'SE',
      undefined,
      'FI',
    ])
    expect(['5000', 'SE1 2AB', 'X-1', 'M5-1'].map(countryOfPostalCode)).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ])
  })
})
