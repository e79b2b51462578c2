import type { TradeIn } from '../../generated/server/types.gen.ts'
import { type FoldedName, foldedName, nameKey } from './names.ts'
import { emailKey, type Shown } from './record.ts'

/**
 * By what a customer is found. `digits` are those of a phone number from its end, so that its last ones are the first.
 * `name` is each word of its names, `namesake` its name, alone and with the
 * postal code.
 */
export interface CustomerKey {
  kind: 'email' | 'phone' | 'digits' | 'name' | 'namesake' | 'plate' | 'vin'
  value: string
}

const valueLengthMax = 200

/** By what a customer is found that is shown like this, and whose leads bring these vehicles. */
export function keysOf(shown: Shown, vehicles: readonly TradeIn[]): CustomerKey[] {
  const { emails, phones, name = {}, organization = {}, address = {} } = shown
  const numbers = phones.map(({ e164, number }) => e164 ?? number)
  const keys: CustomerKey[] = [
    ...emails.map((email) => ({ kind: 'email', value: emailKey(email) }) as const),
    ...phones.flatMap(({ e164 }) => (e164 === undefined ? [] : [{ kind: 'phone', value: e164 } as const])),
    ...numbers.map((number) => ({ kind: 'digits', value: reversedDigits(number) }) as const),
    ...[name.given, name.family, name.full, organization.name]
      .flatMap(wordsOf)
      .map((value) => ({ kind: 'name', value }) as const),
    ...namesakeKeys([foldedName(name)], [markOf(address.postalCode ?? '')]).map(
      (value) => ({ kind: 'namesake', value }) as const,
    ),
    ...vehicles.flatMap(({ registration }) =>
      registration ? [{ kind: 'plate', value: markOf(registration.number) } as const] : [],
    ),
    ...vehicles.flatMap(({ vin }) => (vin === undefined ? [] : [{ kind: 'vin', value: markOf(vin) } as const])),
  ]
  const distinct = new Map(keys.map((key) => [`${key.kind} ${key.value}`, key]))
  return [...distinct.values()].filter(({ value }) => value !== '' && value.length <= valueLengthMax)
}

/** What somebody remembers of a number are its last digits. */
export const reversedDigits = (number: string): string => [...number.replace(/\D/g, '')].toReversed().join('')

/** Letters and digits alone: how people write a plate or a VIN differs in the rest. */
export const markOf = (text: string): string => text.replace(/[^\p{L}\p{N}]/gu, '').toUpperCase()

/** A name, alone and with a postal code, by which others of that name are found, and those near by. */
export const namesakeKeys = (names: readonly FoldedName[], postalCodes: readonly string[]): string[] =>
  names
    .flatMap((name) => nameKey(name) ?? [])
    .flatMap((key) => [key, ...postalCodes.filter((code) => code !== '').map((code) => `${key} ${code}`)])

/** The words of a name, each as it is compared: in lower case, with `ae` for `æ` and without accents. */
export const wordsOf = (name = ''): string[] => folded(name).match(/[\p{L}\p{N}]+/gu) ?? []

const letters: Readonly<Record<string, string>> = { æ: 'ae', ø: 'oe', å: 'aa', ä: 'ae', ö: 'oe', ü: 'ue', ß: 'ss' }

/** A name as it is compared. */
export function folded(name: string): string {
  return name
    .normalize('NFC')
    .toLowerCase()
    .replace(/[æøåäöüß]/g, (letter) => letters[letter] ?? letter)
    .normalize('NFD')
    .replace(/\p{M}/gu, '')
}
