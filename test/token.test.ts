import { generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import jwt from 'jsonwebtoken'
import { describe, expect, it } from 'vitest'
import { newId } from '../src/ids.ts'
import { secretsFrom } from '../src/secrets.ts'
import { accessToken, type Grant, tokenCheck } from '../src/tokens/token.ts'

const issuer = 'https://leads.example'
const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const key = { kid: 'k1', ...pair }
const grant: Grant = {
  dealerId: newId(),
  subject: { type: 'api_key', id: newId() },
  credentialId: newId(),
  epoch: 3,
  scopes: ['leads:create'],
}
const publicKey = (kid: string) => (kid === 'k1' ? pair.publicKey : undefined)
const fresh = () => tokenCheck(publicKey, issuer)
const refused = (token: string) =>
  expect(() => fresh().check(token, Date.now())).toThrow(expect.objectContaining({ code: 'token-invalid' }))

it('takes the token that it makes, for 1800 seconds and not one more', () => {
  const now = new Date()
  const { check } = fresh()
  const token = accessToken(grant, key, issuer, now)
  expect(check(token, now.getTime())).toMatchObject({
    dealerId: grant.dealerId,
    subject: grant.subject,
    credentialId: grant.credentialId,
    epoch: 3,
    kid: 'k1',
  })
  const seconds = Math.floor(now.getTime() / 1000)
  expect(check(token, (seconds + 1800) * 1000 - 1)).toBeDefined()
  expect(() => check(token, (seconds + 1800) * 1000)).toThrow(expect.objectContaining({ code: 'token-invalid' }))
  const { header, payload } = jwt.decode(token, { complete: true }) as jwt.Jwt & { payload: jwt.JwtPayload }
  expect(header).toEqual({ alg: 'ES256', typ: 'at+jwt', kid: 'k1' })
  expect(Number(payload.exp) - Number(payload.iat)).toBe(1800)
})

it('says in its claims what it was granted, whatever that was', () => {
  fc.assert(
    fc.property(
      fc.uuid(),
      fc.uuid(),
      fc.uuid(),
      fc.nat(),
      fc.subarray(['leads:create', 'leads:read', 'events:read'], { minLength: 1 }),
      fc.constantFrom('user', 'api_key'),
      (dealerId, id, credentialId, epoch, scopes, type) => {
        const token = accessToken(
          { dealerId, subject: { type: type as 'user', id }, credentialId, epoch, scopes },
          key,
          issuer,
          new Date(),
        )
        expect(fresh().check(token, Date.now())).toMatchObject({
          dealerId,
          subject: { type, id },
          credentialId,
          epoch,
          scopes: new Set(scopes),
        })
      },
    ),
    { numRuns: 30 },
  )
})

describe('refuses', () => {
  const claims = () => jwt.decode(accessToken(grant, key, issuer, new Date())) as jwt.JwtPayload
  const signed = (change: object, header: object = {}) =>
    jwt.sign({ ...claims(), ...change }, pair.privateKey, {
      algorithm: 'ES256',
      header: { alg: 'ES256', typ: 'at+jwt', kid: 'k1', ...header },
    })

  it('a token whose signature is cut or changed', () => {
    const token = accessToken(grant, key, issuer, new Date())
    refused(token.slice(0, -2))
    refused(
      token.replace(
        /\.[^.]*\./,
        `.${Buffer.from(JSON.stringify({ ...claims(), scope: 'leads:read' })).toString('base64url')}.`,
      ),
    )
  })
  it('a token without a signature', () =>
    refused(jwt.sign(claims(), '', { algorithm: 'none', header: { alg: 'none', typ: 'at+jwt', kid: 'k1' } })))
  it('a token signed with the public key as a secret', () =>
    refused(
      jwt.sign(claims(), pair.publicKey.export({ type: 'spki', format: 'pem' }), {
        algorithm: 'HS256',
        header: { alg: 'HS256', typ: 'at+jwt', kid: 'k1' },
      }),
    ))
  it('a token of another signer', () =>
    refused(
      accessToken(grant, { kid: 'k1', ...generateKeyPairSync('ec', { namedCurve: 'P-256' }) }, issuer, new Date()),
    ))
  it('a token of a key that it does not know', () => refused(signed({}, { kid: '__proto__' })))
  it('a token without kid', () =>
    refused(jwt.sign(claims(), pair.privateKey, { algorithm: 'ES256', header: { alg: 'ES256', typ: 'at+jwt' } })))
  it('a token of another type', () => refused(signed({}, { typ: 'JWT' })))
  it('a token with crit', () => refused(signed({}, { crit: ['b64'] })))
  it('a token of another issuer', () => refused(signed({ iss: 'https://evil.example' })))
  it('a token for another audience', () => refused(signed({ aud: 'https://evil.example' })))
  it('a token that lives longer or shorter', () => {
    refused(signed({ exp: Number(claims().iat) + 1801 }))
    refused(signed({ exp: Number(claims().iat) + 60 }))
  })
  it('a token without exp', () => {
    const { exp, ...rest } = claims()
    refused(jwt.sign(rest, pair.privateKey, { algorithm: 'ES256', header: { alg: 'ES256', typ: 'at+jwt', kid: 'k1' } }))
  })
  it('a token of a client that is not its subject', () => refused(signed({ client_id: 'key_other' })))
  it('whatever is no token', () => fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void refused(text))))
})

it('forgets every token it remembered when a key is withdrawn', () => {
  let known = true
  const { check, forget } = tokenCheck((kid) => (known ? publicKey(kid) : undefined), issuer)
  const token = accessToken(grant, key, issuer, new Date())
  check(token, Date.now())
  known = false
  forget()
  expect(() => check(token, Date.now())).toThrow(expect.objectContaining({ code: 'token-invalid' }))
})

it('unwraps a signing key only with its own secret and its own label', () => {
  const secrets = secretsFrom([{ version: 'v1', bytes: Buffer.alloc(32, 1) }])
  const other = secretsFrom([{ version: 'v1', bytes: Buffer.alloc(32, 2) }])
  const wrapped = secrets.wrap('v1', 'k1', Buffer.from('private'))
  expect(secrets.unwrap('v1', 'k1', wrapped).toString()).toBe('private')
  expect(() => other.unwrap('v1', 'k1', wrapped)).toThrow()
  expect(() => secrets.unwrap('v1', 'k2', wrapped)).toThrow()
})
