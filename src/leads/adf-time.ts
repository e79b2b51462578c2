import { attributeOf, dropAttribute, type Notes, single, takeText } from './adf-element.ts'
import type { XmlElement } from './adf-xml.ts'
import { instantIn, zoneCalled } from './time.ts'

const zoneNames = ['timezone', 'tz', 'zone', 'offset', 'utcoffset']

/**
 * `requestdate`, with the zone that an attribute says and it does not. Whatever that is called, without it the time
 * would be another.
 */
export function readTime(prospect: XmlElement, notes: Notes): string | undefined {
  const element = single(prospect, 'requestdate', notes)
  if (!element) return undefined
  const isZone = (each: string) => zoneCalled(attributeOf(element, each) ?? '') !== 'unknown'
  const name =
    zoneNames.find((each) => attributeOf(element, each) !== undefined) ?? [...element.attributes.keys()].find(isZone)
  if (name === undefined || !instantIn(element.text, 'UTC')?.isAssumed) return takeText(element, notes)
  const zone = attributeOf(element, name) ?? ''
  dropAttribute(element, name)
  return `${takeText(element, notes)} ${zone}`
}
