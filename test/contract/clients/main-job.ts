/** An API key: its id is the OAuth `client_id`, the whole key the `client_secret`. */
export interface Key {
  readonly id: string
  readonly secret: string
}

export interface Keys {
  /** A key for digital requests. */
  readonly websiteKey: Key
  /** A key for extensive integrations. */
  readonly dmsKey: Key
}

export interface Outcome {
  readonly created: { readonly id: string; readonly duplicate: boolean; readonly warnings: number }
  /** The ids on the first page of test drives. */
  readonly listed: readonly string[]
  readonly etag: string
  readonly updated: { readonly id: string; readonly status: string; readonly version: number }
  /** What the feed had of the lead, page by page: the types that the program knows, and how many it passed over. */
  readonly events: { readonly known: readonly string[]; readonly passedOver: number }
}

/**
 * What an integration does: a web site pushes a lead, a DMS finds it, reads it, moves it to `in_progress` and pages
 * through the events.
 */
export type MainJob = (baseUrl: string, keys: Keys) => Promise<Outcome>

export const eventsPerPage = 1

/** The events of a lead, sorted as an integration does that was written when there were these two types. */
export function sorted(types: readonly string[]): Outcome['events'] {
  const known = types.filter((type) => type === 'lead.created' || type === 'lead.updated')
  return { known, passedOver: types.length - known.length }
}
