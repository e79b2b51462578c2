import { hash } from 'node:crypto'
import { canonicalDecimal, type LongNumbers } from '../json.ts'
import { isUnset, referenceFault } from './external-reference.ts'

/** A key with the hash of what it came with. */
export interface Idempotency {
  key: string
  requestHash: Buffer
}

const meaningVersion = Buffer.of(2)

/**
 * The key in an Idempotency-Key header: bare, or quoted as a string (RFC 8941, section 3.3.3). The contract has checked
 * its form.
 */
export function keyOf(header: string): string {
  return header.startsWith('"') ? header.slice(1, -1).replaceAll(/\\(["\\])/g, '$1') : header
}

/**
 * The key of one of several leads that came with one header. No sender can write it: in a header there is no line feed,
 * and in an item of a batch each is doubled.
 */
export const keyOfPlace = (key: string, place: number): string => `${key}\n${place}`
export const keyOfItem = (key: string): string => key.replaceAll('\n', '\n\n')

/** Whether a key names one request, and not all of those who fill nothing in: as for the id of a reference. */
export function tellsApart(key: string): boolean {
  const fault = referenceFault('id', key)
  return fault === undefined || (fault === 'external-reference-long' && !isUnset(key))
}

/**
 * A lead that came as JSON is the same, for the one key, when it means the same: canonical JSON (RFC 8785), by itself
 * or in a batch. Behind the hash of the meaning stands the one of what was sent, which version 1 compared: of claims
 * from before there is no other, and processes of the version before know no other.
 *
 * Scoped to the token's subject when it is stored; kept for 72 hours (draft-ietf-httpapi-idempotency-key-header,
 * section 2).
 */
export function ofLead(
  key: string,
  lead: object,
  operation: 'createLead' | 'createLeadBatch',
  sent: Buffer | string,
  longNumbers?: LongNumbers,
): Idempotency {
  const meaning = hash('sha256', canonical(lead, longNumbers), 'buffer')
  return { key, requestHash: Buffer.concat([meaningVersion, meaning, hashAsSent(operation, 'application/json', sent)]) }
}

/** RFC 8785, and in its manner what it has no form for: half a surrogate pair, and a number that no double is. */
function canonical(value: unknown, longNumbers?: LongNumbers): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const long = longNumbers?.get(value)
  const written = (name: string, member: unknown): string => {
    const source = long?.get(name)
    if (source === undefined) return canonical(member, longNumbers)
    return `${source.startsWith('-') ? '-' : ''}${canonicalDecimal(source)}`
  }
  let text = ''
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at++) text += `${at > 0 ? ',' : ''}${written(String(at), value[at])}`
    return `[${text}]`
  }
  // The cast: an object of JSON has its members by their names.
  const members = value as Record<string, unknown>
  for (const name of Object.keys(members).sort())
    text += `${text === '' ? '' : ','}${JSON.stringify(name)}:${written(name, members[name])}`
  return `{${text}}`
}

/** Any other document is the same, for the one key, when every byte of it is, and its media type. */
export function ofDocument(key: string, mediaType: string, document: Buffer | string): Idempotency {
  return { key, requestHash: hashAsSent('createLeadsFromAdf', mediaType, document) }
}

/** Version 1, told by its 32 bytes. */
function hashAsSent(operation: string, mediaType: string, sent: Buffer | string): Buffer {
  const size = Buffer.byteLength
  const head = `${size(operation)} ${operation}${size(mediaType)} ${mediaType}${size(sent)} `
  const whole = typeof sent === 'string' ? head + sent : Buffer.concat([Buffer.from(head), sent])
  return hash('sha256', whole, 'buffer')
}
