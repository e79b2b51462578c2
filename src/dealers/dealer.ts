import type { DealerSettings } from '../../generated/server/types.gen.ts'
import { outer } from '../ids.ts'

export interface DealerRow {
  id: string
  name: string
  country: string
  time_zone: string
  language: string
  request_log_days: number
  response_target_minutes: number
  second_factor_required: boolean
}

export function dealerBody(row: DealerRow): DealerSettings {
  return {
    id: outer('dealer', row.id),
    name: row.name,
    country: row.country,
    timeZone: row.time_zone,
    language: row.language,
    requestLogDays: row.request_log_days,
    responseTargetMinutes: row.response_target_minutes,
    secondFactorRequired: row.second_factor_required,
  }
}

/** Whether it is an IANA time zone, whose times this process can read. An offset such as +01:00 is none. */
export function isTimeZone(text: string): boolean {
  if (!/^[A-Za-z]/.test(text)) return false
  try {
    new Intl.DateTimeFormat('en', { timeZone: text })
    return true
  } catch {
    return false
  }
}
