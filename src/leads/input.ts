import { IANAZone } from 'luxon'
import type {
  Appointment,
  Attribution,
  ClickIds,
  Consent,
  Email,
  EmailInput,
  Lead,
  LeadCustomer,
  LeadCustomerInput,
  LeadInput,
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
} from '../../generated/server/types.gen.ts'
import { emailVerdict } from './email.ts'
import { readExternalReference } from './external-reference.ts'
import { keepExtra } from './extra.ts'
import type { LeadContext, NewLead } from './lead.ts'
import { asSent, freeText, listOf, objectOf, text, time, utcTime, wordOf } from './members.ts'
import { lineTypeOf, parsedPhone, phoneVerdict } from './phone.ts'
import { newReading, type Reading } from './reading.ts'
import {
  appointmentKinds,
  channels,
  conditionRatings,
  conditions,
  consentStates,
  distanceUnits,
  leadTypes,
  phoneTypes,
  purposes,
  roles,
} from './vocabulary.ts'
import { warn } from './warnings.ts'

/**
 * The lead that was sent, as it will be stored. The schema has checked its structure; its content is never refused:
 * what is odd is kept, in its place or in `extra`, with a warning.
 */
export function newLead(input: LeadInput, context: LeadContext): NewLead {
  const reading = newReading(context)
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

  const { members } = reading.extra
  const extra = members.size > 0 ? { extra: Object.fromEntries(members) } : undefined
  return {
    type,
    test,
    ...(externalReference && { externalReference }),
    ...(submittedAt && { submittedAt }),
    data: { ...rest, vehiclesOfInterest, tradeIns, consents, ...extra },
    warnings: reading.warnings,
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

function readCustomer(sent: LeadCustomerInput, at: string, reading: Reading): LeadCustomer {
  const { emails = [], phones = [], ...rest } = customerMembers(sent, at, reading)
  return { ...rest, emails, phones }
}

function readEmail(sent: EmailInput, at: string, reading: Reading): Email {
  const { address } = emailMembers(sent, at, reading)
  const verdict = emailVerdict(address)
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
    type: type ?? lineTypeOf(parsed),
    ...(parsed && verdict !== 'invalid' && { e164: parsed.number }),
    verdict,
  }
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
