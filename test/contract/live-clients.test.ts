import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startService, type TestService } from '../service.ts'
import { generatorNames, mainJobOf } from './clients/generate.ts'
import type { MainJob } from './clients/main-job.ts'
import { startNextVersion, valueOfNextVersion } from './clients/next-version.ts'

let service: TestService
beforeAll(async () => {
  service = await startService()
})
afterAll(() => service.close())

describe.each(generatorNames)('the client that %s generates', (generator) => {
  let mainJob: MainJob
  beforeAll(async () => {
    mainJob = await mainJobOf(generator)
  })

  const keysOf = ({ website, dms }: Awaited<ReturnType<TestService['dealer']>>) => ({
    websiteKey: { id: website.id, secret: website.secret },
    dmsKey: { id: dms.id, secret: dms.secret },
  })

  it('does the main job on the server', async () => {
    const dealer = await service.dealer(generator)
    const outcome = await mainJob(service.url, keysOf(dealer))
    const [lead] = (await service.call('GET', '/v1/leads', { token: dealer.dms.token })).body.items
    expect(lead).toMatchObject({ version: 2, status: 'in_progress', extra: { showroom: 'Nordhavn' } })
    expect(outcome).toEqual({
      created: { id: lead.id, duplicate: false, warnings: 0 },
      listed: [lead.id],
      etag: '"1"',
      updated: { id: lead.id, status: 'in_progress', version: 2 },
      events: { known: ['lead.created', 'lead.updated'], passedOver: 0 },
    })
  })

  it('passes over event types, values and members that come later', async () => {
    const later = await startNextVersion(service.url)
    const outcome = await mainJob(later.url, keysOf(await service.dealer(`later-${generator}`)))
    later.close()
    expect(outcome).toMatchObject({
      updated: { status: valueOfNextVersion, version: 2 },
      events: { known: [], passedOver: 2 },
    })
  })
})
