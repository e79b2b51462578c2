import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { dangersOf, readConfig } from '../src/config.ts'
import { startService, type TestService } from './service.ts'

let service: TestService
beforeAll(async () => {
  service = await startService()
  return service.close
})
afterAll(() => undefined)

it('tells nothing of itself when even the answer to a failure fails', async () => {
  const { app } = service.service
  const server = createServer((req, res) => {
    res.setHeader = new Proxy(res.setHeader, {
      apply: (setHeader, self, [name, value]) => {
        if (value === 'application/problem+json') throw new Error('what only we may know')
        return Reflect.apply(setHeader, self, [name, value])
      },
    })
    app(req, res)
  }).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/nothing`)
  const text = await response.text()
  expect([response.status, /we may know|security\.test|node_modules/.test(text)]).toEqual([500, false])
})

it('says at the start when passwords and keys can be read on their way', () => {
  const dangers = (PUBLIC_URL?: string) =>
    dangersOf(readConfig({ ...(PUBLIC_URL && { PUBLIC_URL }), TRUST_PROXY: '1' }))
  for (const url of [
    undefined,
    'http://localhost:3000',
    'http://127.0.0.1:80',
    'http://[::1]',
    'https://leads.example',
  ])
    expect([url, dangers(url)]).toEqual([url, []])
  for (const url of ['http://leads.example', 'http://10.0.0.7:3000', 'http://localhost.example'])
    expect([url, dangers(url).length]).toEqual([url, 1])
})
