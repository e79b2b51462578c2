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
  ExternalReference,
  ExternalReferenceInput,
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
import { countryIn, countryOfPostalCode } from './country.ts'
import { emailVerdict, tidiedAddress } from './email.ts'
import { referenceFault, type TellingReference, tellingReference } from './external-reference.ts'
import { keep, keepExtra } from './extra.ts'
import type { LeadContext, NewLead } from './lead.ts'
import {
  asSent,
  exactText,
  freeText,
  identifier,
  isNothing,
  line,
  lineAsSaid,
  listOf,
  needing,
  number,
  objectOf,
  shownLine,
  storable,
  text,
  time,
  utcTime,
  wholeLine,
  wordOf,
} from './members.ts'
import { moneyIn } from './money.ts'
import { odometerIn } from './odometer.ts'
import { lineTypeOf, phoneIn } from './phone.ts'
import { hasOrdinaryWords, isPlaceholder, isProgramsNothing } from './placeholder.ts'
import { newReading, type Reading } from './reading.ts'
import { zoneCalled } from './time.ts'
import {
  appointmentKinds,
  channels,
  conditionRatings,
  conditions,
  consentStates,
  leadTypes,
  phoneTypes,
  purposes,
  roles,
} from './vocabulary.ts'
import { cut, warn } from './warnings.ts'

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
    data: Object.assign(rest, { customer, vehiclesOfInterest, tradeIns, consents }, extra),
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
  const customerCountry = countryOf(sent)
  const customer = customerMembers(sent, at, customerCountry === undefined ? reading : { ...reading, customerCountry })
  return { ...customer, emails: customer.emails ?? [], phones: customer.phones ?? [] }
}

/**
 * Where the customer's numbers are to be read. What is said beside the contract's place tells it, too, though it is
 * kept in `extra`; a postal code may give a hint.
 */
export function countryOf(customer: Pick<Sent<LeadCustomerInput>, 'address'>): string | undefined {
  const { address } = customer
  // The casts: senders have members of their own.
  const { countryCode, country } = customer as Record<string, unknown>
  const inAddress = address as Record<string, unknown> | undefined
  const said = [address?.countryCode, inAddress?.country, countryCode, country].find(isText)
  if (said !== undefined) return countryIn(said) ?? 'unknown'
  return address?.postalCode ? countryOfPostalCode(address.postalCode) : undefined
}

const isText = (said: unknown): said is string => typeof said === 'string' && !isPlaceholder(said)

/** A word that programs write for nothing is no part of a name, nor is any word for nothing the whole of it. */
export function readName(sent: Sent<PersonNameInput>, at: string, reading: Reading): PersonName | undefined {
  const name = nameMembers(sent, at, reading)
  if (nameParts.every((part) => isOrdinary(name[part]))) return name
  const parts = nameParts.flatMap((part) => {
    const said = name[part]
    return said === undefined ? [] : [{ part, said, words: wordsOf(said) }]
  })
  const isNobody =
    parts.every(({ said, words }) => isPlaceholder(said) || words.every(isPlaceholder)) &&
    !isCalledSo(parts.flatMap(({ words }) => words))
  for (const { part, said, words } of parts) {
    const real = isNobody || isProgramsNothing(said) ? [] : words.filter((word) => !isProgramsNothing(word))
    if (real.length === words.length) continue
    const isKept = keep(`${at}/${part}`, said, `${at}/${part}`, reading)
    if (real.length === 0) {
      delete name[part]
      continue
    }
    name[part] = real.join(' ')
    if (isKept) warn('converted', `${at}/${part}`, reading)
  }
  return name
}

/** Somebody is called `Nan Na`; `Null Null` is nobody. */
const isCalledSo = (words: readonly string[]): boolean =>
  words.length > 1 &&
  new Set(words).size === words.length &&
  words.every((word) => /^(?:An|Any|Na|Nan|Nil|Null)$/.test(word))

const nameParts = ['given', 'family', 'full'] as const
const isOrdinary = (said: string | undefined): boolean => said === undefined || hasOrdinaryWords(said)

/** The words of a name; what a program left in it is one, with its blanks. */
const wordsOf = (said: string): string[] => said.match(/\{\{[^{}]*\}\}|\[object \w+\]|\S+/g) ?? []

