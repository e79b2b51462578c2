import * as limits from '../../generated/server/limits.gen.ts'
import type { ExternalReference } from '../../generated/server/types.gen.ts'
import { isPlaceholder } from './placeholder.ts'
import { hasTemplateTag } from './template-tag.ts'
import { isLonger, isStorable, withoutInvisible } from './text.ts'

declare const telling: unique symbol

/** A reference that tells a lead from all others. Only `tellingReference` makes one. */
export type TellingReference = ExternalReference & { readonly [telling]: true }

type Part = keyof ExternalReference

/**
 * The reference as it is stored and compared, if it tells leads apart. Blanks at its ends and invisible characters do
 * not count, for they come and go on the way; all else does, case and blanks within, too.
 */
export function tellingReference({ source, id }: ExternalReference): TellingReference | undefined {
  if (referenceFault('source', source) || referenceFault('id', id)) return undefined
  // The cast: it has no fault.
  return { source: tidied(source), id: tidied(id) } as TellingReference
}

const tidied = (part: string) => withoutInvisible(part).trim()

type Fault =
  'external-reference-blank' | 'external-reference-damaged' | 'external-reference-long' | 'external-reference-unset'

/** Why a part of a reference tells nothing apart, if it does not. */
export function referenceFault(name: Part, part: string): Fault | undefined {
  if (part.includes('\uFFFD') || !isStorable(part)) return 'external-reference-damaged'
  const said = tidied(part)
  if (!visiblePattern.test(said)) return 'external-reference-blank'
  if (isLonger(said, limits.ExternalReference[name].maxLength)) return 'external-reference-long'
  const isSample = (name === 'source' ? sampleSources : sampleIds).has(said.toLowerCase().replace(besides, ''))
  return isSample || isUnset(said) ? 'external-reference-unset' : undefined
}

// A letter, a digit, a punctuation mark or a symbol of any script; blanks, controls and what only joins others show
// nothing.
const visiblePattern = /[\p{L}\p{N}\p{P}\p{S}]/u

const besides = /[^\p{L}\p{N}]+/gu

/** Whether it is what programs write where a value was not filled in: everybody's, and so nobody's. */
export function isUnset(said: string): boolean {
  return (
    isPlaceholder(said) ||
    hasTemplateTag(said) ||
    unsetWords.has(said.toLowerCase()) ||
    unsetPattern.test(said) ||
    // As in 0000-00-00; but `0 0 0` may be the first of something that is counted from zero.
    (/^(?:[^\p{L}\p{N}]|0)*$/u.test(said) && !/^0(?:[^0.,]+0)+$/.test(said)) ||
    /^(?:[^\p{L}\p{N}]*x){2,}[^\p{L}\p{N}]*$/iu.test(said) ||
    unsetPart.test(said)
  )
}

/** What stays in a longer text when a part of it was not filled in. `nil` and `none` are words, too, in other cases. */
const unsetPart = /(?<![\p{L}\p{N}])(?:[A-Za-z]*null|NULL|Null|NaN|nan|None|nil)(?![\p{L}\p{N}])/u
const unsetPattern = new RegExp(
  [
    'undefined|invalid date',
    // A long number as a spreadsheet shows it is that of all that begin alike.
    String.raw`^(?:[a-z]:)?-?\d(?:[.,]\d+)?e\+\d{1,3}$`,
    // What languages make of something that is no text.
    String.raw`^(?:system|java|javax|newtonsoft)\.\w|^optional\.empty$|^stdclass object$|^resource id #\d+$|^dbnull$|^\\[n0]$`,
    // Errors of spreadsheets, in any language.
    String.raw`^#(?:[a-zæøåäöü/\d]{1,12}[!?]|(?:n/a|i/t|n/b|nv)(?![a-zæøåäöü\d]))`,
    // Where the years of computers begin.
    String.raw`^(?:0001-01-01|1970-01-01|1900-01-01|1899-12-30)(?:[t ]|$)|^0?1[-/.]0?1[-/.](?:0001|1970|1900)(?: |$)`,
    String.raw`0{8}-(?:0{4}-){3}0{12}|f{8}-(?:f{4}-){3}f{12}|^f{32}$|^0x0+$`,
    String.raw`^\{?([\da-f])\1{7}-\1{4}-\1{4}-\1{4}-\1{12}\}?$`,
    // {1}, @Model.Id, %id!, -recipient.id-
    String.raw`^\{\d\}$|^@(?:model|item|lead|viewbag)\.\w|^%[a-z]+!$|^-[a-z]+[._][a-z._]*-$`,
  ].join('|'),
  'i',
)
/** Words of programs, and the largest numbers of their types, which is where counting ends for everybody. */
const unsetWords = new Set(
  'true false yes no on off ja nej -1 array object function error infinity -infinity &nbsp; 2147483647 -2147483648 4294967295 9007199254740991 9223372036854775807 -9223372036854775808 18446744073709551615'.split(
    ' ',
  ),
)

// What stands in documentation and is copied with the rest. Not 1 or 123: somebody counts from one.
const sampleSources = new Set(
  'string example source sourcename yoursource yoursourcehere yoursystem systemname'.split(' '),
)
const sampleIds = new Set(
  'string text value number integer id uuid guid leadid lead externalid externalreference reference ref uniqueid yourid youridhere yourleadid yourleadidhere yourreference yourreferencehere yourexternalid insertid insertidhere idhere someid myid formid entryid recordid submissionid prospectid customerid leadnumber referencenumber example exampleid sample sampleid demo dummy test testid testing testlead placeholder default todo foo bar baz foobar lorem loremipsum nothing direct leer leeg tom mangler xxxxxxxxxxxx4xxxyxxxxxxxxxxxxxxx 3fa85f6457174562b3fc2c963f66afa6 123e4567e89b12d3a456426614174000 123e4567e89b12d3a456426655440000 550e8400e29b41d4a716446655440000 12345678123412341234123456789012 12345678123412341234123456789abc'.split(
    ' ',
  ),
)
