import { scopesOfKind } from '../../generated/server/scopes.gen.ts'
import type { ApiKeyKind } from '../../generated/server/types.gen.ts'
import { inForce } from '../tokens/scope.ts'

/** What is stored of the scopes of a key, all of it together. */
export interface Granted {
  scopes: string[]
  /** `scopes` as they were when what follows was written. The version before writes `scopes` alone. */
  scopes_seen: string[]
  /** It was given all that was usual for its kind, and gets what comes to it. */
  all_of_kind: boolean
  /** Those that some version of the contract had, and whose coming was told. */
  scopes_in_force: string[]
}

export type GrantedRow = { kind: ApiKeyKind; scopes: string[] } & {
  [Column in 'scopes_seen' | 'all_of_kind' | 'scopes_in_force']: Granted[Column] | null
}

// To the version before these were all of a kind.
const allBefore: Record<ApiKeyKind, readonly string[]> = {
  digital_requests: ['leads:create'],
  extensive_integrations: [
    'leads:create',
    'leads:read',
    'leads:update',
    'customers:read',
    'customers:write',
    'events:read',
    'webhooks:manage',
  ],
}

/** What is stored with scopes that somebody chose. */
export function granted(kind: ApiKeyKind, chosen: readonly string[]): Granted {
  const scopes = [...chosen]
  return {
    scopes,
    scopes_seen: scopes,
    all_of_kind: includesAll(scopes, scopesOfKind[kind].usual),
    scopes_in_force: inForce(scopes),
  }
}

/**
 * The scopes of a key as they are to be by this version of the contract: one that was given all of its kind gets what
 * has come to it, a narrowed one keeps what it has. `came`: what the key may do now and could not before.
 */
export function caughtUp(row: GrantedRow): { after: Granted; came: string[] } {
  const isSeen = row.scopes_seen?.join() === row.scopes.join()
  const isWhole = isSeen ? row.all_of_kind === true : includesAll(row.scopes, allBefore[row.kind])
  const told = isSeen ? (row.scopes_in_force ?? []) : inForce(row.scopes)
  const scopes = isWhole ? [...new Set([...row.scopes, ...scopesOfKind[row.kind].usual])] : row.scopes
  const came = inForce(scopes).filter((scope) => !told.includes(scope))
  // A newer version that serves the same database knows more: what it told stays told.
  return { after: { scopes, scopes_seen: scopes, all_of_kind: isWhole, scopes_in_force: [...told, ...came] }, came }
}

const includesAll = (some: readonly string[], others: readonly string[]) => others.every((each) => some.includes(each))
