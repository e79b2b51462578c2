import { bare } from './text.ts'
import { vocabulary } from './vocabulary.ts'

// What people call the elements of ADF. A name with `=` implies an attribute.

const comments = ['comment', 'note', 'notes', 'message', 'description', 'remark', 'remarks']

const person = {
  name: [],
  'name part=full': ['fullname', 'contactname', 'customername'],
  'name part=first': ['first', 'firstname', 'given', 'givenname', 'forename', 'fornavn'],
  'name part=middle': ['middle', 'middlename', 'mellemnavn'],
  'name part=last': ['last', 'lastname', 'family', 'familyname', 'surname', 'efternavn'],
  'name part=suffix': ['suffix', 'namesuffix'],
  'name part=title': ['title', 'salutation', 'nametitle'],
  'name part=full type=business': [
    'company',
    'companyname',
    'business',
    'businessname',
    'organization',
    'organisation',
  ],
  email: ['emailaddress', 'mail'],
  phone: ['phonenumber', 'telephone', 'telephonenumber', 'tel', 'telefon', 'tlf'],
  'phone type=mobile': ['mobile', 'mobilephone', 'mobilenumber', 'mobil', 'cell', 'cellphone', 'cellnumber'],
  'phone type=home': ['homephone', 'dayphone', 'daytimephone', 'eveningphone'],
  'phone type=work': ['workphone', 'businessphone', 'officephone'],
  'phone type=fax': ['fax', 'faxnumber'],
  address: ['streetaddresses', 'postaladdress'],
  comments,
}

const address = vocabulary({
  street: ['streetaddress', 'streetname', 'address', 'addressline', 'line'],
  'street line=1': ['street1', 'address1', 'addressline1', 'line1'],
  'street line=2': ['street2', 'address2', 'addressline2', 'line2'],
  'street line=3': ['street3', 'address3', 'addressline3', 'line3'],
  apartment: ['apt', 'suite'],
  city: ['town', 'locality', 'by'],
  regioncode: ['region', 'state', 'statecode', 'province', 'county'],
  postalcode: ['postal', 'postcode', 'zip', 'zipcode', 'postnr', 'postnummer'],
  country: ['countrycode', 'land'],
})

const vehicles = {
  vehicle: ['vehicleofinterest', 'interestedvehicle', 'desiredvehicle', 'car'],
  'vehicle interest=trade-in': ['tradein', 'tradeinvehicle', 'tradevehicle', 'partexchange'],
}

interface Meaning {
  /** In ADF. */
  readonly name: string
  /** What the name that people use says beside. */
  readonly implied?: ReadonlyMap<string, string>
}

/** By the element that they stand in. */
const words: Record<string, ReadonlyMap<string, string>> = {
  prospect: vocabulary({
    ...person,
    ...vehicles,
    contact: [],
    id: ['leadid', 'prospectid'],
    requestdate: [
      'requestdatetime',
      'requesttime',
      'requested',
      'leaddate',
      'date',
      'datetime',
      'timestamp',
      'createdat',
      'submittedat',
    ],
    customer: ['buyer', 'consumer'],
    provider: ['providername', 'leadprovider', 'leadsource', 'source'],
    vendor: ['dealer'],
  }),
  customer: vocabulary({ ...person, ...vehicles, contact: [] }),
  contact: vocabulary(person),
  address,
  vehicle: vocabulary({
    condition: [],
    id: ['vehicleid', 'listingid', 'adid'],
    year: ['modelyear', 'yearmodel', 'vehicleyear'],
    make: ['manufacturer', 'brand', 'vehiclemake'],
    model: ['modelname', 'vehiclemodel'],
    vin: ['vinnumber', 'serial', 'serialnumber', 'chassisnumber', 'vehicleidentificationnumber'],
    stock: ['stocknumber', 'stockno', 'stocknr', 'stockid', 'stocknum'],
    trim: ['trimlevel', 'variant', 'version'],
    bodystyle: ['body', 'bodytype'],
    transmission: ['gearbox', 'transmissiontype'],
    odometer: ['odometerreading', 'mileage'],
    'odometer units=km': ['kilometers', 'kilometres', 'kilometer', 'kilometre', 'km'],
    'odometer units=mi': ['miles'],
    exteriorcolor: ['exteriorcolour', 'color', 'colour'],
    interiorcolor: ['interiorcolour'],
    registration: [
      'registrationnumber',
      'licenseplate',
      'licenceplate',
      'numberplate',
      'plate',
      'platenumber',
      'regno',
      'regnr',
    ],
    fuel: ['fueltype'],
    url: ['link', 'listingurl', 'vehicleurl', 'detailurl'],
    'price type=asking': ['askingprice'],
    'price type=msrp': ['msrp', 'listprice'],
    comments: [...comments, 'vehiclecomments'],
  }),
  finance: vocabulary({ lender: ['lienholder', 'financecompany'] }),
}

const dialects = new Map(Object.entries(words).map(([parent, each]) => [parent, meanings(each)]))

export const hasDialect = (parent: string): boolean => dialects.has(parent)

/** What ADF calls an element that stands in another; undefined when neither it nor anybody else knows it there. */
export function meaningOf(name: string, parent: string): Meaning | undefined {
  return dialects.get(parent)?.get(plain(name))
}

/** A name without what people put between its words. */
export const plain = (name: string): string => (/^[a-z\d]+$/.test(name) ? name : bare(name))

function meanings(words: ReadonlyMap<string, string>): ReadonlyMap<string, Meaning> {
  return new Map([...words].map(([called, word]) => [called, meaningIn(word)]))
}

function meaningIn(word: string): Meaning {
  const [name = '', ...said] = word.split(' ')
  // The cast: each has one `=`.
  return said.length === 0
    ? { name }
    : { name, implied: new Map(said.map((each) => each.split('=') as [string, string])) }
}
