import { isUtf8 } from 'node:buffer'

type Wide = 'utf-16le' | 'utf-16be' | 'utf-32le' | 'utf-32be'

/** Where a text says what encoding it is in. */
const startBytesMax = 1024
const mendedAtOnce = 128 * 1024
/** More than the longest letter has, which is a pair of surrogates, and what may follow it. */
const letterBytesMax = 16

const wideClaim = /16|32|ucs|unicode/i
const byteOrderMark = '\uFEFF'
/** Its 256 characters. */
export const windows1252 = new TextDecoder('windows-1252').decode(Uint8Array.from({ length: 256 }, (_, byte) => byte))

/**
 * The text that is in bytes of JSON or XML, in whatever encoding they are; where there is none, UTF-8 as far as it
 * goes. `asClaimed`: it is the one that they claim, and nothing had to be mended.
 *
 * @param claimIn the label of the encoding that they claim, which may stand in the text itself; undefined when they
 *   claim none, which is right for UTF-8 and for what shows itself.
 */
export function decoded(bytes: Buffer, claimIn: (start: string) => string | undefined): Decoded {
  return decodedAsItIs(bytes, claimIn) ?? { text: withoutMark(mended(bytes)), asClaimed: false }
}

/** The same of many bytes: what takes long is done in slices of time. */
export async function decodedInSlices(
  bytes: Buffer,
  claimIn: (start: string) => string | undefined,
  giveWay: () => Promise<void> | undefined,
): Promise<Decoded> {
  const known = decodedAsItIs(bytes, claimIn)
  if (known) return known
  const parts: string[] = []
  for (let start = 0; start < bytes.length;) {
    const end = endOfLetter(bytes, start + mendedAtOnce)
    parts.push(mended(bytes.subarray(start, end)))
    start = end
    await giveWay()
  }
  return { text: withoutMark(parts.join('')), asClaimed: false }
}

interface Decoded {
  text: string
  asClaimed: boolean
}

/** Undefined when it must be mended. */
function decodedAsItIs(bytes: Buffer, claimIn: (start: string) => string | undefined): Decoded | undefined {
  const wide = wideEncodingOf(bytes)
  if (wide) {
    const { text, isWhole } = decodedWide(wide, bytes)
    const claim = claimIn(text.slice(0, startBytesMax))
    return { text, asClaimed: isWhole && (claim === undefined || wideClaim.test(claim)) }
  }

  const claimed = encodingCalled(claimIn(bytes.toString('latin1', 0, startBytesMax)) ?? 'utf-8')
  const utf8 = isUtf8(bytes) ? withoutMark(bytes.toString('utf8')) : undefined
  // Text in another encoding is practically never valid UTF-8 by chance, unless it is ASCII and reads the same in all
  // of them.
  if (utf8 !== undefined && (claimed === 'utf-8' || claimed === undefined || /[\u0080-\uffff]/.test(utf8)))
    return { text: utf8, asClaimed: claimed === 'utf-8' }
  const text = claimed === undefined || claimed === 'utf-8' ? undefined : decodedAs(claimed, bytes)
  return text === undefined ? undefined : { text, asClaimed: true }
}

/** The first place from `at` on where no letter of several bytes goes on; behind so many that go on there is none. */
function endOfLetter(bytes: Buffer, at: number): number {
  for (let end = at; end < at + letterBytesMax && end < bytes.length; end++) {
    const isSecondHalf = bytes[end] === 0xed && (bytes[end + 1] ?? 0) >= 0xb0
    if (!isContinued(bytes[end]) && !isSecondHalf) return end
  }
  return Math.min(at + letterBytesMax, bytes.length)
}

/** Whether a label names an encoding that can be read (WHATWG Encoding Standard, and UTF-32). */
export function isEncoding(label: string): boolean {
  if (/^utf-?32(?:le|be)?$/i.test(label)) return true
  try {
    return new TextDecoder(label).encoding !== ''
  } catch {
    return false
  }
}

/**
 * UTF-16 and UTF-32 show themselves by their byte order mark, or by the NULs beside their first character, which is
 * ASCII in JSON and in XML (RFC 4627, section 3).
 */
export function wideEncodingOf([first, second, third, fourth]: Buffer): Wide | undefined {
  if (second === undefined) return undefined
  if (first === 0 && second === 0 && (third === 0 ? fourth !== 0 : third === 0xfe && fourth === 0xff)) return 'utf-32be'
  const isEndOfUtf32 = third === 0 && fourth === 0
  if (first === 0xff && second === 0xfe) return isEndOfUtf32 ? 'utf-32le' : 'utf-16le'
  if (first !== 0 && second === 0) return isEndOfUtf32 ? 'utf-32le' : 'utf-16le'
  if ((first === 0xfe && second === 0xff) || (first === 0 && second !== 0)) return 'utf-16be'
  return undefined
}

