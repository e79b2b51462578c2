import type { AuditAction, Mail, MailKind } from '../../generated/server/types.gen.ts'

/** How long mails are kept. What one must not be told twice of is over by then. */
export const mailKeptDays = 30

export interface MailRow {
  dealer_id: string
  id: string
  user_id: string
  kind: MailKind
  data: MailData
  sealed: Buffer | null
  secret_version: string | null
  dedupe: string
  state: Mail['state']
  attempts: number
  created_at: Date
  changed_at: Date
  failure: string | null
}

/** What a mail is about; what it says is read when it is written. */
export interface MailData {
  leadIds?: string[]
  count?: number
  targetMinutes?: number
  keyId?: string
  /** The first of `auditIds` that came; the version before knows of this one alone. */
  auditId?: string
  /** The latest of them. */
  auditIds?: string[]
  /** Of like news, up to which moment it is told. */
  until?: string
  /** What many failures are about: the id of a person or key, or an address. */
  about?: string
  aboutType?: 'user' | 'api_key' | 'address'
  addresses?: number
  expected?: number
  since?: string
  expiresAt?: string
  deed?: AuditAction
  name?: string
  by?: string
  address?: string
  at?: string
}

export interface NewMail {
  user_id: string
  kind: MailKind
  data: MailData
  /** One mail only has it. */
  dedupe: string
  sealed?: Buffer
  secret_version?: string
}

/** A mail as its reader gets it. */
export interface Letter {
  to: { name: string; address: string }
  subject: string
  text: string
  html: string
}
