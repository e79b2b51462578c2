const hstsSeconds = 31_536_000

/**
 * What every answer tells a browser, whatever it answers; pages need more, and say so in place of this. An answer of
 * the API is nothing to be shown, framed, kept or guessed at.
 */
export function browserHeaders(publicUrl: string): Readonly<Record<string, string>> {
  return {
    'Cache-Control': 'no-store',
    'Content-Security-Policy': "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    ...(publicUrl.startsWith('https:') && { 'Strict-Transport-Security': `max-age=${hstsSeconds}; includeSubDomains` }),
  }
}
