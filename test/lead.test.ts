import { deepStrictEqual } from 'node:assert'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { LeadInput, LeadStatus, LeadStatusReason } from '../generated/server/types.gen.ts'
import { newLead } from '../src/leads/input.ts'
import type { NewLead } from '../src/leads/lead.ts'
import { moved } from '../src/leads/status.ts'

const context = { country: 'DK', timeZone: 'Europe/Copenhagen' }

/**
 * Takes what TypeScript would not: members that the contract does not name. JSON, so that `__proto__` is a member like
 * any other.
 */
function read(json: string | object, at = context): NewLead {
  // The schema has checked the types of the members it names; the tests only send such.
  const input = JSON.parse(typeof json === 'string' ? json : JSON.stringify(json)) as LeadInput
  return newLead(input, at)
}

const codes = ({ warnings }: NewLead) => warnings.map(({ code, pointer }) => `${code} ${pointer}`)
const phone = (number: string, type?: string, country = 'DK') =>
  read({ customer: { phones: [{ number, type }] } }, { ...context, country })
const email = (address: string) => read({ customer: { emails: [{ address }] } })
const submitted = (submittedAt: string) => read({ customer: {}, submittedAt })
const consent = (sent: object) => read({ customer: {}, consents: [sent] })
const vehicle = (sent: object) => read({ customer: {}, vehiclesOfInterest: [sent] })

describe('a new lead', () => {
  it('holds what was sent, without a warning when all of it is understood', () => {
    const lead = read({
      type: 'test_drive',
      message: 'Can I try the EX30 on Saturday?',
      customer: {
        name: { given: 'Anna', family: 'Jensen' },
        emails: [{ address: 'anna@customer.example' }],
        phones: [{ number: '32 12 34 56', type: 'mobile' }],
      },
      vehiclesOfInterest: [
        {
          make: 'Volvo',
          model: 'EX30',
          stockNumber: 'A-1042',
          modelYear: 2026,
          price: { amount: '249900.00', currency: 'DKK' },
        },
      ],
      consents: [
        {
          purpose: 'marketing',
          channel: 'email',
          state: 'granted',
          text: 'Yes, send me offers.',
          capturedAt: '2026-11-23T10:14:55+01:00',
        },
      ],
      attribution: { source: 'google', clickIds: { gclid: 'abc' } },
      externalReference: { source: 'website', id: 'form-2026-000123' },
      submittedAt: '2026-11-23T10:15:00+01:00',
      locale: 'da-DK',
    })

    expect(lead).toStrictEqual({
      type: 'test_drive',
      test: false,
      externalReference: { source: 'website', id: 'form-2026-000123' },
      submittedAt: '2026-11-23T09:15:00.000Z',
      data: {
        message: 'Can I try the EX30 on Saturday?',
        customer: {
          name: { given: 'Anna', family: 'Jensen' },
          emails: [{ address: 'anna@customer.example', verdict: 'plausible' }],
          phones: [{ number: '32 12 34 56', type: 'mobile', e164: '+4532123456', verdict: 'valid' }],
        },
        vehiclesOfInterest: [
          {
            make: 'Volvo',
            model: 'EX30',
            stockNumber: 'A-1042',
            modelYear: 2026,
            price: { amount: '249900.00', currency: 'DKK' },
          },
        ],
        tradeIns: [],
        consents: [
          {
            purpose: 'marketing',
            channel: 'email',
            state: 'granted',
            text: 'Yes, send me offers.',
            capturedAt: '2026-11-23T10:14:55.000+01:00',
          },
        ],
        attribution: { source: 'google', clickIds: { gclid: 'abc' } },
        locale: 'da-DK',
      },
      warnings: [],
      reachable: true,
    })
  })

  it('leaves absent what was not sent, except the lists', () => {
    const none = { customer: { emails: [], phones: [] }, vehiclesOfInterest: [], tradeIns: [], consents: [] }
    expect(read({ customer: {} })).toStrictEqual({
      type: 'enquiry',
      test: false,
      data: none,
      warnings: [],
      reachable: false,
    })
  })

  it('can be a test', () => {
    expect(read({ customer: {}, test: true }).test).toBe(true)
  })

  it.each([
    [{ emails: [{ address: 'anna@customer.example' }] }, true],
    [{ emails: [{ address: 'ask my brother' }] }, true],
    [{ emails: [{ address: ' ' }] }, false],
    [{ phones: [{ number: 'the usual' }] }, true],
    [{ phones: [{ number: ' \t' }] }, false],
    [{ address: { lines: ['', 'Havnegade 1'] } }, true],
    [{ address: { city: 'Aarhus' } }, true],
    [{ address: { postalCode: '8000' } }, true],
    [{ address: { lines: [' '], city: '', countryCode: 'DK', region: 'Midtjylland' } }, false],
    [{ name: { full: 'Anna Jensen' } }, false],
  ])('says whether its customer can be reached: %j', (customer, reachable) => {
    expect(read({ customer }).reachable).toBe(reachable)
  })
})

describe('a phone number', () => {
  it.each([
    ['32 12 34 56', '+4532123456'],
    [' +45 32-12-34-56 ', '+4532123456'],
    ['0045 32123456', '+4532123456'],
    ['+46 70 174 06 05', '+46701740605'],
    ['tel:+4532123456', '+4532123456'],
  ])('is understood in many notations and kept as sent: %j', (number, e164) => {
    const lead = phone(number)
    expect(lead.data.customer.phones[0]).toMatchObject({ number, e164, verdict: 'valid' })
    expect(lead.warnings).toEqual([])
  })

  it("is a number of the dealer's country unless it says otherwise", () => {
    expect(phone('0701740605', undefined, 'SE').data.customer.phones[0]).toMatchObject({
      e164: '+46701740605',
      type: 'mobile',
    })
    expect(phone('0045 32123456', undefined, 'US').data.customer.phones[0]).toMatchObject({ e164: '+4532123456' })
  })

  it('is doubtful when only its length is right', () => {
    const lead = phone('10203040')
    expect(lead.data.customer.phones[0]).toMatchObject({ e164: '+4510203040', verdict: 'possible' })
    expect(codes(lead)).toEqual(['phone-doubtful /customer/phones/0/number'])
  })

  it.each(['the usual', '123', '', '  ', '+', '00', '+999 1234', '1'.repeat(64), '+49 11111111111111', '\uD800'])(
    'is kept without E.164 when it is not understood: %j',
    (number) => {
      const lead = phone(number)
      expect(lead.data.customer.phones).toEqual([{ number: number.toWellFormed(), type: 'other', verdict: 'invalid' }])
      expect(codes(lead)).toContain('phone-not-understood /customer/phones/0/number')
    },
  )

  it('is not understood without a country code when we do not know the country', () => {
    expect(phone('32123456', undefined, 'XX').data.customer.phones[0]?.verdict).toBe('invalid')
    expect(phone('+4532123456', undefined, 'XX').data.customer.phones[0]?.verdict).toBe('valid')
  })

  it.each([
    ['+46701740605', undefined, 'mobile'],
    ['+4687123456', undefined, 'landline'],
    ['+46701740605', 'work', 'work'],
    ['+46701740605', '', 'mobile'],
    ['+4532123456', undefined, 'other'],
    ['+46701740605', 'phone', 'other'],
    ['+46701740605', 'voice', 'other'],
    ['+4532123456', 'Cell Phone', 'mobile'],
    ['+4532123456', 'Fastnet', 'landline'],
  ])('has the type that was sent, else the one that it shows: %s, %s', (number, sent, type) => {
    const lead = phone(number, sent)
    expect(lead.data.customer.phones[0]?.type).toBe(type)
    expect(lead.warnings).toEqual([])
  })
})

