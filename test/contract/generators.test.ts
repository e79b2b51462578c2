import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { onLeash } from '../leash.ts'
import { until } from '../patience.ts'
import { type Generator, mainJobOf } from './clients/generate.ts'

const bundle = 'generated/integrators.yaml'
// The most that any operation takes as text.
const textLengthMax = 262_144

type Referable = { $ref?: string }
type Parameter = Referable & { name: string; in: 'path' | 'query' | 'header'; example: unknown }
type RequestBody = { content: Record<string, { examples: Record<string, Referable & { value: object | string }> }> }
type Operation = {
  operationId: string
  security: Record<string, string[]>[]
  parameters?: Parameter[]
  requestBody?: RequestBody
  responses: Record<string, object>
}
type Document = { paths: Record<string, Record<string, Operation> & { parameters?: Parameter[] }> }

const document: Document = parse(readFileSync(bundle, 'utf8'))
const methods = ['get', 'post', 'patch', 'put', 'delete']
const operations = Object.entries(document.paths).flatMap(([path, item]) =>
  methods.flatMap((method) => {
    const operation = item[method]
    return operation
      ? [
          {
            path,
            method,
            ...operation,
            parameters: [...(item.parameters ?? []), ...(operation.parameters ?? [])].map(resolved),
          },
        ]
      : []
  }),
)

let prism: Awaited<ReturnType<typeof startMock>>
beforeAll(async () => {
  prism = await startMock()
})
afterAll(() => prism.close())

