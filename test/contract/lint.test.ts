import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'

const config = 'openapi/redocly.yaml'
const contract = 'openapi/openapi.yaml'
const bundle = 'generated/openapi.yaml'

type Problem = { ruleId: string; message: string; location: { source: { ref: string }; pointer: string }[] }
// A document of any shape: the faults below take it apart.
type Node = { [key: string]: Node } & unknown[]
type Fault = { rule: string; fault: string; spoil: (paths: Node, schemas: Node, components: Node) => void }

const lead = '/v1/leads/{leadId}'
const flow = ['securitySchemes', 'accessToken', 'flows', 'clientCredentials']

const faults: Fault[] = [
  {
    rule: 'rule/operation-id-camel-case',
    fault: 'an operationId in snake case',
    spoil: (paths) => put(paths, [lead, 'get', 'operationId'], 'get_lead'),
  },
  {
    rule: 'rule/operation-id-camel-case',
    fault: 'no operationId',
    spoil: (paths) => remove(paths, [lead, 'get', 'operationId']),
  },
  { rule: 'operation-summary', fault: 'no summary', spoil: (paths) => remove(paths, [lead, 'get', 'summary']) },
  {
    rule: 'operation-description',
    fault: 'no description',
    spoil: (paths) => remove(paths, [lead, 'get', 'description']),
  },
  { rule: 'rule/security-explicit', fault: 'no security', spoil: (paths) => remove(paths, [lead, 'get', 'security']) },
  {
    rule: 'security-scopes-defined',
    fault: 'an unknown scope',
    spoil: (paths) => put(paths, [lead, 'get', 'security'], [{ accessToken: ['leads:guess'] }]),
  },
  {
    rule: 'carbuddii/scope-stated',
    fault: 'a scope that the description does not name',
    spoil: (paths) => put(paths, [lead, 'get', 'security'], [{ accessToken: ['leads:update'] }]),
  },
  {
    rule: 'carbuddii/scope-stated',
    fault: 'no scope left',
    spoil: (paths) => put(paths, [lead, 'get', 'security'], [{ accessToken: [] }]),
  },
  {
    rule: 'carbuddii/scope-used',
    fault: 'a scope that guards nothing',
    spoil: (_paths, _schemas, components) =>
      put(components, [...flow, 'scopes', 'customers:erase'], 'Erase customers.'),
  },
  {
    rule: 'carbuddii/scope-used',
    fault: 'a member that needs a scope which is none',
    spoil: (_paths, schemas) => put(schemas, ['Lead', 'properties', 'message', 'x-needs-scope'], 'customers:guess'),
  },
  {
    rule: 'carbuddii/guarded-optional',
    fault: 'a required member that some may not see',
    spoil: (_paths, schemas) => put(schemas, ['LeadCustomer', 'properties', 'phones', 'x-needs-scope'], 'leads:read'),
  },
  {
    rule: 'rule/no-default-response',
    fault: 'a default response',
    spoil: (paths) => copy(paths, [lead, 'get', 'responses'], '500', 'default'),
  },
  {
    rule: 'rule/no-read-only',
    fault: 'readOnly',
    spoil: (_paths, schemas) => put(schemas, ['Lead', 'properties', 'version', 'readOnly'], true),
  },
  {
    rule: 'rule/no-read-only',
    fault: 'writeOnly',
    spoil: (_paths, schemas) => put(schemas, ['SignIn', 'properties', 'password', 'writeOnly'], true),
  },
  {
    rule: 'rule/no-allow-reserved',
    fault: 'a parameter whose plus is not encoded',
    spoil: (paths) => put(paths, ['/v1/leads', 'get', 'parameters', '2', 'allowReserved'], true),
  },
  ...[
    ['/healthz', 'get', '400'],
    [lead, 'get', '401'],
    ['/v1/session/token', 'post', '401'],
    [lead, 'get', '403'],
    ['/v1/session/token', 'post', '403'],
    [lead, 'get', '404'],
    ['/v1/leads', 'post', '413'],
    ['/v1/leads', 'post', '415'],
    ['/healthz', 'get', '500'],
    [lead, 'get', '503'],
    ['/v1/session', 'post', '503'],
    ['/v1/me', 'get', '403'],
  ].map(([path = '', method = '', status = '']) => ({
    rule: 'carbuddii/statuses-declared',
    fault: `no ${status} of ${method} ${path}`,
    spoil: (paths: Node) => remove(paths, [path, method, 'responses', status]),
  })),
  {
    rule: 'response-contains-header',
    fault: 'an answer without X-Request-Id',
    spoil: (paths) => remove(paths, [lead, 'get', 'responses', '200', 'headers', 'X-Request-Id']),
  },
  {
    rule: 'response-contains-header',
    fault: '201 without Location',
    spoil: (paths) => remove(paths, ['/v1/leads', 'post', 'responses', '201', 'headers', 'Location']),
  },
  {
    rule: 'response-contains-header',
    fault: '503 without Retry-After',
    spoil: (_paths, _schemas, components) => remove(components, ['responses', 'Unavailable', 'headers', 'Retry-After']),
  },
  {
    rule: 'carbuddii/challenge-declared',
    fault: '401 without a challenge',
    spoil: (_paths, _schemas, components) =>
      remove(components, ['responses', 'Unauthorized', 'headers', 'WWW-Authenticate']),
  },
  {
    rule: 'carbuddii/challenge-declared',
    fault: '403 without a challenge',
    spoil: (_paths, _schemas, components) =>
      remove(components, ['responses', 'Forbidden', 'headers', 'WWW-Authenticate']),
  },
  {
    rule: 'carbuddii/fresh-sign-in-stated',
    fault: 'a 401 for an old sign-in where none is asked for',
    spoil: (paths) => remove(paths, ['/v1/users', 'post', 'x-fresh-sign-in']),
  },
  {
    rule: 'carbuddii/fresh-sign-in-stated',
    fault: 'a fresh sign-in that is asked for and not declared',
    spoil: (paths) => put(paths, ['/v1/users/{userId}', 'get', 'x-fresh-sign-in'], 'always'),
  },
  {
    rule: 'carbuddii/fresh-sign-in-stated',
    fault: 'a fresh sign-in that is asked for now and then',
    spoil: (paths) => put(paths, ['/v1/users', 'post', 'x-fresh-sign-in'], 'now and then'),
  },
  {
    rule: 'carbuddii/body-limited',
    fault: 'a body without a limit',
    spoil: (paths) => remove(paths, ['/v1/leads', 'post', 'x-body-bytes-max']),
  },
  {
    rule: 'carbuddii/body-limited',
    fault: 'a limit without a body',
    spoil: (paths) => put(paths, [lead, 'get', 'x-body-bytes-max'], 1024),
  },
  {
    rule: 'carbuddii/body-limited',
    fault: 'a body that may or may not be required',
    spoil: (paths) => remove(paths, ['/v1/leads', 'post', 'requestBody', 'required']),
  },
  {
    rule: 'carbuddii/examples-named',
    fault: 'a request body without examples',
    spoil: (paths) => remove(paths, ['/v1/leads', 'post', 'requestBody', 'content', 'application/json', 'examples']),
  },
  {
    rule: 'carbuddii/examples-named',
    fault: 'a problem without examples',
    spoil: (_paths, _schemas, components) =>
      remove(components, ['responses', 'NotFound', 'content', 'application/problem+json', 'examples']),
  },
  {
    rule: 'carbuddii/examples-named',
    fault: 'an example without a summary',
    spoil: (_paths, _schemas, components) => remove(components, ['examples', 'LeadInProgress', 'summary']),
  },
  {
    rule: 'carbuddii/examples-named',
    fault: 'an example without a value',
    spoil: (_paths, _schemas, components) => remove(components, ['examples', 'LeadInProgress', 'value']),
  },
  {
    rule: 'no-invalid-media-type-examples',
    fault: 'an example that does not fit',
    spoil: (_paths, _schemas, components) => put(components, ['examples', 'LeadInProgress', 'value', 'version'], 'two'),
  },
  {
    rule: 'carbuddii/schemas-named',
    fault: 'a body schema without a name',
    spoil: (paths, schemas) =>
      put(paths, [lead, 'get', 'responses', '200', 'content', 'application/json', 'schema'], at(schemas, ['Lead'])),
  },
  {
    rule: 'carbuddii/schemas-named',
    fault: 'an object without a name as a property',
    spoil: (_paths, schemas) => put(schemas, ['Lead', 'properties', 'customer'], at(schemas, ['LeadCustomer'])),
  },
  {
    rule: 'carbuddii/schemas-named',
    fault: 'an object without a name in an array',
    spoil: (_paths, schemas) => put(schemas, ['LeadPage', 'properties', 'items', 'items'], at(schemas, ['Lead'])),
  },
  {
    rule: 'carbuddii/schema-typed',
    fault: 'a property of any type',
    spoil: (_paths, schemas) => put(schemas, ['Lead', 'properties', 'locale'], { description: 'Anything.' }),
  },
  {
    rule: 'carbuddii/string-bounded',
    fault: 'a string without maxLength',
    spoil: (_paths, schemas) => remove(schemas, ['Lead', 'properties', 'message', 'maxLength']),
  },
  {
    rule: 'carbuddii/string-bounded',
    fault: 'a text in base64 without maxLength',
    spoil: (_paths, schemas) => remove(schemas, ['LeadOriginal', 'properties', 'content', 'maxLength']),
  },
  {
    rule: 'carbuddii/array-bounded',
    fault: 'an array without maxItems',
    spoil: (_paths, schemas) => remove(schemas, ['LeadPage', 'properties', 'items', 'maxItems']),
  },
  {
    rule: 'carbuddii/number-bounded',
    fault: 'an integer without maximum',
    spoil: (_paths, schemas) => remove(schemas, ['Lead', 'properties', 'version', 'maximum']),
  },
  {
    rule: 'carbuddii/number-bounded',
    fault: 'a number without minimum',
    spoil: (_paths, schemas) => remove(schemas, ['Odometer', 'properties', 'value', 'minimum']),
  },
  {
    rule: 'carbuddii/input-closed',
    fault: 'an open input',
    spoil: (_paths, schemas) => remove(schemas, ['LeadUpdate', 'additionalProperties']),
  },
  {
    rule: 'carbuddii/input-closed',
    fault: 'a closed part of a lead',
    spoil: (_paths, schemas) => put(schemas, ['PersonNameInput', 'additionalProperties'], false),
  },
  {
    rule: 'carbuddii/times-formatted',
    fault: 'a time without format',
    spoil: (_paths, schemas) => remove(schemas, ['Lead', 'properties', 'receivedAt', 'format']),
  },
  {
    rule: 'carbuddii/path-parameter-anchored',
    fault: 'a pattern that is not anchored',
    spoil: (_paths, _schemas, components) =>
      put(components, ['parameters', 'LeadId', 'schema', 'pattern'], 'lead_[0-9a-f]{32}'),
  },
  {
    rule: 'carbuddii/length-of-text-alone',
    fault: 'a time with maxLength',
    spoil: (_paths, schemas) => put(schemas, ['Lead', 'properties', 'receivedAt', 'maxLength'], 32),
  },
  {
    rule: 'carbuddii/length-of-text-alone',
    fault: 'a document in bytes with maxLength',
    spoil: (_paths, schemas) => put(schemas, ['AdfDocument', 'maxLength'], 262_144),
  },
  {
    rule: 'carbuddii/number-formatted',
    fault: 'an integer without format',
    spoil: (_paths, schemas) => remove(schemas, ['Lead', 'properties', 'version', 'format']),
  },
  {
    rule: 'carbuddii/number-formatted',
    fault: 'more than 32 bits said to be 32',
    spoil: (_paths, schemas) => put(schemas, ['Lead', 'properties', 'version', 'maximum'], 2 ** 31),
  },
  {
    rule: 'carbuddii/number-formatted',
    fault: 'a number that is not said to be a double',
    spoil: (_paths, schemas) => remove(schemas, ['Odometer', 'properties', 'value', 'format']),
  },
  {
    rule: 'carbuddii/query-boolean-bare',
    fault: 'a boolean in a query with a default',
    spoil: (_paths, _schemas, components) => put(components, ['parameters', 'TestLeads', 'schema', 'default'], false),
  },
  {
    rule: 'carbuddii/growth-stated',
    fault: 'values of which nobody says whether they grow',
    spoil: (_paths, schemas) => put(schemas, ['Odometer', 'properties', 'unit', 'description'], '`km` or `mi`.'),
  },
  {
    rule: 'carbuddii/growth-stated',
    fault: 'a value that is not explained',
    spoil: (_paths, schemas) => put(schemas, ['Odometer', 'properties', 'unit', 'enum'], ['km', 'mi', 'nm']),
  },
  {
    rule: 'carbuddii/growth-stated',
    fault: 'a growing enum in an answer',
    spoil: (_paths, schemas) => rename(schemas, ['EventSubject', 'properties', 'type'], 'x-extensible-enum', 'enum'),
  },
  {
    rule: 'carbuddii/growth-stated',
    fault: 'a constant that grows in an answer',
    spoil: (_paths, schemas) => {
      const type = ['EventSubject', 'properties', 'type']
      remove(schemas, [...type, 'x-extensible-enum'])
      put(schemas, [...type, 'const'], 'lead')
    },
  },
  {
    rule: 'carbuddii/growth-stated',
    fault: 'a request that takes any value',
    spoil: (_paths, schemas) => rename(schemas, ['LeadStatusInput'], 'enum', 'x-extensible-enum'),
  },
  {
    rule: 'carbuddii/growth-stated',
    fault: 'values to which none will come said to grow',
    spoil: (_paths, schemas) => rename(schemas, ['Odometer', 'properties', 'unit'], 'enum', 'x-extensible-enum'),
  },
  {
    rule: 'carbuddii/names-apart',
    fault: 'a scheme that differs from a schema by case alone',
    spoil: (_paths, _schemas, components) => copy(components, ['securitySchemes'], 'apiKeyHeader', 'apiKey'),
  },
  {
    rule: 'carbuddii/names-apart',
    fault: 'two schemas that differ by case alone',
    spoil: (_paths, schemas) => copy(schemas, [], 'LeadStatus', 'Leadstatus'),
  },
  {
    rule: 'carbuddii/parameter-exemplified',
    fault: 'a parameter without an example',
    spoil: (_paths, _schemas, components) => remove(components, ['parameters', 'LeadId', 'example']),
  },
  {
    rule: 'carbuddii/described',
    fault: 'a schema without a description',
    spoil: (_paths, schemas) => remove(schemas, ['Lead', 'description']),
  },
  {
    rule: 'carbuddii/described',
    fault: 'a member without a description',
    spoil: (_paths, schemas) => remove(schemas, ['Lead', 'properties', 'receivedAt', 'description']),
  },
  {
    rule: 'carbuddii/described',
    fault: 'a description that says what the name says',
    spoil: (_paths, schemas) =>
      put(schemas, ['VehicleOfInterest', 'properties', 'stockNumber', 'description'], 'The stock number of the car.'),
  },
  {
    rule: 'carbuddii/described',
    fault: 'a parameter whose description says what its name says',
    spoil: (_paths, _schemas, components) =>
      put(components, ['parameters', 'LeadId', 'description'], 'The id of the lead.'),
  },
]

