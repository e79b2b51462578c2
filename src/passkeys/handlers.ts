import type { Knex } from 'knex'
import type { Handlers } from '../../generated/server/express.gen.ts'
import { dealerBody } from '../dealers/dealer.ts'
import { findDealer, saveSecondFactor } from '../dealers/store.ts'
import { inner } from '../ids.ts'
import { Problem } from '../problem.ts'
import { requireSameOrigin } from '../same-origin.ts'
import { findUser } from '../users/store.ts'
import { personId, type UserRow } from '../users/user.ts'
import { reset } from './operator.ts'
import { passkeyBody, type PasskeyRow } from './passkey.ts'
import {
  add,
  creationOf,
  madeBy,
  makeCodes,
  type Passkeys,
  recordOwn,
  requestOf,
  requireSite,
  tell,
} from './second-factor.ts'
import { siteOf } from './site.ts'
import * as store from './store.ts'

/** What this room asks of the sessions, which it must not know. */
export interface SignedInWith {
  /** Ends the sessions that were begun with a passkey, but one. */
  endSessionsOfPasskey(trx: Knex.Transaction, dealerId: string, passkeyId: string, but: string): Promise<void>
  /** Ends the sessions of the dealer that were begun with a password alone. */
  endSessionsOfPassword(trx: Knex.Transaction, dealerId: string): Promise<void>
  isSessionOfPassword(trx: Knex.Transaction, dealerId: string, credentialId: string): Promise<boolean>
  /** Of a session of a password alone, in which a passkey was shown. */
  strengthenSession(trx: Knex.Transaction, dealerId: string, credentialId: string, passkeyId: string): Promise<void>
  /** Of one that has shown a passkey beside the password, which is there no more. */
  weakenSession(trx: Knex.Transaction, dealerId: string, credentialId: string, passkeyId: string): Promise<void>
}

export const createPasskeyChallenge =
  (passkeys: Passkeys): Handlers['createPasskeyChallenge'] =>
  async ({ http }) => {
    requireSameOrigin(http, passkeys.issuer)
    return { status: 200, headers: { 'Cache-Control': 'no-store' }, body: requestOf(passkeys, 'sign-in') }
  }

export const listOwnPasskeys =
  ({ issuer }: Passkeys): Handlers['listOwnPasskeys'] =>
  async ({ principal }, { db }) => {
    const { dealerId } = principal
    const id = personId(principal)
    const rows = await store.findPasskeys(db, dealerId, id)
    const recoveryCodesLeft = await store.countCodes(db, dealerId, id)
    const dealer = await findDealer(db, dealerId)
    const site = siteOf(issuer)
    return {
      status: 200,
      body: {
        items: rows.map(passkeyBody),
        recoveryCodesLeft,
        required: dealer?.second_factor_required === true,
        ...(site && { rpId: site.rpId }),
      },
    }
  }

export const createPasskeyOptions =
  (passkeys: Passkeys): Handlers['createPasskeyOptions'] =>
  ({ principal }, { write }) =>
    write(principal, async (trx) => {
      const user = await self(trx, principal.dealerId, personId(principal))
      const rows = await store.findPasskeys(trx, user.dealer_id, user.id)
      return { status: 200, headers: { 'Cache-Control': 'no-store' }, body: creationOf(passkeys, user, rows) }
    })

export const addPasskey =
  (passkeys: Passkeys & SignedInWith): Handlers['addPasskey'] =>
  async ({ body, principal, http }, { write }) => {
    // Signatures take their time, so they are checked while nobody waits.
    const user = await write(principal, (trx) => self(trx, principal.dealerId, personId(principal)))
    requireSite(passkeys.issuer)
    const made = await madeBy(passkeys, user, body)
    if (!made) throw new Problem('passkey-not-added')

    return write(principal, async (trx, now) => {
      const current = await self(trx, user.dealer_id, user.id)
      const recoveryCodes = await add(trx, passkeys, current, made, http, now)
      if (!recoveryCodes) throw new Problem('passkey-not-added')
      await passkeys.strengthenSession(trx, user.dealer_id, principal.credentialId, made.passkey.id)
      return {
        status: 200,
        headers: { 'Cache-Control': 'no-store' },
        body: {
          passkey: passkeyBody({ ...made.passkey, created_at: now }),
          ...(recoveryCodes.length > 0 && { recoveryCodes }),
        },
      }
    })
  }

export const updatePasskey =
  ({ recordChange }: Passkeys): Handlers['updatePasskey'] =>
  ({ path, body, principal, http }, { write }) =>
    write(principal, async (trx, now) => {
      const user = await self(trx, principal.dealerId, personId(principal))
      const row = await ownPasskey(trx, user, path.passkeyId)
      const name = body.name.trim()
      if (name !== row.name) {
        await store.savePasskey(trx, user.dealer_id, row.id, { name })
        await recordChange(
          trx,
          principal,
          http,
          {
            action: 'user.passkey_renamed',
            subject: { type: 'user', id: user.id, name: user.name },
            before: { name: row.name },
            after: { name },
          },
          now,
        )
      }
      return { status: 200, body: passkeyBody({ ...row, name }) }
    })

