import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { maskNationalIds } from '../src/leads/national-id.ts'
import { finnish, norwegian, numbers, serial, swedish } from './national-numbers.ts'

// What may stand around a number: no digit beside it, no start of a phone number, no sign that belongs to a number.
const around = fc.string({
  unit: fc.constantFrom('a', 'O', 'ø', ' ', '\n', '.', ',', ':', '(', ')', '"', '/', '😀', '§'),
  maxLength: 12,
})

describe.each(Object.entries(numbers))('a number of %s', (country, number) => {
  it('loses its serial wherever it stands, and nothing else changes', () => {
    fc.assert(
      fc.property(
        around,
        fc.array(
          fc.tuple(
            number,
            around.map((text) => `${text} `),
          ),
          { minLength: 1, maxLength: 4 },
        ),
        (before, parts) => {
          const text = parts.map(([{ number }, after]) => `${number} ${after}`).join('')
          const hidden = parts
            .map(([{ number, hidden }, after]) => `${number.slice(0, -hidden)}${'*'.repeat(hidden)} ${after}`)
            .join('')
          expect(maskNationalIds(before + text, country)).toBe(before + hidden)
        },
      ),
      { numRuns: 500 },
    )
  })

  it('is left alone by every other country, and by those that we know no rule of', () => {
    fc.assert(
      fc.property(number, ({ number }) => {
        for (const other of ['DE', 'GB', 'XX', '', 'constructor']) expect(maskNationalIds(number, other)).toBe(number)
      }),
    )
  })

  it('is none with a digit beside it', () => {
    fc.assert(
      fc.property(number, fc.nat(9), ({ number }, digit) => {
        expect(maskNationalIds(`${number}${digit}`, country)).toBe(`${number}${digit}`)
        // A digit in front of a short Swedish number may make it a long one of another day.
        if (country !== 'SE') expect(maskNationalIds(`${digit}${number}`, country)).toBe(`${digit}${number}`)
      }),
    )
  })

  it('is none inside a VIN', () => {
    const letters = fc.string({ unit: fc.constantFrom(...'WVZJHMx'), minLength: 17, maxLength: 17 })
    const joined = number.filter(({ number }) => /^[A-HJ-NPR-Z0-9]{10,17}$/i.test(number))
    fc.assert(
      fc.property(joined, letters, fc.nat(7), ({ number }, filler, at) => {
        const before = filler.slice(0, Math.min(at, 17 - number.length))
        const vin = before + number + filler.slice(0, 17 - number.length - before.length)
        expect(maskNationalIds(`stel ${vin}.`, country)).toBe(`stel ${vin}.`)
      }),
    )
  })

  it.runIf(country !== 'DK')('is none with a wrong check digit', () => {
    fc.assert(
      fc.property(number, fc.integer({ min: 1, max: 9 }), ({ number }, more) => {
        // The last digit; that of a Finnish number stands before a check character that may be a letter.
        const at = number.length - (country === 'FI' ? 2 : 1)
        const wrong = number.slice(0, at) + ((Number(number[at]) + more) % 10) + number.slice(at + 1)
        expect(maskNationalIds(wrong, country)).toBe(wrong)
      }),
    )
  })

  it('is found in a time that grows with the text, and in no time when there are no digits', () => {
    const hostile = [
      '1',
      '010150',
      '010150-',
      '010150 ',
      ' - ',
      '+',
      '00',
      'A',
      '0101501',
      '19',
      '0a',
      '010150-500\u2013',
      '12345678901234567',
    ]
    for (const unit of hostile) expect(maskNationalIds(unit.repeat(75_000), country)).toHaveLength(unit.length * 75_000)
  })
})

