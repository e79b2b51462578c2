import { isNumber, isObject, type Sent } from './json.ts'
import { isBlank, type Match, numberMatch, repaired, textMatch } from './meaning.ts'

/** What can be seen of a stored lead. */
export interface Stored {
  /** As `getLead` answers. */
  lead: any
  /** `getLeadOriginal` gives back, byte for byte, what was sent. */
  hasOriginal: boolean
}

/** Something that was sent and is not accounted for, or is there and nobody sent it. */
export interface Fault {
  what: string
  /** Where it was sent; of what was not sent: where it stands. */
  at: string
  sent?: unknown
  read?: unknown
  /** The lead in whose answer it was found. */
  lead?: unknown
}

/** What became of a part of what was sent; `claims` are the places in the answer that it explains. */
export interface Account {
  faults: Fault[]
  claims: string[]
}

export const nothing: Account = { faults: [], claims: [] }
export const joined = (accounts: readonly Account[]): Account => ({
  faults: accounts.flatMap(({ faults }) => faults),
  claims: accounts.flatMap(({ claims }) => claims),
})

export const pointerTo = (parent: string, name: string | number): string =>
  `${parent}/${repaired(String(name)).replaceAll('~', '~0').replaceAll('/', '~1')}`
const tokensOf = (pointer: string) =>
  pointer
    .split('/')
    .slice(1)
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'))
/** Names that became alike when they were repaired get a number. */
const keyOf = (tokens: readonly string[]) => JSON.stringify(tokens.map((token) => token.replace(/\ufffd\d+$/, '')))

/** All places of an answer that hold something, with what they hold. */
export function leavesOf(value: unknown, at = ''): [place: string, value: unknown][] {
  if (typeof value !== 'object' || value === null) return [[at, value]]
  const entries = Array.isArray(value) ? [...value.entries()] : Object.entries(value)
  if (entries.length === 0) return [[at, value]]
  return entries.flatMap(([name, inner]) => leavesOf(inner, pointerTo(at, name)))
}

/** These say of a value that it is odd, or of a whole that something is amiss in it: not that a value is gone. */
const tellsOfNoLoss = /encoding|form$|member-unknown|name-unknown|not-identifiable|phone-|email-odd|without-offset/

/** What becomes of the elements of a document. */
const partsOfLead: [element: RegExp, parts: RegExp][] = [
  [/\/comments(?:\/|$)/, /^\/(?:message|vehicles|tradeIns)/],
  [/\/vehicle(?:\/|$)/, /^\/(?:vehicles|tradeIns)/],
  [/\/customer(?:\/|$)/, /^\/customer/],
  [/\/provider(?:\/|$)/, /^\/attribution/],
  [/\/prospect(?:\/\d+)?\/id(?:\/|$)/, /^\/externalReference/],
  [/\/requestdate(?:\/|$)/, /^\/submittedAt/],
]

export interface Evidence {
  /** Whatever is gone from this place was warned about, and the original has it. */
  covers(at: string): boolean
  /** Somebody who looks at this place finds a warning. */
  warns(at: string): boolean
  /** The same, and the original is kept. */
  tells(at: string): boolean
  /** Something of the same part of a document was read, had no room in `extra`, and is in the original. */
  overflowsWith(at: string): boolean
  /** A value that was sent at a place, found in `extra` under its pointer or that of something around it. */
  kept(at: string, sent: Sent, match?: (value: unknown) => Match): Account | undefined
  /** A text found anywhere in `extra`, best in what was kept of the element that it stands in. */
  keptText(at: string, sent: string, taken: ReadonlySet<string>, isNear?: boolean): Account | undefined
}

