import { randomBytes } from 'node:crypto'
import { inner } from '../ids.ts'
import type { Http } from '../operation.ts'
import { Problem } from '../problem.ts'

/** How long a session lives, in seconds: a working day, of a fixed length. */
export const sessionSeconds = 12 * 60 * 60
/** How long after signing in a person may do what asks for a fresh sign-in, in seconds (RFC 9470). */
export const freshSeconds = 15 * 60
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

/** HttpOnly and SameSite=Strict, sent to /v1/session only (RFC 6265bis). */
export function setCookie(text: string, secure: boolean): string {
  return `session=${text}; Path=/v1/session; Max-Age=${text === '' ? 0 : sessionSeconds}; HttpOnly; SameSite=Strict${secure ? '; Secure' : ''}`
}

/**
 * Refuses the pages of other origins. A browser says where a request comes from; a client that says nothing is none, and has no cookie
 * that somebody else could use. `Host` stands for an address of this service that PUBLIC_URL does not name.
 */
export function requireSameOrigin(http: Http, issuer: string): void {
  const site = http.header('sec-fetch-site')
  const origin = http.header('origin')
  if (site !== undefined && site !== 'same-origin' && site !== 'none') throw new Problem('foreign-origin')
  if (origin === undefined || origin === new URL(issuer).origin) return
  if (origin.replace(/^https?:\/\//, '') !== http.header('host')) throw new Problem('foreign-origin')
}

/** A fresh sign-in is one of somebody whose password was asked for a moment ago. @throws {Problem} `sign-in-too-old` */
export function requireFresh(signedInAt: Date | undefined, now: Date): void {
  if (!signedInAt || now.getTime() - signedInAt.getTime() > freshSeconds * 1000) throw new Problem('sign-in-too-old')
}
