import * as limits from '../../generated/server/limits.gen.ts'
import type { Warning } from '../../generated/server/types.gen.ts'
import { maskNationalIds } from './national-id.ts'
import { roomIn, startOfLetter, wellFormed } from './text.ts'

const warningsMax = limits.Lead.warnings.maxItems
const pointerLengthMax = limits.Warning.pointer.maxLength

const messages = {
  'phone-not-understood': 'This is not a phone number that we understand. It was kept as sent.',
  'phone-doubtful': 'This phone number has a possible length, but is not in use in its country as far as we know.',
  'phone-of-other-country':
    "This is a phone number of the dealer's country, and none of the customer's. It may be somebody else's.",
  'phone-with-more':
    'There is more in this than one phone number. The first number was read; all of it was kept as sent.',
  'email-odd': 'This does not look like an e-mail address. It was kept as sent.',
  'word-unknown': 'The contract does not have this word here. It is kept in `extra`, if it fits there.',
  'member-unknown': 'The contract does not name this member. It is kept in `extra`.',
  'extra-too-large':
    'This did not fit into `extra`, and is in the original only. All of `extra` may have 8192 bytes as JSON and 64 levels.',
  'date-without-offset': 'This time has no offset from UTC. It was read in the local time zone.',
  'date-not-understood':
    'This is not a time in RFC 3339 between the years 1900 and 2200. It is kept in `extra`, if it fits there.',
  'number-odd':
    'This is not a number that we understand, or not one that can be. It is kept in `extra`, if it fits there.',
  'number-long':
    'This number has more digits than a number in JavaScript can have. It is kept in `extra` as a text, if it fits there.',
  'member-repeated': 'This member was sent more than once. The last one was read, the others are in the original only.',
  'encoding-repaired':
    'This was not in the encoding that it should be in, which is UTF-8 unless something else is said. It was read in the one that it seems to be in; the original has it as it came.',
  'text-repaired': 'This text held characters that cannot be stored. They became U+FFFD.',
  'invisible-removed':
    'This held characters that show nothing, or blanks at its ends. It is stored without them; `extra` has it as sent.',
  'markup-removed': 'This held HTML. It is stored as it reads; the original has it as sent.',
  converted: 'This was written in another way than the contract says, and was understood. `extra` has it as sent.',
  'text-cut': 'This is longer than a lead has room for, and was cut. The original has all of it.',
  'too-many': 'A lead does not have room for so many of these. From this one on they are in the original only.',
  incomplete:
    'This does not say what it is about, and was left out. What else it says is kept in `extra`, if it fits there.',
  'national-id-masked': 'This text held what looks like a national identity number. Its last characters are masked.',
  'external-reference-blank':
    'There is nothing to see in this, so it tells no leads apart. The lead has no external reference; what was sent is kept in `extra`, if it fits there.',
  'external-reference-damaged':
    'This held characters that cannot be stored, so another one may look the same now. The lead has no external reference; the rest is kept in `extra`, if it fits there.',
  'external-reference-long':
    'This is longer than a reference can be, and cut it may look like another one. The lead has no external reference; what was sent is kept in `extra`, if it fits there.',
  'external-reference-unset':
    'This is what programs and templates write for no value, or an example of documentation, so it tells no leads apart. The lead has no external reference; what was sent is kept in `extra`, if it fits there.',
  'vehicle-not-identifiable': 'This vehicle has no VIN, registration, stock number or listing, nor make and model.',
  'idempotency-key-unusable':
    'The idempotency key is empty, damaged, or what everybody sends who fills nothing in. It counts as not sent.',
  'original-not-kept':
    'What was sent is wrapped in so much that national identity numbers in it cannot be masked for certain. The lead is all that was kept of it.',
  // Of ADF documents.
  'adf-wrapped':
    'The document was still in what carried it: a mail, a form, HTML, quoted-printable or base64. It was taken out; the original has all of it.',
  'adf-form': 'The document is not well-formed XML. It was read as it must have been meant.',
  'adf-name-unknown': 'ADF 1.0 has no element or attribute of this name here. It is kept in `extra`.',
  'adf-text-unexpected': 'ADF 1.0 has only elements here, and this is text. It is kept in `extra`.',
  'adf-word-unknown': 'ADF 1.0 does not have this word here. It is kept in `extra`.',
  'adf-repeated': 'A lead has room for one of these. Another one was taken, this one is kept in `extra`.',
  'adf-id-unusable':
    'This id has no source, is too long, or is what everybody writes: it does not tell whether the lead came before. It is kept in `extra`.',
  'adf-resend-unknown': 'This was sent again, but has no id that tells what it is the same as.',
  'too-many-warnings': 'There were more warnings. They were left out.',
} as const satisfies Record<string, string>

