import { afterAll, beforeAll, expect, it } from 'vitest'
import { refresh } from '../src/customers/refresh.ts'
import { addCustomers, addLinks } from '../src/customers/store.ts'
import { system } from '../src/events/event.ts'
import { recordEvents } from '../src/events/store.ts'
import { inner, newId, outer } from '../src/ids.ts'
import { amount } from './long.ts'
import { randomFrom, seed } from './seed.ts'
import { lead, startService, type TestService } from './service.ts'

/**
 * Random sequences of all that can be done to customers, against a model that is as simple as can be: it keeps
 * everything that was ever said in one list, and works out anew what is shown. Several dealers at a time, each with one
 * sequence after the other.
 */
const sequences = amount(25, Number(process.env['SEQUENCES'] ?? 10_000))
const stepsOfSequence = 24
const dealersCount = amount(3, 6)
/** Tokens live for half an hour. */
const tokenMsMax = 600_000

const environments = ['live', 'test'] as const
type Environment = (typeof environments)[number]
const systems = ['dms', 'crm']

interface Place {
  dealerId: string
  /** A token, which may read the feed and write as both systems. */
  token(environment: Environment): Promise<string>
}

let service: TestService
beforeAll(async () => {
  service = await startService()
})
afterAll(() => service.close())

async function openPlace(name: string): Promise<Place> {
  const { admin, dealerId } = await service.dealer(name)
  const secrets = new Map<Environment, string>()
  const tokens = new Map<Environment, { token: string; until: number }>()
  const place: Place = {
    dealerId,
    token: async (environment) => {
      const known = tokens.get(environment)
      if (known && known.until > performance.now()) return known.token
      const token = await service.exchange(secrets.get(environment) ?? '')
      tokens.set(environment, { token, until: performance.now() + tokenMsMax })
      return token
    },
  }
  for (const environment of environments) {
    const key = { kind: 'extensive_integrations', environment, sources: systems }
    secrets.set(environment, (await service.createKey(admin.token, key)).secret)
    // Their order is that of their first word.
    for (const source of systems) {
      const path = `/v1/customers/by-reference/${source}/first`
      const token = await place.token(environment)
      await service.call('PUT', path, { token, body: { name: { full: 'First' } } })
    }
  }
  return place
}

type Said = { name?: string | null; emails?: string[] | null }
/** The word of somebody. `customer`: to whom it was said. */
interface Word {
  by: 'people' | 'system' | 'lead'
  customer: string
  source: string
  id: string
  said: Said
  /** When each part of it came to what it is. */
  since: { name?: number; emails?: number }
  version?: number
  isWithdrawn?: boolean
}
interface Shown {
  state: 'active' | 'gone' | 'merged'
  into?: string
  name?: string
  emails?: string[]
  references?: string[]
}

class Model {
  readonly into = new Map<string, string>()
  readonly environment = new Map<string, Environment>()
  readonly words: Word[] = []
  /** How many events there were about each. */
  readonly events = new Map<string, number>()

  living(id: string): string {
    const into = this.into.get(id)
    return into === undefined ? id : this.living(into)
  }

  shown(id: string): Shown {
    const into = this.into.get(id)
    if (into !== undefined) return { state: 'merged', into }
    const words = this.words.filter(
      ({ customer, said, by, isWithdrawn }) =>
        this.living(customer) === id &&
        !isWithdrawn &&
        (by !== 'people' || said.name !== undefined || said.emails !== undefined),
    )
    if (words.length === 0) return { state: 'gone' }
    const rank = ({ by, source }: Word) => (by === 'people' ? 0 : by === 'system' ? 1 + systems.indexOf(source) : 9)
    const inOrder = (part: 'name' | 'emails') =>
      words
        .filter(({ said }) => said[part] !== undefined)
        .sort((one, other) => rank(one) - rank(other) || (other.since[part] ?? 0) - (one.since[part] ?? 0))
    const name = inOrder('name')[0]?.said.name
    const emails = inOrder('emails')
    const listed = emails[0]?.by === 'people' ? emails.slice(0, 1) : emails
    return {
      state: 'active',
      ...(typeof name === 'string' && { name }),
      emails: [...new Set(listed.flatMap(({ said }) => said.emails ?? []))],
      references: words.flatMap(({ by, source, id: own }) => (by === 'system' ? [`${source} ${own}`] : [])).sort(),
    }
  }
}

