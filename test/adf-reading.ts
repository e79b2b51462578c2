import { readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { expect } from 'vitest'
import { parse } from 'yaml'
import { type AdfLead, readAdf, withWarningsOf } from '../src/leads/adf.ts'
import { newLead } from '../src/leads/input.ts'
import type { NewLead } from '../src/leads/lead.ts'
import { Problem } from '../src/problem.ts'

export const dealer = { country: 'DK', timeZone: 'Europe/Copenhagen' }

const ajv = new Ajv2020({ strict: false, allErrors: true }).addSchema(
  parse(readFileSync('generated/openapi.yaml', 'utf8')),
  'contract',
)
const leadInput = ajv.compile({ $ref: 'contract#/components/schemas/LeadInput' })

/** True, or what does not fit. */
export const fitsContract = (input: unknown) => leadInput(input) || leadInput.errors

export function read(document: string | Buffer, charset?: string): AdfLead[] {
  const leads = readAdf(Buffer.from(document as string), dealer.country, charset)
  for (const { input, warnings } of leads) {
    expect(fitsContract(input)).toBe(true)
    expect(warnings.length).toBeLessThanOrEqual(100)
    // Whatever becomes of it must not fail either.
    newLead(input, dealer)
  }
  return leads
}

export function only(leads: AdfLead[]): AdfLead {
  const [lead] = leads
  if (!lead || leads.length > 1) throw new Error(`${leads.length} leads`)
  return lead
}

export const one = (document: string | Buffer, charset?: string) => only(read(document, charset))
export const codes = ({ warnings }: Pick<AdfLead, 'warnings'>) =>
  warnings.map(({ code, pointer }) => `${code} ${pointer}`.trim())
export const prospect = (inner: string, status = '') => one(`<adf><prospect${status}>${inner}</prospect></adf>`)
export const contact = (inner: string) => prospect(`<customer><contact>${inner}</contact></customer>`)
export const vehicle = (inner: string, attributes = '') =>
  prospect(`<vehicle ${attributes}><make>Volvo</make><model>EX30</model>${inner}</vehicle>`)
export const tradeIn = (inner: string) => vehicle(inner, 'interest="trade-in"')
export const wanted = ({ input }: AdfLead) => input.vehiclesOfInterest?.[0]
export const handedIn = ({ input }: AdfLead) => input.tradeIns?.[0]
export const kept = ({ input }: AdfLead) => input.extra ?? {}
/** The lead as it is stored. */
export const stored = (adf: AdfLead): NewLead => withWarningsOf(adf, newLead(adf.input, dealer))

export function refusal(document: string | Buffer): Problem {
  try {
    readAdf(Buffer.from(document as string), dealer.country)
  } catch (error) {
    if (error instanceof Problem) return error
    throw error
  }
  throw new Error('was not refused')
}
