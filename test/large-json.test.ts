import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decoded, decodedInSlices } from '../src/encoding.ts'
import { readJson } from '../src/json.ts'
import { partBytesMax, readLargeJson } from '../src/large-json.ts'

const bytesOf = (text: string) => Buffer.from(text)

type Read = ReturnType<typeof readJson>
const sorted = ({ value, faults }: Read) => ({
  value,
  faults: faults && { ...faults, repeated: [...faults.repeated].sort() },
})
/** What `readJson` says of it, or why it does not read it. */
const plainly = (json: string) => {
  try {
    return sorted(readJson(bytesOf(json)))
  } catch (error) {
    return (error as { type: string }).type
  }
}
const inPieces = (json: string) => readLargeJson(bytesOf(json)).then(sorted, (error: { type: string }) => error.type)

describe('bytes that are no text of any encoding', () => {
  it('are read in slices as they are at once, wherever they are cut', async () => {
    const letters = ['a', 'æ', '€', '😀', '\ufeff'].map((letter) => [...Buffer.from(letter)])
    const pair = [0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80]
    const piece = fc.constantFrom(...letters, pair, [0xe6], [0x80], [0xed], [0xbf], [0xf0, 0x9f])
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { minLength: 1, maxLength: 12 }), fc.nat(8), async (pieces, shift) => {
        const around = Buffer.from(pieces.flat())
        // Somewhere in the repetition a slice ends, at another place of it each time.
        const bytes = Buffer.concat([Buffer.alloc(shift, 0x41), Buffer.from([0xe6]), Buffer.alloc(300_000, around)])
        const { text } = await decodedInSlices(
          bytes,
          () => 'utf-8',
          () => undefined,
        )
        expect(text === decoded(bytes, () => 'utf-8').text).toBe(true)
      }),
      { numRuns: 60 },
    )
  })
})

describe('a large text of JSON', () => {
  it.each([
    '{}',
    '[]',
    '1',
    'null',
    '{"a":[]}',
    '{"a":[ \n ]}',
    '{"a":[1]}',
    '{"a":[1,]}',
    '{"a":[,1]}',
    '{"a":[,]}',
    '{"a":[1,,2]}',
    '{"a":[1 2]}',
    '{"a":[1}',
    '{"a":[1',
    '{"a":["',
    '{"a":[1]]}',
    '{"a":[[1},2]}',
    '{"a":[{"b":[1,2]},[3]],"c":{"d":[4]},"e":[5]}',
    '{"a":["],[","\\"]"],"]":["{"]}',
    '{"a":[1],"a":[2,3]}',
    '{"a":[{"b":1,"b":2},{"c":{"d":1,"d":2}}],"a~/b":[{"e":1,"e":2}]}',
    '{"a":[12345678901234567890,{"b":12345678901234567890}],"c":12345678901234567890}',
    '{"__proto__":[{"__proto__":1}]}',
    '[[1],[2],{"a":[3]}]',
    '{"a":[1]} x',
    '\ufeff{"a":[1]}',
    `{"a":${'['.repeat(64)}${']'.repeat(64)}}`,
  ])('is read as a small one is: %s', async (json) => {
    expect(await inPieces(json)).toEqual(plainly(json))
  })

  it('is read as a small one is, whatever is in its lists and wherever it is cut', async () => {
    const entry = fc.oneof(
      fc.json({ maxDepth: 3 }),
      fc.constantFrom('"\\\\"', '"]"', '12345678901234567890', '{"a":1,"a":2}', `"${'x'.repeat(9_000)}"`),
      fc.string().map((text) => JSON.stringify(text)),
    )
    const list = fc.array(entry, { maxLength: 40 }).map((entries) => `[${entries.join(' , ')}]`)
    const text = fc
      .uniqueArray(fc.tuple(fc.constantFrom('a', 'b', 'leads', '[', '~'), fc.oneof(list, entry)), {
        maxLength: 4,
        // Of a list that another one hides the faults are not told.
        selector: ([name]) => name,
      })
      .map((members) => `{${members.map(([name, value]) => `${JSON.stringify(name)}: ${value}`).join(',')}}`)
    await fc.assert(
      fc.asyncProperty(text, fc.option(fc.nat(), { freq: 1 }), async (json, at) => {
        const sent = at === null ? json : json.slice(0, at % (json.length + 1)) + json.slice((at % json.length) + 1)
        expect(await inPieces(sent)).toEqual(plainly(sent))
      }),
      { numRuns: 300 },
    )
  })

  it('names an entry that is too large to be read, and reads the others', async () => {
    const large = JSON.stringify({ lead: 'x'.repeat(partBytesMax) })
    const { value, faults } = await readLargeJson(bytesOf(`{"leads":[1,${large},{"a":[2]},${large}]}`))
    expect(value).toEqual({ leads: [1, null, { a: [2] }, null] })
    expect(faults).toEqual({ isMisencoded: false, repeated: [], tooLarge: ['/leads/1', '/leads/3'] })
    expect(await inPieces(`{"leads":[1],"more":${large}}`)).toBe('json.part.too.large')
    expect(await inPieces(`[${'[],'.repeat(partBytesMax)}1]`)).toBe('json.part.too.large')
  })

  it('lets others have their turn on the way', async () => {
    let turns = 0
    let isOver = false
    const turn = () => {
      turns++
      if (!isOver) setImmediate(turn)
    }
    setImmediate(turn)
    await readLargeJson(
      bytesOf(
        `{"leads":[${Array(9_000)
          .fill(`{"lead":{"a":"${'x'.repeat(200)}"}}`)
          .join()}]}`,
      ),
    )
    isOver = true
    expect(turns).toBeGreaterThan(20)
  })

  it('is read no further where a list has more entries than any may have', async () => {
    const { value } = await readLargeJson(bytesOf(`{"a":[${Array(1_000_000).fill('{}').join()}],"leads":[1]}`))
    const { a, leads } = value as { a: unknown[]; leads: unknown[] }
    expect(leads).toEqual([1])
    expect(a.length).toBeGreaterThan(10_000)
    expect(a.length).toBeLessThan(50_000)
  })
})
