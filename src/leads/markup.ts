import { decodeHTMLStrict } from 'entities'

// Only what is certainly markup: `a <b and c> d`, `<3` and `<ida@example.com>` are not.
const inline =
  'a abbr b big body button center code del em font form html i img input ins label meta link mark o:p q s small span strike strong sub sup tbody tfoot thead tt u'
const lines =
  'address article aside caption dd div dl dt fieldset figure footer header hr legend main nav pre section tr'
const paragraphs = 'blockquote h1 h2 h3 h4 h5 h6 ol p table ul'
const silent = 'head noscript script style title'
const names = `${inline} ${lines} ${paragraphs} ${silent} br li td th`.split(' ')
const tags = new RegExp(String.raw`<(\/?)(${names.join('|')})(\s[^<>=]*=[^<>]*|\s*)\/?>|<!--|<!doctype\s[^<>]*>`, 'gi')
const hasTag = new RegExp(tags.source, 'i')
const reference = /&(?:[a-z][a-z\d]{1,30}|#\d{1,7}|#x[\da-f]{1,6});/i
const link = /\shref\s*=\s*(?:"\s*(https?:[^"]*)"|'\s*(https?:[^']*)'|(https?:[^\s"']*))/i

// Until all is written, a line end of the markup is one of these: after a line at least one, or two, and one more.
const [line, paragraph, more] = ['\r', '\f', '\v']
const breaks = new Map([
  ['br', more],
  ['li', `${line}- `],
  ['td', ' '],
  ['th', ' '],
  ...lines.split(' ').map((name): [string, string] => [name, line]),
  ...paragraphs.split(' ').map((name): [string, string] => [name, paragraph]),
])
const silentNames = new Set(silent.split(' '))
/** What is written where they begin, only. */
const ownMark = new Set(['li', 'td', 'th'])

/** Markup within escaped markup, as it comes from forms that escape what is escaped. */
const depthMax = 3

/**
 * What somebody reads of a text with HTML in it, in lines; undefined when there is none. Links keep their address.
 * Takes time in proportion to the text, whatever it nests.
 */
export function plainLines(text: string): string | undefined {
  if (!/[<&]/.test(text)) return undefined
  let plain = text
  for (let depth = 0; depth < depthMax && (reference.test(plain) || hasTag.test(plain)); depth++)
    plain = decodeHTMLStrict(withoutTags(plain))
  return plain === text ? undefined : plain.replaceAll('\u00a0', ' ')
}

/** The same of a text that has one line. */
export function plainLine(text: string): string | undefined {
  return plainLines(text)?.replace(/\s+/g, ' ').trim()
}

function withoutTags(marked: string): string {
  if (!hasTag.test(marked)) return marked
  const text = marked.replace(/\r\n?/g, '\n').replace(/[\f\v]/g, ' ')
  const skip = skipping(text)
  const written: string[] = []
  let at = 0
  let linked: { from: number; to: string } | undefined
  for (const { 0: whole, 1: slash, 2: found = '', 3: attributes = '', index } of text.matchAll(tags)) {
    if (index < at) continue
    const name = found.toLowerCase()
    written.push(text.slice(at, index), slash && ownMark.has(name) ? '' : (breaks.get(name) ?? ''))
    at = index + whole.length
    if (whole === '<!--') at = skip('-->', at)
    else if (!slash && silentNames.has(name)) at = skip(`</${name}`, at)
    else if (!slash && name === 'a') linked = { from: written.length, to: addressIn(attributes) }
    else if (name === 'a' && linked) {
      const { from, to } = linked
      if (
        to &&
        !written
          .slice(from)
          .join('')
          .includes(to.replace(/^https?:\/\/|\/$/g, ''))
      )
        written.push(` (${to})`)
      linked = undefined
    }
  }
  written.push(text.slice(at))
  return written.join('').replace(/\s+/g, lineEnds).replace(/^-\s+/gm, '- ').trim()
}

/** What is between two words; a line end beside one of the markup is how it was written, and not one more. */
function lineEnds(blanks: string): string {
  const count = blanks.split(more).length - 1
  const least = blanks.includes(paragraph) ? 2 : Number(blanks.includes(line))
  if (count + least === 0) return blanks
  return '\n'.repeat(Math.min(2, least > 0 && count > 0 ? count + 1 : Math.max(count, least)))
}

function addressIn(attributes: string): string {
  const [, ...found] = link.exec(attributes) ?? []
  return found.find((each) => each !== undefined)?.trim() ?? ''
}

/** Where the text goes on behind what nobody reads; what is not closed is read. */
function skipping(text: string): (close: string, from: number) => number {
  const lower = text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
  const last = new Map<string, number>()
  return (close, from) => {
    if (!last.has(close)) last.set(close, lower.lastIndexOf(close))
    return from > (last.get(close) ?? -1) ? from : lower.indexOf(close, from) + (close === '-->' ? close.length : 0)
  }
}
