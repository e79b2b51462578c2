import type { Knex } from 'knex'
import { contactIn } from '../leads/contact.ts'
import type { SearchedText } from '../leads/store.ts'
import { isSimilar } from './names.ts'
import * as store from './store.ts'
import { markedFor } from './terms.ts'
import { queryOf, soundsOf, type Typed, typedIn } from './typed.ts'

/** What threes of letters are looked up by; names in other scripts are found by their beginnings. */
const comparable = /^[a-z\d]{4,}$/

/** Leads that fit a text are those that have all of it, or whose customer has; undefined when it says nothing. */
export async function leadsQueryOf(
  db: Knex,
  dealerId: string,
  test: boolean,
  text: string,
  country: string,
): Promise<SearchedText | undefined> {
  const typed = typedIn(text)
  if (!typed) return undefined
  const query = queryOf(typed, [], markedFor(dealerId, test), await othersOf(db, dealerId, test, typed))
  const contact = contactIn(text, country)
  return { ...query, ...(contact && { contact }) }
}

/** Names in which a word of the text stands, or, if no name begins so either, that are one error apart from it. */
export async function othersOf(
  db: Knex,
  dealerId: string,
  test: boolean,
  typed: Typed,
): Promise<Map<string, string[]>> {
  const sounds = soundsOf(typed).filter((sound) => comparable.test(sound))
  const found = sounds.length === 0 ? [] : await store.findWords(db, dealerId, test, sounds)
  const meant = found.filter(({ sound, word, is_near }) => !is_near || isSimilar(sound, word))
  return new Map(
    [...Map.groupBy(meant, ({ sound }) => sound)].map(([sound, words]) => [sound, words.map(({ word }) => word)]),
  )
}
