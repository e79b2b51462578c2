import type { ServerResponse } from 'node:http'
import express, { type Request, type RequestHandler, type Response } from 'express'
import { Problem } from '../problem.ts'
import type { Call } from './contract.ts'

const depthMax = 64
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
  const charset = parameters
    .find((parameter) => parameter.startsWith('charset='))
    ?.slice(8)
    .replaceAll('"', '')
  const encoding = req.headers['content-encoding'] ?? 'identity'
  const isXml = mediaType.endsWith('xml')
  if (
    !known.includes(mediaType) ||
    encoding !== 'identity' ||
    (charset !== undefined && charset !== 'utf-8' && charset !== 'utf8' && !isXml)
  )
    throw new Problem(
      'unsupported-media-type',
      `Send ${known.join(' or ')}${isXml ? '' : ' in UTF-8'}, not compressed.`,
    )
  req.headers['content-type'] = mediaType
  if (charset !== undefined) res.locals.charset = charset
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
  // The cast: what Express hands to `verify` is its own response.
  const keep = (res: ServerResponse, body: Buffer) => ((res as Response).locals.rawBody = body)
  switch (kind) {
    case 'json':
      return express.json({
        limit,
        inflate: false,
        type: 'application/json',
        verify: (_req, res, body) => refuseDeep(keep(res, body)),
      })
    case 'form':
      return express.urlencoded({ limit, inflate: false, extended: false, parameterLimit: formParametersMax })
    case 'raw':
      return express.raw({ limit, inflate: false, type: () => true, verify: (_req, res, body) => void keep(res, body) })
  }
}

// What walks the body later may recurse, so depth ends here, before it is parsed.
function refuseDeep(text: Buffer): void {
  let depth = 0
  let quoted = false
  for (let at = 0; at < text.length; at++) {
    const byte = text[at]
    if (quoted) {
      if (byte === 0x5c) at++
      else if (byte === 0x22) quoted = false
    } else if (byte === 0x22) quoted = true
    else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > depthMax) throw Object.assign(new Error('too deep'), { type: 'json.too.deep' })
    } else if (byte === 0x7d || byte === 0x5d) depth--
  }
}
