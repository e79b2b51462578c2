import type { Silence } from '../../generated/server/types.gen.ts'

export interface SilenceRow {
  since: Date
  expected: number
  noticed_at: Date
}

export function silenceBody({ since, expected, noticed_at }: SilenceRow): Silence {
  return { since: since.toISOString(), expectedLeads: Math.max(1, expected), noticedAt: noticed_at.toISOString() }
}
