import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startService, type TestService } from './service.ts'

// What real senders send, one of each kind, and what is right. Other instances of a kind have their tests where they
// are read.

let service: TestService
let dealer: Awaited<ReturnType<TestService['dealer']>>
beforeAll(async () => {
  service = await startService()
  dealer = await service.dealer('cases')
})
afterAll(() => service.close())

type Sent = object | string | Buffer

/** An object is sent as JSON, bytes are JSON as they are, a text is ADF. */
async function push(sent: Sent, path = typeof sent === 'string' ? '/adf' : '', headers: Record<string, string> = {}) {
  const bytes = Buffer.isBuffer(sent) ? sent : Buffer.from(typeof sent === 'string' ? sent : JSON.stringify(sent))
  const response = await fetch(`${service.url}/v1/leads${path}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${dealer.dms.token}`,
      'content-type': typeof sent === 'string' ? 'application/x-adf+xml' : 'application/json; charset=utf-8',
      ...headers,
    },
    body: new Uint8Array(bytes),
  })
  return { status: response.status, body: (await response.json()) as any, bytes }
}

const read = async (id: string) => (await service.call('GET', `/v1/leads/${id}`, { token: dealer.dms.token })).body
const originalOf = async (id: string) => {
  const { body } = await service.call('GET', `/v1/leads/${id}/original`, { token: dealer.dms.token })
  return Buffer.from(body.content ?? '', 'base64')
}
/** The lead that was made of it. */
const stored = async (sent: Sent) => {
  const { status, body } = await push(sent)
  expect(status).toBe(201)
  return read(body.id)
}

const anna = { customer: { emails: [{ address: 'anna@customer.example' }] } }
const contact = '<contact><name part="full">Anna Jensen</name><email>anna@customer.example</email></contact>'
const adf = (inside: string) => `<?xml version="1.0" encoding="UTF-8"?><adf><prospect>${inside}</prospect></adf>`
const asked = (inside: string, attributes = '') =>
  adf(
    `<vehicle ${attributes}><make>Skoda</make><model>Superb</model>${inside}</vehicle><customer>${contact}</customer>`,
  )
const codes = ({ warnings }: { warnings: { code: string }[] }) => warnings.map(({ code }) => code)

describe('a reference that no system made tells nobody apart', () => {
  const json = (name: string, id: string) => ({
    customer: { name: { full: name }, emails: [{ address: `${name}@customer.example` }] },
    externalReference: { source: 'contact form', id },
  })
  const tag = ['{{', 'contact.id', '}}'].join('')
  it.each<[string, (name: string) => Sent]>([
    ['01 the text of a variable that was never set', (name) => json(name, 'undefined')],
    [
      '02 a tag of a template that was not filled',
      (name) =>
        adf(
          `<id source="contact form">${tag}</id><customer><contact><name>${name}</name><phone>32 12 34 56</phone></contact></customer>`,
        ),
    ],
    ['03 a UUID of zeros', (name) => json(name, '00000000-0000-0000-0000-000000000000')],
  ])('%s', async (_kind, sent) => {
    const [first, second] = [await push(sent('anna')), await push(sent('bo'))]
    expect([first.status, second.status, first.body.id === second.body.id]).toEqual([201, 201, false])
    for (const { body } of [first, second]) {
      const lead = await read(body.id)
      expect(lead.externalReference).toBeUndefined()
      expect(lead.warnings.length).toBeGreaterThan(0)
    }
  })
})

