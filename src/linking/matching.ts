import type { LeadCustomer, TradeIn } from '../../generated/server/types.gen.ts'
import { type CustomerKey, markOf, namesakeKeys } from '../customers/keys.ts'
import { agreementOf, bestOf, type FoldedName, foldedName, type NameAgreement } from '../customers/names.ts'
import type { Said } from '../customers/record.ts'
import { comparedAddress } from '../leads/email.ts'

/*
 * Who is the same person. Only what is safe links by itself: an e-mail address or number that both have and that is
 * nobody's in particular (a stop value), and names that do not contradict. Everything else is put to people, with a
 * score, the sum of the weights of its reasons.
 */

/** Whoever is behind a lead or a customer, in the form in which they are compared. */
export interface Person {
  readonly names: readonly FoldedName[]
  readonly isOrganization: boolean
  readonly emails: readonly string[]
  /** E.164. */
  readonly phones: readonly string[]
  readonly plates: readonly string[]
  readonly vins: readonly string[]
  readonly postalCodes: readonly string[]
}

type KeyKind = CustomerKey['kind']

/** One value that two who may be the same have in common. */
export interface MatchKey {
  readonly kind: KeyKind
  readonly value: string
}

/** The same among test customers, or among real ones. */
export interface TestKey extends MatchKey {
  readonly test: boolean
}

/** Two customers who may be one, the older one first. */
export interface NewSuggestion {
  readonly test: boolean
  readonly one: string
  readonly other: string
  readonly score: number
  readonly reasons: readonly Reason[]
}

/** Why two may be the same, or may not. */
export type Reason =
  | 'same-email'
  | 'same-phone'
  | 'same-plate'
  | 'same-vin'
  | 'same-name'
  | 'same-given-name'
  | 'compatible-name'
  | 'similar-name'
  | 'other-surname'
  | 'household'
  | 'other-name'
  | 'organization'
  | 'same-postal-code'
  | 'other-postal-code'
  | 'other-email'
  | 'other-phone'

export const weights: Readonly<Record<Reason, number>> = {
  'same-email': 50,
  'same-phone': 45,
  'same-vin': 40,
  'same-plate': 35,
  'same-name': 35,
  'similar-name': 20,
  'same-given-name': 15,
  'other-surname': 15,
  'compatible-name': 10,
  'same-postal-code': 10,
  organization: 0,
  household: -15,
  'other-postal-code': -5,
  'other-email': -5,
  'other-phone': -5,
  'other-name': -65,
}

/** What is less is not worth anybody's look. */
export const suggestedFrom = 30
/** Of one lead or customer. */
export const suggestionsMax = 10
/** An address or number that more customers have tells nobody apart. */
export const sharedMax = 20
/** Of more who are called alike, it says nothing that somebody else is, too. */
export const namesakesMax = 3

const keysMax = 40

/** If more have a value, it leads to nobody. A name alone is one word less than with its postal code. */
export const holdersMax = ({ kind, value }: MatchKey): number =>
  kind === 'namesake' && value.split(' ').length < 3 ? namesakesMax : sharedMax

const reasonOfName: Record<NameAgreement, Reason> = {
  same: 'same-name',
  partial: 'same-given-name',
  compatible: 'compatible-name',
  similar: 'similar-name',
  renamed: 'other-surname',
  household: 'household',
  other: 'other-name',
}

/**
 * The person in a lead, or that a customer is shown as, with the vehicles that are theirs. A number of which the
 * country is a guess may be a stranger's, and `noreply@` is everybody's.
 */
