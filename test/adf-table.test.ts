import { describe, expect, it } from 'vitest'
import { codes, contact, handedIn, kept, one, prospect, stored, tradeIn, vehicle, wanted } from './adf-reading.ts'

// Every row of the table of ADF (`leads-and-adf.md` 2.1), and the rules of 2.3, against what a person would read.

const mail = '<customer><contact><email>a@b.example</email></contact></customer>'
const data = (inner: string) => stored(prospect(inner + mail)).data

describe('the table: prospect and its id', () => {
  it.each([
    ['', false],
    ['new', false],
    ['NEW', false],
    ['resend', true],
    ['Resend', true],
  ])('status="%s" says whether it was sent before', (status, resend) => {
    const lead = prospect('<id source="p.example">7</id>', ` status="${status}"`)
    expect([lead.resend, lead.warnings]).toEqual([resend, []])
  })

  it('keeps a status that ADF does not have', () => {
    const lead = prospect('', ' status="hot"')
    expect([kept(lead), codes(lead)]).toEqual([
      { '/adf/prospect/@status': 'hot' },
      ['adf-word-unknown /adf/prospect/@status'],
    ])
  })

  it.each([
    ['id', '<id sequence="1" source="p.example">7</id>'],
    ['leadid', '<leadid source="p.example">7</leadid>'],
    ['lead_id', '<lead_id source="p.example">7</lead_id>'],
    ['lead-id', '<lead-id source="p.example">7</lead-id>'],
  ])('has an external reference in <%s>, in it or beside it', (_name, id) => {
    const named = id.startsWith('<id') ? [] : [`<adf><prospect><customer>${id}</customer></prospect></adf>`]
    for (const document of [`<adf><prospect>${id}</prospect></adf>`, `<adf>${id}<prospect/></adf>`, ...named]) {
      const lead = one(document)
      expect([lead.input.externalReference, kept(lead), lead.warnings]).toEqual([
        { source: 'p.example', id: '7' },
        {},
        [],
      ])
    }
  })

  it('never has that of its customer, who may come again', () => {
    const lead = prospect('<customer><id source="crm.example">K-19</id></customer>')
    expect(lead.input).not.toHaveProperty('externalReference')
    expect(kept(lead)).toEqual({
      '/adf/prospect/customer/id': { '@source': 'crm.example', '#text': 'K-19' },
    })
  })
})

describe('the table: requestdate', () => {
  it.each(['requestdate', 'request_date', 'RequestDateTime', 'leaddate', 'timestamp'])('may be called %s', (name) => {
    const lead = prospect(`<${name}>20261123T101500+0100</${name}>`)
    expect([stored(lead).submittedAt, codes(lead)]).toEqual(['2026-11-23T09:15:00.000Z', []])
  })

  it.each([
    ['<requestdate timezone="EST">2026-11-29T10:00:00</requestdate>', '2026-11-29T15:00:00.000Z'],
    ['<requestdate gmtoffset="-5">2026-11-29T10:00:00</requestdate>', '2026-11-29T15:00:00.000Z'],
    ['<requestdate tz="America/New_York">2026-11-29 10:00</requestdate>', '2026-11-29T15:00:00.000Z'],
    ['<requestdate offset="-05:00">20261129T100000</requestdate>', '2026-11-29T15:00:00.000Z'],
    ['<requestdate timezone="CET">2026-11-29T10:00:00-05:00</requestdate>', '2026-11-29T15:00:00.000Z'],
    ['<requestdate timezone="somewhere">2026-11-29T10:00:00</requestdate>', undefined],
  ])('may have its zone in an attribute: %s', (said, submittedAt) =>
    expect(stored(prospect(said)).submittedAt).toBe(submittedAt),
  )

  it('may stand beside the prospect', () => {
    const lead = one('<adf><requestdate>2026-11-23T10:15:00+01:00</requestdate><prospect/></adf>')
    expect(stored(lead).submittedAt).toBe('2026-11-23T09:15:00.000Z')
  })
})

