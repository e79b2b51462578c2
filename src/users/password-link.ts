import { randomBytes } from 'node:crypto'
import { inner } from '../ids.ts'

/** How long a link to choose a password works, in seconds: a week, so that it outlives a few days off. */
export const linkSeconds = 7 * 24 * 60 * 60
const pattern = /^([0-9a-f]{32})([0-9a-f]{32})[A-Za-z0-9_-]{43}$/

export interface LinkToken {
  readonly text: string
  readonly dealerId: string
  readonly userId: string
}

/** What is secret in a link: whose it is, then 256 bits that nobody can guess. */
export function newLinkToken(dealerId: string, userId: string): LinkToken {
  const text = dealerId.replaceAll('-', '') + userId.replaceAll('-', '') + randomBytes(32).toString('base64url')
  return { text, dealerId, userId }
}

export function parseLinkToken(text: string): LinkToken | undefined {
  const [, dealerId, userId] = pattern.exec(text) ?? []
  return dealerId && userId ? { text, dealerId: inner(`_${dealerId}`), userId: inner(`_${userId}`) } : undefined
}

/** The page of the link. A browser sends what stands behind the # to nobody, so that no log has it. */
export const linkUrl = (publicUrl: string, { text }: LinkToken): string => `${publicUrl}/password#${text}`
