import { IANAZone } from 'luxon'

/** How far back from its last lead the leads of a source tell what is usual. */
export const learntDays = 56
/** Of more leads the newest tell it, if these are of some days. */
export const learntLeadsMax = 20_000
const newestDaysMin = 7
/** Before a source has sent so many leads, over so many days, nobody knows what is usual. */
export const leadsMin = 10
export const daysMin = 21

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const quarterDays = 91
/** How many silences of a source in a quarter may be mere chance, were its leads independent of each other. */
const chanceInQuarter = 0.1
/** A silence is told when it is so much longer than one that the source had before. */
const longerThanBefore = 1.25
/**
 * The part of the gaps between leads that is looked at for burstiness, and how many gaps of independent leads are
 * counted among them.
 */
const longGaps = 1 / 10
const creditedGaps = 10
const recentGaps = 25
/**
 * Every day of the week and hour of the day is credited with so many leads, so that one that was empty by chance is not
 * taken for closed.
 */
const creditedLeads = 1

/** What is usual for a source. */
export interface Rhythm {
  timeZone: string
  /** How many leads are expected in each hour of the week, from Monday at 0 o'clock in the time zone. */
  perHour: readonly number[]
  /** When so many leads would have come, and none did, it is no chance. */
  threshold: number
}

/**
 * What is usual for a source whose first lead ever came at `startedAt`, by its leads of the 56 days before its last
 * one, oldest first. Undefined when they are too few. Times are milliseconds since the epoch.
 *
 * A lead is expected by the share that its day of the week and its hour of the day, in the dealer's time zone, have in
 * all leads; on holidays none is expected, and nothing is learnt. The pace is that of all these leads or of the last 25
 * gaps, whichever is slower. The threshold is the larger of two numbers of leads: the one that leads which are
 * independent of each other would fail to bring once in ten quarters, more when the longest gaps say that they come in
 * bursts; and a little more than was missing in the second longest silence of the source, the second because the
 * longest may have been an outage.
 */
export function learnt(leads: readonly number[], startedAt: number, timeZone: string): Rhythm | undefined {
  const until = leads.at(-1) ?? startedAt
  const from = Math.max(
    startedAt,
    until - learntDays * dayMs,
    leads.length < learntLeadsMax ? startedAt : (leads[0] ?? startedAt),
  )
  if (leads.length < leadsMin || until - startedAt < daysMin * dayMs || until - from < newestDaysMin * dayMs)
    return undefined
  const localOf = localTime(timeZone)

  const openDays = Array<number>(7).fill(0)
  const end = localOf(until)
  for (let at = localOf(from), next: number; at < end; at = next) {
    next = Math.min(end, (Math.floor(at / dayMs) + 1) * dayMs)
    if (!isHoliday(at)) add(openDays, weekdayOf(at), (next - at) / dayMs)
  }
  const onDays = Array<number>(7).fill(0)
  const inHours = Array<number>(24).fill(0)
  for (const local of leads.map(localOf)) {
    if (isHoliday(local)) continue
    add(onDays, weekdayOf(local), 1)
    add(inHours, hourOf(local), 1)
  }
  const count = sum(onDays)
  if (count < leadsMin) return undefined
  const perDay = count / sum(openDays)

  const ofDay = onDays.map((each, day) => (each + creditedLeads) / (perDay * (openDays[day] ?? 0) + creditedLeads))
  const smooth = inHours.map(
    (each, hour) => (2 * each + (inHours[(hour + 1) % 24] ?? 0) + (inHours[(hour + 23) % 24] ?? 0)) / 4 + creditedLeads,
  )
  const perHour = ofDay.flatMap((factor) => smooth.map((each) => (perDay * factor * each) / sum(smooth)))

  const gaps = leads.slice(1).map((lead, before) => expectedIn(perHour, localOf(leads[before] ?? lead), localOf(lead)))
  const recent = gaps.slice(-recentGaps)
  // Half a standard deviation below what was counted, which would be as likely by chance.
  const pace = Math.min(1 - 0.5 / Math.sqrt(count), recent.length / sum(recent))
  const [, ...longest] = gaps.toSorted((one, other) => other - one)
  const long = longest.slice(0, Math.ceil(gaps.length * longGaps))
  // How far gaps go on beyond a long one: 1 for independent leads, whatever a long one is.
  const beyond = (sum(long.map((gap) => gap - (long.at(-1) ?? gap))) + creditedGaps) / (long.length + creditedGaps)
  return {
    timeZone,
    perHour: perHour.map((each) => each * pace),
    threshold: Math.max(
      Math.max(1, beyond) * Math.log((perDay * quarterDays) / chanceInQuarter),
      longerThanBefore * (longest[0] ?? 0),
    ),
  }
}

/** How many leads usually come between two times. */
export function expectedLeads({ timeZone, perHour }: Rhythm, from: number, to: number): number {
  const localOf = localTime(timeZone)
  return expectedIn(perHour, localOf(from), localOf(to))
}

function expectedIn(perHour: readonly number[], from: number, to: number): number {
  let expected = 0
  for (let at = from, next: number; at < to; at = next) {
    next = Math.min(to, (Math.floor(at / hourMs) + 1) * hourMs)
    if (!isHoliday(at)) expected += ((perHour[weekdayOf(at) * 24 + hourOf(at)] ?? 0) * (next - at)) / hourMs
  }
  return expected
}

/**
 * From times to local ones, on which days and hours are counted. Where a day's clock is changed, the hours before it
 * are one off.
 */
function localTime(timeZone: string): (at: number) => number {
  const zone = IANAZone.create(timeZone)
  const offsets = new Map<number, number>()
  return (at) => {
    const day = Math.floor(at / dayMs)
    const known = offsets.get(day)
    if (known !== undefined) return at + known
    const offset = zone.offset((day + 0.5) * dayMs) * 60_000
    offsets.set(day, offset)
    return at + offset
  }
}

// 1 January 1970 was a Thursday; Monday is 0.
const weekdayOf = (local: number) => (Math.floor(local / dayMs) + 3) % 7
const hourOf = (local: number) => Math.floor(local / hourMs) % 24
const sum = (numbers: readonly number[]) => numbers.reduce((all, each) => all + each, 0)
const add = (to: number[], index: number, more: number) => void (to[index] = (to[index] ?? 0) + more)

/**
 * Whether hardly anybody works, or looks for a car: Christmas to New Year, Maundy Thursday to Easter Monday, Ascension
 * Day, Whit Monday.
 */
function isHoliday(local: number): boolean {
  const date = new Date(local)
  const [month, day] = [date.getUTCMonth() + 1, date.getUTCDate()]
  if ((month === 12 && day >= 24) || (month === 1 && day === 1)) return true
  const afterEaster = Math.floor(local / dayMs) - easterOf(date.getUTCFullYear())
  return (afterEaster >= -3 && afterEaster <= 1) || afterEaster === 39 || afterEaster === 50
}

/**
 * Easter Sunday, in days since the epoch: the Sunday after the full moon of spring, by the reckoning of Gauss for 1900
 * to 2099.
 */
function easterOf(year: number): number {
  const moon = (19 * (year % 19) + 24) % 30
  const weekday = (2 * (year % 4) + 4 * (year % 7) + 6 * moon + 5) % 7
  const late = (moon === 29 && weekday === 6) || (moon === 28 && weekday === 6 && year % 19 > 10) ? 7 : 0
  return Date.UTC(year, 2, 22 + moon + weekday - late) / dayMs
}
