import { DateTime } from 'luxon'
import { iso4217, regionsByName } from './places.ts'
import type { Leaf } from './shape.ts'

/**
 * How what is read stands to what was sent: the same, or in the form that the contract promises; completed by what
 * nobody said, which has to be told; changed, which has to be told and leaves it to the original; or something else.
 */
export type Match = 'same' | 'completed' | 'changed' | 'wrong'

export interface Place {
  timeZone: string
  /** Sent in a form of XML, where line ends and blanks at the ends say nothing. */
  isXml: boolean
}

export function matchOf(shape: Leaf, sent: string, read: unknown, place: Place): Match {
  switch (shape.leaf) {
    case 'number':
    case 'year':
      return numberMatch(sent, read)
    case 'flag':
      return String(read) === sent ? 'same' : 'wrong'
    case 'word':
      return wordMatch(shape, sent, read)
    case 'time':
      return timeMatch(sent, read, place)
    case 'amount':
      return amountMatch(sent, read)
    case 'currency':
      return currencyMatch(sent, read)
    case 'country':
      return countryMatch(sent, read)
    default:
      return textMatch(sent, read, { isXml: place.isXml, isMasked: shape.leaf === 'free' || 'maybe' })
  }
}

// Texts.

export function textMatch(
  sent: string,
  read: unknown,
  { isXml, isMasked }: { isXml: boolean; isMasked: boolean | 'maybe' },
): Match {
  if (typeof read !== 'string') return 'wrong'
  // Of what programs write only what is surely a national number is masked.
  if (isMasked === true && hasNationalId(read)) return 'wrong'
  if (read === sent || read === sent.trim()) return 'same'
  if (isXml && [sent, asInPages(sent)].some((each) => inOneLine(read) === inOneLine(each))) return 'same'
  const known = isMasked === 'maybe' ? [masked(sent), surelyMasked(sent)] : isMasked ? [masked(sent)] : []
  // What is masked is gone on purpose.
  if (known.some((each) => read === each || read === each.trim())) return 'completed'
  if (isXml && known.some((each) => inOneLine(read) === inOneLine(each))) return 'completed'
  const ways = (isMasked === true ? known : [...known, sent]).flatMap((each) => [
    each,
    withoutMarkup(each),
    withoutMarkup(each, usualTag),
    decoded(each),
    withoutMarkup(decoded(each)),
    decoded(withoutMarkup(each)),
  ])
  const seen = visible(read)
  const shown = (text: string) =>
    repaired(text)
      .replaceAll(/\p{Cf}/gu, '')
      .trim()
  if (seen === '')
    return ways.some((way) => shown(way) === shown(read) || (read === '' && isBlank(way))) ? 'changed' : 'wrong'
  if (ways.some((way) => visible(way) === seen)) return 'changed'
  // Cut: what is left is long, and begins like what was sent.
  const isBeginning = ways.some((way) => visible(way).startsWith(seen))
  return isBeginning && read.length >= 16 && read.length < sent.length ? 'changed' : 'wrong'
}

export const inOneLine = (text: string) => text.replaceAll(/\s+/g, ' ').trim()
/** What `&#133;` means wherever pages are made: the control of this number means nothing to anybody. */
export const asInPages = (text: string) => text.replaceAll('\u0085', '…')
/** Not an address after a name. */
const anyTag = /<[/!?]?[\p{L}][^<>@]*>/gu
const usualTag = /<\/?(?:a|b|br|p)(?:\s[^<>]*=[^<>]*|\s*)\/?>/gi
/** The text that is shown, with where its links lead. */
export const withoutMarkup = (text: string, tag = anyTag) =>
  text
    .replaceAll(/<(script|style)\b[^<>]*>[^<]*<\/\1>/gi, ' ')
    .replaceAll(/<a href="([^"<>]*)">([^<>]*)<\/a>/gi, '$2 ($1)')
    .replaceAll(tag, ' ')
export const repaired = (text: string) => text.toWellFormed().replaceAll('\0', '\ufffd')
/** What is left of a text that was repaired: what people see of it. */
const visible = (text: string) =>
  text
    .toWellFormed()
    .normalize('NFC')
    .replaceAll(/[^\p{L}\p{N}\p{M}\p{Extended_Pictographic}@.*+]/gu, '')