describe('the table: vehicle', () => {
  it('has a member for each of its elements, or keeps it', () => {
    const lead = vehicle(
      '<id source="p.example">L-1</id><year>2024</year><vin>YV1ZZZZZZZZ000001</vin><stock>A-1</stock><trim>Ultra</trim><doors>5</doors><bodystyle>SUV</bodystyle><transmission>automatic</transmission><odometer units="km">12500</odometer><condition>good</condition><colorcombination><exteriorcolor>Blue</exteriorcolor></colorcombination><imagetag width="640">https://i.example/1.jpg</imagetag><price currency="DKK">249900.00</price><pricecomments>With delivery</pricecomments><option><optionname>Tow bar</optionname><weighting>-80</weighting></option><finance><method>cash</method></finance><comments>Hello</comments>',
      'interest="lease" status="used"',
    )
    const { data: read, warnings } = stored(lead)
    expect(read.vehiclesOfInterest).toEqual([
      {
        vin: 'YV1ZZZZZZZZ000001',
        stockNumber: 'A-1',
        listingId: 'L-1',
        make: 'Volvo',
        model: 'EX30',
        variant: 'Ultra',
        modelYear: 2024,
        odometer: { value: 12500, unit: 'km' },
        transmission: 'automatic',
        colour: 'Blue',
        condition: 'used',
        price: { amount: '249900.00', currency: 'DKK' },
        comments: 'Hello',
        role: 'lease',
      },
    ])
    expect(read.extra).toEqual({
      '/adf/prospect/vehicle/id/@source': 'p.example',
      '/adf/prospect/vehicle/doors': '5',
      '/adf/prospect/vehicle/bodystyle': 'SUV',
      '/adf/prospect/vehicle/condition': 'good',
      '/adf/prospect/vehicle/imagetag': { '@width': '640', '#text': 'https://i.example/1.jpg' },
      '/adf/prospect/vehicle/pricecomments': 'With delivery',
      '/adf/prospect/vehicle/option': { optionname: 'Tow bar', weighting: '-80' },
      '/adf/prospect/vehicle/finance': { method: 'cash' },
    })
    expect(warnings).toEqual([])
  })

  it.each([
    ['', 'buy'],
    ['interest="buy"', 'buy'],
    ['interest=""', 'buy'],
    ['interest="Purchase"', 'buy'],
    ['interest="lease"', 'lease'],
    ['interest="leasing"', 'lease'],
    ['interest="test-drive"', 'test_drive'],
    ['interest="testdrive"', 'test_drive'],
    ['interest="Test_Drive"', 'test_drive'],
    ['interest="TEST DRIVE"', 'test_drive'],
  ])('is wanted with %s', (attributes, role) => {
    const lead = stored(vehicle('', attributes))
    expect([lead.data.vehiclesOfInterest, lead.data.tradeIns, lead.warnings]).toEqual([
      [{ make: 'Volvo', model: 'EX30', role }],
      [],
      [],
    ])
  })

  it.each([
    ['sell', 'sell_to_dealer'],
    ['Sell My Car', 'sell_to_dealer'],
    ['selling', 'sell_to_dealer'],
    ['trade-in', 'trade_in'],
    ['tradein', 'trade_in'],
    ['Trade In', 'trade_in'],
    ['trade_in', 'trade_in'],
    ['trade', 'trade_in'],
    ['part-exchange', 'trade_in'],
    ['partexchange', 'trade_in'],
    ['Part Exchange', 'trade_in'],
  ])('is handed in with interest="%s"', (interest, type) => {
    const lead = stored(vehicle('', `interest="${interest}"`))
    expect([lead.type, lead.data.vehiclesOfInterest, lead.data.tradeIns, lead.warnings]).toEqual([
      type,
      [],
      [{ make: 'Volvo', model: 'EX30' }],
      [],
    ])
  })

  it('has an unknown interest as text, and is told from others by theirs, wherever they stand', () => {
    const lead = stored(
      prospect(
        '<vehicle interest="trade-in"><make>Fiat</make></vehicle><vehicle interest="borrow"><make>Opel</make></vehicle><vehicle><make>Volvo</make></vehicle>',
      ),
    )
    expect(lead.data.vehiclesOfInterest.map(({ make, role }) => [make, role])).toEqual([
      ['Opel', 'other'],
      ['Volvo', 'buy'],
    ])
    expect(lead.data.tradeIns.map(({ make }) => make)).toEqual(['Fiat'])
    expect(lead.data.extra).toEqual({ '/vehiclesOfInterest/0/role': 'borrow' })
  })

  it.each([
    ['status="new"', 'new'],
    ['status="Used"', 'used'],
    ['status="pre-owned"', 'used'],
    ['status="demo"', 'demo'],
    ['', undefined],
    ['status=""', undefined],
  ])('is %s only if that was said', (attributes, condition) =>
    expect(stored(vehicle('', attributes)).data.vehiclesOfInterest[0]?.condition).toBe(condition),
  )

  it.each(['excellent', 'good', 'fair', 'poor', 'unknown'])('that is handed in is %s', (condition) =>
    expect(stored(tradeIn(`<condition>${condition}</condition>`)).data.tradeIns[0]?.conditionRating).toBe(
      condition === 'unknown' ? undefined : condition,
    ),
  )

  it('says nothing in an attribute that is a word for nothing, and keeps it', () => {
    const lead = vehicle(
      '<odometer units="null">12000</odometer><price currency="N/A">1</price>',
      'interest="null" status="none"',
    )
    expect(stored(lead).data.vehiclesOfInterest).toEqual([
      { make: 'Volvo', model: 'EX30', odometer: { value: 12000, unit: 'km' }, price: { amount: '1' }, role: 'buy' },
    ])
    expect(kept(lead)).toEqual({
      '/adf/prospect/vehicle/@interest': 'null',
      '/adf/prospect/vehicle/@status': 'none',
      '/adf/prospect/vehicle/odometer/@units': 'null',
      '/adf/prospect/vehicle/price/@currency': 'N/A',
    })
  })

  it('is new or used, when its condition says that', () => {
    expect(stored(vehicle('<condition>Used</condition>')).data.vehiclesOfInterest[0]?.condition).toBe('used')
    expect(handedIn(tradeIn('<condition>used</condition>'))).toEqual({
      make: 'Volvo',
      model: 'EX30',
      condition: 'used',
    })
  })

  it.each([
    ['stock', 'stockNumber'],
    ['stocknumber', 'stockNumber'],
    ['stock_number', 'stockNumber'],
    ['StockNo', 'stockNumber'],
    ['stock-no', 'stockNumber'],
    ['vin', 'vin'],
    ['serial', 'vin'],
    ['serial_number', 'vin'],
    ['trim', 'variant'],
    ['TrimLevel', 'variant'],
    ['transmission', 'transmission'],
    ['color', 'colour'],
    ['fuel', 'fuel'],
    ['url', 'listingUrl'],
    ['vehicleid', 'listingId'],
  ])('says in <%s> what its %s is', (name, member) => {
    const lead = vehicle(`<${name}>X1</${name}>`)
    expect([wanted(lead), lead.warnings]).toEqual([{ make: 'Volvo', model: 'EX30', role: 'buy', [member]: 'X1' }, []])
  })

  it.each(['year', 'modelyear', 'model_year', 'ModelYear'])('is of the year in <%s>', (name) =>
    expect(wanted(vehicle(`<${name}>2019</${name}>`))?.modelYear).toBe(2019),
  )

  it.each(['make', 'manufacturer', 'brand'])('is of the make in <%s>', (name) =>
    expect(wanted(prospect(`<vehicle><${name}>Saab</${name}><modelname>900</modelname></vehicle>`))).toEqual({
      make: 'Saab',
      model: '900',
      role: 'buy',
    }),
  )

  it.each(['registration', 'licenseplate', 'license_plate', 'numberplate'])('has the plate in <%s>', (name) =>
    expect(wanted(vehicle(`<${name} country="DK">AB 12 345</${name}>`))?.registration).toEqual({
      number: 'AB 12 345',
      countryCode: 'DK',
    }),
  )

  it('may have its elements as attributes, and its attributes as elements', () => {
    expect(
      prospect(
        '<vehicle make="Volvo" model="V60" year="2019"><interest>trade-in</interest><status>used</status></vehicle>',
      ).input.tradeIns,
    ).toEqual([{ make: 'Volvo', model: 'V60', modelYear: 2019, condition: 'used' }])
  })

  it('may have the text of its elements one level off', () => {
    const lead = tradeIn(
      '<odometer><value>45000</value><units>mi</units></odometer><price><amount>50000</amount><currency>DKK</currency><type>asking</type></price>',
    )
    expect([handedIn(lead), lead.warnings]).toEqual([
      {
        make: 'Volvo',
        model: 'EX30',
        odometer: { value: 45000, unit: 'mi' },
        wantedPrice: { amount: '50000', currency: 'DKK' },
      },
      [],
    ])
    expect(
      contact(
        '<phones><phone><number>20123456</number><type>fax</type></phone></phones><email><address>a@b.example</address></email>',
      ).input.customer,
    ).toEqual({ emails: [{ address: 'a@b.example' }], phones: [{ number: '20123456', type: 'fax' }] })
  })

  it('may stand in the customer, in a list, or under the name of what it is for', () => {
    const { input } = prospect(
      '<customer><vehicle><make>Volvo</make></vehicle></customer><vehicles><vehicle><make>Opel</make></vehicle></vehicles><trade_in><make>Fiat</make></trade_in>',
    )
    expect(input.vehiclesOfInterest?.map((each) => each?.make)).toEqual(['Opel', 'Volvo'])
    expect(input.tradeIns).toEqual([{ make: 'Fiat' }])
  })

  it.each([
    '<vehicle/>',
    '<vehicle interest="buy"><year/><make> </make></vehicle>',
    '<vehicle><make>Full Line</make><model>Not specified</model></vehicle>',
    '<vehicle><make>null</make><model>null</model></vehicle>',
    '<vehicle><year>0</year><make>N/A</make><odometer units="km">0</odometer><price>0.00</price></vehicle>',
  ])('is none in %s', (inner) => expect(data(inner)).toMatchObject({ vehiclesOfInterest: [], tradeIns: [] }))
})

