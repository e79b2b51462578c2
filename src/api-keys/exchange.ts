import { timingSafeEqual } from 'node:crypto'
import type { Knex } from 'knex'
import type pg from 'pg'
import { type Handlers, scopes } from '../../generated/server/express.gen.ts'
import type { TokenRequest } from '../../generated/server/types.gen.ts'
import { networkOf, plainAddress } from '../address.ts'
import type { Audited, RecordChange } from '../audit/audit.ts'
import { outer } from '../ids.ts'
import type { Http } from '../operation.ts'
import { OAuthError } from '../problem.ts'
import { isFromOwnPage } from '../same-origin.ts'
import type { Secrets } from '../secrets.ts'
import type { Clocks } from '../tokens/clocks.ts'
import type { Keyring } from '../tokens/keyring.ts'
import { inForce } from '../tokens/scope.ts'
import { readClock } from '../tokens/store.ts'
import { accessToken, secondsOfToken } from '../tokens/token.ts'
import { openFailures } from './failures.ts'
import { holdsKey, parseKeyText } from './key-text.ts'
import { firstUsed } from './replacement.ts'
import { saveSecrets } from './key-secrets.ts'
import { findApiKey, findSecret, findSecrets, type SecretRow } from './store.ts'

export interface Exchange extends Audited {
  db: Knex
  clocks: Clocks
  hot: pg.Pool
  secrets: Secrets
  keyring: Keyring
  issuer: string
}

const challenge = { 'WWW-Authenticate': 'Basic realm="CarBuddii", charset="UTF-8"' }
const tokenSent =
  'What was sent is an access token. It goes to the other operations, as Authorization: Bearer; an API key buys one here.'
const keyAsBearer =
  'An API key is not sent as Bearer. Send it as X-Api-Key, by HTTP Basic, or as client_id and client_secret in the form.'
const replacedByNewer =
  'This secret of the API key was replaced by a newer one. Use that one, or ask the dealer for it.'
const calledOff =
  'This secret of the API key has ended, and no newer one has taken its place: its replacement was called off. Use the secret from before, or ask the dealer for one.'

/**
 * Exchanges an API key for an access token: OAuth 2.0 client credentials (RFC 6749, section 4.4), and `X-Api-Key` by
 * the same road.
 */
export const exchangeApiKey = ({
  db,
  clocks,
  hot,
  secrets,
  keyring,
  issuer,
  recordChange,
}: Exchange): Handlers['exchangeApiKey'] => {
  const failures = openFailures()

  /** Counting never stands in the way of a right key; only a wrong one is told to wait. */
  const refuse = (description: string, http: Http): never => {
    const seconds = failures.count(networkOf(http.address()), performance.now())
    if (seconds !== undefined)
      throw new OAuthError(
        'temporarily_unavailable',
        'Too many failed attempts from this address. Wait, then try again with a valid key.',
        429,
        { 'Retry-After': String(seconds) },
      )
    throw new OAuthError('invalid_client', description, 401, challenge)
  }

  return async ({ body, http }) => {
    const { clientId, key } = credentialsOf(body, http)
    if (body?.grant_type !== undefined && body.grant_type !== '' && body.grant_type !== 'client_credentials')
      throw new OAuthError('unsupported_grant_type', 'This server supports grant_type=client_credentials only.')
    if (!body?.grant_type && http.header('x-api-key') === undefined)
      throw new OAuthError(
        'invalid_request',
        'The parameter grant_type is missing. Send grant_type=client_credentials.',
      )

    const invalid = 'This API key is not valid. Check that it was copied whole, or ask the dealer for a new one.'
    const parts = parseKeyText(key)
    if (!parts) return refuse(isToken(key) ? tokenSent : invalid, http)

    const address = plainAddress(http.address())
    const row = await findSecret(hot, parts.lookup, address)
    const proven = proves(row, parts.proof, secrets)
    if (!row || !proven || (clientId !== undefined && clientId !== outer('key', row.api_key_id)))
      return refuse(invalid, http)
    http.note({ key: { dealerId: row.dealer_id, apiKeyId: row.api_key_id, credentialId: row.credential_id } })
    // From here on the caller holds the whole key, and may know what became of it.
    if (row.deleted) return refuse('This API key was deleted. Ask the dealer for a new one.', http)
    if (row.expired) return refuse('This API key has expired. Ask the dealer to prolong it.', http)
    if (row.ended) return refuse(row.has_newer ? replacedByNewer : calledOff, http)
    if (row.disabled) return refuse('This API key is disabled. Ask the dealer to enable it.', http)
    if (!row.allowed)
      throw new OAuthError(
        'unauthorized_client',
        `This API key may not be used from ${address ?? 'an unknown address'}. Ask the dealer to put it on the list of the key.`,
      )
    // Who tries a secret out on a page of ours has not brought it to where it belongs.
    if (row.first_used_at === null && !isFromOwnPage(http, issuer))
      await firstUse(clocks, recordChange, row, parts.lookup, http)

    if (row.generation !== keyring.generation()) await keyring.reload(db)
    const granted = scopesOf(body?.scope, inForce(row.scopes))
    const now = new Date()
    const grant = {
      dealerId: row.dealer_id,
      subject: { type: 'api_key', id: row.api_key_id },
      credentialId: row.credential_id,
      epoch: row.epoch,
      scopes: granted,
    } as const
    return {
      status: 200,
      headers: { 'Cache-Control': 'no-store', Pragma: 'no-cache' },
      body: {
        access_token: accessToken(grant, keyring.signing(now), issuer, now),
        token_type: 'Bearer',
        expires_in: secondsOfToken(row.seconds_left),
        scope: granted.join(' '),
      },
    }
  }
}

