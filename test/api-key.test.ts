import fc from 'fast-check'
import { expect, it } from 'vitest'
import { grantedScopes } from '../src/api-keys/api-key.ts'
import { maskOf, newKeyText, parseKeyText } from '../src/api-keys/key-text.ts'
import { Problem } from '../src/problem.ts'

const kinds = fc.constantFrom('digital_requests', 'extensive_integrations') as fc.Arbitrary<
  'digital_requests' | 'extensive_integrations'
>
const environments = fc.constantFrom('live', 'test') as fc.Arbitrary<'live' | 'test'>

it('reads back every key that it makes', () => {
  fc.assert(
    fc.property(kinds, environments, (kind, environment) => {
      const key = newKeyText(kind, environment)
      expect(key.text).toMatch(/^cb_(dr|ei)_(live|test)_[0-9A-Za-z]{50}$/)
      expect(parseKeyText(key.text)).toEqual(key)
    }),
  )
})

it('refuses a key in which one character is another', () => {
  fc.assert(
    fc.property(kinds, fc.nat({ max: 60 }), fc.constantFrom(...'abcXYZ019_-'), (kind, at, character) => {
      const { text } = newKeyText(kind, 'live')
      fc.pre(text[at] !== character)
      expect(parseKeyText(text.slice(0, at) + character + text.slice(at + 1))).toBeUndefined()
    }),
  )
})

it('refuses whatever is no key', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 80 }), (text) => parseKeyText(text) === undefined))
})

it('shows no more of a key than its beginning and its last four characters', () => {
  const key = newKeyText('digital_requests', 'live')
  expect(maskOf(key)).toBe(`${key.text.slice(0, 15)}…${key.text.slice(-4)}`)
})

it('gives a write-only key leads:create and nothing else', () => {
  expect(grantedScopes('digital_requests', undefined)).toEqual(['leads:create'])
  expect(() => grantedScopes('digital_requests', ['leads:read'])).toThrow(Problem)
})

it('gives an extensive key what is asked for, in the order of the contract', () => {
  expect(grantedScopes('extensive_integrations', ['customers:read', 'leads:read'])).toEqual([
    'leads:read',
    'customers:read',
  ])
  expect(() => grantedScopes('extensive_integrations', ['customers:erase'])).toThrow(Problem)
})
