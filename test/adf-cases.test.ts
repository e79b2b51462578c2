import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startService, type TestService } from './service.ts'

let service: TestService
let dealer: Awaited<ReturnType<TestService['dealer']>>

beforeAll(async () => {
  service = await startService()
  dealer = await service.dealer('ours')
})
afterAll(() => service.close())

const push = (raw: string) =>
  service.call('POST', '/v1/leads/adf', {
    token: dealer.dms.token,
    raw,
    headers: { 'content-type': 'application/x-adf+xml' },
  })
const lead = async (raw: string) => {
  const { status, body } = await push(raw)
  expect([status, body]).toEqual([201, expect.objectContaining({ duplicate: false })])
  return (await service.call('GET', `/v1/leads/${body.id}`, { token: dealer.dms.token })).body
}
const ida = '<name part="full">Ida Holm</name><email>ida.holm@example.com</email>'
const adf = (inner: string, person = ida) =>
  `<?xml version="1.0" encoding="UTF-8"?><?adf version="1.0"?><adf><prospect>${inner}<customer><contact>${person}</contact></customer></prospect></adf>`
const volvo = (inner: string, attributes = 'status="used"') =>
  adf(`<vehicle ${attributes}><make>Volvo</make><model>V60</model>${inner}</vehicle>`)
const codes = ({ warnings }: { warnings: { code: string }[] }) => warnings.map(({ code }) => code)

