import type { Knex } from 'knex'
import { changingConnectionsMax } from '../db/pool.ts'
import { openFairQueue, type WhileWaiting } from '../fair-queue.ts'
import { lockDealer } from './store.ts'

/** Whoever changes something of a dealer: a user or a key. */
export interface Changer {
  readonly dealerId: string
  readonly subject: { readonly id: string }
}

/** The way to change something: with the dealer's clock in one's hands. */
export interface Clocks {
  /** @throws {Problem} `unavailable` when too many wait for the dealer, or for too long */
  hold<T>(changer: Changer, work: (trx: Knex.Transaction) => Promise<T>, whileWaiting?: WhileWaiting): Promise<T>
}

// Of changes in one process.
const waiting = {
  ofMemberMax: 100,
  ofGroupMax: 500,
  inAllMax: 2_000,
  // Longer than PostgreSQL lets a transaction keep a dealer whose process was stopped.
  msMax: 8_000,
}

/**
 * One at a time of each dealer takes a connection and waits for the clock, which another process may hold; the others
 * wait in memory. Dealers have their turns one after the other, and so have those who belong to one: whatever somebody
 * does with a key, whoever deletes it comes next.
 */
export function openClocks(changes: Knex): Clocks {
  const queue = openFairQueue(
    { atOnceMax: changingConnectionsMax, atOnceOfGroupMax: 1, waiting },
    'More changes are waiting than can be made at this moment. Nothing was changed; try again in a moment.',
  )
  return {
    hold: ({ dealerId, subject }, work, whileWaiting) =>
      queue.run(
        { group: dealerId, member: subject.id },
        () =>
          changes.transaction(async (trx) => {
            await lockDealer(trx, dealerId)
            return work(trx)
          }),
        whileWaiting,
      ),
  }
}
