import type { PersonName } from '../../generated/server/types.gen.ts'
import { withoutInvisible } from '../leads/text.ts'

/*
 * Names as they are compared. Two spellings of one name fold to the same word: `Søren`, `Soeren` and `Soren`;
 * `Christian` and `Kristian`. The order of a name is a guess wherever it came in one piece.
 */

/** A name as words that are folded. Of one that came in one piece it is not known which of them is the surname. */
export interface FoldedName {
  readonly given: readonly string[]
  readonly family: readonly string[]
  readonly isWhole: boolean
}

/**
 * What two names say of each other:
 *   `same`        the given name and the surname agree
 *   `partial`     the given name agrees, the surname is missing or an initial
 *   `compatible`  nothing contradicts, but the given name is missing, or an initial
 *   `similar`     a typing error apart
 *   `renamed`     the given name agrees, the surname does not
 *   `household`   another given name, and the surname agrees or is missing
 *   `other`       nothing agrees
 */
export type NameAgreement = 'same' | 'partial' | 'compatible' | 'similar' | 'renamed' | 'household' | 'other'

const wordsMax = 12
const similarLengthMin = 4
const twoErrorsLengthMin = 8

/** Said beside a name, and no part of it. */
const beside = new Set('hr fr fru frk mr mrs ms dr herr frau af von van de der den du la le'.split(' ').map(folded))

/** Short forms beside the names that they stand for. */
const shortForms = new Map<string, ReadonlySet<string>>(
  [
    ['alex', 'alexander alexandra aleksander'],
    ['andy', 'andreas anders'],
    ['basti', 'sebastian'],
    ['ben', 'benjamin'],
    ['chris', 'christian christoffer christina christine'],
    ['dan', 'daniel'],
    ['fie', 'sofie'],
    ['frede', 'frederik'],
    ['freddy', 'frederik'],
    ['grethe', 'margrethe'],
    ['gitte', 'birgitte'],
    ['jon', 'jonathan'],
    ['jo', 'johanne johannes'],
    ['kalle', 'karl'],
    ['kat', 'katrine katarina'],
    ['lis', 'elisabeth lisbeth'],
    ['lisbeth', 'elisabeth'],
    ['lise', 'elisabeth annelise'],
    ['line', 'caroline pauline'],
    ['lotte', 'charlotte liselotte'],
    ['max', 'maximilian'],
    ['mie', 'marie'],
    ['mike', 'michael'],
    ['nick', 'nicklas nikolaj nicolas'],
    ['nille', 'pernille'],
    ['niko', 'nikolaj nicolas'],
    ['olli', 'oliver'],
    ['pat', 'patrick patricia'],
    ['phil', 'philip'],
    ['rikke', 'frederikke ulrikke'],
    ['sanne', 'susanne'],
    ['seb', 'sebastian'],
    ['stine', 'kirstine christine'],
    ['sus', 'susanne'],
    ['theo', 'theodor'],
    ['thea', 'dorthea theodora'],
    ['tobi', 'tobias'],
    ['tom', 'thomas'],
    ['trine', 'katrine'],
    ['tine', 'christine martine'],
    ['vic', 'victor victoria'],
    ['ville', 'vilhelm'],
    ['will', 'william'],
  ].map(([short = '', long = '']) => [folded(short), new Set(long.split(' ').map(folded))]),
)

