import type { Warning } from '../../generated/server/types.gen.ts'
import type { LongNumbers } from '../json.ts'
import type { LeadContext } from './lead.ts'

/** What one lead is read with, and what comes to light on the way. */
export interface Reading extends LeadContext {
  /** Where the customer is, if that was said and understood; `unknown` when it was only said. */
  readonly customerCountry?: string | undefined
  readonly warnings: Warning[]
  readonly extra: Extra
  /** Numbers that are not in the values of what was sent, as they stood there. */
  readonly longNumbers: LongNumbers | undefined
}

/** What has no place of its own in a lead. */
export interface Extra {
  readonly members: Map<string, unknown>
  /** The size of all as JSON in UTF-8, counting a comma or brace after each member. */
  bytes: number
  /**
   * Makes names unique that became alike when they were repaired; it only rises, so that a hostile sender cannot make
   * us search.
   */
  renamed: number
}

export function newReading({ country, timeZone }: LeadContext, longNumbers?: LongNumbers): Reading {
  return { country, timeZone, warnings: [], extra: { members: new Map(), bytes: 1, renamed: 0 }, longNumbers }
}
