import { asciiDigits, withoutInvisible } from './text.ts'

/** What a word beside a number says: what is counted, where that is clear, and by what power of ten. */
export interface Unit<Name extends string> {
  readonly name?: Name
  readonly power: number
}

export interface Amount<Name extends string> {
  /** As JSON writes it, zero or more. */
  decimal: string
  /** Of what, if a word says so; without a name when it can be several. */
  unit?: Unit<Name>
  /** It was said to be about so many. */
  isRough: boolean
}

const lengthMax = 64

// A mark of thousands cannot follow a zero: 0.500 is a half.
const groupedPattern = /^[1-9]\d{0,2}([., '])\d{3}(?:\1\d{3})*(?:(?!\1)[.,]\d+)?$/
const plainPattern = /^\d+(?:[.,]\d+)?$/
const amidPattern = /^(\D*)(\d|\d.*\d)(\D*)$/s
// What a price ends in where it has no smaller coins: `249.000,-`, `249 000:-`.
const noCoins = /^\s*[.,:]?[-\u2013\u2014=]+|[.,:][-\u2013\u2014=]+\s*$/g
/** A mark right before the digits that ends no word: `.5` is a half. */
const fractionOnly = /(?:^|[^\p{L}])[.,]$/u
const besidePattern = /^[\p{L}\p{Sc}\s.,:~\u2248]*$/u

const sizes = new Map<string, number>([
  ...['k', 'thousand', 'tusind', 'tusinde', 'tusen', 'tausend', 'tsd', 'duizend', 'tys', 'tuhat', 'tuhatta'].map(
    (word): [string, number] => [word, 3],
  ),
  ...[
    'mio',
    'mln',
    'mill',
    'milj',
    'million',
    'millioner',
    'millions',
    'millionen',
    'miljon',
    'miljoner',
    'miljoen',
  ].map((word): [string, number] => [word, 6]),
])
const rough = new Set(
  'ca cirka circa omkring omk omtrent about approx approximately around roughly ungefär ungefähr etwa rund ongeveer environ noin ~ \u2248'.split(
    ' ',
  ),
)

/**
 * The one amount in a text, as people and systems write it, or undefined when there is any doubt: two numbers, one
 * below zero, a word that is not known. `units` has the words that may stand beside it, without blanks and dots.
 *
 * A mark before three digits groups them: nobody writes three decimals of a kilometre or of a price, so `1.234` and
 * `1,234` are 1234. A word of size (`k`, `mio`) beside grouped digits could mean either.
 */
export function amountIn<Name extends string>(
  said: string,
  units: ReadonlyMap<string, Unit<Name>>,
): Amount<Name> | undefined {
  if (said.length > lengthMax) return undefined
  const text = asciiDigits(withoutInvisible(said)).normalize('NFC').toLowerCase()
  const [matched, before = '', digits = '', after = ''] = amidPattern.exec(text) ?? []
  const plain = matched === undefined || fractionOnly.test(before) ? undefined : plainDigits(digits)
  if (!plain) return undefined

  const [ahead, behind] = [wordsIn(before), wordsIn(after.replaceAll(noCoins, ' '))]
  if (!ahead || !behind) return undefined
  const size = sizes.get(behind.words[0] ?? '')
  if (size !== undefined) behind.words.shift()
  const beside = [ahead, behind].filter(({ words }) => words.length > 0).map(({ words }) => units.get(words.join('')))
  const unit = together(beside)
  // A size stands behind its number, or with what is counted.
  if (!unit || (ahead.words.length > 0 && !beside[0]?.name && beside[0]?.power !== 0)) return undefined
  const power = size ?? unit.power
  // A thousand thousands, or a thousand of what may be thousands already.
  if ((power >= 3 && plain.isGrouped) || (size !== undefined && unit.power > 0)) return undefined
  return {
    decimal: timesTenTo(power, plain.decimal),
    ...(beside.length > 0 && { unit }),
    isRough: ahead.isRough || behind.isRough,
  }
}

/** A decimal number, zero or more, times a power of ten, without needless zeros before it. */
function timesTenTo(power: number, decimal: string): string {
  const [whole = '', fraction = ''] = decimal.split('.')
  const moved = whole + fraction.slice(0, power).padEnd(power, '0')
  const rest = fraction.slice(power)
  return moved.replace(/^0+(?=\d)/, '') + (rest && `.${rest}`)
}

function plainDigits(written: string): { decimal: string; isGrouped: boolean } | undefined {
  const digits = written.replace(/\s/g, ' ').replace(/[\u2019\u066c]/g, "'")
  const [, group] = groupedPattern.exec(digits) ?? []
  if (group === undefined && !plainPattern.test(digits)) return undefined
  const ungrouped = group === undefined ? digits : digits.replaceAll(group, '')
  return { decimal: ungrouped.replace(',', '.'), isGrouped: group !== undefined }
}

/** The words beside a number; undefined when something else is there, a minus for example. */
function wordsIn(beside: string): { words: string[]; isRough: boolean } | undefined {
  if (!besidePattern.test(beside)) return undefined
  const all = beside.match(/\p{L}+|\p{Sc}|[~\u2248]/gu) ?? []
  const words = all.filter((word) => !rough.has(word))
  return { words, isRough: words.length < all.length }
}

/** What the words on both sides of a number say; undefined when one is unknown, or they contradict each other. */
function together<Name extends string>(units: readonly (Unit<Name> | undefined)[]): Unit<Name> | undefined {
  const known = units.filter((unit) => unit !== undefined)
  const [name, ...others] = new Set(known.flatMap((unit) => unit.name ?? []))
  const [power = 0, ...more] = known.map((unit) => unit.power).filter((each) => each > 0)
  if (known.length < units.length || others.length > 0 || more.length > 0) return undefined
  return { ...(name && { name }), power }
}
