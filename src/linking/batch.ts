import type { CustomerRow } from '../customers/customer.ts'
import { newId } from '../ids.ts'
import {
  compared,
  decided,
  holdersMax,
  type MatchKey,
  matchKeysOf,
  nameOf,
  type NewSuggestion,
  type Person,
  type Reason,
  sharedMax,
  suggestedFrom,
  suggestionsMax,
  type TestKey,
  together,
} from './matching.ts'

/** Why a lead is whose it is, where it is not for what it has in common with them. */
export type LinkReason = Reason | 'nobody-known' | 'stop-value'

/** One that is to be decided on: whose lead it is, or who a customer may be. */
export type Asked =
  | { readonly kind: 'lead'; readonly id: string; readonly test: boolean; readonly person: Person }
  | { readonly kind: 'customer'; readonly id: string; readonly test: boolean; readonly person: Person }

/** What is known before a batch. */
export interface Known {
  /** Active ones who have a value in common with somebody asked, and those that are asked about. */
  readonly persons: ReadonlyMap<string, Person>
  /** By `nameIn`. */
  readonly holders: ReadonlyMap<string, { readonly ids: readonly string[]; readonly isStop: boolean }>
  /** Addresses of people who work for the dealer, as names of keys. */
  readonly own: ReadonlySet<string>
}

export interface Link {
  readonly leadId: string
  readonly customerId: string
  readonly test: boolean
  readonly reasons: readonly LinkReason[]
}

export interface Decisions {
  readonly links: readonly Link[]
  /** Customers that are there now because nobody was known whose these leads are. */
  readonly created: ReadonlySet<string>
  readonly suggestions: readonly NewSuggestion[]
  /** Values that were found to be shared by many. */
  readonly learned: readonly TestKey[]
}

export const nameIn = (test: boolean, key: MatchKey): string => `${test} ${nameOf(key)}`

/** Decides one after the other: whoever is new is known to those behind it. */
export function decisionsOn(asked: readonly Asked[], known: Known): Decisions {
  const persons = new Map(known.persons)
  const holders = new Map<string, Set<string>>()
  const learned = new Map<string, TestKey>()
  const links: Link[] = []
  const created = new Set<string>()
  const suggestions = new Map<string, NewSuggestion>()

  const holdersOf = (name: string): Set<string> => {
    const found = holders.get(name) ?? new Set(known.holders.get(name)?.ids)
    holders.set(name, found)
    return found
  }
  const isStopIn = (test: boolean) => (key: MatchKey) => {
    const name = nameIn(test, key)
    if (known.holders.get(name)?.isStop) return true
    // People are called alike, and that is no address.
    if (key.kind === 'namesake') return holdersOf(name).size > holdersMax(key)
    if (holdersOf(name).size <= sharedMax && !known.own.has(nameOf(key))) return false
    learned.set(name, { test, ...key })
    return true
  }
  const suggest = (test: boolean, one: string, other: string, score: number, reasons: readonly Reason[]) => {
    const [first, last] = one < other ? [one, other] : [other, one]
    const name = `${first} ${last}`
    if ((suggestions.get(name)?.score ?? -1) < score)
      suggestions.set(name, { test, one: first, other: last, score, reasons })
  }

  for (const { kind, id, test, person } of asked) {
    const keys = matchKeysOf(person)
    const isStop = isStopIn(test)
    const ids = new Set(keys.filter((key) => !isStop(key)).flatMap((key) => [...holdersOf(nameIn(test, key))]))
    const candidates = [...ids].toSorted().flatMap((candidate) => {
      const found = persons.get(candidate)
      return found && candidate !== id ? [{ id: candidate, person: found }] : []
    })
    if (kind === 'customer') {
      const others = candidates
        .map((candidate) => ({ id: candidate.id, ...compared(person, candidate.person, isStop) }))
        .filter(({ score }) => score >= suggestedFrom)
        .toSorted((one, other) => other.score - one.score)
      for (const { id: other, score, reasons } of others.slice(0, suggestionsMax))
        suggest(test, id, other, score, reasons)
      continue
    }
    const { link, suggestions: others } = decided(person, candidates, isStop)
    const customerId = link?.id ?? newId()
    if (!link) created.add(customerId)
    links.push({ leadId: id, customerId, test, reasons: link?.reasons ?? ['nobody-known'] })
    for (const { id: other, score, reasons } of others) suggest(test, customerId, other, score, reasons)
    const before = persons.get(customerId)
    persons.set(customerId, before ? together([before, person]) : person)
    for (const key of keys) holdersOf(nameIn(test, key)).add(customerId)
  }
  return { links, created, suggestions: [...suggestions.values()], learned: [...learned.values()] }
}

/** A customer of whom nothing has been recorded yet. */
export const newCustomer = (id: string, test: boolean, now: Date): CustomerRow => ({
  id,
  test,
  state: 'gone',
  merged_into: null,
  shown: null,
  version: 0,
  rev_seq: '0',
  rev_event: id,
  created_at: now,
  updated_at: now,
})
