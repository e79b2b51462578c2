import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest'
import { parse } from 'yaml'
import { guide } from '../src/docs/guide.ts'
import { inStep } from '../src/docs/in-step.ts'
import { until } from './patience.ts'
import { startService, type TestService } from './service.ts'

const run = promisify(execFile)
const program = readFileSync('src/docs/dms.mjs', 'utf8')
const folder = mkdtempSync(join(tmpdir(), 'guide-'))

let service: TestService
beforeAll(async () => {
  service = await startService(undefined, undefined, { linksLeads: true })
})
afterAll(async () => {
  await service.close()
  rmSync(folder, { recursive: true })
})

async function dealerWithKey(name: string) {
  const { dealerId, admin, website } = await service.dealer(name)
  const { secret, id } = await service.createKey(admin.token, {
    name: 'DMS',
    kind: 'extensive_integrations',
    sources: ['dms'],
  })
  return { dealerId, admin, website, secret, id }
}

/** Until it is known whose all leads are, and who may be the same. */
async function linked(dealerId: string): Promise<void> {
  await until(async () => {
    await service.service.linker?.link()
    const { seq } = await service.db('dealer_clocks').where({ dealer_id: dealerId }).first('seq')
    const cursor = await service.db('linker_cursors').where({ dealer_id: dealerId }).first('seq')
    return (cursor?.seq ?? '0') === seq
  })
}

describe('the guide, its listings pasted one after the other', () => {
  it('brings the first lead with one key, and reads it with the other', async (context) => {
    await requireTools(context)
    const { admin, website, secret, id } = await dealerWithKey('first')
    writeFileSync(join(folder, 'lead.json'), JSON.stringify({ customer: { phones: [{ number: '32 12 34 56' }] } }))
    const document = parse(readFileSync('generated/integrators.yaml', 'utf8'))
    const [pushes, reads = ''] = guide(
      service.url,
      document.components.securitySchemes.accessToken.flows.clientCredentials.scopes,
    ).split('<h2>Read it with the other key</h2>')
    expect(await pasted(pushes ?? '', { KEY: website.secret, KEY_ID: website.id })).toBeGreaterThan(5)
    expect((await service.call('GET', '/v1/leads', { token: admin.token })).body.items).toHaveLength(2)
    // Nobody takes the token anew there: it is that of the other key.
    const token = listingsOf(pushes ?? '').find(({ text }) => text.startsWith('TOKEN='))?.html
    expect(await pasted(`${token ?? ''}${reads}`, { KEY: secret, KEY_ID: id })).toBeGreaterThan(4)
  })

  it('keeps a DMS in step', async (context) => {
    await requireTools(context)
    const { dealerId, secret } = await dealerWithKey('in-step')
    const page = inStep(service.url, program)
    expect(await pasted(page, { KEY: secret }, () => linked(dealerId))).toBeGreaterThan(20)
  })
})

async function requireTools(context: TestContext): Promise<void> {
  const tools = await run('sh', ['-c', 'command -v curl && command -v sed']).catch(() => undefined)
  context.skip(!tools, 'curl or sed is not installed')
}

/** Each in its order, with whether it is an answer: it stands right below what is asked. */
const listingsOf = (page: string) =>
  [...page.matchAll(/<pre[^>]*><code>([^]*?)<\/code><\/pre>/g)].map(({ 0: html, 1: text = '', index }) => ({
    html,
    text: unescaped(text),
    isAnswer: page.slice(0, index).endsWith('</pre>\n'),
  }))

