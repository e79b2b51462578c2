import type { Knex } from 'knex'
import { networkOf } from '../address.ts'
import type { Http } from '../operation.ts'
import { Problem } from '../problem.ts'
import type { Secrets } from '../secrets.ts'
import * as store from './store.ts'

/** How often somebody may fail, or ask for a mail, in a quarter of an hour, over all processes. */
const most = {
  account: 10,
  device: 10,
  session: 10,
  address: 100,
  linkAddress: 100,
  passkeyAddress: 100,
  mailAccount: 3,
  mailAddress: 30,
}
type Kind = keyof typeof most
/**
 * Failures are counted in so many places of each kind, by a keyed hash: whoever tries millions of e-mails from millions
 * of addresses meets his own counts again, and takes no more room. Without the key nobody knows whose place is whose.
 */
const placesOfKind = 2 ** 17

/** Whose failures are counted together: what the database takes for one and the same e-mail address. */
export type Account = string

/** Bounds how often somebody may fail. */
export interface Attempts {
  /**
   * Counts a failure to sign in before the password is looked at, so that attempts sent side by side cannot slip
   * through: by account and by address, but for a device that the person has signed in with before, which is counted
   * alone. Call the answer when it was right.
   *
   * @throws {Problem} `too-many-attempts`; what is refused is not counted.
   */
  count(http: Http, account: Account, device: string | undefined): Promise<() => Promise<void>>
  /** The same for somebody who is signed in, by the session alone. */
  countInSession(credentialId: string): Promise<() => Promise<void>>
  /** The same for a link to choose a password. */
  countLink(http: Http): Promise<() => Promise<void>>
  /** The same for a passkey alone, which cannot be guessed: what is bounded is the work. */
  countPasskey(http: Http): Promise<() => Promise<void>>
  /** Counts a mail that somebody asks for without being signed in. */
  countMail(http: Http, account: Account): Promise<void>
}

export function openAttempts(db: Knex, secrets: Secrets): Attempts {
  const count = async (counted: Partial<Record<Kind, string>>): Promise<() => Promise<void>> => {
    const places = (Object.entries(counted) as [Kind, string][]).map(([kind, of]) => ({
      ...placeOf(secrets, kind, of),
      most: most[kind],
    }))
    const seconds = await store.countFailure(db, places)
    if (seconds !== undefined)
      throw new Problem('too-many-attempts', 'Too many failed attempts. Wait, then try again.', {
        headers: { 'Retry-After': String(Math.ceil(seconds)) },
      })
    return () => store.takeFailureBack(db, places)
  }

  return {
    count: (http, account, device) =>
      count(
        device === undefined ? { account, address: networkOf(http.address()) } : { device: `${device} ${account}` },
      ),
    countInSession: (credentialId) => count({ session: credentialId }),
    countLink: (http) => count({ linkAddress: networkOf(http.address()) }),
    countPasskey: (http) => count({ passkeyAddress: networkOf(http.address()) }),
    countMail: async (http, account) =>
      void (await count({ mailAccount: account, mailAddress: networkOf(http.address()) })),
  }
}

/** Until when nobody can sign in to an account from a device that it does not know. */
export async function lockedUntil(db: Knex, secrets: Secrets, accounts: Account[]): Promise<Map<Account, Date>> {
  const places = new Map(accounts.map((account) => [account, placeOf(secrets, 'account', account).place]))
  const full = await store.findFullPlaces(db, 'account', [...places.values()], most.account)
  return new Map(
    [...places].flatMap(([account, place]) => {
      const endsAt = full.get(place)
      return endsAt ? [[account, endsAt]] : []
    }),
  )
}

/** Forgets the failures of an account, also those of mails that were asked for. */
export async function release(db: Knex, secrets: Secrets, account: Account): Promise<void> {
  await store.forgetFailures(db, [placeOf(secrets, 'account', account), placeOf(secrets, 'mailAccount', account)])
}

export function placeOf(secrets: Secrets, kind: Kind, of: string): { kind: Kind; place: number } {
  const hash = secrets.hash('attempts', secrets.currentVersion, `${kind} ${of}`)
  return { kind, place: hash.readUInt32BE(0) % placesOfKind }
}
