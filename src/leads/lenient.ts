import { DateTime } from 'luxon'
import type { Warning } from '../../generated/server/types.gen.ts'
import { maskNationalIds } from './national-id.ts'

const warningsMax = 100
const pointerLengthMax = 512
const extraBytesMax = 8192
/** How deep one member of `extra` may be nested; below it nothing recurses. */
const nestingMax = 64
const yearMin = '1900'
const yearMax = '2200'

const messages = {
  'phone-not-understood': 'This is not a phone number that we understand. It was kept as sent.',
  'phone-doubtful': 'This phone number has a possible length, but is not in use in its country as far as we know.',
  'email-odd': 'This does not look like an e-mail address. It was kept as sent.',
  'word-unknown': 'The contract does not name this word. It is kept in `extra`, if it fits there.',
  'member-unknown': 'The contract does not name this member. It is kept in `extra`.',
  'extra-too-large':
    'This did not fit into `extra` and was left out. All of `extra` may have 8192 bytes as JSON and 64 levels.',
  'date-without-offset': 'This time has no offset from UTC. It was read in the local time zone.',
  'date-not-understood': 'This is not a time in RFC 3339 between the years 1900 and 2200. It was kept as sent.',
  'text-repaired': 'This text held characters that cannot be stored. They became U+FFFD.',
  'national-id-masked': 'This text held what looks like a national identity number. Its last characters are masked.',
  'external-reference-blank':
    'There is nothing to see in this, so it tells no leads apart. The lead has no external reference; what was sent is kept in `extra`, if it fits there.',
  'external-reference-damaged':
    'This held characters that cannot be stored, so another one may look the same now. The lead has no external reference; the rest is kept in `extra`, if it fits there.',
  'vehicle-not-identifiable': 'This vehicle has no VIN, registration, stock number or listing, nor make and model.',
  'too-many-warnings': 'There were more warnings. They were left out.',
} as const satisfies Record<string, string>

/** What one lead is read with, and what comes to light on the way. */
export interface Reading {
  readonly country: string
  readonly timeZone: string
  readonly notes: Notes
}

interface Notes {
  readonly warnings: Warning[]
  readonly extra: Map<string, unknown>
  /** The size of `extra` as JSON in UTF-8, counting a comma or brace after each member. */
  extraBytes: number
  /** Makes names unique that became alike when they were repaired; it only rises, so that a hostile sender cannot make us search. */
  renamed: number
}

export const newNotes = (): Notes => ({ warnings: [], extra: new Map(), extraBytes: 1, renamed: 0 })

/** Reads a value that was sent at the JSON Pointer `at`; undefined leaves it out. */
type Reader<Sent, Read> = (sent: Sent, at: string, reading: Reading) => Read

/** The members of `Sent`, as required or optional as there, each of the type that it has in `Read`. */
type As<Sent, Read> = { [Name in keyof Sent]: Name extends keyof Read ? Read[Name] : never }
type Members<Sent, Read> = { [Name in keyof Sent]-?: Reader<NonNullable<Sent[Name]>, As<Sent, Read>[Name]> }

/** Reads an object member by member; what `members` does not name goes to `extra`. */
export function objectOf<Sent extends object, Read = Sent>(members: Members<Sent, Read>): Reader<Sent, As<Sent, Read>> {
  // A Map, because senders may call a member `constructor`. Each reader gets the value of its own member: the schema has checked the types.
  const readers = new Map(Object.entries(members) as [string, Reader<unknown, unknown>][])
  return (sent, at, reading) => {
    const read: Record<string, unknown> = {}
    const entries: [string, unknown][] = Object.entries(sent)
    for (const [name, value] of entries) {
      if (value === undefined) continue
      const reader = readers.get(name)
      if (reader) {
        const result = reader(value, `${at}/${name}`, reading)
        if (result !== undefined) read[name] = result
      } else {
        keepUnknown(name, value, at, reading)
      }
    }
    // Made by the readers of exactly these members.
    return read as As<Sent, Read>
  }
}

