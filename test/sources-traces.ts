import { IANAZone } from 'luxon'
import { expectedLeads, learnt, learntDays, learntLeadsMax, type Rhythm } from '../src/sources/rhythm.ts'

/**
 * Sources as they are, made from a seed, to measure by how often a silence is told where there is none, and how late
 * where there is one.
 */
export interface Kind {
  name: string
  /** The day of the first lead. */
  begins: string
  /**
   * How many leads come on average in the hour of `at`, which is `hour` o'clock on `day` (Monday is 0) of the trace's
   * `week`.
   */
  perHour: (moment: Moment, source: Source) => number
  /** Leads are sent together, at these hours of the working days. */
  sentAt?: readonly number[]
}
interface Moment {
  date: string
  week: number
  day: number
  hour: number
}
/** What is by chance different from source to source and from day to day. */
interface Source {
  random: () => number
  ofDay: (date: string, make: () => number) => number
}

export const weeks = 26
const zoneName = 'Europe/Copenhagen'
const hourMs = 3_600_000
const dayMs = 24 * hourMs
const weekMs = 7 * dayMs
const stepMs = 5 * 60_000
const givenUpMs = 60 * dayMs

const dayShares = [1.2, 1.12, 1.05, 1.05, 1, 0.8, 0.78]
const hourShares = [
  0.2, 0.1, 0.05, 0.05, 0.05, 0.1, 0.3, 0.7, 1.2, 1.6, 1.7, 1.6, 1.5, 1.5, 1.5, 1.5, 1.5, 1.4, 1.3, 1.5, 1.7, 1.5, 1,
  0.45,
]
const share = (shares: readonly number[], at: number) =>
  ((shares[at] ?? 0) * shares.length) / shares.reduce((all, each) => all + each, 0)
const usual = ({ day, hour }: Moment, perWeek: number) =>
  (perWeek / 168) * share(dayShares, day) * share(hourShares, hour)
const isOpen = ({ day, hour }: Moment) => (day < 5 && hour >= 9 && hour < 18) || (day === 5 && hour >= 10 && hour < 14)

const christmas = /-12-2[4-9]$|-12-3[01]$|-01-01$/
const easter = /^2026-04-0[2-6]$/
/** A day that is a holiday here only, and one that many take off after another. */
const ownHolidays = /^2026-(06-05|05-15|10-16)$/

const ordinary = '2026-06-08'
export const kinds: readonly Kind[] = [
  ...[2, 10, 50, 300].map((perWeek): Kind => ({
    name: `steady, ${perWeek} a week`,
    begins: ordinary,
    perHour: (moment) => usual(moment, perWeek),
  })),
  // Days are as different from each other as a gamma distribution of shape 2 makes them: counts of a day are negative
  // binomial.
  {
    name: 'bursty, 50 a week',
    begins: ordinary,
    perHour: (moment, { ofDay, random }) =>
      usual(moment, 50) * ofDay(moment.date, () => -Math.log(random() * random()) / 2),
  },
  {
    name: 'campaigns, 10 a week, 100 in every sixth',
    begins: ordinary,
    perHour: (moment) => usual(moment, moment.week % 6 === 4 ? 100 : 10),
  },
  {
    name: 'closed at night and on Sundays, 50 a week',
    begins: ordinary,
    perHour: (moment) => (isOpen(moment) ? 50 / 49 : 0),
  },
  {
    name: 'Christmas and Easter, 50 a week',
    begins: '2025-10-06',
    perHour: (moment) => usual(moment, christmas.test(moment.date) || easter.test(moment.date) ? 3 : 50),
  },
  {
    name: 'holidays of its own, 50 a week',
    begins: '2026-04-20',
    perHour: (moment) => usual(moment, ownHolidays.test(moment.date) ? 5 : 50),
  },
  {
    name: 'growing, 20 to 80 a week',
    begins: ordinary,
    perHour: (moment) => usual(moment, 20 + (60 * moment.week) / weeks),
  },
  {
    name: 'shrinking, 80 to 20 a week',
    begins: ordinary,
    perHour: (moment) => usual(moment, 80 - (60 * moment.week) / weeks),
  },
  {
    name: 'half in July, 50 a week',
    begins: '2026-04-20',
    perHour: (moment) => usual(moment, moment.date.startsWith('2026-07') ? 25 : 50),
  },
  { name: 'sent twice a day, 50 a week', begins: ordinary, perHour: (moment) => usual(moment, 50), sentAt: [8, 16] },
]

/** A generator of numbers from 0 to 1, neither included, the same for the same seed (xorshift of 32 bits). */
export function randomFrom(seed: number): () => number {
  let state = (seed * 2_654_435_769) | 1
  const next = () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return ((state >>> 0) + 0.5) / 2 ** 32
  }
  for (let at = 0; at < 16; at++) next()
  return next
}

interface Trace {
  startedAt: number
  leads: number[]
  /** How many leads come on average between two times. */
  mean: (from: number, to: number) => number
}

