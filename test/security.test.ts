import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import express from 'express'
import { pino } from 'pino'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { dangersOf, readConfig } from '../src/config.ts'
import { dashboard } from '../src/docs/dashboard.ts'
import { documentation } from '../src/docs/pages.ts'
import { purposes } from '../src/secrets.ts'
import { openService } from '../src/service.ts'
import { legible, newPassword } from '../src/users/user.ts'
import { masters, password, secretKeys, send, startService, type TestService } from './service.ts'

let service: TestService
beforeAll(async () => {
  service = await startService()
  return service.close
})

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

describe('at the start, what others could listen to', () => {
  const dangers = (settings: object) =>
    dangersOf(readConfig({ TRUST_PROXY: '1', SECRET_KEYS: secretKeys, ...settings })).map(
      (danger) => danger.split(' ')[0],
    )

  it.each(['http://localhost:3000', 'http://127.0.0.1:80', 'http://[::1]', 'https://leads.example'])(
    'is not %s',
    (PUBLIC_URL) => expect(dangers({ PUBLIC_URL })).toEqual([]),
  )

  it.each(['http://leads.example', 'http://10.0.0.7:3000', 'http://localhost.example'])(
    'is %s: passwords and keys can be read on their way',
    (PUBLIC_URL) => expect(dangers({ PUBLIC_URL })).toEqual(['PUBLIC_URL']),
  )

  it.each([
    'postgres://me@localhost/leads',
    'postgres://me@[::1]:5432/leads',
    'postgres://me@%2Fvar%2Frun%2Fpostgresql/leads',
    'postgres:///leads?host=/var/run/postgresql',
    'postgres://me@db.example/leads?sslmode=verify-full',
  ])('is not a database at %s', (DATABASE_URL) => expect(dangers({ DATABASE_URL })).toEqual([]))

  it.each([
    'postgres://me@db.example/leads',
    'postgres://me@10.0.0.7/leads?sslmode=disable',
    'postgres://me@db.example/leads?sslmode=no-verify',
    'postgres://me@localhost/leads?host=db.example',
  ])('is a database at %s', (DATABASE_URL) => expect(dangers({ DATABASE_URL })).toEqual(['DATABASE_URL']))
})

it('believes the address that a proxy says only where there is one', async () => {
  const { admin } = await service.dealer('proxied')
  const behind = await openService({
    connection: service.connection,
    masters,
    issuer: service.url,
    trustProxy: readConfig({ TRUST_PROXY: '127.0.0.1' }).trustProxy,
    documentation: (_req, _res, next) => next(),
    log: pino({ level: 'silent' }),
  })
  const server = createServer(behind.app).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    server.closeAllConnections()
    server.close()
    await behind.close()
  })
  const addressSeenAt = async (url: string) => {
    // The first is what the client made up, the last what the proxy has seen.
    const headers = { 'x-forwarded-for': '198.51.100.7, 203.0.113.9' }
    const { body } = await send(`${url}/v1/session`, 'POST', { headers, body: { email: admin.email, password } })
    const { items } = (await send(`${url}/v1/me/sessions`, 'GET', { token: body.access_token })).body
    return items.find(({ current }: { current: boolean }) => current).address
  }
  expect(await addressSeenAt(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)).toBe('203.0.113.9')
  expect(readConfig({}).trustProxy).toBe(false)
  expect(await addressSeenAt(service.url)).toBe('127.0.0.1')
})

it('makes passwords of 128 random bits and more', () => {
  const letters = newPassword().replaceAll('-', '').length
  expect(letters * Math.log2(legible.length)).toBeGreaterThan(128)
  expect(new Set(legible).size).toBe(legible.length)
})

describe('pages and files, where PUBLIC_URL is https', () => {
  const publicUrl = 'https://leads.dealer.example'
  let url = ''
  beforeAll(async () => {
    const folder = mkdtempSync(join(tmpdir(), 'dashboard-'))
    mkdirSync(join(folder, 'assets'))
    for (const name of ['index.html', 'favicon.svg', 'assets/a.js', 'assets/a.css'])
      writeFileSync(join(folder, name), '')
    const pages = await dashboard(publicUrl, await documentation(publicUrl), folder)
    const server = createServer(express().use(pages ?? [])).listen(0, '127.0.0.1')
    await once(server, 'listening')
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    return () => {
      server.closeAllConnections()
      server.close()
      rmSync(folder, { recursive: true })
    }
  })

  it.each([
    ['/settings/users', 'text/html; charset=utf-8'],
    ['/assets/a.js', 'text/javascript; charset=utf-8'],
    ['/assets/a.css', 'text/css; charset=utf-8'],
    ['/favicon.svg', 'image/svg+xml'],
    ['/docs/', 'text/html; charset=utf-8'],
    ['/docs/style.css', 'text/css; charset=utf-8'],
    ['/docs/reference/init.js', 'text/javascript; charset=utf-8'],
  ])('%s: browsers are told how little it may do', async (path, type) => {
    const { status, headers } = await fetch(url + path, { headers: { accept: 'text/html' } })
    const policy = new Map(
      (headers.get('content-security-policy') ?? '').split(';').map((each) => {
        const [name = '', ...sources] = each.trim().split(' ')
        return [name, sources.join(' ')]
      }),
    )
    expect([status, headers.get('content-type')]).toEqual([200, type])
    expect(headers.get('strict-transport-security')).toBe('max-age=31536000; includeSubDomains')
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('referrer-policy')).toBe('no-referrer')
    const objects = policy.get('object-src') ?? policy.get('default-src')
    expect([objects, policy.get('script-src'), policy.get('base-uri'), policy.get('frame-ancestors')]).toEqual([
      "'none'",
      "'self'",
      "'none'",
      "'none'",
    ])
  })
})

