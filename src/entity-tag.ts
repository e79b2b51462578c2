import { badRequest } from './problem.ts'

const entityTagsPattern = /^(?:\*|(?:W\/)?"[^"]*"(?:[ \t]*,[ \t]*(?:W\/)?"[^"]*")*)$/

/**
 * Whether `If-Match` names a tag, compared strongly (RFC 9110, section 13.1.1): a weak one never matches. What is no
 * tag at all would never match either, however often the thing is read again.
 *
 * @throws {Problem} `bad-request`
 */
export function isMatchedBy(ifMatch: string, tag: string, noun: 'lead' | 'customer'): boolean {
  if (!entityTagsPattern.test(ifMatch.trim()))
    throw badRequest([
      {
        in: 'header',
        pointer: '/if-match',
        message: `must be the ETag of the ${noun} with its double quotes, such as "1"`,
      },
    ])
  const tags = ifMatch.split(',').map((each) => each.trim())
  return tags.includes('*') || tags.includes(tag)
}

/**
 * Whether `If-None-Match` names a tag, compared weakly (RFC 9110, section 13.1.2). Express would say no to whoever
 * sends `Cache-Control: no-cache` beside it, as fetch does by itself.
 */
export function isNamedBy(ifNoneMatch: string | undefined, tag: string): boolean {
  const plain = (each: string) => each.trim().replace(/^W\//, '')
  const named = (ifNoneMatch ?? '').split(',').map(plain)
  return named.includes('*') || named.includes(plain(tag))
}
