import { describe, expect, it } from 'vitest'
import { referenceFault, tellingReference } from '../src/leads/external-reference.ts'
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
    'Ej angivet',
    'Ikke oppgitt',
    'Okänt',
    'keine Angabe',
    'k. A.',
    'nicht angegeben',
    'n.v.t.',
    'Ingen',
    'Uoplyst',
    'No phone provided',
    'none given',
    '<no value>',
    'null null',
    'undefined, undefined',
    ', ',
    "''",
    ...templateTags,
  ])('is known: %j', (said) => {
    expect(isPlaceholder(said)).toBe(true)
  })

  it.each([
    'Nana',
    'Anna',
    'Nilsson',
    'Null Island',
    '0',
    '1',
    'a {b} c',
    'I know nothing',
    'Any-Martin',
    'nullable',
    'Ka',
    'No 5',
    'Ingen fejl',
    'null problemo',
    ':)',
  ])('is not everything that looks a little like one: %j', (said) => {
    expect(isPlaceholder(said)).toBe(false)
  })

  it('is in a name only what programs write', () => {
    for (const said of [
      'null',
      'NULL',
      'undefined',
      'None',
      'NaN',
      '[object Object]',
      'N/A',
      '{{first_name}}',
      'Ikke oplyst',
      'Not Provided',
      'keine Angabe',
      '\ufffd',
    ])
      expect(isProgramsNothing(said)).toBe(true)
    for (const said of ['Null', 'Nil', 'Na', 'Unknown', 'Any', 'Ida', 'Ingen', 'Nothing'])
      expect(isProgramsNothing(said)).toBe(false)
  })

  it('takes no time to tell', () => {
    expect(isPlaceholder(`null${'- '.repeat(500_000)}x`)).toBe(false)
    expect(isPlaceholder('{'.repeat(500_000))).toBe(false)
  })
})

describe('a reference', () => {
  it.each([
    'undefined',
    'null',
    'Null',
    'None',
    'NaN',
    'nil',
    'N/A',
    '[object Object]',
    '[object Promise]',
    'true',
    'False',
    '0',
    '000',
    '0.0',
    '0000-00-00',
    '0.0',
    '-1',
    '-',
    '{}',
    '00000000-0000-0000-0000-000000000000',
    '{00000000-0000-0000-0000-000000000000}',
    'urn:uuid:00000000-0000-0000-0000-000000000000',
    'ffffffff-ffff-ffff-ffff-ffffffffffff',
    'F'.repeat(32),
    ...templateTags,
    ...templateTags.map((tag) => `lead-${tag}`),
    ':id',
    'leads/:id',
    '$id',
    '$(id)',
    '%(id)s',
    'form-%s',
    '%7B%7Bid%7D%7D',
    '%257Bid%257D',
    '&#123;&#123;id&#125;&#125;',
    '&lbrace;id&rbrace;',
    '&lt;%= id %&gt;',
    '«id»',
    'form-undefined',
    'formundefined',
    'leadNull'.replace('Null', 'null'),
    'web:null',
    '2026-NaN',
    'web_None',
    'null-1234',
    'Invalid Date',
    '#REF!',
    'System.Object',
    'Array',
    '&nbsp;',
    '2147483647',
    '0001-01-01T00:00:00',
    '1/1/0001 12:00:00 AM',
    '1970-01-01',
    '0x0000',
    '\\N',
    'aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa',
    '{3FA85F64-5717-4562-B3FC-2C963F66AFA6}',
    '550e8400-e29b-41d4-a716-446655440000',
    '#VÆRDI!',
    '#BEZUG!',
    '#NV',
    '1.23457E+15',
    '1,5E+15',
    'l:1.02204E+16',
    'java.lang.Object@1b6d3586',
    'Optional.empty',
    'Resource id #5',
    '{1}',
    '@Model.Id',
    '%eid!',
    '-lead.id-',
    'keine Angabe',
    '(direct)',
    'xxx',
    'string',
    'example',
    'id',
    'lead_id',
    'leadId',
    'your-id-here',
    'test',
  ])('that no system made tells nothing apart: %j', (id) => {
    expect(referenceFault('id', id)).toBe('external-reference-unset')
    expect(tellingReference({ source: 'website', id })).toBeUndefined()
  })

  it.each([
    '1',
    '123',
    '10',
    '100',
    '-5',
    'A',
    'form-2026-000123',
    'a.b:c/d?e=f',
    'test-4711',
    'no-5',
    'lead-0-5534',
    'site__form__123',
    'a#b#c',
    'S%C3%B8ren%2F4711',
    '{6F9619FF-8B86-D011-B42D-00CF4FC964FF}',
    '{4711}',
    '6f9619ff-8b86-d011-b42d-00cf4fc964ff',
    '00000000-0000-0000-0000-000000000001',
    '0 0 0',
    'shop 0',
    '<20261129.4711@mail.example.com>',
    'annullering-5',
    'nilsen-4',
    'FFFF',
    'gclid|4711',
    'R&D-7',
    '2026-11-29T10:00:00Z',
    '2147483646',
    'Nulla',
    '#4711',
    '1970-01-01-7',
    'aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaab',
    'java-7',
    'E+15',
    '1E15',
    '@anna7',
    '-7-',
    '{17}',
    '0x1f',
  ])('that a system may have made tells leads apart: %j', (id) => {
    expect(tellingReference({ source: 'website', id })).toEqual({ source: 'website', id })
  })

  it('needs a source that says something, too', () => {
    for (const source of ['undefined', '{{source}}', 'null', '0', 'string', '[object Object]'])
      expect(referenceFault('source', source)).toBe('external-reference-unset')
    for (const source of ['test', 'web form', 'id', 'A', '3D', 'Lead'])
      expect(referenceFault('source', source)).toBeUndefined()
  })

  it('is the same with blanks at its ends and invisible characters, and another in any other case', () => {
    expect(tellingReference({ source: ' web ', id: '\ufefflead\u200b-7\n' })).toEqual({ source: 'web', id: 'lead-7' })
    expect(tellingReference({ source: 'Web', id: 'lead  7' })).toEqual({ source: 'Web', id: 'lead  7' })
  })

  it('that would have to be cut is none', () => {
    expect(referenceFault('id', 'a'.repeat(129))).toBe('external-reference-long')
    expect(referenceFault('source', 'a'.repeat(65))).toBe('external-reference-long')
    expect(referenceFault('id', `${'a'.repeat(128)} `)).toBeUndefined()
  })
})
