import fc from 'fast-check'
import { expect, it } from 'vitest'
import { jsonFault } from '../src/http/json-fault.ts'
import { amount } from './long.ts'
import { seed } from './seed.ts'

it.each([
  ['', 1, 1, 'a value'],
  ['{"customer":', 1, 13, 'a value'],
  ['{"a": 1,}', 1, 9, 'a name in double quotes'],
  ['{\n  "a": 1\n  "b": 2\n}', 3, 3, 'a comma or }'],
  ["{'a': 1}", 1, 2, 'a name in double quotes or }'],
  ['{a: 1}', 1, 2, 'a name in double quotes or }'],
  ['[1 2]', 1, 4, 'a comma or ]'],
  ['[1,]', 1, 4, 'a value'],
  ['{"a" 1}', 1, 6, 'a colon'],
  ['{"a": undefined}', 1, 7, 'a value'],
  ['{"a": NaN}', 1, 7, 'a value'],
  ['{"a": 01}', 1, 7, 'a value'],
  ['{"a": "one\ntwo"}', 1, 11, 'no control character in a text, or one that is escaped'],
  ['{"a": "\\x41"}', 1, 8, 'one of the escapes of JSON'],
  ['{"a": "open', 1, 12, 'the double quotes that end the text'],
  ['{} {}', 1, 4, 'nothing more'],
  ['// no\n{}', 1, 1, 'a value'],
])('says where a text stops being JSON: %j', (text, line, column, expected) =>
  expect(jsonFault(text)).toEqual({ line, column, expected }),
)

it('finds a fault exactly where JSON.parse does', () => {
  const isJson = (text: string) => {
    try {
      JSON.parse(text)
      return true
    } catch {
      return false
    }
  }
  const pieces = [
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    '"a"',
    '\\',
    '\\u00',
    ' ',
    '\n',
    '0',
    '1',
    '-',
    '.',
    'e',
    'true',
    'null',
    "'",
    '\u0001',
    'ø',
  ]
  const spoilt = fc
    .tuple(fc.json(), fc.nat(), fc.nat(3), fc.constantFrom('', ...pieces))
    .map(([text, at, gone, piece]) => {
      const start = at % (text.length + 1)
      return text.slice(0, start) + piece + text.slice(start + gone)
    })
  const anything = fc.array(fc.constantFrom(...pieces), { maxLength: 12 }).map((parts) => parts.join(''))
  fc.assert(
    fc.property(fc.oneof(spoilt, anything, fc.json()), (text) => {
      expect([text, jsonFault(text) === undefined]).toEqual([text, isJson(text)])
    }),
    { numRuns: amount(3_000, 100_000), seed },
  )
})
