import { randomFrom } from '../seed.ts'
import { between, isLucky, pick, type Random, shuffled, times } from './random.ts'
import { unusableIds } from './leads.ts'
import { anyText, usual } from './texts.ts'

/** An element of an ADF document, as its sender means it. */
export interface Element {
  name: string
  attributes: [name: string, value: string][]
  children: Element[]
  text: string
}

export const element = (
  name: string,
  content: string | Element[] = '',
  attributes: [string, string][] = [],
): Element => ({
  name,
  attributes,
  children: typeof content === 'string' ? [] : content,
  text: typeof content === 'string' ? content : '',
})

/** How a document is written; all of it means the same. */
export interface Style {
  seed: number
  letters: 'lower' | 'upper' | 'capital'
  prefix: string
  quotes: '"' | "'" | '“' | ''
  texts: 'entities' | 'numbers' | 'cdata'
  declaration: string
  doctype: string
  isIndented: boolean
  hasEnvelope: boolean
  hasRemarks: boolean
  /** Some end tags have the name of another element, as in the specification itself. */
  hasSlips: boolean
  around: string
}

export const plainStyle: Style = {
  seed: 0,
  letters: 'lower',
  prefix: '',
  quotes: '"',
  texts: 'entities',
  declaration: '<?xml version="1.0"?>',
  doctype: '',
  isIndented: false,
  hasEnvelope: true,
  hasRemarks: false,
  hasSlips: false,
  around: '',
}

export function newStyle(random: Random): Style {
  return {
    seed: between(random, 1, 2 ** 30),
    letters: pick(random, ['lower', 'lower', 'lower', 'upper', 'capital']),
    prefix: pick(random, ['', '', '', '', 'adf:', 'ns0:']),
    quotes: pick(random, ['"', '"', '"', "'", '“', '']),
    texts: pick(random, ['entities', 'entities', 'numbers', 'cdata']),
    declaration: pick(random, [
      '<?xml version="1.0"?>',
      '<?xml version="1.0"?>\n<?adf version="1.0"?>',
      '<?ADF VERSION "1.0"?>',
      '',
    ]),
    doctype: pick(random, [
      '',
      '',
      '',
      '<!DOCTYPE adf>',
      '<!DOCTYPE adf SYSTEM "adf.dtd">',
      '<!doctype ADF PUBLIC "-//ADF//EN" "https://example.com/adf.dtd">',
    ]),
    isIndented: isLucky(random, 0.5),
    hasEnvelope: isLucky(random, 0.9),
    hasRemarks: isLucky(random, 0.1),
    hasSlips: isLucky(random, 0.05),
    around: pick(random, ['', '', '', '', '\n\n', ' ']),
  }
}

/** `encoding`: what the document says of itself, or nothing. */
export function rendered(roots: readonly Element[], style: Style, encoding: string): string {
  const random = randomFrom(style.seed)
  const claim = encoding === '' ? '' : ` encoding="${encoding}"`
  const declaration = style.declaration.replace(/^<\?xml version="1.0"/, (start) => start + claim)
  const gap = style.isIndented ? '\n ' : ''
  const called = (name: string) =>
    style.prefix +
    (style.letters === 'upper'
      ? name.toUpperCase()
      : style.letters === 'capital'
        ? name.slice(0, 1).toUpperCase() + name.slice(1)
        : name)
  const attribute = ([name, value]: [string, string]) => {
    const isBare = style.quotes === '' && /^[\w.-]+$/.test(value)
    const isTypographic = style.quotes === '“' && !/[“”„<>]/.test(value)
    const [open, close] = isBare
      ? ['', '']
      : isTypographic
        ? ['“', '”']
        : style.quotes === "'"
          ? ["'", "'"]
          : ['"', '"']
    return ` ${called(name).replace(style.prefix, '')}=${open}${inText(value, 'entities')
      .replaceAll('"', '&quot;')
      .replaceAll("'", '&#39;')
      .replaceAll(/[\t\r\n]/g, ' ')}${close}`
  }
  const one = (each: Element): string => {
    // What people write may hold anything up to its end: where that has a wrong name, nobody can tell.
    const isPlain = each.children.length === 0 && each.text !== '' && each.name !== 'comments'
    const isSlip = style.hasSlips && isPlain && isLucky(random, 0.2)
    const inner = each.children.map((child) => gap + one(child)).join('') + (each.children.length > 0 ? gap : '')
    const remark = style.hasRemarks && isLucky(random, 0.2) ? '<!-- <name>Bo</name> -->' : ''
    const start = `<${called(each.name)}${each.attributes.map(attribute).join('')}`
    if (inner === '' && each.text === '' && isLucky(random, 0.3)) return `${start}/>`
    return `${start}>${remark}${inText(each.text, style.texts)}${inner}</${called(isSlip ? 'nane' : each.name)}>`
  }
  const xmlns = style.prefix === '' ? '' : ` xmlns:${style.prefix.slice(0, -1)}="https://example.com/adf"`
  const body = roots.map((root) => gap + one(root)).join('')
  const whole = style.hasEnvelope ? `<${called('adf')}${xmlns}>${body}\n</${called('adf')}>` : body
  return `${[declaration, style.doctype, whole].filter((part) => part !== '').join('\n')}${style.around}`
}