const papers = ['SECURITY.md', 'ASVS.md'].map((name) => ({ name, text: readFileSync(`.github/${name}`, 'utf8') }))

describe.each(papers)('$name', ({ text }) => {
  it('names no file that is not there', () => {
    const paths = [...text.matchAll(/`((?:src|test|openapi|generated|\.github|\.ci)\/[^`]+)`/g)].map(
      ([, path = '']) => path,
    )
    expect(paths.length).toBeGreaterThan(20)
    expect(paths.filter((path) => !existsSync(path))).toEqual([])
  })

  it('names no test that is not there', () => {
    const named = [...text.matchAll(/`(test\/[^`]+\.test\.ts)`((?:,? _[^_]+_)+)/g)].flatMap(
      ([, path = '', said = '']) => [...said.matchAll(/_([^_]+)_/g)].map(([, sentence = '']) => ({ path, sentence })),
    )
    expect(named.length).toBeGreaterThan(20)
    const missing = named.filter(({ path, sentence }) => {
      const source = readFileSync(path, 'utf8')
      // The first argument of a test, or the first of a row of one.
      return !source
        .split(sentence)
        .slice(1)
        .some((after, at) => /^['"`],/.test(after) && /[([]\s*['"`]$/.test(source.split(sentence)[at] ?? ''))
    })
    expect(missing).toEqual([])
  })
})

it('names every key that is derived from the master secret', () => {
  const [, inventory = ''] = (papers[0]?.text ?? '').split('## Keys and secrets')
  expect(purposes.filter((purpose) => !inventory.includes(`\`${purpose}\``))).toEqual([])
})

/** How many requirements of levels 1 and 2 each section of ASVS 5.0.0 has: the first ones. */
// prettier-ignore
const sections: Record<string, number> = {
  '1.1': 2, '1.2': 9, '1.3': 11, '1.4': 3, '1.5': 2,
  '2.1': 3, '2.2': 3, '2.3': 4, '2.4': 1,
  '3.2': 2, '3.3': 4, '3.4': 6, '3.5': 5, '3.7': 2,
  '4.1': 3, '4.2': 1, '4.3': 2, '4.4': 4,
  '5.1': 1, '5.2': 3, '5.3': 2, '5.4': 3,
  '6.1': 3, '6.2': 12, '6.3': 4, '6.4': 4, '6.5': 5, '6.6': 3, '6.8': 4,
  '7.1': 3, '7.2': 4, '7.3': 2, '7.4': 5, '7.5': 2, '7.6': 2,
  '8.1': 2, '8.2': 3, '8.3': 1, '8.4': 1,
  '9.1': 3, '9.2': 4,
  '10.1': 2, '10.2': 2, '10.3': 4, '10.4': 11, '10.5': 5, '10.6': 2, '10.7': 3,
  '11.1': 2, '11.2': 3, '11.3': 3, '11.4': 4, '11.5': 1, '11.6': 1,
  '12.1': 3, '12.2': 2, '12.3': 4,
  '13.1': 1, '13.2': 5, '13.3': 2, '13.4': 5,
  '14.1': 2, '14.2': 4, '14.3': 3,
  '15.1': 3, '15.2': 3, '15.3': 7,
  '16.1': 1, '16.2': 5, '16.3': 4, '16.4': 3, '16.5': 3,
  '17.1': 1, '17.2': 4, '17.3': 2,
}

describe('ASVS.md', () => {
  const rows = [...(papers[1]?.text ?? '').matchAll(/^\| v5\.0\.0-([\d.]+) +\|[^|]+\| ([a-z ]+?) +\|(.+)\|$/gm)].map(
    ([, id = '', judged = '', why = '']) => ({ id, judged, why }),
  )
  const judgements = ['met', 'not applicable', 'not met']

  it('has every requirement of levels 1 and 2 once, in their order', () => {
    const asked = Object.entries(sections).flatMap(([section, count]) =>
      Array.from({ length: count }, (_, at) => `${section}.${at + 1}`),
    )
    expect(rows.map(({ id }) => id)).toEqual(asked)
  })

  it('says of each where it is met, or what would have to be done', () => {
    const silent = rows.filter(
      ({ judged, why }) =>
        !judgements.includes(judged) ||
        (judged === 'met' && !why.includes('`')) ||
        (judged === 'not met' && !why.includes('To meet it: ')),
    )
    expect(silent).toEqual([])
  })

  it('counts right', () => {
    const count = (ofChapter: (id: string) => boolean) =>
      judgements.map((judgement) => rows.filter(({ id, judged }) => judged === judgement && ofChapter(id)).length)
    const told = [...(papers[1]?.text ?? '').matchAll(/^\| (\d+|all)\b[^|]*\| (\d+) +\| (\d+) +\| (\d+) +\|$/gm)]
    expect(told.length).toBe(18)
    for (const [, chapter = '', ...numbers] of told)
      expect([chapter, ...numbers.map(Number)]).toEqual([
        chapter,
        ...count((id) => chapter === 'all' || id.startsWith(`${chapter}.`)),
      ])
  })
})
