import { IANAZone } from 'luxon'
import * as limits from '../../generated/server/limits.gen.ts'
import type {
  Appointment,
  AppointmentInput,
  Attribution,
  AttributionInput,
  ClickIds,
  ClickIdsInput,
  Consent,
  ConsentInput,
  Email,
  EmailInput,
  Lead,
  LeadCustomer,
  LeadCustomerInput,
  LeadInput,
  Money,
  MoneyInput,
  Odometer,
  OdometerInput,
  OutstandingFinance,
  OutstandingFinanceInput,
  PersonName,
  PersonNameInput,
  Phone,
  PhoneInput,
  PostalAddress,
  PostalAddressInput,
  Registration,
  RegistrationInput,
  TimeSlot,
  TimeSlotInput,
  TradeIn,
  TradeInInput,
  VehicleOfInterest,
  VehicleOfInterestInput,
} from '../../generated/server/types.gen.ts'
import type { JsonFaults } from '../json.ts'
import { emailVerdict } from './email.ts'
import { readExternalReference } from './external-reference.ts'
import { keepExtra } from './extra.ts'
import type { LeadContext, NewLead } from './lead.ts'
import { asSent, freeText, listOf, needing, number, objectOf, text, time, utcTime, wordOf } from './members.ts'
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
 *
 * @param faults what of the lead as it was sent is not in `input`.
 */
