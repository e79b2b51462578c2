import { createHash } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inner, newId } from '../src/ids.ts'
import { newLead } from '../src/leads/input.ts'
import { openIntake } from '../src/leads/intake.ts'
import { createLeads, sweepIdempotencyKeys } from '../src/leads/store.ts'
import type { Keyring } from '../src/tokens/keyring.ts'
import { until } from './patience.ts'
import { lead, startService, type TestService } from './service.ts'

let service: TestService
let dealer: Awaited<ReturnType<TestService['dealer']>>

beforeAll(async () => {
  service = await startService()
  dealer = await service.dealer('ours')
})
afterAll(() => service.close())

let made = 0
const fresh = () => `key-${++made}`
const push = (body: object, key?: string, token = dealer.website.token) =>
  service.call('POST', '/v1/leads', { token, body, headers: { ...(key !== undefined && { 'idempotency-key': key }) } })
const batch = (leads: object[], token = dealer.website.token) =>
  service.call('POST', '/v1/leads/batch', { token, body: { leads } })
const rows = async (table: 'leads' | 'events' | 'lead_claims') =>
  Number((await service.db(table).where({ dealer_id: dealer.dealerId }).count({ count: '*' }))[0]?.['count'])
/** How many leads, events and claims were added meanwhile. */
async function added(work: () => Promise<unknown>): Promise<number[]> {
  const count = () => Promise.all([rows('leads'), rows('events'), rows('lead_claims')])
  const before = await count()
  await work()
  return (await count()).map((after, at) => after - (before[at] ?? 0))
}

