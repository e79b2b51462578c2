import type { Warning } from '../../generated/server/types.gen.ts'
import { warn } from './warnings.ts'

/** A text that PostgreSQL can store: NUL and lone surrogates become U+FFFD. */
export function wellFormed(sent: string): string {
  return sent.toWellFormed().replaceAll('\0', '\uFFFD')
}

export const isStorable = (sent: string): boolean => wellFormed(sent) === sent

/** As much of a text as there is room for, with a warning when that is not all. */
export function cut(text: string, lengthMax: number, at: string, notes: { warnings: Warning[] }): string {
  const room = roomIn(text, lengthMax)
  if (room === text.length) return text
  warn('text-cut', at, notes)
  return text.slice(0, room)
}

export const isLonger = (text: string, lengthMax: number): boolean => roomIn(text, lengthMax) < text.length

/** Where a text ends that may have `lengthMax` characters: code points, as the contract counts them. */
function roomIn(text: string, lengthMax: number): number {
  if (text.length <= lengthMax) return text.length
  let end = 0
  for (let count = 0; count < lengthMax && end < text.length; count++)
    end += (text.codePointAt(end) ?? 0) > 0xffff ? 2 : 1
  return end
}

/** The JSON Pointer to a member (RFC 6901, section 3). */
export function pointerTo(parent: string, name: string): string {
  return `${parent}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`
}

/** A word in the form in which words are compared: upper case, blanks, hyphens and underscores make no difference. */
export function bare(word: string): string {
  return word
    .normalize('NFC')
    .toLowerCase()
    .replace(/[\s_-]+/g, '')
}
