import { describe, expect, it } from 'vitest'
import { isPlaceholder, isProgramsNothing } from '../src/leads/placeholder.ts'

const templateTags = [
  '{{id}}',
  '{{ lead.id }}',
  '{{{id}}}',
  '{id}',
  '$'.concat('{id}'),
  '#{id}',
  '%{id}',
  '{$id}',
  '{!Lead.Id}',
  '{% id %}',
  '{Name (First):1.3}',
  '%%id%%',
  '%id%',
  '%date%',
  '<%= id %>',
  '<?= $id ?>',
  '[[id]]',
  '[your-id]',
  '*|ID|*',
  '@@id@@',
  '##id##',
  '__ID__',
]

describe('a word for nothing', () => {
  it.each([
    '',
    ' ',
    '-',
    '--',
    '?',
    'null',
    'NULL',
    'None',
    'nil',
    'NaN',
    'undefined',
    'N/A',
    'n.a.',
    'NA',
    '#N/A',
    '(null)',
    '"null"',
    'null\u200b',
    '[object Object]',
    'Not specified',
    'not_provided',
    'Full Line',
    'Ukendt',
    'ikke oplyst',
    ...templateTags,
  ])('is known: %j', (said) => {
    expect(isPlaceholder(said)).toBe(true)
  })

  it.each(['Nana', 'Anna', 'Nilsson', 'Null Island', '0', '1', 'a {b} c', 'I know nothing', 'Any-Martin', 'nullable'])(
    'is not everything that looks a little like one: %j',
    (said) => {
      expect(isPlaceholder(said)).toBe(false)
    },
  )

  it('is in a name only what programs write', () => {
    for (const said of ['null', 'NULL', 'undefined', 'None', 'NaN', '[object Object]', 'N/A', '{{first_name}}'])
      expect(isProgramsNothing(said)).toBe(true)
    for (const said of ['Null', 'Nil', 'Na', 'Unknown', 'Any', 'Ida']) expect(isProgramsNothing(said)).toBe(false)
  })

  it('takes no time to tell', () => {
    expect(isPlaceholder(`null${'- '.repeat(500_000)}x`)).toBe(false)
    expect(isPlaceholder('{'.repeat(500_000))).toBe(false)
  })
})