describe('an Idempotency-Key', () => {
  it('gets the same request the same answer, once stored, and says so', async () => {
    const key = fresh()
    const body = lead({ customer: { phones: [{ number: 'what?' }] } })
    const added1 = await added(async () => {
      const first = await push(body, key)
      const again = await push(body, key)
      expect([first.status, first.headers.get('idempotency-replayed')]).toEqual([201, null])
      expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([201, 'true'])
      expect(again.text).toBe(first.text)
      expect(again.headers.get('location')).toBe(first.headers.get('location'))
      expect(first.body.warnings).toHaveLength(1)
    })
    expect(added1).toEqual([1, 1, 1])
  })

  it('is the same bare and quoted', async () => {
    const body = lead()
    const first = await push(body, '"a \\"quoted\\" \\\\ key"')
    const bare = await push(body, 'plain!#~')
    expect((await push(body, '"plain!#~"')).body.id).toBe(bare.body.id)
    expect((await push(body, '"a \\"quoted\\" \\\\ key"')).body.id).toBe(first.body.id)
    expect(bare.body.id).not.toBe(first.body.id)
  })

  it.each(['x'.repeat(256), `"${'x'.repeat(256)}"`, '"open', 'a"b', 'é'])(
    'is refused when it is none: %j',
    async (key) => {
      const reply = await push(lead(), Buffer.from(key).toString('latin1'))
      expect([reply.status, reply.body.violations?.[0].in]).toEqual([400, 'header'])
    },
  )

  it('takes 255 characters', async () => {
    expect((await push(lead(), 'x'.repeat(255))).status).toBe(201)
    expect((await push(lead(), `"${'\\"'.repeat(255)}"`)).status).toBe(201)
  })

  it('is refused for another request, and nothing is stored or claimed', async () => {
    const key = fresh()
    await push(lead({ message: 'one' }), key)
    const counted = await added(async () => {
      const other = await push(
        lead({ message: 'two', externalReference: { source: 'site', id: 'never-claimed' } }),
        key,
      )
      expect([other.status, other.body.code]).toEqual([422, 'idempotency-key-reused'])
      const elsewhere = await batch([{ idempotencyKey: key, lead: lead({ message: 'two' }) }])
      expect(elsewhere.body.results[0]).toMatchObject({ status: 422, problem: { code: 'idempotency-key-reused' } })
      const document = await service.call('POST', '/v1/leads/adf', {
        token: dealer.website.token,
        raw: '<adf><prospect><customer><contact><phone>32 12 34 56</phone></contact></customer></prospect></adf>',
        headers: { 'content-type': 'application/x-adf+xml', 'idempotency-key': key },
      })
      expect([document.status, document.body.code]).toEqual([422, 'idempotency-key-reused'])
    })
    expect(counted).toEqual([0, 0, 0])
  })

  const raw = (text: string, key: string) =>
    service.call('POST', '/v1/leads', {
      token: dealer.website.token,
      raw: text,
      headers: { 'content-type': 'application/json', 'idempotency-key': key },
    })
  it.each([
    [
      'blanks',
      '{"customer" : {"phones":[ {"number":"32 12 34 56"} ]},\n"message":"Må jeg?","extra":{"a":1.0,"b":100}}',
    ],
    [
      'the order of names',
      '{"message":"Må jeg?","extra":{"b":100,"a":1},"customer":{"phones":[{"number":"32 12 34 56"}]}}',
    ],
    [
      'escapes',
      '{"customer":{"phones":[{"number":"32 12 34 56"}]},"message":"M\\u00e5 jeg\\u003f","extra":{"a":1,"b":100}}',
    ],
    [
      'how a number is written',
      '{"customer":{"phones":[{"number":"32 12 34 56"}]},"message":"Må jeg?","extra":{"a":1e0,"b":1E+2}}',
    ],
    [
      'how a long number is written',
      '{"customer":{"phones":[{"number":"32 12 34 56"}]},"message":"Må jeg?","extra":{"a":1.00000000000000000,"b":1000e-1}}',
    ],
    [
      'a name that comes twice',
      '{"message":"No","customer":{"phones":[{"number":"32 12 34 56"}]},"message":"Må jeg?","extra":{"a":1,"b":100}}',
    ],
  ])('knows the same lead by what it says, whatever it has of %s', async (_of, text) => {
    const key = fresh()
    const first = await raw(
      '{"customer":{"phones":[{"number":"32 12 34 56"}]},"message":"Må jeg?","extra":{"a":1,"b":100}}',
      key,
    )
    const again = await raw(text, key)
    expect([again.status, again.text, again.headers.get('idempotency-replayed')]).toEqual([201, first.text, 'true'])
  })

  it.each([
    [
      'a long number',
      '{"customer":{"phones":[{"number":"1"}]},"extra":{"ids":[1234567890123456789]}}',
      '{"customer":{"phones":[{"number":"1"}]},"extra":{"ids":[1234567890123456788]}}',
    ],
    [
      'the sign of a long number',
      '{"customer":{"phones":[{"number":"1"}]},"extra":{"id":1e999}}',
      '{"customer":{"phones":[{"number":"1"}]},"extra":{"id":-1e999}}',
    ],
    [
      'the order of a list',
      '{"customer":{"phones":[{"number":"1"},{"number":"2"}]}}',
      '{"customer":{"phones":[{"number":"2"},{"number":"1"}]}}',
    ],
    [
      'half a surrogate pair',
      '{"customer":{"phones":[{"number":"1"}]},"message":"\\ud800"}',
      '{"customer":{"phones":[{"number":"1"}]},"message":"\\ud801"}',
    ],
    [
      'a text instead of a number',
      '{"customer":{"phones":[{"number":"1"}]},"extra":{"a":1}}',
      '{"customer":{"phones":[{"number":"1"}]},"extra":{"a":"1"}}',
    ],
    [
      'a name of the language',
      '{"customer":{"phones":[{"number":"1"}]},"__proto__":{"a":1}}',
      '{"customer":{"phones":[{"number":"1"}]},"__proto__":{"a":2}}',
    ],
  ])('tells two leads apart by %s', async (_what, one, other) => {
    const key = fresh()
    expect((await raw(one, key)).status).toBe(201)
    expect((await raw(other, key)).body.code).toBe('idempotency-key-reused')
  })

  it('is one for a lead by itself and the same one in a batch', async () => {
    const [one, other] = [fresh(), fresh()]
    const alone = await push(lead({ message: 'alone' }), one)
    const [inBatch] = (await batch([{ idempotencyKey: one, lead: lead({ message: 'alone' }) }])).body.results
    expect(inBatch).toEqual({ status: 201, replayed: true, lead: alone.body })
    const [first] = (await batch([{ idempotencyKey: other, lead: lead() }])).body.results
    const again = await push(lead(), other)
    expect([again.body, again.headers.get('idempotency-replayed')]).toEqual([first.lead, 'true'])
  })

  it.each([
    '',
    '""',
    'undefined',
    'null',
    '{{id}}',
    '[object Object]',
    '%%id%%',
    `${'x'.repeat(200)}-undefined`,
    '"[object Object]"',
    '00000000-0000-0000-0000-000000000000',
  ])('that nobody filled in counts as not sent, with a warning: %j', async (key) => {
    const counted = await added(async () => {
      const replies = [
        await push(lead(), key),
        await push(lead({ customer: { emails: [{ address: 'bo@example.com' }] } }), key),
      ]
      for (const { status, body, headers } of replies)
        expect([status, body.duplicate, headers.get('idempotency-replayed'), body.warnings]).toEqual([
          201,
          false,
          null,
          [expect.objectContaining({ code: 'idempotency-key-unusable', pointer: '' })],
        ])
      const items = (
        await batch([lead(), lead({ message: 'other' })].map((each) => ({ idempotencyKey: key, lead: each })))
      ).body.results
      expect(items.map(({ status, lead: { warnings } }: any) => [status, warnings[0].code])).toEqual([
        [201, 'idempotency-key-unusable'],
        [201, 'idempotency-key-unusable'],
      ])
    })
    expect(counted).toEqual([4, 4, 0])
  })

  describe('of the version before', () => {
    const sha = (...parts: string[]) => {
      const made = createHash('sha256')
      for (const part of parts) made.update(`${Buffer.byteLength(part)} `).update(part)
      return made.digest()
    }
    const claim = (key: string) => service.db('lead_claims').where({ kind: 'idempotency', value: key })

    it('is compared by the bytes that came with it', async () => {
      const [alone, inBatch] = [fresh(), fresh()]
      const first = await push(lead(), alone)
      await batch([{ idempotencyKey: inBatch, lead: lead() }])
      await claim(alone).update({ request_hash: sha('createLead', 'application/json', JSON.stringify(lead())) })
      await claim(inBatch).update({ request_hash: sha('createLeadBatch', 'application/json', JSON.stringify(lead())) })

      expect((await push(lead(), alone)).body).toEqual(first.body)
      expect((await raw(` ${JSON.stringify(lead())}`, alone)).status).toBe(422)
      expect((await batch([{ idempotencyKey: inBatch, lead: lead() }])).body.results[0]).toMatchObject({
        replayed: true,
      })
      expect((await batch([{ idempotencyKey: inBatch, lead: lead({ message: 'x' }) }])).body.results[0].status).toBe(
        422,
      )
    })

    it('is understood by processes of that version, which go on beside this one', async () => {
      const key = fresh()
      const { body } = await push(lead(), key)
      const { subject_id } = await claim(key).first('subject_id')
      const { id: credential_id } = await service.db('credentials').where({ subject_id }).first('id')
      const asked = async (text: string) => {
        const incoming = {
          dealerId: dealer.dealerId,
          credentialId: credential_id,
          epoch: 1,
          address: null,
          id: newId(),
          eventId: newId(),
          type: 'enquiry',
          test: false,
          externalReference: undefined,
          submittedAt: undefined,
          data: '{}',
          warnings: '[]',
          idempotency: { key, requestHash: sha('createLead', 'application/json', text) },
          original: undefined,
        } as const
        const { generation } = await service.db('signing_key_generation').first('generation')
        return (await createLeads(service.service.database.hot, String(generation), false, [incoming]))[0]
      }
      expect(await asked(JSON.stringify(lead()))).toMatchObject({
        verdict: 'created',
        replayed: true,
        lead_id: inner(body.id),
      })
      expect(await asked(JSON.stringify(lead({ message: 'other' })))).toMatchObject({ verdict: 'key-reused' })
    })
  })

  it('is free again after a request that was not stored', async () => {
    const key = fresh()
    expect((await push({ customer: {} }, key)).status).toBe(422)
    expect((await push({ customer: { phones: 'x' } }, key)).status).toBe(400)
    expect((await push(lead(), key)).status).toBe(201)
  })

  it('belongs to its API key: another one may use the same', async () => {
    const key = fresh()
    const body = lead()
    const [one, other] = [await push(body, key), await push(body, key, dealer.dms.token)]
    expect([one.status, other.status]).toEqual([201, 201])
    expect(one.body.id).not.toBe(other.body.id)
  })

  it('is forgotten after 72 hours, and then taken over', async () => {
    const key = fresh()
    const first = await push(lead({ message: 'one' }), key)
    const claim = service.db('lead_claims').where({ dealer_id: dealer.dealerId, kind: 'idempotency', value: key })
    const [{ expires_at }] = await claim.clone().select('expires_at')
    expect(expires_at - Date.parse(first.body.receivedAt)).toBe(72 * 3600 * 1000)

    await claim.clone().update({ expires_at: new Date(Date.now() - 1000) })
    const second = await push(lead({ message: 'two' }), key)
    expect(second.status).toBe(201)
    expect(second.body.id).not.toBe(first.body.id)
    expect((await push(lead({ message: 'two' }), key)).body.id).toBe(second.body.id)
  })

  it('is swept when it has expired, and only then', async () => {
    const [old, young] = [fresh(), fresh()]
    for (const key of [old, young]) await push(lead({ externalReference: { source: 'sweep', id: key } }), key)
    await service
      .db('lead_claims')
      .where({ kind: 'idempotency', value: old })
      .update({ expires_at: new Date(Date.now() - 1000) })
    expect(await sweepIdempotencyKeys(service.db, 100)).toBe(1)
    const left = await service
      .db('lead_claims')
      .whereIn('value', [old, young, JSON.stringify(['sweep', old]).replace(',', ', ')])
      .select('kind', 'value')
    expect(left).toEqual(
      expect.arrayContaining([{ kind: 'idempotency', value: young }, expect.objectContaining({ kind: 'reference' })]),
    )
    expect(left).toHaveLength(2)
  })
})

