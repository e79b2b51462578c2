import { Problem } from '../problem.ts'

/**
 * What keeps the database from doing what it was asked. `busy` passes by itself; of everything else somebody is told.
 */
export type Cause =
  | 'busy'
  | 'unreachable'
  | 'stopping'
  | 'crowded'
  | 'out-of-memory'
  | 'disk-full'
  | 'disk-broken'
  | 'read-only'
  | 'refused'

/** For people who call, and for the log: true, and without a name, an address or a secret. */
export const wordsOf: Record<Cause, string> = {
  busy: 'The database is busy',
  unreachable: 'The database cannot be reached',
  stopping: 'The database is starting or stopping',
  crowded: 'The database takes no more connections',
  'out-of-memory': 'The database is out of memory',
  'disk-full': 'The disk of the database is full',
  'disk-broken': 'The database cannot read or write its disk',
  'read-only': 'The database takes no writes (it is read-only)',
  refused: 'The database refuses this service',
}

/** For what takes somebody's hand. Of the rest most is over within a second. */
const retryAfterSeconds: Partial<Record<Cause, number>> = {
  'out-of-memory': 5,
  'disk-full': 5,
  'disk-broken': 5,
  'read-only': 5,
  refused: 5,
}

/**
 * By SQLSTATE, the longest prefix first. What is missing is no fault of the moment: a bug of ours (42), or damage that
 * a person must see (XX001 data corrupted, XX002 index corrupted, XX000 internal error), and stays an error of its own.
 */
const states: readonly (readonly [string, Cause])[] = [
  ['08', 'unreachable'],
  ['25006', 'read-only'],
  // Idle in a transaction, or a whole transaction, for longer than is allowed.
  ['25P03', 'busy'],
  ['25P04', 'busy'],
  // Wrong password, no such role, no entry in pg_hba.conf, no such database, no right to connect to it: the operator's
  // to mend, not the caller's.
  ['28', 'refused'],
  ['3D000', 'refused'],
  ['40001', 'busy'],
  ['40P01', 'busy'],
  ['53100', 'disk-full'],
  ['53200', 'out-of-memory'],
  ['53300', 'crowded'],
  // Some limit of the configuration, and whatever else of the class comes later.
  ['53', 'busy'],
  ['55P03', 'busy'],
  ['57014', 'busy'],
  // The database was dropped.
  ['57P04', 'refused'],
  ['57P', 'stopping'],
  ['58', 'disk-broken'],
]

// Of the socket. ENOENT: the socket of a server that is being started.
const codes: Record<string, Cause> = {
  EAI_AGAIN: 'unreachable',
  ECONNREFUSED: 'unreachable',
  ECONNRESET: 'unreachable',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  ENOENT: 'unreachable',
  ENOTFOUND: 'unreachable',
  EPIPE: 'unreachable',
  ETIMEDOUT: 'unreachable',
}

// pg gives these no code. The first comes from a pool none of whose connections got free, or whose new one did not come
// about.
const messages: readonly (readonly [RegExp, Cause])[] = [
  [/^timeout exceeded when trying to connect/, 'busy'],
  [/^timeout expired|^Query read timeout/, 'unreachable'],
  [
    /^(Connection terminated|Connection ended|Client has encountered a connection error|Client was closed)/,
    'unreachable',
  ],
]

/**
 * Why the database did not do it, when the same request may succeed later. Where it is known why the database is away,
 * that is why.
 */
export function causeOf(error: unknown): Cause | undefined {
  const cause = nearestCauseOf(error)
  if (cause !== 'unreachable' && cause !== 'stopping') return cause
  return (error instanceof Error ? causeOf(error.cause) : undefined) ?? cause
}

function nearestCauseOf(error: unknown): Cause | undefined {
  if (!(error instanceof Error)) return undefined
  const code = 'code' in error ? String(error.code) : ''
  const state = /^[0-9A-Z]{5}$/.test(code) ? states.find(([prefix]) => code.startsWith(prefix)) : undefined
  if (state) return state[1]
  if (Object.hasOwn(codes, code)) return codes[code]
  // knex puts the statement before the message.
  const message = error.message.split(' - ').at(-1) ?? ''
  return messages.find(([pattern]) => pattern.test(message))?.[1]
}

/** What whoever called is told when the database did not do it; undefined when another try would end the same way. */
export function unavailableFor(error: unknown): Problem | undefined {
  const cause = causeOf(error)
  if (!cause) return undefined
  const headers = { 'Retry-After': String(retryAfterSeconds[cause] ?? 1) }
  return new Problem('unavailable', `${wordsOf[cause]}. Nothing is known to have been written; try again.`, { headers })
}

/** Whether the server itself said that it did not do it. Of a call whose connection broke nobody knows. */
export const isAnswer = (error: unknown): boolean => error instanceof Error && 'severity' in error
