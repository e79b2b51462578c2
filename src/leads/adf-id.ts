import type { ExternalReference } from '../../generated/server/types.gen.ts'
import { attributeOf, drop, hasText, inOrder, type Notes, orderOf, takeAttribute, takeText } from './adf-element.ts'
import type { XmlElement } from './adf-xml.ts'
import { referenceFault } from './external-reference.ts'
import { warn } from './warnings.ts'

/**
 * The `id` with the lowest `sequence` among those that tell a lead from all others: a doubtful one would lose a lead.
 */
export function readReference(prospect: XmlElement, notes: Notes): ExternalReference | undefined {
  const ids = bySequence(prospect)
  const usable = ids.find(
    (id) => !referenceFault('id', id.text) && !referenceFault('source', attributeOf(id, 'source') ?? ''),
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

export function bySequence({ children }: XmlElement): XmlElement[] {
  return children
    .filter((child) => child.name === 'id' && hasText(child))
    .sort((a, b) => inOrder(sequenceOf(a), sequenceOf(b)))
}

const sequenceOf = ({ attributes }: XmlElement) => orderOf(attributes.get('sequence'))
