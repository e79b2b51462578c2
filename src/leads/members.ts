import { keep, keepUnknown } from './extra.ts'
import { maskNationalIds } from './national-id.ts'
import type { Reading } from './reading.ts'
import { bare, wellFormed } from './text.ts'
import { type Instant, instantIn } from './time.ts'
import { warn } from './warnings.ts'

/** Reads a value that was sent at the JSON Pointer `at`; undefined leaves it out. */
type Reader<Sent, Read> = (sent: Sent, at: string, reading: Reading) => Read

/** The members of `Sent`, as required or optional as there, each of the type that it has in `Read`. */
type As<Sent, Read> = { [Name in keyof Sent]: Name extends keyof Read ? Read[Name] : never }
type Members<Sent, Read> = { [Name in keyof Sent]-?: Reader<NonNullable<Sent[Name]>, As<Sent, Read>[Name]> }

/** Reads an object member by member; what `members` does not name goes to `extra`. */
export function objectOf<Sent extends object, Read = Sent>(members: Members<Sent, Read>): Reader<Sent, As<Sent, Read>> {
  // A Map, because senders may call a member `constructor`. Each reader gets the value of its own member: the schema
  // has checked the types.
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

/**
 * Reads a word; one that `words` does not know becomes `unknown` and is kept in `extra`. A blank one counts as left
 * out.
 */
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

/**
 * A time as RFC 3339 with milliseconds and the offset it was sent with, or as it was sent when it is not understood.
 */
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

function instantOf(said: string, at: string, reading: Reading): Instant | undefined {
  const instant = instantIn(said, reading.timeZone)
  if (!instant) warn('date-not-understood', at, reading)
  if (instant?.isAssumed) warn('date-without-offset', at, reading)
  return instant
}