export function listOf<Sent, Read>(item: Reader<Sent, Read>): Reader<Sent[], Read[]> {
  return (sent, at, reading) => sent.map((each, index) => item(each, `${at}/${index}`, reading))
}

export const asSent = <Value>(sent: Value): Value => sent

/** A text without NUL and lone surrogates, which PostgreSQL cannot store. */
export function text(sent: string, at: string, reading: Reading): string {
  const whole = wellFormed(sent)
  if (whole !== sent) warn('text-repaired', at, reading)
  return whole
}

/** A text that people write as they like; national identity numbers of the dealer's country are masked in it. */
export function freeText(sent: string, at: string, reading: Reading): string {
  const said = text(sent, at, reading)
  const masked = maskNationalIds(said, reading.country)
  if (masked !== said) warn('national-id-masked', at, reading)
  return masked
}

/** The words of a vocabulary with their synonyms; upper case, blanks, hyphens and underscores make no difference. */
export function vocabulary<Word extends string>(synonyms: Record<Word, readonly string[]>): ReadonlyMap<string, Word> {
  // Object.entries forgets the type of the names.
  const words = Object.entries(synonyms) as [Word, readonly string[]][]
  return new Map(words.flatMap(([word, others]) => [word, ...others].map((each): [string, Word] => [bare(each), word])))
}

/** Reads a word; one that `words` does not know becomes `unknown` and is kept in `extra`. A blank one counts as left out. */
export function wordOf<Word extends string>(
  words: ReadonlyMap<string, Word>,
  unknown?: Word,
): Reader<string, Word | undefined> {
  return (sent, at, reading) => {
    const said = text(sent, at, reading)
    if (said.trim() === '') return undefined
    const word = words.get(bare(said))
    if (word) return word
    warn('word-unknown', at, reading)
    keep(at, said, at, reading)
    return unknown
  }
}

function bare(word: string): string {
  return word
    .normalize('NFC')
    .toLowerCase()
    .replace(/[\s_-]+/g, '')
}

/** A time as RFC 3339 with milliseconds and the offset it was sent with, or as it was sent when it is not understood. */
export function time(sent: string, at: string, reading: Reading): string {
  const said = text(sent, at, reading)
  return instantOf(said, at, reading)?.local ?? said
}

/** A time as RFC 3339 in UTC with milliseconds; one that is not understood goes to `extra`. */
export function utcTime(sent: string, at: string, reading: Reading): string | undefined {
  const said = text(sent, at, reading)
  const instant = instantOf(said, at, reading)
  if (!instant) keep(at, said, at, reading)
  return instant?.utc
}

const timePattern =
  /^(\d{4})-(\d\d)-(\d\d)(?:T|\s+)(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,](\d{1,3})\d*)?)?\s*(?:(Z)|([+-]\d\d)(?::?(\d\d))?)?$/i

function instantOf(said: string, at: string, reading: Reading): { utc: string; local: string } | undefined {
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
    offsetHours = '',
    offsetMinutes = '00',
  ] = timePattern.exec(said.trim()) ?? []
  const wallClock = `${year}-${month}-${day}T${hour.padStart(2, '0')}:${minute}:${second}.${fraction.padEnd(3, '0')}`
  if (!matched || year < yearMin || year > yearMax || !isOnTheClock(wallClock)) return notUnderstood(at, reading)

  if (zulu || offsetHours) {
    const local = wallClock + (zulu ? 'Z' : `${offsetHours}:${offsetMinutes}`)
    const milliseconds = Date.parse(local)
    if (Number.isNaN(milliseconds)) return notUnderstood(at, reading)
    return { utc: new Date(milliseconds).toISOString(), local }
  }
  const zoned = DateTime.fromISO(wallClock, { zone: reading.timeZone })
  if (!zoned.isValid) return notUnderstood(at, reading)
  warn('date-without-offset', at, reading)
  return { utc: zoned.toJSDate().toISOString(), local: zoned.toISO() }
}

function notUnderstood(at: string, reading: Reading): undefined {
  warn('date-not-understood', at, reading)
}

