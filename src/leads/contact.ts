import { comparedAddress } from './email.ts'
import { phoneIn } from './phone.ts'

/** How a person can be looked for. */
export type Contact = { phone: string } | { email: string }

/**
 * A phone number or e-mail address as it was typed, in the form in which leads are compared; undefined when it can be
 * neither.
 */
export function contactIn(typed: string, country: string): Contact | undefined {
  // In a query, a plus that was not encoded is a blank: before a number, or within an address, which has none.
  if (typed.includes('@')) return { email: comparedAddress(typed).replaceAll(' ', '+') }
  const { parsed } = phoneIn(typed.replace(/^ (?=\d)/, '+'), { dealer: country })
  return parsed && { phone: parsed.number }
}
