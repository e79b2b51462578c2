import { expect, it } from 'vitest'
import { speaksAgainst } from '../../src/dashboard/customer.ts'
import { da } from '../../src/dashboard/words/da.ts'
import { en } from '../../src/dashboard/words/en.ts'
import { weights } from '../../src/linking/matching.ts'

type Texts = { readonly [name: string]: string | Texts }
const flat = (texts: Texts, path = ''): [string, string][] =>
  Object.entries(texts).flatMap(([name, text]): [string, string][] =>
    typeof text === 'string' ? [[path + name, text]] : flat(text, `${path}${name}.`),
  )
const english = flat(en)
const danish = new Map(flat(da))

it('says everything in Danish, too, and nothing besides', () => {
  expect(english.filter(([name]) => !danish.get(name)?.trim()).map(([name]) => name)).toEqual([])
  expect([...danish.keys()].filter((name) => !english.some(([known]) => known === name))).toEqual([])
})

it('fills the same gaps in both languages', () => {
  const gaps = (text = '') => [...text.matchAll(/\{\{\w+\}\}/g)].map(String).sort().join()
  expect(english.filter(([name, text]) => gaps(text) !== gaps(danish.get(name))).map(([name]) => name)).toEqual([])
})

it('has words for every reason why two may be the same, and shows as against it what is counted so', () => {
  expect(Object.keys(weights).filter((reason) => !Object.hasOwn(en.whySame, reason))).toEqual([])
  expect(Object.entries(weights).filter(([reason, weight]) => weight < 0 && !speaksAgainst(reason))).toEqual([])
  expect(Object.entries(weights).filter(([reason, weight]) => weight > 0 && speaksAgainst(reason))).toEqual([])
})

it('says it in Danish indeed: few texts are the same word in both', () => {
  expect(
    english
      .filter(([name, text]) => danish.get(name) === text)
      .map(([, text]) => text)
      .sort(),
  ).toEqual([
    'Browser',
    'E-mail',
    'E-mail',
    'Invitation',
    'Lead',
    'Leads',
    'Pipeline',
    'Pipeline',
    'Reservation',
    'Status',
    'Status',
    'Status',
    'Status',
    'Test',
    'Video',
    'e-mail',
    'spam',
  ])
})
