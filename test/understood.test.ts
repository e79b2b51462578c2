import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startService, type TestService } from './service.ts'

// What real senders send, over HTTP, by both ways in. The tables of the rules are in the tests of each.

let service: TestService
let dealer: Awaited<ReturnType<TestService['dealer']>>
beforeAll(async () => {
  service = await startService()
  dealer = await service.dealer('understood')
})
afterAll(() => service.close())

async function post(path: string, type: string, body: string) {
  const response = await fetch(`${service.url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${dealer.website.token}`, 'content-type': type },
    body,
  })
  return { status: response.status, body: (await response.json()) as any }
}
const push = (lead: object) => post('/v1/leads', 'application/json', JSON.stringify(lead))
const pushAdf = (prospect: string) =>
  post('/v1/leads/adf', 'application/x-adf+xml', `<?xml version="1.0"?><adf><prospect>${prospect}</prospect></adf>`)
const read = async (id: string) => (await service.call('GET', `/v1/leads/${id}`, { token: dealer.dms.token })).body
const codes = ({ warnings }: { warnings: { code: string; pointer: string }[] }) => warnings.map(({ code }) => code)

async function pushed(sent: Promise<{ status: number; body: any }>) {
  const { status, body } = await sent
  expect(status).toBe(201)
  return read(body.id)
}

let people = 0
/** Somebody else each time. */
const person = () => ({ emails: [{ address: `person-${++people}@customer.example` }] })
const contact = (more = '') =>
  `<customer><contact><email>person-${++people}@customer.example</email>${more}</contact></customer>`

describe('a reference that no system made', () => {
  it.each([
    'undefined',
    '00000000-0000-0000-0000-000000000000',
    '[object Object]',
    '%%lead_id%%',
    'form-null',
    'string',
  ])('makes nobody a duplicate: %s', async (id) => {
    const send = () => push({ customer: person(), externalReference: { source: 'web form', id } })
    const [first, second] = [await send(), await send()]
    expect([first.status, second.status]).toEqual([201, 201])
    expect(second.body.id).not.toBe(first.body.id)
    expect(codes(second.body)).toEqual(['external-reference-unset'])
    const lead = await read(second.body.id)
    expect(lead.externalReference).toBeUndefined()
    expect(lead.extra).toEqual({ '/externalReference': { source: 'web form', id } })
  })

  it.each(['{{lead.id}}', 'null', '0000', 'web:undefined'])('makes nobody a duplicate by ADF: %s', async (id) => {
    const send = () => pushAdf(`<id sequence="1" source="Portal">${id}</id>${contact()}`)
    const [first, second] = [await send(), await send()]
    expect([first.status, second.status]).toEqual([201, 201])
    expect(second.body.id).not.toBe(first.body.id)
    expect((await read(second.body.id)).externalReference).toBeUndefined()
  })

  it('is unusable when lists are compared', async () => {
    const unusable = [{ source: 'website', id: '{{id}}' }]
    await push({ customer: person(), externalReference: { source: 'website', id: 'lead-1' } })
    const { body } = await service.call('POST', '/v1/leads/reconciliation', {
      token: dealer.website.token,
      body: { references: [...unusable, { source: 'website', id: 'lead-1 ' }, { source: 'website', id: 'lead-2' }] },
    })
    expect(body).toEqual({ received: 1, missing: [{ source: 'website', id: 'lead-2' }], unusable })
  })

  it('is told from one that a system made, with blanks around it or without', async () => {
    const externalReference = { source: 'website', id: 'A-1' }
    const first = await push({ customer: person(), externalReference })
    const second = await push({ customer: person(), externalReference: { source: 'website', id: ' A-1\u200b' } })
    expect([first.status, second.status, second.body.id]).toEqual([201, 200, first.body.id])
  })
})

