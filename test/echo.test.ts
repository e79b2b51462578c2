import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Customer, Email, Phone, PostalAddress } from '../generated/server/types.gen.ts'
import { type Linker, openLinker } from '../src/linking/linker.ts'
import { amount } from './long.ts'
import { until } from './patience.ts'
import { randomFrom, seed } from './seed.ts'
import { lead, startService, type TestService } from './service.ts'

/*
 * Two systems that each take over whatever the other one, a person or a lead brings, and write it back in their own
 * spelling. What somebody does goes round once, and no more.
 */
const rounds = amount(20, 1_000)
/** Each of the two may spell once what somebody did. */
const echoesMax = 2
const turnsMax = 6

let service: TestService
let linker: Linker
let dealer: Awaited<ReturnType<TestService['dealer']>>

beforeAll(async () => {
  service = await startService()
  linker = openLinker(service.service.database.beside, (error) => {
    throw error
  })
  dealer = await service.dealer('ours')
})
afterAll(async () => {
  await linker.stop()
  await service.close()
})

const random = randomFrom(seed)
const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item

type Said = Pick<Customer, 'name' | 'address'> & {
  emails: Pick<Email, 'address'>[]
  phones: Pick<Phone, 'number'>[]
}

/** What a system holds of one customer, spelt as it does. */
interface Spelling {
  /** `own`: what it holds already. */
  spelt(shown: Said, own: Said | undefined): Said
}

const nationalOf = ({ number }: Pick<Phone, 'number'>) => number.replace(/\D/g, '').slice(-8)
const addressOf = ({ address }: Pick<Email, 'address'>) => address.trim().toLowerCase()
const titled = (word: string) => word.slice(0, 1).toUpperCase() + word.slice(1).toLowerCase()
const nameOf = ({ name: { given = '', family = '', full } = {} }: Said) => full ?? `${family} ${given}`.trim()

/** In capitals, the surname first, numbers in digits, lists sorted, an address in one line. */
const capitals: Spelling = {
  spelt: (shown) => ({
    ...(shown.name && { name: { full: nameOf(shown).toUpperCase() } }),
    emails: shown.emails.map((each) => ({ address: addressOf(each).toUpperCase() })).toSorted(byAddress),
    phones: shown.phones.map((each) => ({ number: nationalOf(each) })).toSorted(byNumber),
    ...(shown.address && {
      address: {
        ...shown.address,
        ...(shown.address.lines && { lines: [` ${shown.address.lines.join(', ').toUpperCase()}`.padEnd(40)] }),
        ...(shown.address.city !== undefined && { city: `${shown.address.city.toUpperCase()} ` }),
      },
    }),
  }),
}

/** In two parts, numbers in pairs with their country, in the order in which they came, an address line by line. */
const pairs: Spelling = {
  spelt: (shown, own) => ({
    ...(shown.name && { name: parted(nameOf(shown)) }),
    emails: inOwnOrder(shown.emails, own?.emails ?? [], addressOf).map((each) => ({ address: ` ${addressOf(each)}` })),
    phones: inOwnOrder(shown.phones, own?.phones ?? [], nationalOf).map((each) => ({
      number: `+45 ${nationalOf(each).replace(/(..)(?=.)/g, '$1 ')}`,
    })),
    ...(shown.address && { address: lined(shown.address) }),
  }),
}

const byAddress = (one: Pick<Email, 'address'>, other: Pick<Email, 'address'>) =>
  one.address.localeCompare(other.address)
const byNumber = (one: Pick<Phone, 'number'>, other: Pick<Phone, 'number'>) => other.number.localeCompare(one.number)

function parted(name: string) {
  const words = name.split(' ').map(titled)
  return { family: words[0] ?? '', given: words.slice(1).join(' ') }
}

function lined({ lines, city, ...rest }: PostalAddress): PostalAddress {
  return {
    ...rest,
    ...(lines && { lines: lines.flatMap((line) => line.split(/\s*,\s*/)).map((line) => titled(line.trim())) }),
    ...(city !== undefined && { city: titled(city.trim()) }),
  }
}

/** What it has stays where it is, what is new comes behind. */
function inOwnOrder<Item>(shown: readonly Item[], own: readonly Item[], keyOf: (item: Item) => string): Item[] {
  const keys = own.map(keyOf)
  const place = (item: Item) => (keys.includes(keyOf(item)) ? keys.indexOf(keyOf(item)) : keys.length)
  return shown.toSorted((one, other) => place(one) - place(other))
}

/** A system that follows the feed without its own echo, and writes back what it reads. */
async function openSystem(source: string, { spelt }: Spelling) {
  const key = { name: source, kind: 'extensive_integrations', sources: [source] }
  const token = await service.exchange((await service.createKey(dealer.admin.token, key)).secret)
  const held = new Map<string, Said>()
  const latest = await service.call('GET', '/v1/events?cursor=latest', { token })
  let cursor: string = latest.body.nextCursor

  const write = async (id: string, said: Said) => {
    held.set(id, said)
    const reply = await service.call('PUT', `/v1/customers/by-reference/${source}/${id}`, { token, body: said })
    expect([200, 201]).toContain(reply.status)
    expect(reply.body.warnings).toEqual([])
    return reply.body.id as string
  }
  return {
    write: (id: string, said: Said) => write(id, spelt(said, held.get(id))),
    saidOf: (id: string) => held.get(id) ?? { emails: [], phones: [] },
    /** How much there was to take over. */
    follow: async (): Promise<number> => {
      const query = `cursor=${cursor}&limit=200&excludeOwn=true`
      const { items, nextCursor } = (await service.call('GET', `/v1/events?${query}`, { token })).body
      cursor = nextCursor
      const about = items.filter(({ subject }: { subject: { type: string } }) => subject.type === 'customer')
      for (const id of new Set<string>(about.map(({ subject }: { subject: { id: string } }) => subject.id))) {
        const { status, body } = await service.call('GET', `/v1/customers/${id}`, { token })
        expect(status).toBe(200)
        for (const reference of (body as Customer).externalReferences)
          if (reference.source === source) await write(reference.id, spelt(body, held.get(reference.id)))
      }
      return about.length
    },
  }
}

