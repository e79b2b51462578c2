import { below, between, isLucky, pick, type Random, times } from './random.ts'

// Texts of every kind that real senders send, none of them of a real person.

const danish =
  'Jeg vil gerne høre mere om bilen Er den ledig på lørdag Må jeg prøve den Hilsen Søren Æbelø Åse bor på Østerbro og kører hver dag til Århus'.split(
    ' ',
  )
const nothings = ['null', 'None', 'undefined', 'N/A', 'n/a', '-', 'NULL', 'unknown', 'ukendt', 'NaN', '[object Object]']
const templates = [
  ['{{', 'lead.id', '}}'],
  ['%%', 'id', '%%'],
  ['$', '{id}', ''],
  ['[', 'your-name', ']'],
  ['{', '%name%', '}'],
  ['<%= ', 'id', ' %>'],
  ['*|', 'FNAME', '|*'],
].map((parts) => parts.join(''))

/** The last one is of a person yet to be born; the serial of the others is nobody's. */
export const nationalIds = ['010135-0000', '0101350000', '311234 0001', '290236-0002']

export const kindsOfText = {
  plain: (random) => times(between(random, 1, 8), () => pick(random, danish)).join(' '),
  lines: (random) =>
    times(between(random, 2, 4), () => pick(random, danish)).join(pick(random, ['\n', '\r\n', '\n\n'])),
  empty: () => '',
  blank: (random) => pick(random, [' ', '   ', '\t', '\n', '\u00a0', '\u200b', '\u3000 ']),
  padded: (random) => `  ${pick(random, danish)} `,
  long: (random) => 'Hej med jer. '.repeat(pick(random, [3, 8, 20, 45, 180, 330, 420])),
  longWord: (random) => 'æøå'.repeat(pick(random, [12, 30, 90, 700, 1500])),
  longAstral: (random) => `x${'🚗'.repeat(pick(random, [17, 40, 110, 1100, 2100]))}`,
  astral: (random) => pick(random, ['🚗 Volvo', '𝒮øren', '👨‍👩‍👧 familien', '🇩🇰']),
  lone: (random) => pick(random, ['\ud83d', 'S\udc00ren', 'ø\ud800\ud800', 'a\udfff']),
  nul: (random) => pick(random, ['\0', 'So\0ren', 'ø\0']),
  control: (random) => pick(random, ['So\u0001ren', 'a\u0008b', 'x\u001b[31m', '\u007f', 'a\u0085b', 'a\u000bb']),
  invisible: (random) => pick(random, ['So\u200bren', '\ufeffIda', 'Ida\u200d', 'a\u00adb', 'Ida\u2060 Holm']),
  noncharacter: (random) => pick(random, ['a\uffff', '\ufffeb', 'a\ufffdb']),
  html: (random) =>
    pick(random, [
      'Hej<br />Er den ledig?<br>Hilsen Ida',
      '<p>Hej</p><p>Er den <b>ledig</b>?</p>',
      '<a href="https://example.com/bil">Bilen</a>',
      'Pris < 100000 & > 50000',
      'if a<b then c>d',
      '<script>alert(1)</script>Hej',
      '<Ida Holm>',
      'I <3 Volvo',
    ]),
  entities: (random) =>
    pick(random, ['J&oslash;rgen', 'Ida &amp; Bo', '&lt;Ida&gt;', '&#248;l', 'R&D', '&nbsp;', 'AT&T;', '&#xF8;']),
  template: (random) => pick(random, templates),
  nothing: (random) => pick(random, nothings),
  size: (random) =>
    pick(random, ['249k', '85 tkm', '1,25 mio', '61 t.km', '2 thousand', '249 t. kr.', '65.000 kr.', '3M']),
  number: (random) => pick(random, ['0', '1', '42', '-1', '1.5', '1,5', '007', '1e3', '12345678901234567890']),
  phone: (random) =>
    pick(random, ['32 12 34 56', '+45 32123456', '0046-70-174 06 05', '32123456 lok. 12', 'ring: 32123456']),
  email: (random) =>
    pick(random, ['ida.holm@example.com', 'Ida Holm <ida@example.com>', 'ida@@example.com', 'ida.holm(at)example.com']),
  time: (random) => pick(random, dates),
  nationalId: (random) => `Mit nummer er ${pick(random, nationalIds)} og jeg hedder Ida`,
  json: (random) => pick(random, ['{"a":1}', '[]', '"ø"', '{"message":"Hej"}', 'null,']),
  rightToLeft: (random) => pick(random, ['שלום', 'مرحبا', '\u202eadI\u202c', '\u200fIda']),
  combining: (random) => pick(random, ['So\u0308ren', 'A\u030ase', 'e\u0301'.repeat(9), 'Z\u0351\u036b\u0343']),
  quotes: (random) => pick(random, ['"', "'", '“Ida”', 'a\\b', '\\u0041', "O'Neill", '„Volvo“', '`']),
  sql: (random) => pick(random, ["'; drop table leads; --", '\\', '$$', '%', '_']),
  member: (random) => pick(random, ['__proto__', 'constructor', 'toString', 'length', '/', '~1', '~', '']),
  url: (random) => pick(random, ['https://example.com/a?b=c&d=%C3%B8', 'javascript:alert(1)', 'www.example.com']),
} satisfies Record<string, (random: Random) => string>

