import type { Consent, Lead, LeadStatus, LeadStatusReason, LeadType, PersonName, VehicleOfInterest } from './client.ts'
import { en } from './words/en.ts'

const minuteMs = 60_000
const dayMs = 86_400_000

// As the words have them, which the compiler compares with the contract: none is left out of a choice.
export const statuses = Object.keys(en.leadStatus) as LeadStatus[]
export const types = Object.keys(en.leadType) as LeadType[]
export const reasons = Object.keys(en.leadReason) as LeadStatusReason[]

/** How many days a lead may lie untouched, by status; elsewhere nobody waits. */
const restDays: Partial<Record<LeadStatus, number>> = { acknowledged: 1, in_progress: 7, appointment_set: 14 }

/** Which leads are to be seen. What is left out does not narrow. */
export interface LeadSearch {
  view?: 'table' | undefined
  status?: LeadStatus | undefined
  type?: LeadType | undefined
  source?: string | undefined
  order?: 'oldest' | undefined
  test?: true | undefined
}

/** With what was typed, which may be a person's name or number and stands in no address. */
export interface LeadQuery extends LeadSearch {
  text?: string | undefined
}

/**
 * What a lead waits for: an answer in time, soon late or late; a next step, when it has rested too long; or nothing.
 */
export type Urgency =
  | { tone: 'good' | 'notice' | 'bad'; word: 'waiting' | 'due' | 'late' }
  | { tone: 'notice'; word: 'resting'; days: number }
  | undefined

/** `targetMinutes`: how soon a new lead is to be taken up. In the second half of it the lead is due. */
export function urgencyOf(
  { status, receivedAt, updatedAt }: Pick<Lead, 'status' | 'receivedAt' | 'updatedAt'>,
  targetMinutes: number,
  now: Date,
): Urgency {
  if (status === 'new') {
    const share = (now.getTime() - Date.parse(receivedAt)) / (targetMinutes * minuteMs)
    return share >= 1
      ? { tone: 'bad', word: 'late' }
      : share >= 0.5
        ? { tone: 'notice', word: 'due' }
        : { tone: 'good', word: 'waiting' }
  }
  const days = Math.floor((now.getTime() - Date.parse(updatedAt)) / dayMs)
  return days >= (restDays[status] ?? Number.POSITIVE_INFINITY) ? { tone: 'notice', word: 'resting', days } : undefined
}

/** The best name that there is for a customer: a name, or else a way to reach them. */
export function nameOf({ customer }: Pick<Lead, 'customer'>): string {
  const { name, emails = [], phones = [], address } = customer ?? {}
  return firstSaid([personName(name), emails[0]?.address, phones[0]?.number, address?.lines?.[0], address?.city])
}

export const personName = (name: PersonName | undefined): string =>
  firstSaid([name?.full, [name?.given, name?.family].filter(Boolean).join(' ')])

export const firstSaid = (texts: readonly (string | undefined)[]): string =>
  texts.find((text) => text !== undefined && text.trim() !== '')?.trim() ?? ''

export function vehicleName({
  make,
  model,
  variant,
  modelYear,
  stockNumber,
  registration,
  vin,
  listingId,
}: VehicleOfInterest): string {
  const name = [make, model, variant, modelYear].filter(Boolean).join(' ')
  return name || registration?.number || stockNumber || vin || listingId || ''
}

export type ConsentWord = 'granted' | 'refused' | 'unknown'

/** Whether the customer may be sent advertising. Absent means unknown, never granted. */
export function marketingConsent(consents: readonly Consent[]): ConsentWord {
  const states = consents.filter(({ purpose }) => purpose === 'marketing').map(({ state }) => state)
  if (states.some((state) => state === 'denied' || state === 'withdrawn')) return 'refused'
  return states.includes('granted') ? 'granted' : 'unknown'
}

/** Whether a lead is one of those that a list shows, as far as it can be told without asking. */
export function isAmong(lead: Lead, { status, type, source, test }: LeadSearch): boolean {
  return (
    (status === undefined || lead.status === status) &&
    (type === undefined || lead.type === type) &&
    (source === undefined || lead.source.id === source) &&
    lead.test === (test === true)
  )
}
