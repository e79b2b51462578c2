import { describe, expect, it } from 'vitest'
import { instantIn, zoneCalled } from '../src/leads/time.ts'

const copenhagen = 'Europe/Copenhagen'
const utc = (said: string) => instantIn(said, copenhagen)?.utc

describe('a time', () => {
  it.each([
    // RFC 3339 and ISO 8601.
    ['2026-11-29T10:00:00+01:00', '2026-11-29T09:00:00.000Z'],
    ['2026-11-29T10:00:00-00:00', '2026-11-29T10:00:00.000Z'],
    ['2026-11-29T10:00:00,5+01', '2026-11-29T09:00:00.500Z'],
    ['2026-11-29 10:00:00.0000000 +01:00', '2026-11-29T09:00:00.000Z'],
    ['2026-11-29T10:00:00\u221205:00', '2026-11-29T15:00:00.000Z'],
    ['20261129T100000+0100', '2026-11-29T09:00:00.000Z'],
    ['20261129T1000Z', '2026-11-29T10:00:00.000Z'],
    ['2026-11-29T24:00:00Z', '2026-11-30T00:00:00.000Z'],
    ['2026-12-31T23:59:60Z', '2027-01-01T00:00:00.000Z'],
    ['2027-01-01T00:59:60.5+01:00', '2027-01-01T00:00:00.000Z'],
    // RFC 9557.
    ['2026-11-29T10:00+01:00[Europe/Copenhagen]', '2026-11-29T09:00:00.000Z'],
    ['2026-11-29T10:00Z[Europe/Paris]', '2026-11-29T10:00:00.000Z'],
    // RFC 5322.
    ['Sun, 29 Nov 2026 10:00:00 +0100', '2026-11-29T09:00:00.000Z'],
    ['29 Nov 2026 10:00 GMT', '2026-11-29T10:00:00.000Z'],
    ['Sun, 29 Nov 2026 10:00:00 +0100 (CET)', '2026-11-29T09:00:00.000Z'],
    // What programs write.
    ['Sun Nov 29 2026 10:00:00 GMT+0100 (Central European Standard Time)', '2026-11-29T09:00:00.000Z'],
    ['Sun Nov 29 10:00:00 CET 2026', '2026-11-29T09:00:00.000Z'],
    ['November 29, 2026 10:00:00 AM EST', '2026-11-29T15:00:00.000Z'],
    ['1795944000', '2026-11-29T09:20:00.000Z'],
    ['1795944000123', '2026-11-29T09:20:00.123Z'],
    ['1795944000.5', '2026-11-29T09:20:00.500Z'],
  ])('that says its zone is understood: %s', (said, moment) => {
    expect(instantIn(said, copenhagen)).toMatchObject({ utc: moment, isAssumed: false })
  })

  it.each([
    ['Z', 10],
    ['z', 10],
    ['UT', 10],
    ['UTC', 10],
    ['GMT', 10],
    ['EST', 15],
    ['EDT', 14],
    ['CST', 16],
    ['CDT', 15],
    ['MST', 17],
    ['MDT', 16],
    ['PST', 18],
    ['PDT', 17],
    ['CET', 9],
    ['MET', 9],
    ['EET', 8],
    ['WET', 10],
    ['(CET)', 9],
    ['GMT+1', 9],
    ['UTC+02:00', 8],
    ['UTC -5', 15],
    ['Europe/London', 10],
    ['America/New_York', 15],
  ])('has the zone that its word says: %s', (zone, hour) => {
    expect(utc(`2026-11-29T10:00:00 ${zone}`)).toBe(`2026-11-29T${String(hour).padStart(2, '0')}:00:00.000Z`)
  })

  it.each(['CEST', 'MEST', 'EEST', 'WEST', 'CET', 'EET', 'WET'])(
    'counts the European words only while the clocks show them: %s',
    (zone) => {
      expect(utc(`2026-07-29T10:00:00 ${zone}`) !== undefined).toBe(zone.endsWith('EST'))
      expect(utc(`2026-11-29T10:00:00 ${zone}`) !== undefined).toBe(!zone.endsWith('EST'))
    },
  )

  it.each([
    ['2026-11-29 10:00:00.000000', '2026-11-29T09:00:00.000Z'],
    ['2026-07-29 9:15', '2026-07-29T07:15:00.000Z'],
    ['2026/11/29 10:00', '2026-11-29T09:00:00.000Z'],
    ['20261129100000', '2026-11-29T09:00:00.000Z'],
    ['29-11-2026 10:00', '2026-11-29T09:00:00.000Z'],
    ['29/11/2026 10:00', '2026-11-29T09:00:00.000Z'],
    ['05.11.2026 10:00', '2026-11-05T09:00:00.000Z'],
    ['29.11.2026 kl. 10.00', '2026-11-29T09:00:00.000Z'],
    ['29.11.2026, 10:00:00 Uhr', '2026-11-29T09:00:00.000Z'],
    ['11/29/2026, 10:00:00 PM', '2026-11-29T21:00:00.000Z'],
    ['11/29/2026 12:00 AM', '2026-11-28T23:00:00.000Z'],
    ['05/05/2026 9:30', '2026-05-05T07:30:00.000Z'],
    ['d. 29. november 2026 kl. 10.00', '2026-11-29T09:00:00.000Z'],
    ['den 29 november 2026 10:00', '2026-11-29T09:00:00.000Z'],
    ['søndag den 29. november 2026 kl. 10:00', '2026-11-29T09:00:00.000Z'],
    ['Nov 29 2026 10:00AM', '2026-11-29T09:00:00.000Z'],
  ])('that says no zone is read where the dealer is: %s', (said, moment) => {
    expect(instantIn(said, copenhagen)).toMatchObject({ utc: moment, isAssumed: true })
  })

  it.each([
    ['a zone that is none', '2026-11-29T10:00:00 XYZ'],
    ['a letter of the military', '2026-11-29T10:00:00 A'],
    ['an offset that is none', '2026-11-29T10:00:00+15:00'],
    ['half an offset', '2026-11-29T10:00:00+1:'],
    ['an offset that the place has not', '2026-11-29T10:00+02:00[Europe/Copenhagen]'],
    ['a second time of day', '2026-11-29 10:00 11:00'],
    ['a span', '2026-11-29 10:00 - 11:00'],
    ['a day that could be the month', '05-11-2026 10:00'],
    ['a day that could be the month, with slashes', '05/11/2026 10:00'],
    ['the wrong day of the week', 'Mon, 29 Nov 2026 10:00:00 +0100'],
    ['a date only', '2026-11-29'],
    ['a time only', '10:00'],
    ['no day of the year', '2026-02-30T10:00:00Z'],
    ['no day of the year, in words', '31. november 2026 10:00'],
    ['a time behind the end of the day', '2026-11-29T24:30:00Z'],
    ['a leap second within the day', '2026-12-31T22:59:60Z'],
    ['a thirteenth hour of twelve', '11/29/2026 13:00 PM'],
    ['a date that looks like seconds', '2611291000'],
    ['a number', '12345'],
    ['a time that the clocks skipped', '2026-03-29T02:30:00'],
    ['where the years of computers begin', '1970-01-01T01:00:00+01:00'],
    ['where the years of databases begin', '1900-01-01T00:00:00'],
    ['words', 'in a moment'],
    ['a whole book', '2026-11-29T10:00:00Z'.repeat(10_000)],
  ])('is not understood when it is %s', (_, said) => {
    expect(instantIn(said, copenhagen)).toBeUndefined()
  })

  it('that the clocks showed twice is the first', () => {
    expect(instantIn('2026-10-25T02:30:00', copenhagen)).toMatchObject({
      utc: '2026-10-25T00:30:00.000Z',
      local: '2026-10-25T02:30:00.000+02:00',
      isAssumed: true,
    })
  })

  it('says when it was written for people', () => {
    expect(instantIn('20261129T100000+0100', copenhagen)?.isConverted).toBe(false)
    expect(instantIn('29.11.2026 10:00', copenhagen)?.isConverted).toBe(true)
    expect(instantIn('1795944000', copenhagen)?.isConverted).toBe(true)
  })
})

it('finds a time zone by its name or offset, and knows no time in another', () => {
  const tenIn = (zone: string) => instantIn('2026-11-29T10:00', zoneCalled(zone))?.local.slice(-6)
  for (const [zone, offset] of [
    ['America/New_York', '-05:00'],
    ['EST', '-05:00'],
    ['GMT+2', '+02:00'],
    ['+02:00', '+02:00'],
  ] as const)
    expect(tenIn(zone)).toBe(offset)
  for (const zone of ['CEST', 'Eastern Standard Time', 'Middle Earth']) expect(tenIn(zone)).toBeUndefined()
})
