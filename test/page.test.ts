import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { inner } from '../src/ids.ts'
import { pageBytesMax, pageOf } from '../src/page.ts'

// Lists are bounded by bytes, whatever there is in them.

type Row = { id: string; text: string; fits?: boolean }
const idOf = (at: number) => `00000000-0000-7000-8000-${String(at).padStart(12, '0')}`

/** All pages of a list of texts, by their numbers, and the most bytes that the items of one have. */
async function pagesOf(texts: readonly string[], limit: number) {
  const rows: Row[] = texts.map((text, at) => ({ id: idOf(at), text }))
  const pages: number[][] = []
  let bytesMax = 0
  for (let cursor: string | undefined; pages.length <= texts.length;) {
    const { items, nextCursor } = await pageOf(
      { limit, ...(cursor !== undefined && { cursor }) },
      async ({ past = '', limit: most }) => rows.filter(({ id }) => id > past).slice(0, most),
      (found) => found.map(({ id, text }) => ({ id, text })),
    )
    pages.push(items.map(({ id }) => Number(id.slice(-12))))
    bytesMax = Math.max(
      bytesMax,
      items.reduce((sum, item) => sum + Buffer.byteLength(JSON.stringify(item)), 0),
    )
    if (nextCursor === undefined) return { pages, bytesMax }
    expect(inner(nextCursor)).toBe(items.at(-1)?.id)
    cursor = nextCursor
  }
  throw new Error('There is no end to it')
}
const all = (count: number) => Array.from({ length: count }, (_, at) => at)

describe('a page', () => {
  it('has as many as were asked for, where they are small', async () => {
    const { pages } = await pagesOf(Array(500).fill('x'), 200)
    expect(pages.map((page) => page.length)).toEqual([200, 200, 100])
    expect((await pagesOf(Array(200).fill('x'), 200)).pages).toHaveLength(1)
  })

  it.each(['x', 'æ', '\u0001', '😀'])('has as many as there is room for, and the others follow: %j', async (letter) => {
    const { pages, bytesMax } = await pagesOf(Array(40).fill(letter.repeat(60_000)), 200)
    expect(bytesMax).toBeLessThanOrEqual(pageBytesMax)
    expect(pages.length).toBeGreaterThan(1)
    expect(pages.flat()).toEqual(all(40))
  })

  it('has one in any case', async () => {
    const { pages } = await pagesOf(Array(3).fill('x'.repeat(2 * pageBytesMax)), 200)
    expect(pages).toEqual([[0], [1], [2]])
  })
})

// What the contract lets an answer have, in bytes.

interface Schema {
  $ref?: string
  type?: string | string[]
  allOf?: Schema[]
  oneOf?: Schema[]
  anyOf?: Schema[]
  enum?: unknown[]
  properties?: Record<string, Schema>
  items?: Schema
  maxItems?: number
  maxLength?: number
  format?: string
}
interface Operation {
  operationId: string
  parameters?: { $ref?: string; name?: string }[]
  responses: Record<string, { $ref?: string; content?: Record<string, { schema?: Schema }> }>
}
const document = parse(readFileSync(new URL('../generated/openapi.yaml', import.meta.url), 'utf8'))
const resolved = <Found extends { $ref?: string }>(found: Found): Found =>
  found.$ref === undefined
    ? found
    : found.$ref
        .slice(2)
        .split('/')
        .reduce((at, name) => at[name], document)

/** A character may be written as `\u0001`. */
const characterBytesMax = 6
const numberBytesMax = 24

function bytesOf(given: Schema): number {
  const schema = resolved(given)
  const { allOf, oneOf, anyOf, properties, items } = schema
  if (allOf) return allOf.reduce((sum, each) => sum + bytesOf(each), 0)
  const choices = oneOf ?? anyOf
  if (choices) return Math.max(...choices.map(bytesOf))
  const types = [schema.type].flat()
  if (properties)
    return Object.entries(properties).reduce((sum, [name, each]) => sum + name.length + 4 + bytesOf(each), 2)
  if (items) return 2 + (schema.maxItems ?? Infinity) * (1 + bytesOf(items))
  if (schema.enum) return Math.max(...schema.enum.map((each) => JSON.stringify(each).length))
  if (types.includes('string'))
    return schema.format === 'date-time' ? 32 : 2 + characterBytesMax * (schema.maxLength ?? Infinity)
  if (types.every((each) => each === 'integer' || each === 'number' || each === 'boolean' || each === 'null'))
    return numberBytesMax
  return Infinity
}

const operations: Operation[] = Object.values<Record<string, Operation>>(document.paths).flatMap((path) =>
  Object.values(path).filter(({ operationId }) => operationId),
)
/** The lists that an answer has at its top. */
const listsOf = ({ responses }: Operation): Schema[] =>
  ['200', '207'].flatMap((status) => {
    const schema = responses[status] && resolved(responses[status]).content?.['application/json']?.schema
    const { properties = {} } = schema ? resolved(schema) : {}
    return Object.values(properties)
      .map(resolved)
      .filter(({ items }) => items !== undefined)
  })
const isPaged = ({ parameters = [] }: Operation) => parameters.map(resolved).some(({ name }) => name === 'cursor')

describe('a list of the contract', () => {
  /** Why its answer may have more than a page, though it is none. */
  const asLongAsAsked: Record<string, string> = {
    createLeadBatch: 'as many results as leads were sent, in 4 MB; their warnings name places in it',
    createLeadsFromAdf: 'the same, of 32 prospects at the most, in 256 kB',
    reconcileReferences: 'references out of those that were sent, in 4 MB',
    getLead: 'the lists of one lead, which came in 256 kB',
    updateLead: 'the same',
    upsertCustomers: 'as many results as customers were sent, in 1 MB; their warnings name places in it',
    searchCustomers: 'as many as a page has room for; `more` says that there are others',
    getCustomerSources: 'as many in each of its lists as a page has room for',
    getApiKeyUsage: '10,000 counts of 130 bytes: no name of an operation is as long as it may be',
  }
  const large = operations.filter(
    (operation) =>
      !isPaged(operation) && listsOf(operation).reduce((sum, list) => sum + bytesOf(list), 0) > pageBytesMax,
  )

  it('comes in pages, or has not more bytes than a page', () => {
    expect(large.map(({ operationId }) => operationId).filter((id) => !(id in asLongAsAsked))).toEqual([])
    expect(Object.keys(asLongAsAsked).sort()).toEqual(large.map(({ operationId }) => operationId).sort())
  })

  it('that comes in pages is made by what bounds them', () => {
    const paged = operations.filter((operation) => isPaged(operation) && listsOf(operation).length > 0)
    expect(paged.length).toBeGreaterThan(5)
    const rooms = ['api-keys', 'audit', 'customers', 'feed', 'leads', 'notices', 'requests', 'sources', 'users']
    const source = rooms.map((room) => readFileSync(`src/${room}/handlers.ts`, 'utf8')).join('\n')
    for (const { operationId } of paged) {
      const [, handler = ''] = source.split(new RegExp(`export const ${operationId}\\b`))
      const own = handler.split('\nexport ')[0] ?? ''
      expect([operationId, /\bpageOf\(|, pageBytesMax\)/.test(own)]).toEqual([operationId, true])
    }
  })
})
