import { randomInt } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { ApiKeyEnvironment, ApiKeyKind } from '../../generated/server/types.gen.ts'

/**
 * The text of a key: `cb_<dr|ei>_<live|test>_<lookup><secret><check>`, in letters and digits, so that a double click
 * selects it whole. `check` is the CRC32 of all before it: a typo is refused without a look into the database, and a
 * scanner knows a key when it sees one.
 */
const pattern = /^cb_(dr|ei)_(live|test)_([0-9A-Za-z]{12})([0-9A-Za-z]{32})([0-9A-Za-z]{6})$/
const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const kindWords = { digital_requests: 'dr', extensive_integrations: 'ei' } as const

export interface KeyText {
  readonly text: string
  /** Finds the secret in the database; not secret itself. */
  readonly lookup: string
  /** What is hashed: lookup and secret, 44 characters. */
  readonly proof: string
}

/** A new key with 190 bits of randomness in its secret part. */
export function newKeyText(kind: ApiKeyKind, environment: ApiKeyEnvironment): KeyText {
  const lookup = randomText(12)
  const proof = lookup + randomText(32)
  const body = `cb_${kindWords[kind]}_${environment}_${proof}`
  return { text: body + checksum(body), lookup, proof }
}

/** The parts of a key, or undefined when it is not one or has a typo. */
export function parseKeyText(text: string): KeyText | undefined {
  const [, , , lookup, secret, check] = pattern.exec(text) ?? []
  if (!lookup || !secret || checksum(text.slice(0, -6)) !== check) return undefined
  return { text, lookup, proof: lookup + secret }
}

/** Whether somebody sent a key, whole or not, where it does not belong. */
export const holdsKey = (text: string): boolean => /cb_(?:dr|ei)_(?:live|test)_/.test(text)

/** What may be shown of a key after its creation. */
export function maskOf({ text }: KeyText): string {
  return `${text.slice(0, 15)}…${text.slice(-4)}`
}

function randomText(length: number): string {
  return Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join('')
}

function checksum(text: string): string {
  let rest = crc32(text)
  let digits = ''
  while (digits.length < 6) {
    digits = alphabet.charAt(rest % 62) + digits
    rest = Math.floor(rest / 62)
  }
  return digits
}
