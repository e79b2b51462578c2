import { encode, wrap } from 'libqp'
import { describe, expect, it } from 'vitest'
import { Problem } from '../src/problem.ts'
import { codes, one, read, refusal, stored } from './adf-reading.ts'

const document = (encoding = 'UTF-8') =>
  `<?xml version="1.0" encoding="${encoding}"?>\n<adf>\n<prospect status="new">\n<id sequence="1" source="p.example">4711</id>\n<customer>\n<contact>\n<name part="full">Jørgen Møller</name>\n<email>jorgen@example.com</email>\n</contact>\n<comments>1 + 1 = 2 &amp; a &lt; b, 100 %</comments>\n</customer>\n</prospect>\n</adf>`

const printed = (text: string, encoding: BufferEncoding = 'utf8') =>
  wrap(encode(Buffer.from(text.replaceAll('\n', '\r\n'), encoding)))
const base64 = (text: string, encoding: BufferEncoding = 'utf8') =>
  Buffer.from(text, encoding).toString('base64').replace(/.{76}/g, '$&\r\n')
const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
const mail = (type: string, encoding: string, body: string) =>
  `Received: from mx.example by mx.example\r\n\tid 1; Mon, 23 Nov 2026 10:15:00 +0100\r\nFrom: Portal <leads@p.example>\r\nSubject: =?UTF-8?Q?Lead?=\r\nMIME-Version: 1.0\r\nContent-Type: ${type}\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n${body}`
const multipart = (boundary: string, ...parts: string[]) =>
  `${parts.map((part) => `--${boundary}\r\n${part}\r\n`).join('')}--${boundary}--\r\n`
const part = (type: string, encoding: string, body: string) =>
  `Content-Type: ${type}\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n${body}`

const wrapped: [string, string | Buffer][] = [
  ['quoted-printable', printed(document())],
  ['quoted-printable in another encoding', printed(document('iso-8859-1'), 'latin1')],
  ['quoted-printable behind a plain declaration', printed(document()).replace(/<\?.*\?>/, '<?xml version="1.0"?>')],
  ['quoted-printable behind text', `Your lead:\r\n${printed(document())}`],
  ['a remark in a page', `<html><body><!-- x --><p>A new lead</p><!--\n${document()}\n--></body></html>`],
  ['base64', base64(document())],
  ['base64 on one line, in another encoding', Buffer.from(document('iso-8859-1'), 'latin1').toString('base64')],
  ['base64 for addresses', Buffer.from(document()).toString('base64url')],
  ['base64 as an address', `data:application/xml;base64,${Buffer.from(document()).toString('base64')}`],
  ['base64 of quoted-printable', base64(printed(document()))],
  ['a mail', mail('application/xml; charset=utf-8', '8bit', document())],
  ['a mail in quoted-printable', mail('text/plain; charset="utf-8"', 'quoted-printable', printed(document('')))],
  ['a mail in base64', mail('application/x-adf+xml', 'base64', base64(document()))],
  [
    'a mail that says its encoding',
    mail('text/plain; charset=iso-8859-1', 'quoted-printable', printed(document('').replace(/<\?.*\?>/, ''), 'latin1')),
  ],
  [
    'a part of a mail',
    mail(
      'multipart/mixed;\r\n\tboundary="b"',
      '7bit',
      `A mail in MIME.\r\n${multipart(
        'b',
        part('text/plain', '7bit', 'A new lead: <adf> is attached'),
        part('application/xml; name="lead.xml"', 'base64', base64(document())),
      )}`,
    ),
  ],
  [
    'a part of a part of a mail, twice',
    mail(
      'multipart/mixed; boundary=b',
      '7bit',
      multipart(
        'b',
        `Content-Type: multipart/alternative; boundary=bb\r\n\r\n${multipart(
          'bb',
          part('text/plain; charset=utf-8', 'quoted-printable', printed(document())),
          part('text/html; charset=utf-8', 'base64', base64(`<pre>${escaped(document())}</pre>`)),
        )}`,
      ),
    ),
  ],
  [
    'a mail in a mail',
    mail(
      'multipart/mixed; boundary="="',
      '7bit',
      multipart(
        '=',
        `Content-Type: message/rfc822\r\n\r\n${mail('text/xml', 'quoted-printable', printed(document()))}`,
      ),
    ),
  ],
  ['the body of a mail without its head', multipart('x', part('text/xml', 'quoted-printable', printed(document())))],
  [
    'a mail that was cut off',
    mail('multipart/mixed; boundary=b', '7bit', `--b\r\n${part('text/xml', 'base64', base64(document()))}`),
  ],
  ['a mail whose lines end in a line feed', mail('text/xml', 'base64', base64(document())).replaceAll('\r', '')],
  ['HTML', `<html><body><pre>${escaped(document())}</pre></body></html>`],
  ['HTML with line ends', `<div>${escaped(document()).replaceAll('\n', '<br>\n')}</div>`],
  ['HTML in HTML', escaped(escaped(document()))],
  ['mere escaping', escaped(document()).replaceAll('"', '&quot;')],
  ['escaping by number', escaped(document()).replaceAll('&lt;', '&#60;').replaceAll('&gt;', '&#x3E;')],
  [
    'a text of a SOAP message',
    `<s:Envelope xmlns:s="urn:s"><s:Body><xml>${escaped(document())}</xml></s:Body></s:Envelope>`,
  ],
  ['CDATA of a SOAP message', `<s:Envelope xmlns:s="urn:s"><s:Body><![CDATA[${document()}]]></s:Body></s:Envelope>`],
  ['a form', `user=7&xml=${new URLSearchParams({ xml: document() }).toString().slice(4)}&adf=1`],
  [
    'a form in another encoding',
    `xml=${percent(Buffer.from(document('windows-1252'), 'latin1')).replaceAll('%20', '+')}`,
  ],
  ['percent-encoding', encodeURIComponent(document())],
  ['percent-encoding twice', encodeURIComponent(encodeURIComponent(document()))],
  ['percent-encoding of what needs it', encodeURI(document())],
  ['JSON', JSON.stringify({ id: 1, data: [{ adf: document() }] })],
  ['a text of JSON', JSON.stringify(document())],
  ['slashes before quotes', document().replaceAll('"', '\\"')],
]