export function readEmail(sent: Sent<EmailInput>, at: string, reading: Reading): Email | undefined {
  const email = emailMembers(sent, at, reading)
  if (!email) return undefined
  const place = `${at}/address`
  const tidied = tidiedAddress(email.address)
  if (tidied !== email.address && keep(place, email.address, place, reading)) warn('invisible-removed', place, reading)
  const address = cut(tidied, limits.Email.address.maxLength, place, reading)
  // Of all that was sent: what was cut may be another one.
  const verdict = emailVerdict(tidied)
  if (verdict === 'odd') warn('email-odd', place, reading)
  return { address, verdict }
}

export function readPhone(sent: Sent<PhoneInput>, at: string, reading: Reading): Phone | undefined {
  const phone = phoneMembers(sent, at, reading)
  if (!phone) return undefined
  const place = `${at}/number`
  // Of all that was sent: a number that was cut may be another one.
  const read = phoneIn(phone.number, { dealer: reading.country, customer: reading.customerCountry })
  const { verdict, parsed } = read
  if (verdict === 'invalid') warn('phone-not-understood', place, reading)
  if (verdict === 'possible') warn(read.isForeign ? 'phone-of-other-country' : 'phone-doubtful', place, reading)
  if (read.hasMore) warn('phone-with-more', place, reading)
  return {
    number: cut(phone.number, limits.Phone.number.maxLength, place, reading),
    type: phone.type ?? lineTypeOf(parsed),
    ...(parsed && { e164: parsed.number }),
    verdict,
  }
}