const folder = mkdtempSync(join(tmpdir(), 'lint-'))
let found: Problem[]
beforeAll(async () => {
  const files = faults.map(({ spoil }, index) => {
    const document: Node = parse(readFileSync(bundle, 'utf8'))
    spoil(at(document, ['paths']), at(document, ['components', 'schemas']), at(document, ['components']))
    const file = join(folder, `${index}.yaml`)
    writeFileSync(file, stringify(document, { aliasDuplicateObjects: false }))
    return file
  })
  found = await lint(files)
})
afterAll(() => rmSync(folder, { recursive: true }))

it('finds nothing wrong with the contract and its bundle', async () => {
  expect(await lint([contract, bundle])).toEqual([])
})

describe.each(faults)('$rule', ({ rule, fault, spoil }) => {
  it(`refuses ${fault}`, () => {
    const file = `${faults.findIndex((other) => other.spoil === spoil)}.yaml`
    const rules = found
      .filter(({ location }) => location.some(({ source }) => basename(source.ref) === file))
      .map(({ ruleId }) => ruleId)
    expect(rules).toContain(rule)
  })
})

it('has a fault for every rule of our own', () => {
  const ours = Object.keys(parse(readFileSync(config, 'utf8')).rules).filter((rule) => rule.includes('/'))
  expect(faults.map(({ rule }) => rule)).toEqual(expect.arrayContaining(ours))
})