/** Of a customer there is no original: what is not in it and not in `extra` was not kept. */
const messagesOfCustomer: Partial<Record<string, string>> = {
  'extra-too-large':
    'This did not fit into `extra`, and was left out. All of `extra` may have 8192 bytes as JSON and 64 levels.',
  'member-repeated': 'This member was sent more than once. The last one was read, the others were left out.',
  'encoding-repaired':
    'This was not in the encoding that it should be in, which is UTF-8. It was read in the one that it seems to be in.',
  'markup-removed': 'This held HTML. It is stored as it reads.',
  'text-cut': 'This is longer than a customer has room for, and was cut.',
  'too-many': 'A customer does not have room for so many of these. From this one on they were left out.',
} satisfies Partial<Record<keyof typeof messages, string>>

/** The same as it is said of a customer. */
export const warningsOfCustomer = (warnings: readonly Warning[]): Warning[] =>
  warnings.map((warning) => ({ ...warning, message: messagesOfCustomer[warning.code] ?? warning.message }))

/** What tells of a lead that has all that was sent, in its place. A masked number is not kept anywhere, on purpose. */
const harmless: ReadonlySet<string> = new Set<keyof typeof messages>([
  'phone-not-understood',
  'phone-doubtful',
  'phone-of-other-country',
  'phone-with-more',
  'email-odd',
  'vehicle-not-identifiable',
  'national-id-masked',
  'idempotency-key-unusable',
])

/** Whether something was repaired, cut, converted or set aside, so that only the original has all of it. */
export const tellsOfLoss = (warnings: readonly Warning[]): boolean => warnings.some(({ code }) => !harmless.has(code))

const tooMany: Warning = { code: 'too-many-warnings', pointer: '', message: messages['too-many-warnings'] }

/**
 * Adds a warning. One about a place too deep to be named is about the next one above it; a name in it may hold what
 * cannot be stored, or a national identity number of `country`.
 */
export function warn(
  code: keyof typeof messages,
  at: string,
  { warnings, country = '' }: { warnings: Warning[]; country?: string },
): void {
  const named = at.length <= pointerLengthMax ? at : at.slice(0, at.lastIndexOf('/', pointerLengthMax))
  const pointer = maskNationalIds(wellFormed(named), country)
  if (warnings.length < warningsMax) warnings.push({ code, pointer, message: messages[code] })
  else warnings[warningsMax - 1] = tooMany
}

/** The warnings of a document and then those of a lead in it, as many as a lead may have. */
export function joinedWarnings(ofDocument: readonly Warning[], ofLead: readonly Warning[]): Warning[] {
  const all = [...ofDocument, ...ofLead]
  return all.length > warningsMax ? [...all.slice(0, warningsMax - 1), tooMany] : all
}

/** As much of a text as there is room for, with a warning when that is not all. */
export function cut(text: string, lengthMax: number, at: string, notes: { warnings: Warning[] }): string {
  const room = roomIn(text, lengthMax)
  if (room === text.length) return text
  warn('text-cut', at, notes)
  return text.slice(0, startOfLetter(text, room))
}
