import type { LeadInput } from '../generated/server/types.gen.ts'
import { randomFrom } from './seed.ts'

/*
 * People as a Danish dealer meets them: households with one number for several people, who move, marry, change numbers
 * and addresses, mistype, write from the address of their work, and are entered by salespeople with the address of the
 * dealer. None of them exists: names are put together by chance, addresses are of example domains, numbers run through
 * one block. The truth, who is who, comes with each lead.
 */

export interface Enquiry {
  /** Who it really was. */
  readonly person: number
  readonly lead: LeadInput
}

export interface Population {
  readonly enquiries: readonly Enquiry[]
  /** Addresses of people who work for the dealer. */
  readonly members: readonly string[]
  /** What each person is, for people who look at a miss. */
  readonly tell: (person: number) => string
}

type Chance = ReturnType<typeof chanceFrom>

function chanceFrom(seed: number) {
  const random = randomFrom(seed)
  const below = (count: number) => Math.floor(random() * count)
  return {
    is: (share: number) => random() < share,
    below,
    one: <T>(some: readonly T[]): T => {
      const found = some[below(some.length)]
      if (found === undefined) throw new Error('There is nothing to choose from')
      return found
    },
    /** The first ones come much more often than the last, as with names. */
    early: <T>(some: readonly T[]): T => {
      const found = some[Math.floor(random() ** 2.2 * some.length)]
      if (found === undefined) throw new Error('There is nothing to choose from')
      return found
    },
  }
}

const women =
  'Anne Mette Kirsten Hanne Anna Helle Susanne Lene Maria Marianne Inge Karen Lone Bente Camilla Pia Jette Charlotte Louise Birgit Kirstine Tina Ida Gitte Emma Julie Sofie Laura Christina Mathilde Sara Caroline Cecilie Line Freja Katrine Rikke Signe Maja Nanna Josefine Astrid Trine Stine Pernille Birthe Ellen Clara Alma Karla Agnes Vigga Olivia Frida Liva Nora Josephine Ella Lisbeth Elisabeth Margrethe Dorthe Åse Bodil Vibeke Merete Ulla Annette Jytte Tove Heidi Malene Sanne Winnie Kathrine Amalie Emilie Anne-Marie Lise Grethe Johanne Sørine Åshild Pærnille'.split(
    ' ',
  )
const men =
  'Peter Michael Lars Jens Thomas Henrik Søren Christian Martin Jan Morten Jesper Anders Hans Niels Mads Rasmus Per Mikkel Kasper Frederik Kim Jacob Bo Erik Ole Jørgen Brian Carsten Claus John Steen Torben Bent Kurt Finn Svend Poul Knud William Noah Oscar Carl Lucas Emil Oliver Victor Alexander Valdemar Malthe August Alfred Magnus Tobias Sebastian Mathias Simon Jonas Daniel Benjamin Nikolaj Philip Christoffer Jonathan Gustav Theodor Anton Villads Johannes Arthur Aksel Bjørn Åge Kjeld Preben Flemming Tommy Dennis Allan René André Zacharias Hans-Peter Viggo Otto Storm Bertram Elias Liam Kristian Jakob Erich'.split(
    ' ',
  )
const commonSurnames =
  'Nielsen Jensen Hansen Andersen Pedersen Christensen Larsen Sørensen Rasmussen Jørgensen Petersen Madsen Kristensen Olsen Thomsen Christiansen Poulsen Johansen Møller Mortensen Knudsen Jakobsen Mikkelsen Frederiksen Henriksen Laursen Lund Schmidt Holm Eriksen Clausen Simonsen Svendsen Andreasen Iversen Jeppesen Mogensen Jespersen Nissen Lauridsen Frandsen Østergaard Jepsen Kjær Carlsen Vestergaard Nørgaard Dahl Friis Søndergaard Bech Bak Krogh Skov Winther Overgaard Toft Kjeldsen Bertelsen Steffensen Hedegaard Munk Bruun Lorenzen Gregersen Dam Koch Thygesen Kofoed Brandt Holst Eskildsen Mathiesen Sommer Mørch Paulsen Krøyer Villadsen Ravn Juhl Hald'.split(
    ' ',
  )
