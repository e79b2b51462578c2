import { type Notes, single, textOf } from './adf-element.ts'
import type { XmlElement } from './adf-xml.ts'
import { warn } from './warnings.ts'

const lengthMax = 64
const offsetHoursMax = 14

const compactTime = /^(\d{4})(\d\d)(\d\d)T?\s*(\d\d)(\d\d)(\d\d)?(.*)$/is
const extendedTime = /^(\d{4}-\d\d-\d\d)[T\s]\s*(\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?)(.*)$/is
const offsetPattern = /^([+-])\s*(\d{1,2})(?::?([0-5]\d))?$/

/**
 * `requestdate` in the form that lead input has: ISO 8601 in two of the four forms of ADF, and near to it. An offset
 * that is none is left out.
 */
export function readTime(prospect: XmlElement, notes: Notes): string | undefined {
  const element = single(prospect, 'requestdate', notes)
  if (!element) return undefined
  const whole = textOf(element, lengthMax, notes)
  const [, year = '', month = '', day = '', hour = '', minute = '', second = '00', compactOffset] =
    compactTime.exec(whole) ?? []
  const [, date = '', time = '', extendedOffset] = extendedTime.exec(whole) ?? []
  const wallClock = year ? `${year}-${month}-${day}T${hour}:${minute}:${second}` : date && `${date}T${time}`
  const offset = (compactOffset ?? extendedOffset ?? '').trim()
  // Without am and pm it would be another time.
  if (!wallClock || /^[ap]\.?\s*m/i.test(offset)) return whole

  if (offset === '') return wallClock
  if (/^(?:z|utc|gmt)$/i.test(offset)) return `${wallClock}Z`
  const [, sign, hours = '', minutes = '00'] = offsetPattern.exec(offset.replace(/[\u2212\u2013]/, '-')) ?? []
  if (sign && Number(hours) <= offsetHoursMax) return `${wallClock}${sign}${hours.padStart(2, '0')}:${minutes}`
  warn('adf-offset-odd', element.at, notes)
  notes.extra.set(element.at, whole)
  return wallClock
}
