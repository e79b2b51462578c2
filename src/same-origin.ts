import type { Http } from './operation.ts'
import { Problem } from './problem.ts'

/**
 * Refuses the pages of other origins. A browser says where a request comes from; a client that says nothing is none,
 * and has no cookie that somebody else could use. `Host` stands for an address of this service that PUBLIC_URL does not
 * name.
 */
export function requireSameOrigin(http: Http, issuer: string): void {
  const site = http.header('sec-fetch-site')
  const origin = http.header('origin')
  if (site !== undefined && site !== 'same-origin' && site !== 'none') throw new Problem('foreign-origin')
  if (origin !== undefined && !isOwn(origin, http, issuer)) throw new Problem('foreign-origin')
}

/** Whether a page of this service sent it, such as one where a key is tried out: browsers say so, nobody else does. */
export function isFromOwnPage(http: Http, issuer: string): boolean {
  const origin = http.header('origin')
  return origin !== undefined && isOwn(origin, http, issuer)
}

function isOwn(origin: string, http: Http, issuer: string): boolean {
  const { origin: own, protocol } = new URL(issuer)
  const host = http.header('host') ?? ''
  // What comes over http to a service of https anybody on the way may have written.
  return origin === own || origin === `https://${host}` || (protocol === 'http:' && origin === `http://${host}`)
}
