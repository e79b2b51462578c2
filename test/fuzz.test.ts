import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Fault } from './fuzz/evidence.ts'
import { alone, type Letter, newLetter, posted, remarked, smallerLetters } from './fuzz/letters.ts'
import { delivered, type Office } from './fuzz/post-office.ts'
import type { Random } from './fuzz/random.ts'
import { amount, isLong } from './long.ts'
import { randomFrom, seed } from './seed.ts'
import { startService, type TestService } from './service.ts'

const leadsToSend = amount(1_500, 100_000)
// The short form sends the same leads each time, unless a seed is given; the long one looks for others.
const start = isLong || process.env['SEED'] ? seed : 4242
const lettersUnderWay = 12
const saidEvery = 5_000
/** Kinds of faults that are shown, and letters that are tried to make one small. */
const shownMax = 12
const triesMax = 60

let office: Office
let secret: string
let service: TestService
beforeAll(async () => {
  service = await startService()
  const { dms } = await service.dealer('fuzz')
  secret = dms.secret
  office = { service, token: dms.token, dealer: { country: 'DK', timeZone: 'Europe/Copenhagen' }, ids: new Map() }
})
afterAll(() => service.close())

interface Finding {
  letter: Letter
  fault: Fault
  count: number
}

/** Faults of one kind are shown once. */
const kindOf = (letter: Letter, { what, at }: Fault) => {
  const place = at.replaceAll(/\/\d+(?=\/|$)/g, '').replace(/^\/adf\/|^\/lead\//, '/')
  return `${letter.way === 'adf' ? 'adf' : 'json'}: ${what} ${place}`
}

it('changes nothing of what real senders send without a word, and loses nobody', async () => {
  const findings = new Map<string, Finding>()
  let next = 0
  let leads = 0
  const work = async () => {
    while (leads < leadsToSend) {
      const letter = newLetter(randomFrom(start ^ Math.imul(++next, 0x9e3779b1)))
      leads += letter.leads.length
      if (isLong && leads % saidEvery < letter.leads.length) {
        office.token = await service.exchange(secret)
        console.log(`${leads} leads, ${findings.size} kinds of faults: ${[...findings.keys()].join('; ')}`)
      }
      for (const [at, faults] of (await delivered(letter, office)).entries())
        for (const fault of faults) {
          const kind = kindOf(letter, fault)
          const known = findings.get(kind)
          if (known) known.count++
          else {
            findings.set(kind, { letter: alone(letter, at), fault, count: 1 })
            // Not only at the end: that is ten minutes away.
            if (isLong) console.log(`${kind}: sent ${inShort(fault.sent)}, read ${inShort(fault.read)}`)
          }
        }
    }
  }
  await Promise.all(Array.from({ length: lettersUnderWay }, work))
  const shown = [...findings].sort(([, a], [, b]) => b.count - a.count)
  for (const [kind, { count }] of shown) console.log(`${count} x ${kind}`)
  const reports: string[] = []
  const random = randomFrom(seed)
  for (const [kind, finding] of shown.slice(0, shownMax)) reports.push(await reported(kind, finding, random))
  expect(reports.join('\n\n')).toBe('')
})

const inShort = (value: unknown) => JSON.stringify(value)?.slice(0, 300)

/** The smallest letter that shows the same kind of fault. */
async function reported(kind: string, { letter, fault, count }: Finding, random: Random): Promise<string> {
  let small = { letter, fault }
  let tries = 0
  // What could not be left out is not tried again before all else was.
  for (let kept = 0, isDone = false; !isDone && tries < triesMax;) {
    isDone = true
    let place = 0
    for (const candidate of smallerLetters(small.letter)) {
      if (place++ < kept) continue
      if (tries++ >= triesMax) break
      const fresh = remarked(candidate, random)
      const found = (await delivered(fresh, office)).flat().find((each) => kindOf(fresh, each) === kind)
      if (!found) {
        kept++
        continue
      }
      small = { letter: fresh, fault: found }
      isDone = false
      break
    }
  }
  const { headers, path, body } = posted(small.letter)
  return [
    `${count} x ${kind}`,
    `POST ${path} ${headers['content-type']} (${small.letter.encoding})`,
    JSON.stringify(body.toString(small.letter.encoding.startsWith('utf-16') ? 'utf16le' : 'utf8')).slice(0, 4000),
    `sent ${inShort(small.fault.sent)}, at first ${inShort(fault.sent)}`,
    `lead ${JSON.stringify(small.fault.lead)?.slice(0, 4000)}`,
    `read ${inShort(small.fault.read)}, at first ${inShort(fault.read)}`,
  ].join('\n')
}