describe('the table: odometer', () => {
  it.each([
    ['<odometer units="km">45.000</odometer>', { value: 45000, unit: 'km' }],
    ['<odometer units="mi">45,000</odometer>', { value: 45000, unit: 'mi' }],
    ['<odometer units="miles">45000</odometer>', { value: 45000, unit: 'mi' }],
    ['<odometer unit="MILES">12000</odometer>', { value: 12000, unit: 'mi' }],
    ['<odometer>45 000 km</odometer>', { value: 45000, unit: 'km' }],
    ['<odometer units="km">61k</odometer>', { value: 61000, unit: 'km' }],
    ['<mileage>61 tkm</mileage>', { value: 61000, unit: 'km' }],
    ['<miles>12000</miles>', { value: 12000, unit: 'mi' }],
    ['<odometer uom="miles">12000</odometer>', { value: 12000, unit: 'mi' }],
    ['<odometer><value>12000</value><unit>mi</unit></odometer>', { value: 12000, unit: 'mi' }],
    ['<kilometers>12000</kilometers>', { value: 12000, unit: 'km' }],
    ['<odometer>0</odometer>', { value: 0, unit: 'km' }],
  ])('%s', (said, odometer) => {
    const lead = stored(tradeIn(said))
    const isPlain = said.includes(`>${odometer.value}<`)
    expect([lead.data.tradeIns[0]?.odometer, lead.warnings.map(({ code }) => code)]).toEqual([
      odometer,
      isPlain ? [] : ['converted'],
    ])
  })

  it.each(['unknown', 'rolledover', 'replaced', 'original'])('keeps its status %s', (status) => {
    const lead = tradeIn(`<odometer status="${status}" units="km">1</odometer>`)
    expect([kept(lead), codes(lead)]).toEqual([{ '/adf/prospect/vehicle/odometer/@status': status }, []])
  })
})

