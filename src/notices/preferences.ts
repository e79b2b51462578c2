import type { Notifications } from '../../generated/server/types.gen.ts'

/** Who is told of what by mail, as long as they have chosen nothing else; conditions on a row of `users`. */
export const wants = {
  newLeads: 'coalesce(u.mail_new_lead, false)',
  unansweredLeads: "coalesce(u.mail_unanswered_lead, u.role = 'admin')",
  keys: "(u.role = 'admin' and coalesce(u.mail_keys, true))",
  security: "(u.role = 'admin' and coalesce(u.mail_security, true))",
}
/** Somebody who has been invited and has no password yet is told of nothing but that. */
export const isReader = 'u.deactivated_at is null and u.password_hash is not null'

export interface ReaderRow {
  name: string
  email: string
  deactivated_at: Date | null
  language: 'en' | 'da' | null
  wants_new_leads: boolean
  wants_unanswered_leads: boolean
  wants_keys: boolean
  wants_security: boolean
  dealer_name: string
  dealer_language: string
  time_zone: string
}

/** What somebody reads: their own choice, else the dealer's language as far as there are letters in it. */
export function languageOf({ language, dealer_language }: ReaderRow): 'en' | 'da' {
  return language ?? (dealer_language.startsWith('da') ? 'da' : 'en')
}

export function notificationsBody(reader: ReaderRow, mailIsReady: boolean): Notifications {
  return {
    mail: mailIsReady ? 'ready' : 'not_set_up',
    email: reader.email,
    newLead: reader.wants_new_leads,
    unansweredLead: reader.wants_unanswered_leads,
    keys: reader.wants_keys,
    security: reader.wants_security,
    language: languageOf(reader),
  }
}