/** How a word sounds to a Dane, whatever letters were at hand. */
export function folded(word: string): string {
  return withoutInvisible(word)
    .toLowerCase()
    .normalize('NFKD')
    .replace(/[\p{M}'’]/gu, '')
    .replace(/æ|ae/g, 'a')
    .replace(/[øœ]|oe/g, 'o')
    .replace(/ß/g, 's')
    .replace(/ð/g, 'd')
    .replace(/ph/g, 'f')
    .replace(/th|þ/g, 't')
    .replace(/c[hk]?|q/g, 'k')
    .replace(/w/g, 'v')
    .replace(/x/g, 'ks')
    .replace(/z/g, 's')
    .replace(/[jy]/g, 'i')
    .replace(/(\p{L})\1+/gu, '$1')
}

export function foldedName({ given, family, full }: PersonName): FoldedName {
  const [first, last] = [wordsOf(given), wordsOf(family)]
  if (first.length > 0 && last.length > 0) return { given: first, family: last, isWhole: false }
  // All of it in the field of one part is as good as in one piece.
  const alone = first.length > 0 ? first : last
  if (alone.length > 1) return { given: alone.slice(0, -1), family: alone.slice(-1), isWhole: true }
  if (alone.length === 1) return { given: first, family: last, isWhole: false }
  const [before = '', after = ''] = full?.split(',') ?? []
  const whole = [...wordsOf(after), ...wordsOf(before)]
  return whole.length > 1
    ? { given: whole.slice(0, -1), family: whole.slice(-1), isWhole: true }
    : { given: whole, family: [], isWhole: true }
}

/** One name for everybody whose given name and surname fold to the same; undefined when a part is missing. */
export function nameKey({ given, family }: FoldedName): string | undefined {
  const parts = [given[0], family.at(-1)].filter((part) => part !== undefined && part.length > 1)
  // In either order.
  const [one = '', other = ''] = parts
  if (parts.length < 2) return undefined
  return one < other ? `${one} ${other}` : `${other} ${one}`
}

/** The best that can be said of two names, if either may have its parts the wrong way round. */
export function agreementOf(one: FoldedName, other: FoldedName): NameAgreement {
  const found = [agreement(one, other)]
  if (isSameExactly(turned(one), other) || isSameExactly(one, turned(other))) found.push('same')
  else if (isSameAlmost(turned(one), other) || isSameAlmost(one, turned(other))) found.push('similar')
  // A name of one word may be either part.
  if ([one, other].some(({ given, family }) => given.length + family.length === 1)) {
    const [short, long] = one.given.length + one.family.length === 1 ? [one, other] : [other, one]
    if (isAmong([...short.given, ...short.family], [...long.given, ...long.family])) found.push('compatible')
  }
  return bestOf(found) ?? 'other'
}

/** The one that says most for two being the same. */
export const bestOf = (found: readonly NameAgreement[]): NameAgreement | undefined =>
  order.find((each) => found.includes(each))

const order: readonly NameAgreement[] = ['same', 'partial', 'compatible', 'similar', 'renamed', 'household', 'other']

const turned = ({ given, family, isWhole }: FoldedName): FoldedName =>
  isWhole
    ? { given: [...given.slice(1), ...family], family: given.slice(0, 1), isWhole }
    : { given: family, family: given, isWhole }

/** The first given name and the last surname: what stands between them may be either. */
const isSameExactly = (one: FoldedName, other: FoldedName): boolean =>
  isSameGiven(one.given[0] ?? '', other.given[0] ?? '') && (one.family.at(-1) ?? '') === (other.family.at(-1) ?? '')

/** The same of either part, with an initial or a typing error. */
function isSameAlmost(one: FoldedName, other: FoldedName): boolean {
  const [given, family] = [
    [one.given[0] ?? '', other.given[0] ?? ''],
    [one.family.at(-1) ?? '', other.family.at(-1) ?? ''],
  ] as const
  const isClose = ([some, others]: readonly [string, string]) => isSameGiven(some, others) || isSimilar(some, others)
  const isShort = ([some, others]: readonly [string, string]) => isInitial(some, others)
  return (isClose(given) && (isClose(family) || isShort(family))) || (isShort(given) && isClose(family))
}

type Part = 'same' | 'open' | 'similar' | 'other'

function agreement(one: FoldedName, other: FoldedName): NameAgreement {
  const given = givenAgreement(one.given, other.given)
  const family = familyAgreement(surnames(one), surnames(other))
  if (given === 'other') return family === 'other' ? 'other' : 'household'
  if (given === 'same' && family === 'other') return 'renamed'
  if (family === 'other') return 'other'
  if (given === 'similar' || family === 'similar') return 'similar'
  if (given === 'open') return 'compatible'
  return family === 'same' ? 'same' : 'partial'
}

/** Middle names are surnames, mostly; somebody else of the family has them, too. */
const surnames = ({ given, family }: FoldedName) => [...given.slice(1), ...family]

/** By the first of them, which the other may have as a later one: `Anne Marie`, who is called Marie. */
function givenAgreement(one: readonly string[], other: readonly string[]): Part {
  const [first, second] = [one[0], other[0]]
  if (first === undefined || second === undefined) return 'open'
  if (other.some((each) => isSameGiven(first, each)) || one.some((each) => isSameGiven(second, each))) return 'same'
  if (joined(one) === second || joined(other) === first) return 'same'
  if (isInitial(first, second)) return 'open'
  return isSimilar(first, second) ? 'similar' : 'other'
}

function familyAgreement(one: readonly string[], other: readonly string[]): Part {
  const [last, latter] = [one.at(-1), other.at(-1)]
  if (last === undefined || latter === undefined) return 'open'
  if (other.includes(last) || one.includes(latter)) return 'same'
  if (isInitial(last, latter)) return 'open'
  return isSimilar(last, latter) ? 'similar' : 'other'
}

const isSameGiven = (one: string, other: string): boolean =>
  one.length > 1 && (one === other || isShortFor(one, other) || isShortFor(other, one))
const isShortFor = (short: string, long: string): boolean => shortForms.get(short)?.has(long) ?? false
/** `Annemarie` and `Anne Marie`. */
const joined = (words: readonly string[]): string | undefined =>
  words.length > 1 ? folded(words.slice(0, 2).join('')) : undefined
const isInitial = (one: string, other: string): boolean =>
  (one.length === 1 || other.length === 1) && one.at(0) === other.at(0)
const isAmong = (words: readonly string[], others: readonly string[]): boolean =>
  words.every((word) => others.some((other) => isSameGiven(word, other)))

/** One typing error apart, or two where the word is long: a letter too many, too few, another one, or two swapped. */
export function isSimilar(one: string, other: string): boolean {
  const length = Math.min(one.length, other.length)
  if (length < similarLengthMin) return false
  const errors = length >= twoErrorsLengthMin ? 2 : 1
  return Math.abs(one.length - other.length) <= errors && distance(one, other) <= errors
}

/** Damerau and Levenshtein's, of optimal string alignment. */
function distance(one: string, other: string): number {
  let before: number[] = []
  let last = Array.from({ length: other.length + 1 }, (_, at) => at)
  for (let row = 1; row <= one.length; row++) {
    const next = [row]
    for (let column = 1; column <= other.length; column++) {
      const isEqual = one[row - 1] === other[column - 1]
      const isSwapped =
        row > 1 && column > 1 && one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1]
      next[column] = Math.min(
        (last[column] ?? 0) + 1,
        (next[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + (isEqual ? 0 : 1),
        isSwapped ? (before[column - 2] ?? 0) + 1 : Infinity,
      )
    }
    before = last
    last = next
  }
  return last[other.length] ?? 0
}

function wordsOf(text: string | undefined): string[] {
  const words = (text ?? '')
    .split(/[^\p{L}\p{M}\p{N}'’]+/u, wordsMax)
    .map(folded)
    .filter((word) => word !== '')
  const own = words.filter((word) => !beside.has(word))
  // Van and Le are names, too.
  return own.length > 0 ? own : words
}
