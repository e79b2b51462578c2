import { isSupportedCountry, type PhoneNumber, parsePhoneNumberFromString } from 'libphonenumber-js/max'
import { IANAZone } from 'luxon'
import type {
  Appointment,
  Attribution,
  ClickIds,
  Consent,
  Email,
  EmailInput,
  ExternalReference,
  Lead,
  LeadCustomer,
  LeadCustomerInput,
  LeadInput,
  LeadStatus,
  LeadStatusReason,
  LeadType,
  Money,
  Odometer,
  OutstandingFinance,
  PersonName,
  Phone,
  PhoneInput,
  PostalAddress,
  Registration,
  TimeSlot,
  TradeIn,
  VehicleOfInterest,
  Warning,
} from '../../generated/server/types.gen.ts'
import type { EventRow } from '../events/event.ts'
import { outer } from '../ids.ts'
import { Problem } from '../problem.ts'
import {
  asSent,
  freeText,
  isStorable,
  keep,
  keepExtra,
  listOf,
  newNotes,
  objectOf,
  type Reading,
  text,
  time,
  utcTime,
  vocabulary,
  warn,
  wordOf,
} from './lenient.ts'

const emailLengthMax = 254
const e164Pattern = /^\+[1-9]\d{1,14}$/
// A letter, a digit, a punctuation mark or a symbol of any script; blanks, controls and what only joins others show nothing.
const visiblePattern = /[\p{L}\p{N}\p{P}\p{S}]/u
// Each part ends at a character that the part before cannot hold, so there is only one way to try it.
const emailPattern = /^[^\s@\p{Cc}\uFFFD]+@(?:[^\s@.\p{Cc}\uFFFD]+\.)+[^\s@.\p{Cc}\uFFFD]{2,}$/u

const legalMoves: Record<LeadStatus, readonly LeadStatus[]> = {
  new: ['acknowledged', 'in_progress', 'appointment_set', 'won', 'lost', 'invalid'],
  acknowledged: ['in_progress', 'appointment_set', 'won', 'lost', 'invalid'],
  in_progress: ['appointment_set', 'won', 'lost', 'invalid'],
  appointment_set: ['in_progress', 'won', 'lost', 'invalid'],
  won: ['in_progress', 'lost'],
  lost: ['in_progress'],
  invalid: ['new'],
}

/** From the first to the last of the pipeline. */
export const leadStatuses = Object.keys(legalMoves) as LeadStatus[]

/** Where the lead's dealer is. */
export interface LeadContext {
  readonly country: string
  readonly timeZone: string
}

/** What a lead shows when it is read and no column holds. */
export type LeadData = Pick<
  Lead,
  | 'message'
  | 'customer'
  | 'vehiclesOfInterest'
  | 'tradeIns'
  | 'consents'
  | 'attribution'
  | 'appointment'
  | 'locale'
  | 'extra'
>

/** A lead as it will be stored; everything that a row needs except its ids and its dealer. */
export interface NewLead {
  type: LeadType
  test: boolean
  externalReference?: ExternalReference
  /** RFC 3339 in UTC with milliseconds. */
  submittedAt?: string
  data: LeadData
  warnings: Warning[]
  /** There is some way to reach the customer, were it an odd one. */
  reachable: boolean
}

export interface Movable {
  status: LeadStatus
  statusReason?: LeadStatusReason
}

/**
 * The lead that was sent, as it will be stored. The schema has checked its structure; its content is never refused: what is odd is
 * kept, in its place or in `extra`, with a warning.
 */
export function newLead(input: LeadInput, { country, timeZone }: LeadContext): NewLead {
  const notes = newNotes()
  const reading = { country, timeZone, notes }
  if (input.extra) keepExtra(input.extra, reading)
  const {
    type = 'enquiry',
    test = false,
    externalReference,
    submittedAt,
    vehiclesOfInterest = [],
    tradeIns = [],
    consents = [],
    ...rest
  } = readLead(input, '', reading)

  const extra = notes.extra.size > 0 ? { extra: Object.fromEntries(notes.extra) } : undefined
  return {
    type,
    test,
    ...(externalReference && { externalReference }),
    ...(submittedAt && { submittedAt }),
    data: { ...rest, vehiclesOfInterest, tradeIns, consents, ...extra },
    warnings: notes.warnings,
    reachable: isReachable(rest.customer),
  }
}

