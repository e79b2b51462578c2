import { useSyncExternalStore } from 'react'
import { answered, Failure } from './answer.ts'
import { type Client, connectWith, createClient, exchangeSession, getMe, type Me, type SessionTokenResponse, signIn, signOut } from '../client/client.ts'

export type Session =
  | { state: 'starting' }
  | { state: 'unknown'; failure: unknown }
  | { state: 'signed-out' }
  /** `ended`: the session is over, but what is on the screen stays, and what was asked waits until the person has signed in again. */
  | { state: 'signed-in' | 'ended'; user: SessionTokenResponse['user']; scopes: readonly string[]; dealer: Me['dealer'] }

const baseUrl = location.origin
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

/** At the opening of the page: whoever has a session is signed in. */
export async function start(): Promise<void> {
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

/** @throws {Failure} */
export async function enterWith(email: string, password: string): Promise<void> {
  const token = await answered(signIn({ client: anonymous, body: { email, password } }))
  if (session.state === 'ended' && session.user.id !== token.user.id) {
    // Somebody else has nothing to do with what is on the screen.
    location.assign('/')
    return
  }
  await enter(token)
}

async function enter(token: SessionTokenResponse): Promise<void> {
  forget()
  bought = token
  if (session.state === 'ended') {
    become({ ...session, state: 'signed-in' })
    signedInAgain?.resolve()
    return
  }
  const { dealer, scopes } = await answered(getMe({ client: service }))
  become({ state: 'signed-in', user: token.user, scopes, dealer })
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
