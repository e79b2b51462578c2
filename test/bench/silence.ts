import { kinds, measured } from '../sources-traces.ts'
import { atMost, report } from './harness.ts'

/**
 * How often a source is said to be quiet that is not, and how late one that is: on many more sources than the tests
 * have time for.
 */
const sources = 200

const outcomes = kinds.map((kind) => measured(kind, sources))
const of = (kind: string) => outcomes.find((outcome) => outcome.kind === kind)
report(
  'silence',
  `${sources} sources of each kind over 26 weeks; hours are from 0 to 24, waking hours from 8 to 22`,
  outcomes,
  [
    atMost(
      'false alarms for each source and quarter, all kinds',
      outcomes.reduce((all, { falseAlarms }) => all + falseAlarms, 0) / outcomes.length,
      0.25,
    ),
    atMost('waking hours until told, median, 50 leads a week', of('steady, 50 a week')?.wakingP50 ?? Number.NaN, 24),
    atMost('waking hours until told, median, 300 leads a week', of('steady, 300 a week')?.wakingP50 ?? Number.NaN, 6),
  ],
)