describe('what was sent is not destroyed', () => {
  it('04 a document still in the transfer encoding of mail', async () => {
    const lead = await stored(
      '<?xml version=3D"1.0"?>\r\n<adf><prospect><id source=3D"Portal">17</id><customer><contact>=\r\n<name part=3D"full">Bj=C3=B8rn =C3=85kj=C3=A6r</name><email>bjorn@customer=\r\n.example</email></contact></customer></prospect></adf>',
    )
    expect(lead).toMatchObject({
      customer: { name: { full: 'Bjørn Åkjær' }, emails: [{ address: 'bjorn@customer.example' }] },
      externalReference: { source: 'Portal', id: '17' },
    })
  })

  it('06 bytes that are not the UTF-8 that they are said to be', async () => {
    const sent = { ...anna, message: 'Må jeg få en prøvetur på lørdag?' }
    const bytes = Buffer.from(JSON.stringify(sent), 'latin1')
    const { status, body } = await push(bytes)
    expect(status).toBe(201)
    expect(body.warnings).toHaveLength(1)
    expect((await read(body.id)).message).toBe(sent.message)
    expect(await originalOf(body.id)).toEqual(bytes)
  })

  it('24 a number that is too long for a double', async () => {
    const { status, body } = await push(
      Buffer.from(JSON.stringify(anna).replace(/}$/, ',"formId":7234567890123456789}')),
    )
    expect(status).toBe(201)
    expect((await read(body.id)).extra).toEqual({ '/formId': '7234567890123456789' })
  })
})

describe('nothing is refused for what it says', () => {
  it('05 a declaration of a document type that declares nothing', async () => {
    const document = adf(`<customer>${contact}</customer>`)
    for (const type of ['<!DOCTYPE adf>', '<!DOCTYPE adf SYSTEM "adf_1_0.dtd">'])
      expect((await stored(document.replace('?>', `?>${type}`))).customer.name.full).toBe('Anna Jensen')
  })

  it('07 a message that is longer than a lead has room for', async () => {
    const sent = { ...anna, message: 'Er den ledig? '.repeat(400) }
    const { status, body, bytes } = await push(sent)
    expect(status).toBe(201)
    const { message, warnings } = await read(body.id)
    expect(message.length).toBeGreaterThan(3_900)
    expect(sent.message.startsWith(message)).toBe(true)
    expect(warnings).toMatchObject([{ pointer: '/message' }])
    expect(await originalOf(body.id)).toEqual(bytes)
  })

  it('08 null for a field that was left blank', async () => {
    const lead = await stored({
      customer: { name: { given: 'Anna', family: null }, emails: anna.customer.emails, phones: null, address: null },
      message: null,
      tradeIns: [null],
    })
    expect(lead).toMatchObject({ customer: { name: { given: 'Anna' }, phones: [] }, tradeIns: [], warnings: [] })
    expect(lead.message).toBeUndefined()
  })

  it('21 one entry of a batch that is no object', async () => {
    const { status, body } = await push({ leads: [{ lead: anna }, null, 'x', { lead: anna }] }, '/batch')
    expect([status, body.results.map((result: any) => result.status)]).toEqual([207, [201, 400, 400, 201]])
  })
})

