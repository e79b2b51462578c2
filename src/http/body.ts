import { parse, type ParsedUrlQuery } from 'node:querystring'
import type { Request, RequestHandler, Response } from 'express'
import readStream from 'raw-body'
import { decoded, encodingCalled, isEncoding } from '../encoding.ts'
import { readJson } from '../json.ts'
import { partBytesMax, readLargeJson } from '../large-json.ts'
import { badRequest, Problem } from '../problem.ts'
import type { Call } from './contract.ts'

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

/** A body of more bytes is read only for whoever is still let in. */
export const unjudgedBytesMax = 16_384

/**
 * Reads the body of an operation, up to its own limit; a body that no operation asked for is left alone. `judged` is
 * asked before much is read; what has come until it says no is thrown away.
 */
export function bodyReader(judged: (res: Response) => Promise<unknown>): (call: Call) => RequestHandler {
  const readers = new Map<string, RequestHandler>()
  const nothing: RequestHandler = (_req, _res, next) => next()
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
      reader = readerOf(kind, limit, judged)
      readers.set(`${kind} ${limit}`, reader)
    }
    return reader
  }
}

/**
 * Reads a body whole. One that says that it is too large is refused before anything of it is read, and whoever asked
 * first (`Expect: 100-continue`) is told to send it only here.
 */
function readerOf(
  kind: 'json' | 'form' | 'raw',
  limit: number,
  judged: (res: Response) => Promise<unknown>,
): RequestHandler {
  return (req, res, next) => {
    if (!hasBody(req)) return next()
    const length = req.headers['content-length']
    if (Number(length) > limit) throw tooLarge(limit)
    let isOver = false
    const go = (failure?: unknown) => {
      if (!isOver) next(failure)
      isOver = true
    }
    let early: Promise<unknown> | undefined
    const judge = () => {
      early ??= judged(res)
      early.catch(go)
    }
    if (Number(length) > unjudgedBytesMax) judge()
    if (req.headers.expect !== undefined && req.httpVersion === '1.1')
      if (early) early.then(() => res.writeContinue()).catch(() => undefined)
      else res.writeContinue()
    let come = 0
    // Of one that comes in chunks nobody has said how long it is.
    if (length === undefined)
      req.on('data', (chunk: Buffer) => {
        come += chunk.length
        if (come > unjudgedBytesMax) judge()
      })
    // Listens from the start: what is wrong with a body may come at once.
    readStream(req, { limit, length }, (error: unknown, bytes: Buffer) => {
      // It was left paused in the middle.
      if (error) req.resume()
      if (error) return go(error)
      if (bytes.length <= unjudgedBytesMax) return go(parseBody(kind, bytes, req, res))
      ;(early ?? judged(res)).then(() => parseLarge(kind, bytes, req, res)).then(go, go)
    })
  }
}

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
async function parseLarge(kind: 'json' | 'form' | 'raw', bytes: Buffer, req: Request, res: Response): Promise<unknown> {
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