describe('the table: colorcombination', () => {
  it('is the colour outside that is liked best; everything else is kept', () => {
    const lead = vehicle(
      '<colorcombination><interiorcolor>Indigo</interiorcolor><exteriorcolor>Blue</exteriorcolor><preference>2</preference></colorcombination><colorcombination><interiorcolor>Mist</interiorcolor><exteriorcolor>Black</exteriorcolor><preference>1</preference></colorcombination>',
    )
    expect([wanted(lead)?.colour, kept(lead), lead.warnings]).toEqual([
      'Black',
      {
        '/adf/prospect/vehicle/colorcombination/0': { interiorcolor: 'Indigo', exteriorcolor: 'Blue', preference: '2' },
        '/adf/prospect/vehicle/colorcombination/1/interiorcolor': 'Mist',
        '/adf/prospect/vehicle/colorcombination/1/preference': '1',
      },
      [],
    ])
  })
})

describe('the table: price', () => {
  it.each(['quote', 'offer', 'msrp', 'invoice', 'call', 'appraisal', 'asking'])(
    'of type %s, when it is the only one, is that of a wanted vehicle, and its type is kept',
    (type) => {
      const lead = vehicle(`<price type="${type}" currency="DKK">249900</price>`)
      expect([wanted(lead)?.price, kept(lead), lead.warnings]).toEqual([
        { amount: '249900', currency: 'DKK' },
        { '/adf/prospect/vehicle/price/@type': type },
        [],
      ])
    },
  )

  it.each([
    ['asking', 'wantedPrice'],
    ['appraisal', 'price'],
    ['quote', 'price'],
    ['offer', 'price'],
    ['msrp', 'price'],
    ['', 'price'],
  ])('of type "%s" of a vehicle that is handed in is its %s', (type, member) =>
    expect(handedIn(tradeIn(`<price type="${type}" currency="DKK">50000</price>`))).toEqual({
      make: 'Volvo',
      model: 'EX30',
      [member]: { amount: '50000', currency: 'DKK' },
    }),
  )

  it.each([
    [['msrp', 'quote'], 'quote'],
    [['invoice', 'msrp'], 'msrp'],
    [['quote', 'asking'], 'asking'],
    [['offer', ''], ''],
    [['call', 'invoice'], 'invoice'],
  ])('of several of types %j the one of type "%s" is that of a wanted vehicle; the others are kept', (some, type) => {
    const lead = vehicle(some.map((each, at) => `<price type="${each}">${at + 1}</price>`).join(''))
    const other = 1 - some.indexOf(type)
    expect(wanted(lead)?.price).toEqual({ amount: String(some.indexOf(type) + 1) })
    expect(kept(lead)).toMatchObject({
      [`/adf/prospect/vehicle/price/${other}`]: { '@type': some[other], '#text': String(other + 1) },
    })
    expect(codes(lead)).toEqual([`adf-repeated /adf/prospect/vehicle/price/${other}`])
  })

  it.each([
    ['<price delta="relative" relativeto="msrp">-500</price>'],
    ['<price delta="percentage" relativeto="invoice">5</price>'],
    ['<price relativeto="msrp">500</price>'],
    ['<price>-5 %</price>'],
    ['<price>-500</price>'],
    ['<price>5%</price>'],
    ['<price>Call us!</price>'],
  ])('is no amount, but kept, in %s', (said) => {
    const { data: read } = stored(vehicle(said))
    expect(read.vehiclesOfInterest[0]).not.toHaveProperty('price')
    expect(JSON.stringify(read.extra)).toContain(/>(.*)</.exec(said)?.[1])
  })

  it('has its currency beside it or in it, and no other', () => {
    const price = (said: string) => stored(vehicle(said)).data.vehiclesOfInterest[0]?.price
    expect(price('<price currency="dkk">100</price>')).toEqual({ amount: '100', currency: 'DKK' })
    expect(price('<price>100 EUR</price>')).toEqual({ amount: '100', currency: 'EUR' })
    expect(price('<price currency="kroner">100</price>')).toEqual({ amount: '100', currency: 'DKK' })
    expect(price('<price>100</price>')).toEqual({ amount: '100' })
  })
})