/** A country by its code, name or sign. */
export function readCountry(sent: string, at: string, reading: Reading): string | undefined {
  const said = shownLine(sent, at, reading)
  if (said.trim() === '' || isNothing(said, at, reading)) return undefined
  const code = countryIn(said)
  if (code !== said) {
    warn(code ? 'converted' : 'word-unknown', at, reading)
    keep(at, said, at, reading)
  }
  return code
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

function readMoney(sent: Sent<MoneyInput>, at: string, reading: Reading): Money | undefined {
  const said = moneyMembers(sent, at, reading)
  if (!said) return undefined
  const { amount } = said
  const currency = said.currency?.trim() || undefined
  const read = moneyIn(amount, currency, reading.country)
  const note = (code: 'number-odd' | 'word-unknown' | 'converted', name: 'amount' | 'currency') => {
    warn(code, `${at}/${name}`, reading)
    keep(`${at}/${name}`, said[name], `${at}/${name}`, reading)
  }
  if (!read) {
    note('number-odd', 'amount')
    if (currency) keep(`${at}/currency`, said.currency, `${at}/currency`, reading)
    return undefined
  }
  const { money, isCurrencyOdd } = read
  if (isCurrencyOdd && currency) note('word-unknown', 'currency')
  else if (currency && said.currency !== money.currency) note('converted', 'currency')
  if (isCurrencyOdd && !currency) note('word-unknown', 'amount')
  else if (amount !== money.amount) note('converted', 'amount')
  return money
}

function readOdometer(sent: Sent<OdometerInput>, at: string, reading: Reading): Odometer | undefined {
  const said = odometerMembers(sent, at, reading)
  if (!said) return undefined
  const unit = said.unit?.trim() || undefined
  const { odometer } = odometerIn(said.value, unit, reading.country) ?? {}
  if (odometer?.value === said.value) return odometer
  warn(odometer ? 'converted' : 'word-unknown', `${at}/unit`, reading)
  keep(at, { value: said.value, unit: said.unit }, at, reading)
  return odometer
}

/** What is not clearly granted is not granted. */
function readConsent(sent: Sent<ConsentInput>, at: string, reading: Reading): Consent | undefined {
  const consent = consentMembers(sent, at, reading)
  return Object.keys(consent).length === 0 ? undefined : { ...consent, state: consent.state ?? 'unknown' }
}

/**
 * The times of an appointment are meant in its own time zone, if it names one. In one that is not known nobody knows
 * when they are, unless they say their offset.
 */
function readAppointment(sent: Sent<AppointmentInput>, at: string, reading: Reading): Appointment {
  const said = (sent.timeZone ?? '').trim()
  // `-1` is what programs write for none.
  const timeZone = isPlaceholder(said) || said === '-1' ? reading.timeZone : zoneCalled(said)
  return appointmentMembers(sent, at, { ...reading, timeZone })
}

/**
 * A reference makes every later lead with the same one a duplicate, which is not stored. So one that any sender may
 * send by accident is none, nor is one in which different characters may have become the same U+FFFD, here or before,
 * or that had to be cut.
 */
function readExternalReference(
  sent: Sent<ExternalReferenceInput>,
  at: string,
  reading: Reading,
): TellingReference | undefined {
  const reference = externalReferenceMembers(sent, at, reading)
  if (!reference) return undefined
  const told = tellingReference(reference)
  for (const name of ['source', 'id'] as const) {
    const part = reference[name]
    if (told?.[name] === part) continue
    const fault = told ? undefined : referenceFault(name, part)
    if (fault) warn(fault, `${at}/${name}`, reading)
    if (!told) continue
    warn('invisible-removed', `${at}/${name}`, reading)
    keep(`${at}/${name}`, part, `${at}/${name}`, reading)
  }
  if (!told) keep(at, reference, at, reading)
  return told
}

// How each part of a lead is read; the compiler checks the names against the contract. Parts stand before the whole.
// Texts and lists are cut to what the lead shows of them.

const emailMembers = needing(['address'], objectOf<EmailInput, Email>({ address: wholeLine }))
const phoneMembers = needing(
  ['number'],
  objectOf<PhoneInput, Phone>({ number: wholeLine, type: wordOf(phoneTypes, 'other') }),
)

const ofName = limits.PersonName
const ofAddress = limits.PostalAddress

const nameMembers = objectOf<PersonNameInput, PersonName>({
  given: lineAsSaid(ofName.given),
  family: lineAsSaid(ofName.family),
  full: lineAsSaid(ofName.full),
})

export const readAddress = objectOf<PostalAddressInput, PostalAddress>({
  lines: listOf(line(ofAddress.lines.items), ofAddress.lines),
  postalCode: line(ofAddress.postalCode),
  city: line(ofAddress.city),
  region: line(ofAddress.region),
  countryCode: readCountry,
})

const customerMembers = objectOf<LeadCustomerInput, LeadCustomer>({
  name: readName,
  emails: listOf(readEmail, limits.LeadCustomer.emails),
  phones: listOf(readPhone, limits.LeadCustomer.phones),
  address: readAddress,
})

const moneyMembers = needing(['amount'], objectOf<MoneyInput, Money>({ amount: wholeLine, currency: wholeLine }))

const odometerMembers = needing(
  ['value'],
  objectOf<OdometerInput, { value: number; unit: string }>({ value: number(limits.Odometer.value), unit: wholeLine }),
)

const ofRegistration = limits.Registration
const ofVehicle = limits.VehicleOfInterest
/** Before it there were no cars: 0 and 19 are no years, as in ADF. */
const modelYearMin = 1886

const vehicle = {
  vin: identifier(ofVehicle.vin),
  registration: needing(
    ['number'],
    objectOf<RegistrationInput, Registration>({
      number: identifier(ofRegistration.number),
      countryCode: readCountry,
    }),
  ),
  stockNumber: identifier(ofVehicle.stockNumber),
  listingId: identifier(ofVehicle.listingId),
  listingUrl: text(ofVehicle.listingUrl),
  make: line(ofVehicle.make),
  model: line(ofVehicle.model),
  variant: line(ofVehicle.variant),
  modelYear: number({ ...ofVehicle.modelYear, minimum: modelYearMin }, Number.isInteger),
  condition: wordOf(conditions),
  odometer: readOdometer,
  fuel: line(ofVehicle.fuel),
  transmission: line(ofVehicle.transmission),
  colour: line(ofVehicle.colour),
  price: readMoney,
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
    amount: readMoney,
    lender: line(limits.OutstandingFinance.lender),
  }),
  wantedPrice: readMoney,
})

const ofConsent = limits.Consent

const consentMembers = objectOf<ConsentInput, Consent>({
  purpose: wordOf(purposes, 'other'),
  channel: wordOf(channels, 'other'),
  state: wordOf(consentStates, 'unknown'),
  legalBasis: text(ofConsent.legalBasis),
  text: exactText(ofConsent.text),
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

const externalReferenceMembers = needing(
  ['source', 'id'],
  objectOf<ExternalReferenceInput, ExternalReference>({ source: storable, id: storable }),
)

type Told = Omit<Lead, 'externalReference'> & { externalReference?: TellingReference }

const readLead = objectOf<LeadInput, Told>({
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
    formName: line(ofAttribution.formName),
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
