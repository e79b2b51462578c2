import { bare } from './text.ts'

// What ADF 1.0 names.

export type Interest = 'buy' | 'lease' | 'test_drive' | 'trade_in' | 'sell'

export const interests = new Map<string, Interest>([
  ['buy', 'buy'],
  ['lease', 'lease'],
  ['testdrive', 'test_drive'],
  ['tradein', 'trade_in'],
  ['sell', 'sell'],
])

export type NamePart = 'given' | 'middle' | 'family' | 'full' | 'beside' | 'unknown'

/** The text of the specification has `suffix`, its DTD has `surname`. */
export const nameParts = new Map<string, NamePart>([
  ['first', 'given'],
  ['given', 'given'],
  ['middle', 'middle'],
  ['last', 'family'],
  ['surname', 'family'],
  ['family', 'family'],
  ['full', 'full'],
  ['suffix', 'beside'],
  ['title', 'beside'],
])

/**
 * The elements and @attributes of the elements that are read, as the DTD or the text of the specification has them.
 * Others within them cost a warning.
 */
export const named = new Map<string, string>([
  ['adf', 'prospect'],
  ['prospect', 'id requestdate vehicle customer vendor provider comments @status'],
  [
    'vehicle',
    'id year make model vin stock trim doors bodystyle transmission odometer condition colorcombination imagetag price pricecomments option finance comments @interest @status',
  ],
  ['odometer', '@status @units'],
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

/** The words of the attributes that a lead has no place for; those that it has are judged as those of every lead. */
const words = new Map<string, string>([
  ['prospect@status', 'new resend'],
  ['vehicle@interest', 'buy lease sell tradein testdrive'],
  ['odometer@status', 'unknown rolledover replaced original'],
  ['price@type', 'quote offer msrp invoice call appraisal asking'],
  ['price@delta', 'absolute relative percentage'],
  ['price@relativeto', 'msrp invoice'],
  ['amount@type', 'downpayment monthly total'],
  ['amount@limit', 'maximum minimum exact'],
  ['balance@type', 'finance residual'],
  ['name@part', [...nameParts.keys()].join(' ')],
  ['name@type', 'individual business'],
  ['contact@primarycontact', '0 1'],
  ['email@preferredcontact', '0 1'],
  ['phone@preferredcontact', '0 1'],
  ['phone@time', 'morning afternoon evening day nopreference'],
  ['address@type', 'work home delivery'],
])

export const isKnown = (attribute: string, word: string) =>
  words.get(attribute)?.split(' ').includes(bare(word)) ?? true
