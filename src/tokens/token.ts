import { hash, type KeyObject } from 'node:crypto'
import jwt from 'jsonwebtoken'
import { LRUCache } from 'lru-cache'
import { inner, newId, outer } from '../ids.ts'
import type { Principal } from '../operation.ts'
import { Problem } from '../problem.ts'
import { inForce } from './scope.ts'

/** How long an access token lives, in seconds. */
export const lifetimeSeconds = 1800
const tokenLengthMax = 4096
const rememberedTokensMax = 20_000

/** What a token is made of, before it is signed. */
export interface Grant {
  readonly dealerId: string
  readonly subject: Principal['subject']
  readonly credentialId: string
  readonly epoch: number
  readonly scopes: readonly string[]
  /** When a person last proved who they are; users only. */
  readonly authTime?: Date
}

export interface SigningKey {
  readonly kid: string
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

/**
 * A JWT access token (RFC 9068, section 2.2) for `grant`.
 *
 * Lifetime: exactly 1800 s from `now`; `iat` and `exp` are whole seconds since the epoch (RFC 7519, section 2).
 */
export function accessToken(grant: Grant, key: SigningKey, issuer: string, now: Date): string {
  const iat = Math.floor(now.getTime() / 1000)
  const subject = outer(grant.subject.type === 'user' ? 'user' : 'key', grant.subject.id)
  const claims = {
    iss: issuer,
    aud: issuer,
    sub: subject,
    client_id: subject,
    dealer_id: outer('dealer', grant.dealerId),
    credential_id: grant.credentialId,
    epoch: grant.epoch,
    scope: grant.scopes.join(' '),
    jti: newId(),
    iat,
    exp: iat + lifetimeSeconds,
    ...(grant.authTime && { auth_time: Math.floor(grant.authTime.getTime() / 1000) }),
  }
  return jwt.sign(claims, key.privateKey, { algorithm: 'ES256', header: { alg: 'ES256', typ: 'at+jwt', kid: key.kid } })
}

/**
 * For how long a token is of use, in whole seconds: what it says itself is 1800 s, but the credential that it is judged
 * against may end before.
 */
export function secondsOfToken(credentialSecondsLeft: number | null): number {
  return Math.min(lifetimeSeconds, Math.max(1, Math.floor(credentialSecondsLeft ?? lifetimeSeconds)))
}

/** What a token says once its signature is known to be good. */
export type Verified = Omit<Principal, 'needed' | 'mustBeFresh' | 'address'>

/**
 * Checks tokens and remembers the good ones by their hash, at most 20,000 of them. Expiry is checked every time;
 * `forget` is for when a signing key is withdrawn. Whether the credential still lives is not its business. `known` is
 * told what a token of ours says also when it has expired.
 *
 * @throws {Problem} `token-invalid`
 */
export function tokenCheck(publicKey: (kid: string) => KeyObject | undefined, issuer: string) {
  const remembered = new LRUCache<string, Verified>({ max: rememberedTokensMax })

  const check = (token: string, now: number, known?: (said: Verified) => void): Verified => {
    const key = hash('sha256', token, 'base64')
    let verified = remembered.get(key)
    if (!verified) {
      verified = verify(token, publicKey, issuer)
      remembered.set(key, verified)
    }
    known?.(verified)
    if (verified.expiresAt.getTime() <= now) throw new Problem('token-invalid')
    return verified
  }
  return { check, forget: () => remembered.clear() }
}

function verify(token: string, publicKey: (kid: string) => KeyObject | undefined, issuer: string): Verified {
  if (token.length > tokenLengthMax) throw new Problem('token-invalid')
  try {
    // The header is not to be believed yet; kid only chooses among our own keys (RFC 8725, section 3.10).
    const kid = jwt.decode(token, { complete: true })?.header.kid
    const key = kid === undefined ? undefined : publicKey(kid)
    if (!kid || !key) throw new Problem('token-invalid')

    // Pinning the algorithm keeps a token from choosing how it is checked (RFC 8725, section 3.1).
    // Whether it has expired is for `check` to say, each time.
    const { header, payload } = jwt.verify(token, key, {
      algorithms: ['ES256'],
      issuer,
      audience: issuer,
      ignoreExpiration: true,
      complete: true,
    })
    // jsonwebtoken looks at neither typ nor crit, and takes a token without exp.
    if (header.typ !== 'at+jwt' || header.crit !== undefined || typeof payload === 'string')
      throw new Problem('token-invalid')
    if (payload.exp === undefined || payload.iat === undefined || payload.exp - payload.iat !== lifetimeSeconds)
      throw new Problem('token-invalid')
    return { ...claimsOf(payload), expiresAt: new Date(payload.exp * 1000), kid }
  } catch {
    throw new Problem('token-invalid')
  }
}

function claimsOf(payload: jwt.JwtPayload): Omit<Verified, 'expiresAt' | 'kid'> {
  const { sub, client_id, dealer_id, credential_id, epoch, scope } = payload
  const texts = [sub, client_id, dealer_id, credential_id, scope]
  if (
    !texts.every((text) => typeof text === 'string') ||
    !Number.isInteger(epoch) ||
    sub === undefined ||
    sub !== client_id
  )
    throw new Problem('token-invalid')
  return {
    dealerId: inner(dealer_id),
    subject: { type: sub.startsWith('user_') ? 'user' : 'api_key', id: inner(sub) },
    credentialId: credential_id,
    epoch,
    scopes: new Set(inForce(scope.split(' '))),
  }
}
