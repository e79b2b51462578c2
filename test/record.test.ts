import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { differences, fields, recordOf, type Source, timesOf } from '../src/customers/record.ts'
import { edited, saidIn } from '../src/customers/said.ts'
import { seed } from './seed.ts'

const context = { country: 'DK', timeZone: 'Europe/Copenhagen' }
const email = (address: string) => ({ address, verdict: 'plausible' }) as const
const phone = (number: string, e164?: string) =>
  ({ number, type: 'mobile', verdict: e164 === undefined ? 'invalid' : 'valid', ...(e164 && { e164 }) }) as const

const system = (source: string, data: object, more: { id?: string; at?: string } = {}): Source => ({
  kind: 'system',
  reference: { source, id: more.id ?? '1' },
  data,
  changedAt: Object.fromEntries(Object.keys(data).map((name) => [name, more.at ?? '2026-01-01'])),
})
const people = (data: object, more: { customerId?: string; at?: string } = {}): Source => ({
  kind: 'people',
  customerId: more.customerId ?? 'a',
  data,
  changedAt: Object.fromEntries(Object.keys(data).map((name) => [name, more.at ?? '2026-01-01'])),
})
const lead = (data: object, more: { id?: string; at?: string } = {}): Source => ({
  kind: 'lead',
  leadId: more.id ?? 'l',
  receivedAt: more.at ?? '2026-01-01',
  data: { emails: [], phones: [], ...data },
})
const systems = ['dms', 'crm']
const shown = (...sources: Source[]) => recordOf(sources, systems)?.shown
const anna = { given: 'Anna', family: 'Jensen' }

describe('of one field, it shows the word of', () => {
  it.each([
    ['nobody, when nobody says anything', [], undefined],
    ['nobody, when people have withdrawn all that they said', [people({})], undefined],
    ['a lead, when there is no other', [lead({ name: anna })], anna],
    [
      'the lead that came last',
      [lead({ name: anna }, { at: '2026-01-02' }), lead({ name: { given: 'A' } }, { at: '2026-01-01', id: 'm' })],
      anna,
    ],
    [
      'a lead before, when the last one says nothing of it',
      [lead({}, { at: '2026-01-02' }), lead({ name: anna }, { at: '2026-01-01' })],
      anna,
    ],
    [
      'a system before a lead, however old',
      [system('crm', { name: anna }), lead({ name: { given: 'A' } }, { at: '2027-01-01' })],
      anna,
    ],
    [
      'the system that comes first for the dealer, however old',
      [system('crm', { name: { given: 'A' } }, { at: '2027-01-01' }), system('dms', { name: anna })],
      anna,
    ],
    [
      'a system that the dealer has put in order before one that it has not',
      [system('other', { name: { given: 'A' } }), system('crm', { name: anna })],
      anna,
    ],
    [
      'the id of a system that changed last, of two',
      [system('dms', { name: { given: 'A' } }), system('dms', { name: anna }, { id: '2', at: '2026-02-01' })],
      anna,
    ],
    ['people before a system', [system('dms', { name: { given: 'A' } }), people({ name: anna })], anna],
    [
      'the people who said it last, of two customers that were merged',
      [people({ name: { given: 'A' } }), people({ name: anna }, { customerId: 'b', at: '2026-02-01' })],
      anna,
    ],
    [
      'a system, when people say something of another field',
      [system('dms', { name: anna }), people({ kind: 'person' })],
      anna,
    ],
    ['nobody, when people have emptied it', [system('dms', { name: anna }), people({ name: null })], undefined],
  ])('%s', (_, sources, name) => {
    expect(shown(...sources)?.name).toEqual(name)
    expect(shown(...sources.toReversed())?.name).toEqual(name)
  })
})

it('takes blanks for nothing, with which some systems fill up what they hold', () => {
  const address = { lines: [' Skovvej  1 ', '  '], city: 'Rungsted   ', region: ' ' }
  const filled = system('dms', {
    name: { full: 'HOLM ANNA          ' },
    address,
    emails: [email(' anna@customer.example '), email(' ')],
    phones: [phone('32 12 34 56  ', '+4532123456')],
  })
  expect(shown(filled)).toMatchObject({
    name: { full: 'HOLM ANNA' },
    address: { lines: ['Skovvej 1'], city: 'Rungsted' },
    emails: [{ address: 'anna@customer.example' }],
    phones: [{ number: '32 12 34 56' }],
  })
  expect(Object.keys(shown(filled)?.address ?? {})).toEqual(['lines', 'city'])
  expect(shown(system('dms', { name: { given: ' ' } }), lead({ name: anna }))?.name).toEqual(anna)
  expect(shown(people({ emails: null }), filled)?.emails).toEqual([])
})

it('takes the empty fields of a form for nothing: what somebody has said before is shown', () => {
  const address = { lines: ['Skovvej 1'], postalCode: '2960' }
  const empty = { name: anna, address: { lines: ['', ' '], postalCode: '', city: '' } }
  expect(shown(lead({ name: anna, address }), lead(empty, { at: '2026-01-02' }))?.address).toEqual(address)
  expect(shown(lead({ name: anna, address: { lines: [], city: 'Rungsted' } }))?.address).toEqual({ city: 'Rungsted' })
})

