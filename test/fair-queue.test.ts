import { expect, it } from 'vitest'
import { type Bounds, openFairQueue, type WhileWaiting } from '../src/fair-queue.ts'

const many = { ofMemberMax: 9, ofGroupMax: 9, inAllMax: 9, msMax: 60_000 }
const bounds: Bounds = { atOnceMax: 2, atOnceOfGroupMax: 1, waiting: many }

/** A queue whose work goes on until it is let go of. */
function held(some: Partial<Bounds> = {}) {
  const queue = openFairQueue({ ...bounds, ...some }, 'Too much.')
  const begun: string[] = []
  const ends = new Map<string, () => void>()
  const turns = () => new Promise((resolve) => setImmediate(resolve))
  return {
    begun,
    run: (name: string, whileWaiting?: WhileWaiting) => {
      const [group = '', member = ''] = name.split(' ')
      const work = () => {
        begun.push(name)
        return new Promise<string>((resolve) => ends.set(name, () => resolve(name)))
      }
      const done = queue.run({ group, member }, work, whileWaiting)
      done.catch(() => undefined)
      return done
    },
    end: async (name: string) => {
      ends.get(name)?.()
      await turns()
    },
    turns,
  }
}

it('begins as much at once as it may, and of each group as much as that may', async () => {
  const { run, begun, end, turns } = held()
  for (const name of ['a 1', 'a 2', 'b 3', 'c 4']) void run(name)
  await turns()
  expect(begun).toEqual(['a 1', 'b 3'])
  await end('b 3')
  expect(begun).toEqual(['a 1', 'b 3', 'c 4'])
  await end('c 4')
  expect(begun).toEqual(['a 1', 'b 3', 'c 4'])
  await end('a 1')
  expect(begun).toEqual(['a 1', 'b 3', 'c 4', 'a 2'])
})

it('gives groups their turns one after the other, and the members of each, however much one of them wants', async () => {
  const names = ['a x1', 'a x2', 'a x3', 'a x4', 'a y1', 'b z1', 'b z2', 'c w1']
  const queue = openFairQueue({ atOnceMax: 1, atOnceOfGroupMax: 1 })
  const order: string[] = []
  const all = names.map((name) => {
    const [group = '', member = ''] = name.split(' ')
    return queue.run({ group, member: member[0] ?? '' }, async () => void order.push(name))
  })
  await Promise.all(all)
  expect(order).toEqual(['a x1', 'b z1', 'c w1', 'a x2', 'b z2', 'a y1', 'a x3', 'a x4'])
})

it('goes on after work that fails', async () => {
  const queue = openFairQueue({ atOnceMax: 1, atOnceOfGroupMax: 1 })
  const failing = queue.run({ group: 'a', member: '1' }, () => Promise.reject(new Error('broken')))
  const next = queue.run({ group: 'a', member: '1' }, async () => 'done')
  await expect(failing).rejects.toThrow('broken')
  expect(await next).toBe('done')
})

it('refuses whoever finds too many of its own, of its group or of all waiting, and says when to come again', async () => {
  const { run } = held({ waiting: { ofMemberMax: 2, ofGroupMax: 3, inAllMax: 4, msMax: 60_000 } })
  const all = ['a 1', 'a 1', 'a 1', 'a 1', 'a 2', 'a 3', 'b 1', 'b 2', 'c 1'].map((name) => run(name))
  const refused = { code: 'unavailable', message: 'Too much.', more: { headers: { 'Retry-After': '2' } } }
  await expect(all[3]).rejects.toMatchObject(refused)
  await expect(all[5]).rejects.toMatchObject(refused)
  await expect(all[8]).rejects.toMatchObject(refused)
  const still = Symbol('still')
  for (const waiting of [1, 2, 4, 7]) expect(await Promise.race([all[waiting], Promise.resolve(still)])).toBe(still)
})

it('gives the place of whoever has left to the next', async () => {
  const { run, begun, end, turns } = held({ waiting: { ...many, ofMemberMax: 1 } })
  const leaving = new AbortController()
  void run('a 1')
  const gone = run('a 2', { left: () => leaving.signal })
  leaving.abort()
  // At once: by and by it would be refused for having waited too long.
  const refusal = await Promise.race([gone.catch((refusal: unknown) => refusal), turns()])
  expect(refusal).toMatchObject({ code: 'unavailable' })
  await expect(run('a 2', { left: () => leaving.signal })).rejects.toMatchObject({ code: 'unavailable' })
  void run('a 2')
  await end('a 1')
  expect(begun).toEqual(['a 1', 'a 2'])
})

it('lets nobody wait for longer than it may', async () => {
  const { run, begun, end } = held({ waiting: { ...many, msMax: 1 } })
  void run('a 1')
  await expect(run('a 2')).rejects.toMatchObject({ code: 'unavailable' })
  await end('a 1')
  expect(begun).toEqual(['a 1'])
})

it('asks what is first of whoever has to wait alone, and gives no place to whom that refuses', async () => {
  const { run, begun, end } = held()
  const asked: string[] = []
  const first = (name: string) => ({ first: async () => void asked.push(name) })
  void run('a 1', first('a 1'))
  const refused = run('a 2', { first: () => Promise.reject(new Error('dead')) })
  await expect(refused).rejects.toThrow('dead')
  void run('a 3', first('a 3'))
  await end('')
  await end('a 1')
  expect([asked, begun]).toEqual([['a 3'], ['a 1', 'a 3']])
})
