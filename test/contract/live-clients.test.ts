import { afterAll, beforeAll, expect, it } from 'vitest'
import { startService, type TestService } from '../service.ts'
import { mainJobOf } from './clients/generate.ts'

let service: TestService
beforeAll(async () => {
  service = await startService()
})
afterAll(() => service.close())

it.each(['openapi-typescript', 'orval'] as const)(
  'the client that %s generates does the main job on the server',
  async (generator) => {
    const { website, dms } = await service.dealer(generator)
    const mainJob = await mainJobOf(generator)
    const outcome = await mainJob(service.url, {
      websiteKey: { id: website.id, secret: website.secret },
      dmsKey: { id: dms.id, secret: dms.secret },
    })
    const [lead] = (await service.call('GET', '/v1/leads', { token: dms.token })).body.items
    expect(outcome).toBeDefined()
    expect(lead.version).toBe(2)
  },
)