/** Date.parse takes 30 February and 24:00 and moves on to the next day; only real times come back unchanged. */
function isOnTheClock(wallClock: string): boolean {
  const milliseconds = Date.parse(`${wallClock}Z`)
  return !Number.isNaN(milliseconds) && new Date(milliseconds).toISOString() === `${wallClock}Z`
}

/** Puts the members of the sender's own `extra` into ours, under their names. */
export function keepExtra(extra: Record<string, unknown>, reading: Reading): void {
  for (const [name, value] of Object.entries(extra)) {
    const whole = wellFormed(name)
    const at = `/extra/${escaped(whole)}`
    if (keep(whole, value, at, reading) && whole !== name) warn('text-repaired', at, reading)
  }
}

function keepUnknown(name: string, value: unknown, parent: string, reading: Reading): void {
  const whole = wellFormed(name)
  const at = `${parent}/${escaped(whole)}`
  if (!keep(at, value, at, reading)) return
  warn('member-unknown', at, reading)
  if (whole !== name) warn('text-repaired', at, reading)
}

/** Puts `value`, sent at `at`, into `extra` if it fits, with national identity numbers masked in its texts; says whether it did. */
export function keep(name: string, value: unknown, at: string, reading: Reading): boolean {
  const { notes } = reading
  const changes: Change[] = []
  if (!isDeeper(value, nestingMax)) {
    const free = freeName(name, notes.extra, notes)
    const whole = storable(value, at, changes, reading)
    const bytes = Buffer.byteLength(JSON.stringify(free)) + Buffer.byteLength(JSON.stringify(whole)) + 2
    if (notes.extraBytes + bytes <= extraBytesMax) {
      notes.extra.set(free, whole)
      notes.extraBytes += bytes
      for (const { code, pointer } of changes) warn(code, pointer, reading)
      return true
    }
  }
  warn('extra-too-large', at, reading)
  return false
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1))
}

type Change = { code: 'text-repaired' | 'national-id-masked'; pointer: string }

/** A copy of a JSON value with every text and name well formed, and without national identity numbers in its texts; `changes` gets what is new. */
function storable(value: unknown, at: string, changes: Change[], reading: Reading): unknown {
  if (typeof value === 'string') {
    const whole = wellFormed(value)
    if (whole !== value) changes.push({ code: 'text-repaired', pointer: at })
    const masked = maskNationalIds(whole, reading.country)
    if (masked !== whole) changes.push({ code: 'national-id-masked', pointer: at })
    return masked
  }
  if (Array.isArray(value)) return value.map((each, index) => storable(each, `${at}/${index}`, changes, reading))
  if (typeof value !== 'object' || value === null) return value

  const members = new Map<string, unknown>()
  for (const [name, inner] of Object.entries(value)) {
    const whole = wellFormed(name)
    const pointer = `${at}/${escaped(whole)}`
    if (whole !== name) changes.push({ code: 'text-repaired', pointer })
    members.set(freeName(whole, members, reading.notes), storable(inner, pointer, changes, reading))
  }
  // Unlike an assignment, it makes `__proto__` a member like any other.
  return Object.fromEntries(members)
}

function freeName(wanted: string, taken: ReadonlyMap<string, unknown>, notes: Notes): string {
  let name = wanted
  while (taken.has(name)) name = `${wanted}\uFFFD${++notes.renamed}`
  return name
}

export const isStorable = (sent: string): boolean => wellFormed(sent) === sent

function wellFormed(sent: string): string {
  return sent.toWellFormed().replaceAll('\0', '\uFFFD')
}

function escaped(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1')
}

/** Adds a warning. One about a place too deep to be named is about the next one above it. */
export function warn(code: keyof typeof messages, at: string, { notes: { warnings } }: Reading): void {
  const pointer = at.length <= pointerLengthMax ? at : at.slice(0, at.lastIndexOf('/', pointerLengthMax))
  if (warnings.length < warningsMax) warnings.push({ code, pointer, message: messages[code] })
  else warnings[warningsMax - 1] = { code: 'too-many-warnings', pointer: '', message: messages['too-many-warnings'] }
}
