import { readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import type { Request, Response } from 'express'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { type OperationId, operations } from '../../generated/server/express.gen.ts'
import { queryIn } from '../../src/http/body.ts'
import { type Contract, openContract, violationsIn } from '../../src/http/contract.ts'
import { batchItem } from '../../src/leads/batch.ts'
import { Problem } from '../../src/problem.ts'
import { amount } from '../long.ts'
import { seed } from '../seed.ts'
import { startService, type TestService } from '../service.ts'
import { instancesOf } from './instances.ts'

const instances = amount(10_000, 1_000_000)
const sentToEach = amount(25, 1_000)

// Both documents are checked by redocly before they get here.
const enforced = parse(readFileSync('generated/openapi.yaml', 'utf8'))
const handedOut = parse(readFileSync('generated/integrators.yaml', 'utf8'))

const operationIn = (document: any, id: OperationId): any =>
  document.paths[operations[id].path]?.[operations[id].method.toLowerCase()]
const ids = (Object.keys(operations) as OperationId[]).filter((id) => operationIn(handedOut, id))

describe('what integrators are handed', () => {
  it('answers what is enforced, to the word, and asks for the same credentials', () => {
    for (const id of ids) {
      const [theirs, ours] = [handedOut, enforced].map((document) => {
        const { responses, security } = operationIn(document, id)
        return { responses: whole(document, responses), security }
      })
      expect({ id, ...theirs }).toEqual({ id, ...ours })
    }
  })

  it('takes leads without null, and in a batch nothing else', () => {
    const { LeadInput, LeadBatch, LeadBatchItem } = handedOut.components.schemas
    expect(JSON.stringify([LeadInput, LeadBatchItem])).not.toContain('null"')
    expect(LeadBatch.properties.leads.items).toEqual({ $ref: '#/components/schemas/LeadBatchItem' })
    expect(enforced.components.schemas.LeadInput.properties.message.type).toEqual(['string', 'null'])
  })

  it('has no trace of what it leaves out', () => {
    const text = JSON.stringify(handedOut)
    expect(text).not.toContain('x-internal')
    const { paths, tags, components } = handedOut
    const used = Object.values<any>(paths).flatMap((item) =>
      Object.values<any>(item).flatMap((each) => each.tags ?? []),
    )
    expect(tags.map(({ name }: any) => name)).toEqual([...new Set(used)])
    for (const [kind, named] of Object.entries<any>(components))
      if (kind !== 'securitySchemes')
        for (const name of Object.keys(named)) expect(text).toContain(`"#/components/${kind}/${name}"`)
    const { scopes } = components.securitySchemes.accessToken.flows.clientCredentials
    const needed = [
      ...ids.flatMap((id) => operations[id].scopes),
      ...[...text.matchAll(/"x-needs-scope":"([^"]+)"/g)].map(([, scope = '']) => scope),
    ]
    expect(Object.keys(scopes).toSorted()).toEqual([...new Set<string>(needed)].toSorted())
  })
})

/** A request as it is sent. */
interface Sent {
  path: string
  query: [string, string][]
  headers: Record<string, string>
  mediaType: string | undefined
  body: unknown
}

const inputs = ids.flatMap((id) => {
  const item = handedOut.paths[operations[id].path]
  const operation = operationIn(handedOut, id)
  const parameters: any[] = [...(item.parameters ?? []), ...(operation.parameters ?? [])].map((each) =>
    resolved(handedOut, each),
  )
  const bodies = Object.entries<any>(operation.requestBody?.content ?? {})
  const resolve = (ref: string) => resolved(handedOut, { $ref: ref })
  const values = (place: string) => {
    const named = parameters.filter((each) => each.in === place)
    const arbitraries = named.map(({ name, schema }) => [name, instancesOf(schema, resolve)] as const)
    const requiredKeys = named.filter(({ required }) => required).map(({ name }) => name)
    return fc.record<Record<string, unknown>>(Object.fromEntries(arbitraries), { requiredKeys })
  }
  const body = bodies.map(([mediaType, { schema }]) =>
    instancesOf(schema, resolve).map((value) => ({ mediaType, value })),
  )
  const none = fc.constant(undefined)
  if (parameters.length === 0 && bodies.length === 0) return []
  const sent = fc
    .record({
      path: values('path'),
      query: values('query'),
      header: values('header'),
      body:
        operation.requestBody?.required === false ? fc.oneof(none, ...body) : body.length ? fc.oneof(...body) : none,
    })
    .map(({ path, query, header, body: chosen }): Sent => ({
      path: operations[id].path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(path[name]))),
      query: Object.entries(query).flatMap(([name, value]) =>
        [value].flat().map((each): [string, string] => [name, String(each)]),
      ),
      headers: Object.fromEntries(
        Object.entries(header).map(([name, value]) => [name.toLowerCase(), inHeader(String(value))]),
      ),
      mediaType: chosen?.mediaType,
      body: chosen?.value,
    }))
  return [{ id, sent }]
})

