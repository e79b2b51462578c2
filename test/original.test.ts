import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { maskedOriginal as masked } from '../src/leads/original.ts'
import { amount } from './long.ts'
import { numbers } from './national-numbers.ts'

// What of what was sent is kept. The numbers are nobody's.

/** A way to write a text, and back; `isAscii` when it has no room for other letters. */
interface Written {
  readonly write: (text: string) => Buffer
  readonly read: (bytes: Buffer) => string
  readonly isAscii?: true
}

const maskedOriginal = async (content: Buffer, country: string): Promise<Buffer> => {
  const kept = await masked(content, country)
  if (!kept) throw new Error('Not all of it was looked at')
  return kept
}

const utf8: Written = { write: (text) => Buffer.from(text), read: (bytes) => bytes.toString() }
const latin = (label: string): Written => {
  const letters = new TextDecoder(label).decode(Uint8Array.from({ length: 256 }, (_, byte) => byte))
  return {
    write: (text) => Buffer.from([...text].map((letter) => Math.max(letters.indexOf(letter), 0) || 0x3f)),
    read: (bytes) => new TextDecoder(label).decode(bytes),
    isAscii: true,
  }
}
const wide = (size: 2 | 4, isLittle: boolean): Written => ({
  write: (text) => {
    const bytes = Buffer.alloc(text.length * size)
    for (let at = 0; at < text.length; at++) {
      const place = at * size + (isLittle ? 0 : size - 2)
      if (isLittle) bytes.writeUInt16LE(text.charCodeAt(at), place)
      else bytes.writeUInt16BE(text.charCodeAt(at), place)
    }
    return bytes
  },
  read: (bytes) =>
    Array.from({ length: bytes.length / size }, (_, at) => {
      const place = at * size + (isLittle ? 0 : size - 2)
      return String.fromCharCode(isLittle ? bytes.readUInt16LE(place) : bytes.readUInt16BE(place))
    }).join(''),
})
const bytesWritten: Record<string, Written> = {
  'UTF-8': utf8,
  'windows-1252': latin('windows-1252'),
  'UTF-16LE': wide(2, true),
  'UTF-16BE': wide(2, false),
  'UTF-32LE': wide(4, true),
  'UTF-32BE': wide(4, false),
}

const each = (pattern: RegExp, write: (letter: string) => string) => (text: string) => text.replace(pattern, write)
const hexOf = (letter: string, length: number) => letter.charCodeAt(0).toString(16).padStart(length, '0')
const bytesOf = (letter: string, sign: string) =>
  [...Buffer.from(letter)].map((byte) => sign + byte.toString(16).toUpperCase().padStart(2, '0')).join('')
const wrapped = (text: string, length: number, end: string) =>
  text.match(new RegExp(`[^]{1,${length}}`, 'g'))?.join(end) ?? ''

