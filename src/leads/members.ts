import { isUnset } from './external-reference.ts'
import { keep, keepUnknown } from './extra.ts'
import { plainLine, plainLines } from './markup.ts'
import { maskNationalIds } from './national-id.ts'
import { isPlaceholder } from './placeholder.ts'
import type { Reading } from './reading.ts'
import { bare, wellFormed } from './text.ts'
import { type Instant, instantIn } from './time.ts'
import { cut, warn } from './warnings.ts'

/** Reads a value that was sent at the JSON Pointer `at`; undefined leaves it out. */
type Reader<Sent, Read> = (sent: Sent, at: string, reading: Reading) => Read

/**
 * The members of `Sent`, as required or optional as there, each of the type that it has in `Read`. One that may be sent
 * as null may be missing.
 */
type As<Sent, Read> = {
  [Name in keyof Sent]: Name extends keyof Read ? Read[Name] | (null extends Sent[Name] ? undefined : never) : never
}
type Members<Sent, Read> = { [Name in keyof Sent]-?: Reader<NonNullable<Sent[Name]>, As<Sent, Read>[Name]> }

/** Reads an object member by member, where null counts as left out; what `members` does not name goes to `extra`. */
export function objectOf<Sent extends object | null, Read>(
  members: Members<NonNullable<Sent>, Read>,
): Reader<NonNullable<Sent>, As<NonNullable<Sent>, Read>> {
  // A Map, because senders may call a member `constructor`. Each reader gets the value of its own member: the schema
  // has checked the types.
  const readers = new Map(Object.entries(members) as [string, Reader<unknown, unknown>][])
  return (sent, at, reading) => {
    const read: Record<string, unknown> = {}
    const longNumbers = reading.longNumbers?.get(sent)
    for (const name of Object.keys(sent)) {
      // The cast: it has this name.
      const value = (sent as Record<string, unknown>)[name]
      if (value === undefined || value === null) continue
      const reader = readers.get(name)
      const longNumber = longNumbers?.get(name)
      if (reader && longNumber !== undefined) {
        if (keep(`${at}/${name}`, longNumber, `${at}/${name}`, reading)) warn('number-long', `${at}/${name}`, reading)
      } else if (reader) {
        const result = reader(value, `${at}/${name}`, reading)
        if (result !== undefined) read[name] = result
      } else {
        keepUnknown(name, value, longNumber, at, reading)
      }
    }
    // Made by the readers of exactly these members.
    return read as As<NonNullable<Sent>, Read>
  }
}

type With<Read, Needed extends keyof Read> = Read & { [Name in Needed]: NonNullable<Read[Name]> }

/** Leaves out an object without one of the members `needed`: it says nothing. What else it says is kept in `extra`. */
export function needing<Sent, Read extends object, Needed extends keyof Read>(
  needed: readonly Needed[],
  object: Reader<Sent, Read>,
): Reader<Sent, With<Read, Needed> | undefined> {
  return (sent, at, reading) => {
    const read = object(sent, at, reading)
    // The cast: that is what has just been looked at.
    if (needed.every((name) => read[name] !== undefined)) return read as With<Read, Needed>
    if (!isEmpty(read) && keep(at, read, at, reading)) warn('incomplete', at, reading)
    return undefined
  }
}

/** As many as a lead has room for. An entry that says nothing is left out. */
export function listOf<Sent, Read>(
  item: Reader<Sent, Read | undefined>,
  { maxItems }: { maxItems: number },
): Reader<readonly (Sent | null)[], Read[]> {
  return (sent, at, reading) => {
    const read: Read[] = []
    for (let index = 0; index < sent.length; index++) {
      const each = sent[index] ?? null
      if (each === null) continue
      if (read.length === maxItems) {
        warn('too-many', `${at}/${index}`, reading)
        break
      }
      const result = item(each, `${at}/${index}`, reading)
      if (result !== undefined && !isEmpty(result)) read.push(result)
    }
    return read
  }
}

const isEmpty = (read: unknown): boolean => typeof read === 'object' && read !== null && Object.keys(read).length === 0

export const asSent = <Value>(sent: Value): Value => sent

/** A number that can be; another one goes to `extra`. */
export function number(
  { minimum, maximum }: { minimum: number; maximum: number },
  isOne: (sent: number) => boolean = Number.isFinite,
): Reader<number, number | undefined> {
  return (sent, at, reading) => {
    if (isOne(sent) && sent >= minimum && sent <= maximum) return sent
    warn('number-odd', at, reading)
    keep(at, String(sent), at, reading)
    return undefined
  }
}

interface TextLimit {
  maxLength: number
}

/** A text that programs write, as it was sent; of a longer one as much as a lead has room for. */
export function text({ maxLength }: TextLimit): Reader<string, string | undefined> {
  return (sent, at, reading) => {
    const said = storable(sent, at, reading)
    return isNothing(said, at, reading) ? undefined : cut(masked(said, at, reading, 'program'), maxLength, at, reading)
  }
}

