import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { parse } from 'yaml'
import { type OperationId, operations, scopes } from '../../generated/server/express.gen.ts'
import { unguarded } from '../../generated/server/guards.gen.ts'
import { scopesOfKind } from '../../generated/server/scopes.gen.ts'
import { da } from '../../src/dashboard/words/da.ts'
import { en } from '../../src/dashboard/words/en.ts'

type Schema = {
  $ref?: string
  properties?: Record<string, Schema>
  items?: Schema
  enum?: string[]
  'x-needs-scope'?: string
} & Partial<Record<'allOf' | 'anyOf' | 'oneOf', Schema[]>>
const document = parse(readFileSync('generated/openapi.yaml', 'utf8'))
const schemas: Record<string, Schema> = document.components.schemas

/**
 * What of a lead is shown to whoever may not see its person, written by hand. A new member that is no more guarded than
 * these turns this red: is it about the person, or written by them? Then it needs `x-needs-scope: customers:read`.
 */
const ofNobody = [
  'id type status statusReason source.type source.id source.name submittedAt locale test receivedAt updatedAt',
  'respondedAt legalStatuses version rev',
  'consents.purpose consents.channel consents.state consents.legalBasis consents.textVersion consents.textLocale',
  'consents.capturedAt consents.capturedVia',
  'attribution.source attribution.medium attribution.campaign attribution.content attribution.campaignId',
  'attribution.adGroupId attribution.adId attribution.formId attribution.formName',
  'appointment.kind appointment.requestedSlots.start appointment.requestedSlots.end appointment.timeZone',
  ...['vehiclesOfInterest', 'tradeIns'].map((list) =>
    'stockNumber listingId make model variant modelYear condition odometer.value odometer.unit fuel transmission colour price.amount price.currency'
      .split(' ')
      .map((name) => `${list}.${name}`)
      .join(' '),
  ),
  'vehiclesOfInterest.role tradeIns.conditionRating tradeIns.wantedPrice.amount tradeIns.wantedPrice.currency',
].flatMap((names) => names.split(' '))

type Members = { readonly [name: string]: true | Members }
const leaves = (members: Members): string[] =>
  Object.entries(members).flatMap(([name, inner]) =>
    inner === true ? [name] : leaves(inner).map((leaf) => `${name}.${leaf}`),
  )

it('guards every member of a lead but those that are about nobody', () => {
  expect(leaves(unguarded.Lead).toSorted()).toEqual(ofNobody.toSorted())
})

// These are the person, wherever they are.
const people = [
  'Customer',
  'LeadCustomer',
  'PersonName',
  'Email',
  'Phone',
  'PostalAddress',
  'LeadOriginal',
  'LeadExtra',
]

/** The places in an answer where a schema of `people` is shown to whoever has none but the operation's own scopes. */
function shown(schema: Schema, held: readonly string[], place: string, above: readonly Schema[] = []): string[] {
  const name = schema.$ref?.split('/').pop() ?? ''
  const node = schemas[name] ?? schema
  if (above.includes(node)) return []
  const inside = [
    ...Object.entries(node.properties ?? {}),
    ...[node.items, node.allOf, node.anyOf, node.oneOf].flat().map((each) => ['[]', each] as const),
  ].flatMap(([member, each]) =>
    each === undefined || (each['x-needs-scope'] !== undefined && !held.includes(each['x-needs-scope']))
      ? []
      : shown(each, held, `${place}.${member}`, [...above, node]),
  )
  return people.includes(name) && !held.includes('customers:read') ? [place, ...inside] : inside
}

const contentOf = (response: { $ref?: string; content?: Record<string, { schema?: Schema }> }) =>
  Object.values<{ schema?: Schema }>(
    (document.components.responses[response.$ref?.split('/').pop() ?? ''] ?? response).content ?? {},
  )

it('shows a person in no answer for less than customers:read', () => {
  const places = (Object.keys(operations) as OperationId[]).flatMap((id) => {
    const { path, method, scopes: held } = operations[id]
    const { responses } = document.paths[path][method.toLowerCase()]
    return Object.entries<{ $ref?: string }>(responses).flatMap(([status, response]) =>
      contentOf(response).flatMap(({ schema = {} }) => shown(schema, held, `${id} ${status}`)),
    )
  })
  expect(places).toEqual([])
  // It sees them where they are.
  expect(shown({ $ref: '#/components/schemas/Lead' }, ['customers:write'], 'Lead')).toEqual([])
  expect(shown({ properties: { customer: { $ref: '#/components/schemas/LeadCustomer' } } }, [], 'New')).toContain(
    'New.customer',
  )
})

it('lets nobody look for a person for less', () => {
  const guarded = Object.entries(operations).flatMap(([id, { parameterScopes }]) =>
    Object.entries(parameterScopes).map(([name, scope]) => `${id} ${name} ${scope}`),
  )
  expect(guarded.toSorted()).toEqual([
    'getLeadCounts contact customers:read',
    'listLeads contact customers:read',
    'listLeads customerId customers:read',
  ])
  const named = Object.entries(operations).filter(([, { queryParameters }]) =>
    queryParameters.some((name) => /contact|mail|phone|name$|person|customer/i.test(name)),
  )
  // What lists suggestions needs it anyway.
  expect(named.map(([id]) => id).toSorted()).toEqual(['getLeadCounts', 'listLeads', 'listSuggestions'])
})

it('grants keys only scopes that the document has', () => {
  const granted = Object.values(scopesOfKind).flatMap(({ usual, onRequest }) => [...usual, ...onRequest])
  expect(
    [...granted, ...(schemas.ApiKeyScope?.enum ?? [])].filter((scope) => !scopes.includes(scope as never)),
  ).toEqual([])
  expect(new Set(granted)).toEqual(new Set(schemas.ApiKeyScope?.enum))
  // Nor does a dashboard have words for others.
  for (const words of [en, da]) expect(new Set(Object.keys(words.scope))).toEqual(new Set(granted))
})
