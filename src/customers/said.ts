import * as limits from '../../generated/server/limits.gen.ts'
import type {
  Customer,
  CustomerInput,
  CustomerUpdate,
  Email,
  Organization,
  OrganizationInput,
  Phone,
  Warning,
} from '../../generated/server/types.gen.ts'
import type { JsonFaults } from '../json.ts'
import { countryOf, readAddress, readCountry, readEmail, readName, readPhone } from '../leads/input.ts'
import type { LeadContext } from '../leads/lead.ts'
import { identifier, line, listOf, objectOf, wordOf } from '../leads/members.ts'
import { newReading } from '../leads/reading.ts'
import { warn, warningsOfCustomer } from '../leads/warnings.ts'
import { fields, type Opinion, type Said, type Shown } from './record.ts'

/** What was said, read by the rules for leads: what cannot be understood is kept in `extra`, with a warning. */
export interface Read {
  said: Said
  extra: Record<string, unknown> | undefined
  warnings: Warning[]
}

const kinds: ReadonlyMap<string, Customer['kind']> = new Map([
  ['person', 'person'],
  ['individual', 'person'],
  ['private', 'person'],
  ['organization', 'organization'],
  ['organisation', 'organization'],
  ['company', 'organization'],
  ['business', 'organization'],
])

const ofOrganization = limits.Organization

const readMembers = objectOf<CustomerInput, Said>({
  kind: wordOf(kinds),
  name: readName,
  organization: objectOf<OrganizationInput, Organization>({
    name: line(ofOrganization.name),
    registrationNumber: identifier(ofOrganization.registrationNumber),
    countryCode: readCountry,
  }),
  emails: listOf(readEmail, limits.Customer.emails),
  phones: listOf(readPhone, limits.Customer.phones),
  address: readAddress,
})

/** What a system, or whoever adds a customer, has sent; the schema has checked its structure. */
export function saidIn(input: CustomerInput, context: LeadContext, faults?: JsonFaults): Read {
  const reading = newReading(context, faults?.longNumbers)
  if (faults?.isMisencoded) warn('encoding-repaired', '', reading)
  for (const pointer of faults?.repeated ?? []) warn('member-repeated', pointer, reading)
  const customerCountry = countryOf(input)
  const read = readMembers(input, '', customerCountry === undefined ? reading : { ...reading, customerCountry })
  const { members } = reading.extra
  return {
    said: telling(read),
    extra: members.size > 0 ? Object.fromEntries(members) : undefined,
    warnings: warningsOfCustomer(reading.warnings),
  }
}

/** Without what says nothing: an empty list, a blank address, an object without members. */
function telling({ emails = [], phones = [], ...rest }: Said): Said {
  const said: Said = { ...rest }
  const writable = emails.filter(({ address }: Email) => address.trim() !== '')
  const callable = phones.filter(({ number }: Phone) => number.trim() !== '')
  if (writable.length > 0) said.emails = writable
  if (callable.length > 0) said.phones = callable
  for (const field of ['name', 'organization', 'address'] as const)
    if (said[field] && !isTelling(said[field])) delete said[field]
  return said
}

function isTelling(value: object): boolean {
  return Object.values(value).some(isSaid)
}

const isSaid = (part: unknown): boolean =>
  Array.isArray(part) ? part.some(isSaid) : typeof part === 'string' && part.trim() !== ''

/** Whether it says how to reach the customer. */
export const isReachable = ({ emails = [], phones = [], address }: Said): boolean =>
  emails.length > 0 || phones.length > 0 || address !== undefined

/**
 * What people say by a merge patch (RFC 7396) on a customer as it is shown: of each member in the patch the whole of
 * what is to be shown. Only null and an empty list show it empty: what cannot be understood leaves what is shown as it
 * is, with a warning.
 */
export function edited(
  shown: Shown,
  patch: CustomerUpdate,
  context: LeadContext,
): { opinion: Opinion } & Pick<Read, 'extra' | 'warnings'> {
  const target: Record<string, unknown> = {}
  for (const field of fields) {
    const wanted = patch[field]
    if (wanted !== undefined) target[field] = mergePatch(shown[field], wanted)
  }
  // A country that is said beside the numbers, or shown already, tells how they are read.
  const address = patch.address === undefined ? shown.address : target['address']
  // The cast: the schema has checked the patch, and what it is laid over was read before.
  const { said, extra, warnings } = saidIn({ ...target, ...(address ? { address } : {}) } as CustomerInput, context)
  const opinion: Opinion = {}
  const unread = (at: string) => {
    if (!warnings.some(({ pointer }) => `${pointer}/`.startsWith(`${at}/`))) warn('incomplete', at, { warnings })
  }
  for (const field of fields) {
    if (patch[field] === undefined) continue
    const value: unknown = said[field]
    const kept = unreadParts(value, shown[field], patch[field])
    for (const [name] of kept) unread(`/${field}/${name}`)
    if (kept.length > 0)
      Object.assign(opinion, { [field]: { ...(isObject(value) && value), ...Object.fromEntries(kept) } })
    else if (value !== undefined) Object.assign(opinion, { [field]: value })
    else if (isNothing(target[field])) opinion[field] = null
    else unread(`/${field}`)
  }
  return { opinion, extra, warnings }
}

/** Of an object the parts that are shown, where others were sent that say nothing or could not be understood. */
function unreadParts(said: unknown, shown: unknown, patch: unknown): [string, unknown][] {
  if (!isObject(patch) || !isObject(shown)) return []
  const read = isObject(said) ? said : {}
  return Object.entries(shown).filter(
    ([name]) => !isSaid(read[name]) && patch[name] !== undefined && !isNothing(patch[name]),
  )
}

/** Whether nothing is left of it, which is what was asked for. */
const isNothing = (wanted: unknown): boolean =>
  wanted === null ||
  (Array.isArray(wanted) && wanted.length === 0) ||
  (isObject(wanted) && Object.keys(wanted).length === 0)

/** RFC 7396, section 2, by which lists are replaced as a whole. */
function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch
  const merged: Record<string, unknown> = isObject(target) ? { ...target } : {}
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete merged[name]
    else merged[name] = mergePatch(merged[name], value)
  }
  return merged
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