const names = ['Anna Holm', 'Anna Maria Holm', 'Ane Holm', 'Anna Ågård Holm']
const addresses = Array.from({ length: 6 }, (_, at) => ({ address: `Anna.${at}@customer.example` }))
const numbers = Array.from({ length: 6 }, (_, at) => ({ number: `32 12 34 5${at}` }))
const homes = [
  { lines: ['Skovvej 1', '2. tv'], postalCode: '2960', city: 'Rungsted Kyst', countryCode: 'DK' },
  { lines: ['Østergade  7, st.'], postalCode: '8000', city: 'aarhus c', countryCode: 'DK' },
]
const some = <Item>(items: readonly Item[]) => items.filter(() => random() < 0.5)

it(`lets two systems settle, whatever each of them makes of what it reads, ${rounds} times over (seed ${seed})`, async () => {
  const [dms, crm] = [await openSystem('dms', capitals), await openSystem('crm', pairs)]
  const systems = [dms, crm]
  const first = { name: { given: 'Anna', family: 'Holm' }, emails: addresses.slice(0, 1), phones: numbers.slice(0, 1) }
  const person = { token: dealer.sales.token }
  const merge = async (id: string, into: string) => {
    const reply = await service.call('PUT', `/v1/customers/${id}/merge`, { ...person, body: { into } })
    expect(reply.status).toBe(200)
  }
  // Both know both of two customers.
  const [one = '', other = ''] = await Promise.all(
    ['1', '2'].map(async (id) => {
      const known = await dms.write(id, first)
      await merge(await crm.write(id, first), known)
      return known
    }),
  )
  const edit = async (body: object) => {
    const reply = await service.call('PATCH', `/v1/customers/${one}`, { ...person, headers: { 'if-match': '*' }, body })
    expect(reply.status).toBe(200)
  }
  let isMerged = false
  let leads = 0

  const happens: Record<string, () => Promise<void>> = {
    nothing: async () => undefined,
    edit: () =>
      edit(
        pick([
          { name: { given: null, family: null, full: pick(names) } },
          { emails: some(addresses) },
          { phones: some(numbers) },
          { address: pick(homes) },
          { emails: null },
          { address: null },
        ]),
      ),
    withdrawEdit: async () => {
      const reply = await service.call('DELETE', `/v1/customers/${one}/edits`, person)
      expect(reply.status).toBe(200)
    },
    lead: async () => {
      const customer = {
        name: { full: pick(names) },
        emails: [pick(addresses)],
        phones: [pick(numbers)],
        address: pick(homes),
      }
      const body = lead({ message: `${leads++}`, customer })
      expect((await service.call('POST', '/v1/leads', { token: dealer.website.token, body })).status).toBe(201)
      await until(async () => {
        await linker.link()
        return linker.lag().events === 0
      })
    },
    system: async () => {
      const [system, id] = [pick(systems), pick(['1', '2'])]
      const change = pick<Partial<Said>>([
        { name: { full: pick(names) } },
        { emails: some(addresses) },
        { phones: some(numbers) },
        { address: pick(homes) },
      ])
      await system.write(id, { ...system.saidOf(id), ...change })
    },
    merge: async () => {
      if (isMerged) await service.call('DELETE', `/v1/customers/${other}/merge`, person)
      else await merge(other, one)
      isMerged = !isMerged
    },
  }

  const settle = async () => {
    let turns = 0
    for (let left = 1; left > 0 && turns < turnsMax; turns++) {
      const isTogether = random() < 0.5
      const [before, behind] = random() < 0.5 ? systems : systems.toReversed()
      const first = before?.follow()
      if (!isTogether) await first
      left = ((await behind?.follow()) ?? 0) + ((await first) ?? 0)
    }
    return turns
  }
  await settle()
  const feed = async (cursor: string) => {
    const { items, nextCursor } = (await service.call('GET', `/v1/events?cursor=${cursor}&limit=200`, person)).body
    return { items: items as { type: string; subject: { id: string }; actor: { type: string } }[], nextCursor }
  }
  let { nextCursor: cursor } = await feed('latest')
  const seen = new Map<string, number>()
  for (let round = 0; round < rounds; round++) {
    const what = pick(Object.keys(happens))
    await happens[what]?.()
    const done = await feed(cursor)
    const turns = await settle()
    const { items, nextCursor } = await feed(done.nextCursor)
    cursor = nextCursor
    const echoes = Map.groupBy(items, ({ subject }) => subject.id)
    const most = Math.max(0, ...[...echoes.values()].map((events) => events.length))
    seen.set(`${what}: ${most}`, (seen.get(`${what}: ${most}`) ?? 0) + 1)
    expect([round, what, turns < turnsMax, most <= echoesMax]).toEqual([round, what, true, true])
  }
  console.log(
    [...seen]
      .map(([what, times]) => `${what} versions ${times} times`)
      .toSorted()
      .join('\n'),
  )
})
