import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Bounds, openFairQueue, type Place, type WhileWaiting } from '../src/fair-queue.ts'

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

describe('work that weighs more than other work', () => {
  /** A queue of which each place is known by the name of who has it, as soon as it does. */
  function weighed(bounds: Partial<Bounds>) {
    const queue = openFairQueue({ atOnceMax: 10, atOnceOfGroupMax: 6, waiting: many, ...bounds })
    const places = new Map<string, Place>()
    const enter = (name: string, weight: number, whileWaiting?: WhileWaiting) => {
      const [group = '', member = ''] = name.split(' ')
      const entered = queue.enter({ group, member: member[0] ?? '' }, weight, whileWaiting)
      entered.then(
        (place) => places.set(name, place),
        () => undefined,
      )
      return entered
    }
    const turns = () => new Promise((resolve) => setImmediate(resolve))
    const leave = async (name: string, weight?: number) => {
      places.get(name)?.leave(weight)
      await turns()
    }
    return { enter, leave, turns, names: () => [...places.keys()] }
  }

  it('is bounded by its weight, of a member, of a group and of all', async () => {
    const { enter, turns, names } = weighed({ atOnceOfMemberMax: 4 })
    for (const [name, weight] of [
      ['a x1', 4],
      ['a x2', 1],
      ['a y1', 3],
      ['a y2', 2],
      ['b z1', 4],
      ['c w1', 1],
    ] as const)
      void enter(name, weight)
    await turns()
    expect(names()).toEqual(['a x1', 'b z1', 'c w1'])
  })

  it('is overtaken by nothing that weighs less', async () => {
    const { enter, leave, turns, names } = weighed({})
    for (const [name, weight] of [
      ['a x1', 6],
      ['b y1', 2],
      ['c z1', 5],
      ['d w1', 1],
      ['d w2', 1],
    ] as const)
      void enter(name, weight)
    await turns()
    expect(names()).toEqual(['a x1', 'b y1'])
    await leave('b y1')
    expect(names()).toEqual(['a x1', 'b y1'])
    await leave('a x1')
    expect(names()).toEqual(['a x1', 'b y1', 'c z1', 'd w1', 'd w2'])
  })

  it('gives back a part, once, and to whom it is enough', async () => {
    const { enter, leave, turns, names } = weighed({})
    void enter('a x1', 6)
    void enter('a y1', 3)
    await turns()
    await leave('a x1', 2)
    expect(names()).toEqual(['a x1'])
    await leave('a x1', 1)
    expect(names()).toEqual(['a x1', 'a y1'])
    await leave('a x1')
    await leave('a x1')
    void enter('a z1', 3)
    void enter('a z2', 1)
    await turns()
    expect(names()).toEqual(['a x1', 'a y1', 'a z1'])
  })

  it('holds nobody up once it has left', async () => {
    const { enter, turns, names } = weighed({})
    const leaving = new AbortController()
    void enter('a x1', 6)
    void enter('b y1', 3)
    const gone = enter('c z1', 2, { left: () => leaving.signal })
    void enter('d w1', 1)
    await turns()
    expect(names()).toEqual(['a x1', 'b y1'])
    leaving.abort()
    await expect(gone).rejects.toMatchObject({ code: 'unavailable' })
    expect(names()).toEqual(['a x1', 'b y1', 'd w1'])
  })

  it('is begun in the end, whatever comes, and never more of it than may be', async () => {
    const step = fc.record({
      group: fc.constantFrom('a', 'b', 'c'),
      member: fc.constantFrom('x', 'y'),
      weight: fc.integer({ min: 1, max: 4 }),
      leaves: fc.nat(3),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const queue = openFairQueue({ atOnceMax: 10, atOnceOfGroupMax: 6, atOnceOfMemberMax: 4 })
        const held: { group: string; member: string; weight: number; place: Place }[] = []
        const weightOf = (some: typeof held) => some.reduce((sum, { weight }) => sum + weight, 0)
        const turns = () => new Promise((resolve) => setImmediate(resolve))
        let begun = 0
        for (const { leaves, weight, ...whose } of steps) {
          void queue.enter(whose, weight).then((place) => {
            begun++
            held.push({ ...whose, weight, place })
          })
          await turns()
          for (const { place } of held.splice(0, leaves)) place.leave()
          await turns()
          expect(weightOf(held)).toBeLessThanOrEqual(10)
          for (const group of ['a', 'b', 'c']) {
            const ofGroup = held.filter((each) => each.group === group)
            expect(weightOf(ofGroup)).toBeLessThanOrEqual(6)
            for (const member of ['x', 'y'])
              expect(weightOf(ofGroup.filter((each) => each.member === member))).toBeLessThanOrEqual(4)
          }
        }
        while (held.length > 0) {
          held.shift()?.place.leave()
          await turns()
        }
        expect(begun).toBe(steps.length)
      }),
    )
  })
})
