import { withoutInvisible } from './text.ts'

const lengthMax = 64
const codeLengthMax = 3

/** What else is in it was not understood. */
const namePattern = /^[\p{L}\p{M}\s.,:;'’()[\]/&-]*$/u

/** The countries of ISO 3166-1: alpha-2 and alpha-3. */
const codes =
  'AD AND AE ARE AF AFG AG ATG AI AIA AL ALB AM ARM AO AGO AQ ATA AR ARG AS ASM AT AUT AU AUS AW ABW AX ALA AZ AZE BA BIH BB BRB BD BGD BE BEL BF BFA BG BGR BH BHR BI BDI BJ BEN BL BLM BM BMU BN BRN BO BOL BQ BES BR BRA BS BHS BT BTN BV BVT BW BWA BY BLR BZ BLZ CA CAN CC CCK CD COD CF CAF CG COG CH CHE CI CIV CK COK CL CHL CM CMR CN CHN CO COL CR CRI CU CUB CV CPV CW CUW CX CXR CY CYP CZ CZE DE DEU DJ DJI DK DNK DM DMA DO DOM DZ DZA EC ECU EE EST EG EGY EH ESH ER ERI ES ESP ET ETH FI FIN FJ FJI FK FLK FM FSM FO FRO FR FRA GA GAB GB GBR GD GRD GE GEO GF GUF GG GGY GH GHA GI GIB GL GRL GM GMB GN GIN GP GLP GQ GNQ GR GRC GS SGS GT GTM GU GUM GW GNB GY GUY HK HKG HM HMD HN HND HR HRV HT HTI HU HUN ID IDN IE IRL IL ISR IM IMN IN IND IO IOT IQ IRQ IR IRN IS ISL IT ITA JE JEY JM JAM JO JOR JP JPN KE KEN KG KGZ KH KHM KI KIR KM COM KN KNA KP PRK KR KOR KW KWT KY CYM KZ KAZ LA LAO LB LBN LC LCA LI LIE LK LKA LR LBR LS LSO LT LTU LU LUX LV LVA LY LBY MA MAR MC MCO MD MDA ME MNE MF MAF MG MDG MH MHL MK MKD ML MLI MM MMR MN MNG MO MAC MP MNP MQ MTQ MR MRT MS MSR MT MLT MU MUS MV MDV MW MWI MX MEX MY MYS MZ MOZ NA NAM NC NCL NE NER NF NFK NG NGA NI NIC NL NLD NO NOR NP NPL NR NRU NU NIU NZ NZL OM OMN PA PAN PE PER PF PYF PG PNG PH PHL PK PAK PL POL PM SPM PN PCN PR PRI PS PSE PT PRT PW PLW PY PRY QA QAT RE REU RO ROU RS SRB RU RUS RW RWA SA SAU SB SLB SC SYC SD SDN SE SWE SG SGP SH SHN SI SVN SJ SJM SK SVK SL SLE SM SMR SN SEN SO SOM SR SUR SS SSD ST STP SV SLV SX SXM SY SYR SZ SWZ TC TCA TD TCD TF ATF TG TGO TH THA TJ TJK TK TKL TL TLS TM TKM TN TUN TO TON TR TUR TT TTO TV TUV TW TWN TZ TZA UA UKR UG UGA UM UMI US USA UY URY UZ UZB VA VAT VC VCT VE VEN VG VGB VI VIR VN VNM VU VUT WF WLF WS WSM YE YEM YT MYT ZA ZAF ZM ZMB ZW ZWE'.split(
    ' ',
  )
const alpha2 = new Set(codes.filter((_, at) => at % 2 === 0))

/** The signs of cars where they are no code of ISO, and what people say for a country without being its name. */
const others: Record<string, string> = {
  AT: 'a',
  BA: 'bosnien bosnia',
  BE: 'b',
  CA: 'cdn',
  CH: 'schweiz suisse svizzera',
  BY: 'hviderusland hviterussland vitryssland weissrussland',
  CZ: 'czechrepublic tschechischerepublik',
  DE: 'd brd vesttyskland',
  DK: 'kongerigetdanmark kingdomofdenmark',
  ES: 'e',
  FI: 'suomi',
  FO: 'faroyar',
  FR: 'f',
  GB: 'uk england scotland wales northernireland greatbritain britain storbritannien storbritannia skotland nordirland',
  GL: 'kalaallitnunaat',
  GR: 'el',
  HK: 'hongkong',
  HU: 'h',
  IE: 'eire republicofireland',
  IT: 'i',
  LI: 'fl',
  LU: 'l',
  MK: 'makedonien makedonia macedonia mazedonien',
  NL: 'holland',
  NO: 'n',
  PT: 'p',
  RU: 'russianfederation',
  SE: 's',
  SI: 'slo',
  TR: 'turkey',
  US: 'usa america amerika unitedstatesofamerica usofa',
}

/** Two countries share each. */
const ambiguous = ['congo', 'kongo', 'korea', 'corea', 'coree']

/** The languages in which a country may be named. */
const languages = 'da en de sv nb nn fi is fo nl fr es it pt pl cs sk hu ro et lv lt hr sl bg el ru uk tr'.split(' ')

/**
 * The ISO 3166-1 alpha-2 code of a country that was named by a code of two or three letters, by its name in a European
 * language or by the sign of its cars. `NA` may be Namibia, and is mostly no answer: like all that has two meanings it
 * is not understood.
 */
export function countryIn(said: string): string | undefined {
  if (alpha2.has(said) && said !== 'NA') return said
  if (said.length > lengthMax || !namePattern.test(withoutInvisible(said))) return undefined
  const whole = folded(said)
  // Codes have no accents: `på` is no Panama.
  if (whole.length <= codeLengthMax && !/^[a-z.\s]*$/i.test(withoutInvisible(said))) return undefined
  // The signs of cars are capitals.
  if (whole === 'na' || (whole.length === 1 && said.trim() === whole)) return undefined
  const known = names()
  const found = known.get(whole) ?? known.get(whole.replace(/^the/, ''))
  if (found) return found
  // `DK - Danmark`, `Denmark (DK)`
  const parts = said
    .split(/[^\p{L}\p{M}\s.']+/u)
    .map(folded)
    .filter(Boolean)
  const [first, ...more] = new Set(parts.map((part) => known.get(part)))
  return parts.length > 1 && more.length === 0 ? first : undefined
}

/**
 * The country that a postal code begins with: `DK-5000`, `S-211 22`. A hint only, since it is also what people type.
 */
export function countryOfPostalCode(postalCode: string): string | undefined {
  const [, prefix] = /^\s*([A-Z]{1,3})-\s?\d/i.exec(postalCode) ?? []
  return prefix === undefined ? undefined : countryIn(prefix)
}

/** A name as it is compared: without accents, blanks and dots. */
function folded(name: string): string {
  return withoutInvisible(name)
    .toLowerCase()
    .normalize('NFD')
    .replace(/[^\p{L}\p{N}]+/gu, '')
    .replace(/[æøðßı]/g, (letter) => plainLetters.get(letter) ?? letter)
}

const plainLetters = new Map([
  ['æ', 'ae'],
  ['ø', 'o'],
  ['ð', 'd'],
  ['ß', 'ss'],
  ['ı', 'i'],
])

let known: ReadonlyMap<string, string> | undefined

/** Made when it is first needed, which takes some milliseconds. */
function names(): ReadonlyMap<string, string> {
  if (known) return known
  const named = new Map<string, string | undefined>()
  const add = (name: string | undefined, code: string) => {
    const short = name === undefined ? '' : folded(name)
    // One that two languages use for two countries tells neither. Short forms look like codes.
    if (!/^[a-z]{0,3}$/.test(short)) named.set(short, named.has(short) && named.get(short) !== code ? undefined : code)
  }
  for (const language of languages) {
    const display = new Intl.DisplayNames([language], { type: 'region', fallback: 'none' })
    for (const code of alpha2) add(display.of(code), code)
  }
  for (const [code, words] of Object.entries(others)) for (const word of words.split(' ')) named.set(word, code)
  for (const name of ambiguous) named.delete(name)
  codes.forEach((code, at) => named.set(code.toLowerCase(), codes[at - (at % 2)] ?? code))
  known = new Map([...named].filter((entry): entry is [string, string] => entry[1] !== undefined))
  return known
}
