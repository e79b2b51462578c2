// What a lead is made of, as its contract says, written down once more: whoever looks for faults of the reading must
// not look through its eyes.

export type Shape = Leaf | { list: Shape; max: number } | { object: Readonly<Record<string, Shape>> }

export interface Leaf {
  leaf:
    | 'text'
    | 'free'
    | 'email'
    | 'phone'
    | 'country'
    | 'time'
    | 'amount'
    | 'currency'
    | 'number'
    | 'year'
    | 'flag'
    | 'word'
  /** What is usually written there: see `usual` in texts.ts. */
  usually?: 'url' | 'source' | 'zone' | 'locale'
  /** The words of the contract, each with some others that mean it. */
  words?: Readonly<Record<string, readonly string[]>>
  /** What a word that is none of them becomes, if not left out. */
  otherwise?: string
  /** What is read when nothing is said. */
  silently?: string
}

const text: Leaf = { leaf: 'text' }
const free: Leaf = { leaf: 'free' }
const country: Leaf = { leaf: 'country' }
const time: Leaf = { leaf: 'time' }
const url: Leaf = { leaf: 'text', usually: 'url' }
const source: Leaf = { leaf: 'text', usually: 'source' }
const object = (members: Record<string, Shape>): Shape => ({ object: members })
const list = (shape: Shape, max: number): Shape => ({ list: shape, max })
const word = (
  words: Record<string, readonly string[]>,
  more: { otherwise?: string; silently?: string } = {},
): Leaf => ({ leaf: 'word', words, ...more })

export const phoneTypes = word(
  {
    mobile: ['mobil', 'cell', 'Mobile Phone'],
    landline: ['fastnet'],
    work: ['arbejde', 'business'],
    fax: [],
    other: ['telefon', 'home', 'phone', 'private'],
  },
  { otherwise: 'other' },
)
const unit = word({ km: ['kilometer', 'KM', 'kms', 'km.'], mi: ['miles', 'mile'] }, { silently: 'km' })
const money = object({ amount: { leaf: 'amount' }, currency: { leaf: 'currency' } })

const vehicle: Record<string, Shape> = {
  vin: text,
  registration: object({ number: text, countryCode: country }),
  stockNumber: text,
  listingId: text,
  listingUrl: url,
  make: text,
  model: text,
  variant: text,
  modelYear: { leaf: 'year' },
  condition: word({ new: ['ny', 'Brand New'], used: ['brugt', 'pre-owned'], demo: ['demobil'], certified: ['CPO'] }),
  odometer: object({ value: { leaf: 'number' }, unit }),
  fuel: text,
  transmission: text,
  colour: text,
  price: money,
  comments: free,
}

export const leadShape = {
  object: {
    type: word(
      {
        enquiry: ['inquiry', 'henvendelse'],
        test_drive: ['Test Drive', 'testdrive', 'prøvetur'],
        quote: ['tilbud'],
        purchase: ['køb', 'buy'],
        lease: ['leasing'],
        finance: ['finansiering'],
        subscription: ['abonnement'],
        reservation: ['reserve'],
        trade_in: ['trade-in', 'byttebil'],
        sell_to_dealer: ['sælg din bil'],
        callback: ['ring op', 'call-back'],
        service: ['værksted'],
        parts: ['reservedele'],
        other: ['andet'],
      },
      { otherwise: 'other', silently: 'enquiry' },
    ),
    message: free,
    customer: object({
      name: object({ given: text, family: text, full: text }),
      emails: list(object({ address: { leaf: 'email' } }), 10),
      phones: list(object({ number: { leaf: 'phone' }, type: phoneTypes }), 10),
      address: object({ lines: list(text, 5), postalCode: text, city: text, region: text, countryCode: country }),
    }),
    vehiclesOfInterest: list(
      object({
        ...vehicle,
        role: word(
          {
            buy: ['køb', 'purchase'],
            lease: ['leasing'],
            test_drive: ['prøvetur', 'Test drive'],
            subscribe: ['abonnement'],
            other: ['andet'],
          },
          { otherwise: 'other' },
        ),
      }),
      20,
    ),
    tradeIns: list(
      object({
        ...vehicle,
        conditionRating: word(
          {
            excellent: ['perfekt'],
            good: ['god'],
            fair: ['middel'],
            poor: ['dårlig'],
            unknown: ['ukendt'],
          },
          { otherwise: 'unknown' },
        ),
        outstandingFinance: object({ amount: money, lender: text }),
        wantedPrice: money,
      }),
      5,
    ),
    consents: list(
      object({
        purpose: word(
          {
            enquiry_handling: ['enquiry'],
            marketing: ['markedsføring'],
            finance_check: ['credit check'],
            data_sharing: ['datadeling'],
            profiling: [],
            other: ['andet'],
          },
          { otherwise: 'other' },
        ),
        channel: word(
          {
            email: ['E-mail'],
            sms: ['text'],
            phone: ['telefon'],
            post: ['brev'],
            messaging: ['WhatsApp'],
            any: ['alle'],
            other: ['andet'],
          },
          { otherwise: 'other' },
        ),
        state: word(
          {
            granted: ['accepted', 'opted-in'],
            denied: ['nej', 'no', 'false'],
            withdrawn: ['revoked'],
            unknown: ['ukendt'],
          },
          { otherwise: 'unknown', silently: 'unknown' },
        ),
        legalBasis: text,
        text: free,
        textVersion: text,
        textLocale: text,
        capturedAt: time,
        capturedVia: text,
        sourceUrl: url,
        ipAddress: text,
      }),
      20,
    ),
    attribution: object({
      source,
      medium: source,
      campaign: text,
      term: text,
      content: text,
      clickIds: object({ gclid: text, gbraid: text, wbraid: text, fbclid: text, msclkid: text }),
      campaignId: text,
      adGroupId: text,
      adId: text,
      formId: text,
      formName: text,
      landingPage: url,
      referrer: url,
    }),
    appointment: object({
      kind: word(
        {
          test_drive: ['prøvetur'],
          showroom: ['besøg'],
          video: ['videomøde'],
          call: ['opkald'],
          valuation: ['vurdering'],
          delivery: ['levering'],
          service: ['værksted'],
          other: ['andet'],
        },
        { otherwise: 'other' },
      ),
      requestedSlots: list(object({ start: time, end: time }), 10),
      timeZone: { leaf: 'text', usually: 'zone' },
      comments: free,
    }),
    externalReference: object({ source: text, id: text }),
    submittedAt: time,
    locale: { leaf: 'text', usually: 'locale' },
    test: { leaf: 'flag' },
  },
} as const satisfies Shape
