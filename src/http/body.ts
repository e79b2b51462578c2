import { parse, type ParsedUrlQuery } from 'node:querystring'
import type { Request, RequestHandler, Response } from 'express'
import { networkOf } from '../address.ts'
import { decoded, encodingCalled, isEncoding } from '../encoding.ts'
import { openFairQueue } from '../fair-queue.ts'
import { readJson } from '../json.ts'
import { partBytesMax, readLargeJson } from '../large-json.ts'
import { badRequest, Problem } from '../problem.ts'
import type { Call } from './contract.ts'
import { leaving } from './leaving.ts'

const formParametersMax = 64

/**
 * Reduces Content-Type to what the document knows before the validator sees it: it keeps a compiled schema for every
 * spelling that it meets, for ever.
 *
 * @throws {Problem} 415 when the operation does not take the media type, the charset or the encoding.
 */
export function reduceContentType(req: Request, res: Response, { operation }: Call): void {
  const sent = req.headers['content-type']
  delete req.headers['content-type']
  const known: readonly string[] = operation.mediaTypes
  if (known.length === 0) return

  const [mediaType = '', ...parameters] = (sent ?? '')
    .toLowerCase()
    .split(';')
    .map((part) => part.trim())
  if (!hasBody(req)) {
    // That the body is missing is told by the validator.
    if (known.includes(mediaType)) req.headers['content-type'] = mediaType
    return
  }
  const charset =
    parameters
      .find((parameter) => parameter.startsWith('charset='))
      ?.slice(8)
      .replaceAll(/["']/g, '') || undefined
  const encoding = req.headers['content-encoding'] ?? 'identity'
  const isXml = mediaType.endsWith('xml')
  if (
    !known.includes(mediaType) ||
    encoding !== 'identity' ||
    (charset !== undefined && charset !== 'utf-8' && !isXml && !isEncoding(charset))
  )
    throw new Problem(
      'unsupported-media-type',
      `Send ${known.join(' or ')}${isXml ? '' : ' in UTF-8'}, not compressed.`,
    )
  req.headers['content-type'] = mediaType
  // It has other names.
  const isUtf8 = charset === 'utf-8' || (charset !== undefined && encodingCalled(charset) === 'utf-8')
  if (charset !== undefined) res.locals.charset = isUtf8 ? 'utf-8' : charset
}

/** A body of more bytes is read only for whoever is still let in. A shorter one weighs no more than its head. */
export const unjudgedBytesMax = 16_384

/**
 * Of the longer ones one process holds so many bytes, from the first that comes to the end of the request. Each must
 * hold the longest body that there is.
 */
const room = {
  atOnceMax: 33_554_432,
  /** Of a dealer. */
  atOnceOfGroupMax: 16_777_216,
  /** Of a key or a person. */
  atOnceOfMemberMax: 8_388_608,
  waiting: { ofMemberMax: 32, ofGroupMax: 128, inAllMax: 1_024, msMax: 5_000 },
}
/** Beside it, of those who have no credential: by their address, and no body of theirs is as long. */
const roomOfUnknown = { ...room, atOnceMax: 2_097_152, atOnceOfGroupMax: 524_288, atOnceOfMemberMax: 524_288 }

/** Whoever sends less, after a first second, gives its place to others who wait for one. */
const bytesOfSecondMin = 65_536

/**
 * Reads the body of an operation, up to its own limit; a body that no operation asked for is left alone. `judged` is
 * asked before much is read. What comes of one that is refused is thrown away.
 *
 * For a long one there must be room. Who finds none waits, and nothing is read: the sender is slowed down by TCP, and
 * need not send anything twice. After 5 s, or when too many wait, it is 503. Whoever sends slowly may take 30 s, but
 * while others wait: else a few who announce much and send nothing would keep everybody out.
 */
export function bodyReader(judged: (res: Response) => Promise<unknown>): (call: Call) => RequestHandler {
  const readers = new Map<string, RequestHandler>()
  const nothing: RequestHandler = (_req, _res, next) => next()
  const tooMuch =
    'More long bodies are under way than there is room for at this moment. Nothing was done; try again in a moment.'
  const long = openFairQueue(room, tooMuch)
  const longOfUnknown = openFairQueue(roomOfUnknown, tooMuch)
  const admit = async (res: Response, bytes: number) => {
    await judged(res)
    const principal = res.locals.admission?.principal
    const address = networkOf(res.req.ip ?? '')
    const whose = principal
      ? { group: principal.dealerId, member: principal.subject.id }
      : { group: address, member: address }
    const queue = principal ? long : longOfUnknown
    const place = await queue.enter(whose, bytes, { left: () => leaving(res) })
    res.locals.room = place
    // Nobody gives it back any more.
    if (res.closed) place.leave()
    return () => queue.isAwaited(whose)
  }
  return ({ operation }) => {
    const limit = operation.bodyBytesMax
    if (limit === 0) return nothing
    const kind = (operation.mediaTypes as readonly string[]).includes('application/json')
      ? 'json'
      : operation.mediaTypes[0]?.endsWith('xml')
        ? 'raw'
        : 'form'
    let reader = readers.get(`${kind} ${limit}`)
    if (!reader) {
      reader = readerOf(kind, limit, admit)
      readers.set(`${kind} ${limit}`, reader)
    }
    return reader
  }
}

/** Makes room for so many bytes. The answer says whether somebody else waits for it. */
type Admit = (res: Response, bytes: number) => Promise<() => boolean>

/**
 * Reads a body whole. One that says that it is too large is refused before anything of it is read, and whoever asked
 * first (`Expect: 100-continue`) is told to send it only here.
 */
function readerOf(kind: 'json' | 'form' | 'raw', limit: number, admit: Admit): RequestHandler {
  return (req, res, next) => {
    if (!hasBody(req)) return next()
    const length = req.headers['content-length']
    const bytesMax = length === undefined ? limit : Number(length)
    if (bytesMax > limit) throw tooLarge(limit)
    if (!req.readable) throw notWhole()
    const isContinued = req.headers.expect !== undefined && req.httpVersion === '1.1'

    let isOver = false
    // Grows with what comes: of a body that comes in very small pieces they would weigh much more than it.
    let bytes: Buffer = nothingCame
    let come = 0
    let pace: NodeJS.Timeout | undefined
    const end = (failure?: unknown) => {
      if (isOver) return
      isOver = true
      clearInterval(pace)
      req.off('data', take).off('end', whole).off('error', cut)
      if (failure !== undefined) {
        bytes = nothingCame
        req.resume()
        return next(failure)
      }
      const body = bytes.subarray(0, come)
      if (come <= unjudgedBytesMax) return next(parseBody(kind, body, req, res))
      parseLong(kind, body, req, res).then(next, next)
    }
    const take = (chunk: Buffer) => {
      const before = come
      come += chunk.length
      if (come > limit) return end(tooLarge(limit))
      bytes = before === 0 ? chunk : joined(bytes, before, chunk, bytesMax)
      // Of one that comes in chunks nobody has said how long it is.
      if (length === undefined && before <= unjudgedBytesMax && come > unjudgedBytesMax) {
        req.pause()
        admit(res, limit).then((isAwaited) => {
          watch(isAwaited)
          req.resume()
        }, end)
      }
    }
    const whole = () => {
      // What the others have no use for.
      res.locals.room?.leave(bytesMax - come)
      end()
    }
    const cut = (error: unknown) => end(error instanceof Problem ? error : notWhole())
    const begin = () => {
      if (isOver) return
      if (isContinued) res.writeContinue()
      req.on('data', take)
    }
    const watch = (isAwaited: () => boolean) => {
      if (isOver) return
      let before = -bytesOfSecondMin
      const look = () => {
        if (come - before < bytesOfSecondMin && isAwaited()) return end(tooSlow())
        before = come
      }
      // After what lies there has been read: the process itself may have been busy.
      pace = setInterval(() => setImmediate(look), 1_000)
    }

    // What is wrong with a body may come at once.
    req.on('end', whole).on('error', cut)
    if (bytesMax > unjudgedBytesMax && length !== undefined)
      admit(res, bytesMax).then((isAwaited) => {
        watch(isAwaited)
        begin()
      }, end)
    else begin()
  }
}

const nothingCame: Buffer = Buffer.alloc(0)

/** The bytes that have come, and those that come now, with room for more of up to `bytesMax`. */
function joined(bytes: Buffer, come: number, chunk: Buffer, bytesMax: number): Buffer {
  const needed = come + chunk.length
  if (needed > bytes.length) {
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(2 * needed, bytesMax)))
    bytes.copy(larger, 0, 0, come)
    bytes = larger
  }
  chunk.copy(bytes, come)
  return bytes
}

