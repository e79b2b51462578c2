import type { LeadData } from '../leads/lead.ts'
import { comparedAddress } from '../leads/email.ts'
import { markOf } from './keys.ts'
import { folded } from './names.ts'
import type { Shown } from './record.ts'

/*
 * By what a customer or a lead is found, whatever of it is typed: terms, in one index for all dealers. A term begins
 * with a letter for its kind, and whatever begins so is found together: of a number each end of it is a term, so that
 * the beginning of one of them is any part of the number; a VIN stands there backwards, too, for its end.
 */
export type TermKind = 'name' | 'email' | 'number' | 'plate' | 'vin' | 'vinEnd' | 'mark'

const letters: { readonly [kind in TermKind]: string } = {
  name: 'n',
  email: 'e',
  number: 'd',
  plate: 'p',
  vin: 'v',
  vinEnd: 'w',
  mark: 'm',
}

export const term = (kind: TermKind, value: string): string => letters[kind] + value

/** Parts of a number that are shorter are parts of too many. */
export const numberPartMin = 4
const digitsMax = 15
const valueLengthMax = 200
const termsMax = 400

/** The words of a name, each as it sounds. */
export const soundsIn = (text = ''): string[] =>
  (text.match(/[\p{L}\p{M}\p{N}'’]+/gu) ?? []).map(folded).filter((word) => word !== '')

export const digitsIn = (text: string): string => text.replace(/\D/g, '')

export const backwards = (text: string): string => [...text].toReversed().join('')

type Vehicle = Pick<NonNullable<LeadData['vehiclesOfInterest']>[number], 'vin' | 'registration'> & {
  stockNumber?: string
  listingId?: string
}

/** Of a customer who is shown like this, and whose leads bring these vehicles. */
export function termsOfCustomer(shown: Shown, vehicles: readonly Vehicle[]): string[] {
  const { emails, phones, name = {}, organization = {}, externalReferences } = shown
  const marks = [organization.registrationNumber ?? '', ...externalReferences.map(({ id }) => id)]
  return distinct([
    ...[name.given, name.family, name.full, organization.name].flatMap(soundsIn).map((word) => term('name', word)),
    ...emails.map(({ address }) => term('email', comparedAddress(address))),
    ...phones.flatMap(({ e164, number }) => endsOf(digitsIn(e164 ?? number))).map((end) => term('number', end)),
    ...marks.map((mark) => term('mark', markOf(mark))),
    ...vehicles.flatMap(termsOfVehicle),
  ])
}

/** Of a lead alone: what it is found by beside its customer. */
export function termsOfLead({
  externalId,
  vehicles,
}: {
  externalId: string | null
  vehicles: readonly Vehicle[]
}): string[] {
  return distinct([term('mark', markOf(externalId ?? '')), ...vehicles.flatMap(termsOfVehicle)])
}

function termsOfVehicle({ vin = '', registration, stockNumber = '', listingId = '' }: Vehicle): string[] {
  return [
    term('plate', markOf(registration?.number ?? '')),
    term('vin', markOf(vin)),
    term('vinEnd', backwards(markOf(vin))),
    term('mark', markOf(stockNumber)),
    term('mark', markOf(listingId)),
  ]
}

/** A number from each of its digits on, as long as that is long enough to be looked for. */
function endsOf(digits: string): string[] {
  const last = digits.slice(-digitsMax)
  return Array.from({ length: Math.max(1, last.length - numberPartMin + 1) }, (_, at) => last.slice(at))
}

const distinct = (terms: readonly string[]): string[] =>
  [...new Set(terms)].filter(({ length }) => length > 1 && length <= valueLengthMax).slice(0, termsMax)

/** Marks the terms of one dealer, test ones apart, in the index that all share. */
export const markedFor = (dealerId: string, test: boolean): string => `${dealerId.slice(-12)}${test ? 't' : 'r'}`

/** The words of names among terms. */
export const wordsIn = (terms: readonly string[]): string[] =>
  terms.filter((each) => each.startsWith(letters.name)).map((each) => each.slice(letters.name.length))