function isReachable({ emails, phones, address = {} }: LeadCustomer): boolean {
  const { lines = [], city, postalCode } = address
  return (
    emails.some((email) => isSaid(email.address)) ||
    phones.some((phone) => isSaid(phone.number)) ||
    [...lines, city, postalCode].some(isSaid)
  )
}

function isSaid(said: string | undefined): boolean {
  return said !== undefined && said.trim() !== ''
}

export interface LeadRow {
  id: string
  type: LeadType
  status: LeadStatus
  status_reason: LeadStatusReason | null
  source_type: 'api_key' | 'user'
  source_id: string
  source_name: string
  test: boolean
  external_source: string | null
  external_id: string | null
  submitted_at: Date | null
  received_at: Date
  updated_at: Date
  responded_at: Date | null
  duplicate_of: string | null
  version: number
  data: LeadData
  warnings: Warning[]
}

export function leadBody(row: LeadRow): Lead {
  return {
    ...row.data,
    id: outer('lead', row.id),
    type: row.type,
    status: row.status,
    ...(row.status_reason && { statusReason: row.status_reason }),
    source: {
      type: row.source_type,
      id: outer(row.source_type === 'user' ? 'user' : 'key', row.source_id),
      name: row.source_name,
    },
    ...(row.external_source !== null &&
      row.external_id !== null && { externalReference: { source: row.external_source, id: row.external_id } }),
    ...(row.submitted_at && { submittedAt: row.submitted_at.toISOString() }),
    test: row.test,
    warnings: row.warnings,
    receivedAt: row.received_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
    ...(row.responded_at && { respondedAt: row.responded_at.toISOString() }),
    ...(row.duplicate_of !== null && { duplicateOf: outer('lead', row.duplicate_of) }),
    legalStatuses: [...legalMoves[row.status]],
    version: row.version,
  }
}

/** How a person can be looked for. */
export type Contact = { phone: string } | { email: string }

/** A phone number or e-mail address as it was typed, in the form in which leads are compared; undefined when it can be neither. */
export function contactIn(typed: string, country: string): Contact | undefined {
  if (typed.includes('@')) return { email: typed.trim().toLowerCase() }
  // In a query, a plus that was not encoded is a blank.
  const parsed = parsedPhone(typed.replace(/^ (?=\d)/, '+'), country)
  return parsed && phoneVerdict(parsed) !== 'invalid' ? { phone: parsed.number } : undefined
}

/** Whether everybody may move a lead so; to stay is legal. */
export const isLegal = (from: LeadStatus, to: LeadStatus): boolean => from === to || legalMoves[from].includes(to)

/** The status of a lead after an event, where that is known; the first one does not say it. */
export const statusAfter = ({ type, status }: Pick<EventRow, 'type' | 'status'>): LeadStatus | undefined =>
  type === 'lead.created' ? 'new' : (status ?? undefined)

/** The last move of a lead, and whoever made it. */
export interface Move {
  from: LeadStatus
  at: Date
  actorId: string
}

const takeBackMs = 600_000

/** The status that somebody may take a lead back to: the one that they moved it away from in the last 10 minutes. */
export function takeableBack(last: Move | undefined, actorId: string, now: Date): LeadStatus | undefined {
  return last && last.actorId === actorId && now.getTime() - last.at.getTime() <= takeBackMs ? last.from : undefined
}

/** When the lead was first taken up. To call it invalid is no answer to anybody; back among the new it waits again. */
export function respondedAt(lead: { responded_at: Date | null }, to: LeadStatus, now: Date): Date | null {
  if (to === 'new') return null
  return lead.responded_at ?? (to === 'invalid' ? null : now)
}

/**
 * The lead in another status. A reason stays with a lost or invalid lead only; a move to the status that the lead has changes nothing
 * but the reason, if one is given.
 *
 * @throws {Problem} `lead-move-illegal` with the legal statuses.
 */
export function moved(
  lead: Movable,
  to: LeadStatus,
  reason: LeadStatusReason | undefined,
  takenBack?: LeadStatus,
): Movable {
  const statusReason = to === 'lost' || to === 'invalid' ? reason : undefined
  if (to === lead.status)
    return statusReason === undefined || statusReason === lead.statusReason ? lead : { ...lead, statusReason }

  const legalStatuses = legalMoves[lead.status]
  if (!isLegal(lead.status, to) && to !== takenBack) {
    const article = /^[aeiou]/.test(lead.status) ? 'An' : 'A'
    throw new Problem(
      'lead-move-illegal',
      `${article} ${lead.status} lead can move to ${either.format(legalStatuses)}.`,
      { legalStatuses },
    )
  }
  return { ...lead, status: to, statusReason }
}