function percent(bytes: Buffer): string {
  return [...bytes].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')
}

describe('a document that is still in what carried it', () => {
  it.each(wrapped)('is read out of %s, with a warning', (_what, body) => {
    const lead = one(Buffer.from(body as string))
    expect(lead.input).toMatchObject({
      message: '1 + 1 = 2 & a < b, 100 %',
      customer: { name: { full: 'Jørgen Møller' }, emails: [{ address: 'jorgen@example.com' }] },
      externalReference: { source: 'p.example', id: '4711' },
    })
    expect(codes(lead).filter((code) => code !== 'adf-form')).toEqual(['adf-wrapped'])
    expect(stored(lead).reachable).toBe(true)
  })

  it('is several when a mail has several, but not when it has one in several forms', () => {
    const two = multipart(
      'b',
      part('text/xml', '7bit', document()),
      part('text/xml', '7bit', document()),
      part('application/xml', 'base64', base64(document().replace('4711', '4712'))),
    )
    const leads = read(mail('multipart/mixed; boundary=b', '7bit', two))
    expect(leads.map(({ input }) => input.externalReference?.id)).toEqual(['4711', '4712'])
  })

  it.each([
    ['is a mail without an ADF document', mail('text/plain', '7bit', 'Hello, I want a car')],
    ['is a mail of more than 64 parts', mail('multipart/mixed; boundary=b', '7bit', '--b\r\n\r\nx\r\n'.repeat(65))],
    ['is not XML', base64('Hello, I want a car. Could I come on Saturday, please?')],
    ['is not XML', 'name=Anna&message=%3Cb%3Ehello'],
  ])('%s when there is none in it', (message, body) => {
    expect(refusal(body).message).toBe(`body: ${message}`)
  })
})

describe('a document in two of them, one in the other', () => {
  const ways = new Map<string, (text: string) => string>([
    ['quoted-printable', printed],
    ['base64', base64],
    ['a mail', (text) => mail('text/plain; charset=utf-8', '8bit', text)],
    ['a mail in quoted-printable', (text) => mail('text/html; charset=utf-8', 'quoted-printable', printed(text))],
    ['a mail in base64', (text) => mail('application/octet-stream', 'base64', base64(text))],
    [
      'a part of a mail',
      (text) => mail('multipart/mixed; boundary=x', '7bit', multipart('x', part('text/plain', '8bit', text))),
    ],
    ['HTML', (text) => `<html><body><pre>${escaped(text)}</pre></body></html>`],
    ['mere escaping', escaped],
    ['a form', (text) => `a=1&xml=${encodeURIComponent(text).replaceAll('%20', '+')}`],
    ['percent-encoding', encodeURIComponent],
    ['JSON', (text) => JSON.stringify({ a: [text] })],
  ])
  const pairs = [...ways.keys()].flatMap((inner) => [...ways.keys()].map((outer) => [inner, outer] as const))

  it.each(pairs)('%s in %s, is the same lead, or is refused', (inner, outer) => {
    const text = ways.get(outer)?.(ways.get(inner)?.(document()) ?? '') ?? ''
    try {
      expect(one(text).input).toMatchObject({
        message: '1 + 1 = 2 & a < b, 100 %',
        customer: { name: { full: 'Jørgen Møller' }, emails: [{ address: 'jorgen@example.com' }] },
        externalReference: { source: 'p.example', id: '4711' },
      })
    } catch (error) {
      if (!(error instanceof Problem)) throw error
    }
  })
})

it('takes attributes without quotes for quoted-printable as well', () => {
  const bare = document('').replaceAll('"', '').replaceAll('ø', 'o')
  const { customer, externalReference } = one(printed(bare)).input
  expect([customer, externalReference]).toEqual([
    { name: { full: 'Jorgen Moller' }, emails: [{ address: 'jorgen@example.com' }] },
    { source: 'p.example', id: '4711' },
  ])
})

describe('a document that only looks like it', () => {
  it.each([
    ['an = with digits behind it', 'model=C4 =3D =20 a=F8'],
    ['a mail that somebody quotes', '&lt;a href=3D"https://example.com"&gt; =C3=A6 = &#61;'],
    ['escaped markup', '&lt;adf&gt;&lt;prospect&gt;'],
    ['percent signs', '%3Cadf%3E 100%25'],
    ['backslashes', 'C:\\new \\"quoted\\"'],
    ['base64', 'YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5eg=='],
    ['lines that end in =', `${'x'.repeat(70)}=\nAB`],
  ])('is left as it is: %s', (_what, comments) => {
    const lead = one(
      `<adf><prospect><id source="p.example">1</id><customer><contact><email>a@b.example</email></contact><comments>${comments}</comments></customer></prospect></adf>`,
    )
    const said = comments.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&#61;', '=')
    expect([lead.input.message, lead.warnings]).toEqual([said, []])
  })
})
