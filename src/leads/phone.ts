import { isSupportedCountry, parsePhoneNumberFromString, type PhoneNumber } from 'libphonenumber-js/max'
import type { Phone } from '../../generated/server/types.gen.ts'

const e164Pattern = /^\+[1-9]\d{1,14}$/

/** A number as people write it, in the country in which they do; undefined when it is none. */
export function parsedPhone(number: string, country: string): PhoneNumber | undefined {
  try {
    // Not every country dials 00 to get out, but people write it everywhere.
    return parsePhoneNumberFromString(
      number.trim().replace(/^00/, '+'),
      isSupportedCountry(country) ? country : undefined,
    )
  } catch {
    return undefined
  }
}

export function phoneVerdict(parsed: PhoneNumber | undefined): Phone['verdict'] {
  // The library takes up to 17 digits after the country code, E.164 has 15 in all.
  if (!parsed || !e164Pattern.test(parsed.number)) return 'invalid'
  if (parsed.isValid()) return 'valid'
  return parsed.isPossible() ? 'possible' : 'invalid'
}

/** What the numbering plan says of the line. */
export function lineTypeOf(parsed: PhoneNumber | undefined): Phone['type'] {
  const type = parsed?.getType()
  if (type === 'MOBILE') return 'mobile'
  return type === 'FIXED_LINE' ? 'landline' : 'other'
}