const notWhole = () => badRequest([{ in: 'body', pointer: '', message: 'did not arrive whole' }])

const tooSlow = () =>
  new Problem(
    'unavailable',
    'The body came too slowly while others waited to send theirs. Nothing was done; try again in a moment.',
    { headers: { 'Retry-After': '2' } },
  )

const tooLarge = (limit: number) => new Problem('body-too-large', `The body may have ${limit} bytes at the most.`)

const hasBody = ({ headers }: Request): boolean =>
  headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0'

/** Returns what is wrong with the body, if anything. */
function parseBody(kind: 'json' | 'form' | 'raw', bytes: Buffer, req: Request, { locals }: Response): unknown {
  if (kind === 'form') {
    const form = bytes.toString()
    if (form.split('&').length > formParametersMax)
      return badRequest([{ in: 'body', pointer: '', message: 'has too many parameters' }])
    req.body = { ...queryIn(form) }
    return undefined
  }
  locals.rawBody = bytes
  if (kind === 'raw') {
    req.body = bytes
    return undefined
  }
  // Sent in chunks there may be nothing in it.
  if (bytes.length === 0) {
    req.body = {}
    return undefined
  }
  try {
    const { value, faults } = readJson(bytes, locals.charset)
    req.body = value
    locals.jsonFaults = faults
    return undefined
  } catch (error) {
    return error
  }
}

/** The same, of a body that would hold up others if it were read in one go. */
async function parseLong(kind: 'json' | 'form' | 'raw', bytes: Buffer, req: Request, res: Response): Promise<unknown> {
  if (kind !== 'json' || bytes.length <= partBytesMax) return parseBody(kind, bytes, req, res)
  const { value, faults } = await readLargeJson(bytes, res.locals.charset)
  res.locals.rawBody = bytes
  res.locals.jsonFaults = faults
  req.body = value
  return undefined
}

/** The parameters of a query; what is not percent-encoded UTF-8 is read like the bytes of a body. */
export function queryIn(query: string): ParsedUrlQuery {
  return parse(query, '&', '=', { decodeURIComponent: percentDecoded })
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    const bytes = Buffer.from(
      text.replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
      'latin1',
    )
    return decoded(bytes, () => undefined).text
  }
}
