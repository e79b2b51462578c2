import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '@hey-api/openapi-ts'
import { afterAll, expect, it } from 'vitest'
import { parse } from 'yaml'
import { express } from '../../openapi/express-plugin.ts'

const contract = readFileSync(join(import.meta.dirname, 'plugin/openapi.yaml'), 'utf8')

const folder = mkdtempSync(join(tmpdir(), 'plugin-'))
afterAll(() => rmSync(folder, { recursive: true }))

it('emits for an operation of each kind what plugin/ has', async () => {
  await expect(await emitted(parse(contract))).toMatchFileSnapshot('plugin/express.gen.golden')
})

it.each([
  ['one of two credentials', [{ accessToken: ['leads:read'] }, { session: [] }]],
  ['one of two sets of scopes', [{ accessToken: ['leads:read'] }, { accessToken: ['leads:update'] }]],
  ['a credential that no handler type knows', [{ apiKey: [] }]],
])('refuses %s, naming the operation', async (_fault, security) => {
  const document = parse(contract)
  document.paths['/v1/leads/{leadId}'].get.security = security
  const message = 'getLead: security must be accessToken alone, session alone, or none'
  await expect(emitted(document)).rejects.toMatchObject({ originalError: { error: { message } } })
})

async function emitted(input: Record<string, unknown>): Promise<string> {
  const path = join(folder, 'server') // hey-api removes it before it writes.
  await createClient({
    input,
    output: { path, importFileExtension: '.ts' },
    plugins: ['@hey-api/typescript', express()],
    logs: { level: 'silent', file: false },
  })
  return readFileSync(join(path, 'express.gen.ts'), 'utf8')
}