describe('a text', () => {
  const text = fc.string({ unit: fc.constantFrom(...'0123456789', '-', '+', ' ', 'A', 'x', '\n'), maxLength: 60 })

  it('keeps its length, loses only what becomes a star, and is the same after a second time', () => {
    fc.assert(
      fc.property(text, fc.constantFrom(...Object.keys(numbers)), (text, country) => {
        const masked = maskNationalIds(text, country)
        expect(masked).toHaveLength(text.length)
        expect(
          [...masked].every(
            (character, at) => character === text[at] || (character === '*' && /[0-9A-Y]/i.test(text[at] ?? '')),
          ),
        ).toBe(true)
        expect(maskNationalIds(masked, country)).toBe(masked)
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('a Danish text', () => {
  it.each([
    ['CPR 010150-5000.', 'CPR 010150-****.'],
    ['CPR0101505000', 'CPR010150****'],
    ['(0101505000)', '(010150****)'],
    ['010150 5000', '010150 ****'],
    ['010150\u00A05000', '010150\u00A0****'],
    ['010150 - 5000', '010150 - ****'],
    ['010150\u20135000', '010150\u2013****'],
    ['29025250005', '29025250005'],
    ['290252-5000', '290252-****'],
    ['290200-5000', '290200-****'],
    ['Mig 010150-5000, kone 020250-6000', 'Mig 010150-****, kone 020250-****'],
    ['1001 010150-5000', '1001 010150-****'],
    ['bil 900 0101505000', 'bil 900 010150****'],
    ['bil 9001 0101505000', 'bil 9001 010150****'],
    ['2+ 0101505000', '2+ 010150****'],
    ['+45 010150-5000', '+45 010150-****'],
  ])('hides the serial of a CPR number: %j', (text, masked) => {
    expect(maskNationalIds(text, 'DK')).toBe(masked)
  })

  it.each([
    '32 12 34 56',
    '32123456',
    '+45 3212 3456',
    '+4532123456',
    '4532123456',
    '0045 32123456',
    '+46 0101505000',
    '+460101505000',
    '0046 0101505000',
    '+0101505000',
    '000101505000',
    '320150-5000',
    '011350-5000',
    '000150-5000',
    '010050-5000',
    '290251-5000',
    '310450-5000',
    '010150-500',
    '010150-50000',
    '1010150-5000',
    '010150\n5000',
    '010150--5000',
    '010150/5000',
    '010150.5000',
    '12345678901',
    '5790000000000',
    'DK5000400440116243',
    '2050-01-01 10:15',
    '01-01-2050 10.15',
    '20500101101500',
    '2050-01-01T10:15:00.000000Z',
    'WVW0101505000ABCD',
    'wvw0101505000abcd',
    'YV1ABCD0101505000',
    '010150-****',
    '120.000 km, 2019',
    '249900.00',
    '',
  ])('keeps what is none: %j', (text) => {
    expect(maskNationalIds(text, 'DK')).toBe(text)
  })

  it('keeps phone numbers in any notation, and digits by the dozen', () => {
    const phone = fc
      .tuple(
        serial(8),
        fc.constantFrom('+45', '0045', '+45 ', '0045 ', '(+45) ', '', '+46 ', '+49'),
        fc.constantFrom([8], [4, 4], [2, 2, 2, 2], [2, 6], [3, 3, 2]),
      )
      .map(([number, code, groups]) => {
        let at = 0
        return code + groups.map((count) => number.slice(at, (at += count))).join(' ')
      })
    const order = fc.integer({ min: 11, max: 24 }).chain(serialText)
    fc.assert(
      fc.property(fc.oneof(phone, order), around, (kept, before) => {
        expect(maskNationalIds(`${before}${kept}`, 'DK')).toBe(`${before}${kept}`)
      }),
      { numRuns: 2_000 },
    )
  })
})

const serialText = (count: number) =>
  fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: count, maxLength: count })

describe('the other rules', () => {
  // The examples with which the authorities themselves explain the check digits.
  it.each([
    ['SE', '811218-9876', '811218-****'],
    ['SE', '640823-3234', '640823-****'],
    ['FI', '131052-308T', '131052-****'],
  ])('agree with the published example of %s', (country, number, masked) => {
    expect(maskNationalIds(number, country)).toBe(masked)
  })

  it('know that 2000 had a leap day', () => {
    for (const sign of ['A', 'f'])
      expect(maskNationalIds(finnish('290200', sign, '900'), 'FI')).toBe(`290200${sign}****`)
    expect(maskNationalIds(swedish('20000229', '-', '000'), 'SE')).toBe('20000229-****')
  })

  it('take ten Swedish digits that begin with 07 for a mobile phone', () => {
    const digits = swedish('070514', '', '000')
    expect(maskNationalIds(digits, 'SE')).toBe(digits)
    expect(maskNationalIds(swedish('070514', ' ', '000'), 'SE')).toBe(swedish('070514', ' ', '000'))
    expect(maskNationalIds(swedish('070514', '-', '000'), 'SE')).toBe('070514-****')
    expect(maskNationalIds(swedish('20070514', '', '000'), 'SE')).toBe('20070514****')
  })

  it.each([
    ['SE', swedish('19000229', '-', '000')],
    ['SE', swedish('900230', '-', '000')],
    ['SE', swedish('901301', '-', '000')],
    ['SE', swedish('900160', '-', '000')],
    ['NO', norwegian('310250', '', '001')],
    ['NO', norwegian('015350', '', '002')],
    ['FI', finnish('290200', '-', '900')],
    ['FI', finnish('290200', '+', '900')],
    ['FI', finnish('010150', 'G', '900')],
    ['FI', `${finnish('010150', '-', '900')}X`],
  ])('know a real day: %s %s', (country, number) => {
    expect(number).toBeDefined()
    expect(maskNationalIds(number ?? '', country)).toBe(number)
  })
})
