import { pointerTo } from '../json.ts'
import { maskNationalIds } from './national-id.ts'
import type { Extra, Reading } from './reading.ts'
import { wellFormed } from './text.ts'
import { warn } from './warnings.ts'

const extraBytesMax = 8192
/** How deep one member of `extra` may be nested; below it nothing recurses. */
const nestingMax = 64

/** Puts the members of the sender's own `extra` into ours, under their names. */
export function keepExtra(extra: Record<string, unknown>, reading: Reading): void {
  const longNumbers = reading.longNumbers?.get(extra)
  for (const [name, value] of Object.entries(extra)) {
    const whole = wellFormed(name)
    const at = pointerTo('/extra', whole)
    const longNumber = longNumbers?.get(name)
    if (!keep(whole, longNumber ?? value, at, reading)) continue
    if (whole !== name) warn('text-repaired', at, reading)
    if (longNumber !== undefined) warn('number-long', at, reading)
  }
}

/** `longNumber`: how the value stood in the text, if it is a number that is not what a double can be. */
export function keepUnknown(
  name: string,
  value: unknown,
  longNumber: string | undefined,
  parent: string,
  reading: Reading,
): void {
  const whole = wellFormed(name)
  const at = pointerTo(parent, whole)
  if (!keep(at, longNumber ?? value, at, reading)) return
  warn('member-unknown', at, reading)
  if (whole !== name) warn('text-repaired', at, reading)
  if (longNumber !== undefined) warn('number-long', at, reading)
}

/** Puts `value`, sent at `at`, into `extra` if it fits, with national identity numbers masked; says whether it did. */
export function keep(name: string, value: unknown, at: string, reading: Reading): boolean {
  const { extra } = reading
  const changes: Change[] = []
  if (!isDeeper(value, nestingMax) && roomAfter(value, extraBytesMax - extra.bytes) >= 0) {
    const free = freeName(maskedName(name, at, changes, reading), extra.members, extra)
    const whole = storable(value, at, changes, reading)
    const bytes = Buffer.byteLength(JSON.stringify(free)) + Buffer.byteLength(JSON.stringify(whole)) + 2
    if (extra.bytes + bytes <= extraBytesMax) {
      extra.members.set(free, whole)
      extra.bytes += bytes
      for (const { code, pointer } of changes) warn(code, pointer, reading)
      return true
    }
  }
  warn('extra-too-large', at, reading)
  return false
}

/** What of `room` is left behind a value at the most; of a larger one no more is looked at than shows it. */
function roomAfter(value: unknown, room: number): number {
  if (typeof value === 'string') return room - value.length - 2
  if (typeof value !== 'object' || value === null) return room - 1
  if (Array.isArray(value)) {
    for (const each of value) if ((room = roomAfter(each, room - 1)) < 0) break
    return room
  }
  for (const name in value) {
    // The cast: an object of JSON has its members by their names.
    room = roomAfter((value as Record<string, unknown>)[name], room - name.length - 4)
    if (room < 0) break
  }
  return room
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1))
}

type Change = { code: 'text-repaired' | 'national-id-masked' | 'number-long'; pointer: string }

/**
 * A copy of a JSON value with every text and name well formed and without national identity numbers, and with texts for
 * the numbers that no double can be, or that are a national identity number; `changes` gets what is new.
 */
function storable(value: unknown, at: string, changes: Change[], reading: Reading): unknown {
  if (typeof value === 'string') {
    const whole = wellFormed(value)
    if (whole !== value) changes.push({ code: 'text-repaired', pointer: at })
    const masked = maskNationalIds(whole, reading.country)
    if (masked !== whole) changes.push({ code: 'national-id-masked', pointer: at })
    return masked
  }
  if (typeof value === 'number') {
    const masked = maskNationalIds(String(value), reading.country)
    if (masked === String(value)) return value
    changes.push({ code: 'national-id-masked', pointer: at })
    return masked
  }
  if (typeof value !== 'object' || value === null) return value

  const longNumbers = reading.longNumbers?.get(value)
  const inside = (inner: unknown, name: string, pointer: string) => {
    const longNumber = longNumbers?.get(name)
    if (longNumber === undefined) return storable(inner, pointer, changes, reading)
    changes.push({ code: 'number-long', pointer })
    return longNumber
  }
  if (Array.isArray(value)) return value.map((each, index) => inside(each, String(index), `${at}/${index}`))
  const members = new Map<string, unknown>()
  for (const [name, inner] of Object.entries(value)) {
    const whole = wellFormed(name)
    const pointer = pointerTo(at, whole)
    if (whole !== name) changes.push({ code: 'text-repaired', pointer })
    const free = freeName(maskedName(whole, pointer, changes, reading), members, reading.extra)
    members.set(free, inside(inner, name, pointer))
  }
  // Unlike an assignment, it makes `__proto__` a member like any other.
  return Object.fromEntries(members)
}

function maskedName(name: string, at: string, changes: Change[], { country }: Reading): string {
  const masked = maskNationalIds(name, country)
  if (masked !== name) changes.push({ code: 'national-id-masked', pointer: at })
  return masked
}

function freeName(wanted: string, taken: ReadonlyMap<string, unknown>, extra: Extra): string {
  let name = wanted
  while (taken.has(name)) name = `${wanted}\uFFFD${++extra.renamed}`
  return name
}