/** A key writes as the systems that were named for it, whatever the document lets in. */
const asDms = (sent: Sent): Sent => ({
  ...sent,
  path: sent.path.replace(/^(\/v1\/customers\/by-reference\/)[^/]+/, '$1dms'),
  ...(isBatchOfCustomers(sent.body) && {
    body: { customers: sent.body.customers.map((item) => ({ ...item, source: 'dms' })) },
  }),
})
const isBatchOfCustomers = (body: unknown): body is { customers: object[] } =>
  typeof body === 'object' && body !== null && 'customers' in body && Array.isArray(body.customers)

/** As HTTP can carry it (RFC 9110, section 5.5). */
const inHeader = (value: string) => value.replaceAll(/[^!-~]/gu, '~')

describe('what the document that is handed out lets in', () => {
  let contract: Contract
  beforeAll(async () => {
    const passes = (): true => true
    const open = {
      accessToken: passes,
      session: passes,
      secureSession: passes,
      apiKeyHeader: passes,
      clientBasic: passes,
    }
    contract = await openContract(open, false)
  })

  it.each(inputs)('is let in by what is enforced: $id', ({ id, sent }) => {
    fc.assert(
      fc.property(sent, (request) => {
        // Else it would say nothing of what is handed out.
        expect(bodyViolations(id, request)).toEqual([])
        expect(violationsOf(contract, id, request)).toEqual([])
      }),
      { seed, numRuns: Math.ceil(instances / inputs.length) },
    )
  })
})

const ajv = new Ajv2020({ strict: false, validateFormats: false }).addSchema(handedOut, 'handed-out')

const refused = [400, 401, 403, 405, 413, 415, 500]
// Few texts are ADF documents or API keys, and the others are told so.
const overHttp = inputs.filter(({ id }) => id !== 'createLeadsFromAdf' && id !== 'exchangeApiKey')

describe('the service', () => {
  let service: TestService
  let ours: Awaited<ReturnType<TestService['dealer']>>
  beforeAll(async () => {
    service = await startService()
    ours = await service.dealer('handed out')
  })
  afterAll(() => service.close())

  /** What ends or replaces its own key gets a key to itself. */
  async function tokenFor(id: OperationId): Promise<string> {
    if (id !== 'deleteOwnApiKey' && id !== 'replaceOwnApiKey') return ours.dms.token
    return service.exchange((await service.createKey(ours.admin.token, { kind: 'digital_requests' })).secret)
  }

  it.each(overHttp)('takes what the document lets in: $id', async ({ id, sent }) => {
    for (const { path, query, headers, mediaType, body } of fc.sample(sent, { seed, numRuns: sentToEach }).map(asDms)) {
      const response = await fetch(`${service.url}${path}?${new URLSearchParams(query)}`, {
        method: operations[id].method,
        headers: {
          ...headers,
          // A tag without quotes is refused in words of its own, which no pattern could have.
          ...('if-match' in headers && { 'if-match': '"1"' }),
          authorization: `Bearer ${await tokenFor(id)}`,
          ...(mediaType && { 'content-type': mediaType }),
        },
        ...(mediaType && { body: inBytes(mediaType, body) }),
      })
      const isStream = response.headers.get('content-type') === 'text/event-stream'
      const text = isStream ? await response.body?.cancel() : await response.text()
      const statuses = response.status === 207 ? JSON.parse(text ?? '').results.map(({ status }: any) => status) : []
      // No such lead, a move that is not legal, nobody to reach: all this is understood.
      const refusals = [response.status, ...statuses].filter((status) => refused.includes(status))
      expect(refusals, `${path} ${JSON.stringify({ query, headers, body })}: ${text}`).toEqual([])
    }
  })
})

