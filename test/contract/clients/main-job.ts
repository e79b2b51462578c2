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
}

/** What an integration does: a web site pushes a lead, a DMS finds it, reads it and moves it to `in_progress`. */
export type MainJob = (baseUrl: string, keys: Keys) => Promise<Outcome>
