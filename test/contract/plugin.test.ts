import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '@hey-api/openapi-ts'
import { afterAll, expect, it } from 'vitest'
import { parse } from 'yaml'
import { express } from '../../openapi/express-plugin.ts'
import { guards } from '../../openapi/guards-plugin.ts'
import { knownValues } from '../../openapi/known-values.ts'
import { limits } from '../../openapi/limits-plugin.ts'
import { scopes } from '../../openapi/scopes-plugin.ts'

const contract = readFileSync(join(import.meta.dirname, 'plugin/openapi.yaml'), 'utf8')

const folder = mkdtempSync(join(tmpdir(), 'plugin-'))
afterAll(() => rmSync(folder, { recursive: true }))

it.each([
  ['an operation of each kind', 'express.gen'],
  ['limits of each kind', 'limits.gen'],
  ['the kinds of API keys', 'scopes.gen'],
  ['what needs a scope of its own', 'guards.gen'],
])('emits for %s what plugin/ has', async (_what, name) => {
  await expect(await emitted(parse(contract), name)).toMatchFileSnapshot(`plugin/${name}.golden`)
})

it.each([
  ['one of two credentials', [{ accessToken: ['leads:read'] }, { session: [] }]],
  ['one of two sets of scopes', [{ accessToken: ['leads:read'] }, { accessToken: ['leads:update'] }]],
  ['a credential that no handler type knows', [{ apiKey: [] }]],
])('refuses %s, naming the operation', async (_fault, security) => {
  const document = parse(contract)
  document.paths['/v1/leads/{leadId}'].get.security = security
  const message = 'getLead: security must be accessToken alone, session or secureSession, or none'
  await expect(emitted(document)).rejects.toMatchObject({ originalError: { error: { message } } })
})

it('refuses a kind of API key without scopes, naming it', async () => {
  const document = parse(contract)
  document.components.schemas.ApiKeyKind['x-extensible-enum'].push('forms')
  const message = 'ApiKeyKind: x-scopes must have forms'
  await expect(emitted(document)).rejects.toMatchObject({ originalError: { error: { message } } })
})

it('refuses to show one of several schemas in part', async () => {
  const document = parse(contract)
  document.components.schemas.Lead.properties.id = { anyOf: [{ $ref: '#/components/schemas/Customer' }] }
  const message = 'What is shown in part must not be one of several schemas'
  await expect(emitted(document)).rejects.toMatchObject({ originalError: { error: { message } } })
})

it.each([
  ['closed', "'write_only' | 'all'"],
  ['open', "'write_only' | 'all' | (string & {})"],
] as const)('types values to which more may come as %s', async (growth, type) => {
  const types = { name: '@hey-api/typescript', $resolvers: knownValues(growth) } as const
  expect(await emitted(parse(contract), 'types.gen', types)).toContain(`export type ApiKeyKind = ${type};`)
})

type Types = '@hey-api/typescript' | { name: '@hey-api/typescript'; $resolvers: ReturnType<typeof knownValues> }

async function emitted(
  input: Record<string, unknown>,
  name = 'express.gen',
  types: Types = '@hey-api/typescript',
): Promise<string> {
  const path = join(folder, 'server') // hey-api removes it before it writes.
  await createClient({
    input,
    output: { path, importFileExtension: '.ts' },
    plugins: [types, express(), limits(), scopes(), guards({ schemas: ['Lead'] })],
    logs: { level: 'silent', file: false },
  })
  return readFileSync(join(path, `${name}.ts`), 'utf8')
}
