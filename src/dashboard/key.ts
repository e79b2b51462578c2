import { type ApiKey, type ApiKeyKind, type ApiKeyScope, type ApiKeyUse, scopesOfKind } from './client.ts'

const dayMs = 86_400_000
const expiresSoonDays = 7
const idleDays = 30
const lockedOutDays = 7
const foreignDays = 7

/** What a key is granted when nothing else is asked for. */
export const usualScopes = (kind: ApiKeyKind): readonly ApiKeyScope[] => scopesOfKind[kind].usual
/** All that a key can be granted. */
export const possibleScopes = (kind: ApiKeyKind): readonly ApiKeyScope[] => [
  ...scopesOfKind[kind].usual,
  ...scopesOfKind[kind].onRequest,
]

export type Chip = { tone: 'good' | 'quiet' | 'notice' | 'bad' } & (
  | { word: 'active' | 'disabled' | 'expired' | 'deleted' | 'unused' | 'replacing' }
  | { word: 'idle' | 'expires'; days: number }
)

/** What of a key should be seen first. */
export function chipOf({ status, replacement, expiresAt, lastUsed }: ApiKey, now: Date): Chip {
  if (status === 'deleted' || status === 'expired') return { tone: 'bad', word: status }
  if (status === 'disabled') return { tone: 'quiet', word: status }
  if (replacement) return { tone: 'notice', word: 'replacing' }
  const daysLeft =
    expiresAt === undefined ? Number.POSITIVE_INFINITY : Math.ceil((Date.parse(expiresAt) - now.getTime()) / dayMs)
  if (daysLeft <= expiresSoonDays) return { tone: 'notice', word: 'expires', days: daysLeft }
  if (!lastUsed) return { tone: 'quiet', word: 'unused' }
  const daysIdle = Math.floor((now.getTime() - Date.parse(lastUsed.at)) / dayMs)
  if (daysIdle >= idleDays) return { tone: 'quiet', word: 'idle', days: daysIdle }
  return { tone: 'good', word: 'active' }
}

/** A key that was deleted and is tried nevertheless: some partner is broken. */
export const isGhost = ({ deletedAt, lastUsed }: ApiKey) =>
  deletedAt !== undefined && lastUsed !== undefined && lastUsed.at > deletedAt

export type LockedOut = 'ended' | 'disabled' | 'expired'

/** Why somebody uses a living key in vain, or did within a week: with a secret that has ended, for example. */
export function lockedOut(apiKey: ApiKey, now: Date): LockedOut | undefined {
  const { status, mask, replacement, lastLockedOut, lastAccepted } = apiKey
  if (!lastLockedOut || now.getTime() - Date.parse(lastLockedOut.at) > lockedOutDays * dayMs) return undefined
  const isWorking = [mask, replacement?.oldMask, replacement?.newMask].includes(lastLockedOut.mask)
  if (status === 'active') return isWorking ? undefined : 'ended'
  if (status === 'deleted') return undefined
  return lastAccepted && lastAccepted.at > lastLockedOut.at ? undefined : isWorking ? status : 'ended'
}

/** Who came with a living key, within a week, from where it may not be used. */
export function foreignUse({ status, lastForeign }: ApiKey, now: Date): ApiKeyUse | undefined {
  if (status === 'deleted' || !lastForeign) return undefined
  return now.getTime() - Date.parse(lastForeign.at) > foreignDays * dayMs ? undefined : lastForeign
}

/** The names of systems that were typed, with commas or lines between them. */
export const systemsIn = (text: string): string[] => [
  ...new Set(
    text
      .split(/[,\n]/)
      .map((name) => name.trim())
      .filter((name) => name !== ''),
  ),
]

/** One address or network a line, as people type lists. */
export const networksIn = (text: string): string[] => text.split(/[\s,;]+/).filter((entry) => entry !== '')

/** Deleting a key that is in use, or that does much, asks for its name. */
export function isDeletionConfirmed(apiKey: ApiKey, now: Date): boolean {
  return (
    apiKey.kind === 'extensive_integrations' ||
    (apiKey.lastUsed !== undefined && now.getTime() - Date.parse(apiKey.lastUsed.at) < 7 * dayMs)
  )
}

/** A day that was chosen, where the person is. */
export const startOfDay = (day: string) => new Date(`${day}T00:00:00`)
export const endOfDay = (day: string) => new Date(`${day}T23:59:59`)
export function nextDay(day: string): Date {
  const start = startOfDay(day)
  start.setDate(start.getDate() + 1)
  return start
}
export const inDays = (days: number, now: Date) => new Date(now.getTime() + days * dayMs)
/** The day as a date field has it. */
export const dayOf = (at: Date) =>
  [at.getFullYear(), String(at.getMonth() + 1).padStart(2, '0'), String(at.getDate()).padStart(2, '0')].join('-')