describe('an external reference', () => {
  it('is the same lead for ever, and a new key for it is remembered with that answer', async () => {
    const body = lead({ externalReference: { source: 'site', id: 'form-1' } })
    const [one, two] = [fresh(), fresh()]
    const first = await push(body, one)
    const known = await push({ ...body, message: 'Another text' }, two)
    expect([known.status, known.body]).toEqual([200, { ...first.body, duplicate: true }])
    const replayed = await push({ ...body, message: 'Another text' }, two)
    expect([replayed.status, replayed.text, replayed.headers.get('idempotency-replayed')]).toEqual([
      200,
      known.text,
      'true',
    ])
    expect((await push(body, one)).body).toEqual(first.body)
  })

  it('that names nothing, or was damaged on the way, makes no two leads one', async () => {
    for (const id of [' ', '\u200b', 'Bj\ufffdrn-1']) {
      const replies = [
        await push(lead({ externalReference: { source: 'site', id } })),
        await push(lead({ externalReference: { source: 'site', id } })),
      ]
      expect(replies.map(({ status, body }) => [status, body.duplicate, body.warnings.length])).toEqual([
        [201, false, 1],
        [201, false, 1],
      ])
    }
  })

  it('tells a write-only key nothing about the references of others, or about a person', async () => {
    const reference = { source: 'dms', id: 'secret-1' }
    const known = lead({ externalReference: reference })
    await push(known, undefined, dealer.dms.token)
    const shape = ({ status, headers, body }: Awaited<ReturnType<typeof push>>) => [
      status,
      [...headers.keys()].sort(),
      { ...body, id: '', receivedAt: '' },
    ]
    const [theirs, unknown] = [
      await push(known),
      await push(
        lead({
          externalReference: { source: 'dms', id: 'secret-2' },
          customer: { phones: [{ number: '32 12 34 57' }] },
        }),
      ),
    ]
    expect(shape(theirs)).toEqual(shape(unknown))
    expect(theirs.text.length).toBe(unknown.text.length)
  })
})

