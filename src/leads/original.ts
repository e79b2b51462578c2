import { hash } from 'node:crypto'
import { decodeHTMLStrict } from 'entities'
import { wideEncodingOf } from '../encoding.ts'
import { givingWay } from '../slices.ts'
import { hasNationalIds, serialsIn } from './national-id.ts'

// What was sent is kept in whatever it was written in, and so is what is masked in it: a star has as many bytes as what
// stood there.

/** A text, and how a character of it, which is of ASCII, is written to where it stands. */
interface View {
  readonly text: string
  readonly put: (at: number, character: string) => void
}

/** So many times the bytes of a document are looked at, whatever it is wrapped in; those of a short one more often. */
const looksMax = 24
const charactersMin = 2_000_000
/** Longer than a national identity number in base64; a shorter one is a word. */
const base64LengthMin = 14
const star = '*'
/** What is read in one go, before others may get their turn. */
const tokensAtOnce = 1_024
/** The place in a text that is read anew, how long it is there, and where it begins and ends in what it was read in. */
const tokenSize = 4

/** One for all: the many documents of a batch take their time one after the other. */
const giveWay = givingWay()

interface Looking {
  readonly country: string
  /** What was looked at in this pass: hashes, since texts are long. */
  readonly seen: Set<string>
  /** So many characters more. */
  left: number
}
type Found = 'nothing' | 'numbers' | 'too much'

/**
 * The bytes of a document without the serials of national identity numbers of `country`, as many as there were; the
 * same buffer when there is none. Undefined when it is wrapped in so much that not all of it could be looked at.
 *
 * They are looked for in all that a reader might make of it, in turn and within each other: any encoding that has ASCII
 * in it, UTF-16 and UTF-32, character references, escapes of JSON, percent-encoding, quoted-printable, base64, and
 * between tags. What is masked too often in a copy is in the lead. In slices of time, so that others get their turn.
 */
export async function maskedOriginal(content: Buffer, country: string): Promise<Buffer | undefined> {
  if (!hasNationalIds(country)) return content
  let left = Math.max(looksMax * content.length, charactersMin)
  // Whatever is found is written at once, and all is looked at anew: no view is older than the bytes.
  for (let bytes = content; ;) {
    const masked = Buffer.from(bytes)
    const looking = { country, seen: new Set<string>(), left }
    const found = await maskWithin(rootOf(masked), looking)
    if (found === 'nothing') return bytes
    if (found === 'too much') return undefined
    bytes = masked
    left = looking.left
  }
}

/** In a text, and then in all that it may be unwrapped to: no more of that is kept than leads to where one looks. */
async function maskWithin(view: View, looking: Looking): Promise<Found> {
  const { seen } = looking
  const known = hash('sha256', view.text, 'base64')
  if (seen.has(known)) return 'nothing'
  seen.add(known)
  const plain = (await signed(view)) ?? view
  const found = await maskIn(plain, looking)
  if (found !== 'nothing') return found
  const untagged = dividedPattern.test(plain.text) ? await reread(plain, tagPattern, () => '') : undefined
  const between = untagged ? await maskIn(untagged, looking) : 'nothing'
  if (between !== 'nothing') return between
  for (const unwrap of unwrappings) {
    const inner = await unwrap(view)
    const found = inner ? await maskWithin(inner, looking) : 'nothing'
    if (found !== 'nothing') return found
  }
  return 'nothing'
}

async function maskIn({ text, put }: View, looking: Looking): Promise<Found> {
  if (looking.left <= 0) return 'too much'
  looking.left -= text.length + 1
  let found: Found = 'nothing'
  for (const { start, end } of serialsIn(text, looking.country)) {
    found = 'numbers'
    for (let at = start; at < end; at++) put(at, star)
    await giveWay()
  }
  await giveWay()
  return found
}

const tagPattern = /<!\[CDATA\[|\]\]>|<[^<>]*>/g
/** There may be digits with tags between them. */
const dividedPattern = /\d[^<>\w]{0,4}(?:<|\]\]>)/
/** A blank or a dash of UTF-8; else what is one letter of some encoding. */
const signPattern =
  /\xc2\xa0|\xe2\x80[\x80-\x95\xaf]|\xe2\x88\x92|(?:(?!\xc2\xa0|\xe2\x80[\x80-\x95\xaf]|\xe2\x88\x92)[\x80-\xff]){1,4}/g
