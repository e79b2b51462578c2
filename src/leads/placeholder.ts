import { bare } from './text.ts'

/** What senders write who have to write something. */
const placeholders = new Set(
  ' na n/a none null nil undefined unknown notspecified unspecified notprovided notavailable notapplicable fullline any anymodel tbd ukendt ikkeangivet'.split(
    ' ',
  ),
)

export const isPlaceholder = (text: string) => placeholders.has(bare(text).replace(/^[-.?*]+$/, ''))
