import {
  atLeast,
  atMost,
  generator,
  httpTarget,
  measure,
  median,
  ratio,
  report,
  rssMb,
  type Target,
} from './harness.ts'
import {
  type Dealer,
  fillLeads,
  leadsOf,
  makeDealers,
  openPlace,
  type Place,
  type Service,
  startOurs,
} from './world.ts'

/**
 * What our server costs when much is stored, and when it has worked for long: single leads, and the newest 50, with
 * 10,000 and with a million leads of one dealer in the table, each in a PostgreSQL of its own; then the memory of one
 * process after 10^5 and 10^6 requests.
 */
const sizes = [10_000, 1_000_000] as const
const dealersCount = 16
const connections = 64
const listConnections = 4
const rounds = 4
const seconds = 4
const requests = [100_000, 1_000_000] as const
const memorySecondsMax = 420
const sliceSeconds = 5

interface Grown {
  size: number
  place: Place
  ours: Service
  dealers: Dealer[]
}

async function grown(size: number): Promise<Grown> {
  const place = await openPlace()
  const ours = await startOurs(place)
  const dealers = await makeDealers(place, ours, dealersCount)
  await fillLeads(place, dealers[0]?.dealerId ?? '', size)
  return { size, place, ours, dealers }
}

const creating = ({ size, place: { databasePid }, ours: { pid, url }, dealers }: Grown): Target =>
  httpTarget({ kind: `createLead, ${size} stored`, pid, databasePid }, url, leadsOf(dealers), connections)

const listing = ({ size, place: { databasePid }, ours: { pid, url }, dealers }: Grown): Target =>
  httpTarget(
    { kind: `listLeads, ${size} stored`, pid, databasePid },
    url,
    [{ method: 'GET', path: '/v1/leads', token: dealers[0]?.dms ?? '' }],
    listConnections,
  )

/**
 * Creates leads until 10^6 requests were answered, or the time is up; the memory is that after the first stretch that
 * reached a number.
 */
async function remember(target: Target): Promise<{ kind: string; requests: number; rssMb: number }[]> {
  const samples: { done: number; rssMb: number }[] = []
  for (let done = 0, spent = 0; done < requests[1] && spent < memorySecondsMax;) {
    const stretch = await target.load(sliceSeconds)
    done += stretch.done
    spent += stretch.seconds
    samples.push({ done, rssMb: rssMb(target.pid) })
  }
  return requests.map((wanted) => {
    // The collector lets memory rise and fall from one moment to the next: hence the median of three.
    const at = samples.findIndex(({ done }) => done >= wanted)
    const near = at === -1 ? samples.slice(-3) : samples.slice(Math.max(0, at - 1), at + 2)
    return {
      kind: 'memory of one process',
      requests: (samples[at] ?? samples.at(-1))?.done ?? 0,
      rssMb: median(near.map(({ rssMb }) => rssMb)),
    }
  })
}

const [small, large] = [await grown(sizes[0]), await grown(sizes[1])]
const measured = [
  ...(await measure([creating(small), creating(large)], { rounds, seconds })),
  ...(await measure([listing(small), listing(large)], { rounds, seconds })),
]
const ended = async ({ ours, place }: Grown) => {
  await ours.stop()
  await place.close()
}
await Promise.all([ended(small), ended(large)])
const fresh = await grown(sizes[0])
const memory = await remember(creating(fresh))
await ended(fresh)

const of = (operation: string, name: 'perSecond' | 'p50Ms' | 'p99Ms') =>
  ratio(measured, name, `${operation}, ${sizes[1]} stored`, `${operation}, ${sizes[0]} stored`)
report(
  'growth',
  `${connections} connections for leads and ${listConnections} for lists by ${generator}`,
  [...measured, ...memory],
  [
    atLeast('createLead, leads per second, 10^6 / 10^4', of('createLead', 'perSecond'), 0.87),
    atMost('createLead, p99, 10^6 / 10^4', of('createLead', 'p99Ms'), 1.15),
    atMost('list of 50, median latency, 10^6 / 10^4', of('listLeads', 'p50Ms'), 1.15),
    atMost('memory, 10^6 requests / 10^5', (memory[1]?.rssMb ?? Number.NaN) / (memory[0]?.rssMb ?? Number.NaN), 1.1),
  ],
)
