import { hasTemplateTag } from './template-tag.ts'
import { withoutInvisible } from './text.ts'

/** Longer ones are said by people. */
const lengthMax = 64

const blank = String.raw`[\s_-]*`
const oneOf = (some: string) => `(?:${some.replaceAll(' ', '|')})`
/** What senders write who have to write something, and nobody is called. A blank may be missing or a hyphen. */
const phrases = [
  `not${blank}${oneOf('specified provided available applicable set given entered')}`,
  `(?:ikke|ej)${blank}${oneOf('angivet angivit angitt oplyst opgivet opgitt oppgitt oppgett udfyldt utfylt spesifisert specificeret')}`,
  `nicht${blank}${oneOf('angegeben ausgefüllt vorhanden bekannt')}`,
  `niet${blank}${oneOf('opgegeven ingevuld bekend beschikbaar')}`,
  `(?:keine|ohne)${blank}angabe`,
  `uppgift${blank}saknas`,
  `no${blank}(?:${oneOf('value phone number e-?mail message')}|comments?)(?:${blank}${oneOf('provided given entered')})?`,
  `none${blank}${oneOf('provided given entered')}`,
]
const words = [
  ...phrases,
  String.raw`n[\s_./-]*a`,
  String.raw`k\.\s?a`,
  String.raw`n\.v\.t`,
  'i/t',
  ...'none null nil nan undefined unknown unspecified tbd any empty blank'.split(' '),
  ...'ukendt uoplyst okänd okänt ukjent unbekannt onbekend ingen inget geen keine'.split(' '),
  `full${blank}line`,
  `any${blank}model`,
]
const [opening, closing] = [String.raw`[\s_"'\`(<\[{#.-]*`, String.raw`[\s_"'\`)>\]}.-]*`]
// Each part ends where the next begins, so there is only one way to try it.
const placeholder = new RegExp(`^${opening}(?:${words.join('|')})${closing}$`, 'i')
const phrase = new RegExp(`^${opening}(?:${phrases.join('|')})${closing}$`, 'i')
// Most texts begin with a letter or digit and with none of the words, and have nothing invisible in them.
const visible = String.raw`!-~\u00a1-\u00ac\u00ae-\u024f`
const ordinaryStart = String.raw`(?!${words.join('|')})[a-z\d\u00c0-\u024f]`
const ordinary = new RegExp(`^${ordinaryStart}[ ${visible}]*$`, 'i')
const ordinaryWords = new RegExp(`^(?:${ordinaryStart}[${visible}]*(?: +|$))+$`, 'i')
const marks = /^[\s_.,;:/'"?*\u2013\u2014-]*$/
/** Of a name: nothing, or letters that were all lost on the way. */
const lost = /^[\s\ufffd]*$/
/** What programs write for nothing, in just these letters: a person may be called Null. */
const programs = new Set('null NULL undefined None NaN nan nil N/A n/a #N/A (null) <null> <nil>'.split(' '))

const tagOnly =
  /^(?:\[object \p{L}+\]|\{\{\{?[^{}]*\}\}\}?|\{%[^{}%]*%\}|[$#%!]?\{[$!#%@]?[\s\p{L}_][\p{L}\p{N}\s_.:|()-]*\}|<[%?][^<>]*>|\[\[[^[\]]*\]\]|%%[^%]*%%|%[\p{L}_][\p{L}\p{N}_.-]*%|\*\|[^|*]*\|\*|@@[^@]*@@|##[^#]*##|__[A-Z][A-Z\d_]*__|\[\p{L}[\p{L}\p{N}_-]*\])$/u

/** Whether a text is a word for nothing, as people or programs write it: it stands where a value would, and is none. */
export function isPlaceholder(text: string): boolean {
  if (text.length > lengthMax) return text.trim() === ''
  if (ordinary.test(text)) return false
  const said = withoutInvisible(text)
  return placeholder.test(said) || marks.test(said) || isTagOnly(said) || areAllOfPrograms(said)
}

/** As `null null`, which was to be a street and a number. */
const areAllOfPrograms = (said: string): boolean => said.split(/[\s,;]+/).every((word) => programs.has(word))

/** Whether no word of a text can be one for nothing, as a glance shows of most names. */
export const hasOrdinaryWords = (text: string): boolean => ordinaryWords.test(text)

/** Whether it is what programs write for nothing, or says that nothing was said. Of names only this is certain. */
export function isProgramsNothing(text: string): boolean {
  if (text.length > lengthMax) return text.trim() === ''
  const said = withoutInvisible(text).trim()
  return lost.test(said) || programs.has(said) || phrase.test(said) || isTagOnly(said)
}

/** Whether a tag of a template, or what JavaScript makes of an object, is all there is. */
function isTagOnly(said: string): boolean {
  return /[{<[%*@#_]/.test(said) && tagOnly.test(said.trim()) && hasTemplateTag(said.trim())
}
