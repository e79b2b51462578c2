import { describe, expect, it } from 'vitest'
import { codes, kept, one, prospect, read, refusal, stored } from './adf-reading.ts'

// The rules of `leads-and-adf.md` 2.3, and the defects of ADF's own specification that make them necessary (2.2).

const plain = `<?xml version="1.0"?>
<?adf version="1.0"?>
<adf>
  <prospect status="new">
    <id sequence="1" source="p.example">7</id>
    <requestdate>2026-11-23T10:15:00+01:00</requestdate>
    <vehicle interest="trade-in" status="used"><year>2019</year><make>Volvo</make><model>V60</model></vehicle>
    <customer><contact primarycontact="1"><name part="full">Ida Holm</name><phone type="voice">20123456</phone></contact></customer>
  </prospect>
</adf>`

const upper = (document: string) =>
  document.replace(/<(\/?)(\w+)/g, (_all, slash: string, name: string) => `<${slash}${name.toUpperCase()}`)

describe('a document is the same lead', () => {
  const { data, ...rest } = stored(one(plain))
  const { extra: _, ...said } = data

  it.each([
    ['with processing instructions before its declaration', plain.replace(/(<\?xml.*\?>)\n(<\?adf.*\?>)/, '$2\n$1')],
    ['with <?XML', plain.replace('<?xml', '<?XML')],
    ['with a declaration of mixed quotes', plain.replace('<?xml version="1.0"', '<?XML VERSION \'1.0"')],
    ['with typographic quotes', plain.replace(/="(\w[\w.-]*)"/g, '=“$1”')],
    ['with the same typographic quote at both ends', plain.replace(/="(\w[\w.-]*)"/g, '=”$1”')],
    ['with single quotes', plain.replace(/="(\w[\w.-]*)"/g, "='$1'")],
    ['with no quotes', plain.replace(/="(\w[\w.-]*)"/g, '=$1')],
    ['with a wrong end tag', plain.replace('</model>', '</name>')],
    ['with a missing end tag', plain.replace('</prospect>', '')],
    ['without its envelope', plain.replaceAll(/<\/?adf>/g, '')],
    ['without its declarations', plain.replaceAll(/<\?.*\?>\n/g, '')],
    ['with prefixes', plain.replace(/<(\/?)(\w)/g, '<$1l:$2')],
    [
      'with prefixes that are declared',
      plain.replace(/<(\/?)(\w)/g, '<$1l:$2').replace('<l:adf', '<l:adf xmlns:l="urn:l"'),
    ],
    ['in upper case', upper(plain)],
    ['with attributes in upper case', plain.replace(/ (\w+)=/g, (_all, name: string) => ` ${name.toUpperCase()}=`)],
    ['with text before it', `New lead:\n${plain}`],
    ['with text after it', `${plain}\n--\nSent by the portal`],
    ['with blanks before it', `\r\n \t${plain}`],
    ['with a byte order mark', `\uFEFF${plain}`],
    ['in another order', plain.replace(/(<id[^]*)(<customer>[^]*<\/customer>)/, '$2$1')],
    ['with comments between', plain.replaceAll('\n', '\n<!-- <!DOCTYPE a [ ]> -->')],
    ['within another', `<soap:Envelope xmlns:soap="urn:s"><soap:Body>${plain}</soap:Body></soap:Envelope>`],
    ['with a document type', `<!DOCTYPE adf>${plain}`],
    [
      'with a document type that is public',
      `<!DOCTYPE adf PUBLIC "-//A > B//DTD ADF 1.0//EN" "http://a.example/adf.dtd?a>b">${plain}`,
    ],
    ['with a document type of the system', `<!DOCTYPE adf SYSTEM 'adf_1_0.dtd'>${plain}`],
    ['with a document type without its last quote', `<!DOCTYPE adf SYSTEM "adf_1_0.dtd>${plain}`],
    ['with a document type in lower case and lines', `<!doctype adf\n  system\n  "adf.dtd"\n>${plain}`],
    ['with a document type within', plain.replace('<prospect', '<!DOCTYPE prospect><prospect')],
  ])('%s', (_what, document) => {
    const again = stored(one(document))
    const { extra: _extra, ...saidAgain } = again.data
    expect({ ...again, data: saidAgain, warnings: [] }).toEqual({ ...rest, data: said })
    expect(again.warnings.filter(({ code }) => code !== 'adf-form')).toEqual([])
  })

  it.each([
    ['with a declaration inside', '<!DOCTYPE adf [<!ENTITY x "y">]>'],
    ['with nothing inside', '<!DOCTYPE adf []>'],
    [
      'with an identifier and something inside',
      '<!DOCTYPE adf SYSTEM "adf.dtd" [<!ENTITY % x SYSTEM "file:///etc/passwd">%x;]>',
    ],
    ['with a quote that has no end', '<!DOCTYPE adf SYSTEM "a [<!ENTITY x "y">]>'],
    ['without an end', '<!DOCTYPE adf <a>'],
    ['that is an entity', '<!ENTITY x "y">'],
  ])('but not with a document type %s', (_what, doctype) =>
    expect(refusal(doctype + plain).message).toBe('body: declares elements or entities of its own, which are not read'),
  )
})