describe('an e-mail address', () => {
  it.each(['anna@customer.example', 'anna+ex30@mail.customer.example', 'søren@bådværft.dk', ' anna@customer.example '])(
    'is plausible: %j',
    (address) => {
      const lead = email(address)
      expect(lead.data.customer.emails).toEqual([{ address, verdict: 'plausible' }])
      expect(lead.warnings).toEqual([])
    },
  )

  it.each([
    '',
    'anna',
    'anna@',
    '@customer.example',
    'anna@customer',
    'anna@customer.',
    'anna@.example',
    'anna@a..example',
    'an na@customer.example',
    'a@b@customer.example',
    'anna@customer.e',
    `${'a'.repeat(250)}@b.dk`,
  ])('is odd, and kept: %j', (address) => {
    const lead = email(address)
    expect(lead.data.customer.emails).toEqual([{ address, verdict: 'odd' }])
    expect(codes(lead)).toEqual(['email-odd /customer/emails/0/address'])
  })
})

describe('a word', () => {
  it.each(['test_drive', 'Test Drive', 'test-drive', 'testDrive', ' TESTDRIVE ', 'Prøvetur'])(
    'is understood in many spellings: %j',
    (type) => {
      const lead = read({ customer: {}, type })
      expect(lead.type).toBe('test_drive')
      expect(lead.warnings).toEqual([])
      expect(lead.data.extra).toBeUndefined()
    },
  )

  it.each(['sattelite', 'constructor', '__proto__', 'toString'])(
    'becomes `other` when it is unknown, and is kept in extra: %s',
    (word) => {
      const lead = read({
        type: word,
        customer: { phones: [{ number: '+46701740605', type: word }] },
        vehiclesOfInterest: [{ vin: 'X', role: word }],
        consents: [{ purpose: word, channel: word }],
        appointment: { kind: word },
      })
      expect(lead.type).toBe('other')
      expect(lead.data.customer.phones[0]?.type).toBe('other')
      expect(lead.data.vehiclesOfInterest[0]?.role).toBe('other')
      expect(lead.data.consents[0]).toMatchObject({ purpose: 'other', channel: 'other' })
      expect(lead.data.appointment).toEqual({ kind: 'other' })
      const pointers = [
        '/type',
        '/customer/phones/0/type',
        '/vehiclesOfInterest/0/role',
        '/consents/0/purpose',
        '/consents/0/channel',
        '/appointment/kind',
      ]
      expect(lead.data.extra).toEqual(Object.fromEntries(pointers.map((pointer) => [pointer, word])))
      expect(codes(lead)).toEqual(pointers.map((pointer) => `word-unknown ${pointer}`))
    },
  )

  it('is left out when it is unknown and there is no word for that', () => {
    const lead = read({ customer: {}, tradeIns: [{ vin: 'X', condition: 'rusty', conditionRating: 'meh' }] })
    expect(lead.data.tradeIns).toEqual([{ vin: 'X', conditionRating: 'unknown' }])
    expect(lead.data.extra).toEqual({ '/tradeIns/0/condition': 'rusty', '/tradeIns/0/conditionRating': 'meh' })
    expect(codes(lead)).toEqual(['word-unknown /tradeIns/0/condition', 'word-unknown /tradeIns/0/conditionRating'])
  })

  it('counts as left out when it is blank', () => {
    const lead = read({ type: ' ', customer: {}, vehiclesOfInterest: [{ vin: 'X', condition: '' }] })
    expect(lead.type).toBe('enquiry')
    expect(lead.data.vehiclesOfInterest).toEqual([{ vin: 'X' }])
    expect(lead.warnings).toEqual([])
  })
})

describe('a consent', () => {
  it.each([
    [undefined, 'unknown'],
    ['', 'unknown'],
    ['perhaps', 'unknown'],
    ['opt_in', 'unknown'],
    ['Granted', 'granted'],
    ['nej', 'denied'],
    ['not granted', 'denied'],
    ['revoked', 'withdrawn'],
  ])('with the state %j is %s', (state, expected) => {
    expect(consent({ purpose: 'marketing', state }).data.consents).toEqual([{ purpose: 'marketing', state: expected }])
  })

  it('is granted only by a word for it', () => {
    fc.assert(
      fc.property(nastyText, (state) => {
        fc.pre(
          !['granted', 'given', 'accepted', 'optedin', 'givet'].includes(state.toLowerCase().replace(/[\s_-]/g, '')),
        )
        return consent({ state }).data.consents[0]?.state !== 'granted'
      }),
    )
  })
})

