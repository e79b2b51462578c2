import type { Request } from 'express'
import { meantBy, suggestionsFor } from '../leads/suggestion.ts'
import { nearest } from '../nearest.ts'
import type { Violation } from '../problem.ts'

/** Beyond so many names nobody finds the one that is meant. */
const namesMax = 64

/** Adds to what is wrong with a request what was probably meant: by names alone, never by a value. */
export function withSuggestions(violations: readonly Violation[], req: Request): Violation[] {
  const call = req.res?.locals.call
  return violations.flatMap((violation) => {
    const { in: part, pointer, message } = violation
    const name = pointer.slice(pointer.lastIndexOf('/') + 1)
    if (part === 'query' && message.startsWith('Unknown query parameter')) {
      const meant = nearest(name, call?.operation.queryParameters ?? [])
      const asked = meant === undefined ? '' : `. Did you mean ${meant}?`
      return [{ ...violation, message: `is not a parameter of this operation${asked}` }]
    }
    if (part !== 'body' || !message.startsWith('must have required property')) return [violation]

    const sent = namesIn(req.body, pointer)
    if (call?.id === 'createLead' && pointer === '/customer')
      return [
        violation,
        ...suggestionsFor(sent.map((each) => `/${each}`).filter((each) => meantBy(each) !== undefined)),
      ]
    const near = nearest(name, sent)
    return [near === undefined ? violation : { ...violation, message: `${message}; what is there is '${near}'` }]
  })
}

/** The names of all members beside the one that is missing. */
function namesIn(body: unknown, pointer: string): string[] {
  let at = body
  for (const name of pointer.split('/').slice(1, -1)) {
    if (typeof at !== 'object' || at === null) return []
    at = Object.entries(at).find(([each]) => each === name)?.[1]
  }
  return typeof at === 'object' && at !== null ? Object.keys(at).slice(0, namesMax) : []
}
