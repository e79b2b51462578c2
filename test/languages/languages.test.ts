import { execFile } from 'node:child_process'
import { copyFile, cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { startNextVersion, valueOfNextVersion } from '../contract/clients/next-version.ts'
import { needs } from '../machines/needs.ts'
import { startService, type TestService } from '../service.ts'
import { languages } from './languages.ts'

const outputBytesMax = 2 ** 26
const runMsMax = 300_000

let service: TestService
beforeAll(async () => {
  service = await startService()
})
afterAll(() => service.close())

for (const { generator, folder, needs: wanted, build, run } of languages) {
  describe(`the client that ${generator} generates`, needs(...wanted), () => {
    let place: string
    beforeAll(async () => {
      place = await mkdtemp(join(tmpdir(), `cb-${folder}-`))
      await cp(join(import.meta.dirname, folder), place, { recursive: true })
      await copyFile('generated/integrators.yaml', join(place, 'integrators.yaml'))
      await shell(build, place)
    })
    afterAll(() => rm(place, { recursive: true, force: true }))

    /** What the program prints: a web site pushes a lead, a DMS reads it, moves it and pages through its events. */
    const mainJob = async (address: string, { website, dms }: Awaited<ReturnType<TestService['dealer']>>) =>
      JSON.parse(
        await shell(run, place, {
          ADDRESS: address,
          WEBSITE_ID: website.id,
          WEBSITE_SECRET: website.secret,
          DMS_ID: dms.id,
          DMS_SECRET: dms.secret,
        }),
      )

    it('does the main job', async () => {
      const dealer = await service.dealer(folder)
      const outcome = await mainJob(service.url, dealer)
      const [lead] = (await service.call('GET', '/v1/leads', { token: dealer.dms.token })).body.items
      expect(lead.vehiclesOfInterest).toEqual([{ make: 'Volvo', model: 'EX30' }])
      expect(outcome).toEqual({
        id: lead.id,
        given: 'Anna',
        etag: '"1"',
        status: 'in_progress',
        version: 2,
        known: ['lead.created', 'lead.updated'],
        passedOver: 0,
      })
    })

    it('passes over event types, values and members that come later', async () => {
      const later = await startNextVersion(service.url)
      onTestFinished(later.close)
      const outcome = await mainJob(later.url, await service.dealer(`later-${folder}`))
      expect(outcome).toMatchObject({ status: valueOfNextVersion, version: 2, known: [], passedOver: 2 })
    })
  })
}

/** What a script prints. @throws with what it complained of. */
async function shell(script: string, cwd: string, variables?: Record<string, string>): Promise<string> {
  const { stdout } = await promisify(execFile)('/bin/sh', ['-e', '-c', script], {
    cwd,
    env: { ...process.env, ...variables },
    maxBuffer: outputBytesMax,
    ...(variables && { timeout: runMsMax }),
  })
  return stdout
}
