import fc from 'fast-check'

type Type = 'string' | 'integer' | 'number' | 'boolean' | 'array' | 'object' | 'null'

/** A schema of a document that redocly has checked: what an input of the contract may say, and nothing else. */
export interface Schema {
  $ref?: string
  type?: Type | Type[]
  enum?: unknown[]
  anyOf?: Schema[]
  format?: string
  pattern?: string
  minLength?: number
  maxLength?: number
  minimum?: number
  maximum?: number
  items?: Schema
  minItems?: number
  maxItems?: number
  minProperties?: number
  properties?: Record<string, Schema>
  required?: string[]
  additionalProperties?: boolean
}

// What stands in for no limit, and keeps ten thousand instances small.
const usualLengthMax = 12
const longLength = 3_000
const usualItemsMax = 2
const knownKeywords = new Set<string>([
  ...[
    'type',
    'enum',
    'anyOf',
    'format',
    'pattern',
    'minLength',
    'maxLength',
    'minimum',
    'maximum',
    'items',
    'minItems',
  ],
  ...[
    'maxItems',
    'minProperties',
    'properties',
    'required',
    'additionalProperties',
    'description',
    'default',
    'example',
    'examples',
  ],
])

/**
 * Everything that a schema lets in: its shortest and longest, each member there or not, members that it does not name
 * where it does not refuse them.
 *
 * @throws {Error} when the schema says what is not understood here.
 */
export function instancesOf(schema: Schema, resolve: (ref: string) => Schema): fc.Arbitrary<unknown> {
  const { $ref, type, anyOf, items, properties = {}, required = [], minItems = 0, minProperties = 0 } = schema
  if ($ref !== undefined) return instancesOf(resolve($ref), resolve)
  const strange = Object.keys(schema).filter((keyword) => !knownKeywords.has(keyword) && !keyword.startsWith('x-'))
  if (strange.length > 0) throw new Error(`No instances are made for ${strange.join()}`)
  if (schema.enum) return fc.constantFrom(...schema.enum)
  if (anyOf) return fc.oneof(...anyOf.map((each) => instancesOf(each, resolve)))
  if (Array.isArray(type)) return fc.oneof(...type.map((each) => instancesOf({ ...schema, type: each }, resolve)))
  switch (type) {
    case 'null':
      return fc.constant(null)
    case 'boolean':
      return fc.boolean()
    case 'integer':
      return fc.integer(boundsOf(schema))
    case 'number':
      return fc.double({ noNaN: true, noDefaultInfinity: true, ...boundsOf(schema) })
    case 'string':
      return textsOf(schema)
    case 'array': {
      if (!items) throw new Error('A list says what is in it')
      const { maxItems = Infinity } = schema
      const usual = Math.max(minItems, Math.min(maxItems, usualItemsMax))
      return fc.array(instancesOf(items, resolve), { minLength: minItems, maxLength: usual })
    }
    case 'object': {
      const named = Object.entries(properties).map(([name, each]) => [name, instancesOf(each, resolve)] as const)
      const ofNames = fc
        .record(Object.fromEntries(named), { requiredKeys: required })
        .filter((all) => Object.keys(all).length >= minProperties)
      if (schema.additionalProperties === false) return ofNames
      const others = fc.dictionary(
        fc.string({ minLength: 1, maxLength: usualLengthMax }).filter((name) => !(name in properties)),
        fc.jsonValue({ maxDepth: 1 }),
        { maxKeys: 1, noNullPrototype: true },
      )
      return fc
        .tuple(fc.oneof({ arbitrary: fc.constant({}), weight: 7 }, others), ofNames)
        .map(([more, all]) => ({ ...more, ...all }))
    }
    case undefined:
      throw new Error('A schema says its type')
  }
}

const boundsOf = ({ minimum, maximum }: Schema) => ({
  ...(minimum !== undefined && { min: minimum }),
  ...(maximum !== undefined && { max: maximum }),
})

function textsOf({ format, pattern, minLength = 0, maxLength = longLength }: Schema): fc.Arbitrary<string> {
  if (format === 'date-time') return times
  if (format !== undefined && format !== 'binary') throw new Error(`No texts are made in the format ${format}`)
  // In the contract a length is one of characters, as JSON Schema has it.
  const fits = (text: string) => [...text].length >= minLength && [...text].length <= maxLength
  if (pattern !== undefined) return fc.stringMatching(new RegExp(pattern, 'u')).filter(fits)
  const usual = { minLength, maxLength: Math.max(minLength, Math.min(maxLength, usualLengthMax)) }
  const longest = fc
    .constantFrom('x', 'é', '漢', '🚗')
    .map((character) => character.repeat(Math.min(maxLength, longLength)))
  return fc.oneof(
    { arbitrary: fc.string({ unit: 'binary', ...usual }), weight: 20 },
    { arbitrary: fc.string({ unit: 'grapheme', ...usual }).filter(fits), weight: 20 },
    { arbitrary: longest, weight: 1 },
  )
}

/** Times of RFC 3339. */
const times = fc
  .tuple(
    fc.date({ min: new Date('0001-01-02'), max: new Date('9999-12-30'), noInvalidDate: true }),
    fc.constantFrom('Z', 'z', '+01:00', '-11:30', '+00:00'),
    fc.constantFrom('', '.5', '.123456789'),
  )
  .map(([date, offset, fraction]) => `${date.toISOString().slice(0, 19)}${fraction}${offset}`)