/** Of UTF-8 or windows-1252; and whatever stands right behind a digit. */
const hasSign = /[\x96\x97\xa0]|\xe2\x80[\x90-\x95]|\xe2\x88\x92|\d[^\S\r\n]?[\x80-\xff]/
const isBlank = /^(?:\xc2?\xa0|\xe2\x80[\x80-\x8a\xaf]|\xa0+)$/
const escapePattern = /&(?:#\d{1,7}|#x[\da-f]{1,6}|[a-z][a-z\d]{1,30});|\\(?:u[\da-f]{4}|[^])|\0/gi
/** Any but an `&` that stands for itself. */
const hasEscape = /&(?!amp;(?![a-z#]))[a-z#]|\\|\0/i
const percentPattern = /%[\da-f]{2}|\++/gi
/** Where a `+` is a blank; elsewhere it stands before phone numbers. */
const formPattern = /%[\da-f]{2}|^[\w.[\]-]{1,64}=/i
const quotedPattern = /=(?:[\da-f]{2}|\r?\n)/gi

/** Letters that are none of ASCII are taken for a sign between digits, and matter nowhere else. */
const signed = async (view: View): Promise<View | undefined> =>
  hasSign.test(view.text) ? reread(view, signPattern, (bytes) => (isBlank.test(bytes) ? ' ' : '-')) : undefined

const unwrappings: readonly ((view: View) => Promise<View | undefined>)[] = [
  async (view) =>
    hasEscape.test(view.text)
      ? reread(view, escapePattern, (escape) => (escape === '\0' ? '' : characterOf(escape)))
      : undefined,
  async (view) =>
    formPattern.test(view.text)
      ? reread(view, percentPattern, (bytes) => (bytes.startsWith('+') ? ' '.repeat(bytes.length) : byteOf(bytes)))
      : undefined,
  (view) => reread(view, quotedPattern, (byte) => (byte.endsWith('\n') ? '' : byteOf(byte))),
  outOfBase64,
]

const byteOf = (written: string): string => String.fromCharCode(Number.parseInt(written.slice(1), 16))

const slashed = new Map(Object.entries({ n: '\n', r: '\r', t: '\t', b: '\b', f: '\f' }))

function characterOf(escape: string): string {
  if (escape.startsWith('&')) return decodeHTMLStrict(escape)
  const letter = escape.charAt(1)
  return escape.length === 2
    ? (slashed.get(letter) ?? letter)
    : String.fromCharCode(Number.parseInt(escape.slice(2), 16))
}

/** The same escape, as long as it was, of another character. */
function escapeLike(escape: string, character: string): string {
  const code = character.charCodeAt(0)
  const hex = code.toString(16)
  if (escape.startsWith('%') || escape.startsWith('=')) return escape.charAt(0) + hex.toUpperCase()
  if (escape.startsWith('\\')) return escape.length === 2 ? `\\${character}` : `\\u${hex.padStart(4, '0')}`
  if (/^&#x/i.test(escape)) return `${escape.slice(0, 3)}${hex.padStart(escape.length - 4, '0')};`
  return `&#${String(code).padStart(escape.length - 3, '0')};`
}

/** A text in which what fits `pattern` is read as something else. Undefined when nothing does. */
async function reread(outer: View, pattern: RegExp, read: (token: string) => string): Promise<View | undefined> {
  const { text } = outer
  let tokens = new Int32Array(tokenSize * 16)
  let count = 0
  let inner = ''
  let parts: string[] = []
  let end = 0
  let at = 0
  for (const { 0: token, index } of text.matchAll(pattern)) {
    const said = read(token)
    parts.push(text.slice(end, index), said)
    at += index - end
    end = index + token.length
    if (count * tokenSize === tokens.length) tokens = twiceAsLong(tokens)
    tokens.set([at, said.length, index, end], count++ * tokenSize)
    at += said.length
    if (count % tokensAtOnce > 0) continue
    inner += parts.join('')
    parts = []
    await giveWay()
  }
  if (count === 0) return undefined
  parts.push(text.slice(end))
  return {
    text: inner + parts.join(''),
    put: (place, character) => {
      const last = lastUpTo(place, count, (row) => tokens[row * tokenSize] ?? 0)
      if (last < 0) return outer.put(place, character)
      const [at = 0, length = 0, start = 0, end = 0] = tokens.subarray(last * tokenSize, (last + 1) * tokenSize)
      const beyond = place - at - length
      if (beyond >= 0) return outer.put(end + beyond, character)
      const escape = text.slice(start, end)
      write(outer, start, escape, escapeLike(escape, character))
    },
  }
}

function twiceAsLong(numbers: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const longer = new Int32Array(numbers.length * 2)
  longer.set(numbers)
  return longer
}

function write(outer: View, start: number, before: string, after: string): void {
  for (let at = 0; at < after.length; at++) if (after[at] !== before[at]) outer.put(start + at, after.charAt(at))
}

/** Which of `count` is the last that begins at `place` or before it; -1 when none does. */
function lastUpTo(place: number, count: number, beginOf: (which: number) => number): number {
  let [low, high] = [0, count]
  while (low < high) {
    const middle = (low + high) >> 1
    if (beginOf(middle) <= place) low = middle + 1
    else high = middle
  }
  return low - 1
}

const rootOf = (bytes: Buffer): View => textOf(bytes, (at, character) => void (bytes[at] = character.charCodeAt(0)))

/** One character for each byte, or for each two or four, where they show themselves as that. */
function textOf(bytes: Buffer, put: View['put']): View {
  const wide = wideEncodingOf(bytes)
  if (!wide) return { text: bytes.toString('latin1'), put }
  const size = wide.startsWith('utf-16') ? 2 : 4
  const isLittle = wide.endsWith('le')
  const units = new Uint16Array(Math.floor(bytes.length / size))
  for (let at = 0; at < units.length; at++) {
    const low = bytes[at * size + (isLittle ? 0 : size - 1)] ?? 0
    const high = bytes[at * size + (isLittle ? 1 : size - 2)] ?? 0
    units[at] = low | (high << 8)
  }
  const text = Buffer.from(units.buffer).toString('utf16le')
  return { text, put: (at, character) => put(at * size + (isLittle ? 0 : size - 1), character) }
}

const base64Digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
const values = new Int8Array(256).fill(-1)
for (const [value, digit] of [...base64Digits, '+', '/'].entries()) values[digit.charCodeAt(0)] = value
values['-'.charCodeAt(0)] = 62
values['_'.charCodeAt(0)] = 63

/** All that is, or might be, base64 in a text, one behind the other. */
async function outOfBase64(outer: View): Promise<View | undefined> {
  const parts: (View & { at: number })[] = []
  let at = 0
  for (const run of base64RunsIn(outer.text)) {
    await giveWay()
    const part = decodedRun(outer, run)
    if (!part) continue
    parts.push({ ...part, at })
    at += part.text.length + 1
  }
  if (parts.length === 0) return undefined
  return {
    text: parts.map(({ text }) => text).join('\n'),
    put: (place, character) => {
      const part = parts[lastUpTo(place, parts.length, (which) => parts[which]?.at ?? 0)]
      part?.put(place - part.at, character)
    },
  }
}

/** The places of the digits of each run. One goes on behind the end of a line, but not behind an empty one. */
function* base64RunsIn(text: string): Generator<Int32Array> {
  const places = new Int32Array(text.length)
  let count = 0
  /** What of a run that begins within a line is on its first line: perhaps a header stands there. */
  let ofFirstLine = 0
  let isWithinLine = false
  const end = function* () {
    if (count >= base64LengthMin) yield places.slice(0, count)
    if (isWithinLine && ofFirstLine > 0 && count - ofFirstLine >= base64LengthMin)
      yield places.slice(ofFirstLine, count)
    count = ofFirstLine = 0
  }
  for (let at = 0, previous = 0x0a; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code < 256 && (values[code] ?? -1) >= 0) {
      if (count === 0) isWithinLine = previous !== 0x0a
      places[count++] = at
    } else if (code === 0x0a && previous !== 0x0a) ofFirstLine ||= count
    else if (code !== 0x0d && count > 0) yield* end()
    if (code !== 0x0d) previous = code
  }
  yield* end()
}

const looksOfWord = 24
/** Whether it begins with controls that no text has, as what is no base64 mostly does. */
const isNoText = (text: string): boolean =>
  [...text.slice(0, looksOfWord)].some((character) => character < ' ' && character !== '\0' && character.trim() !== '')

/** Undefined for a word: there is nothing to read in it. */
function decodedRun(outer: View, places: Int32Array): View | undefined {
  let digits = ''
  for (let at = 0; at < places.length; at += 4096)
    digits += String.fromCharCode(...places.subarray(at, at + 4096).map((place) => outer.text.charCodeAt(place)))
  const bytes = Buffer.from(digits, 'base64')
  const alphabet = base64Digits + (/[-_]/.test(digits) ? '-_' : '+/')
  const view = textOf(bytes, (at, character) => {
    bytes[at] = character.charCodeAt(0)
    const group = Math.floor(at / 3)
    const bits = ((bytes[group * 3] ?? 0) << 16) | ((bytes[group * 3 + 1] ?? 0) << 8) | (bytes[group * 3 + 2] ?? 0)
    for (let digit = 0; digit < 4; digit++) {
      const place = places[group * 4 + digit]
      if (place !== undefined) outer.put(place, alphabet.charAt((bits >> (18 - 6 * digit)) & 63))
    }
  })
  return isNoText(view.text) ? undefined : view
}
