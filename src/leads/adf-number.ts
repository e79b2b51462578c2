const numberLengthMax = 64

const groupedPattern = /^-?\d{1,3}([.,])\d{3}(?:\1\d{3})*(?:(?!\1)[.,]\d{1,2})?$/
const plainPattern = /^-?\d+(?:[.,]\d+)?$/
const amidPattern = /^([^\d-]*)(-?[\d.,]*\d)(?:[.,]?-+)?([^\d]*)$/

/**
 * The one number in a text, as JSON writes it, and the letters beside it. A separator before three digits groups them.
 */
export function numberIn(said: string): { decimal: string; beside: string } | undefined {
  if (said.length > numberLengthMax) return undefined
  const [, before = '', digits = '', after = ''] = amidPattern.exec(said.replace(/[\s'’]/g, '')) ?? []
  const [, group] = groupedPattern.exec(digits) ?? []
  if (group === undefined && !plainPattern.test(digits)) return undefined
  const ungrouped = group === undefined ? digits : digits.replaceAll(group, '')
  return { decimal: ungrouped.replace(',', '.'), beside: `${before}${after}`.replace(/[^\p{L}$€£]/gu, '') }
}
