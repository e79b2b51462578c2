import { isSame, type Position, type View } from '../events/cursor.ts'

const pageLength = 100
const pageOfOneLength = 16
const skippedFrom = 20

/** A listener, as far as it matters for what it gets. */
export interface Place {
  /** The event that it was sent last, or that was passed over for it. */
  readonly at: Position
  /** It reads on by itself at this moment. */
  readonly isCatchingUp: boolean
  /** It takes less than comes. */
  readonly isFull: boolean
  /** It wants many events at once left out. */
  readonly skips: boolean
}

/**
 * What becomes of a listener. `hand out`: it gets the events behind the channel's position, which are read once for all
 * who stand there. `catch up`: it stands elsewhere, or is slow, and reads on by itself. `skip`: it is told that events
 * were left out, and goes on at the end. `restart`: the event that it had last is not in the ledger, and it is told to
 * begin anew. `wait`: nothing at this moment.
 */
export type Delivery = 'hand out' | 'catch up' | 'skip' | 'restart' | 'wait'

export interface Turn {
  /** In the order of the places. */
  readonly deliveries: Delivery[]
  /**
   * How many events are read behind the channel's position. When nobody stands there, none: the channel passes over to
   * the end.
   */
  readonly read: number
}

/**
 * What is next for a channel and its listeners, as they were before it was looked how the ledger looks from the
 * channel's position.
 */
export function turn(channel: Position, view: View, places: readonly Place[]): Turn {
  const deliveries = places.map((place) => deliveryTo(place, channel, view))
  return { deliveries, read: deliveries.includes('hand out') ? between(channel, view.end, pageLength) : 0 }
}

function deliveryTo({ at, isCatchingUp, isFull, skips }: Place, channel: Position, { isThere, end }: View): Delivery {
  // What it reads says where it stands.
  if (isCatchingUp) return 'wait'
  const isHere = isSame(at, channel)
  if (isHere ? !isThere : isAhead(at, end)) return 'restart'
  if (isSame(at, end)) return 'wait'
  if (!isHere || isFull) return 'catch up'
  return skips && end.seq - at.seq > skippedFrom ? 'skip' : 'hand out'
}

/** What is next for a listener who catches up with a channel: alone, with the ledger as it looks from its own place. */
export function turnAlone({ at, skips }: Pick<Place, 'at' | 'skips'>, view: View, channel: Position): Delivery {
  // The channel itself may stand in a future that is gone.
  if (view.isThere && view.end.seq < channel.seq) return 'wait'
  return deliveryTo({ at, skips, isCatchingUp: false, isFull: false }, at, { ...view, end: channel })
}

/**
 * How many events a listener who catches up reads at a time: none when it has caught up, and none beyond the channel,
 * or they would not meet.
 */
export const readAlone = (at: Position, channel: Position): number => between(at, channel, pageOfOneLength)

/**
 * Where a channel stands when somebody joins it. Those who were there before decide: moved, it would leave them behind.
 */
export const joined = (channel: Position | undefined, end: Position): Position => channel ?? end

const isAhead = (at: Position, end: Position): boolean => at.seq > end.seq || (at.seq === end.seq && at.tag !== end.tag)

/** How many events lie between: numbers are dense. */
function between(from: Position, to: Position, atMost: number): number {
  return Math.max(0, Math.min(atMost, Number(to.seq - from.seq)))
}