describe('the table: finance', () => {
  const finance =
    '<finance><method>finance</method><amount type="downpayment" currency="DKK">20000</amount><amount type="monthly" limit="maximum">2500</amount><balance type="finance" currency="DKK">23500.50</balance></finance>'

  it('of a wanted vehicle is kept whole', () => {
    const lead = vehicle(finance)
    expect(lead.warnings).toEqual([])
    expect(kept(lead)).toEqual({
      '/adf/prospect/vehicle/finance': {
        method: 'finance',
        amount: [
          { '@type': 'downpayment', '@currency': 'DKK', '#text': '20000' },
          { '@type': 'monthly', '@limit': 'maximum', '#text': '2500' },
        ],
        balance: { '@type': 'finance', '@currency': 'DKK', '#text': '23500.50' },
      },
    })
  })

  it.each([
    ['balance', '<finance><balance currency="DKK">9</balance></finance>'],
    ['balance of type finance', '<finance><balance type="finance" currency="DKK">9</balance></finance>'],
    ['balance of the vehicle', '<balance currency="DKK">9</balance>'],
  ])('of a vehicle that is handed in has in its %s what is owed', (_what, said) =>
    expect(handedIn(tradeIn(said))?.outstandingFinance).toEqual({ amount: { amount: '9', currency: 'DKK' } }),
  )

  it('may say who lends, and what is left at the end, which nobody owes', () => {
    expect(handedIn(tradeIn('<finance><lender>Bank</lender></finance>'))?.outstandingFinance).toEqual({
      lender: 'Bank',
    })
    const residual = tradeIn('<finance><balance type="residual">9</balance></finance>')
    expect(handedIn(residual)).not.toHaveProperty('outstandingFinance')
    expect(kept(residual)).toEqual({
      '/adf/prospect/vehicle/finance': { balance: { '@type': 'residual', '#text': '9' } },
    })
  })
})