describe('of a list, it shows', () => {
  it.each([
    [
      'every value once, as whoever goes first spells it',
      [
        system('dms', { emails: [email('Anna@customer.example')] }),
        lead({ emails: [email('anna@customer.example'), email('a@work.example')] }),
      ],
      ['Anna@customer.example', 'a@work.example'],
    ],
    [
      'what people say and nothing else',
      [system('dms', { emails: [email('anna@customer.example')] }), people({ emails: [email('a@work.example')] })],
      ['a@work.example'],
    ],
    [
      'nothing, when people have emptied it',
      [lead({ emails: [email('anna@customer.example')] }), people({ emails: null })],
      [],
    ],
    [
      'ten at the most',
      [
        lead({ emails: Array.from({ length: 8 }, (_, at) => email(`a${at}@x.example`)) }),
        system('dms', { emails: [email('b1@x.example'), email('b2@x.example'), email('b3@x.example')] }),
      ],
      ['b1@x.example', 'b2@x.example', 'b3@x.example', ...Array.from({ length: 7 }, (_, at) => `a${at}@x.example`)],
    ],
  ])('%s', (_, sources, addresses) => {
    expect(shown(...sources)?.emails.map(({ address }) => address)).toEqual(addresses)
  })

  it('numbers that are the same in any notation once, and those that could not be read by their digits', () => {
    const one = lead({ phones: [phone('32123456', '+4532123456'), phone('1-2-3')] })
    const other = system('dms', { phones: [phone('+45 32 12 34 56', '+4532123456'), phone('1 2 3')] })
    expect(shown(one, other)?.phones.map(({ number }) => number)).toEqual(['+45 32 12 34 56', '1 2 3'])
  })
})

it('says of each field whose word it is and since when, of a list one for each entry, or one that it is hidden', () => {
  const record = recordOf(
    [
      people({ address: null, phones: null }),
      system('dms', { name: anna, emails: [email('a@x.example')] }),
      lead({ emails: [email('b@x.example')] }),
    ],
    systems,
  )
  const since = '2026-01-01'
  const dms = { type: 'system', source: 'dms', id: '1', since }
  expect(record?.origins).toEqual({
    address: { type: 'people', since },
    name: dms,
    emails: [dms, { type: 'lead', id: 'l', since }],
    phones: [{ type: 'people', since }],
  })
})

describe('whatever is said', () => {
  const at = fc.constantFrom('2026-01-01', '2026-01-02', '2026-01-03')
  const name = fc.constantFrom({ given: 'Anna' }, { given: 'Bo' }, { full: 'Anna B.' })
  const emails = fc.array(fc.constantFrom('a@x.example', 'A@x.example', 'b@x.example').map(email), { maxLength: 3 })
  const kind = fc.constantFrom('person' as const, 'organization' as const)
  const said = fc.record({ kind, name, emails }, { requiredKeys: [] })
  const opinion = fc.record({ kind, name: fc.option(name), emails: fc.option(emails) }, { requiredKeys: [] })
  const source = fc.oneof(
    fc
      .tuple(fc.constantFrom('dms', 'crm', 'other'), said, fc.nat(3), at)
      .map(([source, data, id, changed]) => system(source, data, { id: String(id), at: changed })),
    fc
      .tuple(opinion, fc.constantFrom('a', 'b'), at)
      .map(([data, customerId, changed]) => people(data, { customerId, at: changed })),
    fc
      .tuple(said, fc.nat(9), at)
      .map(([{ kind: _, ...data }, id, changed]) => lead(data, { id: String(id), at: changed })),
  )
  // As the tables have it: of each source one row.
  const sources = fc.uniqueArray(source, {
    maxLength: 8,
    selector: (each) =>
      each.kind === 'system' ? JSON.stringify(each.reference) : each.kind === 'people' ? each.customerId : each.leadId,
  })
  const shuffled = sources.chain((all) =>
    fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length, maxLength: all.length })),
  )

  it('it shows the same, in whatever order it is told', () => {
    fc.assert(
      fc.property(shuffled, ([one, other]) => {
        expect(recordOf(other, systems)).toEqual(recordOf(one, systems))
      }),
      { seed, numRuns: 500 },
    )
  })

  it('it shows nothing that nobody says, and each value as the one said it who is named', () => {
    fc.assert(
      fc.property(sources, (all) => {
        const record = recordOf(all, systems)
        for (const field of ['name', 'emails'] as const) {
          const value = record?.shown[field]
          const origins = [record?.origins[field] ?? []].flat()
          for (const [place, part] of [value ?? []].flat().entries()) {
            const origin = origins[place]
            const by = all.filter((each) =>
              origin?.type === 'people'
                ? each.kind === 'people'
                : origin?.type === 'lead'
                  ? each.kind === 'lead' && each.leadId === origin.id
                  : each.kind === 'system' &&
                    each.reference.source === origin?.source &&
                    each.reference.id === origin.id,
            )
            expect(by.flatMap(({ data }) => (data as Record<string, unknown>)[field] ?? [])).toContainEqual(part)
          }
        }
      }),
      { seed, numRuns: 500 },
    )
  })

  it('a lead more changes no word of a system or of people', () => {
    fc.assert(
      fc.property(sources, said, (all, { kind: _, ...data }) => {
        const before = recordOf(all, systems)
        const after = recordOf([...all, lead(data, { id: 'new', at: '2027-01-01' })], systems)
        const told = before?.origins.name
        if (told && told.type !== 'lead') expect(after?.shown.name).toEqual(before?.shown.name)
        if (all.some((each) => each.kind === 'people' && each.data.emails !== undefined))
          expect(after?.shown.emails).toEqual(before?.shown.emails)
      }),
      { seed, numRuns: 500 },
    )
  })
})

