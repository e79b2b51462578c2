import { readFileSync } from 'node:fs'
import { createLogger } from '@stoplight/prism-core'
import { getHttpOperationsFromSpec } from '@stoplight/prism-http'
import { createServer } from '@stoplight/prism-http-server'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { type Generator, mainJobOf } from './clients/generate.ts'

const bundle = 'generated/openapi.yaml'

type Referable = { $ref?: string }
type Parameter = Referable & { name: string; in: 'path' | 'query' | 'header'; example: unknown }
type RequestBody = { content: Record<string, { examples: Record<string, Referable & { value: object }> }> }
type Operation = { operationId: string; security: Record<string, string[]>[]; parameters?: Parameter[]; requestBody?: RequestBody; responses: Record<string, object> }
type Document = { paths: Record<string, Record<string, Operation> & { parameters?: Parameter[] }> }

const document: Document = parse(readFileSync(bundle, 'utf8'))
const methods = ['get', 'post', 'patch', 'put', 'delete']
const operations = Object.entries(document.paths).flatMap(([path, item]) =>
  methods.flatMap((method) => {
    const operation = item[method]
    return operation ? [{ path, method, ...operation, parameters: [...(item.parameters ?? []), ...(operation.parameters ?? [])].map(resolved) }] : []
  }),
)

let prism: Awaited<ReturnType<typeof startMock>>
beforeAll(async () => {
  prism = await startMock()
})
afterAll(() => prism.close())

describe.each(operations)('the mock of $operationId', (operation) => {
  const answers = Object.keys(operation.responses)

  it('answers every documented example with a documented success', async () => {
    for (const body of bodies(operation)) {
      const response = await call(operation, { body })
      expect([response.status, answers], await response.clone().text()).toEqual([expect.toBeOneOf([200, 201, 204, 207]), expect.arrayContaining([String(response.status)])])
    }
  })

  it('answers every documented status with its example', async () => {
    for (const status of answers) {
      expect((await call(operation, { headers: { Prefer: `code=${status}` } })).status).toBe(Number(status))
    }
  })

  it.runIf(needsCredential(operation))('answers 401 to a stranger', async () => {
    expect((await call(operation, { credential: false })).status).toBe(401)
  })

  it.runIf(takesInput(operation))('refuses what the schema does not allow', async () => {
    // Prism answers bad input with 422 wherever an operation declares that status.
    expect((await call(operation, { spoilt: true })).status).toBe('422' in operation.responses ? 422 : 400)
  })
})

describe.each<Generator>(['openapi-typescript', 'orval'])('the client that %s generates', (generator) => {
  it('compiles strictly and does the main job', { timeout: 60_000 }, async () => {
    const mainJob = await mainJobOf(generator)
    const key = { id: 'key_0198c0ffee00700080000000000000a1', secret: 'cb_ei_live_EXAMPLEkey00NotARealSecretJustForTheDocument3arcE5' }

    const outcome = await mainJob(prism.url, { websiteKey: key, dmsKey: key })

    const id = 'lead_0198c0ffee0070008000000000000031'
    expect(outcome).toMatchObject({ created: { id }, listed: [id], etag: '"2"', updated: { id, status: 'in_progress', version: 2 } })
  })
})

it('has no time that a tool with YAML 1.1 reads as a date', () => {
  expect(parse(readFileSync(bundle, 'utf8'), { customTags: ['timestamp'] })).toEqual(document)
})

async function startMock() {
  const server = createServer(await getHttpOperationsFromSpec(bundle), {
    cors: false,
    components: { logger: createLogger('mock', { level: 'silent' }) },
    config: { isProxy: false, upstreamProxy: undefined, mock: { dynamic: false }, checkSecurity: true, validateRequest: true, validateResponse: true, errors: true },
  })
  const url = await server.listen(0, '127.0.0.1')
  return { url, close: () => server.close() }
}

type Case = (typeof operations)[number]
type Body = { type: string; value: object }
type Change = { body?: Body | undefined; headers?: Record<string, string>; credential?: boolean; spoilt?: boolean }

function call(operation: Case, { body = bodies(operation)[0], headers = {}, credential = true, spoilt = false }: Change = {}): Promise<Response> {
  const { path, query, header } = request(operation, spoilt)
  const sent = body && (spoilt ? spoil(body) : body.value)
  return fetch(`${prism.url}${path}?${query}`, {
    method: operation.method.toUpperCase(),
    headers: { ...header, ...(credential && credentials(operation)), ...(body && { 'Content-Type': body.type }), ...headers },
    ...(sent && { body: isForm(body) ? new URLSearchParams({ ...sent }).toString() : JSON.stringify(sent) }),
  })
}

function request({ path, parameters }: Case, spoilt: boolean) {
  const query = new URLSearchParams()
  const header: Record<string, string> = {}
  let filled = path
  for (const { name, in: place, example } of parameters) {
    if (place === 'path') filled = filled.replace(`{${name}}`, spoilt ? 'nonsense' : String(example))
    if (place === 'header') header[name] = String(example)
    if (place === 'query') for (const value of [example].flat()) query.append(name, spoilt && name === 'limit' ? '0' : String(value))
  }
  return { path: filled, query, header }
}

function bodies({ requestBody }: Case): (Body | undefined)[] {
  if (!requestBody) return [undefined]
  return Object.entries(requestBody.content).flatMap(([type, { examples }]) => Object.values(examples).map((example) => ({ type, value: resolved(example).value })))
}

function spoil(body: Body): object {
  return isForm(body) ? { scope: 'x'.repeat(2000) } : []
}

function isForm(body: Body | undefined): boolean {
  return body?.type === 'application/x-www-form-urlencoded'
}

function credentials({ security }: Operation): Record<string, string> {
  const names = security.flatMap((alternative) => Object.keys(alternative))
  if (names.includes('accessToken')) return { Authorization: 'Bearer token' }
  return names.includes('session') ? { Cookie: 'session=secret' } : {}
}

function needsCredential(operation: Operation): boolean {
  return Object.keys(credentials(operation)).length > 0
}

function takesInput({ requestBody, parameters }: Case): boolean {
  return requestBody !== undefined || parameters.some(({ name, in: place }) => place === 'path' || name === 'limit')
}

function resolved<T extends Referable>(node: T): T {
  if (!node.$ref) return node
  const target: unknown = node.$ref
    .slice(2)
    .split('/')
    .reduce<unknown>((at, key) => Object(at)[key], document)
  return resolved(target as T) // The bundle's references point to components of the right kind; redocly has checked them.
}
