import { DateTime, IANAZone } from 'luxon'
import { asciiDigits, withoutInvisible } from './text.ts'

const yearMin = 1900
const yearMax = 2200
const offsetMinutesMax = 14 * 60
const lengthMax = 128

/** RFC 3339, and near to it. */
const timePattern =
  /^(\d{4})-(\d\d)-(\d\d)(?:T|\s+)(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,](\d{1,3})\d*)?)?\s*(?:(Z)|([+-]\d\d)(?::?(\d\d))?)?$/i

/** A moment in both forms of RFC 3339, with milliseconds. */
export interface Instant {
  utc: string
  /** With the offset that was sent, or that of the time zone. */
  local: string
  /** Nothing said what the offset is. */
  isAssumed: boolean
  /** It was written in another way than RFC 3339, or near to it. */
  isConverted: boolean
}

interface Day {
  year: string
  month: string
  day: string
}

interface Clock extends Day {
  hour: string
  minute: string
  second: string
  fraction: string
}

/** How far from UTC, or where: both must agree when both are said. Neither is said where the reader is meant. */
interface Zone {
  offset?: string
  place?: string
}

/**
 * The moment that is meant, read in `timeZone` when it has no offset and no zone; undefined when any of it is not
 * understood. So it is when a zone is said that is none that we know, when the day could be the month, when there is no
 * time of day, and when the clocks of the place skipped this time. Of a time that they showed twice it is the first.
 *
 * Understood are RFC 3339 and ISO 8601, RFC 5322 (e-mail), what programs write for people in English, Danish,
 * Norwegian, Swedish, German and Dutch, and seconds or milliseconds since 1970.
 */
export function instantIn(said: string, timeZone: string): Instant | undefined {
  if (said.length > lengthMax) return undefined
  const trimmed = said.trim()
  const [
    matched,
    year = '',
    month = '',
    day = '',
    hour = '',
    minute = '',
    second = '00',
    fraction = '',
    zulu,
    ...rest
  ] = timePattern.exec(trimmed) ?? []
  if (matched === undefined) return instantInWords(trimmed, timeZone)
  const [hours, minutes = '00'] = rest
  const zone = zulu ? { offset: 'Z' } : hours ? { offset: `${hours}:${minutes}` } : {}
  return instantOf({ year, month, day, hour, minute, second, fraction }, zone, timeZone, false)
}

// Between the years 2001 and 2039: other numbers of as many digits are dates without their separators.
const epochMin = 1_000_000_000
const epochMax = 2_200_000_000
const epochPattern = /^(\d{10})(?:(\d{3})|[.,](\d{1,9}))?$/

const isoDate = /^(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?=[t, ])/
const compactDate = /^(\d{4})(\d\d)(\d\d)(?=[t \d])/
const reversedDate = /^(\d{1,2})([-/.]) ?(\d{1,2})\2 ?(\d{4})(?=[t, ])/
const dayThenMonth =
  /^(?:(?!d\. |den )(\p{L}+)\.?,? )?(?:d\.|den )? ?(\d{1,2})(?:\.|st|nd|rd|th)?[ -](\p{L}+)\.?,?[ -](\d{4})(?=[, ])/u
const monthThenDay = /^(?:(\p{L}+)\.?,? )?(\p{L}+)\.? (\d{1,2})(?:st|nd|rd|th)?,? (\d{4})(?=[, ])/u
// As C and Unix write it, with the year last.
const yearLast = /^(\p{L}+ \p{L}+ \d{1,2}) (\d\d:\d\d:\d\d) (?:(\S+) )?(\d{4})$/u

const timeOfDay =
  /^(?:t|,? ?(?:(?:kl\.?|klokken|at|um|om) ?)?)(\d{1,2})[:.](\d\d)(?:[:.](\d\d)(?:[.,](\d+))?)?(?: ?([ap])\.?m\.?(?![a-z]))?(?: uhr)?/
const compactTimeOfDay = /^t? ?(\d\d)(\d\d)(\d\d)?(?:[.,](\d+))?/

function instantInWords(said: string, timeZone: string): Instant | undefined {
  const text = asciiDigits(withoutInvisible(said))
    .normalize('NFC')
    .toLowerCase()
    .replace(/\s+/g, ' ')
    .replace(yearLast, '$1 $4 $2 $3')
    .trim()
  const [, seconds, milliseconds = '', fraction = ''] = epochPattern.exec(text) ?? []
  if (seconds !== undefined) {
    if (Number(seconds) < epochMin || Number(seconds) >= epochMax) return undefined
    const utc = new Date(
      Number(seconds) * 1000 + Number((milliseconds || fraction).slice(0, 3).padEnd(3, '0')),
    ).toISOString()
    return { utc, local: utc, isAssumed: false, isConverted: true }
  }
  const date = dateIn(text)
  const [matched, hour = '', minute = '', second = '00', part = '', half] =
    (date && timeOfDay.exec(date.rest)) ?? (date?.isYearFirst ? compactTimeOfDay.exec(date.rest) : undefined) ?? []
  if (!date || matched === undefined) return undefined
  const zone = zoneIn(date.rest.slice(matched.length).trim())
  const hours = half ? hourOf(hour, half) : hour
  if (!zone || !hours) return undefined
  return instantOf({ ...date.day, hour: hours, minute, second, fraction: part }, zone, timeZone, !date.isYearFirst)
}

