import { isObject, number, object, type Sent, type SentObject, written } from './json.ts'
import { between, isLucky, pick, type Random, shuffled, times } from './random.ts'
import { leadShape, type Leaf, type Shape } from './shape.ts'
import { anyText, type KindOfText, kindsOfText, usual } from './texts.ts'

/** Leads of one test are known by it; it is part of each e-mail address that surely reaches somebody. */
export type Mark = string

export interface LeadSent {
  tree: SentObject
  /** `misfit`: of the wrong JSON type somewhere; `unreachable`: without a way to reach anybody. */
  outcome: 'stored' | 'misfit' | 'unreachable'
  /** Where the wrong type is. */
  pointer?: string
}

const bytesMax = 56_000
const longNumbers = [
  '1234567890123456789',
  '-98765432109876543210',
  '0.1234567890123456789',
  '1e400',
  '12345678901234567890.5',
  '9007199254740993',
  '1.0000000000000000000001',
]
const plainNumbers = ['0', '-0', '1', '-1', '42', '3.5', '1e3', '1E+2', '0.1', '2147483648', '-7.25e-3', '1.50', '1e21']

/** A lead of real shape, with anything at any place. */
export function newLeadSent(random: Random, mark: Mark): LeadSent {
  for (;;) {
    const lead = drawn(random, mark)
    if (Buffer.byteLength(written(lead.tree, true)) <= bytesMax) return lead
  }
}

function drawn(random: Random, mark: Mark): LeadSent {
  /** How much of what could be said is said; how odd it is. */
  const fill = pick(random, [0.1, 0.25, 0.5, 0.9])
  const oddity = pick(random, [0, 0.05, 0.2, 0.6])
  const places: { pointer: string; misfit: () => void }[] = []
  /** Where a member stands twice: of the first nothing is read. */
  const twins: string[] = []

  const value = (shape: Shape, at: string): Sent => {
    if (isLucky(random, 0.04)) return null
    if ('list' in shape) {
      const count = isLucky(random, 0.04 * oddity) ? shape.max + between(random, 1, 3) : between(random, 0, 3)
      return times(count, (index) => value(shape.list, `${at}/${index}`))
    }
    if ('object' in shape) return members(shape.object, at)
    return leaf(shape)
  }
  const members = (shapes: Readonly<Record<string, Shape>>, at: string): SentObject => {
    const said = Object.entries(shapes)
      .filter(([name]) => isLucky(random, fill) || isRequired(name, at))
      .map(([name, shape]): [string, Sent] => [name, value(shape, `${at}/${name}`)])
    for (const entry of said) {
      const [name, sent] = entry
      const others: Sent[] = [number(7), true, [], object([]), 'text'].filter((other) => typeOf(other) !== typeOf(sent))
      if (sent !== null) places.push({ pointer: `${at}/${name}`, misfit: () => (entry[1] = pick(random, others)) })
    }
    if (isLucky(random, 0.04 + oddity / 4)) said.push(...times(between(random, 1, 3), () => unknownMember(random, 0)))
    const twin = isLucky(random, oddity / 20) && said.length > 0 ? pick(random, said) : undefined
    const twinShape = twin && Object.hasOwn(shapes, twin[0]) ? shapes[twin[0]] : undefined
    if (twin) twins.push(`${at}/${twin[0]}/`)
    if (twin && twinShape && !['customer', 'externalReference'].includes(twin[0]))
      said.push([twin[0], value(twinShape, `${at}/${twin[0]}`)])
    return object(isLucky(random, 0.3) ? shuffled(random, said) : said)
  }
  const leaf = (shape: Leaf): Sent => {
    switch (shape.leaf) {
      case 'flag':
        return isLucky(random, 0.5)
      case 'number':
        return number(
          pick(random, [
            '15000',
            '61000',
            '0',
            '1500.5',
            '85',
            ...(isLucky(random, oddity) ? ['-5', '123456789', '1e7', ...plainNumbers] : []),
          ]),
        )
      case 'year':
        return number(
          pick(random, [
            '2019',
            '2026',
            '1998',
            ...(isLucky(random, oddity) ? ['0', '19', '20260', '-1', '1e400', '2016.0'] : []),
          ]),
        )
      default:
        if (isLucky(random, oddity)) return anyText(random)
        if (shape.leaf !== 'word') return usual[shape.usually ?? shape.leaf](random)
        return pick(
          random,
          Object.entries(shape.words ?? {}).flatMap(([word, others]) => [word, word.toUpperCase(), ...others]),
        )
    }
  }

  const tree = members(leadShape.object, '')
  const customer = tree.members.find(([name]) => name === 'customer')?.[1]
  const isUnreachable = isLucky(random, 0.02)
  if (isUnreachable) {
    const nobody: [string, Sent][] = [['name', object([['full', usual.text(random)]])]]
    tree.members = tree.members.map(([name, sent]) => [name, name === 'customer' ? object(nobody) : sent])
  } else if (isObject(customer)) {
    addMarked(random, customer, mark)
  } else {
    tree.members = tree.members.filter(([name]) => name !== 'customer')
    tree.members.push(['customer', object([])])
    addMarked(random, tree.members.at(-1)?.[1] as SentObject, mark)
  }
  const reference = tree.members.findIndex(([name]) => name === 'externalReference')
  if (reference !== -1) tree.members[reference] = ['externalReference', referenceSent(random, mark)]
  if (isLucky(random, 0.2))
    tree.members.push(['extra', object(times(between(random, 0, 4), () => unknownMember(random, 0)))])

  const read = places.filter(({ pointer }) => !twins.some((each) => `${pointer}/`.startsWith(each)))
  const misfit = isUnreachable || read.length === 0 || !isLucky(random, 0.03) ? undefined : pick(random, read)
  if (!misfit || /^\/(customer|externalReference)/.test(misfit.pointer))
    return { tree, outcome: isUnreachable ? 'unreachable' : 'stored' }
  misfit.misfit()
  return { tree, outcome: 'misfit', pointer: misfit.pointer }
}

