import { getCountryCallingCode, isSupportedCountry } from 'libphonenumber-js'
import {
  type Account,
  accountUnknown,
  type Evidence,
  evidenceIn,
  type Fault,
  joined,
  nothing,
  pointerTo,
  type Stored,
  unsaidAt,
  unsaidIn,
} from './evidence.ts'
import { isNumber, isObject, type Sent, type SentObject } from './json.ts'
import {
  decoded,
  hasNationalId,
  isBlank,
  isNothing,
  isSurelyNothing,
  matchOf,
  regionOf,
  repaired,
  withoutMarkup,
} from './meaning.ts'
import { leadShape, type Leaf, phoneTypes, type Shape } from './shape.ts'

export interface Dealer {
  country: string
  timeZone: string
}

export interface Reading {
  evidence: Evidence
  timeZone: string
  isXml: boolean
  /** The country of the customer's address, else the dealer's. */
  country: string
}

/**
 * What is wrong with a lead that was sent as JSON and stored: each thing that was said stands in its place, or in
 * `extra` under its pointer, or is warned about and in the original; and nothing stands there that nobody said.
 */
export function faultsOf(sent: SentObject, stored: Stored, dealer: Dealer): Fault[] {
  const reading = { evidence: evidenceIn(stored), isXml: false, ...dealer, country: countryOf(sent) ?? dealer.country }
  const extra = member(sent, 'extra')
  const rest = { members: sent.members.filter(([name]) => name !== 'extra') }
  const { faults, claims } = joined([
    account(rest, leadShape, '', stored.lead, '', reading),
    extra === undefined || extra === null ? nothing : accountUnknown(extra, '/extra', reading.evidence),
    { faults: [], claims: stored.lead.test === false ? ['/test'] : [] },
    { faults: [], claims: isSilent(member(sent, 'type')) && stored.lead.type === 'enquiry' ? ['/type'] : [] },
  ])
  return [...faults, ...unsaidIn(stored.lead, claims), ...leaksIn(stored.lead)]
}

const member = (sent: Sent | undefined, name: string): Sent | undefined =>
  isObject(sent) ? sent.members.findLast(([each]) => each === name)?.[1] : undefined
const isSilent = (sent: Sent | undefined) =>
  sent === undefined || sent === null || (typeof sent === 'string' && isBlank(sent))

function countryOf(sent: SentObject): string | undefined {
  const said = member(member(member(sent, 'customer'), 'address'), 'countryCode')
  return typeof said === 'string' ? regionOf(said) : undefined
}

