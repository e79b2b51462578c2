/** The path that cookies are sent to: everything else takes a Bearer token, which no browser sends by itself. */
const path = '/v1/session'

export interface Cookies {
  /** What the session's cookie is called. */
  readonly session: string
  readonly device: string
  /** HttpOnly and SameSite=Strict (RFC 6265bis); without a value it is cleared. */
  set(name: string, value: string, seconds: number): string
}

/**
 * Where the service is reached by https, browsers take cookies of these names from https alone (`__Secure-`), so that
 * nobody on the way can plant one.
 */
export function cookiesOf(issuer: string): Cookies {
  const isSecure = issuer.startsWith('https:')
  const prefix = isSecure ? '__Secure-' : ''
  return {
    session: `${prefix}session`,
    device: `${prefix}device`,
    set: (name, value, seconds) =>
      `${name}=${value}; Path=${path}; Max-Age=${value === '' ? 0 : seconds}; HttpOnly; SameSite=Strict${isSecure ? '; Secure' : ''}`,
  }
}

/** The value of a cookie in a Cookie header; of two with one name the first, as browsers order them by their path. */
export function cookieIn(header: string | undefined, name: string): string | undefined {
  for (const pair of header?.split(';') ?? []) {
    const at = pair.indexOf('=')
    if (pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim()
  }
  return undefined
}
