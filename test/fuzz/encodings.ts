import { isLucky, type Random } from './random.ts'

/** `mixed`: UTF-8 here and windows-1252 there, as where a form and its template were made by two programs. */
export const encodings = ['utf-8', 'utf-8 with a mark', 'windows-1252', 'mixed', 'utf-16le', 'utf-16be'] as const
export type Encoding = (typeof encodings)[number]

const windows1252 = new Map<string, number>()
for (let byte = 0x80; byte <= 0xff; byte++) {
  const character = new TextDecoder('windows-1252').decode(Uint8Array.of(byte))
  // Five bytes have no character of their own; nobody means them.
  if (character.charCodeAt(0) >= 0xa0) windows1252.set(character, byte)
}

/**
 * A text as bytes. What an encoding has no byte for goes through `escaped`, as JSON and XML have it. Undefined where
 * the bytes would be UTF-8 by chance, and nobody could tell.
 */
export function encoded(
  text: string,
  encoding: Encoding,
  escaped: (character: string) => string,
  random: Random,
): Buffer | undefined {
  switch (encoding) {
    case 'utf-8':
      return Buffer.from(text)
    case 'utf-8 with a mark':
      return Buffer.from(`\ufeff${text}`)
    case 'utf-16le':
      return Buffer.from(`\ufeff${text}`, 'utf16le')
    case 'utf-16be':
      return Buffer.from(`\ufeff${text}`, 'utf16le').swap16()
    default:
      return inSingleBytes(text, escaped, () => encoding === 'windows-1252' || isLucky(random, 0.5))
  }
}

function inSingleBytes(
  text: string,
  escaped: (character: string) => string,
  isSingle: () => boolean,
): Buffer | undefined {
  const written = [...text].map((each) => (each < '\x80' || windows1252.has(each) ? each : escaped(each))).join('')
  const parts: Buffer[] = []
  // One choice for each run of letters: programs change between words, not within them.
  for (const run of written.match(/[\x20-\x21\x23-\x7e]+|[\u0080-\uffff]+|[^]/g) ?? []) {
    const single = isSingle()
    parts.push(
      single ? Buffer.from([...run].map((each) => windows1252.get(each) ?? each.charCodeAt(0))) : Buffer.from(run),
    )
  }
  const bytes = Buffer.concat(parts)
  return asRead(bytes) === written ? bytes : undefined
}

/** UTF-8 wherever the bytes are, windows-1252 wherever they are not. */
function asRead(bytes: Buffer): string {
  let text = ''
  for (let at = 0; at < bytes.length;) {
    const first = bytes[at] ?? 0
    const length = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0
    const character = length === 0 ? '\ufffd' : bytes.toString('utf8', at, at + length)
    const isWhole = character.length <= 2 && !character.includes('\ufffd')
    text += isWhole ? character : new TextDecoder('windows-1252').decode(Uint8Array.of(first))
    at += isWhole ? length : 1
  }
  return text
}

/** Mail's transfer encoding (RFC 2045, section 6.7), as it is when somebody forgets to undo it. */
export function quotedPrintable(bytes: Buffer): Buffer {
  let line = ''
  let whole = ''
  for (const byte of bytes) {
    const character = String.fromCharCode(byte)
    if (character === '\n') {
      whole += `${line}\r\n`
      line = ''
      continue
    }
    const isPlain = (byte >= 0x20 && byte <= 0x7e && byte !== 0x3d) || byte === 0x09
    const next = isPlain ? character : `=${byte.toString(16).toUpperCase().padStart(2, '0')}`
    if (line.length + next.length > 75) {
      whole += `${line}=\r\n`
      line = ''
    }
    line += next
  }
  return Buffer.from(whole + line, 'latin1')
}
