import type { Customer } from '../../generated/server/types.gen.ts'
import { revOf } from '../events/cursor.ts'
import { outer } from '../ids.ts'
import type { Shown } from './record.ts'

export interface CustomerRow {
  id: string
  test: boolean
  state: Customer['state']
  merged_into: string | null
  /** Of an active one; nothing is shown of others. */
  shown: Shown | null
  version: number
  rev_seq: string
  rev_event: string
  created_at: Date
  updated_at: Date
}

const nothing: Shown = { kind: 'person', emails: [], phones: [], externalReferences: [] }

export function customerBody(row: CustomerRow): Customer {
  return {
    ...(row.shown ?? nothing),
    id: outer('cust', row.id),
    state: row.state,
    ...(row.merged_into !== null && { mergedInto: outer('cust', row.merged_into) }),
    test: row.test,
    version: row.version,
    rev: revOf(row),
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  }
}

/**
 * By an id the customer is answered into which its own was merged, and whose versions are counted apart: the tag names
 * both.
 */
export const etagOf = ({ id, version }: Pick<CustomerRow, 'id' | 'version'>): string => `"${id.slice(-12)}.${version}"`
