import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { snippet, type SnippetLanguage } from '../../src/dashboard/snippets.ts'
import { startService, type TestService } from '../service.ts'

const run = promisify(execFile)
const folder = mkdtempSync(join(tmpdir(), 'snippets-'))
const runners: [SnippetLanguage, string, string][] = [
  ['JavaScript', process.execPath, 'example.mjs'],
  ['curl', 'sh', 'example.sh'],
  ['PHP', 'php', 'example.php'],
  ['Python', 'python3', 'example.py'],
]
const needed: Partial<Record<SnippetLanguage, string[]>> = { curl: ['curl', 'sed'] }

let service: TestService
beforeAll(async () => {
  service = await startService()
})
afterAll(async () => {
  await service.close()
  rmSync(folder, { recursive: true })
})

describe.each(runners)('the example in %s, run as it is pasted', (language, command, file) => {
  it('sends a lead with a key that can, and reads with one that cannot', async (context) => {
    const tools = [command, ...(needed[language] ?? [])]
    const found = await Promise.all(tools.map((tool) => run('sh', ['-c', `command -v ${tool}`]).catch(() => undefined)))
    context.skip(found.includes(undefined), `${tools.join(' or ')} is not installed`)

    const { dealerId, admin, website } = await service.dealer(`snippet-${language.toLowerCase()}`)
    const reader = await service.createKey(admin.token, { kind: 'extensive_integrations', scopes: ['leads:read'] })
    const output = async (secret: string, sends: boolean) => {
      writeFileSync(join(folder, file), snippet(language, service.url, secret, sends))
      return (await run(command, [join(folder, file)])).stdout
    }
    expect(await output(website.secret, true)).toMatch(/lead_[0-9a-f]{32}/)
    expect(await service.db('leads').where({ dealer_id: dealerId }).select('type')).toEqual([{ type: 'test_drive' }])
    expect(await output(reader.secret, false)).toMatch(/items/)
  })
})