describe('an adf without a prospect', () => {
  it('is one, when it has a customer', () => {
    const lead = one(
      '<adf><id source="p.example">7</id><vehicle><make>Volvo</make></vehicle><customer><name>Ida Holm</name><email>a@b.example</email></customer><vendor>x</vendor></adf>',
    )
    expect(lead.input).toEqual({
      customer: { name: { full: 'Ida Holm' }, emails: [{ address: 'a@b.example' }] },
      vehiclesOfInterest: [{ make: 'Volvo', role: 'buy' }],
      externalReference: { source: 'p.example', id: '7' },
      extra: { '/adf/vendor': 'x' },
    })
    expect(lead.warnings).toEqual([])
  })

  it('is one, too, when the customer is in a lead', () => {
    const lead = one(
      '<adf><lead><id source="p.example">7</id><customer><name>Ida Holm</name><email>a@b.example</email></customer></lead></adf>',
    )
    expect(lead.input).toEqual({
      customer: { name: { full: 'Ida Holm' }, emails: [{ address: 'a@b.example' }] },
      externalReference: { source: 'p.example', id: '7' },
    })
  })

  it('is none without', () => expect(refusal('<adf><vendor>x</vendor></adf>').code).toBe('bad-request'))
})

describe('a character by its number', () => {
  it.each([
    [
      'in windows-1252, as HTML has it',
      'Hej &#150; er den ledig? &#x85; O&#146;Neill &#0128;',
      'Hej – er den ledig? … O’Neill €',
    ],
    ['where windows-1252 has none', 'a&#129;b', 'a\u0081b'],
  ])('is read %s', (_what, sent, read) => {
    const lead = prospect(
      `<customer><contact><email>a@b.example</email></contact><comments>${sent}</comments></customer>`,
    )
    expect([lead.input.message, codes(lead)]).toEqual([read, ['encoding-repaired']])
  })

  it('is read so in an attribute', () => {
    const lead = prospect('<id source="O&#146;Neill">7</id>')
    expect([lead.input.externalReference, codes(lead)]).toEqual([{ source: 'O’Neill', id: '7' }, ['encoding-repaired']])
  })
})

describe('what has no end', () => {
  it.each(['<!-- said', '<![CDATA[ said', '<?said'])('is text: %s', (text) => {
    const lead = one(
      `<adf><prospect><customer><contact><name>Ida ${text}</name><email>a@b.example</email></contact></customer></prospect></adf>`,
    )
    expect([lead.input.customer, codes(lead)]).toEqual([
      { name: { full: `Ida ${text}` }, emails: [{ address: 'a@b.example' }] },
      ['adf-form'],
    ])
  })
})