export function personOf(
  { name, emails = [], phones = [], address, organization }: LeadCustomer & Pick<Said, 'organization'>,
  vehicles: readonly Pick<TradeIn, 'vin' | 'registration'>[],
): Person {
  const names = [name ?? {}, ...(organization?.name === undefined ? [] : [{ full: organization.name }])].map(foldedName)
  return {
    names: names.filter(({ given, family }) => given.length + family.length > 0),
    isOrganization: organization?.name !== undefined,
    emails: emails.filter(({ verdict }) => verdict === 'plausible').map(({ address }) => comparedAddress(address)),
    phones: phones.flatMap(({ e164, verdict, type }) =>
      e164 !== undefined && verdict === 'valid' && type !== 'fax' ? [e164] : [],
    ),
    plates: vehicles.flatMap(({ registration }) => marksIn(registration?.number)),
    vins: vehicles.flatMap(({ vin }) => marksIn(vin)),
    postalCodes: marksIn(address?.postalCode),
  }
}

const marksIn = (text = ''): string[] => [markOf(text)].filter((mark) => mark !== '')

/** What whoever may be the same is looked up by. */
export function matchKeysOf({ names, emails, phones, plates, vins, postalCodes }: Person): MatchKey[] {
  const of = (kind: KeyKind, values: readonly string[]): MatchKey[] => values.map((value) => ({ kind, value }))
  const keys = [
    ...of('email', emails),
    ...of('phone', phones),
    ...of('plate', plates),
    ...of('vin', vins),
    ...of('namesake', namesakeKeys(names, postalCodes)),
  ]
  return [...new Map(keys.map((key) => [nameOf(key), key])).values()].slice(0, keysMax)
}

export const nameOf = ({ kind, value }: MatchKey): string => `${kind} ${value}`

/** Everything that several sources say of one customer. */
export function together(persons: readonly Person[]): Person {
  const all = (of: (person: Person) => readonly string[]) => [...new Set(persons.flatMap(of))]
  return {
    names: [...new Map(persons.flatMap(({ names }) => names).map((name) => [JSON.stringify(name), name])).values()],
    emails: all(({ emails }) => emails),
    phones: all(({ phones }) => phones),
    plates: all(({ plates }) => plates),
    isOrganization: persons.some(({ isOrganization }) => isOrganization),
    vins: all(({ vins }) => vins),
    postalCodes: all(({ postalCodes }) => postalCodes),
  }
}

/** What speaks for two being the same, and against. */
export interface Comparison {
  readonly score: number
  readonly reasons: readonly Reason[]
  /** `alone`: safe if nobody else has the address or number, since a name is missing, or a part of one. */
  readonly safe: 'yes' | 'alone' | 'no'
  /** E-mail addresses and numbers that both have. */
  readonly shared: readonly MatchKey[]
}

/** `isStop`: of a value that is not one person's. */
export function compared(one: Person, other: Person, isStop: (key: MatchKey) => boolean): Comparison {
  const both = (kind: KeyKind, of: (person: Person) => readonly string[]): MatchKey[] => {
    const values = of(one).filter((value) => of(other).includes(value))
    return values.map((value) => ({ kind, value })).filter((key) => !isStop(key))
  }
  const emails = both('email', ({ emails }) => emails)
  const phones = both('phone', ({ phones }) => phones)
  const agreement = nameAgreement(one, other)
  // Whoever writes from the address of a company is not the company.
  const isOfOrganization = one.isOrganization !== other.isOrganization && agreement !== 'same'
  const reasons: Reason[] = [
    ...(emails.length > 0 ? (['same-email'] as const) : []),
    ...(phones.length > 0 ? (['same-phone'] as const) : []),
    ...(both('vin', ({ vins }) => vins).length > 0 ? (['same-vin'] as const) : []),
    ...(both('plate', ({ plates }) => plates).length > 0 ? (['same-plate'] as const) : []),
    isOfOrganization ? 'organization' : reasonOfName[agreement],
    ...placeReasons(one, other),
    ...(isOther(one.emails, other.emails) ? (['other-email'] as const) : []),
    ...(isOther(one.phones, other.phones) ? (['other-phone'] as const) : []),
  ]
  const isOfOne = emails.some(({ value }) => !isRole(value))
  return {
    score: Math.min(
      100,
      reasons.reduce((sum, reason) => sum + weights[reason], 0),
    ),
    reasons,
    safe: isOfOrganization ? 'no' : safetyOf(agreement, isOfOne, phones.length > 0, emails.length > 0),
    shared: [...emails, ...phones],
  }
}

