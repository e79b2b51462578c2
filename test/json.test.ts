import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decoded } from '../src/encoding.ts'
import { isExact, readJson, walkJson } from '../src/json.ts'

const bytesOf = (json: string, encoding: BufferEncoding = 'utf8') => Buffer.from(json, encoding)
const marked = (mark: number[], bytes: Buffer) => Buffer.concat([Buffer.from(mark), bytes])
const utf32 = (text: string, write: 'writeUInt32LE' | 'writeUInt32BE') =>
  Buffer.concat(
    [...text].map((character) => {
      const bytes = Buffer.alloc(4)
      bytes[write](character.codePointAt(0) ?? 0)
      return bytes
    }),
  )

describe('a body of JSON', () => {
  const json = '{"name":"Søren Ærø 😀 €"}'
  const value = { name: 'Søren Ærø 😀 €' }
  const latin = '{"name":"Søren Ærø"}'

  it.each([
    ['UTF-8', bytesOf(json), undefined],
    ['UTF-8 with a byte order mark', marked([0xef, 0xbb, 0xbf], bytesOf(json)), 'utf-8'],
    ['UTF-16 that says so', marked([0xff, 0xfe], bytesOf(json, 'utf16le')), 'utf-16'],
    ['UTF-16 without a byte order mark', bytesOf(json, 'utf16le'), 'utf-16le'],
    ['UTF-32 that says so', utf32(json, 'writeUInt32LE'), 'utf-32'],
  ])('is read, without a word, in %s', (_what, bytes, charset) => {
    expect(readJson(bytes, charset)).toEqual({ value })
  })

  it.each([
    ['UTF-16 with a byte order mark', marked([0xff, 0xfe], bytesOf(json, 'utf16le'))],
    ['UTF-16 without one', bytesOf(json, 'utf16le')],
    ['UTF-16 of the other order', marked([0xfe, 0xff], bytesOf(json, 'utf16le').swap16())],
    ['UTF-16 of the other order without a mark', bytesOf(json, 'utf16le').swap16()],
    ['UTF-32', utf32(json, 'writeUInt32LE')],
    ['UTF-32 with a byte order mark', marked([0xff, 0xfe, 0, 0], utf32(json, 'writeUInt32LE'))],
    ['UTF-32 of the other order', utf32(json, 'writeUInt32BE')],
    ['UTF-32 of the other order with a mark', marked([0, 0, 0xfe, 0xff], utf32(json, 'writeUInt32BE'))],
  ])('is read as what it is, and said to be so, in %s', (_what, bytes) => {
    for (const charset of [undefined, 'utf-8'])
      expect(readJson(bytes, charset)).toEqual({ value, faults: { isMisencoded: true, repeated: [] } })
  })

  it('is read in the charset that it claims', () => {
    for (const charset of ['iso-8859-1', 'latin1', 'windows-1252'])
      expect(readJson(bytesOf(latin, 'latin1'), charset)).toEqual({ value: { name: 'Søren Ærø' } })
    expect(readJson(Buffer.from([...bytesOf('"'), 0xd0, 0xc6, ...bytesOf('"')]), 'windows-1251')).toEqual({
      value: 'РЖ',
    })
    expect(readJson(bytesOf(latin), 'iso-8859-1')).toMatchObject({
      value: { name: 'Søren Ærø' },
      faults: { isMisencoded: true },
    })
  })

  it('is read as windows-1252 where it is not UTF-8, byte by byte', () => {
    const read = (...parts: (string | number[])[]) =>
      readJson(
        Buffer.concat(
          ['"', ...parts, '"'].map((part) => (typeof part === 'string' ? bytesOf(part) : Buffer.from(part))),
        ),
      ).value
    expect(read([0x53, 0xf8, 0x72, 0x65, 0x6e])).toBe('Søren')
    expect(read('på lørdag ', [0xe6], ' 😀')).toBe('på lørdag æ 😀')
    expect(read([0x80, 0x92, 0x81, 0xff])).toBe('€’\u0081ÿ')
    // A character that was cut off, longer than need be, beyond Unicode.
    expect(read([0xc3])).toBe('Ã')
    expect(read([0xf0, 0x9f, 0x98])).toBe('ðŸ˜')
    expect(read([0xc0, 0x80, 0xe0, 0x80, 0x80])).toBe('À€à€€')
    expect(read([0xf4, 0x90, 0x80, 0x80])).toBe('ô\u0090€€')
    // Surrogates one by one: a pair is a character, a half is none.
    expect(read([0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80])).toBe('😀')
    expect(read([0xed, 0xa0, 0xbd])).toBe('í\u00a0½')
  })

  it('that is UTF-8 but for single bytes keeps every character of it', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.string({ unit: 'binary' }), fc.integer({ min: 0xf5, max: 0xff })), { maxLength: 8 }),
        (parts) => {
          const bytes = Buffer.concat(
            parts.map((part) => (typeof part === 'string' ? bytesOf(part) : Buffer.from([part]))),
          )
          const text = parts.map((part) => (typeof part === 'string' ? part : String.fromCharCode(part))).join('')
          fc.pre(!text.startsWith('\uFEFF') && !/\0/.test(text.slice(0, 4)) && !/^[\u00fe\u00ff]/.test(text))
          expect(decoded(bytes, () => 'utf-8')).toEqual({
            text,
            asClaimed: parts.every((part) => typeof part === 'string'),
          })
        },
      ),
    )
  })

  it.each(['{', '', '{"a":1,}', 'NaN', '\uFEFF\uFEFF{}'])('that is none is refused: %j', (text) => {
    expect(() => readJson(bytesOf(text))).toThrow(
      expect.objectContaining({ type: 'entity.parse.failed', body: text.replace('\uFEFF', '') }),
    )
  })

  it('is refused when it is nested without end', () => {
    const nested = (depth: number) => bytesOf('['.repeat(depth) + ']'.repeat(depth))
    expect(readJson(nested(64)).faults).toBeUndefined()
    expect(() => readJson(nested(65))).toThrow(expect.objectContaining({ type: 'json.too.deep' }))
    expect(() => readJson(bytesOf('['.repeat(65), 'utf16le'))).toThrow(
      expect.objectContaining({ type: 'json.too.deep' }),
    )
  })
})

