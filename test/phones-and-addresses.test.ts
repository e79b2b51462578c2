import { describe, expect, it } from 'vitest'
import { emailVerdict, tidiedAddress } from '../src/leads/email.ts'
import { phoneIn } from '../src/leads/phone.ts'

const dk = { dealer: 'DK' }
const read = (said: string, place: { dealer: string; customer?: string } = dk) => {
  const { verdict, parsed } = phoneIn(said, place)
  return parsed ? `${verdict} ${parsed.number}` : verdict
}

describe('a phone number', () => {
  it.each([
    '32 12 34 56',
    '32-12-34-56',
    '32.12.34.56',
    '32·12·34·56',
    '(32) 12 34 56',
    '+45 32123456',
    '(+45) 32 12 34 56',
    '+45 (0) 32 12 34 56',
    '0045 32 12 34 56',
    '(0045) 32123456',
    '45 32 12 34 56',
    'tel:+45-32-12-34-56',
    'tel:32123456',
    'callto://+4532123456',
    'whatsapp:+4532123456',
    'Tlf. 32 12 34 56',
    'Mobil: 32123456',
    'tlf.nr.: 32123456',
    'Tel.-Nr. 32123456',
    'Handy: 32123456',
    'Tfn 32123456',
    '\u202a+45 32 12 34 56\u202c',
    '\u200e32\u00a012\u200934\u202f56\u200b',
    '３２１２３４５６',
    '٣٢١٢٣٤٥٦',
    '32 12 34 56\n',
  ])('is understood however it is written: %j', (said) => {
    expect(read(said)).toBe('valid +4532123456')
    expect(phoneIn(said, dk).hasMore).toBeUndefined()
  })

  it.each([
    '32123456 ext. 12',
    '+45 32 12 34 56 lok. 12',
    'tel:+4532123456;ext=12',
    '32123456 x12',
    '32123456#12',
    '32123456 / 20123456',
    '32123456, 20123456',
    '32123456 eller +45 20123456',
    '32123456\n20123456',
    '+4532123456 +4520123456',
    '32123456 (ring efter kl. 16)',
    '32123456 Ida',
  ])('with more beside it is the first: %j', (said) => {
    expect(read(said)).toBe('valid +4532123456')
    expect(phoneIn(said, dk).hasMore).toBe(true)
  })

  it.each([
    '',
    'the usual',
    '12345678',
    '00000000',
    '+45 11 11 11 11',
    '32l23456',
    '321234S6',
    '3212345O',
    'a32123456',
    '32123456 20123456',
    '32123456-58',
    '3212 eller 32123457',
    '32123456 eller 2012345678901',
    '&#43;45 32123456',
    '32123456@example.com',
    '010190-1234',
    '+45 3212',
    '1'.repeat(100_000),
    `${'1 '.repeat(100)}x`,
  ])('of which there is any doubt is none: %j', (said) => {
    expect(read(said)).toBe('invalid')
  })

  it('is none that is written like a national identity number, wherever the customer lives', () => {
    for (const said of ['010135-0000', 'Mit nummer er 010135-0000 og jeg hedder Ida'])
      expect(read(said, { dealer: 'DK', customer: 'SE' })).toBe('invalid')
    expect(read('010-135 00 00', { dealer: 'DK', customer: 'SE' })).toBe('valid +46101350000')
  })

  it('that everybody writes is doubtful', () => {
    for (const said of ['99999999', '+45 22 22 22 22']) expect(read(said)).toMatch(/^possible /)
  })

  it.each([
    ['406 12 345', { dealer: 'DK', customer: 'NO' }, 'valid +4740612345'],
    ['070-174 06 05', { dealer: 'DK', customer: 'SE' }, 'valid +46701740605'],
    ['0171 1234567', { dealer: 'DK', customer: 'DE' }, 'valid +491711234567'],
    ['0171/1234567', { dealer: 'DK', customer: 'DE' }, 'valid +491711234567'],
    ['+49 (0)171 1234567', { dealer: 'DK' }, 'valid +491711234567'],
    ['+39 (0)6 69812345', { dealer: 'DK' }, 'valid +390669812345'],
    ['+45 32123456', { dealer: 'DK', customer: 'NO' }, 'valid +4532123456'],
    ['32 12 34 56', { dealer: 'DK', customer: 'DK' }, 'valid +4532123456'],
  ])('is read where the customer is: %s %j', (said, place, number) => {
    expect(read(said, place)).toBe(number)
    expect(phoneIn(said, place).isForeign).toBeUndefined()
  })

  it.each([
    ['a number as Germans do not give it', '32 12 34 56', { dealer: 'DK', customer: 'DE' }],
    ['none of the country of the address', '60 12 34 56', { dealer: 'DK', customer: 'SE' }],
    ['of who knows where', '32 12 34 56', { dealer: 'DK', customer: 'unknown' }],
  ])("is doubtful when it is the dealer's country's, but the customer is elsewhere: %s", (_, said, place) => {
    expect(phoneIn(said, place)).toMatchObject({ verdict: 'possible', isForeign: true })
  })
})

describe('an e-mail address', () => {
  it.each([
    'ida@example.com',
    'ida.holm+ex30@mail.customer.example',
    "o'brien@example.com",
    'søren@bådværft.dk',
    'ida@xn--bdvrft-juag.example',
    'ида@пример.рф',
    'ida_holm@example.co.uk',
    ' ida@example.com ',
    'ida@noreply.example.com',
    'anders.none@example.com',
  ])('can be written to: %j', (address) => {
    expect(emailVerdict(address)).toBe('plausible')
  })

  it.each([
    'ida@example.com\u200b',
    'ida\u00a0holm@example.com',
    'ida holm@example.com',
    'ida@example.com, bo@example.com',
    'ida@example.com;bo@example.com',
    'ida@example.com bo@example.com',
    'mailto:ida@example.com',
    '<ida@example.com>',
    'Ida Holm <ida@example.com>',
    '"ida"@example.com',
    'ida@example.com.',
    'ida@example.com,',
    'ida..holm@example.com',
    '.ida@example.com',
    'ida.@example.com',
    'ida@example..com',
    'ida@.example.com',
    'ida@-example.com',
    'ida@example',
    'ida@127.0.0.1',
    'ida@[127.0.0.1]',
    'ida@example.c',
    'ida@example.123',
    'ida@ex_ample.com',
    'ida@exаmple.com',
    'ida@localhost',
    'ida@shop.local',
    'ida@example.invalid',
    'noreply@example.com',
    'no-reply@example.com',
    'do.not.reply@example.com',
    'null@example.com',
    'undefined@undefined.com',
    `${'a'.repeat(65)}@example.com`,
    `ida@${'a'.repeat(64)}.com`,
    `${'a.'.repeat(100_000)}@example.com`,
  ])('cannot be written to, or not for certain: %j', (address) => {
    expect(emailVerdict(address)).toBe('odd')
  })

  it('is compared without what nobody sees', () => {
    for (const said of [
      'ida@example.com\u200b',
      '\ufeffida@example.com',
      'ida@exa\u00admple.com',
      'ida@example.com\u00a0\n',
    ])
      expect(tidiedAddress(said)).toBe('ida@example.com')
    for (const said of [' ida@example.com ', 'søren@bådværft.dk']) expect(tidiedAddress(said)).toBe(said)
  })
})
