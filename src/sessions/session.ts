import { randomBytes } from 'node:crypto'
import { inner } from '../ids.ts'

/** How long a session lives, in seconds: a working day, of a fixed length. */
export const sessionSeconds = 12 * 60 * 60
const pattern = /^([0-9a-f]{32})([0-9a-f]{32})[A-Za-z0-9_-]{43}$/

export interface Cookie {
  readonly text: string
  readonly dealerId: string
  readonly credentialId: string
}

/** The value of a session cookie: where the session is, then 256 bits of secret. */
export function newCookie(dealerId: string, credentialId: string): Cookie {
  const text = dealerId.replaceAll('-', '') + credentialId.replaceAll('-', '') + randomBytes(32).toString('base64url')
  return { text, dealerId, credentialId }
}

export function parseCookie(text: string): Cookie | undefined {
  const [, dealerId, credentialId] = pattern.exec(text) ?? []
  return dealerId && credentialId
    ? { text, dealerId: inner(`_${dealerId}`), credentialId: inner(`_${credentialId}`) }
    : undefined
}
