import { type CountryCode, parsePhoneNumberFromString, type PhoneNumber } from 'libphonenumber-js/max'
import type { Phone } from '../../generated/server/types.gen.ts'
import { maskNationalIds } from './national-id.ts'
import { asciiDigits, withoutInvisible } from './text.ts'

const e164Pattern = /^\+[1-9]\d{1,14}$/
const lengthMax = 250

/** Where somebody says a number: what is known of the customer's country, and the dealer's. */
export interface Place {
  dealer: string
  /** `unknown` when a country was said that is not understood. */
  customer?: string | undefined
}

export interface PhoneRead {
  verdict: Phone['verdict']
  parsed?: PhoneNumber
  /** It is one of the dealer's country, although the customer's address is in another. */
  isForeign?: boolean
  /** Beside the number there is more: an extension, a second number, words. */
  hasMore?: boolean
}

// What stands between the digits of one number. A slash and a line end do so, too, but also between two.
const between = String.raw` ()[\].~-`
const usual = /^\+?\d(?:[\d ()-]*\d)?$/
const plain = new RegExp(`^[ (]*\\+?[\\d/\\n${between}]*$`)
const others = new RegExp(`[^\\d+${between}]+`)
const digitsOfSecondMin = 6
/** A date of birth and what follows it: phone numbers are not written like that. */
const likeNationalId = /^\d{6}-\d{4,5}$/

const scheme = /^(?:tel|callto|sms|whatsapp|phone):(?:\/\/)?/i
const labels =
  /^(?:(?:tlf|tel|telefon|telefonnummer|telephone|phone|mobile|mobil|mobilnummer|mob|cell|nr|nummer|number|whatsapp|sms|handy|gsm|tfn|telefoon|telefoonnummer|rufnummer|mobiltelefon|mobilnr|privat|arbejde|work|home|hjem)(?!\p{L})[.:\s-]*)+/iu
const extension =
  /(?:[\s,;.(]*(?:;ext=|(?<!\p{L})(?:ext|extension|lok|lokal|lokalnummer|anknytning|ankn|durchwahl|int)(?!\p{L})\.?[\s:]*)|\s?[x#]\s?)(\d{1,6})\)?$/iu

/**
 * A number as people write it. With + or 00 it says its country. Else it is read as one of the customer's country,
 * where that is known, and only if it is none there as one of the dealer's, which is then doubtful: it may be a
 * stranger's. What is not understood for certain has no number.
 */
export function phoneIn(said: string, place: Place): PhoneRead {
  if (said.length > lengthMax) return invalid
  const text = usual.test(said) ? said : tidied(said)
  if (plain.test(text)) {
    const whole = oneNumber(text, place)
    if (whole.verdict !== 'invalid' || !/[/\n]/.test(text)) return whole
  }
  const shorter = text.replace(extension, '')
  const [first, ...rest] = shorter
    .replaceAll('+', '|+')
    .split(others)
    .filter((piece) => /\d/.test(piece))
  // A letter right beside a digit may be meant for one, and what has an @ is something else.
  if (first === undefined || /\d\p{L}|\p{L}\d|@/u.test(shorter)) return invalid
  const read = oneNumber(first.trim(), place)
  const isAlone = rest.every(
    (piece) =>
      piece.replace(/\D/g, '').length < digitsOfSecondMin || oneNumber(piece.trim(), place).verdict === 'valid',
  )
  return read.verdict === 'valid' && isAlone ? { ...read, hasMore: true } : invalid
}

/** With the usual characters, and without what names it. */
function tidied(said: string): string {
  return asciiDigits(withoutInvisible(said))
    .replace(/[\u2010-\u2015\u2212\uff0d]/g, '-')
    .trim()
    .replace(/[^\S\n]+|\u00b7/g, ' ')
    .replace(scheme, '')
    .replace(labels, '')
}

const invalid: PhoneRead = { verdict: 'invalid' }

function oneNumber(text: string, { dealer, customer }: Place): PhoneRead {
  // Not every country dials 00 to get out, but people write it everywhere.
  const dialled = text.replace(/^(\(?)00/, '$1+').replace(/^\((\+\d+)\)/, '$1')
  if (dialled.startsWith('+')) {
    const read = judged(parsed(dialled, undefined))
    // `+45 (0)`: the zero is for those who call from within the country, if anybody does.
    return read.verdict === 'valid' ? read : better(judged(parsed(dialled.replace('(0)', ''), undefined)), read)
  }
  if (likeNationalId.test(dialled) && [dealer, customer].some((country) => isNationalId(dialled, country)))
    return invalid
  const here = judged(parsed(dialled, dealer))
  if (customer === undefined || customer === dealer) return here
  const there = judged(parsed(dialled, customer))
  if (there.verdict === 'valid' && isNational(dialled, there.parsed)) return there
  if (here.verdict === 'valid') return { ...here, verdict: 'possible', isForeign: true }
  return there.verdict === 'valid' ? { ...there, verdict: 'possible' } : better(there, here)
}

const isNationalId = (text: string, country = '') => maskNationalIds(text, country) !== text

/** Without its zero, `20123456` could be called from within Essen, but is no number as Germans give it. */
function isNational(text: string, number: PhoneNumber | undefined): boolean {
  return /^[\s(]*0/.test(text) || !/^[\s(]*0/.test(number?.formatNational() ?? '')
}

function parsed(number: string, country: string | undefined): PhoneNumber | undefined {
  try {
    // The cast: a country that the library does not know counts as none.
    return parsePhoneNumberFromString(number, { defaultCountry: country as CountryCode, extract: false })
  } catch {
    return undefined
  }
}

function judged(number: PhoneNumber | undefined): PhoneRead {
  // The library takes up to 17 digits after the country code, E.164 has 15 in all.
  if (!number || !e164Pattern.test(number.number)) return invalid
  // Somebody may have it, but nearly everybody who writes it has not.
  if (number.isValid()) return { verdict: isOneDigit(number.nationalNumber) ? 'possible' : 'valid', parsed: number }
  return number.isPossible() && !isMadeUp(number.nationalNumber) ? { verdict: 'possible', parsed: number } : invalid
}

/** What people write who have to write something: all of them would be one person. */
const isMadeUp = (digits: string) => isOneDigit(digits) || '1234567890'.startsWith(digits)
const isOneDigit = (digits: string) => /^(\d)\1*$/.test(digits)

const better = (one: PhoneRead, other: PhoneRead): PhoneRead => (one.verdict === 'invalid' ? other : one)

/** What the numbering plan says of the line. */
export function lineTypeOf(number: PhoneNumber | undefined): Phone['type'] {
  const type = number?.getType()
  if (type === 'MOBILE') return 'mobile'
  return type === 'FIXED_LINE' ? 'landline' : 'other'
}
