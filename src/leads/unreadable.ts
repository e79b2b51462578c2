import { badRequest, type Problem } from '../problem.ts'

/** The answer to a body that no lead can be read from. */
export function unreadable(message: string): Problem {
  return badRequest([{ in: 'body', pointer: '', message }])
}
