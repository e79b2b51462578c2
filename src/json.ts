import { isUtf8 } from 'node:buffer'
import { decoded, wideEncodingOf } from './encoding.ts'

export const depthMax = 64
// Any decimal with so many digits is a double of its own.
const digitsMax = 15
const repeatedMax = 10_000

/** Numbers as they stood in a text: by the object or list that holds them, and their name there. */
export type LongNumbers = ReadonlyMap<object, ReadonlyMap<string, string>>

/** What of a JSON text is not in the values that were read from it. */
export interface JsonFaults {
  /** The bytes are not in the encoding that they claim. */
  readonly isMisencoded: boolean
  /** Numbers that are not what a double can be. */
  readonly longNumbers?: LongNumbers
  /** The JSON Pointers of members that an object names again; the last of a name is the one that was read. */
  readonly repeated: readonly string[]
}

/**
 * Reads JSON in whatever encoding it is in, and says what it lost by that; a glance at the bytes shows that nothing was
 * lost, as nearly always.
 *
 * @param charset what Content-Type says.
 * @throws {Error} of the type `json.too.deep`, for what walks a body may recurse, or `entity.parse.failed`, with the
 *   text as `body`.
 */
export function readJson(bytes: Buffer, charset?: string): { value: unknown; faults?: JsonFaults } {
  const isPlain = (charset === undefined || /^utf-?8$/.test(charset)) && isUtf8(bytes) && !wideEncodingOf(bytes)
  const { text, asClaimed } = isPlain
    ? { text: textOf(bytes), asClaimed: true }
    : decoded(bytes, () => charset ?? 'utf-8')
  const glimpsed = glance(isPlain ? bytes : Buffer.from(text))
  const { value, longNumbers } = glimpsed.hasLongNumber
    ? exactly(text)
    : { value: parsed(text), longNumbers: undefined }
  const repeated = glimpsed.members === membersIn(value) ? [] : repeatedIn(Buffer.from(text))
  if (asClaimed && !longNumbers && repeated.length === 0) return { value }
  return { value, faults: { isMisencoded: !asClaimed, ...(longNumbers && { longNumbers }), repeated } }
}

const textOf = (utf8: Buffer): string => utf8.toString('utf8', utf8[0] === 0xef ? 3 : 0)

/** Counts the members of all objects, and looks for numbers that may be too long. */
function glance(json: Buffer): { members: number; hasLongNumber: boolean } {
  let depth = 0
  let quoted = false
  let members = 0
  let digits = 0
  let hasLongNumber = false
  for (let at = 0; at < json.length; at++) {
    const byte = json[at] ?? 0
    if (quoted) {
      if (byte === 0x5c) at++
      else if (byte === 0x22) quoted = false
    } else if (byte >= 0x30 && byte <= 0x39) {
      if (++digits > digitsMax) hasLongNumber = true
    } else if (byte !== 0x2e) {
      // An exponent.
      if ((byte | 0x20) === 0x65 && digits > 0) hasLongNumber = true
      digits = 0
      if (byte === 0x22) quoted = true
      else if (byte === 0x3a) members++
      else if (byte === 0x7b || byte === 0x5b) {
        if (++depth > depthMax) throw Object.assign(new Error('too deep'), { type: 'json.too.deep' })
      } else if (byte === 0x7d || byte === 0x5d) depth--
    }
  }
  return { members, hasLongNumber }
}

type Reviver = (this: object, name: string, value: unknown, context: { source?: string }) => unknown

function parsed(text: string, reviver?: Reviver): unknown {
  try {
    // The cast: the library of TypeScript does not know the third parameter yet.
    return JSON.parse(text, reviver as Parameters<typeof JSON.parse>[1])
  } catch (error) {
    throw Object.assign(error as SyntaxError, { type: 'entity.parse.failed', body: text })
  }
}

/** As `JSON.parse` reads it, but for infinity, which becomes the largest number. */
function exactly(text: string): { value: unknown; longNumbers: LongNumbers | undefined } {
  const longNumbers = new Map<object, Map<string, string>>()
  const value = parsed(text, function (name, each, { source = '' }) {
    if (typeof each !== 'number' || isExact(source, each)) return each
    const others = longNumbers.get(this)
    if (others) others.set(name, source)
    else longNumbers.set(this, new Map([[name, source]]))
    return Math.max(-Number.MAX_VALUE, Math.min(each, Number.MAX_VALUE))
  })
  return { value, longNumbers: longNumbers.size > 0 ? longNumbers : undefined }
}