describe('a vehicle', () => {
  it.each([
    { vin: 'X' },
    { registration: { number: 'AB 12 345' } },
    { stockNumber: '1' },
    { listingId: '1' },
    { listingUrl: 'https://cars.example/1' },
    { make: 'Volvo', model: 'EX30' },
  ])('is identified by %j', (sent) => {
    expect(vehicle(sent).warnings).toEqual([])
  })

  it.each([{ make: 'Volvo' }, { model: 'EX30' }, { vin: ' ' }, { comments: 'the blue one' }])(
    'is kept with a warning when all it says is %j',
    (sent) => {
      expect(vehicle(sent).data.vehiclesOfInterest).toEqual([sent])
      expect(codes(vehicle(sent))).toEqual(['vehicle-not-identifiable /vehiclesOfInterest/0'])
      expect(codes(read({ customer: {}, tradeIns: [sent] }))).toEqual(['vehicle-not-identifiable /tradeIns/0'])
    },
  )

  it.each([
    [undefined, 'km'],
    ['Kilometers', 'km'],
    ['miles', 'mi'],
  ])('has run kilometres unless it says miles: %s', (unit, expected) => {
    const lead = vehicle({ vin: 'X', odometer: { value: 1234.5, unit } })
    expect(lead.data.vehiclesOfInterest[0]?.odometer).toEqual({ value: 1234.5, unit: expected })
    expect(lead.warnings).toEqual([])
  })

  it('has run ten kilometres for a mil', () => {
    const lead = vehicle({ vin: 'X', odometer: { value: 1500, unit: 'mil' } })
    expect(lead.data.vehiclesOfInterest[0]?.odometer).toEqual({ value: 15_000, unit: 'km' })
    expect(lead.data.extra).toEqual({ '/vehiclesOfInterest/0/odometer': { value: 1500, unit: 'mil' } })
    expect(codes(lead)).toEqual(['converted /vehiclesOfInterest/0/odometer/unit'])
  })

  it('has run nobody knows how far when its unit is not understood', () => {
    const lead = vehicle({ vin: 'X', odometer: { value: 1500, unit: 'hours' } })
    expect(lead.data.vehiclesOfInterest).toEqual([{ vin: 'X' }])
    expect(lead.data.extra).toEqual({ '/vehiclesOfInterest/0/odometer': { value: 1500, unit: 'hours' } })
    expect(codes(lead)).toEqual(['word-unknown /vehiclesOfInterest/0/odometer/unit'])
  })

  it('has its price as a decimal number with an ISO code, and as it was sent in extra', () => {
    const lead = vehicle({ vin: 'X', price: { amount: 'about 250.000,-', currency: 'kr' } })
    expect(lead.data.vehiclesOfInterest[0]?.price).toEqual({ amount: '250000', currency: 'DKK' })
    expect(lead.data.extra).toEqual({
      '/vehiclesOfInterest/0/price/amount': 'about 250.000,-',
      '/vehiclesOfInterest/0/price/currency': 'kr',
    })
    expect(codes(lead)).toEqual([
      'converted /vehiclesOfInterest/0/price/currency',
      'converted /vehiclesOfInterest/0/price/amount',
    ])
  })

  it('has no price when it is not understood', () => {
    const lead = vehicle({ vin: 'X', price: { amount: '65.000 - 70.000', currency: 'DKK' } })
    expect(lead.data.vehiclesOfInterest).toEqual([{ vin: 'X' }])
    expect(lead.data.extra).toEqual({
      '/vehiclesOfInterest/0/price/amount': '65.000 - 70.000',
      '/vehiclesOfInterest/0/price/currency': 'DKK',
    })
    expect(codes(lead)).toEqual(['number-odd /vehiclesOfInterest/0/price/amount'])
  })

  it('has a price without a currency that is none', () => {
    const lead = vehicle({ vin: 'X', price: { amount: '65000', currency: 'zorkmid' } })
    expect(lead.data.vehiclesOfInterest).toEqual([{ vin: 'X', price: { amount: '65000' } }])
    expect(lead.data.extra).toEqual({ '/vehiclesOfInterest/0/price/currency': 'zorkmid' })
    expect(codes(lead)).toEqual(['word-unknown /vehiclesOfInterest/0/price/currency'])
  })

  it.each(['None', 'null', 'N/A', '{{vin}}'])('has nothing where a word for nothing stands: %s', (nothing) => {
    const lead = vehicle({ vin: nothing, make: 'Volvo', model: 'V60', listingUrl: nothing, comments: nothing })
    expect(lead.data.vehiclesOfInterest).toEqual([{ make: 'Volvo', model: 'V60' }])
    expect(Object.values(lead.data.extra ?? {})).toEqual([nothing, nothing, nothing])
    expect(lead.warnings).toEqual([])
  })

  it.each(['00000000000000000', 'XXXXXXXXXXXXXXXXX', '0', '-1', 'undefined', '{{vin}}'])(
    'is not identified by what programs write for no value: %s',
    (nothing) => {
      const lead = vehicle({
        vin: nothing,
        registration: { number: nothing },
        stockNumber: nothing,
        listingId: nothing,
        make: 'Volvo',
      })
      expect(lead.data.vehiclesOfInterest).toEqual([{ make: 'Volvo' }])
      expect(Object.values(lead.data.extra ?? {})).toEqual([nothing, nothing, nothing, nothing])
      expect(codes(lead)).toEqual(['vehicle-not-identifiable /vehiclesOfInterest/0'])
    },
  )

  it('is registered in a country that has an ISO code', () => {
    const at = (countryCode: string) => vehicle({ registration: { number: 'B-AB 1234', countryCode } })
    expect(at('D').data.vehiclesOfInterest[0]?.registration?.countryCode).toBe('DE')
    expect(at('XQ').data.vehiclesOfInterest[0]?.registration).toEqual({ number: 'B-AB 1234' })
    expect(codes(at('XQ'))).toEqual(['word-unknown /vehiclesOfInterest/0/registration/countryCode'])
  })
})

describe('a time', () => {
  it.each([
    ['2026-11-23T10:15:00+01:00', '2026-11-23T09:15:00.000Z'],
    ['2026-11-23t10:15:00.123456789z', '2026-11-23T10:15:00.123Z'],
    ['2026-11-23 9:15+0100', '2026-11-23T08:15:00.000Z'],
    ['2026-11-23T10:15:00,5 -05', '2026-11-23T15:15:00.500Z'],
  ])('with an offset is understood: %s', (sent, utc) => {
    expect(submitted(sent).submittedAt).toBe(utc)
    expect(submitted(sent).warnings).toEqual([])
  })

  it.each([
    ['2026-11-23T10:15:00', '2026-11-23T09:15:00.000Z'],
    ['2026-07-23 10:15', '2026-07-23T08:15:00.000Z'],
    ['2026-11-23 9:15', '2026-11-23T08:15:00.000Z'],
  ])("without an offset is read in the dealer's time zone: %s", (sent, utc) => {
    expect(submitted(sent).submittedAt).toBe(utc)
    expect(codes(submitted(sent))).toEqual(['date-without-offset /submittedAt'])
  })

  it.each([
    'yesterday',
    '',
    '2026-02-30T10:00:00Z',
    '2026-13-01T10:00:00Z',
    '2026-11-23T24:30:00Z',
    '2026-11-23T10:60:00Z',
    '2026-11-23T10:00:00+24:00',
    '1899-12-31T10:00:00Z',
    '2201-01-01T10:00:00Z',
    '0001-01-01T00:00:00Z',
    '05/11/2026 10:15',
    '2026-11-23',
    `2026-11-23T10:15:00.${'0'.repeat(200)}Z`,
  ])('that is not understood is kept in extra as it was sent: %j', (sent) => {
    const lead = read({ customer: {}, submittedAt: sent, consents: [{ state: 'granted', capturedAt: sent }] })
    expect('submittedAt' in lead).toBe(false)
    expect(lead.data.extra).toEqual({ '/submittedAt': sent, '/consents/0/capturedAt': sent })
    expect(lead.data.consents).toEqual([{ state: 'granted' }])
    expect(codes(lead)).toEqual(['date-not-understood /submittedAt', 'date-not-understood /consents/0/capturedAt'])
  })

  it('of a consent or an appointment keeps its offset', () => {
    const lead = read({
      customer: {},
      consents: [{ capturedAt: '2026-11-23 10:15' }],
      appointment: { requestedSlots: [{ start: '2026-07-23T10:15:00-05:00', end: '2026-07-23T11:00Z' }] },
    })
    expect(lead.data.consents[0]?.capturedAt).toBe('2026-11-23T10:15:00.000+01:00')
    expect(lead.data.appointment).toEqual({
      requestedSlots: [{ start: '2026-07-23T10:15:00.000-05:00', end: '2026-07-23T11:00:00.000Z' }],
    })
    expect(codes(lead)).toEqual(['date-without-offset /consents/0/capturedAt'])
  })

  it('of an appointment is read in the time zone of the appointment, and not in another if we do not know it', () => {
    const slot = (timeZone: string) =>
      read({ customer: {}, appointment: { requestedSlots: [{ start: '2026-07-23T10:15' }], timeZone } }).data
        .appointment?.requestedSlots?.[0]?.start
    expect(slot('America/New_York')).toBe('2026-07-23T10:15:00.000-04:00')
    expect(slot('Middle Earth')).toBeUndefined()
    expect(slot('-1')).toBe('2026-07-23T10:15:00.000+02:00')
  })
})

