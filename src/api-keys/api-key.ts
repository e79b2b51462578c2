import { scopesOfKind } from '../../generated/server/scopes.gen.ts'
import type {
  ApiKey,
  ApiKeyEnvironment,
  ApiKeyKind,
  ApiKeyReplacement,
  ApiKeyStatus,
  ApiKeyUse,
  OldSecretEnds,
  Silence,
} from '../../generated/server/types.gen.ts'
import { outer } from '../ids.ts'
import { momentOf } from '../moment.ts'
import type { Principal } from '../operation.ts'
import { Problem } from '../problem.ts'
import { inForce } from '../tokens/scope.ts'
import { networkText } from './allowed-networks.ts'
import { graceSeconds } from './replacement.ts'

/** When somebody came with a key, read as JSON. */
interface Use {
  at: string
  operation: string
  /** 0 when the sender left before the answer. */
  status: number
  /** Of a refusal. */
  problem?: string | null
  address: string
  user_agent: string | null
  mask: string | null
}

export interface ApiKeyRow {
  id: string
  name: string
  kind: ApiKeyKind
  environment: ApiKeyEnvironment
  scopes: string[]
  disabled: boolean
  /** Without any, from everywhere. */
  allowed_networks: string[]
  /** As which systems it may write customers. */
  sources: string[]
  expires_at: Date | null
  deleted_at: Date | null
  delete_reason: string | null
  /** Of the current secret. */
  mask: string
  next_mask: string | null
  next_grace_seconds: number | null
  previous_mask: string | null
  previous_ends_at: Date | null
  used: Use | null
  accepted: Use | null
  refused: Use | null
  locked_out: Use | null
  foreign: Use | null
  created_by: string
  created_by_name: string
  created_at: Date
  updated_at: Date
}

/** The key as `reader` sees it: who made it is told to people, and to no key, be it its own. */
export function apiKeyBody(row: ApiKeyRow, silence: Silence | undefined, reader: Principal['subject']['type']): ApiKey {
  const replacement = replacementOf(row)
  const status = statusOf(row)
  return {
    id: outer('key', row.id),
    name: row.name,
    kind: row.kind,
    environment: row.environment,
    scopes: inForce(row.scopes),
    status,
    disabled: row.disabled,
    mask: row.mask,
    allowedNetworks: row.allowed_networks.map(networkText),
    sources: row.sources,
    ...(row.expires_at && { expiresAt: row.expires_at.toISOString() }),
    ...(replacement && { replacement }),
    ...(row.used && { lastUsed: useBody(row.used) }),
    ...(row.accepted && { lastAccepted: useBody(row.accepted) }),
    ...(row.refused && { lastRefused: useBody(row.refused) }),
    ...(row.locked_out && { lastLockedOut: useBody(row.locked_out) }),
    ...(row.foreign && { lastForeign: useBody(row.foreign) }),
    ...(silence && status === 'active' && { quiet: silence }),
    ...(row.deleted_at && { deletedAt: row.deleted_at.toISOString() }),
    ...(row.delete_reason !== null && { deleteReason: row.delete_reason }),
    ...(reader === 'user' && {
      createdBy: { type: 'user', id: outer('user', row.created_by), name: row.created_by_name },
    }),
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  }
}

function useBody({ at, operation, status, problem, address, user_agent, mask }: Use): ApiKeyUse {
  return {
    at: momentOf(at).toISOString(),
    operation,
    ...(status !== 0 && { status }),
    ...(typeof problem === 'string' && { problem }),
    address,
    ...(user_agent !== null && { userAgent: user_agent }),
    mask: mask ?? '',
  }
}

function statusOf({ deleted_at, disabled, expires_at }: ApiKeyRow): ApiKeyStatus {
  if (deleted_at) return 'deleted'
  if (expires_at && expires_at <= new Date()) return 'expired'
  return disabled ? 'disabled' : 'active'
}

function replacementOf({
  mask,
  next_mask,
  next_grace_seconds,
  previous_mask,
  previous_ends_at,
}: ApiKeyRow): ApiKeyReplacement | undefined {
  // The cast: only these seconds are ever stored.
  const oldEndsAfter = (Object.keys(graceSeconds) as OldSecretEnds[]).find(
    (name) => graceSeconds[name] === next_grace_seconds,
  )
  if (next_mask !== null)
    return { state: 'pending', newMask: next_mask, oldMask: mask, ...(oldEndsAfter && { oldEndsAfter }) }
  if (previous_mask === null || previous_ends_at === null || previous_ends_at <= new Date()) return undefined
  return { state: 'in_use', newMask: mask, oldMask: previous_mask, oldEndsAt: previous_ends_at.toISOString() }
}

/**
 * The scopes of a new key: the usual ones of its kind, or those asked for.
 *
 * @throws {Problem} `scope-not-of-kind` when a key of this kind cannot have one of them.
 */
export function grantedScopes(kind: ApiKeyKind, wanted: readonly string[] | undefined): readonly string[] {
  const { usual, onRequest }: { usual: readonly string[]; onRequest: readonly string[] } = scopesOfKind[kind]
  if (!wanted) return usual
  const possible = [...usual, ...onRequest]
  const foreign = wanted.filter((scope) => !possible.includes(scope))
  if (foreign.length > 0)
    throw new Problem(
      'scope-not-of-kind',
      `A ${kind} key cannot have ${foreign.join(' ')}. It can have ${possible.join(' ')}.`,
    )
  return possible.filter((scope) => wanted.includes(scope))
}

/** Keys that can give customer data away. */
export const readsData = (kind: ApiKeyKind) => kind === 'extensive_integrations'

/** @throws {Problem} `expiry-past` */
export function expiryToCome(expiresAt: string | undefined, now: Date): Date | null {
  if (expiresAt === undefined) return null
  const time = momentOf(expiresAt)
  if (time <= now) throw new Problem('expiry-past')
  return time
}