const beginnings =
  'Kirke Øster Vester Nør Sønder Lille Store Mølle Skov Bak Bjerg Brod Damm Elle Eng Fisker Grøn Hav Høj Ild Kild Lind Lyng Mose Ny Over Rav Sand Skår Sten Strand Søn Torn Ulv Vand Ærø Åby'.split(
    ' ',
  )
const endings = 'gaard holm bjerg dal lund toft sted by mark strøm berg rup bæk kær vang skov å ager lev'.split(' ')
const surnames = [...commonSurnames, ...beginnings.flatMap((first) => endings.map((last) => first + last))]
const streets =
  'Skovvej Kirkevej Nygade Østergade Vestergade Strandvejen Møllevej Bakkevej Engvej Søndergade Birkevej Lyngvej Ærøgade Åboulevarden Rosenvej'.split(
    ' ',
  )
const towns = Array.from({ length: 220 }, (_, at) => ({ postalCode: String(1000 + at * 40), city: `By ${at}` }))
const providers = ['mail.example', 'post.example', 'customer.example', 'example.com', 'example.net', 'example.org']
const makes = ['Volvo EX30', 'Skoda Octavia', 'Ford Kuga', 'Toyota Yaris', 'VW Golf', 'Kia Niro']

interface Home {
  lines: string[]
  postalCode: string
  city: string
  landline: string | undefined
  /** An e-mail address of all of them. */
  email: string | undefined
}

interface Person {
  given: string
  middle: string | undefined
  family: string
  home: Home
  mobile: string | undefined
  email: string
  work: { email: string; phone: string } | undefined
  car: string | undefined
}

const householdShare = { landline: 0.25, email: 0.06 }
/** Between two enquiries of one person. */
const changes = { mobile: 0.04, email: 0.06, move: 0.07, surname: 0.03 }