function hourOf(hour: string, half: string): string | undefined {
  if (Number(hour) < 1 || Number(hour) > 12) return undefined
  return String((Number(hour) % 12) + (half === 'p' ? 12 : 0))
}

/** The day that a text begins with, if it is certain, and what follows it. */
function dateIn(text: string): { day: Day; isYearFirst: boolean; rest: string } | undefined {
  const found = (matched: string, day: Day, isYearFirst = false) => ({
    day,
    isYearFirst,
    rest: text.slice(matched.length),
  })
  const iso = isoDate.exec(text)
  if (iso) return found(iso[0], { year: iso[1] ?? '', month: iso[3] ?? '', day: iso[4] ?? '' }, true)
  const compact = compactDate.exec(text)
  if (compact)
    return found(compact[0], { year: compact[1] ?? '', month: compact[2] ?? '', day: compact[3] ?? '' }, true)
  const reversed = reversedDate.exec(text)
  if (reversed) {
    const [matched, first = '', separator, second = '', year = ''] = reversed
    // Only dots say that the day comes first. Otherwise a number over 12 does, or that both are the same.
    if (separator === '.' || Number(first) > 12 || Number(first) === Number(second))
      return found(matched, { year, month: second, day: first })
    return Number(second) > 12 ? found(matched, { year, month: first, day: second }) : undefined
  }
  const [matched, weekday, day = '', name = '', year = ''] =
    dayThenMonth.exec(text) ?? switched(monthThenDay.exec(text)) ?? []
  const month = monthNames.get(name)
  if (matched === undefined || month === undefined) return undefined
  const on = new Date(Date.UTC(Number(year), month - 1, Number(day))).getUTCDay()
  if (weekday !== undefined && weekdayNames.get(weekday) !== on) return undefined
  return found(matched, { year, month: String(month), day })
}

const switched = (match: RegExpExecArray | null) => match && [match[0], match[1], match[3], match[2], match[4]]

