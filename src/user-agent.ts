import * as limits from '../generated/server/limits.gen.ts'

// What somebody pasted into the wrong header must not be kept: API keys, access tokens, session cookies and password
// links.
const secrets = /cb_(?:dr|ei)_(?:live|test)_[0-9A-Za-z]{8,}|eyJ[\w-]+\.[\w-]+\.[\w-]+|[0-9a-f]{64}[\w-]{43}/g

export const holdsSecret = (text: string): boolean => text.search(secrets) !== -1

/** What may be kept of a User-Agent header, without secrets and as much as the contract has room for. */
export function userAgentOf(header: string | undefined): string | null {
  return header?.replace(secrets, '(secret)').slice(0, limits.OwnSession.userAgent.maxLength) ?? null
}
