import { bare } from './text.ts'
import { buying, phoneTypes, testDrives, tradeIns, vocabulary } from './vocabulary.ts'

// What ADF 1.0 names.

export type Interest = 'buy' | 'lease' | 'test_drive' | 'trade_in' | 'sell'

/** Beside the words of ADF, those that people have for the same. */
export const interests = vocabulary<Interest>({
  buy: buying,
  lease: ['leasing'],
  test_drive: ['drive', ...testDrives],
  trade_in: [
    ...tradeIns,
    ...['trade', 'trades', 'trading', 'trade_ins', 'trade_in_vehicle', 'exchange', 'px', 'p/x', 'bytte', 'eintausch'],
    ...['appraisal', 'appraise', 'trade_appraisal', 'trade_in_appraisal'],
  ],
  sell: ['selling', 'sell_my_car', 'sell_to_dealer', 'sale', 'sælg', 'sælg_bil', 'sælg_din_bil', 'salg', 'verkaufen'],
})

export type NamePart = 'given' | 'middle' | 'family' | 'full' | 'beside' | 'unknown'

const parts = (part: NamePart, words: string) => words.split(' ').map((word): [string, NamePart] => [word, part])

/** The text of the specification has `suffix`, its DTD has `surname`. */
export const nameParts = new Map<string, NamePart>([
  ...parts('given', 'first firstname fname given givenname forename fornavn förnamn vorname voornaam'),
  ...parts('middle', 'middle middlename'),
  ...parts('family', 'last lastname lname surname family familyname efternavn etternavn efternamn nachname achternaam'),
  ...parts('full', 'full fullname'),
  ...parts('beside', 'suffix prefix title salutation'),
])

/**
 * The elements and @attributes of the elements that are read, as the DTD or the text of the specification has them.
 * Others within them cost a warning.
 */
const named = new Map<string, string>([
  ['adf', 'prospect'],
  ['prospect', 'id requestdate vehicle customer vendor provider comments @status'],
  [
    'vehicle',
    'id year make model vin stock trim doors bodystyle transmission odometer condition colorcombination imagetag price pricecomments option finance comments @interest @status',
  ],
  ['id', '@sequence @source'],
  ['odometer', '@status @units @unit'],
  ['requestdate', '@timezone'],
  ['colorcombination', 'interiorcolor exteriorcolor preference'],
  ['price', '@type @currency @delta @relativeto @source'],
  ['balance', '@type @currency'],
  ['customer', 'contact id timeframe comments'],
  ['contact', 'name email phone address comments @primarycontact'],
  ['name', '@part @type'],
  ['email', '@preferredcontact'],
  ['phone', '@type @time @besttime @preferredcontact'],
  ['address', 'street apartment city regioncode postalcode country url @type'],
  ['street', '@line'],
])

const yes = '1 true yes y ja'
const no = '0 false no n nej'

/** The words of the attributes that a lead has no place for; those that it has are judged as those of every lead. */
const words = new Map<string, string>([
  ['prospect@status', 'new resend'],
  ['vehicle@interest', [...interests.keys()].join(' ')],
  ['odometer@status', 'unknown rolledover replaced original'],
  ['price@type', 'quote offer msrp invoice call appraisal asking'],
  ['price@delta', 'absolute relative percentage'],
  ['price@relativeto', 'msrp invoice'],
  ['amount@type', 'downpayment monthly total'],
  ['amount@limit', 'maximum minimum exact'],
  ['balance@type', 'finance residual'],
  ['name@part', [...nameParts.keys()].join(' ')],
  ['name@type', 'individual business'],
  ['contact@primarycontact', `${yes} ${no}`],
  ['email@preferredcontact', `${yes} ${no}`],
  ['phone@preferredcontact', `${yes} ${no}`],
  ['phone@type', [...phoneTypes.keys(), 'pager'].join(' ')],
  ['phone@time', 'morning afternoon evening day nopreference'],
  ['address@type', 'work home delivery'],
])

const namedIn = new Map([...named].map(([name, inner]) => [name, new Set(inner.split(' '))]))

/** Whether ADF names an element, or an `@attribute`, within another. */
export const isNamedIn = (parent: string, name: string): boolean => namedIn.get(parent)?.has(name) ?? false

export const isYes = (word: string) => [...yes.split(' '), 'primary', 'preferred'].includes(bare(word))
export const isNo = (word: string) => no.split(' ').includes(bare(word))
export const isWord = (attribute: string, word: string) =>
  words.get(attribute)?.split(' ').includes(bare(word)) ?? false
/** Not that it is none of the words of the attribute. */
export const isKnown = (attribute: string, word: string) => !words.has(attribute) || isWord(attribute, word)
