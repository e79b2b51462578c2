import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { expect, it, vi } from 'vitest'
import type { Http } from '../src/operation.ts'
import { openPasswords } from '../src/users/passwords.ts'

const cores = Math.max(1, availableParallelism() - 1)

/** Passwords that are looked at until the test lets go of them. */
function held() {
  const passwords = openPasswords(vi.fn())
  const checking: { password: string; end: () => void }[] = []
  // The cast: nothing else of a request is asked.
  const from = (address: string) =>
    ({ address: () => address, left: () => new AbortController().signal }) as unknown as Http
  return {
    checking,
    attempt: (address: string, email: string, password = 'wrong') => {
      const answer = passwords.inTurn(
        from(address),
        email,
        () => new Promise<string>((resolve) => checking.push({ password, end: () => resolve(password) })),
      )
      answer.catch(() => undefined)
      return answer
    },
    endOne: async () => {
      checking.shift()?.end()
      await new Promise((resolve) => setImmediate(resolve))
    },
  }
}

it('leaves a core to everybody else, however many sign in at once', async () => {
  const { checking, attempt, endOne } = held()
  for (let at = 0; at < 200; at++) void attempt(`192.0.2.${at}`, `person${at}@customer.example`)
  await endOne()
  await endOne()
  expect(checking).toHaveLength(cores)
})

it('looks at a right password next, however many wrong ones come from another address, or for another e-mail', async () => {
  const { checking, attempt, endOne } = held()
  for (let at = 0; at < 90; at++) void attempt('192.0.2.1', `person${at % 9}@customer.example`)
  const right = [
    attempt('198.51.100.7', 'person0@customer.example', 'right'),
    attempt('192.0.2.1', 'anna@customer.example', 'right'),
  ]
  const order: string[] = []
  await new Promise((resolve) => setImmediate(resolve))
  while (checking.length > 0) {
    order.push(checking[0]?.password ?? '')
    await endOne()
  }
  expect(await Promise.all(right)).toEqual(['right', 'right'])
  const [elsewhere, beside] = order.flatMap((password, at) => (password === 'right' ? [at] : []))
  expect(elsewhere).toBeLessThanOrEqual(cores + 1)
  // Every e-mail of that address has had one turn, and those that were under way.
  expect(beside).toBeLessThanOrEqual(2 * cores + 10)
})

it('refuses what one address or e-mail sends too much of, says when to come again, and nobody else', async () => {
  const { attempt } = held()
  const ofOne = Array.from({ length: 200 }, () => attempt('192.0.2.1', 'anna@customer.example'))
  const ofMany = Array.from({ length: 200 }, (_, at) => attempt('192.0.2.2', `person${at}@customer.example`))
  const refused = { code: 'unavailable', more: { headers: { 'Retry-After': '2' } } }
  await expect(ofOne.at(-1)).rejects.toMatchObject(refused)
  await expect(ofMany.at(-1)).rejects.toMatchObject(refused)
  const still = Symbol('still')
  const waiting = attempt('198.51.100.7', 'anna@customer.example')
  expect(await Promise.race([waiting, Promise.resolve(still)])).toBe(still)
})

it('hashes and compares, and finds nothing right where there is no hash', async () => {
  const passwords = openPasswords(vi.fn())
  try {
    const passwordHash = await passwords.hash('four words and a horse')
    expect(await passwords.isRight(passwordHash, 'four words and a horse')).toBe(true)
    expect(await passwords.isRight(passwordHash, 'four words and a cow')).toBe(false)
    expect(await passwords.isRight(null, 'four words and a horse')).toBe(false)
    expect(await passwords.isRight(undefined, '')).toBe(false)
  } finally {
    await passwords.stop()
  }
})

it('finds nothing right where a hash cannot be read, says so, and answers everybody else who waits', async () => {
  const unreadable = vi.fn()
  const passwords = openPasswords(unreadable)
  try {
    const passwordHash = await passwords.hash('four words and a horse')
    // As many as there are threads, and as many beside them.
    const damaged = Array.from({ length: cores }, () => passwords.isRight('not a hash', 'four words and a horse'))
    const beside = Array.from({ length: cores }, () => passwords.isRight(passwordHash, 'four words and a horse'))
    expect(await Promise.all(damaged)).toEqual(damaged.map(() => false))
    expect(await Promise.all(beside)).toEqual(beside.map(() => true))
    expect(unreadable).toHaveBeenCalledTimes(cores)
    expect(JSON.stringify(unreadable.mock.calls.map(([error]) => error.message))).not.toContain('horse')
  } finally {
    await passwords.stop()
  }
})

it.runIf(process.platform === 'linux')('hashes with a lower priority than everything else has', async () => {
  const passwords = openPasswords(vi.fn())
  try {
    await passwords.hash('four words and a horse')
    // The 19th field of `stat`; the name before it may have blanks (proc(5)).
    const niceOf = (task: string) =>
      Number(readFileSync(`/proc/self/task/${task}/stat`, 'utf8').split(') ')[1]?.split(' ')[16])
    expect(niceOf(String(process.pid))).toBe(0)
    expect(readdirSync('/proc/self/task').map(niceOf)).toContain(10)
  } finally {
    await passwords.stop()
  }
})

it('fails what is asked when it is stopped', async () => {
  const passwords = openPasswords(vi.fn())
  const refused = expect(passwords.hash('four words and a horse')).rejects.toMatchObject({ code: 'unavailable' })
  await passwords.stop()
  await refused
})