describe('a number', () => {
  it.each([
    '0',
    '-1.50',
    '1e3',
    '1E+2',
    '0.1',
    '9007199254740992',
    '100000000000000000000',
    '1.7976931348623157e308',
    '5e-324',
    '0e999',
    '-0',
  ])('that a double can be is one: %s', (source) => {
    expect(isExact(source)).toBe(true)
    expect(readJson(bytesOf(`[${source}]`)).faults).toBeUndefined()
  })

  it.each([
    '9007199254740993',
    '1234567890123456789',
    '1.2345678901234567890',
    '1e400',
    '-1e400',
    '1e-400',
    '0.1000000000000000055',
    `0.${'0'.repeat(400)}1`,
    `${'9'.repeat(400)}`,
  ])('that no double can be is told as it stood: %s', (source) => {
    const { value, faults } = readJson(bytesOf(`{"a":{"b":[1,${source}]},"c":${source}}`)) as any
    expect(faults.longNumbers.get(value.a.b)).toEqual(new Map([['1', source]]))
    expect(faults.longNumbers.get(value)).toEqual(new Map([['c', source]]))
    expect(Number.isFinite(value.c)).toBe(true)
  })

  it('is told from the one that took its place, where a member is there twice', () => {
    const close = '"e":1.0000000000000000000001,"e":1,"f":{"g":2.0000000000000000000001},"f":{"g":2}'
    const { value, faults } = readJson(
      bytesOf(`{"a":{"b":1e400},"a":{"b":"x","c":1e400},"d":1e999,"d":2,${close}}`),
    ) as any
    expect(value).toEqual({ a: { b: 'x', c: Number.MAX_VALUE }, d: 2, e: 1, f: { g: 2 } })
    expect([...faults.longNumbers]).toEqual([[value.a, new Map([['c', '1e400']])]])
    expect(faults.repeated).toEqual(['/a', '/d', '/e', '/f'])
  })

  it('in a text is none', () => {
    expect(readJson(bytesOf('{"id":"1234567890123456789","e":"1e400\\"1e400"}')).faults).toBeUndefined()
  })

  it('is told exactly when it would be written otherwise', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 69n), max: 2n ** 69n }), (integer) => {
        const { value, faults } = readJson(bytesOf(`[${integer}]`)) as any
        expect(faults === undefined).toBe(String(value[0]) === String(integer))
      }),
    )
  })
})

describe('a member', () => {
  it('that an object has twice is told, wherever it is and however it is written', () => {
    const read = (json: string) => readJson(bytesOf(json)).faults?.repeated
    expect(read('{"a":1,"a":2}')).toEqual(['/a'])
    expect(read('{"a":1,"\\u0061":2,"a":3}')).toEqual(['/a'])
    expect(read('{"x/y":[{"a":":"},{"~":{"a":{"b":1,"b":2}},"~":[]}]}')).toEqual(['/x~1y/1/~0/a/b', '/x~1y/1/~0'])
    expect(read('{"__proto__":1,"__proto__":{"a":1}}')).toEqual(['/__proto__'])
    expect(read('{"a":{"b":1},"c":{"b":"a\\":"},"d":[{"b":1},{"b":2}]}')).toBeUndefined()
  })

  it('is found again where its bytes are', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 4 }), fc.constantFrom(undefined, 2, '\t'), (json, space) => {
        const text = JSON.stringify(JSON.parse(json), undefined, space)
        const bytes = bytesOf(text)
        const places: [string[], unknown][] = []
        walkJson(bytes, (path, { start, end }) =>
          places.push([[...path], JSON.parse(bytes.toString('utf8', start, end))]),
        )
        for (const [path, value] of places)
          expect(path.reduce((inner: any, name) => inner[name], JSON.parse(text))).toEqual(value)
        expect(places.at(-1)).toEqual([[], JSON.parse(text)])
      }),
    )
  })
})
