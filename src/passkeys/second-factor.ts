import type { Knex } from 'knex'
import type { NewPasskey, PasskeyAssertion, PasskeyCreation, PasskeyRequest } from '../../generated/server/types.gen.ts'
import type { Audited, Change } from '../audit/audit.ts'
import { findDealer } from '../dealers/store.ts'
import { newId } from '../ids.ts'
import type { Http } from '../operation.ts'
import type { MailData } from '../outbox/mail.ts'
import { addMails } from '../outbox/store.ts'
import { Problem } from '../problem.ts'
import type { Secrets } from '../secrets.ts'
import type { UserRow } from '../users/user.ts'
import { newPasskeyIn, type Proven, provenBy } from './ceremony.ts'
import { challengeIn, type Deed, newChallenge } from './challenge.ts'
import type { Factor } from './factor.ts'
import { isSuspect, type PasskeyRow, passkeysMax, personIn, userHandleOf } from './passkey.ts'
import { hashOfCode, newCodes } from './recovery-code.ts'
import { type Site, siteOf } from './site.ts'
import * as store from './store.ts'

export interface Passkeys extends Audited {
  db: Knex
  secrets: Secrets
  issuer: string
  mailIsReady: boolean
}

/** What was sent beside the password, or in its place, with everything proven that needs no lock. */
export type Evidence =
  | { type: 'none' }
  | { type: 'passkey'; isAlone: boolean; row: PasskeyRow; proven: Proven; challenge: Buffer }
  | { type: 'recovery_code'; code: string }
  | { type: 'new_passkey'; passkey: PasskeyRow; challenge: Buffer }

export interface Accepted {
  factor: Factor
  passkeyId?: string
  recoveryCodes?: string[]
}

/** @throws {Problem} `passkeys-not-here` */
export function requireSite(issuer: string): Site {
  const site = siteOf(issuer)
  if (!site) throw new Problem('passkeys-not-here')
  return site
}

type Person = Pick<UserRow, 'id' | 'dealer_id'>
const secondFactorOf = ({ dealer_id, id }: Person): Deed => `second-factor ${dealer_id} ${id}`
const newOf = ({ dealer_id, id }: Person): Deed => `new ${dealer_id} ${id}`

/** What a browser asks with: for a passkey of `rows`, or for any. */
export function requestOf({ secrets, issuer }: Passkeys, deed: Deed, rows: readonly PasskeyRow[] = []): PasskeyRequest {
  const { rpId } = requireSite(issuer)
  return { challenge: newChallenge(secrets, deed, Date.now()), rpId, passkeys: idsOf(rows) }
}

export function creationOf({ secrets, issuer }: Passkeys, user: Person, rows: readonly PasskeyRow[]): PasskeyCreation {
  const { rpId } = requireSite(issuer)
  if (rows.length >= passkeysMax) throw new Problem('too-many-passkeys')
  return {
    challenge: newChallenge(secrets, newOf(user), Date.now()),
    rpId,
    userHandle: userHandleOf(user.dealer_id, user.id),
    passkeys: idsOf(rows),
  }
}

const idsOf = (rows: readonly PasskeyRow[]): string[] =>
  rows.map(({ credential_id }) => credential_id.toString('base64url'))

/**
 * Whose passkey an answer is, and what it proves without a password.
 *
 * @throws {Problem} `passkey-refused`, the same whatever is wrong.
 */
export async function personProven(
  passkeys: Passkeys,
  assertion: PasskeyAssertion,
): Promise<{ dealerId: string; userId: string; evidence: Evidence }> {
  const person = personIn(assertion.userHandle ?? '')
  if (!person) throw new Problem('passkey-refused')
  const { dealerId, userId } = person
  const evidence = await answered(passkeys, { dealer_id: dealerId, id: userId }, 'sign-in', assertion)
  return { dealerId, userId, evidence }
}

/**
 * What came beside a right password.
 *
 * @throws {Problem} `passkey-refused`
 */