describe('null', () => {
  const full = {
    type: 'test_drive',
    message: 'Can I try it?',
    customer: {
      name: { given: 'Anna', family: 'Jensen', full: 'Anna Jensen' },
      emails: [{ address: 'anna@customer.example' }, { address: 'jensen@customer.example' }],
      phones: [{ number: '32 12 34 56', type: 'mobile' }],
      address: {
        lines: ['Havnegade 1', '2. tv.'],
        postalCode: '8000',
        city: 'Aarhus',
        region: 'Midt',
        countryCode: 'DK',
      },
    },
    vehiclesOfInterest: [
      {
        vin: 'X',
        registration: { number: 'AB 12 345' },
        odometer: { value: 12000, unit: 'mi' },
        price: { amount: '1', currency: 'DKK' },
        modelYear: 2026,
        condition: 'used',
        role: 'buy',
        comments: 'The blue one',
      },
    ],
    tradeIns: [
      {
        vin: 'Y',
        outstandingFinance: { amount: { amount: '1', currency: 'DKK' }, lender: 'A bank' },
        conditionRating: 'good',
      },
    ],
    consents: [
      { purpose: 'marketing', channel: 'email', state: 'granted', text: 'Yes', capturedAt: '2026-11-23T10:14:55Z' },
    ],
    attribution: { source: 'google', clickIds: { gclid: 'abc' } },
    appointment: {
      kind: 'call',
      requestedSlots: [{ start: '2026-11-24T10:00Z', end: '2026-11-24T11:00Z' }],
      timeZone: 'UTC',
    },
    externalReference: { source: 'website', id: '1' },
    submittedAt: '2026-11-23T10:15:00Z',
    locale: 'da-DK',
    test: true,
    extra: { floor: 2 },
  }

  /** The paths to everything in a JSON value. */
  const pathsIn = (value: object): string[][] =>
    Object.entries(value).flatMap(([name, inner]) => [
      [name],
      ...(typeof inner === 'object' ? pathsIn(inner).map((path) => [name, ...path]) : []),
    ])
  /** A copy in which the value at a path is another, or is missing. */
  const changed = (value: any, [name = '', ...path]: readonly string[], to: null | undefined): any => {
    if (path.length > 0) return Object.assign(structuredClone(value), { [name]: changed(value[name], path, to) })
    if (Array.isArray(value) && to === undefined) return value.filter((_, at) => String(at) !== name)
    return Object.assign(structuredClone(value), { [name]: to })
  }

  it.each(pathsIn(full).filter(([first]) => first !== 'extra'))('counts as left out: %s/%s/%s/%s', (...path) => {
    const sent = path.filter((name) => name !== undefined)
    expect(read(changed(full, sent, null))).toStrictEqual(read(changed(full, sent, undefined)))
  })

  it('in every member makes an entry that says nothing, and is left out', () => {
    const lead = read({
      customer: { emails: [null, { address: null }], phones: [{ number: null }, { number: '32 12 34 56' }] },
      vehiclesOfInterest: [{ make: null, model: null }, {}],
      consents: [{ state: null }],
      appointment: { requestedSlots: [null, { start: null }] },
      foo: null,
    })
    expect(lead.data.customer).toMatchObject({ emails: [], phones: [{ number: '32 12 34 56' }] })
    expect(lead.data).toMatchObject({ vehiclesOfInterest: [], consents: [], appointment: { requestedSlots: [] } })
    expect(lead.data.extra).toBeUndefined()
    expect(lead.warnings).toEqual([])
  })

  it('where the value is what it is all about leaves the rest in extra', () => {
    const lead = read({
      customer: { phones: [{ number: null, type: 'mobil' }] },
      vehiclesOfInterest: [
        { vin: 'X', odometer: { value: null, unit: 'mi' }, price: { amount: null, currency: 'DKK' } },
      ],
      externalReference: { source: 'website', id: null },
    })
    expect(lead.data.customer.phones).toEqual([])
    expect(lead.data.vehiclesOfInterest).toEqual([{ vin: 'X' }])
    expect('externalReference' in lead).toBe(false)
    expect(lead.data.extra).toEqual({
      '/customer/phones/0': { type: 'mobile' },
      '/vehiclesOfInterest/0/odometer': { unit: 'mi' },
      '/vehiclesOfInterest/0/price': { currency: 'DKK' },
      '/externalReference': { source: 'website' },
    })
    expect(codes(lead)).toEqual(Object.keys(lead.data.extra ?? {}).map((pointer) => `incomplete ${pointer}`))
  })
})

describe('a name', () => {
  it('has no word in it that a program wrote for nothing, and says that there was one', () => {
    const lead = read({ customer: { name: { full: 'Ida null', given: '{{first_name}}', family: 'Holm' } } })
    expect(lead.data).toMatchObject({
      customer: { name: { full: 'Ida', family: 'Holm' } },
      extra: { '/customer/name/full': 'Ida null', '/customer/name/given': '{{first_name}}' },
    })
    expect(codes(lead)).toEqual(['converted /customer/name/full'])
  })
})

