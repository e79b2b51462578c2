import type { NewPasskey, PasskeyAssertion } from '../../generated/server/types.gen.ts'
import type { PasskeyRow } from './passkey.ts'
import type { Site } from './site.ts'

// EdDSA, ES256 and RS256, as numbers of COSE.
export const algorithms = [-8, -7, -257]
const credentialBytesMax = 1023

/** What an authenticator has proven. */
export interface Proven {
  /** As the browser sent it back. */
  challenge: string
  signCount: number
  synced: boolean
}

// Half a second and 25 MB that a process whose people have no passkeys does without.
const library = () => import('@simplewebauthn/server')
const helpers = () => import('@simplewebauthn/server/helpers')

/**
 * What is proven by an answer with a passkey that the person has (WebAuthn level 3, section 7.2): its signature, for a
 * page of ours; undefined when it proves nothing. The caller knows the challenge, and whether the counter went back.
 *
 * `isAlone`: it stands for the password, too, so the device must have recognised the person.
 */
export async function provenBy(
  site: Site,
  passkey: Pick<PasskeyRow, 'credential_id' | 'public_key'>,
  { id, clientDataJSON, authenticatorData, signature, userHandle }: PasskeyAssertion,
  isAlone: boolean,
): Promise<Proven | undefined> {
  const { verifyAuthenticationResponse } = await library()
  const challenge = challengeSaid(clientDataJSON)
  if (challenge === undefined) return undefined
  const { verified, authenticationInfo } = await orRefused(
    verifyAuthenticationResponse({
      response: {
        id,
        rawId: id,
        type: 'public-key',
        clientExtensionResults: {},
        response: { clientDataJSON, authenticatorData, signature, ...(userHandle !== undefined && { userHandle }) },
      },
      expectedChallenge: challenge,
      expectedOrigin: site.origin,
      expectedRPID: site.rpId,
      credential: { id, publicKey: new Uint8Array(passkey.public_key), counter: 0 },
      requireUserVerification: isAlone,
    }),
  )
  return verified && authenticationInfo
    ? { challenge, signCount: authenticationInfo.newCounter, synced: authenticationInfo.credentialBackedUp }
    : undefined
}

/**
 * A new passkey from what a browser answered (WebAuthn level 3, section 7.1); undefined when it is none of ours.
 *
 * Who made the authenticator is not asked for, and not looked at when it is said: that would read certificates of
 * anybody, and ask addresses in them.
 */
export async function newPasskeyIn(
  site: Site,
  { id, clientDataJSON, attestationObject }: NewPasskey,
): Promise<(Proven & Pick<PasskeyRow, 'credential_id' | 'public_key'>) | undefined> {
  const [{ verifyRegistrationResponse }, { decodeAttestationObject }] = await Promise.all([library(), helpers()])
  const challenge = challengeSaid(clientDataJSON)
  if (challenge === undefined) return undefined
  const { verified, registrationInfo } = await orRefused(
    (async () => {
      const said = decodeAttestationObject(new Uint8Array(Buffer.from(attestationObject, 'base64url')))
      const isPlain = said.get('fmt') === 'none' || (said.get('fmt') === 'packed' && !said.get('attStmt').get('x5c'))
      if (!isPlain) throw new Error('An attestation was not asked for')
      return verifyRegistrationResponse({
        response: {
          id,
          rawId: id,
          type: 'public-key',
          clientExtensionResults: {},
          response: { clientDataJSON, attestationObject },
        },
        expectedChallenge: challenge,
        expectedOrigin: site.origin,
        expectedRPID: site.rpId,
        requireUserVerification: false,
        supportedAlgorithmIDs: algorithms,
      })
    })(),
  )
  if (!verified || !registrationInfo) return undefined
  const { credential, credentialBackedUp: synced } = registrationInfo
  const credentialId = Buffer.from(credential.id, 'base64url')
  if (credential.id !== id || credentialId.length > credentialBytesMax) return undefined
  return {
    challenge,
    signCount: credential.counter,
    synced,
    credential_id: credentialId,
    public_key: Buffer.from(credential.publicKey),
  }
}

/** The challenge that a page was given; undefined when there is none, or a page of others has framed ours. */
function challengeSaid(clientDataJSON: string): string | undefined {
  try {
    const said: unknown = JSON.parse(Buffer.from(clientDataJSON, 'base64url').toString())
    if (!(said instanceof Object) || !('challenge' in said) || typeof said.challenge !== 'string') return undefined
    return 'crossOrigin' in said && said.crossOrigin === true ? undefined : said.challenge
  } catch {
    return undefined
  }
}

/** The library throws at whatever is not right in what the client sent. */
async function orRefused<Verdict>(
  verdict: Promise<Verdict>,
): Promise<Verdict | { verified: false; authenticationInfo?: never; registrationInfo?: never }> {
  return verdict.catch(() => ({ verified: false }))
}
