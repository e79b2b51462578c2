import * as limits from '../../generated/server/limits.gen.ts'
import type { ExternalReference } from '../../generated/server/types.gen.ts'
import { drop, hasText, inOrder, type Notes, orderOf, takeAttribute, takeText } from './adf-element.ts'
import type { XmlElement } from './adf-xml.ts'
import { isPlaceholder } from './placeholder.ts'
import { warn } from './warnings.ts'

/**
 * The `id` with the lowest `sequence` among those that tell a lead from all others: with a source, whole, and not a
 * word that everybody uses. A doubtful id is none: taking two leads for one would lose the second.
 */
export function readReference(prospect: XmlElement, notes: Notes): ExternalReference | undefined {
  const ids = bySequence(prospect)
  const usable = ids.find(
    ({ text, attributes }) =>
      isTelling(text, limits.ExternalReference.id.maxLength) &&
      isTelling(attributes.get('source') ?? '', limits.ExternalReference.source.maxLength),
  )
  const [unusable] = ids
  if (!usable && unusable) warn('adf-id-unusable', unusable.at, notes)
  if (!usable) return undefined
  drop(prospect, usable)
  return { source: takeAttribute(usable, 'source') ?? '', id: takeId(usable, notes) }
}

/** What an id says; of its place among others nothing is left. */
export function takeId(id: XmlElement, notes: Notes): string {
  if (sequenceOf(id) !== Infinity) id.attributes.delete('sequence')
  return takeText(id, notes)
}

export const isTelling = (text: string, lengthMax: number) =>
  !isPlaceholder(text) && text.trim() !== '0' && text.trim().length <= lengthMax

export function bySequence({ children }: XmlElement): XmlElement[] {
  return children
    .filter((child) => child.name === 'id' && hasText(child))
    .sort((a, b) => inOrder(sequenceOf(a), sequenceOf(b)))
}

const sequenceOf = ({ attributes }: XmlElement) => orderOf(attributes.get('sequence'))
