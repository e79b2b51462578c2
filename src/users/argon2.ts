import { randomInt } from 'node:crypto'
import { hash, hashSync, verifySync } from '@node-rs/argon2'

// Argon2id with 19 MiB, 2 passes, 1 lane (OWASP Password Storage Cheat Sheet).
const cost = { memoryCost: 19_456, timeCost: 2, parallelism: 1 }

/** For commands, and for the first admin. A service has `Passwords`. */
export const hashPassword = (password: string): Promise<string> => hash(password, cost)

export const hashPasswordSync = (password: string): string => hashSync(password, cost)

let nobody: string | undefined

/**
 * An unknown e-mail, or somebody without a password, is verified against a hash of nothing that anybody knows, so that
 * it takes as long as a wrong password.
 */
export function isPasswordSync(passwordHash: string | null, password: string): boolean {
  nobody ??= hashPasswordSync(String(randomInt(2 ** 47)) + String(randomInt(2 ** 47)))
  return verifySync(passwordHash ?? nobody, password) && passwordHash !== null
}
