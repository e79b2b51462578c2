import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { crc32 } from 'node:zlib'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { openFailures } from '../src/api-keys/failures.ts'
import { openService, type Service } from '../src/service.ts'
import { amount } from './long.ts'
import { masters, send, startService, type TestService } from './service.ts'

// The figures of the long form mean something.
const keys = amount(400, 100_000)
const lanes = 8
const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

let service: TestService
let behindProxy: Service
let url: string
let lookup: string
let close: () => Promise<void>
beforeAll(async () => {
  service = await startService()
  lookup = (await service.dealer('guessed')).dms.secret.slice(11, 23)
  // It is told the address of each sender, so that none of them fails too often.
  behindProxy = await openService({
    connection: service.connection,
    masters,
    issuer: service.url,
    trustProxy: 1,
    documentation: (_req, _res, next) => next(),
    log: pino({ level: 'silent' }),
    strictResponses: true,
  })
  const server = createServer(behindProxy.app).listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/auth/token`
  close = async () => {
    server.closeAllConnections()
    server.close()
    await behindProxy.close()
    await service.close()
  }
})
afterAll(() => close())

const digits = (count: number) => [...randomBytes(count)].map((byte) => alphabet[byte % 62]).join('')
/** As the documentation of the keys has it: the CRC32 of all before it in six digits to the base of 62. */
const checked = (text: string) =>
  text + Array.from({ length: 6 }, (_, at) => alphabet[Math.floor(crc32(text) / 62 ** (5 - at)) % 62]).join('')
const tryOut = (key: string, at: number) =>
  send(url, 'POST', {
    headers: { 'x-api-key': key, 'x-forwarded-for': `10.${at >> 16}.${(at >> 8) & 255}.${at & 255}` },
  })

it('refuses a key with a typo without a look into the database', async () => {
  const looks = vi.spyOn(behindProxy.database.hot, 'query')
  const typo = checked(`cb_ei_live_${lookup}${digits(32)}`).replace(/.$/, (digit) => (digit === '0' ? '1' : '0'))
  expect((await tryOut(typo, 0)).status).toBe(401)
  expect(looks).not.toHaveBeenCalled()
  expect((await tryOut(checked(`cb_ei_live_${lookup}${digits(32)}`), 0)).status).toBe(401)
  expect(looks).toHaveBeenCalledTimes(1)
  looks.mockRestore()
})

it(`refuses ${keys} guessed keys alike, be their lookup somebody's or nobody's`, async () => {
  const answers = new Set<string>()
  const tookMs = { nobodys: [] as number[], somebodys: [] as number[] }
  let next = 0
  const lane = async () => {
    for (let at = next++; at < keys; at = next++) {
      const whose = at % 2 === 0 ? 'nobodys' : 'somebodys'
      const key = checked(`cb_ei_live_${whose === 'nobodys' ? digits(12) : lookup}${digits(32)}`)
      const started = performance.now()
      const { status, text, headers } = await tryOut(key, at)
      tookMs[whose].push(performance.now() - started)
      answers.add(JSON.stringify([status, text, headers.get('www-authenticate'), headers.get('cache-control')]))
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  const [answer, ...others] = answers
  expect([JSON.parse(answer ?? '[]')[0], JSON.parse(JSON.parse(answer ?? '[]')[1]).error, others]).toEqual([
    401,
    'invalid_client',
    [],
  ])
  const at = (values: number[], share: number) =>
    values.toSorted((one, other) => one - other)[Math.floor(values.length * share)]?.toFixed(3)
  for (const [whose, values] of Object.entries(tookMs))
    console.log(
      `${values.length} keys of ${whose} lookup: p10 ${at(values, 0.1)}, p50 ${at(values, 0.5)}, p90 ${at(values, 0.9)} ms`,
    )
})

it('counts failures by network for a minute, in as much room however many there are', () => {
  const failures = openFailures()
  const told = (network: string, ms: number) => failures.count(network, ms)
  for (let count = 0; count < 300; count++) expect(told('192.0.2.1', 1_000 + count)).toBe(undefined)
  expect([told('192.0.2.1', 2_000), told('192.0.2.1', 60_900)]).toEqual([59, 1])
  for (let at = 0; at < amount(20_000, 1_000_000); at++) expect(told(`network ${at}`, 61_000)).toBe(undefined)
  expect(told('192.0.2.1', 61_000)).toBe(undefined)
})