const either = new Intl.ListFormat('en', { type: 'disjunction' })

function readCustomer(sent: LeadCustomerInput, at: string, reading: Reading): LeadCustomer {
  const { emails = [], phones = [], ...rest } = customerMembers(sent, at, reading)
  return { ...rest, emails, phones }
}

function readEmail(sent: EmailInput, at: string, reading: Reading): Email {
  const { address } = emailMembers(sent, at, reading)
  const trimmed = address.trim()
  const verdict = trimmed.length <= emailLengthMax && emailPattern.test(trimmed) ? 'plausible' : 'odd'
  if (verdict === 'odd') warn('email-odd', `${at}/address`, reading)
  return { address, verdict }
}

function readPhone(sent: PhoneInput, at: string, reading: Reading): Phone {
  const { number, type } = phoneMembers(sent, at, reading)
  const parsed = parsedPhone(number, reading.country)
  const verdict = phoneVerdict(parsed)
  if (verdict === 'invalid') warn('phone-not-understood', `${at}/number`, reading)
  if (verdict === 'possible') warn('phone-doubtful', `${at}/number`, reading)
  return {
    number,
    type: type ?? typeOf(parsed),
    ...(parsed && verdict !== 'invalid' && { e164: parsed.number }),
    verdict,
  }
}

function parsedPhone(number: string, country: string): PhoneNumber | undefined {
  try {
    // Not every country dials 00 to get out, but people write it everywhere.
    return parsePhoneNumberFromString(
      number.trim().replace(/^00/, '+'),
      isSupportedCountry(country) ? country : undefined,
    )
  } catch {
    return undefined
  }
}

function phoneVerdict(parsed: PhoneNumber | undefined): Phone['verdict'] {
  // The library takes up to 17 digits after the country code, E.164 has 15 in all.
  if (!parsed || !e164Pattern.test(parsed.number)) return 'invalid'
  if (parsed.isValid()) return 'valid'
  return parsed.isPossible() ? 'possible' : 'invalid'
}

function typeOf(parsed: PhoneNumber | undefined): Phone['type'] {
  const type = parsed?.getType()
  if (type === 'MOBILE') return 'mobile'
  return type === 'FIXED_LINE' ? 'landline' : 'other'
}

function readVehicleOfInterest(sent: VehicleOfInterest, at: string, reading: Reading): VehicleOfInterest {
  return identified(vehicleOfInterestMembers(sent, at, reading), at, reading)
}

function readTradeIn(sent: TradeIn, at: string, reading: Reading): TradeIn {
  return identified(tradeInMembers(sent, at, reading), at, reading)
}

function identified<Vehicle extends VehicleOfInterest | TradeIn>(
  vehicle: Vehicle,
  at: string,
  reading: Reading,
): Vehicle {
  const { vin, registration, stockNumber, listingId, listingUrl, make, model } = vehicle
  const named =
    [vin, registration?.number, stockNumber, listingId, listingUrl].some(isSaid) || (isSaid(make) && isSaid(model))
  if (!named) warn('vehicle-not-identifiable', at, reading)
  return vehicle
}

function readOdometer(sent: Odometer, at: string, reading: Reading): Odometer {
  const { value, unit = 'km' } = odometerMembers(sent, at, reading)
  return { value, unit }
}

/** What is not clearly granted is not granted. */
function readConsent(sent: Consent, at: string, reading: Reading): Consent {
  const { state = 'unknown', ...rest } = consentMembers(sent, at, reading)
  return { ...rest, state }
}

/** The times of an appointment are meant in its own time zone, if it names one. */
function readAppointment(sent: Appointment, at: string, reading: Reading): Appointment {
  const timeZone = sent.timeZone !== undefined && IANAZone.isValidZone(sent.timeZone) ? sent.timeZone : reading.timeZone
  return appointmentMembers(sent, at, { ...reading, timeZone })
}