describe('a batch', () => {
  it('answers every lead at its place, and one never fails the others', async () => {
    const key = fresh()
    await push(lead({ externalReference: { source: 'batch', id: 'known' } }))
    const items = [
      { clientRef: 'good', lead: lead() },
      { clientRef: 'unreachable', lead: { customer: {} } },
      { clientRef: 'structure', lead: { customer: { phones: 'x' } } },
      { clientRef: 'warned', lead: { customer: { emails: [{ address: 'odd' }] }, colour: 'red' } },
      { clientRef: 'keyed', idempotencyKey: key, lead: lead() },
      { clientRef: 'twin', idempotencyKey: key, lead: lead() },
      { clientRef: 'reused', idempotencyKey: key, lead: lead({ message: 'other' }) },
      { clientRef: 'known', lead: lead({ externalReference: { source: 'batch', id: 'known' } }) },
      { clientRef: 'first', lead: lead({ externalReference: { source: 'batch', id: 'new' } }) },
      { clientRef: 'second', lead: lead({ externalReference: { source: 'batch', id: 'new' } }) },
      {},
      { clientRef: 7, lead: lead() },
      { clientRef: 'odd', idempotencyKey: 'x'.repeat(256), lead: lead(), nope: 1 },
      { clientRef: 'nothing', lead: null },
    ]
    let results: any[] = []
    const counted = await added(async () => {
      const reply = await batch(items)
      expect(reply.status).toBe(207)
      results = reply.body.results
    })
    expect(results.map(({ clientRef, status }) => [clientRef, status])).toEqual([
      ['good', 201],
      ['unreachable', 422],
      ['structure', 400],
      ['warned', 201],
      ['keyed', 201],
      ['twin', 201],
      ['reused', 422],
      ['known', 200],
      ['first', 201],
      ['second', 200],
      [undefined, 400],
      [undefined, 400],
      ['odd', 400],
      ['nothing', 400],
    ])
    const [, , structure, warned, keyed, twin, , , first, second, empty, , odd] = results
    expect(structure.problem).toMatchObject({
      code: 'bad-request',
      violations: [{ in: 'body', pointer: '/lead/customer/phones' }],
    })
    expect(warned.lead.warnings.map(({ code }: { code: string }) => code)).toEqual(['email-odd', 'member-unknown'])
    expect([twin.replayed, twin.lead]).toEqual([true, keyed.lead])
    expect(second.lead).toEqual({ ...first.lead, duplicate: true })
    expect(empty.problem.violations[0].pointer).toBe('/lead')
    expect(odd.problem.violations.map(({ pointer }: { pointer: string }) => pointer)).toEqual([
      '/idempotencyKey',
      '/nope',
    ])
    // good, warned, keyed, first; claims of keyed and first.
    expect(counted).toEqual([4, 4, 2])
  })

  it('fails what is no item at its place, and nothing else', async () => {
    const misfits = [null, 7, 'x', [], true, [lead()]]
    const { status, body } = await service.call('POST', '/v1/leads/batch', {
      token: dealer.website.token,
      body: {
        leads: [
          { clientRef: 'first', lead: lead() },
          ...misfits,
          { clientRef: null, idempotencyKey: null, lead: lead() },
        ],
      },
    })
    expect(status).toBe(207)
    expect(body.results.map(({ status, clientRef }: any) => [status, clientRef])).toEqual([
      [201, 'first'],
      ...misfits.map(() => [400, undefined]),
      [201, undefined],
    ])
    expect(body.results[1].problem.violations).toEqual([{ in: 'body', pointer: '', message: 'must be object' }])
  })

  it('with an Idempotency-Key may be sent again as it is: it stands for each lead without its own', async () => {
    const [whole, own] = [fresh(), fresh()]
    const items = [
      { lead: lead() },
      { lead: lead() },
      { idempotencyKey: own, lead: lead({ message: 'own' }) },
      { idempotencyKey: 'undefined', lead: lead({ message: 'nobody' }) },
    ]
    const send = (leads: object[], key: string) =>
      service.call('POST', '/v1/leads/batch', {
        token: dealer.website.token,
        body: { leads },
        headers: { 'idempotency-key': key },
      })
    const counted = await added(async () => {
      const first = (await send(items, whole)).body.results
      expect(first.map(({ status }: any) => status)).toEqual([201, 201, 201, 201])
      expect((await send(items, `"${whole}"`)).body.results).toEqual(
        first.map((result: object) => ({ ...result, replayed: true })),
      )
      // Its own key counts wherever it comes.
      expect((await push(lead({ message: 'own' }), own)).body).toEqual(first[2].lead)
      // At another place it is another lead, and the key of the place was another one's.
      const moved = (await send([items[2] as object, ...items.slice(0, 2)], whole)).body.results
      expect(moved.map(({ status, replayed }: any) => [status, replayed])).toEqual([
        [201, true],
        [201, true],
        [201, undefined],
      ])
    })
    expect(counted).toEqual([5, 5, 5])
  })

  it('cannot have an item whose own key is that of a place', async () => {
    const key = fresh()
    const send = (leads: object[], headers = {}) =>
      service.call('POST', '/v1/leads/batch', { token: dealer.website.token, body: { leads }, headers })
    const [first] = (await send([{ lead: lead() }], { 'idempotency-key': key })).body.results
    const own = (await send([{ idempotencyKey: `${key}\n0`, lead: lead() }])).body.results
    expect([own[0].status, own[0].replayed]).toEqual([201, undefined])
    expect(own[0].lead.id).not.toBe(first.lead.id)
    expect((await push(lead(), key)).body.id).not.toBe(first.lead.id)
  })

  it('of 200 leads is one commit, and may be sent again', async () => {
    const leads = Array.from({ length: 200 }, (_, at) => ({
      idempotencyKey: `${fresh()}`,
      lead: lead({ message: `Lead ${at}` }),
    }))
    const first = await batch(leads)
    const again = await batch(leads)
    expect(new Set(first.body.results.map(({ status }: { status: number }) => status))).toEqual(new Set([201]))
    expect(again.body.results).toEqual(first.body.results.map((result: object) => ({ ...result, replayed: true })))
    const stored = await service
      .db('leads')
      .whereIn(
        'id',
        first.body.results.map(({ lead: { id } }: any) => id.slice(5)),
      )
      .select('received_at', service.db.raw('xmin::text as xmin'))
    expect([stored.length, new Set(stored.map(({ xmin }) => xmin)).size]).toEqual([200, 1])
  })

  it.each([
    [{ leads: [] }],
    [{ leads: Array.from({ length: 201 }, () => ({ lead: {} })) }],
    [{}],
    [{ leads: null }],
    [null],
    [{ leads: [{ lead: {} }], more: 1 }],
  ])('is refused as a whole when it is none: %#', async (body) => {
    expect((await service.call('POST', '/v1/leads/batch', { token: dealer.website.token, body })).status).toBe(400)
  })
})

