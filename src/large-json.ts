import { isUtf8 } from 'node:buffer'
import { setImmediate as nextTurn } from 'node:timers/promises'
import * as limits from '../generated/server/limits.gen.ts'
import { decodedInSlices, wideEncodingOf } from './encoding.ts'
import { depthMax, type JsonFaults, pointerTo, readJson } from './json.ts'
import { givingWay } from './slices.ts'

/** What is read in one go; what cannot be divided may be as long as a lead that comes by itself. */
const pieceBytesMin = 32 * 1024
export const partBytesMax = 256 * 1024
const scannedAtOnce = 512 * 1024
/** As many as any list of the contract takes. That a list has more is enough to refuse it. */
const entriesMax = limits.Reconciliation.references.maxItems

/** Entries of a list that stand side by side, or one that is too large to be read. */
interface Piece {
  /** Which list of the text it is of. */
  list: number
  start: number
  end: number
  isTooLarge: boolean
}

/**
 * Reads a large text of JSON, an object with lists, as `readJson` does, but piece by piece of its lists, so that others
 * get their turn. An entry of more than 256 kB becomes null, and is named.
 *
 * @throws {Error} as `readJson` does; and of the type `json.part.too.large` when what is outside of all lists is as
 *   large as that.
 */
export async function readLargeJson(bytes: Buffer, charset?: string): Promise<{ value: unknown; faults?: JsonFaults }> {
  const isPlain = (charset === undefined || charset === 'utf-8') && isUtf8(bytes) && !wideEncodingOf(bytes)
  const { text, asClaimed } = isPlain
    ? { text: '', asClaimed: true }
    : await decodedInSlices(bytes, () => charset ?? 'utf-8', givingWay())
  const json = isPlain ? bytes : Buffer.from(text)
  await nextTurn()
  const { pieces, rest } = await dividedIn(json)

  const { value, faults } = readPart(rest)
  const names = new Map<number, string>()
  const lists = new Map<number, unknown[]>()
  if (typeof value === 'object' && value !== null)
    for (const [name, held] of Object.entries(value)) {
      if (!Array.isArray(held)) continue
      const [list] = held
      // The place of what was taken out, which nothing else looks like there.
      lists.set(list, held)
      names.set(list, name)
      held.length = 0
    }

  const repeated = [...(faults?.repeated ?? [])]
  const tooLarge: string[] = []
  const longNumbers = new Map(faults?.longNumbers)
  for (const { list, start, end, isTooLarge } of pieces) {
    const into = lists.get(list) ?? []
    const at = pointerTo('', names.get(list) ?? '')
    const first = into.length
    if (first > entriesMax) continue
    if (isTooLarge) {
      if (lists.has(list)) tooLarge.push(`${at}/${first}`)
      into.push(null)
      continue
    }
    const piece = readPart(Buffer.concat([opening, json.subarray(start, end), closing]))
    // The cast: it stands in brackets.
    const entries = piece.value as unknown[]
    // A comma with nothing beside it.
    if (entries.length === 0) throw notJson()
    for (const entry of entries) into.push(entry)
    for (const pointer of lists.has(list) ? (piece.faults?.repeated ?? []) : []) {
      const [, place = '', ...inside] = pointer.split('/')
      repeated.push([at, first + Number(place), ...inside].join('/'))
    }
    for (const [holder, numbers] of piece.faults?.longNumbers ?? []) {
      if (holder !== entries) longNumbers.set(holder, numbers)
      else
        longNumbers.set(
          into,
          new Map([
            ...(longNumbers.get(into) ?? []),
            ...[...numbers].map(([place, number]) => [String(first + Number(place)), number] as const),
          ]),
        )
    }
    await nextTurn()
  }
  if (asClaimed && repeated.length === 0 && longNumbers.size === 0 && tooLarge.length === 0) return { value }
  return {
    value,
    faults: {
      isMisencoded: !asClaimed,
      ...(longNumbers.size > 0 && { longNumbers }),
      repeated,
      ...(tooLarge.length > 0 && { tooLarge }),
    },
  }
}

const opening = Buffer.from('[')
const closing = Buffer.from(']')

const notJson = () => Object.assign(new SyntaxError('not JSON'), { type: 'entity.parse.failed' })

/** Of a fault only that there is one: where it is in the part is not where it is. */
function readPart(json: Buffer): ReturnType<typeof readJson> {
  try {
    return readJson(json, 'utf-8')
  } catch {
    throw notJson()
  }
}

/**
 * The pieces of all lists that are members of the object, and what is left of the text without them: in each list
 * stands its number. Whether it is JSON is for those to say who read it.
 */
async function dividedIn(json: Buffer): Promise<{ pieces: Piece[]; rest: Buffer }> {
  const pieces: Piece[] = []
  const rest: Buffer[] = []
  let restBytes = 0
  let restStart = 0
  const keep = (end: number, more: string) => {
    const kept = json.subarray(restStart, end)
    rest.push(kept, Buffer.from(more))
    restBytes += kept.length + more.length
    if (restBytes > partBytesMax) throw Object.assign(new Error('too large'), { type: 'json.part.too.large' })
  }

  let list = -1
  let isInList = false
  let listStart = 0
  let pieceStart = 0
  let entryStart = 0
  const endEntry = (end: number, isLast: boolean) => {
    if (end - entryStart > partBytesMax) {
      if (entryStart > pieceStart) pieces.push({ list, start: pieceStart, end: entryStart - 1, isTooLarge: false })
      pieces.push({ list, start: entryStart, end, isTooLarge: true })
      pieceStart = end + 1
    } else if (isLast || end - pieceStart >= pieceBytesMin) {
      const isEmpty = isLast && pieceStart === listStart && json.toString('latin1', pieceStart, end).trim() === ''
      if (!isEmpty) pieces.push({ list, start: pieceStart, end, isTooLarge: false })
      pieceStart = end + 1
    }
    entryStart = end + 1
  }

  let depth = 0
  let quoted = false
  for (let at = 0, rested = 0; at < json.length; at++) {
    if (at - rested > scannedAtOnce) {
      rested = at
      await nextTurn()
    }
    const byte = json[at] ?? 0
    if (quoted) {
      if (byte === 0x5c) at++
      else if (byte === 0x22) quoted = false
    } else if (byte === 0x22) quoted = true
    else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > depthMax) throw Object.assign(new Error('too deep'), { type: 'json.too.deep' })
      if (byte !== 0x5b || depth !== 2) continue
      isInList = true
      list++
      keep(at + 1, String(list))
      listStart = pieceStart = entryStart = at + 1
    } else if (byte === 0x7d || byte === 0x5d) {
      if (isInList && depth === 2) {
        endEntry(at, true)
        isInList = false
        restStart = at
      }
      depth--
    } else if (byte === 0x2c && isInList && depth === 2) endEntry(at, false)
  }
  if (!isInList) keep(json.length, '')
  return { pieces, rest: Buffer.concat(rest) }
}