/** Whether a number as it is written is that double, and not only near to it. */
export function isExact(source: string, value: number): boolean {
  const written = String(value)
  return source === written || (Number.isFinite(value) && canonicalDecimal(source) === canonicalDecimal(written))
}

/** The same for two spellings of one number, but for their sign. */
export function canonicalDecimal(decimal: string): string {
  const [, whole = '', fraction = '', exponent = '0'] = /^-?(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i.exec(decimal) ?? []
  const digits = whole + fraction
  let start = 0
  while (digits[start] === '0') start++
  let end = digits.length
  while (end > start && digits[end - 1] === '0') end--
  if (start === end) return '0'
  return `${digits.slice(start, end)}e${Number(exponent) - fraction.length + (digits.length - end)}`
}

function membersIn(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  let members = 0
  if (Array.isArray(value)) for (const each of value) members += membersIn(each)
  // The cast: an object of JSON has its members by their names.
  else for (const name in value) members += 1 + membersIn((value as Record<string, unknown>)[name])
  return members
}

function repeatedIn(json: Buffer): string[] {
  const repeated = new Set<string>()
  walkJson(json, (path, { isRepeated }) => {
    if (isRepeated && repeated.size < repeatedMax) repeated.add(pointerOf(path))
  })
  return [...repeated]
}

const pointerOf = (path: readonly string[]): string => path.map((name) => pointerTo('', name)).join('')

/** The JSON Pointer to a member (RFC 6901, section 3). */
export function pointerTo(parent: string, name: string): string {
  return `${parent}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`
}

interface Place {
  start: number
  end: number
  /** Its object has named a member like this before. */
  isRepeated: boolean
}

/**
 * Calls `visit` for each value that stands `levels` deep at the most, with the names of where it stands and its bytes.
 * The text must be valid JSON in UTF-8, or in something like it that has ASCII where UTF-8 has it.
 */
export function walkJson(
  json: Buffer,
  visit: (path: readonly string[], place: Place) => void,
  levels = depthMax,
): void {
  const path: string[] = []
  let at = json[0] === 0xef ? 3 : 0

  const skipBlanks = () => {
    while (json[at] === 0x20 || json[at] === 0x0a || json[at] === 0x0d || json[at] === 0x09) at++
  }
  const skipText = () => {
    for (at++; json[at] !== 0x22 && at < json.length; at++) if (json[at] === 0x5c) at++
    at++
  }
  /** Goes to the end of the value that begins here. */
  const skipValue = () => {
    let depth = 0
    do {
      const byte = json[at]
      if (byte === 0x22) skipText()
      else {
        if (byte === 0x7b || byte === 0x5b) depth++
        else if (byte === 0x7d || byte === 0x5d) depth--
        at++
      }
    } while (at < json.length && (depth > 0 || !isAfterValue(json[at])))
  }
  const nameHere = (): string => {
    const start = at
    skipText()
    const quoted = json.toString('utf8', start, at)
    return quoted.includes('\\') ? JSON.parse(quoted) : quoted.slice(1, -1)
  }

  const walkValue = (isRepeated: boolean) => {
    skipBlanks()
    const start = at
    const opening = json[at]
    const isObject = opening === 0x7b
    if (path.length === levels || !(isObject || opening === 0x5b)) skipValue()
    else {
      const names = new Set<string>()
      at++
      for (let index = 0; ; index++) {
        skipBlanks()
        if (json[at] === 0x2c) {
          at++
          skipBlanks()
        }
        if (json[at] === 0x7d || json[at] === 0x5d || at >= json.length) break
        const name = isObject ? nameHere() : String(index)
        skipBlanks()
        if (isObject) at++
        path.push(name)
        walkValue(isObject && names.has(name))
        path.pop()
        if (isObject) names.add(name)
      }
      at++
    }
    visit(path, { start, end: at, isRepeated })
  }
  walkValue(false)
}

/** Whether a number or word, or a value that has ended, has its end before this byte. */
const isAfterValue = (byte: number | undefined): boolean =>
  byte === undefined || byte <= 0x20 || byte === 0x2c || byte === 0x7d || byte === 0x5d || byte === 0x3a