/**
 * The key, from exactly one of three places: `X-Api-Key`, HTTP Basic (RFC 6749, section 2.3.1: both halves are
 * form-urlencoded), the form. What is empty counts as absent (RFC 6749, section 3.2).
 */
function credentialsOf(body: TokenRequest | undefined, http: Http): { clientId: string | undefined; key: string } {
  const header = http.header('x-api-key') || undefined
  const basic = basicOf(http.header('authorization'))
  const form = body?.client_secret || undefined
  const formId = body?.client_id || undefined

  const ways = [header, basic, form].filter((way) => way !== undefined).length
  if (ways > 1)
    throw new OAuthError(
      'invalid_request',
      'Send the key in one way only: X-Api-Key, HTTP Basic, or client_id and client_secret in the form.',
    )
  if (ways === 0)
    throw new OAuthError(
      'invalid_client',
      'No API key was sent. Send it as X-Api-Key, by HTTP Basic, or as client_id and client_secret in the form.',
      401,
      challenge,
    )
  if (basic && formId !== undefined && basic.clientId !== undefined && formId !== basic.clientId)
    throw new OAuthError(
      'invalid_request',
      'The client_id in the form is another one than in the Authorization header.',
    )
  return { clientId: basic?.clientId ?? formId, key: header ?? basic?.key ?? form ?? '' }
}

function basicOf(authorization: string | undefined): { clientId: string | undefined; key: string } | undefined {
  if (authorization === undefined) return undefined
  const [, bearer] = /^bearer +(\S+)$/i.exec(authorization) ?? []
  if (bearer !== undefined && (isToken(bearer) || holdsKey(bearer)))
    throw new OAuthError('invalid_client', isToken(bearer) ? tokenSent : keyAsBearer, 401, challenge)
  const [, encoded] = /^basic +([A-Za-z0-9+/]+={0,2}) *$/i.exec(authorization) ?? []
  if (encoded === undefined)
    throw new OAuthError('invalid_client', 'The Authorization header is not HTTP Basic.', 401, challenge)
  const [, user, password] = /^([^:]*):(.*)$/s.exec(Buffer.from(encoded, 'base64').toString()) ?? []
  if (user === undefined || password === undefined)
    throw new OAuthError('invalid_client', 'The Authorization header is not HTTP Basic.', 401, challenge)
  // Generated clients send it so when they were given nothing for it.
  if (user === '' && password === '') return undefined
  return { clientId: formDecoded(user) || undefined, key: formDecoded(password) }
}

/** A JWT: three parts, the first of which begins like a JSON object in base64url. */
const isToken = (text: string): boolean => /^eyJ[\w-]*\.[\w-]+\.[\w-]+$/.test(text)

// Some clients escape the halves of Basic, some do not. Ids and keys have no character for which that makes a
// difference.
function formDecoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return text
  }
}

/** A secret that is used for the first time has arrived where it belongs: what it replaces may end. */
async function firstUse(
  clocks: Clocks,
  recordChange: RecordChange,
  { dealer_id, api_key_id }: SecretRow,
  lookup: string,
  http: Http,
): Promise<void> {
  const subject = { type: 'api_key', id: api_key_id } as const
  const remember = async (trx: Knex.Transaction) => {
    const now = await readClock(trx)
    const key = await findApiKey(trx, dealer_id, api_key_id)
    const before = await findSecrets(trx, dealer_id, api_key_id)
    const used = before.find((secret) => secret.lookup === lookup)
    // Ended or used meanwhile by another process: the token that follows is judged like any other.
    if (!key || key.deleted_at || !used || used.firstUsedAt) return
    await saveSecrets(trx, dealer_id, before, firstUsed(before, lookup, now), key.expires_at)
    if (used.role !== 'next') return
    await recordChange(
      trx,
      { dealerId: dealer_id, subject },
      http,
      { action: 'api_key.new_secret_used', subject: { ...subject, name: key.name } },
      now,
    )
  }
  await clocks.hold({ dealerId: dealer_id, subject }, remember, http)
}

/** Constant work: an unknown lookup is hashed and compared like a known one. */
function proves(row: SecretRow | undefined, proof: string, secrets: Secrets): boolean {
  const hash = secrets.hash('api-key', row?.secret_version ?? secrets.currentVersion, proof)
  return timingSafeEqual(hash, row?.hash ?? Buffer.alloc(hash.length)) && row !== undefined
}

function scopesOf(wanted: string | undefined, held: readonly string[]): readonly string[] {
  if (held.length === 0)
    throw new OAuthError('invalid_scope', 'The key has no scope that there is. Ask the dealer to give it some.')
  if (!wanted) return held
  const asked = new Set(wanted.split(' ').filter((scope) => scope !== ''))
  const foreign = [...asked].filter((scope) => !held.includes(scope))
  // Only scopes that exist are named back: the description may not hold whatever was sent.
  const named = scopes.filter((scope) => foreign.includes(scope))
  if (foreign.length > 0 || asked.size === 0)
    throw new OAuthError(
      'invalid_scope',
      `The key does not have the scope ${named.join(' ') || 'that was asked for'}. It has ${held.join(' ')}.`,
    )
  return [...asked]
}