describe('the table: customer, contact', () => {
  it.each(['1', 'true', 'Yes'])('comes first with primarycontact="%s"', (yes) => {
    const { input } = prospect(
      `<customer><contact><name>Bo</name><phone>1</phone></contact><contact primarycontact="${yes}"><name>Ida</name><phone>2</phone></contact></customer>`,
    )
    expect([input.customer?.name, input.customer?.phones]).toEqual([
      { full: 'Ida' },
      [{ number: '2' }, { number: '1' }],
    ])
  })

  it('comes after another with primarycontact="0"', () =>
    expect(
      prospect(
        '<customer><contact primarycontact="0"><name>Bo</name></contact><contact><name>Ida</name></contact></customer>',
      ).input.customer?.name,
    ).toEqual({ full: 'Ida' }))

  it.each(['1', 'true', 'yes'])('is reached first by what has preferredcontact="%s"', (yes) => {
    const lead = contact(
      `<email>a@b.example</email><email preferredcontact="${yes}">c@d.example</email><phone preferredcontact="0">1</phone><phone preferredcontact="${yes}">2</phone>`,
    )
    expect([lead.input.customer?.emails, lead.input.customer?.phones, lead.warnings]).toEqual([
      [{ address: 'c@d.example' }, { address: 'a@b.example' }],
      [{ number: '2' }, { number: '1' }],
      [],
    ])
    expect(kept(lead)).toMatchObject({ '/adf/prospect/customer/contact/phone/1/@preferredcontact': yes })
  })

  it.each([
    [
      '<timeframe><description>Soon</description><earliestdate>2026-12-01</earliestdate><latestdate>2026-12-24</latestdate></timeframe>',
      { description: 'Soon', earliestdate: '2026-12-01', latestdate: '2026-12-24' },
    ],
    ['<timeframe>Soon</timeframe>', 'Soon'],
  ])('keeps %s', (timeframe, value) => {
    const lead = prospect(`<customer>${timeframe}</customer>`)
    expect([kept(lead), lead.warnings]).toEqual([{ '/adf/prospect/customer/timeframe': value }, []])
  })
})

