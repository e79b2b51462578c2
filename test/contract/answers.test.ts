import { afterAll, beforeAll, expect, it } from 'vitest'
import { lead, startService, type TestService } from '../service.ts'

let service: TestService
beforeAll(async () => {
  service = await startService()
})
afterAll(() => service.close())

it('holds answers to the values that the document knows, also where more may come', async () => {
  const { website, dms } = await service.dealer('values')
  const { id } = (await service.call('POST', '/v1/leads', { token: website.token, body: lead() })).body
  const read = () => service.call('GET', `/v1/leads/${id}`, { token: dms.token })
  expect((await read()).status).toBe(200)
  await service.db('leads').update({ type: 'of_the_next_version' })
  expect((await read()).body).toMatchObject({ status: 500, code: 'internal' })
})
