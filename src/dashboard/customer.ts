import type {
  Customer,
  CustomerField,
  CustomerInput,
  CustomerLeadSource,
  CustomerOrigin,
  CustomerSearch,
  CustomerSource,
  CustomerSources,
  CustomerUpdate,
  PostalAddress,
  Suggestion,
} from './client.ts'
import { firstSaid, nameOf, personName } from './lead.ts'
import { en } from './words/en.ts'

// As the words have them, which the compiler compares with the contract.
export const fields = Object.keys(en.customerField) as (keyof typeof en.customerField)[]
export type Field = (typeof fields)[number]
export const kinds = Object.keys(en.customerKind) as (keyof typeof en.customerKind)[]

/** What is said of a customer: all that is shown of it, or what one source says. */
export type Said = Partial<Pick<Customer, Extract<CustomerField, keyof Customer>>>

/** The best name that there is for a customer: that of the company or person, or else a way to reach them. */
export function customerName(said: Said): string {
  const { kind, name, organization, emails = [], phones = [], address } = said
  const names = [personName(name), organization?.name]
  return firstSaid([
    ...(kind === 'organization' ? names.toReversed() : names),
    nameOf({ customer: { emails, phones, ...(address && { address }) } }),
  ])
}

export function addressLines({ lines = [], postalCode, city, region, countryCode }: PostalAddress = {}): string[] {
  const all = [...lines, [postalCode, city].filter(Boolean).join(' '), region, countryCode]
  return all.filter((line): line is string => line !== undefined && line.trim() !== '')
}

/** A member as it is read, an entry or line each; the kind is a word of the contract. */
export function linesOf(field: Field, { kind, name, organization, emails = [], phones = [], address }: Said): string[] {
  const company = [organization?.name, organization?.registrationNumber]
  const all: Record<Field, (string | undefined)[]> = {
    kind: [kind],
    name: [personName(name)],
    organization: company,
    emails: emails.map((email) => email.address),
    phones: phones.map(({ number }) => number),
    address: addressLines(address),
  }
  return all[field].filter((line): line is string => line !== undefined && line !== '')
}

const compared = (line: string) => line.toLocaleLowerCase().replaceAll(/\s+/g, ' ').trim()

/** In what form the entries of a list are compared; of other members how they read, whatever their case. */
function keysOf(field: Field, said: Said): string[] {
  if (field === 'phones') return (said.phones ?? []).map(({ e164, number }) => e164 ?? number.replaceAll(/\D/g, ''))
  return linesOf(field, said).map(compared)
}

const isList = (field: Field) => field === 'emails' || field === 'phones'

/** Who says something else than what is shown: a system, or a lead. */
export interface Otherwise {
  origin: Omit<CustomerOrigin, 'field'>
  lines: string[]
}

/**
 * What systems, leads and other edits say otherwise than what is shown, each text once: of a list, what of it is not
 * shown.
 */
export function saidOtherwise(field: Field, shown: Said, { sources, leads }: CustomerSources): Otherwise[] {
  const told = new Set(isList(field) ? keysOf(field, shown) : [keysOf(field, shown).join('\n')])
  return [...sources.map(ofSource), ...leads.map(ofLead)].flatMap(({ origin, said }) => {
    const lines = linesOf(field, said)
    const keys = isList(field) ? keysOf(field, said) : [keysOf(field, said).join('\n')]
    const others = isList(field) ? lines.filter((_, at) => !told.has(keys[at] ?? '')) : lines
    if (others.length === 0 || keys.every((key) => told.has(key))) return []
    for (const key of keys) told.add(key)
    return [{ origin, lines: others }]
  })
}

const ofSource = (source: CustomerSource) => {
  const { type, reference, updatedAt: since } = source
  return { origin: { type, ...(reference && { reference }), since }, said: source as Said }
}
const ofLead = ({ leadId, receivedAt: since, customer }: CustomerLeadSource) => ({
  origin: { type: 'lead' as const, leadId, since },
  said: customer as Said,
})

/** The ids under which people have said something of a member, be it that it is to be shown empty. */
export const editedUnder = (field: Field, { sources }: CustomerSources): string[] =>
  sources
    .filter((source) => source.type === 'people' && (field in source || source.hidden.includes(field)))
    .map(({ customerId }) => customerId)

/** What was said under one id of a customer, the first word of each member; a part of another is called by it. */
export function saidUnder(customerId: string, { sources, leads }: CustomerSources): Said {
  const said = [
    ...sources.filter((source) => source.customerId === customerId),
    ...leads.filter((lead) => lead.customerId === customerId).map(({ customer }) => customer),
  ].toReversed()
  // The cast: both have the members of a customer, or none.
  return Object.assign({}, ...said) as Said
}

/** The members in which two read differently. */
export const differing = (one: Said, other: Said): Field[] =>
  fields.filter((field) => linesOf(field, one).join('\n') !== linesOf(field, other).join('\n'))