describe('the table: name', () => {
  it.each([
    ['<name>Ida Holm</name>', { full: 'Ida Holm' }],
    ['<name part="full">Ida Holm</name>', { full: 'Ida Holm' }],
    [
      '<name part="first">Ida</name><name part="middle">Marie</name><name part="last">Holm</name>',
      { given: 'Ida Marie', family: 'Holm' },
    ],
    ['<name part="surname">Holm</name><name part="First Name">Ida</name>', { given: 'Ida', family: 'Holm' }],
    ['<firstname>Ida</firstname><last_name>Holm</last_name>', { given: 'Ida', family: 'Holm' }],
    ['<FullName>Ida Holm</FullName>', { full: 'Ida Holm' }],
    ['<name><first>Ida</first><last>Holm</last></name>', { given: 'Ida', family: 'Holm' }],
    ['<name type="individual">Ida Holm</name>', { full: 'Ida Holm' }],
    ['<name type="business">Holm ApS</name>', { full: 'Holm ApS' }],
    ['<company>Holm ApS</company>', { full: 'Holm ApS' }],
  ])('in %s is %o', (inner, name) => {
    const lead = contact(inner)
    expect([lead.input.customer?.name, lead.warnings]).toEqual([name, []])
  })

  it('of a person comes before that of a business, and titles are kept beside', () => {
    const lead = contact(
      '<name part="full" type="business">Holm ApS</name><name part="title">Dr.</name><name part="first">Ida</name><name part="last">Holm</name><name part="suffix">Jr.</name>',
    )
    expect(lead.input.customer?.name).toEqual({ given: 'Ida', family: 'Holm' })
    expect(kept(lead)).toEqual({
      '/adf/prospect/customer/contact/name/0': { '@part': 'full', '@type': 'business', '#text': 'Holm ApS' },
      '/adf/prospect/customer/contact/name/1': { '@part': 'title', '#text': 'Dr.' },
      '/adf/prospect/customer/contact/name/4': { '@part': 'suffix', '#text': 'Jr.' },
    })
    expect(codes(lead)).toEqual(['adf-repeated /adf/prospect/customer/contact/name/0'])
  })

  it('is not put together from those of two', () => {
    const lead = contact(
      '<name part="first">Ida</name><name part="last">Holm</name><name part="first">Bo</name><name part="last">Lund</name>',
    )
    expect(lead.input.customer?.name).toEqual({ given: 'Ida', family: 'Holm' })
    expect(codes(lead)).toEqual([
      'adf-repeated /adf/prospect/customer/contact/name/2',
      'adf-repeated /adf/prospect/customer/contact/name/3',
    ])
  })
})

describe('the table: email, phone', () => {
  it.each(['email', 'e-mail', 'EmailAddress', 'email_address'])('has the address in <%s>', (name) =>
    expect(contact(`<${name}>a@b.example</${name}>`).input.customer?.emails).toEqual([{ address: 'a@b.example' }]),
  )

  it.each([
    ['<phone>20123456</phone>', 'other'],
    ['<phone type="voice">20123456</phone>', 'other'],
    ['<phone type="phone">20123456</phone>', 'other'],
    ['<phone type="fax">20123456</phone>', 'fax'],
    ['<phone type="cellphone">20123456</phone>', 'mobile'],
    ['<phone type="cell">20123456</phone>', 'mobile'],
    ['<telephone>20123456</telephone>', 'other'],
    ['<cell>20123456</cell>', 'mobile'],
    ['<mobile>20123456</mobile>', 'mobile'],
    ['<mobile_phone>20123456</mobile_phone>', 'mobile'],
    ['<workphone>20123456</workphone>', 'work'],
    ['<fax>20123456</fax>', 'fax'],
  ])('%s is of type %s', (said, type) => {
    const lead = stored(contact(said))
    expect([lead.data.customer.phones, lead.warnings]).toEqual([
      [{ number: '20123456', type, e164: '+4520123456', verdict: 'valid' }],
      [],
    ])
  })

  it.each([
    ['time', 'morning'],
    ['time', 'afternoon'],
    ['time', 'evening'],
    ['time', 'day'],
    ['time', 'nopreference'],
    ['besttime', 'evening'],
  ])('keeps %s="%s"', (attribute, word) => {
    const lead = contact(`<phone ${attribute}="${word}">20123456</phone>`)
    expect([kept(lead), lead.warnings]).toEqual([{ [`/adf/prospect/customer/contact/phone/@${attribute}`]: word }, []])
  })
})

