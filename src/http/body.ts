import express, { type Request, type RequestHandler } from 'express'
import { Problem } from '../problem.ts'
import type { Call } from './contract.ts'

const depthMax = 64
const formParametersMax = 64

/**
 * Reduces Content-Type to what the document knows before the validator sees it: it keeps a compiled schema for every spelling that it
 * meets, for ever.
 *
 * @throws {Problem} 415 when the operation does not take the media type, the charset or the encoding.
 */
export function reduceContentType(req: Request, { operation }: Call): void {
  const sent = req.headers['content-type']
  const hasBody = req.headers['transfer-encoding'] !== undefined || (req.headers['content-length'] ?? '0') !== '0'
  delete req.headers['content-type']
  const known: readonly string[] = operation.mediaTypes
  if (!hasBody || known.length === 0) return

  const [mediaType = '', ...parameters] = (sent ?? '').toLowerCase().split(';').map((part) => part.trim())
  const charset = parameters.find((parameter) => parameter.startsWith('charset='))?.slice(8).replaceAll('"', '')
  const encoding = req.headers['content-encoding'] ?? 'identity'
  if (!known.includes(mediaType) || (charset !== undefined && charset !== 'utf-8' && charset !== 'utf8') || encoding !== 'identity')
    throw new Problem('unsupported-media-type', `Send ${known.join(' or ')} in UTF-8, not compressed.`)
  req.headers['content-type'] = mediaType
}

/** Reads the body of an operation, up to its own limit; a body that no operation asked for is left alone. */
export function bodyReader(): (call: Call) => RequestHandler {
  const readers = new Map<number, { json: RequestHandler; form: RequestHandler }>()
  const nothing: RequestHandler = (_req, _res, next) => next()
  return ({ operation }) => {
    const limit = operation.bodyBytesMax
    if (limit === 0) return nothing
    let reader = readers.get(limit)
    if (!reader) {
      reader = {
        json: express.json({ limit, inflate: false, type: 'application/json', verify: (_req, _res, text) => refuseDeep(text) }),
        form: express.urlencoded({ limit, inflate: false, extended: false, parameterLimit: formParametersMax }),
      }
      readers.set(limit, reader)
    }
    return (operation.mediaTypes as readonly string[]).includes('application/json') ? reader.json : reader.form
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