/** Runs the commands of a page, and compares what they answer with the answers in it; says how many ran. */
async function pasted(page: string, env: Record<string, string>, before = () => Promise.resolve()): Promise<number> {
  const listings = listingsOf(page)
  /** Of ids, cursors and tags in the guide those that stand for them here. */
  const known = new Map<string, string>()
  const here = (text: string) => text.replaceAll(exampleWithin, (example) => known.get(example) ?? example)
  let variables = ''
  let count = 0
  for (const [at, { text }] of listings.entries()) {
    if (/^[A-Z]+=\$/.test(text)) variables += `${text}\n`
    if (!text.startsWith('curl ')) continue
    if (text.includes('suggestions')) await before()
    count++
    const command = ['-c', `set -e\n${variables}exec ${here(text)}`]
    const options = { cwd: folder, env: { ...process.env, ...env } }
    if (text.startsWith('curl -N')) {
      await opensStream(spawn('sh', command, options))
      continue
    }
    const { stdout } = await run('sh', command, options)
    const next = listings[at + 1]
    if (next?.isAnswer && /^(\{|ETag)/.test(next.text)) {
      const [expected, actual] = [answerIn(next.text), answerIn(stdout)]
      learn(expected, actual, known)
      expect({ text, ...actual }).toMatchObject(resolved(expected, known))
    } else {
      const { body } = answerIn(stdout)
      expect([text, Object.keys(body).filter((name) => name === 'error' || name === 'code')]).toEqual([text, []])
    }
  }
  return count
}

/** It would go on for ever. */
async function opensStream(listener: ChildProcess): Promise<void> {
  let text = ''
  for await (const part of listener.stdout ?? []) {
    text += part
    if (text.includes('event: position')) break
  }
  listener.kill()
  expect(text).toContain('event: position')
}

describe('the program of the guide', () => {
  beforeAll(() => writeFileSync(join(folder, 'dms.mjs'), program))
  const anna = { name: { given: 'Anna', family: 'Jensen' }, phones: [{ number: '32 12 34 56' }] }
  const sameAnna = { name: { full: 'JENSEN ANNA' }, phones: [{ number: '+45 32123456' }], emails: [] }
  const holm = { organization: { name: 'Holm Transport ApS' }, phones: [{ number: '32 98 76 54' }] }

  it('has in its copy what the service shows, whatever happens between its runs and within them', async () => {
    const { dealerId, admin, website, secret } = await dealerWithKey('program')
    const path = (name: string) => join(folder, name)
    const copied = () => JSON.parse(readFileSync(path('copy.json'), 'utf8'))
    const rows: Record<string, { version: number; customer: object }> = {
      40012: { version: 1, customer: anna },
      40013: { version: 1, customer: sameAnna },
      'A/14 %': { version: 1, customer: holm },
    }
    const runs = async (url = service.url) => {
      writeFileSync(path('rows.json'), JSON.stringify(rows))
      await linked(dealerId)
      const env = { ...process.env, SERVICE: url, KEY: secret }
      const { stdout, stderr } = await run(process.execPath, ['dms.mjs'], { cwd: folder, env })
      expect(stderr).toBe('')
      return stdout
    }
    const asked = (method: string, at: string, body?: object, headers?: Record<string, string>) =>
      service.call(method, at, { token: admin.token, ...(body && { body }), ...(headers && { headers }) })
    const corrects = (id: string, body: object) => asked('PATCH', `/v1/customers/${id}`, body, { 'if-match': '*' })
    const find = async (id: string) => {
      const { items } = (await asked('GET', '/v1/customers?limit=200')).body
      return items.find(({ externalReferences }: { externalReferences: { id: string }[] }) =>
        externalReferences.some((each) => each.id === id),
      )
    }
    /** The copy says of each customer, and of each id that it ever had, what the service says. */
    const isInStep = async () => {
      const { customers } = copied()
      const { items } = (await asked('GET', '/v1/customers?limit=200')).body
      const active = Object.values<any>(customers).filter(({ state }) => state === 'active')
      expect(new Map(active.map((each) => [each.id, each]))).toEqual(new Map(items.map((each: any) => [each.id, each])))
      for (const id of Object.keys(customers)) {
        let leadsTo = id
        while (customers[leadsTo].mergedInto) leadsTo = customers[leadsTo].mergedInto
        const { status, body } = await asked('GET', `/v1/customers/${id}`)
        expect([id, customers[leadsTo].state === 'gone' ? 410 : leadsTo]).toEqual([
          id,
          status === 200 ? body.id : status,
        ])
      }
    }
    /** It is kept for as long as the program goes on from its cursor; whoever begins anew has another copy. */
    const mark = () => writeFileSync(path('copy.json'), JSON.stringify({ ...copied(), marked: true }))

    // The first load, beside a customer whom a lead has brought.
    const lead = { customer: { name: { full: 'Peter Holm' }, emails: [{ address: 'peter@customer.example' }] } }
    expect((await service.call('POST', '/v1/leads', { token: website.token, body: lead })).status).toBe(201)
    expect(await runs()).toBe('')
    expect(Object.keys(copied().customers)).toHaveLength(4)
    await isInStep()
    mark()

    // People correct, merge, and go before what the system says next.
    const [one, two] = [await find('40012'), await find('40013')]
    await corrects(one.id, { name: { family: 'Hansen' }, emails: [{ address: 'anna@customer.example' }] })
    expect((await asked('PUT', `/v1/customers/${two.id}/merge`, { into: one.id })).status).toBe(200)
    expect(await runs()).toBe('One customer: 40012, 40013\n')
    await isInStep()
    rows[40012] = { version: 2, customer: { ...anna, name: { given: 'Anna Marie', family: 'Jensen' } } }
    rows[40013] = { version: 2, customer: { ...sameAnna, phones: [{ number: '32 12 34 57' }] } }
    await runs()
    await isInStep()
    const { [one.id]: shown } = copied().customers
    expect(shown).toMatchObject({ name: { given: 'Anna', family: 'Hansen' } })
    expect(shown.phones.map(({ e164 }: { e164: string }) => e164).toSorted()).toEqual(['+4532123456', '+4532123457'])
    await asked('DELETE', `/v1/customers/${two.id}/merge`)
    await asked('DELETE', `/v1/customers/${one.id}/edits?field=name`)
    expect(await runs()).toBe('')
    await isInStep()
    expect(copied().customers[one.id].name.given).toBe('Anna Marie')

    // It ends before it has kept what came of its writes, of which the feed does not tell.
    const before = readFileSync(path('copy.json'))
    rows[40012] = { version: 3, customer: { ...anna, address: { city: 'Rungsted' } } }
    await runs()
    writeFileSync(path('copy.json'), before)
    await runs()
    await isInStep()
    expect([copied().customers[one.id].address.city, copied().marked]).toEqual(['Rungsted', true])

    // Rows are deleted, and again it does not live to keep the answer.
    const { [`A/14 %`]: _gone, ...left } = rows
    delete rows['A/14 %']
    const beforeDeleting = readFileSync(path('copy.json'))
    await runs()
    await isInStep()
    expect(copied().marked).toBe(true)
    writeFileSync(path('copy.json'), beforeDeleting)
    await runs()
    await isInStep()
    expect([Object.keys(copied().sent), copied().marked]).toEqual([Object.keys(left), undefined])

    // Nobody lives to hear what came of a new row, which is deleted before it could be sent again.
    rows[40015] = { version: 1, customer: anna }
    const deaf = await unanswering('/v1/customers/batch')
    await expect(runs(deaf.url)).rejects.toThrow('fetch failed')
    deaf.close()
    expect(await find('40015')).toBeDefined()
    mark()
    delete rows[40015]
    await runs()
    await isInStep()
    expect([await find('40015'), copied().marked]).toEqual([undefined, true])

    // The service was put back to an earlier state, with a row that is no more.
    const token = await service.exchange(secret)
    const revived = { token, body: anna }
    expect((await service.call('PUT', '/v1/customers/by-reference/dms/40016', revived)).status).toBe(201)
    mark()
    writeFileSync(path('copy.json'), JSON.stringify({ ...copied(), cursor: '7.ffffffffffff' }))
    await runs()
    await isInStep()
    expect([await find('40016'), copied().marked]).toEqual([undefined, undefined])
  })

  it('sends in parts what is too large for one batch, and says which row is too large alone', async () => {
    const { secret } = await dealerWithKey('large')
    const at = join(folder, 'large')
    mkdirSync(at)
    const row = (length: number) => ({ version: 1, customer: { ...anna, note: 'x'.repeat(length) } })
    const rows = Object.fromEntries(
      Array.from({ length: 20 }, (_, at) => [`L-${at}`, row(at === 7 ? 1_100_000 : 60_000)]),
    )
    writeFileSync(join(at, 'rows.json'), JSON.stringify(rows))
    const env = { ...process.env, SERVICE: service.url, KEY: secret }
    const { stderr } = await run(process.execPath, [join(folder, 'dms.mjs')], { cwd: at, env })
    expect(stderr).toContain('L-7: The body may have 1048576 bytes at the most.\n')
    const { sent } = JSON.parse(readFileSync(join(at, 'copy.json'), 'utf8'))
    expect(Object.values(sent)).toEqual(Object.keys(rows).map((id) => (id === 'L-7' ? null : 1)))
  })

  it('says at once which scope its key lacks', async () => {
    const { admin } = await service.dealer('narrow')
    const scopes = ['customers:write', 'events:read']
    const { secret } = await service.createKey(admin.token, {
      kind: 'extensive_integrations',
      sources: ['dms'],
      scopes,
    })
    const env = { ...process.env, SERVICE: service.url, KEY: secret }
    await expect(run(process.execPath, ['dms.mjs'], { cwd: folder, env })).rejects.toThrow(
      'The key does not have the scope customers:read.',
    )
  })
})

/** The service, but whose answers to what is sent to one path are lost. */
async function unanswering(path: string): Promise<{ url: string; close: () => void }> {
  const pass = async (req: IncomingMessage, res: ServerResponse) => {
    const { method = '', headers } = req
    const sent = Buffer.concat(await req.toArray())
    const { host: _host, connection: _connection, ...passed } = headers
    const reply = await fetch(service.url + req.url, {
      method,
      headers: passed as Record<string, string>,
      ...(sent.length > 0 && { body: sent }),
    })
    const answer = await reply.text()
    if (req.url === path) res.destroy()
    else res.writeHead(reply.status, { 'Content-Type': 'application/json' }).end(answer)
  }
  const server = createServer((req, res) => void pass(req, res))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, close: () => server.close() }
}

