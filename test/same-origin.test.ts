import { expect, it } from 'vitest'
import type { Http } from '../src/operation.ts'
import { Problem } from '../src/problem.ts'
import { isFromOwnPage, requireSameOrigin } from '../src/same-origin.ts'

const secure = 'https://leads.example'
const plain = 'http://localhost:3000'

it.each([
  [secure, 'https://leads.example', 'leads.example', true],
  [secure, 'https://other.example', 'other.example', true],
  [secure, 'http://leads.example', 'leads.example', false],
  [secure, 'http://other.example', 'other.example', false],
  [secure, 'https://evil.example', 'leads.example', false],
  [secure, 'null', 'null', false],
  [secure, 'leads.example', 'leads.example', false],
  [plain, 'http://localhost:3000', 'localhost:3000', true],
  [plain, 'http://127.0.0.1:3000', '127.0.0.1:3000', true],
  [plain, 'https://127.0.0.1:3000', '127.0.0.1:3000', true],
  [plain, 'http://evil.example', 'localhost:3000', false],
])('at %s, a page of %s that asks %s is its own: %s', (issuer, origin, host, isOwn) => {
  const http = { header: (name: string) => ({ origin, host })[name] } as Http
  expect(isFromOwnPage(http, issuer)).toBe(isOwn)
  const refusal = () => {
    try {
      requireSameOrigin(http, issuer)
      return undefined
    } catch (error) {
      return error instanceof Problem ? error.code : 'another error'
    }
  }
  expect(refusal()).toBe(isOwn ? undefined : 'foreign-origin')
})
