/** Where a text stops being JSON, and what should stand there. Lines and columns count from 1. */
export interface JsonFault {
  line: number
  column: number
  expected: string
}

type State = 'value' | 'value or ]' | 'name' | 'name or }' | ':' | ', or ]' | ', or }' | 'end'

const expectations: Record<State, string> = {
  value: 'a value',
  'value or ]': 'a value or ]',
  name: 'a name in double quotes',
  'name or }': 'a name in double quotes or }',
  ':': 'a colon',
  ', or ]': 'a comma or ]',
  ', or }': 'a comma or }',
  end: 'nothing more',
}

const blanks = /[ \t\n\r]*/y
const word = /(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.+-])/y
const inText = /["\\]|[^ -\uffff]/g
const escape = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y

/**
 * The first fault in a text that JSON.parse refuses; undefined when it is JSON (RFC 8259). It says nothing of what
 * stands there. One pass, without recursion.
 */
export function jsonFault(text: string): JsonFault | undefined {
  const open: ('[' | '{')[] = []
  const afterValue = (): State => {
    const inner = open.at(-1)
    return inner === undefined ? 'end' : inner === '[' ? ', or ]' : ', or }'
  }
  let state: State = 'value'
  let at = 0
  for (;;) {
    at = endOf(blanks, text, at) ?? at
    const next = text[at]
    if (next === undefined) return state === 'end' ? undefined : fault(text, at, expectations[state])
    switch (state) {
      case 'value':
      case 'value or ]':
        if (next === ']' && state === 'value or ]') {
          open.pop()
          state = afterValue()
          at++
        } else if (next === '[' || next === '{') {
          open.push(next)
          state = next === '[' ? 'value or ]' : 'name or }'
          at++
        } else if (next === '"') {
          const end = textEnd(text, at)
          if (typeof end !== 'number') return end
          state = afterValue()
          at = end
        } else {
          const end = endOf(word, text, at)
          if (end === undefined) return fault(text, at, expectations[state])
          state = afterValue()
          at = end
        }
        break
      case 'name':
      case 'name or }':
        if (next === '}' && state === 'name or }') {
          open.pop()
          state = afterValue()
          at++
        } else if (next === '"') {
          const end = textEnd(text, at)
          if (typeof end !== 'number') return end
          state = ':'
          at = end
        } else return fault(text, at, expectations[state])
        break
      case ':':
        if (next !== ':') return fault(text, at, expectations[state])
        state = 'value'
        at++
        break
      case ', or ]':
      case ', or }':
        if (next === ',') state = state === ', or ]' ? 'value' : 'name'
        else if (next === state.at(-1)) {
          open.pop()
          state = afterValue()
        } else return fault(text, at, expectations[state])
        at++
        break
      case 'end':
        return fault(text, at, expectations[state])
    }
  }
}

/** Behind the text in double quotes that begins at `start`. */
function textEnd(text: string, start: number): number | JsonFault {
  for (let at = start + 1; ;) {
    inText.lastIndex = at
    const found = inText.exec(text)
    if (!found) return fault(text, text.length, 'the double quotes that end the text')
    if (found[0] === '"') return found.index + 1
    if (found[0] !== '\\') return fault(text, found.index, 'no control character in a text, or one that is escaped')
    const end = endOf(escape, text, found.index)
    if (end === undefined) return fault(text, found.index, 'one of the escapes of JSON')
    at = end
  }
}

function endOf(sticky: RegExp, text: string, at: number): number | undefined {
  sticky.lastIndex = at
  return sticky.test(text) ? sticky.lastIndex : undefined
}

function fault(text: string, at: number, expected: string): JsonFault {
  let line = 1
  let lineStart = 0
  for (let end = text.indexOf('\n'); end !== -1 && end < at; end = text.indexOf('\n', lineStart)) {
    line++
    lineStart = end + 1
  }
  return { line, column: at - lineStart + 1, expected }
}