describe('nothing false is stated', () => {
  it('09 a number of the country that the address says', async () => {
    const customer = { name: { full: 'Anna' }, phones: [{ number: '40 61 23 45' }] }
    await stored({ customer })
    const lead = await stored({ customer: { ...customer, address: { city: 'Bergen', countryCode: 'NO' } } })
    expect(lead.customer.phones[0].e164).toBe('+4740612345')
    expect(lead.duplicateOf).toBeUndefined()
  })

  it('10 the same in a document', async () => {
    const lead = await stored(
      adf(
        '<customer><contact><name>Anna</name><phone>070-174 06 42</phone><address><city>Lund</city><country>SE</country></address></contact></customer>',
      ),
    )
    expect(lead.customer.phones).toMatchObject([{ number: '070-174 06 42', e164: '+46701740642', verdict: 'valid' }])
  })

  it.each([
    [
      '11 a price with a word of size',
      '<price currency="DKK">189k</price>',
      'price',
      { amount: '189000', currency: 'DKK' },
    ],
    [
      '12 an odometer with a word of size',
      '<odometer units="km">85k</odometer>',
      'odometer',
      { value: 85_000, unit: 'km' },
    ],
    ['13 a unit in the singular', '<odometer unit="mile">9000</odometer>', 'odometer', { value: 9_000, unit: 'mi' }],
  ])('%s', async (_kind, said, name, right) => {
    const { vehiclesOfInterest } = await stored(asked(said))
    expect(vehiclesOfInterest[0][name]).toEqual(right)
  })

  it('14 an odometer in a unit of another country', async () => {
    const { tradeIns, warnings } = await stored({
      ...anna,
      tradeIns: [{ vin: 'V1', odometer: { value: 900, unit: 'mil' } }],
    })
    expect([{ value: 9_000, unit: 'km' }, { value: 900 }, undefined]).toContainEqual(tradeIns[0].odometer)
    expect(warnings.length).toBeGreaterThan(0)
  })

  it('17 the contact that the document says is the one', async () => {
    const other = contact.replaceAll('Anna', 'Bo').replaceAll('anna', 'bo')
    const { customer } = await stored(
      adf(`<customer>${other}${contact.replace('<contact', '<contact primarycontact="1"')}</customer>`),
    )
    expect([customer.name.full, customer.emails[0].address]).toEqual(['Anna Jensen', 'anna@customer.example'])
  })

  it('18 a condition that nobody said', async () => {
    const { vehiclesOfInterest } = await stored(asked('<year>2011</year><odometer units="km">180000</odometer>'))
    expect(['used', undefined]).toContain(vehiclesOfInterest[0].condition)
  })

  it('19 a zone that is said in letters', async () => {
    const { submittedAt } = await stored(
      adf(`<requestdate>2026-11-23T10:15:00 PST</requestdate><customer>${contact}</customer>`),
    )
    expect(['2026-11-23T18:15:00.000Z', undefined]).toContain(submittedAt)
  })

  it('22 an e-mail address with a character that nobody sees', async () => {
    const { customer } = await stored({ customer: { emails: [{ address: 'anna@customer\u200b.example' }] } })
    expect(customer.emails[0]).not.toMatchObject({ address: expect.stringContaining('\u200b'), verdict: 'plausible' })
  })

  it('26 money that is none', async () => {
    const { tradeIns, warnings } = await stored({
      ...anna,
      tradeIns: [{ vin: 'V1', wantedPrice: { amount: 'omkring 45.000', currency: 'kroner' } }],
    })
    expect([{ amount: '45000', currency: 'DKK' }, undefined]).toContainEqual(tradeIns[0].wantedPrice)
    expect(warnings.length).toBeGreaterThan(0)
  })
})

describe('what every person would find is found', () => {
  it('25 markup that a form has put into a text', async () => {
    const { message } = await stored(
      adf(`<customer>${contact}<comments><![CDATA[Hej<br>Må jeg prøve den?<br/>Hilsen Anna]]></comments></customer>`),
    )
    expect(message).toBe('Hej\nMå jeg prøve den?\nHilsen Anna')
  })

  it('27 the second of two prices of a trade-in', async () => {
    const { tradeIns } = await stored(
      asked(
        '<price type="appraisal" currency="DKK">40000</price><price type="asking" currency="DKK">48000</price>',
        'interest="trade-in"',
      ),
    )
    expect(tradeIns[0]).toMatchObject({
      price: { amount: '40000', currency: 'DKK' },
      wantedPrice: { amount: '48000', currency: 'DKK' },
    })
  })

  it('28 a country in words', async () => {
    const { customer } = await stored(
      adf(
        '<customer><contact><name>Anna</name><email>anna@customer.example</email><address><city>Lund</city><country>Sverige</country></address></contact></customer>',
      ),
    )
    expect(customer.address).toEqual({ city: 'Lund', countryCode: 'SE' })
  })

  it('29 a trade-in by another of its names', async () => {
    const { tradeIns, vehiclesOfInterest } = await stored(asked('', 'interest="Trade"'))
    expect([tradeIns, vehiclesOfInterest]).toMatchObject([[{ make: 'Skoda', model: 'Superb' }], []])
  })

  it('30 words that say nothing', async () => {
    const { customer, message } = await stored(
      adf(
        '<customer><contact><name>Anna</name><email>null</email><phone>None</phone><phone>32 12 34 56</phone><address><street>NULL</street><city>Odense</city></address></contact><comments>None</comments></customer>',
      ),
    )
    expect([customer.emails, customer.phones.length, customer.address, message]).toEqual([
      [],
      1,
      { city: 'Odense' },
      undefined,
    ])
  })

  it('31 a provider that stands one level off', async () => {
    const { attribution } = await stored(
      `<adf><prospect><customer>${contact}</customer></prospect><provider><name>Markedspladsen</name></provider></adf>`,
    )
    expect(attribution).toEqual({ source: 'Markedspladsen' })
  })

  it('32 a stock number by its whole name', async () => {
    const { vehiclesOfInterest } = await stored(asked('<stocknumber>B-77</stocknumber>'))
    expect(vehiclesOfInterest[0].stockNumber).toBe('B-77')
  })
})