/** An address that surely reaches this lead's person, at any place among the others. */
function addMarked(random: Random, customer: SentObject, mark: Mark): void {
  const entry = object([['address', `${mark}@example.com`]])
  // Of members of one name the last is read.
  const emails = customer.members.findLast(([name]) => name === 'emails')
  if (!emails) customer.members.push(['emails', [entry]])
  else if (Array.isArray(emails[1])) emails[1].splice(between(random, 0, Math.min(emails[1].length, 9)), 0, entry)
  else emails[1] = [entry]
}

export const unusableIds = [
  'undefined',
  'null',
  'None',
  '[object Object]',
  '00000000-0000-0000-0000-000000000000',
  ' ',
  '\u200b',
  '\ufffd',
  'a\0b',
  ...['{{', '%%', '${'].map((open) => `${open}lead.id${{ '{{': '}}', '%%': '%%', '${': '}' }[open] ?? ''}`),
]

function referenceSent(random: Random, mark: Mark): SentObject {
  const id = isLucky(random, 0.3) ? pick(random, unusableIds) : pick(random, [mark, `A-${mark}`, `Sag nr. ${mark} ø`])
  return object([
    ['source', pick(random, ['website', 'Bilportalen', 'form æøå'])],
    ['id', id],
  ])
}

const isRequired = (name: string, at: string) =>
  name === 'customer' || (['start', 'address', 'number', 'value', 'amount', 'id', 'source'].includes(name) && at !== '')

const oddNames = [
  'member',
  'lone',
  'nul',
  'html',
  'empty',
  'combining',
  'astral',
  'plain',
  'noncharacter',
] as const satisfies KindOfText[]

function unknownMember(random: Random, depth: number): [string, Sent] {
  const name = isLucky(random, 0.7)
    ? pick(random, ['leadgenId', 'color', 'Mærke', 'navn', 'utm', 'phone', 'email', 'e-mail', 'id', 'a/b', 'a~b', '1'])
    : kindsOfText[pick(random, oddNames)](random)
  return [name, unknownValue(random, depth)]
}

function unknownValue(random: Random, depth: number): Sent {
  const kind = random()
  if (kind < 0.35) return anyText(random)
  if (kind < 0.5) return number(pick(random, longNumbers))
  if (kind < 0.62) return number(pick(random, plainNumbers))
  if (kind < 0.68) return pick(random, [true, false, null])
  if (kind < 0.7) return kindsOfText.long(random).repeat(4)
  if (depth > 3) return pick<Sent>(random, [[], object([])])
  if (kind < 0.72) return nested(random, pick(random, [10, 40, 50]))
  if (kind < 0.86) return times(between(random, 0, 3), () => unknownValue(random, depth + 1))
  return object(times(between(random, 0, 3), () => unknownMember(random, depth + 1)))
}

function nested(random: Random, depth: number): Sent {
  let inner: Sent = anyText(random)
  for (let level = 0; level < depth; level++) inner = level % 2 === 0 ? [inner] : object([['in', inner]])
  return inner
}

function typeOf(sent: Sent): string {
  if (Array.isArray(sent)) return 'list'
  if (isObject(sent)) return 'object'
  return typeof sent === 'object' ? 'number' : typeof sent
}