describe('a phone number', () => {
  it("is read in the country of the customer's address, so that nobody is taken for a stranger", async () => {
    await push({ customer: { phones: [{ number: '+45 40 61 23 45' }] } })
    const lead = await pushed(
      push({
        customer: {
          phones: [{ number: '406 12 345' }],
          address: { city: 'Oslo', postalCode: '0150', countryCode: 'NO' },
        },
      }),
    )
    expect(lead.customer.phones).toMatchObject([{ number: '406 12 345', e164: '+4740612345', verdict: 'valid' }])
    expect(lead.duplicateOf).toBeUndefined()
  })

  it.each(['country', 'countryCode'])("is read where a member beside the contract's says: %s", async (name) => {
    const phones = [{ number: '406 12 345' }]
    for (const customer of [
      { phones, [name]: 'Norge' },
      { phones, address: { city: 'Oslo', [name]: 'NO' } },
    ]) {
      const lead = await pushed(push({ customer }))
      expect(lead.customer.phones).toMatchObject([{ e164: '+4740612345', verdict: 'valid' }])
    }
  })

  it.each([
    ['in another country than the customer', { phones: [{ number: '20 12 34 99' }], address: { countryCode: 'DE' } }],
    ['that everybody writes', { phones: [{ number: '99999999' }] }],
  ])('%s makes nobody the same person', async (_what, customer) => {
    await push({ customer: { phones: [{ number: '+45 20 12 34 99' }] } })
    await push({ customer })
    const lead = await pushed(push({ customer }))
    expect(lead.customer.phones[0].verdict).toBe('possible')
    expect(lead.duplicateOf).toBeUndefined()
  })

  it('of an ADF document is, too', async () => {
    const address = '<phone>070-174 06 05</phone><address><city>Malmö</city><country>SE</country></address>'
    const { customer } = await pushed(pushAdf(contact(address)))
    expect(customer.phones).toMatchObject([{ e164: '+46701740605', verdict: 'valid' }])
  })
})

describe('an odometer', () => {
  it('in Swedish mil is ten times as far in kilometres', async () => {
    const odometer = { value: 1500, unit: 'mil' }
    const lead = await pushed(push({ customer: person(), tradeIns: [{ make: 'Volvo', model: 'V60', odometer }] }))
    expect(lead.tradeIns[0].odometer).toEqual({ value: 15_000, unit: 'km' })
    expect(lead.extra).toEqual({ '/tradeIns/0/odometer': odometer })
  })
})

describe('a time', () => {
  it('has the zone that was said', async () => {
    const { submittedAt } = await pushed(push({ customer: person(), submittedAt: '2026-11-29T10:00:00 EST' }))
    expect(submittedAt).toBe('2026-11-29T15:00:00.000Z')
  })

  it('of an appointment in a zone that is not known is not stated, unless it has its offset', async () => {
    const requestedSlots = [{ start: '2026-11-29T10:00' }, { start: '2026-11-29T11:00+01:00' }]
    const appointment = { timeZone: 'Eastern Standard Time', requestedSlots }
    const lead = await pushed(push({ customer: person(), appointment }))
    expect(lead.appointment.requestedSlots).toEqual([{ start: '2026-11-29T11:00:00.000+01:00' }])
    expect(lead.extra).toEqual({ '/appointment/requestedSlots/0/start': '2026-11-29T10:00' })
    expect(codes(lead)).toEqual(['date-not-understood'])
  })

  it('with a zone that is none is not stated', async () => {
    const said = '2026-11-29T10:00:00 Middle Earth Time'
    const lead = await pushed(push({ customer: person(), submittedAt: said }))
    expect(lead.submittedAt).toBeUndefined()
    expect(lead.extra).toEqual({ '/submittedAt': said })
    expect(codes(lead)).toEqual(['date-not-understood'])
  })
})

describe('an e-mail address', () => {
  it('is compared and written to without what nobody sees', async () => {
    const first = await push({ customer: { emails: [{ address: 'ida.holm@example.com' }] } })
    const sent = { customer: { emails: [{ address: 'ida.holm@example.com\u200b' }] } }
    const lead = await pushed(push(sent))
    expect(lead.customer.emails).toEqual([{ address: 'ida.holm@example.com', verdict: 'plausible' }])
    expect(lead.duplicateOf).toBe(first.body.id)
    expect(lead.extra).toEqual({ '/customer/emails/0/address': 'ida.holm@example.com\u200b' })
    expect(codes(lead)).toEqual(['invisible-removed'])
    const original = await service.call('GET', `/v1/leads/${lead.id}/original`, { token: dealer.dms.token })
    expect(Buffer.from(original.body.content, 'base64').toString()).toBe(JSON.stringify(sent))
  })
})

it('makes nobody the same person by an e-mail address that nobody has', async () => {
  const customer = { emails: [{ address: 'noreply@customer.example' }] }
  await push({ customer })
  expect((await pushed(push({ customer }))).duplicateOf).toBeUndefined()
})

