/** Text beyond it is read by people, not filled in by a program. */
const lengthMax = 512

const word = String.raw`[\p{L}_][\p{L}\p{N}_.:-]*`
const guid = /\{[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\}/gi

/**
 * What templates have where a value should stand, in the languages that forms, mail systems, CRMs and tag managers
 * use.
 */
const tags: readonly RegExp[] = [
  // {{id}}, ${id}, #{id}, {id}, {$id}, {!Lead.Id}, {%= id %}, {field:1.3}
  /\{\{|\{(?![\d\s.,]*\})[^{}]+\}|[$#%]\{|\{%|%\}/,
  // <%= id %>, <?= $id ?>, <id>, <!--#echo-->, but no Message-ID.
  /<[%?!#$][^<>]*>|<(?=[^<>@\p{L}]*\p{L})[^<>@]*>/u,
  // [[id]], [your-name], [object Object], *|ID|*
  /\[\[|\[(?=[^[\]\p{L}]*\p{L})[^[\]]*\]|\*\||\|\*/u,
  // %%id%%, %id%, ##id##, @@id@@, __ID__, ~id~, |id|
  new RegExp(`%${word}%|%%`, 'u'),
  new RegExp(String.raw`(?<![\p{L}\p{N}#@~|])(?:#+${word}#|@+${word}@|~+${word}~|\|+${word}\|)`, 'u'),
  /(?<![\p{L}\p{N}_])__[A-Z][A-Z\d_]*__(?![\p{L}\p{N}_])/u,
  // «id», $(id), %(id)s, $id, :id, %s
  /«|»|\$\(|%\(|(?<![\p{L}\p{N}])\$[\p{L}_]|(?:^|[/\s]):\p{L}|%(?:\d\$)?[sdiu](?![\p{L}\p{N}])/u,
]

/** Whether a tag of a template stands somewhere in a text, plain or as it looks in an address or in HTML. */
export function hasTemplateTag(text: string): boolean {
  if (text.length > lengthMax || !/[{<[%#@~|*_«$:&]/.test(text)) return false
  return forms(text).some((form) => tags.some((tag) => tag.test(form.replace(guid, ''))))
}

/** A text, and what it was before it was escaped once or twice. */
function forms(text: string): string[] {
  const isEscaped = /%[0-9a-f]{2}/i.test(text) && !/%(?![0-9a-f]{2})/i.test(text)
  const once = unescaped(text)
  const twice = unescaped(once)
  return [...new Set([...(isEscaped ? [] : [text]), once, twice])]
}

const characters = new Map([
  ['lt', '<'],
  ['gt', '>'],
  ['amp', '&'],
  ['quot', '"'],
  ['lbrace', '{'],
  ['lcub', '{'],
  ['rbrace', '}'],
  ['rcub', '}'],
  ['lbrack', '['],
  ['lsqb', '['],
  ['rbrack', ']'],
  ['rsqb', ']'],
  ['percnt', '%'],
  ['dollar', '$'],
])

function unescaped(text: string): string {
  return text
    .replace(/%([0-9a-f]{2})/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
    .replace(/&#(?:x([0-9a-f]{1,4})|(\d{1,5}));/gi, (_, hex?: string, decimal?: string) =>
      String.fromCharCode(hex ? Number.parseInt(hex, 16) : Number(decimal)),
    )
    .replace(/&([a-z]{2,6});/g, (whole, name: string) => characters.get(name) ?? whole)
}