it('finds a change in what is shown, and none in the order of members', () => {
  const one = shown(lead({ name: { given: 'Anna', family: 'Jensen' } }))
  const same = shown(lead({ name: { family: 'Jensen', given: 'Anna' } }, { id: 'm' }))
  expect(differences(one, same)).toEqual([])
  expect(differences(one, shown(lead({ name: { given: 'Anna' } })))).toEqual(['name'])
  expect(differences(undefined, one)).toEqual(['emails', 'externalReferences', 'kind', 'name', 'phones'])
})

it('keeps the time of what is said again, and gives what is new the time of now', () => {
  const times = timesOf(
    { name: anna, kind: 'person' },
    { name: 'before', kind: 'before' },
    { name: anna, kind: 'organization' },
    'now',
  )
  expect(times).toEqual({ name: 'before', kind: 'now' })
})

it('keeps the time of what is said again with other blanks', () => {
  const times = timesOf({ name: { full: 'HOLM ANNA   ' } }, { name: 'before' }, { name: { full: 'HOLM  ANNA' } }, 'now')
  expect(times).toEqual({ name: 'before' })
})

describe('a merge patch', () => {
  const before = shown(
    system('dms', {
      name: { given: 'Anna', family: 'Jensen' },
      emails: [email('a@x.example')],
      address: { lines: ['Vej 1'], postalCode: '2960' },
    }),
  )
  if (!before) throw new Error('It shows something')
  it.each([
    [
      'changes a part and leaves the rest',
      { name: { family: 'Hansen' } },
      { name: { given: 'Anna', family: 'Hansen' } },
    ],
    ['takes a part away', { name: { given: null } }, { name: { family: 'Jensen' } }],
    ['empties what has no part left', { name: { given: null, family: null } }, { name: null }],
    ['empties a whole', { address: null }, { address: null }],
    ['replaces a list as a whole', { emails: [{ address: 'b@x.example' }] }, { emails: [email('b@x.example')] }],
    ['empties a list', { emails: [] }, { emails: null }],
    ['says nothing of what is not in it', { kind: 'organization' }, { kind: 'organization' }],
  ] as const)('%s', (_, patch, opinion) => {
    // The cast: a list that is written here is read-only.
    expect(edited(before, patch as Parameters<typeof edited>[1], context).opinion).toEqual(opinion)
  })

  it('reads numbers in the country of the address that is shown', () => {
    const german = { ...before, address: { countryCode: 'DE' } }
    const { opinion } = edited(german, { phones: [{ number: '030 901820' }] }, context)
    expect(opinion.phones?.[0]?.e164).toBe('+4930901820')
  })

  it('changes nothing when it is what is shown', () => {
    const { opinion } = edited(before, { name: { given: 'Anna' }, emails: [{ address: 'a@x.example' }] }, context)
    for (const field of fields) if (opinion[field] !== undefined) expect(opinion[field]).toEqual(before[field])
  })
})

it('reads what is said as the customer of a lead is read, and keeps what it does not understand', () => {
  const { said, extra, warnings } = saidIn(
    {
      kind: 'Company',
      name: { full: ' null ' },
      organization: { name: 'Jensen <b>Transport</b> ApS', countryCode: 'Danmark' },
      emails: [{ address: ' ' }, null, { address: 'anna@customer.example' }],
      phones: [{ number: 'ring i morgen' }],
      shoeSize: 38,
    } as Parameters<typeof saidIn>[0],
    context,
  )
  expect(said).toEqual({
    kind: 'organization',
    organization: { name: 'Jensen Transport ApS', countryCode: 'DK' },
    emails: [email('anna@customer.example')],
    phones: [{ number: 'ring i morgen', type: 'other', verdict: 'invalid' }],
  })
  expect(extra).toMatchObject({ '/shoeSize': 38 })
  expect(warnings.map(({ code }) => code)).toEqual(
    expect.arrayContaining(['phone-not-understood', 'member-unknown', 'markup-removed', 'converted']),
  )
})