export function evidenceIn({ lead, hasOriginal }: Stored): Evidence {
  const { warnings, extra = {} } = lead as { warnings: { code: string; pointer: string }[]; extra?: object }
  const all = leavesOf(extra, '/extra')
  const keptAt = Map.groupBy(all, ([place]) => keyOf(tokensOf(place).slice(1)))
  const isAbove = (pointer: string, at: string) => pointer !== '' && (at === pointer || at.startsWith(`${pointer}/`))
  const isTooMany = (code: string, pointer: string, at: string) => {
    const [, list = '', index = ''] = /^(.*)\/(\d+)$/.exec(pointer) ?? []
    const [, other] = at.startsWith(`${list}/`) ? (/^\/(\d+)/.exec(at.slice(list.length)) ?? []) : []
    return /too-many$/.test(code) && index !== '' && other !== undefined && Number(other) >= Number(index)
  }
  const about = (at: string) =>
    warnings.filter(
      ({ code, pointer }) =>
        code === 'too-many-warnings' ||
        isAbove(pointer, at) ||
        // What has no place of its own in a lead is sent on in its `extra`, by its path in the document.
        isAbove(tokensOf(pointer.replace(/^\/extra(?=\/~1)/, ''))[0] ?? '', at) ||
        isTooMany(code, pointer, at) ||
        // A place too deep to be named.
        (at.length > 250 && at.startsWith(pointer)),
    )
  const evidence: Evidence = {
    covers: (at) => hasOriginal && about(at).some(({ code }) => !tellsOfNoLoss.test(code)),
    warns: (at) => about(at).some(({ code }) => !/encoding|form$/.test(code)),
    overflowsWith: (at) => {
      const [, parts] = partsOfLead.find(([element]) => element.test(at)) ?? []
      return (
        hasOriginal && warnings.some(({ code, pointer }) => code === 'extra-too-large' && parts?.test(pointer) === true)
      )
    },
    tells: (at) => hasOriginal && evidence.warns(at),
    kept(at, sent, match = (value) => keptMatch(sent, value)) {
      const tokens = tokensOf(at)
      const paths = tokens.map((_, count) => [
        `/${at
          .split('/')
          .slice(1, count + 2)
          .join('/')}`,
        ...tokens.slice(count + 1),
      ])
      if (tokens[0] === 'extra') paths.push(tokens.slice(1))
      const found = paths.flatMap((path) => keptAt.get(keyOf(path)) ?? [])
      const matches = found.map(([place, value]) => ({ place, match: match(value) }))
      const good = matches.filter(({ match }) => match !== 'wrong')
      if (good.length === 0) return undefined
      const isTold = good.some(({ match }) => match === 'same') || evidence.warns(at)
      return {
        faults: isTold ? [] : [{ what: 'kept otherwise, not told', at, sent, read: found[0]?.[1] }],
        claims: good.map(({ place }) => place),
      }
    },
    keptText(at, sent, taken, isNear = false) {
      const near = all.filter(([place]) => isAbove(tokensOf(place)[1] ?? '', at))
      // What was understood as a part of a lead first, and is kept under its pointer.
      const far = all.filter(([place]) =>
        /^\/(customer|vehicles|tradeIns|type|submitted|external|attribution|message)/.test(tokensOf(place)[1] ?? ''),
      )
      const matchWith = (value: unknown) => textMatch(sent, value, { isXml: true, isMasked: true })
      const isKept = ([place, value]: [string, unknown]) => {
        const match = matchWith(value)
        const isTold = [at, place, tokensOf(place)[1] ?? ''].some((each) => evidence.warns(each))
        return match === 'same' || (match !== 'wrong' && isTold)
      }
      const free = near.filter(([place]) => !taken.has(place))
      const own =
        free.find(([, value]) => matchWith(value) === 'same') ??
        free.find((each) => matchWith(each[1]) === 'completed' && isKept(each)) ??
        free.find(isKept)
      if (own) return { faults: [], claims: [own[0]] }
      const isPart = ([, value]: [string, unknown]) => typeof value === 'string' && value.includes(sent.trim())
      const others = isNear ? [] : far.filter((each) => isKept(each) || isPart(each))
      if (others.length > 0) return { faults: [], claims: others.map(([place]) => place) }
      return undefined
    },
  }
  return evidence
}

function keptMatch(sent: Sent, value: unknown): Match {
  if (isNumber(sent)) return numberMatch(sent.digits, value)
  if (typeof sent === 'string') return textMatch(sent, value, { isXml: false, isMasked: true })
  if (Array.isArray(sent)) return Array.isArray(value) ? 'same' : 'wrong'
  if (isObject(sent)) return typeof value === 'object' ? 'same' : 'wrong'
  return sent === value ? 'same' : 'wrong'
}

/** Where a thing stands that no part of the contract names: in `extra`, or in the original with a warning. */
export function accountUnknown(sent: Sent, at: string, evidence: Evidence): Account {
  if (Array.isArray(sent) && sent.length > 0)
    return joined(sent.map((each, index) => accountUnknown(each, pointerTo(at, index), evidence)))
  if (isObject(sent) && sent.members.length > 0)
    return joined(
      sent.members.map(([name, value], index) =>
        sent.members.some(([other], after) => other === name && after > index) && evidence.covers(pointerTo(at, name))
          ? nothing
          : accountUnknown(value, pointerTo(at, name), evidence),
      ),
    )
  const kept = evidence.kept(at, sent)
  if (kept) return kept
  const saysNothing =
    sent === null || Array.isArray(sent) || isObject(sent) || (typeof sent === 'string' && isBlank(sent))
  return saysNothing || evidence.covers(at) ? nothing : { faults: [{ what: 'lost', at, sent }], claims: [] }
}

/** What no sender says. */
const ours = new Set(
  'id status statusReason source warnings receivedAt updatedAt respondedAt duplicateOf legalStatuses version rev'.split(
    ' ',
  ),
)

/** Whatever stands in a lead and is explained by nothing that was sent. */
export function unsaidIn(lead: Record<string, unknown>, claims: readonly string[]): Fault[] {
  const explained = new Set(claims)
  return Object.entries(lead)
    .filter(([name]) => !ours.has(name))
    .flatMap(([name, value]) => unsaidAt(value, pointerTo('', name), explained))
}

/** The same of a part of it. */
export function unsaidAt(part: unknown, at: string, explained: ReadonlySet<string>): Fault[] {
  return (
    leavesOf(part, at)
      // An empty list or object says nothing.
      .filter(([place, value]) => !explained.has(place) && !(typeof value === 'object' && value !== null))
      .map(([place, value]) => ({ what: 'nobody said', at: place, read: value }))
  )
}
