import * as limits from '../../generated/server/limits.gen.ts'
import type { Odometer } from '../../generated/server/types.gen.ts'
import { type Amount, amountIn, type Unit } from './number.ts'

type DistanceUnit = 'km' | 'mi'

const kilometres =
  'km kms kilometer kilometers kilometre kilometres kilometern kilometeri kilometriä kilómetros kilometrów'.split(' ')
const miles = 'mi mile miles mls meile meilen mijl mijlen engelskemil engelskamil engmil'.split(' ')

// `m` is none of them: it could be miles, metres or a million. Nor is `t`, which could be hours.
const distances = new Map<string, Unit<DistanceUnit>>([
  ...kilometres.map((word): [string, Unit<DistanceUnit>] => [word, { name: 'km', power: 0 }]),
  ...miles.map((word): [string, Unit<DistanceUnit>] => [word, { name: 'mi', power: 0 }]),
  ['tkm', { name: 'km', power: 3 }],
])
type Units = ReadonlyMap<string, Unit<DistanceUnit>>
/** Ten kilometres in the Nordic countries; elsewhere it may be short for miles. */
const nordicDistances = new Map([...distances, ['mil', { name: 'km', power: 1 }]])
const nordic = new Set(['DK', 'FI', 'FO', 'GL', 'NO', 'SE'])
const inMiles = new Set(['GB', 'GG', 'IM', 'JE', 'PR', 'US'])

/** Beyond it, what is left of a conversion is not a distance but how computers count. */
const decimals = 1000

/**
 * How far a vehicle has run. Without a unit it is what the dealer's country drives by. Undefined when the number or the
 * unit is not understood: a number with another unit would be a false statement.
 */
export function odometerIn(
  said: number | string,
  unit: string | undefined,
  country: string,
): { odometer: Odometer; isRough: boolean } | undefined {
  const words = nordic.has(country) ? nordicDistances : distances
  const amount =
    typeof said === 'string'
      ? amountOfText(said, unit, words)
      : amountOf(said, unit === undefined ? { power: 0 } : unitCalled(unit, words))
  if (!amount) return undefined
  const value = Number(amount.decimal)
  if (!(value >= 0 && value <= limits.Odometer.value.maximum)) return undefined
  return {
    odometer: { value, unit: amount.unit?.name ?? (inMiles.has(country) ? 'mi' : 'km') },
    isRough: amount.isRough,
  }
}

/** A text that names its unit is not to be counted by another one beside it. */
function amountOfText(said: string, unit: string | undefined, words: Units): Amount<DistanceUnit> | undefined {
  if (unit === undefined) return amountIn(said, words)
  const own = amountIn(said, words)
  if (/\p{N}/u.test(unit)) return undefined
  if (own?.unit?.name === undefined) return amountIn(`${unit} ${said}`, words)
  const other = unitCalled(unit, words)
  const isSame = other?.name === own.unit.name && (other.power === 0 || other.power === own.unit.power)
  return isSame ? own : undefined
}

const unitCalled = (word: string, words: Units) => words.get(word.toLowerCase().replace(/[\s.]/g, ''))

function amountOf(value: number, unit: Unit<DistanceUnit> | undefined): Amount<DistanceUnit> | undefined {
  if (!unit) return undefined
  const converted = unit.power === 0 ? value : Math.round(value * 10 ** unit.power * decimals) / decimals
  return { decimal: String(converted), unit, isRough: false }
}
