import type {
  Customer,
  CustomerReference,
  Email,
  LeadCustomer,
  Organization,
  PersonName,
  Phone,
  PostalAddress,
} from '../../generated/server/types.gen.ts'
import { comparedAddress } from '../leads/email.ts'

/** What a source says of a customer; what it leaves out it has no opinion on. */
export interface Said {
  kind?: Customer['kind']
  name?: PersonName
  organization?: Organization
  emails?: Email[]
  phones?: Phone[]
  address?: PostalAddress
}

/** What people say: of a field a value, or null, which shows it empty whatever others say. */
export type Opinion = { [Field in keyof Said]: Said[Field] | null }

export type Field = keyof Said
export const fields = ['kind', 'name', 'organization', 'emails', 'phones', 'address'] as const satisfies Field[]

/** When a field of a source came to what it is, as texts that are in the order of time. */
export type Times = { readonly [Name in Field]?: string }

export type Source =
  | { readonly kind: 'people'; readonly customerId: string; readonly data: Opinion; readonly changedAt: Times }
  | {
      readonly kind: 'system'
      readonly reference: CustomerReference
      readonly data: Said
      readonly changedAt: Times
    }
  | { readonly kind: 'lead'; readonly leadId: string; readonly receivedAt: string; readonly data: LeadCustomer }

/** A customer as it is shown. */
export interface Shown extends Said {
  kind: Customer['kind']
  emails: Email[]
  phones: Phone[]
  /** By which systems know it, in their order. */
  externalReferences: CustomerReference[]
}

/** Whose word it is that is shown, and since when: that of the people of the dealer, of a system, or of a lead. */
export type Origin = { readonly since: string } & (
  | { readonly type: 'people' }
  | { readonly type: 'system'; readonly source: string; readonly id: string }
  | { readonly type: 'lead'; readonly id: string }
)

/** Of each field that is shown, or hidden by people; of a list one for each of its entries, or one if it is hidden. */
export type Origins = {
  kind?: Origin
  name?: Origin
  organization?: Origin
  address?: Origin
  emails: Origin[]
  phones: Origin[]
}

export interface CustomerRecord {
  readonly shown: Shown
  readonly origins: Origins
}

const listMax = 10
const referencesMax = 100

/**
 * What is shown of a customer, from all that is said of it; undefined when nobody says anything, which is a customer
 * that is gone. The order of `said` does not matter, and blanks around words do not, with which some systems fill up
 * what they hold.
 *
 * People go before systems, and those, in the order of `systems`, before leads. Of two of the same rank the one goes
 * before whose value changed last. A name, an address and an organization are taken as a whole: half of one and half of
 * another would be nobody's. Lists of people are shown as they are; those of all others are put together, each value
 * once.
 */
export function recordOf(said: readonly Source[], systems: readonly string[]): CustomerRecord | undefined {
  const sources = said.map(withoutBlanks)
  if (!sources.some(says)) return undefined
  const ranked = (field: Field) => sources.toSorted((one, other) => compare(one, other, field, systems))
  const origins: Origins = { emails: [], phones: [] }
  const shown: Shown = { kind: 'person', emails: [], phones: [], externalReferences: [] }

  for (const field of ['kind', 'name', 'organization', 'address'] as const) {
    const first = ranked(field).find(({ data }) => valueOf(data, field) !== undefined)
    if (!first) continue
    origins[field] = originOf(first, field)
    const value = valueOf(first.data, field)
    if (value !== null) Object.assign(shown, { [field]: value })
  }
  for (const [field, keyOf] of [
    ['emails', emailKey],
    ['phones', phoneKey],
  ] as const) {
    const said = ranked(field).filter(({ data }) => valueOf(data, field) !== undefined)
    const people = said.find(({ kind }) => kind === 'people')
    const found = people ? entriesOf(people, field) : said.flatMap((source) => entriesOf(source, field))
    // The cast: the key is that of the field whose entries these are.
    const entries = firstOfEach(found, ({ value }) => keyOf(value as Email & Phone)).slice(0, listMax)
    Object.assign(shown, { [field]: entries.map(({ value }) => value) })
    const isHidden = people && valueOf(people.data, field) === null
    origins[field] = isHidden ? [originOf(people, field)] : entries.map(({ origin }) => origin)
  }
  shown.externalReferences = sources
    .flatMap((source) => (source.kind === 'system' ? [source.reference] : []))
    .toSorted((one, other) => placeOf(one, systems) - placeOf(other, systems) || byText(one.id, other.id))
    .slice(0, referencesMax)
  return { shown, origins }
}

/** The fields in which two differ: what has changed. */
export function differences(before: Shown | undefined, after: Shown | undefined): string[] {
  const names = new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])
  return (
    [...names]
      // The casts: they are names of either.
      .filter((name) => textOf(before?.[name as keyof Shown]) !== textOf(after?.[name as keyof Shown]))
      .toSorted(byText)
  )
}

