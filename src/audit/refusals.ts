import type { Knex } from 'knex'
import { openJob, type Report } from '../background.ts'
import { newId } from '../ids.ts'
import type { Principal } from '../operation.ts'
import { addRefusals, type Refused } from './store.ts'

/** Gathers what is refused to keys and people who are known, off the way of the request. */
export interface Refusals {
  note(refusal: Refusal): void
  /** Writes what is waiting. */
  flush(): Promise<void>
  stop(): Promise<void>
}

export interface Refusal {
  readonly dealerId: string
  readonly subject: Principal['subject']
  /** Of the problem, or OAuth's word for it. */
  readonly code: string
  readonly address: string
}

const name = 'writing down what was refused'
const flushMs = 1_000
/** How many rows a key or person can make in an hour for one reason, the one without an address included. */
export const addressesMax = 20
// Known keys and people alone are gathered, each with few codes; while the database is away the rest is not counted.
const waitingMax = 20_000
const writtenAtOnceMax = 2_000
const addressLengthMax = 64

export function openRefusals(db: Knex, report: Report): Refusals {
  let waiting = new Map<string, Refused>()
  let addresses = new Map<string, number>()

  const flush = async () => {
    const all = [...waiting.values()]
    waiting = new Map()
    addresses = new Map()
    for (let at = 0; at < all.length; at += writtenAtOnceMax) {
      try {
        await addRefusals(db, all.slice(at, at + writtenAtOnceMax), addressesMax)
      } catch (error) {
        for (const left of all.slice(at)) add(left)
        throw error
      }
    }
  }

  const add = (refused: Omit<Refused, 'id'>) => {
    const about = `${refused.dealerId} ${refused.subject.id} ${refused.code}`
    const seen = addresses.get(about) ?? 0
    const isNew = !waiting.has(`${about} ${refused.address}`)
    const address = isNew && refused.address !== '' && seen >= addressesMax - 1 ? '' : refused.address
    const gathered = waiting.get(`${about} ${address}`)
    if (gathered) gathered.requests += refused.requests
    else if (waiting.size < waitingMax) {
      waiting.set(`${about} ${address}`, { ...refused, address, id: newId() })
      if (address !== '') addresses.set(about, seen + 1)
    }
  }

  const writing = openJob(name, flushMs, report, flush)
  return {
    note: ({ address, ...refusal }) => add({ ...refusal, address: address.slice(0, addressLengthMax), requests: 1 }),
    flush: writing.run,
    stop: async () => {
      await writing.stop()
      await flush().catch((error: unknown) => report(error, name))
    },
  }
}
