/** JSON as a sender writes it: members in their order and as often as they are sent, numbers digit by digit. */
export type Sent = string | boolean | null | SentNumber | Sent[] | SentObject

export interface SentNumber {
  digits: string
}

export interface SentObject {
  members: [name: string, value: Sent][]
}

export const number = (digits: string | number): SentNumber => ({ digits: String(digits) })
export const object = (members: [string, Sent][]): SentObject => ({ members })

export const isNumber = (sent: unknown): sent is SentNumber =>
  typeof sent === 'object' && sent !== null && 'digits' in sent
export const isObject = (sent: unknown): sent is SentObject =>
  typeof sent === 'object' && sent !== null && 'members' in sent

/** The text of it. `isSpaced`: with blanks and line ends between its marks. */
export function written(sent: Sent, isSpaced = false): string {
  const [comma, colon, open, close] = isSpaced ? [' ,\n  ', ' : ', '\t', '\r\n'] : [',', ':', '', '']
  if (Array.isArray(sent)) return `[${open}${sent.map((each) => written(each, isSpaced)).join(comma)}${close}]`
  if (isNumber(sent)) return sent.digits
  if (!isObject(sent)) return JSON.stringify(sent)
  const members = sent.members.map(([name, value]) => `${JSON.stringify(name)}${colon}${written(value, isSpaced)}`)
  return `{${open}${members.join(comma)}${close}}`
}

/** All texts in it, names too, made into others. */
export function mapped(sent: Sent, change: (text: string) => string): Sent {
  if (typeof sent === 'string') return change(sent)
  if (Array.isArray(sent)) return sent.map((each) => mapped(each, change))
  if (!isObject(sent)) return sent
  return object(sent.members.map(([name, value]) => [name, mapped(value, change)]))
}

/** The same with one thing less: a member, an entry, half a text. */
export function* smaller(sent: Sent): Generator<Sent> {
  if (typeof sent === 'string') {
    const characters = [...sent]
    if (characters.length < 2) return
    const half = characters.length >> 1
    yield characters.slice(0, half).join('')
    yield characters.slice(half).join('')
    if (characters.length <= 12)
      for (let at = 0; at < characters.length; at++) yield characters.filter((_, each) => each !== at).join('')
  } else if (Array.isArray(sent)) {
    for (let at = 0; at < sent.length; at++) yield sent.filter((_, each) => each !== at)
    for (const [at, each] of sent.entries()) for (const less of smaller(each)) yield sent.with(at, less)
  } else if (isObject(sent)) {
    const { members } = sent
    for (let at = 0; at < members.length; at++) yield object(members.filter((_, each) => each !== at))
    for (const [at, [name, value]] of members.entries())
      for (const less of smaller(value)) yield object(members.with(at, [name, less]))
  }
}