const entities: Record<string, string> = { oslash: 'ø', amp: '&', lt: '<', gt: '>', nbsp: '\u00a0', quot: '"' }
export const decoded = (text: string) =>
  text
    .replaceAll(/&#x([0-9a-f]{1,5});/gi, (_, code: string) => String.fromCodePoint(Number.parseInt(code, 16)))
    .replaceAll(/&#(\d{1,6});/g, (_, code: string) => String.fromCodePoint(Number(code)))
    .replaceAll(/&(\w+);/g, (whole, name: string) => entities[name] ?? whole)

const nationalId = /(?<![\d])(\d{6})([-\s]?)(\d{4})(?!\d)/g
const isBirthday = (day: string) =>
  Number(day.slice(0, 2)) <= 31 && Number(day.slice(2, 4)) <= 12 && !day.startsWith('00')
export const masked = (text: string, sure = /^/) =>
  text.replaceAll(nationalId, (whole, day: string, sign: string) =>
    isBirthday(day) && sure.test(sign) ? `${day}${sign}****` : whole,
  )
/** Of what programs write. */
const surelyMasked = (text: string) => masked(text, /-/)
/** As the generator writes them: with a hyphen or a blank, or after a blank. */
export const hasNationalId = (text: string) => /(?<!\S)(?:010135-?0000|311234 0001|290236-0002)(?!\S)/.test(text)

// Words.

const bare = (word: string) =>
  word
    .normalize('NFC')
    .toLowerCase()
    .replaceAll(/[\s_.-]+/g, '')

export function wordMatch({ words = {}, otherwise, silently }: Leaf, sent: string, read: unknown): Match {
  const meant = Object.entries(words).find(([word, others]) =>
    [word, ...others].some((each) => bare(each) === bare(sent)),
  )
  if (meant) return read === meant[0] ? 'same' : read === otherwise ? 'changed' : 'wrong'
  return read === otherwise || (read === silently && isNothing(sent)) ? 'changed' : 'wrong'
}

const nothings = ['', 'null', 'none', 'undefined', 'n/a', 'na', 'nan', 'unknown', 'ukendt', '[objectobject]']
const programs = ['null', 'NULL', 'None', 'undefined', 'NaN', 'N/A', 'n/a']
/** Nobody means anything by it: a word for nothing, a tag that was not filled, marks alone. */
export const isNothing = (text: string) =>
  nothings.includes(bare(decoded(text).replaceAll(/[\p{Cf}'"`]/gu, ''))) ||
  text
    .trim()
    .split(/[\s,]+/)
    .every((word) => programs.includes(word)) ||
  /^(?:\{\{.*\}\}|%%.*%%|\$?\{.*\}|\[.*\]|<%.*%>|\*\|.*\|\*|[^\p{L}\p{N}]*)$/su.test(
    decoded(text)
      .replaceAll(/\p{Cf}/gu, '')
      .trim(),
  )
/** Whoever reads it would take it for what a machine writes that has nothing to say. */
export const isSurelyNothing = (text: unknown) => typeof text === 'string' && /^(null|undefined)$/i.test(text.trim())

/** Nothing that anybody could see: it may be left out without a word. */
export const isBlank = (text: string) =>
  !/[\p{L}\p{N}\p{P}\p{S}\p{Co}\p{Cn}]/u.test(text.toWellFormed().replaceAll('\ufffd', ''))

// Numbers.

/** A decimal number as digits without needless zeros: `1.50e1` is `15`. */
export function plain(digits: string): string | undefined {
  const [matched, sign = '', whole = '', fraction = '', exponent = '0'] =
    /^([+-]?)(\d*)(?:\.(\d*))?(?:e([+-]?\d{1,5}))?$/i.exec(digits.trim()) ?? []
  if (matched === undefined || whole + fraction === '') return undefined
  const all = (whole + fraction).replace(/^0+/, '')
  const significant = all.replace(/0+$/, '')
  if (significant === '') return '0'
  const power = Number(exponent) - fraction.length + (all.length - significant.length)
  return `${sign === '-' ? '-' : ''}${significant}e${power}`
}

export function numberMatch(sent: string, read: unknown): Match {
  if (typeof read === 'number' && plain(String(read)) === plain(sent)) return 'same'
  return typeof read === 'string' && (read === sent || plain(read) === plain(sent)) ? 'same' : 'wrong'
}

const sizes: [RegExp, number][] = [
  [/^(?:k|tkr|tkm|t|tusind|tusinde|thousand|tdkk)(?:km|kr|dkk)?$/, 1e3],
  [/^(?:m|mio|mill|million|millioner)(?:km|kr|dkk)?$/, 1e6],
]

/** The numbers that a text with one number in it can mean, to anybody who reads it. */
export function numbersIn(said: string): { meant: string[]; isPlain: boolean } {
  const text = said.normalize('NFKC').trim()
  const [, before = '', digits = '', after = ''] = /^([^\d]*?)(-?\d[\d.,'’\s]*)([^\d]*)$/u.exec(text) ?? []
  if (digits === '') return { meant: [], isPlain: false }
  const found = digits.replaceAll(/[\s'’]/g, '').replace(/[.,]+$/, '')
  const beside = bare((before + after).toLowerCase().replaceAll(/[^\p{L}]/gu, ''))
  const size = sizes.find(([pattern]) => pattern.test(beside))?.[1] ?? 1
  const ways = new Set([
    found,
    found.replaceAll('.', '').replace(',', '.'),
    found.replaceAll(',', ''),
    found.replaceAll(/[.,]/g, ''),
  ])
  const meant = [...ways].flatMap((way) => {
    const number = plain(way)
    return number === undefined
      ? []
      : [plain(`${number.replace(/e.*/, '')}e${Number(/e(.*)/.exec(number)?.[1] ?? 0) + Math.log10(size)}`) ?? number]
  })
  const isPlain = beside === '' || size !== 1 || /^(?:dkk|kr|km|mi|eur)$/.test(beside)
  return { meant, isPlain }
}

function amountMatch(sent: string, read: unknown): Match {
  if (typeof read !== 'string') return 'wrong'
  const decimal = plain(read)
  if (decimal === undefined || !/^-?\d+(\.\d+)?$/.test(read)) return 'wrong'
  if (/^[+-]?\d+(\.\d+)?$/.test(sent.trim()) && decimal === plain(sent)) return 'same'
  const { meant, isPlain } = numbersIn(sent)
  if (!meant.includes(decimal)) return 'wrong'
  return isPlain ? 'same' : 'changed'
}

function currencyMatch(sent: string, read: unknown): Match {
  if (typeof read !== 'string' || !iso4217.has(read)) return 'wrong'
  if (read === sent.trim().toUpperCase()) return 'same'
  const word = sent.trim().toLowerCase().replaceAll('.', '')
  if (['kr', 'kroner', 'danske kroner', 'dkr'].includes(word)) return read === 'DKK' ? 'changed' : 'wrong'
  if (['€', 'euro'].includes(word)) return read === 'EUR' ? 'changed' : 'wrong'
  return 'wrong'
}

// Places and times.

export function countryMatch(sent: string, read: unknown): Match {
  const code = regionOf(sent)
  return code !== undefined && read === code ? 'same' : 'wrong'
}

export const regionOf = (said: string): string | undefined =>
  regionsByName.get(said.trim().normalize('NFC').toLowerCase())

const zones: Record<string, string> = {
  z: '+00:00',
  ut: '+00:00',
  utc: '+00:00',
  gmt: '+00:00',
  est: '-05:00',
  edt: '-04:00',
  cst: '-06:00',
  cdt: '-05:00',
  mst: '-07:00',
  mdt: '-06:00',
  pst: '-08:00',
  pdt: '-07:00',
  cet: '+01:00',
  cest: '+02:00',
}
const months = 'jan feb mar apr may jun jul aug sep oct nov dec'.split(' ')

/** The moments that a text can mean; `isSure` when it says its offset. */
export function momentsIn(said: string, timeZone: string): { moments: number[]; isSure: boolean } {
  const text = said.replaceAll(/\p{Cf}/gu, '').trim()
  const clock = String.raw`(\d{1,2})[:.](\d\d)(?:[:.](\d\d)(?:[.,](\d+))?)?`
  const rest = String.raw`\s*(am|pm|a\.m\.|p\.m\.)?\s*(?:\(?([A-Za-z]{1,4})\)?|([+-])(\d\d):?(\d\d)?)?(?:\[([\w/]+)\])?$`
  const patterns: [RegExp, (parts: string[]) => [string, string, string, string[]]][] = [
    [
      new RegExp(`^(\\d{4})-(\\d\\d)-(\\d\\d)[T\\s]+${clock}${rest}`, 'i'),
      ([y = '', m = '', d = '', ...more]) => [y, m, d, more],
    ],
    [
      new RegExp(`^(\\d{4})(\\d\\d)(\\d\\d)[T\\s]*(\\d\\d)(\\d\\d)(\\d\\d)?()${rest}`, 'i'),
      ([y = '', m = '', d = '', ...more]) => [y, m, d, more],
    ],
    [
      new RegExp(`^(\\d{1,2})[./-](\\d{1,2})[./-](\\d{4}),?\\s+(?:kl\\.?\\s*)?${clock}${rest}`, 'i'),
      ([d = '', m = '', y = '', ...more]) => (Number(m) > 12 ? [y, d, m, more] : [y, m, d, more]),
    ],
    [
      new RegExp(`^(?:[a-z]{3},?\\s+)?(\\d{1,2})\\s+([a-z]{3})\\s+(\\d{4})\\s+${clock}${rest}`, 'i'),
      ([d = '', m = '', y = '', ...more]) => [y, String(months.indexOf(m.toLowerCase()) + 1), d, more],
    ],
  ]
  for (const [pattern, order] of patterns) {
    const [matched, ...parts] = pattern.exec(text) ?? []
    if (matched === undefined) continue
    const [
      year,
      month,
      day,
      [hour = '0', minute = '0', second = '0', fraction = '', half, zone, sign, hours = '0', minutes = '0', named],
    ] = order(parts)
    let hours24 = Number(hour)
    if (half) hours24 = (hours24 % 12) + (half.toLowerCase().startsWith('p') ? 12 : 0)
    if (half && Number(hour) > 12) return { moments: [], isSure: false }
    const wall = Date.UTC(
      Number(year),
      Number(month) - 1,
      Number(day),
      hours24,
      Number(minute),
      Number(second),
      Number(fraction.padEnd(3, '0').slice(0, 3)),
    )
    if (
      Number(day) < 1 ||
      new Date(Date.UTC(Number(year), Number(month) - 1, Number(day))).getUTCDate() !== Number(day) ||
      Number(hours) > 14 ||
      hours24 > 24
    )
      return { moments: [], isSure: false }
    const isLeap = Number(second) === 60
    const spread = (moment: number) => (isLeap ? [moment, moment - 1, moment - 1000] : [moment])
    const offset = zone ? zones[zone.toLowerCase()] : sign && `${sign}${hours}:${minutes.padStart(2, '0')}`
    if (zone && !offset) return { moments: [], isSure: false }
    if (offset) {
      const [, plus, h = '0', m = '0'] = /^([+-])(\d\d):(\d\d)$/.exec(offset) ?? []
      return { moments: spread(wall - (plus === '-' ? -1 : 1) * (Number(h) * 60 + Number(m)) * 60_000), isSure: true }
    }
    return { moments: localMoments(wall, named ?? timeZone).flatMap(spread), isSure: named !== undefined }
  }
  const [, dateOnly] = /^(\d{4}-\d\d-\d\d)$/.exec(text) ?? []
  if (dateOnly && !Number.isNaN(Date.parse(dateOnly)))
    return { moments: localMoments(Date.parse(dateOnly), timeZone), isSure: false }
  if (/^\d{10}$/.test(text)) return { moments: [Number(text) * 1000], isSure: true }
  if (/^\d{13}$/.test(text)) return { moments: [Number(text)], isSure: true }
  return { moments: [], isSure: false }
}

/** All moments at which the clocks of the zone show that, or would without their change. */
function localMoments(wall: number, timeZone: string): number[] {
  const offsets = [-86_400_000, 86_400_000].map((away) => DateTime.fromMillis(wall + away, { zone: timeZone }).offset)
  return [...new Set(offsets.map((minutes) => wall - minutes * 60_000))]
}

const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/

function timeMatch(sent: string, read: unknown, { timeZone }: Place): Match {
  if (typeof read !== 'string') return 'wrong'
  if (!rfc3339.test(read))
    return textMatch(sent, read, { isXml: false, isMasked: false }) === 'wrong' ? 'wrong' : 'changed'
  const { moments, isSure } = momentsIn(sent, timeZone)
  if (!moments.some((moment) => Math.abs(moment - Date.parse(read)) <= 1)) return 'wrong'
  if (isSure) return 'same'
  // ISO 8601, but for its offset.
  return /^\d{4}-?\d\d-?\d\d[T\s]+[\d:.]+$/.test(sent.trim()) ? 'completed' : 'changed'
}

/** Whether what people see of a text stands in another. */
export const isShownIn = (sent: string, read: string): boolean => {
  const shown = visible(withoutMarkup(decoded(masked(sent))))
  return shown !== '' && visible(read).includes(shown)
}
