import { parentPort } from 'node:worker_threads'
import { ZxcvbnFactory } from '@zxcvbn-ts/core'
import { adjacencyGraphs, dictionary } from '@zxcvbn-ts/language-common'

// What is tried of a long password: the work grows much faster than its length.
const lengthTriedMax = 64
// Common passwords are mostly English; these are what Danes choose, and what everybody chooses here.
const common = `adgangskode kodeord hemmelig hemmeligt velkommen login admin administrator sommer vinter efterår foråret
  januar februar marts april maj juni juli august september oktober november december mandag tirsdag onsdag torsdag
  fredag lørdag søndag danmark københavn aarhus aalborg odense fodbold skat elskede jegelskerdig hejmeddig goddag
  bil biler bilen bilhuset auto autohuset forhandler carbuddii volkswagen skoda mercedes toyota peugeot citroen
  renault volvo tesla hyundai`.split(/\s+/)

export interface Asked {
  id: number
  password: string
  /** What an attacker would try first: the e-mail, the names. */
  known: string[]
}
export interface Answered {
  id: number
  /** How many guesses it takes, as a power of ten. */
  guessesLog10: number
}

const estimator = new ZxcvbnFactory({
  dictionary: { ...dictionary, 'common-da': common },
  graphs: adjacencyGraphs,
  maxLength: lengthTriedMax,
})

parentPort?.on('message', ({ id, password, known }: Asked) => {
  const { guessesLog10 } = estimator.check(password, known)
  parentPort?.postMessage({ id, guessesLog10 } satisfies Answered)
})
