import { unguarded } from '../../generated/server/guards.gen.ts'
import type { Lead, LeadStatus, LeadStatusReason, LeadType, Warning } from '../../generated/server/types.gen.ts'
import { revOf } from '../events/cursor.ts'
import { outer } from '../ids.ts'
import type { TellingReference } from './external-reference.ts'
import { legalMoves } from './status.ts'

/** Where the lead's dealer is. */
export interface LeadContext {
  readonly country: string
  readonly timeZone: string
}

/** What a lead shows when it is read and no column holds. */
export type LeadData = Required<Pick<Lead, 'customer'>> &
  Pick<
    Lead,
    'message' | 'vehiclesOfInterest' | 'tradeIns' | 'consents' | 'attribution' | 'appointment' | 'locale' | 'extra'
  >

/** A lead as it will be stored; everything that a row needs except its ids and its dealer. */
export interface NewLead {
  type: LeadType
  test: boolean
  externalReference?: TellingReference
  /** RFC 3339 in UTC with milliseconds. */
  submittedAt?: string
  data: LeadData
  warnings: Warning[]
  /** There is some way to reach the customer, were it an odd one. */
  reachable: boolean
}

export interface LeadRow {
  id: string
  type: LeadType
  status: LeadStatus
  status_reason: LeadStatusReason | null
  source_type: 'api_key' | 'user'
  source_id: string
  source_name: string
  test: boolean
  external_source: string | null
  external_id: string | null
  submitted_at: Date | null
  received_at: Date
  updated_at: Date
  responded_at: Date | null
  duplicate_of: string | null
  /** As it was linked; it may have been merged into another meanwhile. */
  customer_id: string | null
  /** The event that linked it: linking leaves `version` as it is. */
  link_seq: string | null
  version: number
  /** The last event about it, which may be that of its link. */
  rev_seq: string
  rev_event: string
  data: LeadData
  warnings: Warning[]
}

/** A lead as it is shown to whoever has these scopes: without the person in it, if they do not let them see people. */
export function leadBody(row: LeadRow, scopes: ReadonlySet<string>): Lead {
  const lead = wholeLead(row)
  // The cast: what the contract guards it lets be left out, which a rule of its lint sees to.
  return seesPeople(scopes) ? lead : (only(unguarded.Lead, lead) as Lead)
}

export const seesPeople = (scopes: ReadonlySet<string>): boolean => scopes.has('customers:read')

type Members = { readonly [name: string]: true | Members }

/** Of a value, or of each in a list, the members that are named, and nothing that is not. */
function only(members: Members, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((each: unknown) => only(members, each))
  if (typeof value !== 'object' || value === null) return undefined
  const shown: Record<string, unknown> = {}
  for (const [name, member] of Object.entries(value)) {
    const inner = Object.hasOwn(members, name) ? members[name] : undefined
    if (inner !== undefined) shown[name] = inner === true ? member : only(inner, member)
  }
  return shown
}

function wholeLead(row: LeadRow): Lead {
  return {
    ...row.data,
    id: outer('lead', row.id),
    type: row.type,
    status: row.status,
    ...(row.status_reason && { statusReason: row.status_reason }),
    source: {
      type: row.source_type,
      id: outer(row.source_type === 'user' ? 'user' : 'key', row.source_id),
      name: row.source_name,
    },
    ...(row.external_source !== null &&
      row.external_id !== null && { externalReference: { source: row.external_source, id: row.external_id } }),
    ...(row.submitted_at && { submittedAt: row.submitted_at.toISOString() }),
    ...(row.customer_id !== null && { customerId: outer('cust', row.customer_id) }),
    test: row.test,
    warnings: row.warnings,
    receivedAt: row.received_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
    ...(row.responded_at && { respondedAt: row.responded_at.toISOString() }),
    ...(row.duplicate_of !== null && { duplicateOf: outer('lead', row.duplicate_of) }),
    legalStatuses: [...legalMoves[row.status]],
    version: row.version,
    rev: revOf(row),
  }
}