describe('what stands beside', () => {
  it('one prospect is meant to be in it', () => {
    const lead = one(
      '<adf><customer><contact><name>Ida Holm</name><phone>20123456</phone></contact></customer><prospect><vehicle><make>Volvo</make></vehicle></prospect><comments>Hello</comments></adf>',
    )
    expect(lead.input).toEqual({
      message: 'Hello',
      customer: { name: { full: 'Ida Holm' }, phones: [{ number: '20123456' }] },
      vehiclesOfInterest: [{ make: 'Volvo', role: 'buy' }],
    })
  })

  it('several is kept with the first, and who brought them brought all', () => {
    const leads = read(
      '<adf><provider><name>Portal</name></provider><prospect><provider><name>Own</name></provider></prospect><prospect/><customer><name>Ida</name></customer></adf>',
    )
    expect(leads.map(({ input }) => input.attribution?.source)).toEqual(['Own', 'Portal'])
    expect(leads.map(({ input }) => input.customer)).toEqual([{}, {}])
    expect(leads.map(kept)).toEqual([
      {
        '/adf/provider': { name: 'Portal' },
        '/adf/prospect/0/provider': { name: 'Own' },
        '/adf/customer': { name: 'Ida' },
      },
      {},
    ])
  })
})

describe('what has its name in another language', () => {
  it.each([
    ['da', 'fornavn efternavn telefonnummer mailadresse vej postnr by besked', 'mærke modell stelnummer lagernr farve'],
    [
      'no',
      'fornavn etternavn mobilnr epost gate postnummer poststed beskjed',
      'merke modell chassisnr lagernummer farge',
    ],
    [
      'sv',
      'förnamn efternamn mobiltelefon e-post gata postnummer ort meddelande',
      'märke modell chassinummer stockref färg',
    ],
    ['de', 'Vorname Nachname Handy E-Mail Straße PLZ Stadt Nachricht', 'Marke Modell Fahrgestellnummer stk Farbe'],
    [
      'nl',
      'voornaam achternaam telefoon emailadres straat postcode plaats opmerking',
      'merk model vin_nr stock_no kleur',
    ],
  ])('is read: %s', (_language, ofPerson, ofVehicle) => {
    const said = (names: string, values: string[]) =>
      names
        .split(' ')
        .map((name, at) => `<${name}>${values[at]}</${name}>`)
        .join('')
    const person = said(ofPerson, ['Ida', 'Holm', '20123456', 'a@b.example', 'Vej 1', '5000', 'Odense', 'Hej<br>Ida'])
    const car = said(ofVehicle, ['Volvo', 'V60', 'YV1ZW25UXG1234567', 'A-1042', 'Blue'])
    const { data, warnings } = stored(
      prospect(`<customer><contact>${person}</contact></customer><vehicle>${car}</vehicle>`),
    )
    expect(data).toMatchObject({
      message: 'Hej\nIda',
      customer: {
        name: { given: 'Ida', family: 'Holm' },
        emails: [{ address: 'a@b.example' }],
        phones: [{ e164: '+4520123456' }],
        address: { lines: ['Vej 1'], postalCode: '5000', city: 'Odense' },
      },
      vehiclesOfInterest: [
        { make: 'Volvo', model: 'V60', vin: 'YV1ZW25UXG1234567', stockNumber: 'A-1042', colour: 'Blue' },
      ],
    })
    expect(warnings.map(({ code }) => code)).toEqual(['markup-removed'])
  })
})

describe('a vehicle that is handed in', () => {
  const volvo = '<make>Volvo</make><model>V50</model>'
  it.each([
    `<vehicle interest="innbytte">${volvo}</vehicle>`,
    `<vehicle interest="Inbytesbil">${volvo}</vehicle>`,
    `<vehicle interest="Inzahlungnahme">${volvo}</vehicle>`,
    `<vehicle interest="P/X">${volvo}</vehicle>`,
    `<vehicle type="trade-in">${volvo}</vehicle>`,
    `<trade-in><vehicle>${volvo}</vehicle></trade-in>`,
    `<vehicle><interest>Trade</interest>${volvo}</vehicle>`,
  ])('is not wanted: %s', (said) => {
    const { input, warnings } = prospect(said)
    expect([input.tradeIns, input.vehiclesOfInterest, warnings]).toEqual([
      [{ make: 'Volvo', model: 'V50' }],
      undefined,
      [],
    ])
  })
})

