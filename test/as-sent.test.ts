import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { lead, startService, type TestService } from './service.ts'

let service: TestService
let dealer: Awaited<ReturnType<TestService['dealer']>>
beforeAll(async () => {
  service = await startService()
  dealer = await service.dealer('as-sent')
})
afterAll(() => service.close())

async function post(path: string, body: string | Buffer, charset?: string) {
  const type = `application/json${charset === undefined ? '' : `; charset=${charset}`}`
  const response = await fetch(`${service.url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${dealer.website.token}`, 'content-type': type },
    body: new Uint8Array(Buffer.from(body)),
  })
  return { status: response.status, body: (await response.json()) as any }
}
const push = (body: string | Buffer, charset?: string) => post('/v1/leads', body, charset)
const pushBatch = (body: string | Buffer, charset?: string) => post('/v1/leads/batch', body, charset)
const read = async (id: string) => (await service.call('GET', `/v1/leads/${id}`, { token: dealer.dms.token })).body
/** What the lead keeps of what was sent: its bytes, if it does. */
async function original(id: string): Promise<{ mediaType: string; bytes: Buffer } | undefined> {
  const { status, body } = await service.call('GET', `/v1/leads/${id}/original`, { token: dealer.dms.token })
  if (status === 404) return undefined
  return { mediaType: body.mediaType, bytes: Buffer.from(body.content, 'base64') }
}
const codes = ({ warnings }: { warnings: { code: string; pointer: string }[] }) =>
  warnings.map(({ code, pointer }) => `${code} ${pointer}`)

const jsonOf = (more: object = {}) => JSON.stringify(lead(more))
const soren = (more: object = {}) =>
  jsonOf({ customer: { name: { given: 'Søren' }, phones: [{ number: '32 12 34 56' }] }, ...more })

describe('a lead whose bytes are not UTF-8', () => {
  it.each([
    ['windows-1252 that says UTF-8', Buffer.from(soren(), 'latin1'), 'utf-8'],
    ['windows-1252 that says nothing', Buffer.from(soren(), 'latin1'), undefined],
    ['UTF-16 that says nothing', Buffer.from(`\uFEFF${soren()}`, 'utf16le'), undefined],
    ['UTF-8 that says ISO-8859-1', Buffer.from(soren()), 'iso-8859-1'],
  ])('is read as what it is, and kept as it came: %s', async (_what, bytes, charset) => {
    const { status, body } = await push(bytes, charset)
    expect([status, codes(body)]).toEqual([201, ['encoding-repaired ']])
    expect((await read(body.id)).customer.name.given).toBe('Søren')
    const mediaType = charset === 'iso-8859-1' ? 'application/json; charset=iso-8859-1' : 'application/json'
    expect(await original(body.id)).toEqual({ mediaType, bytes })
  })

  it('keeps the letters that are UTF-8 beside one that is not', async () => {
    const [before = '', after = ''] = soren({ message: 'på lørdag? $' }).split('$')
    const { body } = await push(Buffer.concat([Buffer.from(before), Buffer.from([0x80]), Buffer.from(after)]))
    expect(await read(body.id)).toMatchObject({ message: 'på lørdag? €', customer: { name: { given: 'Søren' } } })
  })

  it('is as it should be when it says so', async () => {
    for (const charset of ['iso-8859-1', 'Windows-1252', '"latin1"']) {
      const { status, body } = await push(Buffer.from(soren(), 'latin1'), charset)
      expect([status, codes(body), await original(body.id)]).toEqual([201, [], undefined])
      expect((await read(body.id)).customer.name.given).toBe('Søren')
    }
  })

  it('is told so in a batch, and the others are not', async () => {
    const [good, bad] = [Buffer.from(`{"lead":${soren()}}`), Buffer.from(soren(), 'latin1')]
    const body = Buffer.concat(
      ['{"leads": [ ', good, ' , {"clientRef":"\\u0062ad", "lead" :\n', bad, ' }, ', good, ']}'].map((part) =>
        Buffer.from(part),
      ),
    )
    const { results } = (await pushBatch(body, 'UTF8')).body
    expect(results.map(({ clientRef, lead }: any) => [clientRef, codes(lead)])).toEqual([
      [undefined, []],
      ['bad', ['encoding-repaired ']],
      [undefined, []],
    ])
    for (const { lead } of results) expect((await read(lead.id)).customer.name.given).toBe('Søren')
    expect(await Promise.all(results.map(({ lead }: any) => original(lead.id)))).toEqual([
      undefined,
      { mediaType: 'application/json', bytes: bad },
      undefined,
    ])
  })

  it('is read in a batch of UTF-16, and kept in UTF-8', async () => {
    const { results } = (await pushBatch(Buffer.from(`{"leads":[{"lead":${soren()}}]}`, 'utf16le'))).body
    expect(codes(results[0].lead)).toEqual(['encoding-repaired '])
    expect(await original(results[0].lead.id)).toEqual({ mediaType: 'application/json', bytes: Buffer.from(soren()) })
  })
})

