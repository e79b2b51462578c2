import { parse, type ParsedUrlQuery } from 'node:querystring'
import express, { type Request, type RequestHandler, type Response } from 'express'
import { decoded, encodingCalled, isEncoding } from '../encoding.ts'
import { readJson } from '../json.ts'
import { Problem } from '../problem.ts'
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
  const hasBody = req.headers['transfer-encoding'] !== undefined || (req.headers['content-length'] ?? '0') !== '0'
  delete req.headers['content-type']
  const known: readonly string[] = operation.mediaTypes
  if (known.length === 0) return

  const [mediaType = '', ...parameters] = (sent ?? '')
    .toLowerCase()
    .split(';')
    .map((part) => part.trim())
  if (!hasBody) {
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

/** Reads the body of an operation, up to its own limit; a body that no operation asked for is left alone. */
export function bodyReader(): (call: Call) => RequestHandler {
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
      reader = readerOf(kind, limit)
      readers.set(`${kind} ${limit}`, reader)
    }
    return reader
  }
}

function readerOf(kind: 'json' | 'form' | 'raw', limit: number): RequestHandler {
  switch (kind) {
    case 'json':
      return jsonReader(express.raw({ limit, inflate: false, type: 'application/json' }))
    case 'form':
      return express.urlencoded({ limit, inflate: false, extended: false, parameterLimit: formParametersMax })
    case 'raw':
      return express.raw({
        limit,
        inflate: false,
        type: () => true,
        // The cast: what Express hands to `verify` is its own response.
        verify: (_req, res, body) => ((res as Response).locals.rawBody = body),
      })
  }
}

function jsonReader(raw: RequestHandler): RequestHandler {
  return (req, res, next) => raw(req, res, (error?: unknown) => next(error ?? parseBody(req, res)))
}

/** Returns what is wrong with the body, if anything. */
function parseBody(req: Request, { locals }: Response): unknown {
  const bytes: unknown = req.body
  if (!Buffer.isBuffer(bytes)) return undefined
  locals.rawBody = bytes
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
