import leven from 'leven'

const nameLengthMax = 64

/** The one of the names that was probably meant by another one, if any is near: a third of it may differ. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  const plain = plainOf(name)
  let best: { name: string; distance: number } | undefined
  for (const each of known) {
    const other = plainOf(each)
    const lengthMax = Math.max(plain.length, other.length)
    if (lengthMax > nameLengthMax) continue
    const distance = leven(plain, other)
    if (distance * 3 <= lengthMax && distance < (best?.distance ?? Infinity)) best = { name: each, distance }
  }
  return best?.name
}

const plainOf = (name: string): string => name.toLowerCase().replaceAll(/[\s_.-]/g, '')