describe('a number that no double can be', () => {
  it('is kept as it stood', async () => {
    const json = `{"leadgenId":1234567890123456789,"customer":{"phones":[{"number":"32 12 34 56"}]},"vehiclesOfInterest":[{"vin":"X","modelYear":2026.00000000000000001,"odometer":{"value":1e400,"unit":"km"}}],"extra":{"list":[1.2345678901234567890,2],"small":1.50}}`
    const { status, body } = await push(json)
    expect(status).toBe(201)
    const stored = await read(body.id)
    expect(stored.extra).toEqual({
      list: ['1.2345678901234567890', 2],
      small: 1.5,
      '/leadgenId': '1234567890123456789',
      '/vehiclesOfInterest/0/modelYear': '2026.00000000000000001',
      '/vehiclesOfInterest/0/odometer/value': '1e400',
      '/vehiclesOfInterest/0/odometer': { unit: 'km' },
    })
    expect(stored.vehiclesOfInterest).toEqual([{ vin: 'X' }])
    expect(codes(body)).toEqual([
      'number-long /extra/list/0',
      'member-unknown /leadgenId',
      'number-long /leadgenId',
      'number-long /vehiclesOfInterest/0/modelYear',
      'number-long /vehiclesOfInterest/0/odometer/value',
      'incomplete /vehiclesOfInterest/0/odometer',
    ])
    expect((await original(body.id))?.bytes.toString()).toBe(json)
  })

  it('is kept in a batch', async () => {
    const json = `{"leads":[{"lead":${jsonOf()}},{"lead":{"id":1234567890123456789,"customer":{"phones":[{"number":"32 12 34 56"}]}}}]}`
    const { results } = (await pushBatch(json)).body
    expect((await read(results[1].lead.id)).extra).toEqual({ '/id': '1234567890123456789' })
    expect(results[0].lead.warnings).toEqual([])
  })
})

describe('what was sent', () => {
  it.each([
    ['all of it is in the lead', {}, false],
    ['a number is odd but in its place', { customer: { phones: [{ number: 'the usual' }] } }, false],
    ['nothing but a national identity number is masked', { message: '010150-5000' }, false],
    ['a text was repaired', { message: 'a\0' }, true],
    ['a text was cut', { message: 'x'.repeat(4001) }, true],
    ['a word was not known', { type: 'whatever' }, true],
    ['a member was not known', { foo: 1 }, true],
    ['it did not fit into extra', { extra: { large: 'x'.repeat(9000) } }, true],
    ['a time was assumed', { submittedAt: '2026-11-23 10:15' }, true],
  ])('is kept byte for byte or not when %s', async (_what, more, isKept) => {
    const json = ` ${jsonOf(more)}\n`
    const { body } = await push(json)
    expect((await original(body.id))?.bytes.toString()).toBe(isKept ? json : undefined)
    const { results } = (await pushBatch(`{"leads":[{"lead":${json}}]}`)).body
    expect((await original(results[0].lead.id))?.bytes.toString()).toBe(isKept ? json.trim() : undefined)
  })

  it('is refused in a batch when it is more than a lead may have that comes alone', async () => {
    const large = jsonOf({ message: 'x'.repeat(262_144) })
    expect((await push(large)).status).toBe(413)
    const { body } = await pushBatch(`{"leads":[{"lead":${large}},{"lead":${jsonOf()}}]}`)
    expect(body.results.map(({ status }: any) => status)).toEqual([413, 201])
  })
})

describe('a member that is there twice', () => {
  it('is read as the last one, with a warning, and the first is in the original', async () => {
    const json = `{"message":"one","customer":{"phones":[{"number":"32 12 34 56"}]},"message":"two"}`
    const { body } = await push(json)
    expect(codes(body)).toEqual(['member-repeated /message'])
    expect((await read(body.id)).message).toBe('two')
    expect((await original(body.id))?.bytes.toString()).toBe(json)

    const { results } = (await pushBatch(`{"leads":[{"lead":${jsonOf()}},{"lead":${json}}]}`)).body
    expect(results.map(({ lead }: any) => codes(lead))).toEqual([[], ['member-repeated /message']])
  })

  it('is refused where it would lose a lead', async () => {
    const item = `{"lead":${jsonOf()}}`
    const { status, body } = await pushBatch(`{"leads":[${item},{"lead":${jsonOf()},"lead":${jsonOf()}}]}`)
    expect([status, body.results.map(({ status }: any) => status)]).toEqual([207, [201, 400]])
    expect(body.results[1].problem.violations).toEqual([
      { in: 'body', pointer: '/lead', message: 'is there more than once' },
    ])
    const twice = await pushBatch(`{"leads":[${item}],"leads":[${item}]}`)
    expect([twice.status, twice.body.violations[0].pointer]).toEqual([400, '/leads'])
  })
})

