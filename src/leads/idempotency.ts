import { createHash } from 'node:crypto'

/** A key with the hash of the request that it came with. */
export interface Idempotency {
  key: string
  requestHash: Buffer
}

/**
 * The key in an Idempotency-Key header: bare, or quoted as a string (RFC 8941, section 3.3.3). The contract has checked
 * its form.
 */
export function keyOf(header: string): string {
  return header.startsWith('"') ? header.slice(1, -1).replaceAll(/\\(["\\])/g, '$1') : header
}

/**
 * What makes two requests the same, for the one key: the operation, the media type and every byte of the body.
 *
 * Scoped to the token's subject when it is stored; kept for 72 hours (draft-ietf-httpapi-idempotency-key-header,
 * section 2).
 */
export function idempotencyOf(
  key: string | undefined,
  operation: string,
  mediaType: string,
  body: Buffer | string,
): Idempotency | undefined {
  if (key === undefined) return undefined
  const hash = createHash('sha256')
  for (const part of [operation, mediaType, body]) hash.update(`${Buffer.byteLength(part)} `).update(part)
  return { key, requestHash: hash.digest() }
}