describe('an ADF document', () => {
  const push = (raw: string | Buffer, headers: Record<string, string> = {}, type = 'application/x-adf+xml') =>
    fetch(`${service.url}/v1/leads/adf`, {
      method: 'POST',
      headers: { authorization: `Bearer ${dealer.website.token}`, 'content-type': type, ...headers },
      body: new Uint8Array(Buffer.from(raw)),
    }).then(async (response) => ({
      status: response.status,
      headers: response.headers,
      body: (await response.json()) as any,
    }))
  const prospect = (more = '', attributes = '') =>
    `<prospect ${attributes}>${more}<vehicle interest="trade-in"><year>2016</year><make>Toyota</make><model>Yaris</model></vehicle><vehicle interest="buy"><year>2026</year><make>Volvo</make><model>EX30</model></vehicle><customer><contact><name part="first">Bjørn</name><phone type="cellphone">32 12 34 56</phone></contact></customer></prospect>`
  const adf = (...prospects: string[]) =>
    `<?xml version="1.0" encoding="utf-8"?><?adf version="1.0"?><adf>${prospects.join('')}</adf>`
  const read = async (id: string) => (await service.call('GET', `/v1/leads/${id}`, { token: dealer.dms.token })).body

  it('becomes a lead with its vehicles told apart by interest, and is kept byte for byte', async () => {
    const sent = Buffer.from(adf(prospect('<id source="Portal">A-1</id>')).replace('utf-8', 'windows-1252'), 'latin1')
    const { status, body, headers } = await push(sent)
    expect([status, headers.get('location')]).toEqual([201, `/v1/leads/${body.id}/receipt`])
    expect(await read(body.id)).toMatchObject({
      customer: { name: { given: 'Bjørn' }, phones: [{ number: '32 12 34 56', type: 'mobile', e164: '+4532123456' }] },
      vehiclesOfInterest: [{ make: 'Volvo', modelYear: 2026 }],
      tradeIns: [{ make: 'Toyota', modelYear: 2016 }],
      externalReference: { source: 'Portal', id: 'A-1' },
    })
    const original = await service.call('GET', `/v1/leads/${body.id}/original`, { token: dealer.dms.token })
    expect(original.body).toEqual({ mediaType: 'application/x-adf+xml', content: sent.toString('base64') })
    expect((await service.call('GET', `/v1/leads/${body.id}/original`, { token: dealer.website.token })).status).toBe(
      403,
    )
  })

  it('is believed about its encoding by Content-Type, too', async () => {
    const { body } = await push(
      Buffer.from(adf(prospect('<id>A-2</id>')).replace(' encoding="utf-8"', ''), 'latin1'),
      {},
      'text/xml; charset="ISO-8859-1"',
    )
    expect((await read(body.id)).customer.name.given).toBe('Bjørn')
  })

  it('that is sent again is the same lead, by its id or by all that it says', async () => {
    const known = await push(adf(prospect('<id source="Portal">A-3</id>')))
    expect(
      await push(adf(prospect('<id source="Portal">A-3</id><requestdate>2026-11-23</requestdate>', 'status="resend"'))),
    ).toMatchObject({ status: 200, body: { id: known.body.id, duplicate: true } })

    const dated = '<requestdate>2026-11-23T10:15:00+01:00</requestdate>'
    const first = await push(adf(prospect(dated)))
    expect(await push(adf(prospect(dated, 'status="resend"')))).toMatchObject({
      status: 201,
      body: { id: first.body.id },
    })
    const [one, two] = [await push(adf(prospect())), await push(adf(prospect()))]
    expect(one.body.id).not.toBe(two.body.id)
  })

  it.each(['0000-00-00 00:00:00', '1970-01-01T00:00:00Z', '{{date}}', 'i går'])(
    'that says the same as another is one of its own when it was made at %s, which is no time',
    async (date) => {
      const document = adf(prospect(`<requestdate>${date}</requestdate>`))
      const [one, two] = [await push(document), await push(document)]
      expect([one.status, two.status, one.body.id === two.body.id]).toEqual([201, 201, false])
    },
  )

  it('of several prospects is answered one by one, and its key holds for each', async () => {
    const document = adf(
      prospect(),
      prospect('<id source="Portal">A-1</id>'),
      '<prospect><customer><contact/></customer></prospect>',
      prospect(),
    )
    const first = await push(document, { 'idempotency-key': 'adf-key' })
    expect([first.status, first.body.results.map(({ status }: any) => status)]).toEqual([207, [201, 200, 422, 201]])
    const again = await push(document, { 'idempotency-key': 'adf-key' })
    const ids = ({ body }: typeof first) => body.results.map(({ lead }: any) => lead?.id)
    expect([ids(again), again.body.results.map(({ replayed }: any) => replayed)]).toEqual([
      ids(first),
      [true, true, undefined, true],
    ])
  })

  it.each(['', 'no xml', '<adf/>', '<!DOCTYPE adf [<!ENTITY a "b">]><adf><prospect/></adf>', `<a>`.repeat(5000)])(
    'is refused when it cannot be read, and nothing is stored: %#',
    async (raw) => {
      const counted = await added(async () => {
        const { status, body } = await push(raw)
        expect([status, body.code]).toEqual([400, 'bad-request'])
      })
      expect(counted).toEqual([0, 0, 0])
    },
  )
})

