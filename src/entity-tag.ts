/**
 * Whether `If-None-Match` names a tag, compared weakly (RFC 9110, section 13.1.2). Express would say no to whoever
 * sends `Cache-Control: no-cache` beside it, as fetch does by itself.
 */
export function isNamedBy(ifNoneMatch: string | undefined, tag: string): boolean {
  const plain = (each: string) => each.trim().replace(/^W\//, '')
  const named = (ifNoneMatch ?? '').split(',').map(plain)
  return named.includes('*') || named.includes(plain(tag))
}
