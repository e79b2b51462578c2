import { isUtf8 } from 'node:buffer'
import { decoded, wideEncodingOf } from './encoding.ts'

export const depthMax = 64
// Any decimal of so many digits, with an exponent of so many, is a double of its own.
const digitsMax = 15
const exponentDigitsMax = 2
// Longer than a warning can name; as much again for what stands around it in a batch.
const pointerLengthMax = 1024
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
  /** The JSON Pointers of entries of lists that were too large to be read. */
  readonly tooLarge?: readonly string[]
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
  const isPlain = (charset === undefined || charset === 'utf-8') && isUtf8(bytes) && !wideEncodingOf(bytes)
  const { text, asClaimed } = isPlain
    ? { text: textOf(bytes), asClaimed: true }
    : decoded(bytes, () => charset ?? 'utf-8')
  const json = isPlain ? bytes : Buffer.from(text)
  const { members, mayBeLong } = glance(json)
  const { value, longNumbers } = mayBeLong ? parsedExactly(text) : { value: parsed(text) }
  const repeated = members === membersIn(value) ? [] : repeatedIn(json)
  if (asClaimed && !longNumbers && repeated.length === 0) return { value }
  return { value, faults: { isMisencoded: !asClaimed, ...(longNumbers && { longNumbers }), repeated } }
}

const textOf = (utf8: Buffer): string => utf8.toString('utf8', utf8[0] === 0xef ? 3 : 0)

/** Counts the members of all objects, and says whether some number may be one that no double can be. */
function glance(json: Buffer): { members: number; mayBeLong: boolean } {
  let mayBeLong = false
  let depth = 0
  let quoted = false
  let members = 0
  for (let at = 0; at < json.length; at++) {
    const byte = json[at] ?? 0
    if (quoted) {
      if (byte === 0x5c) at++
      else if (byte === 0x22) quoted = false
    } else if (byte === 0x22) quoted = true
    else if (byte === 0x3a) members++
    else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > depthMax) throw Object.assign(new Error('too deep'), { type: 'json.too.deep' })
    } else if (byte === 0x7d || byte === 0x5d) depth--
    else if (byte >= 0x30 && byte <= 0x39) {
      let digits = 0
      let exponentDigits = 0
      let isExponent = false
      for (; ; at++) {
        const each = json[at] ?? 0
        if (each >= 0x30 && each <= 0x39) {
          if (isExponent) exponentDigits++
          else digits++
        } else if ((each | 0x20) === 0x65) isExponent = true
        else if (each !== 0x2e && each !== 0x2b && each !== 0x2d) break
      }
      mayBeLong ||= digits > digitsMax || exponentDigits > exponentDigitsMax
      at--
    }
  }
  return { members, mayBeLong }
}

type Reviver = (this: object, name: string, value: unknown, context: { source?: string }) => unknown

function parsed(text: string, reviver?: Reviver): unknown {
  try {
    // The cast: TypeScript does not know yet that a reviver is told how a value stood in the text (ECMA-262).
    return JSON.parse(text, reviver as Parameters<typeof JSON.parse>[1])
  } catch (error) {
    throw Object.assign(error as SyntaxError, { type: 'entity.parse.failed', body: text })
  }
}

/** Infinity becomes the largest number. */
function parsedExactly(text: string): { value: unknown; longNumbers?: LongNumbers } {
  const longNumbers = new Map<object, Map<string, string>>()
  const value = parsed(text, function (name, each, { source }) {
    if (typeof each !== 'number' || source === undefined || isExact(source)) return each
    const others = longNumbers.get(this)
    if (others) others.set(name, source)
    else longNumbers.set(this, new Map([[name, source]]))
    return Math.max(-Number.MAX_VALUE, Math.min(each, Number.MAX_VALUE))
  })
  return longNumbers.size > 0 ? { value, longNumbers } : { value }
}

/** Whether a double says the number that is written, and not only one near to it. */
export function isExact(source: string): boolean {
  const value = Number(source)
  const written = String(value)
  if (source === written) return true
  if (!Number.isFinite(value)) return false
  const size = Math.abs(value)
  if (source.length <= digitsMax && size > 1e-300 && size < 1e300) return true
  const areIntegers = /^-?\d+$/.test(source) && size >= 1 && size < 1e21
  return !areIntegers && canonicalDecimal(source) === canonicalDecimal(written)
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
  const add = (path: readonly string[], { isRepeated }: Place) => {
    if (isRepeated) repeated.add(pointerOf(path))
    return repeated.size === repeatedMax
  }
  walkJson(json, add, { tellsRepeated: true })
  return [...repeated]
}

/** As long as it must be to show that it is too long. */
function pointerOf(path: readonly string[]): string {
  let pointer = ''
  for (const name of path)
    if (pointer.length <= pointerLengthMax) pointer = pointerTo(pointer, name.slice(0, pointerLengthMax))
  return pointer
}

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

interface Walk {
  /** Whether to go into the object or list that begins there. */
  enters?: (path: readonly string[], start: number) => boolean
  tellsRepeated?: boolean
}

/**
 * Calls `visit` for each value, with the names of where it stands and its bytes, until it says true. The text must be
 * valid JSON in UTF-8, or in something like it that has ASCII where UTF-8 has it.
 */
export function walkJson(
  json: Buffer,
  visit: (path: readonly string[], place: Place) => unknown,
  { enters = () => true, tellsRepeated = false }: Walk = {},
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
    if (!(isObject || opening === 0x5b) || !enters(path, start)) skipValue()
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
        walkValue(names.has(name))
        path.pop()
        if (isObject && tellsRepeated) names.add(name)
      }
      at++
    }
    if (visit(path, { start, end: at, isRepeated }) === true) at = json.length
  }
  walkValue(false)
}

/** Whether a number or word, or a value that has ended, has its end before this byte. */
const isAfterValue = (byte: number | undefined): boolean =>
  byte === undefined || byte <= 0x20 || byte === 0x2c || byte === 0x7d || byte === 0x5d || byte === 0x3a
