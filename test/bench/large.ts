import { ask, type Asked, questions } from './large-questions.ts'
import { atMost, median, report } from './harness.ts'
import { fillAround, fillLarge, settle } from './large-world.ts'
import { makeDealers, openPlace, startOurs } from './world.ts'

/**
 * What a person and a DMS wait for when a dealer has a million leads, and when nearly all of these are tests. `LEADS`
 * sets another number, `npm run bench -- large` prints the slowest question of each operation, and results/large.json
 * has all of them.
 */
const leadsCount = Number(process.env['LEADS'] ?? 1_000_000)
const dealersCount = 8
// A page for which nobody notices that they wait.
const goalMs = 50

const place = await openPlace()
const ours = await startOurs(place)
const [first, second] = await makeDealers(place, ours, dealersCount)
if (!first || !second) throw new Error('There are no dealers')
const live = await fillLarge(place, ours, first, leadsCount, 'tests')
const test = await fillLarge(place, ours, second, leadsCount, 'real leads')
await fillAround(place, live)
await settle(place)

const asked = [
  ...(await ask(ours.url, questions(live, 'live'))).map((each) => ({ dealer: 'real leads', ...each })),
  ...(await ask(ours.url, questions(test, 'test'))).map((each) => ({ dealer: 'test leads', ...each })),
]
await ours.stop()
await place.close()

const named = (text: string) =>
  [live, test]
    .flatMap(({ keys }) => Object.entries(keys))
    .reduce((shorter, [name, id]) => shorter.replaceAll(`key_${id.replaceAll('-', '')}`, name), text)
const byOperation = Object.entries(
  Object.groupBy(asked, ({ dealer, operation }: Asked & { dealer: string }) => `${operation}, ${dealer}`),
)
report(
  'large',
  `${leadsCount} leads of a dealer, one question after the other`,
  byOperation.map(([kind, all = []]) => {
    const slowest = all.toSorted((one, other) => other.ms - one.ms)[0]
    return {
      kind,
      questions: all.length,
      medianMs: median(all.map(({ ms }) => ms)),
      slowestMs: slowest?.ms ?? Number.NaN,
      slowest: named(slowest?.what ?? ''),
      rounds: all.map(({ what, ms, items }) => ({ what: named(what), ms, items })),
    }
  }),
  [
    atMost('the slowest of all questions, ms', Math.max(...asked.map(({ ms }) => ms)), goalMs),
    atMost('questions that take longer than that', asked.filter(({ ms }) => ms > goalMs).length, 0),
  ],
)