describe('who is to be written to', () => {
  it.each([
    ['', 'isprimary="true"'],
    ['', 'primary-contact="ja"'],
    ['', 'primarycontact="primary"'],
    ['type="secondary"', 'type="primary"'],
  ])('is the contact that says so: %s, %s', (first, second) => {
    const lead = prospect(
      `<customer><contact ${first}><name>Bo</name><email>bo@b.example</email></contact><contact ${second}><name first="Ida" last="Holm"/><email>ida@b.example</email></contact></customer>`,
    )
    expect(lead.input.customer).toMatchObject({
      name: { given: 'Ida', family: 'Holm' },
      emails: [{ address: 'ida@b.example' }, { address: 'bo@b.example' }],
    })
  })
})

it('takes the id of a lead, and the address that is preferred', () => {
  const { input } = prospect(
    '<lead><id source="p.example">7</id></lead><customer><contact><address><city>Vejle</city></address><address preferred="1"><city>Odense</city></address></contact></customer>',
  )
  expect([input.externalReference, input.customer?.address]).toEqual([
    { source: 'p.example', id: '7' },
    { city: 'Odense' },
  ])
})

it('reads the parts of a name wherever they are said', () => {
  for (const name of [
    '<name first="Ida" last="Holm"/>',
    '<name type="first">Ida</name><name type="last">Holm</name>',
    '<name part="fname">Ida</name><name part="lname">Holm</name>',
    '<navn><fornavn>Ida</fornavn><etternavn>Holm</etternavn></navn>',
  ])
    expect(prospect(`<customer><contact>${name}</contact></customer>`).input.customer?.name).toEqual({
      given: 'Ida',
      family: 'Holm',
    })
})

describe('a provider', () => {
  it.each([
    '<vendor><provider><name>Portal</name></provider></vendor>',
    '<customer><provider><name>Portal</name></provider></customer>',
    '<provider name="Portal"/>',
    '<provider><company>Portal</company></provider>',
    '<kilde>Portal</kilde>',
  ])('has its name in %s', (said) => expect(prospect(said).input.attribution).toEqual({ source: 'Portal' }))
})

it('takes no instalment and no extra for the price', () => {
  for (const type of ['monthly', 'downpayment', 'rabat', 'discount']) {
    const { data } = stored(
      prospect(`<vehicle><make>Volvo</make><model>V60</model><price type="${type}">3995</price></vehicle>`),
    )
    expect([data.vehiclesOfInterest[0]?.price, data.extra]).toEqual([
      undefined,
      { '/adf/prospect/vehicle/price': { '@type': type, '#text': '3995' } },
    ])
  }
})

describe('comments', () => {
  it.each(['comments', 'comment', 'notes', 'note', 'message', 'description'])('may be called %s, anywhere', (name) => {
    const said = (text: string) => `<${name}>${text}</${name}>`
    const { data, warnings } = stored(
      one(
        `<adf>${said('e')}<prospect>${said('d')}<customer>${said('a')}<contact>${said('b')}<email>a@b.example</email></contact></customer><vehicle><make>Volvo</make><model>V60</model>${said('x')}</vehicle><vehicle>${said('z')}</vehicle></prospect></adf>`,
      ),
    )
    expect([data.message, data.vehiclesOfInterest[0]?.comments, warnings]).toEqual(['a\n\nb\n\nd\n\ne\n\nz', 'x', []])
  })

  it.each(['comments', 'notes', 'message', 'description'])('are one text with their markup in <%s>', (name) => {
    const lead = prospect(`<${name}>Hej<br>Er den <b>ledig</b>?<p>Hilsen</${name}>`)
    expect([lead.input.message, codes(lead)]).toEqual(['Hej<br>Er den <b>ledig</b>?<p>Hilsen', []])
    expect(stored(lead).data.message).not.toMatch(/<|>/)
  })

  it('may be the name of what a document stands in', () =>
    expect(codes(one(`<message><note>x</note>${plain.replace(/<\?.*\?>\n/g, '')}</message>`))).toEqual([
      'adf-name-unknown /message/note',
    ]))
})