/** What may have been done to a text before it became bytes, and how it is read again. */
interface Wrapping {
  readonly write: (text: string) => string
  readonly read: (text: string) => string
}
const numbered = (text: string) =>
  text
    .replace(/&#(\d+);/g, (_, code: string) => String.fromCodePoint(Number(code)))
    .replace(/&#x([\da-f]+);/gi, (_, code: string) => String.fromCodePoint(Number.parseInt(code, 16)))
const unescaped = (text: string) =>
  text.replace(/\\u([\da-f]{4})/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
const hexRead = (sign: string) => (text: string) =>
  text.replace(new RegExp(`(?:${sign}[0-9A-F]{2})+`, 'g'), (bytes) =>
    Buffer.from(bytes.replaceAll(sign, ''), 'hex').toString(),
  )
const untagged = (text: string) => text.replace(/<!\[CDATA\[|\]\]>|<[^<>]*>/g, '')
const base64Read = (text: string) => Buffer.from(text.replace(/^.*(?:[:,"]|64\n)/s, ''), 'base64')
const wrappings: Record<string, Wrapping> = {
  'as it is': { write: String, read: String },
  'references by numbers': { write: each(/[^]/gu, (letter) => `&#${letter.codePointAt(0)};`), read: numbered },
  'references by long numbers': { write: each(/[\d-]/g, (letter) => `&#00${letter.charCodeAt(0)};`), read: numbered },
  'references in hexadecimal': { write: each(/[^\s]/g, (letter) => `&#x${hexOf(letter, 2)};`), read: numbered },
  'references twice': {
    write: each(/[\d-]/g, (letter) => `&amp;#${letter.charCodeAt(0)};`),
    read: (text) => numbered(text.replaceAll('&amp;', '&')),
  },
  'references by names': {
    write: (text) => text.replaceAll('\u00a0', '&nbsp;').replaceAll('\u2013', '&ndash;'),
    read: (text) => text.replaceAll('&nbsp;', '\u00a0').replaceAll('&ndash;', '\u2013'),
  },
  'escapes of JSON': { write: each(/[^\s]/g, (letter) => `\\u${hexOf(letter, 4)}`), read: unescaped },
  'escapes of JSON for some': { write: each(/[02468-]/g, (letter) => `\\u${hexOf(letter, 4)}`), read: unescaped },
  'escapes of JSON twice': {
    write: each(/[\d-]/g, (letter) => `\\\\u${hexOf(letter, 4)}`),
    read: (text) => unescaped(text.replaceAll('\\\\', '\\')),
  },
  'percent-encoded': { write: each(/[^]/gu, (letter) => bytesOf(letter, '%')), read: hexRead('%') },
  'a form': {
    write: (text) => new URLSearchParams({ document: `<${text}` }).toString(),
    read: (text) => (new URLSearchParams(text).get('document') ?? '').slice(1),
  },
  'quoted-printable': { write: each(/[^\s]/gu, (letter) => bytesOf(letter, '=')), read: hexRead('=') },
  'quoted-printable in short lines': {
    write: (text) =>
      wrapped(
        text.replace(/[^\x21-\x3c\x3e-\x7e]/gu, (letter) => bytesOf(letter, '=')),
        9,
        '=\r\n',
      ),
    read: (text) => hexRead('=')(text.replaceAll('=\r\n', '')),
  },
  base64: {
    write: (text) => `\r\n\r\n${wrapped(Buffer.from(text).toString('base64'), 76, '\r\n')}\r\n`,
    read: (text) => base64Read(text).toString(),
  },
  'base64 of UTF-16': {
    write: (text) => `"${Buffer.from(text, 'utf16le').toString('base64')}"`,
    read: (text) => base64Read(text.slice(0, -1)).toString('utf16le'),
  },
  'base64 for addresses': {
    write: (text) => `data:,${Buffer.from(text).toString('base64url')}`,
    read: (text) => base64Read(text).toString(),
  },
  'base64 right behind a header': {
    write: (text) => `Content-Transfer-Encoding: base64\n${wrapped(Buffer.from(text).toString('base64'), 76, '\n')}`,
    read: (text) => base64Read(text).toString(),
  },
  'base64 of references in base64': {
    write: (text) =>
      Buffer.from(
        `<a>${Buffer.from(text.replace(/\d/g, (digit) => `&#${digit.charCodeAt(0)};`)).toString('base64')}</a>`,
      ).toString('base64'),
    read: (text) => numbered(Buffer.from(untagged(Buffer.from(text, 'base64').toString()), 'base64').toString()),
  },
  'tags between': { write: (text) => text.replace(/(\d{3})(\d)/g, '$1<b class="x">$2</b>'), read: untagged },
  'escaped tags between': {
    write: (text) => text.replace(/(\d{3})(\d)/g, '$1&lt;b&gt;$2&lt;/b&gt;'),
    read: (text) => untagged(text.replaceAll('&lt;', '<').replaceAll('&gt;', '>')),
  },
  'a CDATA section each': { write: (text) => text.replace(/\d{2}/g, '<![CDATA[$&]]>'), read: untagged },
  'remarks between': { write: (text) => text.replace(/\d{5}/g, '$&<!-- x -->'), read: untagged },
}

/** Of what is no letter of ASCII in them, only some encodings have all. */
const isPlain = ({ number }: { number: string }) => /^[\x20-\x7e\u00a0\u2013]*$/.test(number)

describe.each(Object.entries(numbers))('a national number of %s', (country, number) => {
  const one = number.filter(isPlain)
  const hiddenIn = ({ number: each, hidden }: { number: string; hidden: number }) =>
    each.slice(0, -hidden) + '*'.repeat(hidden)

  it.each(Object.keys(wrappings))('is masked in the text that was written as %s, as long as it was', async (how) => {
    const { write, read } = wrappings[how] as Wrapping
    await fc.assert(
      fc.asyncProperty(one, async (each) => {
        const said = write(`nr. ${each.number}.`)
        const kept = await maskedOriginal(Buffer.from(said), country)
        expect(kept).toHaveLength(Buffer.byteLength(said))
        expect(read(kept.toString())).toBe(`nr. ${hiddenIn(each)}.`)
      }),
      { numRuns: amount(60, 400) },
    )
  })

  it.each(Object.keys(bytesWritten))(
    'is masked in a document in %s, among others and however it is written',
    async (encoding) => {
      const { write, read, isAscii } = bytesWritten[encoding] as Written
      // What is in base64 is in UTF-8 there.
      const hows = Object.keys(wrappings).filter((how) => !isAscii || !/base64|percent|form|quoted/.test(how))
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.tuple(one, fc.constantFrom(...hows)), { minLength: 1, maxLength: 4 }),
          async (all) => {
            const parts = all.map(([each, how]) => ({
              each,
              how,
              said: wrappings[how]?.write(`nr. ${each.number}.`) ?? '',
            }))
            const before = '<a>\n\n'
            const text = `${before}${parts.map(({ said }) => said).join('\n \n')}\n\n</a>`
            const sent = write(text)
            const kept = await maskedOriginal(sent, country)
            expect(kept).toHaveLength(sent.length)
            let at = before.length
            for (const { each, how, said } of parts) {
              expect(wrappings[how]?.read(read(kept).slice(at, at + said.length))).toBe(`nr. ${hiddenIn(each)}.`)
              at += said.length + 3
            }
            expect(await maskedOriginal(kept, country)).toBe(kept)
          },
        ),
        { numRuns: amount(40, 400) },
      )
    },
  )
})

describe('a document', () => {
  it('without a national number is the same one, and costs no copy', async () => {
    for (const text of [
      '',
      'x',
      '<adf/>',
      '{"customer":{"phones":[{"number":"+45 32 12 34 56"}]}}',
      '&#48;\\u0030%30=30',
    ])
      for (const { write } of Object.values(bytesWritten)) {
        const bytes = write(text)
        expect(await maskedOriginal(bytes, 'DK')).toBe(bytes)
      }
  })

  it('of a country whose numbers nobody knows is the same one', async () => {
    const bytes = Buffer.from('010150-5000')
    expect(await maskedOriginal(bytes, 'DE')).toBe(bytes)
  })

  it('is not written to: what was sent is what is compared', async () => {
    const bytes = Buffer.from('<a>010150-5000</a>')
    expect((await maskedOriginal(bytes, 'DK')).toString()).toBe('<a>010150-****</a>')
    expect(bytes.toString()).toBe('<a>010150-5000</a>')
  })

  it('of any bytes keeps their number, and is looked at so many times at the most', async () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 2_000 }),
      fc
        .string({ unit: fc.constantFrom(...'0123456789-&#;x\\u%=+<>\n\0', 'amp;', '=\n', '&#48;'), maxLength: 2_000 })
        .map((text) => Buffer.from(text)),
    )
    await fc.assert(
      fc.asyncProperty(bytes, async (sent) => {
        const kept = await masked(Buffer.from(sent), 'DK')
        if (kept) expect(kept).toHaveLength(sent.length)
      }),
      { numRuns: amount(500, 10_000) },
    )
  })

  it('that is wrapped in too much to be looked at in all of it is not said to be masked', async () => {
    const number = Buffer.from('nr. 010150-5000.').toString('base64')
    expect(await masked(Buffer.from(`%${'25'.repeat(30_000)}\n\n${number}`), 'DK')).toBeUndefined()
  })

  it('that is long, and wrapped as mails with a page in them are, is looked at in all of it', async () => {
    const line =
      '<p class="a">Hej, Søren 12 <b>34</b> &amp; co: https://dealer.example/a%20b?c=3Dd =3D\r\n "x" &oslash;\n'
    const number = Buffer.from('nr. 010150-5000.').toString('base64')
    const sent = JSON.stringify({ message: `${line.repeat(2_000)}\n\n`, file: number })
    const kept = await maskedOriginal(Buffer.from(sent), 'DK')
    expect(Buffer.from(JSON.parse(kept.toString()).file, 'base64').toString()).toBe('nr. 010150-****.')
  })

  it('of a form is masked also where many blanks stand before the number', async () => {
    const kept = await maskedOriginal(Buffer.from('nr=%20+++0101505000+++++'), 'DK')
    expect(kept.toString()).toBe('nr=%20+++010150****+++++')
  })

  it('of a page that is written in every way at once is kept, and masked in each', async () => {
    const wrap: Record<string, (text: string) => string> = {
      references: (text) => [...text].map((letter) => `&#${letter.charCodeAt(0)};`).join(''),
      'references twice': (text) => [...text].map((letter) => `&amp;#${letter.charCodeAt(0)};`).join(''),
      escapes: (text) => [...text].map((letter) => `\\u00${letter.charCodeAt(0).toString(16)}`).join(''),
      percent: (text) => [...text].map((letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`).join(''),
      quoted: (text) => [...text].map((letter) => `=${letter.charCodeAt(0).toString(16).toUpperCase()}`).join(''),
    }
    const line = (at: number) =>
      `<p class=10>Bilen er rød &amp;nbsp; <a href="/s%C3%B8g?q=${at}=20">på \\u00e5</a> 1</p>\n`
    const page = Array.from({ length: 300 }, (_, at) => line(at)).join('')
    const numbersIn = Object.values(wrap).map((write) => write('010150-5000'))
    const kept = await maskedOriginal(Buffer.from(page + numbersIn.join(' ; ')), 'DK')
    expect(kept.toString()).toBe(
      page +
        Object.values(wrap)
          .map((write) => write('010150-') + write('****'))
          .join(' ; '),
    )
  })
})
