import type { Violation } from '../problem.ts'
import { holdsSecret } from '../user-agent.ts'

const pointerLengthMax = 200
/** Without so many digits in a row as a phone number or a date of birth has. */
const nameOrPlace = /^(?![^]*\d{6})(?:@?[A-Za-z][A-Za-z0-9_-]{0,39}|\d{1,4})$/

/**
 * What the log keeps of a violation. A pointer leads to names that the sender chose; one that looks like a value (an
 * address, a number, a key) is left out.
 */
export function loggedViolation({ in: part, pointer, message }: Violation): Violation {
  const kept = pointer
    .split('/')
    .map((name) => (name === '' || (nameOrPlace.test(name) && !holdsSecret(name)) ? name : '…'))
    .join('/')
  return { in: part, pointer: kept.slice(0, pointerLengthMax), message }
}