/** Some thousand enquiries of people who come again; the same for the same seed. */
export function population(seed: number, enquiriesCount: number): Population {
  const chance = chanceFrom(seed)
  let numbers = 0
  // One block of mobile numbers and one of a town, each run through.
  const nextMobile = () => `20${String((numbers++ * 7919) % 1_000_000).padStart(6, '0')}`
  const nextLandline = () => `32${String((numbers++ * 7919 + 100_000) % 1_000_000).padStart(6, '0')}`
  const nextPlate = () =>
    `${chance.one([...'ABCDEHJLMNPRSTUVXYZ'])}${chance.one([...'ABCDEHJLMNPRSTUVXYZ'])}${String(numbers++ % 100_000).padStart(5, '0')}`

  const firms = Array.from({ length: Math.max(4, Math.round(enquiriesCount / 400)) }, (_, at) => ({
    // A large one, whose people all write from one address, is more than a stop value needs.
    email: `info@firma-${at}.example`,
    phone: nextLandline(),
    isLarge: at % 4 === 0,
  }))
  const members = Array.from({ length: 6 }, (_, at) => `saelger${at}@bilhuset.example`)
  const people: Person[] = []

  const newHome = (): Home => {
    const town = chance.early(towns)
    return {
      lines: [`${chance.one(streets)} ${1 + chance.below(180)}`],
      ...town,
      landline: chance.is(householdShare.landline) ? nextLandline() : undefined,
      email: chance.is(householdShare.email) ? `familien.${numbers++}@${chance.one(providers)}` : undefined,
    }
  }
  const newEmail = (given: string, family: string): string => {
    const name = [given, family].map((word) => plain(word.split(/[ -]/)[0] ?? '')).join(chance.one(['.', '', '_']))
    return `${name}${numbers++}@${chance.one(providers)}`
  }
  const newPerson = (given: string, family: string, home: Home): Person => {
    const firm = chance.one(firms)
    return {
      given,
      middle: chance.is(0.35) ? chance.early(surnames) : undefined,
      family,
      home,
      mobile: chance.is(0.96) ? nextMobile() : undefined,
      email: newEmail(given, family),
      work: chance.is(firm.isLarge ? 0.2 : 0.03) ? firm : undefined,
      car: chance.is(0.6) ? nextPlate() : undefined,
    }
  }
  const addHousehold = () => {
    const home = newHome()
    const family = chance.early(surnames)
    const taken = new Set<string>()
    const given = (names: readonly string[]): string => {
      for (;;) {
        const name = chance.early(names)
        // A son who is called like his father is rare.
        if (!taken.has(name) || chance.is(0.01)) {
          taken.add(name)
          return name
        }
      }
    }
    const size = chance.one([1, 1, 1, 2, 2, 2, 3, 4, 5])
    for (let at = 0; at < size; at++) {
      const names = at === 0 ? men : at === 1 ? women : chance.one([women, men])
      const person = newPerson(given(names), at === 1 && chance.is(0.4) ? chance.early(surnames) : family, home)
      // Children have the number of a parent, some of them.
      const parent = people.at(-at)
      if (at >= 2 && parent && chance.is(0.35)) person.mobile = parent.mobile
      people.push(person)
    }
  }

  const change = (person: Person) => {
    if (chance.is(changes.mobile) && person.mobile !== undefined) {
      // Numbers that are given back are given to somebody else in time.
      const heir = chance.is(0.1) ? chance.one(people) : undefined
      if (heir && heir.home !== person.home) heir.mobile = person.mobile
      person.mobile = nextMobile()
    }
    if (chance.is(changes.surname)) {
      const before = person.family
      person.family = chance.early(surnames)
      if (chance.is(0.5)) person.middle = before
    }
    if (chance.is(changes.email)) person.email = newEmail(person.given, person.family)
    if (chance.is(changes.move)) person.home = newHome()
  }

  const enquire = (person: Person): LeadInput => {
    const { home } = person
    const bySales = chance.is(0.04)
    const work = person.work && chance.is(0.3) ? person.work : undefined
    // Forms ask for both, mostly; who calls has a number alone.
    const reach = chance.below(100)
    const hasEmail = reach >= 8
    const hasPhone = reach < 84
    const email = bySales
      ? chance.one(members)
      : (work?.email ?? (home.email !== undefined && chance.is(0.5) ? home.email : person.email))
    const mobile = person.mobile ?? home.landline ?? nextMobile()
    const number = home.landline !== undefined && chance.is(0.2) ? home.landline : mobile
    const phones = [...(hasPhone ? [number] : []), ...(work && chance.is(0.5) ? [work.phone] : [])]
    return {
      type: chance.one(['test_drive', 'enquiry', 'quote', 'trade_in', 'service']),
      message: `Er ${chance.one(makes)} stadig til salg?`,
      customer: {
        ...(!chance.is(0.03) && { name: nameAsTyped(person, chance) }),
        ...(hasEmail && { emails: [{ address: emailAsTyped(email, chance) }] }),
        ...(phones.length > 0 && { phones: phones.map((each) => ({ number: numberAsTyped(each, chance) })) }),
        ...(chance.is(0.4) && {
          address: { lines: home.lines, postalCode: home.postalCode, city: home.city, countryCode: 'DK' },
        }),
      },
      ...(person.car !== undefined &&
        chance.is(0.3) && {
          tradeIns: [{ registration: { number: plateAsTyped(person.car, chance), countryCode: 'DK' } }],
        }),
    }
  }

  while (people.length < enquiriesCount / 2.5) addHousehold()
  const enquiries = Array.from({ length: enquiriesCount }, (): Enquiry => {
    // Some come again and again.
    const person = Math.floor(Math.min(0.999999, randomShare(chance)) * people.length)
    const found = people[person]
    if (!found) throw new Error('There is no such person')
    change(found)
    return { person, lead: enquire(found) }
  })
  return {
    enquiries,
    members,
    tell: (person) => JSON.stringify(people[person]),
  }
}