/**
 * A reference makes every later lead with the same one a duplicate, which is not stored. So one that any sender may send by accident is
 * none, nor is one in which different characters may have become the same U+FFFD, here or before. Anything else is compared to the letter.
 */
function readExternalReference(sent: ExternalReference, at: string, reading: Reading): ExternalReference | undefined {
  const reference = externalReferenceMembers(sent, at, reading)
  const faults = (['source', 'id'] as const).flatMap((name) => {
    const code = referenceFault(reference[name])
    return code ? [{ code, pointer: `${at}/${name}` }] : []
  })
  if (faults.length === 0) return reference
  for (const { code, pointer } of faults) warn(code, pointer, reading)
  keep(at, reference, at, reading)
  return undefined
}

/** Whether a lead that is sent with this reference is stored with it, to the letter. */
export function isUsable({ source, id }: ExternalReference): boolean {
  return [source, id].every((part) => isStorable(part) && referenceFault(part) === undefined)
}

function referenceFault(part: string): 'external-reference-blank' | 'external-reference-damaged' | undefined {
  if (part.includes('\uFFFD')) return 'external-reference-damaged'
  return visiblePattern.test(part) ? undefined : 'external-reference-blank'
}

// Keys are the words of the contract; beside them what people say instead.

const leadTypes = vocabulary<LeadType>({
  enquiry: ['inquiry', 'contact', 'question', 'forespørgsel', 'henvendelse', 'kontakt'],
  test_drive: ['prøvetur', 'prøvekørsel'],
  quote: ['quotation', 'offer', 'tilbud'],
  purchase: ['buy', 'køb'],
  lease: ['leasing'],
  finance: ['financing', 'finansiering', 'loan', 'lån'],
  subscription: ['subscribe', 'abonnement'],
  reservation: ['reserve', 'reserver'],
  trade_in: ['part_exchange', 'byttebil', 'indbytning'],
  sell_to_dealer: ['sell', 'sell_my_car', 'sælg', 'sælg_bil', 'sælg_din_bil'],
  callback: ['call_me', 'ring_op', 'ring_mig_op'],
  service: ['værksted', 'workshop'],
  parts: ['spare_parts', 'reservedele'],
  other: ['andet'],
})

const phoneTypes = vocabulary<Phone['type']>({
  mobile: ['mobil', 'mobile_phone', 'mobiltelefon', 'cell', 'cell_phone', 'cellular'],
  landline: ['fixed', 'fixed_line', 'fastnet'],
  work: ['business', 'office', 'arbejde'],
  fax: ['telefax'],
  // Today's home number may be mobile: these words say nothing about the line.
  other: ['phone', 'telephone', 'telefon', 'voice', 'home', 'private', 'privat', 'hjem'],
})

const conditions = vocabulary({
  new: ['brand_new', 'ny', 'nyt', 'ny_bil', 'fabriksny'],
  used: ['second_hand', 'pre_owned', 'brugt', 'brugt_bil'],
  demo: ['demonstrator', 'demo_car', 'demobil'],
  certified: ['certified_pre_owned', 'cpo'],
})

const conditionRatings = vocabulary({
  excellent: ['very_good', 'perfekt', 'som_ny', 'meget_god'],
  good: ['god'],
  fair: ['average', 'rimelig', 'middel'],
  poor: ['bad', 'dårlig'],
  unknown: ['ukendt'],
})

// Not `mil`, which is ten kilometres in Sweden.
const distanceUnits = vocabulary({
  km: ['kms', 'kilometer', 'kilometers', 'kilometre', 'kilometres'],
  mi: ['mile', 'miles'],
})

const roles = vocabulary({
  buy: ['purchase', 'køb'],
  lease: ['leasing'],
  test_drive: ['prøvetur', 'prøvekørsel'],
  subscribe: ['subscription', 'abonnement'],
  other: ['andet'],
})

const purposes = vocabulary({
  enquiry_handling: ['inquiry_handling', 'enquiry', 'inquiry'],
  marketing: ['markedsføring'],
  finance_check: ['credit_check', 'kreditvurdering'],
  data_sharing: ['datadeling'],
  profiling: ['profilering'],
  other: ['andet'],
})

const channels = vocabulary({
  email: [],
  sms: ['text', 'text_message'],
  phone: ['telephone', 'telefon', 'call'],
  post: ['postal', 'letter', 'brev'],
  messaging: ['messenger', 'whatsapp'],
  any: ['all', 'alle'],
  other: ['andet'],
})