describe('what is longer than a lead has room for', () => {
  it('is cut between two characters, with a warning', () => {
    const lead = read({
      message: '😀'.repeat(4001),
      customer: { name: { given: 'x'.repeat(201) }, address: { lines: ['y'.repeat(201)] } },
      vehiclesOfInterest: [{ vin: 'v'.repeat(33), comments: 'z'.repeat(2001) }],
    })
    expect(lead.data).toMatchObject({
      message: '😀'.repeat(4000),
      customer: { name: { given: 'x'.repeat(200) }, address: { lines: ['y'.repeat(200)] } },
      vehiclesOfInterest: [{ vin: 'v'.repeat(32), comments: 'z'.repeat(2000) }],
    })
    expect(codes(lead)).toEqual(
      [
        '/message',
        '/customer/name/given',
        '/customer/address/lines/0',
        '/vehiclesOfInterest/0/vin',
        '/vehiclesOfInterest/0/comments',
      ].map((pointer) => `text-cut ${pointer}`),
    )
    expect(read({ customer: {}, message: '😀'.repeat(4000) }).warnings).toEqual([])
  })

  it('is masked before it is cut', () => {
    const lead = read({ customer: {}, message: `${'x'.repeat(3991)} 010150-5000` })
    expect(lead.data.message).toBe(`${'x'.repeat(3991)} 010150-*`)
  })

  it('ends a list, in which what says nothing does not count', () => {
    const lead = read({
      customer: { emails: [null, ...Array(12).fill({ address: 'anna@customer.example' }), null] },
      tradeIns: Array(6).fill({}),
    })
    expect(lead.data.customer.emails).toHaveLength(10)
    expect(lead.data.tradeIns).toEqual([])
    expect(codes(lead)).toEqual(['too-many /customer/emails/11'])
  })

  it('makes no other phone number of one', () => {
    const number = `${'please call after six in the evening, or at the weekend, on'.padEnd(60)}32 12 34 56`
    expect(phone(number).data.customer.phones[0]).toMatchObject({ number: number.slice(0, 64), e164: '+4532123456' })
  })

  it('is no external reference', () => {
    const reference = { source: 'website', id: 'x'.repeat(129) }
    const lead = read({ customer: {}, externalReference: reference })
    expect('externalReference' in lead).toBe(false)
    expect(lead.data.extra).toEqual({ '/externalReference': reference })
    expect(codes(lead)).toEqual(['external-reference-long /externalReference/id'])
  })
})

describe('a number', () => {
  it.each([20190, 2019.5, -1, 0, 19, 1e300])('that is no year is kept in extra: %d', (modelYear) => {
    const lead = vehicle({ vin: 'X', modelYear })
    expect(lead.data.vehiclesOfInterest).toEqual([{ vin: 'X' }])
    expect(lead.data.extra).toEqual({ '/vehiclesOfInterest/0/modelYear': String(modelYear) })
    expect(codes(lead)).toEqual(['number-odd /vehiclesOfInterest/0/modelYear'])
  })

  it.each([-1, 100_000_000])('that no odometer shows is kept in extra, with its unit: %d', (value) => {
    const lead = vehicle({ vin: 'X', odometer: { value, unit: 'miles' } })
    expect(lead.data.vehiclesOfInterest).toEqual([{ vin: 'X' }])
    expect(lead.data.extra).toEqual({
      '/vehiclesOfInterest/0/odometer/value': String(value),
      '/vehiclesOfInterest/0/odometer': { unit: 'miles' },
    })
    expect(codes(lead)).toEqual([
      'number-odd /vehiclesOfInterest/0/odometer/value',
      'incomplete /vehiclesOfInterest/0/odometer',
    ])
  })
})

describe('an external reference', () => {
  const referred = (externalReference: object, more: object = {}) => read({ customer: {}, externalReference, ...more })

  it.each([
    { source: 'website', id: 'form-2026-000123' },
    { source: 'Website', id: 'FORM-1' },
    { source: 'webb', id: 'e\u0301' },
    { source: 'test', id: '1' },
  ])('is what was sent, to the letter: %j', (reference) => {
    expect(referred(reference).externalReference).toEqual(reference)
    expect(referred(reference).warnings).toEqual([])
  })

  it.each([' ', '\t\r\n', '\u00A0\u3000', '\u200B\uFEFF', '\u0001\u007F', '\u0301', '\uE000'])(
    'that shows nothing is left out, so that the lead is nobody else: %j',
    (blank) => {
      for (const [reference, name] of [
        [{ source: 'website', id: blank }, 'id'],
        [{ source: blank, id: '1' }, 'source'],
      ] as const) {
        const lead = referred(reference)
        expect('externalReference' in lead).toBe(false)
        expect(lead.data.extra).toEqual({ '/externalReference': reference })
        expect(codes(lead)).toEqual([`external-reference-blank /externalReference/${name}`])
      }
      expect(codes(referred({ source: blank, id: blank }))).toEqual([
        'external-reference-blank /externalReference/source',
        'external-reference-blank /externalReference/id',
      ])
    },
  )

  it.each(['\0', '\uD800', 'a\0', 'a\uD800', 'a\uDFFF'])(
    'that had to be repaired may look like another one now, and is left out: %j',
    (damaged) => {
      const lead = referred({ source: 'website', id: damaged })
      expect('externalReference' in lead).toBe(false)
      expect(lead.data.extra).toEqual({ '/externalReference': { source: 'website', id: repair(damaged) } })
      expect(codes(lead)).toEqual([
        'text-repaired /externalReference/id',
        'external-reference-damaged /externalReference/id',
      ])
    },
  )

  it('that somebody repaired on the way is left out, too', () => {
    expect(codes(referred({ source: '\uFFFD', id: 'a\uFFFD' }))).toEqual([
      'external-reference-damaged /externalReference/source',
      'external-reference-damaged /externalReference/id',
    ])
  })

  it('is stored without blanks at its ends and what shows nothing', () => {
    const lead = referred({ source: ' website', id: '\uFEFFform\u200B-1 \n' })
    expect(lead.externalReference).toEqual({ source: 'website', id: 'form-1' })
    expect(lead.data.extra).toEqual({
      '/externalReference/source': ' website',
      '/externalReference/id': '\uFEFFform\u200B-1 \n',
    })
    expect(codes(lead)).toEqual([
      'invisible-removed /externalReference/source',
      'invisible-removed /externalReference/id',
    ])
  })

  it.each(['undefined', '{{lead.id}}', '00000000-0000-0000-0000-000000000000', 'form-null'])(
    'that no system made is left out, so that the lead is nobody else: %s',
    (id) => {
      const lead = referred({ source: 'website', id })
      expect('externalReference' in lead).toBe(false)
      expect(lead.data.extra).toEqual({ '/externalReference': { source: 'website', id } })
      expect(codes(lead)).toEqual(['external-reference-unset /externalReference/id'])
    },
  )

  it('never becomes equal to a different one', () => {
    const seen = (text: string) => text.replace(/\p{Default_Ignorable_Code_Point}/gu, '').trim()
    fc.assert(
      fc.property(nastyText, nastyText, (one, other) => {
        fc.pre(seen(one) !== seen(other))
        const [first, second] = [one, other].map((id) => referred({ source: 'website', id }).externalReference)
        expect(first && second && first.id === second.id).toBeFalsy()
        expect(first?.id ?? seen(one)).toBe(seen(one))
      }),
      { numRuns: 1_000 },
    )
  })

  it('that does not fit into extra is gone with a warning', () => {
    expect(codes(referred({ source: 'website', id: ' ' }, { extra: { own: 'x'.repeat(8170) } }))).toEqual([
      'external-reference-blank /externalReference/id',
      'extra-too-large /externalReference',
    ])
  })
})