export function newLead(input: LeadInput, context: LeadContext, faults?: JsonFaults): NewLead {
  const reading = newReading(context, faults?.longNumbers)
  if (faults?.isMisencoded) warn('encoding-repaired', '', reading)
  for (const pointer of faults?.repeated ?? []) warn('member-repeated', pointer, reading)
  if (input.extra) keepExtra(input.extra, reading)
  const {
    type = 'enquiry',
    test = false,
    customer = { emails: [], phones: [] },
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
    data: { ...rest, customer, vehiclesOfInterest, tradeIns, consents, ...extra },
    warnings: reading.warnings,
    reachable: isReachable(customer),
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

type Sent<Input> = NonNullable<Input>

function readCustomer(sent: Sent<LeadCustomerInput>, at: string, reading: Reading): LeadCustomer {
  const { emails = [], phones = [], ...rest } = customerMembers(sent, at, reading)
  return { ...rest, emails, phones }
}

function readEmail(sent: Sent<EmailInput>, at: string, reading: Reading): Email | undefined {
  const email = emailMembers(sent, at, reading)
  if (!email) return undefined
  const verdict = emailVerdict(email.address)
  if (verdict === 'odd') warn('email-odd', `${at}/address`, reading)
  return { address: email.address, verdict }
}

function readPhone(sent: Sent<PhoneInput>, at: string, reading: Reading): Phone | undefined {
  const phone = phoneMembers(sent, at, reading)
  if (!phone) return undefined
  // Of all that was sent: a number that was cut may be another one.
  const parsed = parsedPhone(sent.number ?? '', reading.country)
  const verdict = phoneVerdict(parsed)
  if (verdict === 'invalid') warn('phone-not-understood', `${at}/number`, reading)
  if (verdict === 'possible') warn('phone-doubtful', `${at}/number`, reading)
  return {
    number: phone.number,
    type: phone.type ?? lineTypeOf(parsed),
    ...(parsed && verdict !== 'invalid' && { e164: parsed.number }),
    verdict,
  }
}

function readVehicleOfInterest(sent: Sent<VehicleOfInterestInput>, at: string, reading: Reading): VehicleOfInterest {
  return identified(vehicleOfInterestMembers(sent, at, reading), at, reading)
}

function readTradeIn(sent: Sent<TradeInInput>, at: string, reading: Reading): TradeIn {
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
  if (!named && Object.keys(vehicle).length > 0) warn('vehicle-not-identifiable', at, reading)
  return vehicle
}

function readOdometer(sent: Sent<OdometerInput>, at: string, reading: Reading): Odometer | undefined {
  const odometer = odometerMembers(sent, at, reading)
  return odometer && { value: odometer.value, unit: odometer.unit ?? 'km' }
}

/** What is not clearly granted is not granted. */
function readConsent(sent: Sent<ConsentInput>, at: string, reading: Reading): Consent | undefined {
  const consent = consentMembers(sent, at, reading)
  return Object.keys(consent).length === 0 ? undefined : { ...consent, state: consent.state ?? 'unknown' }
}

/** The times of an appointment are meant in its own time zone, if it names one. */
function readAppointment(sent: Sent<AppointmentInput>, at: string, reading: Reading): Appointment {
  const said = sent.timeZone ?? ''
  const timeZone = IANAZone.isValidZone(said) ? said : reading.timeZone
  return appointmentMembers(sent, at, { ...reading, timeZone })
}

// How each part of a lead is read; the compiler checks the names against the contract. Parts stand before the whole.
// Texts and lists are cut to what the lead shows of them.

const emailMembers = needing(['address'], objectOf<EmailInput, Email>({ address: text(limits.Email.address) }))

const phoneMembers = needing(
  ['number'],
  objectOf<PhoneInput, Phone>({ number: text(limits.Phone.number), type: wordOf(phoneTypes, 'other') }),
)

const ofName = limits.PersonName
const ofAddress = limits.PostalAddress

const customerMembers = objectOf<LeadCustomerInput, LeadCustomer>({
  name: objectOf<PersonNameInput, PersonName>({
    given: text(ofName.given),
    family: text(ofName.family),
    full: text(ofName.full),
  }),
  emails: listOf(readEmail, limits.LeadCustomer.emails),
  phones: listOf(readPhone, limits.LeadCustomer.phones),
  address: objectOf<PostalAddressInput, PostalAddress>({
    lines: listOf(text(ofAddress.lines.items), ofAddress.lines),
    postalCode: text(ofAddress.postalCode),
    city: text(ofAddress.city),
    region: text(ofAddress.region),
    countryCode: text(ofAddress.countryCode),
  }),
})

const money = needing(
  ['amount'],
  objectOf<MoneyInput, Money>({ amount: text(limits.Money.amount), currency: text(limits.Money.currency) }),
)

const odometerMembers = needing(
  ['value'],
  objectOf<OdometerInput, Odometer>({ value: number(limits.Odometer.value), unit: wordOf(distanceUnits) }),
)

const ofRegistration = limits.Registration
const ofVehicle = limits.VehicleOfInterest

const vehicle = {
  vin: text(ofVehicle.vin),
  registration: needing(
    ['number'],
    objectOf<RegistrationInput, Registration>({
      number: text(ofRegistration.number),
      countryCode: text(ofRegistration.countryCode),
    }),
  ),
  stockNumber: text(ofVehicle.stockNumber),
  listingId: text(ofVehicle.listingId),
  listingUrl: text(ofVehicle.listingUrl),
  make: text(ofVehicle.make),
  model: text(ofVehicle.model),
  variant: text(ofVehicle.variant),
  modelYear: number(ofVehicle.modelYear, Number.isInteger),
  condition: wordOf<string>(conditions),
  odometer: readOdometer,
  fuel: text(ofVehicle.fuel),
  transmission: text(ofVehicle.transmission),
  colour: text(ofVehicle.colour),
  price: money,
  comments: freeText(ofVehicle.comments),
}

const vehicleOfInterestMembers = objectOf<VehicleOfInterestInput, VehicleOfInterest>({
  ...vehicle,
  role: wordOf(roles, 'other'),
})

const tradeInMembers = objectOf<TradeInInput, TradeIn>({
  ...vehicle,
  conditionRating: wordOf(conditionRatings, 'unknown'),
  outstandingFinance: objectOf<OutstandingFinanceInput, OutstandingFinance>({
    amount: money,
    lender: text(limits.OutstandingFinance.lender),
  }),
  wantedPrice: money,
})

const ofConsent = limits.Consent

const consentMembers = objectOf<ConsentInput, Consent>({
  purpose: wordOf(purposes, 'other'),
  channel: wordOf(channels, 'other'),
  state: wordOf(consentStates, 'unknown'),
  legalBasis: text(ofConsent.legalBasis),
  text: freeText(ofConsent.text),
  textVersion: text(ofConsent.textVersion),
  textLocale: text(ofConsent.textLocale),
  capturedAt: time,
  capturedVia: text(ofConsent.capturedVia),
  sourceUrl: text(ofConsent.sourceUrl),
  ipAddress: text(ofConsent.ipAddress),
})

const ofAppointment = limits.Appointment

const appointmentMembers = objectOf<AppointmentInput, Appointment>({
  kind: wordOf(appointmentKinds, 'other'),
  requestedSlots: listOf(
    needing(['start'], objectOf<TimeSlotInput, TimeSlot>({ start: time, end: time })),
    ofAppointment.requestedSlots,
  ),
  timeZone: text(ofAppointment.timeZone),
  comments: freeText(ofAppointment.comments),
})

const ofAttribution = limits.Attribution
const ofClickIds = limits.ClickIds

const readLead = objectOf<LeadInput, Lead>({
  type: wordOf(leadTypes, 'other'),
  message: freeText(limits.Lead.message),
  customer: readCustomer,
  vehiclesOfInterest: listOf(readVehicleOfInterest, limits.Lead.vehiclesOfInterest),
  tradeIns: listOf(readTradeIn, limits.Lead.tradeIns),
  consents: listOf(readConsent, limits.Lead.consents),
  attribution: objectOf<AttributionInput, Attribution>({
    source: text(ofAttribution.source),
    medium: text(ofAttribution.medium),
    campaign: text(ofAttribution.campaign),
    term: text(ofAttribution.term),
    content: text(ofAttribution.content),
    clickIds: objectOf<ClickIdsInput, ClickIds>({
      gclid: text(ofClickIds.gclid),
      gbraid: text(ofClickIds.gbraid),
      wbraid: text(ofClickIds.wbraid),
      fbclid: text(ofClickIds.fbclid),
      msclkid: text(ofClickIds.msclkid),
    }),
    campaignId: text(ofAttribution.campaignId),
    adGroupId: text(ofAttribution.adGroupId),
    adId: text(ofAttribution.adId),
    formId: text(ofAttribution.formId),
    formName: text(ofAttribution.formName),
    landingPage: text(ofAttribution.landingPage),
    referrer: text(ofAttribution.referrer),
  }),
  appointment: readAppointment,
  externalReference: readExternalReference,
  submittedAt: utcTime,
  locale: text(limits.Lead.locale),
  test: asSent,
  // Read before all others, so that the sender's own members get their room first.
  extra: () => undefined,
})
