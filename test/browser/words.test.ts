import { expect, it } from 'vitest'
import { da } from '../../src/dashboard/words/da.ts'
import { en } from '../../src/dashboard/words/en.ts'

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