const dates = [
  '2026-11-29T10:00:00+01:00',
  '2026-11-29T10:00:00Z',
  '2026-11-29T10:00:00.123456Z',
  '2026-11-29T10:00:00',
  '2026-11-29 10:00',
  '2026-11-29 9:05:01',
  '20261129T100000+0100',
  '20261129T100000Z',
  '2026-11-29T10:00:00+0100',
  '2026-11-29T10:00:00+01',
  '2026-11-29',
  '29.11.2026 10:00',
  '29-11-2026 kl. 10:00',
  '29/11/2026 10.00',
  '11/29/2026 10:00 AM',
  '3/4/2026 10:00',
  'Sun, 29 Nov 2026 10:00:00 +0100',
  '29 Nov 2026 10:00:00 GMT',
  '2026-11-29T10:00:00 EST',
  '2026-11-29T10:00:00 CET',
  '2026-07-29T10:00:00 CEST',
  '2026-12-31T23:59:60Z',
  '2026-11-29T24:00:00Z',
  '2026-02-30T10:00:00Z',
  '2026-11-29T10:00:00+25:00',
  '2026-03-29T02:30:00',
  '2026-10-25T02:30:00',
  '1795946400',
  '1795946400000',
  '0000-00-00 00:00:00',
  '1970-01-01T00:00:00Z',
  '9999-12-31T23:59:59Z',
  'i morgen kl. 10',
  '2026-11-29T10:00:00 PM',
  '2026-11-29T10:00 pm',
  '2026-11-29T10:00:00[Europe/Copenhagen]',
]

export type KindOfText = keyof typeof kindsOfText
// Object.keys forgets the type of the names.
const names = Object.keys(kindsOfText) as KindOfText[]

/** A text of any kind. */
export function anyText(random: Random): string {
  const text = kindsOfText[pick(random, names)](random)
  return isLucky(random, 0.1) ? `${text} ${kindsOfText[pick(random, names)](random)}` : text
}

/** What is usually written in a place. */
export const usual = {
  text: (random) => times(between(random, 1, 3), () => pick(random, danish)).join(' '),
  free: (random) => times(between(random, 2, 14), () => pick(random, danish)).join(' '),
  email: (random) => `${pick(random, ['ida', 'søren', 'bo.lund', 'ANNA+web'])}${below(random, 999)}@example.com`,
  phone: (random) =>
    pick(random, [
      '32 12 34 56',
      '32123456',
      '+45 32 12 34 56',
      '004532123456',
      '+46 70 174 06 05',
      '070-174 06 05',
      '406 12 345',
      '(+45) 32-12-34-56',
      '+47 406 12 345',
      '12345',
      '+4932123456789',
    ]),
  country: (random) =>
    pick(random, [
      'DK',
      'DK',
      'dk',
      'SE',
      'NO',
      'Danmark',
      'Sverige',
      'Norway',
      'DNK',
      'Germany',
      'XX',
      'Jylland',
      'Færøerne',
    ]),
  time: (random) => pick(random, dates),
  amount: (random) =>
    pick(random, [
      '249900.00',
      '249900',
      '249.900,00',
      '249.900',
      '249,900.00',
      '249 900',
      '249.900,-',
      '249900 kr.',
      'DKK 249900',
      'ca. 65.000',
      '249k',
      '1,25 mio',
      '-5',
      '65.5',
      'efter aftale',
      '0',
      '65-70.000',
    ]),
  currency: (random) => pick(random, ['DKK', 'DKK', 'EUR', 'dkk', 'kr', 'kr.', 'kroner', '€', 'SEK', 'XYZ', 'penge']),
  url: (random) => pick(random, ['https://example.com/biler/1042', 'https://example.com/?q=æ']),
  source: (random) => pick(random, ['website', 'Bilportalen', 'google', '(none)', 'none']),
  zone: (random) => pick(random, ['Europe/Copenhagen', 'Europe/London', 'CET', 'Mars/Olympus', 'GMT+1']),
  locale: (random) => pick(random, ['da-DK', 'da', 'da_DK', 'dansk', 'en']),
} satisfies Record<string, (random: Random) => string>