/** What a form shows of a customer, as texts. */
export interface CustomerForm {
  kind: (typeof kinds)[number]
  given: string
  family: string
  full: string
  company: string
  registrationNumber: string
  emails: readonly string[]
  phones: readonly string[]
  lines: string
  postalCode: string
  city: string
  country: string
}

/** What was typed; what was not touched is left out. */
export type CustomerDraft = Partial<CustomerForm>

const membersOf: Record<Field, readonly (keyof CustomerForm)[]> = {
  kind: ['kind'],
  name: ['given', 'family', 'full'],
  organization: ['company', 'registrationNumber'],
  emails: ['emails'],
  phones: ['phones'],
  address: ['lines', 'postalCode', 'city', 'country'],
}

export const isTouched = (field: Field, draft: CustomerDraft): boolean =>
  membersOf[field].some((member) => draft[member] !== undefined)

export function formOf({ kind, name, organization, emails = [], phones = [], address }: Said): CustomerForm {
  return {
    kind: kind === 'organization' ? kind : 'person',
    given: name?.given ?? '',
    family: name?.family ?? '',
    full: name?.full ?? '',
    company: organization?.name ?? '',
    registrationNumber: organization?.registrationNumber ?? '',
    emails: emails.map((email) => email.address),
    phones: phones.map(({ number }) => number),
    lines: (address?.lines ?? []).join('\n'),
    postalCode: address?.postalCode ?? '',
    city: address?.city ?? '',
    country: address?.countryCode ?? '',
  }
}

/** What is to be sent for what was typed: a merge patch (RFC 7396) with the members that read otherwise now. */
export function patchOf(shown: Said, draft: CustomerDraft): CustomerUpdate {
  const before = formOf(shown)
  const form = { ...before, ...draft }
  const patch: CustomerUpdate = {}
  const isChanged = (field: Field) =>
    isTouched(field, draft) && membersOf[field].some((member) => String(form[member]) !== String(before[member]))
  if (isChanged('kind')) patch.kind = form.kind
  if (isChanged('name')) {
    // The name in one piece, as a lead brought it, would go before the parts that were typed.
    const isInParts = form.full === before.full && (form.given.trim() !== '' || form.family.trim() !== '')
    const full = isInParts ? '' : form.full
    patch.name = partsOf({ given: form.given, family: form.family, full })
  }
  if (isChanged('organization'))
    patch.organization = partsOf({ name: form.company, registrationNumber: form.registrationNumber })
  if (isChanged('emails')) patch.emails = entriesOf(form.emails, (address) => ({ address }))
  if (isChanged('phones'))
    patch.phones = entriesOf(form.phones, (number) => {
      const known = shown.phones?.find((phone) => phone.number === number)
      return { number, ...(known && { type: known.type }) }
    })
  if (isChanged('address')) {
    const lines = form.lines
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '')
    const { postalCode, city, country } = form
    const rest = partsOf({ postalCode, city, countryCode: country })
    patch.address = rest === null && lines.length === 0 ? null : { ...rest, lines: lines.length > 0 ? lines : null }
  }
  return patch
}

/** What makes a member read again as it did before. */
export function patchAgain(field: Field, before: Said, now: Said): CustomerUpdate {
  const form = formOf(before)
  return patchOf(now, Object.fromEntries(membersOf[field].map((member) => [member, form[member]])))
}

/** Null when nothing is left. */
function partsOf<Name extends string>(parts: Record<Name, string>): Record<Name, string | null> | null {
  const entries = Object.entries<string>(parts).map(([name, text]) => [name, text.trim() || null] as const)
  // The cast: these are the same names.
  return entries.every(([, text]) => text === null)
    ? null
    : (Object.fromEntries(entries) as Record<Name, string | null>)
}

function entriesOf<Entry>(texts: readonly string[], entry: (text: string) => Entry): Entry[] | null {
  const said = texts.map((text) => text.trim()).filter((text) => text !== '')
  return said.length > 0 ? said.map(entry) : null
}

/** What is sent of somebody new: what is left empty is left out. */
export const inputOf = (draft: CustomerDraft): CustomerInput =>
  // The cast: what is null counts as left out there.
  ({ kind: formOf({}).kind, ...patchOf({}, draft) }) as CustomerInput

/** How likely two are the same; what it rests on is in `reasons`. */
export const strengthOf = ({ score }: Pick<Suggestion, 'score'>): 'high' | 'middle' | 'low' =>
  score >= 75 ? 'high' : score >= 50 ? 'middle' : 'low'

const against: readonly string[] = [
  'household',
  'other-name',
  'other-postal-code',
  'other-email',
  'other-phone',
  'organization',
  'stop-value',
]
export const speaksAgainst = (reason: string): boolean => against.includes(reason)

/** What is to be asked for what somebody typed into one field, or undefined while it is too short to look for. */
export function searchFor(typed: string): CustomerSearch | undefined {
  const text = typed.trim()
  return /\S\S/.test(text) ? { text } : undefined
}