function inBytes(mediaType: string, body: unknown): string {
  if (mediaType === 'application/x-www-form-urlencoded')
    return new URLSearchParams(body as Record<string, string>).toString()
  return mediaType.endsWith('xml') ? String(body) : JSON.stringify(body)
}

/** What does not fit the document that is handed out. */
function bodyViolations(id: OperationId, { mediaType, body }: Sent): unknown[] {
  if (mediaType === undefined) return []
  const way = ['paths', operations[id].path, operations[id].method.toLowerCase(), 'requestBody', 'content', mediaType]
  const pointer = [...way, 'schema'].map((name) => name.replaceAll('~', '~0').replaceAll('/', '~1')).join('/')
  const isFitting = ajv.getSchema(`handed-out#/${pointer}`)
  if (!isFitting) throw new Error(`${id} takes no ${mediaType}`)
  return isFitting(body) ? [] : (isFitting.errors ?? [])
}

/** What the validator of the service says of a request, read as the service reads it. */
function violationsOf(contract: Contract, id: OperationId, { path, query, headers, mediaType, body }: Sent): unknown[] {
  const call = contract.match(operations[id].method, path)
  if (!call || 'allow' in call || call.id !== id) return [`${path} is not ${id}`]
  const search = new URLSearchParams(query).toString()
  const url = search ? `${path}?${search}` : path
  const req = {
    method: operations[id].method,
    path,
    url,
    originalUrl: url,
    headers: { ...headers, ...(mediaType && { 'content-type': mediaType }) },
    query: queryIn(search),
    cookies: {},
    body: asRead(mediaType, body),
  } as unknown as Request
  contract.enter(req, call)
  try {
    contract.validate(req, {} as Response)
    // Of a batch the validator lets everything through, and each item is answered for itself.
    if (id === 'createLeadBatch')
      for (const item of req.body.leads) batchItem(item, [], (lead) => contract.violationsOf('createLead', lead))
    if (id === 'upsertCustomers')
      for (const item of req.body.customers)
        expect(contract.violationsOf('upsertCustomerByReference', item.customer)).toEqual([])
    return []
  } catch (error) {
    if (error instanceof Problem) return [error.more.violations ?? error]
    return error instanceof Error && 'errors' in error ? violationsIn(error) : [error]
  }
}

function asRead(mediaType: string | undefined, body: unknown): unknown {
  if (mediaType === 'application/x-www-form-urlencoded')
    return queryIn(new URLSearchParams(body as Record<string, string>).toString())
  return mediaType?.endsWith('xml')
    ? Buffer.from(String(body))
    : body === undefined
      ? undefined
      : JSON.parse(JSON.stringify(body))
}

/** A part of a document with all that it refers to in place. */
function whole(document: any, node: any): any {
  if (Array.isArray(node)) return node.map((each) => whole(document, each))
  if (typeof node !== 'object' || node === null) return node
  if (typeof node.$ref === 'string') return whole(document, resolved(document, node))
  return Object.fromEntries(Object.entries(node).map(([name, each]) => [name, whole(document, each)]))
}

function resolved(document: any, node: any): any {
  if (!node.$ref) return node
  const names: string[] = node.$ref.slice(2).split('/')
  return names.reduce((at, name) => at[name], document)
}
