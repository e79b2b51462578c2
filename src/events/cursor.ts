/**
 * A place in the ledger of a dealer: the event that came last, by its number and by the end of its id, which no other
 * of that number has.
 */
export interface Position {
  readonly seq: bigint
  readonly tag: string
}

/** How the ledger looks from a position: whether the event is there that it names, and the position of the last one. */
export interface View {
  readonly isThere: boolean
  readonly end: Position
}

const tagLength = 12

/** Before the first event. */
export const beginning: Position = { seq: 0n, tag: '0' }

export const positionOf = ({ seq, id }: { seq: string; id: string }): Position => ({
  seq: BigInt(seq),
  tag: id.slice(-tagLength),
})

export const isSame = (one: Position, other: Position): boolean => one.seq === other.seq && one.tag === other.tag

/** Outside, a position is a cursor, which readers keep and do not take apart. */
export const cursorAt = ({ seq, tag }: Position): string => `${seq}.${tag}`

/** Of what is shown: the last event about it, as a cursor. */
export const revOf = ({ rev_seq, rev_event }: { rev_seq: string; rev_event: string }): string =>
  cursorAt(positionOf({ seq: rev_seq, id: rev_event }))

/** The contract has checked the pattern. A bare number, as cursors once were, is the position of no event. */
export function positionAt(cursor: string): Position {
  const [seq = '', tag = ''] = cursor.split('.')
  return { seq: BigInt(seq), tag }
}

/**
 * After a restore to an earlier state, other events get the numbers that were given out before. Hence the number alone
 * does not tell whether a reader stands where it believes to stand.
 *
 * `here`: the id of the event that has the position's number. `last`: the last event.
 */
export function viewFrom(
  position: Position,
  here: string | null,
  last: { seq: string | null; id: string | null },
): View {
  const isThere =
    isSame(position, beginning) || (here !== null && isSame(position, positionOf({ seq: `${position.seq}`, id: here })))
  return {
    isThere,
    end: last.seq === null || last.id === null ? beginning : positionOf({ seq: last.seq, id: last.id }),
  }
}
