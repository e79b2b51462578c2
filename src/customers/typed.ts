import type { CustomerSearch } from '../../generated/server/types.gen.ts'
import { contactIn } from '../leads/contact.ts'
import { comparedAddress } from '../leads/email.ts'
import { markOf } from './keys.ts'
import { backwards, digitsIn, numberPartMin, soundsIn, term, type TermKind } from './terms.ts'

/*
 * What is typed into one box: a name or a part of one, a part of a number, an address, a plate, a VIN, a number of
 * somebody's files. What it is the letters do not say, so each piece may be all that it can be, and all pieces have to
 * fit.
 */

/** A term, or what begins with it. */
interface Wanted {
  readonly kind: TermKind
  readonly value: string
  readonly isWhole: boolean
}

/** One piece of what was typed: one of the ways to read it has to fit, and of that each part. */
export interface Piece {
  readonly ways: readonly (readonly Wanted[])[]
  /** How many letters or digits tell it apart. */
  readonly size: number
}

export interface Typed {
  readonly pieces: readonly Piece[]
  /** All of it as one number plate or the like, written with blanks. */
  readonly mark: string | undefined
}

const piecesMax = 12
const markLengthMax = 40
const marks: readonly TermKind[] = ['plate', 'vin', 'mark']
/** Of a piece that is shorter too much is found, were it the beginning of something. */
const tellingSize = 3
const leastSize = 2

