const pattern = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d):(\d\d)(?:\.(\d+))?(?:Z|([+ -])(\d\d)(?::?(\d\d))?)$/i

/**
 * The moment that a time of the contract means (RFC 3339, section 5.6), in milliseconds, or undefined when it is none.
 *
 * A leap second is the moment after it, as in POSIX. In a query a plus that was not encoded is a blank, and before an
 * offset nothing else can have been meant. Years go from 0000 to 9999, in UTC, too.
 */
export function momentIn(text: string): Date | undefined {
  const [matched, date = '', minute = '', second = '', fraction = '', sign, offsetHours = '00', offsetMinutes = '00'] =
    pattern.exec(text) ?? []
  if (!matched || offsetHours > '23' || offsetMinutes > '59') return undefined
  const isLeap = second === '60'
  const milliseconds = isLeap ? '000' : fraction.slice(0, 3).padEnd(3, '0')
  const wallClock = `${date}T${minute}:${isLeap ? '59' : second}.${milliseconds}Z`
  const local = Date.parse(wallClock)
  // Date.parse takes 30 February and 24:00 and moves on to the next day; only real times come back unchanged.
  if (Number.isNaN(local) || new Date(local).toISOString() !== wallClock) return undefined

  const offset = (Number(offsetHours) * 60 + Number(offsetMinutes)) * 60_000
  const at = local + (sign === '-' ? offset : -offset) + (isLeap ? 1_000 : 0)
  if (isLeap && at % 86_400_000 !== 0) return undefined
  const moment = new Date(at)
  return /^\d{4}-/.test(moment.toISOString()) ? moment : undefined
}

/** The moment of a text that the contract has let through as `date-time`. */
export function momentOf(text: string): Date {
  const moment = momentIn(text)
  if (!moment) throw new Error('A date-time came past the contract that is none')
  return moment
}