describe('what real senders send', () => {
  it.each(['{{lead.id}}', '%%lead_id%%', '[object Object]', 'undefined', '00000000-0000-0000-0000-000000000000'])(
    'makes two leads of two people when the id is %s',
    async (id) => {
      const one = await push(adf(`<id source="portal.example">${id}</id>`))
      const other = await push(
        adf(`<id source="portal.example">${id}</id>`, '<name>Bo Lund</name><email>bo.lund@example.com</email>'),
      )
      expect([one.status, other.status]).toEqual([201, 201])
      expect(codes(other.body)).not.toEqual([])
      const { body } = await service.call('GET', `/v1/leads/${other.body.id}`, { token: dealer.dms.token })
      expect([body.externalReference, JSON.stringify(body.extra)]).toEqual([undefined, expect.stringContaining(id)])
    },
  )

  it.each(['&#0;', '&#x0000000000;', '&#xD83D;', '\0', '&#xFFFD;'])(
    'makes two leads of two people when the id is damaged by %j',
    async (character) => {
      const id = `<id source="portal.example">a${character}b</id><requestdate>2026-11-29T10:00:00Z</requestdate>`
      const one = await push(adf(id))
      const other = await push(adf(id, '<name>Bo Lund</name><email>bo.lund@example.com</email>'))
      expect([one.body.duplicate, other.body.duplicate]).toEqual([false, false])
    },
  )

  it('is read when it is still in quoted-printable', async () => {
    const { customer, externalReference, warnings } = await lead(
      `<?xml version=3D"1.0" encoding=3D"UTF-8"?>\r\n<adf><prospect>\r\n<id sequence=3D"1" source=3D"mail.example">4711</id>\r\n<customer><contact><name part=3D"full">J=C3=B8rgen M=C3=B8ller</name><email>jorgen@example=\r\n.com</email></contact></customer></prospect></adf>`,
    )
    expect(customer).toMatchObject({
      name: { full: 'Jørgen Møller' },
      emails: [{ address: 'jorgen@example.com', verdict: 'plausible' }],
    })
    expect(externalReference).toEqual({ source: 'mail.example', id: '4711' })
    expect(warnings.map(({ code }: { code: string }) => code)).toEqual(['adf-wrapped'])
  })

  it('is read when it names its document type', async () => {
    const { customer, warnings } = await lead(`<!DOCTYPE adf>${adf('').replace(/<\?.*?\?>/g, '')}`)
    expect([customer.name, warnings]).toEqual([{ full: 'Ida Holm' }, []])
  })

  it.each([
    ['249k', { amount: '249000', currency: 'DKK' }],
    ['85 tkr', { amount: '85000', currency: 'DKK' }],
    ['1,25 mio', { amount: '1250000', currency: 'DKK' }],
  ])('costs %s with the word of size', async (said, price) => {
    const { vehiclesOfInterest } = await lead(volvo(`<price currency="DKK">${said}</price>`))
    expect(vehiclesOfInterest[0].price).toEqual(price)
  })

  it.each([
    ['<odometer units="km">61k</odometer>', { value: 61000, unit: 'km' }],
    ['<odometer>61 tkm</odometer>', { value: 61000, unit: 'km' }],
    ['<odometer unit="MILES">12000</odometer>', { value: 12000, unit: 'mi' }],
    ['<mileage unit="mi">12000</mileage>', { value: 12000, unit: 'mi' }],
    ['<odometer units="parsec">7</odometer>', undefined],
    ['<odometer units="km">7 miles</odometer>', undefined],
  ])('has run what %s says, or what nobody knows', async (said, odometer) => {
    const { vehiclesOfInterest, warnings, extra = {} } = await lead(volvo(said))
    expect(vehiclesOfInterest[0].odometer).toEqual(odometer)
    if (odometer) return expect(codes({ warnings })).toEqual(said.includes(`>${odometer.value}<`) ? [] : ['converted'])
    expect(codes({ warnings })).toEqual(['number-odd'])
    expect(JSON.stringify(extra['/adf/prospect/vehicle/odometer'])).toContain('"7')
  })

  it('is from the contact that is to be used', async () => {
    const { customer } = await lead(
      adf('').replace(
        '<contact>',
        '<contact primarycontact="0"><name part="full">Bo Lund</name><email>bo.lund@example.com</email></contact><contact primarycontact="1">',
      ),
    )
    expect(customer.name).toEqual({ full: 'Ida Holm' })
    expect(customer.emails.map(({ address }: { address: string }) => address)).toEqual([
      'ida.holm@example.com',
      'bo.lund@example.com',
    ])
  })

  it('is not about a new vehicle when nobody said so', async () => {
    const { vehiclesOfInterest } = await lead(volvo('<year>2009</year>', ''))
    expect(vehiclesOfInterest).toEqual([{ make: 'Volvo', model: 'V60', modelYear: 2009, role: 'buy' }])
  })

  it.each([
    ['2026-11-29T10:00:00 EST', '2026-11-29T15:00:00.000Z'],
    ['2026-11-29T10:00:00 CET', '2026-11-29T09:00:00.000Z'],
    ['2026-11-29T10:00:00+99:00', undefined],
    ['2026-11-29T10:00:00 XYZ', undefined],
  ])('was sent at %s, by its own zone or never by another', async (said, submittedAt) => {
    const sent = await lead(adf(`<requestdate>${said}</requestdate>`))
    expect(sent.submittedAt).toBe(submittedAt)
    if (submittedAt === undefined) expect(JSON.stringify(sent.extra)).toContain(said)
  })

  it('has comments without their markup', async () => {
    const { message } = await lead(adf('<comments><![CDATA[Hej<br />Er den ledig?<br />Hilsen Ida]]></comments>'))
    expect(message).toBe('Hej\nEr den ledig?\nHilsen Ida')
  })

  it.each(['trade', 'Trade In', 'tradein', 'trade_in', 'part-exchange'])(
    'hands in a vehicle with interest="%s", for which it has both prices',
    async (interest) => {
      const { tradeIns, vehiclesOfInterest, type } = await lead(
        volvo(
          '<price type="appraisal" currency="DKK">50000</price><price type="asking" currency="DKK">65000</price>',
          `interest="${interest}" status="used"`,
        ),
      )
      expect(type).toBe('trade_in')
      expect(vehiclesOfInterest).toEqual([])
      expect(tradeIns).toEqual([
        {
          make: 'Volvo',
          model: 'V60',
          condition: 'used',
          price: { amount: '50000', currency: 'DKK' },
          wantedPrice: { amount: '65000', currency: 'DKK' },
        },
      ])
    },
  )

  it('is called in the country that the address names', async () => {
    const { customer } = await lead(
      adf(
        '',
        '<name>Eva Lind</name><phone>070-174 06 05</phone><address><city>Malmö</city><country>SE</country></address>',
      ),
    )
    expect(customer.phones).toEqual([
      { number: '070-174 06 05', type: 'mobile', e164: '+46701740605', verdict: 'valid' },
    ])
  })

  it('lives in a country in words', async () => {
    const { customer } = await lead(adf('', `${ida}<address><city>Odense</city><country>Danmark</country></address>`))
    expect(customer.address).toEqual({ city: 'Odense', countryCode: 'DK' })
  })

  it('says nothing where there is a word for nothing', async () => {
    const { customer, message, extra } = await lead(
      adf(
        '<comments>null</comments>',
        '<name part="first">Ida</name><name part="last">Holm</name><email>None</email><phone>null</phone><phone type="cellphone">20123456</phone><address><street line="1">null</street><postalcode>5000</postalcode></address>',
      ),
    )
    expect(message).toBeUndefined()
    expect(customer).toMatchObject({
      name: { given: 'Ida', family: 'Holm' },
      emails: [],
      phones: [{ number: '20123456', type: 'mobile', e164: '+4520123456' }],
      address: { postalCode: '5000' },
    })
    expect([customer.phones.length, customer.address.lines]).toEqual([1, undefined])
    expect(Object.values(extra)).toEqual(expect.arrayContaining(['null', 'None']))
  })

  it('is from the provider that stands beside the prospect', async () => {
    const { attribution, extra } = await lead(
      adf('').replace('</adf>', '<provider><name part="full">Bilportalen</name></provider></adf>'),
    )
    expect(attribution).toEqual({ source: 'Bilportalen' })
    expect(extra).toEqual({ '/adf/provider': { name: { '@part': 'full', '#text': 'Bilportalen' } } })
  })

  it.each(['stock', 'stocknumber', 'stock_number', 'stock-no', 'StockNo'])(
    'is about the vehicle with the stock number in <%s>',
    async (name) => {
      const { vehiclesOfInterest, warnings } = await lead(volvo(`<${name}>A-1042</${name}>`))
      expect([vehiclesOfInterest[0].stockNumber, warnings]).toEqual(['A-1042', []])
    },
  )
})