const randomShare = (chance: Chance): number => chance.below(1_000_000) / 1_000_000

/** As one writes it with a keyboard that has no Danish letters. */
const plain = (word: string): string =>
  word
    .toLowerCase()
    .replaceAll('æ', 'ae')
    .replaceAll('ø', 'oe')
    .replaceAll('å', 'aa')
    .normalize('NFD')
    .replace(/[^a-z]/g, '')

function nameAsTyped({ given, middle, family }: Person, chance: Chance) {
  let [first, last] = [given, family]
  if (chance.is(0.03)) first = shortened(first)
  if (chance.is(0.03)) first = `${first[0]}.`
  if (chance.is(0.06)) [first, last] = [foreign(first), foreign(last)]
  if (chance.is(0.02)) first = mistyped(first, chance)
  if (chance.is(0.02)) last = mistyped(last, chance)
  if (chance.is(0.08)) [first, last] = [first.toLowerCase(), last.toLowerCase()]
  else if (chance.is(0.03)) [first, last] = [first.toUpperCase(), last.toUpperCase()]
  const between = middle !== undefined && chance.is(0.4) ? middle : undefined
  if (chance.is(0.04)) return { given: first }
  if (chance.is(0.02)) return { given: last, family: first }
  if (chance.is(0.4)) {
    const whole = [first, between, last].filter((part) => part !== undefined).join(' ')
    return { full: chance.is(0.06) ? `${last}, ${first}` : whole }
  }
  return { given: between !== undefined && chance.is(0.5) ? `${first} ${between}` : first, family: last }
}

const foreign = (word: string): string =>
  word.replace(/[æøåÆØÅ]/g, (letter) => ({ æ: 'ae', ø: 'oe', å: 'aa', Æ: 'Ae', Ø: 'Oe', Å: 'Aa' })[letter] ?? letter)

const shorts: Record<string, string> = {
  Alexander: 'Alex',
  Benjamin: 'Ben',
  Christoffer: 'Chris',
  Frederik: 'Frede',
  Nikolaj: 'Niko',
  Sebastian: 'Seb',
  Katrine: 'Trine',
  Charlotte: 'Lotte',
  Susanne: 'Sanne',
  Margrethe: 'Grethe',
  Pernille: 'Nille',
  Michael: 'Mike',
}
const shortened = (given: string): string => shorts[given] ?? given

function mistyped(word: string, chance: Chance): string {
  if (word.length < 4) return word
  const at = 1 + chance.below(word.length - 2)
  const [before, letter, after, rest] = [word.slice(0, at), word[at] ?? '', word[at + 1] ?? '', word.slice(at + 2)]
  return chance.one([
    before + after + letter + rest,
    before + after + rest,
    before + letter + letter + after + rest,
    before + chance.one([...'aeinrst']) + after + rest,
  ])
}

function emailAsTyped(address: string, chance: Chance): string {
  if (chance.is(0.02)) return mistyped(address, chance)
  if (chance.is(0.05)) return address.toUpperCase()
  return chance.is(0.03) ? ` ${address} ` : address
}

function numberAsTyped(number: string, chance: Chance): string {
  const digits = chance.is(0.015) ? mistypedDigits(number, chance) : number
  const pairs = digits.replace(/(..)(?=.)/g, '$1 ')
  return chance.one([digits, pairs, `+45${digits}`, `+45 ${pairs}`, `0045${digits}`, pairs])
}

function mistypedDigits(number: string, chance: Chance): string {
  const at = 2 + chance.below(number.length - 2)
  return number.slice(0, at) + String(chance.below(10)) + number.slice(at + 1)
}

const plateAsTyped = (plate: string, chance: Chance): string =>
  chance.is(0.5) ? plate : chance.one([`${plate.slice(0, 2)} ${plate.slice(2)}`, plate.toLowerCase()])
