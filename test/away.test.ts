import { expect, it, onTestFinished, vi } from 'vitest'
import { causeOf, unavailableFor } from '../src/db/away.ts'
import { openHealth } from '../src/db/health.ts'

const failure = (code: string, message = 'it failed') => Object.assign(new Error(message), { code })

it.each([
  ['a connection failure', '08006', 'unreachable'],
  ['a refused connection', 'ECONNREFUSED', 'unreachable'],
  ['an address without an answer', 'ETIMEDOUT', 'unreachable'],
  ['a name that cannot be resolved', 'ENOTFOUND', 'unreachable'],
  ['a server that takes no writes', '25006', 'read-only'],
  ['a full disk', '53100', 'disk-full'],
  ['no memory', '53200', 'out-of-memory'],
  ['too many connections', '53300', 'crowded'],
  ['a limit of the configuration', '53400', 'busy'],
  ['a shutdown by the administrator', '57P01', 'stopping'],
  ['a crash', '57P02', 'stopping'],
  ['a server that is starting', '57P03', 'stopping'],
  ['a database that was dropped', '57P04', 'refused'],
  ['an error of the disk', '58030', 'disk-broken'],
  ['a file that is gone', '58P01', 'disk-broken'],
  ['a wrong password', '28P01', 'refused'],
  ['a role that may not come in', '28000', 'refused'],
  ['a database that is not there', '3D000', 'refused'],
  ['a lock that is not to be had', '55P03', 'busy'],
  ['a deadlock', '40P01', 'busy'],
  ['a statement that took too long', '57014', 'busy'],
  ['a transaction that took too long', '25P04', 'busy'],
  ['damaged data', 'XX001', undefined],
  ['an internal error', 'XX000', undefined],
  ['a right that is missing', '42501', undefined],
  ['a table that is missing', '42P01', undefined],
  ['a transaction that has failed already', '25P02', undefined],
  ['a value that is there already', '23505', undefined],
])('%s (%s) is %s', (_what, code, cause) => {
  expect(causeOf(failure(code))).toBe(cause)
  expect(unavailableFor(failure(code))?.status).toBe(cause && 503)
})

it.each([
  ['timeout exceeded when trying to connect', 'busy'],
  ['Connection terminated unexpectedly', 'unreachable'],
  ['select 1 - Connection terminated unexpectedly', 'unreachable'],
  ['Client has encountered a connection error and is not queryable', 'unreachable'],
  ['constructor', undefined],
])('what pg says without a code, "%s", is %s', (message, cause) => {
  expect(causeOf(new Error(message))).toBe(cause)
})

it('says why, and nothing that names a server, a role or a person', () => {
  const problem = unavailableFor(failure('28P01', 'password authentication failed for user "carbuddii"'))
  expect(problem).toMatchObject({ code: 'unavailable', more: { headers: { 'Retry-After': '5' } } })
  expect(problem?.message).toBe('The database refuses this service. Nothing is known to have been written; try again.')
})

it('says of a server that is gone what it died of, until it can be used again', async () => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  let isFull = true
  const gone = () => failure('ENOENT')
  const said: string[] = []
  const health = openHealth(
    () => (isFull ? Promise.reject(gone()) : Promise.resolve()),
    (_level, message) => said.push(message),
  )
  const judged = (error: Error) => {
    health.failed(error)
    return causeOf(error)
  }
  expect(judged(gone())).toBe('unreachable')
  expect(judged(failure('53100'))).toBe('disk-full')
  expect(judged(gone())).toBe('disk-full')
  expect(judged(failure('57P03'))).toBe('disk-full')
  expect(judged(failure('28P01'))).toBe('refused')
  await vi.advanceTimersByTimeAsync(5_000)
  isFull = false
  await vi.advanceTimersByTimeAsync(5_000)
  expect(said).toEqual(['The database cannot be reached', 'The database can be used again'])
  expect(judged(gone())).toBe('unreachable')
  health.stop()
})
