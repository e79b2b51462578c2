import { useSyncExternalStore } from 'react'
import { answered, Failure } from './answer.ts'
import {
  type Client,
  connectWith,
  createClient,
  createPasskeyChallenge,
  exchangeSession,
  getMe,
  type Me,
  type PasskeyAssertion,
  type PasskeyRequest,
  requestPasswordLink,
  type SessionTokenResponse,
  setPassword,
  type SignIn,
  signIn,
  signInWithPasskey,
  signOut,
} from './client.ts'

export type Session =
  | { state: 'starting' }
  | { state: 'unknown'; failure: unknown }
  /** At the address of a link to choose a password; `token` is what the link said. */
  | { state: 'choosing-password'; token: string }
  | { state: 'signed-out'; passwordIsSet?: true }
  /**
   * `ended`: the session is over; `stale`: it is too old for what was asked. What is on the screen stays, and what was
   * asked waits until the person has signed in again.
   */
  | {
      state: 'signed-in' | 'ended' | 'stale'
      user: SessionTokenResponse['user']
      scopes: readonly string[]
      dealer: Me['dealer']
    }

const baseUrl = location.origin
const passwordPath = '/password'
const anonymous = createClient({ baseUrl })
const listeners = new Set<() => void>()
let session: Session = { state: 'starting' }
/** A token that was answered with the session, for the first to ask. */
let bought: SessionTokenResponse | undefined
let signedInAgain: PromiseWithResolvers<void> | undefined

// The token is in this module's memory alone; the cookie that buys it cannot be read by any script.
const { client, forget } = connectWith({ baseUrl, buy })
export const service: Client = client

async function buy(): Promise<SessionTokenResponse> {
  if (bought) {
    const token = bought
    bought = undefined
    return token
  }
  try {
    return await answered(exchangeSession({ client: anonymous }))
  } catch (error) {
    if (session.state !== 'signed-in' || !(error instanceof Failure && error.status === 401)) throw error
    become({ ...session, state: 'ended' })
    signedInAgain = Promise.withResolvers()
    await signedInAgain.promise
    return buy()
  }
}

/** At the opening of the page: whoever has a session is signed in, and whoever has a link chooses a password. */
export async function start(): Promise<void> {
  if (location.pathname === passwordPath) {
    const token = location.hash.slice(1)
    // Neither the history nor somebody who looks at the screen is to have it.
    history.replaceState(null, '', passwordPath)
    become({ state: 'choosing-password', token })
    // To a browser another link is another place on the same page.
    addEventListener('hashchange', () => void (session.state === 'choosing-password' && start()), { once: true })
    return
  }
  become({ state: 'starting' })
  try {
    const { data, response, error } = await exchangeSession({ client: anonymous })
    if (data) await enter(data)
    else if (response?.status === 401 || response?.status === 400) become({ state: 'signed-out' })
    else throw new Failure(error, response)
  } catch (failure) {
    become({ state: 'unknown', failure })
  }
}

/** What is left is to sign in with it. @throws {Failure} */
export async function choosePassword(token: string, password: string): Promise<void> {
  await answered(setPassword({ client: anonymous, body: { token, password } }))
  history.replaceState(null, '', '/')
  become({ state: 'signed-out', passwordIsSet: true })
}

/** @throws {Failure} */
export async function askForPasswordLink(email: string): Promise<void> {
  await answered(requestPasswordLink({ client: anonymous, body: { email } }))
}

/** What is sent beside a password. */
export type Beside = Pick<SignIn, 'passkey' | 'recoveryCode' | 'newPasskey'>

/**
 * Signs in. What is on the screen stays until `go`, so that recovery codes can be shown that came with a first passkey.
 *
 * @throws {Failure}
 */
export async function enterWith(
  email: string,
  password: string,
  beside: Beside = {},
): Promise<{ recoveryCodes: readonly string[] | undefined; go: () => Promise<void> }> {
  const token = await answered(signIn({ client: anonymous, body: { email, password, ...beside } }))
  return { recoveryCodes: token.recoveryCodes, go: () => enterAs(token) }
}

/** What a passkey is asked for with, where nobody has said who they are. @throws {Failure} */
export const askForPasskey = (): Promise<PasskeyRequest> => answered(createPasskeyChallenge({ client: anonymous }))

/** @throws {Failure} */
export async function enterWithPasskey(passkey: PasskeyAssertion): Promise<void> {
  await enterAs(await answered(signInWithPasskey({ client: anonymous, body: passkey })))
}

async function enterAs(token: SessionTokenResponse): Promise<void> {
  if ((session.state === 'ended' || session.state === 'stale') && session.user.id !== token.user.id) {
    // Somebody else has nothing to do with what is on the screen.
    location.assign('/')
    return
  }
  await enter(token)
}

async function enter(token: SessionTokenResponse): Promise<void> {
  forget()
  bought = token
  if (session.state === 'ended' || session.state === 'stale') {
    become({ ...session, state: 'signed-in' })
    signedInAgain?.resolve()
    return
  }
  const { dealer, scopes } = await answered(getMe({ client: service }))
  become({ state: 'signed-in', user: token.user, scopes, dealer })
}

/**
 * Does what may ask for a fresh sign-in; then asks the person for the password and does it again.
 *
 * @throws {Failure} of the deed, also when the person would rather not.
 */
export async function freshly<Result>(deed: () => Promise<Result>): Promise<Result> {
  try {
    return await deed()
  } catch (failure) {
    if (!(failure instanceof Failure && failure.code === 'sign-in-too-old' && session.state === 'signed-in'))
      throw failure
    become({ ...session, state: 'stale' })
    signedInAgain = Promise.withResolvers()
    try {
      await signedInAgain.promise
    } catch {
      throw failure
    }
    return deed()
  }
}

/** The person would rather not sign in again for what was asked. */
export function stayAsIs(): void {
  if (session.state !== 'stale') return
  become({ ...session, state: 'signed-in' })
  signedInAgain?.reject()
}

export async function leave(): Promise<void> {
  try {
    await answered(signOut({ client: anonymous }))
  } catch (error) {
    if (!(error instanceof Failure && error.status === 401)) throw error
  }
  forget()
  bought = undefined
  become({ state: 'signed-out' })
}

export function useSession(): Session {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    () => session,
  )
}

/** For whatever stands only on the screens of those who are signed in. */
export function usePerson() {
  const current = useSession()
  if (!('user' in current)) throw new Error('Nobody is signed in')
  return { ...current, can: (scope: string) => current.scopes.includes(scope) }
}

function become(next: Session): void {
  session = next
  for (const listener of listeners) listener()
}