const example = /^((cust|sugg)_[0-9a-f]{32}|\d+\.[0-9a-f]{12}|"[0-9a-f]{12}\.\d+")$/
const exampleWithin = /(cust|sugg)_[0-9a-f]{32}|\d+\.[0-9a-f]{12}|"[0-9a-f]{12}\.\d+"/g

interface Answer {
  etag?: string
  body: object
}

/** What curl prints, with `-i` the head, too. */
function answerIn(text: string): Answer {
  const at = text.indexOf('{')
  const etag = /^etag: (.*?)\r?$/im.exec(text.slice(0, at))?.[1]
  return { ...(etag !== undefined && { etag }), body: JSON.parse(text.slice(at)) }
}

/** Notes what the examples of the guide stand for, each where it comes first. */
function learn(expected: unknown, actual: unknown, known: Map<string, string>): void {
  if (typeof expected === 'string' && example.test(expected) && typeof actual === 'string')
    known.set(expected, known.get(expected) ?? actual)
  if (typeof expected !== 'object' || expected === null || typeof actual !== 'object' || actual === null) return
  for (const [name, value] of Object.entries(expected)) learn(value, (actual as Record<string, unknown>)[name], known)
}

const resolved = (expected: Answer, known: Map<string, string>): Answer =>
  JSON.parse(JSON.stringify(expected), (_, value: unknown) =>
    typeof value === 'string' ? (known.get(value) ?? value) : value,
  )

const unescaped = (html: string) =>
  html.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&amp;', '&')
