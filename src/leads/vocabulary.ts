import type { LeadType, Phone } from '../../generated/server/types.gen.ts'
import { bare } from './text.ts'

/** The words of a vocabulary with their synonyms; upper case, blanks, hyphens and underscores make no difference. */
export function vocabulary<Word extends string>(synonyms: Record<Word, readonly string[]>): ReadonlyMap<string, Word> {
  // Object.entries forgets the type of the names.
  const words = Object.entries(synonyms) as [Word, readonly string[]][]
  return new Map(
    words.flatMap(([word, others]) =>
      [word, ...[word, ...others].map(bare)].map((each): [string, Word] => [each, word]),
    ),
  )
}

// Keys are the words of the contract; beside them what people say instead.

export const testDrives = ['prøvetur', 'prøvekørsel', 'prøvekjøring', 'provkörning', 'probefahrt', 'proefrit']
export const tradeIns = [
  'part_exchange',
  ...['byttebil', 'indbytte', 'indbytning', 'innbytte', 'innbyttebil', 'inbyte', 'inbytesbil'],
  ...['inzahlungnahme', 'inruil', 'inruilauto'],
]
export const buying = ['purchase', 'buying', 'køb', 'kjøp', 'köp', 'kauf', 'kaufen', 'koop', 'kopen']

export const leadTypes = vocabulary<LeadType>({
  enquiry: ['inquiry', 'contact', 'question', 'forespørgsel', 'henvendelse', 'kontakt'],
  test_drive: testDrives,
  quote: ['quotation', 'offer', 'tilbud'],
  purchase: ['buy', ...buying],
  lease: ['leasing'],
  finance: ['financing', 'finansiering', 'loan', 'lån'],
  subscription: ['subscribe', 'abonnement'],
  reservation: ['reserve', 'reserver'],
  trade_in: tradeIns,
  sell_to_dealer: ['sell', 'sell_my_car', 'sælg', 'sælg_bil', 'sælg_din_bil'],
  callback: ['call_me', 'ring_op', 'ring_mig_op'],
  service: ['værksted', 'workshop'],
  parts: ['spare_parts', 'reservedele'],
  other: ['andet'],
})

export const phoneTypes = vocabulary<Phone['type']>({
  mobile: ['mobil', 'mobile_phone', 'mobiltelefon', 'cell', 'cell_phone', 'cellular', 'handy', 'gsm', 'mobiel'],
  landline: ['fixed', 'fixed_line', 'fastnet', 'fasttelefon', 'festnetz', 'vast'],
  work: ['business', 'office', 'arbejde', 'arbeid', 'arbete', 'jobb', 'geschäftlich', 'werk'],
  fax: ['telefax'],
  // Today's home number may be mobile: these words say nothing about the line.
  other: ['phone', 'telephone', 'telefon', 'voice', 'home', 'private', 'privat', 'hjem'],
})

export const conditions = vocabulary({
  new: ['brand_new', 'ny', 'nyt', 'ny_bil', 'fabriksny', 'neu', 'neuwagen', 'neufahrzeug', 'nieuw'],
  used: [
    ...['second_hand', 'pre_owned', 'brugt', 'brugt_bil', 'brukt', 'brukt_bil', 'begagnad', 'begagnat', 'begagnad_bil'],
    ...['gebraucht', 'gebrauchtwagen', 'gebraucht_fahrzeug', 'gebruikt', 'tweedehands', 'occasion'],
  ],
  demo: ['demonstrator', 'demo_car', 'demobil', 'vorführwagen'],
  certified: ['certified_pre_owned', 'cpo'],
})

export const conditionRatings = vocabulary({
  excellent: ['very_good', 'perfekt', 'som_ny', 'meget_god'],
  good: ['god'],
  fair: ['average', 'rimelig', 'middel'],
  poor: ['bad', 'dårlig'],
  unknown: ['ukendt'],
})

export const roles = vocabulary({
  buy: buying,
  lease: ['leasing'],
  test_drive: testDrives,
  subscribe: ['subscription', 'abonnement'],
  other: ['andet'],
})

export const purposes = vocabulary({
  enquiry_handling: ['inquiry_handling', 'enquiry', 'inquiry'],
  marketing: ['markedsføring'],
  finance_check: ['credit_check', 'kreditvurdering'],
  data_sharing: ['datadeling'],
  profiling: ['profilering'],
  other: ['andet'],
})

export const channels = vocabulary({
  email: [],
  sms: ['text', 'text_message'],
  phone: ['telephone', 'telefon', 'call'],
  post: ['postal', 'letter', 'brev'],
  messaging: ['messenger', 'whatsapp'],
  any: ['all', 'alle'],
  other: ['andet'],
})

// Generous towards a refusal, narrow towards a consent: it has to be proven one day.
export const consentStates = vocabulary({
  granted: ['given', 'accepted', 'opted_in', 'givet'],
  denied: ['refused', 'rejected', 'declined', 'not_granted', 'opted_out', 'opt_out', 'no', 'false', 'nej', 'afvist'],
  withdrawn: ['revoked', 'tilbagekaldt', 'trukket_tilbage'],
  unknown: ['ukendt'],
})

export const appointmentKinds = vocabulary({
  test_drive: testDrives,
  showroom: ['visit', 'showroom_visit', 'besøg'],
  video: ['video_call', 'videoopkald', 'videomøde'],
  call: ['phone', 'phone_call', 'opkald'],
  valuation: ['appraisal', 'vurdering'],
  delivery: ['handover', 'levering', 'udlevering'],
  service: ['workshop', 'værksted'],
  other: ['andet'],
})
