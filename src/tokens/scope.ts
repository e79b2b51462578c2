import { type Scope, scopes } from '../../generated/server/express.gen.ts'

/**
 * Of scopes that were stored or signed once, those that the contract has, in its order. What it does not have yet, or
 * any more, guards nothing: it stays where it is stored, and is neither shown nor granted.
 */
export const inForce = (held: Iterable<string>): Scope[] => {
  const all = new Set(held)
  return scopes.filter((scope) => all.has(scope))
}
