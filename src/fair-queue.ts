import { Problem } from './problem.ts'

/** Whose work it is. Groups have their turns one after the other, and so have the members of each. */
export interface Whose {
  readonly group: string
  readonly member: string
}

export interface Bounds {
  readonly atOnceMax: number
  readonly atOnceOfGroupMax: number
  /** Left out, as much as of its group. */
  readonly atOnceOfMemberMax?: number
  /** Of those who wait. Left out, somebody else sees to it that they are not too many. */
  readonly waiting?: {
    readonly ofMemberMax: number
    readonly ofGroupMax: number
    readonly inAllMax: number
    readonly msMax: number
  }
}

export interface WhileWaiting {
  /** Aborted when nobody waits for the answer any more: its place goes to the next. */
  readonly left?: () => AbortSignal
  /** Done by whoever has to wait, before it takes a place. */
  readonly first?: () => Promise<unknown>
}

export interface Place {
  /** Gives so much of it back, or what is left. */
  leave(weight?: number): void
}

export interface FairQueue {
  /** @throws {Problem} `unavailable` when too many wait, or for too long, or nobody for the answer */
  run<T>(whose: Whose, work: () => Promise<T>, whileWaiting?: WhileWaiting): Promise<T>
  /** The same for work that weighs more than others, and says itself when it is over. No weight may pass the bounds. */
  enter(whose: Whose, weight: number, whileWaiting?: WhileWaiting): Promise<Place>
  /** Whether another member waits for what this one holds. */
  isAwaited(whose: Whose): boolean
}

interface Turn {
  readonly weight: number
  readonly start: () => void
}

interface Group {
  underWay: number
  waiting: number
  /** Whoever is next waits for the group to have less under way, and nobody goes before. */
  isHeldUp: boolean
  /** Those who wait, of each member, in the order of their turns. */
  readonly members: Map<string, Turn[]>
  /** What is under way of each member, where that is bounded. */
  readonly ofMembers: Map<string, number>
}

const retryAfterSeconds = '2'
const unbounded = { ofMemberMax: Infinity, ofGroupMax: Infinity, inAllMax: Infinity, msMax: Infinity }

/**
 * Work that waits in memory, and not inside what it is to use: so much of it at once, and the rest in turn, however
 * much of it one of them wants. `tooMuch` is told to whom it is too much.
 */
