import { isUtf8 } from 'node:buffer'
import { decoded, wideEncodingOf } from './encoding.ts'

const depthMax = 64
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
  const { members, holders } = glance(json)
  const value = parsed(text)
  const longNumbers = holders.size > 0 ? longNumbersIn(json, holders, value) : undefined
  const repeated = members === membersIn(value) ? [] : repeatedIn(json)
  if (asClaimed && !longNumbers && repeated.length === 0) return { value }
  return { value, faults: { isMisencoded: !asClaimed, ...(longNumbers && { longNumbers }), repeated } }
}

const textOf = (utf8: Buffer): string => utf8.toString('utf8', utf8[0] === 0xef ? 3 : 0)

/**
 * Counts the members of all objects, and finds the objects and lists that hold a number which no double can be, or hold
 * such a holder: `holders` are the places where they begin.
 */
function glance(json: Buffer): { members: number; holders: ReadonlySet<number> } {
  const holders = new Set<number>()
  const open: number[] = []
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
      if (open.push(at) > depthMax) throw Object.assign(new Error('too deep'), { type: 'json.too.deep' })
    } else if (byte === 0x7d || byte === 0x5d) open.pop()
    else if (byte >= 0x30 && byte <= 0x39) {
      const start = at
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
      const mayBeLong = digits > digitsMax || exponentDigits > exponentDigitsMax
      if (mayBeLong && !isExact(json.toString('latin1', start, at)))
        for (let outer = open.length - 1; outer >= 0 && !holders.has(open[outer] ?? 0); outer--)
          holders.add(open[outer] ?? 0)
      at--
    }
  }
  return { members, holders }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw Object.assign(error as SyntaxError, { type: 'entity.parse.failed', body: text })
  }
}

/** Takes infinity out of `value`: it becomes the largest number. */
function longNumbersIn(json: Buffer, holders: ReadonlySet<number>, value: unknown): LongNumbers {
  const longNumbers = new Map<object, Map<string, string>>()
  const note = (path: readonly string[], { start, end }: Place) => {
    const byte = json[start] ?? 0
    if (byte !== 0x2d && (byte < 0x30 || byte > 0x39)) return
    const source = json.toString('latin1', start, end)
    if (isExact(source)) return
    const name = path.at(-1) ?? ''
    const holder = path.slice(0, -1).reduce(memberOf, value)
    // Of a member that is there twice the last was read, which may be something else.
    if (!isHolder(holder) || memberOf(holder, name) !== Number(source)) return
    const others = longNumbers.get(holder)
    if (others) others.set(name, source)
    else longNumbers.set(holder, new Map([[name, source]]))
  }
  walkJson(json, note, { enters: (_path, start) => holders.has(start) })
  for (const [holder, names] of longNumbers)
    for (const [name, source] of names)
      if (isHolder(holder)) holder[name] = Math.max(-Number.MAX_VALUE, Math.min(Number(source), Number.MAX_VALUE))
  return longNumbers
}

const isHolder = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null
const memberOf = (value: unknown, name: string): unknown =>
  isHolder(value) && Object.hasOwn(value, name) ? value[name] : undefined

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
