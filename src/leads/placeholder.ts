import { hasTemplateTag } from './template-tag.ts'
import { withoutInvisible } from './text.ts'

/** Longer ones are said by people. */
const lengthMax = 64

const blank = String.raw`[\s_-]*`
/** What senders write who have to write something. A blank may be missing or a hyphen. */
const words = [
  String.raw`n[\s_./-]*a`,
  ...'none null nil nan undefined unknown unspecified tbd any empty blank ukendt okänd ukjent unbekannt'.split(' '),
  ...['specified', 'provided', 'available', 'applicable', 'set', 'given'].map((word) => `not${blank}${word}`),
  ...['angivet', 'oplyst', 'udfyldt'].map((word) => `ikke${blank}${word}`),
  `full${blank}line`,
  `any${blank}model`,
]
const [opening, closing] = [String.raw`[\s_"'\`(<\[{#.-]*`, String.raw`[\s_"'\`)>\]}.-]*`]
// Each part ends where the next begins, so there is only one way to try it.
const placeholder = new RegExp(`^${opening}(?:${words.join('|')})${closing}$`, 'i')
const marks = /^[\s_.?*\u2013\u2014-]*$/
/** What programs write for nothing, in just these letters: a person may be called Null. */
const programs = new Set('null NULL undefined None NaN nan nil N/A n/a #N/A (null) <null> <nil>'.split(' '))

const tagOnly =
  /^(?:\[object \p{L}+\]|\{\{\{?[^{}]*\}\}\}?|\{%[^{}%]*%\}|[$#%!]?\{[$!#%@]?[\s\p{L}_][\p{L}\p{N}\s_.:|()-]*\}|<[%?][^<>]*>|\[\[[^[\]]*\]\]|%%[^%]*%%|%[\p{L}_][\p{L}\p{N}_.-]*%|\*\|[^|*]*\|\*|@@[^@]*@@|##[^#]*##|__[A-Z][A-Z\d_]*__|\[\p{L}[\p{L}\p{N}_-]*\])$/u

/** Whether a text is a word for nothing, as people or programs write it: it stands where a value would, and is none. */
export function isPlaceholder(text: string): boolean {
  if (text.length > lengthMax) return text.trim() === ''
  const said = withoutInvisible(text)
  return placeholder.test(said) || marks.test(said) || isTagOnly(said)
}

/** Whether a program wrote it for nothing. Of names only this is certain. */
export function isProgramsNothing(text: string): boolean {
  if (text.length > lengthMax) return text.trim() === ''
  const said = withoutInvisible(text).trim()
  return said === '' || programs.has(said) || isTagOnly(said)
}

/** Whether a tag of a template, or what JavaScript makes of an object, is all there is. */
function isTagOnly(said: string): boolean {
  return /[{<[%*@#_]/.test(said) && tagOnly.test(said.trim()) && hasTemplateTag(said.trim())
}