describe('a text with HTML', () => {
  const html = 'Hej<br />Er den ledig?<br />Hilsen S&oslash;ren'
  const seen = 'Hej\nEr den ledig?\nHilsen Søren'

  it('is stored as it reads, by both ways', async () => {
    const customer = { ...person(), name: { full: 'S&oslash;ren Holm' } }
    const lead = await pushed(push({ customer, message: html, tradeIns: [{ vin: 'X', comments: html }] }))
    expect([lead.message, lead.tradeIns[0].comments, lead.customer.name.full]).toEqual([seen, seen, 'Søren Holm'])
    expect(codes(lead)).toEqual(['markup-removed', 'markup-removed', 'markup-removed'])
    const adf = await pushed(
      pushAdf(contact(`<name>Ida</name>`).replace('</contact>', `</contact><comments><![CDATA[${html}]]></comments>`)),
    )
    expect(adf.message).toBe(seen)
  })

  it('stays as it is in a consent, which has to be proven', async () => {
    const lead = await pushed(push({ customer: person(), consents: [{ state: 'granted', text: html }] }))
    expect(lead.consents[0].text).toBe(html)
  })
})

describe('money', () => {
  it('is a decimal number with an ISO code, whatever people write', async () => {
    const wantedPrice = { amount: 'ca. 65.000', currency: 'kroner' }
    const lead = await pushed(push({ customer: person(), tradeIns: [{ make: 'Volvo', model: 'V60', wantedPrice }] }))
    expect(lead.tradeIns[0].wantedPrice).toEqual({ amount: '65000', currency: 'DKK' })
    expect(lead.extra).toEqual({
      '/tradeIns/0/wantedPrice/amount': 'ca. 65.000',
      '/tradeIns/0/wantedPrice/currency': 'kroner',
    })
    expect(codes(lead)).toEqual(['converted', 'converted'])
  })
})

describe('a country', () => {
  it('has its ISO code by both ways, or none', async () => {
    const address = { city: 'Odense', countryCode: 'Danmark' }
    const lead = await pushed(push({ customer: { ...person(), address } }))
    expect(lead.customer.address).toEqual({ city: 'Odense', countryCode: 'DK' })
    expect(codes(lead)).toEqual(['converted'])
    const adf = await pushed(pushAdf(contact('<address><city>Odense</city><country>Danmark</country></address>')))
    expect(adf.customer.address.countryCode).toBe('DK')
    const unknown = await pushed(push({ customer: { ...person(), address: { ...address, countryCode: 'Ruritania' } } }))
    expect(unknown.customer.address).toEqual({ city: 'Odense' })
    expect(unknown.extra).toEqual({ '/customer/address/countryCode': 'Ruritania' })
    expect(codes(unknown)).toEqual(['word-unknown'])
  })
})

describe('a word for nothing', () => {
  it('is no value, and is kept', async () => {
    const lead = await pushed(
      push({
        message: 'null',
        customer: {
          name: { given: 'Ida', family: 'undefined' },
          emails: [{ address: 'None' }],
          phones: [{ number: 'null' }, { number: '20 12 34 56' }],
          address: { lines: ['null'], postalCode: '5000', city: 'N/A' },
        },
        attribution: { source: '{{utm_source}}' },
      }),
    )
    expect(lead.message).toBeUndefined()
    expect(lead.customer).toMatchObject({ name: { given: 'Ida' }, emails: [], address: { postalCode: '5000' } })
    expect(lead.customer.phones.map(({ number }: any) => number)).toEqual(['20 12 34 56'])
    expect(lead.customer.address.city).toBeUndefined()
    expect(lead.extra).toEqual({
      '/message': 'null',
      '/customer/name/family': 'undefined',
      '/customer/emails/0/address': 'None',
      '/customer/phones/0/number': 'null',
      '/customer/address/lines/0': 'null',
      '/customer/address/city': 'N/A',
      '/attribution/source': '{{utm_source}}',
    })
    expect(lead.warnings).toEqual([])
  })

  it('is no way to reach a customer', async () => {
    const { status, body } = await push({
      customer: { emails: [{ address: 'null' }], phones: [{ number: '{{phone}}' }] },
    })
    expect([status, body.code]).toEqual([422, 'lead-unreachable'])
  })

  it.each([
    [
      { given: 'Anna', family: 'Null' },
      { given: 'Anna', family: 'Null' },
    ],
    [{ given: 'Anna', family: 'null' }, { given: 'Anna' }],
    [{ full: 'Anna undefined' }, { full: 'Anna' }],
    [{ given: 'Unknown', family: 'Null' }, {}],
    [{ full: 'null null' }, {}],
    [
      { given: 'Nan', family: 'Na' },
      { given: 'Nan', family: 'Na' },
    ],
    [{ full: 'Ikke oplyst' }, {}],
    [{ given: 'Anna', family: 'Not provided' }, { given: 'Anna' }],
    [{ full: '[object Object]' }, {}],
  ])('is no name, but a name may sound like one: %j', async (sent, name) => {
    expect((await pushed(push({ customer: { ...person(), name: sent } }))).customer.name).toEqual(name)
  })
})
