import {
  browserSupportsWebAuthn,
  browserSupportsWebAuthnAutofill,
  startAuthentication,
  startRegistration,
  WebAuthnAbortService,
} from '@simplewebauthn/browser'
import { Failure } from './answer.ts'
import type { NewPasskey, PasskeyAssertion, PasskeyCreation, PasskeyRequest, User } from './client.ts'

const seconds = 1000
const timeout = 300 * seconds
// Numbers of COSE: EdDSA, ES256, RS256.
const algorithms = [-8, -7, -257]

/**
 * Whether a browser can have passkeys on this page: it knows them, and the address is a name that is reached by https,
 * or the own machine (WebAuthn, section 5.1.3).
 */
export const canHavePasskeys = (): boolean =>
  browserSupportsWebAuthn() && !/^[\d.]+$|^\[/.test(location.hostname) && isSecureContext

/** Whether passkeys of this name can be used at the address of this page. */
export const isAtHome = (rpId: string): boolean => location.hostname === rpId || location.hostname.endsWith(`.${rpId}`)

/** Whether the browser offers passkeys where an e-mail address is typed. */
export const offersPasskeys = async (): Promise<boolean> => canHavePasskeys() && browserSupportsWebAuthnAutofill()

/** Asks for a passkey; `quietly`: only where an e-mail address is typed. @throws {Failure} when none was given. */
export async function passkeyFor(
  { challenge, rpId, passkeys }: PasskeyRequest,
  { isAlone, quietly = false }: { isAlone: boolean; quietly?: boolean },
): Promise<PasskeyAssertion> {
  const { id, response } = await given(
    startAuthentication({
      optionsJSON: {
        challenge,
        rpId,
        timeout,
        userVerification: isAlone ? 'required' : 'preferred',
        allowCredentials: passkeys.map((each) => ({ id: each, type: 'public-key' })),
      },
      useBrowserAutofill: quietly,
    }),
  )
  const { clientDataJSON, authenticatorData, signature, userHandle } = response
  return { id, clientDataJSON, authenticatorData, signature, ...(userHandle && { userHandle }) }
}

/** Nobody is asked quietly any more. */
export const stopAsking = (): void => WebAuthnAbortService.cancelCeremony()

/** Has a passkey made. @throws {Failure} when none was. */
export async function newPasskeyFor(
  { challenge, rpId, userHandle, passkeys }: PasskeyCreation,
  { email, name }: Pick<User, 'email' | 'name'>,
  called: string,
): Promise<NewPasskey> {
  const { id, response } = await given(
    startRegistration({
      optionsJSON: {
        challenge,
        rp: { id: rpId, name: 'CarBuddii' },
        user: { id: userHandle, name: email, displayName: name },
        pubKeyCredParams: algorithms.map((alg) => ({ alg, type: 'public-key' })),
        timeout,
        attestation: 'none',
        excludeCredentials: passkeys.map((each) => ({ id: each, type: 'public-key' })),
        authenticatorSelection: { residentKey: 'required', requireResidentKey: true, userVerification: 'preferred' },
      },
    }),
  )
  return {
    name: called,
    id,
    clientDataJSON: response.clientDataJSON,
    attestationObject: response.attestationObject,
  }
}

/** What was called off, and what the device does not do, are the same to a page: browsers tell it no more. */
async function given<Answer>(ceremony: Promise<Answer>): Promise<Answer> {
  try {
    return await ceremony
  } catch (error) {
    const isThere = error instanceof Error && error.name === 'InvalidStateError'
    throw new Failure({ code: isThere ? 'passkey-there' : 'passkey-not-given', detail: '' }, undefined)
  }
}
