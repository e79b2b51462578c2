import { InvalidArgumentError } from 'commander'
import * as limits from '../../generated/server/limits.gen.ts'
import { isTimeZone } from '../dealers/dealer.ts'

// What the operator types, checked before the database is opened. Commander prints the reason behind the name of the
// option.

// The limits of sign-in in the contract: beyond them nobody could sign in.
const emailLengthMax = limits.SignIn.email.maxLength
const passwordLengthMin = limits.NewPassword.minLength
const passwordLengthMax = limits.SignIn.password.maxLength
const nameLengthMax = limits.UserName.maxLength

const check = (fits: boolean, reason: string, text: string): string => {
  if (!fits) throw new InvalidArgumentError(reason)
  return text
}

export const email = (text: string): string =>
  check(
    /^[^\s@]+@[^\s@]+$/.test(text) && text.length <= emailLengthMax,
    `It must be an e-mail address of at most ${emailLengthMax} characters.`,
    text,
  )

export const personOrDealer = (text: string): string =>
  check(
    text.trim() !== '' && text.length <= nameLengthMax,
    `It must have 1 to ${nameLengthMax} characters.`,
    text.trim(),
  )

export const country = (text: string): string =>
  check(/^[A-Za-z]{2}$/.test(text), 'It must be a country of two letters, for example DK.', text.toUpperCase())

export const language = (text: string): string =>
  check(/^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$/.test(text), 'It must be a language tag, for example da or en-GB.', text)

export const dealerId = (text: string): string =>
  check(/^dealer_[0-9a-f]{32}$/.test(text), 'It must be the id of a dealer: see list-dealers.', text)

export const timeZone = (text: string): string =>
  check(isTimeZone(text), 'It must be an IANA time zone, for example Europe/Copenhagen.', text)

/**
 * The line of standard input. On the command line a password would stand in the shell's history and in the list of
 * processes.
 */
export function passwordIn(input: string): string {
  const password = input.replace(/\r?\n$/, '')
  if (password.length >= passwordLengthMin && password.length <= passwordLengthMax && !/[\r\n]/.test(password))
    return password
  throw new Error(`The password must be one line of ${passwordLengthMin} to ${passwordLengthMax} characters`)
}