function inText(text: string, way: Style['texts']): string {
  if (way === 'cdata' && text !== '' && !text.includes(']]>') && !/[^\t\r\n\x20-\x7e\u00a0-\u00ff]/.test(text))
    return `<![CDATA[${text}]]>`
  return [...text]
    .map((each) => {
      const code = each.codePointAt(0) ?? 0
      if (each === '&') return '&amp;'
      if (each === '<') return '&lt;'
      if (each === '>') return '&gt;'
      const isLone = code >= 0xd800 && code <= 0xdfff
      // By its number a control character of Unicode is one of windows-1252.
      if (isLone || code === 0 || (way === 'numbers' && code > 0x9f)) return `&#x${code.toString(16).toUpperCase()};`
      return each
    })
    .join('')
}

export interface ProspectSent {
  prospect: Element
  /** What stands beside it in the envelope. */
  beside: Element[]
}

/** A prospect of real shape, with anything at any place. */
export function newProspect(random: Random, mark: string): ProspectSent {
  const fill = pick(random, [0.15, 0.4, 0.8])
  const oddity = pick(random, [0, 0.05, 0.2, 0.5])
  const text = (kind: keyof typeof usual = 'text') => (isLucky(random, oddity) ? anyText(random) : usual[kind](random))
  const some = <Item>(count: number, make: () => Item, share = fill): Item[] =>
    isLucky(random, share) ? times(between(random, 1, count), make) : []
  const attributes = (choices: Record<string, readonly string[]>): [string, string][] =>
    Object.entries(choices)
      .filter(() => isLucky(random, 0.5))
      .map(([name, values]) => [name, isLucky(random, oddity / 2) ? anyText(random) : pick(random, values)])
  const leaf =
    (name: string, kind: keyof typeof usual = 'text', choices: Record<string, readonly string[]> = {}) =>
    () =>
      element(name, text(kind), attributes(choices))

  const price = leaf('price', 'amount', {
    currency: ['DKK', 'EUR', 'dkk', 'kr'],
    type: ['quote', 'asking', 'offer', 'appraisal', 'msrp'],
    source: ['Portal'],
  })
  const vehicle = () =>
    element(
      'vehicle',
      order([
        ...some(
          1,
          () =>
            element('id', isLucky(random, 0.8) ? `L-${between(random, 1, 99999)}` : anyText(random), [
              ['source', 'Portal'],
            ]),
          fill / 2,
        ),
        ...some(1, () =>
          element('year', isLucky(random, oddity) ? anyText(random) : String(between(random, 1990, 2026))),
        ),
        ...some(1, () =>
          element(
            'make',
            isLucky(random, oddity) ? anyText(random) : pick(random, ['Volvo', 'Škoda', 'Citroën', 'BMW']),
          ),
        ),
        ...some(1, leaf('model')),
        ...some(1, leaf('vin')),
        ...some(1, leaf('stock')),
        ...some(1, leaf('trim')),
        ...some(1, leaf('doors')),
        ...some(1, leaf('bodystyle')),
        ...some(1, leaf('transmission')),
        ...some(1, () =>
          element(
            'odometer',
            isLucky(random, oddity)
              ? anyText(random)
              : pick(random, ['61000', '61.000', '61 000 km', '12,345', '85 tkm', '61k', '120000 miles']),
            attributes({ units: ['km', 'mi', 'miles', 'KM', 'mil'], status: ['original', 'replaced'] }),
          ),
        ),
        ...some(1, leaf('condition')),
        ...some(
          2,
          () =>
            element('colorcombination', [
              leaf('exteriorcolor')(),
              ...some(1, leaf('interiorcolor')),
              element('preference', pick(random, ['1', '2'])),
            ]),
          fill / 2,
        ),
        ...some(1, leaf('imagetag', 'url', { width: ['100'], alttext: ['Bil'] }), fill / 3),
        ...some(2, price),
        ...some(1, leaf('pricecomments'), fill / 3),
        ...some(2, () => element('option', [leaf('optionname')(), ...some(1, leaf('manufacturercode'))]), fill / 3),
        ...some(
          1,
          () =>
            element('finance', [
              leaf('method')(),
              leaf('amount', 'amount', { type: ['monthly'], currency: ['DKK'] })(),
              ...some(1, leaf('balance', 'amount', { type: ['finance', 'residual'], currency: ['DKK'] })),
            ]),
          fill / 3,
        ),
        ...some(2, leaf('comments', 'free')),
        ...some(1, unknown, 0.1),
      ]),
      attributes({
        interest: ['buy', 'buy', 'lease', 'trade-in', 'sell', 'test-drive', 'TradeIn', 'trade', 'reserve'],
        status: ['new', 'used', 'used', 'demo'],
        ...(isLucky(random, 0.1) && { mileage: ['12'] }),
      }),
    )
  const unknown = (): Element =>
    element(
      pick(random, ['leadgenid', 'farvekode', 'utm', 'consent', 'købsdato', 'cvr']),
      isLucky(random, 0.3) ? [leaf('inner')(), leaf(pick(random, ['inner', 'other']))()] : anyText(random),
      attributes({ kind: ['x', 'Ø'] }),
    )
  const order = (children: Element[]) => (isLucky(random, 0.2) ? shuffled(random, children) : children)
  const parts = pick(random, [
    [['full']],
    [['first'], ['last']],
    [['first'], ['middle'], ['last']],
    [[]],
    [['full'], ['suffix']],
    [['surname']],
  ] as const)
  const contact = () =>
    element(
      'contact',
      order([
        ...parts.map(([part]) =>
          element('name', text(), part ? [['part', part], ...attributes({ type: ['individual', 'business'] })] : []),
        ),
        ...some(3, leaf('email', 'email', { preferredcontact: ['0', '1'] })),
        ...some(
          3,
          leaf('phone', 'phone', {
            type: ['voice', 'cellphone', 'fax', 'work', 'pager', 'mobile'],
            time: ['morning', 'day'],
            preferredcontact: ['0', '1'],
          }),
        ),
        ...some(1, () =>
          element(
            'address',
            order([
              ...times(between(random, 0, 3), (line) =>
                element('street', text(), isLucky(random, 0.7) ? [['line', String(line + 1)]] : []),
              ),
              ...some(1, leaf('apartment'), fill / 3),
              ...some(1, leaf('city')),
              ...some(1, leaf('regioncode')),
              ...some(1, () => element('postalcode', isLucky(random, oddity) ? anyText(random) : '5000')),
              ...some(1, leaf('country', 'country')),
            ]),
            attributes({ type: ['home', 'work'] }),
          ),
        ),
        ...some(1, leaf('comments', 'free'), fill / 4),
      ]),
      attributes({ primarycontact: ['0', '1'] }),
    )
  const contacts = times(isLucky(random, 0.1) ? 2 : 1, contact)
  const marked = pick(random, contacts)
  marked.children.splice(between(random, 0, marked.children.length), 0, element('email', `${mark}@example.com`))

  const isBeside = isLucky(random, 0.1)
  const provider = some(1, () =>
    element('provider', [leaf('name', 'source')(), ...some(1, leaf('service')), ...some(1, leaf('url', 'url'))]),
  )
  return {
    prospect: element(
      'prospect',
      order([
        ...some(2, () =>
          element(
            'id',
            isLucky(random, 0.25)
              ? pick(random, unusableIds)
              : `${pick(random, ['A-', ''])}${mark}-${between(random, 1, 9)}`,
            [
              ...attributes({ sequence: ['1', '2'] }),
              ...(isLucky(random, 0.9)
                ? ([['source', pick(random, ['Bilportalen', 'website'])]] as [string, string][])
                : []),
            ],
          ),
        ),
        ...some(1, leaf('requestdate', 'time')),
        ...times(between(random, 0, 3), vehicle),
        element('customer', [
          ...contacts,
          ...some(1, leaf('id'), fill / 4),
          ...some(1, () => element('timeframe', [leaf('description')(), leaf('earliestdate')()]), fill / 4),
          ...some(2, leaf('comments', 'free')),
        ]),
        ...some(1, () =>
          element('vendor', [
            leaf('vendorname')(),
            element('contact', [element('name', text(), [['part', 'full']]), leaf('phone', 'phone')()]),
          ]),
        ),
        ...(isBeside ? [] : provider),
        ...some(1, unknown, 0.1),
      ]),
      attributes({ status: ['new', 'resend'] }),
    ),
    beside: isBeside ? provider : [],
  }
}

/** The same with one thing less. */
export function* smallerElement(sent: Element): Generator<Element> {
  const { children, attributes, text } = sent
  for (let at = 0; at < children.length; at++) yield { ...sent, children: children.filter((_, each) => each !== at) }
  for (let at = 0; at < attributes.length; at++)
    yield { ...sent, attributes: attributes.filter((_, each) => each !== at) }
  const characters = [...text]
  const half = characters.length >> 1
  if (half > 0)
    for (const part of [characters.slice(0, half), characters.slice(half)]) yield { ...sent, text: part.join('') }
  for (const [at, child] of children.entries())
    for (const less of smallerElement(child)) yield { ...sent, children: children.with(at, less) }
}

export function mappedElement(sent: Element, change: (text: string) => string): Element {
  return {
    name: sent.name,
    attributes: sent.attributes.map(([name, value]) => [name, change(value)]),
    children: sent.children.map((child) => mappedElement(child, change)),
    text: change(sent.text),
  }
}
