import { DateTime } from 'luxon'

const yearMin = '1900'
const yearMax = '2200'

const timePattern =
  /^(\d{4})-(\d\d)-(\d\d)(?:T|\s+)(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,](\d{1,3})\d*)?)?\s*(?:(Z)|([+-]\d\d)(?::?(\d\d))?)?$/i

/** A moment in both forms of RFC 3339, with milliseconds. */
export interface Instant {
  utc: string
  /** With the offset that was sent, or that of the time zone. */
  local: string
  /** Nothing said what the offset is. */
  isAssumed: boolean
}

/** The moment that is meant, read in `timeZone` when it has no offset; undefined when it is not understood. */
export function instantIn(said: string, timeZone: string): Instant | undefined {
  const [
    matched,
    year = '',
    month = '',
    day = '',
    hour = '',
    minute = '',
    second = '00',
    fraction = '',
    zulu,
    offsetHours = '',
    offsetMinutes = '00',
  ] = timePattern.exec(said.trim()) ?? []
  const wallClock = `${year}-${month}-${day}T${hour.padStart(2, '0')}:${minute}:${second}.${fraction.padEnd(3, '0')}`
  if (!matched || year < yearMin || year > yearMax || !isOnTheClock(wallClock)) return undefined

  if (zulu || offsetHours) {
    const local = wallClock + (zulu ? 'Z' : `${offsetHours}:${offsetMinutes}`)
    const milliseconds = Date.parse(local)
    if (Number.isNaN(milliseconds)) return undefined
    return { utc: new Date(milliseconds).toISOString(), local, isAssumed: false }
  }
  const zoned = DateTime.fromISO(wallClock, { zone: timeZone })
  if (!zoned.isValid) return undefined
  return { utc: zoned.toJSDate().toISOString(), local: zoned.toISO(), isAssumed: true }
}

/** Date.parse takes 30 February and 24:00 and moves on to the next day; only real times come back unchanged. */
function isOnTheClock(wallClock: string): boolean {
  const milliseconds = Date.parse(`${wallClock}Z`)
  return !Number.isNaN(milliseconds) && new Date(milliseconds).toISOString() === `${wallClock}Z`
}
