import { decode as quotedPrintable } from 'libqp'
import { decoded } from '../encoding.ts'
import { type Encoded, partsOfMail } from './adf-mail.ts'
import { unreadable } from './unreadable.ts'

// A document that still has around it what carried it: a mail, a form, a web page, another document.

const layersMax = 6
const jsonDepthMax = 16
const base64LengthMin = 40
/** As long as a line of quoted-printable may be, less a word. */
const softLineMin = 60

export interface Unwrapped {
  readonly text: string
  /** It is in the encoding that it claims. */
  readonly asClaimed: boolean
  readonly wasWrapped: boolean
}

type Inner = Encoded | { readonly text: string }

const claimPattern = /<\?xml\b[^<>]*?\bencoding\s*=?\s*["'“”]?([\w.:-]+)/i
const documentPattern = /<(?:[\w.-]{1,64}:)?(?:adf|prospect)[\s/>]/i
const escapedDocumentPattern = /&(?:amp;)*(?:lt|#60|#x3c);(?:[\w.-]{1,64}:)?(?:adf|prospect)(?:[\s/]|&)/i
/** The first attribute of an element, and what there is between its name and its quote. */
const attributePattern = /<[a-z_][^\s<>=]*\s+[^\s<>="']+?\s*=\s*((?:3D)+)?(\\)?["']/i
/** One without quotes that is still in quoted-printable. */
const bareAttributePattern = /<[a-z_][^<>]*\s[^\s<>="']+=3D[^\s<>="']/i
const instructionPattern = /<\?[^<>]*?=\s*((?:3D)+)?(\\)?["']/i
/** A document, or what becomes one when it is decoded once more. */
const seedPattern = /(?:<|lt;|3c)(?:[\w.-]{1,64}:)?(?:adf|prospect)\b/i
const softLinePattern = new RegExp(`[^\\n]{${softLineMin}}=\\r?\\n`)
const xmlPattern = /[/+]xml$/
const percentPattern = /%(?:25)*3C/i
const formPattern = /^[\w.[\]-]{1,64}=/

/** The text of a document, out of everything that it may have been wrapped in. A plain one costs one look. */
export function unwrapped(body: Inner, layers = layersMax): Unwrapped {
  const { text, asClaimed } = 'text' in body ? { ...body, asClaimed: true } : textOf(body)
  const inner = layers > 0 ? within(text, 'text' in body ? Buffer.from(text) : body.bytes) : undefined
  if (!inner) return { text, asClaimed, wasWrapped: false }

  const all = inner.map((each) => ({ ...unwrapped(each, layers - 1), isText: 'text' in each }))
  return {
    text: all.map((each) => each.text).join('\n'),
    // The letters of a text are those that were decoded here; bytes were ASCII so far, whatever was claimed.
    asClaimed: all.every((each) => each.asClaimed && (asClaimed || !each.isText)),
    wasWrapped: true,
  }
}

function textOf({ bytes, charset }: Encoded): { text: string; asClaimed: boolean } {
  return decoded(bytes, (start) => charset ?? claimPattern.exec(start)?.[1])
}

export const holdsDocument = (text: string): boolean => documentPattern.test(text)

function within(text: string, bytes: Buffer): Inner[] | undefined {
  // One character for each byte; what is wide was decoded already.
  const raw = () => (bytes.includes(0) ? Buffer.from(text) : bytes).toString('latin1')
  const begun = text.trimStart()
  if (!begun.startsWith('<')) {
    const inner = inMail(raw().trimStart()) ?? inJson(begun)
    if (inner) return inner
    if (!text.includes('<') && !isQuotedPrintable(text)) return encodedIn(raw()) ?? escapedIn(text)
  }
  const attribute = attributePattern.exec(text) ?? instructionPattern.exec(text)
  if (attribute ? attribute[1] : isQuotedPrintable(text)) return [{ bytes: quotedPrintable(raw()), charset: undefined }]
  if (attribute?.[2]) return [{ text: unslashed(text) }]
  return escapedIn(text) ?? remarkedIn(text)
}

/**
 * The documents in a mail. An XML part is meant for us; without one the text is taken that holds a document.
 *
 * @throws {Problem} `bad-request` for a mail without a document.
 */
function inMail(mail: string): Encoded[] | undefined {
  const parts = partsOfMail(mail)
  if (!parts) return undefined
  const holding = parts.filter(({ bytes }) => mayHold(bytes.toString('latin1').replaceAll('\0', '')))
  const xml = holding.filter(({ mediaType }) => xmlPattern.test(mediaType))
  const [text] = [...holding.filter(({ mediaType }) => mediaType === 'text/plain'), ...holding]
  if (!text) throw unreadable('is a mail without an ADF document')
  const isFirst = ({ bytes }: Encoded, at: number) => xml.findIndex((each) => each.bytes.equals(bytes)) === at
  return xml.length > 0 ? xml.filter(isFirst) : [text]
}

function mayHold(text: string, depth = 2): boolean {
  if (depth === 0 || seedPattern.test(text)) return depth > 0
  const bytes = base64In(text)
  return bytes !== undefined && mayHold(bytes.toString('latin1'), depth - 1)
}

/**
 * Without an attribute in quotes that shows it: every `=` means a byte or the end of a line, and one of them that of an
 * attribute, a letter that is not of ASCII, or the end of a line that was too long.
 */
function isQuotedPrintable(text: string): boolean {
  if (!text.includes('=') || /=(?![0-9A-F]{2}|\r?\n|$)/.test(text)) return false
  if (/=[C-F][0-9A-F]=[89AB][0-9A-F]/.test(text) || bareAttributePattern.test(text)) return true
  return softLinePattern.test(text)
}

function encodedIn(raw: string): Encoded[] | undefined {
  if (percentPattern.test(raw)) return percentDecoded(raw)
  const bytes = base64In(raw)
  return bytes && [{ bytes, charset: undefined }]
}

function base64In(text: string): Buffer | undefined {
  const compact = text.replace(/\s+/g, '').replace(/^data:[^,]{0,100};base64,/i, '')
  const isBase64 = compact.length >= base64LengthMin && /^[\w+/-]+={0,2}$/.test(compact)
  return isBase64 ? Buffer.from(compact, 'base64') : undefined
}

/** A form, of which the fields count that hold a document, or mere percent-encoding. */
function percentDecoded(raw: string): Encoded[] {
  const isForm = formPattern.test(raw) && raw.indexOf('=') < raw.search(percentPattern)
  const values = isForm ? raw.split('&').map((field) => field.slice(field.indexOf('=') + 1)) : [raw]
  return values
    .map((value) => {
      const spaced = /%20|[^\S\r\n]/.test(value) ? value : value.replaceAll('+', ' ')
      return spaced.replace(/%([0-9a-f]{2})/gi, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    })
    .filter((text) => /[<%]/.test(text) && /adf|prospect/i.test(text))
    .map((text) => ({ bytes: Buffer.from(text, 'latin1'), charset: undefined }))
}

/** The texts in a JSON value that hold a document. */
function inJson(text: string): Inner[] | undefined {
  if (!/^[{["]/.test(text)) return undefined
  try {
    const held = textsIn(JSON.parse(text), jsonDepthMax).filter((each) => mayHold(each))
    return held.length > 0 ? held.map((each) => ({ text: each })) : undefined
  } catch {
    return undefined
  }
}

function textsIn(value: unknown, depth: number): string[] {
  if (typeof value === 'string') return [value]
  if (typeof value !== 'object' || value === null || depth === 0) return []
  return Object.values(value).flatMap((inner) => textsIn(inner, depth - 1))
}

const slashed = new Map(Object.entries({ n: '\n', r: '\r', t: '\t', b: '\b', f: '\f' }))

function unslashed(text: string): string {
  return text.replace(/\\(?:u([0-9a-f]{4})|([^]))/gi, (_all, code: string | undefined, letter = '') =>
    code === undefined ? (slashed.get(letter) ?? letter) : String.fromCharCode(Number.parseInt(code, 16)),
  )
}

const escaped = new Map(
  Object.entries({ lt: '<', gt: '>', amp: '&', quot: '"', apos: "'", '#60': '<', '#62': '>', '#38': '&', '#34': '"' }),
)

function escapedIn(text: string): Inner[] | undefined {
  return holdsDocument(text) || !escapedDocumentPattern.test(text) ? undefined : [{ text: unescaped(text) }]
}

/** The documents in the remarks of a page, as some portals send them, when it has none that is shown. */
function remarkedIn(text: string): Inner[] | undefined {
  if (!text.includes('<!--') || !holdsDocument(text)) return undefined
  const [begin = '', ...rest] = text.split('<!--')
  const pieces = rest.map((piece) => {
    const end = piece.indexOf('-->')
    return end === -1 ? { remark: piece, shown: '' } : { remark: piece.slice(0, end), shown: piece.slice(end + 3) }
  })
  if ([begin, ...pieces.map(({ shown }) => shown)].some(holdsDocument)) return undefined
  return pieces.filter(({ remark }) => holdsDocument(remark)).map(({ remark }) => ({ text: remark }))
}

/** One level of escaping less; the page that it stood in goes. */
function unescaped(text: string): string {
  return text
    .replace(/<(?:br|\/p|\/div|\/tr|\/li)\b[^<>]*>/gi, '\n')
    .replace(/<[^<>]*>/g, '')
    .replace(/&(lt|gt|amp|quot|apos|#(?:60|62|38|34|39|x3c|x3e|x26|x22|x27));/gi, (_all, name: string) => {
      const code = /^#x/i.test(name) ? `#${Number.parseInt(name.slice(2), 16)}` : name.toLowerCase()
      return code === '#39' ? "'" : (escaped.get(code) ?? '')
    })
}
