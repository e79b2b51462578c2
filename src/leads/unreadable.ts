import { Problem } from '../problem.ts'

/** The answer to a body that no lead can be read from. */
export function unreadable(message: string): Problem {
  return new Problem('bad-request', `body: ${message}`, { violations: [{ in: 'body', pointer: '', message }] })
}
