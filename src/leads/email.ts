import type { Email } from '../../generated/server/types.gen.ts'

const lengthMax = 254
// Each part ends at a character that the part before cannot hold, so there is only one way to try it.
const pattern = /^[^\s@\p{Cc}\uFFFD]+@(?:[^\s@.\p{Cc}\uFFFD]+\.)+[^\s@.\p{Cc}\uFFFD]{2,}$/u

/** Whether it looks like an address that can be written to; blanks around it do not count. */
export function emailVerdict(address: string): Email['verdict'] {
  const trimmed = address.trim()
  return trimmed.length <= lengthMax && pattern.test(trimmed) ? 'plausible' : 'odd'
}
