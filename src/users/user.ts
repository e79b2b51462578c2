import { randomInt } from 'node:crypto'
import { type Scope, scopes } from '../../generated/server/express.gen.ts'
import type { Role, User } from '../../generated/server/types.gen.ts'
import { outer } from '../ids.ts'
import type { Principal } from '../operation.ts'
import { Problem } from '../problem.ts'

const scopesOfSales: readonly Scope[] = [
  'leads:read',
  'leads:update',
  'customers:read',
  'customers:write',
  'events:read',
]

/** What a role may do. Admins hold every scope but the one for machines that only push. */
export const scopesOfRole: Record<Role, readonly Scope[]> = { admin: scopes, sales: scopesOfSales }

/** For the operator's log: enough to tell one from another who asks what became of it. */
export const maskedEmail = (email: string): string => email.replace(/^(.).*@/s, '$1…@')

/** @throws {Problem} `password-is-email`, in any case of letters. */
export function requireOtherThanEmail(password: string, email: string): void {
  if (password.trim().toLowerCase() === email.toLowerCase()) throw new Problem('password-is-email')
}

// Without the letters and digits that are easily taken for each other. 7 groups of 4 are 138 bits.
export const legible = 'abcdefghjkmnpqrstuvwxyz23456789'

export function newPassword(): string {
  const group = () => Array.from({ length: 4 }, () => legible[randomInt(legible.length)]).join('')
  return Array.from({ length: 7 }, group).join('-')
}

/** Whether a person could not be saved because the e-mail address is another one's. */
export const isTaken = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === '23505'

export interface UserRow {
  id: string
  dealer_id: string
  email: string
  name: string
  role: Role
  /** Null until somebody who was invited has chosen one. */
  password_hash: string | null
  /** The operator made the password, and knows it. */
  password_temporary: boolean
  deactivated_at: Date | null
  /** How many the person has, as the room of passkeys counts them. */
  passkey_count: number
  created_at: Date
}

export function userBody(row: UserRow, lockedUntil?: Date): User {
  return {
    id: outer('user', row.id),
    name: row.name,
    email: row.email,
    role: row.role,
    state: row.deactivated_at !== null ? 'deactivated' : row.password_hash === null ? 'invited' : 'active',
    deactivated: row.deactivated_at !== null,
    createdAt: row.created_at.toISOString(),
    ...(row.password_temporary && { passwordTemporary: true }),
    ...(lockedUntil && { signInLockedUntil: lockedUntil.toISOString() }),
    passkeys: row.passkey_count,
  }
}

/** The id of the person who asks. @throws {Problem} `person-needed` for an API key. */
export function personId({ subject }: Principal): string {
  if (subject.type !== 'user') throw new Problem('person-needed')
  return subject.id
}
