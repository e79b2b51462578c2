import type { TradeIn } from '../../generated/server/types.gen.ts'
import { type FoldedName, foldedName, nameKey } from './names.ts'
import { emailKey, type Shown } from './record.ts'

/**
 * By what a customer is told apart from others, or known to be the same. `namesake` is its name, alone and with the
 * postal code.
 */
export interface CustomerKey {
  kind: 'email' | 'phone' | 'namesake' | 'plate' | 'vin'
  value: string
}

const valueLengthMax = 200

/** Of a customer who is shown like this, and whose leads bring these vehicles. */
export function keysOf(shown: Shown, vehicles: readonly TradeIn[]): CustomerKey[] {
  const { emails, phones, name = {}, address = {} } = shown
  const keys: CustomerKey[] = [
    ...emails.map((email) => ({ kind: 'email', value: emailKey(email) }) as const),
    ...phones.flatMap(({ e164 }) => (e164 === undefined ? [] : [{ kind: 'phone', value: e164 } as const])),
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

/** Letters and digits alone: how people write a plate or a VIN differs in the rest. */
export const markOf = (text: string): string => text.replace(/[^\p{L}\p{N}]/gu, '').toUpperCase()

/** A name, alone and with a postal code, by which others of that name are found, and those near by. */
export const namesakeKeys = (names: readonly FoldedName[], postalCodes: readonly string[]): string[] =>
  names
    .flatMap((name) => nameKey(name) ?? [])
    .flatMap((key) => [key, ...postalCodes.filter((code) => code !== '').map((code) => `${key} ${code}`)])
