import { readFileSync } from 'node:fs'
import { shippedMigrations } from '../../src/db/migrate.ts'
import type { Migration } from '../../src/db/migration.ts'

/**
 * A text that a file once had, from the folder named after the commit that brought it; those without are as they are
 * today.
 */
export type Texts = Partial<Record<'0001-spine.sql' | '0002-intake.sql' | '0005-requests.sql', string>>

// Whoever stayed at one commit, and whoever went on from it: then files that were there already kept their text of that
// day.
const first = { '0001-spine.sql': 'e18edfd' }
export const lives: [string, Texts, last: string][] = [
  ['of the first day', first, '0001'],
  ['of the first hour of groups', { ...first, '0002-intake.sql': 'aad6f23' }, '0002'],
  ['of the first hour of groups, from then on', { ...first, '0002-intake.sql': 'aad6f23' }, '0010'],
  ['of the first groups with plans', { ...first, '0002-intake.sql': '3fef134' }, '0004'],
  ['of the first log of requests', { ...first, '0002-intake.sql': '3fef134', '0005-requests.sql': '1000613' }, '0005'],
  [
    'of the first log of requests, from then on',
    { ...first, '0002-intake.sql': '3fef134', '0005-requests.sql': '1000613' },
    '0010',
  ],
  [
    'of every first text, from then on',
    { ...first, '0002-intake.sql': 'aad6f23', '0005-requests.sql': '1000613' },
    '0010',
  ],
  ['of most of the time', { ...first, '0002-intake.sql': '3fef134' }, '0010'],
  ['of the first day that slept until the last', { ...first, '0002-intake.sql': 'b1fb951' }, '0010'],
  ['of the end', { '0001-spine.sql': 'b1fb951', '0002-intake.sql': 'b1fb951' }, '0010'],
]

/** The migrations of a life, each with the text that it had. */
export async function textsOf(texts: Texts, last: string): Promise<Migration[]> {
  return (await shippedMigrations())
    .filter(({ name }) => name.slice(0, 4) <= last)
    .map(({ name, sql }) => {
      const folder = Object.entries(texts).find(([of]) => of === name)?.[1]
      return { name, sql: folder ? readFileSync(`test/migrations/${folder}/${name}`, 'utf8') : sql }
    })
}