const names = ['Anna', 'Bo', 'Carla']
const addresses = ['a@customer.example', 'b@customer.example', 'c@customer.example']
const bodyOf = ({ name, emails }: Said) => ({
  ...(name !== undefined && { name: name === null ? null : { full: name } }),
  ...(emails !== undefined && { emails: emails === null ? null : emails.map((address) => ({ address })) }),
})

it(`agrees with a small model over ${sequences} random sequences (seed ${seed})`, async () => {
  const left = Array.from({ length: sequences }, (_, at) => at).toReversed()
  await Promise.all(
    Array.from({ length: dealersCount }, async (_, at) => {
      const place = await openPlace(`dealer-${at}`)
      for (let next = left.pop(); next !== undefined; next = left.pop()) await oneSequence(place, next)
    }),
  )
}, 7_200_000)

async function oneSequence(place: Place, sequence: number): Promise<void> {
  const random = randomFrom(seed + sequence)
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item
  const chance = (of: number) => random() < of
  const someEmails = () => addresses.filter(() => chance(0.4))
  const model = new Model()
  const done: string[] = []
  let tick = 0
  const ids = () => [...model.environment.keys()]
  const call = async (
    environment: Environment,
    method: string,
    path: string,
    body?: object,
    headers?: Record<string, string>,
  ) => {
    const reply = await service.call(method, path, {
      token: await place.token(environment),
      ...(body && { body }),
      ...(headers && { headers }),
    })
    done.push(`${environment} ${method} ${path} ${JSON.stringify(body ?? '')} -> ${reply.status}`)
    return reply
  }
  const say = (word: Word, said: Said) => {
    for (const part of ['name', 'emails'] as const)
      if (JSON.stringify(said[part]) !== JSON.stringify(word.said[part]) || word.by === 'people')
        if (said[part] !== undefined) word.since[part] = tick
    word.said = word.by === 'people' ? { ...word.said, ...said } : said
  }
  const begun = { live: await latest(place, 'live'), test: await latest(place, 'test') }
  const leadsIn = new Map<string, Environment>()
  /** In each environment, what each step must have been told as. */
  const toBeTold: Record<Environment, string[][]> = { live: [], test: [] }

  const steps: Record<string, (environment: Environment) => Promise<string[]>> = {
    upsert: async (environment) => {
      const source = pick(systems)
      const id = `${sequence}-${pick(['1', '2', '3'])}`
      const version = chance(0.5) ? Math.floor(random() * 6) : undefined
      const said: Said = { ...(chance(0.8) && { name: pick(names) }) }
      const emails = someEmails()
      if (emails.length > 0) said.emails = emails
      const path = `/v1/customers/by-reference/${source}/${id}${version === undefined ? '' : `?sourceVersion=${version}`}`
      const word = model.words.find(
        (each) => each.source === source && each.id === id && model.environment.get(each.customer) === environment,
      )
      const { status, body } = await call(environment, 'PUT', path, bodyOf(said))
      if (word?.version !== undefined && version !== undefined && version < word.version) {
        expect(status).toBe(409)
        return []
      }
      expect(status).toBe(word ? 200 : 201)
      const known = word ?? { by: 'system' as const, customer: body.id as string, source, id, said: {}, since: {} }
      if (!word) {
        model.words.push(known)
        model.environment.set(body.id, environment)
      }
      if (known.isWithdrawn) {
        known.said = {}
        known.isWithdrawn = false
      }
      say(known, said)
      if (version !== undefined) known.version = version
      return word ? [] : [`customer.created ${body.id}`]
    },
    add: async (environment) => {
      const said: Said = { name: pick(names), emails: [pick(addresses)] }
      const { status, body } = await call(environment, 'POST', '/v1/customers', bodyOf(said))
      expect(status).toBe(201)
      model.environment.set(body.id, environment)
      const word: Word = { by: 'people', customer: body.id, source: '', id: '', said: {}, since: {} }
      model.words.push(word)
      say(word, said)
      return [`customer.created ${body.id}`]
    },
    edit: async () => {
      const id = pick(ids())
      const environment = model.environment.get(id) ?? 'live'
      const said: Said = chance(0.5)
        ? { name: chance(0.3) ? null : pick(names) }
        : { emails: chance(0.3) ? null : someEmails() }
      const { status } = await call(environment, 'PATCH', `/v1/customers/${id}`, bodyOf(said), { 'if-match': '*' })
      const isGone = model.shown(model.living(id)).state === 'gone'
      expect(status).toBe(isGone ? 410 : 200)
      if (isGone) return []
      const known = model.words.find(({ by, customer }) => by === 'people' && customer === id)
      const word = known ?? { by: 'people' as const, customer: id, source: '', id: '', said: {}, since: {} }
      if (!known) model.words.push(word)
      // An empty list that people say is one that they have emptied.
      say(word, said.emails?.length === 0 ? { emails: null } : said)
      return []
    },
    withdrawEdit: async () => {
      const id = pick(ids())
      const field = pick(['name', 'emails', undefined] as const)
      const query = field === undefined ? '' : `?field=${field}`
      const { status } = await call(model.environment.get(id) ?? 'live', 'DELETE', `/v1/customers/${id}/edits${query}`)
      const isGone = model.shown(model.living(id)).state === 'gone'
      expect(status).toBe(isGone ? 410 : 200)
      const word = model.words.find(({ by, customer }) => by === 'people' && customer === id)
      if (isGone || !word) return []
      for (const part of field === undefined ? (['name', 'emails'] as const) : [field]) delete word.said[part]
      return []
    },
    link: async (environment) => {
      const said: Said = { name: pick(names), emails: [pick(addresses)] }
      const known = chance(0.6) ? ids().filter((id) => model.environment.get(id) === environment) : []
      const id = known.length > 0 ? model.living(pick(known)) : undefined
      const linked = await link(place, environment, id, said)
      done.push(`${environment} link ${JSON.stringify(said)} ${linked.customer}`)
      model.environment.set(linked.customer, environment)
      leadsIn.set(linked.lead, environment)
      const word: Word = { by: 'lead', customer: linked.customer, source: '', id: linked.lead, said: {}, since: {} }
      model.words.push(word)
      say(word, said)
      return [
        `lead.created ${linked.lead}`,
        `lead.linked ${linked.lead}`,
        ...(id === undefined ? [`customer.created ${linked.customer}`] : []),
      ]
    },
    merge: async () => {
      const [id, into] = [pick(ids()), pick(ids())]
      const environment = model.environment.get(id) ?? 'live'
      const isDry = chance(0.2)
      const shownOf = (of: string) => model.shown(model.living(of))
      const isSame = model.into.get(id) === into
      const isImpossible =
        id === into ||
        model.environment.get(id) !== model.environment.get(into) ||
        model.into.has(id) ||
        model.living(into) === id
      const { status, body } = await call(
        environment,
        'PUT',
        `/v1/customers/${id}/merge${isDry ? '?dryRun=true' : ''}`,
        { into },
      )
      const isElsewhere = environment === 'test' && model.environment.get(into) === 'live'
      const isGone = [id, into].some((each) => shownOf(each).state === 'gone')
      const expected = isElsewhere ? [404] : isSame ? [200] : isGone ? [410, 409] : isImpossible ? [409] : [200]
      expect(expected).toContain(status)
      if (status !== 200 || isSame) return []
      const root = model.living(into)
      model.into.set(id, into)
      expect(body.customer.emails.map(({ address }: { address: string }) => address).toSorted()).toEqual(
        model.shown(root).emails?.toSorted(),
      )
      if (!isDry) return [`customer.merged ${id}`, `customer.merged ${root}`]
      model.into.delete(id)
      return []
    },
    unmerge: async () => {
      const merged = [...model.into.keys()]
      const id = merged.length > 0 && chance(0.9) ? pick(merged) : pick(ids())
      const isGone = !model.into.has(id) && model.shown(id).state === 'gone'
      const { status } = await call(model.environment.get(id) ?? 'live', 'DELETE', `/v1/customers/${id}/merge`)
      expect(status).toBe(isGone ? 410 : 200)
      if (!model.into.has(id)) return []
      const root = model.living(id)
      model.into.delete(id)
      return [`customer.unmerged ${id}`, `customer.unmerged ${root}`]
    },
    withdrawReference: async () => {
      const known = model.words.filter(({ by }) => by === 'system')
      if (known.length === 0) return []
      const word = pick(known)
      const environment = model.environment.get(word.customer) ?? 'live'
      const { status } = await call(environment, 'DELETE', `/v1/customers/by-reference/${word.source}/${word.id}`)
      expect(status).toBe(word.isWithdrawn ? 404 : 200)
      word.isWithdrawn = true
      return []
    },
  }

  for (let step = 0; step < stepsOfSequence; step++) {
    tick++
    const before = new Map(ids().map((id) => [id, JSON.stringify(model.shown(id))]))
    const name = step < 3 ? 'upsert' : pick(Object.keys(steps))
    const named = (await steps[name]?.(chance(0.25) ? 'test' : 'live')) ?? []
    // What the step does not name itself changes what somebody shows.
    const isNamed = new Set(named.map((event) => event.split(' ')[1]))
    const changed = ids().filter((id) => !isNamed.has(id) && before.get(id) !== JSON.stringify(model.shown(id)))
    const expected = [...named, ...changed.map((id) => `customer.updated ${id}`)]
    const [, first = ''] = expected[0]?.split(' ') ?? []
    if (first !== '') toBeTold[model.environment.get(first) ?? leadsIn.get(first) ?? 'live'].push(expected)
    for (const event of expected) {
      const [, id = ''] = event.split(' ')
      model.events.set(id, (model.events.get(id) ?? 0) + 1)
    }
  }

  for (const environment of environments) {
    const events = await eventsBehind(place, environment, begun[environment])
    for (const expected of toBeTold[environment])
      expect(events.splice(0, expected.length).toSorted(), done.join('\n')).toEqual(expected.toSorted())
    expect(events, done.join('\n')).toEqual([])
  }

  // Every id that was ever given answers.
  for (const id of ids()) {
    const living = model.living(id)
    const expected = model.shown(living)
    const { status, body } = await service.call('GET', `/v1/customers/${id}`, {
      token: await place.token(model.environment.get(id) ?? 'live'),
    })
    const seen =
      status === 410
        ? { state: 'gone' }
        : {
            state: body.state,
            id: body.id,
            ...(body.name && { name: body.name.full }),
            emails: body.emails?.map(({ address }: { address: string }) => address),
            references: body.externalReferences
              ?.map((each: { source: string; id: string }) => `${each.source} ${each.id}`)
              .toSorted(),
            version: body.version,
          }
    expect(seen, `${id}\n${done.join('\n')}`).toEqual(
      expected.state === 'gone' ? expected : { ...expected, id: living, version: model.events.get(living) },
    )
  }
}

