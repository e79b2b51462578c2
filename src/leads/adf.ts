import * as limits from '../../generated/server/limits.gen.ts'
import type { LeadCustomerInput, LeadInput, Warning } from '../../generated/server/types.gen.ts'
import { readAddress, readName, readPhone } from './adf-customer.ts'
import {
  joined,
  keepRest,
  type Notes,
  present,
  take,
  takeComments,
  takeSaid,
  textOf,
  upTo,
  wordOf,
} from './adf-element.ts'
import { readReference } from './adf-id.ts'
import { type Interest, isKnown } from './adf-names.ts'
import { readTime } from './adf-time.ts'
import { readVehicle } from './adf-vehicle.ts'
import { readXml, type XmlElement } from './adf-xml.ts'
import type { NewLead } from './lead.ts'
import { isPlaceholder } from './placeholder.ts'
import { cut } from './text.ts'
import { unreadable } from './unreadable.ts'
import { joinedWarnings, warn } from './warnings.ts'

/** Each lead keeps the whole document. */
const prospectsMax = 32

type AdfInput = LeadInput & { customer: NonNullable<LeadCustomerInput> }

/** A prospect of an ADF document. */
export interface AdfLead {
  /** Fits the schema of a lead as it is sent. `externalReference` comes from `prospect/id`. */
  input: AdfInput
  /**
   * What was odd in the document. A pointer is the path of an element or attribute there, for example
   * `/adf/prospect/vehicle/1/year`.
   */
  warnings: Warning[]
  /**
   * The sender says that this lead was sent before (`prospect@status`). The one with the same reference is the same
   * lead.
   */
  resend: boolean
}

/**
 * The leads of an ADF 1.0 document (Auto-lead Data Format, `adf_spec.pdf` of 2000-05-03): one for each `prospect`, in
 * order. It is read as tolerantly as real documents need (`leads-and-adf.md` 2.3). Nothing in it is a reason to refuse
 * it once a prospect was found: what has no place in a lead is kept in `extra`, and what was not understood or is too
 * long costs a warning, which never repeats a value.
 *
 * @param charset what Content-Type says, if anything.
 * @throws {Problem} `body-too-large`; `bad-request` when there is no prospect in it, or the document is a danger.
 */
export function readAdf(bytes: Buffer, charset?: string): AdfLead[] {
  const { roots, faults } = readXml(bytes, charset)
  const envelope: XmlElement = { name: '', at: '', attributes: new Map(), children: roots, text: '' }
  const prospects = prospectsIn(envelope)
  if (prospects.length === 0) throw unreadable('is not ADF: it has no element prospect')
  if (prospects.length > prospectsMax) throw unreadable(`has more than ${prospectsMax} prospects`)

  return prospects.map((prospect, index) => {
    const notes: Notes = { warnings: [], extra: new Map() }
    for (const fault of faults) warn(fault, '', notes)
    const lead = readProspect(prospect, notes)
    // What stands beside the prospects belongs to none of them, but is kept.
    if (index === 0) for (const root of envelope.children) keepRest(root, notes)
    const extra = notes.extra.size > 0 ? { extra: Object.fromEntries(notes.extra) } : undefined
    return { input: { ...lead.input, ...extra }, warnings: notes.warnings, resend: lead.resend }
  })
}

/** The lead with the warnings of the document it came in before its own. */
export function withWarningsOf(adf: AdfLead, lead: NewLead): NewLead {
  return { ...lead, warnings: joinedWarnings(adf.warnings, lead.warnings) }
}

/** Takes the prospects out of wherever they are; in one whose end is missing there is the next. */
function prospectsIn(element: XmlElement): XmlElement[] {
  const { children } = element
  element.children = children.filter(({ name }) => name !== 'prospect')
  return children.flatMap((child) => (child.name === 'prospect' ? [child, ...prospectsIn(child)] : prospectsIn(child)))
}

function readProspect(prospect: XmlElement, notes: Notes): { input: AdfInput; resend: boolean } {
  const customers = take(prospect, 'customer')
  const contacts = [...customers, prospect].flatMap((parent) => take(parent, 'contact'))
  // A contact is where ADF has them; others write the same a level higher.
  const people = [...contacts, ...customers, prospect]
  const vehicles = take(prospect, 'vehicle').map((vehicle) => readVehicle(vehicle, notes))
  const wanted = vehicles.flatMap(({ wanted: each }) => each ?? [])
  const tradeIns = vehicles.flatMap(({ tradeIn }) => tradeIn ?? [])
  const resend = wordOf(prospect, 'status') === 'resend'
  const externalReference = readReference(prospect, notes)
  if (resend && !externalReference) warn('adf-resend-unknown', `${prospect.at}/@status`, notes)
  const said = [
    ...[...customers, ...contacts, prospect].flatMap((each) => takeComments(each, notes)),
    ...vehicles.flatMap(({ loose }) => loose),
  ]

  const input: AdfInput = present({
    type: typeOf(vehicles.map(({ interest }) => interest)),
    message: joined(said, limits.Lead.message.maxLength, notes),
    customer: present({
      name: readName(people, notes),
      emails: upTo(
        limits.LeadCustomer.emails.maxItems,
        people.flatMap((each) => takeSaid(each, 'email', notes)),
        notes,
      ).map((each) => ({ address: textOf(each, limits.Email.address.maxLength, notes) })),
      phones: upTo(
        limits.LeadCustomer.phones.maxItems,
        people.flatMap((each) => takeSaid(each, 'phone', notes)),
        notes,
      ).map((each) => readPhone(each, notes)),
      address: readAddress(
        people.flatMap((each) => take(each, 'address')),
        notes,
      ),
    }),
    vehiclesOfInterest: upTo(limits.Lead.vehiclesOfInterest.maxItems, wanted, notes).map(({ read }) => read),
    tradeIns: upTo(limits.Lead.tradeIns.maxItems, tradeIns, notes).map(({ read }) => read),
    attribution: readAttribution(prospect, notes),
    externalReference,
    submittedAt: readTime(prospect, notes),
  })
  if (isKnown('prospect@status', wordOf(prospect, 'status'))) prospect.attributes.delete('status')
  for (const each of people) keepRest(each, notes)
  return { input, resend }
}

/**
 * What the lead is about, as far as the vehicles tell; `buy` does not tell, for it is also what ADF means when nothing
 * is said.
 */
function typeOf(interests: readonly (Interest | undefined)[]): LeadInput['type'] {
  if (interests.includes('test_drive')) return 'test_drive'
  if (interests.includes('lease')) return 'lease'
  if (interests.length === 0 || !interests.every((interest) => interest === 'trade_in' || interest === 'sell'))
    return undefined
  return interests.includes('sell') ? 'sell_to_dealer' : 'trade_in'
}

/** The provider is who brought the customer. All that is said of it is kept beside. */
function readAttribution(prospect: XmlElement, notes: Notes): LeadInput['attribution'] {
  const names = prospect.children
    .filter(({ name }) => name === 'provider')
    .flatMap(({ children }) => children.filter(({ name }) => name === 'name'))
  const name = names.find(({ text }) => !isPlaceholder(text))
  return name && { source: cut(name.text.trim(), limits.Attribution.source.maxLength, name.at, notes) }
}