export async function evidenceBeside(
  passkeys: Passkeys,
  user: UserRow,
  sent: { passkey?: PasskeyAssertion; recoveryCode?: string; newPasskey?: NewPasskey },
): Promise<Evidence> {
  if (sent.passkey) return answered(passkeys, user, secondFactorOf(user), sent.passkey)
  if (sent.recoveryCode !== undefined) return { type: 'recovery_code', code: sent.recoveryCode }
  if (!sent.newPasskey) return { type: 'none' }
  const made = await madeBy(passkeys, user, sent.newPasskey)
  if (!made) throw new Problem('passkey-refused')
  return { type: 'new_passkey', ...made }
}

async function answered(
  { db, secrets, issuer }: Passkeys,
  { dealer_id: dealerId, id }: Person,
  deed: Deed,
  assertion: PasskeyAssertion,
): Promise<Evidence> {
  const isAlone = deed === 'sign-in'
  const row = await store.findPasskey(db, dealerId, id, Buffer.from(assertion.id, 'base64url'))
  const proven = row && (await provenBy(requireSite(issuer), row, assertion, isAlone))
  const challenge = proven && challengeIn(secrets, deed, proven.challenge, Date.now())
  if (!challenge) throw new Problem('passkey-refused')
  return { type: 'passkey', isAlone, row, proven, challenge }
}

/** The passkey that a browser has made for a person; undefined when it is none. */
export async function madeBy(
  { secrets, issuer }: Passkeys,
  user: Person,
  sent: NewPasskey,
): Promise<{ passkey: PasskeyRow; challenge: Buffer } | undefined> {
  const made = await newPasskeyIn(requireSite(issuer), sent)
  const challenge = made && challengeIn(secrets, newOf(user), made.challenge, Date.now())
  if (!challenge) return undefined
  const passkey = {
    dealer_id: user.dealer_id,
    id: newId(),
    user_id: user.id,
    credential_id: made.credential_id,
    public_key: made.public_key,
    sign_count: String(made.signCount),
    name: sent.name.trim(),
    synced: made.synced,
    created_at: new Date(),
    last_used_at: null,
  }
  return { passkey, challenge }
}

/**
 * Decides whether the evidence is enough for a person to be signed in, and writes down what it used up. The caller
 * holds the dealer's clock and has read the person after; nothing but this knows who needs what.
 *
 * Undefined: it is not, and what was written down has to be committed before the caller refuses.
 *
 * @throws {Problem} `second-factor-needed` and `passkey-to-be-added` with what is asked for, `passkey-refused`,
 *   `recovery-code-refused`
 */
export async function accepted(
  trx: Knex.Transaction,
  passkeys: Passkeys,
  user: UserRow,
  evidence: Evidence,
  http: Http,
  now: Date,
): Promise<Accepted | undefined> {
  switch (evidence.type) {
    case 'none': {
      if (user.passkey_count > 0) throw await asked(trx, passkeys, user)
      const dealer = await findDealer(trx, user.dealer_id)
      if (dealer?.second_factor_required)
        throw new Problem('passkey-to-be-added', undefined, {
          members: { passkeyCreation: creationOf(passkeys, user, []) },
        })
      return { factor: 'password' }
    }
    case 'recovery_code':
      await requireCode(trx, passkeys, user, evidence.code)
      await recordOwn(trx, passkeys, user, { action: 'user.recovery_code_used' }, http, now)
      return { factor: 'password_and_recovery_code' }
    case 'new_passkey': {
      // Somebody with a passkey adds another one when signed in: a password is not enough for it.
      if (user.passkey_count > 0) throw await asked(trx, passkeys, user)
      const recoveryCodes = await add(trx, passkeys, user, evidence, http, now)
      if (!recoveryCodes) throw new Problem('passkey-refused')
      return { factor: 'password_and_passkey', passkeyId: evidence.passkey.id, recoveryCodes }
    }
    case 'passkey': {
      const { proven, isAlone, challenge } = evidence
      const row = await store.findPasskey(trx, user.dealer_id, user.id, evidence.row.credential_id)
      if (!row || row.id !== evidence.row.id || !(await store.useChallenge(trx, user.dealer_id, challenge, now)))
        throw new Problem('passkey-refused')
      if (isSuspect(Number(row.sign_count), proven.signCount)) {
        await recordOwn(trx, passkeys, user, { action: 'user.passkey_suspected', after: { name: row.name } }, http, now)
        return undefined
      }
      await store.savePasskey(trx, user.dealer_id, row.id, {
        sign_count: String(proven.signCount),
        synced: proven.synced,
        last_used_at: now,
      })
      return { factor: isAlone ? 'passkey' : 'password_and_passkey', passkeyId: row.id }
    }
  }
}