const feed = async (place: Place, environment: Environment, query: string) =>
  (await service.call('GET', `/v1/events?${query}`, { token: await place.token(environment) })).body
const latest = async (place: Place, environment: Environment): Promise<string> =>
  (await feed(place, environment, 'cursor=latest')).nextCursor

async function eventsBehind(place: Place, environment: Environment, begun: string): Promise<string[]> {
  const events: string[] = []
  for (let cursor = begun; ;) {
    const { items, nextCursor } = await feed(place, environment, `cursor=${cursor}&limit=200`)
    for (const { type, subject } of items) events.push(`${type} ${subject.id}`)
    if (items.length === 0) return events
    cursor = nextCursor
  }
}

/** As the linker does it. */
async function link(place: Place, environment: Environment, customer: string | undefined, { name, emails }: Said) {
  const body = lead({ customer: { name: { full: name }, emails: (emails ?? []).map((address) => ({ address })) } })
  const pushed = await service.call('POST', '/v1/leads', { token: await place.token(environment), body })
  const { dealerId } = place
  const test = environment === 'test'
  const leadId = inner(pushed.body.id)
  const now = new Date()
  return service.db.transaction(async (trx) => {
    await trx('dealer_clocks').where({ dealer_id: dealerId }).forUpdate()
    const id = customer === undefined ? newId() : inner(customer)
    if (customer === undefined) await addCustomers(trx, dealerId, [{ id, test }], now)
    const event = { type: 'lead.linked', subject: { type: 'lead', id: leadId }, test, changed: ['customerId'] } as const
    const [recorded] = await recordEvents(trx, dealerId, system, [event], now)
    const rev = { revSeq: recorded?.seq ?? '', revEvent: recorded?.id ?? '' }
    await addLinks(trx, dealerId, [{ leadId, customerId: id, test, ...rev, reasons: ['email-same'] }])
    await refresh(trx, dealerId, system, new Map([[id, undefined]]), now)
    return { customer: outer('cust', id), lead: pushed.body.id as string }
  })
}
