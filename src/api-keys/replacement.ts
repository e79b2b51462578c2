import type { OldSecretEnds } from '../../generated/server/types.gen.ts'
import { Problem } from '../problem.ts'

/**
 * One secret of a key. A key has one `current` secret. While it is replaced there is another one: the `next`, which
 * becomes current when it is first used, or the `previous`, which works until its own end. Whatever is lost on the way,
 * one that somebody holds still works; but where old and new were to change at once and the answer was lost, nobody
 * holds the current one until the key is replaced again.
 */
export interface Secret {
  readonly lookup: string
  readonly credentialId: string
  readonly role: 'current' | 'next' | 'previous' | 'ended'
  /** Its own end, beside that of the key. */
  readonly endsAt: Date | null
  /** Of a next secret: how long the current one works once this one is used. */
  readonly graceSeconds: number | null
  readonly firstUsedAt: Date | null
}

export const graceSeconds: Record<OldSecretEnds, number> = {
  at_once: 0,
  after_1_hour: 3_600,
  after_24_hours: 86_400,
  after_7_days: 604_800,
}
export const restorableSeconds = 86_400

/** The secrets as they are to be before a new one is added, and the place of the new one. */
export interface Replaced {
  readonly secrets: readonly Secret[]
  readonly added: Pick<Secret, 'role' | 'graceSeconds'>
}

/**
 * Makes room for a new secret. One that nobody has used yet gives way to it: its answer may have been lost.
 *
 * @throws {Problem} `replacement-under-way` when two secrets are in use.
 */
export function replaced(
  secrets: readonly Secret[],
  grace: number,
  newCounts: 'on_first_use' | 'at_once',
  now: Date,
): Replaced {
  const withoutNext = secrets.map((secret) => (secret.role === 'next' ? ended(secret) : secret))
  const current = withoutNext.find(({ role }) => role === 'current')
  const previous = withoutNext.find((secret) => secret.role === 'previous' && !isOver(secret, now))

  if (previous) {
    if (current?.firstUsedAt !== null) throw new Problem('replacement-under-way')
    return {
      secrets: withoutNext.map((secret) => (secret === current ? ended(secret) : secret)),
      added: { role: 'current', graceSeconds: null },
    }
  }
  const settled = withoutNext.map((secret) => (secret.role === 'previous' ? ended(secret) : secret))
  if (newCounts === 'on_first_use') return { secrets: settled, added: { role: 'next', graceSeconds: grace } }
  return {
    secrets: settled.map((secret) => (secret.role === 'current' ? ending(secret, grace, now) : secret)),
    added: { role: 'current', graceSeconds: null },
  }
}

/** The next secret is used: it is the current one, and the time of the old one begins to run. */
export function firstUsed(secrets: readonly Secret[], lookup: string, now: Date): readonly Secret[] {
  const used = secrets.find((secret) => secret.lookup === lookup)
  return secrets.map((secret) => {
    if (secret === used)
      return {
        ...secret,
        role: secret.role === 'next' ? 'current' : secret.role,
        graceSeconds: null,
        firstUsedAt: secret.firstUsedAt ?? now,
      }
    return secret.role === 'current' && used?.role === 'next' ? ending(secret, used.graceSeconds ?? 0, now) : secret
  })
}

/**
 * The old secret ends `grace` seconds from now; a next one becomes current.
 *
 * @throws {Problem} `not-found` when nothing is being replaced
 */
export function oldEnding(secrets: readonly Secret[], grace: number, now: Date): readonly Secret[] {
  if (secrets.some(({ role }) => role === 'next'))
    return secrets.map((secret) =>
      secret.role === 'current'
        ? ending(secret, grace, now)
        : secret.role === 'next'
          ? { ...secret, role: 'current', graceSeconds: null }
          : secret,
    )
  requirePrevious(secrets, now)
  return secrets.map((secret) => (secret.role === 'previous' ? ending(secret, grace, now) : secret))
}

/**
 * The old secret is the current one again, and the new one ends.
 *
 * @throws {Problem} `not-found` when nothing is being replaced
 */
export function cancelled(secrets: readonly Secret[], now: Date): readonly Secret[] {
  if (secrets.some(({ role }) => role === 'next'))
    return secrets.map((secret) => (secret.role === 'next' ? ended(secret) : secret))
  requirePrevious(secrets, now)
  return secrets.map((secret) =>
    secret.role === 'current'
      ? ended(secret)
      : secret.role === 'previous'
        ? { ...secret, role: 'current', endsAt: null }
        : secret,
  )
}

/** When a secret ends: by itself or with its key, whichever is first; undefined for never. */
export function endOf(secret: Pick<Secret, 'endsAt'>, keyExpiresAt: Date | null): Date | undefined {
  const ends = [secret.endsAt, keyExpiresAt].filter((end) => end !== null)
  return ends.length === 0 ? undefined : new Date(Math.min(...ends.map(Number)))
}

/** Whether an end, null for never, comes after another one. */
export const isLater = (one: Date | null, other: Date | null): boolean =>
  other !== null && (one === null || one > other)

/** Whether a secret works for longer than it would have. */
export function isAnyProlonged(before: readonly Secret[], after: readonly Secret[]): boolean {
  return after.some((secret) => {
    const was = before.find(({ lookup }) => lookup === secret.lookup)
    return secret.role !== 'ended' && was !== undefined && isLater(secret.endsAt, was.endsAt)
  })
}

function requirePrevious(secrets: readonly Secret[], now: Date): void {
  if (!secrets.some((secret) => secret.role === 'previous' && !isOver(secret, now))) throw new Problem('not-found')
}

const isOver = ({ endsAt }: Secret, now: Date) => endsAt !== null && endsAt <= now
const ended = (secret: Secret): Secret => ({ ...secret, role: 'ended', graceSeconds: null })

function ending(secret: Secret, grace: number, now: Date): Secret {
  return grace === 0 ? ended(secret) : { ...secret, role: 'previous', endsAt: new Date(now.getTime() + grace * 1000) }
}