function decodedWide(encoding: Wide, bytes: Buffer): { text: string; isWhole: boolean } {
  if (encoding === 'utf-16le' || encoding === 'utf-16be') {
    const text = decodedAs(encoding, bytes)
    return { text: text ?? new TextDecoder(encoding).decode(bytes), isWhole: text !== undefined }
  }
  const units = new Uint16Array(bytes.length >> 1)
  let length = 0
  let isWhole = bytes.length % 4 === 0
  for (let at = 0; at + 4 <= bytes.length; at += 4) {
    const point = encoding === 'utf-32le' ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at)
    const isCharacter = point <= 0x10ffff && (point < 0xd800 || point > 0xdfff)
    isWhole &&= isCharacter
    length = append(units, length, isCharacter ? point : 0xfffd)
  }
  return { text: withoutMark(textOf(units, length)), isWhole }
}

/** Writes a character in UTF-16; says how long it is then. */
function append(units: Uint16Array, length: number, point: number): number {
  if (point > 0xffff) {
    units[length++] = 0xd7c0 + (point >> 10)
    units[length++] = 0xdc00 + (point & 0x3ff)
  } else units[length++] = point
  return length
}

const textOf = (units: Uint16Array, length: number): string =>
  Buffer.from(units.buffer, 0, length * 2).toString('utf16le')

/**
 * What is UTF-8 is read as that, every other byte as windows-1252: so one that is wrong does not turn the others. Pairs
 * of surrogates that were encoded one by one (CESU-8) are characters.
 */
function mended(bytes: Buffer): string {
  const units = new Uint16Array(bytes.length)
  let length = 0
  for (let at = 0; at < bytes.length;) {
    const size = sequenceAt(bytes, at)
    const point = size === 0 ? windows1252.charCodeAt(bytes[at] ?? 0) : pointAt(bytes, at, size)
    length = append(units, length, point)
    at += size || 1
  }
  return textOf(units, length)
}

/** How many bytes from here on are a character in UTF-8, or a pair of surrogates in CESU-8; 0 when they are none. */
function sequenceAt(bytes: Buffer, at: number): number {
  const [first = 0, second = 0] = [bytes[at], bytes[at + 1]]
  if (first < 0x80) return 1
  const size = first < 0xc2 || first > 0xf4 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
  for (let next = 1; next < size; next++) if (!isContinued(bytes[at + next])) return 0
  // Longer than need be, or beyond the last character.
  if ((first === 0xe0 && second < 0xa0) || (first === 0xf0 && second < 0x90) || (first === 0xf4 && second > 0x8f))
    return 0
  if (first !== 0xed || second < 0xa0) return size
  const isPair =
    second < 0xb0 && bytes[at + 3] === 0xed && (bytes[at + 4] ?? 0) >> 4 === 0xb && isContinued(bytes[at + 5])
  return isPair ? 6 : 0
}

const isContinued = (byte = 0): boolean => byte >> 6 === 0b10

function pointAt(bytes: Buffer, at: number, size: number): number {
  const bits = (offset: number) => (bytes[at + offset] ?? 0) & 0x3f
  const first = bytes[at] ?? 0
  switch (size) {
    case 1:
      return first
    case 2:
      return ((first & 0x1f) << 6) | bits(1)
    case 3:
      return ((first & 0x0f) << 12) | (bits(1) << 6) | bits(2)
    case 4:
      return ((first & 0x07) << 18) | (bits(1) << 12) | (bits(2) << 6) | bits(3)
    default:
      return 0x10000 + ((((bits(1) & 0x0f) << 6) | bits(2)) << 10) + (((bits(4) & 0x0f) << 6) | bits(5))
  }
}

/** The encoding that a label means; undefined when it means none, or a wide one, which would have shown itself. */
export function encodingCalled(label: string): string | undefined {
  try {
    const { encoding } = new TextDecoder(label)
    return encoding.startsWith('utf-16') ? undefined : encoding
  } catch {
    return undefined
  }
}

function decodedAs(encoding: string, bytes: Buffer): string | undefined {
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}

const withoutMark = (text: string): string => (text.startsWith(byteOrderMark) ? text.slice(1) : text)
