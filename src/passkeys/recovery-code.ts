import { randomInt } from 'node:crypto'
import type { Secrets } from '../secrets.ts'
import { legible } from '../users/user.ts'

/** How many codes a person gets at one time. */
export const codesAtOnce = 10
// 31 letters and digits: 49 bits, and whoever tries needs the password and is slowed down with it.
const codeLength = 10

export function newCodes(): string[] {
  const half = () => Array.from({ length: codeLength / 2 }, () => legible[randomInt(legible.length)]).join('')
  return Array.from({ length: codesAtOnce }, () => `${half()}-${half()}`)
}

/** What is kept of a code. Case, blanks and hyphens do not count, as people copy it from paper. */
export function hashOfCode(secrets: Secrets, version: string, userId: string, code: string): Buffer {
  return secrets.hash('recovery-code', version, `${userId} ${code.toLowerCase().replaceAll(/[\s-]/g, '')}`)
}
