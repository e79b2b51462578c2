import { ZxcvbnFactory } from '@zxcvbn-ts/core'
import { adjacencyGraphs, dictionary } from '@zxcvbn-ts/language-common'
import { answerWith } from '../thread.ts'

// What is tried of a long password: the work grows much faster than its length.
const lengthTriedMax = 64
// Common passwords are mostly English; these are what Danes choose, and what everybody chooses here.
const common = `adgangskode kodeord hemmelig hemmeligt velkommen login admin administrator sommer vinter efterår foråret
  januar februar marts april maj juni juli august september oktober november december mandag tirsdag onsdag torsdag
  fredag lørdag søndag danmark københavn aarhus aalborg odense fodbold skat elskede jegelskerdig hejmeddig goddag
  bil biler bilen bilhuset auto autohuset forhandler carbuddii volkswagen skoda mercedes toyota peugeot citroen
  renault volvo tesla hyundai`.split(/\s+/)

export interface Guessed {
  password: string
  /** What an attacker would try first: the e-mail, the names. */
  known: string[]
}

const estimator = new ZxcvbnFactory({
  dictionary: { ...dictionary, 'common-da': common },
  graphs: adjacencyGraphs,
  maxLength: lengthTriedMax,
})

/** How many guesses it takes, as a power of ten. */
answerWith<Guessed, number>(({ password, known }) => estimator.check(password, known).guessesLog10)
