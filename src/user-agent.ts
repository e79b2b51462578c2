import * as limits from '../generated/server/limits.gen.ts'

const words = /[\w.-]+/g
// What somebody pasted into the wrong header must not be kept: API keys and access tokens by how they begin, session
// cookies and password links by their length, which no word has that means something.
const secretStarts = /cb_(?:dr|ei)_(?:live|test)_[0-9A-Za-z]{8}|eyJ[\w-]{8}/
const wordLengthMax = 64
// Longer than what is kept, so that a secret at its end is seen for what it is.
const lookedAtMax = 2 * limits.OwnSession.userAgent.maxLength

export const holdsSecret = (text: string): boolean => text.match(words)?.some(isSecret) ?? false

/** What may be kept of a User-Agent header, without secrets and as much as the contract has room for. */
export function userAgentOf(header: string | undefined): string | null {
  const kept = header?.slice(0, lookedAtMax).replace(words, (word) => (isSecret(word) ? '(secret)' : word))
  return kept?.slice(0, limits.OwnSession.userAgent.maxLength) ?? null
}

const isSecret = (word: string): boolean => word.length > wordLengthMax || secretStarts.test(word)
