import { once } from 'node:events'
import { createServer } from 'node:http'
import express from 'express'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { documentation } from '../src/docs/pages.ts'
import { problems } from '../src/problem.ts'

const publicUrl = 'https://leads.dealer.example'
const server = createServer(express().use(await documentation(publicUrl)))
let url = ''
beforeAll(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
})
afterAll(() => void server.close())

it('has a page for every problem, and every link within the pages leads somewhere', async () => {
  const seen = new Set<string>()
  const due = ['/', ...Object.keys(problems).map((code) => `/docs/problems/${code}`)]
  for (let path = due.pop(); path; path = due.pop()) {
    if (seen.has(path) || path.startsWith('/.well-known')) continue
    seen.add(path)
    const response = await fetch(url + path)
    expect([path, response.status]).toEqual([path, 200])
    if (!response.headers.get('content-type')?.startsWith('text/html')) continue
    expect(response.headers.get('content-security-policy')).toContain("script-src 'self'")
    const text = await response.text()
    due.push(...[...text.matchAll(/(?:href|src)="([^"]+)"/g)].map(([, link]) => link as string))
    expect([...text.matchAll(/https?:\/\/[^/"\s<]+/g)].filter(([link]) => link !== publicUrl)).toEqual([])
  }
  expect(seen.size).toBeGreaterThan(Object.keys(problems).length + 6)
})

it('serves the contract with the token endpoint of this server', async () => {
  const document = await (await fetch(`${url}/openapi.json`)).json()
  expect(document.components.securitySchemes.accessToken.flows.clientCredentials.tokenUrl).toBe(`${publicUrl}/v1/auth/token`)
  expect(await (await fetch(`${url}/openapi.yaml`)).text()).toContain(`tokenUrl: ${publicUrl}/v1/auth/token`)
  expect((await fetch(`${url}/docs/nothing`)).status).toBe(404)
})
