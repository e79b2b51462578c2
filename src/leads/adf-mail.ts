import { decode as quotedPrintable } from 'libqp'
import { unreadable } from './unreadable.ts'

// A mail as it was sent (RFC 5322, RFC 2045, RFC 2046), as far as it takes to find a document in it.

const headerLinesMax = 512
const partsMax = 64
const depthMax = 8

/** Bytes, and the encoding that their surroundings say they are in. */
export interface Encoded {
  readonly bytes: Buffer
  readonly charset: string | undefined
}

export interface Part extends Encoded {
  readonly mediaType: string
}

type Headers = ReadonlyMap<string, string>

const ofMail = ['content-type', 'content-transfer-encoding', 'mime-version', 'from', 'to', 'subject', 'received']
const headerPattern = /^([!-9;-~]+):(.*)$/
const mediaTypePattern = /^\s*([\w.+-]+\/[\w.+-]+)/
const parameterPatterns = {
  boundary: /;\s*boundary\s*=\s*(?:"([^"]*)"|([^\s;"]+))/i,
  charset: /;\s*charset\s*=\s*(?:"([^"]*)"|([^\s;"]+))/i,
}
/** What a multipart begins with whose own headers are missing. */
const boundaryPattern = /(?:^|\n)--([^\s]{1,70})[^\S\n]*\n(?=content-)/i
/** What is in a mail that is given with one character for each byte; undefined when it is no mail. */
export function partsOfMail(mail: string): Part[] | undefined {
  const whole = headersOf(mail)
  if (whole && ofMail.some((name) => whole.headers.has(name))) return partsOf(whole.headers, whole.body, depthMax)
  const [, boundary] = boundaryPattern.exec(mail) ?? []
  return boundary === undefined ? undefined : partsBetween(boundary, mail, depthMax)
}

function partsOf(headers: Headers, body: string, depth: number): Part[] {
  const type = headers.get('content-type') ?? ''
  const mediaType = mediaTypePattern.exec(type)?.[1]?.toLowerCase() ?? 'text/plain'
  const boundary = parameterOf(type, 'boundary')
  if (depth > 0 && mediaType.startsWith('multipart/') && boundary !== undefined)
    return partsBetween(boundary, body, depth - 1)
  const bytes = decodedBody(headers.get('content-transfer-encoding') ?? '', body)
  const inner = depth > 0 && mediaType === 'message/rfc822' ? headersOf(bytes.toString('latin1')) : undefined
  return inner
    ? partsOf(inner.headers, inner.body, depth - 1)
    : [{ mediaType, charset: parameterOf(type, 'charset'), bytes }]
}

function partsBetween(boundary: string, body: string, depth: number): Part[] {
  const sections = between(boundary, `\n${body}`)
  if (sections.length > partsMax) throw unreadable(`is a mail of more than ${partsMax} parts`)
  return sections.flatMap((section) => {
    const { headers, body: inner } = headersOf(section) ?? { headers: new Map<string, string>(), body: section }
    return partsOf(headers, inner, depth)
  })
}

/** What stands between lines of a boundary. The last one may be missing. */
function between(boundary: string, text: string): string[] {
  const mark = `\n--${boundary}`
  const sections: string[] = []
  let from = -1
  for (let at = text.indexOf(mark); at !== -1; at = text.indexOf(mark, at + 1)) {
    const end = endOfLine(text, at + mark.length)
    const rest = text.slice(at + mark.length, end).trim()
    if (rest !== '' && rest !== '--') continue
    if (from !== -1) sections.push(text.slice(from, at))
    if (rest === '--') return sections
    from = end + 1
  }
  return from === -1 ? sections : [...sections, text.slice(from)]
}

/** Headers up to the first empty line, or to the first that is none; undefined when there are none. */
function headersOf(text: string): { headers: Headers; body: string } | undefined {
  const headers = new Map<string, string>()
  let last = ''
  let at = 0
  for (let count = 0; count < headerLinesMax && at < text.length; count++) {
    const end = endOfLine(text, at)
    const line = text.slice(at, end).trimEnd()
    const [, name, value = ''] = headerPattern.exec(line) ?? []
    if (line === '') return { headers, body: text.slice(end + 1) }
    if (name !== undefined) {
      last = name.toLowerCase()
      headers.set(last, value.trim())
    } else if (/^\s/.test(line) && headers.size > 0) headers.set(last, `${headers.get(last) ?? ''} ${line.trim()}`)
    // A mail box puts a line of its own before a mail.
    else if (count > 0 || !line.startsWith('From ')) break
    at = end + 1
  }
  return headers.size > 0 ? { headers, body: text.slice(at) } : undefined
}

function parameterOf(header: string, name: keyof typeof parameterPatterns): string | undefined {
  const [, quoted, plain] = parameterPatterns[name].exec(header) ?? []
  return (quoted ?? plain)?.trim() || undefined
}

function decodedBody(encoding: string, body: string): Buffer {
  switch (encoding.trim().toLowerCase()) {
    case 'base64':
      return Buffer.from(body, 'base64')
    case 'quoted-printable':
      return quotedPrintable(body)
    default:
      return Buffer.from(body, 'latin1')
  }
}

const endOfLine = (text: string, at: number) => (text.indexOf('\n', at) === -1 ? text.length : text.indexOf('\n', at))