describe('a national identity number', () => {
  // Of somebody yet to be born.
  const cpr = '010150-5000'
  const at = (country: string) =>
    read(
      {
        type: cpr,
        message: `My CPR is ${cpr}, my phone 32 12 34 56`,
        customer: { name: { full: cpr }, phones: [{ number: '0101505000', note: cpr }], cpr: '0101505000' },
        vehiclesOfInterest: [{ stockNumber: cpr, comments: cpr }],
        tradeIns: [{ vin: 'WVW0101505000ABCD', comments: cpr }],
        consents: [{ text: `I, ${cpr}, agree` }],
        appointment: { comments: cpr },
        externalReference: { source: 'website', id: '0101505000' },
        submittedAt: cpr,
        attribution: { campaignId: '0101505000', landingPage: `https://dealer.example/?cpr=${cpr}` },
        extra: { deep: [{ deeper: cpr }], plain: 101505000, number: 3112505000, [`nr. ${cpr}`]: { [cpr]: 1 } },
      },
      { ...context, country },
    )

  it('is masked wherever it may stand, but in what tells things apart or reaches somebody', () => {
    const lead = at('DK')
    const masked = '010150-****'
    expect(lead.data).toMatchObject({
      message: `My CPR is ${masked}, my phone 32 12 34 56`,
      customer: { name: { full: masked }, phones: [{ number: '0101505000' }] },
      vehiclesOfInterest: [{ stockNumber: masked, comments: masked }],
      tradeIns: [{ vin: 'WVW0101505000ABCD', comments: masked }],
      consents: [{ text: `I, ${masked}, agree` }],
      appointment: { comments: masked },
      attribution: { campaignId: '0101505000', landingPage: `https://dealer.example/?cpr=${masked}` },
      extra: {
        deep: [{ deeper: masked }],
        plain: 101505000,
        number: '311250****',
        'nr. 010150-****': { [masked]: 1 },
        '/type': masked,
        '/customer/phones/0/note': masked,
        '/customer/cpr': '010150****',
        '/submittedAt': masked,
      },
    })
    expect(lead.externalReference).toEqual({ source: 'website', id: '0101505000' })
    expect(lead.warnings.filter(({ code }) => code === 'national-id-masked').map(({ pointer }) => pointer)).toEqual([
      '/extra/deep/0/deeper',
      '/extra/number',
      '/extra/nr. 010150-****',
      '/extra/nr. 010150-****/010150-****',
      '/type',
      '/message',
      '/customer/name/full',
      '/customer/phones/0/note',
      '/customer/cpr',
      '/vehiclesOfInterest/0/stockNumber',
      '/vehiclesOfInterest/0/comments',
      '/tradeIns/0/comments',
      '/consents/0/text',
      '/appointment/comments',
      '/submittedAt',
      '/attribution/landingPage',
    ])
    expect(JSON.stringify(lead.warnings)).not.toContain('5000')
  })

  it("is one of the dealer's country", () => {
    const lead = at('DE')
    expect(lead.data.message).toBe(`My CPR is ${cpr}, my phone 32 12 34 56`)
    expect(codes(lead).filter((code) => code.startsWith('national-id-masked'))).toEqual([])
  })

  it('is masked in a text that had to be repaired', () => {
    const lead = read({ customer: {}, message: `\0${cpr}`, extra: { note: `\0${cpr}` } })
    expect(lead.data).toMatchObject({ message: '\uFFFD010150-****', extra: { note: '\uFFFD010150-****' } })
    expect(codes(lead)).toEqual([
      'text-repaired /extra/note',
      'national-id-masked /extra/note',
      'text-repaired /message',
      'national-id-masked /message',
    ])
  })
})