export function openFairQueue(
  {
    atOnceMax,
    atOnceOfGroupMax,
    atOnceOfMemberMax = Infinity,
    waiting: { ofMemberMax, ofGroupMax, inAllMax, msMax } = unbounded,
  }: Bounds,
  tooMuch = '',
): FairQueue {
  // In the order of their turns.
  const groups = new Map<string, Group>()
  let underWay = 0
  let waiting = 0
  /** The same as of a group, of all. */
  let isHeldUp = false

  const groupOf = (name: string): Group => {
    const known = groups.get(name)
    if (known) return known
    const group: Group = { underWay: 0, waiting: 0, isHeldUp: false, members: new Map(), ofMembers: new Map() }
    groups.set(name, group)
    return group
  }
  const isInUse = (group: Group) => group.underWay > 0 || group.waiting > 0
  const hasRoom = (group: Group | undefined, weight: number) => (group?.underWay ?? 0) + weight <= atOnceOfGroupMax
  const hasRoomFor = (group: Group | undefined, member: string, weight: number) =>
    atOnceOfMemberMax === Infinity || (group?.ofMembers.get(member) ?? 0) + weight <= atOnceOfMemberMax
  const isFree = ({ group: name, member }: Whose, weight: number) => {
    const group = groups.get(name)
    const isBehind = isHeldUp || group?.isHeldUp === true
    return !isBehind && underWay + weight <= atOnceMax && hasRoom(group, weight) && hasRoomFor(group, member, weight)
  }

  const count = (group: Group, member: string, weight: number) => {
    underWay += weight
    group.underWay += weight
    if (atOnceOfMemberMax === Infinity) return
    const ofMember = (group.ofMembers.get(member) ?? 0) + weight
    if (ofMember > 0) group.ofMembers.set(member, ofMember)
    else group.ofMembers.delete(member)
  }
  const end = ({ group: name, member }: Whose, weight: number) => {
    const group = groupOf(name)
    count(group, member, -weight)
    toTheEnd(name, group)
    if (waiting > 0) beginNext()
  }
  const toTheEnd = (name: string, group: Group) => {
    groups.delete(name)
    if (isInUse(group)) groups.set(name, group)
  }
  const forget = (name: string, group: Group) => {
    if (!isInUse(group)) groups.delete(name)
  }

  /** The member of a group whose turn it is, if the group may begin something. */
  const nextOf = (group: Group): string | undefined => {
    group.isHeldUp = false
    if (group.underWay >= atOnceOfGroupMax) return undefined
    for (const [member, [turn]] of group.members) {
      if (!turn || !hasRoomFor(group, member, turn.weight)) continue
      group.isHeldUp = !hasRoom(group, turn.weight)
      return group.isHeldUp ? undefined : member
    }
    return undefined
  }
  const beginNext = () => {
    isHeldUp = false
    for (const [name, group] of groups) {
      if (underWay >= atOnceMax) return
      const member = nextOf(group)
      const turns = member === undefined ? undefined : group.members.get(member)
      const [turn] = turns ?? []
      if (member === undefined || !turns || !turn) continue
      isHeldUp = underWay + turn.weight > atOnceMax
      if (isHeldUp) return
      turns.shift()
      group.members.delete(member)
      if (turns.length > 0) group.members.set(member, turns)
      count(group, member, turn.weight)
      toTheEnd(name, group)
      turn.start()
    }
  }

  /** Resolved when it has begun. */
  const turnOf = ({ group: name, member }: Whose, weight: number, left: AbortSignal | undefined) =>
    new Promise<void>((resolve, reject) => {
      const refuse = () =>
        reject(new Problem('unavailable', tooMuch, { headers: { 'Retry-After': retryAfterSeconds } }))
      const group = groupOf(name)
      const turns = group.members.get(member) ?? []
      const isFull = turns.length >= ofMemberMax || group.waiting >= ofGroupMax || waiting >= inAllMax
      if (left?.aborted || isFull) {
        forget(name, group)
        return refuse()
      }
      const isOver = () => {
        waiting--
        group.waiting--
        if (waiting === 0) isHeldUp = false
        if (group.waiting === 0) group.isHeldUp = false
        clearTimeout(timer)
        left?.removeEventListener('abort', giveUp)
      }
      const start = () => {
        isOver()
        resolve()
      }
      const turn = { weight, start }
      const giveUp = () => {
        isOver()
        turns.splice(turns.indexOf(turn), 1)
        if (turns.length === 0) group.members.delete(member)
        forget(name, group)
        refuse()
        if (isHeldUp || group.isHeldUp) beginNext()
      }
      const timer = msMax < Infinity ? setTimeout(giveUp, msMax) : undefined
      left?.addEventListener('abort', giveUp)
      if (hasRoomFor(group, member, weight)) {
        if (!hasRoom(group, weight)) group.isHeldUp = true
        else if (underWay + weight > atOnceMax) isHeldUp = true
      }
      waiting++
      group.waiting++
      turns.push(turn)
      group.members.set(member, turns)
    })

  const begun = async (whose: Whose, weight: number, { left, first }: WhileWaiting): Promise<void> => {
    if (isFree(whose, weight)) return count(groupOf(whose.group), whose.member, weight)
    if (first) await first()
    const leaving = left?.()
    if (isFree(whose, weight) && !leaving?.aborted) count(groupOf(whose.group), whose.member, weight)
    else await turnOf(whose, weight, leaving)
  }

  return {
    run: async (whose, work, whileWaiting = {}) => {
      await begun(whose, 1, whileWaiting)
      try {
        return await work()
      } finally {
        end(whose, 1)
      }
    },
    enter: async (whose, weight, whileWaiting = {}) => {
      await begun(whose, weight, whileWaiting)
      let held = weight
      return {
        leave: (given = held) => {
          const back = Math.min(given, held)
          held -= back
          if (back > 0) end(whose, back)
        },
      }
    },
    isAwaited: ({ group: name }) =>
      [...groups].some(([each, group]) => {
        // Whose own turns are too many waits for itself.
        const next = [...group.members].find(([member, [turn]]) => turn && hasRoomFor(group, member, turn.weight))
        return next !== undefined && (each === name || hasRoom(group, next[1][0]?.weight ?? 0))
      }),
  }
}
