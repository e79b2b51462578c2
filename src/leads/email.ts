import { domainToASCII } from 'node:url'
import type { Email } from '../../generated/server/types.gen.ts'
import { withoutInvisible } from './text.ts'

const lengthMax = 254
const localLengthMax = 64

// What RFC 5322 calls an atom, and any letter (RFC 6532); no quoted texts, which nobody has. Each part ends at a
// character that the part before cannot hold, so there is only one way to try it.
const local = /^[\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~-]+(?:\.[\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~-]+)*$/u
const label = /^(?!-)[\p{L}\p{M}\p{N}-]{1,63}(?<!-)$/u
const asciiHost = /^(?:(?!-)[a-z\d-]{1,63}(?<!-)\.)+(?!-)(?:[a-z]{2,63}|xn--[a-z\d-]{0,59}(?<!-))$/i
// Nobody reads there (RFC 6761), or nobody is called so.
const unreachable =
  /@(?:.*\.)?(?:invalid|localhost|local|localdomain)$|^(?:no|do[-_.]?not|ikke)[-_.]?(?:reply|svar|besvares)\b.*@|^(?:null|undefined|none|nan)@|@(?:null|undefined|none)\./i

/** Whether it looks like an address that can be written to; blanks around it do not count. */
export function emailVerdict(address: string): Email['verdict'] {
  const trimmed = address.trim()
  if (trimmed.length > lengthMax) return 'odd'
  const at = trimmed.lastIndexOf('@')
  const [name, host] = [trimmed.slice(0, at), trimmed.slice(at + 1)]
  const isWritable = at > 0 && name.length <= localLengthMax && local.test(name) && isHost(host)
  return isWritable && !unreachable.test(trimmed) ? 'plausible' : 'odd'
}

function isHost(host: string): boolean {
  if (/^[ -~]*$/.test(host)) return asciiHost.test(host)
  const labels = host.split('.')
  const last = labels.at(-1) ?? ''
  if (labels.length < 2 || last.length < 2 || !labels.every((each) => label.test(each))) return false
  return !labels.some(isMixed) && domainToASCII(host) !== ''
}

/** A name in another script is one; one that mixes scripts looks like what it is not. */
const isMixed = (name: string) => /\p{Script=Latin}/u.test(name) && /[\p{Script=Cyrillic}\p{Script=Greek}]/u.test(name)

/**
 * An address without invisible characters, and without blanks other than spaces at its ends, which come with copying
 * and would keep two that are the same from being compared.
 */
export function tidiedAddress(address: string): string {
  return /[^\S ]|\p{Default_Ignorable_Code_Point}/u.test(address) ? withoutInvisible(address).trim() : address
}

/** Two addresses are one if they are the same in this form. Only a handful of old mail servers tell capitals apart. */
export const comparedAddress = (address: string): string => tidiedAddress(address).trim().toLowerCase()