describe('extra', () => {
  it('takes unknown members of every level under their JSON Pointer', () => {
    const lead = read({
      foo: 1,
      'a/b~c': [null],
      customer: { cpr: { x: true }, phones: [{ number: '32123456', note: 'evenings' }], address: { floor: 2 } },
      vehiclesOfInterest: [{ vin: 'X' }, { vin: 'Y', doors: 5, odometer: { value: 1, digits: 5 } }],
      attribution: { clickIds: { ttclid: 't' } },
      externalReference: { source: 's', id: 'i', url: 'u' },
    })
    const extra = {
      '/foo': 1,
      '/a~1b~0c': [null],
      '/customer/cpr': { x: true },
      '/customer/phones/0/note': 'evenings',
      '/customer/address/floor': 2,
      '/vehiclesOfInterest/1/doors': 5,
      '/vehiclesOfInterest/1/odometer/digits': 5,
      '/attribution/clickIds/ttclid': 't',
      '/externalReference/url': 'u',
    }
    expect(lead.data.extra).toEqual(extra)
    expect(codes(lead)).toEqual(Object.keys(extra).map((pointer) => `member-unknown ${pointer}`))
    expect(lead.externalReference).toEqual({ source: 's', id: 'i' })
    expect(lead.data.customer.address).toEqual({})
  })

  it("keeps the names of the sender's own members", () => {
    const lead = read({ customer: {}, extra: { campaign: 'autumn', deep: { deeper: [1, 'two', null] } } })
    expect(lead.data.extra).toEqual({ campaign: 'autumn', deep: { deeper: [1, 'two', null] } })
    expect(lead.warnings).toEqual([])
  })

  it('keeps members with the names of what every object has', () => {
    const lead = read(
      '{"__proto__":{"polluted":1},"constructor":2,"customer":{"__proto__":3},"extra":{"__proto__":{"polluted":4},"toString":5,"deep":{"__proto__":{"polluted":6}}}}',
    )
    expect(JSON.stringify(lead.data.extra)).toBe(
      '{"__proto__":{"polluted":4},"toString":5,"deep":{"__proto__":{"polluted":6}},"/__proto__":{"polluted":1},"/constructor":2,"/customer/__proto__":3}',
    )
    expect(Object.getPrototypeOf(lead.data.extra)).toBe(Object.prototype)
    expect(Object.keys(Object.prototype)).toEqual([])
  })

  it('loses no member whose name another one has after the repair, or by chance', () => {
    const lead = read({
      customer: {},
      foo: 'theirs',
      extra: { '/foo': 'own', 'a\0': 1, 'a\uFFFD': 2, deep: { '\uD800': 3, '\uD801': 4 } },
    })
    expect(lead.data.extra).toEqual({
      '/foo': 'own',
      'a\uFFFD': 1,
      'a\uFFFD\uFFFD1': 2,
      deep: { '\uFFFD': 3, '\uFFFD\uFFFD2': 4 },
      '/foo\uFFFD3': 'theirs',
    })
  })

  it('has exactly 8192 bytes at the most, and leaves out what does not fit', () => {
    const room = 8192 - Buffer.byteLength('{"ø":""}')
    const full = read({ customer: {}, extra: { ø: 'x'.repeat(room) } })
    expect(Buffer.byteLength(JSON.stringify(full.data.extra))).toBe(8192)
    expect(full.warnings).toEqual([])

    const over = read({ customer: {}, extra: { ø: 'x'.repeat(room + 1), small: 1 }, foo: 'ø'.repeat(4096), bar: 2 })
    expect(over.data.extra).toEqual({ small: 1, '/bar': 2 })
    expect(codes(over)).toEqual(['extra-too-large /extra/ø', 'extra-too-large /foo', 'member-unknown /bar'])
  })

  it('is absent when nothing fits', () => {
    const lead = read({ customer: {}, extra: { large: 'x'.repeat(8192) } })
    expect('extra' in lead.data).toBe(false)
    expect(codes(lead)).toEqual(['extra-too-large /extra/large'])
  })

  it("takes the sender's own members first, wherever they stand", () => {
    const lead = read({ foo: 'x'.repeat(5000), customer: {}, extra: { own: 'x'.repeat(5000) } })
    expect(Object.keys(lead.data.extra ?? {})).toEqual(['own'])
  })

  it('leaves out what is nested too deep to be walked', () => {
    const nested = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`
    expect(codes(read(`{"customer":{},"a":${nested(64)},"b":${nested(65)},"extra":{"c":${nested(100_000)}}}`))).toEqual(
      ['extra-too-large /extra/c', 'member-unknown /a', 'extra-too-large /b'],
    )
  })
})

describe('a warning', () => {
  it('tells of each text and each name that was repaired, once', () => {
    const lead = read({
      message: 'a\0b\0\uD800c',
      customer: { address: { lines: ['fine 😀', '\uDC00'] } },
      extra: { 'x\0': { y: ['\0'] } },
      '\uD800': 1,
    })
    expect(lead.data.message).toBe('a\uFFFDb\uFFFD\uFFFDc')
    expect(lead.data.customer.address?.lines).toEqual(['fine 😀', '\uFFFD'])
    expect(lead.data.extra).toEqual({ 'x\uFFFD': { y: ['\uFFFD'] }, '/\uFFFD': 1 })
    expect(codes(lead)).toEqual([
      'text-repaired /extra/x\uFFFD/y/0',
      'text-repaired /extra/x\uFFFD',
      'text-repaired /message',
      'text-repaired /customer/address/lines/1',
      'member-unknown /\uFFFD',
      'text-repaired /\uFFFD',
    ])
  })

  it('says at the hundredth place that there were more', () => {
    const unknown = (count: number) =>
      read({ customer: {}, ...Object.fromEntries(Array.from({ length: count }, (_, index) => [`m${index}`, 0])) })
    expect(codes(unknown(100)).at(-1)).toBe('member-unknown /m99')
    expect(unknown(101).warnings).toHaveLength(100)
    expect(codes(unknown(101)).at(-1)).toBe('too-many-warnings ')
    expect(codes(unknown(500)).slice(98)).toEqual(['member-unknown /m98', 'too-many-warnings '])
  })

  it('about a place with a very long name points to what it is in', () => {
    expect(codes(read({ customer: { ['x'.repeat(600)]: 1 } }))).toEqual(['member-unknown /customer'])
    expect(codes(read({ customer: {}, ['x'.repeat(600)]: 1 }))).toEqual(['member-unknown '])
  })
})

// Strings of any UTF-16 units: NUL, lone surrogates and what JSON Pointers escape are frequent.
const unit = fc.oneof(
  fc.constantFrom('\0', '\uD800', '\uDFFF', '/', '~', ' ', '@', '.', '1', '+', '😀'),
  fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)),
)
const nastyText = fc.string({ unit, maxLength: 32 })

/** Leads as the schema lets them pass, with odd members everywhere. */
function leads(
  text: fc.Arbitrary<string>,
  words: readonly string[],
  times: readonly string[],
  names: fc.Arbitrary<string>,
) {
  const json = fc.jsonValue({ maxDepth: 3, stringUnit: unit })
  const odd = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      text,
      fc.integer(),
      fc.array(tie('value'), { maxLength: 2 }),
      fc.array(fc.tuple(names, tie('value')), { maxLength: 2 }).map(Object.fromEntries),
    ),
  })).value
  const strays = fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    fc.array(fc.tuple(names, text === nastyText ? fc.oneof(odd, json) : odd), { maxLength: 3 }),
  )
  const object = (members: Record<string, fc.Arbitrary<unknown>>, requiredKeys: string[] = []) =>
    fc
      .tuple(strays, fc.record(members, { requiredKeys }))
      .map(([others, known]) => Object.fromEntries([...others, ...Object.entries(known)]))
  const word = fc.oneof(text, fc.constantFrom(...words))
  const moment = fc.oneof(text, fc.constantFrom(...times))
  const list = (item: fc.Arbitrary<unknown>) => fc.array(item, { maxLength: 2 })
  const money = object({ amount: text, currency: text }, ['amount'])
  const vehicle = {
    vin: text,
    make: text,
    registration: object({ number: text, countryCode: text }, ['number']),
    condition: word,
    odometer: object({ value: fc.nat(), unit: word }, ['value']),
    price: money,
  }

  const lead = object(
    {
      type: word,
      message: text,
      customer: object({
        name: object({ full: text }),
        emails: list(object({ address: text }, ['address'])),
        phones: list(object({ number: text, type: word }, ['number'])),
        address: object({ lines: list(text) }),
      }),
      vehiclesOfInterest: list(object({ ...vehicle, role: word })),
      tradeIns: list(
        object({ ...vehicle, conditionRating: word, outstandingFinance: object({ amount: money, lender: text }) }),
      ),
      consents: list(object({ purpose: word, channel: word, state: word, text, capturedAt: moment })),
      attribution: object({ source: text, clickIds: object({ gclid: text }) }),
      appointment: object({
        kind: word,
        requestedSlots: list(object({ start: moment, end: moment }, ['start'])),
        timeZone: text,
      }),
      externalReference: object({ source: text, id: text }, ['source', 'id']),
      submittedAt: moment,
      locale: text,
      test: fc.boolean(),
      extra: fc.array(fc.tuple(names, odd), { maxLength: 4 }).map(Object.fromEntries),
    },
    ['customer'],
  )
  return lead.map((sent) => JSON.stringify(sent))
}

const nastyNames = fc.oneof(
  fc.constantFrom('__proto__', 'constructor', 'toString', 'hasOwnProperty', '', '/foo', '\0', '\uD800', 'a/b~c'),
  nastyText,
)
const nastyLeads = leads(
  nastyText,
  ['mobile', 'Test Drive', 'granted', 'km', 'constructor', '__proto__'],
  ['2026-11-23T10:15:00+01:00', '2026-11-23 9:15', '2026-02-30T10:00Z'],
  nastyNames,
)
const readableAt =
  /\/(type|condition|role|unit|conditionRating|purpose|channel|state|kind|submittedAt|capturedAt|start|end)$/

/** Every text in a JSON value with the JSON Pointer to it. */
function textsIn(value: unknown, at = ''): { text: string; at: string }[] {
  if (typeof value === 'string') return [{ text: value, at }]
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, inner]) =>
    textsIn(inner, `${at}/${repair(name).replaceAll('~', '~0').replaceAll('/', '~1')}`),
  )
}

const repair = (text: string) => text.toWellFormed().replaceAll('\0', '\uFFFD')

describe('whatever is sent', () => {
  const always = (leads: fc.Arbitrary<string>, holds: (json: string, lead: NewLead) => void) =>
    fc.assert(
      fc.property(leads, (json) => {
        holds(json, read(json))
      }),
      { numRuns: 300 },
    )

  it('becomes a lead that can be stored: no NUL, no lone surrogate, nothing that JSON cannot say', () => {
    always(nastyLeads, (_, lead) => {
      const stored = JSON.stringify(lead)
      // Not toEqual, which sees no member called `__proto__`.
      deepStrictEqual(JSON.parse(stored), lead)
      expect(stored).not.toMatch(/\\u(0000|d[89a-f])/)
    })
  })

  it('stays within the limits of the contract', () => {
    always(nastyLeads, (_, lead) => {
      expect(lead.warnings.length).toBeLessThanOrEqual(100)
      for (const { code, pointer, message } of lead.warnings) {
        expect([code.length <= 64, pointer.length <= 512, message.length <= 256]).toEqual([true, true, true])
        expect(pointer).toMatch(/^(\/([^~/]|~[01])*)*$/u)
      }
      for (const { e164, verdict } of lead.data.customer.phones) {
        expect(e164 !== undefined).toBe(verdict !== 'invalid')
        if (e164 !== undefined) expect(e164).toMatch(/^\+[1-9][0-9]{1,14}$/)
      }
      if (lead.submittedAt !== undefined) expect(lead.submittedAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
      if (lead.data.extra) expect(Buffer.byteLength(JSON.stringify(lead.data.extra))).toBeLessThanOrEqual(8192)
    })
  })

  it('is found in the lead again, unless a warning says that it was left out', () => {
    always(nastyLeads, (json, lead) => {
      if (lead.warnings.some(({ code }) => code === 'extra-too-large' || code === 'too-many-warnings')) return
      const kept = new Set(textsIn(lead).map(({ text }) => text))
      const puzzling = new Set(
        lead.warnings
          .filter(({ code }) => code === 'word-unknown' || code === 'date-not-understood')
          .map(({ pointer }) => pointer),
      )
      const lost = textsIn(JSON.parse(json)).filter(
        ({ text, at }) => text.trim() !== '' && !kept.has(repair(text)) && (puzzling.has(at) || !readableAt.test(at)),
      )
      expect(lost).toEqual([])
    })
  })

  it('is never repeated by a warning', () => {
    const marked = nastyText.map((text) => `§${text}§§§`)
    always(leads(marked, ['§word'], ['§time'], fc.constantFrom('__proto__', 'foo', 'bar')), (_, lead) => {
      expect(JSON.stringify(lead.warnings)).not.toContain('§')
    })
  })

  it('becomes the same lead every time, and is not changed', () => {
    always(nastyLeads, (json, lead) => {
      // As in read.
      const input = JSON.parse(json) as LeadInput
      deepStrictEqual(newLead(input, context), lead)
      expect(JSON.stringify(input)).toBe(json)
    })
  })

  it('changes no prototype', () => {
    const before = Reflect.ownKeys(Object.prototype)
    always(nastyLeads, () => undefined)
    expect(Reflect.ownKeys(Object.prototype)).toEqual(before)
    expect(Object.keys(Array.prototype)).toEqual([])
  })
})

describe('a move', () => {
  const statuses: readonly LeadStatus[] = [
    'new',
    'acknowledged',
    'in_progress',
    'appointment_set',
    'won',
    'lost',
    'invalid',
  ]
  const closed: readonly LeadStatus[] = ['lost', 'invalid']
  const legal = new Map<LeadStatus, string>([
    ['new', 'acknowledged in_progress appointment_set won lost invalid'],
    ['acknowledged', 'in_progress appointment_set won lost invalid'],
    ['in_progress', 'appointment_set won lost invalid'],
    ['appointment_set', 'in_progress won lost invalid'],
    ['won', 'in_progress lost'],
    ['lost', 'in_progress'],
    ['invalid', 'new'],
  ])
  const reasonAfter = (to: LeadStatus): LeadStatusReason | undefined => (closed.includes(to) ? 'spam' : undefined)

  it.each(statuses.flatMap((from) => statuses.map((to) => [from, to] as const)))(
    'from %s to %s is as the table says',
    (from, to) => {
      const lead = { status: from, statusReason: closed.includes(from) ? ('duplicate' as const) : undefined }
      const legalStatuses = legal.get(from)?.split(' ') ?? []
      if (from === to) expect(moved(lead, to, undefined)).toBe(lead)
      else if (legalStatuses.includes(to))
        expect(moved(lead, to, 'spam')).toEqual({ status: to, statusReason: reasonAfter(to) })
      else
        expect(() => moved(lead, to, 'spam')).toThrow(
          expect.objectContaining({ code: 'lead-move-illegal', more: { legalStatuses } }),
        )
    },
  )

  it('without a reason leaves none behind', () => {
    expect(moved({ status: 'invalid', statusReason: 'spam' }, 'new', undefined).statusReason).toBeUndefined()
    expect(moved({ status: 'won' }, 'lost', undefined).statusReason).toBeUndefined()
  })

  it('to the same status only changes the reason', () => {
    const lost = { status: 'lost', statusReason: 'spam' } as const
    expect(moved(lost, 'lost', 'spam')).toBe(lost)
    expect(moved(lost, 'lost', 'duplicate')).toEqual({ status: 'lost', statusReason: 'duplicate' })
    const won = { status: 'won' } as const
    expect(moved(won, 'won', 'spam')).toBe(won)
  })

  it.each([
    ['won', 'new', 'A won lead can move to in_progress or lost.'],
    ['invalid', 'won', 'An invalid lead can move to new.'],
  ] as const)('that is illegal says which are legal: %s', (from, to, detail) => {
    expect(() => moved({ status: from }, to, undefined)).toThrow(detail)
  })
})