const numeric = /^[+(]*\d[\d().\-/]*$/

/** Undefined when nothing of it is long enough to be looked for. */
export function typedIn(text: string): Typed | undefined {
  const chunks: string[] = []
  for (const chunk of text.normalize('NFC').split(/[\s,;]+/u)) {
    const last = chunks.at(-1)
    // `32 12 34 56` is one number.
    if (last !== undefined && numeric.test(last) && /^[\d().\-/]+$/.test(chunk))
      chunks[chunks.length - 1] = last + chunk
    else chunks.push(chunk)
  }
  const pieces = chunks
    .map(pieceOf)
    .filter(({ size }) => size > 0)
    .slice(0, piecesMax)
  const longest = Math.max(0, ...pieces.map(({ size }) => size))
  if (longest < leastSize) return undefined
  const mark = markOf(text)
  const isMark = pieces.length > 1 && /\d/.test(mark) && mark.length <= markLengthMax
  // `Bo` is a name; so begin the names of too many.
  const read = longest < tellingSize ? pieces.map((piece) => (piece.size < leastSize ? piece : asTyped(piece))) : pieces
  return { pieces: read, mark: isMark ? mark : undefined }
}

const asTyped = ({ ways, size }: Piece): Piece => ({
  ways: ways.map((way) => way.map(({ kind, value }) => wholly(kind, value))),
  size,
})

function pieceOf(chunk: string): Piece {
  const mark = markOf(chunk)
  const address = [beginning('email', comparedAddress(chunk))]
  if (chunk.includes('@')) return { ways: [address], size: sizeOf(mark) }
  const digits = digitsIn(chunk)
  const ways: Wanted[][] = marks.map((kind) => [beginning(kind, mark)])
  const sounds = soundsIn(chunk)
  const size = sizeOf(mark)
  const spoken = Math.max(0, ...sounds.map(sizeOf))
  // What begins with the one letter that is left of `Aa` are too many.
  const named = spoken < leastSize && size >= leastSize ? wholly : beginning
  if (sounds.length > 0) ways.push(sounds.map((sound) => named('name', sound)))
  if (size >= numberPartMin && digits !== '') ways.push([beginning('vinEnd', backwards(mark))])
  if (!numeric.test(chunk))
    return { ways: [...ways, address], size: spoken < leastSize ? size : Math.min(spoken, size) }
  // A zero in front is dialled within a country, two before the number of a country.
  const parts = [...new Set([digits, digits.replace(/^0+/, '')])].filter(({ length }) => length >= numberPartMin)
  return { ways: [...ways, ...parts.map((part) => [beginning('number', part)])], size }
}

const sizeOf = (word: string): number => [...word].length
const beginning = (kind: TermKind, value: string): Wanted => ({ kind, value, isWhole: false })
const wholly = (kind: TermKind, value: string): Wanted => ({ kind, value, isWhole: true })

/** What is known of a customer, each by its name; undefined when nobody can be found by it. */
export function knownPieces(
  { email, phone, name, registration, vin }: Pick<CustomerSearch, 'email' | 'phone' | 'name' | 'registration' | 'vin'>,
  country: string,
): Piece[] | undefined {
  const wanted: Wanted[] = []
  if (email !== undefined) wanted.push(wholly('email', comparedAddress(email)))
  if (phone !== undefined) {
    const contact = contactIn(phone, country)
    const digits = digitsIn(contact && 'phone' in contact ? contact.phone : phone)
    wanted.push(wholly('number', digits.length < numberPartMin ? '' : digits))
  }
  if (name !== undefined) {
    const sounds = soundsIn(name)
    wanted.push(...(sounds.length > 0 ? sounds : ['']).map((sound) => beginning('name', sound)))
  }
  if (registration !== undefined) wanted.push(wholly('plate', markOf(registration)))
  if (vin !== undefined) wanted.push(wholly('vin', markOf(vin)))
  if (wanted.some(({ value }) => value === '')) return undefined
  return wanted.map((each) => ({ ways: [[each]], size: each.value.length }))
}

/** The words of names in what was typed, of which a part may stand in the middle of a name, or have a letter wrong. */
export const soundsOf = ({ pieces }: Typed): string[] => [
  ...new Set(pieces.flatMap(({ ways }) => ways.flat()).flatMap(({ kind, value }) => (kind === 'name' ? [value] : []))),
]

/** What is looked for in the terms of a customer or lead, in the language of PostgreSQL (tsquery). */
export interface Query {
  /** All of it. */
  readonly whole: string
  /**
   * What leads to few, one after the other: all that is long enough to tell somebody apart, and the same for each other
   * name that may be meant. Nothing of it begins an address, of which each is a term of its own: see `email`.
   */
  readonly leading: readonly string[]
  /** How an address may begin. */
  readonly email: string | undefined
  /** All of it as it was typed, to its end. */
  readonly exact: string
  /** Any piece of it as something that a lead has for itself: as it was typed, then what begins so. */
  readonly own: readonly string[] | undefined
}

/** Names that are meant, too, by how a word sounds: it stands in them, or is nearly the same. */
export type Others = ReadonlyMap<string, readonly string[]>

/** `mark`: that of the dealer's terms. */
export function queryOf(
  typed: Typed | undefined,
  known: readonly Piece[],
  mark: string,
  others: Others = new Map(),
): Query {
  const pieces = typed?.pieces ?? []
  const marked = typed?.mark
  const whole = marked === undefined ? [] : [{ ways: marks.map((kind) => [beginning(kind, marked)]), size: 0 }]
  const query = (some: readonly Piece[], namesFor: NamesFor = onlyBeginning) => {
    const ways = [some, ...whole.map((one) => [one])]
    return either(ways.map((way) => all([...known, ...way].map((piece) => conditionOf(piece, mark, namesFor)))))
  }
  const withOthers: NamesFor = (sound) => [
    beginning('name', sound),
    ...(others.get(sound) ?? []).map((name) => wholly('name', name)),
  ]
  const turns = [...others].flatMap(([sound, names]) =>
    names.map(
      (name): NamesFor =>
        (each) =>
          each === sound ? [wholly('name', name)] : withOthers(each),
    ),
  )
  // All that begins like a name is gathered before it is compared with the rest; a part of a number leads to few.
  const numbers = pieces.filter(({ ways }) => ways.flat().some(({ kind }) => kind === 'number'))
  const telling = pieces.filter(({ size }) => size >= tellingSize)
  const short = pieces.filter(({ size }) => size >= leastSize)
  const few = numbers.length > 0 ? numbers : telling
  const leading = (few.length > 0 || known.length > 0 ? few : short).map(asLeading)
  const emails = pieces.flatMap(({ ways }) => ways.flat()).filter(isBeginningOfEmail)
  const eitherOf = (some: readonly Wanted[]) => either(some.map((each) => quoted(each, mark)))
  const own = [...whole, ...pieces].flatMap(({ ways }) => ways.flat()).filter(isOwn)
  return {
    whole: query(pieces, withOthers),
    leading: [onlyBeginning, ...turns].map((namesFor) => query(leading, namesFor)),
    email: emails.map(({ value }) => value).find(({ length }) => length >= tellingSize),
    exact: query(pieces.map(asTyped)),
    own: own.length > 0 ? [own.map(({ kind, value }) => wholly(kind, value)), own].map(eitherOf) : undefined,
  }
}

/** Of what a word of a name that sounds like this may be the beginning. */
type NamesFor = (sound: string) => readonly Wanted[]
const onlyBeginning: NamesFor = (sound) => [beginning('name', sound)]

function conditionOf({ ways }: Piece, mark: string, namesFor: NamesFor): string {
  const meant = (wanted: Wanted) => (wanted.kind === 'name' && !wanted.isWhole ? namesFor(wanted.value) : [wanted])
  return either(ways.map((way) => all(way.map((wanted) => either(meant(wanted).map((each) => quoted(each, mark)))))))
}

const quoted = ({ kind, value, isWhole }: Wanted, mark: string): string =>
  `'${(mark + term(kind, value)).replaceAll(/['\\]/g, '$&$&')}'${isWhole ? '' : ':*'}`

const isBeginningOfEmail = ({ kind, isWhole }: Wanted): boolean => kind === 'email' && !isWhole

/** Without what begins an address, unless it can be nothing else, and without beginnings that are those of too many. */
function asLeading({ ways, size }: Piece): Piece {
  const others = ways.filter((way) => !way.some(isBeginningOfEmail))
  const telling = (way: readonly Wanted[]) => {
    const long = way.filter(({ value, isWhole }) => isWhole || sizeOf(value) >= tellingSize)
    return long.length > 0 ? long : way
  }
  return { ways: (others.length > 0 ? others : ways).map(telling), size }
}

const isOwn = ({ kind, value }: Wanted): boolean =>
  (kind === 'vinEnd' || marks.includes(kind)) && value.length >= leastSize
const all = (parts: readonly string[]): string => (parts.length === 1 ? (parts[0] ?? '') : `(${parts.join(' & ')})`)
const either = (parts: readonly string[]): string => (parts.length === 1 ? (parts[0] ?? '') : `(${parts.join(' | ')})`)
