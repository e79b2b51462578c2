import { afterAll, beforeAll, expect, it } from 'vitest'
import { replaceSigningKeys, rotateSigningKey } from '../src/tokens/keyring.ts'
import { lead, startService, type TestService } from './service.ts'

let service: TestService
let dealer: Awaited<ReturnType<TestService['dealer']>>
beforeAll(async () => {
  service = await startService()
  dealer = await service.dealer('keys')
})
afterAll(() => service.close())

it('publishes a new signing key before it signs, and keeps the tokens of the old one good', async () => {
  const kid = await rotateSigningKey(service.db, service.service.secrets)
  expect((await service.call('GET', '/v1/me', { token: dealer.dms.token })).status).toBe(200)
  const { keys } = (await service.call('GET', '/.well-known/jwks.json')).body
  expect(keys.map((key: { kid: string }) => key.kid)).toContain(kid)
  expect(keys).toHaveLength(2)
  expect((await service.call('GET', '/v1/me', { token: await service.exchange(dealer.dms.secret) })).status).toBe(200)
})

it.each([
  ['reads', (token: string) => service.call('GET', '/v1/leads', { token })],
  ['pushes a lead', (token: string) => service.call('POST', '/v1/leads', { token, body: lead() })],
  ['changes something', (token: string) => service.call('PATCH', `/v1/leads/lead_${'0'.repeat(32)}`, { token, body: { status: 'won' }, headers: { 'if-match': '*' } })],
])('refuses every token of a withdrawn key, also when its holder is the first who %s after that', async (_what, request) => {
  const token = await service.exchange(dealer.dms.secret)
  const session = await service.signIn(dealer.admin.email)
  await replaceSigningKeys(service.db, service.service.secrets)
  const reply = await request(token)
  expect([reply.status, reply.body.code]).toEqual([401, 'token-invalid'])
  const bought = await service.call('POST', '/v1/session/token', { headers: { cookie: session.cookie } })
  expect((await service.call('GET', '/v1/me', { token: bought.body.access_token })).status).toBe(200)
})

it('signs nobody in with a key that was withdrawn a moment ago', async () => {
  await replaceSigningKeys(service.db, service.service.secrets)
  const { token } = await service.signIn(dealer.admin.email)
  expect((await service.call('GET', '/v1/me', { token })).status).toBe(200)
})