/** What people write on one line, as it reads; national identity numbers are masked in it. */
export function line({ maxLength }: TextLimit): Reader<string, string | undefined> {
  return (sent, at, reading) => {
    const said = wholeLine(sent, at, reading)
    return said === undefined ? undefined : cut(masked(said, at, reading), maxLength, at, reading)
  }
}

/** What tells one thing from all others; what programs write for no value (`0`, `-1`) does not, and goes to `extra`. */
export function identifier({ maxLength }: TextLimit): Reader<string, string | undefined> {
  return (sent, at, reading) => {
    const said = shownLine(sent, at, reading)
    if (said.trim() === '' || !isUnset(said.trim()))
      return cut(masked(said, at, reading, 'program'), maxLength, at, reading)
    keep(at, said, at, reading)
    return undefined
  }
}

/** Of any length, to be looked at. */
export function wholeLine(sent: string, at: string, reading: Reading): string | undefined {
  const said = shownLine(sent, at, reading)
  return isNothing(said, at, reading) ? undefined : said
}

/** A line in which words for nothing may be meant. */
export function lineAsSaid({ maxLength }: TextLimit): Reader<string, string> {
  return (sent, at, reading) => cut(masked(shownLine(sent, at, reading), at, reading), maxLength, at, reading)
}

/** What people write as they like, as it reads; national identity numbers of the dealer's country are masked in it. */
export function freeText({ maxLength }: TextLimit): Reader<string, string | undefined> {
  return (sent, at, reading) => {
    const said = shown(plainLines, sent, at, reading)
    return isNothing(said, at, reading) ? undefined : cut(masked(said, at, reading), maxLength, at, reading)
  }
}

/** A text that has to be proven one day: but for national identity numbers it is as it was sent. */
export function exactText({ maxLength }: TextLimit): Reader<string, string> {
  return (sent, at, reading) => cut(masked(storable(sent, at, reading), at, reading), maxLength, at, reading)
}

function masked(said: string, at: string, reading: Reading, as: 'person' | 'program' = 'person'): string {
  const whole = maskNationalIds(said, reading.country, as)
  if (whole !== said) warn('national-id-masked', at, reading)
  return whole
}

export function shownLine(sent: string, at: string, reading: Reading): string {
  return shown(plainLine, sent, at, reading)
}

function shown(plain: (text: string) => string | undefined, sent: string, at: string, reading: Reading): string {
  const said = storable(sent, at, reading)
  const read = plain(said)
  if (read === undefined) return said
  warn('markup-removed', at, reading)
  // A character reference may stand for one that cannot be stored.
  return wellFormed(read)
}

/** Whether it is a word for nothing, which is left out and kept in `extra`. A blank text is as it was sent. */
export function isNothing(said: string, at: string, reading: Reading): boolean {
  const isWord = isPlaceholder(said) && said.trim() !== ''
  if (isWord) keep(at, said, at, reading)
  return isWord
}

/** A text of any length, to be looked at; what is kept of it must be cut. */
export function storable(sent: string, at: string, reading: Reading): string {
  const whole = wellFormed(sent)
  if (whole !== sent) warn('text-repaired', at, reading)
  return whole
}

/**
 * Reads a word; one that `words` does not know becomes `unknown` and is kept in `extra`. A blank one counts as left
 * out.
 */
export function wordOf<Word extends string>(
  words: ReadonlyMap<string, Word>,
  unknown?: Word,
): Reader<string, Word | undefined> {
  return (sent, at, reading) => {
    const said = storable(sent, at, reading)
    if (said.trim() === '') return undefined
    const word = words.get(said) ?? words.get(bare(said))
    if (word) return word
    if (isNothing(said, at, reading)) return undefined
    warn('word-unknown', at, reading)
    keep(at, said, at, reading)
    return unknown
  }
}

/** A time as RFC 3339 with milliseconds and the offset it was sent with; one that is not understood goes to `extra`. */
export function time(sent: string, at: string, reading: Reading): string | undefined {
  return instantOf(sent, at, reading)?.local
}

/** A time as RFC 3339 in UTC with milliseconds; one that is not understood goes to `extra`. */
export function utcTime(sent: string, at: string, reading: Reading): string | undefined {
  return instantOf(sent, at, reading)?.utc
}

function instantOf(sent: string, at: string, reading: Reading): Instant | undefined {
  const said = storable(sent, at, reading)
  if (isNothing(said, at, reading)) return undefined
  const instant = instantIn(said, reading.timeZone)
  if (!instant) warn('date-not-understood', at, reading)
  if (instant?.isConverted) warn('converted', at, reading)
  if (!instant || instant.isConverted) keep(at, said, at, reading)
  if (instant?.isAssumed) warn('date-without-offset', at, reading)
  return instant
}
