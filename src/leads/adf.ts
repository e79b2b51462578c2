import type { LeadInput, Warning } from '../../generated/server/types.gen.ts'
import { byPrimary, readAddress, readName, readPhone, takePreferred } from './adf-customer.ts'
import { joined, keepRest, type Notes, present, take, takeComments, takeText, wordOf } from './adf-element.ts'
import { readReference } from './adf-id.ts'
import { type Interest, isKnown } from './adf-names.ts'
import { type Prospect, takeProspects } from './adf-prospects.ts'
import { readAttribution } from './adf-provider.ts'
import { readTime } from './adf-time.ts'
import { readVehicle } from './adf-vehicle.ts'
import { readXml, type XmlElement } from './adf-xml.ts'
import type { NewLead } from './lead.ts'
import { unreadable } from './unreadable.ts'
import { joinedWarnings, warn } from './warnings.ts'

/** Each lead keeps the whole document. */
const prospectsMax = 32

/** A prospect of an ADF document. */
export interface AdfLead {
  /** Fits the schema of a lead as it is sent. `externalReference` comes from `prospect/id`. */
  input: LeadInput
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
 * it once a prospect was found: what has no place in a lead is kept in `extra`, and what was not understood costs a
 * warning, which never repeats a value. Whatever is longer than a lead has room for is cut where the lead is read.
 *
 * @param country of the dealer.
 * @param charset what Content-Type says, if anything.
 * @throws {Problem} `body-too-large`; `bad-request` when there is no prospect in it, or the document is a danger.
 */
export function readAdf(bytes: Buffer, country: string, charset?: string): AdfLead[] {
  const { roots, faults } = readXml(bytes, charset)
  const envelope: XmlElement = { name: '', at: '', attributes: new Map(), children: roots, text: '' }
  const prospects = takeProspects(envelope)
  if (prospects.length === 0) throw unreadable('is not ADF: it has no element prospect')
  if (prospects.length > prospectsMax) throw unreadable(`has more than ${prospectsMax} prospects`)

  return prospects.map((prospect, index) => {
    const notes: Notes = { country, warnings: [], extra: new Map() }
    for (const fault of faults) warn(fault, '', notes)
    const lead = readProspect(prospect, notes)
    // What stands beside several prospects belongs to none of them, but is kept.
    if (index === 0) for (const root of envelope.children) keepRest(root, notes)
    const extra = notes.extra.size > 0 ? { extra: Object.fromEntries(notes.extra) } : undefined
    return { input: { ...lead.input, ...extra }, warnings: notes.warnings, resend: lead.resend }
  })
}

/** The lead with the warnings of the document it came in before its own. */
export function withWarningsOf(adf: AdfLead, lead: NewLead): NewLead {
  return { ...lead, warnings: joinedWarnings(adf.warnings, lead.warnings) }
}

function readProspect({ element: prospect, providers }: Prospect, notes: Notes): { input: LeadInput; resend: boolean } {
  const customers = take(prospect, 'customer')
  const contacts = byPrimary([...customers, prospect].flatMap((parent) => take(parent, 'contact')))
  // A contact is where ADF has them; others write the same a level higher.
  const people = [...contacts, ...customers, prospect]
  const vehicles = [prospect, ...customers]
    .flatMap((parent) => take(parent, 'vehicle'))
    .map((vehicle) => readVehicle(vehicle, notes))
  const vendors = prospect.children.filter(({ name }) => name === 'vendor')
  const resend = wordOf(prospect, 'status') === 'resend'
  const externalReference = readReference(prospect, notes)
  if (resend && !externalReference) warn('adf-resend-unknown', `${prospect.at}/@status`, notes)
  const comments = [...customers, ...contacts, prospect].flatMap((each) => takeComments(each, notes))

  const input: LeadInput = present({
    type: typeOf(vehicles.map(({ interest }) => interest)),
    message: joined([...comments, ...vehicles.flatMap(({ loose }) => loose)]),
    customer: present({
      name: readName(people, notes),
      emails: takePreferred(people, 'email', notes).map((email) => ({ address: takeText(email, notes) })),
      phones: takePreferred(people, 'phone', notes).map((phone) => readPhone(phone, notes)),
      address: readAddress(
        people.flatMap((each) => take(each, 'address')),
        notes,
      ),
    }),
    vehiclesOfInterest: vehicles.flatMap(({ wanted }) => wanted ?? []),
    tradeIns: vehicles.flatMap(({ tradeIn }) => tradeIn ?? []),
    attribution: readAttribution([
      ...providersIn(prospect),
      ...[...customers, ...vendors].flatMap(providersIn),
      ...providers,
    ]),
    externalReference,
    submittedAt: readTime(prospect, notes),
  })
  if (isKnown('prospect@status', wordOf(prospect, 'status'))) prospect.attributes.delete('status')
  for (const each of people) keepRest(each, notes)
  return { input, resend }
}

const providersIn = ({ children }: XmlElement): XmlElement[] => children.filter(({ name }) => name === 'provider')

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
