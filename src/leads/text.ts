/** A text that PostgreSQL can store: NUL and lone surrogates become U+FFFD. */
export function wellFormed(sent: string): string {
  return sent.toWellFormed().replaceAll('\0', '\uFFFD')
}

export const isStorable = (sent: string): boolean => wellFormed(sent) === sent

/** A word in the form in which words are compared: upper case, blanks, hyphens and underscores make no difference. */
export function bare(word: string): string {
  return word
    .normalize('NFC')
    .toLowerCase()
    .replace(/[\s_-]+/g, '')
}

/** The JSON Pointer to a member (RFC 6901, section 3). */
export function pointerTo(parent: string, name: string): string {
  return `${parent}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`
}