describe('the table: address', () => {
  it.each([
    ['street', 'city', 'regioncode', 'postalcode', 'country'],
    ['streetaddress', 'town', 'state', 'zip', 'country'],
    ['address1', 'city', 'region', 'zip_code', 'CountryCode'],
    ['street', 'city', 'province', 'Postal', 'country'],
    ['street1', 'city', 'county', 'post-code', 'country'],
  ])('in <%s>, <%s>, <%s>, <%s> and <%s>', (street, city, region, postal, country) => {
    const parts = `<${street}>Havnegade 1</${street}><${city}>Odense</${city}><${region}>Fyn</${region}><${postal}>5000</${postal}><${country}>DK</${country}>`
    for (const inner of [`<address>${parts}</address>`, parts]) {
      const lead = contact(inner)
      expect([lead.input.customer?.address, lead.warnings]).toEqual([
        { lines: ['Havnegade 1'], postalCode: '5000', city: 'Odense', region: 'Fyn', countryCode: 'DK' },
        [],
      ])
    }
  })

  it.each(['work', 'home', 'delivery'])('keeps its type %s', (type) =>
    expect(kept(contact(`<address type="${type}"><city>Odense</city></address>`))).toEqual({
      '/adf/prospect/customer/contact/address/@type': type,
    }),
  )

  it('has its streets in the order of their lines, the apartment last', () =>
    expect(
      contact(
        '<address><street line="2">b</street><street line="10">d</street><street line="1">a</street><apartment>12</apartment><street line="5">c</street></address>',
      ).input.customer?.address,
    ).toEqual({ lines: ['a', 'b', 'c', 'd', '12'] }))
})

describe('the table: vendor, provider', () => {
  it('keeps the vendor whole', () => {
    const lead = prospect(
      '<vendor><id source="x">D-1</id><vendorname>Nordhavn</vendorname><url>https://n.example</url><contact><firstname>Bo</firstname></contact></vendor>',
    )
    expect([kept(lead), lead.warnings]).toEqual([
      {
        '/adf/prospect/vendor': {
          id: { '@source': 'x', '#text': 'D-1' },
          vendorname: 'Nordhavn',
          url: 'https://n.example',
          contact: { firstname: 'Bo' },
        },
      },
      [],
    ])
  })

  it.each([
    '<provider><name part="full">Bilportalen</name></provider>',
    '<provider><name>Bilportalen</name><service>Test drives</service></provider>',
    '<provider><name part="full">null</name><name>Bilportalen</name></provider>',
    '<provider>Bilportalen</provider>',
    '<provider><providername>Bilportalen</providername></provider>',
    '<provider><contact><name>Bilportalen</name></contact></provider>',
    '<provider><service>Bilportalen</service></provider>',
    '<providername>Bilportalen</providername>',
    '<leadsource>Bilportalen</leadsource>',
    '<provider><name part="first">Bilportalen</name><name part="last"/></provider>',
  ])('is what brought the customer in %s, in the prospect or beside it', (provider) => {
    for (const document of [`<adf><prospect>${provider}</prospect></adf>`, `<adf><prospect/>${provider}</adf>`])
      expect(one(document).input.attribution).toEqual({ source: 'Bilportalen' })
  })
})