describe.each(operations)('the mock of $operationId', (operation) => {
  const answers = Object.keys(operation.responses)

  it('answers every documented example with the success of something new', async () => {
    const successes = answers.filter((status) => status.startsWith('2'))
    for (const body of bodies(operation)) {
      const response = await call(operation, { body })
      expect(response.status, await response.clone().text()).toBe(
        Number(successes.includes('201') ? 201 : successes[0]),
      )
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
    expect((await call(operation, { spoilt: true })).status).toBe(400)
  })
})

describe('the mock', () => {
  const send = (path: string, headers: Record<string, string>, lead?: object) =>
    fetch(prism.url + path, {
      method: lead ? 'POST' : 'GET',
      headers: { 'Content-Type': 'application/json', ...headers },
      ...(lead && { body: JSON.stringify(lead) }),
    })
  const token = { Authorization: 'Bearer token' }
  const good = { customer: { phones: [{ number: '32 12 34 56' }] } }

  it('stores a good lead like the service', async () => {
    const response = await send('/v1/leads', token, good)
    const { id, duplicate } = (await response.json()) as { id: string; duplicate: boolean }
    expect([response.status, duplicate, response.headers.get('location')]).toEqual([
      201,
      false,
      `/v1/leads/${id}/receipt`,
    ])
  })

  it('refuses what does not fit with the problem of the service, and says in a header what Prism found', async () => {
    const response = await send('/v1/leads', token, { customer: { phones: '32 12 34 56' } })
    expect([response.status, response.headers.get('content-type')]).toEqual([400, 'application/problem+json'])
    expect(await response.json()).toMatchObject({
      code: 'bad-request',
      violations: [{ in: 'body', pointer: '/customer' }],
    })
    expect(JSON.parse(response.headers.get('sl-violations') ?? '')).toMatchObject([
      { location: ['request', 'body', 'customer', 'phones'] },
    ])
  })

  it('refuses a stranger and an unknown address', async () => {
    const stranger = await send('/v1/leads', {}, good)
    expect([stranger.status, await stranger.json()]).toMatchObject([401, { code: 'token-missing' }])
    expect((await send('/v1/nothing', token)).status).toBe(404)
  })

  it('gives every other answer to who prefers it', async () => {
    const again = await send('/v1/leads', { ...token, Prefer: 'code=200' }, good)
    expect([again.status, await again.json()]).toMatchObject([200, { duplicate: true }])
    const unreachable = await send('/v1/leads', { ...token, Prefer: 'code=422' }, good)
    expect([unreachable.status, await unreachable.json()]).toMatchObject([422, { code: 'lead-unreachable' }])
  })
})

describe.each<Generator>(['openapi-typescript', 'orval'])('the client that %s generates', (generator) => {
  it('compiles strictly and does the main job', async () => {
    const mainJob = await mainJobOf(generator)
    const key = {
      id: 'key_0198c0ffee00700080000000000000a1',
      secret: 'cb_ei_live_EXAMPLEkey00NotARealSecretJustForTheDocument3arcE5',
    }

    const outcome = await mainJob(prism.url, { websiteKey: key, dmsKey: key })

    const id = 'lead_0198c0ffee0070008000000000000031'
    expect(outcome).toMatchObject({
      created: { id },
      listed: [id],
      etag: '"2"',
      updated: { id, status: 'in_progress', version: 2 },
    })
  })
})

it('has no time that a tool with YAML 1.1 reads as a date', () => {
  expect(parse(readFileSync(bundle, 'utf8'), { customTags: ['timestamp'] })).toEqual(document)
})

/**
 * The mock as `npm run mock` starts it, on a free port, and answering 500 where its own answer does not fit the
 * document.
 */
async function startMock() {
  const [, ...script] = JSON.parse(readFileSync('package.json', 'utf8')).scripts.mock.split(' ')
  const port = await freePort()
  const child = spawn(...onLeash(...script, '--port', String(port), '--errors'), {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  child.stdout.on('data', (chunk) => (output += chunk))
  child.stderr.on('data', (chunk) => (output += chunk))
  await until(() => output.includes('listening') || child.exitCode !== null)
  if (child.exitCode !== null) throw new Error(`The mock did not start: ${output}`)
  const close = async () => {
    child.kill()
    await once(child, 'exit')
  }
  return { url: `http://127.0.0.1:${port}`, close }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const address = probe.address()
  probe.close()
  return typeof address === 'object' && address ? address.port : 0
}

type Case = (typeof operations)[number]
type Body = { type: string; value: object | string }
type Change = { body?: Body | undefined; headers?: Record<string, string>; credential?: boolean; spoilt?: boolean }

function call(
  operation: Case,
  { body = bodies(operation)[0], headers = {}, credential = true, spoilt = false }: Change = {},
): Promise<Response> {
  const { path, query, header } = request(operation, spoilt)
  const sent = body && (spoilt ? spoil(body) : body.value)
  return fetch(`${prism.url}${path}?${query}`, {
    method: operation.method.toUpperCase(),
    headers: {
      ...header,
      ...(credential && credentials(operation)),
      ...(body && { 'Content-Type': body.type }),
      ...headers,
    },
    ...(sent && {
      body:
        typeof sent === 'string'
          ? sent
          : isForm(body)
            ? new URLSearchParams({ ...sent }).toString()
            : JSON.stringify(sent),
    }),
  })
}

function request({ path, parameters }: Case, spoilt: boolean) {
  const query = new URLSearchParams()
  const header: Record<string, string> = {}
  let filled = path
  for (const { name, in: place, example } of parameters) {
    if (place === 'path') filled = filled.replace(`{${name}}`, spoilt ? 'nonsense'.repeat(20) : String(example))
    if (place === 'header') header[name] = String(example)
    if (place === 'query')
      for (const value of [example].flat()) query.append(name, spoilt && name === 'limit' ? '0' : String(value))
  }
  return { path: filled, query, header }
}

function bodies({ requestBody }: Case): (Body | undefined)[] {
  if (!requestBody) return [undefined]
  return Object.entries(requestBody.content).flatMap(([type, { examples }]) =>
    Object.values(examples).map((example) => ({ type, value: resolved(example).value })),
  )
}

function spoil(body: Body): object | string {
  if (typeof body.value === 'string') return 'x'.repeat(textLengthMax + 1)
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
  // Prism lets any text pass for bytes.
  const isText = Object.keys(requestBody?.content ?? {}).every((type) => type.endsWith('xml'))
  return (
    (requestBody !== undefined && !isText) ||
    parameters.some(({ name, in: place }) => place === 'path' || name === 'limit')
  )
}

function resolved<T extends Referable>(node: T): T {
  if (!node.$ref) return node
  const target: unknown = node.$ref
    .slice(2)
    .split('/')
    .reduce<unknown>((at, key) => Object(at)[key], document)
  return resolved(target as T) // The bundle's references point to components of the right kind; redocly has checked them.
}
