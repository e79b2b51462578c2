/** A text that PostgreSQL can store: NUL and lone surrogates become U+FFFD. */
export function wellFormed(sent: string): string {
  // Nearly all texts are, and to ask costs a third of making them so.
  if (sent.isWellFormed() && !sent.includes('\0')) return sent
  return sent.toWellFormed().replaceAll('\0', '\uFFFD')
}

export const isStorable = (sent: string): boolean => wellFormed(sent) === sent

export const isLonger = (text: string, lengthMax: number): boolean => roomIn(text, lengthMax) < text.length

/** Where a text ends that may have `lengthMax` characters: code points, as the contract counts them. */
export function roomIn(text: string, lengthMax: number): number {
  if (text.length <= lengthMax) return text.length
  let end = 0
  for (let count = 0; count < lengthMax && end < text.length; count++)
    end += (text.codePointAt(end) ?? 0) > 0xffff ? 2 : 1
  return end
}

/** So much before its end a letter with all its marks begins, or it is none that anybody writes. */
const letterLengthMax = 32
const letters = new Intl.Segmenter(undefined, { granularity: 'grapheme' })

/** Where the letter begins that goes on at `at`: an `é` that loses its accent is another letter (UAX 29). */
export function startOfLetter(text: string, at: number): number {
  const from = Math.max(0, at - letterLengthMax)
  const start = letters.segment(text.slice(from, at + letterLengthMax)).containing(at - from)?.index ?? 0
  return start === 0 ? at : from + start
}

/** A word in the form in which words are compared: upper case, blanks, hyphens and underscores make no difference. */
export function bare(word: string): string {
  return word
    .normalize('NFC')
    .toLowerCase()
    .replace(/[\s_-]+/g, '')
}

/** Characters that show nothing by themselves: zero-width ones, marks of direction, soft hyphens (UAX 44). */
const invisible = /\p{Default_Ignorable_Code_Point}/gu

/** A text as one sees it. Most texts have nothing invisible in them, and are told apart fast. */
export function withoutInvisible(text: string): string {
  return /^[ -~\u00a1-\u00ac\u00ae-\u024f]*$/.test(text) ? text : text.replace(invisible, '')
}

const wideForms = /[\u0660-\u0669\u06f0-\u06f9\uff0b-\uff19]/g

/** Full-width and Arabic digits as the usual ones; full-width signs between them, too. */
export function asciiDigits(text: string): string {
  if (/^[ -~]*$/.test(text)) return text
  return text.replace(wideForms, (each) => {
    const code = each.charCodeAt(0)
    return String.fromCharCode(code >= 0xff00 ? code - 0xfee0 : 0x30 + (code & 0xf))
  })
}
