import { tidiedAddress } from './email.ts'
import { phoneIn } from './phone.ts'

/** How a person can be looked for. */
export type Contact = { phone: string } | { email: string }

/**
 * A phone number or e-mail address as it was typed, in the form in which leads are compared; undefined when it can be
 * neither.
 */
export function contactIn(typed: string, country: string): Contact | undefined {
  if (typed.includes('@')) return { email: tidiedAddress(typed).trim().toLowerCase() }
  // In a query, a plus that was not encoded is a blank.
  const { parsed } = phoneIn(typed.replace(/^ (?=\d)/, '+'), { dealer: country })
  return parsed && { phone: parsed.number }
}
