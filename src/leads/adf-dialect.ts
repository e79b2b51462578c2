import { bare } from './text.ts'
import { vocabulary } from './vocabulary.ts'

// What people call the elements of ADF. A name with `=` implies an attribute.

const spaced = (words: string): string[] => words.split(' ')

/** What people write as they like, markup and all. */
export const commentNames = [
  'comments',
  ...spaced('comment note notes message description remark remarks question questions enquiry inquiry'),
  ...spaced('customercomments usercomments leadcomments additionalcomments'),
  ...spaced(
    'besked beskjed bemærkning bemærkninger bemaerkning bemaerkninger bemerkning bemerkninger kommentar kommentarer kommentare spørgsmål',
  ),
  ...spaced('meddelande nachricht bemerkung bemerkungen frage bericht opmerking opmerkingen vraag'),
]
const comments = commentNames.slice(1)

const person = {
  name: spaced('navn namn naam'),
  'name part=full': ['fullname', 'contactname', 'customername'],
  'name part=first': spaced('first firstname fname given givenname forename fornavn fornamn förnamn vorname voornaam'),
  'name part=middle': ['middle', 'middlename', 'mellemnavn', 'mellomnavn', 'mellannamn'],
  'name part=last': spaced(
    'last lastname lname family familyname surname efternavn etternavn efternamn nachname familienname achternaam',
  ),
  'name part=suffix': ['suffix', 'namesuffix'],
  'name part=title': ['title', 'salutation', 'nametitle', 'titel', 'anrede', 'aanhef'],
  'name part=full type=business': spaced(
    'company companyname business businessname organization organisation firma firmanavn firmaname virksomhed bedrift företag bedrijf bedrijfsnaam',
  ),
  email: spaced(
    'emailaddress mail mailaddress email1 primaryemail contactemail customeremail epost epostadresse epostadress emailadresse emailadres mailadresse',
  ),
  phone: spaced(
    'phonenumber phoneno phone1 primaryphone contactphone contactnumber customerphone telephone telephonenumber tel telefon telefonnummer telefonnr tlf tlfnr tlfnummer telefoon telefoonnummer rufnummer',
  ),
  'phone type=mobile': spaced(
    'mobile mobilephone mobilephonenumber mobilenumber mobileno mobil mobilnummer mobilnr mobiltelefon mobiel cell cellphone cellphonenumber cellnumber handy handynummer gsm',
  ),
  'phone type=home': ['homephone', 'homephonenumber', 'dayphone', 'daytimephone', 'eveningphone'],
  'phone type=work': ['workphone', 'workphonenumber', 'businessphone', 'officephone'],
  'phone type=fax': ['fax', 'faxnumber'],
  address: spaced(
    'streetaddresses postaladdress mailingaddress homeaddress customeraddress adresse adress adres anschrift',
  ),
  comments,
}

const address = vocabulary({
  street: spaced(
    'streetaddress streetname address addressline line adresse adress adres vej vejnavn gade gate gata gatuadress strasse straße straat',
  ),
  'street line=1': ['street1', 'address1', 'addressline1', 'line1'],
  'street line=2': ['street2', 'address2', 'addressline2', 'line2'],
  'street line=3': ['street3', 'address3', 'addressline3', 'line3'],
  apartment: ['apt', 'suite'],
  city: spaced('town locality cityname by bynavn sted poststed postort stad ort stadt wohnort plaats woonplaats'),
  regioncode: ['region', 'state', 'statecode', 'province', 'county', 'bundesland', 'fylke', 'provincie'],
  postalcode: spaced('postal postcode zip zipcode postnr postnummer postkode plz postleitzahl'),
  country: ['countrycode', 'countryname', 'land', 'landekode', 'landkod', 'landcode'],
})

const vehicles = {
  vehicle: spaced(
    'vehicleofinterest interestedvehicle desiredvehicle requestedvehicle car køretøj koeretoej kjøretøy fordon fahrzeug voertuig bil',
  ),
  'vehicle interest=trade-in': spaced(
    'tradein tradeinvehicle tradevehicle partexchange byttebil indbytningsbil innbyttebil inbytesbil inzahlungnahme inruilauto',
  ),
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
    id: ['leadid', 'leadnumber', 'leadreference', 'prospectid'],
    requestdate: spaced(
      'requestdatetime requesttime requested leaddate date datetime timestamp created createdat createddate creationdate submitted submittedat submissiondate dato datum tidspunkt',
    ),
    customer: ['buyer', 'consumer', 'kunde', 'kund', 'klant'],
    provider: ['providername', 'leadprovider', 'leadsource', 'source', 'kilde', 'källa', 'quelle', 'bron'],
    vendor: ['dealer'],
  }),
  customer: vocabulary({ ...person, ...vehicles, contact: [] }),
  contact: vocabulary(person),
  address,
  vehicle: vocabulary({
    condition: ['tilstand', 'stand', 'skick', 'zustand'],
    id: spaced(
      'vehicleid listingid listingnumber adid adnumber advertid annonceid annonsid annonsenr finnkode finncode inseratid inseratnr',
    ),
    year: spaced(
      'modelyear yearmodel vehicleyear årgang argang aargang modelår årsmodell modellår modelljahr baujahr bouwjaar',
    ),
    make: spaced(
      'manufacturer brand vehiclemake carmake mærke maerke bilmærke merke bilmerke märke bilmärke marke merk fabrikat',
    ),
    model: ['modelname', 'vehiclemodel', 'carmodel', 'modell', 'bilmodel', 'bilmodell'],
    vin: spaced(
      'vinnumber vinno vinnr serial serialnumber chassis chassisnumber chassisno chassisnr chassinummer stelnummer stelnr understellsnummer fin fahrgestellnummer vehicleidentificationnumber',
    ),
    stock: spaced(
      'stocknumber stockno stocknr stockid stocknum stockref stockreference stk dealerstocknumber inventorynumber inventoryid inventoryno lagernummer lagernr',
    ),
    trim: ['trimlevel', 'variant', 'variante', 'version'],
    bodystyle: ['body', 'bodytype'],
    transmission: spaced(
      'gearbox transmissiontype gear gearkasse geartype girkasse växellåda vaxellada getriebe versnellingsbak',
    ),
    odometer: ['odometerreading', 'mileage', 'milage'],
    'odometer units=km': spaced(
      'kilometers kilometres kilometer kilometre km kilometrage kilometerstand kmstand kilometertal mileagekm odometerkm',
    ),
    'odometer units=mi': ['miles', 'mileagemiles', 'odometermiles'],
    'odometer units=mil': ['mil', 'miltal'],
    exteriorcolor: spaced('exteriorcolour color colour extcolor extcolour farve farge färg farg farbe kleur'),
    interiorcolor: ['interiorcolour'],
    registration: spaced(
      'registrationnumber registrationplate reg regno regnr regnummer registreringsnummer licenseplate licenceplate numberplate plate platenumber nummerplade vrm kennzeichen kenteken',
    ),
    fuel: spaced('fueltype drivmiddel drivmedel drivstoff brændstof braendstof bränsle kraftstoff brandstof'),
    url: spaced('link href listingurl vehicleurl detailurl weburl vdp vdpurl adurl annonceurl'),
    price: spaced('pris preis prijs saleprice sellingprice internetprice vehicleprice salgspris'),
    'price type=asking': ['askingprice'],
    'price type=msrp': ['msrp', 'listprice', 'retailprice'],
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