/** National identity numbers where they have no business. */
export function leaksIn({ message, extra }: { message?: string; extra?: object }): Fault[] {
  return hasNationalId(message ?? '') || hasNationalId(JSON.stringify(extra ?? {}).replaceAll(/["\\,:]/g, ' '))
    ? [{ what: 'a national id is not masked', at: '' }]
    : []
}

function account(sent: Sent, shape: Shape, at: string, read: unknown, place: string, reading: Reading): Account {
  if (sent === null) return nothing
  if ('list' in shape) {
    if (!Array.isArray(sent)) return accountUnknown(sent, at, reading.evidence)
    return aligned(
      sent.map((each, index) => ({ sent: each, at: pointerTo(at, index) })),
      Array.isArray(read) ? read : [],
      place,
      (entry, readEntry, placeOfEntry) => account(entry.sent, shape.list, entry.at, readEntry, placeOfEntry, reading),
    )
  }
  if (!('object' in shape)) return accountLeaf(sent, shape, at, read, place, reading)
  if (!isObject(sent)) return accountUnknown(sent, at, reading.evidence)

  const readMembers = typeof read === 'object' && read !== null ? (read as Record<string, unknown>) : {}
  const zone = at === '/appointment' ? member(sent, 'timeZone') : undefined
  const inner = typeof zone === 'string' && isZone(zone) ? { ...reading, timeZone: zone.trim() } : reading
  const accounts = sent.members.map(([name, value], index) => {
    const isHidden = sent.members.some(([other], after) => other === name && after > index)
    if (isHidden) return accountHidden(value, pointerTo(at, name), reading.evidence)
    const known = Object.hasOwn(shape.object, name) ? shape.object[name] : undefined
    return known
      ? account(value, known, pointerTo(at, name), readMembers[name], pointerTo(place, name), inner)
      : accountUnknown(value, pointerTo(at, name), reading.evidence)
  })
  const parts = joined(accounts)
  const whole = accountWhole(sent, shape.object, at, readMembers, place, reading)
  const faults = parts.faults.filter((fault) => !whole.excuses.includes(fault.at))
  return { faults: [...faults, ...whole.faults], claims: [...parts.claims, ...whole.claims] }
}

/** Of members of one name the last is read (ECMA-262, `JSON.parse`). */
function accountHidden(sent: Sent, at: string, evidence: Evidence): Account {
  return sent === null || evidence.covers(at) ? nothing : { faults: [{ what: 'hidden by its twin', at }], claims: [] }
}

function accountLeaf(sent: Sent, shape: Leaf, at: string, read: unknown, place: string, reading: Reading): Account {
  const { evidence } = reading
  if (Array.isArray(sent) || isObject(sent) || sent === null) return accountUnknown(sent, at, evidence)
  const text = isNumber(sent) ? sent.digits : String(sent)
  // What was kept of a whole that is none may have been read before.
  const asRead = evidence.kept(at, sent, (value) => matchOf(shape, text, value, reading))
  const asSent = evidence.kept(at, sent)
  const found = asSent ?? asRead
  const kept = found && { ...found, claims: [...found.claims, ...(asRead?.claims ?? [])] }
  const claims = kept?.claims ?? []
  const fault = (what: string): Account => ({ faults: [{ what, at, sent: text, read }], claims: [...claims, place] })
  const ok: Account = { faults: [], claims: read === undefined ? claims : [...claims, place] }

  const isUnsaid = isSilent(sent) || ((kept !== undefined || evidence.covers(at)) && isNothing(text))
  if (shape.leaf === 'word' && isUnsaid && (read === shape.silently || shape === phoneTypes)) return ok
  if (read === undefined) {
    if (kept) return kept
    return isSilent(sent) || evidence.covers(at) ? nothing : { faults: [{ what: 'lost', at, sent: text }], claims: [] }
  }
  // A consent is the very text that was shown.
  if (isSurelyNothing(read) && !/^\/consents/.test(at)) return fault('a word for nothing is stated')
  switch (matchOf(shape, text, read, reading)) {
    case 'same':
      return ok
    case 'completed':
      return evidence.warns(at) ? ok : fault('completed without a word')
    case 'changed':
      return evidence.covers(at) ||
        (shape.leaf === 'time' && evidence.tells(at)) ||
        (kept && evidence.warns(at)) ||
        (text === read && evidence.warns(at))
        ? ok
        : fault(evidence.warns(at) ? 'changed, and the original is not kept' : 'changed without a word')
    case 'wrong':
      // Words for nothing are left out of a name, and kept.
      return /^\/customer\/name\//.test(at) &&
        (asSent || evidence.covers(at)) &&
        evidence.warns(at) &&
        isOfWordsIn(text, read)
        ? ok
        : fault('wrong')
  }
}

function isOfWordsIn(sent: string, read: unknown): boolean {
  const said = `${repaired(sent)} ${withoutMarkup(repaired(sent))} ${decoded(repaired(sent))}`
  return typeof read === 'string' && read.split(' ').every((word) => said.includes(word))
}

/** What is read of an object as a whole, and said by none of its members. */
function accountWhole(
  sent: SentObject,
  shape: Readonly<Record<string, Shape>>,
  at: string,
  read: Record<string, unknown>,
  place: string,
  reading: Reading,
): Account & { excuses: string[] } {
  const claims: string[] = []
  const faults: Fault[] = []
  const excuses: string[] = []
  const said = (name: string) => {
    const value = member(sent, name)
    if (isNumber(value)) return value.digits
    return typeof value === 'string' ? value : ''
  }
  const isA = (name: string, leaf: Leaf['leaf']) => {
    const known = shape[name]
    return known !== undefined && 'leaf' in known && known.leaf === leaf
  }
  if (isA('address', 'email')) {
    claims.push(`${place}/verdict`)
    if (read['verdict'] === 'plausible' && isOddEmail(String(read['address'])))
      faults.push({ what: 'called plausible', at: `${at}/address`, sent: said('address') })
  }
  if (isA('number', 'phone')) {
    claims.push(...['verdict', 'e164', 'type'].map((name) => `${place}/${name}`))
    const { e164, verdict } = read
    // That it may be of the dealer's country, and somebody else's, is told.
    const isDoubted = verdict === 'possible' && reading.evidence.warns(`${at}/number`)
    const countries = [reading.country, ...(isDoubted ? ['DK'] : [])]
    if (typeof e164 === 'string' && !countries.some((country) => isE164Of(said('number'), e164, country)))
      faults.push({
        what: `a number of somebody else (${verdict})`,
        at: `${at}/number`,
        sent: said('number'),
        read: e164,
      })
  }
  if (isA('value', 'number') && read['unit'] === 'km') {
    const isMil = /^(?:mil|swedish mil)$/i.test(said('unit').trim())
    if (isSilent(member(sent, 'unit'))) claims.push(`${place}/unit`)
    if (isMil && Number(said('value')) * 10 === read['value'] && reading.evidence.covers(`${at}/unit`)) {
      claims.push(`${place}/unit`, `${place}/value`)
      excuses.push(`${at}/unit`, `${at}/value`)
    }
  }
  if (
    isA('currency', 'currency') &&
    (isSilent(member(sent, 'currency')) || isNothing(said('currency'))) &&
    typeof read['currency'] === 'string'
  ) {
    const amount = said('amount')
    const isSaid = amount.toUpperCase().includes(read['currency']) || (read['currency'] === 'DKK' && /kr/i.test(amount))
    if (isSaid) {
      claims.push(`${place}/currency`)
      excuses.push(`${at}/currency`)
    }
  }
  if (isA('state', 'word') && isSilent(member(sent, 'state')) && read['state'] === 'unknown')
    claims.push(`${place}/state`)
  return { faults, claims, excuses }
}

const isZone = (name: string) => {
  try {
    return Boolean(new Intl.DateTimeFormat('en', { timeZone: name.trim() }))
  } catch {
    return false
  }
}

/** Nobody could write to it. */
const isOddEmail = (address: string) =>
  /[\s\p{Cc}\p{Cf}<>,;()\\\ufffd]|\.\.|^\.|\.@|@-|@.*@|^@|^[^@]*$|@[^.]*$|\.$/u.test(address.trim())

/** Whether a number is the one that was typed, by its country code or as one of the country. */
export function isE164Of(typed: string, e164: string, country: string): boolean {
  const text = withoutMarkup(decoded(typed))
    .normalize('NFKC')
    .replaceAll(/\p{Cf}/gu, '')
    .trim()
  const digits = text
    .replaceAll('(0)', '')
    .replaceAll(/[^\p{Nd}]/gu, '')
    .replaceAll(/\p{Nd}/gu, asciiDigit)
  const code = isSupportedCountry(country) ? getCountryCallingCode(country) : ''
  const isDialled = /^[^\p{Nd}]*[+＋]/u.test(text)
  const wholes = isDialled
    ? [digits]
    : digits.startsWith('00')
      ? [digits.slice(2)]
      : [code + digits, code + digits.replace(/^0/, ''), digits]
  const hasMore = /\p{L}|#|[/;,]/u.test(text)
  return wholes.some((whole) => (hasMore ? `+${whole}`.startsWith(e164) : `+${whole}` === e164))
}

const asciiDigit = (digit: string) => {
  for (let value = 9; value >= 0; value--) {
    const zero = String.fromCodePoint((digit.codePointAt(0) ?? 0) - value)
    if (/\p{Nd}/u.test(zero) && !/\p{Nd}/u.test(String.fromCodePoint((zero.codePointAt(0) ?? 0) - 1)))
      return String(value)
  }
  return digit
}

/**
 * The entries of a list and what was read, in order: an entry that says nothing, or nothing that was understood, has no
 * place in the answer.
 */
export function aligned<Entry>(
  entries: readonly Entry[],
  read: readonly unknown[],
  place: string,
  pair: (entry: Entry, read: unknown, place: string) => Account,
): Account {
  const straight = entries.map((entry, at) => pair(entry, read[at], `${place}/${at}`))
  const unexplained = ({ claims }: Account, each: unknown, at: string) =>
    each === undefined ? 0 : unsaidAt(each, at, new Set(claims)).length
  const isStraight = straight.every(
    (each, at) => each.faults.length === 0 && unexplained(each, read[at], `${place}/${at}`) === 0,
  )
  if (entries.length === read.length && isStraight) return joined(straight)

  type Way = { cost: number; accounts: Account[] }
  const costOf = ({ faults, claims }: Account) => faults.length * 1000 - claims.length
  // Ways to account for the first entries with the first so many of what was read.
  let ways: (Way | undefined)[] = [{ cost: 0, accounts: [] }]
  for (const entry of entries) {
    const next: (Way | undefined)[] = []
    const offer = (at: number, way: Way) => {
      if (!next[at] || next[at].cost > way.cost) next[at] = way
    }
    const unread = pair(entry, undefined, `${place}/-`)
    for (const [used, way] of ways.entries()) {
      if (!way) continue
      offer(used, { cost: way.cost + costOf(unread), accounts: [...way.accounts, unread] })
      if (used === read.length) continue
      const paired = pair(entry, read[used], `${place}/${used}`)
      const rest = unexplained(paired, read[used], `${place}/${used}`) * 1500
      offer(used + 1, { cost: way.cost + costOf(paired) + rest, accounts: [...way.accounts, paired] })
    }
    ways = next
  }
  const best = ways
    .flatMap((way, used) => (way ? [{ ...way, cost: way.cost + (read.length - used) * 1500 }] : []))
    .sort((a, b) => a.cost - b.cost)[0]
  return joined(best?.accounts ?? [])
}