/**
 * The whole name and what reaches somebody are enough. Without the surname it takes an address of one person, or a
 * number; without the given name a number is not enough: a household shares it.
 */
function safetyOf(
  agreement: NameAgreement,
  isOfOne: boolean,
  hasPhone: boolean,
  hasEmail: boolean,
): Comparison['safe'] {
  if (agreement === 'same') return hasEmail || hasPhone ? 'yes' : 'no'
  if (agreement === 'partial') return isOfOne || hasPhone ? 'alone' : 'no'
  return agreement === 'compatible' && isOfOne ? 'alone' : 'no'
}

function placeReasons(one: Person, other: Person): Reason[] {
  if (isOther(one.postalCodes, other.postalCodes)) return ['other-postal-code']
  return one.postalCodes.some((code) => other.postalCodes.includes(code)) ? ['same-postal-code'] : []
}

/** Whether both have some, and none in common. */
const isOther = (some: readonly string[], others: readonly string[]): boolean =>
  some.length > 0 && others.length > 0 && !some.some((value) => others.includes(value))

const roles = new Set(
  'info kontakt contact mail email post salg sales kontor office admin adm administration service support hej hello bestilling regnskab bogholderi faktura job reception butik firma familie familien family'.split(
    ' ',
  ),
)
/** Whether an address says that several people read there: `info@`, `familien.holm@`. */
const isRole = (address: string): boolean => roles.has(/^\p{L}*/u.exec(address)?.[0] ?? '')

/** Any name that one goes by may be the one that the other goes by; without one, nothing contradicts. */
function nameAgreement(one: Person, other: Person): NameAgreement {
  const found = one.names.flatMap((name) => other.names.map((latter) => agreementOf(name, latter)))
  return bestOf(found) ?? 'compatible'
}

/** A living customer. */
export interface Candidate {
  readonly id: string
  readonly person: Person
}

export interface Suggested {
  readonly id: string
  readonly score: number
  readonly reasons: readonly Reason[]
}

/** What becomes of a lead. */
export interface Decision {
  /** The customer whose lead it is; undefined when it is of somebody new. */
  readonly link: (Suggested & { readonly keys: readonly MatchKey[]; readonly safe: 'yes' | 'alone' }) | undefined
  /** Who else it may be, best first. */
  readonly suggestions: readonly Suggested[]
}

/** `candidates`: living customers with a key in common, in the order of their ids, the oldest first. */
export function decided(
  person: Person,
  candidates: readonly Candidate[],
  isStop: (key: MatchKey) => boolean,
): Decision {
  const all = candidates
    .map(({ id, person: other }) => ({ id, other, ...compared(person, other, isStop) }))
    .toSorted((one, other) => other.score - one.score)
  const best = all.find(({ safe }) => safe === 'yes') ?? aloneAmong(all)
  return {
    link: best && {
      id: best.id,
      score: best.score,
      reasons: best.reasons,
      keys: best.shared,
      safe: best.safe === 'yes' ? 'yes' : 'alone',
    },
    suggestions: all
      .filter(({ id, score }) => id !== best?.id && score >= suggestedFrom)
      .slice(0, suggestionsMax)
      .map(({ id, score, reasons }) => ({ id, score, reasons })),
  }
}

/** Who is meant by an address or number and half a name: whoever has it, if there is one only. */
function aloneAmong<Compared extends Comparison>(all: readonly Compared[]): Compared | undefined {
  const reached = all.filter(({ shared }) => shared.length > 0)
  const [only] = reached
  return reached.length === 1 && only?.safe === 'alone' ? only : undefined
}

/** As people who work for the dealer are told apart from its customers. */
export const emailKey = (address: string): MatchKey => ({ kind: 'email', value: comparedAddress(address) })