/**
 * Adds a passkey; the answer is the recovery codes that come with the first, or undefined when its challenge was
 * answered before. The caller holds the dealer's clock and has read the person after.
 */
export async function add(
  trx: Knex.Transaction,
  passkeys: Passkeys,
  user: UserRow,
  { passkey, challenge }: { passkey: PasskeyRow; challenge: Buffer },
  http: Http,
  now: Date,
): Promise<string[] | undefined> {
  const { dealer_id: dealerId, id } = user
  if (user.passkey_count >= passkeysMax) throw new Problem('too-many-passkeys')
  if (await store.findPasskey(trx, dealerId, id, passkey.credential_id)) return undefined
  if (!(await store.useChallenge(trx, dealerId, challenge, now))) return undefined
  await store.addPasskey(trx, dealerId, { ...passkey, created_at: now })
  await recordOwn(trx, passkeys, user, { action: 'user.passkey_added', after: { name: passkey.name } }, http, now)
  return user.passkey_count === 0 ? makeCodes(trx, passkeys, user) : []
}

export async function makeCodes(trx: Knex.Transaction, { secrets }: Passkeys, user: Person): Promise<string[]> {
  const codes = newCodes()
  const version = secrets.currentVersion
  const rows = codes.map((code) => ({ hash: hashOfCode(secrets, version, user.id, code), secret_version: version }))
  await store.replaceCodes(trx, user.dealer_id, user.id, rows)
  return codes
}

async function requireCode(trx: Knex.Transaction, { secrets }: Passkeys, user: Person, code: string): Promise<void> {
  const hashes = secrets.versions.map((version) => hashOfCode(secrets, version, user.id, code))
  if (!(await store.useCode(trx, user.dealer_id, user.id, hashes))) throw new Problem('recovery-code-refused')
}

async function asked(trx: Knex.Transaction, passkeys: Passkeys, user: UserRow): Promise<Problem> {
  const rows = await store.findPasskeys(trx, user.dealer_id, user.id)
  // Where the service has moved to an address without passkeys, recovery codes are what is left.
  const passkeyRequest = siteOf(passkeys.issuer) && requestOf(passkeys, secondFactorOf(user), rows)
  return new Problem('second-factor-needed', undefined, { members: { ...(passkeyRequest && { passkeyRequest }) } })
}

type Deeds = Pick<Change, 'action' | 'before' | 'after'>

/** Writes down what a person does to their own ways in, and tells them by mail: who else did it is found out so. */
export async function recordOwn(
  trx: Knex.Transaction,
  passkeys: Passkeys,
  user: UserRow,
  change: Deeds,
  http: Http,
  now: Date,
): Promise<void> {
  const subject = { type: 'user', id: user.id } as const
  const { name } = user
  await passkeys.recordChange(
    trx,
    { dealerId: user.dealer_id, subject },
    http,
    { ...change, subject: { ...subject, name } },
    now,
  )
  const of = change.after?.['name'] ?? change.before?.['name']
  await tell(trx, passkeys, user, {
    deed: change.action,
    by: name,
    address: http.address(),
    at: now.toISOString(),
    ...(typeof of === 'string' && { name: of }),
  })
}

export async function tell(
  trx: Knex.Transaction,
  { mailIsReady }: Pick<Passkeys, 'mailIsReady'>,
  user: Person,
  data: MailData,
): Promise<void> {
  if (!mailIsReady) return
  await addMails(trx, user.dealer_id, [
    { user_id: user.id, kind: 'passkeys_changed', data, dedupe: `passkeys ${newId()}` },
  ])
}
