import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { NewLead } from '../src/leads/lead.ts'
import { read, stored } from './adf-reading.ts'
import { amount } from './long.ts'
import { seed } from './seed.ts'

interface Node {
  name: string
  attributes: readonly string[]
  text: boolean
  children: readonly Node[]
}

const namesIn: Record<string, string> = {
  adf: 'prospect provider vendor customer requestdate comments id odd',
  prospect: 'id lead_id requestdate vehicle tradein customer contact vendor provider comments timeframe odd source',
  customer: 'contact id name phone timeframe comments vehicle odd',
  contact: 'name firstname last_name name email phone cell fax address comments notes city zip odd company',
  vehicle:
    'id year make model vin stock stock_number trim doors bodystyle transmission odometer mileage condition colorcombination color imagetag price price msrp option finance balance comments licenseplate fuel url odd interest status',
  colorcombination: 'interiorcolor exteriorcolor preference odd',
  finance: 'method amount amount balance balance lender odd',
  option: 'optionname manufacturercode stock weighting price odd',
  address: 'street street street2 apartment city state region zip country url odd',
  name: 'first last odd',
  timeframe: 'description earliestdate latestdate',
  vendor: 'id vendorname url contact',
  provider: 'id name name service url email phone contact',
  odd: 'odd name vehicle',
}
const attributes =
  'status interest source sequence part type currency delta relativeto units unit time besttime preferredcontact primarycontact line width limit country make email odd'
const words =
  'null n/a new used resend buy sell trade-in 1 0 first full business voice fax absolute km DKK evening home total maximum'

const nodeIn = (parent: string, depth: number): fc.Arbitrary<Node> =>
  fc.constantFrom(...(namesIn[parent] ?? 'odd').split(' ')).chain((name) =>
    fc.record({
      name: fc.constant(name),
      attributes: fc.uniqueArray(fc.constantFrom(...attributes.split(' ')), { maxLength: 3 }),
      text: fc.boolean(),
      children:
        depth === 0 || /comments|notes|description/.test(name)
          ? fc.constant([])
          : fc.array(nodeIn(name, depth - 1), { maxLength: depth * 2 }),
    }),
  )

/** Every text and every value of an attribute is unlike all others, but for some that are words of ADF. */
function written(nodes: readonly Node[], pick: () => number): { document: string; said: string[] } {
  const said: string[] = []
  const token = () => {
    const value = `t${said.length}q`
    said.push(value)
    return value
  }
  const word = () => (pick() < 0.5 ? token() : (words.split(' ')[Math.floor(pick() * words.split(' ').length)] ?? ''))
  const write = (node: Node): string => {
    const some = node.attributes.map((name) => ` ${name}="${word()}"`).join('')
    const text = node.text ? (pick() < 0.2 ? 'null' : token()) : ''
    return `<${node.name}${some}>${text}${node.children.map(write).join('')}</${node.name}>`
  }
  return { document: `<adf>${nodes.map(write).join('')}<prospect>${said.length}</prospect></adf>`, said }
}

const shown = ({ data, externalReference, submittedAt }: NewLead) =>
  JSON.stringify([data, externalReference, submittedAt])
const isFull = ({ warnings }: NewLead) =>
  warnings.some(({ code }) => ['extra-too-large', 'too-many', 'text-cut', 'too-many-warnings'].includes(code))

describe('whatever stands in a document', () => {
  it('is in a lead, or there is a warning that there was no room for it', () => {
    fc.assert(
      fc.property(
        fc.array(nodeIn('adf', 4), { minLength: 1, maxLength: 5 }),
        fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true })),
        (nodes, picks) => {
          const { document, said } = written(nodes, () => picks.next().value)
          const leads = read(document).map(stored)
          if (leads.some(isFull)) return
          const all = leads.map(shown).join('')
          expect(said.filter((each) => !all.includes(each))).toEqual([])
        },
      ),
      { seed, numRuns: amount(150, 20_000) },
    )
  })
})