/** Two values that read alike, in whatever order their members stand. */
function textOf(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).toSorted(([one], [other]) => byText(one, other)))
      : each,
  )
}

// The cast: it is the same source.
const withoutBlanks = (source: Source): Source => ({ ...source, data: opinionWithoutBlanks(source.data) }) as Source

function opinionWithoutBlanks({ name, organization, address, emails, phones, ...rest }: Opinion): Opinion {
  return {
    ...rest,
    ...partsOf({ name, organization, address }),
    ...(emails && { emails: emails.map((each) => ({ ...each, address: trimmed(each.address) })).filter(isReached) }),
    ...(phones && { phones: phones.map((each) => ({ ...each, number: trimmed(each.number) })).filter(isReached) }),
    ...(emails === null && { emails }),
    ...(phones === null && { phones }),
  }
}

const trimmed = (text: string): string => text.replace(/\s+/g, ' ').trim()
const isReached = (by: { address: string } | { number: string }) => ('address' in by ? by.address : by.number) !== ''

/** What is left of an object without parts that are blank. */
function partsOf(value: object): Record<string, unknown> {
  const parts = Object.entries(value).map(([name, part]: [string, unknown]) => [name, tidied(part)] as const)
  return Object.fromEntries(parts.filter(([, part]) => part !== undefined))
}

function tidied(value: unknown): unknown {
  if (typeof value === 'string') return trimmed(value) || undefined
  if (Array.isArray(value)) {
    const entries = value.map(tidied).filter((each) => each !== undefined)
    return entries.length > 0 ? entries : undefined
  }
  if (typeof value !== 'object' || value === null) return value
  const parts = partsOf(value)
  return Object.keys(parts).length > 0 ? parts : undefined
}

/** An edit without an opinion is none. */
const says = ({ kind, data }: Source) => kind !== 'people' || fields.some((field) => valueOf(data, field) !== undefined)

const rank = { people: 0, system: 1, lead: 2 }

function compare(one: Source, other: Source, field: Field, systems: readonly string[]): number {
  if (one.kind !== other.kind) return rank[one.kind] - rank[other.kind]
  const place =
    one.kind === 'system' && other.kind === 'system'
      ? placeOf(one.reference, systems) - placeOf(other.reference, systems)
      : 0
  return place || byText(changedAt(other, field), changedAt(one, field)) || byText(nameOf(other), nameOf(one))
}

/** A system that has no place comes behind all that have. */
function placeOf({ source }: CustomerReference, systems: readonly string[]): number {
  const place = systems.indexOf(source)
  return place === -1 ? systems.length : place
}

const changedAt = (source: Source, field: Field): string =>
  source.kind === 'lead' ? source.receivedAt : (source.changedAt[field] ?? '')

function nameOf(source: Source): string {
  if (source.kind === 'people') return source.customerId
  return source.kind === 'lead' ? source.leadId : JSON.stringify([source.reference.source, source.reference.id])
}

const byText = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0)

function originOf(source: Source, field: Field): Origin {
  const since = changedAt(source, field)
  if (source.kind === 'people') return { type: 'people', since }
  return source.kind === 'lead'
    ? { type: 'lead', id: source.leadId, since }
    : { type: 'system', ...source.reference, since }
}

/** Undefined where nothing is said of it. */
function valueOf<Name extends Field>(data: Opinion | LeadCustomer, field: Name): Opinion[Name] {
  // The cast: what a lead does not have a source may have.
  return (data as Opinion)[field]
}

function entriesOf(source: Source, field: 'emails' | 'phones'): { value: Email | Phone; origin: Origin }[] {
  const origin = originOf(source, field)
  return (valueOf(source.data, field) ?? []).map((value) => ({ value, origin }))
}

function firstOfEach<Entry>(entries: readonly Entry[], keyOf: (entry: Entry) => string): Entry[] {
  const firsts = new Map<string, Entry>()
  for (const entry of entries) if (!firsts.has(keyOf(entry))) firsts.set(keyOf(entry), entry)
  return [...firsts.values()]
}

/** When the fields of a source came to what they are, after it has said something else. */
export function timesOf(before: Opinion, times: Times, after: Opinion, now: string): Times {
  const [one, other] = [opinionWithoutBlanks(before), opinionWithoutBlanks(after)]
  return Object.fromEntries(
    fields.flatMap((field) => {
      if (after[field] === undefined) return []
      const isSame = before[field] !== undefined && textOf(one[field]) === textOf(other[field])
      return [[field, isSame ? (times[field] ?? now) : now]]
    }),
  )
}

/** In what form e-mail addresses are compared. */
export const emailKey = ({ address }: Email): string => comparedAddress(address)

/** In what form phone numbers are compared; of one that could not be read, by its digits. */
export const phoneKey = ({ e164, number }: Phone): string => e164 ?? (number.replace(/\D/g, '') || number.trim())