describe('what is sent again, and what is asked', () => {
  it('15 a leap second is a time, or none', async () => {
    for (const time of ['2026-12-31T23:59:60Z', '2016-12-31T23:59:60Z', '2026-06-30T23:59:60+02:00'])
      expect([200, 400]).toContain(
        (await service.call('GET', `/v1/leads?updatedSince=${encodeURIComponent(time)}`, { token: dealer.dms.token }))
          .status,
      )
  })

  it('16 a plus that became a blank in a query is a plus', async () => {
    const { status } = await service.call('GET', '/v1/leads?updatedSince=2026-11-23T10:15:00+01:00', {
      token: dealer.dms.token,
    })
    expect(status).toBe(200)
  })

  it('20 a batch with a key in its header is stored once', async () => {
    const headers = { 'idempotency-key': 'night-2026-11-23' }
    const twice = [1, 2].map(() => push({ leads: [{ lead: anna }, { lead: anna }] }, '/batch', headers))
    const [first, again] = (await Promise.all(twice)).map(({ body }) =>
      body.results.map(({ status, lead }: any) => [status, lead.id]),
    )
    expect(new Set(first).size).toBe(2)
    expect(again).toEqual(first)
  })

  it('23 a cursor that was never given out is told so', async () => {
    const { token } = dealer.dms
    const asked = [
      await service.call('GET', '/v1/events?cursor=424242', { token }),
      await service.call('GET', '/v1/events/stream', { token, headers: { 'last-event-id': '424242' } }),
    ]
    for (const { status, body } of asked) expect([status, body.code]).toEqual([410, 'feed-restarted'])
  })
})

it('takes no more for a unit, a country or a name than was said', async () => {
  const odometer = async (units: string, said: string) =>
    (await stored(asked(`<odometer units="${units}">${said}</odometer>`))).vehiclesOfInterest[0].odometer
  expect([await odometer('mil', '61 000 km'), await odometer('km', '85 tkm')]).toEqual([
    undefined,
    { value: 85_000, unit: 'km' },
  ])
  for (const countryCode of ['  på ', 'a\uffff', 'å'])
    expect((await stored({ customer: { ...anna.customer, address: { countryCode } } })).customer.address).toEqual({})
})

it('tells of a twin in a member whose name cannot be stored', async () => {
  const { status, body } = await push(
    Buffer.from(JSON.stringify({ ...anna, 'x\0': 1 }).replace(/1}$/, '{"twin":1,"twin":2}}')),
  )
  expect([status, codes(body)]).toEqual([201, expect.arrayContaining(['member-repeated'])])
})

it('has nothing to warn about where all is plain', async () => {
  expect(codes(await stored(anna))).toEqual([])
  expect(codes(await stored(asked('', 'interest="buy" status="used"')))).toEqual([])
})