describe('the queue', () => {
  const keyring = { has: () => true, generation: () => '1', reload: async () => undefined } as unknown as Keyring
  const principal = {
    dealerId: 'd',
    subject: { type: 'api_key', id: 'k' },
    credentialId: 'c',
    epoch: 1,
    scopes: new Set<string>(),
    needed: [],
    mustBeFresh: false,
    expiresAt: new Date(),
    kid: 'k',
    address: null,
  } as const
  const waiting = () => ({
    lead: newLead(
      { customer: { phones: [{ number: '32 12 34 56' }] } },
      { country: 'DK', timeZone: 'Europe/Copenhagen' },
    ),
  })
  /** An intake whose database answers what `query` does; the size of each group is noted. */
  const open = (query: (rows: number, name: string) => Promise<unknown>) => {
    const groups: number[] = []
    const hot = {
      query: ({ name, values }: { name: string; values: unknown[][] }) => {
        if (name === 'create-leads') groups.push(values[2]?.length ?? 0)
        return query(groups.at(-1) ?? 0, name)
      },
    }
    const intake = openIntake(
      service.db,
      hot as never,
      keyring,
      () => Promise.reject(new Error('not asked')),
      () => undefined,
    )
    return { intake, groups }
  }
  const verdicts = (rows: number) => ({
    rows: Array.from({ length: rows }, () => ({
      verdict: 'created',
      replayed: false,
      lead_id: '',
      received: new Date(),
      lead_warnings: [],
    })),
  })
  const outcomes = async (all: Promise<unknown>[]) =>
    Object.fromEntries(
      Object.entries(
        Object.groupBy(await Promise.allSettled(all), (each) =>
          each.status === 'rejected' ? each.reason.code : 'stored',
        ),
      ).map(([what, some]) => [what, some?.length]),
    )

  it('takes 5,000 leads, sends 250 at a time, and asks others to come again', async () => {
    const release: (() => void)[] = []
    const { intake, groups } = open((rows) => new Promise((resolve) => release.push(() => resolve(verdicts(rows)))))
    const told = outcomes(Array.from({ length: 5_200 }, () => intake.store(principal, waiting())))
    for (let count = 1; count <= 20; count++) {
      await until(() => groups.length === count)
      release.shift()?.()
    }
    expect([await told, groups]).toEqual([{ stored: 5_000, unavailable: 200 }, Array(20).fill(250)])
    const later = intake.store(principal, waiting())
    await until(() => release.length === 1)
    release[0]?.()
    expect(await later).toMatchObject({ verdict: 'created' })
  })

  it('sends many leads of other dealers beside a group that is under way, and never two groups of one dealer', async () => {
    const release: (() => void)[] = []
    const { intake, groups } = open((rows) => new Promise((resolve) => release.push(() => resolve(verdicts(rows)))))
    const all: Promise<unknown>[] = []
    const push = async (dealerId: string, count: number) => {
      for (let each = 0; each < count; each++) all.push(intake.store({ ...principal, dealerId }, waiting()))
      for (let turns = 0; turns < 5; turns++) await nextTurn()
    }
    const releaseOne = async () => {
      release.shift()?.()
      for (let turns = 0; turns < 5; turns++) await nextTurn()
      return groups
    }
    await push('one', 1)
    await push('one', 150)
    await push('two', 99)
    expect(groups).toEqual([1])
    await push('three', 200)
    expect(groups).toEqual([1, 250])
    expect(await releaseOne()).toEqual([1, 250, 150])
    expect(await releaseOne()).toEqual([1, 250, 150])
    expect(await releaseOne()).toEqual([1, 250, 150, 49])
    await releaseOne()
    expect(await outcomes(all)).toEqual({ stored: 450 })
  })

  it('holds a dealer until it is free and no longer, however many of its leads keep coming', async () => {
    let isHeld = true
    let looks = 0
    const { intake } = open(async (rows, name) => {
      for (let turns = 0; turns < 3; turns++) await nextTurn()
      if (name === 'free-dealers') return { rows: looks++ < 3 ? [] : [{ dealer_id: 'd' }] }
      if (looks >= 3) isHeld = false
      if (isHeld) throw Object.assign(new Error('canceling statement due to lock timeout'), { code: '55P03' })
      return verdicts(rows)
    })
    const all: Promise<unknown>[] = []
    const push = async () => {
      all.push(intake.store(principal, waiting()))
      await nextTurn()
    }
    while (isHeld) await push()
    const looked = looks
    // One arrives in each turn of the event loop, and a group takes some turns: there is always one waiting.
    for (let count = 0; count < 300; count++) await push()
    expect(await outcomes(all)).toEqual({ stored: all.length })
    // One more when it was free, and none since.
    expect(looks - looked).toBeLessThanOrEqual(1)
  })

  it('goes on with others while a group is tried again', async () => {
    let isBusy = true
    const { intake, groups } = open((rows) =>
      isBusy && rows === 1
        ? Promise.reject(Object.assign(new Error('busy'), { code: '40P01' }))
        : Promise.resolve(verdicts(rows)),
    )
    const alone = intake.store(principal, waiting())
    await until(() => groups.length > 0)
    expect(await outcomes([intake.store(principal, waiting()), intake.store(principal, waiting())])).toEqual({
      stored: 2,
    })
    isBusy = false
    expect(await outcomes([alone])).toEqual({ stored: 1 })
  })

  it('takes 64 MB, and has room again when they are stored', async () => {
    const { intake } = open(async (rows) => verdicts(rows))
    const large = { ...waiting(), original: { mediaType: '', content: Buffer.alloc(200_000) } }
    const all = await outcomes(Array.from({ length: 400 }, () => intake.store(principal, large)))
    expect(all).toEqual({
      stored: expect.toSatisfy((stored: number) => stored > 330 && stored < 336),
      unavailable: expect.any(Number),
    })
    expect(await outcomes([intake.store(principal, large)])).toEqual({ stored: 1 })
  })

  it('gives up after some tries while the database is away', async () => {
    const { intake, groups } = open(() => Promise.reject(Object.assign(new Error('away'), { code: 'ECONNREFUSED' })))
    expect(await outcomes([intake.store(principal, waiting()), intake.store(principal, waiting())])).toEqual({
      unavailable: 2,
    })
    expect(groups).toEqual([2, 2, 2, 2, 2])
  })
})

it('numbers the events of all that was stored densely', async () => {
  const numbers: string[] = await service.db('events').where({ dealer_id: dealer.dealerId }).orderBy('seq').pluck('seq')
  expect(numbers.map(Number)).toEqual(numbers.map((_, at) => at + 1))
  expect(numbers).toHaveLength(await rows('leads'))
})
