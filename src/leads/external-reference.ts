import * as limits from '../../generated/server/limits.gen.ts'
import type { ExternalReference, ExternalReferenceInput } from '../../generated/server/types.gen.ts'
import { keep } from './extra.ts'
import { needing, objectOf, storable } from './members.ts'
import type { Reading } from './reading.ts'
import { isLonger, isStorable } from './text.ts'
import { warn } from './warnings.ts'

// A letter, a digit, a punctuation mark or a symbol of any script; blanks, controls and what only joins others show
// nothing.
const visiblePattern = /[\p{L}\p{N}\p{P}\p{S}]/u

/**
 * A reference makes every later lead with the same one a duplicate, which is not stored. So one that any sender may
 * send by accident is none, nor is one in which different characters may have become the same U+FFFD, here or before.
 * Anything else is compared to the letter.
 */
export function readExternalReference(
  sent: NonNullable<ExternalReferenceInput>,
  at: string,
  reading: Reading,
): ExternalReference | undefined {
  const reference = externalReferenceMembers(sent, at, reading)
  if (!reference) return undefined
  const faults = (['source', 'id'] as const).flatMap((name) => {
    const code = referenceFault(reference[name], limits.ExternalReference[name].maxLength)
    return code ? [{ code, pointer: `${at}/${name}` }] : []
  })
  if (faults.length === 0) return reference
  for (const { code, pointer } of faults) warn(code, pointer, reading)
  keep(at, reference, at, reading)
  return undefined
}

/** Whether a lead that is sent with this reference is stored with it, to the letter. */
export function isUsable(reference: ExternalReference): boolean {
  return (['source', 'id'] as const).every((name) => {
    const part = reference[name]
    return isStorable(part) && referenceFault(part, limits.ExternalReference[name].maxLength) === undefined
  })
}

function referenceFault(
  part: string,
  lengthMax: number,
): `external-reference-${'long' | 'damaged' | 'blank'}` | undefined {
  if (isLonger(part, lengthMax)) return 'external-reference-long'
  if (part.includes('\uFFFD')) return 'external-reference-damaged'
  return visiblePattern.test(part) ? undefined : 'external-reference-blank'
}

const externalReferenceMembers = needing(
  ['source', 'id'],
  objectOf<ExternalReferenceInput, ExternalReference>({ source: storable, id: storable }),
)
