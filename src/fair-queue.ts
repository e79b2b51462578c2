import { Problem } from './problem.ts'

/** Whose work it is. Groups have their turns one after the other, and so have the members of each. */
export interface Whose {
  readonly group: string
  readonly member: string
}

export interface Bounds {
  readonly atOnceMax: number
  readonly atOnceOfGroupMax: number
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

export interface FairQueue {
  /** @throws {Problem} `unavailable` when too many wait, or for too long, or nobody for the answer */
  run<T>(whose: Whose, work: () => Promise<T>, whileWaiting?: WhileWaiting): Promise<T>
}

interface Group {
  underWay: number
  waiting: number
  /** Those who wait, of each member, in the order of their turns. */
  readonly members: Map<string, (() => void)[]>
}

const retryAfterSeconds = '2'
const unbounded = { ofMemberMax: Infinity, ofGroupMax: Infinity, inAllMax: Infinity, msMax: Infinity }

/**
 * Work that waits in memory, and not inside what it is to use: so much of it at once, and the rest in turn, however
 * much of it one of them wants. `tooMuch` is told to whom it is too much.
 */
export function openFairQueue(
  { atOnceMax, atOnceOfGroupMax, waiting: { ofMemberMax, ofGroupMax, inAllMax, msMax } = unbounded }: Bounds,
  tooMuch = '',
): FairQueue {
  // In the order of their turns.
  const groups = new Map<string, Group>()
  let underWay = 0
  let waiting = 0

  const groupOf = (name: string): Group => {
    const known = groups.get(name)
    if (known) return known
    const group: Group = { underWay: 0, waiting: 0, members: new Map() }
    groups.set(name, group)
    return group
  }
  const isInUse = (group: Group) => group.underWay > 0 || group.waiting > 0
  const isFree = (name: string) => underWay < atOnceMax && (groups.get(name)?.underWay ?? 0) < atOnceOfGroupMax

  const begin = (group: Group) => {
    underWay++
    group.underWay++
  }
  const end = (name: string) => {
    const group = groupOf(name)
    underWay--
    group.underWay--
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

  const beginNext = () => {
    for (const [name, group] of groups) {
      if (underWay >= atOnceMax) return
      const [turn] = group.members
      if (!turn || group.underWay >= atOnceOfGroupMax) continue
      const [member, places] = turn
      const start = places.shift()
      group.members.delete(member)
      if (places.length > 0) group.members.set(member, places)
      begin(group)
      toTheEnd(name, group)
      start?.()
    }
  }

  /** Resolved when it has begun. */
  const turnOf = ({ group: name, member }: Whose, left: AbortSignal | undefined) =>
    new Promise<void>((resolve, reject) => {
      const refuse = () =>
        reject(new Problem('unavailable', tooMuch, { headers: { 'Retry-After': retryAfterSeconds } }))
      const group = groupOf(name)
      const places = group.members.get(member) ?? []
      const isFull = places.length >= ofMemberMax || group.waiting >= ofGroupMax || waiting >= inAllMax
      if (left?.aborted || isFull) {
        forget(name, group)
        return refuse()
      }
      const isOver = () => {
        waiting--
        group.waiting--
        clearTimeout(timer)
        left?.removeEventListener('abort', giveUp)
      }
      const start = () => {
        isOver()
        resolve()
      }
      const giveUp = () => {
        isOver()
        places.splice(places.indexOf(start), 1)
        if (places.length === 0) group.members.delete(member)
        forget(name, group)
        refuse()
      }
      const timer = msMax < Infinity ? setTimeout(giveUp, msMax) : undefined
      left?.addEventListener('abort', giveUp)
      waiting++
      group.waiting++
      places.push(start)
      group.members.set(member, places)
    })

  return {
    run: async (whose, work, { left, first } = {}) => {
      if (isFree(whose.group)) begin(groupOf(whose.group))
      else {
        if (first) await first()
        const leaving = left?.()
        if (isFree(whose.group) && !leaving?.aborted) begin(groupOf(whose.group))
        else await turnOf(whose, leaving)
      }
      try {
        return await work()
      } finally {
        end(whose.group)
      }
    },
  }
}