// Generous towards a refusal, narrow towards a consent: it has to be proven one day.
const consentStates = vocabulary({
  granted: ['given', 'accepted', 'opted_in', 'givet'],
  denied: ['refused', 'rejected', 'declined', 'not_granted', 'opted_out', 'opt_out', 'no', 'false', 'nej', 'afvist'],
  withdrawn: ['revoked', 'tilbagekaldt', 'trukket_tilbage'],
  unknown: ['ukendt'],
})

const appointmentKinds = vocabulary({
  test_drive: ['prøvetur', 'prøvekørsel'],
  showroom: ['visit', 'showroom_visit', 'besøg'],
  video: ['video_call', 'videoopkald', 'videomøde'],
  call: ['phone', 'phone_call', 'opkald'],
  valuation: ['appraisal', 'vurdering'],
  delivery: ['handover', 'levering', 'udlevering'],
  service: ['workshop', 'værksted'],
  other: ['andet'],
})

// How each part of a lead is read; the compiler checks the names against the contract. Parts stand before the whole.

const emailMembers = objectOf<EmailInput>({ address: text })
const phoneMembers = objectOf<PhoneInput, Phone>({ number: text, type: wordOf(phoneTypes, 'other') })

const customerMembers = objectOf<LeadCustomerInput, LeadCustomer>({
  name: objectOf<PersonName>({ given: text, family: text, full: text }),
  emails: listOf(readEmail),
  phones: listOf(readPhone),
  address: objectOf<PostalAddress>({
    lines: listOf(text),
    postalCode: text,
    city: text,
    region: text,
    countryCode: text,
  }),
})

const money = objectOf<Money>({ amount: text, currency: text })
const odometerMembers = objectOf<Odometer>({ value: asSent, unit: wordOf(distanceUnits) })

const vehicle = {
  vin: text,
  registration: objectOf<Registration>({ number: text, countryCode: text }),
  stockNumber: text,
  listingId: text,
  listingUrl: text,
  make: text,
  model: text,
  variant: text,
  modelYear: asSent<number>,
  condition: wordOf<string>(conditions),
  odometer: readOdometer,
  fuel: text,
  transmission: text,
  colour: text,
  price: money,
  comments: freeText,
}

const vehicleOfInterestMembers = objectOf<VehicleOfInterest>({ ...vehicle, role: wordOf(roles, 'other') })

const tradeInMembers = objectOf<TradeIn>({
  ...vehicle,
  conditionRating: wordOf(conditionRatings, 'unknown'),
  outstandingFinance: objectOf<OutstandingFinance>({ amount: money, lender: text }),
  wantedPrice: money,
})

const consentMembers = objectOf<Consent>({
  purpose: wordOf(purposes, 'other'),
  channel: wordOf(channels, 'other'),
  state: wordOf(consentStates, 'unknown'),
  legalBasis: text,
  text: freeText,
  textVersion: text,
  textLocale: text,
  capturedAt: time,
  capturedVia: text,
  sourceUrl: text,
  ipAddress: text,
})

const appointmentMembers = objectOf<Appointment>({
  kind: wordOf(appointmentKinds, 'other'),
  requestedSlots: listOf(objectOf<TimeSlot>({ start: time, end: time })),
  timeZone: text,
  comments: freeText,
})

const externalReferenceMembers = objectOf<ExternalReference>({ source: text, id: text })

const readLead = objectOf<LeadInput, Lead>({
  type: wordOf(leadTypes, 'other'),
  message: freeText,
  customer: readCustomer,
  vehiclesOfInterest: listOf(readVehicleOfInterest),
  tradeIns: listOf(readTradeIn),
  consents: listOf(readConsent),
  attribution: objectOf<Attribution>({
    source: text,
    medium: text,
    campaign: text,
    term: text,
    content: text,
    clickIds: objectOf<ClickIds>({ gclid: text, gbraid: text, wbraid: text, fbclid: text, msclkid: text }),
    campaignId: text,
    adGroupId: text,
    adId: text,
    formId: text,
    formName: text,
    landingPage: text,
    referrer: text,
  }),
  appointment: readAppointment,
  externalReference: readExternalReference,
  submittedAt: utcTime,
  locale: text,
  test: asSent,
  // Read before all others, so that the sender's own members get their room first.
  extra: () => undefined,
})
