// What countries and currencies are called, as the runtime knows it.

export const iso4217: ReadonlySet<string> = new Set(Intl.supportedValuesOf('currency'))

const letters = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ']
const english = new Intl.DisplayNames(['en'], { type: 'region', fallback: 'none' })
const notCountries = ['EU', 'EZ', 'UN', 'XA', 'XB', 'ZZ', 'QO']
export const regions = letters
  .flatMap((first) => letters.map((second) => first + second))
  .filter((code) => english.of(code) !== undefined && !notCountries.includes(code))

/** Codes by what people write for them, in lower case: the code, the name in the languages of the neighbours. */
export const regionsByName: ReadonlyMap<string, string> = new Map([
  ...['en', 'da', 'sv', 'nb', 'de'].flatMap((language) => {
    const names = new Intl.DisplayNames([language], { type: 'region' })
    return regions.map((code): [string, string] => [(names.of(code) ?? code).toLowerCase(), code])
  }),
  ...regions.map((code): [string, string] => [code.toLowerCase(), code]),
  ...Object.entries({
    dnk: 'DK',
    swe: 'SE',
    nor: 'NO',
    deu: 'DE',
    gbr: 'GB',
    usa: 'US',
    fin: 'FI',
    pol: 'PL',
    nld: 'NL',
    fra: 'FR',
    uk: 'GB',
    d: 'DE',
    s: 'SE',
    n: 'NO',
    england: 'GB',
    'united states of america': 'US',
  }),
])