export function trace({ begins, perHour, sentAt }: Kind, seed: number): Trace {
  const random = randomFrom(seed)
  const zone = IANAZone.create(zoneName)
  const startedAt = Date.parse(`${begins}T00:00:00Z`)
  const ofDays = new Map<string, number>()
  const source: Source = {
    random,
    ofDay: (date, make) => {
      const known = ofDays.get(date) ?? make()
      ofDays.set(date, known)
      return known
    },
  }
  const leads: number[] = []
  const means: number[] = [0]
  let gathered = 0
  for (let at = startedAt; at < startedAt + weeks * weekMs + givenUpMs; at += hourMs) {
    const local = new Date(at + zone.offset(at) * 60_000)
    const hour = local.getUTCHours()
    const day = (local.getUTCDay() + 6) % 7
    const mean = perHour(
      { date: local.toISOString().slice(0, 10), week: Math.floor((at - startedAt) / weekMs), day, hour },
      source,
    )
    means.push((means.at(-1) ?? 0) + mean)
    const come: number[] = []
    for (let wait = -Math.log(random()); wait < mean; wait -= Math.log(random())) come.push(at + (wait / mean) * hourMs)
    if (!sentAt) leads.push(...come)
    else {
      gathered += come.length
      if (sentAt.includes(hour) && day < 5)
        for (; gathered > 0; gathered--) leads.push(at + 60_000 + gathered * 200 - 200)
    }
  }
  const meanUntil = (at: number) =>
    means[Math.min(means.length - 1, Math.max(0, Math.round((at - startedAt) / hourMs)))] ?? 0
  return {
    startedAt,
    leads: leads.toSorted((one, other) => one - other),
    mean: (from, to) => meanUntil(to) - meanUntil(from),
  }
}

function wakingHours(from: number, to: number): number {
  const zone = IANAZone.create(zoneName)
  let steps = 0
  for (let at = from; at < to; at += stepMs) {
    const hour = new Date(at + zone.offset(at) * 60_000).getUTCHours()
    if (hour >= 8 && hour < 22) steps++
  }
  return (steps * stepMs) / hourMs
}

export type Learner = (leads: readonly number[], startedAt: number, timeZone: string) => Rhythm | undefined

export interface Outcome {
  kind: string
  /** For each source and quarter. */
  falseAlarms: number
  /** Of silences that are told, from their beginning. */
  hoursP50: number
  hoursP90: number
  /** The same between 8 and 22 o'clock only. */
  wakingP50: number
  wakingP90: number
  /** Leads that did not come until then. */
  missedP50: number
  missedP90: number
  /** The share of outages that nobody is told of in 60 days. */
  untold: number
}

/** Measures sources of one kind. As the service does, what is usual is learnt anew once a day. */
export function measured(kind: Kind, sources: number, learn: Learner = learnt): Outcome {
  let alarms = 0
  let quarters = 0
  const hours: number[] = []
  const waking: number[] = []
  const missed: number[] = []
  for (let seed = 1; seed <= sources; seed++) {
    const { startedAt, leads, mean } = trace(kind, seed)
    const random = randomFrom(seed + 1_000_000)
    const ended = startedAt + weeks * weekMs
    const outage = startedAt + (8 + random() * (weeks - 8)) * weekMs
    const rhythms = new Map<number, Rhythm | undefined>()
    const rhythmAt = (at: number, upTo: number) => {
      const day = Math.floor(at / dayMs)
      if (!rhythms.has(day)) {
        const until = day * dayMs
        const known = leads.filter((lead) => lead < Math.min(until, upTo)).slice(-learntLeadsMax)
        const since = (known.at(-1) ?? 0) - learntDays * dayMs
        rhythms.set(
          day,
          learn(
            known.filter((lead) => lead >= since),
            startedAt,
            zoneName,
          ),
        )
      }
      return rhythms.get(day)
    }
    /** When the silence after the lead `from` is told, if before `to`. */
    const toldAt = (from: number, to: number) => {
      for (let at = from; at < to;) {
        const rhythm = rhythmAt(at, from + 1)
        const day = Math.min(to, (Math.floor(at / dayMs) + 1) * dayMs)
        if (rhythm && expectedLeads(rhythm, from, day) >= rhythm.threshold) {
          for (; at < day; at += stepMs) if (expectedLeads(rhythm, from, at) >= rhythm.threshold) return at
        }
        at = day
      }
      return undefined
    }
    for (const [at, lead] of leads.entries()) {
      const next = leads[at + 1] ?? ended
      if (next > ended) break
      if (next - lead > hourMs / 2 && toldAt(lead, next) !== undefined) alarms++
    }
    quarters += (weeks - 3) / 13
    const last = leads.findLast((lead) => lead < outage) ?? startedAt
    rhythms.clear()
    const told = toldAt(last, outage + givenUpMs)
    if (told === undefined) continue
    hours.push(Math.max(0, told - outage) / hourMs)
    waking.push(wakingHours(outage, told))
    missed.push(mean(outage, Math.max(outage, told)))
  }
  const quantile = (numbers: readonly number[], part: number) =>
    numbers.toSorted((one, other) => one - other)[Math.floor(numbers.length * part)] ?? Number.POSITIVE_INFINITY
  return {
    kind: kind.name,
    falseAlarms: alarms / quarters,
    hoursP50: quantile(hours, 0.5),
    hoursP90: quantile(hours, 0.9),
    wakingP50: quantile(waking, 0.5),
    wakingP90: quantile(waking, 0.9),
    missedP50: quantile(missed, 0.5),
    missedP90: quantile(missed, 0.9),
    untold: 1 - hours.length / sources,
  }
}