describe('text elsewhere that is not UTF-8', () => {
  it('is read in every body of JSON', async () => {
    const response = await fetch(`${service.url}/v1/dealer`, {
      method: 'PATCH',
      headers: { authorization: `Bearer ${dealer.admin.token}`, 'content-type': 'application/json' },
      body: new Uint8Array(Buffer.from('{"name":"Sørensens Biler"}', 'latin1')),
    })
    expect([response.status, ((await response.json()) as any).name]).toEqual([200, 'Sørensens Biler'])
  })

  it('is read in a query', async () => {
    const body = lead({ customer: { emails: [{ address: 'søren@customer.example' }] } })
    const { id } = (await service.call('POST', '/v1/leads', { token: dealer.website.token, body })).body
    for (const contact of ['s%F8ren@customer.example', 's%C3%B8ren%40customer.example']) {
      const found = await service.call('GET', `/v1/leads?contact=${contact}`, { token: dealer.dms.token })
      expect([found.status, found.body.items?.[0]?.id]).toEqual([200, id])
    }
    for (const query of ['contact=%ZZ%1', 'contact=%00@', '%F8=1', `type=%F8`])
      expect((await service.call('GET', `/v1/leads?${query}`, { token: dealer.dms.token })).status).toBeLessThan(500)
  })

  it('is no fault of ours in a form', async () => {
    for (const type of ['', '; charset=ISO-8859-1', '; charset=utf-8'])
      for (const secret of [Buffer.from([0x53, 0xf8]), Buffer.from('%F8%ZZ')]) {
        const response = await fetch(`${service.url}/v1/auth/token`, {
          method: 'POST',
          headers: { 'content-type': `application/x-www-form-urlencoded${type}` },
          body: new Uint8Array(
            Buffer.concat([Buffer.from('grant_type=client_credentials&client_id=x&client_secret='), secret]),
          ),
        })
        expect([response.status, ((await response.json()) as any).error]).toEqual([401, 'invalid_client'])
      }
    const form = `grant_type=client_credentials&client_id=${dealer.website.id}&client_secret=${dealer.website.secret}`
    const headers = { 'content-type': 'application/x-www-form-urlencoded; charset=ISO-8859-1' }
    expect((await service.call('POST', '/v1/auth/token', { raw: form, headers })).status).toBe(200)
  })
})

describe('a document that several leads are read from', () => {
  const prospect = (name: string, contact = '<phone>32 12 34 56</phone>') =>
    `<prospect><customer><contact><name part="full">${name}</name>${contact}</contact></customer></prospect>`
  const send = (adf: string, headers: Record<string, string> = {}) =>
    service.call('POST', '/v1/leads/adf', {
      token: dealer.website.token,
      raw: adf,
      headers: { 'content-type': 'application/xml', ...headers },
    })
  const idsOf = ({ body }: { body: any }): string[] =>
    body.results.flatMap((result: any) => (result.lead ? [result.lead.id] : []))
  const several = (count: number) =>
    `<adf>${Array.from({ length: count }, (_, at) => prospect(`Anna ${at}`)).join('')}</adf>`
  const inner = (id: string) => id.replace('lead_', '').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
  const kept = async () => ({
    documents: Number((await service.db('lead_documents').count())[0]?.['count']),
    originals: Number((await service.db('lead_originals').count())[0]?.['count']),
  })

  it('is stored once, and is the original of each', async () => {
    const before = await kept()
    const adf = several(32)
    const ids = idsOf(await send(adf))
    expect(ids).toHaveLength(32)
    for (const id of ids) expect(await original(id)).toEqual({ mediaType: 'application/xml', bytes: Buffer.from(adf) })
    expect(await kept()).toEqual({ ...before, documents: before.documents + 1 })
  })

  it('is stored once also where some of its leads are refused, are there already, or are sent again', async () => {
    const before = await kept()
    const adf = `<adf>${prospect('Nobody', '')}${prospect('Anna')}${prospect('Bo')}</adf>`
    for (let count = 0; count < 2; count++) {
      const reply = await send(adf, { 'idempotency-key': 'several-1' })
      expect(reply.body.results.map(({ status }: { status: number }) => status)).toEqual([422, 201, 201])
      expect(await kept()).toEqual({ ...before, documents: before.documents + 1 })
    }
  })

  it('goes with the last lead that was read from it, and with it all that leads have of it', async () => {
    const before = await kept()
    const [first = '', ...others] = idsOf(await send(several(3)))
    const places = () => service.db('lead_document_places')
    await places()
      .where({ lead_id: inner(first) })
      .delete()
    expect(await original(first)).toBeUndefined()
    expect(await original(others[0] ?? '')).toBeDefined()
    await places().whereIn('lead_id', others.map(inner)).delete()
    expect(await kept()).toEqual(before)

    const ids = idsOf(await send(several(3)))
    const { document_id: id } = await places()
      .where({ lead_id: inner(ids[0] ?? '') })
      .first()
    await service.db('lead_documents').where({ id }).delete()
    for (const each of ids) expect(await original(each)).toBeUndefined()
  })

  it('is none where one lead is read from it', async () => {
    const before = await kept()
    const { body } = await send(several(1))
    expect((await original(body.id))?.bytes.toString()).toBe(several(1))
    expect(await kept()).toEqual({ ...before, originals: before.originals + 1 })
  })
})
