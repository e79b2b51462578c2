import type { Request } from 'express'
import { Problem } from '../problem.ts'

const host = /^[A-Za-z0-9._~!$&'()*+,;=%[\]:-]*$/

/** The target of a request as a path, also where it is a whole address (RFC 9112, section 3.2); else `*`. */
export function inOriginForm(target: string): string {
  if (target.startsWith('/')) return target
  if (!URL.canParse(target)) return '*'
  const { pathname, search } = new URL(target)
  return pathname.startsWith('/') ? pathname + search : '*'
}

/**
 * Refuses a head that HTTP/1.1 does not allow: without one Host (RFC 9112, section 3.2), or with an expectation other
 * than `100-continue` (RFC 9110, section 10.1.1).
 *
 * @throws {Problem} `bad-request`, `expectation-failed`
 */
export function requireHead({ rawHeaders, headers, httpVersion }: Request): void {
  let hosts = 0
  for (let at = 0; at < rawHeaders.length; at += 2)
    if (rawHeaders[at]?.length === 4 && rawHeaders[at]?.toLowerCase() === 'host') hosts++
  if (hosts > 1) throw new Problem('bad-request', 'There is more than one Host header.')
  if (hosts === 0 && httpVersion === '1.1') throw new Problem('bad-request', 'The Host header is missing.')
  if (!host.test(headers.host ?? '')) throw new Problem('bad-request', 'The Host header names no host.')
  if (headers.expect !== undefined && httpVersion === '1.1' && headers.expect.toLowerCase() !== '100-continue')
    throw new Problem('expectation-failed')
}
