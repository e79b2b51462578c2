import * as limits from '../../generated/server/limits.gen.ts'
import { nearest } from '../nearest.ts'
import type { Violation } from '../problem.ts'

const suggestionsMax = 8

const phone = 'customer.phones[].number'
const email = 'customer.emails[].address'
const address = 'customer.address'

/** What senders call what a customer can be reached by, and where a lead has it. */
const usualNames = new Map(
  Object.entries({
    [phone]:
      'phone phones phonenumber phonenumbers telephone tel tlf telefon telefonnummer mobile mobil mobilephone mobilenumber mobilnummer cell cellphone gsm msisdn',
    [email]: 'email emails emailaddress emailaddresses mail mailaddress epost',
    [address]: 'address addresses adresse postaladdress',
    'customer.address.lines[]': 'street streetaddress addressline addressline1 vej',
    'customer.address.postalCode': 'zip zipcode postcode postalcode postnummer',
    'customer.address.city': 'city town',
    'customer.name': 'name fullname firstname lastname givenname familyname navn',
    customer: 'customer contact person client kunde buyer prospect',
  }).flatMap(([meant, names]) => names.split(' ').map((name) => [name, meant] as const)),
)

const namesInAdf = new Map([
  [phone, 'customer/contact/phone'],
  [email, 'customer/contact/email'],
  [address, 'customer/contact/address'],
])

/**
 * Where in a lead a member belongs that is not known where it was sent: by its place and its name alone, never by its
 * value.
 */
export function meantBy(pointer: string): string | undefined {
  const name = pointer.slice(pointer.lastIndexOf('/') + 1)
  if (/^\/customer\/phones\/\d+\//.test(pointer)) return phone
  if (/^\/customer\/emails\/\d+\//.test(pointer)) return email
  const usual = usualNames.get(nearest(name, usualNames.keys()) ?? '')
  return usual !== undefined && pointer.startsWith('/adf/') ? namesInAdf.get(usual) : usual
}

/** Says of members that are not known what was probably meant by them. */
export function suggestionsFor(pointers: readonly string[]): Violation[] {
  return pointers.slice(0, suggestionsMax).map((pointer) => {
    const meant = meantBy(pointer)
    const message = `is not known here.${meant === undefined ? '' : ` Did you mean ${meant}?`}`
    return { in: 'body', pointer: pointer.slice(0, limits.Violation.pointer.maxLength), message }
  })
}