async function lint(files: string[]): Promise<Problem[]> {
  const options = ['lint', ...files, '--config', config, '--format', 'json', '--max-problems', '10000']
  // Redocly exits with 1 when it finds something, and prints one JSON object for each file, end to end.
  const reports = await new Promise<string>((done) => {
    execFile('node_modules/.bin/redocly', options, { maxBuffer: 2 ** 28 }, (_error, stdout) => done(stdout))
  })
  return reports.split(/(?<=^\})(?=\{)/m).flatMap((report) => JSON.parse(report).problems)
}

function at(node: Node, path: string[]): Node {
  return path.reduce((inner, key) => {
    const next = inner[key]
    if (next === undefined) throw new Error(`The bundle has no ${path.join(' > ')}`)
    return next
  }, node)
}

function put(node: Node, path: string[], value: unknown): void {
  Object.assign(at(node, path.slice(0, -1)), { [String(path.at(-1))]: value })
}

function copy(node: Node, path: string[], from: string, to: string): void {
  put(node, [...path, to], at(node, [...path, from]))
}

function rename(node: Node, path: string[], from: string, to: string): void {
  copy(node, path, from, to)
  remove(node, [...path, from])
}

function remove(node: Node, path: string[]): void {
  at(node, path)
  delete at(node, path.slice(0, -1))[String(path.at(-1))]
}