/** Undefined when a zone is said that is not known, or several that contradict each other. */
function zoneIn(said: string): Zone | undefined {
  if (said === '') return {}
  // A comment (RFC 5322) behind an offset, or a place (RFC 9557); alone it is the zone.
  const [, before = '', comment, place] = /^([^([]*)(?:\(([^()[\]]*)\)|\[([^()[\]]+)\])$/.exec(said) ?? []
  if (comment !== undefined) return before === '' ? zoneIn(comment.trim()) : zoneIn(before.trim())
  if (place !== undefined) {
    const zone = zoneIn(before.trim())
    if (!zone || !IANAZone.isValidZone(place)) return undefined
    return zone.offset === 'Z' ? zone : { ...zone, place }
  }
  // A minus with a blank behind it stands between two times.
  const [, ahead, behind, hours = '', minutes = '00'] =
    /^(?:utc|gmt|ut)? ?(?:(\+) ?|(-))(\d{1,2})(?::?(\d\d))?$/.exec(said.replace('\u2212', '-')) ?? []
  if (hours) return { offset: `${ahead ?? behind ?? ''}${hours.padStart(2, '0')}:${minutes}` }
  return zoneNames.get(said) ?? (said.includes('/') && IANAZone.isValidZone(said) ? { place: said } : undefined)
}

/** A time zone that Luxon knows, as it is named or by its offset; `unknown`, in which no time is valid. */
export function zoneCalled(said: string): string {
  if (IANAZone.isValidZone(said)) return said
  const { offset, place } = zoneIn(said.toLowerCase()) ?? {}
  // Where both are said it depends on the day.
  if (offset === undefined || place !== undefined) return 'unknown'
  return offset === 'Z' ? 'UTC' : `UTC${offset}`
}

const central = 'Europe/Berlin'
const [eastern, western] = ['Europe/Athens', 'Europe/Lisbon']

/**
 * Those of RFC 5322, and the European ones, which count only while the clocks show them: in July `CET` may mean the
 * time of the winter or that of the place.
 */
const zoneNames = new Map<string, Zone>([
  ...['z', 'ut', 'utc', 'gmt'].map((name): [string, Zone] => [name, { offset: 'Z' }]),
  ['est', { offset: '-05:00' }],
  ['edt', { offset: '-04:00' }],
  ['cst', { offset: '-06:00' }],
  ['cdt', { offset: '-05:00' }],
  ['mst', { offset: '-07:00' }],
  ['mdt', { offset: '-06:00' }],
  ['pst', { offset: '-08:00' }],
  ['pdt', { offset: '-07:00' }],
  ...['cet', 'met', 'mez'].map((name): [string, Zone] => [name, { offset: '+01:00', place: central }]),
  ...['cest', 'mest', 'mesz'].map((name): [string, Zone] => [name, { offset: '+02:00', place: central }]),
  ['eet', { offset: '+02:00', place: eastern }],
  ['eest', { offset: '+03:00', place: eastern }],
  ['wet', { offset: '+00:00', place: western }],
  ['west', { offset: '+01:00', place: western }],
])

function numbered(words: readonly string[], first: number): Map<string, number> {
  return new Map(words.flatMap((each, at) => each.split(' ').map((word): [string, number] => [word, first + at])))
}

const monthNames = numbered(
  [
    'jan januar january januari jänner',
    'feb februar february februari',
    'mar marts march mars märz maart mrz mrt',
    'apr april',
    'maj may mai mei',
    'jun juni june',
    'jul juli july',
    'aug august augusti augustus',
    'sep sept september',
    'okt oct oktober october',
    'nov november',
    'dec dez des december dezember desember',
  ],
  1,
)
const weekdayNames = numbered(
  [
    'sun sunday søn søndag sön söndag sonntag zondag',
    'mon monday man mandag mån måndag montag maandag',
    'tue tues tuesday tir tirsdag tis tisdag dienstag dinsdag',
    'wed wednesday ons onsdag mittwoch woensdag',
    'thu thurs thursday tor torsdag donnerstag donderdag',
    'fri friday fre fredag freitag vrijdag',
    'sat saturday lør lørdag lör lördag samstag zaterdag',
  ],
  0,
)

function instantOf(clock: Clock, zone: Zone, timeZone: string, isConverted: boolean): Instant | undefined {
  const wallClock = wallClockOf(clock)
  if (wallClock === undefined) return undefined
  const { offset, place } = zone
  const placed =
    offset === undefined
      ? zonedIn(place ?? timeZone, wallClock, place === undefined)
      : offsetBy(offset, wallClock, place)
  // Where the years of computers begin nothing happened.
  if (placed?.utc === '1970-01-01T00:00:00.000Z' || wallClock.text === '1900-01-01T00:00:00.000') return undefined
  // A leap second is the last of a day in UTC.
  if (!placed || (clock.second === '60' && !placed.utc.endsWith('T00:00:00.000Z'))) return undefined
  return { ...placed, isConverted }
}

/** What clocks show, and the milliseconds since 1970 of the clocks in UTC that show the same. */
interface WallClock {
  text: string
  milliseconds: number
}

/** The midnight at the end of a day (ISO 8601) is that of the next, and a leap second is the next. */
function wallClockOf(clock: Clock): WallClock | undefined {
  const [year, month, day] = [Number(clock.year), Number(clock.month), Number(clock.day)]
  const [hour, minute, second] = [Number(clock.hour), Number(clock.minute), Number(clock.second)]
  // Date.UTC takes 30 February and moves on to the next day.
  const date = new Date(Date.UTC(year, month - 1, day))
  if (year < yearMin || year > yearMax || date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day)
    return undefined
  const isEndOfDay = hour === 24 && minute === 0 && /^0*$/.test(clock.second + clock.fraction)
  if ((hour > 23 && !isEndOfDay) || minute > 59 || second > 60) return undefined

  const fraction = second === 60 ? 0 : Number(clock.fraction.slice(0, 3).padEnd(3, '0'))
  const milliseconds = Date.UTC(year, month - 1, day, hour, minute, second, fraction)
  return { text: new Date(milliseconds).toISOString().slice(0, -1), milliseconds }
}

type Placed = Omit<Instant, 'isConverted'>

/** `place`, if any, must have that offset then. */
function offsetBy(offset: string, { text, milliseconds }: WallClock, place: string | undefined): Placed | undefined {
  const [hours = 0, minutes = 0] = offset.slice(1).split(':').map(Number)
  const ahead = (hours * 60 + minutes) * (offset.startsWith('-') ? -1 : 1)
  if (minutes > 59 || Math.abs(ahead) > offsetMinutesMax) return undefined
  const local = text + offset
  if (place !== undefined && !DateTime.fromISO(local, { zone: place }).toISO()?.startsWith(text)) return undefined
  return { utc: new Date(milliseconds - ahead * 60_000).toISOString(), local, isAssumed: false }
}

function zonedIn(zone: string, { text }: WallClock, isAssumed: boolean): Placed | undefined {
  const zoned = DateTime.fromISO(text, { zone })
  if (!zoned.isValid || !zoned.toISO().startsWith(text)) return undefined
  const [first = zoned] = zoned.getPossibleOffsets().sort((a, b) => a.toMillis() - b.toMillis())
  return { utc: first.toJSDate().toISOString(), local: first.toISO(), isAssumed }
}