export const deletePasskey =
  (passkeys: Passkeys & SignedInWith): Handlers['deletePasskey'] =>
  ({ path, principal, http }, { write }) =>
    write(principal, async (trx, now) => {
      const { dealerId, credentialId } = principal
      const user = await self(trx, dealerId, personId(principal))
      const row = await ownPasskey(trx, user, path.passkeyId)
      const isLast = user.passkey_count === 1
      if (isLast && (await findDealer(trx, dealerId))?.second_factor_required) throw new Problem('last-passkey')

      await store.deletePasskey(trx, dealerId, row)
      if (isLast) await store.replaceCodes(trx, dealerId, user.id, [])
      // Whoever removes it has just signed in; whoever else was let in by it no longer is.
      await passkeys.endSessionsOfPasskey(trx, dealerId, row.id, credentialId)
      await passkeys.weakenSession(trx, dealerId, credentialId, row.id)
      await recordOwn(trx, passkeys, user, { action: 'user.passkey_removed', before: { name: row.name } }, http, now)
      return { status: 204 }
    })

export const createRecoveryCodes =
  (passkeys: Passkeys): Handlers['createRecoveryCodes'] =>
  ({ principal, http }, { write }) =>
    write(principal, async (trx, now) => {
      const user = await self(trx, principal.dealerId, personId(principal))
      if (user.passkey_count === 0) throw new Problem('passkey-needed')
      const codes = await makeCodes(trx, passkeys, user)
      await recordOwn(trx, passkeys, user, { action: 'user.recovery_codes_created' }, http, now)
      return { status: 200, headers: { 'Cache-Control': 'no-store' }, body: { codes } }
    })

export const resetPasskeys =
  (passkeys: Passkeys): Handlers['resetPasskeys'] =>
  ({ path, principal, http }, { write }) =>
    write(principal, async (trx, now) => {
      const { dealerId } = principal
      const user = await findUser(trx, dealerId, inner(path.userId))
      if (!user) throw new Problem('not-found')
      await reset(trx, dealerId, user.id)
      const action = 'user.passkeys_reset'
      const by = await findUser(trx, dealerId, principal.subject.id)
      await passkeys.recordChange(
        trx,
        principal,
        http,
        { action, subject: { type: 'user', id: user.id, name: user.name } },
        now,
      )
      await tell(trx, passkeys, user, {
        deed: action,
        address: http.address(),
        at: now.toISOString(),
        ...(by && { by: by.name }),
      })
      return { status: 204 }
    })

export const setSecondFactor =
  (passkeys: Passkeys & SignedInWith): Handlers['setSecondFactor'] =>
  ({ body: { required }, principal, http }, { write }) =>
    write(principal, async (trx, now) => {
      const { dealerId, credentialId } = principal
      const dealer = await findDealer(trx, dealerId)
      if (!dealer) throw new Problem('token-invalid')
      if (required && !dealer.second_factor_required) {
        requireSite(passkeys.issuer)
        // Else the first whom it locks out is the one who could undo it.
        const user = await self(trx, dealerId, personId(principal))
        if (user.passkey_count === 0) throw new Problem('passkey-needed')
        // Its session would be the first to end; and whoever signs in with the passkey now has seen that it works.
        if (await passkeys.isSessionOfPassword(trx, dealerId, credentialId))
          throw new Problem(
            'sign-in-too-old',
            'This session was begun before you had a passkey. Sign in with the passkey, so that requiring one of everybody does not lock you out.',
          )
      }
      if (required !== dealer.second_factor_required) {
        await saveSecondFactor(trx, dealerId, required)
        if (required) await passkeys.endSessionsOfPassword(trx, dealerId)
        await passkeys.recordChange(
          trx,
          principal,
          http,
          {
            action: 'dealer.updated',
            subject: { type: 'dealer', id: dealerId, name: dealer.name },
            before: { secondFactorRequired: !required },
            after: { secondFactorRequired: required },
          },
          now,
        )
      }
      return { status: 200, body: dealerBody({ ...dealer, second_factor_required: required }) }
    })

async function self(trx: Knex.Transaction, dealerId: string, id: string): Promise<UserRow> {
  const user = await findUser(trx, dealerId, id)
  if (!user) throw new Problem('token-invalid')
  return user
}

async function ownPasskey(trx: Knex.Transaction, user: UserRow, id: string): Promise<PasskeyRow> {
  const rows = await store.findPasskeys(trx, user.dealer_id, user.id)
  const row = rows.find((each) => each.id === inner(id))
  if (!row) throw new Problem('not-found')
  return row
}
